# SPDX-License-Identifier: MPL-2.0
"""The service manager learns that the agent's monitor and the server's parent
live (sd_notify(3)), and when they hang it hears nothing."""
import os
import signal
import socket

import pytest

from miglib import Platform, wait_for

HELLO_S = 5  # the shortest interval of hellos


class Manager:
    """Who listens at NOTIFY_SOCKET."""

    def __init__(self, path, wait_s):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.env = {**os.environ, "NOTIFY_SOCKET": str(path)}
        if wait_s:
            self.env["WATCHDOG_USEC"] = str(int(wait_s * 1e6))

    def heard(self, seconds):
        """The next word, or None."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(200).decode()
        except TimeoutError:
            return None

    def wait(self, word, seconds=30):
        wait_for(word, lambda: self.heard(seconds) == word, seconds)

    def forget(self):
        while self.heard(0.01) is not None:
            pass


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    path = tmp_path_factory.mktemp("watchdog")
    path.chmod(0o755)
    p = Platform(path / "p").setup().start().login()
    agent = p.agent("web1")
    agent.conf.write_text(agent.conf.read_text() +
                          f"hello_interval {HELLO_S}s\n")
    yield p
    p.stop()


def listened(daemon, path, wait_s):
    manager = Manager(path, wait_s)
    daemon.env = manager.env
    daemon.start()
    return manager


def silent_when_stopped(manager, daemon, seconds):
    """And heard again when it goes on."""
    os.kill(daemon.proc.pid, signal.SIGSTOP)
    manager.forget()
    assert manager.heard(seconds) is None
    os.kill(daemon.proc.pid, signal.SIGCONT)
    manager.wait("WATCHDOG=1")


def test_agent_tells_of_its_life(platform, tmp_path):
    """With each hello; and how long these may take, where less was waited."""
    daemon = platform.agents["web1"].daemon
    manager = listened(daemon, tmp_path / "notify", 2)
    manager.wait(f"WATCHDOG_USEC={3 * HELLO_S * 1000000}")
    manager.wait("READY=1")
    platform.wait_online(1)
    manager.forget()
    manager.wait("WATCHDOG=1", 2 * HELLO_S)
    silent_when_stopped(manager, daemon, 2 * HELLO_S)
    daemon.stop()


def test_agent_without_a_server_lives_too(platform, tmp_path):
    daemon = platform.agents["web1"].daemon
    platform.server.stop()
    manager = listened(daemon, tmp_path / "notify", 3600)
    manager.wait("READY=1")
    manager.forget()
    manager.wait("WATCHDOG=1", 3 * HELLO_S)
    daemon.stop()
    platform.server.start()


def test_server_tells_of_its_life(platform, tmp_path):
    platform.server.stop()
    manager = listened(platform.server, tmp_path / "notify", 3)
    manager.wait("READY=1")
    manager.wait("WATCHDOG=1", 5)
    silent_when_stopped(manager, platform.server, 3)


def test_nobody_waits(platform, tmp_path):
    """Then nothing is told but the start."""
    platform.server.stop()
    manager = listened(platform.server, tmp_path / "notify", 0)
    manager.wait("READY=1")
    assert manager.heard(2) is None
