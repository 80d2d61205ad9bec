# SPDX-License-Identifier: MPL-2.0
"""What an operator relies on: a store at its bound, a disk that is low, a store of the version before."""
import contextlib
import hashlib
import io
import json
import os
import re
import sqlite3
import subprocess
import tarfile

import pytest

from test_operating import (age, configure, enrolled, launch_refused, make_people,  # noqa: F401
                            make_server)
from miglib import one_back, program, wait_for

MIB = 1 << 20
HOUR, DAY = 3600, 86400


def online(api):
    return api.call("GET", "/status")[1]["agents"]["online"] == 1


def results(api, action):
    return [x["type"] for x in api.lines(f"/actions/{action}/results")]


def start_with(server, **keys):
    """With other bounds, and whatever health says of them: who asks, and its disk's state."""
    configure(server, **keys)
    server.start_unready()
    api = server.login()
    def low():
        j = server.https().call("GET", "/health")[1]
        return j["disk"] == "low" and j["relay"] == "up"
    wait_for("a low disk, and the relay", low)
    return api


def checked(server):
    """Whatever it thinks of the rest."""
    return subprocess.run([program("mig-server"), "-c", str(server.conf), "check"],
                          capture_output=True, text=True, timeout=30).stdout


def refused(server, api, word):
    status, error = launch_refused(server, api)
    assert (status, error["code"]) == (507, "storage") and word in error["message"], error


def takes_answers(api, agent, action):
    """Acknowledged as stored, and there to be read."""
    data = agent.answer_bytes(action)
    agent.send_part(action, 0, 1, data)
    assert agent.ack(action, 0) is True
    assert results(api, action)[0] == "answer"


def test_store_max(server):
    """Answers go before actions, the oldest first, and nothing that has not ended; then new actions
    are refused, answers stored, until an end makes room."""
    server.start()
    api = server.login()
    agent = enrolled(server, "s1")
    wait_for("the agent", lambda: online(api))
    old, late, large, small = [server.launch(api)["id"] for _ in range(4)]
    for _ in range(4):
        agent.expect(1)
    for i in (old, late, large):
        agent.answer(i, status=1, reason=0, sealed=os.urandom(MIB), operations=1)
    server.daemon.stop()
    agent.close()
    age(server, old, 2 * DAY)
    age(server, late, 2 * HOUR)
    configure(server, store_max="1m")
    before = server.command("prune", "--dry-run").stdout
    assert before.splitlines() == [
        "would remove 0 answers and 0 actions",
        "and about 2 answers and 1 action more, as the store is larger than store_max",
        "the store would be still larger than store_max; nothing else in it may go"]

    api = start_with(server, store_max="1m")
    assert api.call("GET", f"/actions/{old}")[0] == 404
    # one to which an answer may still come keeps its counts
    assert results(api, late) == ["end"]
    status, j = api.call("GET", f"/actions/{late}")
    assert "results_removed" in j and j["counts"]["answered"] == 1
    assert results(api, large) == ["answer", "end"]
    refused(server, api, "store_max")
    assert "larger than store_max (1 MiB)" in server.command("check", code=2).stdout
    agent.connect().hello()
    takes_answers(api, agent, small)

    age(server, large, HOUR)
    wait_for("room", lambda: api.call(
        "POST", "/actions", server.envelope(server.document()))[0] == 201)
    assert results(api, large) == ["end"] and results(api, small)[0] == "answer"
    assert server.https().call("GET", "/health")[1]["disk"] == "ok"
    assert "larger than" not in checked(server)


def test_low_disk(server):
    """Between disk_reserve and a quarter of it: no new action, and answers go on."""
    server.start()
    api = server.login()
    agent = enrolled(server, "l1")
    wait_for("the agent", lambda: online(api))
    action = server.launch(api)["id"]
    agent.expect(1)
    server.daemon.stop()
    agent.close()
    v = os.statvfs(server.state)
    api = start_with(server, disk_reserve=2 * v.f_bavail * v.f_frsize)
    refused(server, api, "disk_reserve")
    agent.connect().hello()
    takes_answers(api, agent, action)


def test_what_was_removed_is_given_back(server):
    """Not a mebibyte every ten minutes: the file becomes smaller until little of it is unused."""
    path = server.state / "db" / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE gone AS SELECT randomblob(12000000) AS x")
        db.execute("DROP TABLE gone")
        db.commit()
    server.start()

    def unused():
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("PRAGMA freelist_count").fetchone()[0]
    wait_for("a smaller file", lambda: unused() < 1024, 30)


# --- the version before -----------------------------------------------------------

def schema(server):
    with contextlib.closing(sqlite3.connect(server.state / "db" / "store.sqlite")) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def answered(server):
    """A server with an answer in its store, stopped: the agent, the action."""
    server.start()
    api = server.login()
    agent = enrolled(server, "v1")
    wait_for("the agent", lambda: online(api))
    action = server.launch(api)["id"]
    agent.expect(1)
    agent.answer(action)
    server.daemon.stop()
    agent.close()
    return agent, action


def serves(server, agent, action):
    """What was stored is there, and more is stored."""
    api = server.login()
    assert results(api, action)[0] == "answer"
    agent.connect().hello()
    wait_for("the agent", lambda: online(api))
    new = server.launch(api)["id"]
    agent.expect(1)
    takes_answers(api, agent, new)


def test_a_name_that_cannot_be_read_is_not_made_anew(server):
    """What agents and people know the installation by is made once."""
    path = server.state / "db" / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('instance', zeroblob(33))")
    server.daemon.start()
    wait_for("its words", lambda: "name of this installation is damaged" in server.daemon.log.read_text())
    server.daemon.stop()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'instance'").fetchall() == [(bytes(33),)]


def test_start_on_an_older_store(server):
    """The api waits for the core to bring the schema up; nobody dies of it."""
    agent, action = answered(server)
    path = server.state / "db" / "store.sqlite"
    version = one_back(path)
    p = server.command("status", code=1)
    assert f"schema version {version - 1}, expected {version}: the server brings it up" in p.stderr
    at = server.daemon.log.stat().st_size

    def log():
        return server.daemon.log.read_text()[at:]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")   # the core waits for this one
        server.daemon.start()
        wait_for("the api to wait", lambda: re.search(r"api\[\d+\] info waits ", log()))
        db.execute("ROLLBACK")
    server.wait_ready()
    assert schema(server) == version
    assert not re.search(r"\] (warn|error|fatal) |ended child", log()), log()
    assert len(re.findall(" info waits ", log())) == 1
    serves(server, agent, action)


def older_backup(path):
    """The same backup, as the version before made it."""
    with tarfile.open(path) as t:
        files = {m.name: (m, t.extractfile(m).read()) for m in t.getmembers()}
    store = path.with_suffix(".sqlite")
    store.write_bytes(files["db/store.sqlite"][1])
    version = one_back(store)
    data = store.read_bytes()
    text = files["MANIFEST"][1].decode()
    text = text.replace(f"schema {version}\n", f"schema {version - 1}\n")
    text = re.sub("(?m)^file db/store.sqlite .*$", f"file db/store.sqlite {len(data)} "
                  + hashlib.sha256(data).hexdigest(), text)
    text = re.sub("(?m)^sum .*\n", "", text)
    text += f"sum {hashlib.sha256(text.encode()).hexdigest()}\n"
    new = {"MANIFEST": text.encode(), "db/store.sqlite": data}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as t:
        for name, (member, content) in files.items():
            content = new.get(name, content)
            member.size = len(content)
            t.addfile(member, io.BytesIO(content))
    return version


def test_commands_beside_a_server_of_the_version_before(server):
    """They do not take its store away from it: its core could not be started anew."""
    server.start()
    version = one_back(server.state / "db" / "store.sqlite")
    assert "restart it first" in server.command("token", code=1).stderr
    assert schema(server) == version - 1
    server.daemon.stop()
    server.command("token")
    assert schema(server) == version


def test_restore_of_an_older_backup(server, tmp_path):
    """It is brought up before it is put into place."""
    agent, action = answered(server)
    backup = tmp_path / "mig.tar"
    server.command("backup", str(backup))
    version = older_backup(backup)
    p = server.command("restore", "--force", str(backup))
    assert f"schema {version - 1}" in p.stdout, p.stdout
    assert schema(server) == version
    at = server.daemon.log.stat().st_size
    server.start()
    assert not re.search(r"\] (warn|error|fatal) |ended child", server.daemon.log.read_text()[at:])
    serves(server, agent, action)


@pytest.mark.parametrize("what", ["answers", "actions"])
def test_answers_go_while_somebody_reads_them(server, tmp_path, what):
    """He gets whole ones, as long as there are some, and an end; beside a backup, which has all of them or none."""
    server.start()
    api = server.login()
    agent = enrolled(server, "reads")
    wait_for("the agent", lambda: online(api))
    action = server.launch(api)["id"]
    agent.expect(1)
    agent.answer(action)
    age(server, action, 40 * DAY)
    with contextlib.closing(sqlite3.connect(server.state / "db" / "store.sqlite", timeout=20)) as db, db:
        for _ in range(1500):       # three steps of what is removed at once
            db.execute("INSERT INTO answers (action, agent, received, status, reason, different, answer) SELECT action,"
                       " agent, received, status, reason, 1, randomblob(40000) FROM answers ORDER BY cursor LIMIT 1")
    reader = api.connect(60)
    reader.request("GET", f"/api/v1/actions/{action}/results", headers=api.headers())
    stream = reader.getresponse()
    first = json.loads(stream.readline())
    backup = tmp_path / "b.tar"
    copying = subprocess.Popen([program("mig-server"), "-c", str(server.conf), "backup", str(backup)],
                               stdout=subprocess.DEVNULL)
    server.command("prune", "--results", "5d", *(["--actions", "5d"] if what == "actions" else []))
    seen = [first, *map(json.loads, stream)]
    reader.close()
    assert 0 < sum(x["type"] == "answer" for x in seen) < 1501
    assert [x["cursor"] for x in seen[:-1]] == sorted({x["cursor"] for x in seen[:-1]})
    if what == "answers":
        assert seen[-1]["type"] == "end" and api.call("GET", f"/actions/{action}")[1]["results_removed"]
    else:
        assert api.call("GET", f"/actions/{action}")[0] == 404
    assert copying.wait(60) == 0
    assert "good: a backup" in server.command("backup", "--verify", str(backup)).stdout
    assert results(api, action) == ["end"] if what == "answers" else True
