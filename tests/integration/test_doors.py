# SPDX-License-Identifier: MPL-2.0
"""The server's own doors: who may call what, with which key, how often."""
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import re
import sqlite3
import ssl
import struct
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import openapi
from fakeagent import RAW, FakeAgent, Https, Identity, purpose_hash, rfc3339
from miglib import program, wait_for
from test_server_api import SEAL, Server, code

ROLES = ("reader", "investigator", "admin")


class Doors(Server):
    """A server with a person of each role; alice is the admin."""

    def https(self):
        return openapi.Checked(self.port, self.ca_file)

    def people(self):
        self.carol = self.gpg.make_key("Carol Reader", encryption=None)
        self.command("investigator", "add", str(self.keyring(self.carol)),
                     "--role", "reader")
        self.who = {"admin": self.alice, "investigator": self.bob,
                    "reader": self.carol}
        self.api = {role: self.login(fpr) for role, fpr in self.who.items()}
        return self

    def mig(self, *args, fpr=None, code=0, **kw):
        """The client, as one of them, in a home of their own."""
        fpr = fpr or self.alice
        home = self.dir / ("home-" + fpr[:8])
        env = {**self.gpg.env, "HOME": str(home), "LC_ALL": "C.UTF-8"}
        for kind in ("CONFIG", "CACHE", "DATA", "STATE"):
            env[f"XDG_{kind}_HOME"] = str(home / kind.lower())
        first = not home.exists()
        home.mkdir(exist_ok=True)
        if first:
            self.mig("init", "--server", f"https://localhost:{self.port}",
                     "--ca", self.ca, "--key", fpr, fpr=fpr)
        p = subprocess.run([program("mig"), *args], env=env,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=60, check=False, **kw)
        if code is not None:
            assert p.returncode == code, (args, p.stdout, p.stderr)
        return p

    def sign_once(self, word):
        """Some signature; what it is over does not matter."""
        if not hasattr(self, "signed"):
            self.signed = self.sign(word, b"{}", self.bob)
        return self.signed

    def key(self, name, calls, seconds=600):
        """An API key made by hand; an Https that uses it."""
        secret = os.urandom(32)
        reply = self.api["admin"].call("POST", "/apikeys", {
            "name": name, "calls": calls, "seconds": seconds,
            "sha256": hashlib.sha256(secret).hexdigest()})
        assert reply == (201, {}), reply
        api = self.https()
        api.token = "mig-key-" + secret.hex()
        return api


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    s = Doors(tmp_path_factory.mktemp("doors"))
    try:
        yield s.init().start().people()
    finally:
        s.daemon.stop()
        s.gpg.stop()


# --- every call, by everybody -------------------------------------------------

NONE = "0" * 64
# method, path, body, name of the call, least role ("person": no key can)
CALLS = [
    ("GET", "/status", None, "status", "reader"),
    ("GET", "/metrics", None, "metrics", "reader"),
    ("GET", "/events", None, "events", "reader"),
    ("GET", "/agents", None, "agents", "reader"),
    ("GET", "/agents/" + NONE, None, "agents", "reader"),
    ("POST", "/targets", {"target": "all"}, "agents", "reader"),
    ("GET", "/actions", None, "actions:read", "reader"),
    ("GET", "/actions/" + NONE, None, "actions:read", "reader"),
    ("POST", "/actions/" + NONE + "/cancel", {}, "actions:launch", "investigator"),
    ("POST", "/actions/" + NONE + "/signatures", {}, "actions:launch", "investigator"),
    ("GET", "/actions/" + NONE + "/agents", None, "actions:read", "reader"),
    ("GET", "/actions/" + NONE + "/results", None, "results", "reader"),
    ("GET", "/actions/" + NONE + "/shares", None, "results", "reader"),
    ("POST", "/actions/" + NONE + "/shares", {}, "person", "reader"),
    ("DELETE", "/actions/" + NONE + "/shares", None, "person", "reader"),
    ("GET", "/investigators", None, "investigators:read", "reader"),
    ("POST", "/actions", {}, "actions:launch", "investigator"),
    ("GET", "/policies", None, "policies:read", "reader"),
    ("GET", "/policies/" + NONE + "/signed", None, "policies:read", "reader"),
    ("POST", "/policies", {}, "policies:push", "investigator"),
    ("GET", "/tokens", None, "tokens", "admin"),
    ("POST", "/tokens", {"uses": 0}, "tokens", "admin"),
    ("DELETE", "/tokens/" + NONE, None, "tokens", "admin"),
    ("DELETE", "/agents/" + NONE, None, "agents:revoke", "admin"),
    ("GET", "/audit", None, "audit", "admin"),
    ("GET", "/sessions", None, "person", "reader"),
    ("DELETE", "/sessions/" + NONE, None, "person", "reader"),
    ("DELETE", "/investigators/x/sessions", None, "person", "reader"),
    ("POST", "/investigators", {}, "person", "admin"),
    ("DELETE", "/investigators/x", None, "person", "admin"),
    ("POST", "/investigators/x/role", {"role": "x"}, "person", "admin"),
    ("GET", "/apikeys", None, "person", "admin"),
    ("POST", "/apikeys", {}, "person", "admin"),
    ("DELETE", "/apikeys/none", None, "person", "admin"),
]
OPEN = {("POST", "/sessions/nonce"), ("POST", "/sessions"), ("POST", "/enrol"),
        ("GET", "/policies/%"), ("GET", "/health"), ("GET", "/metrics")}
KEY_CALLS = sorted({c[3] for c in CALLS} - {"person"})


def status_of(api, method, path, body):
    """Status and code; a stream is not read."""
    c = api.connect()
    c.request(method, "/api/v1" + path,
              json.dumps(body) if body is not None else None, api.headers())
    r = c.getresponse()
    try:
        if r.status < 400:
            return r.status, None
        return r.status, json.loads(r.read())["error"]["code"]
    finally:
        c.close()


def test_the_table_is_whole(doors):
    """A call that somebody adds is in the matrix, or this fails."""
    source = (program_dir() / "src/server/api/routes.c").read_text()
    rows = set(re.findall(r'\{ "([A-Z]+)", "(/[^"]*)", CALL_\w+', source))
    assert len(rows) > 20
    mine = {(m, re.sub(r"/(%s|x|none)" % NONE, "/%", p))
            for m, p, *_ in CALLS}
    assert rows - mine - OPEN == {("DELETE", "/sessions")}
    assert mine <= rows


def program_dir():
    import miglib
    return miglib.ROOT


@pytest.mark.parametrize("role", ROLES)
def test_roles(doors, role):
    api = doors.api[role]
    for method, path, body, name, least in CALLS:
        got = status_of(api, method, path, body)
        if ROLES.index(role) < ROLES.index(least):
            assert got == (403, "not_allowed"), (role, method, path, got)
        else:
            # let in: whatever is wrong then is wrong with the question
            assert got[0] not in (401, 403, 405, 429, 500), \
                (role, method, path, got)


def test_keys(doors):
    """Each key does the one call it names, and nothing else."""
    keys = {name: doors.key("one." + name.replace(":", "-"), name)
            for name in KEY_CALLS}
    for name, api in keys.items():
        for method, path, body, call, _ in CALLS:
            got = status_of(api, method, path, body)
            if call == name:
                assert got[0] not in (401, 403, 405, 429, 500), \
                    (name, method, path, got)
            else:
                assert got == (403, "not_allowed"), (name, method, path, got)
    for name in keys:
        path = "/apikeys/one." + name.replace(":", "-")
        assert doors.api["admin"].call("DELETE", path) == (200, {})
        assert status_of(keys[name], "GET", "/status", None) \
            == (401, "session")


def test_keys_launch_nothing_alone(doors):
    """What a program brings is signed by a person who is logged in."""
    api = doors.key("robot", "actions:launch,status")
    doc = doors.document()
    assert code(api.call("POST", "/actions", {
        "document": doc, "signatures": []})) == (403, "not_verified")
    assert code(api.call("POST", "/actions",
                         doors.envelope(doc, doors.eve))) \
        == (403, "not_verified")
    # a reader's signature opens nothing, although she is logged in
    assert code(api.call("POST", "/actions",
                         doors.envelope(doc, doors.carol))) == (403, "denied")
    assert api.call("POST", "/actions",
                    doors.envelope(doc, doors.bob))[0] == 201


def test_bad_keys(doors):
    admin = doors.api["admin"]
    good = {"name": "k", "calls": "status", "seconds": 60, "sha256": "0" * 64}
    for change in ({"name": ""}, {"name": "a b"}, {"name": "x" * 33},
                   {"name": "../x"}, {"calls": ""}, {"calls": "everything"},
                   {"calls": "apikeys"}, {"seconds": 0}, {"seconds": 1 << 40},
                   {"sha256": "0" * 63}, {"sha256": 1}, {"more": 1}):
        status, j = admin.call("POST", "/apikeys", {**good, **change})
        assert status == 400, (change, j)
    doors.key("twice", "status")
    assert code(admin.call("POST", "/apikeys", {**good, "name": "twice"})) \
        == (409, "exists")
    short = doors.key("short", "status", seconds=1)
    wait_for("the key's end",
             lambda: short.call("GET", "/status")[0] == 401, 10)
    # nothing of the secret is in the list
    listed = admin.call("GET", "/apikeys")[1]["apikeys"]
    one = next(k for k in listed if k["name"] == "twice")
    assert set(one) == {"name", "calls", "created", "expires", "by"}
    assert one["by"] == doors.alice.lower()


def test_roles_change(doors):
    """A new role holds at once, and the last admin stays one."""
    admin, carol = doors.api["admin"], doors.api["reader"]
    path = f"/investigators/{doors.carol}/role"
    body = {"document": "x", "signatures": []}
    assert status_of(carol, "POST", "/actions", body)[0] == 403
    assert admin.call("POST", path, {"role": "investigator"}) == (200, {})
    assert status_of(carol, "POST", "/actions", body)[0] == 400
    doors.command("investigator", "role", doors.carol, "reader")
    assert status_of(carol, "POST", "/actions", body)[0] == 403
    # adding the same person again keeps the role
    doors.command("investigator", "add", str(doors.keyring(doors.carol)))
    listed = doors.command("investigator", "list").stdout
    assert re.search(doors.carol.lower() + r"\s+reader\s", listed)
    assert code(admin.call("POST", f"/investigators/{doors.alice}/role",
                           {"role": "reader"})) == (403, "denied")
    assert code(admin.call("POST", path, {"role": "root"})) \
        == (400, "invalid")
    assert code(admin.call("POST", "/investigators/" + "0" * 40 + "/role",
                           {"role": "reader"})) == (404, "not_found")


# --- sessions -------------------------------------------------------------------

def stream(api, path="/events"):
    c = api.connect()
    c.request("GET", "/api/v1" + path, headers=api.headers())
    r = c.getresponse()
    assert r.status == 200
    assert r.readline() == b": waiting\n"
    return c, r


def ends(r):
    """Is the stream cut off, and soon? One that goes on is read no longer."""
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            if not r.readline():
                return True
    except TimeoutError:
        return False
    except (http.client.IncompleteRead, ConnectionError, ssl.SSLError):
        return True
    return False


def test_a_revoked_session_ends_at_once(doors):
    first, second = doors.login(doors.bob), doors.login(doors.bob)
    admin = doors.api["admin"]
    mine = first.call("GET", "/sessions")[1]["sessions"]
    assert {s["fingerprint"] for s in mine} == {doors.bob.lower()}
    assert sum(s["current"] for s in mine) == 1
    theirs = admin.call("GET", "/sessions")[1]["sessions"]
    assert len({s["fingerprint"] for s in theirs}) == 3
    me = next(s["id"] for s in mine if s["current"])
    conn, r = stream(first)
    # not by a stranger, but by another session of one's own
    assert code(doors.api["reader"].call("DELETE", "/sessions/" + me)) \
        == (403, "not_allowed")
    assert second.call("DELETE", "/sessions/" + me) == (200, {})
    assert code(first.call("GET", "/status")) == (401, "session")
    assert ends(r)
    conn.close()
    assert second.call("GET", "/status")[0] == 200
    # an admin ends all of them
    conn, r = stream(second)
    assert admin.call("DELETE",
                      f"/investigators/{doors.bob}/sessions") == (200, {})
    assert ends(r)
    conn.close()
    assert code(second.call("GET", "/status")) == (401, "session")
    doors.api["investigator"] = doors.login(doors.bob)


def test_a_removed_person_is_cut_off(doors):
    """Also when it is done beside the server, on its own machine."""
    doors.command("investigator", "add", str(doors.keyring(doors.eve)))
    eve = doors.login(doors.eve)
    conn, r = stream(eve)
    doors.command("investigator", "remove", doors.eve)
    assert code(eve.call("GET", "/status")) == (401, "session")
    assert ends(r)
    conn.close()


# --- the client -------------------------------------------------------------------

def test_client(doors):
    p = doors.mig("apikey", "make", "grafana", "-calls", "status,metrics",
                  "-expires", "30d")
    secret = p.stdout.strip()
    assert re.fullmatch("mig-key-[0-9a-f]{64}", secret)
    api = Https(doors.port, doors.ca_file)
    api.token = secret
    assert api.call("GET", "/status")[0] == 200
    cached = doors.dir / f"home-{doors.alice[:8]}" / "cache" / "mig" / "session"
    session = json.loads(cached.read_text())["token"]
    store = b"".join(f.read_bytes() for f in (doors.state / "db").iterdir())
    assert b"grafana" in store      # hashed: neither a key nor a session can be taken from there
    for token in (secret.removeprefix("mig-key-"), session):
        assert token.encode() not in store and bytes.fromhex(token) not in store
        assert hashlib.sha256(bytes.fromhex(token)).digest() in store
    assert "grafana" in doors.mig("apikey", "list").stdout
    assert secret not in doors.mig("apikey", "list", "-json").stdout
    assert "'grafana'" in doors.mig("apikey", "revoke", "grafana").stderr
    assert api.call("GET", "/status")[0] == 401
    p = doors.mig("apikey", "revoke", "grafana", code=2)
    assert "there is no API key 'grafana'" in p.stderr
    p = doors.mig("apikey", "make", "x", "-calls", "all", code=2)
    assert "'all' is no call of an API key; there are status," in p.stderr

    ring = str(doors.keyring(doors.eve))
    doors.mig("investigators", "add", ring, "-role", "reader")
    doors.mig("investigators", "role", doors.eve, "admin")
    listed = doors.mig("investigators", "list", "-json").stdout
    eve = next(i for i in json.loads(listed)["investigators"]
               if i["fingerprint"] == doors.eve.lower())
    assert eve["role"] == "admin"
    # keys outlive who made them: it is said
    doors.mig("apikey", "make", "left-behind", "-calls", "status",
              fpr=doors.eve)
    p = doors.mig("investigators", "remove", doors.eve)
    assert "API key 'left-behind', which they made" in p.stderr
    doors.mig("apikey", "revoke", "left-behind")

    sessions = json.loads(doors.mig("sessions", "list", "-json",
                                    fpr=doors.bob).stdout)["sessions"]
    mine = next(s["id"] for s in sessions if s["current"])
    doors.mig("sessions", "revoke", mine, fpr=doors.bob)
    p = doors.mig("apikey", "list", fpr=doors.bob, code=2)
    assert "'apikeys' needs the role admin, and yours is investigator" \
        in p.stderr


class Program:
    """mig of a program: no gpg, no person, a file with an API key."""

    def __init__(self, doors, home):
        self.doors, self.home, self.key = doors, home, home / "key"
        home.mkdir()
        self.env = {"HOME": str(home), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"],
                    "GNUPGHOME": str(home / "nothing")}

    def make(self, name, calls):
        doors = self.doors
        assert f"wrote {self.key}" in doors.mig(
            "apikey", "make", name, "-calls", calls, "-o", str(self.key)).stderr
        assert self.key.stat().st_mode & 0o777 == 0o600
        return self

    def mig(self, *args, code=0, **env):
        p = subprocess.run([program("mig"), *args], env={**self.env, **env}, text=True, timeout=60,
                           stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert p.returncode == code, (args, p.stdout, p.stderr)
        return p


def test_mig_with_an_api_key(doors, tmp_path):
    nightly = Program(doors, tmp_path / "program").make("nightly", "status,metrics,actions:read")
    server = ("--server", f"https://localhost:{doors.port}", "--ca", doors.ca)
    said = nightly.mig("init", *server, "-apikey", str(nightly.key)).stderr
    assert f"apikey  {nightly.key}" in said and "key     " not in said.replace("apikey  ", "")
    conf = nightly.home / ".config/mig/config"
    secret, names = nightly.key.read_text().splitlines()
    assert names == f"ca {doors.ca}"
    assert f"apikey {nightly.key}\n" in conf.read_text() and secret not in conf.read_text()
    assert f"\nkey      the API key in {nightly.key}\n" in nightly.mig("status").stdout
    assert "mig_actions_waiting " in nightly.mig("metrics").stdout
    assert json.loads(nightly.mig("actions", "-json").stdout)["actions"] is not None
    # what it is not for, and what is for people
    for args, why in ((["agents"], "this API key is not for 'agents': an admin can make one"),
                      (["sessions", "list"], "'session' is for people who log in, not for API keys"),
                      (["apikey", "list"], "'apikeys' is for people who log in")):
        p = nightly.mig(*args, code=2)
        assert f"with the API key in {nightly.key}: " in p.stderr and why in p.stderr, p.stderr
    assert "nobody logs in here" in nightly.mig("login", code=2).stderr
    # the environment's comes first; neither is one that others can read
    other = Program(doors, tmp_path / "other").make("other", "agents")
    nightly.mig("agents", code=1, MIG_API_KEY_FILE=str(other.key))     # there is none
    assert "not for 'status'" in nightly.mig("status", code=2, MIG_API_KEY_FILE=str(other.key)).stderr
    nightly.mig("status", MIG_API_KEY_FILE="")
    for change, why in ((lambda: other.key.chmod(0o660), "(chmod 600)"),
                        (lambda: other.key.chmod(0o604), "(chmod 600)"),
                        (lambda: other.key.write_text(secret[:-1]), "not an API key as mig apikey"),
                        (lambda: other.key.write_text(secret[8:]), "not an API key as mig apikey"),
                        (lambda: other.key.write_text("x" * 1000), "not an API key as mig apikey"),
                        (other.key.unlink, "No such file"), (other.key.mkdir, "(chmod 600)")):
        change()
        p = nightly.mig("status", code=2, MIG_API_KEY_FILE=str(other.key))
        assert why in p.stderr and str(other.key) in p.stderr, p.stderr
        assert secret[8:-1] not in p.stderr
        if other.key.is_file():
            other.key.chmod(0o600)
    doors.mig("apikey", "revoke", "nightly")
    p = nightly.mig("status", code=2)
    assert f"does not take the API key in {nightly.key}: it has ended or was revoked" in p.stderr
    nightly.mig("init", "-apikey", "none", "-no-login", code=2)    # and has no key of a person
    doors.mig("apikey", "revoke", "other")


# --- the audit log ------------------------------------------------------------------

def entries(doors, **what):
    """Those of the log that have these members; its chain is checked here."""
    lines = list(doors.api["admin"].lines("/audit"))
    assert [x["type"] for x in (lines[0], lines[-1])] == ["start", "end"]
    chain, found = bytes.fromhex(lines[0]["chain"]), []
    for n, x in enumerate(lines[1:-1], lines[0]["n"] + 1):
        chain = hashlib.sha256(b"MIG audit v1\n" + chain + struct.pack(
            ">Q", n) + x["text"].encode()).digest()
        assert (x["n"], x["chain"]) == (n, chain.hex())
        e = json.loads(x["text"])
        if all(e.get(k) == v for k, v in what.items()):
            found.append(e)
    assert lines[-1]["chain"] == chain.hex()
    return found


def test_everything_is_told(doors):
    alice, bob = doors.alice.lower(), doors.bob.lower()
    admin = doors.api["admin"]
    j = doors.launch(doors.api["investigator"],
                     envelope=doors.envelope(doors.document(name="töst"),
                                             doors.bob))
    one, = entries(doors, what="action_launched", object=j["id"])
    assert one["who"] == bob and "töst" in one["detail"]
    api = doors.key("told", "status,agents")
    one, = entries(doors, what="apikey_made", object="told")
    assert one["who"] == alice and "status,agents" in one["detail"]
    assert admin.call("DELETE", "/apikeys/told")[0] == 200
    assert entries(doors, what="apikey_revoked", object="told", who=alice)
    assert api.call("GET", "/status")[0] == 401
    agent = doors.enrol("told-host")
    one, = entries(doors, what="agent_enrolled", object=agent.who.id)
    assert "told-host" in one["detail"]
    assert entries(doors, what="token_made")[-1]["who"].startswith("local:")
    assert admin.call("DELETE", "/agents/" + agent.who.id)[0] == 200
    assert entries(doors, what="agent_revoked", object=agent.who.id)
    session = doors.login(doors.bob)
    assert "from 127.0.0.1" in entries(doors, what="login",
                                       who=bob)[-1]["detail"]
    assert session.call("DELETE", "/sessions")[0] == 200
    assert entries(doors, what="logout", who=bob)
    doors.command("investigator", "role", doors.carol, "reader")
    assert entries(doors, what="investigator_role",
                   object=doors.carol.lower())[-1]["detail"] == "reader"


def test_what_is_told_is_documented():
    """doc/protocol.md names every word that the sources write into the log,
    and no other."""
    text = "\n".join(p.read_text() for p in
                     (program_dir() / "src" / "server").rglob("*.c"))
    calls = re.findall(
        r"struct (?:audit_note|people_op) \w+ = \{([^}]*)\}|"
        r"\b(?:audit_local|note)\(([^;]*);", text)
    told = set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', str(calls)))
    said = re.search(r"What is told: (.*?)\.\n\n", (
        program_dir() / "doc" / "protocol.md").read_text(), re.S)[1]
    said = set(re.findall(r"`(\w+)`", said))
    assert {"login", "key_shared", "action_cancelled", "log_cut"} <= told
    assert said == told - {"log_begins"}


def test_refused_logins_are_bounded(doors):
    before = len(entries(doors, what="login_refused"))
    for _ in range(30):
        doc = doors.session_document("0" * 64)
        assert code(doors.session(doc, signatures=[
            doors.sign_once("session")]))[0] == 403
    told = entries(doors, what="login_refused")[before:]
    assert 1 <= len(told) <= 21
    assert "from 127.0.0.1: nonce: unknown" in told[0]["detail"]


def test_what_cannot_be_told_is_not_done(doors):
    """The log cannot be written: no change, no action, no login."""
    db = doors.state / "db" / "store.sqlite"
    admin = doors.api["admin"]
    doors.nonce()
    good = doors.envelope(doors.document(), doors.bob)
    with sqlite3.connect(db) as c:
        c.execute("CREATE TRIGGER t BEFORE INSERT ON audit BEGIN"
                  " SELECT RAISE(ABORT, 'no'); END")
    try:
        want = (503, "storage")
        assert code(admin.call("POST", "/actions", good)) == want
        assert code(admin.call("POST", "/apikeys", {
            "name": "untold", "calls": "status", "seconds": 60,
            "sha256": "1" * 64})) == want
        assert code(admin.call(
            "POST", f"/investigators/{doors.carol}/role",
            {"role": "admin"})) == want
        assert code(doors.session(doors.session_document(
            doors.nonce()))) == want
        p = doors.command("investigator", "role", doors.carol, "admin",
                          code=1)
        assert "audit log cannot be written" in p.stderr
    finally:
        with sqlite3.connect(db) as c:
            c.execute("DROP TRIGGER t")
    assert not [k for k in admin.call("GET", "/apikeys")[1]["apikeys"]
                if k["name"] == "untold"]
    listed = doors.command("investigator", "list").stdout
    assert re.search(doors.carol.lower() + r"\s+reader\s", listed)
    assert admin.call("POST", "/actions", good)[0] == 201


def test_tampering_is_seen(doors):
    """By the server's own command; by the client, which remembers, also when
    the whole log was written anew."""
    db = doors.state / "db" / "store.sqlite"
    p = doors.mig("audit", "verify")
    assert "seen for the first time" in p.stderr
    doors.key("more", "status")
    p = doors.mig("audit", "verify")
    assert "goes on from entry" in p.stderr
    shown = doors.mig("audit", "show", "-last", "3", "-json").stdout
    assert json.loads(shown.splitlines()[-1])["entry"]["object"] == "more"
    assert "apikey_made" in doors.mig("audit", "show").stdout
    assert re.fullmatch(r"entries \d+\nhead    [0-9a-f]{64}\nverdict whole\n",
                        doors.command("audit", "verify").stdout)

    with sqlite3.connect(db) as c:
        rows = c.execute("SELECT n, time, chain, text FROM audit"
                         " ORDER BY n").fetchall()

    def put(new):
        with sqlite3.connect(db) as c:
            c.execute("DELETE FROM audit")
            c.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", new)

    def refused(word, local=True):
        p = doors.mig("audit", "verify", code=2)
        assert word in p.stderr, p.stderr
        p = doors.command("audit", "verify", code=1 if local else 0)
        if local:
            assert "audit log" in p.stderr

    try:
        n, t, chain, text = rows[5]
        put(rows[:5] + [(n, t, chain, text.replace("who", "hwo"))] +
            rows[6:])
        refused("was changed")
        put(rows[:5] + rows[6:])
        refused("not whole")
        put(rows[:-2])
        refused("was cut", local=False)
        # one entry other, and every chain after it right again
        anew, head = [], bytes(32)
        for n, t, _, text in rows:
            text = text.replace("more", "less")
            head = hashlib.sha256(b"MIG audit v1\n" + head + struct.pack(
                ">Q", n) + text.encode()).digest()
            anew.append((n, t, head, text))
        put(anew)
        refused("was rewritten", local=False)
    finally:
        put(rows)
    doors.mig("audit", "verify")


# --- enrolment tokens that the server does not know ---------------------------------

def derived(token):
    """Of a token of the client: what the server is shown, its digest, and the
    proof for an identity."""
    secret = bytes.fromhex(token.removeprefix("mig-token-"))
    auth = hmac.digest(secret, b"MIG enrol auth v1", "sha256")
    return auth.hex(), hashlib.sha256(auth).hexdigest(), lambda pub: \
        hmac.digest(secret, b"MIG enrol proof v1" + pub, "sha256").hex()


def enrol_with(doors, shown, name, **hello):
    who = Identity()
    status, j = doors.https().call("POST", "/enrol",
                                   who.enrol_request(shown, name))
    assert status == 201, j
    agent = FakeAgent(who, name, j)
    extra = {k: v(who.pub) if callable(v) else v for k, v in hello.items()}
    agent.connect().hello(**({"enrolment": extra} if extra else {}))
    return agent


def test_tokens(doors):
    """Of four agents that the server lists, only the one that had the token
    is checked; whoever owns the platform cannot make another."""
    p = doors.mig("token", "make", "-uses", "4", "-expires", "1d")
    command = re.fullmatch(r"mig-agent enrol (\S+) --ca (\S+) --token (\S+)\n",
                           p.stdout)
    assert command[1] == f"https://localhost:{doors.port}"
    assert command[2] == doors.ca
    token = command[3]
    auth, digest, proof = derived(token)
    listed = json.loads(doors.mig("token", "list", "-json").stdout)["tokens"]
    assert [t["uses"] for t in listed if t["sha256"] == digest] == [4]
    # nothing on the server holds the token
    secret = token.removeprefix("mig-token-")
    store = b"".join(f.read_bytes() for f in (doors.state / "db").iterdir())
    assert secret.encode() not in store and bytes.fromhex(secret) not in store

    own = enrol_with(doors, auth, "own", token=digest, proof=proof)
    # the platform saw auth and knows the digest: neither makes a proof
    made = {}
    for n, wrong in enumerate((auth, digest, proof(own.who.pub))):
        made[n] = enrol_with(doors, auth, f"made{n}", token=digest,
                             proof=wrong)
    plain = enrol_with(doors, doors.token(), "plain")

    def marks():
        p = doors.mig("agents", "-json", code=None)
        found = {x["agent"]: x for x in map(json.loads,
                                            p.stdout.splitlines())}
        want = [own, plain, *made.values()]
        return (p, found) if all(found.get(a.who.id, {}).get("verified")
                                 for a in want) else None

    p, found = wait_for("all hellos", marks)
    assert found[own.who.id]["enrolment"] == "checked"
    assert found[plain.who.id]["enrolment"] == "unchecked"
    for a in made.values():
        assert found[a.who.id]["enrolment"] == "forged"
        assert f"{a.name} ({a.who.id[:12]})" in p.stderr
    assert p.stderr.count("cannot prove it") == 3
    assert re.search(r"own .* checked", doors.mig("agents").stdout)

    # a colleague has not the token, until she is given it
    args = ("agents", "-json")
    them = {x["agent"]: x["enrolment"] for x in map(
        json.loads, doors.mig(*args, fpr=doors.bob).stdout.splitlines())}
    assert them[own.who.id] == "unchecked"
    file = doors.dir / "tokens"
    doors.mig("token", "export", "-o", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert "1 new" in doors.mig("token", "import", str(file),
                                fpr=doors.bob).stderr
    assert "0 new" in doors.mig("token", "import", str(file),
                                fpr=doors.bob).stderr
    them = {x["agent"]: x["enrolment"] for x in map(
        json.loads, doors.mig(*args, fpr=doors.bob).stdout.splitlines())}
    assert them[own.who.id] == "checked"

    # ended: it enrols nobody; an agent is shut out
    doors.mig("token", "revoke", digest[:16])
    assert code(doors.https().call("POST", "/enrol", Identity().enrol_request(
        auth, "late"))) == (403, "token")
    for word in ("web2", "0" * 64):
        p = doors.mig("agents", "revoke", word, code=2)
        assert "(see: mig agents)" in p.stderr
    doors.mig("agents", "revoke", own.who.id[:16])
    assert own.who.id in doors.mig("agents", "-revoked", "-json").stdout
    # this machine knows it, and says that the server names it no more
    gone = next(x for x in map(json.loads, doors.mig(*args).stdout.splitlines())
                if x["agent"] == own.who.id)
    assert gone["marks"] == ["left out"]
    assert entries(doors, what="token_revoked", object=digest)
    assert entries(doors, what="token_made", object=digest)
    for a in (plain, *made.values()):
        a.close()


def enrol_really(doors, name, token):
    """By mig-agent: what it printed."""
    conf = doors.dir / f"{name}.conf"
    conf.write_text(f"state {doors.dir}/{name}\nname {name}\n")
    p = subprocess.run(
        [program("mig-agent"), "enrol", f"https://localhost:{doors.port}",
         "--ca", doors.ca, "--token", token, "-c", str(conf)],
        capture_output=True, text=True, timeout=60, check=False)
    assert p.returncode == 0, p.stderr
    return p


def test_real_agent_says_the_proof(doors):
    """mig-agent shows the server what is derived, keeps the proof, and a plain
    token takes it away again."""
    token = doors.mig("token", "make").stdout.split()[-1]
    auth, digest, proof = derived(token)
    agent = enrol_really(doors, "real", token).stdout.split()[2]
    listed = [json.loads(x) for x in doors.mig(
        "token", "list", "-json").stdout.splitlines()][0]["tokens"]
    assert [t["uses"] for t in listed if t["sha256"] == digest] == [0]
    kept = doors.dir / "real" / "enrolment"
    seed = (doors.dir / "real" / "identity").read_text().splitlines()[1]
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    pub = key.public_key().public_bytes(*RAW)
    assert hashlib.sha256(pub).hexdigest() == agent
    ids = f"{digest}\n{proof(pub)}\n"
    assert kept.read_text() == ids + hashlib.sha256(ids.encode()).hexdigest() + "\n"
    again = enrol_really(doors, "real", doors.token())
    assert again.stdout.split()[2] == agent
    assert not kept.exists()


# --- doc/openapi.yaml ------------------------------------------------------------------

def source_table():
    """(method, path): (name of the call, least role), out of the sources."""
    root = program_dir() / "src" / "server"
    calls = {c: (name, role.removeprefix("PERSON_").lower())
             for c, name, role in re.findall(
                 r'X\(\d+, (CALL_\w+), "([^"]+)", (PERSON_\w+)',
                 (root / "calls.h").read_text())}
    calls["CALL_OPEN"] = ("open", None)
    return {(m, p): calls[c] for m, p, c in re.findall(
        r'\{ "([A-Z]+)", "(/[^"]*)", (CALL_\w+)',
        (root / "api" / "routes.c").read_text())}


def test_the_description_has_every_call():
    described = {
        (method.upper(), re.sub("{id}", "%", path)):
        (op["x-call"], op.get("x-role"))
        for path, item in openapi.DOC["paths"].items()
        for method, op in item.items() if method != "parameters"}
    table = source_table()
    # open or not is said by the configuration
    assert table.pop(("GET", "/metrics")) == ("open", None)
    assert described.pop(("GET", "/metrics")) == ("metrics", "reader")
    assert described == table


def test_the_protocol_names_every_call():
    """With the least role that it has."""
    text = (program_dir() / "doc" / "protocol.md").read_text()
    table = re.search(r"\| call \| least role.*?\n\n", text, re.S)[0]
    said = {name: role for names, role in re.findall(
        r"^\| ([^|]*`[^|]*) \| (\w+) \|", table, re.M)
        for name in re.findall(r"`([a-z:]+)`", names)}
    known = {name: role.lower() for name, role in re.findall(
        r'X\(\d+, CALL_\w+, "([^"]+)",\s*PERSON_(\w+)', (
            program_dir() / "src/server/calls.h").read_text())}
    assert said == known


def signed(doors, word, **document):
    text = json.dumps({"syntaxversion": 3, "nonce": os.urandom(16).hex(),
                       "time": rfc3339(), **document})
    return {"document": text, "signatures": [doors.sign(word, text.encode())]}


def described_cancel(doors, api):
    """An action with all that one can have."""
    ident = doors.launch(api, delivery="online")["id"]
    path = "/actions/" + ident
    end = api.call("GET", path)[1]["expireafter"]
    cancel = signed(doors, "cancel", action=ident, expireafter=end,
                    reason="a test")
    for want in (201, 200):
        got, j = api.call("POST", path + "/cancel", cancel)
        assert (got, j.get("status")) == (want, "cancelled"), j
    shown = api.call("GET", path)[1]
    assert shown["delivery"] == "online"
    assert shown["cancel"]["reason"] == "a test"
    assert shown["cancel"]["document"] == cancel["document"]


def described_shares(doors, api, ident):
    path = f"/actions/{ident}/shares"
    share = signed(doors, "share", action=ident, to=doors.bob.lower(),
                   key=SEAL["key"])
    assert api.call("POST", path, share) == (201, {})
    assert api.call("GET", path)[1]["shares"][0]["to"] == doors.bob.lower()
    assert api.call("DELETE", path) == (200, {"removed": 1})
    assert entries(doors, what="shares_removed", object=ident,
                   who=doors.alice.lower(), detail="1 of them")


def described_signatures(doors, api):
    """One that waits for two, and gets both; the same again."""
    text = doors.document(require={"weight": 2})
    ident = purpose_hash("action", text.encode())
    first, second = (doors.sign("action", text.encode(), fpr) for fpr in (doors.alice, doors.bob))
    for want in (201, 200):
        got, j = api.call("POST", "/actions", {"document": text, "signatures": [first]})
        assert (got, j["status"], j["possible"]) == (want, "waiting", True), j
    row, = api.call("GET", "/actions?waiting=1")[1]["actions"]
    assert row["id"] == ident and "policy" not in row["waiting"]
    path = f"/actions/{ident}/signatures"
    assert code(api.call("POST", path, {"document": text, "signatures": []})) == (400, "invalid")
    for want in (201, 200):
        got, j = api.call("POST", path, {"document": text, "signatures": [second]})
        assert (got, set(j)) == (want, {"id", "expected", "online"}), j
    assert len(api.call("GET", "/actions/" + ident)[1]["signatures"]) == 2


def described_policies(doors, api):
    """The first is set by hand; the second follows it, and no third does."""
    first, files = doors.dir / "policy-1", []
    doors.mig("policy", "make", "-keyring", str(doors.keyring(doors.alice)), "-o", str(first))
    doors.command("policy", "set", str(first))
    for name, days in (("two", "9d"), ("other", "10d")):
        path = doors.dir / name
        doors.mig("policy", "edit", str(first), "-expires", days, "-o", str(path))
        doors.mig("policy", "sign", str(path), "-from", str(first), "-y")
        files.append(json.loads(path.with_name(name + ".signed").read_text()))
    for _ in range(2):
        got, j = api.call("POST", "/policies", files[0])
        assert (got, j["version"]) == (201, 2), j
    assert code(api.call("POST", "/policies", files[1])) == (409, "exists")
    assert code(api.call("POST", "/policies", {**files[0], "signatures": []})) == (403, "policy")
    listed = api.call("GET", "/policies")[1]["policies"]
    assert [p["version"] for p in listed] == [1, 2]
    status, _, text = api.raw("GET", "/policies/" + j["hash"])
    assert (status, text.decode()) == (200, files[0]["document"])
    assert api.call("GET", f"/policies/{j['hash']}/signed")[1]["document"] == files[0]["document"]


def test_a_cancel_that_comes_too_late(doors):
    """The action ends while its cancel waits for the store."""
    api = doors.api["admin"]
    ident = doors.launch(api, seconds=4)["id"]
    path = "/actions/" + ident
    end = api.call("GET", path)[1]["expireafter"]
    cancel = signed(doors, "cancel", action=ident, expireafter=end)
    db = sqlite3.connect(doors.state / "db" / "store.sqlite",
                         isolation_level=None)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        db.execute("BEGIN IMMEDIATE")
        try:
            asked = pool.submit(api.call, "POST", path + "/cancel", cancel)
            wait_for("its end", lambda: rfc3339(time.time() - 1) >= end)
            assert not asked.done()
        finally:
            db.close()
        assert code(asked.result()) == (403, "expired")
    assert not entries(doors, what="action_cancelled", object=ident)
    wait_for("its end", lambda: api.call("GET", path)[1]["status"] != "open")
    assert "cancel" not in api.call("GET", path)[1]


def test_unsigned_documents_say_what_signs_them(doors):
    api = doors.api["admin"]
    doc = doors.document()
    status, j = api.call("POST", "/actions", {"document": doc, "signatures": []})
    assert status == 403 and "`mig action sign`" in j["error"]["message"]
    ident = doors.launch(api)["id"]
    end = api.call("GET", "/actions/" + ident)[1]["expireafter"]
    cancel = signed(doors, "cancel", action=ident, expireafter=end)
    status, j = api.call("POST", f"/actions/{ident}/cancel",
                         {**cancel, "signatures": []})
    assert status == 403 and "`mig action cancel`" in j["error"]["message"]


def test_answers_are_as_described(doors):
    """One good answer at least of each call; openapi.Checked looks at all that
    this file ever asks."""
    api = doors.login()
    agent = doors.enrol("described")
    agent.connect().hello()
    action = doors.launch(api)["id"]
    agent_id = agent.who.id
    wait_for("the hello", lambda: api.call("GET", "/agents/" + agent_id)[1][
        "hello"], 10)
    for path in ("/status", "/agents", "/agents/" + agent_id, "/actions",
                 "/actions/" + action, f"/actions/{action}/agents",
                 f"/actions/{action}/results",
                 f"/actions/{action}/shares", "/investigators", "/sessions",
                 "/apikeys", "/audit?last=5", "/tokens", "/health",
                 "/metrics", "/agents?revoked=1", "/policies"):
        assert api.raw("GET", path)[0] == 200, path
    assert api.call("POST", "/targets", {"target": "all"})[0] == 200
    assert api.call("POST", "/tokens", {})[0] == 201
    assert api.call("POST", "/tokens", {"sha256": "5" * 64})[0] == 201
    agent.close()
    described_cancel(doors, api)
    described_shares(doors, api, action)
    described_signatures(doors, api)
    described_policies(doors, api)
    text = doors.keyring(doors.eve).read_text()
    who = "/investigators/" + doors.eve.lower()
    assert api.call("POST", "/investigators", {"keyring": text})[0] == 201
    doors.login(doors.eve)
    mine = next(s["id"] for s in api.call("GET", "/sessions")[1]["sessions"]
                if s["fingerprint"] == doors.eve.lower())
    doors.key("described", "status")
    for method, path, body in (
            ("DELETE", "/tokens/" + "5" * 64, None),
            ("POST", who + "/role", {"role": "reader"}),
            ("DELETE", "/sessions/" + mine, None),
            ("DELETE", who + "/sessions", None), ("DELETE", who, None),
            ("DELETE", "/apikeys/described", None),
            ("DELETE", "/agents/" + agent_id, None),
            ("DELETE", "/sessions", None)):
        assert api.call(method, path, body)[0] == 200, (method, path)
    want = {(m.upper(), p) for p, item in openapi.DOC["paths"].items()
            for m in item if m != "parameters"}
    want -= {("GET", "/events")}    # a stream without end
    assert want - openapi.Checked.seen == set()


def test_what_was_launched_is_one_of_two_forms():
    schema = openapi.resolve({"$ref": "#/components/responses/Launched"})["content"][
        "application/json"]["schema"]
    sent = {"id": "0" * 64, "expected": 1, "online": 0}
    waits = {"id": "0" * 64, "status": "waiting", "weight": {"has": 1, "needs": 2},
             "missing": "", "possible": True}
    for good in (sent, waits):
        openapi.check(good, schema)
        for k in good:
            with pytest.raises(AssertionError):
                openapi.check({x: v for x, v in good.items() if x != k}, schema)
    with pytest.raises(AssertionError):
        openapi.check({**sent, **waits}, schema)


@pytest.mark.parametrize("change", [
    {"relay": "sideways"}, {"answers": "many"}, {"answers": True},
    {"more": 1}, {"time": "now"}, {"agents": {}}, {"version": None}])
def test_the_check_can_say_no(doors, change):
    status = doors.api["reader"].call("GET", "/status")[1]
    schema = openapi.resolve(openapi.DOC["paths"]["/status"]["get"][
        "responses"]["200"])["content"]["application/json"]["schema"]
    openapi.check(status, schema)
    with pytest.raises(AssertionError):
        openapi.check({**status, **change}, schema)


# --- how often -------------------------------------------------------------------

@pytest.fixture(scope="module")
def strict(doors):
    """From now on it takes thirty calls a minute, twelve without a session. A
    key ended before."""
    doors.key("ending", "status", seconds=1)
    end, = [k["expires"] for k in doors.api["admin"].call(
        "GET", "/apikeys")[1]["apikeys"] if k["name"] == "ending"]
    # what is removed is compared in whole seconds
    wait_for("the key's end", lambda: rfc3339(time.time() - 2) >= end)
    doors.daemon.stop()
    text = doors.conf.read_text()
    text = re.sub("rate_caller .*", "rate_caller 30", text)
    doors.conf.write_text(re.sub("rate_address .*", "rate_address 12", text))
    yield doors.start()


def test_ended_keys_are_removed(strict):
    """When the server tidies up, and it is told."""
    db = sqlite3.connect(strict.state / "db" / "store.sqlite")
    wait_for("the key's removal", lambda: db.execute(
        "SELECT * FROM apikeys WHERE name = 'ending'").fetchone() is None)
    db.close()
    one, = entries(strict, what="apikey_ended", object="ending")
    assert one["who"] == "-"


def test_too_often(strict):
    admin, bob = strict.api["admin"], strict.api["investigator"]
    for _ in range(30):
        assert bob.call("GET", "/status")[0] == 200
    status, headers, body = bob.raw("GET", "/status")
    assert status == 429
    assert json.loads(body)["error"]["code"] == "too_often"
    assert 1 <= int(headers["Retry-After"]) <= 60
    # it is his count: another session of his has the same, others are free
    assert admin.call("GET", "/status")[0] == 200
    strict.api["investigator"].token = bob.token
    text = strict.api["admin"].raw("GET", "/metrics")[2].decode()
    assert re.search(r"^mig_http_limited_total [1-9]", text, re.M)
    # the client waits as long as it is told, says so, and goes on
    for _ in range(5):      # on a slow machine its turn may have come already
        while bob.raw("GET", "/status")[0] != 429:
            pass
        p = strict.mig("status", "--json", fpr=strict.bob)
        assert json.loads(p.stdout)["relay"] in ("up", "down")
        if "the server takes no more just now: going on in" in p.stderr:
            break
    else:
        pytest.fail(p.stderr)


def test_too_often_without_a_session(strict):
    """Guessing tokens, asking for nonces and enrolling count together."""
    api = strict.https()
    api.token = "0" * 64
    seen = set()
    for i in range(60):
        kind = [("GET", "/status"), ("POST", "/sessions/nonce"),
                ("GET", "/policies/" + NONE)][i % 3]
        seen.add(api.call(*kind)[0])
    assert 429 in seen and seen <= {200, 401, 404, 429}
    # who is logged in, and who watches the server's health, does not suffer
    assert api.call("GET", "/health")[0] == 200
    assert strict.api["reader"].call("GET", "/status")[0] == 200
    # many that enrol at once behind one address wait for each other
    token = strict.token()
    while api.call("POST", "/sessions/nonce")[0] != 429:
        pass
    p = enrol_really(strict, "late", token)
    assert "the server takes no more just now" in p.stderr
