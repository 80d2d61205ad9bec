# SPDX-License-Identifier: MPL-2.0
"""A question of 10,000 hashes is too large to be sent to everybody: it is announced, and each agent
fetches it part by part. Net, the core and the relay die in the middle. Then each agent has it
whole, runs it once, and its answer is stored once; and what is on its way to agents that do not
read is bounded."""
import json
import os
import secrets
import signal
import struct
import subprocess

import pytest

import miglib
import platformlib as lib
from fakeagent import FakeAgent, Https, Identity
from miglib import wait_for

SERVER, NET = "mig-server", "mig-agent-net"
PARTS = 6       # of 120 KiB
INFLIGHT = 64   # src/server/core/relaylink.c
QUEUED = 4      # of one agent
FAKES = 20
REFUSED = "relay_messages_refused_total"
ANNOUNCE, PART, WANT = 2, 3, 17     # src/mqtt/wire.h


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("pull"))
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(p):
    lib.settled(p)
    for a in p.agents.values():
        a.fault.forget()
    yield
    for control in (p.fault, *(a.fault for a in p.agents.values())):
        control.disarm_all()


def ask(p, name):
    path = p.dir / "large.json"
    path.write_text(json.dumps({
        "syntaxversion": 3, "name": name, "target": "all", "operations": [{
            "module": "file", "parameters": {"searches": {"s": {
                "paths": [str(p.tree / "etc")], "names": ["^passwd$"],
                "sha2": [secrets.token_hex(32) for _ in range(10000)],
                "options": {"matchall": False}}}}}]}))
    return subprocess.Popen([miglib.program("mig"), "-i", str(path), "-e", "10m", "--json"], env=p.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def is_whole(p, client, name):
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, (out[-500:], err)
    assert json.loads(out.splitlines()[-1])["done"] == 3
    lib.check_again(p, lib.check_stored(p, name))
    for a in p.agents.values():
        assert a.fault.count("net.pull_part", NET) >= PARTS
        assert a.fault.count("worker.limited", "mig-worker") == 1


@pytest.mark.parametrize("n", [1, PARTS // 2, PARTS])
def test_net_dies(p, n):
    """Of every agent, at its first, third and last part."""
    name = f"net at part {n}"
    faults = [a.fault.kill(NET, "net.pull_part", n) for a in p.agents.values()]
    is_whole(p, ask(p, name), name)
    assert [f.fired for f in faults] == [1] * 3
    # it began anew: what was fetched before died with it
    assert all(a.fault.count("net.pull_part", NET) >= PARTS + n for a in p.agents.values())


LONG = pytest.mark.long     # agents whose want was lost ask again after ten seconds


@pytest.mark.parametrize("n", [pytest.param(1, marks=LONG), PARTS, pytest.param(3 * PARTS, marks=LONG)])
def test_core_dies(p, n):
    name = f"core at part {n}"
    fault = p.fault.kill(SERVER, "core.pull_sent", n)
    is_whole(p, ask(p, name), name)
    assert fault.fired == 1


@pytest.mark.parametrize("point", ["net.pull_part", pytest.param("core.pull_sent", marks=LONG)])
def test_relay_dies(p, point):
    name = f"relay at {point}"
    held = [a.fault.hang(NET, point, 2) for a in p.agents.values()] \
        if point.startswith("net.") else [p.fault.hang(SERVER, point, PARTS)]
    client = ask(p, name)
    try:
        for h in held:
            h.wait()
        lib.kill_role(p, "relay")
    finally:
        for h in held:
            h.release()
    is_whole(p, client, name)

# --- what is on its way at once -------------------------------------------------

def fakes(p):
    https, token = Https(p.port, p.state / "relay" / "ca.crt"), p.token(uses=FAKES)
    for i in range(FAKES):
        who = Identity()
        status, body = https.call("POST", "/enrol", who.enrol_request(token, f"fake{i}"))
        assert status == 201, body
        yield FakeAgent(who, f"fake{i}", body).connect().hello()


def metrics(p, *names):
    said = dict(x.rsplit(" ", 1) for x in p.mig("metrics", check=0).stdout.splitlines() if x[:1] != "#")
    return [int(said[f"mig_{name}"]) for name in names]


def want(agent, ident, parts):
    """The relay has taken them when this returns."""
    for part in range(parts):
        agent.publish(agent.topic("out"), bytes([WANT]) + bytes.fromhex(ident) + struct.pack(">H", part))
    while parts > 0:
        parts -= agent.read_packet()[0] == 0x40


def parts_of(agent, n):
    return [struct.unpack(">H", agent.expect(PART, 30)[1][33:35])[0] for _ in range(n)]


def test_parts_on_their_way_are_bounded(p):
    """A relay that takes nothing is given no more than 64, and of one agent four wait: the core's memory
    does not grow with what agents ask for."""
    for a in p.agents.values():
        a.daemon.stop()
    core, relay = lib.role(p, "core"), lib.role(p, "relay")
    asking = list(fakes(p))
    client = ask(p, "bounded")
    try:
        ident = {a.expect(ANNOUNCE, 30)[1][1:33].hex() for a in asking}.pop()
        refused, = metrics(p, REFUSED)
        os.kill(core, signal.SIGSTOP)
        for a in asking:
            want(a, ident, QUEUED + 1)
        os.kill(relay, signal.SIGSTOP)
        os.kill(core, signal.SIGCONT)
        asked = FAKES * (QUEUED + 1)
        late = FAKES - (INFLIGHT + QUEUED) // (QUEUED + 1)  # agents of which all wait

        def told():
            inflight, waiting, now = metrics(p, "pulls_inflight", "pulls_waiting", REFUSED)
            return inflight, waiting, now - refused
        wait_for("what may be sent to be sent", lambda: told() == (INFLIGHT, asked - INFLIGHT - late, late), 20)
        os.kill(relay, signal.SIGCONT)
        got = [parts_of(a, QUEUED + (i < FAKES - late)) for i, a in enumerate(asking)]
        assert all(g == list(range(len(g))) for g in got), got
        wait_for("all to be sent", lambda: told() == (0, 0, late))
    finally:
        for pid in (relay, core):
            os.kill(pid, signal.SIGCONT)
        client.kill()
        client.communicate()
        for a in asking:
            a.close()
