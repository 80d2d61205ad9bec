# SPDX-License-Identifier: MPL-2.0
"""openpgp.c and keyring_make.c with real gpg keys in a temporary GNUPGHOME."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "integration"))

import gpgend  # noqa: E402

TOOL = os.environ.get("MIG_PGPTOOL")
SIGTOOL = os.environ.get("MIG_SIGTOOL")
DATA = b'{"a": 1}\n'
INVALID, TOOBIG, NOTFOUND, DENIED, AUTH, EXPIRED, UNSUPPORTED = (
    1, 2, 3, 5, 6, 7, 12)


class Home:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="mig-pgp-")
        os.chmod(self.dir, 0o700)
        self.env = dict(os.environ, GNUPGHOME=self.dir, LC_ALL="C")
        self.watcher = gpgend.watch(self.env)

    def close(self):
        gpgend.end(self.watcher)
        # gpg-agent takes its sockets away itself, perhaps meanwhile
        shutil.rmtree(self.dir, ignore_errors=True)

    def end_agent(self):
        """One that is still ending would take the next question and not
        answer it."""
        sock = subprocess.run(["gpgconf", "--list-dirs", "agent-socket"],
                              env=self.env, capture_output=True,
                              check=True).stdout.decode().strip()
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=self.env)
        end = time.monotonic() + 20
        while os.path.exists(sock):
            assert time.monotonic() < end, sock
            time.sleep(0.01)

    def gpg(self, *args, data=b"", ok=True):
        p = subprocess.run(
            ["gpg", "--batch", "--no-tty", "--yes", "--pinentry-mode",
             "loopback", "--passphrase", "", *args],
            input=data, env=self.env, capture_output=True)
        assert p.returncode == 0 or not ok, p.stderr.decode()
        return p.stdout

    def key(self, name, alg, usage="sign,cert", expire="never", subs=(),
            faked=None):
        when = ["--faked-system-time", f"{faked}!"] if faked else []
        self.gpg(*when, "--quick-gen-key", f"{name} <{name}@example.org>", alg,
                 usage, expire)
        fpr = self.fprs(name)[0]
        for sub_alg, sub_usage, sub_expire in subs:
            self.gpg(*when, "--quick-add-key", fpr, sub_alg, sub_usage,
                     sub_expire)
        return fpr

    def fprs(self, name):
        out = self.gpg("--with-colons", "-k", f"{name}@example.org").decode()
        return [l.split(":")[9].lower() for l in out.splitlines()
                if l.startswith("fpr")]

    def keyid(self, fpr):
        """Of the encryption subkey, as gpg prints it."""
        out = self.gpg("--with-colons", "-k", fpr).decode().splitlines()
        return next(l.split(":")[4] for l in out
                    if l.startswith("sub") and "e" in l.split(":")[11])

    def readers(self, message):
        out = self.gpg("--list-only", "--list-packets", data=message).decode()
        return [l.split("keyid ")[1].strip() for l in out.splitlines()
                if l.startswith(":pubkey enc packet")]

    def tool(self, *args, data=b""):
        p = subprocess.run([TOOL, *map(str, args)], input=data, env=self.env,
                           capture_output=True)
        return p.returncode, p.stdout, p.stderr.decode()

    def made(self, name, now=None):
        return self.tool("make", int(now or time.time()),
                         data=self.gpg("--export", f"{name}@example.org"))


@pytest.fixture(scope="module")
def home():
    assert TOOL and SIGTOOL, "meson sets MIG_PGPTOOL and MIG_SIGTOOL"
    h = Home()
    yield h
    h.close()


@pytest.fixture(scope="module")
def alice(home):
    return home.key("alice", "ed25519", "cert",
                    subs=[("ed25519", "sign", "never"),
                          ("cv25519", "encr", "never")])


# --- keys and signatures -----------------------------------------------------
def test_list(home, alice):
    code, out, _ = home.tool("list")
    row = [l.split("|") for l in out.decode().splitlines()
           if l.startswith(alice)][0]
    assert code == 0
    assert row == [alice, home.fprs("alice")[1],
                   "alice <alice@example.org>", "ed25519", "0", "usable", ""]


@pytest.mark.parametrize("alg", ["ed25519", "rsa2048", "nistp256", "nistp384",
                                 "nistp521"])
def test_sign_and_verify_whole_way(home, alg, tmp_path):
    """gpg key -> keyring -> pgp_sign -> the agents' verifier."""
    fpr = home.key(f"way-{alg}", alg)
    code, lines, why = home.made(f"way-{alg}")
    assert code == 0, why
    code, ring, why = home.tool("merge", "", data=lines)
    assert code == 0, why
    code, sig, why = home.tool("sign", fpr, data=DATA)
    assert code == 0, why
    (tmp_path / "ring").write_bytes(ring)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "keys").write_bytes(home.gpg("--export", fpr))
    p = subprocess.run(
        [SIGTOOL, "check", tmp_path / "ring", tmp_path / "data",
         str(int(time.time())), tmp_path / "keys"],
        input=struct.pack(">I", len(sig)) + sig, capture_output=True)
    assert p.stdout == b"0 1\n", p.stderr


def test_sign_refusals(home, alice):
    fpr = home.key("gone", "ed25519", faked=int(time.time()) - 10 * 86400,
                   expire="1d")
    code, _, why = home.tool("sign", fpr, data=DATA)
    assert code == EXPIRED and "expired" in why and fpr in why
    row = [l for l in home.tool("list")[1].decode().splitlines()
           if l.startswith(fpr)][0]
    assert row.endswith("|not|it is expired")
    assert home.tool("sign", "ab" * 20, data=DATA)[0] == NOTFOUND
    assert home.tool("sign", alice[-16:], data=DATA)[0] == INVALID
    code, _, why = home.tool("sign", home.fprs("alice")[1], data=DATA)
    assert code == NOTFOUND and "subkey" in why
    dsa = home.key("weak", "rsa1024")
    code, _, why = home.tool("sign", dsa, data=DATA)
    assert code == UNSUPPORTED and "2048" in why


def test_sign_subkey_expired(home):
    long_ago = int(time.time()) - 10 * 86400
    fpr = home.key("subgone", "ed25519", "cert", faked=long_ago,
                   subs=[("ed25519", "sign", "1d")])
    code, _, why = home.tool("sign", fpr, data=DATA)
    assert code == EXPIRED and "signing subkey is expired" in why
    code, _, why = home.made("subgone")
    assert code == INVALID and "no key that may sign" in why or "expired" in why


@pytest.mark.parametrize("line, good", [
    ("armor", True), ("digest-algo SHA1", False), ("textmode", None),
    ("sig-notation !a@example.org=1", False), ("sig-notation a@b.org=1", True),
])
def test_gpg_conf_cannot_make_bad_signatures(home, alice, line, good):
    conf = os.path.join(home.dir, "gpg.conf")
    with open(conf, "w") as f:
        f.write(line + "\n")
    try:
        code, sig, why = home.tool("sign", alice, data=DATA)
    finally:
        os.unlink(conf)
    if good is None:
        good = code == 0  # either is right, but never a text signature
        assert code != 0 or sig[3] == 0x00
    assert (code == 0) == good, why
    assert good or (code == UNSUPPORTED and "gpg.conf" in why)


def test_cancelled_prompt(home):
    """A key with a passphrase and a pinentry that says no."""
    pin = os.path.join(home.dir, "pinentry")
    with open(pin, "w") as f:
        f.write("#!/bin/sh\necho OK\nwhile read -r l; do case $l in\n"
                "GETPIN*) echo 'ERR 83886179 Operation cancelled';;\n"
                "BYE*) echo OK; exit 0;;\n*) echo OK;; esac; done\n")
    os.chmod(pin, 0o755)
    with open(os.path.join(home.dir, "gpg-agent.conf"), "w") as f:
        f.write(f"pinentry-program {pin}\n")
    home.end_agent()
    home.gpg("--passphrase", "secret", "--quick-gen-key",
             "locked <locked@example.org>", "ed25519", "sign,cert", "never")
    home.end_agent()
    code, _, why = home.tool("sign", home.fprs("locked")[0], data=DATA)
    assert code == DENIED and "cancelled" in why


# --- encryption --------------------------------------------------------------
def test_encrypt_decrypt(home, alice):
    bob = home.key("bob", "rsa2048", "sign,cert",
                   subs=[("rsa2048", "encr", "never")])
    code, msg, why = home.tool("encrypt", alice, bob, data=b"secret bytes")
    assert code == 0, why
    assert msg.startswith(b"-----BEGIN PGP MESSAGE-----\n")
    assert home.tool("decrypt", data=msg)[:2] == (0, b"secret bytes")
    code, out, why = home.tool("decrypt", 5, data=msg)
    assert code == TOOBIG and out == b""
    damaged = msg.replace(msg[200:204], b"AAAA")
    code, out, _ = home.tool("decrypt", data=damaged)
    assert code != 0 and out == b""
    assert home.tool("decrypt", data=b"hello")[0] != 0


def test_the_armour_is_as_gpg_makes_it(home, alice):
    """Whatever is left for the last line."""
    for n in range(4):
        code, msg, why = home.tool("encrypt", alice, data=b"x" * n)
        assert code == 0, why
        its = home.gpg("--enarmor", data=home.gpg("--dearmor", data=msg))
        # it calls it a file, and adds a comment
        assert msg.split(b"\n\n")[1].splitlines()[:-1] == \
            its.split(b"\n\n")[1].splitlines()[:-1]


def test_armor_in_gpg_conf_changes_nothing(home, alice):
    conf = os.path.join(home.dir, "gpg.conf")
    with open(conf, "w") as f:
        f.write("armor\n")
    try:
        code, msg, why = home.tool("encrypt", alice, data=b"secret bytes")
    finally:
        os.unlink(conf)
    assert code == 0, why
    assert home.gpg("--decrypt", data=msg) == b"secret bytes"


def test_encrypt_refusals(home, alice):
    for args, want in (((), INVALID), ((alice, "cd" * 20), NOTFOUND),
                       (("alice",), INVALID)):
        code, out, _ = home.tool("encrypt", *args, data=b"x")
        assert (code, out) == (want, b"")
    signer = home.key("signonly", "ed25519")
    code, out, why = home.tool("encrypt", alice, signer, data=b"x")
    assert code == EXPIRED and out == b"" and signer in why


# {other}: a key that is no reader
@pytest.mark.parametrize("line", [
    "recipient {other}", "hidden-recipient {other}", "throw-keyids",
    "group {alice}={other}", "group {alice}={alice} {other}"])
def test_gpg_conf_cannot_add_readers(home, alice, line):
    other = home.key(f"other{len(line)}{line[1]}", "ed25519", "sign,cert",
                     subs=[("cv25519", "encr", "never")])
    conf = os.path.join(home.dir, "gpg.conf")
    with open(conf, "w") as f:
        f.write(line.format(alice=alice, other=other) + "\n")
    try:
        # the line works: without the check the other one could read it
        plain = home.gpg("--trust-model", "always", "-r", alice, "-e",
                         data=b"x")
        seen = home.gpg("--batch", "--list-only", "--list-packets",
                        data=plain).decode()
        code, out, why = home.tool("encrypt", alice, data=b"x")
    finally:
        os.unlink(conf)
    if "throw" in line:
        assert "keyid 0000000000000000" in seen
    else:
        assert "keyid 0000000000000000" in seen or home.keyid(other) in seen
    if code == 0:  # gpgme's own words for the reader win: then only for her
        assert home.readers(out) == [home.keyid(alice)]
    else:
        assert (code, out) == (UNSUPPORTED, b"") and "gpg.conf" in why
    assert code == UNSUPPORTED or line.startswith("group")


def test_encrypt_to_of_gpg_conf_is_not_used(home, alice):
    other = home.key("another", "ed25519", "sign,cert",
                     subs=[("cv25519", "encr", "never")])
    conf = os.path.join(home.dir, "gpg.conf")
    with open(conf, "w") as f:
        f.write(f"encrypt-to {other}\n")
    try:
        code, out, why = home.tool("encrypt", alice, data=b"x")
    finally:
        os.unlink(conf)
    assert code == 0, why
    assert home.readers(out) == [home.keyid(alice)]


def test_export(home, alice):
    code, out, _ = home.tool("export", alice)
    assert code == 0 and out[0] & 0x80
    assert home.tool("make", int(time.time()), data=out)[0] == 0
    assert home.tool("export", "ab" * 20)[0] == NOTFOUND


# --- keyring -----------------------------------------------------------------
def test_made_lines(home, alice):
    code, out, why = home.made("alice")
    lines = out.decode().splitlines()
    assert code == 0 and why == ""
    assert lines[0] == f"person {alice} alice <alice@example.org>"
    assert lines[1].startswith(f"key {home.fprs('alice')[1]} ed25519 ")
    assert len(lines) == 2  # neither the certifying nor the encrypting key
    armour = home.gpg("--armor", "--export", alice)
    assert home.tool("make", int(time.time()), data=armour)[1] == out


def test_expiry_is_written(home):
    home.key("year", "ed25519", expire="1y")
    lines = home.made("year")[1].decode().splitlines()
    _, _, _, created, expires, _ = lines[1].split()
    assert int(expires) - int(created) == 365 * 86400
    code, _, why = home.made("year", now=int(expires) + 1)
    assert code == INVALID and "expired" in why


@pytest.mark.parametrize("name, alg, want", [
    ("small", "rsa1024", "1024 bits"), ("dsa", "dsa2048", "DSA"),
    ("brain", "brainpoolP256r1", "curve"), ("gold", "ed448", ""),
])
def test_weak_keys_are_refused(home, name, alg, want):
    try:
        fpr = home.key(name, alg)
    except AssertionError:
        assert alg == "ed448"  # this gpg cannot make version 5 keys
        return
    code, out, why = home.made(name)
    assert code == INVALID and out == b"" and want in why, why
    assert fpr in why or alg == "ed448"


def test_revoked(home):
    fpr = home.key("revoked", "ed25519",
                   subs=[("ed25519", "sign", "never")])
    rev = open(os.path.join(home.dir, "openpgp-revocs.d",
                            fpr.upper() + ".rev")).read()
    assert home.made("revoked")[0] == 0
    home.gpg("--import", data=rev.replace(":-----BEGIN", "-----BEGIN").encode())
    code, out, why = home.made("revoked")
    assert code == INVALID and f"{fpr}: it is revoked" in why


def test_revoked_subkey(home):
    fpr = home.key("subrev", "ed25519",
                   subs=[("ed25519", "sign", "never")])
    subprocess.run(
        ["gpg", "--no-tty", "--command-fd", "0", "--pinentry-mode", "loopback",
         "--passphrase", "", "--edit-key", fpr],
        input=b"key 1\nrevkey\ny\n0\n\ny\nsave\n", env=home.env,
        capture_output=True, check=True)
    code, out, why = home.made("subrev")
    sub = home.fprs("subrev")[1]
    assert code == 0 and sub not in out.decode()
    assert f"signing subkey {sub}: it is revoked" in why


def packets(data):
    """(start, end of header, end, tag) of old and new format packets."""
    at = 0
    while at < len(data):
        if data[at] & 0x40:
            first = data[at + 1]
            n, head = (first, 2) if first < 192 else (
                ((first - 192) << 8) + data[at + 2] + 192, 3)
            tag = data[at] & 63
        else:
            size = (1, 2, 4)[data[at] & 3]
            n = int.from_bytes(data[at + 1 : at + 1 + size], "big")
            head, tag = 1 + size, (data[at] >> 2) & 15
        yield at, at + head, at + head + n, tag
        at += head + n


def sub_binding(key):
    """The last signature packet of a key: its subkey's binding."""
    return [p for p in packets(key) if p[3] == 2][-1]


def replace_binding(key, change):
    start, head, end, _ = sub_binding(key)
    body = change(bytearray(key[head:end]))
    return key[:start] + b"\x89" + struct.pack(">H", len(body)) + body + key[end:]


def no_unhashed(body):
    n = struct.unpack(">H", body[4:6])[0]
    start = 6 + n
    un = struct.unpack(">H", body[start : start + 2])[0]
    return bytes(body[:start] + b"\0\0" + body[start + 2 + un :])


def embedded_broken(body):
    at = body.index(b"\x04\x19")  # version 4, type 0x19
    n = struct.unpack(">H", body[at + 4 : at + 6])[0]
    un = struct.unpack(">H", body[at + 6 + n : at + 8 + n])[0]
    body[at + 8 + n + un + 2 + 6] ^= 1  # in the first number
    return bytes(body)


@pytest.mark.parametrize("change, what", [
    (no_unhashed, "without back signature"),
    (embedded_broken, "with a wrong back signature"),
    (lambda b: bytes(b[:-1]) + bytes([b[-1] ^ 1]), "with a wrong binding"),
])
def test_bindings(home, change, what):
    """A stolen subkey: an attacker can bind another's key to his own, but
    cannot make its back signature."""
    if not home.gpg("-k", "binding@example.org", ok=False):
        home.key("binding", "ed25519", subs=[("ed25519", "sign", "never")])
    key = home.gpg("--export", "binding@example.org")
    fpr, sub = home.fprs("binding")
    assert f"key {sub}" in home.made("binding")[1].decode()
    changed = replace_binding(key, change)
    code, out, why = home.tool("make", int(time.time()), data=changed)
    assert f"key {sub}" not in out.decode(), what
    assert f"signing subkey {sub}: " in why


def test_stolen_subkey(home):
    """The same, with a valid binding by another primary key: the packets of
    two keys spliced."""
    for name in ("victim", "thief"):
        home.key(name, "ed25519", subs=[("ed25519", "sign", "never")])
    victim = home.gpg("--export", "victim@example.org")
    thief = home.gpg("--export", "thief@example.org")
    cut = [p for p in packets(victim) if p[3] == 14][0][0]
    at = [p for p in packets(thief) if p[3] == 14][0][0]
    spliced = thief[:at] + victim[cut:]
    out = home.tool("make", int(time.time()), data=spliced)[1].decode()
    assert f"key {home.fprs('victim')[1]}" not in out


def test_not_public_keys(home, alice):
    now = int(time.time())
    sig = home.tool("sign", alice, data=DATA)[1]
    key = home.gpg("--export", alice)
    for data, want in ((b"", "empty"), (b"hello", "not OpenPGP"), (b"hello", "or librnp had no memory"),
                       (home.gpg("--export-secret-keys", alice), "secret key"),
                       (home.gpg("--armor", "--export-secret-keys", alice),
                        "secret key"),
                       (sig, "not a public key")):
        code, out, why = home.tool("make", now, data=data)
        assert code == INVALID and out == b"" and want in why, why
    for n in range(1, len(key), 29):
        code, out, _ = home.tool("make", now, data=key[:n])
        assert code == INVALID or b"key" in out


def test_names_are_printable(home):
    home.gpg("--charset", "utf-8", "--quick-gen-key", "Gr\u00fc\u00df \u202e evil" + "x" * 300 +
             " <evil@example.org>", "ed25519", "sign,cert", "never")
    person = home.made("evil")[1].decode().splitlines()[0]
    assert "\u202e" not in person and "Gr\u00fc\u00df" in person
    assert len(person.split(" ", 2)[2].encode()) <= 255


def test_merge_remove_table(home, alice, tmp_path):
    carol = home.key("carol", "rsa2048")
    a, c = home.made("alice")[1], home.made("carol")[1]
    code, ring, why = home.tool("merge", "", data=a + c)
    assert code == 0, why
    ring = ring.replace(b"person " + carol.encode(),
                        b"# the second\nperson " + carol.encode())
    path = tmp_path / "ring"
    path.write_bytes(ring)
    # The same person again: in its old place, once.
    assert home.tool("merge", path, data=a)[1] == ring
    newer = a.replace(b"alice <", b"Alice <")
    merged = home.tool("merge", path, data=newer)[1]
    assert merged == ring.replace(b"alice <", b"Alice <")
    code, out, _ = home.tool("table", int(time.time()), data=ring)
    assert code == 0 and b"rsa2048" in out and b"never expires" in out
    code, less, _ = home.tool("remove", alice, data=ring)
    assert code == 0 and alice.encode() not in less and b"# the second" in less
    assert home.tool("remove", "ab" * 20, data=ring)[0] == NOTFOUND
    assert home.tool("merge", path, data=b"person x\n")[1] == ring
    # The key of one person under another is refused.
    stolen = b"person " + b"cd" * 20 + b" Mallory\n" + c.splitlines(True)[1]
    assert home.tool("merge", path, data=stolen)[0] == 4
