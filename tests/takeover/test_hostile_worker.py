# SPDX-License-Identifier: MPL-2.0
"""A worker that was taken over by what it looked at (tests/takeover/hostile.c):
it reads nothing of the agent, changes nothing, speaks to nobody, and what it
answers is held to be its own answer and nothing else."""
import errno
import json
import os
import signal
import subprocess

import pytest

import miglib
from miglib import answers_of, wait_for

SECONDS = 20
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: users and covers")
FOUND, NOT_FOUND, ERROR, INCOMPLETE = 0, 1, 2, 3


def another(taken, name, conf=""):
    """One more agent, whose workers are hostile when they are asked to be."""
    p = taken.platform
    a = p.agent(name)
    with open(a.conf, "a", encoding="ascii") as f:
        f.write(conf)
    a.daemon.env = {**os.environ, "MIG_LIBEXEC": str(miglib.BUILD / "tests" / "takeover")}
    a.start()
    p.wait_online(len(taken.ids) + 1)
    taken.ids[name] = next(json.loads(x)["agent"] for x in p.mig(
        "agents", "--json").stdout.splitlines() if json.loads(x).get("name") == name)
    honest(taken, name)
    taken.running = taken.processes()
    return a


@pytest.fixture(scope="module")
def victim(taken):
    return another(taken, "victim")


@pytest.fixture(scope="module")
def threads(taken, victim):
    """Its workers may have threads (doc/adr/0049)."""
    return another(taken, "threads", "worker_cpu 200\n")


def ask(taken, *paths, name="victim"):
    """The operation of that agent's answer."""
    args = [x for p in paths for x in ("-path", str(p))]
    return operation(
        taken.platform.mig("file", "-t", f"name = '{name}'", *args, "-name", ".", "--json"))


def operations(p):
    assert p.returncode in (FOUND, NOT_FOUND, ERROR, INCOMPLETE), p.stderr
    (answer,), _ = answers_of(p)
    return answer["operations"]


def operation(p):
    return operations(p)[0]


def ask_all(taken, draft, *paths, seconds=20):
    """One action with an operation for each path."""
    draft.write_text(json.dumps({
        "syntaxversion": 3, "name": "several", "target": "name = 'victim'",
        "limits": {"seconds": seconds},
        "operations": [{"module": "file", "parameters": {"searches": {"s1": {
            "paths": [str(p)], "names": ["."]}}}} for p in paths]}))
    return operations(taken.platform.mig("run", str(draft), "--json"))


def honest(taken, name="victim"):
    op = ask(taken, taken.tree, name=name)
    assert op["foundanything"] is True, op


def attempts(taken, *what, name="victim"):
    """[[what, "refused" or "DONE", errno]]"""
    errors = ask(taken, *(f"/hostile/{w}" for w in what), name=name)["errors"]
    assert errors[0] == "hostile", errors
    got = [e.split() for e in errors[1:]]
    assert [g[0][:-1] for g in got] == [w.split("/")[0] for w in what], errors
    return got


@pytest.fixture(autouse=True)
def unharmed(taken, victim):
    """The agent goes on, with the processes it had."""
    before = taken.running
    yield
    honest(taken)
    assert taken.processes() == before, victim.daemon.tail()


def test_the_attempts_are_real(taken):
    """What a worker may do it does: these attempts do not fail by themselves."""
    got = attempts(taken, f"read{taken.tree}/passwd", "read/etc/passwd")
    assert [g[1] for g in got] == ["DONE", "DONE"], got


def test_the_agents_keys(taken, victim):
    """Neither by name, nor through its parent's memory and descriptors."""
    state = victim.dir / "state"
    names = ["identity", "agent.key", "journal", "record", "policy"]
    assert all((state / n).exists() for n in names)
    got = attempts(taken, *(f"read{state}/{n}" for n in names), f"list{state}", "mem")
    assert [g[1] for g in got] == ["refused"] * len(got), got


def test_writing(taken, victim):
    victim.dir.chmod(0o777)
    mine = victim.dir / "anybodys"
    mine.write_text("x")
    mine.chmod(0o666)
    try:
        got = attempts(taken, f"write{victim.dir}/new", "write/tmp/mig-hostile", f"append{mine}",
                       f"remove{mine}", f"chmod{mine}", f"write{mine}", "document")
        assert [g[1] for g in got] == ["refused"] * len(got), got
        assert mine.read_text() == "x" and not (victim.dir / "new").exists()
        assert not os.path.exists("/tmp/mig-hostile")
    finally:
        victim.dir.chmod(0o755)


def test_sockets_signals_and_programs(taken):
    relay = next(p for p in taken.platform.state.rglob("*") if p.is_socket())
    got = attempts(taken, "inet", f"unix{relay}", "unix/run/dbus/system_bus_socket", "kill",
                   "fork", "exec/bin/true", "root")
    assert [g[1] for g in got] == ["refused"] * len(got), got


@pytest.mark.parametrize("what", ["ptrace", "memory"])
def test_looking_into_the_agent(taken, victim, what):
    """Ends the worker at once, and the answer says by which signal."""
    op = ask(taken, f"/hostile/{what}")
    text = json.dumps(op)
    assert op["status"] != "done" and ("signal" in text or "killed" in text), op


def test_from_a_thread(taken, threads, victim):
    """A worker that may have threads has nothing else for it: the filter holds each of them, and
    refuses each way to a process. One that may have none gets none."""
    read = f"thread-read{taken.tree}/passwd"
    refused = ["process", "child", "sibling", "namespace", "untraced", "fork", "exec/bin/true", "inet",
               "unix/run/dbus/system_bus_socket", "kill", "root", "write/tmp/mig-hostile", "mem", "document"]
    got = attempts(taken, read, *refused, *(f"thread-{w}" for w in refused), "clone3", "thread-clone3",
                   f"thread-read{threads.dir}/state/identity", name="threads")
    assert got[0][1:] == ["DONE", "0"], got
    assert [g[1] for g in got[1:]] == ["refused"] * len(got[1:]), got
    by_filter = {w[0].removeprefix("thread-")[:-1]: int(w[2]) for w in got[1:]}
    clones = ["process", "child", "sibling", "namespace", "untraced", "fork"]
    others = ["exec", "inet", "unix", "kill", "root", "write"]
    assert {by_filter[w.split("/")[0]] for w in clones + others} == {errno.EPERM} and by_filter["clone3"] == errno.ENOSYS, got
    honest(taken, "threads")
    # of those without, as nobody made one
    assert attempts(taken, read) == [["thread-read:", "refused", "1000"]]


@pytest.mark.parametrize("what", ["ptrace", "memory"])
def test_looking_into_the_agent_from_a_thread(taken, threads, what):
    """Ends the whole worker, not the thread alone."""
    op = ask(taken, f"/hostile/thread-{what}", name="threads")
    assert op["status"] != "done" and "killed by SIGSYS" in op["error"], op
    honest(taken, "threads")


@pytest.mark.parametrize("where", ["", "thread-"])
@pytest.mark.parametrize("what", ["ptrace", "memory"])
def test_looking_into_who_started_it(what, where):
    """Its own filter ends it: by hand there is none of a monitor around it, which would, too."""
    worker = miglib.BUILD / "tests" / "takeover" / "mig-worker"
    # a shell between: looking into it does no harm
    p = subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", worker, "--threads", "2", "file"], input=json.dumps(
        {"searches": {"s1": {"paths": [f"/hostile/{where}{what}"], "names": ["."]}}}), text=True,
        capture_output=True, timeout=SECONDS, check=False)
    assert p.returncode == 128 + signal.SIGSYS, (p.stdout, p.stderr)


def test_more_threads_than_allowed(taken, threads):
    """Its user has 256 for all of its workers, and cannot have more; a control group allows fewer as
    soon as the worker is in one, which may be while it makes them."""
    most, more, crowd = attempts(taken, "most", "raise", "crowd", name="threads")
    assert most[1:] == ["refused", "256"], most
    assert more[1:] == ["refused", str(errno.EPERM)], more
    assert crowd[1] == "refused" and 0 < int(crowd[2]) < 256, crowd
    honest(taken, "threads")


def test_more_output_than_allowed(taken):
    op = ask(taken, "/hostile/flood")
    assert op["status"] == "limit", op


def test_no_end(taken, tmp_path):
    op, = ask_all(taken, tmp_path / "draft", "/hostile/sleep", seconds=1)
    assert op["status"] == "timeout" and op["error"] == "limit reached: time 1 s", op


@pytest.mark.parametrize("what", ["die", "nothing"])
def test_no_answer(taken, what):
    op = ask(taken, f"/hostile/{what}")
    assert "foundanything" not in op and op["error"], op


def test_an_answer_with_a_member_twice(taken):
    """What is no JSON by the strict reader is not believed by the client."""
    op = ask(taken, "/hostile/twice")
    assert op["module"] == "file" and "foundanything" not in op, op
    assert "cannot be read" in op["error"] and "duplicate" in op["error"], op


@pytest.mark.parametrize("what", ["part", "bytes", "done"])
def test_forging_another_operations_part(taken, tmp_path, what):
    """Of two operations the worker of one says that the other found nothing, in
    an answer that reads well or as the agent writes parts, or that it is done.
    Each part is of the operation that was ordered, and the honest one stands."""
    for mine, other in ((0, 1), (1, 0)):
        bad = f"/hostile/{what}" + ("" if what == "done" else str(other))
        ops = ask_all(taken, tmp_path / "draft", *((bad, taken.tree) if mine == 0
                                                   else (taken.tree, bad)))
        assert len(ops) == 2 and [op["module"] for op in ops] == ["file", "file"], ops
        honest_op, forged = ops[other], ops[mine]
        assert honest_op["status"] == "done" and honest_op["foundanything"] is True, ops
        assert honest_op["success"] is True and not honest_op["errors"], ops
        assert {e["file"] for e in honest_op["elements"]["s1"]} == {
            str(taken.tree / "passwd")}, ops
        if what == "part":      # it may lie about itself, as what it is
            assert forged["status"] == "done" and forged["errors"] == ["forged"], ops
        elif what == "bytes":
            assert "foundanything" not in forged and "cannot be read" in forged["error"], ops
        else:
            assert "foundanything" not in forged and "killed" in forged["error"], ops


@pytest.mark.parametrize("what", ["orders", "spent"])
def test_orders_to_the_monitor(taken, victim, tmp_path, what):
    """What none says where orders come from ends that worker, at once, and the
    part says so: it is neither heard nor waited for. So does what is said once
    when it is said again and again."""
    op, = ask_all(taken, tmp_path / "draft", f"/hostile/{what}", seconds=5)
    assert op["module"] == "file" and "foundanything" not in op, op
    assert op["status"] == "limit" and "killed" in op["error"], op
    assert victim.daemon.alive()
    wait_for("another worker", lambda: ask(taken, taken.tree)["foundanything"])
