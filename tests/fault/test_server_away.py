# SPDX-License-Identifier: MPL-2.0
"""The relay, the relay and the core, or the whole server are away while every agent
finishes what it was asked, and for so long that all of them have tried in
vain several times. The relay comes back empty. Then all answers arrive, once."""
import contextlib
import json
import os
import signal
import sqlite3

import pytest

import platformlib as lib
from miglib import wait_for

SERVER = "mig-server"
TRIES = 2


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("away"))
    yield p
    for a in p.agents.values():
        a.fault.disarm_all()
    p.stop()


def answered(agent, name):
    out = agent.run("report").stdout
    return sum(1 for line in out.splitlines() if " answered " in line) > \
        agent.before


@pytest.mark.parametrize("who", ["relay", "relay and core", "server"])
def test_away_while_agents_finish(p, who):
    lib.settled(p)
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES), 60)
    name = f"{who} away"
    agents = p.agents.values()
    for a in agents:
        out = a.run("report").stdout
        a.before = sum(1 for x in out.splitlines() if " answered " in x)
    held = [a.fault.hang("mig-agent", "job.worker_ended") for a in agents]
    client = lib.start_asking(p, name)
    for h in held:
        h.wait()
    back = None
    if who == "server":
        p.server.kill()
    else:
        back = p.fault.hang(SERVER, "parent.restart")
        for part in who.split(" and "):
            os.kill(lib.role(p, part), signal.SIGKILL)
        back.wait()
    logs = {a.name: a.daemon.log.stat().st_size for a in agents}
    for h in held:
        h.release()
    for a in agents:
        wait_for(f"{a.name} to finish", lambda a=a: answered(a, name), 60)

    def in_vain(a):
        with open(a.daemon.log, errors="replace") as f:
            f.seek(logs[a.name])
            return f.read().count("no connection") >= TRIES
    for a in agents:
        wait_for(f"{a.name} to try", lambda a=a: in_vain(a), 90)
    n, _ = lib.action_of(p, name)
    assert lib.rows(p, "SELECT COUNT(*) FROM answers WHERE action = ?",
                    n) == [(0,)]
    if back is None:
        p.start()
    else:
        back.release()
    out, err = client.communicate(timeout=120)
    # mig follows for a while only; what was launched goes on without it
    if client.returncode == lib.FOUND:
        assert json.loads(out.splitlines()[-1])["done"] == len(lib.NAMES)
    else:
        assert err, out
    wait_for("all answers", lambda: lib.rows(
        p, "SELECT status FROM actions WHERE n = ?", n) == [(1,)], 120)
    lib.check_again(p, lib.check_stored(p, name))


def test_actions_end_while_nobody_is_there(p):
    """Long enough that the core does not read them any more when it is back: they ended all the same."""
    lib.ask(p, "ends alone")
    state = "SELECT status FROM actions WHERE name = 'ends alone'"
    p.server.stop()
    with contextlib.closing(sqlite3.connect(p.state / "db" / "store.sqlite")) as db, db:
        db.execute("UPDATE actions SET status = 0, expected = 4, expire_after = expire_after - 3 * 86400"
                   " WHERE name = 'ends alone'")
    assert lib.rows(p, state) == [(0,)]
    p.start()
    wait_for("its end", lambda: lib.rows(p, state) == [(2,)], 20)


def test_roles_die_on_the_way(p):
    """The api and the core, twice each, on the way of one action (each of
    their steps: test_server_kill.py)."""
    lib.settled(p)
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES), 60)
    faults = [p.fault.kill(SERVER, point) for point in (
        "api.action", "core.action_stored", "core.answer_stored", "api.stream")]
    q = lib.ask(p, "roles die")
    assert q.returncode == lib.FOUND, (q.stdout[-500:], q.stderr)
    assert [f.fired for f in faults] == [1] * 4
    lib.check_again(p, lib.check_stored(p, "roles die"))
