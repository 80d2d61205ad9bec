# SPDX-License-Identifier: MPL-2.0
"""An agent in a control group (version 2) that was handed to it, as its unit is:
the worker of a hostile question gets a group with its limits, is slowed down
there, and ended when it needs more memory than the group has."""
import contextlib
import json
import os
import pathlib
import subprocess
import time

import pytest

from miglib import wait_for
from test_agent_once import (AGENT, document, envelope, gpg,  # noqa: F401
                             rfc3339)
from test_limits import NOTHING, agent, search, worker_of  # noqa: F401

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="mounts"),
              pytest.mark.skipif(not AGENT.exists(), reason=f"{AGENT} is not built")]
WANTED = ("cpu", "memory", "pids")


def missing(root):
    """Why the tree cannot be used; None: it can."""
    there = (root / "cgroup.controllers").read_text().split()
    if not set(WANTED) <= set(there):
        return (f"version 2 has only {' '.join(there) or 'no controller'} here, as version 1 has the others"
                if "cpu" in pathlib.Path("/proc/self/cgroup").read_text()
                else f"version 2 has only {' '.join(there) or 'no controller'} here")
    try:
        (root / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in WANTED))
    except OSError as e:
        return f"controllers cannot be handed on: {e}"
    return None


@pytest.fixture
def group(tmp_path):
    """A group with controllers in a tree that is mounted for us alone; seen
    through the process that holds it."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
         'mount -t cgroup2 none "$1"; echo; exec cat', "sh", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"\n":
            pytest.skip(f"no cgroup2: {holder.stderr.read().decode().strip()}")
        root = pathlib.Path(f"/proc/{holder.pid}/root{tmp_path}")
        if (why := missing(root)) is not None:
            pytest.skip(why)
        where = root / f"mig-test-{os.getpid()}"
        where.mkdir()
        yield where
        for path in (*where.iterdir(), where):
            with contextlib.suppress(OSError):
                path.rmdir()
    finally:
        holder.stdin.close()
        holder.wait(10)


def started(group, agent, *argv):  # noqa: F811
    """In the group, which is the root of all that it sees."""
    where = agent.where / "groups"
    where.mkdir()
    return subprocess.Popen(
        ["sh", "-ec", 'echo $$ >"$1/cgroup.procs"; shift\n'
         'exec unshare --mount --cgroup --propagation private sh -ec "$@"', "sh", str(group),
         'mount -t cgroup2 none "$1"; shift; exec "$@"', "sh", str(where), str(AGENT), "-c",
         str(agent.conf), *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def numbers(path):
    return {k: int(v) for k, v in map(str.split, path.read_text().splitlines())}


def test_check_names_them(agent, group):  # noqa: F811
    out, err = started(group, agent, "check").communicate(timeout=60)
    assert "control groups: cgroup-2 " in out, out + err
    named = out.split("control groups: cgroup-2 ")[1].splitlines()[0]
    assert set(WANTED) <= set(named.replace(",", " ").split()), named


def test_a_hostile_question(agent, group):  # noqa: F811
    """Every file of /usr by its hash."""
    agent.install(version=2, limits={"memorybytes": 48 << 20})
    with open(agent.conf, "a") as f:
        f.write("worker_cpu 30\n")
    doc = document(agent.gpg, operations=[search("/usr", sha2=[NOTHING])], limits={"seconds": 200},
                   expireafter=rfc3339(time.time() + 600))
    path = agent.where / "envelope"
    path.write_bytes(envelope(agent.gpg, doc))
    p = started(group, agent, "--once", str(path))
    slot = group / "worker-0"
    try:
        wait_for("the worker in its group", lambda: slot.exists() and (slot / "cgroup.procs").read_text(), 60)
        # the agent itself is elsewhere
        assert str(p.pid) in (group / "agent" / "cgroup.procs").read_text().split()
        assert str(p.pid) not in (slot / "cgroup.procs").read_text().split()
        for name, want in (("cpu.max", "30000 100000"), ("memory.max", str(48 << 20)),
                           ("memory.swap.max", "0"), ("pids.max", "1"), ("cpu.weight", "1")):
            if (slot / name).exists() or not name.startswith("memory.swap"):
                assert (slot / name).read_text().strip() == want, name
        wait_for("the CPU's limit", lambda: numbers(slot / "cpu.stat")["nr_throttled"] > 3, 60)
        wait_for("a look at a file", lambda: worker_of(p.pid, "/usr"), 60)
        # now whatever it needs is more than the group has
        (slot / "memory.max").write_text("0")
        wait_for("its end", lambda: numbers(slot / "memory.events")["oom_kill"] > 0 or p.poll() is not None, 60)
        out, err = p.communicate(timeout=60)
    finally:
        p.kill()
        p.communicate()
    assert p.returncode == 0, err
    op, = json.loads(out)["operations"]
    text = op.get("text") or json.dumps(op["result"])
    assert op["status"] == "limit" and "limit reached: memory 48 MB" in text, op
    # and the group goes with the agent
    assert not slot.exists()
