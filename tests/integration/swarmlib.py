# SPDX-License-Identifier: MPL-2.0
"""Thousands of agents in one process: drives tests/load/swarm."""
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import time

import miglib


def raise_limits():
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (hard, hard))


# --- the swarm ---------------------------------------------------------------

PROGRAM = miglib.BUILD / "tests" / "load" / "swarm"


def no_rates(platform):
    """All of a swarm come from one address: between setup() and start()."""
    text = platform.conf.read_text()
    platform.conf.write_text(re.sub(r"(?m)^rate_address .*", "rate_address 0",
                                    text))
    return platform


class Swarm:
    """Enrolled agents, all in one process."""

    def __init__(self, platform, count, directory=None):
        self.platform = platform
        self.count = count
        self.dir = directory or platform.dir
        self.file = self.dir / "swarm.agents"
        self.proc = None

    def enrol(self, jobs=8):
        p = self.platform
        subprocess.run(
            [str(PROGRAM), "enrol", "-s", p.url, "-c", p.ca, "-t",
             p.token(uses=self.count), "-n", str(self.count), "-j",
             str(jobs), "-o", str(self.file)], check=True)
        return self

    def start(self, *options):
        # the pipe to its errors is never read: they go where ours go
        self.proc = subprocess.Popen(
            [str(PROGRAM), "run", *map(str, options), str(self.file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(self.dir)})
        return self

    def do(self, command):
        assert self.proc.poll() is None, "the swarm has ended"
        self.proc.stdin.write(command + "\n")
        self.proc.stdin.flush()
        return json.loads(self.proc.stdout.readline())

    def stats(self):
        return self.do("stats")

    def wait(self, what, condition, seconds=30):
        """Polls the statistics until condition(stats) holds; those."""
        last = {}

        def there():
            last.update(self.stats())
            if condition(last):
                return last
            time.sleep(0.05)
            return None

        try:
            return miglib.wait_for(what, there, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}: {last}") from None

    def wait_welcomed(self, n=None, seconds=60):
        n = self.count if n is None else n
        return self.wait(f"{n} welcomed", lambda s: s["welcomed"] >= n,
                         seconds)

    def stop(self):
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.stdin.close()
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.send_signal(signal.SIGKILL)
                self.proc.wait()
        self.proc.stdout.close()
        self.proc = None


def ask(platform, *question, timeout=300):
    """mig file …: seconds, seconds to the first answer, answers by agent (how
    often each), the summary."""
    argv = [miglib.program("mig"), "file", "--json", *question]
    begun = time.monotonic()
    with subprocess.Popen(argv, env=platform.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as p:
        first, last, lines = None, "", 0
        for line in p.stdout:
            if first is None:
                first = time.monotonic() - begun
            last = line
            lines += 1
        errors = p.stderr.read()
        p.wait(timeout)
        used = os.times()
    total = time.monotonic() - begun
    if p.returncode != 0:
        raise RuntimeError(f"mig ended with {p.returncode}: {errors[-2000:]}")
    summary = json.loads(last)
    return {"total_s": total, "first_s": first, "lines": lines - 1,
            "summary": summary, "times": used}


# --- what the server has -----------------------------------------------------

def stored(platform):
    """{action id: (expected, agents that answered, answers stored)}, from the
    store itself: what it holds twice it holds twice."""
    db = sqlite3.connect(f"file:{platform.state}/db/store.sqlite?mode=ro",
                         uri=True, timeout=20)
    try:
        return {row[0].lower(): row[1:] for row in db.execute(
            "SELECT hex(a.id), a.expected,"
            " (SELECT COUNT(DISTINCT w.agent) FROM answers w"
            "  WHERE w.action = a.n),"
            " (SELECT COUNT(*) FROM answers w WHERE w.action = a.n)"
            " FROM actions a")}
    finally:
        db.close()


def launch(platform, *question):
    """mig in the background; what it prints is not wanted."""
    return subprocess.Popen(
        [miglib.program("mig"), "file", "-show", "notfound", *question],
        env=platform.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(*processes):
    for p in processes:
        if p.poll() is None:
            p.kill()
        p.wait()
