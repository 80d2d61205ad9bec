# SPDX-License-Identifier: MPL-2.0
"""Tests leave no gpg-agent behind."""
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile

import pytest

MAKE = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import miglib
g = miglib.Gpg(sys.argv[2])
subprocess.run(["gpg-connect-agent", "getinfo pid", "/bye"], env=g.env)
if sys.stdin.readline() == "stop\\n":
    g.stop()
sys.stdin.readline()
"""


@pytest.fixture
def short():
    d = tempfile.mkdtemp(prefix="mg")  # the path of a socket must fit
    yield pathlib.Path(d)
    shutil.rmtree(d, ignore_errors=True)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_its_agent_ends_with_it(short, how):
    with subprocess.Popen([sys.executable, "-c", MAKE, str(pathlib.Path(__file__).parent), str(short / "g")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        pid = int(p.stdout.readline().split()[1])
        fd = os.pidfd_open(pid)
        assert not select.select([fd], [], [], 0)[0]
        if how == "stop":
            p.stdin.write("stop\n")
            p.stdin.flush()
        else:
            p.kill()
        try:
            assert select.select([fd], [], [], 20)[0], "the agent is still there"
        finally:
            p.kill()
            if not select.select([fd], [], [], 0)[0]:
                os.kill(pid, 9)
            os.close(fd)
