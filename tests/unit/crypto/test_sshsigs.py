# SPDX-License-Identifier: MPL-2.0
"""The agents' check of SSH signatures beside ssh-keygen -Y verify.

Signatures are made by ssh-keygen, or put together field by field and signed
with a key that fits, as a security key's are: the test has its secret half.
They are changed in many ways; what ours accepts, ssh-keygen must accept too.
Where ours is stricter on purpose, the change stands in STRICTER.
"""
import base64
import hashlib
import os
import pathlib
import random
import struct
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOL = os.environ.get("MIG_SIGTOOL",
                      str(ROOT / "build/tests/unit/crypto/sigtool"))
DATA = b'{"syntaxversion":3,"name":"test"}\n\x00\xff binary \r\n'
PREFIXED = b"MIG action v3\n%d\n" % len(DATA) + DATA
GOOD, MALFORMED, UNKNOWN, BAD, KEY_EXPIRED = range(5)
PLAIN, SK = b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com"
ORDER = 2**252 + 27742317777372353535851937790883648493


def s(data):
    return struct.pack(">I", len(data)) + data


class Key:
    """A key whose secret half is here."""

    def __init__(self, sk):
        self.sk = sk
        self.kind = SK if sk else PLAIN
        self.secret = Ed25519PrivateKey.generate()
        self.y = self.secret.public_key().public_bytes(Encoding.Raw,
                                                       PublicFormat.Raw)

    def blob(self, app=b"ssh:", after=b"", kind=None, y=None):
        return s(kind or self.kind) + s(y or self.y) + (
            s(app) if self.sk else b"") + after

    def public(self):
        return f"{self.kind.decode()} {base64.b64encode(self.blob()).decode()}"

    def line(self, created=0, expires=0):
        fpr = hashlib.sha256(self.blob()).hexdigest()[:40]
        word = "sk-ssh-ed25519" if self.sk else "ssh-ed25519"
        app = ":ssh:" if self.sk else ""
        return f"key {fpr} {word} {created} {expires} {self.y.hex()}{app}\n"

    def sign(self, data=PREFIXED, **f):
        """One field after the other; "signed_x" is what is signed as x."""
        def get(name, normal):
            return f.get(name, normal), f.get("signed_" + name,
                                              f.get(name, normal))
        name, signed_name = get("name", b"action@mig")
        reserved, signed_reserved = get("reserved", b"")
        digest, signed_digest = get("digest", b"sha512")
        app, signed_app = get("app", b"ssh:")
        flags, signed_flags = get("flags", 1)
        counter, signed_counter = get("counter", 3)
        made = hashlib.new(signed_digest.decode().lower(), data).digest()
        message = (b"SSHSIG" + s(signed_name) + s(signed_reserved) +
                   s(signed_digest) + s(made))
        if self.sk:
            message = (hashlib.sha256(signed_app).digest() +
                       struct.pack(">BI", signed_flags, signed_counter) +
                       hashlib.sha256(message).digest())
        raw = self.secret.sign(message)
        if f.get("unreduced"):
            number = int.from_bytes(raw[32:], "little") + ORDER
            raw = raw[:32] + number.to_bytes(32, "little")
        inner = s(f.get("kind", self.kind)) + s(raw + f.get("longer", b""))
        if self.sk:
            inner += struct.pack(">BI", flags, counter)
        blob = self.blob(app, f.get("after_key", b""), f.get("key_kind"))
        return (f.get("magic", b"SSHSIG") +
                struct.pack(">I", f.get("version", 1)) + s(blob) + s(name) +
                s(reserved) + s(digest) + s(inner + f.get("after_sig", b"")) +
                f.get("after", b""))


# name: (what is changed, needs a security key, ours, ssh-keygen accepts)
CHANGES = {
    "nothing": ({}, False, GOOD, True),
    "sha256": ({"digest": b"sha256"}, False, GOOD, True),
    "counter 0": ({"counter": 0}, True, GOOD, True),
    "pin": ({"flags": 5}, True, GOOD, True),
    "backed up": ({"flags": 0x19}, True, GOOD, True),
    "magic": ({"magic": b"SSHSIC"}, False, MALFORMED, False),
    "version": ({"version": 2}, False, MALFORMED, False),
    "version 0": ({"version": 0}, False, MALFORMED, None),
    "other purpose": ({"name": b"cancel@mig"}, False, BAD, False),
    "git": ({"name": b"git"}, False, BAD, False),
    "no namespace": ({"name": b""}, False, BAD, False),
    "namespace shown": ({"signed_name": b"git"}, False, BAD, False),
    "namespace ends": ({"name": b"action@mig\0"}, False, BAD, False),
    "reserved signed": ({"signed_reserved": b"x"}, False, BAD, False),
    "sha1": ({"digest": b"sha1"}, False, MALFORMED, False),
    "sha384": ({"digest": b"sha384"}, False, MALFORMED, False),
    "SHA512": ({"digest": b"SHA512"}, False, MALFORMED, False),
    "digest shown": ({"signed_digest": b"sha256"}, False, BAD, False),
    "kind": ({"kind": b"ssh-rsa"}, False, MALFORMED, False),
    "key's kind": ({"key_kind": b"ssh-rsa"}, False, MALFORMED, False),
    "touch claimed": ({"signed_flags": 0}, True, BAD, False),
    "counter shown": ({"signed_counter": 9}, True, BAD, False),
    "application signed": ({"signed_app": b"ssh:x"}, True, BAD, False),
    "application": ({"app": b"ssh:x"}, True, UNKNOWN, False),
    "longer": ({"longer": b"\0"}, False, MALFORMED, False),
    "unreduced": ({"unreduced": True}, False, BAD, None),
    "after key": ({"after_key": b"x"}, False, MALFORMED, False),
    "after signature": ({"after_sig": b"x"}, False, MALFORMED, False),
    "after": ({"after": b"x"}, False, MALFORMED, None),
    "reserved": ({"reserved": b"x"}, False, MALFORMED, None),
    "reserved shown": ({"reserved": b"x", "signed_reserved": b""}, False,
                       MALFORMED, None),
    "not touched": ({"flags": 0}, True, MALFORMED, None),
    "extension data": ({"flags": 0x81}, True, MALFORMED, None),
    "reserved flag": ({"flags": 3}, True, MALFORMED, None),
}
# Here ours refuses what (some version of) ssh-keygen accepts: None above.
STRICTER = {name for name, row in CHANGES.items() if row[3] is None}


class World:
    def __init__(self, base):
        self.base = base
        self.keys = [Key(False), Key(True)]
        self.secret = base / "made"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                        "made", "-f", self.secret], check=True)
        kind, text, _ = (base / "made.pub").read_text().split()
        blob = base64.b64decode(text)
        self.made_line = (
            f"key {hashlib.sha256(blob).hexdigest()[:40]} ssh-ed25519 0 0 "
            f"{blob[-32:].hex()}\n")
        lines = [k.line() for k in self.keys] + [self.made_line]
        self.ring = self.keyring("keyring", *lines)
        self.allowed = base / "allowed"
        self.allowed.write_text("".join(
            f"me {p}\n" for p in [k.public() for k in self.keys] +
            [f"{kind} {text}"]))
        (base / "data").write_bytes(DATA)
        (base / "prefixed").write_bytes(PREFIXED)

    def keyring(self, name, *lines):
        path = self.base / name
        path.write_text("mig-keyring 3\n" + "".join(
            f"person {i:040x} P{i}\n{line}" for i, line in enumerate(lines)))
        return path

    def ours(self, sigs, now=None, ring=None):
        blob = b"".join(s(x) for x in sigs)
        p = subprocess.run(
            [TOOL, "ours", ring or self.ring, self.base / "data",
             str(int(now or time.time()))], input=blob, capture_output=True,
            check=True)
        return list(map(int, p.stdout.split()))

    def theirs(self, sig, *options, allowed=None):
        path = self.base / "sig"
        text = base64.b64encode(sig).decode()
        path.write_text("-----BEGIN SSH SIGNATURE-----\n" + "\n".join(
            text[i:i + 70] for i in range(0, len(text), 70)) +
            "\n-----END SSH SIGNATURE-----\n")
        p = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", allowed or self.allowed, "-I",
             "me", "-n", "action@mig", "-s", path, *options], input=PREFIXED,
            capture_output=True, check=False)
        return p.returncode == 0

    def made(self, *options, name="action@mig"):
        sig = self.base / "prefixed.sig"
        sig.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", self.secret,
                        "-n", name, *options, self.base / "prefixed"],
                       check=True, capture_output=True)
        return base64.b64decode("".join(sig.read_text().splitlines()[1:-1]))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("sshsig"))


def test_made_by_ssh_keygen(world):
    sigs = [world.made(), world.made("-O", "hashalg=sha512"),
            world.made("-O", "hashalg=sha256")]
    assert world.ours(sigs) == [GOOD] * 3
    assert all(world.theirs(x) for x in sigs)
    others = [world.made(name=n) for n in
              ("cancel@mig", "policy@mig", "session@mig", "git", "file")]
    assert world.ours(others) == [BAD] * len(others)
    assert not any(world.theirs(x) for x in others)


def test_changed_fields(world):
    plain, sk = world.keys
    for key in world.keys:
        rows = {n: r for n, r in CHANGES.items() if key.sk or not r[1]}
        sigs = [key.sign(**row[0]) for row in rows.values()]
        assert dict(zip(rows, world.ours(sigs))) == {
            n: row[2] for n, row in rows.items()}
    for name, (change, needs_sk, _, accepted) in CHANGES.items():
        sig = (sk if needs_sk else plain).sign(**change)
        assert accepted is None or world.theirs(sig) == accepted, name


def test_no_touch_is_where_ours_is_stricter(world):
    """It is the reason for the list: ssh-keygen tells of a touch, no more."""
    assert world.theirs(world.keys[1].sign(flags=0))


def test_times(world):
    now = int(time.time())
    key = world.keys[0]
    sig = key.sign()
    stamp = lambda t: time.strftime("%Y%m%d%H%M%S", time.localtime(t))
    allowed = world.base / "limited"
    for after, before in ((now - 100, now + 100), (now + 100, now + 200),
                          (now - 200, now - 100)):
        ring = world.keyring("limited-ring", key.line(after, before))
        allowed.write_text(f'me valid-after="{stamp(after)}",valid-before="'
                           f'{stamp(before)}" {key.public()}\n')
        for at in (after - 1, after, before - 1, before + 1):
            ours, = world.ours([sig], at, ring)
            theirs = world.theirs(sig, "-O", f"verify-time={stamp(at)}",
                                  allowed=allowed)
            inside = after <= at < before
            assert ours == (GOOD if inside else KEY_EXPIRED)
            assert theirs == inside


# --- many --------------------------------------------------------------------
def changed_bytes(rng, sig):
    sig = bytearray(sig)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        sig[rng.randrange(len(sig))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.1:
        at = rng.randrange(len(sig))
        sig[at:at + rng.randrange(1, 9)] = b""
    if rng.random() < 0.1:
        at = rng.randrange(len(sig))
        sig[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(sig)


def cases(world, rng, n):
    """(signature, names of what was changed; None: any bytes)"""
    whole = [k.sign() for k in world.keys] + [world.made()]
    usual = {"name": [b"action@mig", b"policy@mig"], "flags": [0, 1, 5, 0x41],
             "digest": [b"sha512", b"sha256"], "counter": [0, 7, 2**32 - 1]}
    for _ in range(n):
        if rng.random() < 0.96:
            yield changed_bytes(rng, rng.choice(whole)), None
            continue
        key = rng.choice(world.keys)
        names = [x for x in rng.sample(sorted(CHANGES), rng.randrange(3))
                 if key.sk or not CHANGES[x][1]]
        change = {k: rng.choice(v) for k, v in usual.items()}
        for name in names:
            change.update(CHANGES[name][0])
        if key.sk and change["flags"] in (0, 0x41):
            names.append("not touched")
        yield key.sign(**change), names


def compare(world, n, ask, seed):
    """Both about n; ssh-keygen about all that ours accepts, and of the others
    about so many as ask says."""
    rng = random.Random(seed)
    made = list(cases(world, rng, n))
    verdicts = world.ours([sig for sig, _ in made])
    assert len(verdicts) == n
    accepted = 0
    for (sig, names), ours in zip(made, verdicts):
        if ours == GOOD:
            accepted += 1
            assert world.theirs(sig), sig.hex()
        elif ask > 0 and (names is not None or rng.random() < 0.02):
            ask -= 1
            if world.theirs(sig):
                if sig[6:10] == bytes(4):
                    names = ["version 0"]   # one bit away
                assert names and STRICTER & set(names), (names, sig.hex())
    assert accepted >= n // 400    # or nothing was compared


def test_some_thousand(world):
    compare(world, 3000, 20, 1)


@pytest.mark.long
def test_hundred_thousand(world):
    compare(world, 100_000, 5000, int(os.environ.get("MIG_SIGNATURE_SEED",
                                                     "2")))
