# SPDX-License-Identifier: MPL-2.0
"""The packages as files: what lintian says, what is where, whose it is."""
import re
import subprocess

import pytest

from machine import OUT, ROOT, packages


def field(deb, name):
    return subprocess.run(["dpkg-deb", "--field", deb, name], check=True,
                          capture_output=True, text=True).stdout.strip()


def listing(deb):
    """{path: (mode, owner)} of a package's files."""
    out = subprocess.run(["dpkg-deb", "--contents", deb], check=True,
                         capture_output=True, text=True).stdout
    rows = [line.split(None, 5) for line in out.splitlines()]
    return {row[5].lstrip("."): (row[0], row[1]) for row in rows
            if not row[5].endswith("/")}


@pytest.fixture(scope="module")
def debs():
    return {field(deb, "Package"): deb for deb in packages()}


def test_lintian():
    changes = sorted(OUT.glob("*.changes"))
    assert len(changes) == 1, changes
    done = subprocess.run(
        ["lintian", "--allow-root", "--profile", "debian", "--fail-on",
         "error,warning", changes[0]],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_and_versions(debs):
    assert set(debs) == {"mig", "mig-server", "mig-agent", "mig-worker",
                         "mig-common"}
    built = re.search(r"version: '([^']*)'",
                      (ROOT / "meson.build").read_text()).group(1)
    assert {field(deb, "Version") for deb in debs.values()} == {built}


def test_no_file_in_two_packages(debs):
    owner = {}
    for name, deb in debs.items():
        for path in listing(deb):
            assert path not in owner, (path, name, owner[path])
            owner[path] = name


def test_modes_and_owners(debs):
    for name, deb in debs.items():
        for path, (mode, owner) in listing(deb).items():
            assert owner == "root/root", (name, path, owner)
            run = path.startswith(("/usr/bin/", "/usr/sbin/",
                                   "/usr/libexec/"))
            assert mode == ("-rwxr-xr-x" if run else "-rw-r--r--"), \
                (name, path, mode)


def test_every_program_has_its_page(debs):
    for deb in debs.values():
        paths = listing(deb)
        for path in paths:
            if path.startswith(("/usr/bin/", "/usr/sbin/")):
                program = path.rsplit("/", 1)[1]
                assert any(re.fullmatch(
                    rf"/usr/share/man/man[18]/{program}\.[18]\.gz", other)
                    for other in paths), path


def test_depends_on_what_is_loaded(debs):
    """These are no linked libraries, so nothing but our rule names them."""
    assert re.search(r"\blibrnp0\b", field(debs["mig"], "Depends"))
    depends = field(debs["mig-worker"], "Depends")
    for library in ("libssl3", "libpcre2-8-0", "zlib1g", "libbz2-1.0",
                    "liblzma5", "libzstd1"):
        assert re.search(rf"\b{re.escape(library)}\b", depends), depends
    assert re.search(r"\blib(hyperscan|vectorscan)5\b", depends), depends


def test_endpoint_needs_no_investigator_software(debs):
    """Nothing that reads keys or speaks HTTP for others comes along."""
    for name in ("mig-agent", "mig-worker"):
        depends = field(debs[name], "Depends")
        for wrong in ("librnp", "libgpgme", "libcurl", "libmicrohttpd",
                      "mosquitto "):
            assert wrong not in depends + " ", (name, depends)
