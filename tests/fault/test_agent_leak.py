# SPDX-License-Identifier: MPL-2.0
"""After hundreds of actions agents have what they had before: descriptors,
processes, memory, files. Many agents are asked, by several commands at once,
so that none answers more often than a real one may."""
import concurrent.futures
import os
import re

import pytest

from faultlib import session, wait_for
from fleetlib import AGENTS, NAMES, settled
from spoollib import spooled

WARM, ASKS, AT_ONCE = 4, 16, 4     # of all agents each
# Of one process, for ASKS actions: what is known of each stays in memory, 300
# bytes, and the heap is not always as full.
KIB_MORE = 48
WORKER = "mig-worker"
WORKERS = 2      # as configured; a process each, when it was needed


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(n) for n in re.findall(r"^Private_\w+: +(\d+)",
                                              f.read(), re.M))


def inventory(agent):
    """{(program, pid): (descriptors, KiB)}, workers, and the files but for
    answers. A worker is a socket and a file more of the monitor (fleetlib.descriptors)."""
    processes = {}
    for pid, name in session(agent.daemon.proc.pid).items():
        processes[name, pid] = (len(os.listdir(f"/proc/{pid}/fd")),
                                private_kib(pid))
    workers = [key for key in processes if key[0] == WORKER]
    monitor = "mig-agent", agent.daemon.proc.pid
    processes[monitor] = (processes[monitor][0] - 2 * len(workers),
                          processes[monitor][1])
    state = agent.dir / "state"
    files = sorted(str(f.relative_to(state)) for f in state.rglob("*")
                   if not re.fullmatch("spool/([0-9a-f]{64}|small)",
                                       str(f.relative_to(state))))
    return processes, files


def answers(agent):
    return len(spooled(agent.dir / "state" / "spool"))


def grown(before, now):
    problems = []
    if before[1] != now[1]:
        problems.append(f"files {set(now[1]) ^ set(before[1])}")
    other = [key for key in before[0].keys() ^ now[0].keys()
             if key[0] != WORKER]
    if other or sum(key[0] == WORKER for key in now[0]) > WORKERS:
        problems.append(f"processes {now[0].keys()}, not {before[0].keys()}")
    for key in before[0].keys() & now[0].keys():
        (fds, kib), (more_fds, more_kib) = before[0][key], now[0][key]
        if fds != more_fds:
            problems.append(f"{key}: {more_fds} descriptors, not {fds}")
        if more_kib > kib + KIB_MORE:
            problems.append(f"{key}: {more_kib} KiB, not {kib}")
    return problems


def ask(fleet, n):
    def one(_):
        p = fleet.mig("file", "-t", "all", "-path", str(fleet.haystack),
                      "-name", "^needle$")
        assert p.returncode == 0, (p.stdout, p.stderr)
        assert p.stdout.count("/needle") == AGENTS, p.stdout
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(n)))


@pytest.mark.long
def test_nothing_leaks(fleet):
    settled(fleet)
    agents = fleet.agents.values()
    # so that buffers have their size
    ask(fleet, WARM)
    settled(fleet)
    before = {a.name: inventory(a) for a in agents}
    stored = {a.name: answers(a) for a in agents}
    ask(fleet, ASKS)
    settled(fleet)

    def left():
        return [f"{a.name}: {problem}" for a in agents
                for problem in grown(before[a.name], inventory(a))]
    try:
        # a moment after an answer memory is given back
        wait_for("what it had before", lambda: not left(), 20)
    except AssertionError:
        raise AssertionError(left())
    assert {a.name: answers(a) - stored[a.name] for a in agents} == \
        {name: ASKS for name in NAMES}
