# SPDX-License-Identifier: MPL-2.0
"""What an agent refuses because it has enough, a disk full of answers that
nobody acknowledged, a full queue; or because its policy is another by now. Told
with its reason, and gone with its cause."""
import json
import secrets
import subprocess

import pytest

import miglib
from miglib import answers_of, binary, wait_for
from spoollib import spooled
from swarmlib import end, stored

FOUND, INCOMPLETE = 0, 3
BUSY, NO_ROOM = 14, 15  # src/action/refusal.h
QUOTA = 1 << 20


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = miglib.Platform(tmp_path_factory.mktemp("refusals"))
    p.limits = {"workers": 1, "queue": 1, "resultbytes": 4 * QUOTA}
    try:
        p.setup().start().login()
        for name in ("small", "busy"):
            p.agent(name)
        small = p.agents["small"].conf
        small.write_text(small.read_text() + f"quota {QUOTA}\n")
        yield p
    finally:
        p.stop()


@pytest.fixture(scope="module")
def tree(p):
    d = p.dir / "tree"
    d.mkdir()
    for _ in range(2000):
        (d / secrets.token_hex(60)).touch()
    with open(d / "hole", "wb") as f:
        f.truncate(1 << 43)
    for parent in (d, *d.parents):
        if str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def online(p, name):
    agent = p.agents[name]
    if not agent.daemon.alive():
        agent.start()
    wait_for(f"{name} online", lambda: name in p.mig("agents", "-t", "online").stdout)
    return agent


def question(name, agent, tree, *more):
    return ("file", "-n", name, "-t", f"name='{agent}'", "-e", "10m", "-path", str(tree), *more)


def asking(p, *words):
    return subprocess.Popen([miglib.program("mig"), *words, "--json", "--show", "all"], env=p.env, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer(mig, code):
    out, err = mig.communicate(timeout=90)
    assert mig.returncode == code, (mig.returncode, out, err)
    line, = [json.loads(x) for x in out.splitlines()][:-1]
    return line


def test_answers_that_nobody_acknowledged(p, tree):
    """They pile up to the quota while the agent has no server. What could not be kept is refused; all
    that were are stored once when the server is there again."""
    agent = online(p, "small")
    agent.daemon.stop()
    envelopes, reasons = [], []
    while NO_ROOM not in reasons:
        text = p.mig(*question(f"pile {len(reasons)}", "small", tree, "-name", "^[0-9a-f]{120}$",
                               "-matchlimit", "5000"), "-s", check=0).stdout
        path = p.dir / f"pile-{len(reasons)}"
        path.write_text(text)
        (p.dir / "once").write_bytes(binary(json.loads(text)))
        before = sum(len(x) for x in spooled(agent.dir / "state/spool").values())
        ran = agent.run("--once", str(p.dir / "once"))
        said = json.loads(ran.stdout)
        envelopes.append(path)
        reasons.append(said.get("reason", 0))
        # not before it must, and not later; the policy allows more than there is room for at all
        assert (reasons[-1] == 0) == (before + QUOTA // 2 <= QUOTA), (before, said)
    kept = spooled(agent.dir / "state/spool")
    assert reasons == [0] * (len(reasons) - 1) + [NO_ROOM] and len(reasons) > 2, reasons
    assert len(kept) == len(reasons) and sum(len(x) for x in kept.values()) <= QUOTA
    migs = [asking(p, "run", str(path)) for path in envelopes]
    try:
        wait_for("all to be launched", lambda: len(stored(p)) == len(migs))
        assert not any(n for _, n, _ in stored(p).values())
        agent.start()
        answers = [answer(mig, FOUND) for mig in migs[:-1]]
        refused = answer(migs[-1], INCOMPLETE)
    finally:
        end(*migs)
    assert [len(a["operations"][0]["elements"]["s1"]) for a in answers] == [2000] * len(answers)
    assert (refused["status"], refused["reason"]) == ("refused", "the agent's disk quota for results is full")
    assert set(stored(p).values()) == {(1, 1, 1)} and set(stored(p)) == set(kept)
    # acknowledged, they give their room back
    q = p.mig(*question("after", "small", tree, "-name", "^hole$"), "--json", check=FOUND)
    assert answers_of(q)[1]["done"] == 1


def accepted(agent, since):
    return agent.daemon.log.read_text()[since:].count(" accepted ")


def one_runs_and_one_waits(p, agent, tree):
    since = len(agent.daemon.log.read_text())
    runs = asking(p, *question("runs", "busy", tree, "-name", "^hole$", "-sha2", "ab" * 32))
    wait_for("one that runs", lambda: accepted(agent, since) == 1)
    waits = asking(p, *question("waits", "busy", tree, "-name", "^hole$"))
    wait_for("one that waits", lambda: accepted(agent, since) == 2)
    return runs, waits


def cancel_what_runs(p):
    newest = json.loads(p.mig("actions", "--json", check=0).stdout)["actions"]
    ident = next(a["id"] for a in newest if a["name"] == "runs")
    p.mig("action", "cancel", ident, check=0)


def test_a_full_queue(p, tree):
    """One runs, one waits, the third is refused; the two are done all the same."""
    agent = online(p, "busy")
    since = len(agent.daemon.log.read_text())
    runs, waits = one_runs_and_one_waits(p, agent, tree)
    try:
        refused = answer(asking(p, *question("refused", "busy", tree, "-name", "^hole$")), INCOMPLETE)
        assert (refused["status"], refused["reason"]) == ("refused", "the agent's queue is full")
        assert accepted(agent, since) == 2 and waits.poll() is None and runs.poll() is None
        cancel_what_runs(p)
        assert answer(waits, FOUND)["status"] == "done"
        assert answer(runs, INCOMPLETE)["status"] == "stopped"
    finally:
        end(runs, waits)
    q = p.mig(*question("after", "busy", tree, "-name", "^hole$"), "--json", check=FOUND)
    assert answers_of(q)[1]["done"] == 1


def next_policy(p, version):
    """Of the same people, signed by them."""
    path = p.dir / f"policy-{version}"
    before = p.policy if version == 2 else p.dir / f"policy-{version - 1}"
    p.mig("policy", "edit", str(before), "-expires", f"{version}00d", "-o", str(path), check=0)
    p.mig("policy", "sign", "-y", str(path), "-from", str(before), check=0)
    return path


def test_another_policy_while_it_waits(p, tree):
    """What waits was judged by the one before, and is refused; what runs goes on."""
    agent = online(p, "busy")
    runs, waits = one_runs_and_one_waits(p, agent, tree)
    try:
        p.mig("policy", "push", f"{next_policy(p, 2)}.signed", check=0)
        refused = answer(waits, INCOMPLETE)
        assert (refused["status"], refused["reason"]) == (
            "refused", "the agent's policy changed before it could run")
        assert runs.poll() is None
        cancel_what_runs(p)
        assert answer(runs, INCOMPLETE)["status"] == "stopped"
    finally:
        end(runs, waits)


def test_another_policy_while_the_agent_is_away(p, tree):
    """It dies with one that runs and one that waits, and starts with another policy."""
    agent = online(p, "busy")
    runs, waits = one_runs_and_one_waits(p, agent, tree)
    try:
        agent.daemon.kill()
        path = str(next_policy(p, 3))
        wait_for("the policy to be installed", lambda: agent.run("policy", path).returncode == 0)
        agent.start()
        refused = answer(waits, INCOMPLETE)
        assert (refused["status"], refused["reason"]) == (
            "refused", "the agent's policy changed before it could run")
        assert answer(runs, INCOMPLETE)["status"] == "stopped"
    finally:
        end(runs, waits)
