# SPDX-License-Identifier: MPL-2.0
"""mig-worker by hand: usage, refusals, limits, SIGTERM, sandbox."""
import ctypes
import json
import os
import pathlib
import platform
import secrets
import signal
import subprocess
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
NEEDS_SANDBOX = pytest.mark.skipif("asan" in BUILD.name, reason="measures and limits memory")


def run(*args, text=""):
    return subprocess.run([WORKER, *args], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)


def search(**fields):
    fields.setdefault("options", {"matchall": True})
    return json.dumps({"searches": {"s1": fields}})


def test_help_and_version():
    r = run("--help")
    assert r.returncode == 0 and b"modules:\n  file " in r.stdout
    assert run("-V").stdout.startswith(b"mig-worker ")


@pytest.mark.parametrize("args", [[], ["file", "file"], ["--nope"], ["--seconds", "x", "file"],
                                  ["--serve", "file"]])
def test_bad_usage(args):
    r = run(*args)
    assert r.returncode == 2 and r.stdout == b"" and r.stderr != b""


@pytest.mark.parametrize("module, text, error", [
    ("nope", "", "module 'nope' is not available"),
    ("file", "", "standard input"),
    ("file", "{", "standard input"),
    ("file", '{"searches":{},"searches":{}}', "duplicate"),
    ("file", '{"class":"stop","parameters":{}}', "class: expected"),
    ("file", search(paths=["etc"]), "searches.s1.paths[0]: 'etc' is not an absolute path"),
    ("file", search(paths=["/"], contents=["(?<=a)b"]), "look-behind (?<=...) is not supported"),
    pytest.param("file", " " * (1024 * 1024 + 1), "standard input", id="too-large"),
])
def test_refused(module, text, error):
    r = run(module, text=text)
    answer = json.loads(r.stdout)
    assert r.returncode == 1 and not answer["success"] and not answer["foundanything"]
    assert error in answer["errors"][0]


def test_pretty(tmp_path):
    (tmp_path / "f").write_text("x")
    q = search(paths=[str(tmp_path)], names=["f"])
    assert len(run("-p", "file", text=q).stdout.splitlines()) > 10
    assert len(run("file", text=q).stdout.splitlines()) == 1


@pytest.mark.parametrize("name", ["f", "link"])
def test_looking_leaves_the_time_of_access(tmp_path, name):
    """Of what is the worker's user's own: others' it may not leave alone."""
    file = tmp_path / "f"
    file.write_text("needle\n")
    (tmp_path / "link").symlink_to("f")
    os.utime(file, (1, 2))  # older than the last change: any reader would move it
    r = run("file", text=search(paths=[str(tmp_path)], names=[f"^{name}$"], contents=["needle"]))
    assert json.loads(r.stdout)["foundanything"]
    assert file.stat().st_atime == 1


def test_name_that_is_given_up(tmp_path):
    """A name that costs too many steps is told, not taken for one that does not match."""
    (tmp_path / ("a" * 60 + "b")).touch()
    (tmp_path / "aab").touch()
    names = ["^(?:(?:a|aa|a[a-z])+[cd]|a+b)$"]
    for options in {}, {"mismatch": ["name"]}:
        text = json.dumps({"searches": {"s": {"paths": [str(tmp_path)], "names": names, "options": options}}})
        answer = json.loads(run("file", text=text).stdout)
        assert answer["statistics"]["notexamined"] == {"enginelimit": 1}
        found = [e["file"] for e in answer["elements"]["s"]]
        assert found == [str(tmp_path / "aab") if not options else ""]


@pytest.fixture
def large(tmp_path):
    """A question whose answer has more bytes than a pipe and what is held back."""
    for i in range(200):
        (tmp_path / f"{i:0200}").touch()
    return json.dumps({"searches": {f"s{n}": {"paths": [str(tmp_path)], "names": ["."],
                                              "options": {"matchall": True}} for n in range(10)}})


def test_nobody_reads_the_answer(large):
    p = subprocess.Popen([WORKER, "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    p.stdin.write(large.encode())
    p.stdin.close()
    assert p.stdout.read(10) == b'{"foundany'
    p.stdout.close()
    assert p.stderr.read() == b"mig-worker: write: Broken pipe\n"
    assert p.wait(timeout=20) == 1


def test_no_room_for_the_answer(large, tmp_path):
    """It is said in a file, too."""
    with open("/dev/full", "wb") as out, open(tmp_path / "words", "wb") as words:
        r = subprocess.run([WORKER, "file"], input=large.encode(), stdout=out, stderr=words, timeout=60)
    assert r.returncode == 1
    assert (tmp_path / "words").read_text() == "mig-worker: write: No space left on device\n"


def test_worked_over_or_not(large):
    """In pieces or as a whole: the same answer."""
    plain, pretty = (json.loads(run(*a, "file", text=large).stdout)["elements"] for a in ([], ["-p"]))
    assert plain == pretty and len(plain) == 10 and all(len(e) == 200 for e in plain.values())


@pytest.fixture
def names_of_all(tmp_path):
    """Asks for all of 1,000 long names that have nothing in common, so many times over."""
    for _ in range(1000):
        (tmp_path / secrets.token_hex(125)).touch()
    return lambda times: json.dumps({"searches": {
        f"s{n}": {"paths": [str(tmp_path)], "names": ["."], "options": {"matchall": True}}
        for n in range(times)}})


# its own most would begin with that of this process
PEAK = ("import resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True);"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))")


NARROWED = [([], 18e6), (["--privacy"], 9e6), (["--detail", "metadata"], 18e6), (["--detail", "found-only"], 0)]


@NEEDS_SANDBOX
@pytest.mark.parametrize("options,least", NARROWED, ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_memory_of_a_large_answer(names_of_all, options, least):
    r = subprocess.run(["/usr/bin/python3", "-c", PEAK, WORKER, "file", *options],
                       input=names_of_all(30).encode(), capture_output=True, timeout=60, check=True)
    assert len(r.stdout) > least and int(r.stderr) < 32 << 10
    assert json.loads(r.stdout)["statistics"]["totalhits"] == 30000


@NEEDS_SANDBOX
@pytest.mark.parametrize("options", [[], ["--privacy"]], ids=["full", "privacy"])
def test_output_ends_before_memory_does(names_of_all, options):
    """With an agent's own limits."""
    r = run("--output", str(32 << 20), "--memory", str(64 << 20), *options, "file", text=names_of_all(60))
    answer = json.loads(r.stdout)
    assert r.returncode == 0 and list(answer["statistics"]["notexamined"]) == ["outputlimit"]
    files = [e["file"] for found in answer["elements"].values() for e in found]
    assert len(files) == answer["statistics"]["totalhits"] > 40000
    if options:
        assert set(files) == {"masked"} and "masked" in answer["errors"]
    else:
        assert (27 << 20) < len(r.stdout) < (29 << 20)
        assert answer["errors"][0].startswith("limit reached: output 32 MB")


def test_what_is_not_answered_takes_no_room(names_of_all):
    """Of found-only answers no limit of output ends the search."""
    r = run("--output", "4096", "--detail", "found-only", "file", text=names_of_all(2))
    answer = json.loads(r.stdout)
    assert r.returncode == 0 and answer["foundanything"] and answer["elements"] == {} and answer["errors"] is None
    assert answer["statistics"]["notexamined"] == {} and answer["statistics"]["totalhits"] == 2000


@NEEDS_SANDBOX
def test_memory_ends_the_search(names_of_all):
    """What was found by then is answered."""
    r = run("--output", str(256 << 20), "--memory", str(16 << 20), "file", text=names_of_all(60))
    answer = json.loads(r.stdout)
    assert r.returncode == 3 and list(answer["statistics"]["notexamined"]) == ["memorylimit"]
    assert answer["errors"][0].startswith("limit reached: memory: what was not reached")
    found = sum(len(e) for e in answer["elements"].values())
    assert 10000 < found == answer["statistics"]["totalhits"] < 60000


@pytest.fixture
def endless(tmp_path):
    """Takes far longer to search than any test waits; no disk is used."""
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 43)
    return search(paths=[str(tmp_path)], contents=["needle"])


def test_seconds(endless):
    t = time.monotonic()
    answer = json.loads(run("--seconds", "1", "file", text=endless).stdout)
    assert time.monotonic() - t < 10
    assert answer["success"] and answer["statistics"]["notexamined"] == {"timelimit": 1}
    assert "limit reached: time" in answer["errors"][0]


def test_cpu_limit(endless):
    answer = json.loads(run("--cpu", "1", "file", text=endless).stdout)
    assert answer["success"] and answer["statistics"]["notexamined"] == {"cpulimit": 1}
    assert answer["errors"][0].startswith("limit reached: CPU 1 s: what was not reached")
    # where it was, in the text and for programs
    at = json.loads(endless)["searches"]["s1"]["paths"][0] + "/hole"
    assert answer["statistics"]["endedat"] == at and f"(it ended at {at}; " in answer["errors"][0]


def test_read_limit(endless):
    answer = json.loads(run("--read", "1000000", "--privacy", "file", text=endless).stdout)
    assert answer["statistics"]["notexamined"] == {"readlimit": 1}
    assert answer["statistics"]["bytesread"] == 1000000
    assert answer["statistics"]["endedat"] == answer["errors"][0] == "masked"


def test_sigterm(endless):
    p = subprocess.Popen([WORKER, "file"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(endless.encode())
    p.stdin.close()
    while not any(x.endswith("/hole") for x in open_files(p.pid)):
        assert p.poll() is None
    p.send_signal(signal.SIGTERM)
    answer = json.loads(p.stdout.read())
    assert p.wait(timeout=20) == 0
    assert answer["success"] and answer["statistics"]["notexamined"] == {"stopped": 1}


def open_files(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:    # closed meanwhile
            pass


def test_memory_limit_and_empty_environment(tmp_path):
    (tmp_path / "f").write_text("needle\n")
    q = search(paths=[str(tmp_path)], contents=["needle"],
               sha2=["0" * 64], options={"matchall": False, "returnsha256": True})
    r = subprocess.run([WORKER, "--memory", str(64 << 20), "file"], input=q.encode(),
                       stdout=subprocess.PIPE, env={})
    answer = json.loads(r.stdout)
    assert answer["foundanything"] and answer["statistics"]["notexamined"] == {}
    assert "endedat" not in answer["statistics"]


def test_no_engine_at_all(tmp_path):
    """Plain texts are found without one, also in what is large; of an
    expression the answer says why it was not looked for."""
    libraries, tree = tmp_path / "lib", tmp_path / "tree"
    libraries.mkdir()
    tree.mkdir()
    for name in ("libhs.so.5", "libvectorscan.so.5", "libpcre2-8.so.0"):
        (libraries / name).touch()
    (tree / "large").write_text("some line of text\n" * 100000 + "a needle9 here\n")

    def look(content):
        p = subprocess.run(
            [WORKER, "file"], input=search(
                paths=[str(tree)], contents=[content]).encode(),
            capture_output=True, timeout=60, check=False,
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
        return json.loads(p.stdout)

    assert look("needle9")["foundanything"] is True
    answer = look("needle[0-9]x?")
    assert answer["foundanything"] is False
    assert "libpcre2-8" in json.dumps(answer)


def engine(tmp_path, **how):
    (tmp_path / "f").write_text("a needle9 here\n")
    r = subprocess.run([WORKER, "file"], input=search(
        paths=[str(tmp_path)], contents=["n[a-z]+[0-9]"]).encode(), capture_output=True, timeout=60, check=True, **how)
    answer = json.loads(r.stdout)
    assert answer["foundanything"]
    return answer["statistics"]["engine"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="Hyperscan is for amd64")
def test_the_engine_that_is_installed_is_used(tmp_path):
    """Where it is not, all that holds one engine against the other compares nothing."""
    try:
        library = ctypes.CDLL("libhs.so.5")
    except OSError as e:
        pytest.skip(f"{e}; tools/deps.sh installs it")
    if library.hs_valid_platform() != 0:
        pytest.skip("this processor cannot run Hyperscan")
    assert engine(tmp_path).startswith("hyperscan ")


def test_the_other_engine_is_compiled(tmp_path):
    (tmp_path / "libhs.so.5").touch()
    used = engine(tmp_path, env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert used.startswith("pcre2 ") and used.endswith(" jit")
