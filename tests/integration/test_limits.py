# SPDX-License-Identifier: MPL-2.0
"""Hostile questions, properly signed: each is held by a limit, says by which
one, and answers what it has; and the agent goes on."""
import ctypes
import errno
import json
import os
import pathlib
import random
import resource
import secrets
import signal
import subprocess
import sys
import threading
import time

import pytest

from test_agent_once import (AGENT, BUILD, Agent, document, envelope, gpg,  # noqa: F401
                             rfc3339)
from miglib import wait_for
from test_worker_provoke import CHILD

SHARDS = 2
SECONDS = 60
WORKER = BUILD / "src" / "mig-worker"
pytestmark = pytest.mark.skipif(not AGENT.exists(), reason=f"{AGENT} is not built")
NOTHING = "ab" * 32


@pytest.fixture
def agent(tmp_path, gpg):  # noqa: F811
    tmp_path.chmod(0o755)
    return Agent(tmp_path, gpg).install()


def search(path, options=None, **fields):
    return {"module": "file", "parameters": {"searches": {"s": {
        "paths": [str(path)], "options": {"matchall": True, **(options or {})}, **fields}}}}


def ask(agent, *operations, limits=None):
    """The answer's operations; their JSON where they have some."""
    doc = document(agent.gpg, operations=list(operations), limits=limits or {},
                   expireafter=rfc3339(time.time() + 600))
    path = agent.where / "envelope"
    path.write_bytes(envelope(agent.gpg, doc))
    run = subprocess.run([str(AGENT), "-c", str(agent.conf), "--once", str(path)],
                         capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, (run.stdout, run.stderr)
    return json.loads(run.stdout)["operations"]


def partial(op):
    """What a stopped worker had until then."""
    return op["result"]["statistics"]["notexamined"], op["result"]["errors"]


@pytest.fixture
def hole(tmp_path):
    """Long to read and no room on the disk."""
    d = tmp_path / "slow"
    d.mkdir()
    with open(d / "hole", "wb") as f:
        f.truncate(1 << 43)
    return d


# --- each limit says its name ---------------------------------------------------

def test_every_file_of_root_by_cpu(agent):
    op, = ask(agent, search("/", sha2=[NOTHING]), limits={"cpuseconds": 1, "seconds": 250})
    assert op["status"] == "limit", op
    left_out, errors = partial(op)
    assert left_out["cpulimit"] >= 1
    assert any(e.startswith("limit reached: CPU 1 s: what was not reached by then was not examined")
               for e in errors), errors[-3:]
    assert op["result"]["statistics"]["filescount"] > 0


def test_time(agent, hole):
    op, = ask(agent, search(hole, sha2=[NOTHING]), limits={"seconds": 1})
    assert op["status"] == "timeout", op
    left_out, errors = partial(op)
    assert left_out == {"timelimit": 1} and errors[0].startswith("limit reached: time 1 s: ")
    assert op["result"]["statistics"]["bytesread"] > 0


def test_bytes_read(agent, hole):
    op, = ask(agent, search(hole, sha2=[NOTHING]), limits={"readbytes": 1 << 20})
    left_out, errors = partial(op)
    assert left_out == {"readlimit": 1} and errors[0].startswith("limit reached: bytes read 1 MB: ")
    assert op["result"]["statistics"]["bytesread"] == 1 << 20


def test_output(agent, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for _ in range(2000):
        (many / secrets.token_hex(100)).touch()
    op, = ask(agent, search(many, names=["."], options={"matchlimit": 0}), limits={"resultbytes": 65536})
    left_out, errors = partial(op)
    assert list(left_out) == ["outputlimit"]
    assert any(e.startswith("limit reached: output ") for e in errors), errors
    # what fitted is answered
    assert 50 < len(op["result"]["elements"]["s"]) < 2000


def patterns(n):
    """Nothing in them is literal: no engine can put them aside."""
    def some():
        return "[" + "".join(random.sample("abcdefghijklmnopqrstuvwxyz0123456789", 6)) + "]"
    random.seed(1)
    return [f"{some()}{{3,{random.randint(10, 40)}}}{some()}{{2,9}}{some()}+" for _ in range(n)]


def test_memory(agent, tmp_path):
    """More patterns than fit into the smallest memory."""
    agent.install(version=2, limits={"memorybytes": 16 << 20})
    (tmp_path / "f").write_text("x\n")
    terms = patterns(20000)
    op, = ask(agent, search(tmp_path / "f", contents=terms, options={"matchall": False}))
    text = op.get("text") or json.dumps(op["result"])
    assert op["status"] == "limit" and "limit reached: memory 16 MB" in text, text[:400]


def test_cpu_where_nothing_can_be_answered(agent, tmp_path):
    """Compiling them takes a minute and listens to nobody: the kernel ends it."""
    agent.install(version=2, limits={"memorybytes": 16 << 20})
    (tmp_path / "f").write_text("x\n")
    op, = ask(agent, search(tmp_path / "f", contents=patterns(500), options={"matchall": False}),
              limits={"cpuseconds": 1, "seconds": 250})
    assert op["status"] == "limit" and "limit reached: CPU 1 s" in op["text"], op


@pytest.mark.parametrize("pattern", [
    "(x+x+)+y", "(a|aa)*$", "((a{1,9}){1,9}){1,9}", "(.*,){30}P", "(([a-z])+.)+[A-Z]([a-z])+$"])
def test_exploding_expression(agent, tmp_path, pattern):
    (tmp_path / "bait").write_text(("x" * 5000 + "," * 3000 + "a" * 5000 + "!\n") * 20)
    op, = ask(agent, search(tmp_path / "bait", contents=[pattern]), limits={"cpuseconds": 5, "seconds": 120})
    if op["status"] == "done" and op["result"]["success"]:
        # looked at to the end, or said not to have been
        left_out, errors = partial(op)
        assert set(left_out) <= {"enginelimit", "cpulimit"} and bool(left_out) == bool(errors), op
    else:
        text = op.get("text") or " ".join(op["result"]["errors"])
        assert "limit reached" in text or "pattern" in text or "expression" in text, op
    # and the next one is answered
    assert ask(agent, search(tmp_path / "bait", names=["^bait$"]))[0]["result"]["foundanything"]


# --- many at once ---------------------------------------------------------------

def readers(directory):
    """Processes that have something below the directory open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(str(directory)):
                    found.add(pid)
        except OSError:
            pass
    return found - {str(os.getpid())}


def test_two_of_64_at_once(agent, hole, tmp_path):
    """Two are busy until their time is over and keep their places; the 62 others come after them."""
    quick = tmp_path / "quick"
    quick.mkdir()
    (quick / "found").write_text("needle\n")
    most, over = [0], threading.Event()

    def watch():
        while not over.is_set():
            most[0] = max(most[0], len(readers(hole) | readers(quick)))

    t = threading.Thread(target=watch)
    t.start()
    try:
        begin = time.monotonic()
        ops = ask(agent, search(hole, sha2=[NOTHING]), search(hole, sha2=[NOTHING]),
                  *[search(quick, contents=["needle"])] * 62, limits={"seconds": 3})
        took = time.monotonic() - begin
    finally:
        over.set()
        t.join()
    assert [o["status"] for o in ops] == ["timeout"] * 2 + ["done"] * 62
    assert all(o["result"]["foundanything"] for o in ops[2:])
    assert most[0] == 2
    assert took < 60


# Served by nobody: who looks at it sleeps, until the connection is cut.
STANDS_STILL = CHILD + """
fd = os.open("/dev/fuse", os.O_RDWR) if os.path.exists("/dev/fuse") else sys.exit(77)
mount("dead:/", root, "fuse.sshfs", 0, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd)
agent = subprocess.Popen(sys.argv[2:])
sys.stdin.read()
os.close(fd)
sys.exit(agent.wait())
"""


def read_files(directory):
    """A function that says which files of it were opened, read and closed until now."""
    libc, seen = ctypes.CDLL(None, use_errno=True), set()
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(directory), 0x10) >= 0     # IN_CLOSE_NOWRITE

    def names():
        try:
            events = os.read(fd, 65536)
        except BlockingIOError:
            events = b""
        while events:
            length = int.from_bytes(events[12:16], sys.byteorder)
            seen.add(events[16:16 + length].rstrip(b"\0").decode())
            events = events[16 + length:]
        return seen - {""}
    return names


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount")
@pytest.mark.parametrize("still", [1, 3], ids=["one", "in-every-place"])
def test_one_that_stands_still_delays_no_other(agent, tmp_path, still):
    """Of one action: some sleep in a file system that does not answer, the others are done meanwhile."""
    dead, quick = tmp_path / "dead", tmp_path / "quick"
    dead.mkdir()
    quick.mkdir()
    others = [quick / f"found{i}" for i in range(5)]
    for file in others:
        file.write_text("needle\n")
    doc = document(agent.gpg, expireafter=rfc3339(time.time() + 600), limits={"seconds": 120}, operations=[
        *[search(dead, names=["."], options={"remotefs": True})] * still,
        *[search(file, contents=["needle"]) for file in others]])
    path = agent.where / "envelope"
    path.write_bytes(envelope(agent.gpg, doc))
    names = read_files(quick)
    p = subprocess.Popen([sys.executable, "-c", STANDS_STILL, str(dead), str(AGENT), "-c", str(agent.conf),
                          "--once", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        wait_for("the others", lambda: len(names()) == len(others) or p.poll() is not None, 60)
        stands = p.poll() is None
        out, _ = p.communicate(timeout=60)
    finally:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
    if p.returncode == 77:
        pytest.skip("this kind of mount is not permitted here")
    ops = json.loads(out)["operations"]
    assert stands and [o["status"] for o in ops] == ["done"] * (still + len(others)), ops
    assert all(o["result"]["foundanything"] for o in ops[still:])
    # and what stood still says what it did not see
    for o in ops[:still]:
        assert partial(o) == ({"ioerror": 1}, [f"ioerror: {dead}: {os.strerror(errno.ENOTCONN)}"]), o


# --- its share of the machine ---------------------------------------------------

def test_half_a_core_without_control_group(hole):
    question = json.dumps(search(hole, sha2=[NOTHING])["parameters"])
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run = subprocess.run([WORKER, "--share", "50", "--cpu", "2", "file"], input=question,
                         capture_output=True, text=True, timeout=250, check=False)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "limit reached: CPU 2 s" in run.stdout
    assert cpu / wall <= 0.55, (cpu, wall)


def worker_of(agent_pid, directory):
    mine = {str(agent_pid)}
    for pid in readers(directory):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if stat[1] in mine:
            return pid
    return None


def number_of_threads(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("Threads:")[1].split()[0])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="only one processor")
@pytest.mark.parametrize("percent, threads", [(None, 2), (100, 1)])
def test_threads_by_the_share(agent, hole, percent, threads):
    """A thread for each core that worker_cpu allows, unless the action says less."""
    with open(agent.conf, "a") as f:
        f.write("worker_cpu 200\n")
    for i in range(4):
        with open(hole / f"more-{i}", "wb") as f:
            f.truncate(1 << 43)
    limits = {"seconds": 4, **({"cpupercent": percent} if percent else {})}
    doc = document(agent.gpg, operations=[search(hole, sha2=[NOTHING])], limits=limits,
                   expireafter=rfc3339(time.time() + 600))
    path = agent.where / "envelope"
    path.write_bytes(envelope(agent.gpg, doc))
    p = subprocess.Popen([str(AGENT), "-c", str(agent.conf), "--once", str(path)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = set()
    while p.poll() is None:
        try:
            pid = worker_of(p.pid, hole)
            if pid:
                seen.add(number_of_threads(pid))
        except OSError:
            pass
        time.sleep(0.02)
    out, err = p.communicate()
    op, = json.loads(out)["operations"]
    assert op["status"] == "timeout", (op, err)
    left_out, errors = partial(op)
    assert left_out["timelimit"] >= 1 and errors[0].startswith("limit reached: time 4 s: ")
    assert op["result"]["statistics"]["bytesread"] > 0
    assert max(seen) == threads, seen


def control_group(pid):
    """(directory of its cpu limit, of its memory limit); None: not in one of ours."""
    dirs = {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "/worker-" not in path:
            continue
        for name in controllers.split(",") if controllers else ["cpu", "memory"]:
            for root in (f"/sys/fs/cgroup/{name}", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                if os.path.isdir(root + path) and os.listdir(root + path):
                    dirs.setdefault(name, pathlib.Path(root + path))
                    break
    return (dirs["cpu"], dirs["memory"]) if {"cpu", "memory"} <= set(dirs) else None


def test_control_group(agent, hole):
    """An expensive worker is moved into the group of its slot, with its limits."""
    if "control groups: none" in agent.run("check").stdout:
        pytest.skip("no control groups can be made here")
    agent.install(version=2, limits={"memorybytes": 48 << 20})
    with open(agent.conf, "a") as f:
        f.write("worker_cpu 30\n")
    doc = document(agent.gpg, operations=[search(hole, sha2=[NOTHING])], limits={"seconds": 60},
                   expireafter=rfc3339(time.time() + 600))
    path = agent.where / "envelope"
    path.write_bytes(envelope(agent.gpg, doc))
    p = subprocess.Popen([str(AGENT), "-c", str(agent.conf), "--once", str(path)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        dirs = pid = None
        while dirs is None:
            assert time.monotonic() < end and p.poll() is None
            pid = worker_of(p.pid, hole)
            try:
                dirs = control_group(pid) if pid else None
            except OSError:
                pass
            time.sleep(0.02)
        cpu, memory = dirs
        if (cpu / "cpu.max").exists():
            assert (cpu / "cpu.max").read_text() == "30000 100000\n"
            assert (memory / "memory.max").read_text() == f"{48 << 20}\n"
        else:
            assert (cpu / "cpu.cfs_quota_us").read_text() == "30000\n"
            assert (memory / "memory.limit_in_bytes").read_text() == f"{48 << 20}\n"
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert "Max processes             0 " in limits
        assert f"Max data size             {42 << 20} " in limits
    finally:
        os.kill(int(pid), signal.SIGTERM)
        p.communicate(timeout=120)
    # and the groups go with the agent
    assert not cpu.exists() and not memory.exists()
