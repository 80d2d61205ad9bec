# SPDX-License-Identifier: MPL-2.0
"""Each process of an agent dies at each step of an action, and is started
again. Then the action has run at most once, there is one
answer and it is true, and nothing is left behind.

Many agents are asked at once and each dies at another step, so that one round
takes as long as the slowest."""
import itertools
import json
import re
import struct
import subprocess

import pytest

import miglib
from faultlib import HANG, KILL, wait_for
from fleetlib import (AGENTS, NAMES, check_round, needle, settled,
                      state_of)
from spoollib import spooled

MONITOR, NET, VERIFY, JUDGE, WORKER = (
    "mig-agent", "mig-agent-net", "mig-agent-verify", "mig-agent-judge",
    "mig-worker")

# Where which process dies, and what the investigator is then told:
# done: it ran, here is the result; stopped: it had started, so it is not run
# again; failed: it ran, and its worker did not end well.
STEPS = [
    # before the journal has it: as if it had never come
    ("done", [(MONITOR, "exam.received")]),
    ("done", [(MONITOR, "exam.hashed")]),
    ("done", [(MONITOR, "exam.verify_asked")]),
    ("done", [(MONITOR, "exam.verified")]),
    ("done", [(MONITOR, "exam.judge_asked")]),
    ("done", [(MONITOR, "exam.judged")]),
    ("done", [(MONITOR, "exam.recorded")]),
    ("done", [(MONITOR, "journal.accepting")]),
    ("done", [(MONITOR, "journal.document")]),
    # from here on it is accepted and started
    ("stopped", [(MONITOR, "journal.judged")]),
    ("stopped", [(MONITOR, "journal.synced")]),
    ("stopped", [(MONITOR, "job.spawned")]),
    ("stopped", [(MONITOR, "job.worker_ended")]),
    ("stopped", [(MONITOR, "answer.sealed")]),
    ("stopped", [(MONITOR, "small.written")]),
    ("stopped", [(MONITOR, "answer.staged")]),
    # from here on the answer is in the spool: it is a small one
    ("done", [(MONITOR, "answer.recorded")]),
    ("done", [(MONITOR, "answer.spooled")]),
    ("done", [(MONITOR, "journal.state")]),
    ("done", [(MONITOR, "journal.state_written")]),
    ("done", [(MONITOR, "sender.sent")]),
    ("done", [(MONITOR, "netlink.ack")]),
    ("done", [(MONITOR, "sender.acknowledged")]),
    ("done", [(MONITOR, "sender.ack_journalled")]),
    # and once more while it recovers
    ("done", [(MONITOR, "exam.hashed"), (MONITOR, "recover.begun")]),
    ("stopped", [(MONITOR, "journal.synced"), (MONITOR, "recover.settling")]),
    ("stopped", [(MONITOR, "answer.staged"), (MONITOR, "answer.sealed", 2)]),
    ("done", [(MONITOR, "answer.spooled"), (MONITOR, "netlink.hello")]),
    ("done", [(NET, "net.envelope")]),
    ("done", [(NET, "net.part")]),
    ("done", [(NET, "net.ack")]),
    ("done", [(NET, "net.envelope"), (NET, "net.sandboxed")]),
    ("done", [(NET, "net.envelope"), (NET, "net.connected")]),
    ("done", [(NET, "net.part"), (NET, "net.hello")]),
    ("done", [(NET, "net.part"), (NET, "net.welcome")]),
    ("done", [(VERIFY, "verify.asked")]),
    ("done", [(VERIFY, "verify.checked")]),
    ("done", [(VERIFY, "verify.checked"), (VERIFY, "verify.sandboxed")]),
    ("done", [(JUDGE, "judge.asked")]),
    ("done", [(JUDGE, "judge.judged")]),
    ("done", [(JUDGE, "judge.judged"), (JUDGE, "judge.sandboxed")]),
    # it had not taken its order: another one has it
    ("done", [(MONITOR, "exam.hashed"), (WORKER, "worker.entered")]),
    ("done", [(WORKER, "worker.ordered")]),
    ("failed", [(WORKER, "worker.limited")]),
    ("failed", [(WORKER, "worker.walking")]),
    ("failed", [(WORKER, "worker.looked")]),
    ("failed", [(WORKER, "worker.answered")]),
]
# one agent a round is left alone: what happens to the others is not its matter
ROUNDS = [STEPS[i:i + AGENTS - 1] for i in range(0, len(STEPS), AGENTS - 1)]


REFUSALS = [
    [(MONITOR, "exam.judged")],
    [(MONITOR, "exam.recorded")],
    [(MONITOR, "exam.refused")],
    [(MONITOR, "answer.sealed")],
    [(MONITOR, "answer.staged")],
    [(MONITOR, "answer.recorded")],
    [(MONITOR, "small.written")],
    [(MONITOR, "answer.spooled")],
    [(MONITOR, "sender.sent")],
    [(MONITOR, "sender.acknowledged")],
    [(JUDGE, "judge.judged")],
]


def all_die(fleet, rounds, *question):
    """Asks while each agent dies at its step; the answers."""
    settled(fleet)
    for agent in fleet.agents.values():
        agent.fault.forget()
    faults = [agent.fault.kill(*kill)
              for agent, kills in zip(fleet.agents.values(), rounds)
              for kill in kills]
    _, answers, _ = needle(fleet, *question)

    def all_fired():
        fleet.tend()
        return all(f.fired for f in faults)
    try:
        wait_for("all faults", all_fired, 30)
    except AssertionError:
        raise AssertionError([f.text for f in faults if not f.fired])
    settled(fleet)
    return answers


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_killed_at_each_step(fleet, number):
    answers = all_die(fleet, [kills for _, kills in ROUNDS[number]])
    check_round(fleet, {name: (want, f"{name} {kills}") for name, (want, kills)
                        in zip(NAMES, ROUNDS[number])}, answers)
    for a in answers.values():
        for op in a["operations"] or []:
            # an answer that was cut short is not what the worker said
            assert '"foundanything"' not in op.get("error", ""), op


# Where which process dies while the policy changes. Nothing may be in force but
# the one before or the one after, whole.
POLICY_STEPS = [
    (MONITOR, "chain.received"), (MONITOR, "chain.verified"),
    (MONITOR, "chain.judged"), (MONITOR, "chain.recorded"),
    (MONITOR, "state.policy_hash"), (MONITOR, "chain.written"),
    (MONITOR, "chain.in_force"), (JUDGE, "judge.step"),
    (VERIFY, "verify.trying"),
]


def change_policy(fleet, number):
    """The next policy, signed and on its way, whatever becomes of the server
    meanwhile."""
    path = fleet.dir / f"policy-{number}"
    if number == 2:
        fleet.mig("policy", "pin", str(fleet.policy), check=0)
    fleet.mig("policy", "edit", "-expires", f"{number}00d", "-o", str(path),
              check=0)
    fleet.mig("policy", "sign", "-y", str(path), check=0)
    wait_for("the server to take it", lambda: fleet.mig(
        "policy", "push", f"{path}.signed").returncode == 0, 30)


def policy_status(fleet):
    fleet.tend()
    p = fleet.mig("policy", "status", "--json")
    return json.loads(p.stdout)["agents"] if p.returncode in (0, 1) else {}


def launched(fleet, agent):
    """A question to one, by a mig of its own."""
    return subprocess.Popen(
        [miglib.program("mig"), "file", "-t", f"name='{agent.name}'", "-path", str(fleet.haystack), "-name", "^needle$"],
        env=fleet.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_says_which_policy_is_in_force(fleet):
    """Not the one that judge is about to read, with the version of the one before."""
    settled(fleet)
    agent = fleet.agents["a0"]
    state = agent.dir / "state"
    agent.fault.forget()
    version, policy = 1, bytes.fromhex((state / "policy.hash").read_text().split()[0])
    before = spooled(state / "spool")
    walking = agent.fault.hang(WORKER, "worker.walking")
    mig = launched(fleet, agent)
    try:
        wait_for("the worker", lambda: walking.fired)
        reading = agent.fault.hang(JUDGE, "judge.sandboxed")
        change_policy(fleet, 2)
        wait_for("the new judge", lambda: reading.fired)
        walking.release()
        answers = wait_for("the answer", lambda: [
            a for i, a in spooled(state / "spool").items() if i not in before])
        reading.release()
        # src/action/result_wire.c
        assert struct.unpack(">Q32s", answers[0][108:148]) == (version, policy)
        mig.wait(30)
    finally:
        agent.fault.disarm_all()
        mig.kill()
        mig.wait()
    wait_for("all to have it", lambda: policy_status(fleet).get("current") == AGENTS, 40)


def test_killed_while_the_policy_changes(fleet):
    agents = list(fleet.agents.values())
    for agent in agents:
        agent.fault.forget()
    faults = [agent.fault.kill(*step)
              for agent, step in zip(agents, POLICY_STEPS)]
    faults.append(fleet.fault.kill("mig-server", "core.policy_stored"))
    # one whose judge dies of it twice refuses it, until it is started again
    stubborn = agents[len(POLICY_STEPS)]
    faults.append(stubborn.fault.arm(JUDGE, "judge.step", KILL, times=2))
    # to have no memory for the keyring is no word on it
    faults.append(agents[len(POLICY_STEPS) + 1].fault.allocation_after(VERIFY, "verify.trying", 1))
    change_policy(fleet, 3)
    wait_for("all but one to have it", lambda: policy_status(fleet).get(
        "current") == AGENTS - 1, 40)
    wait_for("the refusal", lambda: policy_status(fleet).get("refused") == 1)
    assert not [f.text for f in faults if not f.fired]
    assert "the process that examined it ended twice: killed by SIG" in \
        stubborn.run("report").stdout
    assert stubborn.daemon.stop() == 0
    stubborn.start()
    wait_for("all to have it", lambda: policy_status(fleet).get(
        "current") == AGENTS, 30)
    settled(fleet)
    _, answers, _ = needle(fleet)
    assert {state_of(a) for a in answers.values()} == {"done"}
    for agent in agents:
        assert "policy version 3 replaces version 2" in \
            agent.run("report").stdout, agent.name


def test_killed_while_refusing(fleet):
    """What is valid for longer than the policy allows."""
    answers = all_die(fleet, REFUSALS, "-e", "40d", "-y")
    check_round(fleet, {
        name: ("refused", f"{name} {kills}") for name, kills
        in itertools.zip_longest(NAMES, REFUSALS)}, answers)


def test_examined_twice_in_vain(fleet):
    """Who examines the question dies or hangs, and so does the next: then it is the question's, and not
    tried a third time. Without judge it is refused; without verify it has no known author and leaves
    nothing but words in the log, and is examined when it comes again."""
    settled(fleet)
    for agent in fleet.agents.values():
        agent.fault.forget()
    steps = [("refused", JUDGE, "judge.judged", KILL, "the agent failed to examine the action"),
             ("refused", JUDGE, "judge.judged", HANG, "examining the action took too long"),
             ("done", VERIFY, "verify.checked", KILL, ' reason=17 detail="verify gave no verdict on it: killed by SIG'),
             ("done", VERIFY, "verify.checked", HANG, ' reason=18 detail="verify gave no verdict on it: no answer in time"')]
    agents = list(fleet.agents.values())[:len(steps)]
    faults = [agent.fault.arm(role, point, how, times=2)
              for agent, (_, role, point, how, _) in zip(agents, steps)]
    _, answers, _ = needle(fleet)
    assert [f.fired for f in faults] == [2] * len(steps)
    settled(fleet)
    check_round(fleet, {agent.name: (want, f"{agent.name} {point}")
                        for agent, (want, _, point, _, _) in zip(agents, steps)}, answers)
    for agent, (want, *_, why) in zip(agents, steps):
        if want == "refused":
            assert answers[agent.name]["reason"] == why
            assert re.search("judge gave no verdict on it: (killed by SIG|no answer in time)", agent.run("report").stdout)
        else:
            assert any(" unverified " in x and why in x for x in agent.daemon.tail(40).splitlines())
