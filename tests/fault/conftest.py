# SPDX-License-Identifier: MPL-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import faultlib  # noqa: E402


@pytest.fixture
def control(tmp_path):
    c = faultlib.Control(tmp_path / "fault")
    yield c
    c.disarm_all()
