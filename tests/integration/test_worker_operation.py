# SPDX-License-Identifier: MPL-2.0
"""mig-worker --operation: a sealed document on descriptor 3, as the agent gives it."""
import base64
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the user")


def document(*questions, **changes):
    doc = {
        "syntaxversion": 3, "nonce": "00" * 16, "name": "test", "target": "all",
        "validfrom": "2026-01-01T00:00:00Z", "expireafter": "2026-01-02T00:00:00Z",
        "require": {"weight": 1},
        "operations": [{"module": "file", "parameters": {"searches": {"s": q}}} for q in questions],
        "seal": {"public": base64.b64encode(b"k" * 32).decode(), "readers": ["ab" * 20],
                 "key": "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"},
    }
    doc.update(changes)
    return json.dumps(doc).encode()


def memfd(data, seals=SEALS):
    fd = os.memfd_create("action", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def start(fd, *args, **kw):
    """The worker with fd as its descriptor 3 and nothing else open."""
    def on_three():
        os.dup2(fd, 3)
    return subprocess.Popen([WORKER, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            preexec_fn=on_three, pass_fds=(3,), env={}, **kw)


def run(data, *args, seals=SEALS):
    fd = memfd(data, seals)
    try:
        p = start(fd, *args)
        out = p.communicate(timeout=60)[0]
    finally:
        os.close(fd)
    return json.loads(out), p.returncode


def names(path, name):
    return {"paths": [str(path)], "names": [name], "options": {"matchall": True}}


@pytest.fixture
def tree(tmp_path):
    for n in ("one", "two"):
        (tmp_path / n).write_text("x\n")
    return tmp_path


def test_each_operation(tree):
    doc = document(names(tree, "^one$"), names(tree, "^two$"))
    for n, name in enumerate(("one", "two")):
        answer, status = run(doc, "--operation", str(n))
        assert status == 0
        assert [e["file"] for e in answer["elements"]["s"]] == [f"{tree}/{name}"]


def test_offset_of_the_descriptor_does_not_matter(tree):
    fd = memfd(document(names(tree, "^one$")))
    os.lseek(fd, 0, os.SEEK_END)
    answer = json.loads(start(fd, "--operation", "0").communicate(timeout=60)[0])
    assert answer["foundanything"]
    assert os.lseek(fd, 0, os.SEEK_CUR) == os.fstat(fd).st_size
    os.close(fd)


@pytest.mark.parametrize("data, n, error", [
    (document(names("/etc", "x")), 1, "the action has 1 operations, number 1 was asked for"),
    (b"", 0, "action document"),
    (b"garbage \xff", 0, "action document"),
    (document(names("/etc", "x"))[:-1], 0, "action document"),
    (document(names("/etc", "x"), extra=1), 0, "extra"),
    (document(names("/etc", "x"), syntaxversion=2), 0, "syntaxversion"),
    (document(names("etc", "x")), 0, "'etc' is not an absolute path"),
    (document(names("/etc", "x"), operations=[{"module": "nope", "parameters": {}}]), 0, "nope"),
    pytest.param(document(names("/etc", "x")) + b" " * (1 << 20), 0, "action document", id="too-large"),
])
def test_refused(data, n, error):
    answer, status = run(data, "--operation", str(n))
    assert status == 1 and not answer["success"] and error in answer["errors"][0]


@pytest.mark.parametrize("seals", [0, fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW])
def test_not_sealed(seals):
    answer, status = run(document(names("/etc", "x")), "--operation", "0", seals=seals)
    assert status == 1 and "not sealed" in answer["errors"][0]


def test_ordinary_file_or_nothing_instead(tmp_path):
    (tmp_path / "doc").write_bytes(document(names("/etc", "x")))
    with open(tmp_path / "doc", "rb") as f:
        answer = json.loads(start(f.fileno(), "--operation", "0").communicate(timeout=60)[0])
        assert not answer["success"] and "sealed" in answer["errors"][0]
    r = subprocess.run([WORKER, "--operation", "0"], stdout=subprocess.PIPE, timeout=60)
    assert r.returncode == 1 and not json.loads(r.stdout)["success"]


@pytest.fixture
def endless(tmp_path):
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 43)
    return document({"paths": [str(tmp_path)], "contents": ["needle"], "options": {"matchall": True}})


def is_scanning(pid):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").endswith("/hole")
                   for fd in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return False


def wait_for(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_sigterm_while_scanning(endless):
    fd = memfd(endless)
    p = start(fd, "--operation", "0")
    os.close(fd)
    wait_for(lambda: is_scanning(p.pid))
    p.send_signal(signal.SIGTERM)
    answer = json.loads(p.stdout.read())
    assert p.wait(timeout=20) == 0 and answer["success"]
    assert answer["statistics"]["notexamined"] == {"stopped": 1}
    assert answer["statistics"]["bytesread"] > 0


PARENT = """
import os, subprocess, sys
def on_three():
    os.dup2(int(sys.argv[1]), 3)
p = subprocess.Popen(sys.argv[2:], preexec_fn=on_three, pass_fds=(3,))
print(p.pid, flush=True)
p.wait()
"""


@pytest.mark.parametrize("uid", [None, pytest.param("65533", marks=NEEDS_ROOT)])
def test_killed_with_its_agent(endless, uid, tmp_path):
    tmp_path.chmod(0o755)
    fd = memfd(endless)
    args = [str(WORKER), "--operation", "0"] + (["--uid", uid] if uid else [])
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(fd), *args], pass_fds=(fd,),
                              stdout=subprocess.PIPE)
    os.close(fd)
    worker = int(parent.stdout.readline())
    wait_for(lambda: is_scanning(worker))
    if uid:
        assert f"Uid:\t{uid}\t{uid}" in pathlib.Path(f"/proc/{worker}/status").read_text()
    parent.kill()
    parent.wait()
    wait_for(lambda: not running(worker))


def running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
