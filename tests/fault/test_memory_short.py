# SPDX-License-Identifier: MPL-2.0
"""Memory ends while the memory module keeps what it found: what was kept until then
is answered, and it is said that memory ended it, not the limit of the output."""
import json
import shutil
import subprocess

import pytest

from faultlib import ALWAYS, Control
from miglib import program
from test_netstat import may_make_networks

pytestmark = pytest.mark.skipif(not may_make_networks(), reason="no namespace of processes can be made here")

NAMES = 20


@pytest.mark.parametrize("found", [True, False], ids=["found", "not found"])
def test_it_is_said(tmp_path, found):
    control = Control(tmp_path / "control")
    sleeper = tmp_path / "sleeper"
    shutil.copy(shutil.which("sleep"), sleeper)
    name = "/sleeper$" if found else "/nobody$"
    question = json.dumps({"searches": {f"s{i}": {"names": [name]} for i in range(NAMES)}})

    def ask():
        """Of two processes, so that each run has the same allocations."""
        p = subprocess.run(["unshare", "-pfm", "--mount-proc", "sh", "-c", '"$0" 600 & exec "$1" memory', sleeper,
                            program("mig-worker")], env=control.env(), capture_output=True, text=True,
                           input=question, timeout=60, check=False)
        return p.returncode, json.loads(p.stdout) if p.stdout else None

    def entries(answer):
        return {s: len(e) for s, e in answer["elements"].items()}

    counted = control.allocations("mig-worker")
    status, whole = ask()
    assert status == 0 and entries(whole) == {f"s{i}": 1 for i in range(NAMES)}
    total, told = counted.seen, 0
    for n in range(total - NAMES, total + 1):
        control.disarm_all()
        control.allocations("mig-worker", n, times=ALWAYS)
        status, answer = ask()
        if not answer["success"]:
            assert answer["errors"] and status != 0
            continue
        assert (status == 3) == (entries(answer) != entries(whole)), (n, answer)
        if status == 3:
            told += 1
            gaps, text = answer["statistics"]["notexamined"], answer["errors"][0]
            assert gaps["memorylimit"] == 1 and "outputlimit" not in gaps
            assert text.startswith("limit reached: memory")
    assert told > NAMES // 2
