# SPDX-License-Identifier: MPL-2.0
"""The n-th allocation of a program fails, and once more all from the n-th on:
it ends with an error it has said, or goes on; it never crashes, hangs or says
something untrue. The agent's processes are started again, what was finished is
not lost, and the next action is answered as if nothing had been.

Allocations of libraries count too: they use the same malloc. Not asked here:
TLS in mig, because OpenSSL 3.0 follows a null pointer when the memory for its own
initialisation is not there (SSL_CTX_new)."""
import concurrent.futures
import hashlib
import json
import os
import re
import signal
import subprocess

import pytest

from faultlib import ALWAYS, SPARE_CRYPTO, SPARE_LIBC, Control, cases, session
from fleetlib import check_round, needle, settled, state_of
from miglib import program

QUESTION = json.dumps({"searches": {"s1": {
    "paths": ["/etc/default"], "names": ["."], "contents": ["^PATH"],
    "options": {"matchall": False}}}})


# How many allocations of a program are tried.
sweeping = pytest.mark.parametrize("most", [pytest.param(6, id="few"),
                                            pytest.param(60, id="many", marks=pytest.mark.long)])


def sample(total, most=50):
    """The first ones, then in growing steps up to the last."""
    ret, n, step = [], 1, 1.0
    while n <= total:
        ret.append(int(n))
        if len(ret) >= most // 3:
            step = max(step, 1.0) * (1 + 8 / most)
        n += step
    return ret


class Command:
    def __init__(self, tmp_path, argv, env, text=None):
        self.dir, self.argv, self.env, self.text = tmp_path, argv, env, text

    def run(self, name, n=None, times=1):
        """(finished process, allocations seen, failed) with the n-th failing"""
        control = Control(self.dir / f"fault-{name}")
        kw = {} if n is None else {"n": n, "times": times}
        a = control.allocations(os.path.basename(self.argv[0]), **kw)
        p = subprocess.run(
            self.argv, env=control.env(self.env), capture_output=True,
            timeout=60, text=True, errors="replace", input=self.text or "")
        seen, fired = a.seen, a.fired
        control.path.unlink()
        return p, seen, fired


def check(job):
    command, whole, n, times = job
    try:
        p, _, fired = command.run(f"{n}-{times}", n, times)
    except subprocess.TimeoutExpired:
        return f"{n} x {times}: hangs"
    if p.returncode < 0:
        return f"{n} x {times}: signal {-p.returncode}: {p.stderr[-300:].strip()}"
    if fired and p.returncode not in (0, whole.returncode) and \
            not p.stderr.strip() and '"errors":["' not in p.stdout:
        return f"{n} x {times}: exit {p.returncode} without a word"
    if p.returncode == whole.returncode == 0 and not p.stdout and whole.stdout:
        return f"{n} x {times}: exit 0 without an answer"
    if command.text and p.returncode == 0 and is_untrue(json.loads(p.stdout), json.loads(whole.stdout)):
        return f"{n} x {times}: as if that were all: {p.stdout[:300]}"
    return None


def is_untrue(answer, whole):
    """Less was found, and no word about it."""
    said = (answer["errors"], answer["statistics"].get("notexamined")) != (
        whole["errors"], whole["statistics"].get("notexamined"))
    return not said and answer["elements"].keys() != whole["elements"].keys() or (
        not said and answer["foundanything"] != whole["foundanything"])


def sweep(tmp_path, argv, env, text=None, most=50):
    command = Command(tmp_path, argv, env, text)
    whole, total, _ = command.run("whole")
    assert whole.returncode in (0, 1), (whole.stdout, whole.stderr)
    assert total > 10
    jobs = [(command, whole, n, times) for times in (1, ALWAYS)
            for n in sample(total, most)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = [x for x in pool.map(check, jobs) if x]
    assert not problems, "\n".join(problems)


# What each module is asked: little of this machine is needed for it.
MODULES = {
    "file": QUESTION,
    "memory": json.dumps({"searches": {"s1": {"names": ["^/[^/]*/no/such/program$"], "contents": ["needle"],
                                             "options": {"matchall": True}}}}),
    "netstat": json.dumps({"listeningport": ["1"], "localip": ["127.0.0.1"]}),
    "pkg": json.dumps({"pkgmatch": {"matches": ["^libc6$"]}}),
    "sshkey": json.dumps({"paths": ["/etc/ssl/certs"]}),
    "ping": json.dumps({"destination": "127.0.0.1", "protocol": "tcp", "destinationport": 1, "count": 1,
                        "timeout": 1}),
    "timedrift": json.dumps({"drift": "5s", "servers": ["127.0.0.1:1"], "timeout": 1}),
}


@sweeping
@pytest.mark.parametrize("module", [*MODULES, "file --privacy"])
def test_worker(tmp_path, module, most):
    name, *options = module.split()
    sweep(tmp_path, [program("mig-worker"), *options, name], {}, MODULES[name], most)


START = 220      # allocations until libcrypto is loaded, has started, and gave its digests


@pytest.mark.parametrize("search", ["empty", "hash", "ed25519"])
def test_libcrypto_without_memory(tmp_path, search):
    """Where its start or a digest fails, it is said; nothing is "not found" for that."""
    tree = tmp_path / "tree"
    tree.mkdir()
    name, question = "file", {"paths": [str(tree)], "names": ["."], "options": {"matchall": True}}
    if search == "ed25519":
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tree / "key"], check=True)
        name, question = "sshkey", {"paths": [str(tree)]}
    else:
        text = b"" if search == "empty" else b"some text"
        (tree / "file").write_bytes(text)
        question = {"searches": {"s1": {**question, "sha2": [hashlib.sha256(text).hexdigest()]}}}
    command = Command(tmp_path, [program("mig-worker"), name], {}, json.dumps(question))
    whole, total, _ = command.run("whole")
    assert json.loads(whole.stdout)["foundanything"], whole.stdout

    def look(n):
        p, _, fired = command.run(f"{n}", n)
        if p.returncode < 0:
            return f"{n}: signal {-p.returncode}"
        a = json.loads(p.stdout)
        if "cannot be computed" in p.stdout:
            return f"{n}: as if the key were such: {p.stdout[:300]}"
        said = a["errors"] or a["statistics"].get("notexamined")
        return None if not fired or said or a["foundanything"] else f"{n}: not found, {p.stdout[:300]}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = [x for x in pool.map(look, [*range(1, START), *range(max(START, total - 40), total + 1)]) if x]
    assert not problems, "\n".join(problems)


@pytest.mark.long
def test_worker_with_threads(tmp_path):
    """Found in the first and the last files, and none is left out without a word."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for i in range(60):
        (tree / f"f{i:02}").write_text("x" * 99 * 1024 + "\nneedle\n" * (i % 3 == 0))
    question = {"searches": {f"s{i}": {"paths": [str(tree)], "contents": [term], "options": {"matchall": True}}
                             for i, term in enumerate(["needle", "nee(d|t)le$"])}}
    sweep(tmp_path, [program("mig-worker"), "--threads", "2", "file"], {}, json.dumps(question), most=80)


@sweeping
@pytest.mark.parametrize("command", ["report", "check"])
def test_agent(fleet, tmp_path, command, most):
    a = fleet.agents["a0"]
    sweep(tmp_path, [program("mig-agent"), command, "-c", str(a.conf)], {}, most=most)


@sweeping
def test_client(fleet, tmp_path, most):
    sweep(tmp_path, [program("mig"), "keyring", "list"], fleet.env, most=most)


# --- a running agent ---------------------------------------------------------

# Program, first allocation, step from agent to agent; whether it is started
# anew, so that the allocations are those of its start.
ROUNDS = [
    ("mig-agent", 1, 1, False), ("mig-agent", 17, 2, False),
    ("mig-agent-judge", 1, 6, False), ("mig-agent-net", 1, 2, False),
    ("mig-worker", 1, 12, False),
    ("mig-agent", 1, 20, True), ("mig-agent-judge", 1, 20, True),
    ("mig-agent-net", 1, 8, True),
    # it makes none while it serves
    ("mig-agent-verify", 1, 1, True),
]
CRASH = re.compile(r"(?:net|role|worker)_ended .*killed by SIG(?!KILL|TERM|XCPU).*")


def crashes(fleet, marks):
    """Of the monitors, as their parent saw it, and of roles, by the logs."""
    return [f"{name}: signal {-code}" for name, code in fleet.ends if code < 0] + [
        f"{name}: {line}" for name, agent in fleet.agents.items()
        for line in CRASH.findall(agent.daemon.log.read_text()[marks[name]:])]


def fail(agent, name, n, anew):
    """The n-th allocation of this process from now on, or from its start."""
    # OpenSSL's start and the first name lookup are not ours
    agent.fault.spare_fragile(SPARE_CRYPTO | SPARE_LIBC if anew else 0)
    if anew and name == "mig-agent":
        agent.daemon.kill()
    slot = agent.fault.allocations(name, n=n)
    if anew and name != "mig-agent":
        pid, = [pid for pid, what in session(agent.daemon.proc.pid).items() if what == name[:15]]
        os.kill(pid, signal.SIGKILL)
    if anew and name == "mig-agent":
        agent.start()
    return slot


@pytest.mark.parametrize("how", cases(ROUNDS, 1), ids=lambda how: "-".join(map(str, how)))
def test_running_agent(fleet, how):
    name, first, step, anew = how
    settled(fleet)
    marks = {n: len(a.daemon.log.read_text()) for n, a in fleet.agents.items()}
    fleet.ends = []
    slots = []
    for i, agent in enumerate(fleet.agents.values()):
        agent.fault.forget()
        slots.append(fail(agent, name, first + i * step, anew))
    _, answers, _ = needle(fleet)
    for slot in slots:
        slot.disarm()
    settled(fleet)
    assert sum(slot.fired for slot in slots) >= len(slots) / 2, [(s.seen, s.fired) for s in slots]
    assert not crashes(fleet, marks)
    assert sorted(answers) == sorted(fleet.agents)
    for who, answer in answers.items():
        assert state_of(answer) in ("done", "failed", "stopped",
                                    "refused"), answer
        assert fleet.agents[who].fault.count("worker.limited") <= 1
    for agent in fleet.agents.values():
        agent.fault.forget()
    _, answers, _ = needle(fleet)
    check_round(fleet, {}, answers)


STEP = 5       # from agent to agent: the allocations of one question


def test_a_judge_without_memory(fleet):
    """That is no verdict on the question: another judge is asked, and it is answered."""
    settled(fleet)
    faults = []
    for i, agent in enumerate(fleet.agents.values()):
        agent.fault.forget()
        faults.append(agent.fault.allocation_after("mig-agent-judge", "judge.asked", 1 + STEP * i))
    _, answers, _ = needle(fleet)
    for fault in faults:
        fault.disarm()
    settled(fleet)
    assert {state_of(a) for a in answers.values()} == {"done"}, [a.get("reason") for a in answers.values()]
    check_round(fleet, {}, answers)
