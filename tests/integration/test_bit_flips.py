# SPDX-License-Identifier: MPL-2.0
"""One bit changed in a file that a real agent has stored: never another
meaning, and words about it. (Every bit of every format: the unit tests.)"""
import json
import struct
import time

import pytest

from miglib import binary, wait_for
from spoollib import small_ones
from test_agent_once import (REPLAY_FLOOR, Agent, document, envelope, found,  # noqa: F401
                             gpg)

DAMAGED = 21  # src/action/refusal.h


@pytest.fixture
def agent(tmp_path, gpg):  # noqa: F811
    tmp_path.chmod(0o755)
    return Agent(tmp_path, gpg).install()


def flip(path, at, bit):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def test_a_weight_in_the_policy(agent, gpg, found):  # noqa: F811
    """"minimumweight": 2 becomes 0 by one bit: it would let anybody ask."""
    policy = agent.where / "state" / "policy"
    at = policy.read_bytes().index(b'"minimumweight": 2') + len('"minimumweight": ')
    flip(policy, at, 1)
    assert b'"minimumweight": 0' in policy.read_bytes()
    run, answer = agent.once(envelope(gpg, document(gpg, found)))
    assert run.returncode == 1 and answer is None
    assert "policy.hash" in run.stderr and "mig-agent policy" in run.stderr
    assert "policy.hash" in agent.run("check").stderr
    # and the words say what helps
    agent.install(version=2)
    assert agent.once(envelope(gpg, document(gpg, found)))[0].returncode == 0


def test_a_digit_of_the_identity(agent, gpg, found):  # noqa: F811
    identity = agent.where / "state" / "identity"
    head = len("mig-identity 3\n")
    # "f" would become a "g", which is another error
    at = next(i for i, c in enumerate(identity.read_bytes()) if i > head and chr(c) in "012345678bcde")
    flip(identity, at, 0)
    run, answer = agent.once(envelope(gpg, document(gpg, found)))
    assert run.returncode == 1 and answer is None
    assert "damaged" in run.stderr and str(identity) in run.stderr
    flip(identity, at, 0)
    assert agent.once(envelope(gpg, document(gpg, found)))[0].returncode == 0


def entries(data):
    """Offsets of the entries of a record file (src/record/record.h)."""
    at, out = 16, []
    while at < len(data):
        out.append(at)
        at += 40 + struct.unpack(">I", data[at:at + 4])[0]
    return out


@pytest.mark.parametrize("bit", [0, 7, 13, 20])
def test_the_length_of_the_journals_last_entry(agent, gpg, found, bit):  # noqa: F811
    """It looks as if a crash had cut it; taken so, the action would run twice."""
    env = envelope(gpg, document(gpg, found))
    assert agent.once(env)[0].returncode == 0
    journal = agent.where / "state" / "journal"
    data = journal.read_bytes()
    # the entry that says "accepted and started" is the last one but for this
    last = entries(data)[-1]
    journal.write_bytes(data[:last])
    last = entries(data[:last])[-1]
    flip(journal, last + 3 - bit // 8, bit % 8)
    time.sleep(1.1)  # signatures have whole seconds
    assert agent.refused(env) == REPLAY_FLOOR
    assert list(journal.parent.glob("journal.damaged-*"))


def test_an_answer_in_the_spool(platform, tmp_path):
    """It gives way to a refusal that says so; the server would never take it."""
    agent = platform.agents["db1"]
    agent.daemon.stop()
    p = platform.mig("file", "-s", "-t", "name='db1'", "-path", str(tmp_path), "-name", "x", check=0)
    path = tmp_path / "envelope"
    path.write_bytes(binary(json.loads(p.stdout)))
    ran = agent.run("--once", str(path))
    assert ran.returncode == 0, ran.stderr
    action = json.loads(ran.stdout)["action"]
    spool = agent.dir / "state" / "spool"
    at, length = small_ones(spool)[action]
    flip(spool / "small", at + length - 100, 3)
    agent.start()
    wait_for("the damage to be seen", lambda: "answer_damaged action=" + action[:12] in agent.daemon.tail(1000))

    def last():
        rows = [json.loads(x) for x in agent.run("report", "--json").stdout.splitlines()]
        mine = [r for r in rows if r.get("action") == action and r["type"] == "answered"]
        return mine[-1]["status"], mine[-1].get("reason")

    wait_for("a refusal in its place", lambda: last() == ("refused", DAMAGED))
    platform.wait_online(3)
