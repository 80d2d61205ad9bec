# SPDX-License-Identifier: MPL-2.0
"""The pkg module on real databases: this system's dpkg, rpm databases made by rpm
itself, and damaged, locked, missing and hostile ones."""
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import struct
import subprocess

import pytest

import rpmlib
from miglib import BIN, BUILD, ROOT

WORKER = BIN / "mig-worker"
ORACLE = ROOT / "tests" / "data" / "oracle" / "cases"


def worker(question, **kw):
    r = subprocess.run([WORKER, "pkg"], input=json.dumps(question).encode(),
                       stdout=subprocess.PIPE, timeout=60, **kw)
    return json.loads(r.stdout), r.returncode


def ask(*matches, root=None, **fields):
    q = {"pkgmatch": {"matches": list(matches) or ["."]}, **fields}
    if root is not None:
        q["roots"] = [str(root)]
    answer, code = worker(q)
    assert code == 0 and answer["success"], answer
    return answer


def packages(answer):
    return sorted((p["name"], p["version"], p["arch"]) for p in answer["elements"]["packages"])


def gaps(answer):
    return answer["statistics"]["notexamined"]


@pytest.fixture(scope="session")
def rpms(tmp_path_factory):
    """rpm's own database, and where it lies."""
    directory = tmp_path_factory.mktemp("rpm")
    files = rpmlib.build(directory)
    assert len(files) == len(rpmlib.PACKAGES)
    rpmlib.install(files, directory, directory / "db")
    # rpm has closed it: everything stands in the database itself
    return directory


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    for d in ("var/lib/rpm", "var/lib/dpkg/updates"):
        (path / d).mkdir(parents=True)
    (path / "var/lib/dpkg/status").write_text("")
    return path


def rpmdb(rpms, root, form):
    source = rpms / "db" / "rpmdb.sqlite"
    if form == "sqlite":
        path = root / "var/lib/rpm/rpmdb.sqlite"
        shutil.copy(source, path)
    elif form == "ndb":
        path = root / "var/lib/rpm/Packages.db"
        rpmlib.write_ndb(path, rpmlib.blobs(source))
    else:
        path = root / "var/lib/rpm/Packages"
        rpmlib.write_bdb(path, rpmlib.blobs(source))
    return path


def stanza(name, version="1", status="install ok installed", arch="amd64"):
    return (f"Package: {name}\nStatus: {status}\nArchitecture: {arch}\nVersion: {version}\n"
            "Description: x\n more\n\n")


# --- this system ------------------------------------------------------------------


def test_this_systems_dpkg():
    out = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}"
                          "\t${Architecture}\n"], check=True, stdout=subprocess.PIPE).stdout
    want = sorted(tuple(f[1:]) for f in (line.split("\t") for line in out.decode().splitlines())
                  if f[0] not in ("not-installed", "config-files"))
    answer = ask(".")
    assert len(want) > 100 and packages(answer) == want
    assert answer["foundanything"] and gaps(answer) == {} and answer["errors"] is None
    assert {"path": "/var/lib/dpkg/status", "form": "dpkg", "packages": len(want)} \
        in answer["statistics"]["databases"]


@pytest.mark.parametrize("name", ["pkg-bash", "pkg-none"])
def test_original(name):
    """The same shape and, but for the version, the same values."""
    question = json.loads((ORACLE / f"{name}.in.json").read_text())
    want = json.loads((ORACLE / f"{name}.out.json").read_text())
    got, _ = worker(question)
    for key in ("foundanything", "success", "errors"):
        assert got[key] == want[key]
    for answer in (got, want):
        for p in answer["elements"]["packages"]:
            p["version"] = "any"
    assert got["elements"] == want["elements"]
    assert "execruntime" in got["statistics"]


# --- versions ---------------------------------------------------------------------

VERSIONS = ["1.0", "1.0-1", "1.0-2", "1:1.0", "0:1.0", "1.0~rc1", "1.0~~", "1.0~", "1.0^",
            "1.0^git1-1", "1.0.1", "1.0a", "1.a", "1.0+b1", "1.10", "1.9", "1.00", "2a", "2.0",
            "1-1-1", "1.0-0", "10:0", "0", "00", "1.0.", "1..0", "1.0-1~bpo1", "1.0+dfsg-1+deb12u1",
            "99999999999999999999", "100000000000000000000", "5.2.15-2+b8", "2.36-9+deb12u14",
            "20190513-3.3.1", "1.1.1k-7.cm2", "Z", "a", "1.0_1", "1.0^^", "1.0^~", "1.0~^"]


def some_pairs(seed, alphabet, n):
    rnd = random.Random(seed)

    def word():
        return str(rnd.randrange(10)) + "".join(rnd.choice(alphabet)
                                                for _ in range(rnd.randrange(8)))

    def version():
        epoch = f"{rnd.randrange(3)}:" if rnd.random() < 0.3 else ""
        return epoch + word() + (f"-{word()}" if rnd.random() < 0.6 else "")

    pairs = []
    for _ in range(n):
        a = version()
        b = version() if rnd.random() < 0.4 else a[:rnd.randrange(len(a)) + 1] + word()
        pairs.append((a, b))
    return pairs


def ours(kind, pairs):
    text = "".join(f"{kind} {a} {b}\n" for a, b in pairs)
    out = subprocess.run([BUILD / "tests/unit/modules/vercmptool"], input=text.encode(),
                         stdout=subprocess.PIPE, check=True).stdout
    return [int(line) for line in out.split()]


def dpkg_pairs(n):
    known = [v for v in VERSIONS if not set("^_") & set(v) and v[0].isdigit()]
    pairs = [(a, b) for a in known for b in known] + some_pairs(1, "0019aZ.+~-", n)
    return [(a, b) for a, b in pairs if not a.endswith("-") and not b.endswith("-")]


def test_versions_as_dpkg_compares_them():
    pairs = random.Random(4).sample(dpkg_pairs(2000), 40)
    script = "".join(f"dpkg --compare-versions '{a}' lt '{b}' && echo -1 || "
                     f"{{ dpkg --compare-versions '{a}' eq '{b}' && echo 0 || echo 1; }}\n"
                     for a, b in pairs)
    out = subprocess.run(["sh"], input=script.encode(), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=True, timeout=120)
    assert out.stderr == b""
    want = [int(line) for line in out.stdout.split()]
    assert len(want) == len(pairs) and set(want) >= {-1, 1}
    got = ours("dpkg", pairs)
    assert [p for p, g, w in zip(pairs, got, want) if g != w] == []


def test_versions_as_dpkgs_perl_compares_them():
    """The same rules once more, written by the same people: thousands at once."""
    # Perl counts in floating point
    pairs = [p for p in dpkg_pairs(5000) if not re.search("[0-9]{16}", " ".join(p))]
    script = ("use Dpkg::Version; while (<STDIN>) { chomp; my ($a, $b) = split / /; "
              "print version_compare($a, $b), qq(\n); }")
    out = subprocess.run(["perl", "-e", script], stdout=subprocess.PIPE, check=True, timeout=60,
                         input="".join(f"{a} {b}\n" for a, b in pairs).encode())
    want = [int(line) for line in out.stdout.split()]
    assert len(want) == len(pairs) and set(want) == {-1, 0, 1}
    got = ours("dpkg", pairs)
    assert [p for p, g, w in zip(pairs, got, want) if g != w] == []


def test_versions_as_rpm_compares_them(tmp_path):
    pairs = [(a, b) for a in VERSIONS for b in VERSIONS]
    pairs += some_pairs(2, "0019aZ.+~^_", 4000)
    want = []
    lines = [f"print(rpm.vercmp('{a}','{b}')..' ')" for a, b in pairs]
    for at in range(0, len(lines), 1000):
        (tmp_path / "compare.lua").write_text("\n".join(lines[at:at + 1000]))
        out = rpmlib.run("rpm", "--eval", f"%{{lua:dofile('{tmp_path}/compare.lua')}}",
                         home=tmp_path)
        want += [int(word) for word in out.split()]
    assert len(want) == len(pairs) and set(want) == {-1, 0, 1}
    got = ours("rpm", pairs)
    assert [p for p, g, w in zip(pairs, got, want) if g != w] == []


@pytest.mark.parametrize("fields, names", [
    ({"vercmp": ["<1.0"]}, ["alpha", "large"]),                         # 1.0~rc1; 1-1 below 1.0
    ({"vercmp": [">=2:2.0"]}, ["beta"]),
    ({"vercmp": [">=2:2.0", "<2:2.1"]}, ["beta"]),
    ({"vercmp": ["=2.0"]}, ["beta-devel"]),                            # any release
    ({"vercmp": ["=2.0-3.el8"]}, []),
    ({"vercmp": ["!=1-1"]}, ["alpha", "beta", "beta-devel", "gamma"]),
    ({"vercmp": [">2.0", "<= 10.2-1.fc40"]}, ["gamma"]),
    ({"vermatch": ">=10"}, ["gamma", "beta"]),
    ({"vermatch": "^2\\.0"}, []),
    ({"vermatch": "(^|:)2\\.0"}, ["beta", "beta-devel"]),
    ({"vermatch": "!el9"}, ["alpha", "gamma", "large"]),
    ({"vermatch": "el9", "vercmp": ["<1:0"]}, ["beta-devel"]),
])
def test_versions_of_packages(rpms, root, fields, names):
    rpmdb(rpms, root, "sqlite")
    answer = ask(root=root, **fields)
    assert [p[0] for p in packages(answer)] == sorted(names)
    assert answer["foundanything"] == bool(names)


def test_epoch_that_decides_is_told(rpms, root):
    rpmdb(rpms, root, "sqlite")
    answer = ask("^beta$", root=root, vercmp=["<3.0"])
    assert packages(answer) == [] and answer["statistics"]["epochdecided"] == 1
    out = subprocess.run([BIN / "mig", "pkg", "-t", "local", "-name", "^beta$", "-vercmp", "<3.0",
                          "-root", root, "-show", "all"], stdout=subprocess.PIPE).stdout
    assert b"1 packages have an epoch" in out


# --- rpm's databases --------------------------------------------------------------


@pytest.mark.parametrize("form", ["sqlite", "ndb", "bdb"])
def test_rpm(rpms, root, form):
    path = rpmdb(rpms, root, form)
    want = rpmlib.wanted()
    if form != "ndb":  # Debian's rpm does not know it
        assert rpmlib.query(rpms, path.parent, {"bdb": "bdb_ro"}.get(form, form)) == want
    answer = ask(root=root)
    assert packages(answer) == want and gaps(answer) == {}
    assert all(p["type"] == "rpm" and p["root"] == str(root) and "state" not in p
               for p in answer["elements"]["packages"])
    assert [d for d in answer["statistics"]["databases"] if d["packages"] > 0] == [
        {"path": str(path), "form": f"rpm {form}", "packages": len(want)}]


@pytest.mark.parametrize("page_size, big_endian", [(512, False), (8192, True), (65536, False)])
def test_bdb_pages_and_byte_orders(rpms, root, page_size, big_endian):
    """Many buckets, overflow pages, the other byte order."""
    rows = rpmlib.blobs(rpms / "db" / "rpmdb.sqlite")
    rows = [(100 * k + i, blob) for k in range(40) for i, blob in rows]
    rpmlib.write_bdb(root / "var/lib/rpm/Packages", rows, page_size, big_endian)
    assert packages(ask(root=root)) == sorted(rpmlib.wanted() * 40)


def test_ndb_as_rpm_writes_it(root):
    """Written by rpm's own lib/backend/ndb/rpmpkg.c: some packages twice, one of them in the place
    of another, two that were removed, and one that moved into their room."""
    shutil.copy(ROOT / "tests/data/rpm/Packages.db", root / "var/lib/rpm")
    name = {p[0]: p for p in rpmlib.wanted()}
    answer = ask(root=root)
    assert packages(answer) == [name[x] for x in ("alpha", "beta", "beta", "beta-devel", "gamma")]
    assert gaps(answer) == {}


def test_ndb_of_several_pages(rpms, root):
    rows = rpmlib.blobs(rpms / "db" / "rpmdb.sqlite")
    rows = [(100 * k + i, blob) for k in range(80) for i, blob in rows]
    rpmlib.write_ndb(root / "var/lib/rpm/Packages.db", rows, slot_pages=2)
    assert packages(ask(root=root)) == sorted(rpmlib.wanted() * 80)


def state_of(directory):
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_ctime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
            for p in directory.iterdir()}


@pytest.mark.parametrize("shm", [True, False])
def test_what_stands_in_the_wal_only(rpms, root, tmp_path, shm):
    """As while rpm runs, and as after it was killed or in an image."""
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(rpms / "db" / "rpmdb.sqlite", work)
    db = sqlite3.connect(work / "rpmdb.sqlite")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    with db:
        db.execute("DELETE FROM Packages WHERE hnum=1")
        db.execute("INSERT INTO Packages SELECT hnum+100, blob FROM Packages")
    first = rpmlib.package_of(rpmlib.blobs(rpms / "db" / "rpmdb.sqlite")[0][1])
    want = sorted(2 * [p for p in rpmlib.wanted() if p != first])
    target = root / "var/lib/rpm"
    for p in work.iterdir():
        if shm or not p.name.endswith("-shm"):
            shutil.copy(p, target)
    assert (target / "rpmdb.sqlite-wal").stat().st_size > 0
    before = state_of(target)
    assert packages(ask(root=root)) == want
    assert state_of(target) == before
    # the same beside a program that has it open and locked
    with db:
        db.execute("BEGIN EXCLUSIVE")
        live = tmp_path / "live"
        (live / "var/lib").mkdir(parents=True)
        (live / "var/lib/rpm").symlink_to("../../work-moved")
        work.rename(live / "work-moved")
        assert packages(ask(root=live)) == want
    db.close()


def test_locks_of_others_do_not_matter(rpms, root):
    path = rpmdb(rpms, root, "ndb")
    lock = root / "var/lib/rpm/.rpm.lock"
    with open(path, "rb+") as f, open(lock, "w") as g:
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.lockf(g, fcntl.LOCK_EX)
        assert packages(ask(root=root)) == rpmlib.wanted()


def test_unfinished_change(rpms, root):
    path = rpmdb(rpms, root, "sqlite")
    pathlib.Path(f"{path}-journal").write_bytes(b"x" * 512)
    answer = ask(root=root)
    assert gaps(answer) == {"changed": 1} and "rpmdb.sqlite-journal" in answer["errors"][0]


def test_all_databases_are_read(rpms, root):
    for form in ("sqlite", "ndb", "bdb"):
        rpmdb(rpms, root, form)
    (root / "usr/lib/sysimage").mkdir(parents=True)
    (root / "usr/lib/sysimage/rpm").symlink_to("../../../var/lib/rpm")  # the same once more
    (root / "usr/share/rpm").mkdir(parents=True)
    shutil.copy(root / "var/lib/rpm/Packages.db", root / "usr/share/rpm")
    (root / "var/lib/dpkg/status").write_text(stanza("deb"))
    assert packages(ask(root=root)) == sorted(rpmlib.wanted() * 4 + [("deb", "1", "amd64")])


# --- damage -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sqlite", "ndb", "bdb"])
def test_cut_and_overwritten_databases(rpms, root, form):
    """What is told is true, and what is missing is counted."""
    path = rpmdb(rpms, root, form)
    good = path.read_bytes()
    want = rpmlib.wanted()
    rnd = random.Random(form)
    cuts = [good[:n] for n in (0, 1, 15, 100, 512, 4096, 5000, len(good) // 2, len(good) - 1)]
    for _ in range(12):
        b = bytearray(good)
        for _ in range(20):
            b[rnd.randrange(len(b))] ^= 1 << rnd.randrange(8)
        cuts.append(bytes(b))
    cuts.append(rnd.randbytes(20000))
    cuts.append(good[:4096] + b"\xff" * (len(good) - 4096))
    for data in cuts:
        path.write_bytes(data)
        answer = ask(root=root)
        names = [p[0] for p in packages(answer)]
        assert len(answer["elements"]["packages"]) <= 2 * len(want)
        if form == "ndb":  # checksums
            assert set(packages(answer)) <= set(want)
            assert len(names) == len(want) or gaps(answer).get("corrupt", 0) > 0
        elif len(data) < len(good) // 2 + 1:
            assert gaps(answer).get("corrupt", 0) > 0, (len(data), answer)
            assert answer["errors"][0].startswith(f"corrupt: {path}: ")


def test_hostile_schema(root):
    """A view in place of the table, that never ends."""
    path = root / "var/lib/rpm/rpmdb.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE VIEW Packages AS WITH RECURSIVE c(hnum, blob) AS (SELECT 1, x'00' "
                   "UNION ALL SELECT hnum+1, zeroblob(1000) FROM c) SELECT * FROM c")
    r = subprocess.run([WORKER, "--seconds", "1", "pkg"], stdout=subprocess.PIPE, timeout=30,
                       input=json.dumps({"pkgmatch": {"matches": ["."]},
                                         "roots": [str(root)]}).encode())
    answer = json.loads(r.stdout)
    assert r.returncode == 4 and gaps(answer)["timelimit"] == 1
    assert gaps(answer)["corrupt"] > 0 and packages(answer) == []


def test_loop_of_bdb_pages(rpms, root):
    path = rpmdb(rpms, root, "bdb")
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        struct.pack_into("<I", data, page * 4096 + 16, page)
    path.write_bytes(bytes(data))
    assert gaps(ask(root=root))["corrupt"] > 0


def test_dpkg_damage(root):
    status = root / "var/lib/dpkg/status"
    status.write_bytes(stanza("good").encode() + b"\x00\xff\xfe\n\n" + b"Package: b\nStatus: "
                       b"install ok installed\n\n" + stanza("last").encode()[:-30])
    answer = ask(root=root)
    assert [p[0] for p in packages(answer)] == ["good"]
    assert gaps(answer) == {"corrupt": 3}
    assert f"corrupt: {status}: 3 records cannot be understood; the first: line 8" \
        in answer["errors"][0]


# --- dpkg's states ----------------------------------------------------------------


def test_dpkg_states(root):
    states = ["not-installed", "config-files", "half-installed", "unpacked", "half-configured",
              "triggers-awaited", "triggers-pending", "installed"]
    text = "".join(stanza(f"p{i}", status=f"deinstall ok {s}") for i, s in enumerate(states))
    (root / "var/lib/dpkg/status").write_text(text)
    got = {p["name"]: p.get("state") for p in ask(root=root)["elements"]["packages"]}
    assert got == {f"p{i}": (None if s == "installed" else s)
                   for i, s in enumerate(states) if i >= 2}
    assert not ask("p0", "p1", root=root)["foundanything"]


def test_dpkg_multiarch_and_doubles(root):
    (root / "var/lib/dpkg/status").write_text(
        stanza("libc6", arch="amd64") + stanza("libc6", arch="i386"))
    answer = ask("libc", "c6$", "^libc6$", root=root)  # each once, however many match
    assert packages(answer) == [("libc6", "1", "amd64"), ("libc6", "1", "i386")]


def test_package_that_is_given_up(root):
    """A name or version that costs too many steps is told, not taken for one that does not match."""
    long = "a" * 60 + "b"
    steps = "^(?:(?:a|aa|a[a-z])+[cd]|a+b|1)$"
    status = root / "var/lib/dpkg/status"
    status.write_text(stanza(long, "1") + stanza("aab", "1") + stanza("aab", long) + stanza("c", long))
    for fields, found, unknown, first in (
            ({}, [("aab", "1"), ("aab", long)], 1, long),
            ({"vermatch": steps}, [("aab", "1")], 2, long),
            ({"vermatch": "!" + steps}, [], 1, "aab"),
            ({"vermatch": "!" + steps, "vercmp": ["<1"]}, [], 0, None)):
        answer = ask(steps, root=root, **fields)
        assert [p[:2] for p in packages(answer)] == found, fields
        assert gaps(answer) == ({"enginelimit": unknown} if unknown else {}), fields
        assert answer["errors"] == ([f"enginelimit: {status}: {unknown} packages may match; the first: {first}: "
                                     "an expression needs too many steps"] if unknown else None), fields


def test_dpkg_updates_count(root):
    """dpkg was killed: what is not yet in status stands beside it."""
    (root / "var/lib/dpkg/status").write_text(
        stanza("kept") + stanza("upgraded", "1") + stanza("removed")
        + stanza("multi", arch="i386") + stanza("multi", arch="amd64"))
    updates = root / "var/lib/dpkg/updates"
    (updates / "0000").write_text(stanza("upgraded", "2", "install ok unpacked"))
    (updates / "0001").write_text(stanza("removed", status="deinstall ok config-files"))
    (updates / "0002").write_text(stanza("upgraded", "3"))
    (updates / "0003").write_text(stanza("new", "1", "install reinstreq half-installed"))
    (updates / "0004").write_text(stanza("multi", "9", arch="i386"))
    (updates / "tmp.i").write_text("rubbish")
    answer = ask(root=root)
    assert packages(answer) == [("kept", "1", "amd64"), ("multi", "1", "amd64"),
                                ("multi", "9", "i386"), ("new", "1", "amd64"),
                                ("upgraded", "3", "amd64")]
    assert gaps(answer) == {}


def test_dpkg_updates_by_architecture(root):
    """The newest that is about a package counts, be it to one of its architectures or all."""
    (root / "var/lib/dpkg/status").write_text(
        stanza("one", arch="amd64") + stanza("one", arch="i386") + stanza("two", arch="amd64")
        + stanza("two", arch="i386"))
    updates = root / "var/lib/dpkg/updates"
    every = stanza("one", "2").replace("Architecture: amd64\n", "")
    (updates / "0000").write_text(stanza("one", "9", arch="i386"))
    (updates / "0001").write_text(every)
    (updates / "0002").write_text(stanza("one", "3", arch="amd64"))
    (updates / "0003").write_text(stanza("two", "4", arch="arm64"))
    answer = ask(root=root)
    assert packages(answer) == [("one", "2", ""), ("one", "3", "amd64"), ("two", "1", "amd64"),
                                ("two", "1", "i386"), ("two", "4", "arm64")]
    assert gaps(answer) == {}


def ask_measured(root, *limits):
    """The answer and the most memory in MiB; 0 where it cannot be told."""
    peak = ("import resource,subprocess,sys;code=subprocess.run(sys.argv[1:]).returncode;"
            "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss));sys.exit(code)")
    r = subprocess.run(["/usr/bin/python3", "-c", peak, WORKER, *limits, "pkg"],
                       input=json.dumps({"pkgmatch": {"matches": ["."]}, "roots": [str(root)]}).encode(),
                       capture_output=True, timeout=60, check=False)
    assert r.returncode in (0, 4), r       # 4: a limit ended it
    return json.loads(r.stdout), 0 if "asan" in BUILD.name else int(r.stderr) / 1024


def test_dpkg_update_with_very_many_packages(root):
    """dpkg writes one a file; each further one would be kept, and compared with each of status."""
    status, update = root / "var/lib/dpkg/status", root / "var/lib/dpkg/updates/0000"
    status.write_text("".join(stanza(f"p{i}") for i in range(20000)))
    with open(update, "w") as f:
        f.writelines(stanza(f"q{i}") for i in range(200000))
    answer, peak = ask_measured(root, "--cpu", "20")
    assert gaps(answer) == {"corrupt": 1}
    assert answer["errors"][0].endswith("updates/0000: more than one package")
    assert len(packages(answer)) == 20001 and packages(answer)[-1][0] == "q0"
    assert peak < 16


def test_dpkg_updates_without_an_end(root):
    (root / "var/lib/dpkg/status").write_text(stanza("one"))
    updates = root / "var/lib/dpkg/updates"
    with open(updates / "0000", "w") as f:
        f.truncate(1 << 40)
    (updates / "0001").write_text(stanza("one", "2"))
    with open(updates / "0002", "w") as f:
        f.write("Package: long\nDescription: x\n" + 70000 * (" " + 60 * "y" + "\n"))
    answer, peak = ask_measured(root, "--cpu", "20")
    assert packages(answer) == [("one", "2", "amd64")] and gaps(answer) == {"corrupt": 2}
    assert "updates/0000: more than 4194304 bytes" in answer["errors"][0] and peak < 16


TERABYTE = 1 << 40


@pytest.mark.parametrize("path, begin, want, gap", [
    ("var/lib/dpkg/status", stanza("one").encode(), 1, "timelimit"),
    ("var/lib/dpkg/status.d/one", stanza("one").encode(), 1, "timelimit"),
    ("var/lib/rpm/Packages", b"", 0, "corrupt"),
    ("var/lib/rpm/Packages.db", b"", 0, "corrupt"),
    ("var/lib/rpm/rpmdb.sqlite", b"", 0, "corrupt"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", b"SQLite format 3\0", 0, "corrupt")],
    ids=["status", "status.d", "bdb", "ndb", "sqlite", "sqlite-begun"])
def test_a_terabyte_of_nothing(root, path, begin, want, gap):
    """A hole takes no room on a disk."""
    if "status.d" in path:
        (root / "var/lib/dpkg/status").unlink()
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with open(root / path, "wb") as f:
        f.write(begin)
        f.truncate(TERABYTE)
    answer, peak = ask_measured(root, "--seconds", "1")
    assert gaps(answer) == {gap: 1} and len(packages(answer)) == want and peak < 16, (answer, peak)


@pytest.mark.parametrize("form, at, value, gap", [
    ("sqlite", 28, struct.pack(">I", TERABYTE // 4096), None),           # pages
    ("ndb", 0, b"RpmP", None), ("bdb", 32, struct.pack("<I", TERABYTE // 4096 - 1), None),
    ("ndb", 12, struct.pack("<I", TERABYTE // 4096), "timelimit"),       # pages of slots
    ("bdb", 32, struct.pack("<I36xI", TERABYTE // 4096 - 1, TERABYTE // 4096 - 2), "timelimit")],
    ids=["sqlite", "ndb", "bdb", "ndb-slots", "bdb-buckets"])
def test_a_terabyte_behind_a_database(rpms, root, form, at, value, gap):
    """What it says of its size may be true."""
    path = rpmdb(rpms, root, form)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(value)
        f.truncate(TERABYTE)
    answer, peak = ask_measured(root, "--seconds", "1")
    assert gaps(answer).get("timelimit") == (1 if gap else None) and peak < 16, (answer, peak)
    if gap is None:
        assert gaps(answer) == {} and packages(answer) == rpmlib.wanted()


def test_dpkg_updates_by_the_thousand(root):
    """As many as are read, and one more; dpkg itself keeps 250."""
    (root / "var/lib/dpkg/status").write_text("".join(stanza(f"p{i}") for i in range(2000)))
    updates = root / "var/lib/dpkg/updates"
    for i in range(1024):
        (updates / f"{i:04}").write_text(stanza(f"p{3 * i}", "2"))
    answer, _ = ask_measured(root)
    got = dict((name, version) for name, version, _ in packages(answer))
    assert gaps(answer) == {} and got == {
        f"p{i}": "2" if i % 3 == 0 else "1" for i in [*range(2000), *range(2001, 3070, 3)]}
    (updates / "1024").write_text(stanza("last"))
    answer, _ = ask_measured(root)
    assert gaps(answer) == {"corrupt": 1} and packages(answer) == []
    assert "more than 1024 files in updates" in answer["errors"][0]


def test_image_without_dpkg(root):
    (root / "var/lib/dpkg/status").unlink()
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir()
    (folder / "base").write_text("Package: base-files\nVersion: 12.4\nArchitecture: amd64\n")
    (folder / "base.md5sums").write_text("0123  etc/x\n")
    (folder / "tz").write_text("Package: tzdata\nVersion: 2024a-0\nArchitecture: all")
    (folder / "link").symlink_to("/etc/passwd")
    answer = ask(root=root)
    assert packages(answer) == [("base-files", "12.4", "amd64")]
    assert gaps(answer) == {"corrupt": 2}  # the cut one, the link


# --- what is not there ------------------------------------------------------------


def test_nothing_there(tmp_path):
    answer = ask(root=tmp_path)
    assert gaps(answer) == {"missing": 1} and not answer["foundanything"]
    assert "no package database" in answer["errors"][0]
    assert gaps(ask(root=tmp_path / "none")) == {"rootmissing": 1}
    (tmp_path / "file").write_text("")
    assert gaps(ask(root=tmp_path / "file")) == {"rootmissing": 1}
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    assert "neither status nor status.d" in ask(root=tmp_path)["errors"][0]


def test_strange_files(root, tmp_path):
    status = root / "var/lib/dpkg/status"
    status.unlink()
    os.mkfifo(status)  # must not hang
    (root / "var/lib/rpm/Packages.db").symlink_to("/etc/passwd")
    (root / "var/lib/rpm/rpmdb.sqlite").mkdir()
    (root / "usr/share").mkdir(parents=True)
    (root / "usr/share/rpm").symlink_to("/var/lib")
    answer = ask(root=root)
    assert gaps(answer) == {"corrupt": 3, "symlinkoutside": 1} and packages(answer) == []
    (root / "loop").symlink_to("loop")
    assert ask(root=root / "loop")["statistics"]["notexamined"] != {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_without_rights(rpms, root):
    rpmdb(rpms, root, "sqlite")
    (root / "var/lib/rpm/rpmdb.sqlite").chmod(0o600)
    (root / "var/lib/dpkg").chmod(0o700)
    for p in [root, *root.parents][:-1]:        # one more with pytest -n
        if p.stat().st_uid == os.getuid():
            p.chmod(p.stat().st_mode | 0o055)

    def nobody():
        os.setgid(65534)
        os.setuid(65534)

    answer, code = worker({"pkgmatch": {"matches": ["."]}, "roots": [str(root)]},
                          preexec_fn=nobody)
    assert code == 0 and gaps(answer) == {"unreadable": 2} and packages(answer) == []


# --- questions --------------------------------------------------------------------


@pytest.mark.parametrize("question, error", [
    ([], "expected an object"),
    ({}, "pkgmatch.matches: expected at least one"),
    ({"pkgmatch": {}}, "pkgmatch.matches: expected at least one"),
    ({"pkgmatch": []}, "pkgmatch: expected an object"),
    ({"pkgmatch": {"matches": []}}, "pkgmatch.matches: expected at least one"),
    ({"pkgmatch": {"matches": "bash"}}, "pkgmatch.matches: expected an array"),
    ({"pkgmatch": {"matches": [1]}}, "pkgmatch.matches[0]: expected a string"),
    ({"pkgmatch": {"matches": ["a", "("]}}, "pkgmatch.matches[1]"),
    ({"pkgmatch": {"matches": [""]}}, "empty expression"),
    ({"pkgmatch": {"matches": ["a{1000}{1000}"]}}, "pkgmatch.matches[0]"),
    ({"pkgmatch": {"matches": ["a"], "name": "x"}}, "pkgmatch.name"),
    ({"pkgmatch": {"matches": ["a"]}, "vermatch": "["}, "vermatch"),
    ({"pkgmatch": {"matches": ["a"]}, "vermatch": ["1"]}, "vermatch: expected a string"),
    ({"pkgmatch": {"matches": ["a"]}, "vermatch": "<"}, "expected a version behind"),
    ({"pkgmatch": {"matches": ["a"]}, "vercmp": ["1.0"]}, "vercmp[0]: '1.0' does not begin with"),
    ({"pkgmatch": {"matches": ["a"]}, "vercmp": ["<1 2"]}, "vercmp[0]"),
    ({"pkgmatch": {"matches": ["a"]}, "vercmp": ["<1"] * 65}, "at most 64"),
    ({"pkgmatch": {"matches": ["a"]}, "vercmp": ["!=3", ">=2:2.0", "<2:2.0"]},
     "vercmp[2]: no version passes both '>=2:2.0' and '<2:2.0'"),
    ({"pkgmatch": {"matches": ["a"]}, "roots": ["etc"]}, "roots[0]: 'etc' is not an absolute"),
    ({"pkgmatch": {"matches": ["a"]}, "roots": ["/" * 4001]}, "roots[0]"),
    ({"pkgmatch": {"matches": ["a"]}, "root": "/"}, "root"),
    ({"pkgmatch": {"matches": ["a"] * 100000}}, "100000 of them, at most 32768"),
])
def test_refused(question, error):
    answer, code = worker(question)
    assert code == 1 and not answer["success"] and error in answer["errors"][0]


def test_ten_thousand_names(root):
    (root / "var/lib/dpkg/status").write_text(
        "".join(stanza(f"name{i}") for i in range(0, 20000, 50)))
    answer = ask(*[f"^name{i}$" for i in range(10000)], root=root)
    assert len(packages(answer)) == 200


def test_privacy(root):
    """Where a system lies is masked, what it has is not."""
    (root / "var/lib/dpkg/status").write_text(stanza("one") + stanza("two", version="2:1~rc-1"))
    r = subprocess.run([WORKER, "--privacy", "pkg"], stdout=subprocess.PIPE, timeout=60, check=True, input=json.dumps(
        {"pkgmatch": {"matches": ["."]}, "roots": [str(root)]}).encode())
    answer = json.loads(r.stdout)
    assert str(root) not in json.dumps(answer)
    assert [(p["name"], p["version"], p["root"]) for p in answer["elements"]["packages"]] == [
        ("one", "1", "masked"), ("two", "2:1~rc-1", "masked")]


def write_many(root, n, stanza_of):
    with open(root / "var/lib/dpkg/status", "w") as f:
        f.writelines(stanza_of(i) for i in range(n))


def test_very_many_packages(root):
    """The answer ends by its own limit, and the worker stays small however long it is."""
    write_many(root, 180000, lambda i: stanza(f"package-with-a-long-name-{i}", f"1.{i % 9}"))
    answer, peak = ask_measured(root)
    names = [p["name"] for p in answer["elements"]["packages"]]
    assert names == [f"package-with-a-long-name-{i}" for i in range(180000)]
    assert gaps(answer) == {} and peak < 20 < len(json.dumps(answer)) / (1 << 20)
    answer, _ = ask_measured(root, "--output", str(8 << 20))
    some = [p["name"] for p in answer["elements"]["packages"]]
    assert gaps(answer) == {"outputlimit": 1} and 40000 < len(some) < 80000
    assert some == names[:len(some)] and len(json.dumps(answer, separators=(",", ":"))) <= 8 << 20
    # what is not answered needs no room
    answer, _ = ask_measured(root, "--output", "65536", "--detail", "found-only")
    assert answer["foundanything"] and gaps(answer) == {}
    assert answer["statistics"]["packages"] == 180000


@pytest.mark.skipif("asan" in BUILD.name, reason="needs memory of its own")
def test_memory_that_does_not_suffice(root):
    """What share nothing take their length; what there was until then is answered."""
    rnd = random.Random(5)
    write_many(root, 50000, lambda i: stanza(f"p{i}", "1" + rnd.randbytes(450).hex()))
    r = subprocess.run([WORKER, "--memory", str(24 << 20), "pkg"], stdout=subprocess.PIPE,
                       input=json.dumps({"pkgmatch": {"matches": ["."]},
                                         "roots": [str(root)]}).encode(), timeout=60)
    answer = json.loads(r.stdout)
    names = [p["name"] for p in answer["elements"]["packages"]]
    assert r.returncode == 3 and gaps(answer) == {"memorylimit": 1}
    assert answer["errors"] == ["memorylimit: limit reached: memory; not every package is listed"]
    assert 5000 < len(names) < 50000 and names == [f"p{i}" for i in range(len(names))]


def test_command_line(rpms, root):
    rpmdb(rpms, root, "sqlite")
    hostile = "evil\x1b[31m;=cmd"
    (root / "var/lib/dpkg/status").write_text(stanza(hostile, status="install ok unpacked"))

    def mig(*args):
        r = subprocess.run([BIN / "mig", "pkg", "-t", "local", "-root", root, *args],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    code, out, _ = mig("-name", "^beta$", "-name", "evil", "-version", "<3:0")
    assert code == 0
    assert " pkgmatch name=beta version=2:2.0^git1-3.el9 type=rpm arch=x86_64 root=" in out
    assert "name=evil\\x1b[31m;=cmd version=1 type=dpkg arch=amd64 state=unpacked" in out
    code, out, _ = mig("-name", "^nothing$", "-show", "all")
    assert code == 1 and "0 packages match of 6 examined" in out
    code, out, _ = mig("-name", "beta", "-csv")
    assert code == 0 and out.splitlines()[0].endswith("package,version,type,arch,state,root")
    assert any('"beta-devel","0:2.0-3.el9","rpm","noarch","",' in x for x in out.splitlines())
    code, _, err = mig("-version", "1")
    assert code == 2 and "-name is needed" in err
    code, _, err = mig("-name", "a", "-vercmp", "1")
    assert code == 2 and "does not begin with" in err
