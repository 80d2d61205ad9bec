# SPDX-License-Identifier: MPL-2.0
"""Keyring and ACL (one file, the policy) are damaged while the agent runs, and
the roles that hold them die: the agent never goes on with other rules than
those that were installed; it says what is wrong and, once the file is whole
again, answers."""
import os
import signal

import pytest

from miglib import answers_of, wait_for
from procs import family, kind

DAMAGE = {
    "weight": lambda d: d.replace(b'"minimumweight":1', b'"minimumweight":0')
    .replace(b'"minimumweight": 1', b'"minimumweight": 0'),
    "key": lambda d: d.replace(b"ed25519 ", b"ed25519  ", 1),
    "empty": lambda d: b"",
    "cut": lambda d: d[:len(d) * 2 // 3],
    "garbage": lambda d: os.urandom(len(d)),
    "more": lambda d: d + b"\n",
    "gone": None,
}


def ask(platform, seconds="5m"):
    p = platform.mig("file", "-t", "name='web1'", "-path", "/etc/passwd",
                     "-name", "^passwd$", "-e", seconds, "--json",
                     timeout=120)
    return answers_of(p)[1]["done"]


def role_pids(agent):
    return {k: p for p in family([agent.daemon.proc.pid])
            if (k := kind(p)) in ("verify", "judge")}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_while_it_runs(platform, how):
    agent = platform.agents["web1"]
    path = agent.dir / "state" / "policy"
    good = path.read_bytes()
    log = len(agent.daemon.tail(10 ** 6))
    wait_for("both roles", lambda: len(role_pids(agent)) == 2)
    try:
        if DAMAGE[how] is None:
            path.unlink()
        else:
            bad = DAMAGE[how](good)
            assert bad != good
            path.write_bytes(bad)
        # what it has read it keeps
        assert ask(platform) == 1
        for pid in role_pids(agent).values():
            os.kill(pid, signal.SIGKILL)

        def said():
            text = agent.daemon.tail(10 ** 6)[log:]
            return ("policy.hash" in text or "no policy" in text or
                    "changed since" in text) and text
        wait_for("words about the policy", said, 30)
        # the other of the two may just have been started, but stays no longer
        wait_for("the end of both", lambda: not role_pids(agent))
    finally:
        path.write_bytes(good)
    if not agent.daemon.alive():
        agent.start()
    platform.wait_online(3)
    assert ask(platform) == 1
