# SPDX-License-Identifier: MPL-2.0
"""The store's own calls fail in the middle of what SQLite does: no room, a
broken disk, a lock that is not given back, for one write, for one sync, for
long. Nothing is acknowledged before it is on the disk, nothing is lost, health
and log say why, and all goes on by itself."""
import errno
import json
import re

import pytest

import platformlib as lib
from faultlib import ALWAYS, KILL, cases
from miglib import answers_of, one_back, wait_for

SERVER = "mig-server"


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("store"))
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(p):
    wait_for("a platform that is well", lambda: lib.is_well(p), 30)
    lib.check_descriptors(p)
    yield
    p.fault.disarm_all()
    lib.check_descriptors(p)


def problems(p):
    return " ".join(lib.health(p)[1].get("problems", []))


def log_since(p, at):
    with open(p.server.log) as f:
        f.seek(at)
        return f.read()


def integrity(p):
    return lib.rows(p, "PRAGMA integrity_check")


# Which call, how it fails, on which file, what health and the log say.
HOW = {
    "no room": ("sqlite.write", errno.ENOSPC, "-wal",
                ("disk is full", "disk is full")),
    "broken write": ("sqlite.write", errno.EIO, "-wal",
                     ("cannot be written", "cannot be read or written")),
    "broken sync": ("sqlite.sync", errno.EIO, "-wal",
                    ("cannot be written", "cannot be read or written")),
    "locked": ("sqlite.lock", errno.EBUSY, "",
               ("locked by another program", "locked by another program")),
}


@pytest.mark.parametrize("how", cases(HOW, 0, 3))
def test_one_commit_after_the_other(p, how):
    """The first, the second and the third call that an action's way makes
    fail once each, so that what is written fails at other places."""
    call, number, what, _ = HOW[how]
    for n in (1, 4):
        name = f"{how} {n}"
        faults = [p.fault.error(SERVER, call, number, n=n, what=what),
                  p.fault.error(SERVER, call, number, n=n + 5, what=what)]
        q = lib.ask(p, name)
        for f in faults:
            f.disarm()
        if "disk is full" in q.stderr:      # told, and nothing is there
            assert q.returncode == lib.ERROR
            assert lib.action_of(p, name) is None
            q = lib.ask(p, name)
        assert q.returncode == lib.FOUND, (name, q.stdout[-300:], q.stderr)
        assert faults[0].fired == 1
        lib.check_again(p, lib.check_stored(p, name))
    assert integrity(p) == [("ok",)]


@pytest.mark.long
@pytest.mark.parametrize("how", HOW)
def test_for_long(p, how):
    """From the moment an action is stored: its answers cannot be. No agent is
    told that its answer is there, and health says why."""
    call, number, what, (says, logged) = HOW[how]
    name = f"{how} for long"
    at = p.server.log.stat().st_size
    held = p.fault.hang(SERVER, "core.action_stored")
    client = lib.start_asking(p, name)
    held.wait()
    fault = p.fault.error(SERVER, call, number, times=ALWAYS, what=what)
    acked = p.fault.count("core.answer_acked")
    held.release()
    wait_for("health that says it", lambda: says in problems(p), 40)
    wait_for("more failures", lambda: fault.fired > 3)
    assert says in problems(p)      # and does not go on and off
    n, _ = lib.action_of(p, name)
    assert lib.rows(p, "SELECT COUNT(*) FROM answers WHERE action = ?",
                    n) == [(0,)]
    assert p.fault.count("core.answer_acked") == acked
    p.mig("actions", check=0)       # what is there can be read
    # the log says it once a minute, not once for each try
    said = re.findall(r"core\[\d+\] error store error=.*", log_since(p, at))
    assert len(said) <= 2, said
    assert logged in p.server.log.read_text()
    states = re.findall(r"warn store state=.*", log_since(p, at))
    assert len(states) == 1, states
    fault.disarm()
    out, err = client.communicate(timeout=120)
    assert client.returncode == lib.FOUND, err
    assert json.loads(out.splitlines()[-1])["done"] == len(lib.NAMES)
    lib.check_again(p, lib.check_stored(p, name))
    assert integrity(p) == [("ok",)]
    wait_for("health again", lambda: lib.is_well(p), 30)


def test_an_enrolment_that_cannot_be_stored(p):
    """It is told to come again; its token is good then."""
    from fakeagent import Https, Identity
    https = Https(p.port, p.state / "relay" / "ca.crt")
    who, token = Identity(), p.token()
    fault = p.fault.error(SERVER, "sqlite.sync", errno.EIO, times=ALWAYS,
                          what="-wal")
    status, body = https.call("POST", "/enrol",
                              who.enrol_request(token, "later"))
    assert status == 503, (status, body)
    fault.disarm()
    status, body = https.call("POST", "/enrol",
                              who.enrol_request(token, "later"))
    assert status == 201, body
    assert lib.rows(p, "SELECT COUNT(*) FROM agents WHERE name = 'later'") \
        == [(1,)]


def test_trouble_that_cannot_be_stored(p):
    """An agent of another version is told of once: people see it when the store is well again."""
    from fakeagent import FakeAgent, Https, Identity
    who = Identity()
    status, enrolled = Https(p.port, p.state / "relay" / "ca.crt").call(
        "POST", "/enrol", who.enrol_request(p.token(), "old"))
    assert status == 201, enrolled
    agent = FakeAgent(who, "old", enrolled)
    agent.connect()
    fault = p.fault.error(SERVER, "sqlite.sync", errno.EIO, times=ALWAYS, what="-wal")
    agent.hello(protocol=1)
    agent.expect(5)
    fault.wait()
    fault.disarm()
    trouble = "SELECT trouble FROM agents WHERE name = 'old'"
    wait_for("the words", lambda: "speaks protocol 1" in lib.rows(p, trouble)[0][0], 20)
    agent.close()


def test_reading_fails(p):
    """The api cannot read: it says so, and never that there is nothing."""
    ident = answers_of(lib.ask(p, "to be read"))[1]["id"]
    lib.kill_role(p, "api")     # nothing of it is in a cache
    wait_for("a platform that is well", lambda: lib.is_well(p))
    fault = p.fault.error(SERVER, "sqlite.read", errno.EIO, times=ALWAYS)
    q = p.mig("actions")
    assert q.returncode == lib.ERROR and "read" in q.stderr, q
    fault.wait()
    q = p.mig("results", ident, "--json", timeout=90)
    assert q.returncode == lib.ERROR and q.stderr, q
    fault.disarm()
    lib.check_again(p, ident)


def test_the_log_cannot_be_mapped(p):
    """The core that is started meanwhile says why it ends, and the next one
    serves."""
    at = p.server.log.stat().st_size
    fault = p.fault.error(SERVER, "sqlite.shm_map", errno.EIO)
    lib.kill_role(p, "core")
    fault.wait()
    wait_for("a platform that is well", lambda: lib.is_well(p), 40)
    assert "cannot be read or written" in log_since(p, at)
    q = lib.ask(p, "after a log that could not be mapped")
    assert q.returncode == lib.FOUND, q.stderr


@pytest.mark.parametrize("how", cases(["killed", "no room", "broken write", "broken sync"], 0))
def test_the_first_start_of_a_new_version(p, how):
    """The schema is brought up as a whole or not at all, and later by itself."""
    ident = answers_of(lib.ask(p, f"before it is {how}"))[1]["id"]
    p.server.stop()
    version = one_back(p.state / "db" / "store.sqlite")
    at = p.server.log.stat().st_size
    if how == "killed":
        fault = p.fault.arm(SERVER, "sqlite.write", KILL, n=2, what="-wal")
    else:
        call, number, what, (_, words) = HOW[how]
        fault = p.fault.error(SERVER, call, number, times=ALWAYS, what=what)
    p.server.start()
    fault.wait()
    if how != "killed":
        wait_for("its words", lambda: "start error=" in log_since(p, at) and
                 words in log_since(p, at))
        assert lib.rows(p, "PRAGMA user_version") == [(version - 1,)]
        fault.disarm()
    wait_for("a platform that is well", lambda: lib.is_well(p), 60)
    assert lib.rows(p, "PRAGMA user_version") == [(version,)]
    assert integrity(p) == [("ok",)]
    assert "ended child=api" not in log_since(p, at)
    p.wait_online(len(lib.NAMES), 60)
    lib.check_again(p, ident)
    q = lib.ask(p, f"after it was {how}")
    assert q.returncode == lib.FOUND, q.stderr
