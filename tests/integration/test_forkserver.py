# SPDX-License-Identifier: MPL-2.0
"""mig-worker --forkserver: orders with a sealed document, as the agent gives them."""
import base64
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
NEEDS_SANDBOX = pytest.mark.skipif("asan" in BUILD.name, reason="needs the real sandbox")
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


DOCUMENT, START, STARTED, FAILED = 1, 2, 3, 4    # modules/order.h
OUTPUT = 1 << 20


def frame(kind, body=b""):
    return struct.pack(">IHHI", len(body), kind, 0, 0) + body


def order(n, seconds=0, cpu=0, memory=0, read=0, share=0, output=OUTPUT):
    return struct.pack(">Bqqqqqq", n, seconds, cpu, memory, read, share, output)


class ForkServer:
    """The monitor's side. Its workers are our children."""

    def __init__(self, *args):
        self.sock, theirs = socket.socketpair()
        with theirs:
            def on_three():
                os.dup2(theirs.fileno(), 3)
            self.proc = subprocess.Popen(
                [WORKER, "--forkserver", *args], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, preexec_fn=on_three, pass_fds=(3,), env={})

    def order(self, fd, n=0, **limits):
        """(pid of the worker, descriptor of its answer), or (0, why not)."""
        out = os.memfd_create("answer", os.MFD_CLOEXEC)
        socket.send_fds(self.sock, [frame(DOCUMENT)], [fd])
        socket.send_fds(self.sock, [frame(START, order(n, **limits))], [out])
        kind, body = self.receive()
        if kind == STARTED:
            return struct.unpack(">I", body)[0], out
        assert kind == FAILED
        os.close(out)
        return 0, body[4:].decode()

    def receive(self):
        head = self.sock.recv(12, socket.MSG_WAITALL)
        assert len(head) == 12, "the fork server has ended"
        size, kind, _, _ = struct.unpack(">IHHI", head)
        return kind, self.sock.recv(size, socket.MSG_WAITALL) if size else b""

    def close(self):
        self.sock.close()
        return self.proc.wait(timeout=20)


def answer_of(pid, out):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    data = os.pread(out, OUTPUT * 2, 0)
    os.close(out)
    return json.loads(data) if data else None, status


@pytest.fixture
def server():
    s = ForkServer()
    yield s
    assert s.close() == 0


def run(server, data, n=0, seals=SEALS, **limits):
    fd = memfd(data, seals)
    try:
        return answer_of(*server.order(fd, n, **limits))
    finally:
        os.close(fd)


def names(path, name):
    return {"paths": [str(path)], "names": [name], "options": {"matchall": True}}


@pytest.fixture
def tree(tmp_path):
    for n in ("one", "two"):
        (tmp_path / n).write_text("x\n")
    return tmp_path


def test_each_operation(server, tree):
    doc = document(names(tree, "^one$"), names(tree, "^two$"))
    for n, name in enumerate(("one", "two", "one")):
        answer, status = run(server, doc, n % 2)
        assert status == 0
        assert [e["file"] for e in answer["elements"]["s"]] == [f"{tree}/{name}"]


def test_offset_of_the_descriptor_does_not_matter(server, tree):
    fd = memfd(document(names(tree, "^one$")))
    os.lseek(fd, 0, os.SEEK_END)
    answer, _ = answer_of(*server.order(fd))
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
def test_refused(server, data, n, error):
    answer, status = run(server, data, n)
    assert status == 1 and not answer["success"] and error in answer["errors"][0]


@pytest.mark.parametrize("seals", [0, fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW])
def test_not_sealed(server, seals):
    answer, status = run(server, document(names("/etc", "x")), seals=seals)
    assert status == 1 and "not sealed" in answer["errors"][0]


def test_ordinary_file_instead(server, tmp_path):
    (tmp_path / "doc").write_bytes(document(names("/etc", "x")))
    with open(tmp_path / "doc", "rb") as f:
        answer, _ = answer_of(*server.order(f.fileno()))
        assert not answer["success"] and "sealed" in answer["errors"][0]


@pytest.mark.parametrize("junk", [
    frame(START, order(0)), frame(DOCUMENT), frame(9), b"\xff" * 64,
    frame(DOCUMENT) + frame(START, order(64)), frame(DOCUMENT, b"x" * 2000)])
def test_junk_ends_the_fork_server_alone(junk, tree):
    s = ForkServer()
    s.sock.sendall(junk)
    s.sock.shutdown(socket.SHUT_WR)
    assert s.proc.wait(timeout=20) == 0
    s.close()


def test_output_has_a_limit_of_the_kernel(server, endless, tmp_path):
    """The answer is cut by the module, and the file cannot grow further."""
    for i in range(300):
        (tmp_path / f"name{i:03}").touch()
    answer, status = run(server, document(names(tmp_path, "name")), output=8000)
    assert status == 0
    assert answer["statistics"]["notexamined"].get("outputlimit") or answer["errors"]
    pid, out = server.order(memfd(endless), output=8000)
    wait_for(lambda: re.search(r"Max file size +16192 +16192 ",
                               pathlib.Path(f"/proc/{pid}/limits").read_text()))
    os.kill(pid, signal.SIGTERM)
    answer_of(pid, out)


def test_cpu_limit_is_the_workers_own(server, endless, tree):
    answer, status = run(server, endless, cpu=1)
    assert status == 3 and "limit reached: CPU 1 s" in json.dumps(answer)
    answer, status = run(server, document(names(tree, "^one$")), cpu=1)
    assert status == 0 and answer["foundanything"]


@NEEDS_SANDBOX
def test_worker_cannot_fork_or_loosen_limits(endless, server):
    pid, out = server.order(memfd(endless))
    wait_for(lambda: is_scanning(pid))
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
    filters = int(re.search(r"Seccomp_filters:\t(\d+)", status).group(1))
    mother = pathlib.Path(f"/proc/{server.proc.pid}/status").read_text()
    assert filters == int(re.search(r"Seccomp_filters:\t(\d+)", mother).group(1)) + 1
    assert sorted(os.listdir(f"/proc/{pid}/fd"))[:4] == ["0", "1", "2", "3"]
    assert not any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
                   for fd in os.listdir(f"/proc/{pid}/fd"))
    os.kill(pid, signal.SIGKILL)
    answer_of(pid, out)


@pytest.fixture
def endless(tmp_path):
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 43)
    return document({"paths": [str(tmp_path)], "contents": ["needle"], "options": {"matchall": True}})


def is_scanning(pid):
    """It has read something of the endless file."""
    for fd in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if os.readlink(fd).endswith("/hole"):
                info = pathlib.Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text()
                return int(info.split()[1]) > 0
        except FileNotFoundError:
            pass
    return False


def wait_for(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_sigterm_while_scanning(endless, server):
    pid, out = server.order(memfd(endless))
    wait_for(lambda: is_scanning(pid))
    os.kill(pid, signal.SIGTERM)
    answer, status = answer_of(pid, out)
    assert status == 0 and answer["success"]
    assert answer["statistics"]["notexamined"] == {"stopped": 1}
    assert answer["statistics"]["bytesread"] > 0


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
import test_forkserver as t
s = t.ForkServer(*sys.argv[3:])
pid, out = s.order(int(sys.argv[2]))
print(s.proc.pid, pid, flush=True)
input()
"""


@pytest.mark.parametrize("uid", [None, pytest.param("65533", marks=NEEDS_ROOT)])
def test_killed_with_its_agent(endless, uid, tmp_path):
    tmp_path.chmod(0o755)
    fd = memfd(endless)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(HERE), str(fd), *(["--uid", uid] if uid else [])],
        pass_fds=(fd,), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    os.close(fd)
    server, worker = map(int, parent.stdout.readline().split())
    wait_for(lambda: is_scanning(worker))
    if uid:
        assert f"Uid:\t{uid}\t{uid}" in pathlib.Path(f"/proc/{worker}/status").read_text()
    parent.kill()
    parent.wait()
    wait_for(lambda: not running(worker) and not running(server))


def test_workers_live_on_without_the_fork_server(endless, server):
    pid, out = server.order(memfd(endless))
    wait_for(lambda: is_scanning(pid))
    server.proc.kill()
    server.proc.wait()
    assert running(pid)
    os.kill(pid, signal.SIGTERM)
    answer, status = answer_of(pid, out)
    assert status == 0 and answer["statistics"]["notexamined"] == {"stopped": 1}
    server.proc = subprocess.Popen(["true"])    # what the fixture waits for


def running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
