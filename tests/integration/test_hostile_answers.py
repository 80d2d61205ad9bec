# SPDX-License-Identifier: MPL-2.0
"""Answers of an agent that is somebody else's: what they say cannot move a
cursor, turn text around, reach into a spreadsheet or name a file elsewhere; and
however they are packed, mig stays small and says what is wrong."""
import base64
import csv
import io
import json
import resource
import subprocess
import unicodedata

import pytest

from hostilelib import FOUND, Liar, Platform, zstd
from miglib import program
from test_client_local import ERROR, INCOMPLETE, gpg  # noqa: F401

# escape sequences, 8-bit ones, turned text, nothing to be seen, a look-alike
EVIL = ("\x1b]0;x\x07\x9b2J\u202egnp.exe\u2066\u200b\u200f\u061c\u2028\ufeff\u00ad"
        "\u3164\u2800\U000e0041\r\n\t\x7f\ud83d".encode("utf-8", "surrogatepass")
        .decode("utf-8", "replace"))
FORMULA = "=cmd|'/c calc'!A1"


@pytest.fixture(scope="module")
def liar(tmp_path_factory, gpg):
    p = Platform(tmp_path_factory.mktemp("hostile"), gpg)
    yield p
    p.stop()


def harmless(text, where):
    for c in text.replace("\n", "").replace("\t", ""):
        assert unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Cs"), (where, hex(ord(c)))
        assert c not in "\u3164\u2800\u115f", (where, hex(ord(c)))


def evil_result():
    return {**FOUND, "errors": [EVIL], "elements": {"s1" + EVIL: [{
        "file": "/tmp/" + EVIL, "search": {}, "fileinfo": {
            "size": 1, "mode": EVIL, "lastmodified": EVIL, "sha256": EVIL}}]},
        "statistics": {"notexamined": {EVIL: 3}}}


@pytest.mark.parametrize("words", [(), ("-json",), ("-csv",), ("-group",), ("-show", "all", "-v")])
def test_text_of_answers(liar, words):
    a = Liar("web" + EVIL)
    a.roster = {"state": "sent"}
    b = Liar("db" + EVIL)
    b.roster = {"state": EVIL}
    _, _, p = liar.ask(lambda action, doc: [(a.id, a.answer(action, doc, evil_result()))],
                       words=words, expected=[a, b])
    harmless(p.stdout, "stdout")
    harmless(p.stderr, "stderr")
    assert "/tmp/" in p.stdout, p.stdout
    if words == ("-json",):
        row = json.loads(p.stdout.splitlines()[0])
        assert row["operations"][0]["errors"] == [EVIL]     # nothing is lost in it


def test_text_of_lists(liar):
    a = Liar("web" + EVIL)
    a.tags = {"t" + EVIL: EVIL, "f": FORMULA}
    for args in ((), ("-json",), ("-csv",)):
        rows = [a.row(hello=a.hello(os=EVIL[:9], version=EVIL[:9])),
                {"id": "ff" * 32, "name": EVIL, "online": True, "trouble": EVIL},
                {"id": EVIL, "name": EVIL, "online": False, "hello": EVIL}]
        _, p = liar.agents(*rows, args=args, check=None)
        harmless(p.stdout + p.stderr, args)
        assert "web" in p.stdout, (args, p.stdout, p.stderr)
    _, p = liar.agents(a.row(hello=a.hello(name="=1+1")), args=("-csv",))
    table = list(csv.DictReader(io.StringIO(p.stdout)))
    assert len(table) == 1 and table[0]["id"] == a.id
    for args in (("trust", "list"), ("trust", "list", "-json"), ("trust", "export")):
        p = liar.mig(*args, check=0)
        harmless(p.stdout + p.stderr, args)


def test_words_of_the_server(liar):
    error = {"error": {"code": EVIL, "message": EVIL}}
    replies, before = liar.server.replies, dict(liar.server.replies)
    action = {"id": "ab" * 32, "name": EVIL, "status": EVIL, "created": EVIL, "expireafter": EVIL,
              "investigators": [EVIL], "counts": {EVIL: 1, "expected": 1}}
    try:
        replies["GET", "/api/v1/actions"] = (200, {"actions": [action], "next": None})
        for args in (("actions",), ("actions", "-json")):
            p = liar.mig(*args)
            harmless(p.stdout + p.stderr, args)
        replies["GET", "/api/v1/status"] = (200, {
            "version": EVIL, "relay": EVIL, "store": EVIL,
            "agents": {"registered": 1, "online": 1}})
        for args in (("status",), ("status", "-json")):
            p = liar.mig(*args)
            harmless(p.stdout + p.stderr, args)
        for path in ("/api/v1/actions", "/api/v1/agents", "/api/v1/status",
                     "/api/v1/actions/" + "ab" * 32):
            replies["GET", path] = (500, error)
        for args in (("actions",), ("agents",), ("status",), ("action", "show", "ab" * 32),
                     ("results", "ab" * 32)):
            p = liar.mig(*args, check=ERROR)
            harmless(p.stderr, args)
    finally:
        replies.clear()
        replies.update(before)


def test_formulas(liar):
    a = Liar(FORMULA)
    files = [FORMULA, "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1+1", 'a","=1']
    result = {**FOUND, "elements": {FORMULA: [{"file": f, "search": {}, "fileinfo": {}}
                                             for f in files]}}
    _, _, p = liar.ask(lambda action, doc: [(a.id, a.answer(action, doc, result))],
                       words=("-csv",))
    rows = list(csv.reader(io.StringIO(p.stdout)))
    assert len(rows) == 1 + len(files)
    assert {len(r) for r in rows} == {len(rows[0])}
    for cell in sum(rows, []):
        assert not cell.startswith(tuple("=+-@\t\r\uff1d")), cell


def test_files_of_agents(liar, tmp_path):
    """One file each, in the directory and nowhere else, whatever a name says."""
    names = ["../../evil", "/etc/passwd", "..", ".", "-rf", "a/b", "con", EVIL[:40], "web1",
             "web1", "x" * 250]
    crowd = [Liar(n) for n in names]
    out = tmp_path / "out"
    liar.ask(lambda action, doc: [(a.id, a.answer(action, doc)) for a in crowd])
    p = liar.mig("results", liar.action, "-o", out)
    assert p.stdout == "" and f"{len(crowd)} done" in p.stderr
    files = sorted(out.glob("*.json"))
    assert len(files) == len(crowd) and list(tmp_path.iterdir()) == [out]
    assert {f.name for f in out.iterdir()} - {f.name for f in files} == {".mig-action"}
    for f in files:
        assert f.is_file() and f.stat().st_mode & 0o777 == 0o600
        assert f.name[0] not in ".-" and f.name.isascii() and len(f.name) < 120
        row = json.loads(f.read_text())
        assert row["agent"][:12] in f.name
    assert {json.loads(f.read_text())["agent"] for f in files} == {a.id for a in crowd}
    # the same once more, but no other action's over them
    p = liar.mig("results", liar.action, "-o", out)
    assert f"{len(crowd)} done" in p.stderr
    before = {f: f.read_bytes() for f in out.iterdir()}
    first = liar.action
    liar.ask(lambda action, doc: [(a.id, a.answer(action, doc)) for a in crowd])
    p = liar.mig("results", liar.action, "-o", out, check=ERROR)
    assert f"answers to another action ({first[:12]})" in p.stderr
    assert {f: f.read_bytes() for f in out.iterdir()} == before


# --- sizes ---------------------------------------------------------------------

def header(size):
    """A zstd frame that claims this size and holds one empty block."""
    return b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + b"\x01\0\0"


def bombs(a):
    deep = b'{"foundanything":true,"success":true,"elements":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    wide = b'{"success":true,"success":true}'
    return [
        ("bomb", lambda i: zstd(bytes(100 << 20)), "at most"),
        ("claims 2^62", lambda i: header(1 << 62), "at most"),
        ("claims little", lambda i: header(5), "damaged"),
        ("two frames", lambda i: zstd(b"x") * 2, "not one zstd frame"),
        ("no frame", lambda i: b"\0" * 5000, "not one zstd frame"),
        ("deep", lambda i: zstd(a.plain(i, [(1, deep)])), "cannot be read"),
        ("twice", lambda i: zstd(a.plain(i, [(1, wide)])), "cannot be read"),
        ("no UTF-8", lambda i: zstd(a.plain(i, [(1, b'{"success":"\xff"}')])), "cannot be read"),
        ("a list", lambda i: zstd(a.plain(i, [(1, b"[]")])), "expected an object"),
        ("unknown status", lambda i: zstd(a.plain(i, [(9, b"x")])), "malformed"),
        ("parts that claim 2^32", lambda i: zstd(
            a.plain(i, [])[:-4] + b"\0\1\xff\xff\xff\xff"), "sealed"),
        ("more parts than said", lambda i: zstd(a.plain(i, [(1, b"{}")] * 64)), "announced"),
        ("another action", lambda i: zstd(a.plain("00" * 32, [(1, b"{}")])), "another action"),
        ("rest", lambda i: zstd(a.plain(i, [(1, b"{}")]) + b"more"), "after the last part"),
    ]


def test_bombs(liar):
    """All in one action, each from an agent of its own; in little memory."""
    crowd = [(n, Liar(f"b{n}")) for n in range(len(bombs(Liar())))]
    cases = []

    def make(action, doc):
        out = []
        for n, a in crowd:
            name, packed, says = bombs(a)[n]
            cases.append((name, a, says))
            out.append((a.id, a.answer(action, doc, packed=packed(action))))
        return out
    liar.answers(make)
    p = subprocess.run(
        [program("mig"), "file", "-path", "/etc", "-name", "^passwd$", "-v"],
        env=liar.person.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (300 << 20,) * 2))
    assert p.returncode == INCOMPLETE, p.stderr
    lines = p.stderr.splitlines()
    for name, a, says in cases:
        told = [x for x in lines if a.id[:12] in x or f" {a.name} " in x]
        assert any(says in x for x in told), (name, told)
    assert "0 found" in p.stderr


def test_what_came_before_the_server_went_away(liar):
    """Kept for the end, and shown though that is none."""
    a = Liar("early")

    def once(action, doc):
        path = "GET", f"/api/v1/actions/{action}/results"
        line = json.dumps({"type": "answer", "cursor": 1, "agent": a.id, "answer": base64.b64encode(
            a.answer(action, doc)).decode()}).encode() + b"\n"

        def cut(_):
            liar.server.replies[path] = (404, {"error": {"message": "gone"}})
            return 200, line
        asked.append((path, cut))
        return []
    asked = []
    liar.answers(once)
    post = liar.server.replies["POST", "/api/v1/actions"]

    def posted(body):
        reply = post(body)
        path, cut = asked[-1]
        liar.server.replies[path] = cut
        return reply
    liar.server.replies["POST", "/api/v1/actions"] = posted
    p = liar.mig("file", "-path", "/etc", "-name", "^passwd$", "-group", check=ERROR)
    assert "launched, but its answers cannot be followed" in p.stderr and "gone" in p.stderr
    assert p.stdout.startswith("1 agent: early\n  /etc/passwd ")
    assert "early" in liar.mig("trust", "list", check=0).stdout


MANY = {"file": "/x", "search": {}, "fileinfo": {"size": 1, "mode": "-", "lastmodified": ""}}


@pytest.mark.long
def test_an_earlier_answer_is_not_printed(liar):
    """Of a question to those who found something, which looks at the answers of before."""
    a = Liar("found")
    # as lines it fits to be shown, and not to be kept for the end
    entry = {**MANY, "file": "/" + "\u200b" * ((64 << 20) // 8 + 10_000)}
    large = json.dumps({**FOUND, "elements": {"s1": [entry]}}, ensure_ascii=False).encode()
    liar.ask(lambda action, doc: [(a.id, a.answer(action, doc, large))])
    first = liar.action
    _, _, p = liar.ask(lambda action, doc: [(a.id, a.answer(action, doc))], "-target-found", first)
    assert a.id in liar.doc["target"] and "200b" not in p.stdout and p.returncode == 0


@pytest.mark.parametrize("words", [(), ("-csv",)], ids=["text", "csv"])
def test_one_answer_too_large_hides_no_other(liar, words):
    """Packed it is small, in lines more than mig shows of one agent."""
    a, b = Liar("\x01" * 255), Liar("honest")
    large = json.dumps({**FOUND, "elements": {"s1": [MANY] * 70_000}}).encode()
    _, _, p = liar.ask(lambda action, doc: [(a.id, a.answer(action, doc, large)), (b.id, b.answer(action, doc))],
                       words=words, check=INCOMPLETE)
    assert "honest" in p.stdout and "/etc/passwd" in p.stdout and len(p.stdout) < 1000
    assert "too large to be shown" in p.stderr and "2 agents asked, 1 done, 2 found, 1 failed" in p.stderr
