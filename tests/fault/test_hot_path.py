# SPDX-License-Identifier: MPL-2.0
"""What each further file costs a worker: no allocation, and one read if it is small."""
import json
import os
import subprocess

import pytest

from faultlib import Control
from miglib import program

SLACK = 20      # of the walk as a whole
DIGEST = 1      # libcrypto makes its state anew for each


@pytest.fixture(scope="module", name="trees")
def _trees(tmp_path_factory):
    ret = {}
    for n in (1000, 2000):
        ret[n] = tmp_path_factory.mktemp(f"tree{n}")
        for i in range(n):
            (ret[n] / f"f{i:04}").write_text(f"some text {i}\n" * 20)
    return ret


def cost(tmp_path, tree, question, options):
    """(allocations, calls that read, answer) of a question"""
    n = len(os.listdir(tree))
    control = Control(tmp_path / f"fault-{n}")
    seen = control.allocations("mig-worker")
    asked = {"searches": {"s": {"paths": [str(tree)], "options": {"matchall": True}, **question}}}
    with subprocess.Popen([program("mig-worker"), *options, "file"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env=control.env()) as worker:
        worker.stdin.write(json.dumps(asked).encode())
        worker.stdin.close()
        answer = json.loads(worker.stdout.read())
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        with open(f"/proc/{worker.pid}/io", encoding="ascii") as f:
            io = dict(line.split(": ") for line in f)
    assert answer["success"] and answer["statistics"]["filescount"] == n and not answer["errors"], answer
    return seen.seen, int(io["syscr"]), answer


@pytest.mark.parametrize("question, options, reads, allocations", [
    ({"names": ["^nothing$"]}, [], 0, 0),
    ({"contents": ["needle"]}, [], 1, 0),
    ({"contents": ["n[a-z]+[0-9]x"]}, [], 1, 0),
    ({"contents": ["n[a-z]+[0-9]x"]}, ["--threads", "2"], 1, 0),
    ({"sha2": ["0" * 64], "contents": ["some text [0-9]+"]}, [], 1, DIGEST),
    ({"modes": ["^urwxr"], "sizes": [">1"], "mtimes": ["<1d"]}, [], 0, 0),
], ids=["names", "text", "regex", "threads", "digest", "metadata"])
def test_each_file(trees, tmp_path, question, options, reads, allocations):
    few, many = [cost(tmp_path, trees[n], question, options) for n in (1000, 2000)]
    assert few[0] > 20 and -SLACK <= many[0] - few[0] <= 1000 * allocations + SLACK, (few[0], many[0])
    assert 1000 * reads <= many[1] - few[1] <= 1000 * reads + SLACK, (few[1], many[1])
    if reads:
        assert many[2]["statistics"]["bytesread"] > few[2]["statistics"]["bytesread"] > 1000 * 200
