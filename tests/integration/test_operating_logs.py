# SPDX-License-Identifier: MPL-2.0
"""Logs that are kept in files and rotated while everything runs."""
import os
import signal

from miglib import Platform, wait_for
from procs import family


def everyone(*roots):
    """The processes of these daemons."""
    return set(family(roots))


def test_rotation_while_everything_runs(tmp_path):
    """Copied and truncated as /etc/logrotate.d/mig-* says, and sent the signal
    that rotation often sends: what is written next begins the file, nobody
    ends."""
    p = Platform(tmp_path / "p")
    try:
        p.setup().start().login()
        agent = p.agent("r1").start()
        p.wait_online(1)
        question = ["file", "-t", "all", "-path", "/etc", "-name",
                    "^passwd$"]
        p.mig(*question, check=0)
        before = everyone(p.server.proc.pid, agent.daemon.proc.pid)
        assert len(before) >= 8
        for daemon in (p.server, agent.daemon):
            assert daemon.log.stat().st_size > 0
            os.truncate(daemon.log, 0)
        for pid in before:
            os.kill(pid, signal.SIGHUP)
        wait_for("the reload", lambda: "reload" in p.server.tail(200))
        p.mig(*question, check=0)
        wait_for("the agent's lines", lambda: agent.daemon.log.stat().st_size)
        for daemon in (p.server, agent.daemon):
            assert b"\0" not in daemon.log.read_bytes()
            assert "ended" not in daemon.tail(200), daemon.tail(200)
        assert before <= everyone(p.server.proc.pid, agent.daemon.proc.pid)
    finally:
        p.stop()
