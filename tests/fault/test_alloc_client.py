# SPDX-License-Identifier: MPL-2.0
"""The n-th allocation of mig fails, and once more all from the n-th on: it
ends with an error it has said, or does all it should; it never crashes, hangs
or shows less than there is without a word. What it launched is launched
whole or not at all.

OpenSSL's and GPGME's own allocations are spared: they follow null pointers
when some of them fail (faultlib)."""
import argparse
import concurrent.futures
import json
import os
import subprocess

import pytest

import platformlib as lib
from faultlib import ALWAYS, Control
from miglib import program, wait_for
from test_alloc import sample

SECONDS = 15
# How many allocations of a run are tried.
FEW, MOST = 3, int(os.environ.get("MIG_ALLOC_MOST", "9"))
sweeping = pytest.mark.parametrize("most", [FEW, pytest.param(MOST, marks=pytest.mark.long)],
                                   ids=["few", "many"])


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("alloc"))
    q = lib.ask(p, "seen by all")
    assert q.returncode == lib.FOUND, q.stderr
    p.ident = lib.check_stored(p, "seen by all")
    yield p
    p.stop()


class Mig:
    """mig with failing allocations; each run has its own cache of a session,
    so that several may run at once."""

    def __init__(self, p, tmp_path, args, **env):
        self.p, self.dir, self.args, self.env = p, tmp_path, args, {**p.env, **env}

    def run(self, name, n=None, times=1, args=None):
        control = Control(self.dir / f"fault-{name}")
        control.spare_fragile()
        kw = {} if n is None else {"n": n, "times": times}
        a = control.allocations("mig", **kw)
        q = subprocess.run([program("mig"), *(args or self.args)],
                           env=control.env(self.env), capture_output=True,
                           text=True, errors="replace", timeout=120,
                           stdin=subprocess.DEVNULL)
        seen, fired = a.seen, a.fired
        control.path.unlink()
        return q, seen, fired


def verdict(q, fired, whole):
    """What is wrong with a run, or None."""
    if q.returncode < 0:
        return f"signal {-q.returncode}: {q.stderr[-300:].strip()}"
    if q.returncode == whole.returncode:
        if shown(q) == shown(whole):
            return None
        return f"exit {q.returncode}, but showed {shown(q)!r:.600} not {shown(whole)!r:.600}"
    if fired and not q.stderr.strip() and '"error' not in q.stdout:
        return f"exit {q.returncode} without a word"
    return None


def shown(q):
    """What counts in the output: who answered what."""
    kept = []
    for line in q.stdout.splitlines():
        try:
            v = json.loads(line)
        except ValueError:
            return q.stdout
        for key in ("id", "seconds", "total_s", "first_s", "received",
                    "cursor", "took_ms", "online", "lastseen"):
            v.pop(key, None)
        kept.append(json.dumps({k: v.get(k) for k in (
            "name", "status", "done", "expected", "answered", "actions")
            if k in v}, sort_keys=True))
    return sorted(kept)


def sweep(mig, most, workers=3):
    whole, total, _ = mig.run("whole")
    assert whole.returncode in (0, 1), (whole.stdout, whole.stderr)
    problems = []

    def one(job):
        n, times = job
        try:
            q, _, fired = mig.run(f"{n}-{times}", n, times)
        except subprocess.TimeoutExpired:
            return f"{n} x {times}: hangs"
        wrong = verdict(q, fired, whole)
        return wrong and f"{n} of {total} x {times}: {wrong}"
    jobs = [(n, times) for times in (1, ALWAYS) for n in sample(total, most)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        problems = [x for x in pool.map(one, jobs) if x]
    assert not problems, "\n".join(problems)


@sweeping
def test_with_an_api_key(p, tmp_path, most):
    key = tmp_path / "key"
    p.mig("apikey", "make", f"alloc{most}", "-calls", "actions:read", "-o", str(key), check=0)
    sweep(Mig(p, tmp_path, ["actions", "--json"], MIG_API_KEY_FILE=str(key)), most)


@sweeping
def test_local(p, tmp_path, most):
    sweep(Mig(p, tmp_path, ["file", "-t", "local", "-path",
                            str(p.tree / "etc"), "-name", "^passwd$",
                            "--json"]), most)


@sweeping
@pytest.mark.parametrize("args", [["results", None, "--json"],
                                  ["actions", "--json"],
                                  ["agents", "--json"]],
                         ids=lambda a: a[0])
def test_looking(p, tmp_path, args, most):
    sweep(Mig(p, tmp_path, [p.ident if a is None else a for a in args]), most)


@sweeping
def test_launch(p, tmp_path, most):
    """A real question to all: asked whole or not at all, whatever mig says of
    it, and every agent answers what was asked once."""
    names, jobs = [], []
    mig = Mig(p, tmp_path, None)
    q, total, _ = mig.run("whole", args=lib.question(p, f"launch {most} whole"))
    assert q.returncode == lib.FOUND, q.stderr
    whole = q

    def one(job):
        n, name = job
        q, _, fired = mig.run(name.replace(" ", "-"), n,
                              args=lib.question(p, name))
        wrong = verdict(q, fired, whole)
        return wrong and f"{n} of {total}: {wrong}"
    for n in sample(total, most):
        names.append(f"launch {most} {n}")
        jobs.append((n, names[-1]))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        problems = [x for x in pool.map(one, jobs) if x]
    assert not problems, "\n".join(problems)
    asked = [x for x in names if lib.action_of(p, x) is not None]
    assert 0 < len(asked) < len(names)
    wait_for("all answers", lambda: lib.rows(
        p, "SELECT COUNT(*) FROM actions WHERE status = 0") == [(0,)], 60)
    for name in asked:
        lib.check_stored(p, name)


def test_no_draft_asks_others(tmp_path):
    """A target that there was no memory for is none, and none was everybody."""
    draft = tmp_path / "draft"
    draft.write_text(json.dumps({"syntaxversion": 3, "name": "n", "target": "name = 'web1'", "operations": [
        {"module": "file", "parameters": {"searches": {"s1": {"paths": ["/etc"], "names": ["x"]}}}}]}))
    mig = Mig(argparse.Namespace(env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}), tmp_path,
              ["run", str(draft), "-p"])
    whole, total, _ = mig.run("whole")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for n, (q, _, _) in enumerate(pool.map(lambda n: mig.run(str(n), n), range(1, total + 1))):
            assert (q.returncode, q.stdout) in ((0, whole.stdout), (2, "")), (n, q.stdout, q.stderr)
