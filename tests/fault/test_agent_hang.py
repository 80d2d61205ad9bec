# SPDX-License-Identifier: MPL-2.0
"""Roles of an agent and its worker hang: stopped by a signal before the
question comes, or caught at a point in the middle of it. The monitor notices
by what stays unanswered, kills and starts them anew, and says so in its log.
The question is answered once, and it has run at most once.

One round: each agent has another trouble, and the slowest decides how long it
takes."""
import json
import os
import signal

import pytest

from faultlib import session, wait_for
from fleetlib import NAMES, check_round, needle, settled

NET, VERIFY, JUDGE, WORKER = (
    "mig-agent-net", "mig-agent-verify", "mig-agent-judge", "mig-worker")
MONITOR = "mig-agent"

NET_SAID = "net_hangs pid={} "
ROLE_SAID = "pid={} why=\"no answer in time\""
WORKER_SAID = "worker_hangs pid={} "

# What is answered; what hangs where; what is killed before, so that it comes
# there; what the log says of it.
HANGS = [
    ("done", NET, "net.envelope", None, NET_SAID),
    ("done", NET, "net.hello", None, NET_SAID),
    ("done", NET, "net.part", None, NET_SAID),
    ("done", NET, "net.sandboxed", (NET, "net.envelope"), NET_SAID),
    ("done", NET, "net.connected", (NET, "net.envelope"), NET_SAID),
    ("done", VERIFY, "verify.asked", None, ROLE_SAID),
    ("done", VERIFY, "verify.checked", None, ROLE_SAID),
    ("done", JUDGE, "judge.asked", None, ROLE_SAID),
    ("done", JUDGE, "judge.judged", None, ROLE_SAID),
    # it has not taken its order: another one is given it
    ("done", WORKER, "worker.ordered", None, WORKER_SAID),
    ("done", WORKER, "worker.entered", (MONITOR, "exam.hashed"),
     WORKER_SAID),
]
STOPPED = [
    (NET, NET_SAID), (VERIFY, ROLE_SAID), (JUDGE, ROLE_SAID),
    (WORKER, WORKER_SAID),
]


def restart(fleet, change):
    for agent in fleet.agents.values():
        agent.daemon.stop()
        agent.conf.write_text(change(agent.conf.read_text()))
        agent.start()
    settled(fleet)


@pytest.fixture
def brisk(fleet):
    """Agents that say hello often: by that they notice."""
    more = "keepalive 5s\nhello_interval 5s\n"
    restart(fleet, lambda text: text + more)
    yield fleet
    for agent in fleet.agents.values():
        agent.fault.disarm_all()
    restart(fleet, lambda text: text.replace(more, ""))


def processes(agent, program):
    """The kernel knows the first 15 letters of a name."""
    return sorted(pid for pid, name in session(agent.daemon.proc.pid).items()
                  if name == program[:15])


def two_at_once(fleet):
    """An action whose two operations run side by side."""
    draft = fleet.dir / "two.json"
    fleet.mig("file", "-t", "all", "-path", str(fleet.haystack), "-name",
              "^needle$", "-p", "-o", str(draft), check=0)
    text = json.loads(draft.read_text())
    text["operations"] *= 2
    draft.write_text(json.dumps(text))
    _, answers, _ = fleet.ask("-i", str(draft))
    assert {len(a["operations"]) for a in answers.values()} == {2}


@pytest.mark.long
def test_hanging_roles_are_replaced(brisk):
    fleet = brisk
    # each has two workers now
    two_at_once(fleet)
    assert {len(processes(a, WORKER)) for a in fleet.agents.values()} == {2}
    # the first of them with limits that are those of the next question
    needle(fleet)
    settled(fleet)
    agents = iter(fleet.agents.values())
    expected, hung = {}, {}
    for agent in fleet.agents.values():
        agent.fault.forget()
    for want, program, point, before, said in HANGS:
        agent = next(agents)
        if before is not None:
            agent.fault.kill(*before)
        fault = agent.fault.hang(program, point)
        expected[agent.name] = (want, f"{agent.name} {program} {point}")
        hung[agent.name] = (agent, said, lambda f=fault: f.fired and f.pid)
    for program, said in STOPPED:
        agent = next(agents)
        # of two workers the one that gets the order
        pids = processes(agent, program)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        expected[agent.name] = ("done", f"{agent.name} {program} stopped")
        hung[agent.name] = (agent, said, lambda a=agent, s=said, p=pids: next(
            (n for n in p if s.format(n) in a.daemon.log.read_text()), 0))
    assert len(hung) <= len(NAMES)
    _, answers, _ = needle(fleet)

    def missing():
        fleet.tend()
        return [f"{name}: {said.format(pid() or '?')}"
                for name, (agent, said, pid) in hung.items()
                if not pid() or said.format(pid())
                not in agent.daemon.log.read_text()]
    try:
        wait_for("all to be noticed", lambda: not missing(), 40)
    except AssertionError:
        raise AssertionError(missing())
    for agent, _, pid in hung.values():
        wait_for("its end", lambda a=agent, p=pid:
                 p() not in session(a.daemon.proc.pid))
    settled(fleet)
    check_round(fleet, expected, answers)
    # the second one had nothing to do between two hellos
    wait_for("the end of idle workers", lambda: max(
        len(processes(a, WORKER)) for a in fleet.agents.values()) == 1)
