# SPDX-License-Identifier: MPL-2.0
"""The wall clock of an agent jumps, both ways, by minutes to years: while it
is idle, between two steps of an action, while an action waits for a worker,
and together with a kill. And an action that waits outlives its agent.

Nothing runs twice, or after its end as the agent's clock knows it; what was
begun is answered; time-outs do not follow the wall clock; and when the clock
is right again nothing is left of it."""
import json
import subprocess
from signal import SIGKILL, SIGTERM

import pytest

import miglib
from faultlib import session, wait_for
from fleetlib import check_round, left_behind, needle, settled, state_of

MONITOR, JUDGE, WORKER = "mig-agent", "mig-agent-judge", "mig-worker"
EXPIRED = "refused: the action has expired"
UNSIGNED = "refused: no valid signature by a known investigator"
FLOOR = "refused: older than what this agent remembers"
OLD_POLICY = "refused: this agent's policy has expired"
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400

# How far, and what the agent says to a question that was asked just now: its
# end is minutes away, and a signature of tomorrow is none.
IDLE = [
    (4 * MINUTE, "done"), (-30, "done"),
    # never earlier than what it has accepted so far
    (-4 * MINUTE, "done"), (-HOUR, UNSIGNED), (-DAY, UNSIGNED),
    (-YEAR, UNSIGNED), (-10 * YEAR, UNSIGNED),
    (3 * HOUR, EXPIRED), (DAY, EXPIRED), (30 * DAY, EXPIRED),
    (10 * YEAR, OLD_POLICY), (60 * YEAR, OLD_POLICY),
]

# Where it is held meanwhile, and what is answered then. Before the journal
# has it the action is judged by the new time; what was accepted is run
# unless it ended; what ran is answered.
STEPS = [
    ("refused", MONITOR, "exam.verified", 3 * HOUR),
    ("done", MONITOR, "exam.verified", -HOUR),
    ("refused", JUDGE, "judge.judged", 3 * HOUR),
    ("done", JUDGE, "judge.judged", -HOUR),
    ("failed", MONITOR, "journal.synced", 3 * HOUR),
    ("done", MONITOR, "journal.synced", -10 * YEAR),
    ("done", MONITOR, "job.spawned", 10 * YEAR),
    ("done", WORKER, "worker.walking", 10 * YEAR),
    ("done", WORKER, "worker.walking", -10 * YEAR),
    ("done", MONITOR, "job.worker_ended", 3 * HOUR),
    ("done", MONITOR, "answer.sealed", -DAY),
    ("done", MONITOR, "answer.staged", 10 * YEAR),
    ("done", MONITOR, "answer.spooled", 10 * YEAR),
    ("done", MONITOR, "sender.sent", -10 * YEAR),
    ("done", MONITOR, "sender.acknowledged", 10 * YEAR),
]


def words(answer):
    return state_of(answer) + (f": {answer['reason']}" if answer["status"] ==
                               "refused" else "")


def clocks_right(fleet):
    for agent in fleet.agents.values():
        agent.fault.clock(0)
        agent.fault.disarm_all()


@pytest.fixture
def right(fleet):
    settled(fleet)
    # a time that they know for certain
    needle(fleet)
    for agent in fleet.agents.values():
        agent.fault.forget()
    yield fleet
    clocks_right(fleet)


def as_if_nothing_had_been(fleet):
    clocks_right(fleet)
    settled(fleet)
    for agent in fleet.agents.values():
        agent.fault.forget()
    _, answers, _ = needle(fleet)
    check_round(fleet, {}, answers)


def test_jumps_while_idle(right):
    fleet = right
    wants = {}
    for agent, (offset, want) in zip(fleet.agents.values(), IDLE):
        agent.fault.clock(offset)
        wants[agent.name] = (offset, want)
    _, answers, _ = needle(fleet)
    settled(fleet)
    problems = []
    for name, agent in fleet.agents.items():
        offset, want = wants.get(name, (0, "done"))
        got = answers[name]
        said = words(got)
        runs = agent.fault.count("worker.limited", WORKER)
        if said != want or runs != (want == "done"):
            problems.append(f"{name} {offset} s: {said}, not {want}; "
                            f"ran {runs} times")
    assert not problems, "\n".join(problems)
    as_if_nothing_had_been(fleet)


@pytest.mark.long
def test_starts_with_a_wrong_clock(right):
    fleet = right
    for name, offset in (("a10", 10 * YEAR), ("a11", 60 * YEAR)):
        fleet.agents[name].fault.clock(offset)
    needle(fleet)
    settled(fleet)
    # it knows now that its clock is wrong, and says so
    agent = fleet.agents["a10"]
    agent.daemon.stop()
    agent.start()
    wait_for("a word about the clock", lambda: "clock differs_seconds=" in
             agent.daemon.log.read_text())
    # as if nothing had been, but for a journal that began in the future
    agent = fleet.agents["a11"]
    journal = agent.dir / "state" / "journal"
    agent.daemon.stop()
    agent.fault.clock(10 * YEAR)
    journal.unlink()
    start = len(agent.daemon.log.read_text())
    agent.start()
    wait_for("a new journal", lambda: " ready id=" in
             agent.daemon.log.read_text()[start:])
    agent.daemon.stop()
    clocks_right(fleet)
    start = len(agent.daemon.log.read_text())
    agent.start()
    settled(fleet)
    assert "journal_begins_later" in agent.daemon.log.read_text()[start:]
    _, answers, _ = needle(fleet)
    assert words(answers["a11"]) == FLOOR
    assert {words(a) for n, a in answers.items() if n != "a11"} == {"done"}
    # what the log says is to be done; and five minutes later
    agent.daemon.stop()
    journal.unlink()
    agent.fault.clock(-302)
    agent.start()
    settled(fleet)
    agent.daemon.stop()
    clocks_right(fleet)
    agent.start()
    as_if_nothing_had_been(fleet)


@pytest.mark.long
def test_jumps_between_two_steps(right):
    fleet = right
    held, expected = [], {}
    for agent, (want, program, point, offset) in zip(fleet.agents.values(),
                                                     STEPS):
        held.append((agent, agent.fault.hang(program, point), offset))
        expected[agent.name] = (want, f"{agent.name} {point} {offset} s")

    def jump():
        for agent, fault, offset in held:
            if fault.fired:
                agent.fault.clock(offset)
                fault.release()
    fleet.on_wait = jump
    try:
        _, answers, _ = needle(fleet)
        wait_for("all jumps", lambda: jump() or all(
            f.fired for _, f, _ in held))
    finally:
        fleet.on_wait = None
    settled(fleet)
    check_round(fleet, expected, answers)
    as_if_nothing_had_been(fleet)


def test_check_names_a_wrong_clock(right):
    """Nobody but a person can say which of the clocks is wrong."""
    agent = right.agents["a0"]
    for offset, words in ((2 * YEAR, ["the certificate ended", "the policy has expired"]),
                          (-DAY, ["the certificate begins", "the journal begins",
                                  "the policy was issued"])):
        agent.fault.clock(offset)
        run = agent.run("check")
        agent.fault.clock(0)
        assert run.returncode == 1 and all(w in run.stderr for w in words), run.stderr
        assert run.stderr.count("clock") >= len(words) - 1
    assert agent.run("check").returncode == 0


# --- while it waits -----------------------------------------------------------

# What happens while the first question has the only worker and the second is
# accepted and waits: jumps, and by what the agent ends then, if it does; what
# is answered to both, and how often a worker was made in all.
WAITING = [
    ([], False, "done", "done", 2),
    ([], SIGKILL, "stopped", "done", 2),
    # what runs is finished, what waits is run after the next start
    ([], SIGTERM, "done", "done", 2),
    ([3 * HOUR], False, "done", EXPIRED, 1),
    ([3 * HOUR], SIGKILL, "stopped", EXPIRED, 1),
    ([10 * YEAR], SIGKILL, "stopped", EXPIRED, 1),
    ([-HOUR], False, "done", "done", 2),
    ([-HOUR], SIGKILL, "stopped", "done", 2),
    ([-10 * YEAR], SIGKILL, "stopped", "done", 2),
    ([10 * YEAR, 0], False, "done", "done", 2),
    ([10 * YEAR, 0], SIGKILL, "stopped", "done", 2),
    ([-10 * YEAR, 0], SIGKILL, "stopped", "done", 2),
]


class Asking:
    """mig that runs beside another one."""

    def __init__(self, fleet, name):
        self.out = open(fleet.dir / f"asking-{name}", "w+b")
        self.proc = subprocess.Popen(
            [miglib.program("mig"), "file", "-t", "all", "-path",
             str(fleet.haystack), "-name", "^needle$", "--json", "--show",
             "all"], env=fleet.env, stdin=subprocess.DEVNULL, stdout=self.out,
            stderr=subprocess.DEVNULL)

    def answers(self):
        self.out.seek(0)
        lines = [json.loads(x) for x in self.out.read().splitlines()]
        self.out.close()
        assert lines
        return {x["name"]: x for x in lines[:-1]}


@pytest.fixture
def one_worker(fleet):
    def restart(change):
        for agent in fleet.agents.values():
            agent.daemon.stop()
            agent.conf.write_text(change(agent.conf.read_text()))
            agent.start()
        settled(fleet)
    restart(lambda text: text + "workers 1\n")
    yield fleet
    clocks_right(fleet)
    restart(lambda text: text.replace("workers 1\n", ""))


def accepted(agent):
    return agent.daemon.log.read_text().count(" accepted action=")


@pytest.mark.long
def test_while_an_action_waits(one_worker):
    fleet = one_worker
    cases = dict(zip(fleet.agents, WAITING))
    before, held = {}, {}
    for name, agent in fleet.agents.items():
        agent.fault.forget()
        before[name] = accepted(agent)
        if name in cases:
            held[name] = agent.fault.hang(WORKER, "worker.walking")
    first = Asking(fleet, "first")
    wait_for("all workers", lambda: all(f.fired for f in held.values()))
    second = Asking(fleet, "second")
    wait_for("all to have accepted it", lambda: all(
        accepted(a) == before[n] + 2 for n, a in fleet.agents.items()))
    for name, (jumps, killed, *_) in cases.items():
        agent = fleet.agents[name]
        for offset in jumps:
            agent.fault.clock(offset)
        if killed:
            agent.daemon.proc.send_signal(killed)
        held[name].release()

    def over():
        fleet.tend()
        return first.proc.poll() is not None and \
            second.proc.poll() is not None
    wait_for("both ends", over, 60)
    settled(fleet)
    one, two = first.answers(), second.answers()
    problems = []
    for name, agent in fleet.agents.items():
        jumps, killed, *want = cases.get(name, ([], False, "done", "done", 2))
        got = [words(one[name]), words(two[name]),
               agent.fault.count("worker.limited", WORKER)]
        if got != want or left_behind(agent):
            problems.append(f"{name} {jumps} killed={killed}: {got}, not "
                            f"{want}; {left_behind(agent)}")
    assert not problems, "\n".join(problems)
    assert not [a.name for a in fleet.agents.values()
                if "(ended)" in session(a.daemon.proc.pid).values()]
    as_if_nothing_had_been(fleet)
