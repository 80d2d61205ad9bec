# SPDX-License-Identifier: MPL-2.0
"""An enrolled agent that does what it likes, against the server and the relay;
another agent is served meanwhile. (What it seals: test_results.py.)"""
import json
import os
import re
import struct
import time

import pytest

from fakeagent import FakeAgent, Identity
from miglib import wait_for
from procs import parts_of, rss_kb
from test_server_api import Server, code

SECONDS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("server"))
    try:
        yield s.init().start()
    finally:
        s.daemon.stop()
        s.gpg.stop()


@pytest.fixture(scope="module")
def api(server):
    return server.login()


@pytest.fixture(scope="module")
def good(server, api):
    a = server.enrol("good", {"who": "good"}).connect().hello()
    a.expect(5)
    yield a
    a.close()


@pytest.fixture
def mallory(server, api, good):
    """The hostile one. An honest question is answered before and after it."""
    honest(server, api, good)
    m = server.enrol("mallory", {"who": "mallory"}).connect().hello()
    m.expect(5)
    yield m
    m.close()
    honest(server, api, good)
    assert server.daemon.alive()


def honest(server, api, good):
    action = server.launch(api, target=f"id = '{good.who.id}'")["id"]
    good.expect(1)
    good.answer(action)
    assert counts(api, action)["answered"] == 1


def counts(api, action):
    return api.call("GET", "/actions/" + action)[1]["counts"]


def refused(api):
    text = api.raw("GET", "/metrics")[2].decode()
    return int(re.search(r"^mig_relay_messages_refused_total (\d+)$", text, re.M)[1])


def ask(server, api, *agents):
    return server.launch(api, target="id IN ('%s')" % "', '".join(a.who.id for a in agents))["id"]


def test_another_agents_topics(server, api, good, mallory):
    """It hears nothing that is not for it, and is heard under its own name only."""
    topics = [good.topic(x) for x in ("in", "out", "hello", "presence")]
    mallory.subscribe(*topics, "#", "+/1/a/+/in", "mig/1/a/+/out", "$SYS/#")
    action = ask(server, api, good)
    good.expect(1)
    for topic in (*topics, "mig/1/all", "mig/1/a/" + "0" * 64 + "/out"):
        mallory.publish(topic, good.hello_bytes())
        mallory.publish(topic, b"\x01 nonsense")
        mallory.publish(topic, b"\x10" + bytes.fromhex(action) + b"\0\0\0\1" +
                        good.answer_bytes(action))
    mallory.hello()     # behind all of that; its welcome is the next it hears
    topic, m = mallory.receive()
    assert topic == mallory.topic("in") and m[0] == 5, topic
    assert counts(api, action)["answered"] == 0
    assert api.call("GET", "/agents/" + good.who.id)[1]["online"]
    good.answer(action)


def test_another_agents_client_id(server, api, good, mallory):
    """The relay takes the name from the certificate: nobody is thrown off."""
    twin = FakeAgent(mallory.who, "mallory", mallory.enrolled)
    twin.connect(client_id=good.who.id)
    try:
        action = ask(server, api, good)
        good.expect(1)
        good.answer(action)
    finally:
        twin.close()


def test_another_agents_presence(server, api, good, mallory):
    for n in (0, 1, 1 << 63):
        mallory.publish(good.topic("presence"), struct.pack(">BQ", 0, n))
    mallory.hello()
    mallory.expect(5)
    assert api.call("GET", "/agents/" + good.who.id)[1]["online"]


def test_another_agents_hello(server, api, good, mallory):
    before = refused(api)
    mallory.publish(mallory.topic("hello"), good.hello_bytes(tags={"who": "stolen"}), 0)
    mallory.publish(mallory.topic("hello"), mallory.hello_bytes(id=good.who.id), 0)
    wait_for("both refused", lambda: refused(api) >= before + 2)
    rows = [x["id"] for x in api.lines("/agents?target=tags-%3E%3E%27who%27%3D%27stolen%27")]
    assert rows == []


def test_another_agents_id_at_enrolment(server, api, good, mallory):
    """Its public key without its secret half; its key and one's own signature."""
    who = Identity()
    request = who.enrol_request(server.token(), "thief")
    other = good.who.enrol_request(server.token(), "thief")
    for bad in ({**request, "identity": good.who.pub.hex()},
                {**other, "signature": who.sign("enrol", other["document"].encode()).hex()},
                {**other, "document": other["document"].replace("thief", "thie2")},
                {**request, "signature": other["signature"]}):
        status, j = server.https().call("POST", "/enrol", bad)
        assert status in (400, 403), j
    # a name is no identity: it may be claimed, and is another id
    status, j = server.https().call("POST", "/enrol", Identity().enrol_request(
        server.token(), "good"))
    assert status == 201 and j["agent"] != good.who.id


def test_tokens_of_enrolment(server, api, mallory):
    used = server.token()
    assert server.https().call("POST", "/enrol", Identity().enrol_request(used, "a"))[0] == 201
    for token in (used, os.urandom(32).hex(), "00" * 32):
        reply = server.https().call("POST", "/enrol", Identity().enrol_request(token, "b"))
        assert code(reply) == (403, "token")


def test_answers_to_what_it_was_not_asked(server, api, good, mallory):
    """Unknown actions and another's answers are no answers; to one that was not
    for it, it is counted as somebody who was not expected."""
    action = ask(server, api, good)
    good.expect(1)
    before = refused(api)
    mallory.send_part(action, 0, 1, good.answer_bytes(action))
    mallory.send_part(action, 0, 1, mallory.answer_bytes(action, agent=good.who.id))
    mallory.send_part("ab" * 32, 0, 1, mallory.answer_bytes("ab" * 32))
    mallory.send_part(action, 0, 1, mallory.answer_bytes("ab" * 32))
    wait_for("all refused", lambda: refused(api) >= before + 4)
    assert counts(api, action)["answered"] == 0
    good.answer(action)
    assert counts(api, action) == {**counts(api, action), "expected": 1, "answered": 1}


def test_parts_that_never_end(server, api, good, mallory):
    """Of 65,535, the last first, none twice the same: bounded room, and others
    are put together meanwhile."""
    action = ask(server, api, good, mallory)
    mallory.expect(1)
    good.expect(1)
    rss = memory(server)
    for n in range(60):
        mallory.send_part(action, 65534 - n, 65535, os.urandom(16384))
    big = good.answer_bytes(action, 1, 0, os.urandom(300_000), 1)
    good.answer(action, big)
    got = counts(api, action)
    assert (got["answered"], got["done"]) == (1, 1)
    assert memory(server) < rss + 64 * 1024


def memory(server):
    """Of the role that puts answers together, kB."""
    return rss_kb(parts_of(server.daemon.proc.pid)["core"])


def test_sizes_of_two_to_the_31(server, api, good, mallory):
    action = ask(server, api, mallory)
    mallory.expect(1)
    before = refused(api)
    d = mallory.answer_bytes(action)
    at = len(d) - 64 - 36
    for size in (1, 1 << 20, 1 << 31, (1 << 32) - 1):
        head = d[:at] + struct.pack(">I", size) + d[at + 4:-64]
        mallory.send_part(action, 0, 1, head + mallory.who.sign("result", head))
    for part, of in ((1, 1), (5, 2), (0, 0), (65535, 65535)):
        mallory.send_part(action, part, of, d)
    wait_for("all refused", lambda: refused(api) >= before + 7)
    assert counts(api, action)["answered"] == 0


def test_hellos_of_no_sense(server, api, mallory):
    """What is only long is text and stays text; the rest is refused, each."""
    for change in ({"tags": {"k": "[" * 8000}}, {"addresses": ["x" * 9000]}):
        mallory.publish(mallory.topic("hello"), mallory.hello_bytes(**change), 0)
        assert mallory.receive()[1][0] == 5
    before = refused(api)
    bad = ({"tags": {"a": {"b": 1}}}, {"known": ["x"]}, {"os": "\x00"}, {"interval": -1},
           {"connection": -1}, {"record": {"position": 1 << 63, "head": "00" * 32}},
           {"id": "../../etc"}, {"policy": None}, {"modules": "file"})
    for change in bad:
        mallory.publish(mallory.topic("hello"), mallory.hello_bytes(**change), 0)
    wait_for("all refused", lambda: refused(api) == before + len(bad))


def test_no_certificate_of_anothers_key(server, mallory):
    """Renewing with somebody else's signature or for somebody else's key."""
    who = Identity()
    doc = json.dumps({"syntaxversion": 3, "nonce": os.urandom(32).hex(), "token_sha256": "00" * 32,
                      "tls_spki": "", "name": "x",
                      "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}).encode()
    mallory.publish(mallory.topic("out"), b"\x12" + who.pub + who.sign("enrol", doc) + doc)
    mallory.publish(mallory.topic("out"), b"\x12" + mallory.who.pub + bytes(64) + doc)
    mallory.hello()
    assert mallory.receive()[1][0] == 5
