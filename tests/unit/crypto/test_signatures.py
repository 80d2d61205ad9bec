# SPDX-License-Identifier: MPL-2.0
"""The agents' signature check beside gpgv and librnp.

gpg makes keys and signatures now; they are changed in many ways; what the
agents' code accepts, gpgv and librnp must accept too. Where ours is stricter on
purpose, a named case says so (STRICTER below). The one thing ours does not look
at is the unhashed area: it is not signed, and nothing is taken from it.
"""
import hashlib
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))

import gpgend  # noqa: E402

TOOL = os.environ.get("MIG_SIGTOOL",
                      str(pathlib.Path(__file__).resolve().parents[3] /
                          "build/tests/unit/crypto/sigtool"))
MUTATIONS = int(os.environ.get("MIG_SIGNATURE_MUTATIONS", "200"))
DATA = b'{"syntaxversion":3,"name":"test"}\n\x00\xff binary \r\n'
PREFIXED = b"MIG action v3\n%d\n" % len(DATA) + DATA

GOOD, MALFORMED, UNKNOWN, BAD, KEY_EXPIRED, FUTURE, EXPIRED = range(7)

CURVES = {
    bytes.fromhex("2b06010401da470f01"): "ed25519",
    bytes.fromhex("2a8648ce3d030107"): "p256",
    bytes.fromhex("2b81040022"): "p384",
    bytes.fromhex("2b81040023"): "p521",
}

# name: primary, signing subkey (or None)
KEYS = {
    "rsa2048": ("rsa2048", "rsa3072"),
    "rsa4096": ("rsa4096", None),
    "ed25519": ("ed25519", "ed25519"),
    "p256": ("nistp256", None),
    "p384": ("nistp384", None),
    "p521": ("nistp521", None),
}


# --- packets -----------------------------------------------------------------
def packet(data):
    """(tag, body, header length) of the first packet; definite lengths only."""
    tag = data[0]
    if tag & 0x40:
        first = data[1]
        if first < 192:
            n, head = first, 2
        elif first < 224:
            n, head = ((first - 192) << 8) + data[2] + 192, 3
        else:
            n, head = struct.unpack(">I", data[2:6])[0], 6
        return tag & 0x3F, data[head : head + n], head
    size = (1, 2, 4)[tag & 3]
    n = int.from_bytes(data[1 : 1 + size], "big")
    return (tag >> 2) & 15, data[1 + size : 1 + size + n], 1 + size


def packets(data):
    while data:
        tag, body, head = packet(data)
        yield tag, body
        data = data[head + len(body) :]


def mpi(data):
    bits = struct.unpack(">H", data[:2])[0]
    n = (bits + 7) // 8
    return data[2 : 2 + n], data[2 + n :]


def key_line(body, expires=0):
    created, alg = struct.unpack(">IB", body[1:6])
    fpr = hashlib.sha1(b"\x99" + struct.pack(">H", len(body)) + body).hexdigest()
    if alg == 1:
        n, rest = mpi(body[6:])
        e, _ = mpi(rest)
        word, material = "rsa", f"{n.hex()}:{e.hex()}"
    else:
        oid = body[7 : 7 + body[6]]
        point, _ = mpi(body[7 + body[6] :])
        word = CURVES[oid]
        material = point[1:].hex() if word == "ed25519" else point.hex()
    return fpr, f"key {fpr} {word} {created} {expires} {material}\n"


def header(body, form):
    """The body under one of the ways to state a length."""
    n = len(body)
    return {
        "old1": lambda: bytes([0x88, n & 255]),
        "old2": lambda: b"\x89" + struct.pack(">H", n),
        "old4": lambda: b"\x8a" + struct.pack(">I", n),
        "indeterminate": lambda: b"\x8b",
        "new1": lambda: bytes([0xC2, n]),
        "new2": lambda: bytes([0xC2, ((n - 192) >> 8) + 192, (n - 192) & 255]),
        "new5": lambda: b"\xc2\xff" + struct.pack(">I", n),
    }[form]() + body


def areas(body):
    """Offsets in a v4 signature body: (hashed, unhashed, rest)."""
    hashed = struct.unpack(">H", body[4:6])[0]
    start = 6 + hashed
    unhashed = struct.unpack(">H", body[start : start + 2])[0]
    return 6, start + 2, start + 2 + unhashed


def with_unhashed(body, area):
    _, start, rest = areas(body)
    return body[: start - 2] + struct.pack(">H", len(area)) + area + body[rest:]


def normal(body):
    return header(body, "old1" if len(body) < 256 else "old2")


# --- the world ---------------------------------------------------------------
class World:
    def __init__(self, base):
        self.home = os.path.join(base, "g")
        os.mkdir(self.home, 0o700)
        self.env = dict(os.environ, GNUPGHOME=self.home, LC_ALL="C")
        self.watcher = gpgend.watch(self.env)
        self.path = lambda name: os.path.join(base, name)
        self.keyring = "mig-keyring 3\n"
        self.fprs = {}
        self.subs = {}
        for name, (primary, sub) in KEYS.items():
            self.make(name, primary, sub)
        self.write("keys.pgp", self.gpg("--export"))
        self.write("keyring", self.keyring.encode())
        self.write("data", DATA)
        self.write("prefixed", PREFIXED)

    def gpg(self, *args, data=b"", ok=True):
        p = subprocess.run(
            ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback",
             "--passphrase", "", "--trust-model", "always", *args],
            input=data, env=self.env, capture_output=True)
        assert p.returncode == 0 or not ok, p.stderr.decode()
        return p.stdout

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def make(self, name, primary, sub):
        self.gpg("--quick-gen-key", f"{name} <{name}@example.org>", primary,
                 "sign,cert", "never")
        colons = self.gpg("--with-colons", "-K", f"{name}@example.org").decode()
        fpr = [l.split(":")[9] for l in colons.splitlines() if l[:3] == "fpr"][0]
        if sub:
            self.gpg("--quick-add-key", fpr, sub, "sign", "never")
        self.fprs[name] = fpr
        self.keyring += f"person {fpr} {name}\n"
        for tag, body in packets(self.gpg("--export", fpr)):
            if tag in (6, 14):
                got, line = key_line(body)
                self.keyring += line
                if tag == 14:
                    self.subs[name] = got.upper()

    def sign(self, name, *args, data=PREFIXED):
        return self.gpg("-u", self.fprs.get(name, name), *args, "-b", data=data)

    def check(self, sigs, now=None, keyring=None):
        """[(our verdict, librnp good)] for each packet."""
        blob = b"".join(struct.pack(">I", len(s)) + s for s in sigs)
        p = subprocess.run(
            [TOOL, "check", keyring or self.path("keyring"), self.path("data"),
             str(int(now or time.time())), self.path("keys.pgp")],
            input=blob, capture_output=True, env=self.env)
        assert p.returncode == 0, (p.stdout, p.stderr)
        return [tuple(map(int, l.split())) for l in p.stdout.splitlines()]

    def gpgv(self, sig):
        p = subprocess.run(
            ["gpgv", "--homedir", self.home, "--keyring", self.path("keys.pgp"),
             self.write("sig", sig), self.path("prefixed")],
            env=self.env, capture_output=True)
        return p.returncode == 0


@pytest.fixture(scope="module")
def world():
    assert TOOL, "MIG_SIGTOOL names the test tool (meson sets it)"
    base = tempfile.mkdtemp(prefix="mig-sig-")
    w = World(base)
    yield w
    gpgend.end(w.watcher)
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def sigs(world):
    """One good signature for each signing key (name or name/primary)."""
    out = {}
    for name in KEYS:
        out[name] = world.sign(name)
        if name in world.subs:
            out[name + "/primary"] = world.sign(world.fprs[name] + "!")
    return out


def never_accept_more(world, sigs, gpgv_max=120):
    """What ours accepts, librnp and gpgv must accept; returns our verdicts."""
    got = world.check(sigs)
    accepted = [i for i, (ours, _) in enumerate(got) if ours == GOOD]
    for i in accepted[:gpgv_max]:
        assert got[i][1] == 1, f"librnp refuses {sigs[i].hex()}"
        assert world.gpgv(sigs[i]), f"gpgv refuses {sigs[i].hex()}"
    return [ours for ours, _ in got]


# --- good --------------------------------------------------------------------
def test_keyring_fingerprints_are_those_of_gpg(world):
    p = subprocess.run([TOOL, "keyring", world.path("keyring")],
                       capture_output=True)
    assert p.stdout.split() == [b"ok", b"%d" % len(KEYS),
                                b"%d" % (len(KEYS) + len(world.subs))]


def test_good_signatures_of_every_kind(world, sigs):
    assert never_accept_more(world, list(sigs.values())) == [GOOD] * len(sigs)


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
def test_every_digest(world, digest):
    for name in KEYS:
        weak = (name, digest) in (("p384", "SHA256"), ("p521", "SHA256"),
                                  ("p521", "SHA384"))
        if weak:
            continue  # gpg does not make them
        sig = world.sign(name, "--digest-algo", digest)
        assert never_accept_more(world, [sig]) == [GOOD], name


def test_numbers_with_leading_zeros(world):
    """Ed25519 and ECDSA numbers are shorter now and then: a fixed data set
    would hide a wrong padding."""
    made = []
    for i in range(40):
        at = int(time.time()) + i  # within the slack of five minutes
        made.append(world.sign("ed25519", "--faked-system-time", f"{at}!"))
    assert never_accept_more(world, made, 1) == [GOOD] * len(made)


# --- forms -------------------------------------------------------------------
def test_length_forms(world, sigs):
    """Stricter: gpgv takes every form of a length, ours the shortest only."""
    short = packet(sigs["ed25519"])[1]
    long = packet(sigs["rsa4096"])[1]
    assert len(short) < 192 and 256 <= len(long) < 8384
    for body, good in ((short, ("old1", "new1")), (long, ("old2", "new2"))):
        for form in ("old1", "old2", "old4", "new1", "new2", "new5",
                     "indeterminate"):
            if form in ("new1", "old1") and len(body) > 255:
                continue
            if form == "new2" and len(body) < 192:
                continue
            ours, = never_accept_more(world, [header(body, form)])
            assert ours == (GOOD if form in good else MALFORMED), form
    partial = b"\xc2\xe6" + short[:64] + bytes([len(short) - 64]) + short[64:]
    assert world.check([partial])[0][0] == MALFORMED


def test_not_exactly_one_packet(world, sigs):
    one = sigs["ed25519"]
    marker = b"\xca\x03PGP"
    cases = [one + one, one + sigs["p256"], one + b"\0", marker + one,
             one + marker, b"", one[:1], one[:2],
             b"-----BEGIN PGP SIGNATURE-----\n"]
    assert [v for v, _ in world.check(cases)] == [MALFORMED] * len(cases)


def test_numbers_not_canonical(world, sigs):
    for name in ("ed25519", "p256", "rsa4096"):
        body = packet(sigs[name])[1]
        _, _, rest = areas(body)
        head, tail = body[: rest + 2], body[rest + 2 :]
        num, more = mpi(tail)
        bits = struct.unpack(">H", tail[:2])[0]
        cases = [
            struct.pack(">H", (bits + 7) // 8 * 8 + 8) + b"\0" + num + more,
            struct.pack(">H", bits + 1) + num + more,
            struct.pack(">H", max(bits - 1, 1)) + num + more,
            struct.pack(">H", 0) + more,
            tail + b"\0\0",
            tail + tail[: len(num) + 2],
        ]
        if bits % 8 == 0:
            cases[1] = struct.pack(">H", bits + 1) + b"\0" + num + more
        for c in cases:
            ours, = never_accept_more(world, [normal(head + c)])
            assert ours in (MALFORMED, BAD), (name, c.hex())


def test_truncations(world, sigs):
    for name in ("ed25519", "rsa2048"):
        sig = sigs[name]
        body = packet(sig)[1]
        cut = [sig[:n] for n in range(len(sig))]
        cut += [normal(body[:n]) for n in range(len(body))]
        verdicts = never_accept_more(world, cut)
        assert GOOD not in verdicts


def test_versions_types_algorithms(world, sigs):
    body = bytearray(packet(sigs["ed25519"])[1])
    for at, values in ((0, range(256)), (1, range(1, 256)),
                       (2, range(256)), (3, range(256))):
        cases = []
        for v in values:
            if v == packet(sigs["ed25519"])[1][at]:
                continue
            changed = bytearray(body)
            changed[at] = v
            cases.append(normal(bytes(changed)))
        assert GOOD not in never_accept_more(world, cases)


def test_text_mode_is_refused(world):
    """Stricter: a text signature (0x01) is good for gpgv."""
    sig = world.sign("ed25519", "--textmode", data=PREFIXED)
    assert packet(sig)[1][1] == 0x01
    assert world.check([sig])[0][0] == MALFORMED


@pytest.mark.parametrize("digest", ["SHA1", "RIPEMD160", "SHA224"])
def test_weak_digests_are_refused(world, digest):
    sig = world.sign("rsa2048", "--digest-algo", digest)
    assert world.check([sig])[0][0] == MALFORMED


def test_hashed_subpackets(world):
    """Stricter: gpgv takes repeated notations, ours nothing twice."""
    cases = {
        ("--sig-notation", "a@example.org=1"): GOOD,
        ("--sig-notation", "!a@example.org=1"): MALFORMED,
        ("--sig-notation", "a@example.org=1",
         "--sig-notation", "b@example.org=2"): MALFORMED,
        ("--sig-policy-url", "https://example.org/"): GOOD,
        ("--sig-policy-url", "!https://example.org/"): MALFORMED,
        ("--sender", "ed25519@example.org"): GOOD,
    }
    for args, want in cases.items():
        ours, = never_accept_more(world, [world.sign("ed25519", *args)])
        assert ours == want, args


def test_unhashed_area_says_nothing(world, sigs):
    """Whatever stands there: accepted or not, only by its framing; time,
    issuer and expiry still come from the hashed area."""
    body = packet(sigs["ed25519"])[1]
    wrong_time = b"\x05\x02" + struct.pack(">I", 1)
    expiry = b"\x05\x03" + struct.pack(">I", 1)
    other = b"\x16\x21\x04" + bytes.fromhex(world.fprs["p256"])
    for area in (b"", wrong_time, expiry, other, b"\xff" * 20, b"\0" * 300):
        assert world.check([normal(with_unhashed(body, area))])[0][0] == GOOD
    # The hashed area emptied into the unhashed one: no longer stated.
    hashed, unhashed, rest = areas(body)
    moved = (body[:4] + b"\0\0" +
             struct.pack(">H", unhashed - 2 - hashed) +
             body[hashed : unhashed - 2] + body[rest:])
    assert world.check([normal(moved)])[0][0] == MALFORMED


def test_other_bytes_and_purposes(world):
    cases = [
        DATA,
        b"MIG cancel v3\n%d\n" % len(DATA) + DATA,
        b"MIG action v3\n%d\n" % (len(DATA) + 1) + DATA,
        b"MIG action v3\n" + DATA,
        PREFIXED + b"\0",
        PREFIXED[:-1],
    ]
    for data in cases:
        assert world.check([world.sign("ed25519", data=data)])[0][0] == BAD


# --- times -------------------------------------------------------------------
def test_times(world, sigs):
    sig = sigs["ed25519"]
    made = int(time.time())
    created = [k for k in world.keyring.splitlines()
               if k.startswith("key " + world.subs["ed25519"].lower())][0]
    born = int(created.split()[3])
    assert world.check([sig], now=made - 100)[0][0] == GOOD
    assert world.check([sig], now=made - 1000)[0][0] == FUTURE
    assert world.check([sig], now=made + 10**9)[0][0] == GOOD
    early = world.sign("ed25519", "--faked-system-time", f"{born - 86400}!",
                       "--ignore-time-conflict", "--ignore-valid-from")
    assert world.check([early])[0][0] == KEY_EXPIRED
    expiring = world.sign("ed25519", "--default-sig-expire", "seconds=1000")
    assert world.check([expiring], now=made + 500)[0][0] == GOOD
    assert world.check([expiring], now=made + 5000)[0][0] == EXPIRED


def test_key_expiry(world, sigs):
    now = int(time.time())
    for end, when, want in ((now + 1000, now + 10, GOOD),
                            (now + 1000, now + 1000, KEY_EXPIRED)):
        text = "".join(
            l.replace(" 0 ", f" {end} ", 1) + "\n" if l.startswith("key ")
            else l + "\n" for l in world.keyring.splitlines())
        ring = world.write("expiring", text.encode())
        assert world.check([sigs["ed25519"]], when, ring)[0][0] == want


# --- many --------------------------------------------------------------------
def mutate(world, sigs, count):
    """Bit flips, byte changes, cuts and splices outside the unhashed area."""
    rng = random.Random(int(os.environ.get("MIG_SIGNATURE_SEED", "1")))
    names = sorted(sigs)
    cases = []
    for _ in range(count):
        body = bytearray(packet(sigs[rng.choice(names)])[1])
        _, start, rest = areas(body)
        places = [i for i in range(len(body)) if not start <= i < rest]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = rng.choice(places)
            body[at] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            at, n = rng.randrange(len(body)), rng.randrange(1, 9)
            body[at : at + n] = b""
        if rng.random() < 0.1:
            at = rng.randrange(len(body))
            body[at:at] = rng.randbytes(rng.randrange(1, 9))
        cases.append(normal(bytes(body)))
    verdicts = never_accept_more(world, cases)
    # A changed signature that verifies would be a break, or the same bytes.
    originals = set(sigs.values())
    assert all(v != GOOD or c in originals for v, c in zip(verdicts, cases))


def test_random_mutations(world, sigs):
    mutate(world, sigs, MUTATIONS * 10)


@pytest.mark.long
def test_hundred_thousand(world, sigs):
    mutate(world, sigs, 100_000)


def test_every_bit_of_one_signature(world, sigs):
    sig = sigs["ed25519"]
    head = packet(sig)[2]
    _, start, rest = areas(packet(sig)[1])
    cases = []
    for bit in range(len(sig) * 8):
        if head + start <= bit // 8 < head + rest:
            continue
        changed = bytearray(sig)
        changed[bit // 8] ^= 1 << (bit % 8)
        cases.append(bytes(changed))
    assert GOOD not in never_accept_more(world, cases)


def test_signature_of_one_key_under_another(world, sigs):
    """The issuer's fingerprint exchanged for another key's, same kind."""
    for a, b in (("p256", "p384"), ("ed25519", "ed25519/primary"),
                 ("rsa2048", "rsa4096")):
        issuer = {k: packet(sigs[k])[1] for k in (a, b)}
        fa, fb = (issuer[k][issuer[k].index(b"\x16\x21\x04") + 3 :][:20]
                  for k in (a, b))
        changed = issuer[a].replace(fa, fb)
        assert world.check([normal(changed)])[0][0] == BAD
