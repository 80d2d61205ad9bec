# SPDX-License-Identifier: MPL-2.0
"""Faults on demand: the control file that the programs of
tests/fault/meson.build obey.

    control = Control(path)                     # MIG_FAULT of the process
    fault = control.kill("mig-agent", "spool.written")
    ... start an action ...
    fault.wait()                                # it has fired; disarmed now

The layout is that of src/base/fault_control.h. A platform whose processes have
control files: Platform here, with .fault at the server, at each agent, and
for what mig(1) is run with.
"""
import concurrent.futures
import errno as errno_names
import json
import mmap
import os
import pathlib
import re
import struct
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
os.environ["MIG_BIN"] = str(pathlib.Path(
    os.environ.get("MIG_BUILD", ROOT / "build")) / "tests" / "fault")

import miglib  # noqa: E402
from miglib import wait_for  # noqa: E402

SLOTS, ALLOCS, PASSES = 32, 8, 512
HEADER, ALLOC, SLOT, PASS = 64, 64, 192, 80
ALLOCS_AT = HEADER
SLOTS_AT = ALLOCS_AT + ALLOCS * ALLOC
PASSES_AT = SLOTS_AT + SLOTS * SLOT
SIZE = PASSES_AT + PASSES * PASS

FREE, ARMED, FIRED = 0, 1, 2
KILL, HANG, ERROR, ALLOCATION = 1, 2, 3, 4
ALWAYS = 0x7fffffff
SPARE_CRYPTO, SPARE_LIBC = 1, 2

POINT = re.compile(r'\bfault_(point|error)\(\s*"([^"]+)"')


def cases(values, *quick):
    """For parametrize: the values, of which the quick ones (by their place) run
    in each ./dev check, and the others in ./dev check long."""
    return [v if i in quick else pytest.param(v, marks=pytest.mark.long) for i, v in enumerate(values)]


class Fault:
    """One armed slot."""

    def __init__(self, control, index, text):
        self.control = control
        self.at = SLOTS_AT + index * SLOT
        self.text = text

    def field(self, n):
        return self.control.u32(self.at + 4 * n)

    @property
    def fired(self):
        """How often so far."""
        return self.field(5)

    @property
    def pid(self):
        """Of the process in which it fired last."""
        return self.field(6)

    def wait(self, seconds=20):
        wait_for(f"fault {self.text}", lambda: self.fired, seconds)
        return self

    def release(self):
        """Lets a process that hangs here go on; nothing hangs here again."""
        self.control.put32(self.at + 28, 1)
        self.disarm()

    def disarm(self):
        if self.field(0) == ARMED:
            self.control.put32(self.at, FIRED)


class Allocations:
    """Failing allocations of a program, or only counting them."""

    def __init__(self, control, index):
        self.control = control
        self.at = ALLOCS_AT + index * ALLOC

    @property
    def seen(self):
        return self.control.u32(self.at + 12)

    @property
    def fired(self):
        return self.control.u32(self.at + 16)

    def disarm(self):
        self.control.put32(self.at, FREE)


class Control:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(b"MIGFLT1\0" + bytes(SIZE - 8))
        self.path.chmod(0o666)      # roles without rights have it open
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)

    def u32(self, at):
        return struct.unpack_from("=I", self.map, at)[0]

    def put32(self, at, value):
        struct.pack_into("=I", self.map, at, value)

    def env(self, base=None):
        return {**(os.environ if base is None else base),
                "MIG_FAULT": str(self.path)}

    # --- arming -------------------------------------------------------------
    def arm(self, program, name, action, n=1, times=1, arg=0, what=""):
        """The n-th pass of the program ("": any) through the point from now
        on, and times - 1 more."""
        for i in range(SLOTS):
            at = SLOTS_AT + i * SLOT
            hangs = (self.u32(at) == FIRED and self.u32(at + 4) == HANG and
                     not self.u32(at + 28))
            if self.u32(at) != ARMED and not hangs:
                break
        else:
            raise AssertionError("no free slot")
        self.put32(at, FREE)
        struct.pack_into("=IIiiIII32s48s80s", self.map, at + 4, action, arg,
                         n, times, 0, 0, 0, program.encode(), name.encode(),
                         what.encode())
        self.put32(at, ARMED)
        return Fault(self, i, f"{program} {name} {what}")

    def kill(self, program, name, n=1):
        return self.arm(program, name, KILL, n)

    def hang(self, program, name, n=1):
        return self.arm(program, name, HANG, n)

    def error(self, program, name, number=errno_names.ENOSPC, times=1, n=1,
              what=""):
        """times=ALWAYS: until it is disarmed."""
        return self.arm(program, name, ERROR, n, times, number, what)

    def allocation_after(self, program, name, n, times=1):
        """From the point on, the n-th allocation of that process fails."""
        return self.arm(program, name, ALLOCATION, 1, times, n)

    def allocations(self, program, n=0x7fffffff, times=1):
        """The n-th allocation of the program from now fails (the default
        only counts), and times - 1 more."""
        for i in range(ALLOCS):
            at = ALLOCS_AT + i * ALLOC
            if self.u32(at) != ARMED:
                break
        else:
            raise AssertionError("no free slot")
        self.put32(at, FREE)
        struct.pack_into("=iiIII40s", self.map, at + 4, n, times, 0, 0, 0,
                         program.encode())
        self.put32(at, ARMED)
        return Allocations(self, i)

    def spare_fragile(self, which=SPARE_CRYPTO):
        """Allocations that these libraries make themselves do not fail and do
        not count: OpenSSL 3.0 and GPGME 1.18 follow a null pointer when some
        fail (OpenSSL's start, gpgme_new), librnp and its json-c end the
        process; the C library's name lookups do, hang, or never find a name
        again."""
        self.put32(16, which)

    def disarm_all(self):
        """Everything; what hangs goes on."""
        for i in range(SLOTS):
            Fault(self, i, "").release()
        for i in range(ALLOCS):
            Allocations(self, i).disarm()

    def clock(self, seconds):
        """Puts the wall clock of all processes so far from the real one."""
        struct.pack_into("=q", self.map, 8, int(seconds * 1000))

    # --- looking ------------------------------------------------------------
    def passes(self):
        """{(program, point): times} since the last forget()."""
        ret = {}
        for i in range(PASSES):
            at = PASSES_AT + i * PASS
            state, count, _, _, program, name = struct.unpack_from(
                "=IIII24s40s", self.map, at)
            if state != 2:
                break
            if count:
                ret[program.split(b"\0")[0].decode(),
                    name.split(b"\0")[0].decode()] = count
        return ret

    def count(self, name, program=None):
        return sum(n for (p, point), n in self.passes().items()
                   if point == name and program in (None, p))

    def forget(self):
        for i in range(PASSES):
            self.put32(PASSES_AT + i * PASS + 4, 0)


def points(folder=ROOT / "src"):
    """{name: kind} of every point in the sources, kind "point" or "error"."""
    ret = {}
    for path in sorted(pathlib.Path(folder).rglob("*.c")):
        for kind, name in POINT.findall(path.read_text()):
            ret[name] = kind
    return ret


class Agent(miglib.Agent):
    def __init__(self, platform, name, tags):
        super().__init__(platform, name, tags)
        self.fault = Control(self.dir / "fault")
        self.daemon.env = self.fault.env()

    def run(self, *args, **kw):
        kw.setdefault("env", self.fault.env())
        return super().run(*args, **kw)


class Platform(miglib.Platform):
    """All processes with control files: .fault is the server's, .client that
    of mig, and each agent has its own. The relay has none."""

    AGENT = Agent

    def __init__(self, directory, **kw):
        super().__init__(directory, **kw)
        self.fault = Control(self.dir / "fault-server")
        self.client = Control(self.dir / "fault-client")
        self.server.env = self.fault.env()
        self.env = self.client.env(self.env)
        self.on_wait = None     # called again and again while mig waits
        self.held = None            # descriptors of the server's roles (platformlib)
        self.descriptors = None     # of each agent's processes (fleetlib)
        self.ends = []          # agents that ended by themselves: (name, exit status)

    # --- several agents that die ----------------------------------------------
    def fleet(self, names):
        """Enrols and starts agents, all at the same time."""
        token = self.token(uses=len(names))

        def enrol(name):
            agent = Agent(self, name, {})
            p = agent.enrol(token)
            assert p.returncode == 0, (p.stdout, p.stderr)
            return agent.start()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for agent in pool.map(enrol, names):
                self.agents[agent.name] = agent
        self.wait_online(len(self.agents), 60)

    def tend(self):
        """What a service manager does; how many were started again."""
        n = 0
        for agent in self.agents.values():
            if agent.daemon.proc is not None and not agent.daemon.alive():
                wait_for(f"the end of {agent.name}'s roles",
                         lambda a=agent: not session(a.daemon.proc.pid))
                self.ends.append((agent.name, agent.daemon.proc.returncode))
                agent.start()
                n += 1
        return n

    def ask(self, *args, seconds=60):
        """mig ... --json (mig file, if it starts with an option of it) while
        dead agents are started again: exit code, answers by name, summary."""
        if args[0] == "-t":
            args = ("file", *args)
        with open(self.dir / "mig.out", "w+b") as out, \
                open(self.dir / "mig.err", "w+b") as err:
            mig = subprocess.Popen(
                [miglib.program("mig"), *args, "--json", "--show", "all"], env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err)

            def ended():
                self.tend()
                if self.on_wait is not None:
                    self.on_wait()
                return mig.poll() is not None
            try:
                wait_for("mig's end", ended, seconds)
            finally:
                mig.kill()
                mig.wait()
            out.seek(0)
            err.seek(0)
            lines = [json.loads(x) for x in out.read().splitlines()]
            self.said = err.read().decode()
        assert lines, self.said
        answers = {}
        for line in lines[:-1]:
            assert line["name"] not in answers, f"{line['name']} twice"
            answers[line["name"]] = line
        return mig.returncode, answers, lines[-1]


def session(sid):
    """{pid: program} of the processes of a daemon that was started by
    miglib.Daemon; what has ended and nobody took note of is "(ended)"."""
    ret = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                comm, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = rest.split()
        if int(fields[3]) == sid:
            ret[int(entry)] = "(ended)" if fields[0] == "Z" else comm
    return ret
