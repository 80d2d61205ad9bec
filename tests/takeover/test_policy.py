# SPDX-License-Identifier: MPL-2.0
"""Who may ask what is changed by those who may change it, one step at a time,
and by nobody else. Two people must sign a policy here: ann and ben."""
import hashlib
import itertools
import json
import re
import struct
import subprocess

import pytest

from fakeagent import purpose_hash
from miglib import program, wait_for
from pgplib import Key
from takeoverlib import DONE, pack

SECONDS = 20
SECOND = itertools.count(1)
PARTS = ("keyring", "acl", "limits")


class Policy:
    """The text of one (src/action/policy.h), to be changed."""

    def __init__(self, data):
        head, body = data.split(b"\n\n", 1)
        self.head = dict(x.split(" ", 1) for x in head.decode().splitlines())
        self.text, at = {}, 0
        for name in PARTS:
            n = int(self.head[name])
            self.text[name] = body[at:at + n].decode()
            at += n

    def data(self):
        for name in PARTS:
            self.head[name] = str(len(self.text[name].encode()))
        head = "".join(f"{k} {v}\n" for k, v in self.head.items())
        return (head + "\n" + "".join(self.text[n] for n in PARTS)).encode()

    def acl(self, change):
        acl = json.loads(self.text["acl"])
        change(acl)
        self.text["acl"] = json.dumps(acl)


def hash_of(data):
    return purpose_hash("policy", data)


@pytest.fixture
def first(taken):
    """The step after the policy in force, as an honest administrator makes it."""
    data = taken.in_force = getattr(taken, "in_force", taken.platform.policy.read_bytes())
    p = Policy(data)
    p.head["version"] = str(int(p.head["version"]) + 1)
    p.head["previous"] = hash_of(data)
    # what was refused once is not fetched again: each is another
    p.head["issued"] = f"2026-01-01T00:00:{next(SECOND):02}Z"
    return p


def offer(taken, data, *sigs, name="web1"):
    """Announced and delivered by the relay's owner; its hash."""
    envelope = pack(data, sigs)
    topic = f"mig/1/a/{taken.ids[name]}/in"
    h = bytes.fromhex(hash_of(data))
    taken.tap.tell(topic, b"\x09" + h + struct.pack(">I", len(envelope)) +
                   hashlib.sha256(envelope).digest())
    taken.tap.wait_wanted(hash_of(data))
    taken.tap.tell(topic, b"\x0a" + h + struct.pack(">HH", 0, 1) + envelope)
    return hash_of(data)


def version(taken, name="web1"):
    out = taken.platform.agents[name].run("check").stdout
    return int(re.search(r"^policy version (\d+) ", out, re.M)[1])


def refused(taken, attack, data, *sigs, says):
    before = version(taken)
    h = offer(taken, data, *sigs)
    line = re.compile(rf"policy_refused hash={h} .*why=.*{says}")
    wait_for(f"'{says}' in:\n{attack.log('web1')}", lambda: line.search(attack.log("web1")))
    assert version(taken) == before


def both(taken, data):
    return taken.ann.sign(data, "policy"), taken.ben.sign(data, "policy")


def test_nobody_signed_it(taken, attack, first):
    data = first.data()
    refused(taken, attack, data, says="nobody of the policy in force signed it")


def test_strangers_signed_it(taken, attack, first):
    """Who stands in the new one only is nobody yet."""
    m = taken.mallory
    first.text["keyring"] += f"person {m.fpr.hex()} mallory\n{m.line()}"
    first.acl(lambda a: a["policy"]["investigators"].update(
        m={"fingerprint": m.fpr.hex(), "weight": 1000}))
    data = first.data()
    refused(taken, attack, data, m.sign(data, "policy"), says="nobody of the policy in force")


def test_one_of_two_signed_it(taken, attack, first):
    data = first.data()
    ann = taken.ann.sign(data, "policy")
    refused(taken, attack, data, ann, says="its signers may not change the policy")
    first.head["issued"] = "2026-01-02T00:00:00Z"
    data = first.data()
    refused(taken, attack, data, taken.ann.sign(data, "policy"),
            taken.spare.sign(data, "policy"), says="its signers may not change the policy")


def test_signed_for_another_purpose(taken, attack, first):
    data = first.data()
    refused(taken, attack, data, *(k.sign(data, w) for k in (taken.ann, taken.ben)
                                   for w in ("action", "session", "cancel")),
            says="nobody of the policy in force signed it")


def test_an_old_one(taken, attack, first):
    """The one in force, one before it, and a version that was there."""
    first.head["version"] = "1"
    first.head["previous"] = "00" * 32
    data = first.data()
    refused(taken, attack, data, *both(taken, data), says="it is not newer")


def test_one_that_skips_a_step(taken, attack, first):
    first.head["version"] = str(int(first.head["version"]) + 1)
    data = first.data()
    refused(taken, attack, data, *both(taken, data), says="are missing")


def test_one_that_follows_another(taken, attack, first):
    first.head["previous"] = "ab" * 32
    data = first.data()
    refused(taken, attack, data, *both(taken, data), says="does not follow the policy in force")


def test_one_that_locks_everybody_out(taken, attack, first):
    """By a weight that nobody has, or by dropping the keys of who may."""
    first.acl(lambda a: a["policy"].update(minimumweight=900))
    data = first.data()
    refused(taken, attack, data, *both(taken, data), says="nobody could change it any more")


@pytest.mark.parametrize("which", ["ann", "spare"])
def test_one_key_under_two_persons(taken, attack, first, which):
    """Ann's first key, and the other one that is hers; also beside a good one of the thief's own."""
    thief, stolen = Key(), getattr(taken, which)
    first.text["keyring"] += f"person {thief.fpr.hex()} thief\n{thief.line()}{stolen.line()}"
    data = first.data()
    refused(taken, attack, data, *both(taken, data), says="its keyring is not usable")
    path = taken.platform.dir / "twice.keyring"
    path.write_text(first.text["keyring"])
    p = subprocess.run([program("mig"), "policy", "make", "--keyring", str(path), "-o",
                        str(path) + ".out"], env=taken.platform.env, capture_output=True,
                       text=True, timeout=60, check=False)
    assert p.returncode != 0 and p.stderr


def test_another_under_the_announced_hash(taken, attack, first):
    """Bytes that were not announced are dropped; nothing is in force."""
    data = first.data()
    envelope = pack(data, both(taken, data))
    evil = pack(data.replace(b"ann", b"eve"), both(taken, data))
    topic = f"mig/1/a/{taken.ids['web1']}/in"
    h = bytes.fromhex(hash_of(data))
    taken.tap.tell(topic, b"\x09" + h + struct.pack(">I", len(envelope)) +
                   hashlib.sha256(envelope).digest())
    taken.tap.wait_wanted(hash_of(data))
    taken.tap.tell(topic, b"\x0a" + h + struct.pack(">HH", 0, 1) + evil)
    attack.honest("web1")
    assert version(taken) == 1


def step(taken, attack, policy):
    """An honest one, signed by both: in force on web1."""
    data, n = policy.data(), policy.head["version"]
    h = offer(taken, data, *both(taken, data))
    for line in (f"policy_taken version={n} hash={h}", f"policy_in_force version={n}"):
        wait_for(line, lambda x=line: x in attack.log("web1"))
    assert version(taken) == int(n)
    taken.in_force = data


def test_the_honest_step_drops_a_signer(taken, attack, first):
    """Taken when both signed it; from then on ben's signature is worth nothing,
    and the policy before it does not come back."""
    old = taken.in_force
    first.acl(lambda a: a["default"]["investigators"].pop("ben"))
    step(taken, attack, first)
    doc = taken.document(target="name = 'web1'")
    attack.refused(doc, taken.ben.sign(doc), reason=3)
    p = Policy(old)
    p.head["issued"] = "2026-01-01T00:00:09Z"
    data = p.data()
    refused(taken, attack, data, *both(taken, data), says="it is not newer")


def test_both_keys_of_who_was_removed(taken, attack, first):
    """cleo asked with her second key; from the next step on neither of the two is
    known, for questions, cancels or policies."""
    doc = taken.document(taken.tree, target="name = 'web1'")
    action = attack.allow(taken.send(doc, taken.second.sign(doc), to="web1"))
    taken.wait_said(action, "web1", DONE)
    first.text["keyring"] = re.sub(r"(?ms)^person \w+ cleo$.*?(?=^person|\Z)", "",
                                   first.text["keyring"])
    assert taken.second.fpr.hex() not in first.text["keyring"]
    first.acl(lambda a: [e["investigators"].pop("cleo", None) for e in a.values()])
    step(taken, attack, first)
    for key in (taken.cleo, taken.second):
        doc = taken.document(target="name = 'web1'")
        attack.unverified(doc, key.sign(doc), says="signature 1")
    first.head["version"] = str(int(first.head["version"]) + 1)
    first.head["previous"] = hash_of(taken.in_force)
    data = first.data()
    refused(taken, attack, data, taken.cleo.sign(data, "policy"),
            taken.second.sign(data, "policy"), says="nobody of the policy in force signed it")
