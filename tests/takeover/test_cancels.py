# SPDX-License-Identifier: MPL-2.0
"""What was asked is stopped by who asked it, or by who has the right, and by
nobody else; and a cancel that the platform keeps back is not said to be done."""
import json
import os
import re
import struct
import time

import pytest

from fakeagent import purpose_hash, rfc3339
from hostilelib import Liar, Platform
from miglib import wait_for
from takeoverlib import CANCELLED, DONE, REFUSED, STOPPED, WEIGHT, append, pack, written
from test_client_local import FOUND, INCOMPLETE, gpg  # noqa: F401

SECONDS = 20
CANCELS_DAY = 256       # src/agent/store/cancels.h
REFUSED_DAY = 1000      # src/agent/monitor/exam.h


def cancel(action, end=600, **change):
    """The document. Bytes."""
    now = time.time()
    doc = {"syntaxversion": 3, "nonce": os.urandom(16).hex(), "action": action,
           "time": rfc3339(now), "expireafter": rfc3339(now + end), **change}
    return json.dumps(doc).encode()


def post(taken, doc, *sigs, to="web1"):
    """Published by the relay's owner; the cancel's own id."""
    topic = f"mig/1/a/{taken.ids[to]}/in" if to else "mig/1/all"
    taken.tap.tell(topic, b"\x08" + pack(doc, sigs))
    return purpose_hash("cancel", doc)


def question(taken, target="name = 'web1'", by=None):
    """Signed by ann, and not sent: (document, signature, id)."""
    doc = taken.document(taken.tree, target=target, name="to be cancelled")
    return doc, (by or taken.ann).sign(doc), purpose_hash("action", doc)


def says(taken, attack, pattern, name="web1"):
    wait_for(f"'{pattern}' in:\n{attack.log(name)}",
             lambda: re.search(pattern, attack.log(name)))


def unverified(taken, attack, doc, *sigs):
    """Counted as what nobody known signed."""
    ident = post(taken, doc, *sigs)
    says(taken, attack, rf"unverified cancel={ident[:8]}\S* reason=2 ")


def runs(taken, attack, asked):
    """This question is answered all the same."""
    doc, sig, action = asked
    attack.allow(taken.send(doc, sig, to="web1"))
    taken.wait_said(action, "web1", DONE)
    assert (REFUSED, CANCELLED) not in taken.said(action, "web1")


def remembered(taken, attack, action, known=0):
    says(taken, attack, rf" cancel action={action[:8]}\S* known={known} ")


def report(taken, name="web1"):
    run = taken.platform.agents[name].run("report", "--json")
    assert run.returncode == 0, run.stderr
    return [json.loads(x) for x in run.stdout.splitlines()]


def kept(taken, action, name="web1"):
    """The entries of its own record about this action's cancels."""
    return [e for e in report(taken, name) if e["type"] == "cancelled" and e["action"] == action]


def cancelled_by(taken, who):
    return [e for e in report(taken) if e["type"] == "cancelled" and
            e["signers"] == [who.fpr.hex()]]


@pytest.fixture
def works(taken, attack):
    """ann cancels what she asked: it never starts. She may use either key."""
    doc, sig, action = question(taken)
    stop = cancel(action)
    post(taken, stop, taken.spare.sign(stop, "cancel"))
    remembered(taken, attack, action)
    attack.refused(doc, sig, reason=CANCELLED, says="cancelled by ")
    return attack


def test_unsigned(taken, works):
    asked = question(taken)
    unverified(taken, works, cancel(asked[2]))
    runs(taken, works, asked)


def test_signed_by_a_stranger(taken, works):
    """Alone; and a person's signature over something else beside it."""
    asked = question(taken)
    doc = cancel(asked[2])
    stranger = taken.mallory.sign(doc, "cancel")
    unverified(taken, works, doc, stranger)
    doc = cancel(asked[2])
    unverified(taken, works, doc, taken.mallory.sign(doc, "cancel"), asked[1])
    runs(taken, works, asked)


def test_made_for_another_purpose(taken, works):
    """Signatures of the right person over the very bytes, for other purposes;
    and the action's own signature."""
    asked = question(taken)
    for word in ("action", "policy", "session", "share", "hello", "result"):
        doc = cancel(asked[2])
        unverified(taken, works, doc, taken.ann.sign(doc, word))
    doc = cancel(asked[2])
    unverified(taken, works, doc, taken.sam.sign(doc, "cancel", space=b"action@mig"))
    unverified(taken, works, asked[0], asked[1])
    runs(taken, works, asked)


def test_another_actions(taken, works):
    """A good cancel with its action changed, and one that is left as it is."""
    other, asked = question(taken), question(taken)
    doc = cancel(other[2])
    sig = taken.ann.sign(doc, "cancel")
    unverified(taken, works, doc.replace(other[2].encode(), asked[2].encode()), sig)
    post(taken, doc, sig)
    remembered(taken, works, other[2])
    runs(taken, works, asked)
    works.refused(other[0], other[1], reason=CANCELLED)


def test_by_who_neither_signed_nor_may(taken, works):
    """ben before it comes, and of what is over; the ACL names no `cancel`."""
    asked = question(taken)
    doc = cancel(asked[2])
    post(taken, doc, taken.ben.sign(doc, "cancel"))
    remembered(taken, works, asked[2])
    runs(taken, works, asked)
    doc = cancel(asked[2])
    ident = post(taken, doc, taken.ben.sign(doc, "cancel"))
    says(taken, works, rf"cancel_ignored cancel={ident[:8]}\S* ")


def test_who_neither_signed_nor_may_stops_nothing_that_runs(taken, works, slow):
    """The worker goes on until ann herself ends it."""
    doc = taken.document(slow, target="name = 'web1'", operations=[hashing(slow)])
    action = works.allow(taken.send(doc, taken.ann.sign(doc), to="web1"))
    says(taken, works, rf" accepted action={action[:8]}")
    for by in (taken.ben, taken.sam):
        stop = cancel(action)
        ident = post(taken, stop, by.sign(stop, "cancel"))
        says(taken, works, rf"cancel_ignored cancel={ident[:8]}\S* action={action[:8]}")
    unverified(taken, works, stop, taken.mallory.sign(stop, "cancel"))
    works.honest("web1")
    assert not taken.said(action, "web1") and not kept(taken, action)
    stop = cancel(action)
    post(taken, stop, taken.ann.sign(stop, "cancel"))
    taken.wait_said(action, "web1", STOPPED, CANCELLED)
    assert len(kept(taken, action)) == 1


def test_a_signature_without_weight_gives_no_right(taken, works, slow):
    """rita may ask nothing. Her signature, put beside ann's or before it, lets her stop nothing:
    neither what runs nor what comes after her cancel."""
    for order in (1, -1):
        doc = taken.document(slow, target="name = 'web1'", operations=[hashing(slow)])
        both = [taken.ann.sign(doc), taken.rita.sign(doc)]
        action = works.allow(taken.send(doc, *both[::order], to="web1"))
        says(taken, works, rf" accepted action={action[:8]}")
        stop = cancel(action)
        ident = post(taken, stop, taken.rita.sign(stop, "cancel"))
        says(taken, works, rf"cancel_ignored cancel={ident[:8]}\S* action={action[:8]}\S* "
             "why=.*nobody whose signature counts for the action, nor who has the right")
        works.honest("web1")
        assert not taken.said(action, "web1") and not kept(taken, action)
        stop = cancel(action)
        post(taken, stop, taken.ann.sign(stop, "cancel"))
        taken.wait_said(action, "web1", STOPPED, CANCELLED)
        doc, sig, action = question(taken)
        stop = cancel(action)
        post(taken, stop, taken.rita.sign(stop, "cancel"))
        remembered(taken, works, action)
        both = [sig, taken.rita.sign(doc)]
        works.allow(taken.send(doc, *both[::order], to="web1"))
        taken.wait_said(action, "web1", DONE)
        assert (REFUSED, CANCELLED) not in taken.said(action, "web1")


def hashing(directory):
    return {"module": "file", "parameters": {"searches": {"s1": {
        "paths": [str(directory)], "names": ["."], "sha2": ["ab" * 32]}}}}


@pytest.fixture(scope="module")
def slow(taken, tmp_path_factory):
    """A file that takes for ever to read."""
    d = tmp_path_factory.mktemp("slow")
    for parent in [d, *d.parents]:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    with open(d / "hole", "wb") as f:
        f.truncate(1 << 43)
    return d


def test_expired_or_malformed(taken, works):
    """Signed by ann, and remembered by nobody."""
    asked = question(taken)
    for change, why in (({"end": -5}, "has ended"), ({"end": 400 * 86400}, "more than a year"),
                        ({"target": "all"}, "target"), ({"action": "ab" * 31}, "action"),
                        ({"reason": "x" * 201}, "reason"), ({"syntaxversion": 2}, "syntaxv")):
        doc = cancel(**{"action": asked[2], **change})
        ident = post(taken, doc, taken.ann.sign(doc, "cancel"))
        says(taken, works, rf"cancel_ignored cancel={ident[:8]}\S* .*{why}")
    runs(taken, works, asked)


def test_replayed(taken, works):
    """Many times, on both topics, with other signatures, after a restart: it
    stands in the record once, and ends nothing else."""
    gone, asked = question(taken), question(taken)
    doc = cancel(gone[2])
    post(taken, doc, taken.ann.sign(doc, "cancel"))
    remembered(taken, works, gone[2])
    for i in range(40):
        post(taken, doc, taken.ann.sign(doc, "cancel", hashed=taken.ann.hashed(time.time() - i)),
             to=("web1", None)[i % 2])
    works.restarts = True
    agent = taken.platform.agents["web1"]
    agent.daemon.kill()
    taken.start_again("web1")
    for to in ("web1", None):
        post(taken, doc, taken.ann.sign(doc, "cancel"), to=to)
    works.refused(*gone[:2], reason=CANCELLED)
    runs(taken, works, asked)
    assert len(kept(taken, gone[2])) == 1


def test_sent_before_its_action(taken, works):
    """And then the action at once on two topics, to all that were told."""
    doc, sig, action = question(taken, "all")
    stop = cancel(action)
    post(taken, stop, taken.ann.sign(stop, "cancel"), to=None)
    for name in taken.ids:
        wait_for(f"{name} to have it", lambda n=name: kept(taken, action, n))
    taken.send(doc, sig)
    for name in taken.ids:
        taken.send(doc, sig, to=name)
        taken.wait_said(action, name, REFUSED, CANCELLED)


def many(taken, attack, n, by, line):
    """So many of one person, each for an action that nobody has asked."""
    for i in range(1, n + 1):
        doc = cancel(os.urandom(32).hex())
        ident = post(taken, doc, by.sign(doc, "cancel"))
        if i % 35 == 0:
            says(taken, attack, line(ident, json.loads(doc)["action"]))


def test_for_actions_that_never_come(taken, works, n=70):
    """Of strangers nothing is kept; of who may not, the newest 64; and that
    pushes out nothing of others."""
    asked, gone, first = question(taken), question(taken), question(taken)
    stop = cancel(gone[2])
    post(taken, stop, taken.ann.sign(stop, "cancel"))
    remembered(taken, works, gone[2])
    journal = taken.platform.agents["web1"].dir / "state" / "journal"
    before = written(journal)
    many(taken, works, n // 2, taken.mallory, lambda c, a: rf"unverified cancel={c[:8]}")
    assert written(journal) == before
    stop = cancel(first[2])
    post(taken, stop, taken.ben.sign(stop, "cancel"))
    many(taken, works, n, taken.ben, lambda c, a: rf" cancel action={a[:8]}\S* known=0 ")
    # his own oldest went: of an action that he signs it is not known any more
    taken.wait_said(works.allow(taken.send(first[0], taken.ben.sign(first[0]), to="web1")),
                    "web1", DONE)
    runs(taken, works, asked)
    works.refused(*gone[:2], reason=CANCELLED)


def test_more_than_a_day_takes(taken, works, slow):
    """A platform that holds more cancels of one person than are remembered hands them on again and
    again: each would be new once more. A day takes so many, also across a start, and the rest is
    counted; what cleo has asked herself she stops all the same, and others' cancels stay."""
    gone = question(taken)
    stop = cancel(gone[2])
    post(taken, stop, taken.ann.sign(stop, "cancel"))
    remembered(taken, works, gone[2])
    agent = taken.platform.agents["web1"]
    record, journal = (agent.dir / "state" / n for n in ("record", "journal"))
    works.restarts = True

    def restart():
        agent.daemon.stop()
        taken.start_again("web1")
    agent.conf.write_text(agent.conf.read_text() + "rate 1000\n")
    restart()
    held = []
    for _ in range(CANCELS_DAY + 20):
        doc = cancel(os.urandom(32).hex())
        held.append((doc, taken.cleo.sign(doc, "cancel")))

    def replay(cancels):
        for doc, sig in cancels:
            post(taken, doc, sig)
        works.honest("web1")
    replay(held[:CANCELS_DAY])
    assert len(cancelled_by(taken, taken.cleo)) == CANCELS_DAY
    replay(held[CANCELS_DAY:])
    says(taken, works, "cancels why=.*further ones are counted")
    before, lines = written(record), works.log("web1").count("further ones are counted")
    size = written(journal)
    replay(held[:100])
    assert len(cancelled_by(taken, taken.cleo)) == CANCELS_DAY and lines == 1
    # of the three honest questions alone
    assert written(record) - before < 2000 and written(journal) - size < 20000
    restart()
    notes = [e["text"] for e in report(taken) if e["type"] == "note"]
    assert any(f"{taken.cleo.fpr.hex()}: {CANCELS_DAY} kept within a day, 120 more were not" in n
               for n in notes), notes
    replay(held[:20])
    assert len(cancelled_by(taken, taken.cleo)) == CANCELS_DAY
    # what matters
    doc = taken.document(slow, target="name = 'web1'", operations=[hashing(slow)])
    action = works.allow(taken.send(doc, taken.cleo.sign(doc), to="web1"))
    says(taken, works, rf" accepted action={action[:8]}")
    stop = cancel(action)
    post(taken, stop, taken.cleo.sign(stop, "cancel"))
    taken.wait_said(action, "web1", STOPPED, CANCELLED)
    works.refused(*gone[:2], reason=CANCELLED)


def refused_entry(who, reason=WEIGHT):
    """As its own record has one (src/agent/store/ownrecord.h): signed just now."""
    now = int(time.time())
    return 1, (struct.pack(">Q", now * 1000) + os.urandom(32) + struct.pack(">HB", reason, 1) +
               2 * who.fpr + struct.pack(">BH", 1, 1) + struct.pack(">QQ", now, now + 600) +
               3 * struct.pack(">I", 0))


def refused_of(taken, who):
    """How many the record has, and what it says of those beyond."""
    entries, who = report(taken), who.fpr.hex()
    return (sum(e["type"] == "asked" and not e["accepted"] and e["signers"] == [who]
                for e in entries),
            [e["text"] for e in entries if e["type"] == "note" and f"actions, by {who}" in e["text"]])


def test_refused_ones_more_than_a_day_takes(taken, works):
    """Not only cancels: somebody known whose signature does not suffice has whatever number of actions
    sent. The record has so many of one person and day, also across a start, and counts the rest;
    each is answered, and what is accepted stands there, also of this person."""
    agent = taken.platform.agents["web1"]
    record = agent.dir / "state" / "record"
    works.restarts = True
    agent.daemon.stop()
    append(record, [refused_entry(taken.sam) for _ in range(REFUSED_DAY - 10)])
    taken.start_again("web1")

    def send(n, to="web1", **change):
        for _ in range(n):
            doc = taken.document(**change)
            action = taken.send(doc, taken.sam.sign(doc), to=to)
            if to is not None:
                taken.wait_said(action, to, REFUSED, WEIGHT)
        works.honest("web1")
    two = {"require": {"weight": 2}}
    send(10, **two)
    assert refused_of(taken, taken.sam) == (REFUSED_DAY, [])
    before = written(record)
    send(15, **two)
    send(12, None, target="name = 'nobody'")
    many, notes = refused_of(taken, taken.sam)
    assert many == REFUSED_DAY and len(notes) == 1 and "further ones are counted" in notes[0]
    # of the note and two honest questions
    assert written(record) - before < 2000
    agent.daemon.stop()
    taken.start_again("web1")
    send(2, **two)
    many, notes = refused_of(taken, taken.sam)
    assert many == REFUSED_DAY and len(notes) == 3
    assert f": {REFUSED_DAY} kept within a day, 27 more were not" in notes[1], notes
    runs(taken, works, question(taken, by=taken.sam))
    assert agent.run("report", "verify").returncode == 0


# --- and what mig says of it ----------------------------------------------------

@pytest.fixture(scope="module")
def liar(tmp_path_factory, gpg):  # noqa: F811
    p = Platform(tmp_path_factory.mktemp("cancel"), gpg)
    yield p
    p.stop()


def stopped(agent, action):
    """What an agent answers that was told, before it had anything."""
    return agent.header(action, REFUSED, CANCELLED, 0, b"")


@pytest.mark.parametrize("dropped", [False, True], ids=["told", "dropped"])
def test_dropped_by_the_platform(liar, dropped):
    """The server says that it was cancelled; the agents were told, or were not.
    mig says that they have not confirmed it, and later what they have signed."""
    agents = [Liar(f"{dropped}{i}") for i in range(2)]

    def make(action, doc):
        return [(a.id, a.answer(action, doc) if dropped else stopped(a, action))
                for a in agents]
    liar.ask(make, expected=agents, check=FOUND if dropped else INCOMPLETE)
    liar.server.replies["POST", f"/api/v1/actions/{liar.action}/cancel"] = (201, {
        "id": liar.action, "status": "cancelled", "expected": 2, "answered": 0})
    p = liar.mig("action", "cancel", liar.action, "-y", check=0)
    assert "as the server says" in p.stdout and "No agent has confirmed it yet" in p.stdout
    p = liar.mig("results", liar.action, "-json", check=FOUND if dropped else INCOMPLETE)
    answers = [json.loads(x) for x in p.stdout.splitlines()]
    if dropped:
        assert [a["status"] for a in answers[:-1]] == ["done"] * 2
        assert "cancelled" not in p.stdout
    else:
        assert {a["reason"] for a in answers[:-1]} == {"cancelled by an investigator"}
        assert answers[-1]["refused"] == 2
