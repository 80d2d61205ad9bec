# SPDX-License-Identifier: MPL-2.0
"""Envelopes that nobody known signed so: each is counted and named in the
agent's log, none is recorded, and no worker is started."""
import json
import struct
import time

import pytest

from fakeagent import purpose, rfc3339
from pgplib import (CREATED, FINGERPRINT, ISSUER, NOTATION, SshKey, packet,
                    subpacket)
from takeoverlib import (DONE, EXPIRED, MALFORMED, POLICY_OLD, REFUSED, SEAL, TOO_EARLY,
                         TOO_LONG, WEIGHT, action_id, pack)

SECONDS = 30
BAD, UNKNOWN, PACKET = "does not verify", "by an unknown key", "not an acceptable packet"
# the order of the base point of Ed25519
ORDER = 2**252 + 27742317777372353535851937790883648493
S_BITS = struct.pack(">H", 256)


def test_unsigned(taken, attack):
    attack.unverified(taken.document(), says="it is not signed")


def test_signed_by_oneself(taken, attack):
    doc = taken.document()
    attack.unverified(doc, taken.mallory.sign(doc), says=UNKNOWN)
    doc = taken.document()
    key = SshKey()
    attack.unverified(doc, key.sign(doc), says=UNKNOWN)


def test_good_signature_over_other_bytes(taken, attack):
    doc, other = taken.document(), taken.document(taken.tree)
    attack.unverified(doc, taken.ann.sign(other), taken.sam.sign(other),
                      says=f"{BAD}; signature 2: {BAD}")


def test_field_added(taken, attack):
    doc = taken.document(taken.tree)
    more = doc[:-1] + b', "minpolicy": 1}'
    attack.unverified(more, taken.ann.sign(doc), says=BAD)


def test_field_doubled(taken, attack):
    """Unsigned, and signed by somebody who was made to: the last does not win."""
    doc = taken.document(taken.tree, target="name = 'nobody'")
    twice = doc[:-1] + b', "target": "all"}'
    attack.unverified(twice, taken.ann.sign(doc), says=BAD)
    attack.refused(twice, taken.ann.sign(twice), reason=MALFORMED, says="target")


def test_fields_reordered(taken, attack):
    doc = taken.document(taken.tree)
    fields = json.loads(doc)
    other = json.dumps(dict(reversed(list(fields.items())))).encode()
    assert json.loads(other) == fields and other != doc
    attack.unverified(other, taken.ann.sign(doc), says=BAD)


def test_a_reader_added(taken, attack):
    """To whom answers are sealed is signed, and so are key and readers."""
    doc = taken.document(taken.tree, target="name = 'web1'")
    sig = taken.ann.sign(doc)
    for change in ({"readers": [*SEAL["readers"], "B" * 40]}, {"readers": ["B" * 40]},
                   {"key": SEAL["key"].replace("x", "y")},
                   {"public": SEAL["public"].replace("CQ", "CR", 1)}):
        other = json.loads(doc)
        other["seal"].update(change)
        assert other != json.loads(doc)
        attack.unverified(json.dumps(other).encode(), sig, says=BAD)
    taken.wait_said(attack.allow(taken.send(doc, sig, to="web1")), "web1", DONE)


def test_white_space_changed(taken, attack):
    """The same action to a JSON reader, another one to a signature."""
    doc = taken.document(taken.tree)
    attack.unverified(doc + b"\n", taken.ann.sign(doc), says=BAD)
    attack.unverified(doc.replace(b": ", b":"), taken.ann.sign(doc), says=BAD)


def test_signatures_mixed_from_two_actions(taken, attack):
    one = taken.document(require={"weight": 2})
    two = taken.document(require={"weight": 2})
    # ben signed the other one: what is left is half signed
    attack.refused(one, taken.ann.sign(one), taken.ben.sign(two), reason=WEIGHT)
    attack.unverified(two, taken.ann.sign(one), taken.sam.sign(one),
                      says=f"{BAD}; signature 2: {BAD}")


@pytest.mark.parametrize("word", ["policy", "cancel", "login"])
def test_made_for_another_purpose(taken, attack, word):
    word = {"login": "session"}.get(word, word)
    doc = taken.document()
    attack.unverified(doc, taken.ann.sign(doc, word), taken.sam.sign(doc, word, b"action@mig"),
                      says=f"{BAD}; signature 2: {BAD}")


def test_made_for_mail(taken, attack):
    """The document itself as a signed text, in each way that it can be signed."""
    doc = taken.document()
    attack.unverified(doc, taken.ann.over(doc), taken.sam.over(doc),
                      says=f"{BAD}; signature 2: {BAD}")
    doc = taken.document()
    attack.unverified(doc, taken.ann.over(doc.replace(b"\n", b"\r\n") + b"\r\n", kind=1),
                      says=PACKET)


def test_made_for_a_commit(taken, attack):
    doc = taken.document()
    commit = (b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a@b> 0 +0000\n"
              b"committer a <a@b> 0 +0000\n\n" + purpose("action", doc))
    attack.unverified(doc, taken.ann.over(commit), taken.sam.over(commit, b"git"),
                      says=BAD)


def test_another_namespace(taken, attack):
    for space in (b"git", b"file", b"cancel@mig", b"policy@mig", b"session@mig",
                  b"action@mig\0", b"ACTION@mig", b""):
        doc = taken.document()
        attack.unverified(doc, taken.sam.over(purpose("action", doc), space),
                          says="signature 1")


def test_something_reserved(taken, attack):
    doc = taken.document()
    attack.unverified(doc, taken.sam.sign(doc, reserved=b"x"), says="signature 1")


def test_another_prefix(taken, attack):
    for prefix in (b"MIG action v2\n%d\n", b"MIG action v3\n0%d\n", b"mig action v3\n%d\n",
                   b"MIG action v3\r\n%d\r\n", b"MIG action v3\n+%d\n"):
        doc = taken.document()
        attack.unverified(doc, taken.ann.over(prefix % len(doc) + doc), says=BAD)


def test_another_length(taken, attack):
    """Signed: a short document and what follows it; sent: all of it."""
    doc = taken.document()
    for n in (len(doc) - 1, len(doc) + 1, 0):
        attack.unverified(doc, taken.ann.over(b"MIG action v3\n%d\n" % n + doc), says=BAD)
        doc = taken.document()


def test_signature_of_another_type(taken, attack):
    """Text, alone, over a user id, a subkey, a revocation, a time stamp ..."""
    for kind in (1, 2, 0x10, 0x18, 0x19, 0x1f, 0x30, 0x40, 0x50):
        doc = taken.document()
        attack.unverified(doc, taken.ann.sign(doc, kind=kind), says=PACKET)


def test_several_packets_in_one(taken, attack):
    doc = taken.document()
    sig, literal = taken.ann.sign(doc), packet(11, b"b\x01x" + bytes(4) + b"text")
    for trick in (sig + sig, literal + sig, sig + literal, packet(10, b"PGP") + sig,
                  packet(8, b"\0" + sig), sig + b"\0", taken.mallory.sign(doc) + sig):
        doc = taken.document()
        attack.unverified(doc, trick, says=PACKET)


def test_partial_and_indeterminate_lengths(taken, attack):
    doc = taken.document()
    body = taken.ann.body(purpose("action", doc))
    for head in (b"\xc2\xe0", b"\x8b", b"\xc2\xff" + struct.pack(">I", len(body) + 1),
                 b"\x02" + bytes([len(body)])):
        attack.unverified(doc, head + body, says=PACKET)
        doc = taken.document()


def test_unhashed_area(taken, attack):
    """What is not signed says nothing: no issuer, no time, no other type."""
    ann, mallory = taken.ann, taken.mallory
    created = subpacket(CREATED, struct.pack(">I", int(time.time())))
    issuer = subpacket(FINGERPRINT, b"\x04" + ann.fpr)
    for hashed, unhashed in ((b"", created + issuer), (created, issuer), (issuer, created)):
        doc = taken.document()
        attack.unverified(doc, ann.sign(doc, hashed=hashed, unhashed=unhashed), says=PACKET)
    doc = taken.document()
    sig = mallory.sign(doc, unhashed=issuer + subpacket(ISSUER, ann.fpr[-8:]))
    attack.unverified(doc, sig, says=UNKNOWN)
    # and lies in it do not spoil a good one
    doc = taken.document(taken.tree)
    sig = ann.sign(doc, unhashed=subpacket(FINGERPRINT, b"\x04" + mallory.fpr) +
                   subpacket(CREATED, bytes(4)))
    taken.wait_said(attack.allow(taken.send(doc, sig)), "web1", 1)


def test_hashed_area(taken, attack):
    """Repeated, critical and unknown, or not to be read."""
    for more in (subpacket(CREATED, struct.pack(">I", 1)), b"\x00", b"\xff\xff",
                 subpacket(FINGERPRINT, b"\x04" + bytes(20)), subpacket(0x80 | 99, b"x"),
                 subpacket(0x80 | NOTATION, bytes(16))):
        doc = taken.document()
        attack.unverified(doc, taken.ann.sign(doc, hashed=taken.ann.hashed() + more),
                          says=PACKET)


def test_somebody_elses_key(taken, attack):
    """Mallory's signature that names ann's key as its issuer."""
    doc = taken.document()
    sig = taken.mallory.sign(doc, hashed=taken.mallory.hashed(issuer=taken.ann.fpr))
    attack.unverified(doc, sig, says=BAD)


def test_one_person_under_two_keys(taken, attack):
    doc = taken.document(require={"weight": 2})
    action = attack.refused(doc, taken.ann.sign(doc), taken.spare.sign(doc), reason=WEIGHT)
    assert len(attack.reported("web1")[action]["signers"]) == 1
    # two people would do
    doc = taken.document(taken.tree, require={"weight": 2})
    action = attack.allow(taken.send(doc, taken.ann.sign(doc), taken.ben.sign(doc)))
    taken.wait_said(action, "web1", 1)


def test_one_signature_many_times(taken, attack):
    doc = taken.document(require={"weight": 2})
    attack.refused(doc, *[taken.ann.sign(doc)] * 16, reason=WEIGHT)


def test_too_many_signatures(taken, attack):
    doc = taken.document(taken.tree)
    taken.send(doc, *[taken.mallory.sign(doc)] * 16, taken.ann.sign(doc), to="web1")
    attack.honest()
    assert action_id(doc) not in attack.reported("web1")


def test_half_signed_and_delivered_early(taken, attack):
    """Two must have signed: by number, by name, and by the agent's own rules."""
    for need in ({"require": {"weight": 2}},
                 {"require": {"weight": 1, "fingerprints": [taken.ben.fpr.hex()]}},
                 {"operations": [{"module": "memory", "parameters": {"searches": {
                     "s": {"names": ["."], "contents": ["x"]}}}}]}):
        doc = taken.document(**need)
        attack.refused(doc, taken.ann.sign(doc), reason=WEIGHT, names=("web1", "db1"))
        # with the other's signature for something else
        doc = taken.document(**need)
        attack.refused(doc, taken.ann.sign(doc), taken.ben.sign(doc, "cancel"), reason=WEIGHT)


def test_not_of_its_time(taken, attack):
    now = time.time()
    doc = taken.document()
    attack.unverified(doc, taken.ann.sign(doc, hashed=taken.ann.hashed(now + 3600)),
                      says="made in the future")
    doc = taken.document()
    attack.unverified(doc, taken.ann.sign(doc, hashed=taken.ann.hashed(taken.ann.created - 9)),
                      says="by a key that was or is not valid")
    doc = taken.document()
    hashed = taken.ann.hashed(now - 60) + subpacket(3, struct.pack(">I", 1))
    attack.unverified(doc, taken.ann.sign(doc, hashed=hashed), says="expired")


def test_delivered_too_early_and_too_late(taken, attack):
    now = time.time()
    for start, end, reason in ((3600, 7200, TOO_EARLY), (-7200, -3600, EXPIRED),
                               (-5, 30 * 86400, TOO_LONG)):
        doc = taken.document(validfrom=rfc3339(now + start), expireafter=rfc3339(now + end))
        attack.refused(doc, taken.ann.sign(doc), reason=reason)
    doc = taken.document(minpolicy=99)
    attack.refused(doc, taken.ann.sign(doc), reason=POLICY_OLD)


def test_numbers_that_are_not_canonical(taken, attack):
    """S plus the group's order verifies as well where nobody looks."""
    for _ in range(64):
        doc = taken.document()
        sig = taken.ann.sign(doc)
        s = int.from_bytes(sig[-32:], "little") + ORDER
        if sig[-34:-32] <= S_BITS and s < 2**256 and s >> 248 > 0:
            break
    raw = s.to_bytes(32, "little")
    bits = 248 + raw[0].bit_length()
    body = taken.ann.body(purpose("action", doc))[:-34]
    attack.unverified(doc, packet(2, body + struct.pack(">H", bits) + raw), says="signature 1")


def test_another_signer_beside_a_good_one(taken, attack):
    """Is not what makes it good, and is not recorded as a signer."""
    doc = taken.document(taken.tree)
    action = attack.allow(taken.send(doc, taken.mallory.sign(doc), taken.ann.sign(doc)))
    taken.wait_said(action, "web1", 1)
    assert attack.reported("web1")[action]["signers"] == [taken.ann.fpr.hex()]


def test_envelopes_that_are_none(taken, attack):
    doc = taken.document()
    good = pack(doc, [taken.ann.sign(doc)])
    for bad in (good[:-1], good + b"x", good[:4] + b"\0" + good[5:], good[:5] + b"\1" + good[6:],
                good.replace(b"MIG3", b"MIG2", 1), good[:8] + b"\xff" * 4 + good[12:],
                good[:8] + struct.pack(">I", len(doc) + 1) + good[12:]):
        taken.put(bad)
        taken.put(bad, "web1")
    attack.honest()
    assert action_id(doc) not in attack.reported("web1")
    assert (REFUSED, 0) not in taken.said(action_id(doc), "web1")
