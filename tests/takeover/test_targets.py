# SPDX-License-Identifier: MPL-2.0
"""What an investigator signed for some agents, sent to others; targets that
would be wider than they look. Each agent decides alone, over facts of its own."""
import hashlib
import struct

from miglib import wait_for
from takeoverlib import NOT_TARGETED, TARGET_ERROR, action_id, pack

SECONDS = 20
OTHERS = ("web2", "db1")


def test_narrow_target_sent_to_all(taken, attack):
    """On the broadcast topic the others stay silent; asked alone they refuse."""
    doc = taken.document(taken.tree, target="name = 'web1'")
    action = attack.allow(taken.send(doc, taken.ann.sign(doc)))
    taken.wait_said(action, "web1", 1)
    doc = taken.document(target="name = 'web1' AND tags->>'role' = 'db'")
    sig = taken.ann.sign(doc)
    taken.send(doc, sig)
    attack.refused(doc, sig, reason=NOT_TARGETED, names=OTHERS)


def test_delivered_to_agents_outside_the_target(taken, attack):
    doc = taken.document(target=f"id = '{taken.ids['db1']}' AND name = 'web1'")
    attack.refused(doc, taken.ann.sign(doc), reason=NOT_TARGETED, names=(*OTHERS, "web1"))


def test_target_widened(taken, attack):
    """What was signed is what counts."""
    doc = taken.document(target="name = 'nobody'")
    sig = taken.ann.sign(doc)
    for wider in (b"name<> 'nobody'", b"all", b"name = 'nobody' OR 1=1"):
        attack.unverified(doc.replace(b"name = 'nobody'", wider), sig, says="does not verify")


COLUMNS = ("id", "name", "os", "arch", "ident", "version", "mode", "environment", "tags",
           "addresses")


def test_every_column_and_function_is_the_agents_own(taken, attack):
    """Facts the platform claims about an agent play no part."""
    never = [f"{c} = 'x-nowhere'" for c in COLUMNS]
    never += ["lower(name) = 'WEB1'", "upper(name) = 'web1'", "length(name) > 99",
              "substr(name, 1, 1) = 'q'", "instr(name, 'q') > 0", "coalesce(name, 'q') = 'q'",
              "name LIKE 'WEB%'", "name LIKE 'q%'", "name GLOB 'q*'", "name ILIKE 'q%'",
              "tags->>'role' = 'owner'", "json_extract(tags, '$.role') = 'owner'",
              "in_net(addresses, '203.0.113.0/24')", "name IN ('q', 'r')", "1 = 0",
              "name BETWEEN 'x' AND 'y'", "NOT (name = 'web1' OR name <> 'web1')"]
    docs = [taken.document(target=t) for t in never]
    for doc in docs:
        taken.send(doc, taken.ann.sign(doc), to="web1")
    for doc in docs:
        taken.wait_said(action_id(doc), "web1", 2, NOT_TARGETED)
    reported = attack.reported("web1")
    assert all(reported[action_id(d)]["reason"] == NOT_TARGETED for d in docs)


EVIL = [
    "name = 'nobody' UNION SELECT 1", "1) UNION SELECT (1", "(SELECT 1)",
    "1; DROP TABLE agents", "1; SELECT 1", "EXISTS (SELECT 1)", "name IN (SELECT name)",
    "name = 'nobody') OR (1=1", "(((name = 'nobody'", "name = 'nobody'))", "name = 'no",
    "name = 'nobody' OR 1=1 -- ' AND tags->>'role' = 'x') OR (1",
    "\"statuss\" <> 'x'", "\"name2\" = 'x' OR 1", "[nothing] <> 'x'", "`nothing` <> 'x'",
    "online = 1", "status = 'online'", "lastseen > 0", "rowid = 1", "oid = 1",
    "random() <> 0", "abs(random()) > 0", "datetime('now') > ''", "CURRENT_TIME > ''",
    "changes() = 0", "sqlite_version() > ''", "load_extension('x')", "readfile('/etc/passwd')",
    "total_changes() >= 0", "last_insert_rowid() = 0", "randomblob(8) <> ''",
    "printf('%99999999d', 1) <> ''", "zeroblob(1000000000) <> ''", "name MATCH 'x'",
    "name REGEXP '.'", "name = ?", "name = :x", "$x <> 'y'", "name = 'web1' COLLATE nothing",
    "NULL", "NULL = NULL", "tags->>'nothing' = 'x'", "tags->>'nothing' <> 'x'",
    "json_extract(tags, '$') -> 'x' <> 'y'", "json_extract('{', '$') = 1",
    "in_net(addresses, 'nonsense')", "in_net('nonsense', '10.0.0.0/8')", "max(name) <> ''",
    "count(*) = 1", "sum(1) > 0", "row_number() OVER () = 1", "name", "RAISE(IGNORE)",
]


def answered(taken, doc):
    return wait_for("an answer", lambda: taken.said(action_id(doc), "web1"), 40)[0]


def test_targets_that_are_more_than_a_condition(taken, attack):
    """Another SELECT, comments, parentheses, quotes, clocks, chance: signed by
    somebody who was talked into it, and nevertheless answered by nobody."""
    docs = {t: taken.document(target=t) for t in EVIL}
    for doc in docs.values():
        taken.send(doc, taken.ann.sign(doc), to="web1")
    for t, doc in docs.items():
        said = answered(taken, doc)
        assert said in ((2, TARGET_ERROR), (2, NOT_TARGETED)), (t, said)
    loose = [t for t, d in docs.items() if (2, NOT_TARGETED) in taken.said(action_id(d), "web1")]
    # a text is no number, as in every SQL: refused because it is not true
    assert set(loose) <= {"name"}, loose


def test_huge_and_deep_targets(taken, attack):
    for t in ("1" + " OR 1" * 1000, "(" * 2000 + "1" + ")" * 2000, "NOT " * 1000 + "0",
              "name LIKE '" + "%a" * 1500 + "'", "'" + "x" * 4000 + "' <> ''"):
        doc = taken.document(target=t if "LIKE" in t else f"({t}) AND name = 'nobody'"[:4096])
        taken.send(doc, taken.ann.sign(doc), to="web1")
        assert answered(taken, doc)[0] == 2


def test_false_today_and_true_tomorrow(taken, attack):
    """What an agent has refused stays refused when its facts have changed."""
    agent = taken.platform.agents["db1"]
    doc = taken.document(target="tags->>'role' = 'later'")
    sig = taken.ann.sign(doc)
    attack.refused(doc, sig, reason=NOT_TARGETED, names=("db1",))
    attack.restarts = True
    agent.daemon.stop()
    before = agent.conf.read_text()
    agent.conf.write_text(before.replace("tag role db", "tag role later"))
    taken.start_again("db1")
    n = len(taken.said(action_id(doc), "db1"))
    taken.send(doc, sig)
    taken.send(doc, sig, to="db1")
    wait_for("db1 to refuse again", lambda: len(taken.said(action_id(doc), "db1")) > n)
    assert set(taken.said(action_id(doc), "db1")) == {(2, NOT_TARGETED)}
    # a new question to those of that role is answered
    doc = taken.document(taken.tree, target="tags->>'role' = 'later'")
    taken.wait_said(attack.allow(taken.send(doc, taken.ann.sign(doc))), "db1", 1)


def announce(doc, envelope, of=None):
    return (b"\x02" + bytes.fromhex(action_id(doc)) +
            struct.pack(">I", of or len(envelope)) + hashlib.sha256(envelope).digest())


def part(doc, data, number=0, of=1):
    return b"\x03" + bytes.fromhex(action_id(doc)) + struct.pack(">HH", number, of) + data


def test_one_announced_another_delivered(taken, attack):
    """A large envelope is fetched in parts: bytes that are not those announced,
    and an announcement of one action that brings another."""
    topic = f"mig/1/a/{taken.ids['web1']}/in"
    honest = taken.document(taken.tree, name="announced" + "x" * 200)
    good = pack(honest, [taken.ann.sign(honest)])
    taken.tap.tell("mig/1/all", announce(honest, good))
    taken.tap.wait_wanted(action_id(honest))
    taken.tap.tell(topic, part(honest, good))
    taken.wait_said(attack.allow(action_id(honest)), "web1", 1)

    doc, other = taken.document(), taken.document()
    evil = pack(other, [taken.mallory.sign(other)])
    taken.tap.tell(topic, announce(doc, pack(doc, [taken.ann.sign(other)])))
    taken.tap.wait_wanted(action_id(doc))
    taken.tap.tell(topic, part(doc, evil))
    doc2 = taken.document(target="name = 'nobody'")
    evil = pack(doc2, [taken.ann.sign(doc2)])
    taken.tap.tell(topic, announce(doc, evil))
    taken.tap.tell(topic, part(doc, evil))
    for n, of in ((0, 0), (5, 2), (0, 65535), (65535, 65535)):
        taken.tap.tell(topic, part(doc, evil[:100], n, of))
    attack.honest()
    reported = attack.reported("web1")
    assert action_id(doc) not in reported and action_id(other) not in reported
