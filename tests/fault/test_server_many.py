# SPDX-License-Identifier: MPL-2.0
"""Many of everything: nothing is left behind by sessions, enrolments, agents
and actions, and a fleet that is thrown off at once answers each action once."""
import json
import os
import signal
import subprocess

import pytest

import faultlib
import platformlib as lib
from fakeagent import FakeAgent, Https, Identity
from miglib import answers_of, program, wait_for
from swarmlib import Swarm

SECONDS = 15
ROLES = ("core", "api", "ca", "relay")
LOOPS = [pytest.param(6, id="some"), pytest.param(90, id="many", marks=pytest.mark.long)]
FLEET = [pytest.param(30, id="some"), pytest.param(300, id="many", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("many"), names=("a1",))
    yield p
    p.stop()


def held(p):
    pids = {r: lib.role(p, r) for r in ROLES}
    pids["parent"] = p.server.proc.pid
    return ({r: lib.descriptors(pid) for r, pid in pids.items()},
            {r: lib.rss_kb(pid) for r, pid in pids.items()})


def enrol(https, token):
    who = Identity()
    status, body = https.call("POST", "/enrol",
                              who.enrol_request(token, "many"))
    assert status == 201, body
    return FakeAgent(who, "many", body)


def some_of_everything(p, https, n):
    """Nonces, enrolments, refused requests, streams left in the middle,
    connections of agents, and actions."""
    token = p.token(uses=n)
    for i in range(n):
        assert https.call("POST", "/sessions/nonce")[0] == 200
        assert https.call("POST", "/sessions", {"document": "{}"})[0] >= 400
        new = enrol(https, token).connect().hello()
        new.expect(5)       # its welcome
        new.close()
        new.connect().hello()   # the same again
        new.close()
        if i % 5 == 0:
            q = p.mig(*lib.question(p, f"leak {n} {i}",
                                    target="name='a1'"))
            assert q.returncode == lib.FOUND, q.stderr
            ident = answers_of(q)[1]["id"]
            next(https.lines(f"/actions/{ident}/results?follow=1"))


@pytest.mark.parametrize("loops", LOOPS)
def test_nothing_is_left_behind(p, loops):
    https = Https(p.port, p.state / "relay" / "ca.crt")
    https.token = json.loads((p.dir / "cache" / "mig" /
                              "session").read_text())["token"]
    some_of_everything(p, https, loops // 3)
    fds, rss = held(p)
    some_of_everything(p, https, loops)
    wait_for("descriptors as before",
             lambda: all(n <= fds[r] for r, n in held(p)[0].items()))
    # an agent more is some KB in the core; nothing grows with requests
    grown = {r: kb - rss[r] for r, kb in held(p)[1].items()}
    assert all(kb < 4096 for kb in grown.values()), grown
    assert not lib.leftovers(p)
    lib.check_processes(p)


@pytest.mark.parametrize("count", FLEET)
def test_a_fleet_is_thrown_off_while_it_answers(tmp_path_factory, count):
    p = faultlib.Platform(tmp_path_factory.mktemp("storm"))
    p.tree = lib.make_tree_once(p.dir)
    swarm = Swarm(p, count)
    try:
        p.setup().start().login()
        swarm.enrol(jobs=4).start()
        swarm.wait_welcomed()
        hold = p.fault.hang("mig-server", "core.answer_stored", n=count // 3)
        with subprocess.Popen(
                [program("mig"), *lib.question(p, "thrown off")], env=p.env,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True) as client:
            hold.wait(60)
            lib.kill_role(p, "relay")
            hold.release()
            out, err = client.communicate(timeout=90)
        assert client.returncode in (lib.FOUND, lib.NOT_FOUND), err
        assert json.loads(out.splitlines()[-1])["done"] == count
        n, _ = lib.action_of(p, "thrown off")
        assert lib.rows(p, "SELECT COUNT(*), COUNT(DISTINCT agent),"
                        " SUM(different) FROM answers WHERE action = ?",
                        n) == [(count, count, 0)]
        wait_for("all online", lambda:
                 p.status()["agents"]["online"] == count, 40)
        # and the core alone: the roll call finds them all
        lib.kill_role(p, "core")
        wait_for("all online again", lambda: lib.is_well(p) and
                 p.status()["agents"] == {"registered": count,
                                          "online": count,
                                          "reconnecting": 0}, 40)
    finally:
        swarm.stop()
        p.stop()


@pytest.mark.long
def test_who_leaves_while_the_core_is_away(p):
    """Shown offline within seconds, not after two hellos."""
    p.agent("a2").start()
    wait_for("a1 and a2 alone", lambda: lib.online(p) == ["a1", "a2"])
    lib.settled(p)
    before = lib.role(p, "core")
    hold = p.fault.hang("mig-server", "parent.restart")
    os.kill(before, signal.SIGKILL)
    hold.wait()
    p.agents["a2"].daemon.kill()
    hold.release()
    wait_for("a1 alone", lambda: lib.online(p) == ["a1"], 15)
    wait_for("the status", lambda: p.status()["agents"]["online"] == 1)
    q = lib.ask(p, "who is there", target="name='a1'")
    assert q.returncode == lib.FOUND
