# SPDX-License-Identifier: MPL-2.0
"""The main job, end to end: one command, every targeted agent answers."""
import csv
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import time

import pytest

from miglib import BIN, answers_of, wait_for

FOUND, NOT_FOUND, ERROR = 0, 1, 2


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    d = tmp_path_factory.mktemp("tree")
    (d / "etc").mkdir()
    (d / "etc" / "passwd").write_text("root:x:0:0\nalice:x:1000\n")
    (d / "etc" / "other").write_text("nothing to see\n")
    (d / "many").mkdir()
    for i in range(3000):
        (d / "many" / f"a-file-with-a-rather-long-name-{i:05}").touch()
    d.chmod(0o755)
    for parent in d.parents:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def elements(answer, operation=0):
    return answer["operations"][operation]["elements"]["s1"]


def test_all_agents_answer(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "-content", "^root", "--json", check=FOUND)
    answers, summary = answers_of(p)
    assert sorted(a["name"] for a in answers) == ["db1", "web1", "web2"]
    for a in answers:
        assert [e["file"] for e in elements(a)] == [f"{tree}/etc/passwd"]
    assert summary["sent"] == 3
    assert summary["done"] == 3
    assert summary["found"] == 3
    assert summary["failed"] == 0


def test_people_read_it(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", check=FOUND)
    lines = [x for x in p.stdout.splitlines() if "/etc/passwd" in x]
    assert len(lines) == 3
    assert lines[0].split()[0] in ("db1", "web1", "web2")
    assert "found" in p.stdout + p.stderr


def test_double_dash_flags_are_the_same(platform, tree):
    p = platform.mig("file", "-t", "all", "--path", str(tree), "--name",
                     "^passwd$", "--json", check=FOUND)
    assert len(answers_of(p)[0]) == 3


def test_target_by_tag(platform, tree):
    p = platform.mig("file", "-t", "tags->>'role'='web'", "-path", str(tree),
                     "-name", "^passwd$", "--json", check=FOUND)
    answers, summary = answers_of(p)
    assert sorted(a["name"] for a in answers) == ["web1", "web2"]
    assert summary["sent"] == 2


def test_target_like_the_original(platform, tree):
    p = platform.mig("file", "-t",
                     "name LIKE 'web%' AND environment->>'os'='linux' AND "
                     "tags->>'operator'='opsec'", "-path", str(tree),
                     "-name", "^passwd$", "--json", check=FOUND)
    assert len(answers_of(p)[0]) == 2


def test_not_found_has_its_exit_code(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^nosuch$", "--json", check=NOT_FOUND)
    answers, summary = answers_of(p)
    assert len(answers) == 3
    assert summary["found"] == 0 and summary["done"] == 3


def test_nobody_targeted_is_an_error(platform, tree):
    p = platform.mig("file", "-t", "name='nobody'", "-path", str(tree),
                     "-name", "x", check=ERROR)
    assert "no agent" in p.stderr.lower()


def test_wrong_target_is_refused_in_words(platform, tree):
    p = platform.mig("file", "-t", "nmae='web1'", "-path", str(tree),
                     "-name", "x", check=ERROR)
    assert "nmae" in p.stderr


def test_group(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--group", check=FOUND)
    assert p.stdout.count("/etc/passwd") == 1
    assert "3" in p.stdout


def test_csv(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--csv", check=FOUND)
    rows = list(csv.DictReader(io.StringIO(p.stdout)))
    assert len(rows) == 3
    assert {r["file"] for r in rows} == {f"{tree}/etc/passwd"}


def test_several_operations_of_a_v2_file(platform, tree, tmp_path):
    """The original's action file, syntaxversion 2, with two operations."""
    search = {"s1": {"paths": [str(tree)], "names": ["^passwd$"],
                     "options": {"matchall": True}}}
    action = {"name": "old file", "target": "status='online'",
              "syntaxversion": 2, "description": {"author": "x"},
              "threat": {"level": "info"},
              "operations": [
                  {"module": "file", "parameters": {"searches": search}},
                  {"module": "file", "parameters": {"searches": search}}]}
    path = tmp_path / "action.json"
    path.write_text(json.dumps(action))
    p = platform.mig("-i", str(path), "-t", "all", "--json", check=FOUND)
    answers, _ = answers_of(p)
    assert len(answers) == 3
    assert all(len(a["operations"]) == 2 for a in answers)


def test_results_again_and_listings(platform, tree):
    p = platform.mig("file", "-n", "again please", "-t", "all", "-path",
                     str(tree), "-name", "^passwd$", "--json", check=FOUND)
    ident = answers_of(p)[1]["id"]
    again = platform.mig("results", ident[:12], "--json", check=FOUND)
    first = {a["name"]: a["operations"] for a in answers_of(p)[0]}
    second = {a["name"]: a["operations"] for a in answers_of(again)[0]}
    assert first == second
    assert "again please" in platform.mig("actions", check=0).stdout
    shown = platform.mig("action", "show", ident, check=0).stdout
    assert "again please" in shown and "^passwd$" in shown
    agents = platform.mig("agents", check=0).stdout
    assert "web1" in agents and "db1" in agents
    some = platform.mig("agents", "-t", "name='db1'", check=0).stdout
    assert "web1" not in some and "db1" in some
    assert platform.status()["agents"]["registered"] == 3


def test_ten_thousand_hashes_are_pulled(platform, tree):
    """An envelope past the broadcast limit travels in parts."""
    content = (tree / "etc" / "passwd").read_bytes()
    wanted = hashlib.sha256(content).hexdigest()
    hashes = [hashlib.sha256(str(i).encode()).hexdigest()
              for i in range(9999)] + [wanted]
    search = {"s1": {"paths": [str(tree / "etc")], "sha2": hashes,
                     "options": {"matchall": False, "matchlimit": 10}}}
    action = {"name": "many", "target": "all", "syntaxversion": 2,
              "operations": [{"module": "file",
                              "parameters": {"searches": search}}]}
    path = platform.dir / "many.json"
    path.write_text(json.dumps(action))
    p = platform.mig("-i", str(path), "-t", "all", "--json", "-show", "found",
                     check=FOUND)
    answers, summary = answers_of(p)
    assert summary["done"] == 3 and summary["found"] == 3


def test_a_large_answer_travels_in_parts(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree / "many"),
                     "-name", "a-file", "-matchlimit", "5000", "-returnsha256",
                     "--json", check=FOUND)
    answers, _ = answers_of(p)
    assert [len(elements(a)) for a in answers] == [3000] * 3


def test_platform_cannot_read_answers(platform, tree):
    """What was found stands in no file of the server."""
    marker = "secret-name-%d" % os.getpid()
    (tree / "etc" / marker).write_text("x")
    platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                 "^secret-name-[0-9]+$", check=FOUND)
    for base, _, files in os.walk(platform.state):
        for name in files:
            path = os.path.join(base, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    assert marker.encode() not in f.read(), path


def test_owner_of_the_endpoint_sees_what_was_asked(platform, tree):
    platform.mig("file", "-n", "look at the report", "-t", "all", "-path",
                 str(tree), "-name", "^passwd$", check=FOUND)
    out = platform.agents["web1"].run("report").stdout
    assert "look at the report" in out
    assert "Alice Demo" in out or platform.fpr.lower() in out.lower()


def test_agent_that_was_away_answers_later(platform, tree):
    away = platform.agents["db1"]
    away.daemon.stop()
    wait_for("db1 offline", lambda: platform.status()["agents"]["online"] == 2)
    proc = subprocess.Popen(
        [str(BIN / "mig"), "file", "-t", "all", "-path", str(tree), "-name",
         "^passwd$", "-e", "2m", "--json"], env=platform.env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    wait_for("two answers", lambda: any(
        a["counts"]["answered"] == 2 and a["counts"]["expected"] == 3
        for a in listed(platform)))
    away.start()
    out, err = proc.communicate(timeout=60)
    assert proc.returncode == FOUND, err
    names = sorted(json.loads(x)["name"] for x in out.splitlines()[:-1])
    assert names == ["db1", "web1", "web2"]
    platform.wait_online(3)


def listed(platform):
    return json.loads(platform.mig("actions", "--json",
                                   check=0).stdout)["actions"]


def test_who_did_not_answer_is_named(platform, tree):
    away = platform.agents["db1"]
    away.daemon.stop()
    try:
        wait_for("db1 offline",
                 lambda: platform.status()["agents"]["online"] == 2)
        start = time.monotonic()
        p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                         "^passwd$", "-e", "4s", timeout=60)
        assert time.monotonic() - start < 30
        assert p.returncode not in (FOUND, NOT_FOUND)
        assert "db1" in p.stdout + p.stderr
        assert "offline" in p.stdout + p.stderr
    finally:
        away.start()
        platform.wait_online(3)


def test_agent_killed_and_back(platform, tree):
    agent = platform.agents["web2"]
    agent.daemon.kill()
    agent.start()
    platform.wait_online(3)
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--json", check=FOUND)
    assert answers_of(p)[1]["done"] == 3


def test_server_killed_and_back(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--json", check=FOUND)
    ident = answers_of(p)[1]["id"]
    platform.server.kill()
    platform.start()
    platform.wait_online(3, 60)
    again = platform.mig("results", ident, "--json", check=FOUND)
    assert answers_of(again)[1]["done"] == 3
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--json", check=FOUND)
    assert answers_of(p)[1]["done"] == 3


def broker_pids(platform):
    out = subprocess.run(["pgrep", "-f",
                          f"mosquitto.*{platform.state}"],
                         capture_output=True, text=True, check=False)
    return [int(x) for x in out.stdout.split()]


def test_relay_killed_and_back(platform, tree):
    before = wait_for("the relay", lambda: broker_pids(platform))
    os.kill(before[0], 9)
    wait_for("another relay", lambda: broker_pids(platform) and
             broker_pids(platform) != before)
    platform.wait_online(3, 60)
    p = platform.mig("file", "-t", "all", "-path", str(tree), "-name",
                     "^passwd$", "--json", check=FOUND)
    assert answers_of(p)[1]["done"] == 3


def test_no_descriptor_or_process_is_left(platform, tree):
    """Fifty actions later nobody holds more than before."""
    def held():
        total = 0
        for a in platform.agents.values():
            total += len(os.listdir(f"/proc/{a.daemon.proc.pid}/fd"))
        return total
    platform.mig("file", "-t", "all", "-path", str(tree), "-name", "^x$")
    before = held()
    for _ in range(10):
        platform.mig("file", "-t", "all", "-path", str(tree), "-name", "^x$",
                     check=NOT_FOUND)
    wait_for("descriptors as before", lambda: held() <= before)


def test_stored_answers_carry_no_plain_status(platform):
    """Found or not found is sealed: no column of the store tells it."""
    dbs = [os.path.join(b, f) for b, _, fs in os.walk(platform.state)
           for f in fs if f.endswith((".db", ".sqlite"))]
    assert dbs
    for path in dbs:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            for (sql,) in db.execute("SELECT sql FROM sqlite_master"):
                assert "found" not in (sql or "").lower()
