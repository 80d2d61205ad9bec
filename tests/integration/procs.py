# SPDX-License-Identifier: MPL-2.0
"""What processes use: CPU and memory by kind of process.

A kind is the name of a program as this project speaks of it (monitor, net,
core, relay ...). CPU is exact (nanoseconds of the process's own clock, threads
that ended included), and a Group also counts children that ended.
"""
import contextlib
import os
import pathlib
import time

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
# by the name of the executable; roles of mig-server are told apart below
KINDS = {
    "mig-agent": "monitor",
    "mig-agent-net": "net",
    "mig-agent-verify": "verify",
    "mig-agent-judge": "judge",
    "mig-worker": "worker",
    "mosquitto": "mosquitto",
    "gpg-agent": "gpg",
    "scdaemon": "gpg",
}


def children_map():
    """parent pid -> [pids], of the whole machine in one pass."""
    tree = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as f:
                    fields = f.read().rsplit(b")", 1)[1].split()
            except OSError:
                continue
            tree.setdefault(int(fields[1]), []).append(int(entry))
    return tree


def family(roots):
    """The processes and all that descend from them."""
    tree, found, todo = children_map(), [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += tree.get(pid, [])
    return found


def kind(pid):
    """None: it has ended."""
    try:
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if program != "mig-server":
            return KINDS.get(program, program)
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            argv = f.read().split(b"\0")
    except OSError:
        return None
    for role in (b"api", b"core", b"ca"):
        if role in argv[:3]:
            return role.decode()
    return "parent"


def parts_of(server):
    """{"relay": pid, "api": pid, "core": pid, "ca": pid, "parent": pid} of a
    running mig-server."""
    names = {"mosquitto": "relay", "api": "api", "core": "core", "ca": "ca"}
    found = {names[k]: pid for pid in family([server])
             if (k := kind(pid)) in names}
    return {"parent": server, **found}


def cpu_ms(pid):
    """Of all its threads, also those that ended; 0: it is gone."""
    try:
        # the process-wide CPU clock of another process (clock_getcpuclockid)
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e6
    except OSError:
        return 0.0


def ended_children_ms(pid):
    """In clock ticks: too coarse for one process, good for many."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rsplit(b")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) * TICK_MS


def memory_kb(pid):
    """(PSS, private)"""
    pss = private = 0
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/smaps_rollup", "rb") as f:
            for line in f:
                if line.startswith(b"Pss:"):
                    pss = int(line.split()[1])
                elif line.startswith((b"Private_Clean:", b"Private_Dirty:")):
                    private += int(line.split()[1])
    return pss, private


def rss_kb(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
    return 0


def memory_by_kind(pids):
    """kind -> [PSS, private] in kB, summed."""
    sums = {}
    for pid in pids:
        name = kind(pid)
        if name is None:
            continue
        entry = sums.setdefault(name, [0, 0])
        for i, kb in enumerate(memory_kb(pid)):
            entry[i] += kb
    return sums


class Group:
    """A control group that counts what everything started in it uses. Where
    none can be made, the children that ended are counted in clock ticks."""

    PLACES = (("/sys/fs/cgroup", "cgroup.controllers"),
              ("/sys/fs/cgroup/unified", "cgroup.controllers"),
              ("/sys/fs/cgroup/cpuacct", "cpuacct.usage"))

    def __init__(self, name):
        self.dir = self.home = None
        for top, mark in self.PLACES:
            if not os.path.exists(f"{top}/{mark}"):
                continue
            path = pathlib.Path(top) / f"{name}-{os.getpid()}"
            try:
                path.mkdir()
            except OSError:
                continue
            self.dir, self.home = path, self.own_place(top)
            break

    @staticmethod
    def own_place(top):
        with open("/proc/self/cgroup", encoding="ascii") as f:
            for line in f:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                v1 = os.path.basename(top) == "cpuacct"
                if ("cpuacct" in controllers.split(",")) == v1 and (
                        v1 or controllers == ""):
                    return pathlib.Path(top + path)
        return pathlib.Path(top)

    @contextlib.contextmanager
    def entered(self):
        """What is started inside belongs to the group."""
        if self.dir is None:
            yield
            return
        try:
            (self.dir / "cgroup.procs").write_text(str(os.getpid()))
            inside = True
        except OSError:
            inside = False
        try:
            yield
        finally:
            if inside:
                (self.home / "cgroup.procs").write_text(str(os.getpid()))

    def used_ms(self):
        """None: not counted here."""
        if self.dir is None:
            return None
        with contextlib.suppress(OSError):
            return int((self.dir / "cpuacct.usage").read_text()) / 1e6
        with open(self.dir / "cpu.stat", encoding="ascii") as f:
            for line in f:
                if line.startswith("usage_usec"):
                    return int(line.split()[1]) / 1e3
        return None

    def remove(self):
        if self.dir is not None:
            with contextlib.suppress(OSError):
                self.dir.rmdir()


class Meter:
    """CPU by kind from its making until used()."""

    def __init__(self, roots, group=None, ended="worker"):
        self.pids = family(roots)
        self.group = group
        self.ended = ended
        self.kinds = {p: kind(p) for p in self.pids}
        self.begin = {p: cpu_ms(p) for p in self.pids}
        self.begin_ended = self.all_ended()
        self.begin_group = group.used_ms() if group else None

    def all_ended(self):
        return sum(ended_children_ms(p) for p in self.pids)

    def used(self):
        """kind -> ms; what ended children used is of the kind `ended`."""
        out = {}
        for pid, name in self.kinds.items():
            if name is not None:
                spent = max(0.0, cpu_ms(pid) - self.begin[pid])
                out[name] = out.get(name, 0.0) + spent
        if self.begin_group is not None:
            rest = self.group.used_ms() - self.begin_group - sum(out.values())
        else:
            rest = self.all_ended() - self.begin_ended
        if self.ended is not None:
            out[self.ended] = out.get(self.ended, 0.0) + max(0.0, rest)
        return out
