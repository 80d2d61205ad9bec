# SPDX-License-Identifier: MPL-2.0
"""mig by itself: this machine, files, keys, and servers that misbehave."""
import base64
import contextlib
import csv
import datetime
import hashlib
import http.server
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import ssl
import stat
import subprocess
import threading
import time

import pytest

from miglib import Gpg, free_ports, program

SHARDS = 4
SECONDS = 60
FOUND, NOT_FOUND, ERROR, INCOMPLETE = 0, 1, 2, 3


class Person:
    """A home directory with its own gpg and configuration."""

    def __init__(self, directory, gpg=None):
        self.dir = directory
        self.gpg = gpg
        self.env = {"HOME": str(directory), "PATH": os.environ["PATH"],
                    "LC_ALL": "C.UTF-8"}
        if gpg is not None:
            self.env["GNUPGHOME"] = str(gpg.home)
        self.config = directory / ".config" / "mig" / "config"

    def mig(self, *args, check=None, stdin=None, env=None, tty=None):
        given = {"stdin": tty} if tty is not None else {"input": stdin or ""}
        p = subprocess.run([program("mig"), *map(str, args)],
                           env={**self.env, **(env or {})},
                           capture_output=True, text=True, timeout=60, **given)
        if check is not None:
            assert p.returncode == check, (args, p.returncode, p.stdout,
                                           p.stderr)
        # an error is one plain line that begins with the program's name
        if p.returncode == ERROR:
            assert p.stderr.splitlines()[-1].startswith("mig: "), p.stderr
        return p

    def configure(self, **values):
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text("".join(f'{k} "{v}"\n'
                                       for k, v in values.items()))


@pytest.fixture
def nobody(tmp_path):
    """Somebody without key, configuration or server."""
    home = tmp_path / "home"
    home.mkdir()
    return Person(home)


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    g = Gpg(tmp_path_factory.mktemp("gpg") / "home")
    g.alice = g.make_key("Alice Demo")
    g.bob = g.make_key("Bob Demo", algo="nistp256", encryption="nistp256")
    yield g
    g.stop()


@pytest.fixture
def alice(tmp_path, gpg):
    home = tmp_path / "alice"
    home.mkdir()
    p = Person(home, gpg)
    p.configure(key=gpg.alice)
    return p


@pytest.fixture
def tree(tmp_path):
    d = tmp_path / "tree"
    (d / "etc").mkdir(parents=True)
    (d / "etc" / "passwd").write_text("root:x:0:0\n")
    (d / "etc" / "we\x1b[31mird\n").write_text("x")
    for parent in [d, *d.parents]:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


# --- this machine -----------------------------------------------------------

@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "SIGCHLD ignored"])
def test_a_worker_that_was_killed_is_not_done(nobody, tmp_path, ignored):
    """It had said that there is nothing; also where whoever started mig wants no word of children."""
    worker = tmp_path / "mig-worker"
    worker.write_text('#!/bin/sh\ncat > /dev/null\nprintf \'{"foundanything":false,"success":true,'
                      '"elements":{"s1":[]},"statistics":{},"errors":null}\'\nkill -9 $$\n')
    worker.chmod(0o755)
    p = subprocess.run([program("mig"), "file", "-t", "local", "-path", "/etc", "-name", "^nothing$"], text=True,
                       env={**nobody.env, "MIG_LIBEXEC": str(tmp_path)}, capture_output=True, timeout=60, check=False,
                       preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN if ignored else signal.SIG_DFL))
    assert p.returncode == INCOMPLETE and "1 failed" in p.stderr, p


def test_local_needs_nothing(nobody, tree):
    p = nobody.mig("file", "-t", "local", "-path", tree, "-name", "^passwd$",
                   check=FOUND)
    assert f"{tree}/etc/passwd [" in p.stdout
    assert "1 found" in p.stderr
    assert list(nobody.dir.iterdir()) == []  # and leaves nothing behind


@pytest.mark.parametrize("args", [
    ["-path", "@", "-name", "^passwd$"], ["--path", "@", "--name", "^passwd$"],
    ["-path=@", "-name=^passwd$"], ["--path=@", "--name=^passwd$"]])
def test_every_way_to_write_an_option(nobody, tree, args):
    args = [a.replace("@", str(tree)) for a in args]
    p = nobody.mig("file", "-t", "local", *args, check=FOUND)
    assert "etc/passwd" in p.stdout


def test_not_found_and_incomplete_differ(nobody, tree):
    p = nobody.mig("file", "-t", "local", "-path", tree, "-name", "^no$",
                   check=NOT_FOUND)
    assert p.stdout == ""
    (tree / "log.gz").write_bytes(b"\x1f\x8b\x08 no more than a beginning")
    p = nobody.mig("file", "-t", "local", "-path", tree, "-decompress",
                   "-content", "^no$", check=INCOMPLETE)
    assert "not everything seen: corrupt" in p.stderr


@pytest.mark.parametrize("args", [["file", "-name", ".", "-path"],
                                  ["sshkey", "-path"],
                                  ["pkg", "-name", ".", "-root"]])
def test_a_path_that_is_not_there_hides_nothing(nobody, tree, args):
    p = nobody.mig(*args, tree / "mispelt", "-t", "local", check=NOT_FOUND)
    assert p.stdout == "" and "1 without a path asked for" in p.stderr
    p = nobody.mig(*args, tree / "mispelt", "-t", "local", "-show", "all",
                   check=NOT_FOUND)
    assert "missing" in p.stdout and "mispelt" in p.stdout


def test_show(nobody, tree):
    args = ["file", "-t", "local", "-path", tree, "-name", "^no$"]
    assert "0 match found" in nobody.mig(*args, "-show", "notfound").stdout
    assert "0 match found" in nobody.mig(*args, "-show=all").stdout
    p = nobody.mig(*args, "-show", "some", check=ERROR)
    assert "found, notfound or all" in p.stderr


def test_names_cannot_move_the_cursor(nobody, tree):
    for how in ([], ["-csv"], ["-group"], ["-json"]):
        p = nobody.mig("file", "-t", "local", "-path", tree, "-name", "ird",
                       *how, check=FOUND)
        assert "\x1b" not in p.stdout and "ird" in p.stdout
        assert len(p.stdout.splitlines()) == (1 if not how else 2)


def test_json_and_csv(nobody, tree):
    args = ["file", "-t", "local", "-path", tree, "-name", "^passwd$"]
    lines = [json.loads(x) for x in
             nobody.mig(*args, "--json", check=FOUND).stdout.splitlines()]
    assert len(lines) == 2
    op = lines[0]["operations"][0]
    assert op["module"] == "file" and op["status"] == "done"
    assert op["elements"]["s1"][0]["file"] == f"{tree}/etc/passwd"
    assert lines[1]["summary"] is True and lines[1]["found"] == 1
    rows = list(csv.DictReader(io.StringIO(
        nobody.mig(*args, "--csv", check=FOUND).stdout)))
    assert [r["file"] for r in rows] == [f"{tree}/etc/passwd"]
    p = nobody.mig(*args, "--csv", "--json", check=ERROR)
    assert "choose one" in p.stderr


@pytest.mark.parametrize("locale,stdout,stderr", [
    ("C.UTF-8", "\u011b2J", "\u011b2J"), ("C", "\\u011b2J", "\\u011b2J")])
def test_bytes_that_another_terminal_obeys(nobody, tmp_path, locale, stdout, stderr):
    """0x9b of UTF-8 begins a command in ISO 8859: the rest of a name erased the screen."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "\u011b2J").touch()
    master, slave = pty.openpty()
    for args, says in ((["file", "-t", "local", "-path", tmp_path / "d", "-name", "."], stdout),
                       (["x\u011b2J"], stderr)):
        subprocess.run([program("mig"), *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
                       env={**nobody.env, "LC_ALL": locale}, timeout=60, check=False)
        out = os.read(master, 65536).decode()
        assert says in out and ("\u011b" in out) == (locale != "C"), out
    os.close(master)
    os.close(slave)
    # what no terminal reads is as it was
    p = nobody.mig("file", "-t", "local", "-path", tmp_path / "d", "-name", ".", env={"LC_ALL": "C"})
    assert "\u011b2J" in p.stdout


@pytest.mark.parametrize("args", [
    ["file", "-t", "local", "-path", "/etc", "-name", "^passwd$"],
    ["version"], ["reader", "make"]])
def test_full_disk_is_an_error(nobody, args):
    with open("/dev/full", "w") as full:
        p = subprocess.run([program("mig"), *args], env=nobody.env, text=True,
                           stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == ERROR
    assert p.stderr.endswith("standard output: No space left on device\n")


@pytest.mark.parametrize("args,says", [
    (["file"], "nothing to look for"),
    (["file", "-t", "local", "-path", "/etc", "-mode", "0777"],
     "-mode: '0777' matches no mode"),
    (["file", "-t", "local", "-path", "/etc", "-mode", "^-rws"],
     "-mode: '^-rws' matches no mode: expected an expression for what stands as -rw-r--r-- for 0644, urwxr-xr-x"),
    (["file", "-t", "local", "-name", "x"], "-path"),
    (["file", "-t", "local", "-path", "/etc", "-nmae", "x"],
     "did you mean -name"),
    (["file", "-t", "local", "-path", "/etc", "-name"], "needs a value"),
    (["file", "-t", "local", "-path", "/etc", "-name", "["],
     "file: -name: '[' is not a regular expression"),
    (["file", "-t", "local", "-path", "etc", "-name", "x"], "file: -path: 'etc' is not an absolute"),
    (["file", "-t", "local", "-path", "/etc", "-size", "<"], "file: -size: '<' is not a size"),
    (["file", "-t", "local", "-path", "/etc", "-sha2", "abc"], "file: -sha2: 'abc' has 3 digits"),
    (["file", "-t", "local", "-path", "/etc", "-name", "x", "-mismatch", "y"], "file: -mismatch: expected name, "),
    (["file", "-t", "local", "-path", "/etc", "-returnsha256"], "-name . for all files"),
    (["netstat", "-t", "local", "-lp", "22", "-lp", "99999"], "netstat: -lp: '99999' is not a port"),
    (["ping", "-t", "local"], "ping: -d: expected the host to reach"),
    (["ping", "-t", "local", "-d", "a", "-c", "500"], "ping: -c 500: expected a whole number from 0 to 100"),
    (["ping", "-t", "local", "-d", "a", "-c", "x"], "ping: -c: 'x' is not a number from 0 to 100"),
    (["ping", "-t", "local", "-d", "a", "-dp", "443"], "ping: -dp: icmp has no ports: add -p tcp or -p udp"),
    (["ping", "-t", "local", "-d", "a", "-d", "b"], "ping: -d is given twice"),
    (["timedrift", "-t", "local", "-server", "a"], "timedrift: -drift: expected the most that the clock may be off"),
    (["timedrift", "-t", "local", "-drift", ""], "timedrift: -drift: it is empty"),
    (["agent", "-t", "local", "-stop", "5"], "agent: -stop PID and -version VERSION belong together"),
    (["agent", "-t", "local", "-stop", "1", "-version", "1"], "agent: -stop 1: expected a whole number from 2"),
    (["sshkey", "-t", "local", "-maxdepth", "5000"], "sshkey: -maxdepth 5000: expected a whole number from 0 to 1000"),
    (["memory", "-t", "local", "-bytes", "abc"], "memory: -bytes: 'abc' is no byte string"),
    (["pkg", "-t", "local", "-name", "("], "pkg: -name: '(' is not a regular expression"),
    (["file", "-t", "local", "/etc"], "unexpected word '/etc'"),
    (["file", "-matchall=1", "-path", "/etc"], "takes no value"),
    (["filr", "-path", "/etc"], "did you mean 'file'"),
    (["keyring"], "say which: mig keyring add|list"),
    (["keyring", "lst"], "there is no 'keyring lst'; say which: mig keyring add|list"),
    (["action", "show"], "nothing was launched"),
    (["action", "sign"], "usage: mig action sign [options] FILE"),
    (["xyzzy"], "mig help"),
    (["-i"], "needs a value"),
    (["-i", "/nonexistent/file"], "/nonexistent/file"),
    (["run"], "which file"),
    (["results", "zz"], "no action id"),
    (["results"], "nothing was launched"),
    (["status"], "mig init"),
    (["agents"], "mig init"),
    (["actions"], "mig init"),
    (["file", "-path", "/etc", "-name", "x"], "mig init"),
    (["file", "-path", "/etc", "-name", "x", "-e", "soon"], "-e soon"),
    (["file", "-path", "/etc", "-name", "x", "-e", "0s"], "-e 0s: expected a duration of 1s or more"),
    (["file", "-path", "/etc", "-name", "x", "-e", "5"], "-e 5: give a unit, as in 5m"),
    (["file", "-path", "/etc", "-name", "x", "-t", ""],
     "the target is empty: -t all asks every agent"),
    (["agents", "-t", " "], "the target is empty"),
    (["file", "-path", "/etc", "-name", "x", "-t", "local", "+", "file", "-path", "/etc",
      "-name", "x", "-t", "all"], "-t was given more than once: one condition"),
    (["token", "make", "-expires", "7"], "-expires 7: give a unit, as in 7d"),
    (["apikey", "make", "x", "-calls", "status", "-expires", "90"], "as in 90d"),
    (["policy", "edit", "/etc/passwd"], "needs a terminal: give -acl FILE"),
    (["file", "-path", "/etc", "-name", "x", "-weight", "0"], "1 to 1000"),
    (["file", "-path", "/etc", "-name", "x", "-t", "status='gone'"],
     "status"),
    (["file", "-s", "-path", "/etc", "-name", "x"], "mig init -key"),
    (["policy", "make"], "-keyring FILE -o FILE"),
    (["policy", "show", "/etc/passwd"], "/etc/passwd"),
    (["-c", "/nonexistent/config", "status"], "/nonexistent/config"),
])
def test_errors_say_what_to_do(nobody, args, says):
    p = nobody.mig(*args, check=ERROR)
    assert says in p.stderr
    assert p.stdout == ""


def test_configuration_errors_name_the_line(nobody):
    nobody.config.parent.mkdir(parents=True)
    nobody.config.write_text("# mine\nsrever https://x:1\n")
    p = nobody.mig("status", check=ERROR)
    assert "config:2" in p.stderr and "server" in p.stderr
    nobody.config.write_text("server https://x:1\nca 12\n")
    assert "64 hex" in nobody.mig("status", check=ERROR).stderr
    for word in "all", "online", "local":
        nobody.config.write_text(f"target {word} \"name = 'a'\"\n")
        p = nobody.mig("file", "-p", "-path", "/etc", "-name", "x", check=ERROR)
        assert f"target: '{word}' means something already" in p.stderr
    p = nobody.mig("-c", nobody.dir / "typo", "status", check=ERROR)
    assert "typo, which is not there; run: mig init" in p.stderr
    assert "is empty" in nobody.mig("-c", "", "status", check=ERROR).stderr


@pytest.mark.long
@pytest.mark.parametrize("args,says", [
    (["actoin", "show"], "did you mean 'action'?"), (["keyrnig"], "mean 'keyring'?"),
    (["help", "trsut"], "did you mean 'trust'?"),
    (["-t", "all", "file", "-path", "/etc", "-name", "x"], "the module stands first, then its options: mig file -t ..."),
    (["status", "x"], "unexpected word 'x'; usage: mig status [options]\n"),
    (["action", "sign", "a", "b"], "unexpected word 'b'; usage: mig action sign [options] FILE"),
    (["action", "sign"], "usage: mig action sign [options] FILE\n"),
    (["help", "keyring", "ad"], "there is no 'keyring ad'; say which: mig keyring add|list"),
    (["policy", "pin", "00ff"], "neither a file nor a policy's hash of 64"),
    (["policy", "pin", "./00ff"], "./00ff: No such file"),
    (["policy", "hash", "/etc/passwd"], "expected a policy as mig policy make"),
    (["investigators", "add", "/nosuch"], "mig: /nosuch: No such file or directory\n"),
    (["results", "last", "-o", "x", "-csv"], "without -csv"),
    (["results", "last", "-o", "x", "-show", "all"], "without -show"),
    (["results", "last", "-o", "x", "-group"], "without -group"),
])
def test_what_people_mistype(nobody, args, says):
    assert says in nobody.mig(*args, check=ERROR).stderr


def test_help_of_everything(nobody):
    top = nobody.mig("help", check=0).stdout
    assert top == nobody.mig("--help", check=0).stdout
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?) .*\S", top.split(
        "Commands")[1].split("Examples")[0], re.M)
    assert len(commands) > 15
    for c in commands:
        words = c.split()
        out = nobody.mig(*words, "--help", check=0).stdout
        assert out.startswith(f"usage: mig {c}") and "Options:" in out
        assert out == nobody.mig("help", *words, check=0).stdout
        assert max(len(line) for line in out.splitlines()) <= 80, c
    for flag in ("-path", "-content", "-t, -target", "-show", "-nowait"):
        assert flag in nobody.mig("file", "--help", check=0).stdout
    assert re.search(r"^ +1  file +linux +files by name", nobody.mig(
        "modules", check=0).stdout, re.M)
    listed = [json.loads(x) for x in nobody.mig(
        "modules", "-json", check=0).stdout.splitlines()]
    assert listed[0]["name"] == "file" and listed[0]["number"] == 1
    assert {"flag": "path", "field": "paths", "type": "strings",
            "value": "PATH",
            "help": "file or directory to search (absolute)"} in listed[0][
                "parameters"]
    assert nobody.mig("version").stdout == nobody.mig("-V").stdout


def test_help_fits_a_terminal(nobody):
    modules = [json.loads(x)["name"] for x in nobody.mig(
        "modules", "-json", check=0).stdout.splitlines()]
    assert len(modules) > 5
    for words in ([], *([m] for m in modules), ["init"], ["policy", "make"]):
        out = nobody.mig(*words, "--help", check=0).stdout
        wide = [x for x in out.splitlines() if len(x) > 80]
        assert not wide, (words, wide)


def test_help_of_a_group(nobody):
    """mig trust is no command; who asks for its help gets what there is."""
    out = nobody.mig("trust", "--help", check=0).stdout
    assert out.startswith("usage: mig trust COMMAND\n")
    assert re.findall(r"^  trust (\w+)", out, re.M) == [
        "list", "forget", "accept", "export", "import"]
    assert out == nobody.mig("help", "trust", check=0).stdout
    assert "See also: mig results share, mig results forget\n" in \
        nobody.mig("results", "--help", check=0).stdout
    assert "See also" not in nobody.mig("trust", "list", "--help", check=0).stdout
    for args in (["trusty", "--help"], ["help", "trusty"], ["help", "trust", "lost"]):
        assert "there is no " in nobody.mig(*args, check=ERROR).stderr


# --- several modules -----------------------------------------------------------

def test_several_modules_at_once(nobody, tree):
    one = ["file", "-path", tree, "-name", "^passwd$"]
    other = ["file", "-path", tree, "-name", "^nothing$"]
    p = nobody.mig(*one, "-t", "local", "+", *other, "-show", "all",
                   check=FOUND)
    lines = p.stdout.splitlines()
    assert " file: " in lines[0] and "etc/passwd" in lines[0]
    assert any("0 match found" in line for line in lines)
    p = nobody.mig(*one, "+", *other, "-t", "local", "-json", check=FOUND)
    parts = json.loads(p.stdout.splitlines()[0])["operations"]
    assert [x["foundanything"] for x in parts] == [True, False]
    # + as a value is a value, and what is after -- is no module
    doc = json.loads(nobody.mig("file", "-path", tree, "-content", "[+]",
                                "-name=a", "+", *other, "-p", "-t", "local",
                                check=0).stdout)
    assert len(doc["operations"]) == 2
    assert doc["name"].startswith("mig file -path")
    doc = json.loads(nobody.mig("file", "-path", "/+", "-name", "[+]", "-n", "+", "-p",
                                "-t", "local", check=0).stdout)
    assert doc["name"] == "+" and len(doc["operations"]) == 1


def test_local_modules_run_side_by_side(nobody, tree, tmp_path):
    """Each waits for the others; the answers keep the order of the question.
    The worker is a script beside a copy of mig."""
    mig = tmp_path / "mig"
    shutil.copy(program("mig"), mig)
    worker = tmp_path / "mig-worker"
    worker.write_text("""#!/bin/sh
read -r question
touch "$0.$$"
i=0
while [ "$(ls "$0".* | wc -l)" -lt 3 ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done
[ $i -lt 600 ] || exit 1
name=${question#*names*\\^}; name=${name%%\\$*}
echo '{"foundanything":false,"success":true,"elements":{},"statistics":{"name":"'$name'"},"errors":[]}'
""")
    worker.chmod(0o755)
    words = []
    for name in ("a", "b", "c"):
        words += ["+", "file", "-path", tree, "-name", f"^{name}$"]
    p = subprocess.run([mig, *map(str, words[1:]), "-t", "local", "-json"],
                       env=nobody.env, stdout=subprocess.PIPE, text=True, timeout=120,
                       check=False)
    parts = json.loads(p.stdout.splitlines()[0])["operations"]
    assert [x["statistics"]["name"] for x in parts] == ["a", "b", "c"]


@pytest.mark.parametrize("words,says", [
    (["+"], "which module after the last +"),
    (["+", "nope"], "no module 'nope'"),
    (["+", "file"], "file: nothing to look for"),
    (["+", "file", "-pth", "/"], "did you mean -path"),
    (["+", "file", "-path", "/", "word"], "unexpected word 'word'"),
])
def test_several_modules_errors(nobody, words, says):
    p = nobody.mig("file", "-path", "/", "-name", "x", "-t", "local", *words, check=ERROR)
    assert says in p.stderr and p.stdout == ""


# --- printing and signing -----------------------------------------------------

def test_printed_action_is_an_action_file(nobody, tree, tmp_path):
    p = nobody.mig("file", "-p", "-n", "my name", "-t", "local", "-path",
                   tree, "-name", "^passwd$", check=0)
    doc = json.loads(p.stdout)
    assert doc["syntaxversion"] == 3 and doc["name"] == "my name"
    assert doc["operations"][0]["module"] == "file"
    f = tmp_path / "a.json"
    nobody.mig("file", "-p", "-o", f, "-path", tree, "-name", "^passwd$",
               check=0)
    assert stat.S_IMODE(f.stat().st_mode) == 0o600
    for args in (["-i", f], ["run", f]):
        p = nobody.mig(*args, "-t", "local", check=FOUND)
        assert "etc/passwd" in p.stdout


@pytest.mark.parametrize("change,says", [
    (lambda d: d.pop("operations"), "operations"),
    (lambda d: d.update(extra=1), "extra"),
    (lambda d: d.update(syntaxversion=4), "syntaxversion"),
    (lambda d: d.update(name=1), "name"),
    (lambda d: d["operations"][0].update(module="nosuch"), "nosuch"),
    (lambda d: d["operations"][0]["parameters"]["searches"]["s1"].update(
        names=["["]), "names[0]"),
    (lambda d: d.update(require={"weight": 0}), "require"),
])
def test_bad_action_files(nobody, tree, tmp_path, change, says):
    doc = json.loads(nobody.mig("file", "-p", "-path", tree, "-name", "x",
                                check=0).stdout)
    change(doc)
    f = tmp_path / "a.json"
    f.write_text(json.dumps(doc))
    assert says in nobody.mig("-i", f, "-t", "local", check=ERROR).stderr


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", '{"a":1,"a":2}', '{"syntaxversion":3', "\xff",
    '{"document":1,"signatures":[]}', '{"document":"{}","signatures":[]}'])
def test_files_that_are_no_actions(nobody, tmp_path, text):
    f = tmp_path / "a.json"
    f.write_bytes(text.encode("latin-1"))
    nobody.mig("-i", f, "-t", "local", check=ERROR)


def test_old_action_file(nobody, tree, tmp_path):
    search = {"s1": {"paths": [str(tree)], "names": ["^passwd$"],
                     "options": {"matchall": True}}}
    f = tmp_path / "old.json"
    f.write_text(json.dumps({
        "name": "old", "target": "status='online' AND name LIKE 'w%'",
        "syntaxversion": 2, "operations": [
            {"module": "file", "parameters": {"searches": search}}]}))
    assert "passwd" in nobody.mig("-i", f, "-t", "local", check=FOUND).stdout
    doc = json.loads(nobody.mig("-i", f, "-p", check=0).stdout)
    assert doc["target"] == "(name LIKE 'w%') AND status = 'online'"
    assert doc["syntaxversion"] == 3


@pytest.mark.parametrize("target,kept", [
    ("local", "local"), ("all", "all"), ("online", "online"),
    ("name = 'a' OR status = 'b'", None),
    ("status='online' AND name = 'a'", "(name = 'a') AND status = 'online'")])
def test_a_draft_asks_whom_was_typed(nobody, tree, tmp_path, target, kept):
    """-t local -p, launched later, asked everybody."""
    f = tmp_path / "draft"
    p = nobody.mig("file", "-t", target, "-p", "-path", tree, "-name", "^passwd$")
    if kept is None:
        assert p.returncode == ERROR and "status is not a column" in p.stderr
        return
    f.write_text(p.stdout)
    assert json.loads(p.stdout)["target"] == kept
    again = json.loads(nobody.mig("-i", f, "-p", check=0).stdout)["target"]
    assert again.replace("((", "(").replace("))", ")") == kept
    if target == "local":
        assert "etc/passwd" in nobody.mig("-i", f, check=FOUND).stdout
        assert "-t local" in nobody.mig("-i", f, "-s", check=ERROR).stderr


def test_a_draft_keeps_its_limits(alice, tree, tmp_path):
    f = tmp_path / "draft"
    doc = json.loads(alice.mig("file", "-p", "-path", tree, "-name", "x", check=0).stdout)
    own = {"minpolicy": 7, "limits": {"seconds": 9, "cpuseconds": 8, "cpupercent": 5,
                                      "readbytes": 70000, "resultbytes": 5000}}
    f.write_text(json.dumps({**doc, **own}))
    printed = json.loads(alice.mig("-i", f, "-p", check=0).stdout)
    signed = json.loads(json.loads(alice.mig("-i", f, "-s", check=0).stdout)["document"])
    for d in printed, signed:
        assert {k: d[k] for k in own} == own
    f.write_text(json.dumps({**doc, "minpolicy": -1}))
    assert "minpolicy" in alice.mig("-i", f, "-p", check=ERROR).stderr


@pytest.mark.parametrize("args,says", [
    (["-t", "local", "-s"], "-s is about agents"),
    (["-t", "local", "-cosign"], "-cosign is about agents"),
    (["-t", "local", "-cosign-by", "x"], "-cosign-by is about agents"),
    (["-t", "local", "-target-found", "last"], "-target-found is about agents"),
    (["-t", "local", "-target-notfound", "last"], "-target-notfound is"),
    (["-o", "x"], "mig results ID -o DIR"), (["-p", "-s"], "one of -p and -s")])
def test_no_option_is_passed_by(nobody, tree, args, says):
    p = nobody.mig("file", *args, "-path", tree, "-name", "x", check=ERROR)
    assert says in p.stderr and not p.stdout


def test_who_is_online_is_not_signed(alice, tree):
    p = alice.mig("file", "-s", "-t", "online", "-path", tree, "-name", "x", check=0)
    assert "asks all that the target fits" in p.stderr


def raw_packets(envelope):
    out = []
    for armor in envelope["signatures"]:
        body = armor.split("\n\n", 1)[1].split("\n=")[0]
        out.append(base64.b64decode(body))
    return out


def signed_bytes(envelope):
    doc = envelope["document"].encode()
    return b"MIG action v3\n%d\n" % len(doc) + doc


def gpgv(gpg, tmp_path, packet, data):
    """The real gpgv's word on one signature."""
    keys = tmp_path / "keys.gpg"
    keys.write_bytes(gpg.run("--export").stdout)
    (tmp_path / "sig").write_bytes(packet)
    (tmp_path / "data").write_bytes(data)
    return subprocess.run(["gpgv", "--keyring", str(keys), "--status-fd", "1",
                           str(tmp_path / "sig"), str(tmp_path / "data")],
                          env=gpg.env, capture_output=True, text=True,
                          check=False)


def sign(person, tree, *args):
    p = person.mig("file", "-s", "-t", "name='web1'", "-path", tree, "-name",
                   "^passwd$", *args, check=0)
    return json.loads(p.stdout)


def test_sign_and_gpgv(alice, gpg, tree, tmp_path):
    env = sign(alice, tree, "-e", "1h", "-reader", gpg.bob)
    doc = json.loads(env["document"])
    assert doc["target"] == "name='web1'"
    assert [r.upper() for r in doc["seal"]["readers"]] == [gpg.alice, gpg.bob]
    assert len(env["signatures"]) == 1
    packet, = raw_packets(env)
    p = gpgv(gpg, tmp_path, packet, signed_bytes(env))
    assert p.returncode == 0 and gpg.alice in p.stdout, p.stderr
    assert gpgv(gpg, tmp_path, packet, signed_bytes(env) + b" ").returncode
    # the seal's secret half is for the readers, 32 bytes in base64
    key = gpg.run("--decrypt", input=doc["seal"]["key"].encode()).stdout
    assert len(base64.b64decode(key, validate=True)) == 32


def test_all_that_the_policy_allows_can_be_asked(alice, tree):
    """What is for agents whose clocks are behind is not over it."""
    def seconds(expire):
        doc = json.loads(sign(alice, tree, "-e", expire)["document"])
        ends = [datetime.datetime.fromisoformat(doc[k].replace("Z", "+00:00"))
                for k in ("validfrom", "expireafter")]
        return (ends[1] - ends[0]).total_seconds()
    week = 7 * 86400
    assert seconds("1h") == 3660
    assert seconds("7d") == seconds(f"{week - 1}s") == week
    assert seconds("8d") == 8 * 86400 + 60  # which agents refuse, and say


def test_two_signatures(alice, gpg, tree, tmp_path):
    f = tmp_path / "signed.json"
    alice.mig("file", "-s", "-weight", "2", "-o", f, "-path", tree, "-name",
              "^passwd$", check=0)
    home = tmp_path / "bob"
    home.mkdir()
    bob = Person(home, gpg)
    bob.configure(key=gpg.bob)
    text = f.read_text()
    before = json.loads(text)["document"]
    # without a terminal nobody is asked, and nothing signed; but all is shown
    for path, given in (f, None), ("-", text):
        p = bob.mig("action", "sign", path, stdin=given, check=ERROR)
        assert "nobody can be asked here" in p.stderr and "needs    weight 2" in p.stderr
        assert f.read_text() == text and p.stdout == ""
    p = bob.mig("action", "sign", "-y", f, check=0)
    assert "2 signatures" in p.stderr and "needs    weight 2" in p.stderr
    for who in alice, bob:      # who signs twice counts once, and is told
        p = who.mig("action", "sign", "-y", f, check=ERROR)
        assert "a signature of your key is there already" in p.stderr
    env = json.loads(f.read_text())
    assert len(env["signatures"]) == 2
    assert env["document"] == before
    for packet, fpr in zip(raw_packets(env), (gpg.alice, gpg.bob)):
        p = gpgv(gpg, tmp_path, packet, signed_bytes(env))
        assert p.returncode == 0 and fpr in p.stdout, p.stderr
    for args in (["-t", "all"], ["-target-found", "last"], ["-weight", "1"],
                 ["-reader", gpg.bob]):
        p = bob.mig("-i", f, *args, check=ERROR)
        assert f"the file is signed: {args[0]} cannot" in p.stderr


def test_what_cannot_be_signed(alice, tree, tmp_path, gpg):
    f = tmp_path / "x.json"
    env = sign(alice, tree, "-e", "1s")
    f.write_text(json.dumps(env))
    time.sleep(1.1)
    assert "this action ended at" in alice.mig("action", "sign", "-y", f, check=ERROR).stderr
    f.write_text("{}")
    assert str(f) in alice.mig("action", "sign", "-y", f, check=ERROR).stderr
    env["document"] = '{"syntaxversion": 3}'
    f.write_text(json.dumps(env))
    alice.mig("action", "sign", "-y", f, check=ERROR)
    p = alice.mig("file", "-s", "-reader", "0" * 40, "-path", tree, "-name",
                  "x", check=ERROR)
    assert "0" * 40 in p.stderr
    p = alice.mig("file", "-s", "-reader", "bob", "-path", tree, "-name", "x",
                  check=ERROR)
    assert "full fingerprint" in p.stderr
    alice.configure(key="0" * 40)
    alice.mig("file", "-s", "-path", tree, "-name", "x", check=ERROR)


# --- setting up ---------------------------------------------------------------

def test_init_without_server(tmp_path, gpg):
    home = tmp_path / "h"
    home.mkdir()
    p = Person(home, gpg)
    said = p.mig("init", check=ERROR).stderr  # two keys, nobody to ask
    assert gpg.alice.lower() in said.lower() and "-key" in said
    assert not p.config.exists()
    p.mig("init", "-key", gpg.bob, check=0)
    assert stat.S_IMODE(p.config.stat().st_mode) == 0o600
    assert gpg.bob.lower() in p.config.read_text().lower()
    p.mig("init", check=0)  # the same again, without asking
    assert "no secret key" in p.mig("init", "-key", "f" * 40,
                                    check=ERROR).stderr


def test_init_without_a_key(nobody, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    p = nobody.mig("init", check=ERROR, env={"GNUPGHOME": str(empty)})
    assert "--quick-generate-key" in p.stderr


@pytest.fixture(scope="module")
def odd_keys(tmp_path_factory):
    """Keys that must be refused, each with its reason."""
    g = Gpg(tmp_path_factory.mktemp("odd") / "home")
    g.keys = {"expired": g.make_key("Old Timer", expire="seconds=1"),
              "revoked": g.make_key("Re Voked"),
              "bit": g.make_key("Weak Key", algo="rsa1024", encryption="")}
    time.sleep(1.1)
    rev = g.home / "openpgp-revocs.d" / f"{g.keys['revoked']}.rev"
    g.run("--import", input=rev.read_bytes().replace(b":-----", b"-----"))
    g.good = g.make_key("Good Rsa", algo="rsa3072", encryption="rsa3072")
    yield g
    g.stop()


def test_keyring(alice, gpg, tmp_path):
    f = tmp_path / "keyring"
    pub = tmp_path / "bob.asc"
    pub.write_bytes(gpg.run("--armor", "--export", gpg.bob).stdout)
    alice.mig("keyring", "add", "-f", f, gpg.alice, pub, check=0)
    text = f.read_text()
    assert text.startswith("mig-keyring 3\n")
    assert text.count("\nperson ") == 2
    assert " ed25519 " in text and " p256 " in text
    alice.mig("keyring", "add", "-f", f, gpg.alice, check=0)
    assert f.read_text().count("\nperson ") == 2  # replaced, not doubled
    listed = alice.mig("keyring", "list", "-f", f, check=0).stdout
    assert "Alice Demo" in listed and "Bob Demo" in listed
    assert alice.mig("keyring", "list", f).stdout == listed
    assert "2 persons" in alice.mig("keyring", "check", f, check=0).stdout
    assert alice.mig("keyring", "export", "-f", f,
                     check=0).stdout == f.read_text()
    alice.mig("keyring", "remove", "-f", f, gpg.bob, check=0)
    assert f.read_text().count("\nperson ") == 1
    alice.mig("keyring", "remove", "-f", f, gpg.bob, check=ERROR)
    own = alice.mig("keyring", "export", check=0).stdout
    assert gpg.alice.lower() in own and gpg.bob.lower() not in own
    f.write_text(f.read_text() + "key what\n")
    assert "line" in alice.mig("keyring", "check", f, check=ERROR).stderr


@pytest.mark.parametrize("why", ["expired", "revoked", "bit"])
def test_keyring_refuses(nobody, odd_keys, tmp_path, why):
    f = tmp_path / "keyring"
    env = {"GNUPGHOME": str(odd_keys.home)}
    p = nobody.mig("keyring", "add", "-f", f, odd_keys.keys[why], env=env,
                   check=ERROR)
    assert why in p.stderr.lower()
    assert odd_keys.keys[why].lower() in p.stderr.lower()
    assert not f.exists()


def test_keyring_takes_the_good_of_many(nobody, odd_keys, tmp_path):
    f = tmp_path / "keyring"
    pub = tmp_path / "all.gpg"
    pub.write_bytes(odd_keys.run("--export").stdout)
    p = nobody.mig("keyring", "add", "-f", f, pub, check=INCOMPLETE)
    assert f.read_text().count("\nperson ") == 1
    assert odd_keys.good.lower() in f.read_text()
    for fpr in odd_keys.keys.values():
        assert fpr.lower() in p.stderr.lower()


def test_keyring_of_nonsense(nobody, tmp_path):
    f = tmp_path / "x"
    f.write_bytes(b"\x99\x01junk")
    nobody.mig("keyring", "add", "-f", tmp_path / "k", f, check=ERROR)
    p = nobody.mig("keyring", "add", "-f", tmp_path / "k", "alice@x",
                   check=ERROR)
    assert "neither a file nor a full fingerprint" in p.stderr
    assert not (tmp_path / "k").exists()


def test_a_private_key_is_not_quoted(nobody, gpg, tmp_path):
    key, k = tmp_path / "id", tmp_path / "k"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a=b", "-f", key],
                   check=True)
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True,
                         capture_output=True).stdout
    secret = gpg.run("--armor", "--export-secret-keys", gpg.bob).stdout
    texts = [key.read_bytes(), pem, b"\n# mine\n" + pem, secret,
             gpg.run("--export-secret-keys", gpg.bob).stdout]
    assert all(texts)
    for text in texts:
        key.write_bytes(text)
        p = nobody.mig("keyring", "add", "-f", k, key, check=ERROR)
        assert len(p.stderr.splitlines()) == 1, p.stderr
        assert "this is a private key; give its .pub" in p.stderr or \
            "this is a secret key; give the public one" in p.stderr
        assert not k.exists()


def test_policy(alice, gpg, tmp_path):
    keyring, out = tmp_path / "keyring", tmp_path / "policy"
    keyring.write_text(alice.mig("keyring", "export", check=0).stdout)
    alice.mig("policy", "make", "--keyring", keyring, "-o", out, check=0)
    data = out.read_bytes()
    ident = hashlib.sha256(b"MIG policy v3\n%d\n" % len(data) +
                           data).hexdigest()
    assert alice.mig("policy", "hash", out, check=0).stdout.strip() == ident
    shown = alice.mig("policy", "show", out, check=0).stdout
    assert ident in shown and '"minimumweight":1' in shown
    two = tmp_path / "policy2"
    make = ["policy", "make", "--keyring", keyring, "-o", two]
    assert "predecessor" in alice.mig(*make, "-version", "2",
                                      check=ERROR).stderr
    alice.mig(*make, "-version", "2", "-previous", ident, check=0)
    assert ident in alice.mig("policy", "show", two, check=0).stdout
    acl = tmp_path / "acl"
    acl.write_text('{"default": {"minimumweight": 0}}')
    assert str(acl) in alice.mig(*make, "-acl", acl, check=ERROR).stderr
    assert "-expires" in alice.mig(*make, "-expires", "long",
                                   check=ERROR).stderr
    two.unlink()
    p = alice.mig(*make, "-expires", "365", check=ERROR)
    assert "-expires 365: give a unit, as in 365d (s, m, h, d)" in p.stderr
    assert not two.exists()
    assert "warning: this policy ends in 7d" in alice.mig(*make, "-expires", "7d",
                                                          check=0).stderr
    assert "warning" not in alice.mig(*make, "-expires", "8d", check=0).stderr


# --- servers ------------------------------------------------------------------

def make_ca(d):
    """A CA and a server certificate; the CA's fingerprint."""
    d.mkdir()

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=d, check=True,
                       capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-subj", "/CN=MIG CA test", "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj",
            "/CN=localhost")
    (d / "ext").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-out", "leaf.pem", "-days", "2",
            "-extfile", "ext")
    (d / "chain.pem").write_text((d / "leaf.pem").read_text() +
                                 (d / "ca.pem").read_text())
    der = ssl.PEM_cert_to_DER_cert((d / "ca.pem").read_text())
    return hashlib.sha256(der).hexdigest()


class Server:
    """A server that says what a test tells it to."""

    def __init__(self, directory):
        self.ca = make_ca(directory)
        self.replies = {}
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                n = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(n).decode()
                path = self.path.split("?")[0]
                outer.requests.append((self.command, self.path, body,
                                       self.headers.get("Authorization")))
                reply = outer.replies.get((self.command, path), (404, {}))
                if callable(reply):
                    reply = reply(body)
                status, data = reply
                if hasattr(data, "__next__"):
                    self.stream(status, data)
                    return
                if not isinstance(data, bytes):
                    data = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, status, lines):
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for line in lines:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line),
                                                            line))
                        self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(directory / "chain.pem",
                                directory / "key.pem")
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                     Handler)
        self.httpd.socket = context.wrap_socket(
            self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.httpd.server_port}"
        self.thread = threading.Thread(target=self.httpd.serve_forever,
                                       daemon=True)
        self.thread.start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path / "tls")
    s.replies.update({
        ("POST", "/api/v1/sessions/nonce"): (200, {"nonce": "ab" * 32}),
        ("POST", "/api/v1/sessions"): (201, {
            "token": "cd" * 32, "expires": "2999-01-01T00:00:00Z"}),
        ("DELETE", "/api/v1/sessions"): (200, {}),
        ("GET", "/api/v1/status"): (200, {
            "version": "1\x1b[2J", "relay": "up",
            "agents": {"registered": 3, "online": 2}}),
    })
    yield s
    s.stop()


def test_pinned_ca(alice, server, gpg):
    p = alice.mig("init", "-server", server.url, check=ERROR)
    assert "-ca HEX" in p.stderr  # never trusted silently
    p = alice.mig("init", "-server", server.url, "-ca", "00" * 32,
                  check=ERROR)
    assert "in between" in p.stderr
    assert server.requests == []  # nothing was sent to a stranger
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    # logged in with a document made here
    body = json.loads(server.requests[1][2])
    doc = json.loads(body["document"])
    assert doc["server"] == server.url and doc["ca"] == server.ca
    assert doc["nonce"] == "ab" * 32 and len(body["signatures"]) == 1
    token = alice.dir / ".cache" / "mig" / "session"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    p = alice.mig("status", check=0)
    assert "3 registered" in p.stdout and "\x1b" not in p.stdout
    assert server.requests[-1][3] == "Bearer " + "cd" * 32
    assert len(server.requests) == 3  # no second login
    alice.mig("logout", check=0)
    assert not token.exists()


def test_another_ca_later(alice, server, tmp_path):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    other = Server(tmp_path / "other")
    try:
        text = alice.config.read_text()
        alice.config.write_text(text.replace(server.url, other.url))
        p = alice.mig("login", check=ERROR)
        assert "pinned CA" in p.stderr
        assert other.requests == []
        # the same server again, now with another CA: the pin holds
        assert "in between" in alice.mig("init", check=ERROR).stderr
    finally:
        other.stop()
    pem = alice.config.parent / "ca.pem"
    pem.write_text((tmp_path / "other" / "ca.pem").read_text())
    assert "is not the CA" in alice.mig("login", check=ERROR).stderr


@pytest.mark.parametrize("reply, says", [
    ((200, b""), ""), ((200, b"<html>Welcome"), "line 1"), ((200, []), "expected an object"),
    ((404, {"error": {"code": "not_found", "message": "no such call"}}), "no such call")])
def test_not_every_answer_means_that_it_is_done(alice, server, reply, says):
    """It may come from something in between, or from another server than was asked."""
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    for method, path, words in (("DELETE", "/agents/" + AGENT[:12], ["agents", "revoke", AGENT[:12], "-y"]),
                                ("DELETE", "/tokens/" + AGENT, ["token", "revoke", AGENT]),
                                ("DELETE", "/apikeys/x", ["apikey", "revoke", "x"]),
                                ("DELETE", "/sessions", ["logout"])):
        server.replies[method, "/api/v1" + path] = reply
        p = alice.mig(*words, check=ERROR)
        assert says in p.stderr and "revoked" not in p.stdout + p.stderr, (p.stdout, p.stderr)
        assert server.requests[-1][:2] == (method, "/api/v1" + path)
    server.replies["POST", "/api/v1/tokens"] = (201, {"sha256": "ab" * 32}) if reply[0] == 200 else reply
    p = alice.mig("token", "make", check=ERROR)
    assert "--token" not in p.stdout and ("names another sha256" in p.stderr or reply[0] != 200), p.stderr


def bearers(server):
    return {r[3] for r in server.requests}


def test_an_api_key_goes_to_its_own_platform_only(alice, server, tmp_path):
    """A key file names the CA; a bare one is of the platform that the configuration was for."""
    other, key, bare = Server(tmp_path / "other"), tmp_path / "key", tmp_path / "bare"
    other.replies = server.replies
    server.replies["POST", "/api/v1/apikeys"] = (201, {})
    to, moved = (("-server", s.url, "-ca", s.ca) for s in (server, other))
    try:
        alice.mig("init", *to, check=0)
        alice.mig("apikey", "make", "x", "-calls", "status", "-o", str(key), check=0)
        secret, names = key.read_text().splitlines()
        assert re.fullmatch("mig-key-[0-9a-f]{64}", secret) and names == f"ca {server.ca}"
        bare.write_text(secret + "\n")
        bare.chmod(0o600)
        pem = alice.config.parent / "ca.pem"
        for file, named, why in ((key, ["-apikey", str(key)], "is not for this server"),
                                 (key, [], "is not for this server"),
                                 (bare, [], "was for another platform")):
            alice.mig("init", *to, "-apikey", str(file), check=0)
            assert "Bearer " + secret == server.requests[-1][3]
            before = alice.config.read_text(), pem.read_text()
            for args in (moved, (*moved, "-no-login")):
                p = alice.mig("init", *args, *named, check=ERROR)
                assert why in p.stderr and str(file) in p.stderr, p.stderr
                assert before == (alice.config.read_text(), pem.read_text())
        alice.mig("init", *to, "-apikey", "none", check=0)
        # named by the environment: for another configuration, and beside -apikey
        for file, why in ((key, "is not for this server"), (bare, "was for another platform")):
            p = alice.mig("init", *moved, "-apikey", str(bare), check=ERROR,
                          env={"MIG_API_KEY_FILE": str(file)})
            assert why in p.stderr
        alice.mig("init", *moved, "-no-login", check=0)
        p = alice.mig("status", check=ERROR, env={"MIG_API_KEY_FILE": str(key)})
        assert "is not for this server" in p.stderr and server.ca in p.stderr
        assert other.requests == []
        # whoever says that it is of this one
        alice.mig("init", *moved, "-apikey", str(bare), check=0)
        assert bearers(other) == {"Bearer " + secret}
        for text in (f"{secret}\nca {server.ca[:-1]}\n", f"{secret}\nca {server.ca}\nx\n",
                     f"{secret}\n{names[3:]}\n", f"{secret}\n{names}\0"):
            bare.write_text(text)
            assert "not an API key as mig" in alice.mig("status", check=ERROR).stderr, text
    finally:
        other.stop()


def test_the_file_of_an_api_key(alice, server, tmp_path):
    """It can be written before the key is made; it is found through its link, and nobody else's."""
    server.replies["POST", "/api/v1/apikeys"] = (403, {"error": {"code": "denied", "message": "no"}})
    make = "apikey", "make", "x", "-calls", "status", "-o"
    one, two, link = (tmp_path / n for n in ("one", "two", "link"))
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    alice.mig(*make, one, check=ERROR)
    assert not one.exists()
    server.replies["POST", "/api/v1/apikeys"] = (201, {})
    alice.mig(*make, one, check=0)
    alice.mig(*make, two, check=0)
    before, n = one.read_text(), len(server.requests)
    for path, why in ((one, "is there already"), (tmp_path / "none/x", "No such file")):
        p = alice.mig(*make, path, check=ERROR)
        assert why in p.stderr and "no key was made" in p.stderr
    assert one.read_text() == before and len(server.requests) == n
    link.symlink_to(one)
    alice.mig("init", "-apikey", os.path.relpath(link), check=0)
    link.unlink()
    link.symlink_to(two)
    alice.mig("status", check=0)
    assert server.requests[-1][3] == "Bearer " + two.read_text().splitlines()[0]
    if os.geteuid() == 0:
        os.chown(two, 12345, 12345)
        assert "of another user (uid 12345)" in alice.mig("status", check=ERROR).stderr


def test_wrong_name(alice, server):
    url = server.url.replace("localhost", "127.0.0.1")
    p = alice.mig("init", "-server", url, "-ca", server.ca, check=ERROR)
    assert server.requests == []
    assert "127.0.0.1" in p.stderr


def test_nobody_there(alice, server):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    dead = f"https://localhost:{free_ports(1)[0]}"
    alice.config.write_text(alice.config.read_text().replace(server.url,
                                                             dead))
    p = alice.mig("status", check=ERROR)
    assert "refused" in p.stderr and dead in p.stderr
    assert "mig-server running" in p.stderr


def test_comments_of_the_configuration_stay(alice, server):
    alice.config.write_text(f"# mine\nkey {alice.gpg.alice}\n  #reader x  \ntarget web \"name = 'a'\"\n# end")
    for _ in range(2):
        alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
        lines = alice.config.read_text().splitlines()
        assert lines[0].startswith("# mig's configuration") and lines[1:4] == ["# mine", "  #reader x  ", "# end"]
        assert sum(x.lstrip().startswith("#") for x in lines) == 4
        assert f"server {server.url}" in lines and "target web \"name = 'a'\"" in lines


@pytest.mark.parametrize("closed,code", [
    ("<&-", FOUND), (">&-", ERROR), ("2>&-", FOUND), ("<&- >&- 2>&-", ERROR)])
def test_closed_descriptors(alice, server, closed, code):
    """No connection and no file gets the number of one, and what is printed."""
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    p = subprocess.run(["sh", "-c", f'exec "$0" status -json {closed}',
                        program("mig")], env=alice.env, text=True,
                       capture_output=True, timeout=60)
    assert p.returncode == code, p
    assert ('"relay"' in p.stdout) == (code == FOUND)
    if closed == ">&-":
        assert "standard output: Bad file descriptor" in p.stderr


def test_token_that_ended_is_replaced(alice, server):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    good = server.replies["GET", "/api/v1/status"]
    answers = iter([(401, {"error": {"code": "session", "message": "old"}}),
                    good])
    server.replies["GET", "/api/v1/status"] = lambda body: next(answers)
    alice.mig("status", check=0)
    assert [r[1] for r in server.requests].count("/api/v1/sessions") == 2


@pytest.mark.parametrize("reply,says", [
    ((500, b"<html>"), "500"),
    ((403, {"error": {"code": "x", "message": "not \x1b[2J you"}}), "not "),
    ((403, {"error": "x"}), "403"),
    ((403, {"error": {"message": ["x"]}}), "403"),
    ((200, b""), "empty"),
    ((200, b"{"), "answer"),
    ((200, b"[]"), "object"),
    ((200, b'{"a":1,"a":2}'), "duplicate"),
    ((302, b""), "302"),
])
def test_odd_answers(alice, server, reply, says):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    server.replies["GET", "/api/v1/status"] = reply
    p = alice.mig("status", check=ERROR)
    assert says in p.stderr and "\x1b" not in p.stderr


AGENT = "00112233445566778899aabbccddeeff" * 2


def accept(server, lines):
    """Takes every action and answers with these lines."""
    def post(body):
        env = json.loads(body)
        ident = hashlib.sha256(signed_bytes(env)).hexdigest()
        base = f"/api/v1/actions/{ident}"
        server.replies["GET", base + "/results"] = (200, lines)
        server.replies["GET", base + "/agents"] = (
            200, json.dumps({"agent": AGENT, "name": "we\x1bb1",
                             "state": "sent", "online": False,
                             "lastseen": 1700000000000}).encode() + b"\n")
        return 201, {"id": ident, "expected": 1, "online": 1}
    server.replies["POST", "/api/v1/actions"] = post
    server.replies["POST", "/api/v1/targets"] = (200, {
        "count": 1, "online": 1, "agents": [{"id": AGENT, "name": "web1",
                                             "online": True}]})


END = b'{"type":"end","reason":"complete","expected":1,"answered":1}\n'


@pytest.mark.parametrize("lines,says", [
    (END, "not answered"),
    (b"junk\n" + END, "no answer"),
    (b'{"type":"answer","cursor":1,"agent":"%s","answer":"AAAA"}\n' %
     AGENT.encode() + END, "not believed"),
    (b'{"type":"answer","cursor":1,"agent":"%s","answer":"%s"}\n' %
     (AGENT.encode(), base64.b64encode(b"\3\1\0\0" + bytes(500))) + END,
     "not believed"),
    (b"x" * 30_000_000 + b"\n" + END, "too long"),
    (b"junk\n" * 1000, "too many lines"),
], ids=["silent", "junk", "short", "forged", "huge", "flood"])
def test_hostile_results(alice, server, tree, lines, says):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    accept(server, lines)
    p = alice.mig("file", "-path", tree, "-name", "^passwd$")
    assert p.returncode in (ERROR, INCOMPLETE), p.stderr
    assert says in p.stderr
    assert p.stdout == "" and "\x1b" not in p.stderr


def test_server_names_another_action(alice, server, tree):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    accept(server, END)
    server.replies["POST", "/api/v1/actions"] = (
        201, {"id": "ee" * 32, "expected": 1, "online": 1})
    p = alice.mig("file", "-path", tree, "-name", "x", check=ERROR)
    assert "another id" in p.stderr


def test_results_of_another_action(alice, server, tree):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    doc = sign(alice, tree)["document"]
    server.replies["GET", "/api/v1/actions/" + "ee" * 32] = (
        200, {"document": doc})
    for args in ["results"], ["action", "show"], ["action", "show", "-json"]:
        p = alice.mig(*args, "ee" * 32, check=ERROR)
        assert "another action" in p.stderr and not p.stdout


def test_delivery_wish_and_count(alice, server, tree):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    accept(server, END)
    alice.mig("file", "-t", "online", "-path", tree, "-name", "x",
              check=INCOMPLETE)
    sent = {r[1]: json.loads(r[2]) for r in server.requests
            if r[0] == "POST" and r[2]}
    assert sent["/api/v1/targets"] == {"target": "all", "online": True}
    assert sent["/api/v1/actions"]["delivery"] == "online"
    server.replies["POST", "/api/v1/targets"] = (
        200, {"count": 0, "online": 0, "agents": []})
    n = len(server.requests)
    p = alice.mig("file", "-path", tree, "-name", "x", check=ERROR)
    assert "no agent" in p.stderr
    assert [r[1] for r in server.requests[n:]] == ["/api/v1/targets"]


# --- at a terminal ------------------------------------------------------------

class Terminal:
    """mig with a terminal of its own as standard input and error."""

    def __init__(self, person, *args):
        self.master, slave = pty.openpty()
        self.text = ""
        self.proc = subprocess.Popen(
            [program("mig"), *map(str, args)], stdin=slave, stderr=slave,
            stdout=subprocess.PIPE, env={**person.env, "TERM": "vt100"},
            start_new_session=True)
        os.close(slave)

    def read_until(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, (pattern, self.text)
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if not ready:
                continue
            try:
                self.text += os.read(self.master, 65536).decode()
            except OSError:  # the other side is closed
                break
        assert re.search(pattern, self.text), (pattern, self.text)

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        out, _ = self.proc.communicate(timeout=20)
        with contextlib.suppress(AssertionError):
            self.read_until("(?!)", 0.5)
        os.close(self.master)
        return self.proc.returncode, out.decode()


def slow(expected, answered, online, stop):
    """Progress every 50 ms until the test is over."""
    line = json.dumps({"type": "progress", "expected": expected, "sent": 1,
                       "answered": answered, "online": online,
                       "reconnecting": 0, "left": None}).encode() + b"\n"
    while not stop.is_set():
        yield line
        time.sleep(0.05)


@pytest.fixture
def waiting(alice, server, tree):
    """A person with a server whose agents take their time."""
    stop = threading.Event()
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    accept(server, END)
    post = server.replies["POST", "/api/v1/actions"]

    def slow_post(body):
        status, answer = post(body)
        path = f"/api/v1/actions/{answer['id']}/results"
        server.replies["GET", path] = (200, slow(2, 0, 1, stop))
        return status, {**answer, "expected": 2}
    server.replies["POST", "/api/v1/actions"] = slow_post
    alice.ask = ["file", "-path", tree, "-name", "x"]
    yield alice
    stop.set()


def test_agents_listing(alice, server):
    """Hellos that do not verify are the server's word; online is filtered."""
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    rows = [{"id": AGENT, "name": "we\x1bb1", "online": True, "lastseen": 1,
             "hello": "AAAA"},
            {"id": "ff" * 32, "name": "db1", "online": False}]
    server.replies["GET", "/api/v1/agents"] = (
        200, b"".join(json.dumps(r).encode() + b"\n" for r in rows))
    p = alice.mig("agents", check=0)
    assert "does not verify" in p.stdout and "server's word" in p.stderr
    assert "\x1b" not in p.stdout and len(p.stdout.splitlines()) == 3
    for args in (["-t", "online"], ["-online"],
                 ["-t", "name='x' AND status='online'"]):
        p = alice.mig("agents", *args, check=0)
        assert "db1" not in p.stdout
        assert "online=1" in server.requests[-1][1]
    lines = alice.mig("agents", "-json", check=0).stdout.splitlines()
    assert [json.loads(x)["verified"] for x in lines] == [False, False]
    for bad in (b"junk\n", b"{}\n", b'{"id":1}\n', b"x" * 2000000,
                json.dumps(rows[0]).encode()):
        server.replies["GET", "/api/v1/agents"] = (200, bad)
        alice.mig("agents", check=ERROR)


def test_whether_agents_are_left_out_is_not_always_known(alice, server):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    facts = dict.fromkeys(("os", "arch", "ident", "version", "mode",
                           "environment", "tags", "addresses"), "")
    text = json.dumps({"id": AGENT, "name": "web1", "first": 1, "seen": 1,
                       "connection": 1, "hello": 1, "row": json.dumps(facts),
                       "rowseen": int(time.time())})
    known = alice.dir / ".local/share/mig/known"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(f"{hashlib.sha256(text.encode()).hexdigest()[:16]} "
                     f"{text}\n")
    server.replies["GET", "/api/v1/agents"] = (200, b"")
    p = alice.mig("agents", check=0)
    assert "does not list it" in p.stdout and "not known" not in p.stderr
    p = alice.mig("agents", "-t", "nonsense(", check=NOT_FOUND)
    assert "whether the server left out agents is not known" in p.stderr


def test_an_audit_log_without_entries(alice, server):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    server.replies["GET", "/api/v1/audit"] = (200, b"".join(
        b'{"type":"%s","n":0,"chain":"%s"}\n' % (kind, b"0" * 64)
        for kind in (b"start", b"end")))
    for _ in range(2):      # nor is anything remembered of it
        p = alice.mig("audit", "verify", check=0)
        assert p.stdout == "" and "no entries yet" in p.stderr


def test_no_is_no(waiting, server):
    for answer in ("n\n", "\n", "\x04"):
        t = Terminal(waiting, *waiting.ask)
        t.read_until(r"Ask 1 agent \(1 online\)\? \[y/N\] $")
        t.type(answer)
        code, _ = t.end()
        assert code == ERROR and "not launched" in t.text
    assert "/api/v1/actions" not in [r[1] for r in server.requests]


def test_what_cannot_be_undone_is_asked_for(alice, server):
    alice.mig("init", "-server", server.url, "-ca", server.ca, check=0)
    known = alice.dir / ".local/share/mig/known"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(f"{AGENT} 17 web1\n")
    before = known.read_text()
    server.replies["DELETE", "/api/v1/agents/" + AGENT[:12]] = (200, {})
    for args, asks in ((["agents", "revoke", AGENT[:12]], r"\(web1\) for good\? \[y/N\] $"),
                       (["trust", "forget", "-all"], r"all agents that are known here\? \[y/N\] $")):
        for answer, code in (("n\n", ERROR), ("y\n", 0)):
            n = len(server.requests)
            t = Terminal(alice, *args)
            t.read_until(asks)
            t.type(answer)
            assert t.end()[0] == code
            did = [r for r in server.requests[n:] if r[0] == "DELETE"] or known.read_text() != before
            assert bool(did) == (code == 0), t.text
    known.write_text(before)
    for args in ["agents", "revoke", AGENT[:12], "-y"], ["trust", "forget", "-all", "-y"]:
        assert Terminal(alice, *args).end()[0] == 0


def test_progress_and_interrupt(waiting):
    t = Terminal(waiting, *waiting.ask)
    t.read_until(r"\? \[y/N\] $")
    t.type("y\n")
    t.read_until(r"\r\x1b\[K0/2 answered, 0 found")
    t.proc.send_signal(signal.SIGINT)
    code, out = t.end()
    assert code == INCOMPLETE and out == ""
    # the line is gone before the summary is written, and not drawn again
    rest = t.text.rsplit("\r\x1b[K", 1)[1]
    assert rest.startswith("2 agents asked, 0 done")
    assert re.search(r"To see them: mig results [0-9a-f]{12}", rest)


def test_interrupted_while_the_connection_is_lost(waiting, server):
    post = server.replies["POST", "/api/v1/actions"]

    def cut(body):
        status, answer = post(body)
        server.replies["GET", f"/api/v1/actions/{answer['id']}/results"] = (503, {})
        return status, answer
    server.replies["POST", "/api/v1/actions"] = cut
    t = Terminal(waiting, *waiting.ask, "-y")
    t.read_until("connection lost, trying again")
    t.proc.send_signal(signal.SIGINT)
    code, _ = t.end()
    assert code == INCOMPLETE and "2 agents asked" in t.text and "To see them: mig results" in t.text


def test_interrupted_while_it_is_sent(waiting, server):
    """Nobody knows whether it was launched: said, and how to find out."""
    came, held = threading.Event(), threading.Event()

    def post(_):
        came.set()
        held.wait(20)
        return 503, {}
    server.replies["POST", "/api/v1/actions"] = post
    p = subprocess.Popen([program("mig"), *map(str, waiting.ask)], env=waiting.env, text=True,
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert came.wait(20)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=20)
    held.set()
    assert p.returncode == ERROR, (p.returncode, err)
    assert re.search(r"launched is not known \(mig results [0-9a-f]{12} tells\): interrupted", err)


def test_launched_and_cannot_be_followed(waiting):
    """Exit code 2 alone would say that nothing was launched."""
    known = waiting.dir / ".local/share/mig/known"
    known.mkdir(parents=True)
    p = waiting.mig(*waiting.ask, check=ERROR)
    assert re.search(r"launched, but .*\(mig results [0-9a-f]{12}\): .*known", p.stderr)


def test_second_interrupt_ends_at_once(waiting, server):
    t = Terminal(waiting, *waiting.ask, "-y")
    t.read_until("0/2 answered")
    held = threading.Event()
    for key in [k for k in server.replies if k[1].endswith("/agents")]:
        server.replies[key] = lambda body: (held.wait(20), (200, b""))[1]
    t.proc.send_signal(signal.SIGINT)
    time.sleep(0.3)
    t.proc.send_signal(signal.SIGINT)
    code, _ = t.end()
    held.set()
    assert code in (128 + signal.SIGINT, -signal.SIGINT)


def test_nowait(waiting, server):
    def online(body):
        return 200, slow(2, 0, 0, threading.Event())
    post = server.replies["POST", "/api/v1/actions"]

    def quick(body):
        status, answer = post(body)
        path = f"/api/v1/actions/{answer['id']}/results"
        server.replies["GET", path] = online
        return status, answer
    server.replies["POST", "/api/v1/actions"] = quick
    start = time.monotonic()
    p = waiting.mig(*waiting.ask, "-nowait", check=INCOMPLETE)
    assert time.monotonic() - start < 15
    assert re.search(r"not answered: offline: 1 \(\S+ since 2023-11-14",
                     p.stderr)
