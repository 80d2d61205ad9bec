# SPDX-License-Identifier: MPL-2.0
"""File trees made to hurt: mig-worker under the limits that an agent gives it
ends, in bounded memory, and says what it did not look at. (Mounts, rights,
holes and names also in test_worker_provoke.py.)"""
import bz2
import contextlib
import ctypes
import hashlib
import json
import lzma
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import zlib

import pytest

SHARDS = 3
SECONDS = 40
HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
MEMORY = 64 << 20  # what an agent allows
RSS_KB = 48 << 10  # what is enough for all of this
MANY = int(os.environ.get("MIG_MANY_FILES", "200000"))
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: device nodes")


@pytest.fixture
def fast_tmp(tmp_path):
    """In memory where there is such a place: for trees of very many files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="mig-hostile-") as d:
        yield pathlib.Path(d)


def question(path, options=None, **fields):
    paths = path if isinstance(path, list) else [path]
    return {"searches": {"s": {"paths": [os.fspath(p) for p in paths],
                               "options": {"matchall": True, **(options or {})}, **fields}}}


def peak_kb(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def ask(q, *args, timeout=60):
    """The answer, which is never late, never a crash and never fat."""
    p = subprocess.Popen([WORKER, "--memory", str(MEMORY), *args, "file"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], peak_kb(p.pid))
    t = threading.Thread(target=watch)
    t.start()
    try:
        out, err = p.communicate(json.dumps(q).encode(), timeout=timeout)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
        done.set()
        t.join()
    # 3 and 4: a limit ended it, and what it had is answered
    assert p.returncode in (0, 3, 4) and err == b"", (p.returncode, out[:500], err)
    assert peak[0] < RSS_KB, f"{peak[0]} kB of memory"
    answer = json.loads(out)
    assert answer["success"]
    return answer


def found(answer):
    return sorted(e["file"] for e in answer["elements"]["s"] if e["file"])


def not_examined(answer):
    return answer["statistics"]["notexamined"]


# --- depth ----------------------------------------------------------------------

@contextlib.contextmanager
def deep(top, name, levels):
    """levels directories below one another, "needle" in the last. Neither
    making nor removing them may use a path: no path is long enough."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("needle", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    try:
        yield
    finally:
        os.unlink("needle", dir_fd=fd)
        for _ in range(levels):
            above = os.open("..", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            os.rmdir(name, dir_fd=above)
            fd = above
        os.close(fd)


@pytest.mark.long
@pytest.mark.parametrize("levels, fields", [
    # Landlock looks at all of a path's directories: the square of the levels
    (10500, {"names": ["^needle$"]}), (2000, {"sizes": ["0"]}), (2000, {"sha2": [hashlib.sha256().hexdigest()]})],
    ids=["names", "sizes", "sha2"])
def test_ten_thousand_levels(fast_tmp, levels, fields):
    with deep(fast_tmp, "d", levels):
        answer = ask(question(fast_tmp, **fields), timeout=300)
    assert found(answer) == [f"{fast_tmp}{'/d' * levels}/needle"]
    assert not_examined(answer) == {} and answer["errors"] is None
    assert answer["statistics"]["directories"] == levels + 1


def test_deeper_than_any_path(fast_tmp):
    """Half a megabyte of path: told where it was too long, nothing else."""
    (fast_tmp / "beside").write_text("")
    (fast_tmp / "beside2").mkdir()
    (fast_tmp / "beside2" / "needle").write_text("")
    with deep(fast_tmp, "n" * 255, 2000):
        answer = ask(question(fast_tmp, names=["."]))
    assert found(answer) == [f"{fast_tmp}/beside", f"{fast_tmp}/beside2/needle"]
    assert not_examined(answer) == {"memorylimit": 1}
    assert len(answer["errors"]) == 1 and answer["errors"][0].endswith(": the path is too long")


def test_moved_away_while_below(tmp_path):
    """The way back up is checked: nothing of where the directory was moved to
    is taken for what was asked, and what was lost by it is counted."""
    asked, outside = tmp_path / "asked", tmp_path / "outside"
    asked.mkdir()
    outside.mkdir()
    for i in range(300):
        (outside / f"secret{i}").write_text("needle\n")
        (asked / f"later{i}").mkdir()
    done = threading.Event()

    def move():
        here, there = asked / "d", outside / "d"
        while not done.is_set():
            here.rename(there)
            there.rename(here)
    with deep(asked, "d", 300):
        t = threading.Thread(target=move)
        t.start()
        try:
            for _ in range(10):
                answer = ask(question(asked, contents=["needle"]))
                assert found(answer) == []
                assert set(not_examined(answer)) <= {"vanished"}
        finally:
            done.set()
            t.join()
        if (outside / "d").exists():
            (outside / "d").rename(asked / "d")


# --- links ----------------------------------------------------------------------

def test_links(tmp_path):
    asked, outside = tmp_path / "asked", tmp_path / "outside"
    (asked / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("needle\n")
    (asked / "sub" / "f").write_text("needle\n")
    for name, target in {"self": "self", "a": "b", "b": "a", "up": "..", "here": ".", "gone": "nowhere",
                         "out": "../outside/secret", "outdir": "../outside", "abs": str(outside / "secret"),
                         "root": "/", "proc": "/proc/self/mem", "fd": "/proc/self/fd/0", "dev": "/dev/zero",
                         "sneaky": "sub/../../outside/secret", "in": "sub/f", "indir": "sub",
                         "trick": "hop/secret", "hop": "../outside", "dots": "sub/./.././sub/f"}.items():
        (asked / name).symlink_to(target)
    for i in range(60):
        (asked / f"chain{i}").symlink_to(f"chain{i + 1}")
    (asked / "chain60").symlink_to("sub/f")
    for fields in ({"contents": ["needle"]}, {"sizes": [">0"]}, {"sha2": [hashlib.sha256(b"needle\n").hexdigest()]}):
        answer = ask(question(asked, **fields))
        got = found(answer)
        # a chain of up to forty is a link, more of them a loop (path_resolution(7))
        assert [f for f in got if "chain" not in f] == [f"{asked}/dots", f"{asked}/in", f"{asked}/sub/f"]
        assert {f"{asked}/chain{i}" for i in range(22, 61)} <= set(got)
        gaps = not_examined(answer)
        assert set(gaps) == {"symlinkoutside", "symlinkbroken"}, gaps
        assert gaps["symlinkbroken"] >= 4 and gaps["symlinkoutside"] >= 9
        assert "outside" not in "".join(e["file"] for e in answer["elements"]["s"]).replace(str(tmp_path), "")


@pytest.mark.parametrize("loop", ["self", "a"])
def test_a_loop_is_what_was_asked(tmp_path, loop):
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    answer = ask(question(tmp_path / loop, names=["."]))
    assert found(answer) == [] and not_examined(answer) == {"symlinkbroken": 1}
    assert answer["errors"] == [f"symlinkbroken: {tmp_path}/{loop}: Too many levels of symbolic links"]


# --- what is no file ------------------------------------------------------------

def special_files(d):
    os.mkfifo(d / "fifo")
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(d / "socket"))
    names = ["fifo", "socket"]
    if os.geteuid() == 0:
        for name, mode, dev in (("zero", 0o020666, (1, 5)), ("random", 0o020666, (1, 8)), ("tty", 0o020666, (5, 0)),
                                ("watchdog", 0o020666, (10, 130)), ("disk", 0o060666, (7, 0))):
            with contextlib.suppress(PermissionError):
                os.mknod(d / name, mode, os.makedev(*dev))
                names.append(name)
    return s, names


@pytest.mark.parametrize("fields", [{"contents": ["a"]}, {"sizes": [">0"]}, {"md5": ["0" * 32]},
                                    {"names": ["."], "contents": ["!a"]}], ids=["content", "size", "md5", "inverse"])
def test_special_files_are_not_opened(tmp_path, fields):
    d = tmp_path / "d"
    d.mkdir()
    s, names = special_files(d)
    with s:
        answer = ask(question(d, **fields), timeout=20)
        assert found(answer) == [] and not_examined(answer) == {"special": len(names)}
        # each of them as what was asked, and behind a link
        for n in names:
            answer = ask(question(d / n, **fields), timeout=20)
            assert found(answer) == [] and not_examined(answer) == {"special": 1}
            assert answer["errors"] == [f"{d}/{n}: not a regular file or a directory"]
            (tmp_path / "d" / f"link{n}").symlink_to(n)
        answer = ask(question(d, **fields), timeout=20)
        assert found(answer) == [] and not_examined(answer) == {"special": 2 * len(names)}


@pytest.mark.parametrize("top", ["/proc", "/sys", "/dev"])
def test_kernel_views_end_by_the_limit(top):
    """Endless and blocking files, by the thousand."""
    begin = time.monotonic()
    answer = ask(question(top, contents=["no such line anywhere, ever"], names=["."]), "--seconds", "2",
                 "--read", str(1 << 30), timeout=30)
    assert time.monotonic() - begin < 20
    assert found(answer) == []
    assert not_examined(answer), answer["statistics"]


# --- what changes while it is read ------------------------------------------------

def churn(tmp_path, change, q, until, rounds=40):
    """Asks again and again while change() goes on in a thread, until
    until(answer) is true."""
    done = threading.Event()

    def run():
        n = 0
        while not done.is_set():
            change(n)
            n += 1
    t = threading.Thread(target=run)
    t.start()
    try:
        for _ in range(rounds):
            if until(ask(q)):
                return True
    finally:
        done.set()
        t.join()
    return False


def test_directory_swapped_for_a_link(tmp_path):
    """The attack on every scanner with rights: what lies outside is never read."""
    asked, outside = tmp_path / "asked", tmp_path / "outside"
    for d in (asked / "x", outside / "x"):
        d.mkdir(parents=True)
    for i in range(50):
        (outside / "x" / f"f{i}").write_text("secret\n")
        (outside / f"f{i}").write_text("secret\n")
        (asked / "x" / f"f{i}").write_text("open\n")
    (tmp_path / "link").symlink_to(outside / "x")
    libc = ctypes.CDLL(None)

    def exchange(n):
        # one is always there: RENAME_EXCHANGE
        libc.renameat2(-100, os.fsencode(tmp_path / "link"), -100, os.fsencode(asked / "x"), 2)
    seen = {"dir": 0, "link": 0}

    def check(answer):
        for e in answer["elements"]["s"]:
            if e["file"]:
                assert e["fileinfo"]["sha256"] == hashlib.sha256(b"open\n").hexdigest().upper(), e
        assert set(not_examined(answer)) <= {"vanished", "symlinkoutside"}
        seen["dir" if found(answer) else "link"] += 1
        return min(seen.values()) > 3
    assert churn(tmp_path, exchange, question(asked, {"returnsha256": True}, contents=["secret|open"]), check, 300), seen


def test_file_cut_while_it_is_read(tmp_path):
    """Half of a file is not that file: neither its hash nor "no such line"."""
    f = tmp_path / "f"
    whole = (b"x" * 63 + b"\n") * (1 << 18)  # 16 MiB
    f.write_bytes(whole + b"needle\n")

    def change(n):
        with open(f, "r+b") as out:
            out.truncate(len(whole) // 2)
            out.truncate(len(whole) + 7)
            out.seek(len(whole))
            out.write(b"needle\n")
            out.flush()
            time.sleep(0.002)

    def check(answer):
        gaps = not_examined(answer)
        assert set(gaps) <= {"vanished"}, gaps
        if gaps:
            assert any("became shorter while it was read" in e for e in answer["errors"])
        return bool(gaps)
    assert churn(tmp_path, change, question(f, contents=["!needle"]), check, 200), "the race was never met"


def test_file_that_grows_without_end(tmp_path):
    """It ends where the file ended when it was looked at."""
    f = tmp_path / "log"
    f.write_bytes(b"line\n" * 1000)
    start = f.stat().st_size
    with open(f, "ab", buffering=0) as out:
        piece = b"line\n" * 200000

        def change(n):
            if f.stat().st_size < 1 << 26:
                out.write(piece)

        def check(answer):
            e, = answer["elements"]["s"]
            assert start <= e["fileinfo"]["size"] <= 1 << 28
            if e["fileinfo"]["size"] % 5 == 0:
                assert e["fileinfo"]["sha256"] == hashlib.sha256(
                    b"line\n" * (e["fileinfo"]["size"] // 5)).hexdigest().upper()
            assert answer["errors"] is None
            return False
        churn(tmp_path, change, question(f, {"returnsha256": True}, contents=["^line$"]), check, 4)


# --- size and number --------------------------------------------------------------

@pytest.mark.parametrize("fields, word", [({"contents": ["needle"]}, "timelimit"), ({"sha2": ["ab" * 32]}, "timelimit"),
                                          ({"contents": ["!needle"]}, "readlimit")])
def test_terabyte(tmp_path, fields, word):
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 40)
    limits = ["--seconds", "1"] if word == "timelimit" else ["--read", str(64 << 20)]
    answer = ask(question(tmp_path, **fields), *limits, timeout=20)
    assert found(answer) == [] and not_examined(answer) == {word: 1}
    assert "what was not reached by then was not examined" in answer["errors"][0]
    begin = time.monotonic()
    answer = ask(question(tmp_path, sizes=[">1023g"]))
    assert found(answer) == [f"{tmp_path}/hole"] and answer["errors"] is None
    assert answer["statistics"]["bytesread"] == 0 and time.monotonic() - begin < 10


def test_many_hard_links(tmp_path):
    first = tmp_path / "first"
    first.write_text("needle\n")
    for i in range(3000):
        os.link(first, tmp_path / f"l{i}")
    answer = ask(question(tmp_path, {"returnsha256": True}, contents=["needle"]))
    assert len(found(answer)) == 3001 and answer["errors"] is None


def test_very_many_files(fast_tmp):
    """MIG_MANY_FILES=1000000 for the whole of it."""
    fd = os.open(fast_tmp, os.O_RDONLY)
    try:
        for i in range(MANY):
            os.mknod(f"f{i:07d}", 0o100644, dir_fd=fd)
        answer = ask(question(fast_tmp, names=[f"^f{MANY - 1:07d}$"]))
        assert found(answer) == [f"{fast_tmp}/f{MANY - 1:07d}"] and answer["errors"] is None
        assert answer["statistics"]["filescount"] == MANY
        # an answer that would be too large says so
        answer = ask(question(fast_tmp, {"matchlimit": 0}, names=["."]), "--output", str(1 << 20))
        assert 1000 < len(found(answer)) < MANY
        assert not_examined(answer)["outputlimit"] >= 1 and "limit reached: output" in answer["errors"][0]
    finally:
        for i in range(MANY):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"f{i:07d}", dir_fd=fd)
        os.close(fd)


def test_very_many_directories(fast_tmp):
    """Names that no memory limit would hold at once are counted when they do
    not fit: not one is lost without a word."""
    fd = os.open(fast_tmp, os.O_RDONLY)
    n = 20000
    try:
        for i in range(n):
            os.mkdir(f"{i:06d}" + "n" * 240, dir_fd=fd)
        answer = ask(question(fast_tmp, names=["."]))
        assert answer["statistics"]["directories"] - 1 + not_examined(answer).get("memorylimit", 0) == n
    finally:
        for i in range(n):
            os.rmdir(f"{i:06d}" + "n" * 240, dir_fd=fd)
        os.close(fd)


# --- names ------------------------------------------------------------------------

def test_names_that_attack_the_terminal(tmp_path):
    """What mig prints of them is printable; the exact bytes are in the JSON."""
    names = [b"\x1b]0;owned\x07", b"\x1b[2J\x1b[H", b"two\nlines", b"over\rwrite", b"\xff\xfe", b"\x9b31m", b"back\x08\x08",
             "right\u202eleft".encode(), b"a" * 255, b"-rf", b"%s%n", b"tab\t", b"\xc2\x9b31m"]
    for n in names:
        (pathlib.Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), n)))).write_text("")
    run = subprocess.run([BUILD / "src" / "mig", "file", "-t", "local", "-path", tmp_path, "-name", "."],
                         capture_output=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert run.returncode == 0, run
    shown = run.stdout.decode("utf-8")  # and nothing that is not UTF-8
    assert not [c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")], shown
    assert shown.count(str(tmp_path)) >= len(names)


# --- compressed -------------------------------------------------------------------

ZEROS = bytes(8 << 20)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def gzip(data):
    c = zlib.compressobj(9, zlib.DEFLATED, 31)
    return c.compress(data) + c.flush()


PACKERS = {"gzip": gzip, "bzip2": bz2.compress, "xz": lambda d: lzma.compress(d, preset=1), "zstd": zstd}


@pytest.mark.parametrize("kind", PACKERS)
def test_bomb(tmp_path, kind):
    """Three gigabytes in as little as the format allows, as many members."""
    one = PACKERS[kind](ZEROS)
    (tmp_path / "bomb").write_bytes(one * (3 * 1024 // 8))
    answer = ask(question(tmp_path, {"decompress": True}, contents=["needle"]))
    assert found(answer) == [] and not_examined(answer) == {"decompresslimit": 1}
    assert "when decompressed" in answer["errors"][0]
    # not seen to the end is not "has no such line"
    answer = ask(question(tmp_path, {"decompress": True}, contents=["!needle"]))
    assert found(answer) == [] and not_examined(answer) == {"decompresslimit": 1}


@pytest.mark.parametrize("name, data", [
    ("xz", lzma.compress(b"needle\n", format=lzma.FORMAT_XZ,
                         filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "preset": 0}])),
    ("zstd", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" * 3),  # a window of 2 GiB
])
def test_wants_more_memory_than_there_is(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    answer = ask(question(tmp_path, {"decompress": True}, contents=["needle"]))
    assert found(answer) == []
    assert sum(not_examined(answer).values()) == 1 and set(not_examined(answer)) <= {"decompresslimit", "corrupt"}
    assert len(answer["errors"]) == 1


@pytest.mark.parametrize("kind", PACKERS)
def test_damaged(tmp_path, kind):
    """Every damage is told, or gives the very same content."""
    plain = b"".join(hashlib.sha256(b"%d" % i).hexdigest().encode() + b"\n" for i in range(200)) + b"needle\n"
    data = PACKERS[kind](plain)
    step = max(1, len(data) // 150)
    for i in range(0, len(data), step):
        bad = bytearray(data)
        bad[i] ^= 1 << i % 8
        (tmp_path / f"flip{i:05d}").write_bytes(bad)
        (tmp_path / f"cut{i:05d}").write_bytes(data[:i])
    (tmp_path / "garbage").write_bytes(data + b"garbage behind it")
    want = hashlib.sha256(plain).hexdigest().upper()
    answer = ask(question(tmp_path, {"decompress": True, "returnsha256": True, "maxerrors": 0}, names=["."],
                          sizes=[">1"]))
    assert len(found(answer)) == len(os.listdir(tmp_path)) - 1  # all but the one that was cut to nothing
    told = "\n".join(answer["errors"] or [])
    for e in answer["elements"]["s"]:
        if e["fileinfo"].get("sha256", want) == want:
            continue
        with open(e["file"], "rb") as f:
            raw = f.read()
        # another magic number: a file of bytes like any other
        assert e["fileinfo"]["sha256"] == hashlib.sha256(raw).hexdigest().upper(), (e, told)
        assert raw[:6] != data[:6]
    assert not_examined(answer).get("corrupt", 0) > 50
