# SPDX-License-Identifier: MPL-2.0
"""What the platform can do to answers on their way: drop, double, alter, swap,
forge. mig believes what the agent signed for this question, says what it did
not believe, and prints the honest answer all the same."""
import base64
import contextlib
import hashlib
import json
import secrets
import sqlite3
import struct

import pytest

from hostilelib import FOUND as ANSWER
from hostilelib import Liar, Platform, seal, zstd
from miglib import answers_of, wait_for
from test_client_local import ERROR, FOUND, INCOMPLETE, gpg  # noqa: F401

SECONDS = 20
HEADER = 4 + 96 + 8 + 8 + 32 + 8 + 32 + 8 + 32      # RESULT_HEADER_LEN


@pytest.fixture(scope="module")
def shared(tmp_path_factory, gpg):  # noqa: F811
    p = Platform(tmp_path_factory.mktemp("results"), gpg)
    a = Liar("honest")
    p.ask(lambda action, doc: [(a.id, a.answer(action, doc))], expected=[a], check=FOUND)
    yield p
    p.stop()


@pytest.fixture
def liar(shared):
    """The hostile platform; mig knows nobody."""
    shared.known.unlink(missing_ok=True)
    return shared


def believed(liar, make, done, forged, *says, check=INCOMPLETE, expected=()):
    """So many answers counted, so many named as not believed, with words."""
    answers, summary, p = liar.ask(make, expected=expected, check=check)
    assert (summary["done"], summary["notbelieved"]) == (done, forged), p.stderr
    assert len(answers) == done, p.stdout
    for s in says:
        assert s in p.stderr, p.stderr
    return answers, p


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1:]


def test_dropped(liar):
    """Of an agent that mig knows: said to be asked, or not even that."""
    a, b = Liar("keeps"), Liar("dropped")
    liar.agents(a.row(), b.row())

    def one(action, doc):
        return [(a.id, a.answer(action, doc))]
    answers, summary, _ = liar.ask(one, expected=[a, b], check=INCOMPLETE)
    assert summary["missing"][0]["agents"] == ["dropped"] and len(answers) == 1
    answers, summary, _ = liar.ask(one, expected=[a], check=INCOMPLETE)
    assert summary["leftout"][0]["agents"] == ["dropped"] and len(answers) == 1


def test_doubled(liar):
    a = Liar()

    def five(action, doc):
        return [(a.id, a.answer(action, doc))] * 5
    answers, _, _ = liar.ask(five, expected=[a], check=None)
    assert len(answers) == 1


def test_two_different_answers(liar):
    """The first counts; another one is not a second agent."""
    a = Liar()
    answers, summary, p = liar.ask(lambda action, doc: [
        (a.id, a.answer(action, doc)), (a.id, a.refusal(action))], expected=[a])
    assert len(answers) == 1 and summary["done"] == 1 and summary["refused"] == 0, p.stderr


def test_altered(liar):
    """A bit of each field, of the signature and of the sealed bytes."""
    a = Liar()

    def make(action, doc):
        good = a.answer(action, doc)
        bad = [flipped(good, at) for at in (*range(0, HEADER, 8), HEADER + 3, HEADER + 70,
                                            len(good) - 1)]
        make.n = len(bad) + 3
        return [(a.id, x) for x in (*bad, good[:-1], good + b"\0", good[:HEADER], good)]
    _, summary, p = liar.ask(make, check=INCOMPLETE)
    assert summary["done"] == 1 and summary["notbelieved"] == make.n, p.stderr
    assert "not believed" in p.stderr


def test_swapped_between_agents(liar):
    a, b = Liar("one"), Liar("two")
    believed(liar, lambda action, doc: [(a.id, b.answer(action, doc)),
                                        (b.id, a.answer(action, doc))],
             0, 2, "another agent signed it")


def test_swapped_between_actions(liar):
    a = Liar()
    old = []

    def first(action, doc):
        old.append(a.answer(action, doc))
        return [(a.id, old[0])]
    believed(liar, first, 1, 0, check=FOUND)
    believed(liar, lambda action, doc: [(a.id, old[0])], 0, 1, "it answers another action")


def test_signed_for_this_and_sealed_for_that(liar):
    """What stands inside the seal must be what stands outside."""
    a, b = Liar("inside"), Liar("other")
    text = json.dumps(ANSWER).encode()
    for plain in (lambda action: a.plain("ab" * 32, [(1, text)]),
                  lambda action: b.plain(action, [(1, text)]),
                  lambda action: a.plain(action, [(1, text)], 3),
                  lambda action: a.plain(action, [(1, text)])[:-1]):
        believed(liar, lambda action, doc, plain=plain: [
            (a.id, a.answer(action, doc, packed=zstd(plain(action))))], 0, 1, "not believed")


def test_status_forged(liar):
    """A refusal made of an answer, and an answer of a refusal."""
    a = Liar()

    def as_refused(action, doc):
        d = a.answer(action, doc)
        return [(a.id, d[:1] + struct.pack(">BH", 2, 4) + d[4:])]

    def as_done(action, doc):
        d = a.refusal(action)
        return [(a.id, d[:1] + struct.pack(">BH", 1, 0) + d[4:])]
    believed(liar, as_refused, 0, 1, "not believed")
    believed(liar, as_done, 0, 1, "not believed")


def test_refusal_forged(liar):
    """By a key that is not the agent's; and the platform's word for it."""
    a, mallory = Liar(), Liar("mallory")

    def make(action, doc):
        d = mallory.refusal(action)
        forged = d[:36] + bytes.fromhex(a.id) + d[68:]
        head = d[:36] + bytes.fromhex(a.id) + a.pub + d[100:HEADER]
        return [(a.id, forged), (a.id, head + mallory.sign("result", head)),
                (a.id, a.answer(action, doc))]
    believed(liar, make, 1, 2, "not believed")


def test_seal_key_swapped(liar):
    """In the question as the server shows it, and in what the agent was given."""
    a = Liar()
    mine = {"seal": {"public": base64.b64encode(b"\x09" + bytes(31)).decode()}}
    believed(liar, lambda action, doc: [(a.id, a.answer(action, mine))], 0, 1, "not believed")
    liar.ask(lambda action, doc: [(a.id, a.answer(action, doc))], check=FOUND)
    doc = {**liar.doc, "seal": {**liar.doc["seal"], **mine["seal"]}}
    base = f"/api/v1/actions/{liar.action}"
    liar.server.replies["GET", base] = (200, {**liar.envelope, "id": liar.action,
                                              "document": json.dumps(doc)})
    p = liar.mig("results", liar.action, "-json", check=ERROR)
    assert "another action" in p.stderr


def test_agents_invented(liar):
    """An answer of somebody nobody knew is marked, and not in another's name."""
    a, ghost = Liar("db7"), Liar("db7")
    liar.agents(a.row())
    answers, _ = believed(liar, lambda action, doc: [(ghost.id, ghost.answer(action, doc))],
                          1, 0, check=None)
    assert answers[0]["marks"] == ["name taken"]
    new = Liar("db8")
    answers, _ = believed(liar, lambda action, doc: [(new.id, new.answer(action, doc))],
                          1, 0, check=None)
    assert answers[0]["marks"] == ["new"]


def test_identity_is_the_keys_hash(liar):
    a, mallory = Liar(), Liar("mallory")
    mallory.id = a.id
    believed(liar, lambda action, doc: [(a.id, mallory.answer(action, doc))], 0, 1)


# --- and from an agent that signs what it likes -------------------------------

def nested(n):
    return b'{"a":' * n + b"1" + b"}" * n


@pytest.mark.parametrize("result", [
    nested(100_000), b"[" * 1_000_000, b"{" + b'"a":1,' * 10 + b'"a":2}', b"\xff" * 100,
    b'{"foundanything": "yes"}', b'{"elements": [' + b"1," * 100_000 + b"1]}", b"null", b""],
    ids=["nested", "brackets", "duplicates", "bytes", "types", "long", "null", "empty"])
def test_results_of_no_sense(liar, result):
    a, b = Liar("senseless"), Liar("sensible")
    answers, summary, p = liar.ask(lambda action, doc: [
        (a.id, a.answer(action, doc, result=result, parts=[(1, result)])),
        (b.id, b.answer(action, doc))], expected=[a, b], check=INCOMPLETE)
    assert summary["found"] == 1 and {x["name"] for x in answers} >= {"sensible"}, p.stderr
    assert summary["failed"] + summary["partial"] + summary["notbelieved"] >= 1, summary


def test_small_bombs(liar):
    """A few kilobytes that are a byte more than is taken, and frames that only
    claim to be; an honest answer beside them counts."""
    crowd, b = [Liar(f"bomb{i}") for i in range(4)], Liar("calm")
    bomb = zstd(bytes((64 << 20) + 1))
    assert len(bomb) < 16 << 10
    claim = b"\x28\xb5\x2f\xfd\xe0"     # a frame that states its size, in 8 bytes
    packed = [bomb] + [claim + n.to_bytes(8, "little") + b"\1\0\0" for n in (1 << 62, 1 << 31, 5)]

    def make(action, doc):
        return [*((a.id, a.answer(action, doc, packed=x)) for a, x in zip(crowd, packed)),
                (b.id, b.answer(action, doc))]
    answers, p = believed(liar, make, 1, 4, *(f"unpacks to {n} bytes, at most" for n in (
        (64 << 20) + 1, 1 << 62, 1 << 31)), "damaged")
    assert answers[0]["name"] == "calm", answers
    for a in crowd:
        assert f"agent {a.id[:12]} is not believed" in p.stderr, p.stderr


@pytest.mark.long
def test_bombs(liar):
    """Much in little, a size that is not true, sizes of 2^31 and more."""
    crowd, b = [Liar(f"bomb{i}") for i in range(6)], Liar("calm")
    bomb = zstd(bytes(200 * 1024 * 1024))
    assert len(bomb) < 1 << 20
    lies = [bomb, zstd(b"")[:4] + b"\xe0" + b"\xff" * 7 + b"\x7f" + b"\0" * 9, b"", b"\x28\xb5"]

    def make(action, doc):
        out = [(a.id, a.answer(action, doc, packed=x)) for a, x in zip(crowd, lies)]
        a = crowd[4]
        d = a.answer(action, doc)
        head = d[:HEADER - 36] + struct.pack(">I", 1 << 31) + d[HEADER - 32:HEADER]
        out.append((a.id, head + a.sign("result", head) + d[HEADER + 64:]))
        a = crowd[5]
        plain = a.plain(action, [(1, b"x")])
        out.append((a.id, a.answer(action, doc, packed=zstd(
            plain[:-5] + struct.pack(">I", 1 << 31) + b"x"))))
        return [*out, (b.id, b.answer(action, doc))]
    believed(liar, make, 1, 6, "unpacks to 209715200 bytes, at most",
             "2147483648 sealed bytes, at most")


ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\u202eevil\u200b\x9b31m\nweb1 /etc/shadow"


def test_escape_sequences(liar):
    a = Liar(ESCAPES[:60])
    doc = json.loads(json.dumps(ANSWER))
    doc["elements"]["s1"][0]["file"] = "/tmp/" + ESCAPES
    doc["errors"] = [ESCAPES]
    for words in ((), ("-csv",), ("-group",)):
        _, _, p = liar.ask(lambda action, d: [(a.id, a.answer(action, d, result=doc))],
                           words=words)
        assert "passwd" in p.stdout or "evil" in p.stdout, (words, p.stdout, p.stderr)
        for bad in ("\x1b", "\x07", "\u202e", "\x9b", "\u200b", "\r"):
            assert bad not in p.stdout + p.stderr, (words, bad, p.stdout)
        lines = p.stdout.splitlines()
        assert not any(x.startswith("web1 /etc/shadow") for x in lines), (words, lines)


def test_parts_of_other_operations(liar):
    """Another operation's part, one twice, more than were asked."""
    good = json.dumps(ANSWER).encode()

    def twisted(numbers):
        a = Liar()

        def make(action, doc):
            raw = (b"MIGR" + bytes([3, 0]) + struct.pack(">H", len(numbers)) +
                   bytes.fromhex(action) + bytes.fromhex(a.id) + struct.pack(">I", 1) + b"x")
            for n in numbers:
                raw += struct.pack(">HBBI", n, 1, 0, len(good)) + good
            sealed = seal(base64.b64decode(doc["seal"]["public"]), zstd(raw))
            return [(a.id, a.header(action, 1, 0, len(numbers), sealed))]
        return make
    believed(liar, twisted([0]), 1, 0, check=FOUND)
    # one more than was asked is left out, and changes nothing of the first
    liar.known.unlink(missing_ok=True)
    believed(liar, twisted([0, 1]), 1, 0, check=FOUND)
    for numbers in ([1], [0, 0], [63], [65535], list(range(65))):
        liar.known.unlink(missing_ok=True)
        _, summary, p = liar.ask(twisted(numbers))
        assert p.returncode in (INCOMPLETE, ERROR), (numbers, p.stdout)
        assert summary["notbelieved"] + summary["failed"] + summary["partial"] == 1, summary


def test_results_are_hashes_of_what_was_sealed(liar):
    """Another agent's sealed bytes under one's own signature are no finding."""
    a, b = Liar("thief"), Liar("robbed")

    def make(action, doc):
        d = b.answer(action, doc)
        sealed = d[HEADER + 64:]
        stolen = a.header(action, 1, 0, 1, sealed)
        assert hashlib.sha256(sealed).digest() in stolen
        return [(a.id, stolen), (b.id, d)]
    answers, _ = believed(liar, make, 1, 1, "not believed")
    assert answers[0]["name"] == "robbed"


# --- and what it sees ----------------------------------------------------------

def test_nothing_of_an_answer_is_seen(taken, attack):
    """Neither in the store, its journals and its logs nor on the relay; found or not, both look the
    same: done, and of one size."""
    p, said, name = taken.platform, {}, secrets.token_hex(12)
    where = taken.tree.parent / secrets.token_hex(4)
    where.mkdir()
    (where / name).write_text("x\n")
    for found, looks in ((True, "."), (False, "^nothing$")):
        r = p.mig("file", "-t", "name='web1'", "-path", str(where), "-name", looks, "--json",
                  check=None)
        summary = answers_of(r)[1]
        assert summary["found"] == found and (name in r.stdout) is found, r.stdout
        key = attack.allow(summary["id"]), taken.ids["web1"]
        # the tap reads beside the server
        wait_for("the answer on the relay", lambda key=key: key in taken.tap.answers)
        said[found] = taken.tap.answers[key]
    secret = [name.encode(), b"foundanything", b'"elements"']
    seen = {f: f.read_bytes() for f in p.state.rglob("*") if f.is_file()}
    seen.update({"server.log": p.server.log.read_bytes(), "found": said[True], "not": said[False]})
    assert any(said[True][-200:] in x for f, x in seen.items() if "sqlite" in str(f))
    for f, data in seen.items():
        assert not [s for s in secret if s in data], f
    assert len(said[True]) == len(said[False]) and said[True][:4] == said[False][:4]


HELLO = {"id", "name", "version", "protocol", "mode", "os", "arch", "ident", "time", "connection",
         "environment", "tags", "addresses", "modules", "policy", "record", "known", "interval",
         "enrolment"}
ENVIRONMENT = {"os", "arch", "ident", "distro", "distroversion", "kernel", "init", "container",
               "sandbox", "uid"}


def test_what_a_hello_says_in_clear(taken, attack):
    """This and nothing else (doc/threat-model.md, what it sees in clear)."""
    with contextlib.closing(sqlite3.connect(taken.platform.state / "db" / "store.sqlite")) as db:
        rows = db.execute("SELECT hello FROM hellos").fetchall()
    heard = [json.loads(x[97:]) for x, in rows]
    assert {h["id"] for h in heard} >= set(taken.ids.values())
    for h in heard:
        assert set(h) <= HELLO and set(h["environment"]) == ENVIRONMENT, h
        assert set(h["policy"]) <= {"version", "hash", "refused"}, h
