# SPDX-License-Identifier: MPL-2.0
"""mig-worker --serve: orders with a sealed document, as the agent gives them."""
import ctypes
import errno
import fcntl
import gzip
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

from servelib import (BUILD, DOCUMENT, HERE, SEALS, SHORT, START, Worker, document, frame, memfd,
                      order)

NEEDS_SANDBOX = pytest.mark.skipif("asan" in BUILD.name, reason="needs the real sandbox")
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the user")


@pytest.fixture
def worker():
    w = Worker()
    yield w
    w.close()


def names(path, name):
    return {"paths": [str(path)], "names": [name], "options": {"matchall": True}}


@pytest.fixture
def tree(tmp_path):
    for n in ("one", "two"):
        (tmp_path / n).write_text("x\n")
    return tmp_path


def test_each_operation(worker, tree):
    doc = document(names(tree, "^one$"), names(tree, "^two$"))
    for n, name in enumerate(("one", "two", "one")):
        answer, status = worker.run(doc, n % 2)
        assert status is None, "nothing speaks against another order"
        assert [e["file"] for e in answer["elements"]["s"]] == [f"{tree}/{name}"]


def open_files(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd"))


def heap(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    return int(re.search(r"\[heap\]\n(?:.*\n)*?Rss: +(\d+) kB", text).group(1))


def test_nothing_is_left_of_an_order(worker, tree):
    """Descriptors, memory, the document and the answer of those before."""
    deep = tree / "a" / "b"
    deep.mkdir(parents=True)
    doc = document({"paths": [str(tree)], "names": ["^one$"], "contents": ["x"], "mtimes": ["<9d"],
                    "sizes": ["<1m"], "options": {"matchall": True}})
    for _ in range(10):
        first, status = worker.run(doc)
        assert status is None and first["foundanything"]
    files, size = open_files(worker.pid), heap(worker.pid)
    assert not any("memfd" in f or str(tree) in f for f in files), files
    for _ in range(60):
        answer, status = worker.run(doc)
        assert status is None
        assert answer["elements"] == first["elements"] and answer["errors"] == first["errors"]
    assert open_files(worker.pid) == files
    assert heap(worker.pid) <= size + 32


@pytest.mark.parametrize("question", [
    {"contents": ["^x(y|z)*$"]}, {"names": ["(o|t)(ne|wo)+"]},
    {"md5": ["0" * 32]}, {"contents": ["needle"], "options": {"decompress": True}}])
def test_what_hands_bytes_to_a_library_is_its_last(worker, tree, question):
    (tree / "packed.gz").write_bytes(gzip.compress(b"needle" * 1000))
    answer, status = worker.run(document({"paths": [str(tree)], **question}))
    assert answer["success"] and worker.spent and status == 0


def test_ends_after_some_processor_time(worker, tmp_path):
    """Clean orders, but not without end."""
    for i in range(2000):
        (tmp_path / f"name{i}").touch()
    doc = document(names(tmp_path, "nothing"))
    for n in range(500):
        answer, status = worker.run(doc)
        assert answer["success"]
        if status is not None:
            break
    assert status == 0 and not worker.spent and n > 0


def test_stopped_is_its_last(worker, endless):
    out = worker.order(memfd(endless))
    wait_for(lambda: is_scanning(worker.pid))
    os.kill(worker.pid, signal.SIGTERM)
    answer, status = worker.answer(out)
    assert status == 0 and answer["success"]
    assert answer["statistics"]["notexamined"] == {"stopped": 1}
    assert answer["statistics"]["bytesread"] > 0


def test_offset_of_the_descriptor_does_not_matter(worker, tree):
    fd = memfd(document(names(tree, "^one$")))
    os.lseek(fd, 0, os.SEEK_END)
    answer, _ = worker.answer(worker.order(fd))
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
def test_refused(worker, data, n, error):
    answer, status = worker.run(data, n)
    assert status == 1 and not answer["success"] and error in answer["errors"][0]


@pytest.mark.parametrize("seals", [0, fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW])
def test_not_sealed(worker, seals):
    answer, status = worker.run(document(names("/etc", "x")), seals=seals)
    assert status == 1 and "not sealed" in answer["errors"][0]


def test_ordinary_file_instead(worker, tmp_path):
    (tmp_path / "doc").write_bytes(document(names("/etc", "x")))
    with open(tmp_path / "doc", "rb") as f:
        answer, _ = worker.answer(worker.order(f.fileno()))
        assert not answer["success"] and "sealed" in answer["errors"][0]


@pytest.mark.parametrize("junk", [
    frame(START, order(0)), frame(DOCUMENT), frame(9), b"\xff" * 64,
    frame(DOCUMENT) + frame(START, order(64)), frame(DOCUMENT, b"x" * 9000),
    frame(START, order(0, doc=b"{}")), frame(START, order(0, doc=b"x" * (SHORT + 1)))])
def test_junk_ends_it(junk):
    w = Worker()
    w.sock.sendall(junk)
    w.sock.shutdown(socket.SHUT_WR)
    assert w.proc.wait(timeout=20) == 0
    w.close()


def refuse_rules():
    """landlock_create_ruleset(2) fails, but for the question for its version."""
    program = [(0x20, 0, 0, 0), (0x15, 0, 3, 444), (0x20, 0, 0, 32), (0x15, 0, 1, 0),
               (0x06, 0, 0, 0x00050000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, fprog) == 0


@NEEDS_SANDBOX
def test_no_sandbox_no_answer(tree):
    """It says why where the answer would be, and never looks."""
    w = Worker(before=refuse_rules)
    answer, status = w.run(document(names(tree, "^one$")))
    assert (answer, status) == ("Landlock rule set: Operation not permitted\n", 5)
    w.close()


def test_output_has_a_limit_of_the_kernel(worker, endless, tmp_path):
    """The answer is cut by the module, and the file cannot grow further."""
    for i in range(300):
        (tmp_path / f"name{i:03}").touch()
    answer, status = worker.run(document(names(tmp_path, "name")), output=8000)
    assert status is None
    assert answer["statistics"]["notexamined"].get("outputlimit") or answer["errors"]
    limits = pathlib.Path(f"/proc/{worker.pid}/limits").read_text()
    assert re.search(r"Max file size +16192 +16192 ", limits)


@pytest.fixture
def large(tmp_path):
    """Its answer has 1.2 MB: more than is held back."""
    for i in range(200):
        (tmp_path / f"{i:0200}").touch()
    q = {"searches": {f"s{n}": names(tmp_path, ".") for n in range(10)}}
    return document(operations=[{"module": "file", "parameters": q}])


@NEEDS_SANDBOX
def test_answer_that_cannot_be_written(worker, large):
    """What was written by then is taken back: only the reason stands there."""
    out = os.memfd_create("answer", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(out, 300 << 10)
    fcntl.fcntl(out, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    answer, status = worker.answer(worker.order(memfd(large), out=out, output=8 << 20))
    assert status == 1 and not answer["success"] and not answer["elements"]
    assert answer["errors"] == ["write: Operation not permitted"]


def test_short_and_long(worker, tmp_path):
    """What is short is in the message; the rest, in the file. One after the other, each is whole."""
    tree = tmp_path / ("x" * 200)
    tree.mkdir()
    for i in range(100):
        (tree / f"{i:03}").touch()
    few, many = (document(names(tree, n)) for n in ("^007$", "."))
    padded = many + b" " * SHORT
    for doc, seals, short, found in ((few, None, True, 1), (many, None, False, 100), (few, SEALS, True, 1),
                                     (padded, None, False, 100), (few, None, True, 1)):
        answer, status = worker.run(doc, seals=seals)
        assert status is None and worker.short == short
        assert len(answer["elements"]["s"]) == found


def test_two_documents_are_one_too_many(tree):
    w = Worker()
    doc = document(names(tree, "^one$"))
    out = os.memfd_create("answer", os.MFD_CLOEXEC)
    socket.send_fds(w.sock, [frame(DOCUMENT)], [memfd(doc)])
    socket.send_fds(w.sock, [frame(START, order(0, doc=doc))], [out])
    assert w.receive() is None and w.proc.wait(timeout=20) == 0
    assert os.fstat(out).st_size == 0
    w.close()


def test_answer_is_all_that_is_left(worker, tmp_path):
    """Words on standard error, which is in the same file, are no part of it."""
    for i in range(100):
        (tmp_path / f"{i:0200}").touch()
    out = os.memfd_create("answer", os.MFD_CLOEXEC)
    os.write(out, b"some warning\n")
    answer, status = worker.answer(worker.order(document(names(tmp_path, ".")), out=out))
    assert status is None and answer["foundanything"] and not worker.short


def test_cpu_limit(worker, endless):
    answer, status = worker.run(endless, cpu=1)
    assert status == 3 and "limit reached: CPU 1 s" in json.dumps(answer)


@NEEDS_SANDBOX
def test_worker_cannot_fork(endless, worker):
    out = worker.order(memfd(endless))
    wait_for(lambda: is_scanning(worker.pid))
    status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
    limits = pathlib.Path(f"/proc/{worker.pid}/limits").read_text()
    assert re.search(r"Max processes +0 +0 ", limits)
    sockets = [f for f in open_files(worker.pid) if f.startswith("socket:")]
    assert len(sockets) == 1, "the monitor's"
    worker.proc.kill()
    _, status = worker.answer(out)
    assert status == -signal.SIGKILL


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


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
import test_serve as t
w = t.Worker(*sys.argv[3:])
w.order(int(sys.argv[2]))
print(w.pid, flush=True)
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
