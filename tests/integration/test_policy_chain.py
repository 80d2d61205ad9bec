# SPDX-License-Identifier: MPL-2.0
"""Changing who may ask: the signed policy, its chain, and what must not move it."""
import base64
import contextlib
import hashlib
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

import miglib
from fakeagent import purpose, purpose_hash, rfc3339
from miglib import answers_of, wait_for


def pack(doc, sigs):
    """The binary envelope of src/action/envelope.h."""
    out = b"MIG3" + bytes([len(sigs), 0, 0, 0])
    out += len(doc).to_bytes(4, "big") + doc
    return out + b"".join(len(s).to_bytes(2, "big") + s for s in sigs)


def dearmor(text):
    lines = text.strip().splitlines()
    body = lines[lines.index("") + 1:-1]
    return base64.b64decode("".join(x for x in body if not x.startswith("=")))


class Chain:
    """A platform with two people, of whom both must sign a policy's change."""

    def __init__(self, directory):
        p = self.p = miglib.Platform(directory)
        self.alice = p.fpr
        self.bob = p.gpg.make_key("Bob Demo")
        p.mig("keyring", "add", self.bob, check=0)
        p.acl = self.acl(both=2)
        p.setup()
        self.dir, self.first, self.last = p.dir, p.policy, p.policy
        self.signers = (self.alice, self.bob)
        p.start().login()
        p.mig("policy", "pin", str(self.first), check=0)

    def acl(self, both=1, who=None, weight=1, **more):
        people = {name: {"fingerprint": fpr, "weight": weight} for name, fpr in
                  (who or {"alice": self.alice, "bob": self.bob}).items()}
        return {"default": {"minimumweight": 1, "investigators": people},
                "policy": {"minimumweight": both, "investigators": people},
                **more}

    def file(self, name, content):
        path = self.dir / name
        path.write_text(content if isinstance(content, str)
                        else json.dumps(content))
        return path

    def make(self, out, acl, *args):
        return self.p.mig("policy", "make", "--keyring", str(self.p.keyring),
                          "--acl", str(self.file("acl.json", acl)), "-o",
                          str(out), *args, check=0)

    def edit(self, name, *args, check=0):
        out = self.dir / name
        p = self.p.mig("policy", "edit", *map(str, args), "-o", str(out))
        assert p.returncode == check, p.stderr
        return out

    def sign(self, path, *who, before=None):
        """Each signs in turn; the signed file."""
        # without a login of each
        more = [] if before is None else ["-from", str(before)]
        for fpr in who or (self.alice, self.bob):
            self.become(fpr)
            p = self.p.mig("policy", "sign", "-y", str(path), *more)
            assert p.returncode == 0, p.stderr
            if not str(path).endswith(".signed"):
                path = path.with_name(path.name + ".signed")
        self.become(self.alice)
        return path

    def become(self, fpr):
        conf = self.p.dir / "xdg/mig/config"
        conf.write_text("\n".join(
            f"key {fpr.lower()}" if x.startswith("key ") else x
            for x in conf.read_text().splitlines()) + "\n")

    def push(self, path, *more, check=0):
        p = self.p.mig("policy", "push", str(path), *map(str, more))
        assert p.returncode == check, p.stderr
        return p

    def hash(self, path):
        return self.p.mig("policy", "hash", str(path), check=0).stdout.strip()

    def status(self):
        p = self.p.mig("policy", "status", "--json")
        assert p.returncode in (0, 1), p.stderr
        return json.loads(p.stdout)

    def step(self, name, *edit):
        """The next policy, made, signed by both and pushed."""
        path = self.edit(name, *edit)
        self.push(self.sign(path, *self.signers, before=self.last))
        self.last = path

    def in_force(self, agent, version):
        """Without asking anybody: by its log."""
        wait_for(f"{agent} to have version {version}", lambda:
                 f"policy_in_force version={version}\n" in
                 log_of(self.p.agents[agent]), 30)

    def wait_current(self, n, version):
        def there():
            s = self.status()
            return s["version"] == version and s["agents"]["current"] == n
        wait_for(f"{n} agents at version {version}", there, 30)

    def ask(self, target="all"):
        p = self.p.mig("agent", "-t", target, "--json", "-y")
        return answers_of(p)

    def store(self):
        return sqlite3.connect(self.p.state / "db/store.sqlite")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    c = Chain(tmp_path_factory.mktemp("chain"))
    try:
        for name in ("one", "two"):
            c.p.agent(name).start()
        c.p.wait_online(2)
        yield c
    finally:
        c.p.stop()


def log_of(agent):
    return agent.daemon.log.read_text()


def test_a_step_takes_what_the_policy_before_demands(chain):
    assert chain.status()["agents"]["current"] == 2
    nxt = chain.edit("policy-2", "-expires", "400d")
    half = chain.sign(nxt, chain.alice)
    p = chain.push(half, check=2)
    assert 'needs weight 2 (entry "policy" of the ACL: 2)' in p.stderr
    assert chain.status()["version"] == 1
    both = chain.sign(half, chain.bob)
    chain.push(both)
    chain.last = nxt
    chain.wait_current(2, 2)
    assert chain.status()["hash"] == chain.hash(nxt)
    for a in chain.p.agents.values():
        text = a.run("report").stdout
        assert "policy version 2 replaces version 1" in text
        assert chain.alice.lower() in text and chain.bob.lower() in text
        entries = map(json.loads, a.run("report", "--json").stdout.splitlines())
        step = next(e for e in entries if e["type"] == "policy" and e["version"] == 2)
        assert sorted(step["keys"]) == sorted(step["signers"]) == sorted(
            [chain.alice.lower(), chain.bob.lower()])
    answers, end = chain.ask()
    assert end["done"] == 2


def test_what_changes_is_said_in_words(chain):
    limits = chain.file("limits.json", {"seconds": 20})
    acl = chain.file("acl-w.json", chain.acl(both=2, file={
        "minimumweight": 2, "investigators": {}}))
    p = chain.p.mig("policy", "edit", "-acl", str(acl), "-limits", str(limits),
                    "-o", str(chain.dir / "words"), check=0)
    assert "version 2 -> 3" in p.stderr
    assert 'acl: file added: {"minimumweight":2' in p.stderr
    assert "limits: seconds added: 20" in p.stderr
    # without any option: the ACL in an editor
    editor = chain.file("editor", "#!/bin/sh\n"
                        "sed -i 's/\"weight\": 1/\"weight\": 7/g' $1\n")
    editor.chmod(0o755)
    chain.p.env["EDITOR"] = str(editor)
    master, slave = pty.openpty()
    try:
        p = chain.p.mig("policy", "edit", "-o", str(chain.dir / "edited"), check=0, stdin=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert "acl: policy: investigators: bob: weight changed from 1 to 7" in \
        p.stderr
    assert not (chain.dir / "edited.acl").exists()


def test_a_lock_out_is_refused_by_the_client(chain):
    nobody = chain.acl(both=1)
    del nobody["policy"]
    for name, acl, words in (
            ("heavy", chain.acl(both=5), "needs weight 5"),
            ("none", nobody, 'no entry "policy"'),
            ("ghost", chain.acl(who={"x": "a" * 40}), "bring 0")):
        p = chain.p.mig("policy", "edit", "-acl",
                        str(chain.file(name + ".json", acl)), "-o",
                        str(chain.dir / name))
        assert p.returncode == 2
        assert "lock everybody out" in p.stderr and words in p.stderr
        assert not (chain.dir / name).exists()
        # nor is one signed that was made otherwise
        path = chain.file(name, text(chain, 3, chain.status()["hash"], acl))
        p = chain.p.mig("policy", "sign", "-y", str(path))
        assert p.returncode == 2 and "lock everybody out" in p.stderr


def test_who_signs_the_plain_file_keeps_what_others_signed(chain):
    path = chain.edit("again", "-expires", "30d")
    for fpr in (chain.alice, chain.bob):
        signed = chain.sign(path, fpr, before=chain.last)
    text = signed.read_text()
    assert len(json.loads(text)["signatures"]) == 2
    p = chain.p.mig("policy", "sign", "-y", str(path), "-from", str(chain.last))
    assert p.returncode == 2 and "a signature of your key is there already" in p.stderr
    assert signed.read_text() == text
    # another policy of that name begins anew
    path.write_text(chain.edit("other", "-expires", "20d").read_text())
    assert len(json.loads(chain.sign(path, chain.bob, before=chain.last).read_text())["signatures"]) == 1


# --- what the owner of the platform offers ---------------------------------

def text(chain, version, previous, acl, keyring=None, ends=10**6):
    """A policy, byte by byte from src/action/policy.h."""
    keyring = chain.p.keyring.read_text() if keyring is None else keyring
    acl = json.dumps(acl)
    now = time.time() - 10
    return (f"mig-policy 3\nversion {version}\nprevious {previous}\n"
            f"issued {rfc3339(now)}\nexpires {rfc3339(now + ends)}\n"
            f"keyring {len(keyring)}\nacl {len(acl)}\nlimits 3\n\n"
            f"{keyring}{acl}{{}}\n")


class Relay:
    """Publishes on the relay's own socket, to one agent."""

    def __init__(self, chain, agent):
        self.chain, self.agent = chain, chain.p.agents[agent]
        self.socks = [p for p in chain.p.state.rglob("*") if p.is_socket()]
        ident = self.agent.run("check").stdout
        self.topic = "mig/1/a/%s/in" % re.search(
            r"\b[0-9a-f]{64}\b", ident).group(0)

    def publish(self, payload):
        for sock in self.socks:
            p = subprocess.run(
                ["mosquitto_pub", "--unix", str(sock), "-V", "mqttv311", "-q",
                 "1", "-t", self.topic, "-s"], input=payload, check=False,
                capture_output=True)
            if p.returncode == 0:
                return
        raise AssertionError(p.stderr)

    def signatures(self, doc, who, word="policy"):
        return [self.chain.p.gpg.detach_sign(fpr, purpose(word, doc))
                for fpr in who]

    def offer(self, doc, who=None, word="policy", sigs=None):
        """Until the agent has decided; its line in the log."""
        doc = doc if isinstance(doc, bytes) else doc.encode()
        who = (self.chain.alice, self.chain.bob) if who is None else who
        env = pack(doc, sigs or self.signatures(doc, who, word))
        ident = purpose_hash("policy", doc)
        before = len(log_of(self.agent))
        self.publish(b"\x09" + bytes.fromhex(ident) +
                     len(env).to_bytes(4, "big") +
                     hashlib.sha256(env).digest())

        def decided():
            # a part that comes before the agent wants it is dropped
            self.publish(b"\x0a" + bytes.fromhex(ident) +
                         b"\0\0\0\1" + env)
            return next((x for x in log_of(self.agent)[before:].splitlines()
                         if ident in x and "policy_" in x), None)
        return wait_for("the agent to decide", decided, 20)


HOSTILE = {
    "older": "it is not newer",
    "replayed": "it is not newer",
    "skipped": "policies between",
    "foreign": "it does not follow",
    "unsigned": "nobody of the policy in force signed it",
    "purpose": "nobody of the policy in force signed it",
    "stranger": "nobody of the policy in force signed it",
    "one signer": "may not change the policy",
    "locks out": "nobody could change it any more",
    "keys": "its keyring is not usable",
    "junk": "it cannot be read",
}


@pytest.fixture(scope="module")
def hostile(chain, tmp_path_factory):
    relay = Relay(chain, "one")
    now = chain.status()["hash"]
    acl = chain.acl(both=2)
    keyring = chain.p.keyring.read_text()
    stranger = miglib.Gpg(tmp_path_factory.mktemp("stranger") / "g")
    mallory = stranger.make_key("Mallory", encryption=None)
    third = text(chain, 3, now, acl)

    def by_stranger():
        chain.p.gpg, own = stranger, chain.p.gpg
        try:
            return relay.offer(third + "\n", (mallory,))
        finally:
            chain.p.gpg = own

    yield {
        "older": lambda: relay.offer(chain.first.read_bytes()),
        "replayed": lambda: relay.offer(text(chain, 2, chain.hash(chain.first),
                                             acl)),
        "skipped": lambda: relay.offer(text(chain, 4, now, acl)),
        "foreign": lambda: relay.offer(text(chain, 3, "1" * 64, acl)),
        "unsigned": lambda: relay.offer(text(chain, 3, now, acl, ends=11), ()),
        "purpose": lambda: relay.offer(third, None, "action"),
        "stranger": by_stranger,
        "one signer": lambda: relay.offer(
            text(chain, 3, now, acl, ends=12), (chain.bob,)),
        "locks out": lambda: relay.offer(
            text(chain, 3, now, chain.acl(both=3))),
        # another key's fingerprint: no key at all
        "keys": lambda: relay.offer(text(chain, 3, now, acl, re.sub(
            r"(?m)^key .{40}", "key " + "a" * 40, keyring))),
        "junk": lambda: relay.offer("mig-policy 3\nversion 3\n"),
    }
    stranger.stop()


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_by_the_agent(chain, hostile, name):
    line = hostile[name]()
    assert "policy_refused" in line and HOSTILE[name] in line, line


def test_a_refusal_is_told_and_nothing_has_changed(chain):
    assert chain.status()["agents"]["current"] == 2
    # to the owner of the endpoint each, to people who lag the newest
    report = chain.p.agents["one"].run("report").stdout
    assert "because nobody could change it any more" in report
    assert report.count("refused; it stays version 2") >= 6
    chain.step("policy-3", "-acl", chain.file("acl-3.json", chain.acl()))
    chain.signers = (chain.alice,)      # from now on one is enough
    chain.wait_current(2, 3)
    # the one that was in force, as it was signed, is old now and stays so
    before = json.loads((chain.dir / "policy-2.signed").read_text())
    line = Relay(chain, "one").offer(
        before["document"], sigs=[dearmor(x) for x in before["signatures"]])
    assert "it is not newer" in line


# --- time, absence, other platforms -----------------------------------------

def test_who_was_away_takes_every_step_that_the_server_gives(chain):
    """The server withholds the newest: hellos show it."""
    two = chain.p.agents["two"]
    assert two.daemon.stop() == 0
    chain.step("policy-4", "-expires", "401d")
    chain.step("policy-5", "-expires", "402d")
    chain.in_force("one", 5)
    chain.p.server.stop()
    with contextlib.closing(chain.store()) as db:
        db.execute("DELETE FROM policies WHERE version = 5")
        db.commit()
    chain.p.start()
    two.start()
    chain.in_force("two", 4)
    s = wait_for("both to have said hello", lambda: (
        lambda s: s if s["agents"]["current"] == 1 and s["lagging"] and
        s["lagging"][0]["version"] == 4 else None)(chain.status()))
    # the client knows what it has pushed
    assert s["version"] == 5 and s["agents"]["behind"] == 1
    assert [(x["name"], x["steps"]) for x in s["lagging"]] == [("two", 1)]
    assert chain.p.mig("policy", "status").returncode == 1
    other = chain.edit("other", chain.dir / "policy-4", "-expires", "9d")
    chain.push(chain.dir / "policy-5.signed")
    chain.wait_current(2, 5)
    # a second successor of the fourth is no way out
    other = chain.sign(other, chain.alice, before=chain.dir / "policy-4")
    p = chain.push(other, check=2)
    assert "follows there already" in p.stderr


def test_a_new_platform_has_to_know_the_chain(chain):
    p = chain.p
    p.server.stop()
    shutil.rmtree(p.state)
    p.admin("init", "--name", "localhost,127.0.0.1", "--port", str(p.port),
            "--relay-port", str(p.relay_port), "--policy", str(chain.first),
            "--investigator", str(p.keyring), "--state", str(p.state))
    p.ca = re.search(r"\b[0-9a-f]{64}\b", p.admin("token").stdout.split(
        "--ca", 1)[1]).group(0)
    p.start().login()
    for a in p.agents.values():
        a.daemon.stop()
        # its first policy is no way back
        done = a.enrol()
        assert done.returncode == 1
        assert "older than the installed version 5, which stays" in done.stderr
        assert "installed before stays" in a.enrol(policy=False).stdout
        a.start()
    chain.wait_current(2, 5)
    failed = chain.push(chain.dir / "policy-5.signed", "-from",
                        chain.dir / "policy-4", check=2)
    assert "does not know version 4 before it" in failed.stderr
    for n in range(2, 6):
        chain.push(chain.dir / f"policy-{n}.signed")


def test_a_removed_person_is_gone(chain):
    """Bob's key is lost: Alice alone from now on."""
    ring = "".join(re.findall(
        r"(?ms)^mig-keyring 3\n|^person %s.*?(?=^person|\Z)" %
        chain.alice.lower(), chain.p.keyring.read_text()))
    ring = chain.file("ring", ring)
    acl = chain.file("alone.json", chain.acl(who={"alice": chain.alice}))
    chain.step("policy-6", "-keyring", ring, "-acl", acl)
    chain.wait_current(2, 6)
    chain.become(chain.bob)
    p = chain.p.mig("agent", "-t", "all", "--json", "-y")
    chain.become(chain.alice)
    answers, end = answers_of(p)
    assert end["refused"] == 2 and not end.get("done")
    assert chain.ask()[1]["done"] == 2
    # his signature does not change a policy either
    doc = text(chain, 7, chain.status()["hash"], chain.acl())
    line = Relay(chain, "one").offer(doc, (chain.bob,))
    assert "nobody of the policy in force signed it" in line


def test_with_an_expired_policy_only_policies_count(chain):
    relay = Relay(chain, "one")
    acl = chain.acl()
    doc = text(chain, 7, chain.status()["hash"], acl, ends=5)
    assert "policy_taken" in relay.offer(doc, (chain.alice,))
    wait_for("it to be in force", lambda: "policy_in_force version=7" in
             log_of(relay.agent))
    answers, _ = chain.ask("name='one'")
    assert answers[0]["status"] == "refused"
    assert "policy has expired" in answers[0]["reason"]
    nxt = text(chain, 8, purpose_hash("policy", doc.encode()), acl)
    assert "policy_taken" in relay.offer(nxt, (chain.alice,))
    wait_for("it to answer again", lambda: chain.ask(
        "name='one'")[1].get("done") == 1)
    s = chain.status()
    assert s["agents"]["foreign"] == 1
    assert [x["name"] for x in s["lagging"]] == ["one"]


def test_root_can_go_back_by_hand(chain):
    one = chain.p.agents["one"]
    one.daemon.stop()
    raw = chain.p.mig("policy", "show", "--raw", check=0).stdout
    sixth = chain.file("sixth", raw)
    p = one.run("policy", str(sixth))
    assert p.returncode == 1 and "--force" in p.stderr
    p = one.run("policy", "--force", str(sixth))
    assert p.returncode == 0, p.stderr
    one.start()
    chain.wait_current(2, 6)
