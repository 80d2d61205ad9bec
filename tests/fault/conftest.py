# SPDX-License-Identifier: MPL-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import faultlib  # noqa: E402
import fleetlib  # noqa: E402


@pytest.fixture
def control(tmp_path):
    c = faultlib.Control(tmp_path / "fault")
    yield c
    c.disarm_all()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    p = faultlib.Platform(tmp_path_factory.mktemp("fleet"))
    try:
        p.setup().start().login()
        p.fleet(fleetlib.NAMES)
        p.haystack = p.dir / "haystack"
        p.haystack.mkdir()
        p.haystack.chmod(0o755)
        (p.haystack / "needle").write_text("x")
        fleetlib.settled(p)
        p.descriptors = fleetlib.descriptors(p.agents[fleetlib.NAMES[0]])
        yield p
    finally:
        for a in p.agents.values():
            a.fault.disarm_all()
        p.stop()
