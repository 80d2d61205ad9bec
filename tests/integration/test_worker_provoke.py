# SPDX-License-Identifier: MPL-2.0
"""mig-worker against trees that provoke: loops, dead mounts, races, huge files and directories."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts and other users")


def question(path, matchall=True, options=None, **fields):
    return {"searches": {"s": {"paths": [str(p) for p in (path if isinstance(path, list) else [path])],
                               "options": {"matchall": matchall, **(options or {})}, **fields}}}


def ask(q, *args, timeout=60, **kw):
    r = subprocess.run([WORKER, *args, "file"], input=json.dumps(q).encode(), stdout=subprocess.PIPE,
                       timeout=timeout, **kw)
    return json.loads(r.stdout)


def found(answer):
    return sorted(e["file"] for e in answer["elements"]["s"] if e["file"])


def not_examined(answer):
    return answer["statistics"]["notexamined"]


# --- mounts: in a private mount namespace of a child --------------------------

CHILD = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def must(r):
    if r < 0:
        sys.exit(77)
def mount(src, dst, kind, flags, data=None):
    must(libc.mount(src.encode(), dst.encode(), kind and kind.encode(), flags,
                    data and data.encode()))
BIND, REC, PRIVATE = 4096, 1 << 14, 1 << 18
must(libc.unshare(0x20000))
mount("none", "/", None, REC | PRIVATE)
root = sys.argv[1]
"""


def ask_with_mounts(setup, root, q, timeout=20):
    """The answer of a worker that sees what setup has mounted."""
    code = CHILD + setup + "\nsys.exit(subprocess.run(sys.argv[2:]).returncode)\n"
    p = subprocess.Popen([sys.executable, "-c", code, str(root), str(WORKER), "file"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        out = p.communicate(json.dumps(q).encode(), timeout=timeout)[0]
    finally:
        if p.poll() is None:
            os.killpg(p.pid, 9)
    if p.returncode == 77:
        pytest.skip("this kind of mount is not permitted here")
    return json.loads(out)


@NEEDS_ROOT
def test_bind_mount_loop(tmp_path):
    (tmp_path / "a" / "b" / "loop").mkdir(parents=True)
    (tmp_path / "a" / "f").write_text("x")
    (tmp_path / "a" / "b" / "g").write_text("x")
    setup = 'mount(root + "/a", root + "/a/b/loop", None, BIND | REC)'
    answer = ask_with_mounts(setup, tmp_path, question(tmp_path, names=["."]))
    assert found(answer) == [f"{tmp_path}/a/b/g", f"{tmp_path}/a/f"]
    assert not_examined(answer) == {"loop": 1}
    assert answer["errors"] == [f"loop: {tmp_path}/a/b/loop: it is one of its own parents"]


BETWEEN = 'mount("t", root + "/a/m", "tmpfs", 0); os.mkdir(root + "/a/m/n")\n'


@NEEDS_ROOT
@pytest.mark.parametrize("between, at", [("", "m"), (BETWEEN, "m/n")])
def test_a_mount_of_what_is_above(tmp_path, between, at):
    """The loop is not where a mount is, but below."""
    (tmp_path / "a" / "m").mkdir(parents=True)
    (tmp_path / "a" / "f").write_text("x")
    (tmp_path / "g").write_text("x")
    setup = f'{between}mount(root, root + "/a/{at}", None, BIND)'
    answer = ask_with_mounts(setup, tmp_path, question(tmp_path / "a", names=["."]))
    assert found(answer) == [f"{tmp_path}/a/f", f"{tmp_path}/a/{at}/g"]
    assert answer["errors"] == [f"loop: {tmp_path}/a/{at}/a: it is one of its own parents"]


@NEEDS_ROOT
def test_other_local_mount_is_entered(tmp_path):
    (tmp_path / "m").mkdir()
    setup = 'mount("t", root + "/m", "tmpfs", 0); open(root + "/m/f", "w").close()'
    answer = ask_with_mounts(setup, tmp_path, question(tmp_path, names=["."]))
    assert found(answer) == [f"{tmp_path}/m/f"] and answer["errors"] is None


# A FUSE mount that nobody serves: every look at it blocks, as with a dead server.
DEAD = """
fd = os.open("/dev/fuse", os.O_RDWR) if os.path.exists("/dev/fuse") else sys.exit(77)
mount("dead:/", root + "/tree/dead", "fuse.sshfs", 0,
      "fd=%d,rootmode=40000,user_id=0,group_id=0" % fd)
"""
AUTO = """
r, w = os.pipe()
mount("auto", root + "/tree/auto", "autofs", 0,
      "fd=%d,pgrp=%d,minproto=5,maxproto=5,direct" % (w, os.getpgrp()))
"""


@pytest.fixture
def mount_tree(tmp_path):
    for d in ("dead", "auto", "near"):
        (tmp_path / "tree" / d).mkdir(parents=True)
    (tmp_path / "tree" / "near" / "f").write_text("x\n")
    (tmp_path / "tree" / "link").symlink_to("dead/x")
    (tmp_path / "tree" / "sly").symlink_to("near/on/x")
    (tmp_path / "tree" / "near" / "on").symlink_to("../dead")
    (tmp_path / "alias").symlink_to("tree")
    return tmp_path


@NEEDS_ROOT
@pytest.mark.parametrize("root", ["tree", "alias"])
@pytest.mark.parametrize("check", [{"names": ["."]}, {"contents": ["."]}, {"sizes": [">0"]}])
def test_dead_server(mount_tree, root, check):
    answer = ask_with_mounts(DEAD + AUTO, mount_tree, question(mount_tree / root, **check))
    top = f"{mount_tree}/{root}"
    assert found(answer) == [f"{top}/near/f"]
    # the mount itself and three links that lead to it
    assert not_examined(answer) == {"remotefs": 4, "automount": 1}
    assert sorted(answer["errors"]) == [f"automount: {top}/auto"] + sorted(
        f"remotefs: {top}/{p}" for p in ("dead", "link", "near/on", "sly"))


@NEEDS_ROOT
@pytest.mark.parametrize("path", ["tree/dead", "tree/dead/below", "tree/link", "alias/sly"])
def test_dead_server_is_what_was_asked(mount_tree, path):
    answer = ask_with_mounts(DEAD, mount_tree, question([mount_tree / path, mount_tree / "tree" / "near" / "f"],
                                                        names=["."]))
    assert found(answer) == [f"{mount_tree}/tree/near/f"]
    assert answer["errors"] == [f"remotefs: {mount_tree}/{path}"]


OLD_KERNEL = [sys.executable, HERE / "oldlandlock.py", "0"]  # no openat2, either


@pytest.mark.parametrize("kernel", [[], OLD_KERNEL], ids=["today's", "old"])
def test_deeper_than_descriptors(tmp_path, kernel):
    """Directories that were closed meanwhile are found again."""
    at, expected = tmp_path, []
    for _ in range(100):
        for name in ("a", "z"):
            (at / name).mkdir()
            (at / name / "f").touch()
            expected.append(f"{at}/{name}/f")
        at = at / "m"
        at.mkdir()
    r = subprocess.run([*kernel, WORKER, "file"], input=json.dumps(question(tmp_path, names=["."])).encode(),
                       stdout=subprocess.PIPE, timeout=60, check=True)
    answer = json.loads(r.stdout)
    assert found(answer) == sorted(expected) and answer["errors"] is None
    assert answer["statistics"]["directories"] == 301


# --- races --------------------------------------------------------------------

@pytest.mark.parametrize("victim", ["files", "directories"])
def test_tree_vanishes_while_looking(tmp_path, victim):
    """Whatever goes away is counted or was never seen; the rest is all found."""
    keep = tmp_path / "keep"
    keep.mkdir()
    for i in range(200):
        (keep / f"k{i}").write_text("needle\n")
    done = threading.Event()

    def churn():
        n = 0
        while not done.is_set():
            base = tmp_path / f"g{n % 7}"
            deep = base / "a" / "b" if victim == "directories" else base
            deep.mkdir(parents=True, exist_ok=True)
            for i in range(30):
                (deep / f"f{i}").write_text("needle\n")
            shutil.rmtree(base)
            n += 1

    t = threading.Thread(target=churn)
    t.start()
    gone, end = 0, time.monotonic() + 20
    try:
        while gone == 0 and time.monotonic() < end:
            answer = ask(question(tmp_path, contents=["^needle$"], options={"returnsha256": True}))
            assert answer["success"]
            assert sum(f.startswith(f"{keep}/") for f in found(answer)) == 200
            # a file that was just created may still be empty, one may be gone; nothing else
            assert set(not_examined(answer)) <= {"vanished"}
            gone += not_examined(answer).get("vanished", 0)
    finally:
        done.set()
        t.join()
    assert gone > 0, "the race was never met"


# --- rights -------------------------------------------------------------------

@NEEDS_ROOT
def test_unreadable_as_nobody(tmp_path):
    for d in list(tmp_path.parents)[:-2] + [tmp_path]:
        if d.stat().st_uid == 0 and str(d).startswith("/tmp/"):
            d.chmod(d.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    (tmp_path / "open").write_text("needle\n")
    (tmp_path / "secret").write_text("needle\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "f").write_text("needle\n")
    (tmp_path / "closed").chmod(0o700)
    worker = tmp_path / "mig-worker"  # where nobody can reach it
    shutil.copy(WORKER, worker)
    r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", worker, "file"],
                       input=json.dumps(question(tmp_path, contents=["!nothing"], names=["!mig-worker"])).encode(),
                       stdout=subprocess.PIPE, timeout=60)
    answer = json.loads(r.stdout)
    assert found(answer) == [f"{tmp_path}/open"]
    assert not_examined(answer) == {"unreadable": 2}
    assert sorted(answer["errors"]) == ["rights: this agent reads what the agent's user may read; "
                                        "not seen: what others keep from that user",
                                        f"unreadable: {tmp_path}/closed: Permission denied",
                                        f"unreadable: {tmp_path}/secret: Permission denied"]
    # by number of the user, with the right to read kept: everything
    assert len(found(ask(question(tmp_path, contents=["^needle$"]), "--uid", "65534"))) == 3


# --- size ---------------------------------------------------------------------

def test_terabyte_hole(tmp_path):
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 40)
    (tmp_path / "a").write_text("needle\n")
    t = time.monotonic()
    answer = ask(question(tmp_path, matchall=False, contents=["needle"], sizes=["1t"]), "--seconds", "1")
    assert time.monotonic() - t < 5
    assert answer["success"] and f"{tmp_path}/hole" in found(answer)
    assert not_examined(answer) == {"timelimit": 1} and "limit reached: time" in answer["errors"][0]


def test_directory_of_100000(tmp_path):
    for i in range(100000):
        os.close(os.open(f"{tmp_path}/f{i:06d}", os.O_CREAT | os.O_WRONLY, 0o644))
    answer = ask(question(tmp_path, names=["^f0(00001|99999)$"]))
    assert found(answer) == [f"{tmp_path}/f000001", f"{tmp_path}/f099999"]
    assert answer["statistics"]["filescount"] == 100000 and answer["errors"] is None


def test_names_round_trip(tmp_path):
    names = [b"new\nline", b"tab\t\x01\x7f", b"bad\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b'quote"\\', "é€𝄞".encode(),
             b"x" * 255, b"-rf *", b" "]
    for n in names:
        with open(os.path.join(os.fsencode(tmp_path), n), "wb"):
            pass
    answer = ask(question(tmp_path, sizes=["0"]))
    got = [bytes.fromhex(e["filehex"]) if "filehex" in e else e["file"].encode() for e in answer["elements"]["s"]]
    assert sorted(got) == sorted(os.fsencode(tmp_path) + b"/" + n for n in names)
    assert sum("filehex" in e for e in answer["elements"]["s"]) == 3


# --- many checks --------------------------------------------------------------

def digests(n):
    return [hashlib.sha256(b"%d" % i).hexdigest() for i in range(n)]


@pytest.fixture
def small(tmp_path):
    (tmp_path / "hit").write_bytes(b"9999")
    (tmp_path / "text").write_text("some needle09999ab here\nother\n")
    return tmp_path


@pytest.mark.parametrize("n", [64, 65])
def test_unmatched(small, n):
    answer = ask(question(small, matchall=False, sha2=digests(n)))
    entries = answer["elements"]["s"]
    assert len(entries) == n and all(e["file"] == "" for e in entries)
    listed = [e["search"]["sha2"] for e in entries[:64]]
    assert listed == [[d] for d in digests(64)]
    if n == 64:
        assert "unmatched" not in answer["statistics"]
    else:
        assert answer["statistics"]["unmatched"] == {"s": 65}
        assert entries[64]["search"]["shortened"]


MANY = 10000


@pytest.mark.parametrize("fields, hit", [
    ({"sha2": digests(MANY)}, "hit"),
    ({"contents": [f"needle{i:05d}[a-z]+ h" for i in range(MANY)]}, "text"),
    ({"contents": [f"needle{i:05d}" for i in range(MANY)]}, "text"),
    ({"names": [f"^a{i:05d}\\.(txt|conf)$" for i in range(MANY - 1)] + ["^hit$"]}, "hit"),
], ids=["sha2", "contents", "literals", "names"])
def test_ten_thousand_checks(small, fields, hit):
    """Within the memory that an agent gives a worker."""
    t = time.monotonic()
    answer = ask(question(small, matchall=False, **fields), "--memory", str(64 << 20))
    assert time.monotonic() - t < 20
    assert found(answer) == [f"{small}/{hit}"]
    assert answer["statistics"]["unmatched"] == {"s": MANY - 1}
    assert len(json.dumps(answer)) < 100000


def test_too_many_checks(small):
    t = time.monotonic()
    answer = ask(question(small, names=["a"] * 100000))
    assert time.monotonic() - t < 2
    assert not answer["success"] and answer["elements"] == {}
    assert answer["errors"] == ["searches: 100000 checks, at most 32768 in one question: split it"]
