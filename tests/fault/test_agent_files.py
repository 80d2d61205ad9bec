# SPDX-License-Identifier: MPL-2.0
"""Files of an agent that only some enrolments and a renewal write: `policy.new` (a policy by its
hash), `enrolment` (a token that a client made) and `tls.renewed`. The disk takes none of them, or the
agent is killed at it; then it is done again, and the agent is there as any other."""
import errno
import json
import os
import re
import signal

import pytest

import faultlib
import platformlib as lib
from faultlib import ALWAYS, Agent, KILL, wait_for

MONITOR = "mig-agent"
ERRORS = {"file.open": errno.EROFS, "file.write": errno.ENOSPC, "file.sync": errno.EIO,
          "file.rename": errno.ENOSPC}
FILES = ["/policy.new", "/enrolment"]
RENAMED = 12        # files of such an enrolment that are put into place
QUICK = {("/policy.new", "file.write"), ("/enrolment", "file.rename")}
QUICK_KILLS = {("/enrolment", "file.write")}


def cases(calls, quick):
    for file in FILES:
        for call in calls:
            yield pytest.param(file, call, marks=() if (file, call) in quick else pytest.mark.long)


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("files"), ())
    p.hash = re.search(r"--policy-hash ([0-9a-f]{64})", p.admin("token").stdout)[1]
    yield p
    p.stop()


@pytest.fixture
def agent(p, request):
    a = Agent(p, re.sub("[^a-z0-9]+", "-", request.node.name), {})
    p.agents[a.name] = a
    yield a
    a.fault.disarm_all()
    a.daemon.stop()
    del p.agents[a.name]


def enrol(p, agent):
    token = p.mig("token", "make", check=0).stdout.split()[-1]
    return agent.run("enrol", p.url, "--ca", p.ca, "--token", token, "--policy-hash", p.hash)


def left_behind(agent):
    return [f.name for f in (agent.dir / "state").rglob("*")
            if re.search(r"\.(tmp-.{6}|new|anew)$", f.name)]


def listed(p, agent):
    out = p.mig("agents", "--json", check=0).stdout
    return next((a for a in map(json.loads, out.splitlines()) if a["name"] == agent.name), None)


def check_again(p, agent):
    """Enrolled once more, it is whole, there, believed and answers."""
    path = agent.dir / "state" / "identity"
    identity = path.read_bytes() if path.exists() else None
    q = enrol(p, agent)
    assert q.returncode == 0, q.stderr
    assert identity in (None, path.read_bytes())
    assert not left_behind(agent)
    assert re.fullmatch("([0-9a-f]{64}\n){3}", (agent.dir / "state" / "enrolment").read_text())
    q = agent.run("check")
    assert q.returncode == 0 and "policy version 1 " in q.stdout, (q.stdout, q.stderr)
    agent.start()
    # its hello, which proves it, may be read after its presence
    wait_for("the agent", lambda: (lambda a: a and a["online"] and a["enrolment"] == "checked")(
        listed(p, agent)))
    q = p.mig(*lib.question(p, agent.name, target=f"name = '{agent.name}'"), check=lib.FOUND)


def test_the_list_is_whole(p, agent):
    assert enrol(p, agent).returncode == 0
    assert agent.fault.count("file.renamed", MONITOR) == RENAMED


@pytest.mark.parametrize("file, call", cases(ERRORS, QUICK))
def test_disk_takes_nothing(p, agent, file, call):
    fault = agent.fault.error(MONITOR, call, ERRORS[call], what=file)
    q = enrol(p, agent)
    assert (q.returncode, fault.fired) == (1, 1), (q.stdout, q.stderr)
    assert os.strerror(ERRORS[call]) in q.stderr and file in q.stderr
    assert not (agent.dir / "state" / "agent.crt").exists()     # what says that it is complete
    check_again(p, agent)


@pytest.mark.parametrize("file, call", cases(["file.write", "file.sync", "file.rename"], QUICK_KILLS))
def test_enrolment_is_killed(p, agent, file, call):
    fault = agent.fault.arm(MONITOR, call, KILL, what=file)
    q = enrol(p, agent)
    assert (q.returncode, fault.fired) == (-signal.SIGKILL, 1)
    check_again(p, agent)


@pytest.mark.long
@pytest.mark.parametrize("n", range(1, RENAMED + 1))
def test_enrolment_is_killed_between_two_files(p, agent, n):
    fault = agent.fault.kill(MONITOR, "file.renamed", n)
    q = enrol(p, agent)
    assert (q.returncode, fault.fired) == (-signal.SIGKILL, 1)
    check_again(p, agent)


# --- renewal ------------------------------------------------------------------------

LIFE = 90       # seconds of a certificate; it is renewed with a third of it left


def certificate(agent):
    path = agent.dir / "state" / "tls.renewed"
    return path.read_bytes() if path.exists() else None


@pytest.mark.long
def test_renewal(tmp_path):
    """An agent each: what its disk does not take is written later, and who is killed comes back
    with the certificate of before and renews it."""
    p = faultlib.Platform(tmp_path / "p")
    try:
        p.setup()
        text = re.sub("(?m)^#?agent_certificate .*\n", "", p.conf.read_text())
        p.conf.write_text(text + f"agent_certificate {LIFE}s\n")
        p.start().login()
        p.tree = lib.make_tree_once(p.dir)
        calls = list(ERRORS)
        kills = ["file.write", "file.sync", "file.rename"]
        names = [f"e{i}" for i in range(len(calls))] + [f"k{i}" for i in range(len(kills))]
        faults = {}
        for i, name in enumerate(names):
            agent = p.agent(name)
            agent.conf.write_text(agent.conf.read_text() + "hello_interval 5s\n")
            if i < len(calls):
                faults[name] = agent.fault.error(MONITOR, calls[i], ERRORS[calls[i]], ALWAYS,
                                                 what="/tls.renewed")
            else:
                faults[name] = agent.fault.arm(MONITOR, kills[i - len(calls)], KILL,
                                               what="/tls.renewed")
            agent.start()
        p.wait_online(len(names))
        for name in names[:len(calls)]:
            agent = p.agents[name]
            wait_for(f"{name}: the words", lambda a=agent: "written later" in
                     a.daemon.log.read_text(), LIFE)
            assert certificate(agent) is None
            faults[name].disarm()

        def killed():
            p.tend()
            return all(f.fired for f in faults.values())
        wait_for("all faults", killed, LIFE)

        def renewed():
            p.tend()
            return all(certificate(a) for a in p.agents.values())
        wait_for("all renewed", renewed, LIFE)
        assert sorted(name for name, _ in p.ends) == names[len(calls):]
        assert not [x for a in p.agents.values() for x in left_behind(a)]
        for agent in p.agents.values():
            agent.daemon.stop()
            agent.start()
        p.wait_online(len(names))
        for agent in p.agents.values():
            assert "damaged" not in agent.daemon.log.read_text()
        p.mig(*lib.question(p, "renewed"), check=lib.FOUND)
    finally:
        p.stop()
