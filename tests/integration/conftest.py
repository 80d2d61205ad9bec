# SPDX-License-Identifier: MPL-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import miglib  # noqa: E402


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """A running platform with three enrolled, connected agents."""
    p = miglib.Platform(tmp_path_factory.mktemp("platform"))
    try:
        p.setup().start().login()
        for name, role in (("web1", "web"), ("web2", "web"), ("db1", "db")):
            p.agent(name, operator="opsec", role=role).start()
        p.wait_online(3)
        yield p
    finally:
        p.stop()
