# SPDX-License-Identifier: MPL-2.0
"""The state directory of an agent lies on a real file system that is full, or
read-only: a small tmpfs in a mount namespace of its own, filled to the last
page. What cannot be recorded is refused and runs not at all, what has run is
answered once when there is room, and the log says what is wrong.

(A file system with open files cannot be made read-only from outside; that
calls fail with EROFS while the agent runs is test_agent_disk.py's.)"""
import contextlib
import errno
import os
import shutil
import signal
import subprocess

import pytest

import miglib
from faultlib import wait_for
from fleetlib import check_round, needle, settled, started_again
from spoollib import BLOCK, small_ones

WORKER = "mig-worker"
SIZE = "3m"
# so long that no half-filled page of the journal takes its action
LONG = "^needle$|^" + "z" * 9000 + "$"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")


class Small:
    """The agent's state on a tmpfs that only it and this test see."""

    def __init__(self, agent):
        self.agent = agent
        self.state = agent.dir / "state"
        self.aside = agent.dir / "state.aside"
        self.argv = agent.daemon.argv
        agent.daemon.stop()
        shutil.copytree(self.state, self.aside, copy_function=shutil.copy2)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount -t tmpfs -o mode=700,size="$1" none "$2" && '
             'cp -a "$3/." "$2/" && echo mounted && exec sleep 600',
             "sh", SIZE, str(self.state), str(self.aside)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"mounted\n"
        self.inside = f"/proc/{self.holder.pid}/root{self.state}"
        self.nsenter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        agent.daemon.argv = [*self.nsenter, *self.argv]
        agent.run = self.run

    def run(self, *args):
        return subprocess.run(
            [*self.nsenter, miglib.program("mig-agent"), *args, "-c",
             str(self.agent.conf)], capture_output=True, text=True,
            timeout=60, env=self.agent.fault.env())

    def fill(self):
        with open(f"{self.inside}/fill", "ab", buffering=0) as f:
            with contextlib.suppress(OSError):
                while f.write(bytes(65536)):
                    pass
            with pytest.raises(OSError) as e:
                while f.write(bytes(4096)):
                    pass
            assert e.value.errno == errno.ENOSPC
        return self

    def room(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.inside}/fill")

    def remount(self, how):
        subprocess.run([*self.nsenter, "mount", "-o", f"remount,{how}",
                        str(self.state)], check=True)

    def close(self):
        self.room()
        self.agent.daemon.stop()
        for name in os.listdir(self.state):
            path = self.state / name
            (shutil.rmtree if path.is_dir() else os.unlink)(path)
        subprocess.run(["cp", "-a", f"{self.inside}/.", f"{self.state}/"],
                       check=True)
        shutil.rmtree(self.aside)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.agent.daemon.argv = self.argv
        del self.agent.run
        self.agent.start()


@pytest.fixture
def small(fleet, request):
    """Of these agents."""
    settled(fleet)
    disks = []
    try:
        for name in request.param:
            disks.append(Small(fleet.agents[name]))
            fleet.agents[name].start()
        settled(fleet)
        yield disks
    finally:
        for agent in fleet.agents.values():
            agent.fault.disarm_all()
        for disk in disks:
            disk.close()
        settled(fleet)


def no_free_block(fleet, disk):
    """The file of small answers grows by several blocks at once; until they are
    in use an answer needs no room."""
    def full():
        spool = f"{disk.inside}/spool"
        there = os.path.getsize(f"{spool}/small") if os.path.exists(f"{spool}/small") else 0
        return there == len(small_ones(spool)) * BLOCK
    while not full():
        fleet.ask("-t", f"name='{disk.agent.name}'", "-path", str(fleet.haystack), "-name", "^needle$")


def said(agent, start):
    return agent.daemon.log.read_text()[start:]


OF_ONE = pytest.mark.parametrize("small", [("a0",)], indirect=True, ids="-".join)
OF_FOUR = pytest.mark.parametrize("small", [("a0", "a1", "a2", "a3")], indirect=True, ids="-".join)


@OF_ONE
def test_full_when_the_question_comes(fleet, small):
    """Refused and not run; when there is room it runs again."""
    disk, = small
    agent, start = disk.agent, len(disk.agent.daemon.log.read_text())
    ask = ("-t", "name='a0'", "-path", str(fleet.haystack), "-name", LONG)
    agent.fault.forget()
    disk.fill()
    _, answers, _ = fleet.ask(*ask)
    assert answers["a0"]["reason"] == "the agent cannot write its journal"
    assert agent.fault.count("worker.limited") == 0
    assert "No space left on device" in said(agent, start)
    disk.room()
    started_again(fleet, agent, start)
    _, answers, _ = fleet.ask(*ask)
    assert answers["a0"]["status"] == "done" and not left_behind_inside(disk)


@pytest.mark.long
@OF_FOUR
def test_no_room(fleet, small):
    before, begun, killed, readonly = small
    for disk in (begun, killed):
        no_free_block(fleet, disk)
    for agent in fleet.agents.values():
        agent.fault.forget()
    marks = {a.name: len(a.daemon.log.read_text())
             for a in fleet.agents.values()}
    # full before the question comes
    before.fill()
    # full while its worker runs; and killed, so that it starts on a full disk
    held = [(d, d.agent.fault.hang(WORKER, "worker.walking"))
            for d in (begun, killed)]
    # read-only at its start
    readonly.agent.daemon.stop()
    readonly.remount("ro")
    readonly.agent.start()
    assert readonly.agent.daemon.proc.wait(20) == 1
    assert "read-only file system" in said(readonly.agent, marks["a3"])

    steps = []

    def meanwhile():
        if not steps and all(f.fired for _, f in held):
            for disk, _ in held:
                disk.fill()
            killed.agent.daemon.proc.send_signal(signal.SIGKILL)
            readonly.remount("rw")
            for _, fault in held:
                fault.release()
            steps.append("full")
        # told, and kept in memory, before there is room
        if steps == ["full"] and all(
                " spool action=" in said(d.agent, marks[d.agent.name])
                for d, _ in held):
            for disk in (begun, killed):
                assert not left_behind_inside(disk)
                disk.room()
            steps.append("room")
    fleet.on_wait = meanwhile
    try:
        _, answers, _ = fleet.ask("-t", "all", "-path", str(fleet.haystack),
                                  "-name", LONG)
    finally:
        fleet.on_wait = None
    assert steps == ["full", "room"]
    assert answers["a0"]["reason"] == "the agent cannot write its journal"
    assert "No space left on device" in said(before.agent, marks["a0"])
    # what it says of it now and then
    wait_for("a word about the disk", lambda:
             "nothing runs until it takes writes again" in
             said(before.agent, marks["a0"]))
    before.room()
    started_again(fleet, before.agent, marks["a0"])
    settled(fleet)
    check_round(fleet, {
        "a0": ("refused", "full before"),
        "a1": ("done", "full while it ran"),
        "a2": ("stopped", "full while it ran, and killed"),
        "a3": ("done", "read-only at its start"),
    }, answers)
    assert not [x for d in small for x in left_behind_inside(d)]
    # as if nothing had been
    for agent in fleet.agents.values():
        agent.fault.forget()
    _, answers, _ = needle(fleet)
    check_round(fleet, {}, answers)


def left_behind_inside(disk):
    return [n for n in os.listdir(f"{disk.inside}/spool")
            if n.endswith(".staged")]
