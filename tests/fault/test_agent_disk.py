# SPDX-License-Identifier: MPL-2.0
"""The disk of an agent takes nothing for a while: every call on every file
that it writes while it runs. Nothing runs that the journal does not have, the
investigator is told, nothing finished is lost, and it goes on by itself when
the disk takes writes again."""
import errno

import pytest
import secrets

from faultlib import ALWAYS
from fleetlib import check_round, left_behind, needle, settled, started_again

MONITOR, NET = "mig-agent", "mig-agent-net"

# What is answered; the call, the errno, of which file, how often (or: from
# which one on, and how often), and what is killed before so that the call is
# made at all.
CALLS = [
    ("refused", "record.write", errno.ENOSPC, "/journal", ALWAYS, None),
    ("refused", "record.write", errno.EROFS, "/journal", 1, None),
    ("refused", "record.sync", errno.EIO, "/journal", ALWAYS, None),
    # accepted, but not answered and acknowledged
    ("done", "record.write", errno.ENOSPC, "/journal", (3, 2), None),
    # neither asked nor answered can be written into it
    ("refused unrecorded", "record.write", errno.ENOSPC, "/record", ALWAYS,
     None),
    ("done", "record.sync", errno.EIO, "/record", 1, None),
    ("done", "small.open", errno.EROFS, "", ALWAYS, None),
    ("done", "small.write", errno.ENOSPC, "", ALWAYS, None),
    ("done", "small.sync", errno.EIO, "", ALWAYS, None),
    ("done", "small.read", errno.EIO, "", 1, None),
    ("done", "spool.read", errno.EIO, "", 1, None),
    ("done", "spool.read", errno.EIO, "", 2, None),
    ("done", "file.write", errno.ENOSPC, "/connection", 1,
     (NET, "net.envelope")),
]

# The same of answers that get a file of their own.
LARGE_CALLS = [
    ("file.open", errno.EROFS, "/spool/"),
    ("file.write", errno.ENOSPC, "/spool/"),
    ("file.sync", errno.EIO, "/spool/"),
    ("spool.rename", errno.ENOSPC, ""),
    ("spool.sync", errno.EIO, ""),
]
LARGE_KILLS = [
    ("stopped", "file.write"), ("stopped", "file.sync"),
    ("stopped", "answer.recorded"), ("done", "spool.renamed"),
]


@pytest.mark.long
def test_large_answers(fleet):
    many = fleet.dir / "many"
    many.mkdir(mode=0o755)
    for _ in range(60):
        (many / ("needle" + secrets.token_urlsafe(150))).touch()
    settled(fleet)
    agents = list(fleet.agents.values())
    for agent in agents:
        agent.fault.forget()
    errors = [agent.fault.error(MONITOR, name, number, ALWAYS, 1, what=what)
              for agent, (name, number, what) in zip(agents, LARGE_CALLS)]
    killed = agents[len(LARGE_CALLS):len(LARGE_CALLS) + len(LARGE_KILLS)]
    kills = [agent.fault.kill(MONITOR, name)
             for agent, (_, name) in zip(killed, LARGE_KILLS)]
    fleet.on_wait = lambda: all(f.fired for f in errors) and \
        [f.disarm() for f in errors]
    try:
        _, answers, _ = fleet.ask("-t", "all", "-path", str(many), "-name",
                                  "^needle")
    finally:
        fleet.on_wait = None
    settled(fleet)
    assert not [f.text for f in kills if not f.fired]
    check_round(fleet, {agent.name: (want, name) for agent, (want, name)
                        in zip(killed, LARGE_KILLS)}, answers)
    assert not [x for agent in agents for x in left_behind(agent)]


def test_calls_fail(fleet):
    settled(fleet)
    faults, expected = [], {}
    for agent, call in zip(fleet.agents.values(), CALLS):
        want, name, number, what, times, kill = call
        agent.fault.forget()
        expected[agent.name] = (want, f"{agent.name} {call}")
        if kill is not None:
            agent.fault.kill(*kill)
        n, times = times if isinstance(times, tuple) else (1, times)
        faults.append(agent.fault.error(MONITOR, name, number, times, n,
                                        what=what))
        faults[-1].times = times
        if n > 1:
            behind, log = agent, len(agent.daemon.log.read_text())
    for name in set(fleet.agents) - set(expected):
        fleet.agents[name].fault.forget()
    fleet.on_wait = lambda: all(f.fired for f in faults) and \
        [f.disarm() for f in faults if f.times != 2]
    try:
        _, answers, _ = needle(fleet)
    finally:
        fleet.on_wait = None
    settled(fleet)
    check_round(fleet, expected, answers)
    # the journal knows of the answer by now, and needs no other witness
    started_again(fleet, behind, log)
    settled(fleet)
    behind.daemon.stop()
    for path in (behind.dir / "state" / "spool").iterdir():
        path.unlink()
    start = len(behind.daemon.log.read_text())
    behind.start()
    settled(fleet)
    assert "interrupted action=" not in \
        behind.daemon.log.read_text()[start:]
    # and as if nothing had been
    for agent in fleet.agents.values():
        agent.fault.forget()
    _, answers, _ = needle(fleet)
    check_round(fleet, {}, answers)
