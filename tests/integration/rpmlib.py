# SPDX-License-Identifier: MPL-2.0
"""Real rpm packages and databases for the tests of the pkg module: built by
rpmbuild, installed by rpm, converted to the older forms. Debian's rpm writes the
SQLite form only: the hash of Berkeley DB is written by db_load, and rpm reads it
back; the ndb form is written here, after rpm's lib/backend/ndb/rpmpkg.c, which
reads it back and goes on writing it; one that it wrote itself is in tests/data/rpm."""
import os
import sqlite3
import struct
import subprocess
import zlib

# name, epoch, version, release, architecture
PACKAGES = [
    ("alpha", None, "1.0~rc1", "1", "noarch"),
    ("beta", 2, "2.0^git1", "3.el9", "x86_64"),
    ("beta-devel", 0, "2.0", "3.el9", "noarch"),
    ("gamma", None, "10.2", "1.fc40", "x86_64"),
    ("large", None, "1", "1", "noarch"),
]
FORMAT = "%{NAME}\\t%{EVR}\\t%{ARCH}\\n"


def run(*args, home, **kw):
    env = dict(os.environ, HOME=str(home), LC_ALL="C")
    return subprocess.run([str(a) for a in args], check=True, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, **kw).stdout


def evr(package):
    name, epoch, version, release, arch = package
    return ("" if epoch is None else f"{epoch}:") + f"{version}-{release}"


def wanted():
    return sorted((p[0], evr(p), p[4]) for p in PACKAGES)


def spec():
    """One source with a subpackage each; "large" has a header of many pages."""
    text = ("Name: source\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\n"
            "%description\nx\n")
    for name, epoch, version, release, arch in PACKAGES:
        text += f"%package -n {name}\nSummary: x\nVersion: {version}\nRelease: {release}\n"
        if epoch is not None:
            text += f"Epoch: {epoch}\n"
        if arch == "noarch":
            text += "BuildArch: noarch\n"
        lines = 2000 if name == "large" else 1
        text += f"%description -n {name}\n" + "many words about it\n" * lines
        text += f"%files -n {name}\n"
    return text


def build(directory):
    """The packages as files."""
    (directory / "source.spec").write_text(spec())
    run("rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--define", f"_topdir {directory}/top",
        directory / "source.spec", home=directory)
    return sorted(directory.glob("top/RPMS/*/*.rpm"))


def install(files, directory, dbpath):
    """As rpm does it, into a database of its own."""
    run("rpm", "--dbpath", dbpath, "--justdb", "--nodeps", "--ignorearch", "--ignoreos",
        "--nosignature", "-i", *files, home=directory)


def query(directory, dbpath, backend="sqlite"):
    out = run("rpm", "--dbpath", dbpath, "--define", f"_db_backend {backend}", "-qa",
              "--queryformat", FORMAT, home=directory)
    return sorted(tuple(line.split("\t")) for line in out.decode().splitlines())


def blobs(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute("SELECT hnum, blob FROM Packages ORDER BY hnum").fetchall()


def package_of(blob):
    """Which of them a header is of."""
    return next(p for p in wanted() if p[0].encode() + b"\0" in blob)


def write_ndb(path, rows, slot_pages=1, generation=1):
    data = bytearray(struct.pack("<4s4I12x", b"RpmP", 0, generation, slot_pages, len(rows) + 1))
    slots, frames, block = b"", b"", slot_pages * 256
    for number, blob in rows:
        frame = struct.pack("<4s3I", b"BlbS", number, 1, len(blob)) + blob
        frame += b"\0" * (-(len(frame) + 12) % 16)
        frame += struct.pack("<II4s", zlib.adler32(frame), len(blob), b"BlbE")
        slots += struct.pack("<4s3I", b"Slot", number, block, len(frame) // 16)
        block += len(frame) // 16
        frames += frame
    data += slots
    while len(data) < slot_pages * 4096:
        data += struct.pack("<4s12x", b"Slot")
    path.write_bytes(bytes(data) + frames)


def write_bdb(path, rows, page_size=4096, big_endian=False):
    """A record of key 0, as rpm has it, is no package."""
    order = ">" if big_endian else "<"
    text = f"VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page_size}\n"
    text += f"db_lorder={4321 if big_endian else 1234}\nHEADER=END\n"
    for number, blob in [(0, struct.pack(order + "I", len(rows)))] + list(rows):
        text += f" {struct.pack(order + 'I', number).hex()}\n {blob.hex()}\n"
    text += "DATA=END\n"
    run("db_load", path, home=path.parent, input=text.encode())
