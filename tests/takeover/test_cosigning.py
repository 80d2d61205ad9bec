# SPDX-License-Identifier: MPL-2.0
"""A server that wants a second signature for something else than what its
owner may ask: what Alice is asked to sign, who asks, and who could read it."""
import base64
import ctypes
import json
import os
import secrets
import shutil
import subprocess
import time

import pytest

import miglib
from fakeagent import purpose, purpose_hash, rfc3339
from hostilelib import SODIUM, Platform
from test_server_api import armor

SECONDS = 25
SHOWN = "Sign this action"


class Offer(Platform):
    """It lists one action, which Bob has signed and Alice may sign."""

    def __init__(self, directory, gpg):
        super().__init__(directory, gpg)
        home = directory / "home"
        for fpr in (gpg.alice, gpg.bob):
            self.mig("keyring", "add", fpr, check=0)
        (home / "keyring").write_text(self.mig("keyring", "export", check=0).stdout)
        who = {n: {"fingerprint": getattr(gpg, n), "weight": 1} for n in ("alice", "bob")}
        (home / "acl").write_text(json.dumps(
            {"default": {"minimumweight": 2, "investigators": who}}))
        known = home / ".config" / "mig" / "known-policy"
        self.mig("policy", "make", "--keyring", home / "keyring", "--acl", home / "acl", "-o",
                 home / "policy", check=0)
        shutil.copy(home / "policy", known)
        self.gpg = gpg
        self.readers = [gpg.alice, gpg.bob]
        self.secret, self.public = pair()
        self.key = self.encrypt(*self.readers)

    def encrypt(self, *fprs, secret=None, how=("--recipient",), more=()):
        args = [x for i, f in enumerate(fprs) for x in (how[i % len(how)], f)]
        return self.gpg.run("--armor", "--trust-model", "always", *args, *more, "--encrypt",
                            input=base64.b64encode(secret or self.secret)).stdout.decode()

    def document(self, seal=None, **change):
        doc = {"syntaxversion": 3, "nonce": secrets.token_hex(16), "name": "an honest question",
               "target": "all", "validfrom": rfc3339(-5 + now()),
               "expireafter": rfc3339(600 + now()), "require": {"weight": 2},
               "operations": [{"module": "file", "parameters": {"searches": {"s1": {
                   "paths": ["/etc"], "names": ["passwd"]}}}}],
               "seal": {"public": base64.b64encode(self.public).decode(),
                        "readers": self.readers, "key": self.key, **(seal or {})}}
        return json.dumps({**doc, **change})

    def sign(self, doc, fpr=None, word="action"):
        return armor(self.gpg.detach_sign(fpr or self.gpg.bob, purpose(word, doc.encode())))

    def offer(self, doc, *sigs, ident=None, status="waiting", names=("web1",)):
        """The action that the server shows; its id."""
        ident = ident or purpose_hash("action", doc.encode())
        replies = self.server.replies
        replies["GET", f"/api/v1/actions/{ident}"] = (200, {
            "id": ident, "name": "what the server calls it", "status": status, "document": doc,
            "signatures": list(sigs) if sigs else [self.sign(doc)]})
        replies["POST", "/api/v1/targets"] = (200, {"count": 1, "online": 1, "agents": [
            {"id": "0" * 64, "name": n, "online": True} for n in names]})
        replies["POST", f"/api/v1/actions/{ident}/signatures"] = (
            201, {"id": ident, "expected": 1, "online": 1})
        return ident

    def posted(self):
        """What was signed since it was asked last."""
        found = [json.loads(r[2]) for r in self.server.requests if r[1].endswith("/signatures")]
        self.server.requests.clear()
        return found

    def honest(self):
        self.posted()
        doc = self.document()
        p = self.mig("action", "cosign", self.offer(doc), "-y", check=0)
        assert "was launched: 1 agent asked" in p.stdout
        one, = self.posted()
        assert one["document"] == doc and len(one["signatures"]) == 1
        return p

    def refused(self, says, doc, *sigs, **offer):
        p = self.mig("action", "cosign", self.offer(doc, *sigs, **offer), "-y", check=2)
        assert says in p.stderr, (says, p.stderr)
        assert self.posted() == [], "something was signed"
        return p


def now():
    return time.time()


def pair():
    public, secret = ctypes.create_string_buffer(32), os.urandom(32)
    SODIUM.crypto_scalarmult_base(public, secret)
    return secret, public.raw


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    g = miglib.Gpg(tmp_path_factory.mktemp("gpg") / "home")
    for name in ("alice", "bob", "mallory"):
        setattr(g, name, g.make_key(f"{name.title()} Demo"))
    yield g
    g.stop()


@pytest.fixture(scope="module")
def offer(tmp_path_factory, gpg):
    """An honest action is signed before the attacks, and after them."""
    s = Offer(tmp_path_factory.mktemp("hostile"), gpg)
    try:
        s.honest()
        yield s
        s.honest()
    finally:
        s.stop()


def test_another_document(offer):
    """Under the id that she was told; a byte is enough, and so is a space."""
    asked = offer.document()
    ident = purpose_hash("action", asked.encode())
    for other in (offer.document(name="another"), asked + " ",
                  asked.replace('"target": "all"', '"target": "a=1"')):
        offer.refused("another action", other, offer.sign(other), ident=ident)


def test_who_asks(offer):
    """The first signature counts: nobody's, somebody's from another action, for something else."""
    doc, other = offer.document(), offer.document()
    offer.refused("who asks is not known", doc, offer.sign(doc, offer.gpg.mallory))
    offer.refused("does not verify", doc, offer.sign(other))
    offer.refused("does not verify", doc, offer.sign(doc, word="cancel"), offer.sign(doc))
    offer.refused("you have signed it already", doc, offer.sign(doc, offer.gpg.alice))
    offer.refused("you have signed it already", doc, offer.sign(doc),
                  offer.sign(doc, offer.gpg.alice))


def test_signatures_that_do_not_count(offer):
    """Mixed in from another action: shown as what they are, and no weight."""
    doc, other = offer.document(require={"weight": 3}), offer.document()
    offer.posted()
    p = offer.mig("action", "cosign", offer.offer(
        doc, offer.sign(doc), offer.sign(other, offer.gpg.alice),
        offer.sign(doc, offer.gpg.mallory)), check=2)
    assert p.stderr.count("(does not count)") == 2
    assert "has 1 of 3, with yours 2 (policy 1): still missing" in p.stderr
    assert offer.posted() == []


def test_a_seal_that_others_open(offer):
    """Mallory's key as well: named, not named, of somebody she has no key of, hidden, and by a
    passphrase."""
    g = offer.gpg
    key = offer.encrypt(g.alice, g.bob, g.mallory)
    offer.refused("whom it does not name among its readers", offer.document(seal={"key": key}))
    stranger = miglib.Gpg(offer.person.dir / secrets.token_hex(4))
    try:
        unknown = stranger.make_key("Stranger")
        ring = stranger.run("--export", unknown).stdout
        g.run("--import", input=ring)
        key = offer.encrypt(g.alice, g.bob, unknown)
        g.run("--delete-keys", unknown)
        offer.refused("names 2 readers, and its seal key is for 3",
                      offer.document(seal={"key": key}))
    finally:
        stranger.stop()
    key = offer.encrypt(g.alice, g.bob, g.mallory,
                        how=("--recipient", "--recipient", "--hidden-recipient"))
    offer.refused("not signed: the seal", offer.document(seal={"key": key}))
    key = offer.encrypt(g.alice, g.bob, more=("--symmetric", "--passphrase", "known"))
    offer.refused("not signed: the seal", offer.document(seal={"key": key}))


def test_a_seal_that_says_too_much(offer):
    """Readers for whom it is not; she is none; and she is one in name only."""
    g = offer.gpg
    three = [g.alice, g.bob, g.mallory]
    offer.refused("whom it names among its readers",
                  offer.document(seal={"readers": three}))
    doc = offer.document(seal={"readers": [g.bob], "key": offer.encrypt(g.bob)})
    offer.refused("you are not among the readers", doc)
    doc = offer.document(seal={"readers": [g.alice, g.bob], "key": offer.encrypt(g.bob, g.mallory)})
    offer.refused("whom it does not name", doc)


def test_a_seal_with_another_key(offer):
    """What opens is not what the answers are sealed to: she would sign what she cannot check."""
    other, _ = pair()
    key = offer.encrypt(offer.gpg.alice, offer.gpg.bob, secret=other)
    offer.refused("is not the one that action", offer.document(seal={"key": key}))
    _, public = pair()
    doc = offer.document(seal={"public": base64.b64encode(public).decode()})
    offer.refused("is not the one that action", doc)


def test_too_late(offer):
    """Whatever the server says, the document says when it ends."""
    doc = offer.document(validfrom=rfc3339(now() - 600), expireafter=rfc3339(now() - 5))
    offer.refused("this action ended at", doc)
    for status in ("cancelled", "complete", "\x1b[31mopen"):
        p = offer.refused("does not wait for signatures", offer.document(), status=status)
        assert "\x1b" not in p.stderr


def test_text_that_lies(offer):
    """In the document, and in what only the server says."""
    doc = offer.document(name="files \u202essenmrah", target="name <> '\u202egnp.exe'")
    control = offer.document(name="files\x1b[2K\rname     harmless")
    p = offer.refused("name: control character 0x1b", control)
    assert "\x1b" not in p.stderr
    ident = offer.offer(doc, names=("web1\x1b[A\u202e", "\u0440aypal"))
    p = offer.mig("action", "cosign", ident, check=2)
    for text in ("files \\u{202e}ssenmrah", "'\\u{202e}gnp.exe'",
                 "web1\\x1b[A\\u{202e}, \\u{440}aypal", "not what it may look like"):
        assert text in p.stderr, (text, p.stderr)
    assert not set("\x1b\r\u202e\u0440") & set(p.stderr)
    assert SHOWN not in p.stderr and offer.posted() == []


def test_an_answer_for_another(offer):
    """The server says that something else was launched."""
    ident = offer.offer(offer.document())
    offer.server.replies["POST", f"/api/v1/actions/{ident}/signatures"] = (
        201, {"id": "ab" * 32, "expected": 1, "online": 1})
    p = offer.mig("action", "cosign", ident, "-y", check=2)
    assert "names another id" in p.stderr and len(offer.posted()) == 1


def test_at_a_terminal(offer):
    """Only yes is yes."""
    for word, signed in (("ja", False), ("y", True)):
        ident = offer.offer(offer.document())
        run = subprocess.run(
            ["script", "-qec", f"{miglib.program('mig')} action cosign {ident}", "/dev/null"],
            env=offer.person.env, input=word + "\n", capture_output=True, text=True, timeout=60,
            check=False)
        assert SHOWN in run.stdout and f"action   {ident}" in run.stdout, run.stdout
        assert (len(offer.posted()) == 1) is signed, word
