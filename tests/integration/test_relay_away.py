# SPDX-License-Identifier: MPL-2.0
"""While the relay is away an agent waits; it does not try without a pause."""
import pathlib
import time

import pytest

from miglib import Platform, wait_for


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    path = tmp_path_factory.mktemp("away")
    path.chmod(0o755)
    p = Platform(path / "p").setup().start().login()
    p.agent("web1").start()
    p.wait_online(1)
    yield p
    p.stop()


def net_of(agent):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            if parent == agent.daemon.proc.pid and \
                    b"mig-agent-net" in (stat.parent / "cmdline").read_bytes():
                return stat.parent
        except OSError:
            continue
    raise AssertionError("no net")


def cpu_ms(proc):
    return int((proc / "schedstat").read_text().split()[0]) / 1e6


def test_no_spinning(platform):
    agent = platform.agents["web1"]
    net = net_of(agent)
    platform.server.stop()
    wait_for("an attempt that failed", lambda: 'why="no connection: refused, or no way there"\n' in
             agent.daemon.tail() + "\n", 60)
    before, begun = cpu_ms(net), time.monotonic()
    # three more attempts, whose pauses grow from a second
    wait_for("three more", lambda: agent.daemon.tail().count("no connection") >= 4, 60)
    used, passed = cpu_ms(net) - before, time.monotonic() - begun
    assert used < 20 + passed * 10, f"{used:.0f} ms of CPU in {passed:.1f} s"
    platform.start()
    platform.wait_online(1, 60)
