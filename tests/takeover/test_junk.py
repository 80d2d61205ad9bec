# SPDX-License-Identifier: MPL-2.0
"""Malformed messages of every type on every topic, as the relay's owner and as
an enrolled agent can send them: to real agents and to the server. All of them
go on with the processes they had, and what is honest is answered."""
import contextlib
import json
import random
import re
import struct
import time

import pytest

from fakeagent import FakeAgent, Https, Identity
from miglib import answers_of, wait_for
from procs import family, kind, parts_of
from takeoverlib import Owner, pack

RANDOM = random.Random(7)
KINDS = 20      # one more than src/mqtt/wire.h has, and 0


def malformed():
    """Nothing, cut, too long, extreme numbers, chance; of each type there is
    and of some there are not."""
    yield b""
    for number in [*range(KINDS), 127, 128, 255]:
        first = bytes([number])
        yield first
        for n in (1, 8, 17, 32, 33, 40, 64, 300, 5000):
            yield first + bytes(n)
            yield first + b"\xff" * n
            yield first + RANDOM.randbytes(n)


def roles(platform):
    """{agent or server: {pid: role}}, without workers, which come and go."""
    found = {a.name: {p: k for p in family([a.daemon.proc.pid])
                      if (k := kind(p)) not in (None, "worker")}
             for a in platform.agents.values()}
    found["server"] = parts_of(platform.server.proc.pid)
    return found


def ids(platform):
    p = platform.mig("agents", "--json", check=0)
    names = {a.name for a in platform.agents.values()}
    return [a["agent"] for a in map(json.loads, p.stdout.splitlines())
            if a.get("name") in names]


@pytest.fixture
def unharmed(platform, tmp_path):
    """The same processes afterwards, and all three answer."""
    tmp_path.chmod(0o755)
    before = roles(platform)
    yield
    p = platform.mig("file", "-t", "tags->>'operator'='opsec'", "-path", "/etc/passwd",
                     "-name", "^passwd$", "--json", check=0)
    assert answers_of(p)[1]["done"] == 3, p.stdout
    assert roles(platform) == before, platform.server.tail()
    assert platform.status()["agents"]["online"] >= 3


def test_to_agents(platform, unharmed):
    """Envelopes, announcements, parts, acknowledgements, welcomes, roll calls
    and certificates that nobody asked for."""
    owner = Owner(platform).connect()
    try:
        owner.publish_all(["mig/1/all"] + [f"mig/1/a/{i}/in"
                                           for i in ids(platform)],
                          malformed())
    finally:
        owner.close()


@pytest.mark.parametrize("protocol,which", [(2, "server"), (5, "agent")])
def test_a_welcome_of_another_version(platform, protocol, which):
    """An agent that is not served says which of the two is to be updated; a server of its own
    protocol, or of the next one, is as good as any."""
    agent = platform.agent(f"v{protocol}").start()
    owner = Owner(platform).connect()
    try:
        wait_for("its connection", lambda: " relay_up " in agent.daemon.tail())
        who = re.search(r" ready id=([0-9a-f]{64}) ", agent.daemon.tail())[1]
        # again and again, as it may not listen yet
        wait_for("its words", lambda: owner.publish_all([f"mig/1/a/{who}/in"], [
            struct.pack(">BQIB32x", 5, int(time.time() * 1000), 1000, n) for n in (3, 4, protocol)
        ]) or " protocol " in agent.daemon.tail(), 20)
        said, = re.findall(r" protocol (server=.*)", agent.daemon.tail())
        assert said == f'server={protocol} own=3 why="it does not serve this agent: update the {which}"'
    finally:
        owner.close()
        agent.daemon.stop()
        del platform.agents[agent.name]


def enrolled(platform, name):
    https = Https(platform.port, platform.state / "relay" / "ca.crt")
    who = Identity()
    status, body = https.call("POST", "/enrol", who.enrol_request(
        platform.token(), name))
    assert status == 201, body
    return FakeAgent(who, name, body)


def test_to_the_server_from_an_agent(platform, unharmed):
    """Hellos, answers, presences; all under its own name, as the relay lets
    it say nothing else."""
    agent = enrolled(platform, "junk").connect()
    try:
        with contextlib.suppress(OSError):      # it may be thrown off
            for payload in malformed():
                for leaf in ("hello", "out", "presence"):
                    agent.publish(agent.topic(leaf), payload, 0)
        good = agent.hello_bytes()
        text = good[1 + 32 + 64:]
        with contextlib.suppress(OSError):
            for body in (b"", b"{}", b"[]", b"null", text[:-1], text * 2,
                         text.replace(b"linux", b"li\0ux"),
                         text.replace(b'"known": []', b'"known": ["x"]'),
                         text.replace(b'"protocol": 2', b'"protocol": -1'),
                         text.replace(b'"interval": 600', b'"interval": 1e99'),
                         b"[" * 16000, b'{"id":"' + b"\xff" * 999 + b'"}'):
                agent.publish(agent.topic("hello"), b"\x03" + agent.who.pub +
                              agent.who.sign("hello", body) + body, 0)
    finally:
        agent.close()
    # in another connection it is served again
    again = enrolled(platform, "honest").connect()
    try:
        wait_for("a welcome", lambda: again.hello().expect(5))
    finally:
        again.close()


def test_to_the_server_from_the_relay(platform, unharmed):
    """Topics of agents that are none, and names that are no ids."""
    strange = ["0" * 64, "f" * 64, "F" * 64, "0" * 63, "0" * 65, "x", "",
               "../../all", "é" * 32]
    owner = Owner(platform).connect()
    try:
        few = [bytes([n]) + RANDOM.randbytes(200) for n in range(KINDS)]
        owner.publish_all([f"mig/1/a/{s}/{leaf}" for s in strange
                           for leaf in ("hello", "out", "presence", "x")] +
                          ["mig/1", "mig/1/a", "mig/2/all", "other",
                           "mig/1/a/" + "0" * 64, "/" * 100],
                          [b"", *few,
                           struct.pack(">BQ", 1, (1 << 64) - 1)])
    finally:
        owner.close()


def test_envelopes_cut_anywhere(taken, attack):
    """Of every kind of message, and longer than they say."""
    doc = taken.document(target="name = 'nobody'")
    env = pack(doc, [taken.ann.sign(doc)])
    for number in range(8):
        for n in (0, 1, 4, 11, 12, 13, 40, 200, len(env) - 1):
            taken.tap.tell("mig/1/all", bytes([number]) + env[:n])
    for payload in (b"\x01" + env + b"more", b"\x01MIG3\x10\0\0\0\xff\xff\xff\xff",
                    b"\xff" * 131000):
        taken.tap.tell("mig/1/all", payload)
