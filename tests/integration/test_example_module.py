# SPDX-License-Identifier: MPL-2.0
"""doc/writing-a-module.md: its example is what tests/example builds, and it
works: flags, check, answer, gaps, printer, CSV, mask, limits, sandbox."""
import json
import pathlib
import re
import subprocess

import pytest

import miglib

ROOT = miglib.ROOT
GUIDE = ROOT / "doc" / "writing-a-module.md"
EXAMPLE = ROOT / "tests" / "example" / "mounts"
BUILT = miglib.BUILD / "tests" / "example"

pytestmark = pytest.mark.skipif(
    not (BUILT / "mig").exists(), reason="built without tests")


def run(program, *words, **kw):
    return subprocess.run([BUILT / program, *words], capture_output=True,
                          text=True, timeout=60, **kw)


def mig(tmp_path, *words, check=0):
    p = run("mig", "mounts", "-t", "local", *words,
            env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert p.returncode == check, (p.returncode, p.stdout, p.stderr)
    return p


@pytest.mark.parametrize("name", ["spec.c", "run.c"])
def test_the_guide_has_the_code_that_is_built(name):
    blocks = re.findall(r"^```c\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert (EXAMPLE / name).read_text() in blocks, \
        f"{GUIDE.name} and {EXAMPLE / name} differ"


def mounted():
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [(x.split()[4], x.split(" - ")[1].split()[0]) for x in lines]


def test_it_finds_what_is_mounted(tmp_path):
    kind = next(t for p, t in mounted() if p == "/proc")
    p = mig(tmp_path, "-below", "/proc", "-type", kind)
    assert re.search(rf"^\S+ /proc \[{kind} of ", p.stdout, re.M)
    mig(tmp_path, "-type", "nosuchfs", check=1)
    p = mig(tmp_path, "-json")
    part = json.loads(p.stdout.splitlines()[0])["operations"][0]
    assert len(part["elements"]["mounts"]) == len(mounted())
    assert part["statistics"]["seen"] == len(mounted())
    assert part["errors"] is None


def test_limit_csv_and_help(tmp_path):
    p = mig(tmp_path, "-limit", "1", "-json")
    part = json.loads(p.stdout.splitlines()[0])["operations"][0]
    assert len(part["elements"]["mounts"]) == 1
    assert part["statistics"]["notexamined"] == {"matchlimit": 1}
    rows = mig(tmp_path, "-below", "/proc", "-csv").stdout.splitlines()
    assert rows[0] == "agent,name,point,type,source"
    assert '"/proc"' in rows[1]
    assert "-below PATH" in run("mig", "mounts", "help").stdout
    assert "mounts" in run("mig", "modules").stdout
    assert "absolute path" in mig(tmp_path, "-below", "x", check=2).stderr
    assert "did you mean -type" in mig(tmp_path, "-tpye", "x",
                                       check=2).stderr


def test_mask_and_wrong_parameters():
    def worker(q, *words):
        p = run("mig-worker", *words, "mounts", input=json.dumps(q))
        return p.returncode, json.loads(p.stdout)
    code, answer = worker({"below": ["/proc"]}, "--privacy")
    assert code == 0 and answer["foundanything"]
    assert {m["point"] for m in answer["elements"]["mounts"]} == {"masked"}
    code, answer = worker({"types": "ext4"})
    assert code == 1 and answer["errors"] == ["types: expected an array"]
    code, answer = worker({"types": ["ext4"], "limit": 1})
    assert code == 1 and "limit" in answer["errors"][0]
