#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Runs the parts of ./dev check side by side.

usage: parts.py [PART ...]

Most tests of whole programs wait, so they share the processors with each other
and, at a lower priority, with what computes: the sanitized build, its tests
and the fuzz targets.

    build --+-- unit, style
            +-- integration (WORKERS processes) --+   when all else is done:
            +-- takeover, fault (the same)      --+-- what is measured in CPU
    sanitized builds -- asan -- fuzz -- tsan -----+   time; what failed, again

A part's output is printed when it ends. A part that broke before it had counts
is one failure. However this ends, no process that it started stays: daemons of
tests become its children when their parents die, and are killed.
"""
import argparse
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import count

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "--tb=short"]
WORKERS = (os.cpu_count() or 1) + 1
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)
NICE = 10
# They run workers, which have the lowest priority, against limits of CPU time.
ALONE = {"tests/integration": ["tests/integration/test_limits.py"]}
GRACE = 15      # seconds for tests to stop what they started


class Broken(Exception):
    """A step without which a part cannot be counted."""


class Interrupted(Exception):
    pass


class Run:
    """What all parts share."""

    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="mig-check-"))
        self.lock = threading.Lock()
        self.children = set()
        self.stopping = False

    def command(self, argv, out, nice=0):
        """Runs it with its output in a file; its exit status."""
        def before():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            if nice:
                os.nice(nice)
        with self.lock:
            if self.stopping:
                raise Interrupted
            # a session of its own: ^C comes here, and is passed on
            child = subprocess.Popen(
                [str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=before)
            self.children.add(child)
        # reap() may look at any moment: it leaves what is in children
        while child.poll() is None:
            time.sleep(0.05)
        with self.lock:
            self.children.discard(child)
        return child.returncode

    def reap(self):
        """Takes note of ended processes whose parent is gone, as init does."""
        with self.lock:
            ours = {child.pid for child in self.children}
            while True:
                try:
                    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG |
                                      os.WNOWAIT)
                except ChildProcessError:
                    return
                if ended is None or ended.si_pid in ours:
                    return
                os.waitpid(ended.si_pid, 0)

    def stop(self):
        with self.lock:
            self.stopping = True
            for child in self.children:
                # all of its group: ninja then leaves nothing half made
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGINT)


class Step:
    """Something that is done once, by whoever needs it first."""

    def __init__(self, work):
        self.work = work
        self.lock = threading.Lock()
        self.done = self.fine = False

    def need(self, part):
        with self.lock:
            if not self.done:
                self.done = True
                self.fine = self.work(part)
        if not self.fine:
            raise Broken


class Part:
    def __init__(self, run, name):
        self.run, self.name = run, name
        self.path = run.scratch / f"{name}.out"
        self.out = open(self.path, "wb")
        self.counts = None
        self.again = None       # the folders of what failed
        self.alone = []         # files for which nothing else may run
        self.seconds = 0.0

    def say(self, text):
        self.out.write(text.encode() + b"\n")
        self.out.flush()

    def command(self, *argv, nice=0):
        return self.run.command(argv, self.out, nice)

    def quiet(self, *argv, nice=0):
        """Its output is of interest only if it fails; True if it did not."""
        path = self.run.scratch / f"{self.name}.quiet"
        with open(path, "w+b") as out:
            status = self.run.command(argv, out, nice)
            if status != 0:
                out.seek(0)
                shutil.copyfileobj(out, self.out)
                self.out.flush()
        return status == 0

    def counted(self, *argv, nice=0):
        """argv is completed by a file that is to hold "passed failed
        skipped"."""
        path = self.run.scratch / f"{self.name}.counts"
        self.command(*argv, path, nice=nice)
        try:
            passed, failed, skipped = map(int, path.read_text().split())
        except (OSError, ValueError):
            raise Broken from None
        self.counts = [passed, failed, skipped]

    def pytest(self, name, *argv):
        xml = self.run.scratch / f"{name}.xml"
        self.command(*PYTEST, "-o",
                     f"cache_dir={self.run.scratch / self.name}.cache",
                     "--durations=8", f"--junitxml={xml}", *argv)
        try:
            return list(count.count_junit(xml))
        except (OSError, count.ElementTree.ParseError):
            raise Broken from None

    def pytest_once(self, folder):
        """Tests of whole programs depend on the load of the machine: what
        fails is named and later tried once more by itself."""
        self.alone = ALONE.get(folder, [])
        self.counts = self.pytest(
            self.name, "-n", WORKERS, "-m", "not long", folder,
            *(f"--ignore={file}" for file in self.alone))
        if self.counts[1]:
            self.again = [folder]

    def pytest_alone(self):
        cache = ["-o", f"cache_dir={self.run.scratch}/alone.cache"]
        counts = self.pytest(f"{self.name}.alone", "-n", os.cpu_count() or 1,
                             *cache, *self.alone)
        if counts[1]:
            p, f, s = self.pytest(f"{self.name}.alone.again", "-n", 0, "--lf",
                                  "--lfnf=none", *cache, *self.alone)
            counts = [counts[0] + p, f, counts[2] + s]
        self.counts = [a + b for a, b in zip(self.counts, counts)]

    def pytest_again(self):
        p, f, s = self.counts
        self.say(f"{self.name}: {f} failed; once more:")
        p2, f2, s2 = self.pytest(f"{self.name}.again", "-n", 0, "--lf",
                                 "--lfnf=none", *self.again)
        self.say(f"{self.name}: {p2} passed and {f2} failed the second time")
        self.counts = [p + p2, f2, s + s2]

    def print(self):
        self.out.flush()
        p, f, s = self.counts
        with self.run.lock:
            sys.stdout.write(f"\n== {self.name}\n")
            sys.stdout.flush()
            with open(self.path, "rb") as text:
                shutil.copyfileobj(text, sys.stdout.buffer)
            print(f"-- {self.name}: {p} passed, {f} failed" +
                  (f", {s} skipped" if s else "") +
                  f", {self.seconds:.0f} s", flush=True)


# --- the parts -----------------------------------------------------------------

def make_build(part):
    return part.quiet("./dev", "build")


def make_sanitized(part):
    return part.quiet("tests/fuzz/run", "--build", nice=NICE)


BUILD, SANITIZED = Step(make_build), Step(make_sanitized)


def do_build(part):
    BUILD.need(part)
    part.counts = [0, 0, 0]


def do_unit(part):
    BUILD.need(part)
    part.counted("tests/run-unit", "build")


def do_style(part):
    BUILD.need(part)
    part.counted("tests/style/run", "--counts")


def do_integration(part):
    BUILD.need(part)
    part.pytest_once("tests/integration")


def do_fault(part):
    BUILD.need(part)
    part.pytest_once("tests/fault")


def do_takeover(part):
    BUILD.need(part)
    part.pytest_once("tests/takeover")


def do_asan(part):
    SANITIZED.need(part)
    part.counted("./dev", "asan", nice=NICE)


def do_tsan(part):
    part.counted("./dev", "tsan", nice=NICE)


def do_fuzz(part):
    try:
        SANITIZED.need(part)
    except Broken:
        pass            # it says itself which target does not build
    part.counted("tests/fuzz/run", "--counts", nice=NICE)


def do_long(part):
    BUILD.need(part)
    folders = ["tests/integration", "tests/takeover", "tests/fault",
               "tests/unit/crypto/test_signatures.py",
               "tests/unit/crypto/test_sshsigs.py"]
    part.counts = part.pytest(part.name, "-n", WORKERS, "-m", "long", *folders)
    if part.counts[1]:
        part.again = folders


def do_package(part):
    part.counted("tests/package/run")


# By name only and at the end: long takes minutes; package too, builds
# everything anew and needs a mirror of the distribution.
LANES = [["build"], ["unit", "style"], ["integration"], ["takeover", "fault"],
         ["asan", "fuzz", "tsan"]]
LATER = ["long", "package"]
ALL = [name for lane in LANES for name in lane] + LATER


def do_part(part):
    start = time.monotonic()
    try:
        globals()[f"do_{part.name}"](part)
    except Broken:
        part.counts = [0, 1, 0]
    except Interrupted:
        return
    part.seconds += time.monotonic() - start
    if part.again is None and not part.alone and not part.run.stopping:
        part.print()


def do_again(part):
    start = time.monotonic()
    try:
        if part.again is not None:
            part.pytest_again()
        if part.alone:
            part.pytest_alone()
    except Broken:
        part.counts[1] += 1
    except Interrupted:
        return
    part.seconds += time.monotonic() - start
    part.print()


def do_lane(parts):
    for part in parts:
        do_part(part)


def do_all(run, names):
    """True when nothing failed."""
    parts = {name: Part(run, name) for name in ALL if name in names}
    lanes = [threading.Thread(target=do_lane, args=[lane]) for lane in
             ([parts[n] for n in lane if n in parts] for lane in LANES)
             if lane]
    if "build" in parts:        # the others would wait for it in any case
        lanes[0].start()
        lanes.pop(0).join()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    for part in parts.values():
        if part.again is not None or part.alone:
            do_again(part)
    for name in LATER:
        if name in parts:
            do_part(parts[name])
            if parts[name].again is not None:
                do_again(parts[name])
    if run.stopping:
        return False
    passed, failed, skipped = (sum(n) for n in zip(
        *(part.counts for part in parts.values())))
    print()
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed == 0


# --- what is left ---------------------------------------------------------------

def descendants():
    """{pid: name} of all that came from here; ended ones do not count."""
    parent, names = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8",
                      errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        fields = rest.split()
        parent[int(entry)] = int(fields[1])
        if fields[0] != "Z":
            names[int(entry)] = name
    found, todo = {}, [os.getpid()]
    while todo:
        above = todo.pop()
        for pid, p in parent.items():
            if p == above:
                todo.append(pid)
                if pid in names:
                    found[pid] = names[pid]
    return found


def kill_all(run, grace):
    """Ends all that came from here; the names of what had to be killed."""
    end = time.monotonic() + grace
    while descendants() and time.monotonic() < end:
        run.reap()
        time.sleep(0.1)
    killed = []
    while left := descendants():
        for pid, name in left.items():
            try:
                os.kill(pid, signal.SIGKILL)
                killed.append(name)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    return killed


def main():
    parser = argparse.ArgumentParser(prog="check", usage="check [PART ...]")
    parser.add_argument("parts", nargs="*", metavar="PART")
    names = parser.parse_args().parts
    for name in names:
        if name not in ALL:
            parser.error(f"unknown part '{name}': {' '.join(ALL)}")
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    run = Run()
    signals = []

    def interrupted(number, _frame):
        signals.append(number)
        threading.Thread(target=run.stop).start()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    fine = []
    # the main thread stays free for signals
    work = threading.Thread(
        target=lambda: fine.append(
            do_all(run, names or [n for n in ALL if n not in LATER])))
    work.start()
    while work.is_alive():
        work.join(0.05)
        run.reap()
        if signals:
            work.join(GRACE)
            break
    killed = kill_all(run, 0 if signals else 2)
    shutil.rmtree(run.scratch, ignore_errors=True)
    if signals:
        print(f"\ncheck: interrupted; killed: {' '.join(killed) or 'nothing'}")
        sys.stdout.flush()
        os._exit(128 + signals[0])
    if killed:
        print(f"check: left behind and killed: {' '.join(killed)}")
    return 0 if fine == [True] else 1


if __name__ == "__main__":
    sys.exit(main())
