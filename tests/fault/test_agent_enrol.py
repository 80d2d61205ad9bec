# SPDX-License-Identifier: MPL-2.0
"""Enrolment and the installation of a policy are killed at every step or find
a disk that takes nothing, and are done again: one identity, a whole state."""
import errno
import re
import signal

import pytest

from faultlib import Agent

pytestmark = pytest.mark.long

MONITOR, ENROL = "mig-agent", "mig-agent-enrol"

# the n-th file that is put into place, up to the last one of enrolment
FILES = 10
KILLS = ([(MONITOR, "enrol.begun"), (MONITOR, "enrol.asked"),
          (MONITOR, "enrol.answered"), (MONITOR, "enrol.filed"),
          (MONITOR, "policy.written")] +
         [(MONITOR, "file.renamed", n) for n in range(1, FILES + 1)] +
         [(MONITOR, "file.sync", n) for n in (1, 4, FILES)])
HELPER = [(ENROL, "enrolling.key"), (ENROL, "enrolling.answered")]
WRITES = ["/identity", "/machine", "/ca.crt", "/agent.key", "/relay",
          "/agent.crt", "/journal", "/record", "/policy.hash", "/policy"]


def identity(agent):
    path = agent.dir / "state" / "identity"
    return path.read_bytes() if path.exists() else None


def again(fleet, agent, before):
    """Enrols without a fault: works, and keeps what identity there was."""
    p = agent.enrol()
    assert p.returncode == 0, p.stderr
    if before is not None:
        assert identity(agent) == before
    left = [f.name for f in (agent.dir / "state").iterdir()
            if re.search(r"\.(tmp-.{6}|new|anew)$", f.name)]
    assert not left
    p = agent.run("check")
    assert p.returncode == 0, (p.stdout, p.stderr)
    assert "policy version 1 " in p.stdout


def test_the_lists_are_whole(fleet):
    agent = Agent(fleet, "whole", {})
    assert agent.enrol().returncode == 0
    assert agent.fault.count("file.renamed", MONITOR) == FILES
    there = {f"/{f.name}" for f in (agent.dir / "state").iterdir()}
    # locks and directories; what only a connection brings
    assert there - {"/lock", "/spool", "/connection"} <= set(WRITES), there


@pytest.mark.parametrize("number", range(len(KILLS)))
def test_enrolment_is_killed(fleet, number):
    agent = Agent(fleet, f"killed{number}", {})
    fault = agent.fault.kill(*KILLS[number])
    p = agent.enrol()
    assert fault.fired == 1 and p.returncode == -signal.SIGKILL
    again(fleet, agent, identity(agent))


@pytest.mark.parametrize("number", range(len(HELPER)))
def test_its_helper_is_killed(fleet, number):
    agent = Agent(fleet, f"helper{number}", {})
    fault = agent.fault.kill(*HELPER[number])
    p = agent.enrol()
    assert fault.fired == 1 and p.returncode == 1
    assert "enrol" in p.stderr
    again(fleet, agent, identity(agent))


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_disk_takes_no_file(fleet, number):
    agent = Agent(fleet, f"disk{number}", {})
    fault = agent.fault.error(MONITOR, "file.write", errno.ENOSPC,
                              what=WRITES[number])
    p = agent.enrol()
    assert fault.fired == 1 and p.returncode == 1
    assert "No space left" in p.stderr and WRITES[number] in p.stderr
    again(fleet, agent, identity(agent))
