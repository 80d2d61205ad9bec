# SPDX-License-Identifier: MPL-2.0
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration"), str(HERE.parent / "fault")]

import takeoverlib  # noqa: E402


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A platform whose owner is the attacker, with three agents."""
    t = takeoverlib.Taken(tmp_path_factory.mktemp("taken"))
    try:
        yield t.start()
        t.honest(*t.ids)
    finally:
        t.stop()


@pytest.fixture(scope="module")
def platform(taken):
    return taken.platform


@pytest.fixture
def attack(taken):
    """Honest questions are answered before it (by all of them at first) and
    after it, and nothing of what the attacker sent is done."""
    a = takeoverlib.Attack(taken)
    yield a
    a.finish()
