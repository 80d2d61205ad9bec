# SPDX-License-Identifier: MPL-2.0
"""Many agents of one platform that are asked at once, and what must be true
of each of them afterwards, whatever happened to it."""
import contextlib
import json
import os
import re

from faultlib import session, wait_for

AGENTS = 16
NAMES = [f"a{i}" for i in range(AGENTS)]
ROLES = {"mig-agent", "mig-agent-net", "mig-agent-verif", "mig-agent-judge"}


def needle(fleet, *more):
    return fleet.ask("-t", "all", "-path", str(fleet.haystack), "-name",
                     "^needle$", *more)


def newest_action(fleet):
    p = fleet.mig("actions", "--json", check=0)
    return json.loads(p.stdout)["actions"][0]


def settled(fleet):
    """All there again, each with its roles and nothing else."""
    def quiet():
        fleet.tend()
        for a in fleet.agents.values():
            if not a.daemon.alive():
                return False
            there = set(session(a.daemon.proc.pid).values())
            # workers stay for the next action
            if there - {"mig-worker"} != ROLES:
                return False
        return True
    try:
        wait_for("all roles and nothing else", quiet, 30)
    except AssertionError:
        raise AssertionError({
            a.name: session(a.daemon.proc.pid) for a in fleet.agents.values()
            if set(session(a.daemon.proc.pid).values()) != ROLES})
    fleet.wait_online(AGENTS)


def started_again(fleet, agent, start):
    """It has ended because its disk takes writes again, as its log says from
    start on, and runs anew."""
    def anew():
        fleet.tend()
        said = agent.daemon.log.read_text()[start:]
        at = said.find(" start_again ")
        return at >= 0 and " ready id=" in said[at:]
    wait_for("a new start", anew, 30)


def state_of(answer):
    """done, stopped, refused; failed: done, but without a result."""
    if answer["status"] == "done" and \
            answer["operations"][0]["status"] != "done":
        return "failed"
    return answer["status"]


def left_behind(agent):
    return [str(f) for f in (agent.dir / "state").rglob("*")
            if re.search(r"\.(tmp-.{6}|staged|new|anew)$", f.name)]


def own_record(agent, action):
    """The agent's own words about an action."""
    p = agent.run("report")
    assert p.returncode == 0, p.stderr
    return [line for line in p.stdout.splitlines()
            if f" {action[:12]} " in line]


def same(answer):
    """Without what this machine knew of the agent when it was asked."""
    return answer and {k: v for k, v in answer.items() if k != "marks"}


def opened(pid):
    """But for epoll's: without memory for it libevent takes poll(2)."""
    there = []
    for n in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            there.append(os.readlink(f"/proc/{pid}/fd/{n}"))
    return [link for link in there if link != "anon_inode:[eventpoll]"]


def descriptors(agent):
    """{program: how many it has open}; of the monitor a socket and a file more for each worker."""
    there = session(agent.daemon.proc.pid)
    counts = {name: len(opened(pid)) for pid, name in there.items() if name != "mig-worker"}
    counts["mig-agent"] -= 2 * list(there.values()).count("mig-worker")
    return counts


def check_descriptors(fleet):
    """Whatever happened to each, all have as many as they had at first."""
    def odd():
        counts = {name: descriptors(a) for name, a in fleet.agents.items()}
        return [f"{name}: {c}, not {fleet.descriptors}" for name, c in counts.items() if c != fleet.descriptors]
    try:
        wait_for("as many descriptors as ever", lambda: not odd(), 10)
    except AssertionError:
        raise AssertionError(odd())


def check_round(fleet, expected, answers):
    check_descriptors(fleet)
    action = newest_action(fleet)["id"]
    assert sorted(answers) == sorted(NAMES)
    # what the server has stored, asked again
    p = fleet.mig("results", action, "--json", "--show", "all")
    stored = [json.loads(line) for line in p.stdout.splitlines()]
    stored = {a["name"]: a for a in stored if "name" in a}
    problems = []
    for name, agent in fleet.agents.items():
        want, text = expected.get(name, ("done", "nothing"))
        want, *unrecorded = want.split()
        got = state_of(answers[name])
        runs = agent.fault.count("worker.limited", "mig-worker")
        if got not in want.split("/"):
            problems.append(f"{text}: {got}, not {want}: {answers[name]}")
        if runs > 1 or (want == "done" and runs != 1):
            problems.append(f"{text}: ran {runs} times")
        if same(stored.get(name)) != same(answers[name]):
            problems.append(f"{text}: stored is {stored.get(name)}")
        lines = own_record(agent, action)
        if unrecorded:
            continue
        # a verdict of refused says it all; the answer to it may be made anew
        if want == "refused":
            said = any("refused" in x for x in lines)
        else:
            said = any(" accepted " in x for x in lines) and any(
                f"answered {answers[name]['status']}" in x for x in lines)
        if not said:
            problems.append(f"{text}: its own record says {lines}")
        if left_behind(agent):
            problems.append(f"{text}: {left_behind(agent)}")
    assert not problems, "\n".join(problems)
