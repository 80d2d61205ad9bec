# SPDX-License-Identifier: MPL-2.0
"""What mig remembers of agents, and how it marks those that changed, were
copied, went back, came late or were left out by a server that lies."""
import hashlib
import json
import subprocess
import time

import pytest

from hostilelib import Liar, Platform
from miglib import program
from test_client_local import ERROR, FOUND, INCOMPLETE, NOT_FOUND, gpg  # noqa: F401


@pytest.fixture(scope="module")
def shared(tmp_path_factory, gpg):
    p = Platform(tmp_path_factory.mktemp("trust"), gpg)
    yield p
    p.stop()


@pytest.fixture
def liar(shared):
    """The hostile platform; mig knows nobody."""
    shared.known.unlink(missing_ok=True)
    return shared


def one(agent, **how):
    return lambda action, doc: [(agent.id, agent.answer(action, doc, **how))]


def marks(rows):
    return [r.get("marks", []) for r in rows]


def known(liar):
    return {r["agent"]: r for r in map(
        json.loads, liar.mig("trust", "list", "-json").stdout.splitlines())}


def test_an_honest_agent_is_new_once(liar):
    a = Liar()
    answers, summary, p = liar.ask(one(a), check=FOUND)
    assert marks(answers) == [["new"]] and summary["leftout"] == summary["marks"] == []
    a.position += 2
    a.head = "22" * 32
    answers, _, p = liar.ask(one(a), check=FOUND)
    assert marks(answers) == [[]] and "warning" not in p.stderr
    row = known(liar)[a.id]
    assert row["name"] == "web1" and row["record"] == f"12:{'22' * 32}" and row["marks"] == ""
    line = liar.mig("trust", "list", check=0).stdout.splitlines()[1]
    assert line.split()[-1] == "12:" + "22" * 6


def test_a_name_with_another_id(liar):
    a, b = Liar(), Liar()
    liar.ask(one(a), check=FOUND)
    answers, summary, p = liar.ask(one(b), check=FOUND)
    assert marks(answers) == [["name taken"]]
    assert summary["marks"] == [{"reason": "name taken", "count": 1, "agents": ["web1"]}]
    assert f"web1 was agent {a.id[:12]}, now agent {b.id[:12]}" in p.stderr
    a.name = "other"
    answers, _, p = liar.ask(one(a), check=FOUND)
    assert marks(answers) == [["renamed"]] and "was known as web1" in p.stderr


def test_marks_of_names_stay_until_accepted(liar):
    """Whoever reads the second answer only is told as well."""
    a, b, c = Liar(), Liar(), Liar("db1")
    liar.agents(a.row(), b.row(), c.row())
    c.name = "web1"
    liar.agents(a.row(), b.row(), c.row())

    def all_three(action, doc):
        return [(x.id, x.answer(action, doc)) for x in (a, b, c)]
    for _ in range(2):
        answers, summary, p = liar.ask(all_three, check=FOUND)
        assert marks(answers) == [[], ["name taken"], ["renamed", "name taken"]]
        assert {m["reason"]: m["count"] for m in summary["marks"]} == {
            "name taken": 2, "renamed": 1}
        assert f"now agent {b.id[:12]} answers by that name" in p.stderr
        assert f"mig trust accept {b.id[:12]}" in p.stderr
        rows, p = liar.agents(a.row(), b.row(), c.row())
        assert marks(rows) == marks(answers)
        assert f"mig trust accept {c.id[:12]}" in p.stderr
    assert [known(liar)[x.id]["marks"] for x in (a, b, c)] == [
        "", "name taken", "renamed, name taken"]
    p = liar.mig("trust", "accept", b.id[:12], c.id, check=0)
    assert p.stderr == "2 agents accepted\n"
    answers, summary, p = liar.ask(all_three, check=FOUND)
    assert marks(answers) == [[], [], []] and summary["marks"] == []
    assert set(known(liar)) == {a.id, b.id, c.id}
    # what is wrong with a record is not a name's
    a.head = "99" * 32
    assert marks(liar.agents(a.row())[0])[0] == ["copied"]
    assert liar.mig("trust", "accept", "-all", check=0).stderr == "0 agents accepted\n"
    assert marks(liar.agents(a.row())[0])[0] == ["copied"]
    liar.mig("trust", "accept", "nobody", check=ERROR)
    liar.mig("trust", "accept", check=ERROR)


def test_two_records_at_one_position(liar):
    a = Liar()
    liar.agents(a.row())
    a.head = "33" * 32
    answers, summary, p = liar.ask(one(a), check=FOUND)
    assert marks(answers) == [["copied"]] and "its identity was copied" in p.stderr
    # until a person has looked at it
    a.position, a.head = 50, "44" * 32
    rows, p = liar.agents(a.row())
    assert marks(rows) == [["copied"]] and f"mig trust forget {a.id[:12]}" in p.stderr
    assert known(liar)[a.id]["marks"] == "copied"
    liar.mig("trust", "forget", a.id[:12], check=0)
    rows, p = liar.agents(a.row())
    assert marks(rows) == [["new"]] and "warning" not in p.stderr


def test_counters_that_run_in_parallel(liar):
    a = Liar()
    a.connection = 40
    now = int(time.time() * 1000)
    liar.agents(a.row(hello=a.hello(time=now)))
    a.position, a.head, a.connection = 11, "55" * 32, 7
    rows, _ = liar.agents(a.row(hello=a.hello(time=now + 3600_000)))
    assert marks(rows) == [["copied"]]


def test_a_record_that_went_back(liar):
    a = Liar()
    old = a.hello(time=int(time.time() * 1000) - 7200_000)
    a.position, a.head = 20, "66" * 32
    liar.agents(a.row())
    # an old hello again is the server's doing, and teaches nothing
    rows, p = liar.agents(a.row(hello=old))
    assert marks(rows) == [["old"]] and "older hello" in p.stderr
    assert known(liar)[a.id]["record"].startswith("20:") and known(liar)[a.id]["marks"] == ""
    # what is signed later with less is the agent's
    a.position, a.head = 15, "77" * 32
    rows, p = liar.agents(a.row(hello=a.hello(time=int(time.time() * 1000) + 3600_000)))
    assert marks(rows) == [["went back"]] and "restored" in p.stderr
    assert known(liar)[a.id]["record"].startswith("20:")


def test_an_old_hello_does_not_bring_an_old_name_back(liar):
    a = Liar("before")
    old = a.hello(time=int(time.time() * 1000) - 60_000)
    a.name = "after"
    liar.agents(a.row())
    rows, _ = liar.agents(a.row(hello=old))
    assert marks(rows) == [["old"]] and known(liar)[a.id]["name"] == "after"


def test_what_does_not_verify_teaches_nothing(liar):
    a, b = Liar(), Liar("db1")
    rows, p = liar.agents(a.row(hello=b.hello()), {**b.row(), "hello": "AAAA"})
    assert [r["verified"] for r in rows] == [False, False] and known(liar) == {}
    forged = bytearray(a.answer("00" * 32, {"seal": {"public": "A" * 43 + "="}}))
    liar.ask(lambda action, doc: [(a.id, bytes(forged))], check=INCOMPLETE)
    liar.ask(lambda action, doc: [(b.id, a.answer(action, doc))], check=INCOMPLETE)
    assert known(liar) == {}
    assert liar.mig("trust", "list").returncode == NOT_FOUND


def test_refusals_are_statements_too(liar):
    a = Liar()
    liar.agents(a.row())
    a.head = "88" * 32
    answers, _, _ = liar.ask(lambda action, doc: [(a.id, a.refusal(action))], check=INCOMPLETE)
    assert answers[0]["name"] == "web1" and marks(answers) == [["copied"]]


def test_numbers_that_no_file_keeps(liar):
    """They are no answer; what is known of all others stays readable."""
    a, b = Liar(), Liar("web2")
    liar.ask(one(a), check=FOUND)
    for b.position, when in (2**53 + 1, None), (2**64 - 1, None), (10, 2**62):
        _, summary, p = liar.ask(one(b, when=when), check=INCOMPLETE)
        assert summary["notbelieved"] == 1 and "more than 53 bits" in p.stderr
    assert list(known(liar)) == [a.id]
    p = liar.mig("trust", "forget", "web1", check=0)
    assert "damaged" not in p.stderr and not known(liar)


def test_left_out(liar):
    """Known agents that fit are missed, whatever the server's numbers say."""
    a, b, c = Liar(), Liar("web2"), Liar("db1")
    c.tags = {"role": "db"}
    liar.agents(a.row(), b.row(), c.row())
    target = ("-t", "tags->>'role'='web'")
    answers, summary, p = liar.ask(one(a), *target, expected=[a], check=INCOMPLETE)
    assert [x["agents"] for x in summary["leftout"]] == [["web2"]] and len(answers) == 1
    _, _, p = liar.ask(one(a), *target, expected=[a], check=INCOMPLETE, words=())
    assert "left out: known from here" in p.stderr and "(web2)" in p.stderr
    # who is said to be asked is not left out, but has not answered
    _, summary, _ = liar.ask(one(a), *target, expected=[a, b], check=INCOMPLETE)
    assert summary["leftout"] == [] and summary["missing"][0]["agents"] == ["web2"]
    # the list of agents is looked through as well
    rows, p = liar.agents(a.row(), c.row())
    assert [r["name"] for r in rows if r.get("marks") == ["left out"]] == ["web2"]
    assert "web2" in p.stderr
    # only those online were wished for: nobody can say
    _, summary, _ = liar.ask(one(a), "-t", "online", expected=[a], check=FOUND)
    assert summary["leftout"] == []
    p = liar.mig("results", liar.action, "-json", check=FOUND)
    assert "as the server says" in p.stderr
    del liar.server.replies["GET", f"/api/v1/actions/{liar.action}"][1]["delivery"]
    liar.mig("results", liar.action, "-json", check=INCOMPLETE)
    # gone for good: forgotten
    liar.mig("trust", "forget", "web2", check=0)
    _, summary, _ = liar.ask(one(a), *target, expected=[a], check=FOUND)
    assert summary["leftout"] == []


def test_who_does_not_fit_any_more_is_not_left_out(liar):
    """By what the agent itself has signed since; by nothing else."""
    a, b = Liar(), Liar("web2")
    liar.agents(a.row(), b.row())
    target = ("-t", "tags->>'role'='web'")
    old = b.hello()
    b.tags, b.connection, b.position = {"role": "db"}, 2, 11
    c = Liar("web2")
    c.id, c.tags, c.connection = b.id, b.tags, 2
    for hello in old, c.hello(), None:
        liar.listed({**b.row(), "hello": hello})
        _, summary, _ = liar.ask(one(a), *target, expected=[a], check=INCOMPLETE)
        assert [x["agents"] for x in summary["leftout"]] == [["web2"]]
    liar.listed(b.row())
    _, summary, p = liar.ask(one(a), *target, expected=[a], check=FOUND)
    assert summary["leftout"] == [] and "not know" not in p.stderr
    asked = [x for x in liar.server.requests if x[1].startswith("/api/v1/agents?")][-1]
    assert b.id in asked[1] and a.id not in asked[1]
    # it is known now, and nobody is asked for it again
    n = len(liar.server.requests)
    liar.ask(one(a), *target, expected=[a], check=FOUND)
    assert not [x for x in liar.server.requests[n:] if x[1].startswith("/api/v1/agents?")]


def test_left_out_by_a_wish_that_nobody_had(liar):
    """What was sent for all was not sent for who was online."""
    a, b = Liar(), Liar("web2")
    liar.agents(a.row(), b.row())
    liar.ask(one(a), expected=[a, b], check=INCOMPLETE)
    path = f"/api/v1/actions/{liar.action}"
    for p in path, path[:-52]:
        liar.server.replies["GET", p][1]["delivery"] = "online"
    liar.server.replies["GET", path + "/agents"] = (200, json.dumps(
        {"agent": a.id, "name": a.name, "state": "answered", "online": True}).encode() + b"\n")
    p = liar.mig("results", "-json", check=INCOMPLETE)
    assert "was sent from here for all" in p.stderr
    assert json.loads(p.stdout.splitlines()[-1])["leftout"][0]["agents"] == ["web2"]
    # nobody here said it: the server's word is all there is
    (liar.known.parent / "actions").unlink()
    p = liar.mig("results", liar.action, "-json", check=FOUND)
    assert "as the server says" in p.stderr


def aged(liar, days):
    """What is known, as if it were of so many days ago."""
    lines = []
    for line in liar.known.read_text().splitlines():
        o = json.loads(line.split(" ", 1)[1])
        for key in ("first", "seen", "recorded", "rowseen", "lapsed"):
            if key in o:
                o[key] -= days * 86400
        text = json.dumps(o, separators=(",", ":"))
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {text}\n")
    liar.known.write_text("".join(lines))


def test_left_out_for_long(liar):
    """Who is hidden for 30 days does not go without a word; but it is said once."""
    a, b, c = Liar(), Liar("web2"), Liar("db1")
    c.tags = {"role": "db"}
    target = ("-t", "tags->>'role'='web'")
    liar.agents(a.row(), b.row(), c.row())
    aged(liar, 29)
    _, summary, _ = liar.ask(one(a), *target, expected=[a], check=INCOMPLETE)
    assert [x["agents"] for x in summary["leftout"]] == [["web2"]]
    assert "30 days" not in summary["leftout"][0]["reason"]
    aged(liar, 2)
    # who was asked, or whether, is for the server's list to say
    _, summary, _ = liar.ask(one(a), *target, expected=[a, b], check=INCOMPLETE)
    assert summary["leftout"] == []
    _, summary, p = liar.ask(one(a), *target, expected=[a], check=INCOMPLETE)
    assert [x["agents"] for x in summary["leftout"]] == [["web2"]]
    assert "30 days" in summary["leftout"][0]["reason"]
    assert "mig trust forget" in summary["leftout"][0]["reason"]
    _, summary, _ = liar.ask(one(a), *target, expected=[a], check=FOUND)
    assert summary["leftout"] == []
    # the list says it of who was not said yet
    rows, p = liar.agents(a.row())
    assert [(r["name"], r["marks"]) for r in rows if "marks" in r] == [("db1", ["lapsed"])]
    assert f"agent {c.id[:12]} (db1): left out by the server" in p.stderr
    rows, p = liar.agents(a.row())
    assert len(rows) == 1 and "warning" not in p.stderr
    # seen again, it is missed again, and told of again
    liar.agents(a.row(), b.row())
    assert [r.get("marks") for r in liar.agents(a.row())[0]] == [None, ["left out"]]
    aged(liar, 31)
    assert [r.get("marks") for r in liar.agents(a.row())[0]] == [None, ["lapsed"]]
    # an answer is seen as well as a hello
    liar.ask(one(b), *target, expected=[b])
    assert [r.get("marks") for r in liar.agents(a.row())[0]] == [None, ["left out"]]


def test_enrolled_after_the_action(liar):
    a = Liar()
    a.roster = {"enrolled": int(time.time() + 3600) * 1000}
    liar.ask(one(a), expected=[a], check=FOUND)
    p = liar.mig("results", liar.action, "-json", check=FOUND)
    rows = [json.loads(x) for x in p.stdout.splitlines()]
    assert rows[0]["marks"] == ["enrolled later"]
    assert rows[-1]["marks"][0]["reason"] == "enrolled later"
    a.roster["enrolled"] = 1000
    p = liar.mig("results", liar.action, "-json", check=FOUND)
    assert "marks" not in json.loads(p.stdout.splitlines()[0])


def test_damaged_file_and_old_lines(liar):
    a, b = Liar(), Liar("web2")
    liar.agents(a.row(), b.row())
    lines = liar.known.read_text().splitlines()
    assert len(lines) == 2
    text = lines[0].replace('"position":10', '"position":99') + "\n" + lines[1] + "\n"
    liar.known.write_text(f"{'ab' * 32} 17 old one\n" + text)
    p = liar.mig("trust", "list", "-json", check=0)
    assert {json.loads(x)["name"] for x in p.stdout.splitlines()} == {"old one", "web2"}
    assert "line 2 is damaged" in p.stderr
    rows, p = liar.agents(a.row(), b.row())
    assert marks(rows[:2]) == [["new"], []] and "line 2 is damaged" in p.stderr
    liar.known.write_bytes(b"\xff\x00" * 100_000)
    assert liar.mig("trust", "list").returncode == NOT_FOUND
    liar.ask(one(a), check=FOUND)
    assert a.id in known(liar)


def test_export_and_import(liar, tmp_path):
    a, b = Liar(), Liar("web2")
    liar.agents(a.row(), b.row())
    out = tmp_path / "export"
    liar.mig("trust", "export", "-o", out, check=0)
    liar.known.unlink()
    p = liar.mig("trust", "import", out, check=0)
    assert p.stderr.startswith("2 new, 0 newer")
    p = liar.mig("trust", "import", out, check=0)
    assert "2 already known" in p.stderr
    # another opinion is left out
    liar.mig("trust", "forget", "-all", check=0)
    c = Liar("web1")
    liar.agents(c.row())
    p = liar.mig("trust", "import", out, check=INCOMPLETE)
    assert p.stderr.startswith("1 new") and "1 told otherwise" in p.stderr
    assert set(known(liar)) == {b.id, c.id}
    before = liar.known.read_bytes()
    for bad in (out.read_bytes()[:-1], b"junk\n", out.read_bytes().replace(b"web1", b"web7")):
        (tmp_path / "bad").write_bytes(bad)
        liar.mig("trust", "import", tmp_path / "bad", check=ERROR)
    assert liar.known.read_bytes() == before
    liar.mig("trust", "forget", "nobody", check=ERROR)
    liar.mig("trust", "forget", check=ERROR)


def test_no_import_gives_a_name_that_another_has(liar, tmp_path):
    """Nor to one of whom only a refusal, which has no name, was seen."""
    a, b = Liar(), Liar()
    liar.agents(a.row())
    liar.mig("trust", "export", "-o", tmp_path / "export", check=0)
    liar.mig("trust", "forget", "-all", check=0)
    liar.agents(b.row())
    a.position, a.head = 9, "99" * 32
    liar.ask(lambda action, doc: [(a.id, a.refusal(action))], check=INCOMPLETE)
    p = liar.mig("trust", "import", tmp_path / "export", check=INCOMPLETE)
    assert "1 told otherwise" in p.stderr
    assert {k: r["name"] for k, r in known(liar).items()} == {a.id: "", b.id: "web1"}


def test_clients_beside_each_other_lose_nothing(liar):
    crowd = [Liar(f"n{i}") for i in range(6)]
    liar.agents(*(a.row() for a in crowd))
    run = [program("mig"), "trust", "forget", crowd[0].id]
    argv = [[program("mig"), "agents", "-json"] for _ in range(4)] + [run]
    procs = [subprocess.Popen(x, env=liar.person.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for x in argv]
    for p in procs:
        _, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
    rows = known(liar)
    assert {a.id for a in crowd[1:]} <= set(rows)
    assert "damaged" not in liar.mig("trust", "list").stderr
