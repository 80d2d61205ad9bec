# SPDX-License-Identifier: MPL-2.0
"""mig-agent --once with real keys, a real policy and the real sandbox: what is
run, and what is refused and why. The programs are taken from $MIG_BUILD/src."""
import base64
import datetime
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import struct
import subprocess
import time

import pytest

import gpgend
from spoollib import spooled

SHARDS = 4
SECONDS = 60
BUILD = pathlib.Path(os.environ.get(
    "MIG_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
AGENT = (BUILD / "src" / "mig-agent").resolve()
REFUSED = 3

pytestmark = [
    pytest.mark.skipif(not AGENT.exists(), reason=f"{AGENT} is not built"),
    pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not there"),
]

# the reasons of src/action/refusal.h
MALFORMED, SIGNATURE, WEIGHT, NOT_TARGETED, TARGET_ERROR = 1, 2, 3, 4, 5
TOO_EARLY, EXPIRED, TOO_LONG, POLICY_OLD, POLICY_EXPIRED = 6, 7, 8, 9, 10
MODULE, PARAMETERS, REPLAY_FLOOR = 11, 12, 13


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(
        int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Gpg:
    def __init__(self, home):
        self.home = home
        home.mkdir(mode=0o700)
        self.watcher = gpgend.watch({**os.environ, "GNUPGHOME": str(home)})

    def __call__(self, *args, data=b""):
        run = subprocess.run(
            ["gpg", "--homedir", str(self.home), "--batch", "--quiet",
             "--pinentry-mode", "loopback", "--passphrase", "",
             "--trust-model", "always", *args],
            input=data, capture_output=True, check=True)
        return run.stdout

    def new_key(self, name, algorithm="ed25519"):
        self("--quick-generate-key", f"{name} <{name}@example.org>", algorithm,
             "sign", "never")
        return self.key(name)

    def key(self, name):
        """(fingerprint, line of the plain keyring)"""
        text = self("--with-colons", "--with-key-data", "--list-keys",
                    name).decode()
        rows = [line.split(":") for line in text.splitlines()]
        pub = next(r for r in rows if r[0] == "pub")
        fpr = next(r for r in rows if r[0] == "fpr")[9].lower()
        numbers = [r[3].lower() for r in rows if r[0] == "pkd"]
        if pub[3] == "22":
            material = "ed25519 %s %s " + numbers[1][-64:]
        else:
            material = "rsa %s %s " + numbers[0] + ":" + numbers[1]
        return fpr, "key %s %s" % (fpr, material % (pub[5], pub[6] or "0"))

    def sign(self, name, document, purpose="action"):
        prefix = b"MIG %s v3\n%d\n" % (purpose.encode(), len(document))
        return self("--local-user", name, "--digest-algo", "SHA256",
                    "--detach-sign", data=prefix + document)

    def stop(self):
        gpgend.end(self.watcher)


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    # short: gpg-agent's socket path must fit
    home = pathlib.Path("/tmp") / ("mg" + secrets.token_hex(4))
    g = Gpg(home)
    for name, algorithm in (("alice", "ed25519"), ("bob", "rsa2048"),
                            ("mallory", "ed25519")):
        g.new_key(name, algorithm)
    yield g
    g.stop()
    shutil.rmtree(home, ignore_errors=True)


class Agent:
    """One agent with its own state directory and policy."""

    def __init__(self, where, gpg):
        self.where, self.gpg = where, gpg
        self.conf = where / "agent.conf"
        self.conf.write_text(
            f"state {where}/state\nname test.example.org\n"
            "tag operator opsec\nlog debug\n")
        self.people = {"alice": 2, "bob": 1}
        run = self.run("init")
        assert run.returncode == 0, run.stderr
        self.id = run.stdout.split()[1]

    def run(self, *args, data=None):
        return subprocess.run([str(AGENT), "-c", str(self.conf), *args],
                              input=data, capture_output=True, text=True,
                              timeout=60, check=False)

    def policy(self, version=1, minimum=2, expires=86400, limits=None,
               acl=None):
        keyring = "mig-keyring 3\n"
        investigators = {}
        for name, weight in self.people.items():
            fpr, line = self.gpg.key(name)
            keyring += f"person {fpr} {name}\n{line}\n"
            investigators[name] = {"fingerprint": fpr, "weight": weight}
        if acl is None:
            acl = {"default": {"minimumweight": minimum,
                               "investigators": investigators}}
        acl, limits = json.dumps(acl), json.dumps(limits or {})
        now = time.time()
        text = (f"mig-policy 3\nversion {version}\nprevious {('0' if version == 1 else 'a') * 64}\n"
                f"issued {rfc3339(now - 60)}\nexpires {rfc3339(now + expires)}"
                f"\nkeyring {len(keyring)}\nacl {len(acl)}\n"
                f"limits {len(limits)}\n\n{keyring}{acl}{limits}")
        path = self.where / "policy"
        path.write_text(text)
        return path

    def install(self, **how):
        run = self.run("policy", str(self.policy(**how)))
        assert run.returncode == 0, run.stderr
        return self

    def once(self, envelope):
        path = self.where / "envelope"
        path.write_bytes(envelope)
        run = self.run("--once", str(path))
        answer = json.loads(run.stdout) if run.stdout.strip() else None
        return run, answer

    def refused(self, envelope):
        run, answer = self.once(envelope)
        assert run.returncode == REFUSED, (run.returncode, run.stdout,
                                           run.stderr)
        assert answer["status"] == "refused", answer
        return answer["reason"]

    def report(self):
        run = self.run("report", "--json")
        assert run.returncode == 0, run.stderr
        return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def agent(tmp_path, gpg):
    tmp_path.chmod(0o755)
    return Agent(tmp_path, gpg).install()


@pytest.fixture
def found(tmp_path):
    """A directory with one file to find."""
    d = tmp_path / "data"
    d.mkdir()
    (d / "needle.txt").write_text("hay\nneedle in it\nhay\n")
    (d / "other.txt").write_text("nothing\n")
    return d


_seal_key = {}


def seal_key(gpg):
    if gpg not in _seal_key:
        _seal_key[gpg] = gpg("--store", "--armor",
                             data=base64.b64encode(secrets.token_bytes(32))
                             ).decode()
    return _seal_key[gpg]


def document(gpg, path="/etc", **change):
    now = time.time()
    doc = {
        "syntaxversion": 3,
        "nonce": secrets.token_hex(16),
        "name": "find the needle",
        "target": "all",
        "validfrom": rfc3339(now - 60),
        "expireafter": rfc3339(now + 600),
        "require": {"weight": 1},
        "operations": [{"module": "file", "parameters": {"searches": {"s": {
            "paths": [str(path)], "names": ["^needle"],
            "contents": ["needle in"]}}}}],
        "seal": {"public": base64.b64encode(secrets.token_bytes(32)).decode(),
                 "readers": [gpg.key("alice")[0]], "key": seal_key(gpg)},
    }
    doc.update(change)
    return json.dumps({k: v for k, v in doc.items() if v is not None}).encode()


def pack(doc, signatures):
    out = b"MIG3" + bytes([len(signatures), 0, 0, 0])
    out += struct.pack(">I", len(doc)) + doc
    for s in signatures:
        out += struct.pack(">H", len(s)) + s
    return out


def envelope(gpg, doc, *names):
    return pack(doc, [gpg.sign(n, doc) for n in names or ("alice",)])


# --- what is run -------------------------------------------------------------

def test_accepted(agent, gpg, found):
    run, answer = agent.once(envelope(gpg, document(gpg, found)))
    assert run.returncode == 0, (run.stdout, run.stderr)
    assert answer["status"] == "done"
    op = answer["operations"][0]
    assert op["module"] == "file" and op["status"] == "done", op
    assert op["result"]["foundanything"] is True, op
    assert op["result"]["errors"] in (None, []), op
    files = json.dumps(op["result"]["elements"])
    assert "needle.txt" in files and "other.txt" not in files
    asked, answered = agent.report()[-2:]
    assert asked["type"] == "asked" and asked["accepted"] is True
    assert asked["signers"] == [gpg.key("alice")[0]]
    assert asked["modules"] == ["file"] and asked["target"] == "all"
    assert answered["status"] == "done" and answered["sealed"] > 0
    assert list(spooled(agent.where / "state" / "spool")) == [answer["action"]]


def test_nobody_takes_the_answer(agent, gpg, found):
    """That is no end as if it had been told."""
    path = agent.where / "envelope"
    path.write_bytes(envelope(gpg, document(gpg, found)))
    with open("/dev/full", "w", encoding="ascii") as full:
        p = subprocess.run([str(AGENT), "-c", str(agent.conf), "--once", str(path)], stdout=full,
                           stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert p.returncode == 1 and "No space left on device" in p.stderr, p


def test_accepted_json_envelope(agent, gpg, found):
    doc = document(gpg, found)
    armor = gpg("--enarmor", data=gpg.sign("alice", doc)).decode()
    lines = [line for line in armor.splitlines()
             if not line.startswith("Comment")]
    armor = "\n".join(lines).replace("PGP ARMORED FILE", "PGP SIGNATURE")
    text = json.dumps({"document": doc.decode(), "signatures": [armor + "\n"]})
    run, answer = agent.once(text.encode())
    assert run.returncode == 0, (run.stdout, run.stderr)
    assert answer["operations"][0]["result"]["foundanything"] is True


def test_rsa_and_ed25519_together(agent, gpg, found):
    agent.install(version=2, minimum=3)
    doc = document(gpg, found, require={"weight": 3})
    assert agent.refused(envelope(gpg, doc, "alice")) == WEIGHT
    doc = document(gpg, found, require={"weight": 3})
    run, _ = agent.once(envelope(gpg, doc, "alice", "bob"))
    assert run.returncode == 0, run.stderr


def test_unknown_signer_beside_known_one_is_ignored(agent, gpg, found):
    run, _ = agent.once(envelope(gpg, document(gpg, found), "mallory",
                                 "alice"))
    assert run.returncode == 0, run.stderr
    assert agent.report()[-2]["signers"] == [gpg.key("alice")[0]]


def test_two_operations(agent, gpg, found):
    ops = json.loads(document(gpg, found))["operations"] * 2
    run, answer = agent.once(envelope(gpg, document(gpg, operations=ops)))
    assert run.returncode == 0, run.stderr
    assert [o["status"] for o in answer["operations"]] == ["done", "done"]


@pytest.mark.parametrize("target", [
    "name LIKE 'test.%'", "tags->>'operator' = 'opsec'", "os = 'linux'", ""])
def test_targeted(agent, gpg, found, target):
    target = target or f"id = '{agent.id}'"
    run, _ = agent.once(envelope(gpg, document(gpg, found, target=target)))
    assert run.returncode == 0, (run.stdout, run.stderr)


@pytest.fixture
def slow(tmp_path):
    """A directory that takes long to hash and no room on the disk."""
    d = tmp_path / "slow"
    d.mkdir()
    with open(d / "sparse", "wb") as f:
        f.truncate(64 * 1024 ** 3)
    return d


def slow_document(gpg, slow, **change):
    return document(gpg, operations=[{"module": "file", "parameters": {
        "searches": {"s": {"paths": [str(slow)], "sha2": ["ab" * 32]}}}}],
        **change)


def test_time_limit(agent, gpg, slow):
    begin = time.monotonic()
    run, answer = agent.once(envelope(gpg, slow_document(
        gpg, slow, limits={"seconds": 1})))
    assert run.returncode == 0, run.stderr
    assert answer["operations"][0]["status"] == "timeout", answer
    assert 1 <= time.monotonic() - begin < 10


def test_expires_between_two_operations(agent, gpg, slow):
    agent.install(version=2, limits={"workers": 1})
    slowly = json.loads(slow_document(gpg, slow))["operations"]
    run, answer = agent.once(envelope(gpg, document(
        gpg, operations=slowly * 3, limits={"seconds": 4},
        expireafter=rfc3339(time.time() + 4))))
    assert run.returncode == 0, run.stderr
    first, *others = answer["operations"]
    assert first["status"] == "timeout" and "expired" not in json.dumps(first)
    assert [(o["status"], o["text"]) for o in others] == [
        ("timeout", "the action expired")] * 2


def test_answer_without_room_is_not_said_to_be_given(agent, gpg, tmp_path):
    # too large to be a small one: it gets a file of its own
    many = tmp_path / "many"
    many.mkdir()
    for _ in range(60):
        (many / ("needle" + secrets.token_urlsafe(150))).write_text("needle in")
    doc = document(gpg, many)
    ident = hashlib.sha256(b"MIG action v3\n%d\n" % len(doc) + doc).hexdigest()
    # nothing can be written where the answer is to stand
    block = agent.where / "state" / "spool" / (ident + ".staged")
    (block / "x").mkdir(parents=True)
    run, answer = agent.once(envelope(gpg, doc))
    assert answer["status"] == "done", answer
    assert " answered action=" not in run.stderr
    assert "answer_lost" in run.stderr
    assert "answered" not in [e["type"] for e in agent.report()]
    shutil.rmtree(block)
    # not run again, and now it is answered
    run, answer = agent.once(envelope(gpg, doc, "alice"))
    assert answer["status"] == "known", answer
    last = agent.report()[-1]
    assert (last["type"], last["status"]) == ("answered", "stopped")
    assert ident in spooled(agent.where / "state" / "spool")


def test_bad_seal_key_does_not_stay_open(agent, gpg, found):
    seal = dict(json.loads(document(gpg, found))["seal"],
                public=base64.b64encode(bytes(32)).decode())
    env = envelope(gpg, document(gpg, found, seal=seal))
    agent.once(env)
    last = agent.report()[-1]
    assert (last["type"], last["status"]) == ("answered", "refused"), last
    assert agent.once(env)[1]["status"] == "known"
    assert agent.report()[-1] == last


@pytest.mark.long
def test_too_large_answers_are_cut_quickly(agent, gpg, tmp_path):
    operations = []
    for n in range(20):
        many = tmp_path / f"many{n}"
        many.mkdir()
        for _ in range(300):
            # Half of each entry is chance: what workers may put out, four times as much as may
            # be sent, is too large also when they have left a quarter of it.
            where = many / secrets.token_urlsafe(180) / secrets.token_urlsafe(180)
            where.mkdir(parents=True)
            (where / secrets.token_urlsafe(180)).touch()
        operations.append({"module": "file", "parameters": {"searches": {"s": {
            "paths": [str(many)], "names": ["."]}}}})
    begin = os.times()
    run, answer = agent.once(envelope(gpg, document(
        gpg, operations=operations, limits={"resultbytes": 1 << 20})))
    assert run.returncode == 0, run.stderr
    last = agent.report()[-1]
    assert last["type"] == "answered" and last["status"] == "done", last
    size, = map(len, spooled(agent.where / "state" / "spool").values())
    # some had to go, and no more than that
    assert 10 < last["failed"] + last["done"] and last["failed"] > 0, last
    assert (1 << 19) < size <= (1 << 20) + 292
    assert sum(os.times()[2:4]) - sum(begin[2:4]) < 15      # of processors: it waits for others


def test_policy_limit_wins(agent, gpg, slow):
    agent.install(version=2, limits={"seconds": 1})
    run, answer = agent.once(envelope(gpg, slow_document(
        gpg, slow, limits={"seconds": 100})))
    assert run.returncode == 0, run.stderr
    assert answer["operations"][0]["status"] == "timeout", answer


def test_crash_while_running(agent, gpg, slow, found):
    env = envelope(gpg, slow_document(gpg, slow, limits={"seconds": 5}))
    path = agent.where / "envelope"
    path.write_bytes(env)
    with subprocess.Popen([str(AGENT), "-c", str(agent.conf), "--once",
                           str(path)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as p:
        assert any(" accepted " in line for line in p.stderr)
        p.kill()
    # it is known and never run again; its answer says what happened
    run, answer = agent.once(env)
    assert run.returncode == REFUSED and answer["status"] == "known"
    last = agent.report()[-1]
    assert last["action"] == answer["action"]
    assert last["type"] == "answered" and last["status"] == "stopped"
    assert agent.once(envelope(gpg, document(gpg, found)))[0].returncode == 0


def test_terminated_while_running(agent, gpg, slow):
    path = agent.where / "envelope"
    path.write_bytes(envelope(gpg, slow_document(
        gpg, slow, limits={"seconds": 2})))
    with subprocess.Popen([str(AGENT), "-c", str(agent.conf), "--once",
                           str(path)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as p:
        assert any(" accepted " in line for line in p.stderr)
        p.terminate()
        out, _ = p.communicate(timeout=30)
    # what was started is finished and answered
    assert json.loads(out)["operations"][0]["status"] == "timeout"
    assert p.returncode == 0


# --- what is refused ---------------------------------------------------------

def test_replay(agent, gpg, found):
    env = envelope(gpg, document(gpg, found))
    assert agent.once(env)[0].returncode == 0
    run, answer = agent.once(env)
    assert run.returncode == REFUSED and answer["status"] == "known"
    # and with a second signature it is still the same action
    doc = document(gpg, found)
    assert agent.once(envelope(gpg, doc))[0].returncode == 0
    run, answer = agent.once(envelope(gpg, doc, "alice", "bob"))
    assert run.returncode == REFUSED and answer["status"] == "known"


def test_refused_once_is_refused_for_good(agent, gpg):
    env = envelope(gpg, document(gpg, target="name = 'other'"))
    assert agent.refused(env) == NOT_TARGETED
    run, answer = agent.once(env)
    assert run.returncode == REFUSED and answer["status"] == "known"


def test_damaged_journal_refuses_what_was_signed_before(agent, gpg, found):
    env = envelope(gpg, document(gpg, found))
    assert agent.once(env)[0].returncode == 0
    journal = agent.where / "state" / "journal"
    data = bytearray(journal.read_bytes())
    data[60] ^= 1
    journal.write_bytes(data)
    time.sleep(1.1)  # signatures have whole seconds
    assert agent.refused(env) == REPLAY_FLOOR
    assert list(journal.parent.glob("journal.damaged-*"))
    # as far ahead as a signature that counted before may have been made
    assert agent.refused(envelope(gpg, document(gpg, found))) == REPLAY_FLOOR


def test_missing_journal_refuses_what_was_signed_before(agent, gpg, found):
    env = envelope(gpg, document(gpg, found))
    assert agent.once(env)[0].returncode == 0
    (agent.where / "state" / "journal").unlink()
    time.sleep(1.1)
    assert agent.refused(env) == REPLAY_FLOOR


@pytest.mark.parametrize("change, reason", [
    ({"validfrom": rfc3339(time.time() - 7200),
      "expireafter": rfc3339(time.time() - 3600)}, EXPIRED),
    ({"validfrom": rfc3339(time.time() + 3600),
      "expireafter": rfc3339(time.time() + 7200)}, TOO_EARLY),
    ({"validfrom": rfc3339(time.time() - 60),
      "expireafter": rfc3339(time.time() + 30 * 86400)}, TOO_LONG),
    ({"validfrom": rfc3339(time.time() + 600),
      "expireafter": rfc3339(time.time() + 60)}, MALFORMED),
    ({"target": "name = 'other'"}, NOT_TARGETED),
    ({"target": "environment->>'nothing' = 'x'"}, TARGET_ERROR),
    ({"target": "name = "}, TARGET_ERROR),
    ({"target": "1; DROP TABLE x"}, TARGET_ERROR),
    ({"minpolicy": 2}, POLICY_OLD),
    ({"require": {"weight": 3}}, WEIGHT),
    ({"require": {"weight": 1, "fingerprints": ["ab" * 20]}}, WEIGHT),
    ({"operations": [{"module": "shell", "parameters": {}}]}, MODULE),
    ({"operations": [{"module": "file", "parameters": {"searches": {
        "s": {"paths": ["/etc"], "names": ["("]}}}}]}, PARAMETERS),
    ({"operations": []}, MALFORMED),
    ({"syntaxversion": 2}, MALFORMED),
    ({"nonce": "00"}, MALFORMED),
    ({"nonce": None}, MALFORMED),
    ({"surprise": 1}, MALFORMED),
])
def test_refused(agent, gpg, change, reason):
    assert agent.refused(envelope(gpg, document(gpg, **change))) == reason
    last = agent.report()[-2:]
    assert last[0]["type"] == "asked" and last[0]["reason"] == reason
    assert last[1]["type"] == "answered" and last[1]["status"] == "refused"


def test_duplicate_keys(agent, gpg):
    doc = document(gpg)
    doc = doc[:-1] + b', "target": "all"}'
    assert agent.refused(envelope(gpg, doc)) == MALFORMED


@pytest.mark.parametrize("doc", [b"{", b"[]", b"\xff\xfe", b"null",
                                 b'{"a":' * 200])
def test_not_an_action(agent, gpg, doc):
    assert agent.refused(envelope(gpg, doc)) == MALFORMED


def test_weight_of_the_acl(agent, gpg):
    assert agent.refused(envelope(gpg, document(gpg), "bob")) == WEIGHT


def stop(gpg, version="0.0.1"):
    """Asks for the end of this very test, which no agent would do."""
    return envelope(gpg, document(gpg, operations=[
        {"module": "agent", "parameters": {
            "stop": {"pid": os.getpid(), "version": version}}}]))


def test_the_right_to_stop_an_agent_is_its_own(agent, gpg):
    # the ACL's default is not enough; with the right it is looked at
    assert agent.refused(stop(gpg)) == WEIGHT
    assert "agentstop: the ACL has no entry" in json.dumps(agent.report())
    entry = {"minimumweight": 2, "investigators": {
        "alice": {"fingerprint": gpg.key("alice")[0], "weight": 2}}}
    agent.install(version=2, acl={"default": entry, "agentstop": entry})
    _, answer = agent.once(stop(gpg))
    part = answer["operations"][0]["result"]
    assert part["elements"]["stop"]["result"] == \
        "not done: this process is no agent"
    assert part["elements"]["agent"]["mode"] == "once"
    assert part["elements"]["agent"]["policy"]["version"] == 2


def test_unsigned(agent, gpg):
    before = agent.report()
    assert agent.refused(pack(document(gpg), [])) == SIGNATURE
    # nobody signed it: it is counted, not recorded
    assert agent.report() == before


def test_unknown_key(agent, gpg):
    assert agent.refused(envelope(gpg, document(gpg), "mallory")) == SIGNATURE


def test_signature_of_another_document(agent, gpg):
    doc, other = document(gpg), document(gpg)
    assert agent.refused(pack(doc, [gpg.sign("alice", other)])) == SIGNATURE


def test_signature_for_another_purpose(agent, gpg):
    doc = document(gpg)
    sig = gpg.sign("alice", doc, purpose="session")
    assert agent.refused(pack(doc, [sig])) == SIGNATURE


def test_one_bit_changed(agent, gpg):
    doc = document(gpg)
    sig = gpg.sign("alice", doc)
    doc = doc.replace(b"find the needle", b"find the Needle")
    assert agent.refused(pack(doc, [sig])) == SIGNATURE


def test_signed_before_this_agent_began(tmp_path, gpg, found):
    env = envelope(gpg, document(gpg, found))
    time.sleep(1.1)
    late = tmp_path / "late"
    late.mkdir()
    assert Agent(late, gpg).install().refused(env) == REPLAY_FLOOR


def test_expired_policy(agent, gpg):
    agent.install(version=2, expires=2)
    time.sleep(2.1)
    assert agent.refused(envelope(gpg, document(gpg))) == POLICY_EXPIRED


@pytest.mark.parametrize("cut", [0, 3, 11, 12, 100, -1])
def test_truncated(agent, gpg, cut):
    env = envelope(gpg, document(gpg))
    assert agent.refused(env[:cut]) == MALFORMED


def test_trailing_bytes(agent, gpg):
    env = envelope(gpg, document(gpg))
    assert agent.refused(env + b"x") == MALFORMED


def test_oversized(agent, gpg):
    doc = b" " * (1024 * 1024 + 1)
    assert agent.refused(pack(doc, [])) == MALFORMED
    run, _ = agent.once(b"MIG3" + b"\0" * (5 * 1024 * 1024))
    assert run.returncode == 1 and "more than" in run.stderr


# --- the administrator's commands --------------------------------------------

def test_no_policy(tmp_path, gpg):
    a = Agent(tmp_path, gpg)
    run, _ = a.once(envelope(gpg, document(gpg)))
    assert run.returncode == 1 and "mig-agent policy" in run.stderr


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_policy_from_a_pipe(agent, name):
    """It is read once, whoever needs it."""
    run = agent.run("policy", name, data=agent.policy(version=2).read_text())
    assert run.returncode == 0 and run.stdout.startswith("policy version 2 "), run.stderr
    assert agent.run("check").stdout.count("policy version 2 ") == 1
    run = agent.run("policy", agent.where / "none")
    assert run.returncode == 1 and "none: No such file" in run.stderr


def test_older_policy_is_refused(agent):
    agent.install(version=5)
    run = agent.run("policy", str(agent.policy(version=4)))
    assert run.returncode == 1 and "older" in run.stderr


@pytest.mark.parametrize("old, new", [
    (b"mig-policy 3", b"mig-policy 4"), (b"keyring ", b"keyring 9"),
    (b"ed25519", b"ed448xx"), (b'"minimumweight": 2', b'"minimumweight": 0')])
def test_bad_policy(agent, old, new):
    path = agent.policy(version=2)
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    run = agent.run("policy", str(path))
    assert run.returncode == 1, run.stdout
    assert agent.run("check").stdout.count("policy version 1 ") == 1


def test_check_shows_the_sandbox(agent):
    run = agent.run("check")
    assert run.returncode == 0, run.stderr
    for line in ("sandbox verify: ", "sandbox judge: ", "sandbox net: ", "policy version 1 ",
                 "module file", f"agent {agent.id}"):
        assert line in run.stdout
    if os.environ.get("MIG_SANDBOX") != "null":
        assert "seccomp" in run.stdout


def test_report_shows_damage(agent, gpg, found):
    agent.once(envelope(gpg, document(gpg, found)))
    text = agent.run("report").stdout
    assert "accepted" in text and gpg.key("alice")[0] in text
    record = agent.where / "state" / "record"
    data = bytearray(record.read_bytes())
    data[90] ^= 1
    record.write_bytes(data)
    run = agent.run("report")
    assert run.returncode == 1 and "damaged" in run.stderr


def test_clone_stops(agent, gpg, found):
    machine = agent.where / "state" / "machine"
    machine.write_text("00" * 32 + "\n")
    run, _ = agent.once(envelope(gpg, document(gpg, found)))
    assert run.returncode == 1 and "enrol" in run.stderr


def test_locked_state(agent):
    import fcntl
    with open(agent.where / "state" / "lock", "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        run = agent.run("policy", str(agent.where / "policy"))
        assert run.returncode == 1 and "in use" in run.stderr
        # looking is allowed
        run = agent.run("check")
        assert run.returncode == 0 and "\nrunning yes\n" in run.stdout
    assert "\nrunning no\n" in agent.run("check").stdout


def snapshot(directory):
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size, p.stat().st_ino)
            for p in [directory, *sorted(directory.rglob("*"))]}


def test_check_leaves_no_trace(agent, gpg, found):
    agent.once(envelope(gpg, document(gpg, found)))
    before = snapshot(agent.where / "state")
    assert agent.run("check").returncode == 0
    assert snapshot(agent.where / "state") == before


def test_check_makes_nothing(tmp_path):
    conf = tmp_path / "agent.conf"
    conf.write_text(f"state {tmp_path}/state\n")

    def check():
        return subprocess.run([str(AGENT), "-c", str(conf), "check"],
                              capture_output=True, text=True, check=False,
                              timeout=60)
    run = check()
    assert run.returncode == 1 and "mig-agent enrol" in run.stderr
    assert not (tmp_path / "state").exists()
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o775)
    run = check()
    assert run.returncode == 1
    for text in ("no identity yet", "no policy yet", "0775", f"'chmod go-w {tmp_path / 'state'}'"):
        assert text in run.stderr, text
    assert list((tmp_path / "state").iterdir()) == []


def test_check_says_that_the_policy_expired(agent):
    agent.install(expires=2)
    end = time.time() + 10
    while (run := agent.run("check")).returncode == 0:
        assert time.time() < end
        time.sleep(0.2)
    assert "(EXPIRED)" in run.stdout and "has expired" in run.stderr


def test_check_sees_a_damaged_record(agent):
    record = agent.where / "state" / "record"
    data = bytearray(record.read_bytes())
    data[90] ^= 1
    record.write_bytes(data)
    run = agent.run("check")
    assert run.returncode == 1 and str(record) in run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")
@pytest.mark.parametrize("then, says", [
    ("dd if=/dev/zero of=fill bs=4k 2>/dev/null", "file system is full"),
    ("mount -o remount,ro .", "read-only file system")])
def test_check_sees_a_disk_that_takes_nothing(agent, tmp_path, then, says):
    place = tmp_path / "place"
    place.mkdir()
    conf = tmp_path / "there.conf"
    conf.write_text(f"state {place}/state\n")
    p = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=4m none {place} && "
         f"cp -a {agent.where}/state {place}/state && cd {place} && {{ {then}; cd /; }} ; "
         f"exec {AGENT} -c {conf} check"], capture_output=True, text=True, check=False, timeout=60)
    assert p.returncode == 1 and says in p.stderr, p.stderr
    assert len(p.stderr.splitlines()) == 1, p.stderr


@pytest.mark.parametrize("text, message", [
    ("relai x\n", "relai"), ("relay x\n", "host:port"),
    ("log loud\n", "loud"), ("workers 0\n", "workers"),
    ("state here\n", "absolute")])
def test_bad_configuration(tmp_path, text, message):
    conf = tmp_path / "bad.conf"
    conf.write_text(text)
    run = subprocess.run([str(AGENT), "-c", str(conf), "-n"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 1 and message in run.stderr


def test_configuration_printed_parses_again(agent, tmp_path):
    plain = agent.run("-n")
    assert (plain.returncode, plain.stdout) == (0, "")
    assert plain.stderr == "configuration OK\n"
    more = agent.run("-n", "extra")
    assert more.returncode == 2 and "'extra'" in more.stderr
    first = agent.run("-n", "-v")
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    second = subprocess.run([str(AGENT), "-c", str(again), "-nv"],
                            capture_output=True, text=True, check=False)
    assert second.returncode == 0 and second.stdout == first.stdout
