# SPDX-License-Identifier: MPL-2.0
"""SSH keys and agents that cannot sign for MIG: each is refused in words that say
what is wrong and what to do, and nothing is taken with a lesser meaning."""
import base64
import hashlib
import json
import socket
import subprocess

import pytest

import miglib
import sshlib
from test_agent_once import SIGNATURE, Agent, document, found, gpg, pack  # noqa: F401
from test_sshsig import Keys

SECONDS = 12
ERROR, INCOMPLETE = 2, 3
ASK = ("file", "-t", "all", "-path", "/etc", "-name", "x", "-s", "-e", "5m")
KIND = "SSH keys of this kind do not sign for MIG"
CERTIFICATE = "SSH certificates do not count for MIG"


class Alone:
    """mig without a server, and a configuration that names its signer."""

    def __init__(self, directory, ssh):
        self.dir, self.ssh = directory, ssh
        self.env = {**ssh.env, "HOME": str(directory), "GNUPGHOME": "/nonexistent",
                    **{f"XDG_{x}_HOME": str(directory / x.lower())
                       for x in ("CONFIG", "CACHE", "DATA")}}
        self.conf = directory / "config" / "mig" / "config"
        self.mig("reader", "make", check=0)
        self.reader = self.conf.read_text()

    def mig(self, *args, check=None, **env):
        p = subprocess.run([miglib.program("mig"), *map(str, args)], text=True,
                           env={**self.env, **env}, stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=60, check=False)
        if check is not None:
            assert p.returncode == check, (args, p.returncode, p.stdout, p.stderr)
        return p

    def ask(self, signer, check=None, **env):
        """A question signed in the name of that signer."""
        self.conf.write_text(f"{self.reader}signer {signer}\n")
        p = self.mig(*ASK, check=check, **env)
        assert (p.stdout == "") == (p.returncode != 0)
        return p

    def refuses(self, signer, *words, **env):
        p = self.ask(signer, ERROR, **env)
        assert all(w in p.stderr for w in words) and len(p.stderr.splitlines()) == 1, p.stderr

    def add(self, *args, check=0):
        return self.mig("keyring", "add", "-f", self.dir / "ring", *args, check=check)


@pytest.fixture
def alone(tmp_path):
    ssh = sshlib.SoftKeyAgent(tmp_path)
    try:
        yield Alone(tmp_path, ssh)
    finally:
        ssh.stop()


def named(public):
    return "ssh:" + sshlib.fingerprint(public)


def certify(alone, public):
    """(the certificate, the authority's public half)"""
    ca = alone.dir / "ca.pub"
    if not ca.exists():
        alone.ssh.make("ca")
    subprocess.run(["ssh-keygen", "-q", "-s", ca.with_suffix(""), "-I", "of sam", "-n",
                    "sam", public], check=True, capture_output=True)
    return public.with_name(f"{public.stem}-cert.pub"), ca


# --- certificates -------------------------------------------------------------------

@pytest.mark.parametrize("make", ["make", "enroll"])
def test_a_key_with_a_certificate(alone, make):
    """The agent has both, under one fingerprint: the key signs."""
    public = getattr(alone.ssh, make)("sam")
    cert, _ = certify(alone, public)
    alone.ssh.add("-D")
    alone.ssh.add(public.with_suffix(""))
    assert len(alone.ssh.listed()) == 2
    for signer in (public, named(public)):
        sig, = json.loads(alone.ask(signer, 0).stdout)["signatures"]
        raw = base64.b64decode("".join(sig.splitlines()[1:-1]))
        assert base64.b64decode(public.read_text().split()[1]) in raw
    assert named(cert) == named(public)
    alone.refuses(cert, CERTIFICATE, "not id_ed25519-cert.pub")
    # by itself it is of no use
    alone.ssh.add("-d", "-k", public)
    assert len(alone.ssh.listed()) == 1
    for signer in (public, named(public)):
        alone.refuses(signer, "holds SHA256:", "cannot sign with it", CERTIFICATE)


def test_certificates_in_no_keyring(alone):
    public = alone.ssh.make("sam")
    cert, ca = certify(alone, public)
    kind, authority, key = cert.read_text().split()[0], ca.read_text(), public.read_text()
    p = alone.add(cert, check=ERROR)
    assert f"line 1: {kind}: {CERTIFICATE}" in p.stderr and "use the key itself" in p.stderr
    assert len(p.stderr.splitlines()) == 1
    text = alone.dir / "allowed"
    for line, words in (
            (f"sam {cert.read_text()}", CERTIFICATE),
            (f"sam cert-authority {authority}", "name each person's own key"),
            (f'sam namespaces="*@mig",cert-authority {authority}', CERTIFICATE),
            (f"*@example.org cert-authority {authority}", "for one person"),
            # other files with authorities: known_hosts, authorized_keys
            (f"@cert-authority * {authority}", "another kind of file"),
            (f"cert-authority {authority}", "authorized_keys"),
            (f'cert-authority,principals="sam" {authority}', "for one person")):
        text.write_text(line)
        assert words in alone.add(text, check=ERROR).stderr, line
        assert not (alone.dir / "ring").exists()
        # beside a line that is good only that one is taken
        text.write_text(f"{line}good {key}")
        p = alone.add(text, check=INCOMPLETE)
        assert "line 1: " in p.stderr and words in p.stderr
        ring = (alone.dir / "ring").read_text()
        assert ring.count("key ") == 1 and sshlib.name_of(public) in ring
        (alone.dir / "ring").unlink()


@pytest.fixture
def signed(alone, gpg, found):  # noqa: F811
    """signed(who signs by ssh-keygen, namespace): (document, signature, JSON)"""
    def make(public, namespace="action@mig", doc=None, purpose=b"action"):
        doc = doc or document(gpg, found)
        sig = alone.ssh.sign(public, b"MIG %s v3\n%d\n" % (purpose, len(doc)) + doc, namespace)
        text = base64.b64encode(sig).decode()
        armor = "\n".join(["-----BEGIN SSH SIGNATURE-----",
                           *(text[i:i + 70] for i in range(0, len(text), 70)),
                           "-----END SSH SIGNATURE-----\n"])
        path = alone.dir / "action"
        path.write_text(json.dumps({"document": doc.decode(), "signatures": [armor]}))
        return doc, sig, path
    return make


def test_what_is_signed_with_a_certificate(alone, signed, gpg):  # noqa: F811
    """... counts nowhere: not with its person's client, and with no agent."""
    sam, desk = alone.ssh.make("sam"), alone.ssh.enroll("desk")
    alone.ssh.add(sam.with_suffix(""))
    alone.add(sam, desk)
    alone.mig("policy", "make", "-keyring", alone.dir / "ring", "-o", alone.dir / "policy",
              check=0)
    ring = (alone.dir / "ring").read_text().splitlines()
    alone.dir.chmod(0o755)
    for public in (sam, desk):
        line = next(x for x in ring if x.startswith(f"key {sshlib.name_of(public)}"))
        where = alone.dir / f"agent-{public.stem}"
        where.mkdir()
        agent = Agent(where, Keys(gpg, line.replace(" 0 0 ", " %d %d "), line.split()[1]))
        agent.people = {"sam": 2}
        agent.install()
        cert, _ = certify(alone, public)
        alone.ssh.add(public.with_suffix(""))
        doc, sig, path = signed(cert)
        assert b"-cert-v01@openssh.com" in sig
        p = alone.mig("acl", "check", path, "-policy", alone.dir / "policy")
        assert f"signature 1 counts nowhere: {CERTIFICATE}" in p.stderr
        assert "has 0" in p.stdout and "refuse it" in p.stdout
        assert agent.refused(pack(doc, [sig])) == SIGNATURE


def test_a_policy_signed_with_a_certificate(alone, signed):
    public, first = alone.ssh.make("sam"), alone.dir / "first"
    alone.add(public)
    alone.mig("policy", "make", "-keyring", alone.dir / "ring", "-o", first, check=0)
    alone.mig("policy", "edit", first, "-expires", "9d", "-o", alone.dir / "next", check=0)
    cert, _ = certify(alone, public)
    alone.ssh.add(public.with_suffix(""))
    _, _, path = signed(cert, "policy@mig", (alone.dir / "next").read_bytes(), b"policy")
    alone.conf.write_text(f"{alone.reader}signer {public}\n")
    text = path.read_text()
    p = alone.mig("policy", "sign", path, "-from", first)
    assert p.returncode != 0 and "nobody can be asked here" in p.stderr and path.read_text() == text
    for command, words in ((["push"], "the signers bring 0"), (["sign", "-y"], "which is enough")):
        p = alone.mig("policy", *command, path, "-from", first)
        assert f"signature 1 counts nowhere: {CERTIFICATE}" in p.stderr
        assert words in p.stderr


@pytest.mark.parametrize("kind, bits, words", [
    ("rsa", "2048", KIND), ("ecdsa", "256", KIND), ("rsa", "4096", "larger than"),
    ("ed25519", "256", 'namespace "action@mig" is expected')])
def test_signatures_that_count_nowhere(alone, signed, kind, bits, words):
    public = alone.ssh.make("other", "-b", bits, kind=kind)
    alone.ssh.add(public.with_suffix(""))
    good = alone.ssh.make("good")
    alone.ssh.add(good.with_suffix(""))
    _, _, path = signed(public, "git" if kind == "ed25519" else "action@mig")
    alone.conf.write_text(f"{alone.reader}signer {good}\n")
    p = alone.mig("action", "sign", "-y", path)
    assert "signature 1 counts nowhere: SSH " in p.stderr and words in p.stderr


# --- kinds of keys ------------------------------------------------------------------

class Other:
    """What an agent lists and cannot be asked for here."""

    def __init__(self, kind, *fields, comment="other"):
        self.blob = sshlib.field(kind.encode()) + b"".join(map(sshlib.field, fields))
        self.kind, self.comment = kind, comment
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        self.name = "ssh:SHA256:" + digest.rstrip("=")

    def write(self, path):
        path.write_text(f"{self.kind} {base64.b64encode(self.blob).decode()} me\n")
        return path


OTHERS = {
    "rsa": Other("ssh-rsa", b"\1\0\1", b"\0" + b"\xc1" * 384),
    "dsa": Other("ssh-dss", b"\1", b"\1", b"\1", b"\1"),
    "ecdsa": Other("ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"\1" * 64),
    "ecdsa-sk": Other("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256",
                      b"\4" + b"\1" * 64, b"ssh:"),
    "web": Other(sshlib.SK.decode(), b"\7" * 32, b"https://example.org"),
    "unknown": Other("ssh-\x1b[2Jtomorrow", b"x"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_kind_that_does_not_sign(alone, name):
    other = OTHERS[name]
    words = "made for another application" if name == "web" else KIND
    public = other.write(alone.dir / "other.pub")
    p = alone.add(public, check=ERROR)
    assert words in p.stderr and "\x1b" not in p.stderr
    assert len(p.stderr.splitlines()) == 1
    alone.refuses(public, words)
    fake = sshlib.FakeAgent(other)
    try:
        p = alone.ask(other.name, ERROR, SSH_AUTH_SOCK=fake.sock)
        assert "holds SHA256:" in p.stderr and words in p.stderr and "\x1b" not in p.stderr
    finally:
        fake.stop()


# --- agents -------------------------------------------------------------------------

def test_a_private_key_is_no_name(alone):
    for options in ((), ("-N", "long enough")):
        public = alone.ssh.make(f"sam{len(options)}", *options)
        alone.refuses(public.with_suffix(""), "this is a private key; give its .pub")
        # loaded or not: only the agent needs the passphrase
        alone.refuses(public, "does not hold the key SHA256:", "load it with ssh-add")


def test_one_key_of_many(alone):
    made = [alone.ssh.make(f"key{i}", *options, kind=kind) for i, (kind, *options) in
            enumerate((("rsa", "-b", "2048"), ("ed25519",), ("ecdsa",), ("ed25519",)))]
    for public in made:
        alone.ssh.add(public.with_suffix(""))
    third = alone.ssh.make("third")
    for public in (made[1], made[3]):
        sig, = json.loads(alone.ask(named(public), 0).stdout)["signatures"]
        raw = base64.b64decode("".join(sig.splitlines()[1:-1]))
        assert base64.b64decode(public.read_text().split()[1]) in raw
    alone.refuses(third, "it holds 2 that can sign for MIG and 2 others")


def test_an_agent_that_is_locked(alone):
    public = alone.ssh.enroll("desk")
    alone.ssh.add("-x")
    alone.refuses(public, "does not hold the key", "locked", "ssh-add -X")
    alone.ssh.add("-X")
    alone.ask(public, 0)


def test_an_agent_that_asks(alone):
    public = alone.ssh.make("sam")
    alone.ssh.add("-c", public.with_suffix(""))
    alone.ask(public, 0)
    (alone.ssh.device / "askpass").write_text("1")
    alone.refuses(public, "refuses to sign with it", "ssh-add -c", "ssh-askpass")


def test_an_agent_that_is_away(alone):
    public = alone.ssh.make("sam")
    alone.refuses(public, "SSH_AUTH_SOCK is not set", "ssh-add", SSH_AUTH_SOCK="")
    gone = alone.dir / "gone"
    for words in ("No such file", "Connection refused"):
        alone.refuses(public, f"no ssh-agent answers at {gone}", words, "eval $(ssh-agent)",
                      SSH_AUTH_SOCK=str(gone))
        with socket.socket(socket.AF_UNIX) as s:    # whose owner is dead the next time
            if not gone.exists():
                s.bind(str(gone))


class Forgetful(sshlib.FakeAgent):
    """Shows its keys, and then has none."""

    def answer(self, body):
        if body[0] == sshlib.SIGN:
            self.keys = ()
        return super().answer(body)


def test_a_key_that_is_removed_meanwhile(alone):
    desk = sshlib.SecurityKey(alone.dir)
    fake = Forgetful(desk)
    try:
        p = alone.ask(desk.public, ERROR, SSH_AUTH_SOCK=fake.sock)
        assert "does not hold the key SHA256:" in p.stderr
    finally:
        fake.stop()
