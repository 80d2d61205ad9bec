# SPDX-License-Identifier: MPL-2.0
"""Much of what is worth nothing; what is honest is answered meanwhile. In full
size: ./dev check long."""
import contextlib
import http.client
import json
import os
import re
import resource
import socket
import struct
import threading
import time

import pytest

import procs
from fakeagent import FakeAgent, Https, Identity
from miglib import answers_of, wait_for
from takeoverlib import Owner
from test_server_api import Server

SECONDS = 30
SIZES = [pytest.param(False, id="some"), pytest.param(True, id="many", marks=pytest.mark.long)]


def size(full, some, many):
    return many if full else some


@contextlib.contextmanager
def meanwhile(work):
    """work(stop) in a thread of its own."""
    stop, failed = threading.Event(), []

    def run():
        try:
            work(stop)
        except Exception as e:      # told below, in the test's own thread
            failed.append(e)
    t = threading.Thread(target=run)
    t.start()
    try:
        yield
    finally:
        stop.set()
        t.join(600)
    assert not t.is_alive() and not failed, failed


def test_connections_that_end_at_once(taken, attack):
    """A relay that says that there is nothing to wait for, and ends each connection: the agent does not
    spend its time on handshakes."""
    ident = taken.ids["web2"]
    topic = f"mig/1/a/{ident}/in"
    welcome = b"\x05" + struct.pack(">QIB", int(time.time() * 1000), 0, 3) + bytes(32)

    def ups():
        return attack.log("web2").count(" relay_up ")
    seen, end = 0, time.time() + 10
    taken.tap.tell(topic, welcome)
    taken.tap.settle()
    while time.time() < end:
        Owner(taken.platform).connect(client_id=ident).close()
        wait_for("the next connection", lambda: ups() > seen)
        seen = ups()
        taken.tap.tell(topic, welcome)
        taken.tap.settle()
    assert 3 < seen <= 13, seen
    attack.honest("web2")


@pytest.mark.parametrize("full", SIZES)
def test_junk_to_an_agent(taken, attack, full):
    """Unsigned and unreadable envelopes; all that is left of them is a number."""
    n = size(full, 3000, 100_000)
    owner = Owner(taken.platform).connect(client_id="flood")
    topic = f"mig/1/a/{taken.ids['web1']}/in"
    sent = []

    def work(stop):
        while len(sent) < n or not stop.is_set():
            i = len(sent)
            junk = (b"\x01" + os.urandom(200), b"\x01MIG3" + bytes(300),
                    b"\x04" + bytes(37), os.urandom(100))[i % 4]
            owner.publish(topic, junk, 0)
            sent.append(1)
    try:
        with meanwhile(work):
            wait_for("the flood", lambda: len(sent) > n // 10)
            attack.honest("web1")
        for _ in range(20):
            attack.unverified(taken.document(), says="it is not signed")
        attack.honest("web1")
    finally:
        owner.close()
    assert len(attack.log("web1")) < 100_000 + 200 * len(sent) // 10, "its log is flooded"


def test_unsigned_to_an_agent(taken, attack):
    """A hundred stand in its log, then one now and then."""
    for _ in range(130):
        taken.send(taken.document(), to="db1")
    attack.honest("db1")
    assert 100 <= attack.log("db1").count(" unverified action=") < 110


def enrolled(platform, name):
    https = Https(platform.port, platform.state / "relay" / "ca.crt")
    who = Identity()
    status, body = https.call("POST", "/enrol", who.enrol_request(platform.token(), name))
    assert status == 201, body
    return FakeAgent(who, name, body)


@pytest.mark.parametrize("full", SIZES)
def test_hellos_to_the_server(taken, attack, full):
    """From one enrolled agent: it is silenced, the others are not."""
    p = taken.platform
    agent = enrolled(p, f"flood{int(full)}").connect()
    n, sent = size(full, 1500, 100_000), []
    hello = agent.hello_bytes()

    def work(stop):
        with contextlib.suppress(OSError):      # it may be thrown off
            while len(sent) < n or not stop.is_set():
                agent.publish(agent.topic("hello"), hello, 0)
                sent.append(1)
    try:
        with meanwhile(work):
            wait_for("the flood", lambda: len(sent) > n // 10)
            asks(attack)
        line = re.compile(rf"agent_silenced agent=\w+ name={agent.name} ")
        wait_for("it to be silenced", lambda: line.search(p.server.log.read_text(errors="replace")))
        asks(attack)
    finally:
        agent.close()


def asks(attack):
    """An honest question through the server, to all who are really there."""
    p = attack.taken.platform
    r = p.mig("file", "-t", "tags->>'operator' = 'opsec'", "-path", "/etc/passwd", "-name",
              "^passwd$", "--json", check=0)
    _, summary = answers_of(r)
    assert summary["found"] == 3, r.stdout
    attack.allow(summary["id"])


@pytest.mark.parametrize("full", SIZES)
def test_enrolments(taken, attack, full):
    """With tokens that are none: refused, and slowed down, and nobody is enrolled."""
    p = taken.platform
    before = p.status()["agents"]["registered"]
    n, codes = size(full, 300, 10_000), set()
    https = Https(p.port, p.state / "relay" / "ca.crt")
    who = Identity()
    c = https.connect()

    def work(stop):
        nonlocal c
        for _ in range(n):
            body = json.dumps(who.enrol_request(os.urandom(32).hex(), "flood"))
            try:
                c.request("POST", "/api/v1/enrol", body)
                r = c.getresponse()
                r.read()
                codes.add(r.status)
            except OSError:
                c.close()
                c = https.connect()
    with meanwhile(work):
        asks(attack)
    c.close()
    assert codes <= {403, 429, 503} and codes, codes
    assert p.status()["agents"]["registered"] == before


@contextlib.contextmanager
def half_open(port, n, addresses):
    """Connections that begin TLS and say nothing more, from each in turn."""
    conns = []
    try:
        for i in range(n):
            with contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", port), 5,
                                             (addresses[i % len(addresses)], 0))
                conns.append(s)
                s.send(b"\x16\x03\x01\x02\x00\x01" if i % 2 else b"\x16")
        assert len(conns) > n // 2
        yield conns
    finally:
        for s in conns:
            s.close()


def answers(api):
    """Who is slow on a busy machine may have to make room, too."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return api.call("GET", "/status")[0] == 200


def test_more_half_open_connections_than_there_is_room_for(tmp_path):
    """From the honest one's own address, and from so many that all places would
    be taken: who says nothing makes room for who asks."""
    s = Server(tmp_path)
    try:
        s.init()
        text = re.sub(r"(?m)^connections(_per_ip)? .*\n", "", s.conf.read_text())
        s.conf.write_text(text + "connections 64\nconnections_per_ip 32\n")
        api = s.start().login()
        everywhere = [f"127.0.0.{i}" for i in range(1, 6)]
        for addresses in (everywhere[:1], everywhere):
            with half_open(s.port, 200, addresses):
                for _ in range(5):
                    wait_for("an answer", lambda: answers(api), 10)
    finally:
        s.daemon.stop()
        s.gpg.stop()


@pytest.mark.parametrize("door", ["api", "relay"])
def test_half_open_connections_take_no_time(taken, door):
    """Who has begun TLS and says no more is waited for, not asked all the time."""
    p = taken.platform
    assert p.status()["agents"]["registered"]
    pid = procs.parts_of(p.server.proc.pid)[door]
    with half_open(p.port if door == "api" else p.relay_port, 4, ["127.0.0.1"]):
        time.sleep(0.5)
        before = procs.cpu_ms(pid)
        assert before > 0
        time.sleep(2)
        assert procs.cpu_ms(pid) - before < 300
        assert p.status()["agents"]["registered"]


@pytest.mark.parametrize("full", SIZES)
@pytest.mark.parametrize("door", ["api", "relay"])
def test_half_open_connections(taken, attack, door, full):
    """Some thousands of them, of several addresses; one is the honest one's."""
    p = taken.platform
    port = p.port if door == "api" else p.relay_port
    n = size(full, 300, 5000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with half_open(port, n, [f"127.0.0.{i}" for i in range(1, 6)]):
            asks(attack)
            taken.platform.wait_online(3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
