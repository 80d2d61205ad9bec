# SPDX-License-Identifier: MPL-2.0
"""Somebody without rights on the endpoint's or the platform's machine."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import miglib
import takeoverlib
from procs import family

SECONDS = 10
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user")
NOBODY = 54321      # of no service: those of an agent without net_user are nobody's


@pytest.fixture(scope="module")
def taken():
    """Where everybody may enter: what is refused is refused by the files."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="mig-taken-"))
    top.chmod(0o755)
    (top / "taken").mkdir()
    t = takeoverlib.Taken(top / "taken")
    try:
        yield t.start()
    finally:
        t.stop()
        shutil.rmtree(top)


def as_nobody(code, *args):
    """Python as that user; what it prints. Paths may be entered on the way."""
    run = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
         "/usr/bin/python3", "-c", code, *map(str, args)],
        capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


OPEN = """
import os, sys
for p in sys.argv[1:]:
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND):
        try:
            os.close(os.open(p, flags))
            print("OPENED:" + p)
        except OSError:
            pass
    try:
        os.listdir(p)
        print("LISTED:" + p)
    except OSError:
        pass
"""


def files(directory):
    return [directory, *pathlib.Path(directory).rglob("*")]


def test_the_attempts_are_real(taken, attack):
    """This account enters the directories and reads what is meant for it."""
    shown = taken.tree / "passwd"
    mine = taken.platform.agents["web1"].dir / "public"
    mine.write_text("x")
    mine.chmod(0o666)
    assert as_nobody(OPEN, shown, mine) == [f"OPENED:{p}" for p in (shown, mine, mine)]


def test_the_agents_files(taken, attack):
    """Keys, journal, record, answers: nothing is read, written or listed."""
    agent = taken.platform.agents["web1"]
    agent.dir.chmod(0o755)
    paths = [p for p in files(agent.dir / "state")]
    assert any(p.name == "identity" for p in paths)
    assert as_nobody(OPEN, *paths) == []


def test_the_platforms_files(taken, attack):
    """The CA's, the server's and the relay's keys, and the store."""
    paths = [p for p in files(taken.platform.state) if p.is_file()]
    names = {p.name for p in paths}
    assert "ca.key" in names and any("sqlite" in n for n in names), names
    opened = {pathlib.Path(x.split(":", 1)[1]).name for x in as_nobody(OPEN, *paths)}
    assert not any(n.endswith(".key") or "sqlite" in n for n in opened), opened


KILL = """
import os, signal, sys
for p in map(int, sys.argv[1:]):
    for s in (0, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGSTOP):
        try:
            os.kill(p, s)
            print("SENT:%d:%d" % (p, s))
        except OSError:
            pass
    for name in ("mem", "environ", "fd", "maps", "auxv"):
        path = "/proc/%d/%s" % (p, name)
        try:
            (os.listdir if name == "fd" else lambda x: open(x, "rb").read(1))(path)
            print("LOOKED:" + path)
        except OSError:
            pass
"""


def test_signals_and_memory(taken, attack):
    p = taken.platform
    pids = family([p.agents["web1"].daemon.proc.pid, p.server.proc.pid])
    assert len(pids) > 6
    assert as_nobody(KILL, *pids) == []


SOCKETS = """
import socket, sys
for p in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(p)
        print("CONNECTED:" + p)
    except OSError:
        pass
"""


def test_sockets(taken, attack):
    """The relay's own one above all: who reaches it speaks as the server."""
    where = [taken.platform.state, *(a.dir for a in taken.platform.agents.values())]
    paths = [p for d in where for p in d.rglob("*") if p.is_socket()]
    assert paths
    assert as_nobody(SOCKETS, *paths) == []


def test_no_agent_listens(taken, attack):
    """No port, no name: there is nothing to speak to."""
    for a in taken.platform.agents.values():
        inodes = set()
        for pid in family([a.daemon.proc.pid]):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                link = os.readlink(f"/proc/{pid}/fd/{fd}")
                if link.startswith("socket:["):
                    inodes.add(link[8:-1])
        assert inodes
        for table in ("tcp", "tcp6"):
            path = pathlib.Path("/proc/net", table)
            for line in path.read_text().splitlines()[1:] if path.exists() else ():
                f = line.split()
                assert not (f[3] == "0A" and f[9] in inodes), line
        unix = pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]
        assert not [x for x in unix if x.split()[6] in inodes and len(x.split()) > 7]


def test_commands(taken, attack):
    """mig-agent as that user changes nothing of the agent's."""
    agent = taken.platform.agents["web1"]
    state = agent.dir / "state"
    agent.conf.chmod(0o644)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in files(state)
              if p.name in ("policy", "identity", "agent.key", "machine")}
    for args in (["policy", str(taken.platform.policy)], ["report"], ["init"], ["run"]):
        run = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             miglib.program("mig-agent"), *args, "-c", str(agent.conf)],
            capture_output=True, text=True, timeout=30, check=False, cwd="/")
        assert run.returncode != 0, (args, run.stdout)
        assert run.stderr, args
    after = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in before}
    assert after == before
