# SPDX-License-Identifier: MPL-2.0
"""A security key behind a real ssh-agent, the whole way: everything a person
signs, what the server and agents make of it, and a device that lies. Hardware
alone is missing: softkey.c stands where its driver does."""
import base64
import json
import os
import subprocess
import time

import pytest

import miglib
import sshlib
from miglib import wait_for
from test_agent_once import SIGNATURE, Agent, document, found, gpg, pack  # noqa: F401
from test_sshsig import Keys, Person, journal_since, opened, question, tree  # noqa: F401

SECONDS = 20
FOUND, ERROR = 0, 2


class Platform(miglib.Platform):
    """Alice signs with OpenPGP, Tess with a security key, for all purposes."""

    def setup(self):
        self.ssh = sshlib.SoftKeyAgent(self.dir)
        self.desk = self.ssh.enroll("desk")
        self.mig("keyring", "add", str(self.desk), "--name", "Tess", check=0)
        people = {name: {"fingerprint": fpr, "weight": 1} for name, fpr in
                  (("alice", self.fpr), ("tess", sshlib.name_of(self.desk)))}
        entry = {"minimumweight": 1, "investigators": people}
        self.acl = {"default": entry, "policy": entry, "cancel": entry}
        super().setup()
        return self

    def stop(self):
        super().stop()
        self.ssh.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    p = Platform(tmp_path_factory.mktemp("softkey"))
    try:
        p.setup().start().login()
        p.mig("policy", "pin", str(p.policy), check=0)
        agent = p.agent("old")
        journal_since(agent.dir / "state", int(time.time()) - 3600)
        agent.start()
        p.wait_online(1)
        p.tess = Person(p, "tess", p.ssh.sock)
        yield p
    finally:
        p.stop()


@pytest.fixture
def touched(platform):
    """The key signs so often in a test, and is asked to be touched each time."""
    before = platform.ssh.counter

    def times(n):
        assert platform.ssh.counter - before == n
    return times


def log(platform):
    return platform.agents["old"].daemon.log.read_text()


def test_login_and_action(platform, tree, touched):  # noqa: F811
    platform.tess.login("ssh:" + sshlib.fingerprint(platform.desk))
    touched(1)
    p = platform.tess.mig(*question(tree, "--json"), check=FOUND)
    assert opened(p, tree) and p.stderr.count("touch your security key (desk)") == 1
    touched(2)
    report = platform.agents["old"].run("report", "--json").stdout
    asked = [x for x in map(json.loads, report.splitlines()) if x["type"] == "asked"]
    assert asked[-1]["signers"] == [sshlib.name_of(platform.desk)]


def test_policy(platform, touched):
    tess, made = platform.tess, platform.dir / "next"
    tess.mig("policy", "pin", platform.policy, check=0)
    tess.mig("policy", "edit", "-expires", "400d", "-o", made, check=0)
    tess.mig("policy", "sign", "-y", made, check=0)
    touched(1)
    tess.mig("policy", "push", f"{made}.signed", check=0)
    wait_for("the policy", lambda: "policy_in_force version=2\n" in log(platform), 30)


def test_cancel(platform, tmp_path, touched):
    hole = tmp_path / "hole"
    with open(hole, "wb") as f:
        f.truncate(1 << 43)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    asking = subprocess.Popen(
        [miglib.program("mig"), "file", "-t", "all", "-path", tmp_path, "-name", "hole",
         "-sha2", "ab" * 32, "-y", "--json"], env=platform.tess.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        before = log(platform).count(" accepted ")
        wait_for("it to run", lambda: log(platform).count(" accepted ") > before)
        listed = json.loads(platform.tess.mig("actions", "--json", check=0).stdout)
        platform.tess.mig("action", "cancel", listed["actions"][0]["id"], check=0)
        touched(2)
        out, _ = asking.communicate(timeout=60)
    finally:
        asking.kill()
    assert "stopped: cancelled by Tess" in json.loads(out.splitlines()[0])["reason"]


def test_share(platform, tree, touched):  # noqa: F811
    bob = platform.gpg.make_key("Bob Demo")
    platform.tess.mig(*question(tree), check=FOUND)
    p = platform.tess.mig("results", "share", "last", "-to", bob, check=0)
    assert "opens it there" in p.stderr
    touched(2)


def signs_as(platform, public):
    """Somebody who signs with that key, and needs no server for it."""
    person = Person(platform, f"with-{public.stem}", platform.ssh.sock)
    person.conf.parent.mkdir(parents=True)
    person.conf.write_text(f"signer {public}\nkey {platform.fpr}\n")
    return person


def test_a_pin_beside_the_touch(platform, tree, tmp_path):  # noqa: F811
    """verify-required: flags 0x05. ssh-keygen agrees with what mig takes."""
    public = platform.ssh.enroll("pinned", "-O", "verify-required")
    text = signs_as(platform, public).mig(*question(tree, "-s"), check=0).stdout
    doc, (sig,) = (json.loads(text)[x] for x in ("document", "signatures"))
    assert base64.b64decode("".join(sig.splitlines()[1:-1]))[-5] == 5
    (tmp_path / "sig").write_text(sig)
    (tmp_path / "allowed").write_text(f"tess {public.read_text()}")
    message = b"MIG action v3\n%d\n" % len(doc.encode()) + doc.encode()
    for data, good in ((message, True), (message + b" ", False)):
        p = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "tess", "-n",
             "action@mig", "-s", tmp_path / "sig"], input=data, check=False,
            capture_output=True)
        assert (p.returncode == 0) == good, p.stderr


# --- devices that lie, and keys that need no touch ---------------------------------

@pytest.mark.parametrize("mode, words", [
    ("untouched", "was it touched"),
    ("claims-touch", "agents refuse: signature does not verify"),
    ("other-app", "agents refuse: signature does not verify"),
])
def test_a_device_that_lies(platform, tree, mode, words):  # noqa: F811
    with platform.ssh.does(mode):
        p = platform.tess.mig(*question(tree), check=ERROR)
    assert words in p.stderr


def test_a_key_that_needs_no_touch(platform, tree):  # noqa: F811
    """Its public half does not say so; what it signs does."""
    blind = signs_as(platform, platform.ssh.enroll("blind", "-O", "no-touch-required"))
    p = blind.mig(*question(tree, "-s"), check=ERROR)
    assert "was not touched" in p.stderr and "no-touch-required" in p.stderr
    assert p.stdout == ""


# --- what one agent takes, whoever hands it over ------------------------------------

@pytest.fixture(scope="module")
def device(tmp_path_factory):
    d = sshlib.SoftKeyAgent(tmp_path_factory.mktemp("device"))
    yield d
    d.stop()


@pytest.fixture
def signer(device, tmp_path, gpg):  # noqa: F811
    """signer(options of ssh-keygen): (an agent that knows the key alone, sign)"""
    def make(*options):
        number = len(list(device.dir.glob("*.pub")))
        public = device.enroll(f"key{number}", *options)
        ring = tmp_path / "ring"
        subprocess.run([miglib.program("mig"), "keyring", "add", "-f", ring, public],
                       env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}, check=True,
                       capture_output=True)
        line = next(x for x in ring.read_text().splitlines() if x.startswith("key "))
        tmp_path.chmod(0o755)
        a = Agent(tmp_path, Keys(gpg, line.replace(" 0 0 ", " %d %d "), line.split()[1]))
        a.people = {"sam": 2}
        journal_since(tmp_path / "state", int(time.time()) - 3600)
        a.install()

        def sign(doc, purpose="action", namespace="action@mig"):
            return device.sign(public, b"MIG %s v3\n%d\n" % (purpose.encode(), len(doc)) + doc,
                               namespace)
        return a, sign
    return make


def webauthn(sig):
    """The same signature, said to be made by a browser."""
    inner = sshlib.field(sshlib.SK) + sshlib.field(sig[-69:-5]) + sig[-5:]
    assert sig.endswith(sshlib.field(inner))
    return sig[:-len(inner) - 4] + sshlib.field(
        sshlib.field(b"webauthn-" + sshlib.SK) + inner[4 + len(sshlib.SK):])


def test_what_an_agent_refuses(device, signer, gpg, found):  # noqa: F811
    agent, sign = signer()
    doc = document(gpg, found)
    assert agent.once(pack(doc, [sign(doc)]))[0].returncode == 0
    for purpose, namespace in (("action", "cancel@mig"), ("action", "git"),
                               ("session", "action@mig")):
        doc = document(gpg, found)
        assert agent.refused(pack(doc, [sign(doc, purpose, namespace)])) == SIGNATURE
    for mode in ("claims-touch", "other-app"):
        doc = document(gpg, found)
        with device.does(mode):
            sig = sign(doc)
        assert agent.refused(pack(doc, [sig])) == SIGNATURE
    doc = document(gpg, found)
    assert agent.refused(pack(doc, [webauthn(sign(doc))])) == SIGNATURE


def test_no_touch_is_no_signature(signer, gpg, found):  # noqa: F811
    agent, sign = signer("-O", "no-touch-required")
    doc = document(gpg, found)
    sig = sign(doc)
    assert sig[-5] == 0
    assert agent.refused(pack(doc, [sig])) == SIGNATURE


def test_a_counter_that_goes_back(device, signer, gpg, found):  # noqa: F811
    """It is signed and not compared (doc/adr/0041): a journal knows what ran."""
    agent, sign = signer()
    (device.device / "counter").write_text("1000")
    doc = document(gpg, found)
    first = pack(doc, [sign(doc)])
    assert device.counter == 1001 and agent.once(first)[0].returncode == 0
    (device.device / "counter").write_text("5")
    doc = document(gpg, found)
    sig = sign(doc)
    assert int.from_bytes(sig[-4:], "big") == 6
    assert agent.once(pack(doc, [sig]))[0].returncode == 0
    # what ran is known by its document: nothing is asked or answered anew
    assert agent.once(first)[1]["status"] == "known"
    # and nobody but the key can say another number
    doc = document(gpg, found)
    sig = sign(doc)
    assert agent.refused(pack(doc, [sig[:-4] + bytes(4)])) == SIGNATURE
