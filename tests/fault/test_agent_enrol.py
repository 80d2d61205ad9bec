# SPDX-License-Identifier: MPL-2.0
"""Enrolment and the installation of a policy are killed at every step or find
a disk that takes nothing, and are done again: one identity, a whole state."""
import concurrent.futures
import errno
import json
import os
import re
import signal

import pytest

from faultlib import HANG, KILL, Agent, cases
from miglib import wait_for
from procs import children_map

MONITOR, ENROL = "mig-agent", "mig-agent-enrol"

# the n-th file that is put into place, up to the last one of enrolment
FILES = 10
KILLS = ([(MONITOR, "enrol.begun"), (MONITOR, "enrol.asked"),
          (MONITOR, "enrol.answered"), (MONITOR, "enrol.filed"),
          (MONITOR, "policy.written")] +
         [(MONITOR, "file.renamed", n) for n in range(1, FILES + 1)] +
         [(MONITOR, "file.sync", n) for n in (1, 4, FILES)])
HELPER = ["enrolling.key", "enrolling.answered"]
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


@pytest.mark.parametrize("where", cases(KILLS, 2, 12), ids=lambda x: "-".join(map(str, x)))
def test_enrolment_is_killed(fleet, where):
    agent = Agent(fleet, "-".join(map(str, where)), {})
    fault = agent.fault.kill(*where)
    p = agent.enrol()
    assert fault.fired == 1 and p.returncode == -signal.SIGKILL
    again(fleet, agent, identity(agent))


def ended_early(p):
    assert p.returncode == 1
    assert re.search(r"mig-agent-enrol, .* ended before it had an answer \(killed by SIG[A-Z]+: ", p.stderr), p.stderr
    assert "run the same command again" in p.stderr


def test_its_helper_is_gone_before_it_is_told(fleet):
    agent = Agent(fleet, "gone", {})
    fault = agent.fault.arm(MONITOR, "enrol.begun", HANG)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        p = pool.submit(agent.enrol)
        fault.wait()
        helper, = wait_for("its helper", lambda: children_map().get(fault.pid))
        os.kill(helper, signal.SIGKILL)
        wait_for("its end", lambda: "State:\tZ" in open(f"/proc/{helper}/status").read())
        fault.release()
        ended_early(p.result())
    again(fleet, agent, identity(agent))


@pytest.mark.parametrize("point", HELPER)
def test_its_helper_is_killed(fleet, point):
    agent = Agent(fleet, point, {})
    fault = agent.fault.kill(ENROL, point)
    p = agent.enrol()
    assert fault.fired == 1
    ended_early(p)
    again(fleet, agent, identity(agent))


def test_its_helper_is_killed_by_its_filter(fleet):
    agent = Agent(fleet, "filter", {})
    fault = agent.fault.hang(ENROL, HELPER[0])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        enrolling = pool.submit(agent.enrol)
        os.kill(fault.wait().pid, signal.SIGSYS)
        p = enrolling.result()
    assert p.returncode == 1 and "(killed by SIGSYS: a system call that its sandbox forbids)" in p.stderr, p.stderr
    again(fleet, agent, identity(agent))


def test_its_policy_comes_by_a_pipe(fleet):
    agent = Agent(fleet, "pipe", {})
    p = agent.run("enrol", fleet.url, "--ca", fleet.ca, "--token", fleet.token(), "--policy", "-",
                  input=fleet.policy.read_text())
    assert p.returncode == 0 and "policy version 1 " in p.stdout, p.stderr
    assert agent.run("check").returncode == 0


@pytest.mark.parametrize("role", ["verify", "judge"])
def test_check_says_why_a_role_does_not_start(fleet, role):
    agent = Agent(fleet, role, {})
    assert agent.enrol().returncode == 0
    fault = agent.fault.arm(f"mig-agent-{role}", f"{role}.sandboxed", KILL, times=2)
    p = agent.run("check", "--json")
    assert fault.fired == 2 and p.returncode == 1
    assert [x for x in json.loads(p.stdout)["problems"] if x.startswith(f"{role} does not start: killed by SIG")]
    assert agent.run("check").returncode == 0


def test_no_memory_for_what_came(fleet):
    """Not for the message that starts it, for the key that the helper made, nor for the answer."""
    for n in range(1, 9):
        agent = Agent(fleet, f"memory{n}", {})
        agent.fault.allocation_after(MONITOR, "enrol.begun", n)
        p = agent.enrol()
        key = agent.dir / "state" / "agent.key"
        assert not key.exists() or "PRIVATE KEY" in key.read_text(), n
        assert p.returncode in (0, 1) and (p.returncode == 0 or "memory" in p.stderr), (n, p.stderr)
        if p.returncode != 0:
            again(fleet, agent, identity(agent))


@pytest.mark.parametrize("what", cases(WRITES, 3))
def test_disk_takes_no_file(fleet, what):
    agent = Agent(fleet, "disk" + what.replace("/", "-"), {})
    fault = agent.fault.error(MONITOR, "file.write", errno.ENOSPC,
                              what=what)
    p = agent.enrol()
    assert fault.fired == 1 and p.returncode == 1
    assert "No space left" in p.stderr and what in p.stderr
    again(fleet, agent, identity(agent))
