# SPDX-License-Identifier: MPL-2.0
"""What the platform, or who signs first, claims: that this key opens the answers
and for whom, that this is the audit log, that this agent was enrolled with that
token. mig looks, and says what does not hold."""
import base64
import hashlib
import hmac
import json
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import (Encoding, NoEncryption,
                                                          PrivateFormat)

from fakeagent import RAW, purpose
from hostilelib import Liar, Platform
from test_client_local import ERROR, FOUND, INCOMPLETE, gpg  # noqa: F401

SECONDS = 20
RESULT_HEADER = 4 + 96 + 8 + 8 + 32 + 8 + 32 + 8 + 32 + 64      # with its signature


@pytest.fixture(scope="module")
def shared(tmp_path_factory, gpg):  # noqa: F811
    gpg.eve = gpg.make_key("Eve Demo")
    p = Platform(tmp_path_factory.mktemp("claims"), gpg)
    p.gpg, p.file = gpg, p.person.dir / "action"
    p.mig("file", "-s", "-o", p.file, "-path", "/etc", "-name", "^passwd$", check=0)
    p.template = json.loads(json.loads(p.file.read_text())["document"])
    yield p
    p.stop()


@pytest.fixture
def liar(shared):
    shared.known.unlink(missing_ok=True)
    return shared


# --- the seal key, and whom it is for ---------------------------------------------

def keypair():
    secret = x25519.X25519PrivateKey.generate()
    return (secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
            secret.public_key().public_bytes(*RAW))


def by_bob(liar, readers, wrapped, hidden=(), secret=None, pair=None):
    """A file as bob makes it: he names these readers, and wraps the key for those."""
    own, public = pair or keypair()
    to = [x for fpr in wrapped for x in ("-r", fpr)] + [x for f in hidden for x in ("-R", f)]
    key = liar.gpg.run("--trust-model", "always", "--armor", *to, "--encrypt",
                       input=base64.b64encode(secret or own)).stdout.decode()
    doc = {**liar.template, "seal": {"public": base64.b64encode(public).decode(),
                                     "readers": [r.lower() for r in readers], "key": key}}
    text = json.dumps(doc)
    sig = liar.gpg.run("--local-user", liar.gpg.bob, "--armor", "--detach-sign",
                       input=purpose("action", text.encode())).stdout.decode()
    liar.file.write_text(json.dumps({"document": text, "signatures": [sig]}))


def asked(liar):
    return [r for r in liar.server.requests if r[:2] == ("POST", "/api/v1/actions")]


def test_the_seal_key_is_for_whom_it_names(liar):
    """The honest case of the next ones: signed and launched, and it opens."""
    g, a = liar.gpg, Liar()
    by_bob(liar, [g.bob, g.alice], [g.bob, g.alice])
    liar.mig("action", "sign", liar.file, "-y", check=0)
    liar.answers(lambda action, doc: [(a.id, a.answer(action, doc))], [a])
    liar.mig("-i", liar.file, "-json", "-y", check=FOUND)
    assert len(json.loads(asked(liar)[-1][2])["signatures"]) == 2


@pytest.mark.parametrize("how, says", [
    ("one more", "also for"), ("one more, unnamed", "it hides whom it is for"),
    ("another instead", "also for"), ("fewer", "its seal key is not for"),
    ("another key", "not the one that answers will be sealed with")])
def test_the_seal_key_lies_about_its_readers(liar, how, says):
    """By who signs first: who signs next does not sign, and who launches it does
    not ask anybody."""
    g = liar.gpg
    both = [g.bob, g.alice]
    by_bob(liar, both, **{
        "one more": {"wrapped": [*both, g.eve]}, "one more, unnamed": {
            "wrapped": both, "hidden": [g.eve]},
        "another instead": {"wrapped": [g.alice, g.eve]}, "fewer": {"wrapped": [g.alice]},
        "another key": {"wrapped": both, "secret": keypair()[0]}}[how])
    before, n = liar.file.read_text(), len(asked(liar))
    p = liar.mig("action", "sign", liar.file, "-y", check=ERROR)
    assert "not signed" in p.stderr and says in p.stderr, p.stderr
    assert liar.file.read_text() == before
    p = liar.mig("-i", liar.file, "-json", "-y", check=ERROR)
    assert says in p.stderr and len(asked(liar)) == n


def test_the_seal_key_was_used_before(liar):
    """Bob asks twice with one key. What was answered to the first is no answer to the second: not
    as it is, and not sealed bytes under another signature of the agent's."""
    g, a, b, pair, old = liar.gpg, Liar("one"), Liar("two"), keypair(), []

    def asks(make, check):
        by_bob(liar, [g.bob, g.alice], [g.bob, g.alice], pair=pair)
        liar.answers(make, [a, b])
        p = liar.mig("-i", liar.file, "-json", "-y", check=check)
        return json.loads(p.stdout.splitlines()[-1]), p.stderr

    def first(action, doc):
        old.extend([a.answer(action, doc), b.answer(action, doc)])
        return [(a.id, old[0]), (b.id, old[1])]
    assert asks(first, FOUND)[0]["found"] == 2
    summary, said = asks(lambda action, doc: [
        (a.id, old[0]), (b.id, b.header(action, 1, 0, 1, old[1][RESULT_HEADER:]))], INCOMPLETE)
    assert (summary["done"], summary["notbelieved"]) == (0, 2), said
    assert "it answers another action" in said


def test_the_server_adds_a_reader(liar):
    """Or exchanges the key: it is another action, whatever is to be done with it."""
    a = Liar()
    liar.ask(lambda action, doc: [(a.id, a.answer(action, doc))], expected=[a], check=FOUND)
    path = "GET", f"/api/v1/actions/{liar.action}"
    good = liar.server.replies[path]
    for change in ({"readers": [*liar.doc["seal"]["readers"], liar.gpg.eve.lower()]},
                   {"key": liar.template["seal"]["key"]},
                   {"public": liar.template["seal"]["public"]}):
        doc = {**liar.doc, "seal": {**liar.doc["seal"], **change}}
        liar.server.replies[path] = (200, {**good[1], "document": json.dumps(doc)})
        for words in (("results",), ("action", "cancel")):
            p = liar.mig(*words, liar.action, check=ERROR)
            assert "another action" in p.stderr, (words, p.stderr)
    p = liar.mig("results", "share", liar.action, "-to", liar.gpg.bob, "-y", check=ERROR)
    assert "another action" in p.stderr, p.stderr
    liar.server.replies[path] = good
    liar.mig("results", liar.action, "-json", check=FOUND)


# --- the audit log ------------------------------------------------------------------

def log(texts, after=(0, bytes(32))):
    """[(n, chain, text)] of a log whose chain is right."""
    n, chain = after
    out = []
    for text in texts:
        n += 1
        chain = hashlib.sha256(b"MIG audit v1\n" + chain + struct.pack(">Q", n) +
                               text.encode()).digest()
        out.append((n, chain, text))
    return out


def entries(*objects):
    return [json.dumps({"time": "2026-01-01T00:00:00Z", "who": "a" * 40, "what": "login",
                        "object": x, "detail": ""}) for x in objects]


def shows(liar, rows, start=(0, bytes(32)), end=None):
    """From now on the server says that this is its log."""
    def line(kind, n, chain, **more):
        return json.dumps({"type": kind, "n": n, "chain": chain.hex(), **more}).encode() + b"\n"
    end = end or (rows[-1][:2] if rows else start)
    liar.server.replies["GET", "/api/v1/audit"] = (200, line("start", *start) + b"".join(
        line("entry", n, c, text=t) for n, c, t in rows) + line("end", *end))


@pytest.fixture
def audit(liar):
    """A log of five entries that mig has seen; and that it goes on is well."""
    heads = liar.person.dir / ".local" / "share" / "mig" / "audit"
    for f in heads.glob("*"):
        f.unlink()
    rows = log(entries(*"abcd"))
    shows(liar, rows)
    assert "seen for the first time" in liar.mig("audit", "verify", check=0).stderr
    rows = log(entries(*"abcde"))
    shows(liar, rows)
    assert "goes on from entry 4" in liar.mig("audit", "verify", check=0).stderr
    return rows


def refused(liar, audit, word):
    """Said, each time anew; and what was seen stays what was seen."""
    for command in ("verify", "show"):
        assert word in liar.mig("audit", command, check=ERROR).stderr
    shows(liar, audit)
    liar.mig("audit", "verify", check=0)


def test_audit_log_rewritten_consistently(liar, audit):
    """Every chain fits again, and it may be longer than it was."""
    for objects in ("axcde", "abcdx", "abcdxfghij"):
        shows(liar, log(entries(*objects)))
        refused(liar, audit, "was rewritten: entry 5")


def test_audit_log_seen_by_two_at_once(liar, audit):
    """One is shown less than the other had seen by then: that stays seen."""
    heads = liar.person.dir / ".local" / "share" / "mig" / "audit"
    head, = (f for f in heads.glob("*") if f.suffix != ".lock")
    newest = head.read_bytes()
    head.unlink()
    shows(liar, audit[:4])
    four = liar.server.replies["GET", "/api/v1/audit"]

    def meanwhile(_):
        head.write_bytes(newest)
        return four
    liar.server.replies["GET", "/api/v1/audit"] = meanwhile
    liar.mig("audit", "verify", check=0)
    assert head.read_bytes() == newest


def test_audit_log_cut_at_its_end(liar, audit):
    shows(liar, audit[:3])
    refused(liar, audit, "was cut: this machine has seen 5 entries, and now there are 3")
    shows(liar, [])
    refused(liar, audit, "was cut")
    shows(liar, audit[:3], end=audit[4][:2])
    refused(liar, audit, "end is not that of its entries")


def test_audit_log_forked(liar, audit):
    """One for alice, another for bob: who is shown the other's notices."""
    def machine(words, check):
        return liar.mig("audit", words, check=check,
                        env={"XDG_DATA_HOME": str(liar.person.dir / "second")})
    branch = audit[:4] + log(entries("x"), audit[3][:2])
    shows(liar, branch)
    machine("verify", 0)
    more = branch + log(entries("y"), branch[4][:2])
    shows(liar, more)
    machine("verify", 0)
    assert "was rewritten" in liar.mig("audit", "verify", check=ERROR).stderr
    shows(liar, audit + log(entries("f", "g"), audit[4][:2]))
    assert "was rewritten: entry 6" in machine("verify", ERROR).stderr
    liar.mig("audit", "verify", check=0)


def test_audit_log_begins_later(liar, audit):
    """Beyond what was seen nothing can be compared: incomplete. Where it can, a
    chain of the server's own making is noticed."""
    later = log(entries("g", "h"), (6, b"\x07" * 32))
    shows(liar, later, start=(6, b"\x07" * 32))
    p = liar.mig("audit", "verify", check=INCOMPLETE)
    assert "what lies between cannot be checked" in p.stderr


def test_audit_log_begins_where_it_was_seen(liar, audit):
    shows(liar, log(entries("f"), (5, b"\x07" * 32)), start=(5, b"\x07" * 32))
    refused(liar, audit, "was rewritten: entry 5")
    shows(liar, log(entries("f"), audit[4][:2]), start=audit[4][:2])
    assert "goes on from entry 5" in liar.mig("audit", "verify", check=0).stderr


# --- enrolment ----------------------------------------------------------------------

def derived(token):
    """What the server is shown at an enrolment, its hash, and the true proof."""
    secret = bytes.fromhex(token.removeprefix("mig-token-"))
    auth = hmac.digest(secret, b"MIG enrol auth v1", "sha256")
    return auth, hashlib.sha256(auth).hexdigest(), lambda pub: hmac.digest(
        secret, b"MIG enrol proof v1" + pub, "sha256").hex()


@pytest.fixture(scope="module")
def tokens(shared):
    """Two that alice made; the server learned their hashes, and later more."""
    made = []
    shared.server.replies["POST", "/api/v1/tokens"] = lambda body: (201, {
        "sha256": json.loads(body)["sha256"], "expires": "2999-01-01T00:00:00Z",
        "ca": shared.server.ca, "policy": None})
    for _ in range(2):
        p = shared.mig("token", "make", check=0)
        made.append(derived(p.stdout.split("--token ")[1].split()[0]))
        sent = json.loads(shared.server.requests[-1][2])
        assert sent["sha256"] == made[-1][1] and made[-1][0].hex() not in str(sent)
    return made


def test_agents_that_the_server_enrolled_itself(liar, tokens):
    """With all that it has: the hash, what agents showed, other agents' proofs."""
    (auth, digest, proof), (_, other, other_proof) = tokens
    honest = Liar("honest")
    own = proof(honest.pub)

    def by(key, pub):
        return hmac.digest(key, b"MIG enrol proof v1" + pub, "sha256").hex()
    forged = {
        "copied": lambda who: (digest, own),
        "other token's": lambda who: (digest, other_proof(who.pub)),
        "under the other": lambda who: (other, proof(who.pub)),
        "by auth": lambda who: (digest, by(auth, who.pub)),
        "by hash": lambda who: (digest, by(bytes.fromhex(digest), who.pub)),
        "the hash": lambda who: (digest, digest), "auth": lambda who: (digest, auth.hex()),
        "nothing": lambda who: (digest, "00" * 32)}
    rows, names = [], {}
    for name, how in forged.items():
        who = Liar(name)
        token, said = how(who)
        names[who.id] = name
        rows.append(who.row(who.hello(enrolment={"token": token, "proof": said})))
    good = honest.row(honest.hello(enrolment={"token": digest, "proof": own}))
    found, p = liar.agents(good, *rows)
    found = {x["agent"]: x["enrolment"] for x in found}
    assert found.pop(honest.id) == "checked"
    assert found == {x: "forged" for x in names}, found
    for ident, name in names.items():
        assert f"{name} ({ident[:12]}) says it was enrolled with a token of yours" in p.stderr
    assert p.stderr.count("cannot prove it") == len(forged)


def test_a_proof_put_into_a_hello(liar, tokens):
    """The hello is signed: no proof comes into it, and none out of it."""
    _, digest, proof = tokens[0]
    a, honest = Liar("bare"), Liar("honest")
    with_proof = {"token": digest, "proof": proof(honest.pub)}
    good = honest.hello(enrolment=with_proof)
    raw = base64.b64decode(a.hello())
    added = raw[:-1] + b', "enrolment": ' + json.dumps(with_proof).encode() + b"}"
    raw = base64.b64decode(good)
    cut = raw.replace(b', "enrolment": ' + json.dumps(with_proof).encode(), b"")
    assert cut != raw
    rows, _ = liar.agents(a.row(), a.row(base64.b64encode(added).decode()),
                          honest.row(base64.b64encode(cut).decode()), honest.row(good))
    assert [(r["verified"], r["enrolment"]) for r in rows] == [
        (True, "unchecked"), (False, "unchecked"), (False, "unchecked"), (True, "checked")]
