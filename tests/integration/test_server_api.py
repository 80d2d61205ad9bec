# SPDX-License-Identifier: MPL-2.0
"""mig-server alone: the real program with its real relay on free ports, real
gpg signatures, and agents that are played by the test (fakeagent.py).
"""
import base64
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from fakeagent import (FakeAgent, Https, Identity, purpose, purpose_hash,
                       rfc3339)
from miglib import Daemon, Gpg, free_ports, program, wait_for

SEAL = {"public": base64.b64encode(b"\x09" + bytes(31)).decode(),
        "readers": ["A" * 40], "key": "-----BEGIN PGP MESSAGE-----\n\n"
        "x\n-----END PGP MESSAGE-----\n"}


def armor(packet):
    crc = 0xB704CE
    for b in packet:
        crc ^= b << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    text = base64.encodebytes(packet).decode()
    check = base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    return ("-----BEGIN PGP SIGNATURE-----\n\n" + text + "=" + check +
            "\n-----END PGP SIGNATURE-----\n")


class Server:
    def __init__(self, directory):
        self.dir = directory
        self.port, self.relay_port = free_ports(2)
        self.conf = directory / "server.conf"
        self.state = directory / "state"
        self.gpg = Gpg(directory / "gnupg")
        self.alice = self.gpg.make_key("Alice Admin")
        self.bob = self.gpg.make_key("Bob Other")
        self.eve = self.gpg.make_key("Eve Nobody")
        self.env = {**self.gpg.env, "HOME": str(directory),
                    "XDG_CONFIG_HOME": str(directory / "xdg")}
        self.daemon = Daemon([program("mig-server"), "-c", str(self.conf),
                              "run"], directory / "log")

    def keyring(self, fpr):
        path = self.dir / f"{fpr}.keyring"
        ring = self.dir / f"ring-{fpr}"
        env = {**self.env, "XDG_CONFIG_HOME": str(ring)}
        for args in (["keyring", "add", fpr], ["keyring", "export"]):
            p = subprocess.run([program("mig"), *args], env=env,
                               capture_output=True, text=True, check=False)
            assert p.returncode == 0, p.stderr
        path.write_text(p.stdout)
        return path

    def command(self, *args, code=0):
        p = subprocess.run([program("mig-server"), "-c", str(self.conf),
                            *args], capture_output=True, text=True,
                           check=False, timeout=30)
        assert p.returncode == code, (args, p.stdout, p.stderr)
        return p

    def init(self):
        p = self.command("init", "--name", "localhost,127.0.0.1", "--port",
                         str(self.port), "--relay-port",
                         str(self.relay_port), "--state", str(self.state),
                         "--investigator", str(self.keyring(self.alice)),
                         "--investigator", str(self.keyring(self.bob)))
        self.ca = re.search(r"CA fingerprint ([0-9a-f]{64})", p.stdout)[1]
        self.ca_file = str(self.state / "relay" / "ca.crt")
        return self

    def start(self):
        self.daemon.start()
        self.wait_ready()
        return self

    def wait_ready(self):
        wait_for("a healthy server", self.healthy, 30)

    def healthy(self):
        assert self.daemon.alive(), self.daemon.tail()
        try:
            return Https(self.port, self.ca_file).call("GET", "/health")[0] \
                == 200
        except (OSError, ssl.SSLError):
            return False

    def https(self):
        return Https(self.port, self.ca_file)

    # --- logins -----------------------------------------------------------
    def sign(self, word, data, fpr=None):
        return armor(self.gpg.detach_sign(fpr or self.alice,
                                          purpose(word, data)))

    def session_document(self, fresh, **change):
        doc = {"syntaxversion": 3, "server": f"https://localhost:{self.port}",
               "ca": self.ca, "nonce": fresh, "time": rfc3339()}
        doc.update(change)
        return json.dumps({k: v for k, v in doc.items() if v is not None})

    def nonce(self):
        status, j = self.https().call("POST", "/sessions/nonce")
        assert status == 200, j
        return j["nonce"]

    def session(self, doc, fpr=None, signatures=None):
        return self.https().call("POST", "/sessions", {
            "document": doc, "signatures": signatures if signatures is not
            None else [self.sign("session", doc.encode(), fpr)]})

    def login(self, fpr=None):
        status, j = self.session(self.session_document(self.nonce()), fpr)
        assert status == 201, j
        api = self.https()
        api.token = j["token"]
        return api

    # --- actions ----------------------------------------------------------
    def document(self, target="all", seconds=600, start=-5, pad=0, **change):
        now = time.time()
        doc = {"syntaxversion": 3, "nonce": os.urandom(16).hex(),
               "name": "a test", "target": target,
               "validfrom": rfc3339(now + start),
               "expireafter": rfc3339(now + seconds),
               "require": {"weight": 1},
               "operations": [{"module": "file", "parameters": {"searches": {
                   "s1": {"paths": ["/etc"], "names": ["^passwd$"]}}}}],
               "seal": SEAL}
        doc.update(change)
        return json.dumps(doc) + " " * pad

    def envelope(self, doc, fpr=None):
        return {"document": doc, "signatures": [
            self.sign("action", doc.encode(), fpr)]}

    def launch(self, api, status=201, envelope=None, delivery=None, **kw):
        e = dict(envelope or self.envelope(self.document(**kw)))
        if delivery:
            e["delivery"] = delivery
        got, j = api.call("POST", "/actions", e)
        assert got == status, j
        return j

    # --- agents -----------------------------------------------------------
    def token(self, *args):
        out = self.command("token", *args).stdout
        return re.search(r"--token ([0-9a-f]{64})", out)[1]

    def enrol(self, name, tags=None, who=None):
        who = who or Identity()
        status, j = self.https().call(
            "POST", "/enrol", who.enrol_request(self.token(), name))
        assert status == 201, j
        return FakeAgent(who, name, j, tags)


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
def bob(server):
    return server.login(server.bob)


def code(reply):
    return reply[0], reply[1]["error"]["code"]


# --- requests of every wrong kind -------------------------------------------

@pytest.mark.parametrize("method,path,want", [
    ("GET", "/nothing", (404, "not_found")),
    ("GET", "/actions/12345678/nothing", (404, "not_found")),
    ("GET", "/agents/", (404, "not_found")),
    ("PUT", "/status", (405, "method")),
    ("GET", "/enrol", (405, "method")),
    ("GET", "/status", (401, "session")),
    ("POST", "/actions", (401, "session")),
    ("GET", "/events", (401, "session")),
    ("GET", "/metrics", (401, "session")),
    ("POST", "/tokens", (401, "session")),
    ("GET", "/policies/xyz", (400, "invalid")),
    ("GET", "/policies/" + "0" * 64, (404, "not_found")),
])
def test_refused_without_session(server, method, path, want):
    assert code(server.https().call(method, path)) == want


def test_405_names_the_methods(server):
    status, headers, _ = server.https().raw("PATCH", "/actions")
    assert status == 405
    assert headers["Allow"] == "POST, GET"


@pytest.mark.parametrize("value", [
    "", "Bearer", "Bearer ", "Bearer zz", "Bearer " + "0" * 64,
    "Basic " + "0" * 64, "Bearer " + "0" * 63, "Bearer " + "0" * 66])
def test_bad_tokens(server, value):
    reply = server.https().call("GET", "/status",
                                headers={"Authorization": value})
    assert code(reply) == (401, "session")


@pytest.mark.parametrize("body", [
    "", "{", "[]", "nonsense", "\0", '{"target": "a", "target": "b"}',
    '{"target": "all"} x', '{"target": "\\ud800"}', "[" * 100,
    b'{"target": "\xff"}'])
def test_bad_json(api, body):
    status, name = code(api.call("POST", "/targets", body))
    assert (status, name) == (400, "json")


@pytest.mark.parametrize("body,word", [
    ({}, "target"), ({"target": 1}, "target"), ({"target": "x" * 5000},
                                                "target"),
    ({"target": "name LIKE"}, "target"), ({"target": "all", "x": 1}, "x"),
    ({"target": "random() > 0"}, "target"), ({"target": "all",
                                              "online": 3}, "online"),
    ({"target": "(SELECT 1)"}, "target"),
    ({"target": "1; DROP TABLE agents"}, "target")])
def test_bad_targets(api, body, word):
    status, j = api.call("POST", "/targets", body)
    assert status == 400 and word in j["error"]["message"], j


def test_huge_bodies(server, api):
    big = "x" * (3 * 1024 * 1024)
    assert code(api.call("POST", "/actions", big)) == (413, "too_large")
    assert code(server.https().call("POST", "/enrol", big)) == (413,
                                                               "too_large")
    # one that does not say its size
    c = api.connect()
    c.request("POST", "/api/v1/targets", (b"y" * 8192 for _ in range(100)),
              api.headers(), encode_chunked=True)
    r = c.getresponse()
    assert r.status == 413, r.read()
    c.close()


def test_no_answer_needed_for_garbage(server, api):
    """What is not HTTP, or not TLS, ends that connection only."""
    for data in (b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", os.urandom(500)):
        with socket.create_connection(("127.0.0.1", server.port), 5) as s:
            s.sendall(data)
            s.settimeout(5)
            try:
                while s.recv(4096):
                    pass
            except OSError:
                pass
    ctx = api.context
    with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
        with ctx.wrap_socket(raw, server_hostname="localhost") as s:
            assert s.version() == "TLSv1.3"
            s.sendall(b"\x01\x02 nonsense\r\n\r\n")
            s.settimeout(5)
            try:
                while s.recv(4096):
                    pass
            except OSError:
                pass
    assert api.call("GET", "/status")[0] == 200


def test_tls12_is_refused(server):
    ctx = ssl.create_default_context(cafile=server.ca_file)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
        with pytest.raises(ssl.SSLError):
            ctx.wrap_socket(raw, server_hostname="localhost")


# --- sessions ----------------------------------------------------------------

def test_login_says_who(server):
    status, j = server.session(server.session_document(server.nonce()))
    assert status == 201
    assert j["investigator"] == {
        "name": "Alice Admin <alice.admin@example.org>",
        "fingerprint": server.alice.lower(), "role": "admin"}
    assert re.fullmatch("[0-9a-f]{64}", j["token"])


@pytest.mark.parametrize("change,want", [
    ({"server": "https://elsewhere:1"}, (403, "not_verified")),
    ({"server": "http://localhost"}, (403, "not_verified")),
    ({"ca": "0" * 64}, (403, "not_verified")),
    ({"ca": "x"}, (403, "not_verified")),
    ({"nonce": "0" * 64}, (403, "expired")),
    ({"nonce": "short"}, (400, "invalid")),
    ({"time": rfc3339(time.time() - 3600)}, (403, "expired")),
    ({"time": "2030-01-01T00:00:00Z"}, (403, "expired")),
    ({"time": "now"}, (400, "invalid")),
    ({"time": None}, (400, "invalid")),
    ({"syntaxversion": 2}, (400, "invalid")),
    ({"more": 1}, (400, "invalid"))])
def test_bad_session_documents(server, change, want):
    doc = server.session_document(server.nonce(), **change)
    assert code(server.session(doc)) == want


def test_nonce_is_for_one_use(server):
    doc = server.session_document(server.nonce())
    assert server.session(doc)[0] == 201
    assert code(server.session(doc)) == (403, "expired")
    # one that was refused for another reason did not use it
    nonce = server.nonce()
    assert server.session(server.session_document(nonce, ca="0" * 64))[0] \
        == 403
    assert server.session(server.session_document(nonce))[0] == 201
    assert code(server.session(server.session_document(nonce))) \
        == (403, "expired")


def test_login_of_strangers(server):
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, server.eve)) == (403, "not_verified")
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, signatures=[])) == (400, "invalid")
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, signatures=["hello"]))[0] == 400
    # a signature for another purpose
    doc = server.session_document(server.nonce())
    sig = server.sign("action", doc.encode())
    assert code(server.session(doc, signatures=[sig])) == (403,
                                                           "not_verified")


def test_logout(server):
    api = server.login()
    assert api.call("GET", "/status")[0] == 200
    assert api.call("DELETE", "/sessions") == (200, {})
    assert code(api.call("GET", "/status")) == (401, "session")


# --- actions that are refused -------------------------------------------------

def test_unsigned_and_foreign_actions(server, api):
    doc = server.document()
    assert code(api.call("POST", "/actions", {
        "document": doc, "signatures": []})) == (403, "not_verified")
    assert code(api.call("POST", "/actions",
                         server.envelope(doc, server.eve))) \
        == (403, "not_verified")
    e = server.envelope(doc)
    e["document"] = server.document()
    assert code(api.call("POST", "/actions", e)) == (403, "not_verified")
    sig = server.sign("session", doc.encode())
    assert code(api.call("POST", "/actions", {
        "document": doc, "signatures": [sig]})) == (403, "not_verified")


@pytest.mark.parametrize("kw,word", [
    ({"seconds": -1}, "expireafter"),
    ({"seconds": 400 * 86400}, "expireafter"),
    ({"target": "nonsense("}, "target"),
    ({"operations": []}, "operations"),
    ({"operations": [{"module": "nosuch", "parameters": {}}]}, "nosuch"),
    ({"operations": [{"module": "file", "parameters": {"searches": {
        "s": {"paths": ["/"], "names": ["("]}}}}]}, "names"),
    ({"extra": 1}, "extra"),
    ({"syntaxversion": 2}, "syntaxversion"),
    ({"require": {}}, "weight")])
def test_bad_actions(server, api, kw, word):
    status, j = api.call("POST", "/actions",
                         server.envelope(server.document(**kw)))
    assert status in (400, 403), j
    assert word in j["error"]["message"], j


@pytest.mark.parametrize("body", [
    {}, {"document": "{}"}, {"document": 1, "signatures": []},
    {"document": "{}", "signatures": ["x"]},
    {"document": "{}", "signatures": [], "delivery": "now"},
    {"document": "{}", "signatures": [], "other": 1},
    {"document": "", "signatures": []}])
def test_bad_envelopes(api, body):
    status, j = api.call("POST", "/actions", body)
    assert status == 400 and j["error"]["message"], j


# --- investigators -------------------------------------------------------------

def test_only_admins_change_things(server, bob):
    text = server.keyring(server.eve).read_text()
    assert code(bob.call("POST", "/investigators", {"keyring": text})) \
        == (403, "not_allowed")
    assert code(bob.call("DELETE", "/investigators/" + server.alice)) \
        == (403, "not_allowed")
    assert code(bob.call("POST", "/tokens", {})) == (403, "not_allowed")
    assert code(bob.call("DELETE", "/agents/" + "0" * 64)) \
        == (403, "not_allowed")


def test_investigators_come_and_go(server, api):
    text = server.keyring(server.eve).read_text()
    assert api.call("POST", "/investigators", {
        "keyring": text, "fingerprint": server.eve}) == (201, {})
    eve = server.login(server.eve)
    names = [i["name"] for i in
             api.call("GET", "/investigators")[1]["investigators"]]
    assert len(names) == 3 and any("Eve" in n for n in names)
    assert api.call("DELETE", "/investigators/" + server.eve)[0] == 200
    # with the person go the sessions, at once
    assert code(eve.call("GET", "/status")) == (401, "session")
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, server.eve)) == (403, "not_verified")
    assert code(api.call("DELETE", "/investigators/" + server.eve)) \
        == (404, "not_found")
    assert code(api.call("DELETE", "/investigators/" + server.alice)) \
        == (403, "denied")
    # nor can the last admin stop being one
    alice = server.keyring(server.alice).read_text()
    assert code(api.call("POST", "/investigators", {
        "keyring": alice, "role": "reader"})) == (403, "denied")
    # added again without a role she keeps hers
    assert api.call("POST", "/investigators", {"keyring": alice})[0] == 201
    assert api.call("POST", "/tokens", {})[0] == 201


@pytest.mark.parametrize("keyring", [
    "", "mig-keyring 3\n", "nonsense", "mig-keyring 3\nperson " + "a" * 40 +
    " Nobody\n"])
def test_bad_keyrings(api, keyring):
    assert api.call("POST", "/investigators", {"keyring": keyring})[0] == 400


def test_commands_beside_the_running_server(server):
    path = server.keyring(server.eve)
    server.command("investigator", "add", str(path))
    assert server.eve.lower() in server.command("investigator",
                                                "list").stdout
    assert server.login(server.eve).call("GET", "/status")[0] == 200
    server.command("investigator", "remove", server.eve)
    server.command("investigator", "remove", server.eve, code=1)
    server.command("investigator", "remove", server.alice, code=1)
    assert "agents" in server.command("status").stdout


# --- enrolment -----------------------------------------------------------------

def test_enrolment(server, api):
    status, t = api.call("POST", "/tokens", {"uses": 1, "seconds": 60})
    assert status == 201 and t["ca"] == server.ca and t["policy"] is None
    assert t["command"].startswith("mig-agent enrol https://localhost:")
    who = Identity()
    request = who.enrol_request(t["token"], "host-a")
    status, j = server.https().call("POST", "/enrol", request)
    assert status == 201, j
    assert j["agent"] == who.id
    assert j["relay"] == f"localhost:{server.relay_port}"
    assert "BEGIN CERTIFICATE" in j["certificate"] and j["policy"] is None
    # the same agent may ask again (its answer may have been lost) ...
    again = who.enrol_request(t["token"], "host-a")
    assert server.https().call("POST", "/enrol", again)[0] == 201
    # ... another one may not
    other = Identity().enrol_request(t["token"], "host-b")
    assert code(server.https().call("POST", "/enrol", other)) \
        == (403, "token")
    status, a = api.call("GET", "/agents/" + who.id[:12])
    assert status == 200 and a["name"] == "host-a" and not a["online"]
    # and not without end
    https = server.https()
    replies = [https.call("POST", "/enrol", again) for _ in range(70)]
    assert code(replies[-1]) == (503, "busy") and [r[0] for r in replies].count(201) == 63


def test_bad_enrolments(server):
    token = server.token("--uses", "50")
    who = Identity()

    def post(request):
        return code(server.https().call("POST", "/enrol", request))

    def changed(**kw):
        return {**who.enrol_request(token, "x"), **kw}

    assert post(changed(signature="00" * 64)) == (403, "not_verified")
    assert post(changed(signature="00")) == (400, "invalid")
    assert post(changed(identity=Identity().pub.hex())) \
        == (403, "not_verified")
    assert post(changed(identity="00" * 32)) == (403, "not_verified")
    assert post(changed(token="ab" * 32)) == (403, "token")
    assert post(changed(document="{}")) == (403, "not_verified")
    assert post(changed(extra=1)) == (400, "invalid")
    for kw, want in (
            ({"token_sha256": "00" * 32}, (403, "not_verified")),
            ({"time": rfc3339(time.time() - 3600)}, (403, "expired")),
            ({"name": ""}, (400, "invalid")),
            ({"name": "n" * 300}, (400, "invalid")),
            ({"tls_spki": "AAAA"}, (400, "invalid")),
            ({"tls_spki": "!"}, (400, "invalid")),
            ({"nonce": "1"}, (400, "invalid")),
            ({"more": 1}, (400, "invalid"))):
        assert post(who.enrol_request(token, "x", **kw)) == want, kw
    # none of these used the token up
    assert server.https().call("POST", "/enrol", who.enrol_request(
        token, "x"))[0] == 201


def test_expired_token(server):
    token = server.token("--expires", "1s")
    time.sleep(1.1)
    request = Identity().enrol_request(token, "late")
    assert code(server.https().call("POST", "/enrol", request)) \
        == (403, "token")


# --- the relay -------------------------------------------------------------------

def test_relay_wants_a_certificate(server):
    ctx = ssl.create_default_context(cafile=server.ca_file)
    with socket.create_connection(("localhost", server.relay_port), 5) as raw:
        with pytest.raises((ssl.SSLError, OSError)):
            with ctx.wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
                s.settimeout(5)
                if not s.recv(1):
                    raise OSError("closed")


def test_relay_keeps_agents_apart(server):
    a = server.enrol("apart-a").connect()
    b = server.enrol("apart-b").connect(client_id=a.who.id)
    try:
        # not its topics: denied, or silently never delivered
        a.subscribe(b.topic("in"), b.topic("out"), "#", "mig/1/a/+/in")
        a.publish(b.topic("in"), b"\x01 from a")
        a.publish("mig/1/all", b"\x01 from a")
        a.publish(b.topic("presence"), struct.pack(">BQ", 0, 99))
        b.hello()
        topic, m = b.expect(5)
        assert topic == b.topic("in")
        # b named itself a and is still b: a is connected
        a.hello()
        assert a.expect(5)[0] == a.topic("in")
    finally:
        a.close()
        b.close()


def test_presence_and_hello(server, api):
    a = server.enrol("present", {"role": "web"}).connect().hello()
    try:
        _, m = a.expect(5)
        assert abs(struct.unpack(">Q", m[1:9])[0] / 1000 - time.time()) < 60
        assert struct.unpack(">I", m[9:13])[0] >= 5000 and m[13] == 3
        # the welcome does not wait for the store
        lines = wait_for("the agent to be online", lambda: list(api.lines(
            "/agents?target=tags-%3E%3E%27role%27%3D%27web%27&online=1")))
        assert [x["name"] for x in lines] == ["present"]
        assert base64.b64decode(lines[0]["hello"])[0] == 3
        status, j = api.call("POST", "/targets", {"target":
                                                  "name = 'present'"})
        assert (j["count"], j["online"]) == (1, 1)
        a.close()  # the last will
        wait_for("the agent to be offline", lambda: not api.call(
            "GET", "/agents/" + a.who.id)[1]["online"])
        # a will of an older connection does not count
        a.connect().hello()
        a.expect(5)
        wait_for("the agent to be online", lambda: api.call(
            "GET", "/agents/" + a.who.id)[1]["online"])
        a.publish(a.topic("presence"), struct.pack(">BQ", 0, 0))
        a.hello()
        a.expect(5)
        assert api.call("GET", "/agents/" + a.who.id)[1]["online"]
    finally:
        a.close()


def test_hellos_that_are_refused(server, api):
    a = server.enrol("hello-a").connect()
    b = server.enrol("hello-b")
    before = refused(api)
    try:
        good = a.hello_bytes()
        for bad in (b"", b"\x03", good[:50], good[:-1], good + b" ",
                    b"\x02" + good[1:], b.hello_bytes(),
                    a.hello_bytes(id=b.who.id), a.hello_bytes(extra=1)):
            a.publish(a.topic("hello"), bad, 0)
        a.publish(a.topic("presence"), b"\x01")
        a.publish(a.topic("out"), b"")
        a.publish(a.topic("out"), b"\x10")
        a.publish(a.topic("out"), b"\x63" + bytes(100))
        wait_for("13 refused messages",
                 lambda: refused(api) >= before + 13)
        assert not api.call("GET", "/agents/" + a.who.id)[1]["hello"]
    finally:
        a.close()


def metrics(api):
    text = api.raw("GET", "/metrics")[2].decode()
    return {k: int(v) for k, v in re.findall(r"^(\w+) (\d+)$", text, re.M)}


def refused(api):
    return metrics(api)["mig_relay_messages_refused_total"]


# --- the main line: launch, deliver, answer ----------------------------------------

@pytest.fixture
def fleet(server, request):
    """Five agents with a tag of this test's name, connected."""
    tag = request.node.name
    agents = [server.enrol(f"{tag}-{i}", {"fleet": tag}).connect().hello()
              for i in range(5)]
    for a in agents:
        a.expect(5)
    yield agents, f"tags->>'fleet' = '{tag}'"
    for a in agents:
        a.close()


def test_launch_and_answers(server, api, fleet):
    agents, target = fleet
    envelope = server.envelope(server.document(target))
    j = server.launch(api, envelope=envelope)
    action = j["id"]
    assert action == purpose_hash("action", envelope["document"].encode())
    assert (j["expected"], j["online"]) == (5, 5)
    # the same again is the same
    assert server.launch(api, 200, envelope=envelope) == j
    answers = {}
    for a in agents:
        _, m = a.expect(1)
        assert m[1:5] == b"MIG3"
        n = struct.unpack(">I", m[9:13])[0]
        assert m[13:13 + n].decode() == envelope["document"]
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(
        api.lines(f"/actions/{action[:12]}/results?follow=1")))
    reader.start()
    for a in agents[:4]:
        answers[a.who.id] = a.answer(action)
    big = agents[4].answer_bytes(action, 1, 0, os.urandom(300000), 1)
    agents[4].answer(action, big)
    answers[agents[4].who.id] = big
    reader.join(10)
    assert lines[-1] == {"type": "end", "reason": "complete", "expected": 5,
                         "answered": 5}
    got = {x["agent"]: base64.b64decode(x["answer"]) for x in lines
           if x["type"] == "answer"}
    assert got == answers
    assert any(x["type"] == "progress" for x in lines)
    status, j = api.call("GET", "/actions/" + action)
    assert j["status"] == "complete" and j["target"] == target
    assert j["counts"] == {"expected": 5, "sent": 5, "answered": 5,
                           "done": 1, "refused": 4, "stopped": 0}
    assert j["document"] == envelope["document"]
    assert j["investigators"] == ["Alice Admin <alice.admin@example.org>"]
    rows = list(api.lines(f"/actions/{action}/agents"))
    assert {r["state"] for r in rows} == {"answered"}
    assert sorted(r["status"] for r in rows) == ["done"] + ["refused"] * 4
    # a cursor goes on where it was
    cursors = [x["cursor"] for x in lines if x["type"] == "answer"]
    rest = list(api.lines(f"/actions/{action}/results?after={cursors[2]}"))
    assert [x["cursor"] for x in rest[:-1]] == cursors[3:]
    listed = api.call("GET", "/actions?limit=1")[1]
    assert [x["id"] for x in listed["actions"]] == [action]


def test_equal_and_different_answers(server, api, fleet):
    agents, target = fleet
    a = agents[0]
    action = server.launch(api, target=f"id = '{a.who.id}'")["id"]
    a.expect(1)
    first = a.answer(action, a.answer_bytes(action, when=1000))
    a.answer(action, first)
    a.answer(action, a.answer_bytes(action, when=2000))
    a.answer(action, a.answer_bytes(action, when=2000))
    lines = [x for x in api.lines(f"/actions/{action}/results")
             if x["type"] == "answer"]
    assert len(lines) == 2
    assert base64.b64decode(lines[0]["answer"]) == first
    assert "different" not in lines[0] and lines[1]["different"]
    assert api.call("GET", "/actions/" + action)[1]["counts"]["answered"] == 1


def test_answers_that_are_refused(server, api, fleet):
    agents, target = fleet
    a, b = agents[:2]
    action = server.launch(api, target=target)["id"]
    a.expect(1)
    before = refused(api)
    good = a.answer_bytes(action)
    flipped = bytearray(good)
    flipped[150] ^= 1
    unknown = "ab" * 32
    for data in (bytes(flipped), good[:-1], good + b"x",
                 b.answer_bytes(action), a.answer_bytes(unknown)):
        a.send_part(action, 0, 1, data)
    a.send_part(unknown, 0, 1, a.answer_bytes(unknown))
    wait_for("6 refused", lambda: refused(api) >= before + 6)
    counts = api.call("GET", "/actions/" + action)[1]["counts"]
    assert counts["answered"] == 0
    a.answer(action)
    # by an agent that was not asked: taken, and counted as expected
    c = server.enrol("uninvited").connect().hello()
    c.answer(action)
    counts = api.call("GET", "/actions/" + action)[1]["counts"]
    assert (counts["expected"], counts["answered"]) == (6, 2)
    c.close()


def test_parts_in_any_order(server, api, fleet):
    agents, target = fleet
    a = agents[0]
    action = server.launch(api, target=f"id = '{a.who.id}'")["id"]
    a.expect(1)
    data = a.answer_bytes(action, 1, 0, os.urandom(140000), 1)
    parts = [data[:16384], data[16384:16384 + 122880], data[139264:]]
    assert len(parts) == 3 and parts[2]
    for i in (2, 0, 0):
        a.send_part(action, i, 3, parts[i])
        assert a.ack(action, i) is False
    a.send_part(action, 1, 3, parts[1])
    assert a.ack(action, 1) is True


def test_pending_after_hello(server, api):
    """Away when it was launched; and not sent again when it is known."""
    a = server.enrol("pending", {"p": "1"}).connect().hello()
    a.expect(5)
    a.close()
    wait_for("offline", lambda: not api.call(
        "GET", "/agents/" + a.who.id)[1]["online"])
    j = server.launch(api, target="tags->>'p' = '1'")
    assert (j["expected"], j["online"]) == (1, 0)
    rows = list(api.lines(f"/actions/{j['id']}/agents"))
    assert [r["state"] for r in rows] == ["waiting"]
    a.connect().hello()
    topic, m = a.expect(1)
    assert topic == a.topic("in")
    wait_for("sent", lambda: list(api.lines(
        f"/actions/{j['id']}/agents"))[0]["state"] == "sent")
    a.close()
    a.connect().hello(known=[j["id"]])
    a.expect(5)
    with pytest.raises((TimeoutError, socket.timeout)):
        a.expect(1, 0.7)
    a.connect().hello()
    a.expect(1)
    a.answer(j["id"])
    a.close()


def test_enrolled_after_the_launch(server, api):
    j = server.launch(api, target="tags->>'later' = '1'")
    k = server.launch(api, target="tags->>'later' = '1'", delivery="online")
    assert j["expected"] == k["expected"] == 0
    a = server.enrol("later", {"later": "1"}).connect().hello()
    _, m = a.expect(1)
    a.answer(j["id"])
    counts = api.call("GET", "/actions/" + j["id"])[1]["counts"]
    assert (counts["expected"], counts["answered"]) == (1, 1)
    assert api.call("GET", "/actions/" + k["id"])[1]["counts"]["expected"] \
        == 0
    a.close()


def test_silent_agents_are_asked(server, api, fleet):
    agents, target = fleet
    action = server.launch(api, target=target)["id"]
    topics = {a.expect(1)[0] for a in agents}
    assert topics == {"mig/1/all"}
    for a in agents[1:]:
        a.answer(action)
    topic, m = agents[0].expect(1, 8)
    assert topic == agents[0].topic("in") and m[1:5] == b"MIG3"


def test_expiry(server, api, fleet):
    agents, target = fleet
    action = server.launch(api, target=target, seconds=2)["id"]
    for a in agents[:2]:
        a.answer(action)
    lines = list(api.lines(f"/actions/{action}/results?follow=1"))
    assert lines[-1]["reason"] == "expired"
    assert (lines[-1]["expected"], lines[-1]["answered"]) == (5, 2)
    states = [r["state"] for r in api.lines(f"/actions/{action}/agents")]
    assert sorted(states) == ["answered"] * 2 + ["expired"] * 3
    # an answer that was on its way is not lost
    agents[2].answer(action)
    assert api.call("GET", "/actions/" + action)[1]["counts"]["answered"] == 3


def test_valid_later(server, api, fleet):
    agents, target = fleet
    server.launch(api, target=target, start=2)
    begin = time.monotonic()
    agents[0].expect(1, 6)
    assert time.monotonic() - begin > 0.7


def test_large_actions_are_pulled(server, api, fleet):
    agents, target = fleet
    envelope = server.envelope(server.document(target, pad=400000))
    action = server.launch(api, envelope=envelope)["id"]
    a = agents[0]
    topic, m = a.expect(2)
    assert m[1:33].hex() == action
    size = struct.unpack(">I", m[33:37])[0]
    whole, of = b"", (size + 122879) // 122880
    for part in range(of):
        a.publish(a.topic("out"), b"\x11" + bytes.fromhex(action) +
                  struct.pack(">H", part))
        _, p = a.expect(3)
        assert struct.unpack(">HH", p[33:37]) == (part, of)
        whole += p[37:]
    assert hashlib.sha256(whole).digest() == m[37:69]
    assert envelope["document"].encode() in whole
    a.publish(a.topic("out"), b"\x11" + bytes.fromhex(action) + b"\xff\xff")
    a.publish(a.topic("out"), b"\x11" + bytes(32) + b"\x00\x00")
    a.answer(action)


def test_only_one_is_asked_alone(server, api, fleet):
    agents, _ = fleet
    action = server.launch(api, target=f"id = '{agents[0].who.id}'")["id"]
    assert agents[0].expect(1)[0] == agents[0].topic("in")
    agents[0].answer(action)
    with pytest.raises((TimeoutError, socket.timeout)):
        agents[1].expect(1, 0.5)


def test_ids_may_be_short(server, api, fleet):
    agents, target = fleet
    action = server.launch(api, target=target)["id"]
    assert api.call("GET", "/actions/" + action[:8])[1]["id"] == action
    assert code(api.call("GET", "/actions/" + action[:7])) \
        == (400, "invalid")
    assert code(api.call("GET", "/actions/" + "z" * 12)) == (400, "invalid")
    assert code(api.call("GET", "/actions/" + "0" * 64)) \
        == (404, "not_found")
    assert code(api.call("GET", "/actions?limit=x")) == (400, "invalid")


def test_events(server, api, fleet):
    agents, target = fleet
    c = api.connect(10)
    c.request("GET", "/api/v1/events", headers=api.headers(
        {"Last-Event-ID": "0"}))
    r = c.getresponse()
    assert r.headers["Content-Type"] == "text/event-stream"
    action = server.launch(api, target=target)["id"]
    for a in agents:
        a.answer(action)
    seen = []
    while True:
        line = r.readline().decode().rstrip()
        if line.startswith("id: "):
            seen.append(int(line[4:]))
        if line.startswith("data: ") and action in line and \
                "complete" in line:
            break
    assert seen == sorted(set(seen))
    c.close()
    # resumes behind the id it was given
    c = api.connect(10)
    c.request("GET", "/api/v1/events", headers=api.headers(
        {"Last-Event-ID": str(seen[-2])}))
    r = c.getresponse()
    while True:
        line = r.readline().decode().rstrip()
        if line.startswith("id: "):
            assert int(line[4:]) > seen[-2]
            break
    c.close()
    # one of a store that had more, as before a restore, does not wait until there are as many
    c = api.connect(10)
    c.request("GET", "/api/v1/events", headers=api.headers(
        {"Last-Event-ID": str(seen[-1] + 1000000)}))
    r = c.getresponse()
    action = server.launch(api, target=target)["id"]
    while action not in r.readline().decode():
        pass
    c.close()
    for a in agents:
        a.answer(action)


def test_revoked_agents(server, api):
    a = server.enrol("revoked", {"r": "1"}).connect().hello()
    a.expect(5)
    assert api.call("DELETE", "/agents/" + a.who.id) == (200, {})
    assert server.launch(api, target="tags->>'r' = '1'")["expected"] == 0
    request = a.who.enrol_request(server.token(), "back")
    assert code(server.https().call("POST", "/enrol", request)) \
        == (403, "revoked")
    assert list(api.lines("/agents?target=name%3D%27revoked%27")) == []
    a.close()


def test_relay_takes_nothing_from_the_revoked(server, api):
    """Not from the connection there is, nor from a new one, nor after a
    restart of core or relay; the others are not disturbed."""
    bad = server.enrol("revoked-2").connect().hello()
    good = server.enrol("not-revoked").connect().hello()
    bad.expect(5)
    good.expect(5)
    acl = server.state / "relay" / "acl"
    assert api.call("DELETE", "/agents/" + bad.who.id) == (200, {})
    assert bad.who.id in acl.read_text()

    def silenced():
        """What reaches the core from a revoked agent is counted there."""
        before = metrics(api)
        try:
            bad.close()
            bad.connect().hello()
            bad.publish(bad.topic("presence"), bad.presence(1))
            mid = struct.pack(">H", bad.mid)
            while bad.read_packet() != (0x40, mid):
                pass
        except (OSError, ssl.SSLError):
            pass  # not even let in: as good
        good.hello()
        good.expect(5)
        seen = before["mig_relay_messages_in_total"] + 2
        now = wait_for("the good one's messages", lambda: (lambda m: m if m[
            "mig_relay_messages_in_total"] >= seen else None)(metrics(api)))
        key = "mig_relay_messages_refused_total"
        return now[key] == before[key]
    wait_for("silence", silenced)
    for role in (None, "core", "mosquitto"):
        if role:
            pid = wait_for("the role", lambda: role_pid(server, role))
            os.kill(pid, signal.SIGKILL)
            wait_for("another one", lambda: role_pid(server, role)
                     not in (None, pid))
            server.wait_ready()
            good.close()
            good.connect().hello()
            good.expect(5)
        wait_for("silence", silenced)
    bad.close()
    good.close()


def test_only_who_is_online_is_listed(server, api):
    """From the moment the relay knows it, killed or stopped."""
    a = server.enrol("comes-and-goes").connect().hello()
    a.expect(5)

    def listed(query):
        return a.who.id in [x["id"] for x in api.lines("/agents" + query)]

    for _ in range(3):
        wait_for("online", lambda: listed("?online=1"))
        a.close()
        wait_for("not listed", lambda: not listed("?online=1"), 5)
        assert listed("") and listed("?online=0")
        a.connect().hello()
        a.expect(5)
    a.close()


def test_the_largest_action_is_taken(server, api):
    """Quotes double in the JSON around the document."""
    doc = server.document(target="id = 'nobody'")
    room = 1024 * 1024 - len(doc) - 200
    doc = json.loads(doc)
    doc["operations"][0]["parameters"]["searches"]["s1"]["names"] = \
        ['"' * 900] * (room // 1900)
    text = json.dumps(doc)
    assert 900_000 < len(text) <= 1024 * 1024
    body = json.dumps(server.envelope(text))
    assert len(body) > 1536 * 1024
    status, j = api.call("POST", "/actions", body)
    # Taken as a whole: what is wrong with it, if anything, is said by name.
    assert status == 201 or "operations[0]" in j["error"]["message"], j


def test_bodies_are_bounded_together(server, api):
    """Many large bodies at once are refused, and their memory comes back."""
    conns = []
    try:
        for _ in range(60):
            c = api.connect()
            c.putrequest("POST", "/api/v1/actions")
            for k, v in api.headers().items():
                c.putheader(k, v)
            c.putheader("Content-Length", str(2560 * 1024))
            c.endheaders()
            c.send(b"x" * (2560 * 1024 - 1))
            conns.append(c)
        replies = []
        # the last first: when it is read, the others are nearly so
        for c in reversed(conns):
            c.send(b"x")
            replies.append(c.getresponse().status)
        assert set(replies) == {400, 503}, replies
    finally:
        for c in conns:
            c.close()
    assert api.call("POST", "/actions", "x" * 2000 * 1024)[0] == 400


def test_many_clients_at_once(api):
    def one(_):
        return api.call("GET", "/status")[0]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(one, range(200))) == {200}


# --- crashes: kept for the end -----------------------------------------------------

def role_pid(server, name):
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii",
                      errors="replace") as f:
                ppid = int(f.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if ppid == server.daemon.proc.pid and name.encode() in argv:
            return int(entry)
    return None


@pytest.mark.parametrize("role", ["api", "ca", "core", "mosquitto"])
def test_roles_come_back(server, api, role):
    """Killed in the middle: what was accepted is there, the agent is asked
    again, and its answer is stored once."""
    a = server.enrol(f"crash-{role}", {"crash": role}).connect().hello()
    a.expect(5)
    action = server.launch(api, target=f"tags->>'crash' = '{role}'")["id"]
    a.expect(1)
    pid = wait_for("the role", lambda: role_pid(server, role))
    os.kill(pid, signal.SIGKILL)
    wait_for("another one", lambda: role_pid(server, role) not in (None, pid))
    server.wait_ready()
    if role == "mosquitto":
        a.connect().hello(known=[action])
        a.expect(5)
    # a core that just connected may not listen yet
    a.answer(action, turns=5)
    assert api.call("GET", "/actions/" + action)[1]["status"] == "complete"
    request = Identity().enrol_request(server.token(), "after")

    def enrols():
        return server.https().call("POST", "/enrol", request)[0] == 201
    wait_for("enrolment", enrols)
    a.close()


def test_who_left_while_the_core_was_away(server, api):
    """The last will went to nobody: silence tells."""
    gone = server.enrol("left").connect().hello(interval=1)
    stays = server.enrol("stays").connect().hello(interval=1)
    gone.expect(5)
    stays.expect(5)
    pid = role_pid(server, "core")
    os.kill(pid, signal.SIGKILL)
    gone.close()
    wait_for("another one", lambda: role_pid(server, "core")
             not in (None, pid))
    server.wait_ready()

    def online():
        stays.hello(interval=1)
        stays.expect(5)
        time.sleep(0.3)    # who says more than agents do is not heard
        return {x["id"] for x in api.lines("/agents?online=1")}

    wait_for("one of two", lambda: gone.who.id not in online(), 30)
    assert stays.who.id in online()
    stays.close()


def test_what_was_acknowledged_is_stored(server, api, fleet):
    """The core is killed while answers pour in: each acknowledged one is
    there, and each of the others comes again and is there once."""
    agents, target = fleet
    actions = [server.launch(api, target=target)["id"] for _ in range(8)]
    for a in agents:
        for _ in actions:
            a.expect(1)
    acked = set()

    def pour(a):
        sent = {x: a.answer_bytes(x) for x in actions}
        for x in actions:
            a.send_part(x, 0, 1, sent[x])
        while len([1 for who, _ in acked if who == a.who.id]) < len(actions):
            try:
                _, m = a.expect(4, 2)
                if m[37] == 1:
                    acked.add((a.who.id, m[1:33].hex()))
            except (TimeoutError, socket.timeout):
                for x in actions:
                    if (a.who.id, x) not in acked:
                        a.send_part(x, 0, 1, sent[x])

    pid = role_pid(server, "core")
    threads = [threading.Thread(target=pour, args=(a,)) for a in agents]
    for t in threads:
        t.start()
    wait_for("the first acknowledgement", lambda: acked)
    os.kill(pid, signal.SIGKILL)
    before = set(acked)

    def stored():
        out = []
        for x in actions:
            out += [(line["agent"], x)
                    for line in api.lines(f"/actions/{x}/results")
                    if line["type"] == "answer"]
        return out
    assert before <= set(stored())
    for t in threads:
        t.join(30)
        assert not t.is_alive()
    got = stored()
    assert len(got) == len(set(got)) == len(actions) * len(agents)
    for x in actions:
        j = api.call("GET", "/actions/" + x)[1]
        assert j["status"] == "complete"
        assert j["counts"]["answered"] == len(agents)
    server.wait_ready()


def test_stop_and_start_again(server, api):
    a = server.enrol("restart", {"again": "1"}).connect().hello()
    a.expect(5)
    action = server.launch(api, target="tags->>'again' = '1'")["id"]
    a.close()
    assert server.daemon.stop() == 0
    server.start()
    assert not api.call("GET", "/agents/" + a.who.id)[1]["online"]
    a.connect().hello()
    a.expect(1)
    a.answer(action)
    assert api.call("GET", "/actions/" + action)[1]["status"] == "complete"
    a.close()


def test_nothing_outlives_the_parent(server, api):
    """Killed hard, it takes roles and relay along, and can start again."""
    pids = [role_pid(server, r) for r in ("api", "core", "ca", "mosquitto")]
    assert all(pids)
    server.daemon.kill()
    wait_for("all to end", lambda: not any(
        os.path.exists(f"/proc/{p}") for p in pids))
    server.start()
    assert api.call("GET", "/status")[0] == 200


# --- the program -------------------------------------------------------------------

def test_init_refuses_to_overwrite(server):
    p = server.command("init", "--name", "localhost", "--state",
                       str(server.state), code=1)
    assert "already" in p.stderr
    assert server.https().call("GET", "/health")[0] == 200


def test_init_keeps_to_the_configuration_that_is_there(server, tmp_path):
    """It names the state; what says otherwise is refused, nothing made."""
    def init(*args, code):
        p = subprocess.run(
            [program("mig-server"), "-c", str(tmp_path / "conf"), "init",
             "--name", "localhost", *args],
            capture_output=True, text=True, check=False, timeout=30)
        assert p.returncode == code, p.stderr
        return p.stderr

    elsewhere = tmp_path / "elsewhere"
    text = server.conf.read_text()
    (tmp_path / "conf").write_text(text)
    for args in ((), ("--state", str(elsewhere))):
        assert f"{server.state}/ca/ca.key is there" in init(*args, code=1)
    text = text.replace(str(server.state), str(tmp_path / "own"))
    text = text.replace("localhost,127.0.0.1", "localhost")
    (tmp_path / "conf").write_text(text)
    for args in (("--state", str(elsewhere)), ("--port", "1"),
                 ("--name", "a.b"), ("--user", "other")):
        assert f"{tmp_path}/conf has " in init(*args, code=1)
    assert [p.name for p in tmp_path.iterdir()] == ["conf"]
    init(code=0)
    assert (tmp_path / "own" / "ca" / "ca.key").exists()
    assert (tmp_path / "conf").read_text() == text
    (tmp_path / "conf").write_text("nosuchkey 1\n")
    assert "nosuchkey" in init(code=1)


def test_init_makes_one_admin(server, tmp_path):
    """The first person of the first keyring, and nobody else."""
    ring = server.keyring(server.bob).read_text()
    ring += server.keyring(server.alice).read_text().split("\n", 1)[1]
    (tmp_path / "two").write_text(ring)
    def command(*args):
        return subprocess.run(
            [program("mig-server"), "-c", str(tmp_path / "conf"), *args],
            capture_output=True, text=True, check=True, timeout=30).stdout

    command("init", "--name", "localhost", "--state", str(tmp_path / "state"),
            "--investigator", str(tmp_path / "two"), "--investigator",
            str(server.keyring(server.eve)))
    listed = command("investigator", "list")
    assert dict(re.findall(r"([0-9a-f]{40})\s+(\w+)", listed)) == {
        server.bob.lower(): "admin", server.alice.lower(): "investigator",
        server.eve.lower(): "investigator"}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize("systemd", [True, False])
def test_init_says_how_to_start(tmp_path, systemd):
    """As the unit does, where there is one and somebody who uses it."""
    def init(*conf):
        """With /etc and /run of its own."""
        (tmp_path / "run" / "systemd").mkdir(parents=True, exist_ok=True)
        if systemd:
            (tmp_path / "run" / "systemd" / "system").mkdir(exist_ok=True)
        etc = tmp_path / "etc"
        shutil.rmtree(etc, ignore_errors=True)
        units = etc / "systemd" / "system"
        units.mkdir(parents=True)
        (units / "mig-server.service").touch()
        (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec",
             'mount --bind "$1/etc" /etc; mount --bind "$1/run" /run; shift;'
             ' exec "$@"', "sh", str(tmp_path), program("mig-server"), *conf,
             "init", "--name", "localhost", "--user", "root", "--state",
             str(tmp_path / f"state{len(conf)}")],
            capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("next:\n")[1]

    unit = "  systemctl enable --now mig-server\n"
    assert (unit in init()) == systemd
    other = init("-c", str(tmp_path / "conf"))
    assert unit not in other and f"mig-server -c {tmp_path}/conf run" in other


def test_init_that_fails_leaves_nothing_of_its_own(server, tmp_path):
    """And touches nothing that was there before, whatever is wrong."""
    for args in (("--user", "no-such-user"), ("--policy", "/nonexistent"),
                 ("--investigator", "/nonexistent")):
        server.command("init", "--name", "localhost", "--state",
                       str(server.state), *args, code=1)
        if os.geteuid() != 0 and args[0] == "--user":
            continue
        state = tmp_path / args[0]
        server.command("-c", str(tmp_path / "none"), "init", "--name",
                       "localhost", "--state", str(state), *args, code=1)
        assert [p for p in state.rglob("*") if p.is_file()] == []
    assert (server.state / "ca" / "ca.key").exists()
    assert server.https().call("GET", "/health")[0] == 200


@pytest.mark.parametrize("args", [
    ("token", "--uses", "0"), ("token", "--expires", "1x"),
    ("prune", "--results", "5x"), ("prune", "--actions", "")])
def test_wrong_value_is_named(server, args):
    assert f"{args[1]} {args[2]}: expected a " in server.command(
        *args, code=2).stderr


@pytest.mark.parametrize("args,want", [
    ((), 2), (("nosuch",), 2), (("-n", "extra"), 2), (("token", "--uses", "0"), 2),
    (("token", "--expires", "x"), 2), (("policy",), 2),
    (("policy", "set", "/nonexistent"), 1), (("policy", "show"), 1),
    (("investigator", "add"), 2), (("investigator", "add", "/dev/null"), 1),
    (("status", "x"), 2), (("init",), 2), (("run", "x"), 2)])
def test_wrong_use(server, args, want):
    p = server.command(*args, code=want)
    assert p.stderr and "rror" not in p.stdout


def test_configuration_check(server, tmp_path):
    server.command("-n")
    text = server.command("-nv").stdout
    path = tmp_path / "c"
    path.write_text(text)
    again = subprocess.run([program("mig-server"), "-c", str(path), "-nv"],
                           capture_output=True, text=True, check=True)
    assert again.stdout == text
    path.write_text("prot 1\n")
    p = subprocess.run([program("mig-server"), "-nc", str(path)],
                       capture_output=True, text=True, check=False)
    assert p.returncode == 1 and "port" in p.stderr
    path.write_text("port 70000\n")
    p = subprocess.run([program("mig-server"), "-nc", str(path)],
                       capture_output=True, text=True, check=False)
    assert p.returncode == 1 and ":1" in p.stderr


def test_roles_have_their_own_rights(server):
    """Neither api nor core holds the CA's key open, and both are confined."""
    for role in ("api", "core", "ca"):
        pid = role_pid(server, role)
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(re.findall(r"^(\w+):\t(\S+)$", f.read(), re.M))
        if "sandbox=null" not in server.daemon.log.read_text():
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            assert int(status["CapEff"], 16) == 0
        if role != "ca":
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in
                     os.listdir(f"/proc/{pid}/fd")]
            assert not any("ca.key" in x for x in links)


def test_signatures_are_awaited_without_a_policy(server, api, bob):
    """A server that knows no policy counts each person as one, and nobody else."""
    text = server.document(require={"weight": 2})
    ident = purpose_hash("action", text.encode())
    j = server.launch(api, envelope=server.envelope(text))
    assert j["status"] == "waiting" and j["weight"] == {"has": 1, "needs": 2}
    assert "no policy is known here" in j["missing"]
    path = f"/actions/{ident}/signatures"
    nobody = {"document": text, "signatures": [server.sign("action", text.encode(), server.eve)]}
    assert code(bob.call("POST", path, nobody)) == (403, "not_verified")
    status, j = bob.call("POST", path, server.envelope(text, server.bob))
    assert (status, sorted(j)) == (201, ["expected", "id", "online"]), j
    assert bob.call("GET", f"/actions/{ident}")[1]["status"] == "open"
