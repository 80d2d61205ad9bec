# SPDX-License-Identifier: MPL-2.0
"""The memory module on real processes: memprobe puts a needle somewhere."""
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess

import pytest

from miglib import BUILD, program, wait_for
import test_serve
from test_serve import Worker, memfd

PROBE = BUILD / "tests" / "unit" / "modules" / "memprobe"
NEEDS_SANDBOX = test_serve.NEEDS_SANDBOX
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534
PTRACE = 1 << 19


def ask(parameters, *options, status=0, **how):
    r = subprocess.run([program("mig-worker"), *options, "memory"], capture_output=True,
                       input=json.dumps(parameters).encode(), timeout=120, **how)
    assert r.returncode == status, (r.returncode, r.stdout[-600:], r.stderr)
    return json.loads(r.stdout)


def search(name="/memprobe$", matchall=True, **fields):
    options = {"matchall": matchall, **fields.pop("options", {})}
    return {"searches": {"s": {"names": [name] if name else [], **fields, "options": options}}}


def found(answer, label="s"):
    return [e["process"]["pid"] for e in answer["elements"][label] if e["process"]["pid"]]


def entry(answer, pid, label="s"):
    return next(e for e in answer["elements"][label] if e["process"]["pid"] == pid)


def needle():
    return "ndl" + secrets.token_hex(12)


class Probe:
    def __init__(self, mode, text, *rest, **how):
        self.needle = text
        self.proc = subprocess.Popen(
            [PROBE, mode, text[::-1], *map(str, rest)], stdout=subprocess.PIPE, **how)
        line = self.proc.stdout.readline().split()
        assert line and line[0] == b"ready", (mode, line)
        self.address, self.pid = int(line[1]), self.proc.pid

    def end(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()


@pytest.fixture
def probe():
    probes = []

    def make(mode, *rest, text=None, **how):
        probes.append(Probe(mode, text or needle(), *rest, **how))
        return probes[-1]
    yield make
    for p in probes:
        p.end()


@pytest.mark.parametrize("mode, mapping, permissions", [
    ("heap", r"\[heap\]", "rw-p"), ("stack", r"\[stack\]", "rw-p"), ("piece", "", "rw-p"),
    ("adjacent", "", "r--p"), ("sparse", "", "rw-p"), ("hidden", "", "---p")])
def test_where_it_may_be(probe, mode, mapping, permissions):
    p = probe(mode)
    for what in ({"contents": [p.needle]}, {"contents": [p.needle[:6] + "[0-9a-f]+" + p.needle[-6:]]},
                 {"bytes": [p.needle.encode().hex().upper()]}):
        answer = ask(search(**what))
        assert answer["success"] and answer["foundanything"] and found(answer) == [p.pid]
        e = entry(answer, p.pid)
        assert e["process"]["name"] == str(PROBE)
        (at,) = e["matches"]
        assert int(at["end"], 16) == p.address + len(p.needle)
        if "[" not in next(iter(what.values()))[0]:
            assert int(at["address"], 16) == p.address
        assert re.fullmatch(mapping, at["mapping"]) and at["permissions"] == permissions
    assert not found(ask(search(contents=[p.needle + "x"])))


def test_what_is_not_side_by_side_is_no_match(probe):
    p = probe("gap")
    answer = ask(search(contents=[p.needle]))
    assert not answer["foundanything"] and found(answer) == []
    assert answer["elements"]["s"][0]["process"] == {"name": "", "pid": 0}
    assert found(ask(search(contents=[p.needle[:len(p.needle) // 2]]))) == [p.pid]


def test_mapped_files(probe, tmp_path):
    """Not touched by the process: read all the same, but for a wish."""
    text = needle()
    (tmp_path / "data").write_bytes(text.encode() + b"\0" * (1 << 20))
    untouched, touched = [probe(m, tmp_path / "data", text=text) for m in ("file", "touched")]
    small = {"options": {"residentonly": True}}
    both = sorted([untouched.pid, touched.pid])
    got = ask(search(contents=[text], **small))
    assert found(got) == [touched.pid]
    assert got["statistics"]["notinmemory"] >= 70000
    assert "notinmemory" not in got["statistics"]["notexamined"]
    got = ask(search(contents=[text]))
    assert sorted(found(got)) == both
    assert entry(got, touched.pid)["matches"][0]["mapping"] == str(tmp_path / "data")
    # a hole of a terabyte is not read, and the answer says so
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 40)
    hole = probe("file", tmp_path / "hole")
    got = ask(search(contents=[text]))
    assert hole.pid not in found(got) and got["statistics"]["memoryread"] < 1 << 28
    assert got["statistics"]["notexamined"]["notinmemory"] == 1
    assert any("hole" in e for e in got["errors"])


def rss(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: int(v) for k, v in re.findall(r"(RssAnon|VmPTE|VmSwap):\s+(\d+) kB", text)}


def test_untouched_memory_costs_nobody_anything(probe):
    p = probe("sparse")
    before = rss(p.pid)
    got = ask(search(contents=[p.needle], options={"residentonly": True}), "--cpu", "5")
    assert found(got) == [p.pid]
    assert got["statistics"]["memoryread"] < 16 << 20
    assert rss(p.pid) == before


def test_libraries(probe, tmp_path):
    source = next(pathlib.Path("/usr/lib").glob("*/libm.so.6"))
    library = tmp_path / "libgone-here.so.9"
    shutil.copy(source, library)
    p = probe("library", library)
    assert found(ask(search(libraries=[r"/libgone-here\.so\.9$"]))) == [p.pid]
    library.unlink()
    for pattern in (r"/libgone-here\.so\.9$", r"so\.9 \(deleted\)$", "libc[.]so"):
        assert found(ask(search(libraries=[pattern]))) == [p.pid]
    assert found(ask(search(libraries=["libgone-here", "libnone"]))) == []
    assert found(ask(search(libraries=["memprobe"]))) == []
    # what is asked of libraries decides whose memory is read
    answer = ask(search(libraries=["libnone"], contents=["root"]))
    assert answer["statistics"]["memoryread"] == 0


def test_deleted_program(tmp_path):
    copy = tmp_path / "gone-probe"
    shutil.copy(PROBE, copy)
    text = needle()
    proc = subprocess.Popen([copy, "heap", text[::-1]], stdout=subprocess.PIPE)
    try:
        proc.stdout.readline()
        copy.unlink()
        answer = ask(search("/gone-probe$", contents=[text]))
        assert found(answer) == [proc.pid]
        assert entry(answer, proc.pid)["process"]["deleted"] is True
        assert found(ask(search(r"/gone-probe \(deleted\)$"))) == [proc.pid]
    finally:
        proc.kill()
        proc.wait()
        proc.stdout.close()


def test_names_that_are_no_text(tmp_path):
    """Told in hexadecimal digits, too, and safe on a terminal."""
    copy = os.fsencode(tmp_path) + b"/odd-\xff\x1b[2Jprobe"
    shutil.copy(PROBE, copy)
    proc = subprocess.Popen([copy, "heap", needle()], stdout=subprocess.PIPE)
    try:
        proc.stdout.readline()
        process = entry(ask(search("odd-.*probe$")), proc.pid)["process"]
        out = subprocess.run([program("mig"), "memory", "-t", "local", "-name", "odd-.*probe$"],
                             capture_output=True, check=False).stdout
        assert bytes.fromhex(process["namehex"]) == copy and process["name"].endswith("\ufffd\x1b[2Jprobe")
        assert f"[pid:{proc.pid}]".encode() in out and b"\x1b" not in out and b"\\x1b[2Jprobe" in out
        masked = entry(ask(search("odd-.*probe$"), "--privacy"), proc.pid)["process"]
        assert masked == {"name": "masked", "pid": proc.pid}
    finally:
        proc.kill()
        proc.wait()
        proc.stdout.close()


def test_all_searches_in_one_pass(probe):
    """Each search has its own answer; the memory is read once."""
    p, q = probe("heap"), probe("heap")
    one = {"names": ["/memprobe$"], "contents": [p.needle], "options": {"matchall": True}}
    asked = {"searches": {
        "p": one, "q": {**one, "contents": [q.needle]},
        "both": {**one, "contents": [p.needle, q.needle]}}}
    answer = ask(asked)
    assert found(answer, "p") == [p.pid] and found(answer, "q") == [q.pid]
    assert found(answer, "both") == []
    once = ask({"searches": {"s": {**one, "contents": ["none" + p.needle]}}})
    assert answer["statistics"]["memoryread"] <= once["statistics"]["memoryread"] * 1.2
    # match-any: each check by itself, those without a hit named
    nowhere = "no[n]e" + p.needle
    answer = ask(search(matchall=False, contents=[p.needle, nowhere], libraries=["lib[n]one"],
                        options={"maxlength": 4 << 20}), "--memory", str(64 << 20))
    by = {}
    for e in answer["elements"]["s"]:
        kind = next(k for k in e["search"] if k != "options")
        by.setdefault((kind, *e["search"][kind]), set()).add(e["process"]["pid"])
    assert p.pid in by["contents", p.needle] and q.pid not in by["contents", p.needle]
    assert by["names", "/memprobe$"] == {p.pid, q.pid}
    assert by["contents", nowhere] == by["libraries", "lib[n]one"] == {0}


def test_offset_and_maxlength(probe):
    p = probe("big")
    far = {"offset": p.address, "maxlength": 4096}
    assert found(ask(search(contents=[p.needle], options=far))) == [p.pid]
    assert found(ask(search(contents=[p.needle], options={"offset": p.address + 1}))) == []
    cut = {"offset": p.address, "maxlength": len(p.needle) - 1}
    assert found(ask(search(contents=[p.needle], options=cut))) == []
    # each search for itself
    asked = search(contents=[p.needle])
    asked["searches"]["late"] = {**asked["searches"]["s"],
                                 "options": {"matchall": True, "offset": p.address + 1}}
    answer = ask(asked)
    assert found(answer) == [p.pid] and found(answer, "late") == []


def test_newlines_and_anchors(probe):
    p = probe("heap", text="HTTP/1.1 " + needle() + "\r\nHost: " + needle() + "\n")
    first, second = re.findall("ndl[0-9a-f]+", p.needle)
    for pattern, hit in ((first + r"\r\nHost: " + second, True), (first + "[^x]+" + second, True),
                         (first + ".+" + second, False), ("(?s)" + first + ".+" + second, True),
                         ("(?m)^Host: " + second + "$", True), ("^Host: " + second, False)):
        assert (found(ask(search(contents=[pattern]))) == [p.pid]) == hit, pattern


def test_matches_that_are_too_long(probe):
    """What Hyperscan refuses is PCRE2's, which forgets where a long match began: that is told."""
    p = probe("far")
    head, tail = p.needle[:len(p.needle) // 2], p.needle[len(p.needle) // 2:]
    answer = ask(search(contents=[f"{head}(?s:.*){tail}"]))
    if "hyperscan" in answer["statistics"]["engine"]:
        assert found(answer) == [p.pid] and "enginelimit" not in answer["statistics"]["notexamined"]
    refused = head + r"(?:\pL{2}|(?s:.*))"
    asked = search(contents=[refused + tail])
    asked["searches"]["short"] = {**asked["searches"]["s"], "contents": [refused + r"\."]}
    asked["searches"]["none"] = {**asked["searches"]["s"], "contents": ["none" + refused + tail]}
    answer = ask(asked)
    assert "pcre2" in answer["statistics"]["engine"]
    assert found(answer) == found(answer, "none") == [] and found(answer, "short") == [p.pid]
    assert answer["statistics"]["notexamined"]["enginelimit"] == 1
    (told,) = [e for e in answer["errors"] if e.startswith("enginelimit: ")]
    assert told.startswith("enginelimit: search 's': in 1 processes a match of more than 64 KiB may have been missed;")
    assert f"process {p.pid} {PROBE}, content '{refused}" in told


def test_zombies_and_kernel_threads(probe):
    p = probe("zombie")

    def ended():
        kids = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()
        return kids and ") Z " in pathlib.Path(f"/proc/{kids[0]}/stat").read_text() and int(kids[0])
    zombie = wait_for("a zombie", ended)
    answer = ask(search(r"^\[memprobe\]$"))
    assert zombie in found(answer)
    answer = ask(search(r"^\[memprobe\]$", contents=["x"]))
    assert zombie not in found(answer) and answer["statistics"]["notexamined"]["zombie"] >= 1
    if pathlib.Path("/proc/2/comm").read_text() == "kthreadd\n":
        assert found(ask(search(r"^\[kthreadd\]$"))) == [2]
        assert found(ask(search(r"^\[kthreadd\]$", contents=["."]))) == []


@NEEDS_ROOT
@NEEDS_SANDBOX
def test_processes_of_others_are_named_not_missed(probe):
    p = probe("heap")
    mine = probe("heap", user=NOBODY, group=NOBODY, extra_groups=[])
    asked = search(None, contents=[p.needle, mine.needle], matchall=False,
                   options={"logfailures": True})
    answer = ask(asked, user=NOBODY, group=NOBODY, extra_groups=[])
    assert p.pid not in found(answer)
    stats = answer["statistics"]
    assert stats["notexamined"]["unreadable"] >= 1
    assert any(f.startswith(f"process {p.pid} ") and "denied" in f for f in stats["failures"])
    assert any(e.startswith("rights: ") for e in answer["errors"])
    # a name alone cannot be told either
    answer = ask(search("/memprobe$"), user=NOBODY, group=NOBODY, extra_groups=[])
    assert found(answer) == [mine.pid] and answer["statistics"]["notexamined"]["unreadable"] >= 1


def test_own_processes_are_left_out():
    """What is looked for stands, decoded, in the memory of who looks."""
    secret = secrets.token_hex(16)
    answer = ask({"searches": {"s": {"names": ["/mig-worker$"], "bytes": [secret],
                                     "options": {"matchall": True}}}})
    assert found(answer) == [] and answer["statistics"]["notexamined"]["agentprocess"] == 2
    # another agent's is left out too, and named
    other = subprocess.Popen([program("mig-worker"), "file"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL)
    try:
        wait_for("the other", lambda: "Seccomp:\t2" in pathlib.Path(
            f"/proc/{other.pid}/status").read_text() or "asan" in BUILD.name)
        answer = ask(search("/mig-worker$", contents=["."], options={"logfailures": True}))
        assert other.pid not in found(answer)
        assert answer["statistics"]["notexamined"]["otheragent"] >= 1
        assert any(f.startswith(f"process {other.pid} ") for f in answer["statistics"]["failures"])
    finally:
        other.kill()
        other.wait()
        other.stdin.close()


def rchar(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/io").read_text()
    except OSError:
        return 0
    return int(re.search(r"rchar: (\d+)", text).group(1))


STAT = 512      # bytes; a line of numbers, and a name of at most 64


def stats():
    """How many stat files say of every process here whether it is the agent's: its own and those of its ancestors."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            continue
        parents[int(pid)] = int(text.rsplit(")", 1)[1].split()[1])

    def generations(pid):
        return 1 + generations(parents[pid]) if parents.get(pid) else 1
    return sum(generations(pid) for pid in parents)


def start(asked, *options):
    proc = subprocess.Popen([program("mig-worker"), *options, "memory"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    proc.stdin.write(json.dumps(asked).encode())
    proc.stdin.close()
    return proc


@pytest.mark.parametrize("stop", ["vanish", "term"])
def test_ends_in_between(probe, stop):
    """The process looked at ends, or the scan is told to end: counted, named."""
    p = probe("huge")
    scan = start(search(contents=["none" + p.needle]), "--share", "1")
    os.kill(scan.pid, 0)
    wait_for("it reads the memory", lambda: rchar(scan.pid) > (1 << 20) or scan.poll() is not None)
    assert scan.poll() is None
    if stop == "vanish":
        p.end()
    else:
        scan.send_signal(signal.SIGTERM)
    out = scan.stdout.read()
    scan.stdout.close()
    assert scan.wait(60) == 0
    answer = json.loads(out)
    gaps = answer["statistics"]["notexamined"]
    if stop == "vanish":
        assert gaps["vanished"] >= 1
        assert any(f.startswith(f"process {p.pid} ") for f in answer["statistics"]["failures"])
    else:
        assert gaps["stopped"] == 1 and "stopped" in answer["errors"][-1] + answer["errors"][0]


def test_limits(probe):
    p = probe("big")
    answer = ask(search(contents=["none" + p.needle]), "--read", "1000000")
    assert answer["statistics"]["notexamined"]["readlimit"] == 1
    assert answer["statistics"]["memoryread"] == 1000000
    at = answer["statistics"]["endedat"]
    assert at.startswith(f"process {p.pid} /") and any(f"(it ended at {at})" in e for e in answer["errors"])
    answer = ask(search(contents=[p.needle, "."], matchall=False, options={"maxlength": 1 << 20}),
                 "--output", "2000")
    assert answer["statistics"]["notexamined"].get("outputlimit") == 1
    answer = ask(search(matchall=False, libraries=["l[i]bc"] * 30), "--output", "2000", "--detail", "found-only")
    assert answer["statistics"]["notexamined"].get("outputlimit") is None and answer["statistics"]["totalhits"] >= 30
    answer = ask(search(contents=["none" + p.needle]), "--read", "1000000", "--privacy")
    assert answer["statistics"]["endedat"] == "masked" and p.needle not in json.dumps(answer["statistics"])
    assert "endedat" not in ask(search(contents=[p.needle]))["statistics"]


# its own most would begin with that of this process
PEAK = ("import resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True);"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))")


def number_of_threads(pid):
    try:
        return int(re.search(r"Threads:\t(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
    except (OSError, AttributeError):
        return 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="only one processor")
def test_threads(probe):
    """In the real sandbox: as many as were asked for, and the same answer."""
    probes = [probe("huge") for _ in range(3)]
    asked = search(matchall=False, contents=[p.needle for p in probes])
    answers = []
    for n in (1, 2):
        scan, seen = start(asked, "--threads", str(n)), set()
        while scan.poll() is None:
            seen.add(number_of_threads(scan.pid))
        answers.append(json.loads(scan.stdout.read()))
        scan.stdout.close()
        assert scan.returncode == 0 and max(seen) == n, seen
    one, two = [[(e["process"]["pid"], e.get("matches")) for e in a["elements"]["s"] if e["process"]["pid"] in
                 {p.pid for p in probes}] for a in answers]
    assert one == two and len([e for e in one if e[1]]) >= 3


@NEEDS_SANDBOX
def test_memory_of_a_large_answer(tmp_path):
    """140,000 entries, with an agent's own limits."""
    copy = tmp_path / "many-of-it"
    shutil.copy(shutil.which("sleep"), copy)
    procs = [subprocess.Popen([copy, "600"]) for _ in range(40)]
    asked = {"searches": {"s": {"names": ["/many-of-it$"] * 3500, "options": {"matchall": False}}}}
    try:
        r = subprocess.run(["/usr/bin/python3", "-c", PEAK, program("mig-worker"), "--output", str(32 << 20),
                            "--memory", str(64 << 20), "memory"], input=json.dumps(asked).encode(),
                           capture_output=True, timeout=120, check=True)
    finally:
        for p in procs:
            p.kill()
            p.wait()
    answer = json.loads(r.stdout)
    hits, pids = answer["statistics"]["totalhits"], set(found(answer))
    assert hits == 140000 and pids == {p.pid for p in procs}
    size, peak = len(r.stdout), int(r.stderr)
    assert size > 20e6 and peak < 24 << 10


def test_memory_that_changes_under_the_scan(probe):
    p = probe("change")
    for _ in range(8):
        answer = ask(search(contents=["x{100}"]))
        assert answer["success"]
        assert set(found(answer)) <= {p.pid}


def test_many_patterns(probe):
    """10,000 work, within the memory of a worker; 100,000 are refused in words."""
    p = probe("heap")
    many = [f"{secrets.token_hex(6)}[-]{i}" for i in range(9999)] + [p.needle]
    answer = ask(search(matchall=False, contents=many, options={"maxlength": 1 << 20}),
                 "--memory", str(64 << 20))
    assert p.pid in found(answer)
    assert answer["statistics"]["unmatched"]["s"] == 9999
    answer = ask(search(contents=["a"] * 100000), status=1)
    assert not answer["success"] and "more than 32768" in answer["errors"][0]


@pytest.mark.parametrize("asked, error", [
    ({}, "searches"), ({"searches": {}}, "1 to 4096"), ({"searches": {"s": []}}, "expected an object"),
    ({"searches": {"s": {"names": "x"}}}, "searches.s.names: expected an array"),
    ({"searches": {"s": {"names": ["("]}}}, "searches.s.names[0]"),
    ({"searches": {"s": {"contents": ["a(?=b)"]}}}, "searches.s.contents[0]"),
    ({"searches": {"s": {"bytes": ["abc"]}}}, "searches.s.bytes[0]: 'abc' is no byte string"),
    ({"searches": {"s": {"bytes": ["zz"]}}}, "pairs of hexadecimal digits"),
    ({"searches": {"s": {"bytes": [""]}}}, "searches.s.bytes[0]"),
    ({"searches": {"s": {"paths": ["/"]}}}, "paths"),
    ({"searches": {"s": {"options": {"offset": -1}}}}, "searches.s.options.offset"),
    ({"searches": {"s": {"options": {"maxlength": "1"}}}}, "searches.s.options.maxlength"),
    ({"searches": {"s": {"options": {"maxdepth": 1}}}}, "maxdepth"),
    ({"searches": {str(i): {"options": {"offset": i}} for i in range(17)}}, "more than 16 different"),
    ({"searches": {"s": {"contents": ["((a{1,1000}){1,1000}){1,1000}"]}}}, "searches.s.contents[0]")])
def test_bad_parameters(asked, error):
    answer = ask(asked, status=1)
    assert not answer["success"] and error in answer["errors"][0], answer


def test_search_without_filter():
    answer = ask({"searches": {"s": {}}})
    assert found(answer) == [] and "has no filter" in answer["errors"][0]


def document(asked):
    doc = json.loads(test_serve.document({}))
    doc["operations"] = [{"module": "memory", "parameters": asked}]
    return json.dumps(doc).encode()


@NEEDS_ROOT
@NEEDS_SANDBOX
def test_who_opens_does_not_read(probe):
    """Of the two processes of an operation one has the right, the other reads."""
    p = probe("huge")
    worker = Worker("--needs", "2", "--uid", "54321")
    pid = worker.pid
    fd = memfd(document(search(contents=["none" + p.needle])))
    most = (1 << 19) + STAT * stats()
    out = worker.order(fd, share=1)
    wait_for("it reads the memory", lambda: rchar(pid) > most)
    scanner = pathlib.Path(f"/proc/{pid}/status").read_text()
    (opener,) = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    opening = pathlib.Path(f"/proc/{opener}/status").read_text()
    for text in (scanner, opening):
        assert "Seccomp:\t2" in text and "NoNewPrivs:\t1" in text
        assert re.search(r"Uid:\t54321\t54321\t54321\t54321", text)

    def caps(text):
        return int(re.search(r"CapEff:\t([0-9a-f]+)", text).group(1), 16)
    assert caps(scanner) == 0 and caps(opening) & PTRACE
    assert int(re.search(r"CapPrm:\t([0-9a-f]+)", scanner).group(1), 16) == 0
    # the opener has neither question nor answer, only its socket and /proc
    for f in os.listdir(f"/proc/{opener}/fd"):
        assert re.match(r"socket:|/proc", os.readlink(f"/proc/{opener}/fd/{f}"))
    assert rchar(int(opener)) < most
    # who kills the one ends the other
    os.kill(pid, signal.SIGKILL)
    assert worker.answer(out)[1] == -signal.SIGKILL
    wait_for("the opener is gone", lambda: not alive(opener))
    worker.close()
    os.close(fd)


def alive(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@NEEDS_ROOT
@NEEDS_SANDBOX
def test_worker_of_an_agent_finds(probe):
    p = probe("heap", user=NOBODY)
    for more in ([], [], ["--threads", "2"]):
        worker = Worker("--needs", "2", "--uid", "54321", *more)
        answer, status = worker.run(document(search(contents=[p.needle])))
        assert status == 0 and worker.spent and found(answer) == [p.pid]
        worker.close()
    # each kind of worker for its own modules
    for needs, asked, module in (
            (["--needs", "2"], test_serve.document({"paths": ["/etc"], "names": ["x"]}), "file"),
            ([], document(search()), "memory")):
        worker = Worker(*needs)
        answer, _ = worker.run(asked)
        assert f"not made for module {module}" in answer["errors"][0]
        worker.close()


def test_help_and_text(probe):
    p = probe("heap")
    mig = program("mig")
    text = subprocess.run([mig, "memory", "help"], capture_output=True, check=True).stdout.decode()
    assert "-content REGEX" in text and "-lib REGEX" in text
    r = subprocess.run([mig, "memory", "-t", "local", "-name", "/memprobe$", "-content", p.needle],
                       capture_output=True, check=False)
    line = r.stdout.decode().splitlines()[0]
    assert f"memprobe [pid:{p.pid}, content='{p.needle}' at {p.address:#x} in [heap] rw-p]" in line
    r = subprocess.run([mig, "memory", "-t", "local", "-csv", "-name", "/memprobe$", "-content", p.needle],
                       capture_output=True, check=False)
    head, row = r.stdout.decode().splitlines()[:2]
    assert head.endswith("search,process,pid,matches,checks") and f",{p.pid}," in row
    for flags in ([], ["-bytes", "x"], ["-matchall", "-matchany", "-name", "x"], ["-offset", "0x", "-name", "x"]):
        r = subprocess.run([mig, "memory", "-t", "local", *flags], capture_output=True, check=False)
        assert r.returncode == 2 or r.stderr, flags
        assert r.returncode != 0 and b"mig: " in r.stderr
