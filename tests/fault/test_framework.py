# SPDX-License-Identifier: MPL-2.0
"""The framework itself: without these, a test that finds nothing says nothing."""
import json
import signal
import subprocess

import pytest

import faultlib
from miglib import program


QUESTION = json.dumps({"searches": {"s1": {
    "paths": ["/etc"], "names": ["^passwd$"], "options": {"matchall": True}}}})


def worker(control):
    return subprocess.run([program("mig-worker"), "file"], input=QUESTION,
                          env=control.env({}), capture_output=True, text=True,
                          timeout=60)


def agent(control, state, *args, **kw):
    conf = state.parent / "agent.conf"
    conf.write_text(f"state {state}\n")
    return subprocess.run([program("mig-agent"), *args, "-c", str(conf)],
                          env=control.env({}), capture_output=True, text=True,
                          timeout=60, **kw)


@pytest.mark.parametrize("call", ["file.open", "file.write", "file.sync",
                                  "file.rename", "file.sync_dir"])
@pytest.mark.parametrize("name", ["identity", "machine"])
def test_error_is_injected_and_disarmed(control, tmp_path, call, name):
    state = tmp_path / "state"
    fault = control.error("mig-agent", call, what=f"/{name}")
    p = agent(control, state, "init")
    assert p.returncode == 1 and "No space left" in p.stderr, p.stderr
    assert f"{state}" in p.stderr
    assert fault.fired == 1
    if call != "file.sync_dir":
        assert not (state / name).exists()
    p = agent(control, state, "init")
    assert p.returncode == 0, p.stderr
    assert (state / name).exists()
    assert control.count(call, "mig-agent") >= 2
    assert not list(state.glob("*.tmp-*")), "a temporary file stayed"


def test_kill_and_another_program_is_left_alone(control, tmp_path):
    other = control.kill("mig-worker", "file.renamed")
    fault = control.kill("mig-agent", "file.renamed", n=2)
    p = agent(control, tmp_path / "state", "init")
    assert p.returncode == -signal.SIGKILL
    assert fault.fired == 1 and other.fired == 0
    assert control.count("file.renamed") == 2


def test_hang_until_released(control, tmp_path):
    state = tmp_path / "state"
    conf = tmp_path / "agent.conf"
    conf.write_text(f"state {state}\n")
    fault = control.hang("mig-agent", "file.renamed")
    p = subprocess.Popen([program("mig-agent"), "init", "-c", str(conf)],
                         env=control.env({}), stdout=subprocess.DEVNULL)
    fault.wait()
    assert p.poll() is None and fault.pid == p.pid
    fault.release()
    assert p.wait(20) == 0


def test_allocations_are_counted_and_fail(control, tmp_path):
    counter = control.allocations("mig-worker")
    assert worker(control).returncode == 0
    total = counter.seen
    counter.disarm()
    assert total > 50
    failing = control.allocations("mig-worker", n=5)
    p = worker(control)
    assert failing.fired == 1
    assert p.returncode >= 0, "ended by a signal"


def test_installed_programs_have_no_faults():
    """The usual build does not even know the variable."""
    for name in ("mig", "mig-agent", "mig-server", "mig-worker"):
        path = faultlib.ROOT / "build" / "src" / name
        assert path.exists(), f"{path} is not built: ./dev build"
        assert b"MIG_FAULT" not in path.read_bytes()
        assert b"MIG_FAULT" in (faultlib.miglib.BIN / name).read_bytes()
