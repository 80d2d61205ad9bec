# SPDX-License-Identifier: MPL-2.0
"""Every key of every program's configuration with values that it cannot have:
file, line and key are named, what is expected is said, and nothing starts.
Keys, types and ranges are read from the programs' own tables."""
import hashlib
import os
import pathlib
import re
import resource
import subprocess

import pytest

from miglib import program

SHARDS = 2
SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"
# key, type, default, min, max
NUMBER = r"(-?\w+(?: \* \w+)*)"
TABLES = {
    "mig-agent": ("agent/conf.h",
                  r'X\("(\w+)", CONF_(\w+), \w+, (?:NULL|"[^"]*"),[\s\\]*'
                  + NUMBER + r",[\s\\]*" + NUMBER + ","),
    "mig-server": ("server/config.c",
                   r'\{ "(\w+)", CONF_(\w+),\s*AT\(\w+\),\s*(?:NULL|"[^"]*"),'
                   r"\s*" + NUMBER + r",\s*" + NUMBER + ","),
    "mig": ("client/config.c",
            r'\{ "(\w+)", CONF_(\w+),\s*offsetof\([^)]*\),\s*'
            r'(?:NULL|"[^"]*"),\s*' + NUMBER + r",\s*" + NUMBER + ","),
}
NAMES = {"INT64_MAX": 2 ** 63 - 1, "YEAR": 365 * 86400}

# what only the program knows: values of strings, of list items, of maps
STRINGS = {
    "mig-agent": {
        "state": ["relative", "", '"/a\\nb"', '"/a\\"b"'],
        "relay": ["host", "host:", ":8883", "[]:8883", "host:0", "host:65536",
                  "host:x", '"ho st:1"', "user@host:1", "host/x:1"],
        "proxy": ["host", "host:0", '"host:1" host', "http://host:1"],
        "name": ['""', "x" * 256],
        "tag": ["", "one", "a b c", "a 1\ntag a 2"],
        "net_user": ["0", "-1", "99999999999", '""', '"a b"', "a:b",
                     "x" * 40],
        "log": ["loud", '""', "INFO!", "0"],
        "hide": ["relative", '""', "/", "/a/../b", "/nowhere/of/the/state"],
        "notice": ["loud", '""', "0", "yes"],
        "notice_socket": ["relative", '""', '"/a\\nb"'],
    },
    "mig-server": {
        "state": ["relative", '""', '"/a\\"b"', "/" + "x" * 200],
        "name": ['""', ",", "a,,b", '"a b"', "https://a", "a/b", "-a"],
        "listen": ['"a b"', "http://x", "-x", "/x"],
        "relay_listen": ['"a b"', "tcp://x", '"0.0.0.0\\n"'],
        "relay_name": ["host", "host:0", "host:99999", "//host:1"],
        "user": ['""', '"a b"', "a:b", "-a"],
        "mosquitto": ['""', "mosquitto", "bin/mosquitto"],
        "metrics_open": ["maybe", '""', "YES"],
        "metrics_token": ["abc", "g" * 64, "a" * 63, "a" * 65,
                          hashlib.sha256(b"").hexdigest()],
        "log_level": ["loud", '""'],
        "trace": ["all", "http,everything"],
    },
    "mig": {
        "server": ["http://x:1", '""', "https://", "localhost:8443",
                   "https://x/path", "https://u@x"],
        "ca": ["abc", "g" * 64, "a" * 63, '""'],
        "key": ["abc", "DEADBEEF", "g" * 40, '""'],
        "gpghome": ["relative", '""'],
        "apikey": ["relative", '""'],
        "signer": ['""', "ssh:", "ssh:MD5:x", "alice"],
        "reader": ["abc", "alice@example.org", '""',
                   "A" * 40 + " " + "B" * 39],
        "target": ["", "one", 'a ""', "a b c", "a x\ntarget a y"],
    },
}


def value(text):
    n = 1
    for factor in text.split(" * "):
        n *= NAMES[factor] if factor in NAMES else int(factor)
    return n


def keys(prog):
    """{key: (type, min, max)}"""
    source, row = TABLES[prog]
    found = re.findall(row, (SOURCE / source).read_text())
    return {k: (t, value(a), value(b)) for k, t, a, b in found}


def bad_values(prog, key, kind, least, most):
    """Lines' rests, each wrong in another way."""
    yield "" if kind != "LIST" else '""'
    if key == next(iter(keys(prog))):   # what is no word is so for all
        yield from ['"open', '"x"y', '"\\q"', "\x01", "\udcff"]
    if kind not in ("LIST", "MAP"):
        yield '"a" "b"'
    if kind == "INT":
        yield from ["x", "1x", "1.5", "0x10", "1e3", "9" * 30, "-" + "9" * 30,
                    '""', "+1", "1,0"]
    elif kind == "SIZE":
        yield from ["x", "-1", "1.5m", "1q", "1 m", "9" * 30, "99999999999t",
                    '""', "m"]
    elif kind == "DURATION":
        yield from ["x", "-1s", "1.5h", "1y", "1 h", "9" * 30 + "s",
                    "99999999999999d", '""', "h"]
    elif kind == "BOOL":
        yield from ["maybe", "2", '""', "y"]
    if kind in ("INT", "SIZE", "DURATION") and (least or most):
        unit = "s" if kind == "DURATION" else ""
        if least > 0 or kind == "INT":
            yield f"{least - 1}{unit}"
        yield f"{most + 1}{unit}"
    yield from STRINGS[prog].get(key, [])


EXPECTED = re.compile(
    r"expected|is not |missing|unknown escape|control character|UTF-8|"
    r"given twice|closing quote|must not|at most|too long")


def run(prog, path):
    args = {"mig-agent": ["-n", "-c", path], "mig-server": ["-n", "-c", path],
            "mig": ["agents", "-c", path]}[prog]
    return subprocess.run(
        [program(prog), *args], capture_output=True, timeout=30, check=False,
        env={**os.environ, "HOME": str(path.parent)})


def test_the_tables_are_read_whole():
    for prog, (source, _) in TABLES.items():
        rows = re.findall(r'(?:X\(|\{ )"(\w+)", CONF_',
                          (SOURCE / source).read_text())
        found = keys(prog)
        assert sorted(rows) == sorted(found), prog
        open_kinds = {k for k, (t, _, _) in found.items()
                      if t in ("STR", "LIST", "MAP")}
        # a new string key says here what it cannot be
        assert set(STRINGS[prog]) == open_kinds, prog


@pytest.mark.parametrize("prog", TABLES)
@pytest.mark.parametrize("of", [pytest.param(4, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)])
def test_every_key_with_malformed_values(tmp_path, prog, of):
    """With one of so many values, from key to key another one of those that its type cannot have."""
    path = tmp_path / "the.conf"
    problems = []
    for i, (key, (kind, least, most)) in enumerate(keys(prog).items()):
        values = list(bad_values(prog, key, kind, least, most))
        for bad in values[i % min(of, len(values))::of]:
            path.write_bytes(f"# one\n\n{key} {bad}\n".encode(
                "utf-8", "surrogateescape"))
            p = run(prog, path)
            said = p.stderr.decode(errors="replace")
            line = 3 + bad.count("\n")
            where = f"{path}:{line}: "
            # what depends on the length of several things has no line
            alone = f"{path}: {key}" in said
            split = any(x in bad for x in ("\x01", "\udcff", '"open', '"x"y',
                                           '"\\q"'))
            if p.returncode not in (1, 2) or p.stdout:
                problems.append(f"{key} {bad!r} was taken: {said}")
            elif not alone and where not in said:
                problems.append(f"{key} {bad!r}: no {where}: {said}")
            elif not split and key not in said.replace(where, ""):
                problems.append(f"{key} {bad!r}: not named: {said}")
            elif not EXPECTED.search(said):
                problems.append(f"{key} {bad!r}: nothing expected: {said}")
            elif len(said) > 2048:
                problems.append(f"{key} {bad!r}: {len(said)} bytes")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("prog", TABLES)
def test_no_core_file_holds_keys(tmp_path, prog):
    """Looked at while it waits for its configuration, wherever it was started from."""
    path, most = tmp_path / "the.conf", resource.getrlimit(resource.RLIMIT_CORE)[1]
    if most == 0:
        pytest.skip("nobody here leaves a core file")
    os.mkfifo(path)
    with subprocess.Popen(
            [program(prog), "agents", "-c", path] if prog == "mig" else [program(prog), "-n", "-c", path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most))) as p:
        with open(path, "wb"):
            limits = pathlib.Path(f"/proc/{p.pid}/limits").read_text()
        p.wait(30)
    assert re.search(r"Max core file size +0 +0 ", limits), limits


@pytest.mark.parametrize("prog", ["mig-agent", "mig-server"])
def test_nothing_starts_with_a_wrong_value(tmp_path, prog):
    """The daemons themselves, one key of each type and those that belong
    together."""
    state = tmp_path / "state"
    together = {
        "mig-agent": ["worker_uid 2147483640", "\n".join(
            f"proxy host{i}:1" for i in range(100))],
        "mig-server": ["keep_results 2d\nkeep_actions 1d", "port 8883"],
    }[prog]
    table, seen, texts = keys(prog), set(), list(together)
    for key, (kind, least, most) in table.items():
        if kind not in seen:
            seen.add(kind)
            texts.append(f"{key} {list(bad_values(prog, key, kind, least, most))[-1]}")
    for text in texts:
        path = tmp_path / "the.conf"
        own = "" if text.startswith("state ") else f"state {state}\n"
        path.write_text(own + text + "\n")
        p = subprocess.run([program(prog), "run", "-c", str(path)]
                           if prog == "mig-agent" else
                           [program(prog), "-c", str(path), "run"],
                           capture_output=True, text=True, timeout=30,
                           check=False)
        assert p.returncode != 0 and str(path) in p.stderr, (text, p.stderr)
        assert text.split()[0] in p.stderr or "keep_actions" in p.stderr or \
            "relay_port" in p.stderr, (text, p.stderr)
        assert not state.exists(), text
