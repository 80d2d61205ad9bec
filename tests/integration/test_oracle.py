# SPDX-License-Identifier: MPL-2.0
"""
Every case of the original's file module through mig-worker.

tests/data/oracle/cases/NAME.in.json is a question, NAME.out.json what the
original answered on the tree that make-tree.sh builds. Compared are files,
metadata, the echoed search, label, foundanything and success; free are order,
exectime and the wording of errors. DIFFERENT names each case where we answer
something else on purpose, why, and exactly what.
"""
import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "oracle"
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
CASES = sorted(p.name[: -len(".in.json")] for p in (DATA / "cases").glob("file-*.in.json"))
OLD = "2001-09-09 01:46:40 +0000 UTC"


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    path = tmp_path_factory.mktemp("oracle") / "tree"
    subprocess.run(["bash", DATA / "make-tree.sh", path], check=True)
    return str(path)


def ask(text):
    r = subprocess.run([WORKER, "file"], input=text.encode(), stdout=subprocess.PIPE, timeout=60)
    return json.loads(r.stdout), r.returncode


def question(name, tree):
    return (DATA / "cases" / f"{name}.in.json").read_text().replace("@TREE@", tree)


def original(name, tree):
    return json.loads((DATA / "cases" / f"{name}.out.json").read_text().replace("@TREE@", tree))


def entries(answer):
    """(label, file, size, mode, mtime, sha256, search) of every entry, sorted."""
    out = []
    for label, found in (answer["elements"] or {}).items():
        for e in found:
            info = e["fileinfo"]
            # these two are dated relative to the tree's building
            moving = e["file"].endswith(("/recent.txt", "/days2.txt"))
            out.append((label, e["file"], info["size"], info["mode"],
                        "" if moving else info["lastmodified"], info.get("sha256", ""),
                        json.dumps(e["search"], sort_keys=True)))
    return sorted(out)


def files(answer, tree):
    return sorted(e["file"].replace(tree, "") for found in answer["elements"].values() for e in found)


def not_examined(answer):
    return answer["statistics"]["notexamined"]


def longline(w, o, tree):
    assert files(w, tree) == sorted(files(o, tree) + ["/data/longline"])
    assert w["errors"] is None


def onebyte(w, o, tree):
    assert files(w, tree) == ["/gz/onebyte"] and w["foundanything"]


def decompress(w, o, tree):
    assert entries(w) == entries(o)
    # fake.gz and truncated.gz; the empty and the one-byte file are just files
    assert not_examined(w) == {"corrupt": 2}
    assert sorted(w["errors"]) == [f"corrupt: {tree}/gz/fake.gz: not valid gzip",
                                   f"corrupt: {tree}/gz/truncated.gz: truncated gzip"]


def linkroot(w, o, tree):
    assert files(w, tree) == sorted("/links/to-dir/" + f for f in (
        "passwd", "shadow", "sshd_config", "deep/passwd", "deep/d2/passwd",
        "deep/d2/d3/passwd", "deep/d2/d3/d4/passwd"))
    assert w["errors"] is None


def links(w, o, tree):
    assert files(w, tree) == ["/links/hardlink"]
    # chain, to-passwd and to-dir; broken and loop; the FIFO
    assert not_examined(w) == {"symlinkoutside": 3, "symlinkbroken": 2, "special": 1}
    assert w["statistics"]["openfailed"] == 2
    assert any("lead outside" in e for e in w["errors"])
    broken = [e for e in w["errors"] if e.startswith("symlinkbroken: ")]
    assert [f"{tree}/links/{n}" in " ".join(broken) for n in ("broken", "loop")] == [True, True]


def maxerrors(w, o, tree):
    assert files(w, tree) == ["/links/hardlink"]
    assert sum(e.startswith("symlinkbroken: ") for e in w["errors"]) == 1
    assert "1 errors were not returned (max errors = 1)" in w["errors"]
    assert not_examined(w)["symlinkbroken"] == 2


def scope(w, o, tree):
    found = {label: [e["file"].replace(tree, "") for e in found] for label, found in w["elements"].items()}
    assert found == {"lib": ["/lib/f"], "lib32": ["/lib32/f"]}


def proc(w, o, tree):
    assert files(w, tree) == ["/proc/self/cmdline"] and w["foundanything"]
    assert not_examined(w)["depthlimit"] > 0


def badlen(w, o, tree):
    assert not w["success"] and not w["foundanything"] and w["elements"] == {}
    assert w["errors"] == ["searches.s1.sha2[0]: 'abcdef' has 6 digits: "
                           "expected 64, 96 or 128 hexadecimal digits"]


def badregex(w, o, tree):
    assert entries(w) == entries(o) == [] and not w["success"]
    assert w["errors"] == ["searches.s1.names[0]: '(' is not a regular expression: "
                           "at byte 1: ( without ); write \\( for the character"]


def excluding(w, o, tree):
    assert not w["success"] and w["elements"] == {} and not o["foundanything"]
    assert w["errors"][0].startswith("searches.s1.sha2[1]: no file passes both '")


def first_matches(n):
    def check(w, o, tree):
        assert len(files(w, tree)) == n == len(files(o, tree))
        assert not_examined(w)["matchlimit"] == 1
        assert any(f"its limit of {n} matches was reached" in e for e in w["errors"])
    return check


def depth(cut):
    def check(w, o, tree):
        assert entries(w) == entries(o)
        assert not_examined(w) == {"depthlimit": cut}
    return check


def nofilter(w, o, tree):
    assert entries(w) == entries(o) and not w["foundanything"]
    assert w["errors"] == ["search 's1' has no filter: no file can match it"]


def missing(w, o, tree):
    assert entries(w) == entries(o) and w["success"] and not w["foundanything"]
    assert w["errors"] == ["missing: /nonexistent-path: No such file or directory"]
    assert not_examined(w) == {"missing": 1} and w["statistics"]["openfailed"] == 1


DIFFERENT = {
    "file-content-longline": (
        "lines of any length are searched; the original ends silently at 64 KiB", longline),
    "file-decompress-onebyte": (
        "a one-byte file is hashed as it is; the original lost the byte it read for the magic", onebyte),
    "file-decompress": (
        "same files; damaged gzip files are counted, files too short to be gzip are plain files "
        "instead of a nil dereference", decompress),
    "file-decompress-hash": ("as file-decompress", decompress),
    "file-linkroot-dir": (
        "a path that was asked for by name is resolved once and searched, under the name that was "
        "asked; the original reported the link itself with the directory's mode and searched nothing",
        linkroot),
    "file-links": (
        "links that lead outside of the search's paths are not followed but counted", links),
    "file-maxerrors-1": (
        "as file-links; maxerrors cuts the texts, never the counts", maxerrors),
    "file-prefix-scope": (
        "scope goes by path components: /lib does not cover /lib32", scope),
    "file-proc": (
        "as file-linkroot-dir: /proc/self is resolved once (it is the worker itself)", proc),
    "file-hash-badlen": (
        "refused before anything runs; the original printed text into its JSON and ran", badlen),
    "file-sha2-two-all": (
        "refused in words; the original answers that nothing was found, which nothing could be", excluding),
    "file-badregex": ("the same refusal, naming the field and what to do", badregex),
    "file-matchlimit-1": (
        "which files come first is the directory's order; the limit is reported", first_matches(1)),
    "file-matchlimit-5": ("as file-matchlimit-1", first_matches(5)),
    "file-maxdepth-2": ("same files; the directory not entered is counted", depth(1)),
    "file-maxdepth-3": ("same files; the directory not entered is counted", depth(1)),
    "file-filter-none": ("same answer, and an explanation", nofilter),
    "file-missingpath": ("same answer; the error is listed once and counted", missing),
}


# (filescount, openfailed) where they differ though the answers do not
LINKS = ("links that lead nowhere or outside are opened only where their name matches, and count as files "
         "only once they are followed")
COUNTS = {
    "file-all-filters": ((39, 0), (41, 2), LINKS),
    "file-name": ((39, 0), (41, 2), LINKS),
    "file-nomatch": ((39, 0), (41, 2), LINKS),
    "file-links-name-target": ((1, 0), (3, 2), LINKS),
    "file-duproots": ((7, 0), (11, 0), "what lies below two roots is looked at once"),
}


def counts(answer):
    return answer["statistics"]["filescount"], answer["statistics"]["openfailed"]


@pytest.mark.parametrize("name", [c for c in CASES if c not in DIFFERENT])
def test_same(name, tree):
    got, status = ask(question(name, tree))
    want = original(name, tree)
    assert entries(got) == entries(want)
    assert (got["foundanything"], got["success"]) == (want["foundanything"], want["success"])
    assert got["statistics"]["totalhits"] == want["statistics"]["totalhits"]
    assert (counts(got), counts(want)) == COUNTS.get(name, (counts(want),) * 2)[:2]
    assert set(want["statistics"]) <= set(got["statistics"])
    # other words, but as many of them
    assert name in COUNTS or len(got["errors"] or []) == len(want["errors"] or [])
    assert status == 0


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_different(name, tree):
    reason, check = DIFFERENT[name]
    got, status = ask(question(name, tree))
    try:
        want = original(name, tree)
    except json.JSONDecodeError:
        assert name == "file-hash-badlen"  # the original's defect
        want = None
    check(got, want, tree)
    assert status == (0 if got["success"] else 1)
    if want is not None and reason.startswith("same"):
        assert entries(got) == entries(want)


def test_table_is_complete():
    assert set(DIFFERENT) <= set(CASES) and set(COUNTS) <= set(CASES) - set(DIFFERENT) and len(CASES) == 48
