# SPDX-License-Identifier: MPL-2.0
"""The disk of an agent takes nothing for a while: every call on every file
that it writes while it runs. Nothing runs that the journal does not have, the
investigator is told, nothing finished is lost, and it goes on by itself when
the disk takes writes again."""
import errno
import os
import pathlib
import subprocess

import pytest

import faultlib
from faultlib import ALWAYS, wait_for
from fleetlib import AGENTS, check_round, needle, settled, state_of

MONITOR, NET = "mig-agent", "mig-agent-net"

# What is answered; the call, the errno, of which file, how often, and what is
# killed before so that the call is made at all.
CALLS = [
    ("refused", "record.write", errno.ENOSPC, "/journal", ALWAYS, None),
    ("refused", "record.write", errno.EROFS, "/journal", 1, None),
    ("refused", "record.sync", errno.EIO, "/journal", ALWAYS, None),
    # neither asked nor answered can be written into it
    ("refused unrecorded", "record.write", errno.ENOSPC, "/record", ALWAYS,
     None),
    ("done", "record.sync", errno.EIO, "/record", 1, None),
    ("done", "file.open", errno.EROFS, "/spool/", ALWAYS, None),
    ("done", "file.write", errno.ENOSPC, "/spool/", ALWAYS, None),
    ("done", "file.sync", errno.EIO, "/spool/", ALWAYS, None),
    ("done", "spool.rename", errno.ENOSPC, "", ALWAYS, None),
    ("done", "spool.sync", errno.EIO, "", ALWAYS, None),
    ("done", "spool.read", errno.EIO, "", 1, None),
    ("done", "spool.read", errno.EIO, "", 2, None),
    ("done", "file.write", errno.ENOSPC, "/connection", 1,
     (NET, "net.envelope")),
]


def test_calls_fail(fleet):
    settled(fleet)
    faults, expected = [], {}
    for agent, call in zip(fleet.agents.values(), CALLS):
        want, name, number, what, times, kill = call
        agent.fault.forget()
        expected[agent.name] = (want, f"{agent.name} {call}")
        if kill is not None:
            agent.fault.kill(*kill)
        faults.append(agent.fault.error(MONITOR, name, number, times,
                                        what=what))
    for name in set(fleet.agents) - set(expected):
        fleet.agents[name].fault.forget()
    fleet.on_wait = lambda: all(f.fired for f in faults) and \
        [f.disarm() for f in faults]
    try:
        _, answers, _ = needle(fleet)
    finally:
        fleet.on_wait = None
    settled(fleet)
    check_round(fleet, expected, answers)
    # and as if nothing had been
    for agent in fleet.agents.values():
        agent.fault.forget()
    _, answers, _ = needle(fleet)
    check_round(fleet, {}, answers)
