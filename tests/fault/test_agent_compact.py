# SPDX-License-Identifier: MPL-2.0
"""The journal is made smaller at the start of an agent; it is killed at each
step of that, or the disk takes nothing. What was run stays known."""
import errno
import hashlib
import json

import pytest

from faultlib import wait_for
from fleetlib import session

MONITOR = "mig-agent"
KILLS = ["journal.compacting", "record.rewrite", "record.rename"]
DEAD = 1024 * 1024      # JOURNAL_DEAD_MAX / 8


def entries(agent):
    """Without the room behind them, which a killed agent leaves."""
    return (agent.dir / "state" / "journal").read_bytes().rstrip(b"\0")


@pytest.fixture(scope="module")
def agent(fleet):
    """One whose journal is full of documents of answered actions."""
    a = fleet.agents["a0"]
    draft = fleet.dir / "draft.json"
    fleet.mig("file", "-t", "name='a0'", "-path", str(fleet.haystack),
              "-name", "^needle$", "-p", "-o", str(draft), check=0)
    text = json.loads(draft.read_text())
    search = text["operations"][0]["parameters"]["searches"]["s1"]
    search["sha2"] = [hashlib.sha256(bytes([n % 256, n // 256])).hexdigest()
                      for n in range(14000)]
    search["options"]["matchall"] = False
    draft.write_text(json.dumps(text))
    journal = a.dir / "state" / "journal"
    while journal.stat().st_size < DEAD * 5 // 4:
        before = journal.stat().st_size
        code, answers, _ = fleet.ask("-i", str(draft))
        assert answers["a0"]["status"] == "done", (code, answers)
        assert journal.stat().st_size > before + 500000
    a.daemon.stop()
    fleet.dir.joinpath("draft.json").unlink()
    yield a
    if not a.daemon.alive():
        a.start()


@pytest.mark.parametrize("name", KILLS)
def test_killed_while_compacting(fleet, agent, name):
    journal = entries(agent)
    fault = agent.fault.kill(MONITOR, name)
    agent.start()
    agent.daemon.proc.wait(20)
    assert fault.fired == 1
    # a mark more, nothing less
    assert entries(agent)[:len(journal)] == journal
    wait_for("the end of its roles",
             lambda: not session(agent.daemon.proc.pid))


@pytest.mark.long
@pytest.mark.parametrize("name, what", [
    ("record.write", "/journal"), ("record.rewrite", "/journal"),
    ("record.sync", "/journal"), ("record.rename", "/journal")])
def test_no_room_for_compacting(fleet, agent, name, what):
    """Without room the agent does not start, and says so; nothing is lost."""
    journal = entries(agent)
    fault = agent.fault.error(MONITOR, name, errno.ENOSPC, what=what)
    agent.start()
    assert agent.daemon.proc.wait(20) == 1
    assert fault.fired == 1
    assert "No space left" in agent.daemon.tail(3)
    assert entries(agent)[:len(journal)] == journal


def test_compacted_in_the_end(fleet, agent):
    path = agent.dir / "state" / "journal"
    # what is known is still known: the same action again changes nothing
    agent.start()
    fleet.wait_online(len(fleet.agents))
    assert path.stat().st_size < DEAD
    assert not (agent.dir / "state" / "journal.new").exists()
    agent.fault.forget()
    action = json.loads(fleet.mig("actions", "--json", check=0).stdout)
    p = fleet.mig("results", action["actions"][0]["id"], "--json", "--show",
                  "all")
    assert json.loads(p.stdout.splitlines()[0])["status"] == "done"
    assert agent.fault.count("worker.limited") == 0
