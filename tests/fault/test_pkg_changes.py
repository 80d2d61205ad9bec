# SPDX-License-Identifier: MPL-2.0
"""Package databases that are written while pkg reads them. The worker is held in
the middle of a database, which then changes as its package manager changes it:
the answer is one whole state, or says that there was none ("changed"). What an
earlier try found is not answered again, and what other databases gave stays."""
import collections
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest

import faultlib
import miglib
import rpmlib
from miglib import wait_for

WORKER = "mig-worker"
KEPT = [("kept-one", 1000 * "1", "amd64"), ("kept-two", 1000 * "2", "all")]   # of dpkg
FORMS = ["dpkg", "dpkg updates", "sqlite", "sqlite wal", "ndb", "bdb"]
OUTPUT = 16384      # one state fits, what six tries tell does not


def stanza(name, version, arch):
    return (f"Package: {name}\nStatus: install ok installed\nArchitecture: {arch}\n"
            f"Version: {version}\n\n")


def replace(path, text):
    new = path.with_name("new")
    new.write_text(text)
    os.replace(new, path)


def renamed(row):
    """The header of a package with the same name in capitals."""
    name, version, arch = rpmlib.package_of(row[1])
    return (row[0], row[1].replace(name.encode() + b"\0", name.upper().encode() + b"\0"),
            (name.upper(), version, arch))


class Database:
    """Of one form; in turn in two states that have no package in common, in the
    same places."""

    def __init__(self, root, rows):
        self.n = 0
        self.dpkg, self.rpm = root / "var/lib/dpkg", root / "var/lib/rpm"
        (self.dpkg / "updates").mkdir(parents=True)
        self.rpm.mkdir()
        (self.dpkg / "status").write_text("".join(stanza(*p) for p in KEPT))
        self.rows = [[(*row, rpmlib.package_of(row[1])) for row in rows[:4]],
                     [renamed(row) for row in rows[1:]]]
        self.change()

    def packages(self):
        return sorted(KEPT + [package for _, _, package in self.now])

    def blobs(self):
        return [(number, blob) for number, blob, _ in self.now]

    def change(self):
        self.now = self.rows[self.n % 2]
        self.n += 1
        self.write()


class Dpkg(Database):
    file = "var/lib/dpkg/status"

    def write(self):
        replace(self.dpkg / "status", "".join(stanza(*p) for p in self.packages()))


class Updates(Database):
    """A further one each time."""
    file = Dpkg.file

    def write(self):
        replace(self.dpkg / "updates" / f"{self.n:04}", stanza("new", str(self.n), "all"))

    def packages(self):
        return sorted(KEPT + [("new", str(self.n), "all")])


class Sqlite(Database):
    file = "var/lib/rpm/rpmdb.sqlite"
    mode = "DELETE"

    def write(self):
        if self.n == 1:
            self.db = sqlite3.connect(self.rpm / "rpmdb.sqlite", isolation_level=None)
            self.db.execute(f"PRAGMA journal_mode={self.mode}")
            self.db.execute("PRAGMA wal_autocheckpoint=0")
            self.db.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM Packages")
        self.db.executemany("INSERT INTO Packages VALUES (?, ?)", self.blobs())
        self.db.execute("COMMIT")


class SqliteWal(Sqlite):
    mode = "WAL"


class Ndb(Database):
    file = "var/lib/rpm/Packages.db"

    def write(self):
        rpmlib.write_ndb(self.rpm / "Packages.db", self.blobs(), generation=self.n)


class Bdb(Database):
    file = "var/lib/rpm/Packages"

    def write(self):
        made = self.rpm.parent / f"made-{self.n % 2}"
        if not made.exists():
            rpmlib.write_bdb(made, self.blobs())
        shutil.copyfile(made, self.rpm / "Packages")    # in place


KINDS = dict(zip(FORMS, [Dpkg, Updates, Sqlite, SqliteWal, Ndb, Bdb]))


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rpm")
    rpmlib.install(rpmlib.build(directory), directory, directory / "db")
    return rpmlib.blobs(directory / "db" / "rpmdb.sqlite")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


class Worker:
    def __init__(self, control, root):
        self.proc = subprocess.Popen(
            [miglib.program(WORKER), "--output", str(OUTPUT), "pkg"], env=control.env(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.proc.stdin.write(json.dumps({"pkgmatch": {"matches": ["."]},
                                          "roots": [str(root)]}).encode())
        self.proc.stdin.close()

    def stands(self, fault, seconds=30):
        """At the fault; False when it has ended."""
        end = time.monotonic() + seconds
        while not fault.fired:
            if self.proc.poll() is not None:
                return bool(fault.fired)
            assert time.monotonic() < end, fault.text
            time.sleep(0.001)
        return True

    def answer(self):
        answer = json.loads(self.proc.stdout.read())
        assert self.proc.wait(30) == 0 and answer["success"]
        return answer


def packages(answer):
    return sorted((p["name"], p["version"], p["arch"]) for p in answer["elements"]["packages"])


def counts(answer):
    statistics = answer["statistics"]
    return statistics["packages"], sum(d["packages"] for d in statistics["databases"])


@pytest.mark.parametrize("form", FORMS)
def test_it_changes_once(control, rows, root, form):
    db = KINDS[form](root, rows)
    before = db.packages()
    nth = len(before) - 1 if form.startswith("dpkg") else len(KEPT) + 2
    fault = control.hang(WORKER, "pkg.package", nth)
    worker = Worker(control, root)
    assert worker.stands(fault)
    db.change()
    fault.release()
    answer = worker.answer()
    want = db.packages()
    assert packages(answer) == want != before
    assert answer["statistics"]["notexamined"] == {} and answer["errors"] is None
    assert counts(answer) == (len(want), len(want))
    # it was read twice
    assert control.count("pkg.package", WORKER) >= nth + len(want) - len(KEPT)


def test_it_changes_and_says_it_did_not(control, rows, root):
    """Of the same size, and its time is put back: nothing but ctime tells."""
    db = Bdb(root, rows)
    path = root / db.file
    db.rows[1] = [renamed(row) for row in db.rows[0]]
    before = path.stat()
    first = control.hang(WORKER, "pkg.package")
    worker = Worker(control, root)
    assert worker.stands(first)
    wait_for("it rests", lambda: time.time() > before.st_ctime + 0.1)
    fault = control.hang(WORKER, "pkg.package", len(KEPT) + 1)
    first.release()
    assert worker.stands(fault)
    db.change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    fault.release()
    answer = worker.answer()
    assert packages(answer) == db.packages() and answer["errors"] is None


@pytest.mark.parametrize("form", FORMS)
def test_it_changes_each_time(control, rows, root, form):
    db = KINDS[form](root, rows)
    fault = control.hang(WORKER, "pkg.package")
    worker = Worker(control, root)
    known = set()
    while worker.stands(fault):
        known |= set(db.packages())
        db.change()
        following = control.hang(WORKER, "pkg.package")
        fault.release()
        fault = following
    answer = worker.answer()
    gaps = answer["statistics"]["notexamined"]
    assert gaps.pop("changed") == 1 and set(gaps) <= {"corrupt"}, answer
    path = root / db.file
    assert any(x.startswith(f"changed: {path}: it was written meanwhile")
               for x in answer["errors"]), answer["errors"]
    got = packages(answer)
    # of the last try alone
    assert [p for p, n in collections.Counter(got).items() if n > 1] == []
    assert set(got) <= known and counts(answer) == (len(got), len(got))
    assert form.startswith("dpkg") or set(KEPT) <= set(got)
    assert [d["path"] for d in answer["statistics"]["databases"]].count(str(path)) == 1


@pytest.mark.parametrize("form", ["dpkg", "ndb", "bdb"])
def test_it_is_removed(control, rows, root, form):
    """As by rpm --rebuilddb: it is not taken for a system that has none."""
    db = KINDS[form](root, rows)
    fault = control.hang(WORKER, "pkg.package", len(KEPT) + 2)
    worker = Worker(control, root)
    assert worker.stands(fault)
    db.change()
    (root / db.file).unlink()
    fault.release()
    answer = worker.answer()
    assert answer["statistics"]["notexamined"] == {"changed": 1}
    assert answer["errors"] == [f"changed: {root / db.file}: it was removed meanwhile"]
    assert packages(answer) == ([] if form == "dpkg" else KEPT)


def test_updates_go_into_status(control, rows, root):
    """dpkg writes status anew and takes the updates away, between a look at their
    names and at what is in them."""
    db = Updates(root, rows)
    db.change()
    want = db.packages()
    fault = control.hang(WORKER, "pkg.updates_listed")
    worker = Worker(control, root)
    assert worker.stands(fault)
    replace(root / db.file, "".join(stanza(*p) for p in want))
    for path in (db.dpkg / "updates").iterdir():
        path.unlink()
    fault.release()
    answer = worker.answer()
    assert packages(answer) == want and answer["errors"] is None
    assert control.count("pkg.updates_listed", WORKER) == 2
