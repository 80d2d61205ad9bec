# SPDX-License-Identifier: MPL-2.0
"""Signing with SSH keys, the whole way: ssh-agent, mig, server, agent, and the
answer opened. Its security key is made here: test_softkey.py has one of ssh-agent."""
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import time

import pytest

import miglib
import sshlib
from miglib import answers_of
from test_agent_once import (REPLAY_FLOOR, SIGNATURE, Agent, document,  # noqa: F401
                             found, gpg, pack, rfc3339)

SECONDS = 20
FOUND, ERROR, INCOMPLETE = 0, 2, 3


def journal_since(state, seconds):
    """An empty journal that begins at that time (src/record/record.h)."""
    header = b"MIGREC3\n" + struct.pack(">Q", seconds * 1000)
    chain = hashlib.sha256(header).digest()
    data = struct.pack(">Q", seconds)
    head = struct.pack(">IH", len(data), 1)
    entry = head + b"\0\0" + hashlib.sha256(chain + head + data).digest() + data
    path = state / "journal"
    path.write_bytes(header + entry)
    path.chmod(0o600)


class Person:
    """Somebody with their own configuration and session."""

    def __init__(self, platform, name, sock):
        self.platform = platform
        base = platform.dir / name
        self.env = {**platform.env, "HOME": str(base), "SSH_AUTH_SOCK": sock,
                    "XDG_CONFIG_HOME": str(base / "xdg"),
                    "XDG_CACHE_HOME": str(base / "cache"),
                    "XDG_DATA_HOME": str(base / "data")}
        self.conf = base / "xdg" / "mig" / "config"
        base.mkdir()

    def mig(self, *args, check=None, **env):
        p = subprocess.run([miglib.program("mig"), *map(str, args)],
                           env={**self.env, **env}, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=60,
                           check=False)
        if check is not None:
            assert p.returncode == check, (args, p.returncode, p.stdout,
                                           p.stderr)
        return p

    def login(self, signer):
        p = self.platform
        self.mig("init", "--signer", signer, "--key", p.fpr, "--server", p.url,
                 "--ca", p.ca, check=0)
        return self

    def relogin(self):
        """The next command has to sign for its session."""
        (self.conf.parents[2] / "cache" / "mig" / "session").unlink(
            missing_ok=True)


class Platform(miglib.Platform):
    """Alice signs with OpenPGP, Sam with ssh-agent, Tess with a security key;
    one agent that is an hour old."""

    def setup(self):
        self.ssh = sshlib.SshAgent(self.dir)
        self.sam_key = self.ssh.make("Sam")
        miglib.wait_for("ssh-agent", lambda: os.path.exists(self.ssh.sock))
        self.ssh.add(self.sam_key.with_suffix(""))
        self.desk = sshlib.SecurityKey(self.dir)
        self.fake = sshlib.FakeAgent(self.desk)
        self.mig("keyring", "add", self.sam_key, check=0)
        self.mig("keyring", "add", self.desk.public, "--name", "Tess",
                 check=0)
        super().setup()
        self.sam = Person(self, "sam", self.ssh.sock)
        self.tess = Person(self, "tess", self.fake.sock)
        return self

    def stop(self):
        super().stop()
        self.ssh.stop()
        self.fake.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    p = Platform(tmp_path_factory.mktemp("platform"))
    try:
        p.setup().start().login()
        agent = p.agent("old")
        journal_since(agent.dir / "state", int(time.time()) - 3600)
        agent.start()
        p.wait_online(1)
        p.sam.login(p.sam_key)
        p.tess.login("ssh:" + sshlib.fingerprint(p.desk.public))
        yield p
    finally:
        p.stop()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    d = tmp_path_factory.mktemp("asked")
    (d / "one.conf").write_text("a=1\n")
    for parent in [d, *d.parents]:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def question(tree, *more):
    return ("file", "-t", "all", "-path", tree, "-name", "conf$", *more)


def opened(process, tree):
    """The one agent's answer, opened."""
    (answer,), _ = answers_of(process)
    return f"{tree}/one.conf" in json.dumps(answer)


def test_an_ssh_key_asks_and_reads(platform, tree):
    assert "signer ssh:SHA256:" in platform.sam.conf.read_text()
    p = platform.sam.mig(*question(tree, "--json"), check=FOUND)
    assert opened(p, tree)
    report = platform.agents["old"].run("report", "--json").stdout
    asked = [json.loads(x) for x in report.splitlines()]
    asked = [x for x in asked if x["type"] == "asked"][-1]
    assert asked["signers"] == [sshlib.name_of(platform.sam_key)]
    # he is an investigator of the server by that name
    status = platform.sam.mig("status", check=0).stdout
    assert sshlib.fingerprint(platform.sam_key) in status


def test_a_security_key_asks_when_it_is_touched(platform, tree):
    before = platform.desk.counter
    p = platform.tess.mig(*question(tree, "--json"), check=FOUND)
    assert opened(p, tree) and platform.desk.counter > before
    assert "touch your security key (desk)" in p.stderr
    platform.desk.flags = 0
    try:
        p = platform.tess.mig(*question(tree), check=ERROR)
        assert "was not touched" in p.stderr
    finally:
        platform.desk.flags = 1


def test_two_kinds_of_keys_sign_one_action(platform, tree, tmp_path):
    path = tmp_path / "action"
    text = platform.sam.mig(*question(tree, "-s", "-weight", "3"),
                            check=0).stdout
    path.write_text(text)
    platform.tess.mig("action", "sign", "-y", path, check=0)
    # a second signature of the same person adds nothing, and mig makes none
    p = platform.sam.mig("action", "sign", "-y", path, check=ERROR)
    assert "a signature of your key is there already" in p.stderr
    twice = json.loads(path.read_text())
    twice["signatures"].append(twice["signatures"][0])
    path.write_text(json.dumps(twice))
    platform.mig("action", "sign", "-y", str(path), check=0)
    sigs = json.loads(path.read_text())["signatures"]
    kinds = [s.split(" ")[1] for s in sigs]
    assert kinds == ["SSH", "SSH", "SSH", "PGP"]
    # ssh-keygen verifies what mig made
    doc = json.loads(path.read_text())["document"].encode()
    (tmp_path / "sig").write_text(sigs[0])
    (tmp_path / "allowed").write_text(f"sam {platform.sam_key.read_text()}")
    subprocess.run(["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed",
                    "-I", "sam", "-n", "action@mig", "-s", tmp_path / "sig"],
                   input=b"MIG action v3\n%d\n" % len(doc) + doc, check=True,
                   capture_output=True)
    p = platform.sam.mig("-i", path, "-y", "--json", check=FOUND)
    assert opened(p, tree)


def test_without_the_key_nothing_is_signed(platform, tree):
    sam = platform.sam
    platform.ssh.add("-D")
    try:
        p = sam.mig(*question(tree), check=ERROR)
        assert "ssh-agent does not hold the key SHA256:" in p.stderr
        assert "ssh-add" in p.stderr
        sam.relogin()
        p = sam.mig("status", check=ERROR)
        assert "does not hold" in p.stderr
    finally:
        platform.ssh.add(platform.sam_key.with_suffix(""))
    p = sam.mig("status", check=ERROR, SSH_AUTH_SOCK="")
    assert "SSH_AUTH_SOCK" in p.stderr
    p = sam.mig("status", check=ERROR, SSH_AUTH_SOCK="/nonexistent/agent")
    assert "/nonexistent/agent" in p.stderr
    # one reader at least must be able to read: the SSH key cannot
    conf = sam.conf.read_text()
    sam.conf.write_text("".join(x for x in conf.splitlines(True)
                                if not x.startswith("key ")))
    p = sam.mig(*question(tree), check=ERROR)
    sam.conf.write_text(conf)
    assert "an SSH key only signs" in p.stderr


def test_a_keyring_with_both_kinds(platform, tmp_path):
    ring, alice = tmp_path / "ring", platform.fpr.lower()
    sam = sshlib.name_of(platform.sam_key)

    def mig(*args, check=0):
        return platform.mig("keyring", *map(str, args), "-f", str(ring),
                            check=check)
    mig("add", alice)
    mig("add", platform.sam_key, "--person", alice)
    text = ring.read_text()
    assert text.count("person ") == 1 and text.count("key ") == 2
    assert sshlib.fingerprint(platform.sam_key) in mig("list").stdout
    # neither kind takes the other away
    mig("add", alice)
    mig("add", platform.sam_key, "--person", alice)
    assert sorted(ring.read_text().split("\n")) == sorted(text.split("\n"))
    # nor does a file make the key somebody else's
    assert "is of Alice" in mig("add", platform.sam_key, check=ERROR).stderr
    mig("add", platform.desk.public)
    mig("remove", sam)
    text = ring.read_text()
    assert f"key {sam}" not in text and f"key {alice}" in text
    mig("remove", sshlib.name_of(platform.desk.public))
    assert "desk" not in ring.read_text()


def test_reading_without_gpg(platform, tree):
    """Sam's own key opens what he asks, and what Alice asks and lets him read."""
    sam = platform.sam
    conf = sam.conf.read_text()
    sam.conf.write_text("".join(x for x in conf.splitlines(True)
                                if not x.startswith("key ")))
    name = sam.mig("reader", "make", check=0).stdout.strip()
    assert re.fullmatch("x25519:[0-9a-f]{64}", name)
    key = sam.conf.parent / "reader.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "is there already" in sam.mig("reader", "make", check=ERROR).stderr
    nowhere = {"GNUPGHOME": "/nonexistent"}
    try:
        p = sam.mig(*question(tree, "--json"), check=FOUND, **nowhere)
        assert opened(p, tree)
        mine = answers_of(p)[1]["id"]
        p = platform.mig(*question(tree, "--json", "-reader", name),
                         check=FOUND)
        assert opened(p, tree)
        p = sam.mig("results", answers_of(p)[1]["id"], "--json", check=FOUND,
                    **nowhere)
        assert opened(p, tree)
        # Alice is no reader of his
        p = platform.mig("results", mine, check=ERROR)
        assert "not among the readers" in p.stderr
        # a file that others can read is not used
        key.chmod(0o644)
        p = sam.mig("results", mine, check=ERROR, **nowhere)
        assert "chmod 600" in p.stderr
    finally:
        sam.conf.write_text(conf)


@pytest.mark.parametrize("says, words", [
    ({11: b""}, "ended within its answer"),
    ({11: b"\0\0\0"}, "ended within its answer"),
    ({11: b"\0\0\0\0"}, "answers 0 bytes"),
    ({11: b"\xff\xff\xff\xff" + bytes(64)}, "answers 4294967295 bytes"),
    ({11: sshlib.field(sshlib.FAILURE)}, "refuses"),
    ({11: sshlib.field(b"\x0e" + bytes(8))}, "answers message 14"),
    ({11: sshlib.field(b"\x0c\xff\xff\xff\xff")}, "malformed"),
    ({11: sshlib.field(b"\x0c\0\0\0\0")}, "does not hold the key"),
    ({13: sshlib.field(sshlib.FAILURE)}, "was it touched"),
    ({13: sshlib.field(sshlib.SIGNED + bytes(4))}, "malformed"),
    ({13: sshlib.field(sshlib.SIGNED + sshlib.field(b"x" * 2000))},
     "malformed"),
    ({13: sshlib.field(sshlib.SIGNED + sshlib.field(
        sshlib.field(sshlib.SK) + sshlib.field(bytes(64)) + b"\1\0\0\0\1"))},
     "agents refuse"),
])
def test_an_agent_that_says_nonsense(platform, says, words):
    platform.tess.relogin()
    platform.fake.says = says
    p = platform.tess.mig("status", check=ERROR)
    platform.fake.says = {}
    assert words in p.stderr
    assert "Traceback" not in p.stderr and "Sanitizer" not in p.stderr


# --- what one agent takes -----------------------------------------------------

@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    """(sign(document, purpose, namespace), keyring line, name)"""
    d = tmp_path_factory.mktemp("sam")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sam",
                    "-f", d / "k"], check=True)
    name = sshlib.name_of(d / "k.pub")
    y = base64.b64decode((d / "k.pub").read_text().split()[1])[-32:].hex()

    def sign(doc, purpose="action", namespace="action@mig"):
        path = d / "message"
        path.write_bytes(b"MIG %s v3\n%d\n" % (purpose.encode(), len(doc)) +
                         doc)
        (d / "message.sig").unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", d / "k", "-n",
                        namespace, path], check=True, capture_output=True)
        lines = (d / "message.sig").read_text().splitlines()
        return base64.b64decode("".join(lines[1:-1]))
    return sign, f"key {name} ssh-ed25519 %d %d {y}", name


class Keys:
    """test_agent_once's Gpg with sam beside its people."""

    def __init__(self, gpg, line, name, times=(0, 0)):  # noqa: F811
        self.gpg, self.line, self.name, self.times = gpg, line, name, times

    def key(self, who):
        if who == "sam":
            return self.name, self.line % self.times
        return self.gpg.key(who)


@pytest.fixture
def agent(tmp_path, gpg, sam):  # noqa: F811
    tmp_path.chmod(0o755)
    a = Agent(tmp_path, Keys(gpg, sam[1], sam[2]))
    a.people = {"alice": 2, "sam": 2}
    journal_since(tmp_path / "state", int(time.time()) - 3600)
    return a.install()


def test_purposes_and_bytes(agent, gpg, sam, found):  # noqa: F811
    sign, _, name = sam
    doc = document(gpg, found)
    run, _ = agent.once(pack(doc, [sign(doc)]))
    assert run.returncode == 0, (run.stdout, run.stderr)
    assert agent.report()[-2]["signers"] == [name]
    for purpose, namespace in (
            ("action", "cancel@mig"), ("action", "session@mig"),
            ("action", "git"), ("session", "action@mig"),
            ("cancel", "cancel@mig"), ("policy", "action@mig")):
        doc = document(gpg, found)
        assert agent.refused(pack(doc, [sign(doc, purpose, namespace)])) == \
            SIGNATURE
    assert agent.refused(pack(doc, [sign(doc + b" ")])) == SIGNATURE


def test_replay(agent, gpg, sam, found):  # noqa: F811
    """What is valid from a time before the journal's beginning may have run
    before, whenever it was signed; and a journal that went forgets nothing."""
    sign = sam[0]
    early = rfc3339(time.time() - 3700)
    doc = document(gpg, found, validfrom=early)
    assert agent.refused(pack(doc, [sign(doc)])) == REPLAY_FLOOR
    # with Alice's signature of now it was signed now
    doc = document(gpg, found, validfrom=early)
    env = pack(doc, [sign(doc), gpg.sign("alice", doc)])
    assert agent.once(env)[0].returncode == 0
    doc = document(gpg, found)
    env = pack(doc, [sign(doc)])
    assert agent.once(env)[0].returncode == 0
    (agent.where / "state" / "journal").unlink()
    assert agent.refused(env) == REPLAY_FLOOR
    # a new one is taken when it is valid from the journal's beginning or later
    journal_since(agent.where / "state", int(time.time()) + 1)
    doc = document(gpg, found, validfrom=rfc3339(time.time() + 1))
    env = pack(doc, [sign(doc)])
    time.sleep(1.1)
    run, _ = agent.once(env)
    assert run.returncode == 0, (run.stdout, run.stderr)


@pytest.mark.parametrize("after, before, taken", [
    (-100, 100, True), (50, 100, False), (-100, -50, False)])
def test_a_key_counts_in_its_time(tmp_path, gpg, sam, found, after,  # noqa: F811
                                  before, taken):
    now = int(time.time())
    tmp_path.chmod(0o755)
    a = Agent(tmp_path, Keys(gpg, sam[1], sam[2], (now + after, now + before)))
    a.people = {"sam": 2}
    journal_since(tmp_path / "state", now - 3600)
    a.install()
    doc = document(gpg, found)
    env = pack(doc, [sam[0](doc)])
    if taken:
        assert a.once(env)[0].returncode == 0
    else:
        assert a.refused(env) == SIGNATURE


def test_ssh_keys_sign_on_the_server(platform, tree):
    """Sam leaves it there; Tess looks at it, touches her key, and it is launched."""
    for who in (platform.sam, platform.tess):
        shutil.copy(platform.policy, who.conf.parent / "known-policy")
    tess = sshlib.name_of(platform.desk.public)
    p = platform.sam.mig(*question(tree, "-y", "--cosign-by", "tess", "-weight", "2"), check=0)
    ident = p.stdout.split()[1]
    assert "Tess cannot open the seal key" in p.stderr     # but for the shared one
    p = platform.sam.mig("action", "cosign", ident, "-y", check=ERROR)
    assert "you have signed it already" in p.stderr
    before = platform.desk.counter
    p = platform.tess.mig("action", "cosign", ident, "-y", check=0)
    assert "was launched: 1 agent asked" in p.stdout and platform.desk.counter > before
    assert f"and signatures by {tess}" in p.stderr.lower()
    assert opened(platform.tess.mig("results", ident, "--follow", "--json", check=FOUND), tree)
