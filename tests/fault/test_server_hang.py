# SPDX-License-Identifier: MPL-2.0
"""Roles of the server hang: stopped by a signal, caught at a point in the middle
of an action, or while they start; so does the relay, which the core asks. The
parent notices, by questions that stay unanswered, kills and starts them anew and
says so; nothing is lost. Who is only slow, or was stopped together with the
parent, is let live."""
import os
import re
import signal
import time

import pytest

import faultlib
import platformlib as lib
from fakeagent import Https, Identity
from miglib import wait_for

SERVER = "mig-server"
ROLES = ("core", "api", "ca")
QUESTION_S = 1      # between two questions of the parent
HANGS_S = 3 * QUESTION_S
SLOW_S = 10 * HANGS_S   # to start, or for a step of the core's writer
NAMES = ("a1",)


class Watched(faultlib.Platform):
    """The measure is the service manager's."""

    def __init__(self, directory, **kw):
        super().__init__(directory, **kw)
        self.server.env = {**self.server.env,
                           "WATCHDOG_USEC": str(HANGS_S * 1000000)}


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("hang"), NAMES, Watched)
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(p):
    lib.settled(p)
    yield
    p.fault.disarm_all()


def hangs(p):
    """{pid: (role, seconds)} of those that the parent has found to hang."""
    return {int(pid): (role, int(seconds)) for role, pid, seconds in re.findall(
        r" hangs child=(\w+) pid=(\d+) seconds=(\d+) ",
        p.server.log.read_text())}


def pids(p):
    return {name: lib.role(p, name) for name in (*ROLES, "relay")}


def send(processes, number):
    for pid in processes:
        os.kill(pid, number)


def check_answered(p, name):
    lib.check_again(p, lib.check_stored(p, name, NAMES), len(NAMES))


def wait_hangs(p, pid, role, seconds=HANGS_S):
    wait_for(f"{role} {pid} to be noticed", lambda: pid in hangs(p),
             3 * seconds + 10)
    assert hangs(p)[pid] == (role, seconds)
    wait_for("another", lambda: lib.role(p, role) not in (None, pid))


def test_hanging_roles_are_replaced(p):
    """With a question on its way, stored and not yet published."""
    before = pids(p)
    fault = p.fault.hang(SERVER, "core.action_stored")
    client = lib.start_asking(p, "all roles hang")
    fault.wait()
    assert fault.pid == before["core"]
    send((before["api"], before["ca"]), signal.SIGSTOP)
    for name in ROLES:
        wait_hangs(p, before[name], name)
    _, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    check_answered(p, "all roles hang")
    assert lib.role(p, "relay") == before["relay"]


def test_a_hanging_relay_is_replaced(p):
    """With an action that is launched while it hangs."""
    before = pids(p)
    send([before["relay"]], signal.SIGSTOP)
    client = lib.start_asking(p, "the relay hangs")
    wait_hangs(p, before["relay"], "relay")
    _, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    check_answered(p, "the relay hangs")
    after = pids(p)
    assert {r: after[r] for r in ROLES} == {r: before[r] for r in ROLES}


def test_who_lives_is_let_live(p):
    """Silent for less than that, and all of them for longer: a container that
    was frozen."""
    before, known = pids(p), hangs(p)
    send(before.values(), signal.SIGSTOP)
    time.sleep(HANGS_S - 2 * QUESTION_S)
    send(before.values(), signal.SIGCONT)
    time.sleep(QUESTION_S)
    everyone = [p.server.proc.pid, *before.values()]
    send(everyone, signal.SIGSTOP)
    time.sleep(HANGS_S + QUESTION_S)
    send(everyone, signal.SIGCONT)
    time.sleep(2 * QUESTION_S)
    assert pids(p) == before and hangs(p) == known
    assert lib.is_well(p)


POINTS = [("api", "api.asked"), ("api", "api.reply"),
          ("core", "core.action_verified"), ("core", "core.action_published"),
          ("core", "core.answer_checked"), ("core", "core.answer_stored")]


@pytest.mark.long
@pytest.mark.parametrize("role,point", POINTS, ids=[p for _, p in POINTS])
def test_hanging_on_the_way(p, role, point):
    pid = lib.role(p, role)
    fault = p.fault.hang(SERVER, point)
    q = lib.ask(p, point)
    assert q.returncode == lib.FOUND, q.stderr
    assert fault.pid == pid
    wait_hangs(p, pid, role)
    check_answered(p, point)


@pytest.mark.long
def test_the_ca_hangs_in_an_enrolment(p):
    https = Https(p.port, p.state / "relay" / "ca.crt")
    who, token, pid = Identity(), p.token(), lib.role(p, "ca")
    p.fault.hang(SERVER, "ca.asked")
    request = who.enrol_request(token, "new")
    status, body = https.call("POST", "/enrol", request)
    assert status == 503, body
    wait_hangs(p, pid, "ca")
    status, body = wait_for("an answer", lambda: [
        r for r in [https.call("POST", "/enrol", request)] if r[0] != 503])[0]
    assert status == 201 and body["agent"] == who.id, body


def stopped_while_it_starts(p, role):
    for _ in range(5):
        pid = lib.kill_role(p, role)
        send([pid], signal.SIGSTOP)
        if f"{role}[{pid}] info ready" not in p.server.log.read_text():
            return pid
        send([pid], signal.SIGCONT)     # it was faster
    raise AssertionError(f"{role} was always ready")


@pytest.mark.long
def test_slow_is_not_hanging(p):
    """The core's writer at one step and a ca that starts have ten times as
    long; meanwhile health says what is wrong."""
    core = lib.role(p, "core")
    worker = p.agents["a1"].fault.hang("mig-worker", "worker.walking")
    client = lib.start_asking(p, "the writer hangs")
    worker.wait()
    # at the answer
    p.fault.hang(SERVER, "writer.commit")
    worker.release()
    ca = stopped_while_it_starts(p, "ca")
    began = time.monotonic()
    wait_for("health", lambda: "the store cannot be written" in
             lib.health(p)[1].get("problems", []), SLOW_S)
    assert core not in hangs(p) and ca not in hangs(p)
    wait_hangs(p, ca, "ca", SLOW_S)
    assert time.monotonic() - began > SLOW_S - HANGS_S
    wait_hangs(p, core, "core")
    assert time.monotonic() - began > SLOW_S - HANGS_S
    assert f"core[{core}] error writer_hangs" in p.server.log.read_text()
    _, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    check_answered(p, "the writer hangs")
