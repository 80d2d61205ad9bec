# SPDX-License-Identifier: MPL-2.0
"""mig against a real platform, as people use it: coming back to answers,
two signers, terminals of any width, agents that stay silent."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import miglib

FOUND, NOT_FOUND, ERROR, INCOMPLETE = 0, 1, 2, 3


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Files that agents' workers may read, whatever user they run as."""
    d = tmp_path_factory.mktemp("asked")
    (d / "one.conf").write_text("a=1\n")
    (d / "=cmd|x.conf").write_text("b\n")
    for parent in [d, *d.parents]:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def ident(process):
    return miglib.answers_of(process)[1]["id"]


@pytest.fixture(scope="module")
def asked(platform, tree):
    """One stored action; its id."""
    p = platform.mig("file", "-t", "all", "-path", tree, "-name", "conf$",
                     "--json", check=FOUND)
    return ident(p)


# --- stored answers -----------------------------------------------------------

@pytest.mark.parametrize("show, lines", [(None, 6), ("found", 6), ("all", 6),
                                         ("notfound", 0)])
def test_results_show(platform, asked, tree, show, lines):
    args = ["-show", show] if show else []
    p = platform.mig("results", asked[:12], *args, check=FOUND)
    rows = p.stdout.splitlines()
    assert len([r for r in rows if str(tree) in r]) == lines, p.stdout
    assert "3 agents asked, 3 done, 3 found" in p.stderr
    line = re.compile(rf"(web1|web2|db1) {re.escape(str(tree))}/one\.conf "
                      r"\[lastmodified:\d{4}-\d\d-\d\d [^]]* UTC, "
                      r"mode:-rw-r--r--, size:4\] in search 's1'")
    assert len([r for r in rows if line.fullmatch(r)]) == lines // 2


def test_results_not_found_are_shown_when_asked_for(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", tree, "-name", "^no$",
                     "--json", check=NOT_FOUND)
    for show, n in (("found", 0), ("notfound", 3), ("all", 3)):
        r = platform.mig("results", ident(p)[:8], "-show", show,
                         check=NOT_FOUND)
        assert r.stdout.count("0 match found") == n, (show, r.stdout)


def test_results_group(platform, asked, tree):
    p = platform.mig("results", asked, "--group", check=FOUND)
    rows = p.stdout.splitlines()
    assert re.match(r"3 agents: ", rows[0])
    assert set(re.split(", |: ", rows[0])[1:]) == {"web1", "web2", "db1"}
    assert len(rows) == 3 and all(r.startswith("  " + str(tree))
                                  for r in rows[1:])


def test_results_csv(platform, asked, tree):
    p = platform.mig("results", asked, "--csv", check=FOUND)
    rows = list(csv.DictReader(io.StringIO(p.stdout)))
    assert {r["name"] for r in rows} == {"web1", "web2", "db1"}
    assert sorted({r["file"] for r in rows}) == [f"{tree}/=cmd|x.conf",
                                                 f"{tree}/one.conf"]
    for row in rows:  # nothing that a spreadsheet would calculate
        assert not any(str(v)[:1] in tuple("=+-@") for v in row.values())


def test_results_json(platform, asked):
    p = platform.mig("results", asked, "--json", check=FOUND)
    answers, summary = miglib.answers_of(p)
    assert len(answers) == 3 and summary["id"] == asked
    assert (summary["sent"], summary["done"], summary["found"]) == (3, 3, 3)
    assert summary["exitcode"] == p.returncode


def test_last_is_the_last(platform, tree):
    p = platform.mig("file", "-t", "all", "-path", tree, "-name", "one",
                     "-n", "the last one", "--json", check=FOUND)
    for args in ([], ["last"]):
        shown = platform.mig("action", "show", *args, check=0).stdout
        assert ident(p) in shown and "the last one" in shown
    row = platform.mig("actions", "-limit", "1", check=0).stdout.splitlines()
    assert row[1].split()[0] == ident(p)[:12] and " 3/3 " in row[1]
    assert "Alice Demo" in row[1] and "example.org" not in row[1]


# --- what goes wrong ------------------------------------------------------------

@pytest.mark.parametrize("args, says", [
    (["file", "-t", "nam='x'", "-path", "/etc", "-name", "x"],
     "mig: target: character 1: nam is not a column"),
    (["results", "deadbeef"], "mig: no action deadbeef"),
    (["action", "show", "12"], "8 to 64 hex digits"),
    (["keyring"], "mig: keyring: say which: mig keyring add|list"),
    (["file", "-t", "name='nobody'", "-path", "/etc", "-name", "x"],
     "no agent matches this target; see: mig agents"),
])
def test_words_of_errors(platform, args, says):
    p = platform.mig(*args, check=ERROR)
    assert p.stderr.startswith("mig: ") and says in p.stderr, p.stderr
    assert not re.search(r"(\b\w+): \1: ", p.stderr), p.stderr


def test_session_that_ended_is_renewed(platform):
    path = platform.dir / "cache" / "mig" / "session"
    session = json.loads(path.read_text())
    path.write_text(json.dumps({**session, "token": "ab" * 32}))
    platform.mig("status", check=0)
    assert json.loads(path.read_text())["token"] != "ab" * 32


# --- terminals -------------------------------------------------------------------

class Terminal:
    """mig with a terminal of some width for all three of its channels."""

    def __init__(self, platform, columns, *args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""
        self.proc = subprocess.Popen(
            [miglib.program("mig"), *map(str, args)], stdin=slave,
            stdout=slave, stderr=slave, start_new_session=True,
            env={**platform.env, "TERM": "vt100"})
        os.close(slave)

    def read(self):
        if not select.select([self.master], [], [], 0.05)[0]:
            return self.proc.poll() is not None
        try:
            self.text += os.read(self.master, 65536).decode()
        except OSError:
            return True
        return False

    def until(self, pattern, seconds=20):
        miglib.wait_for(pattern, lambda: self.read() or
                        re.search(pattern, self.text), seconds)
        assert re.search(pattern, self.text), self.text

    def end(self):
        miglib.wait_for("its end", self.read)
        code = self.proc.wait(10)
        os.close(self.master)
        return code


@pytest.mark.parametrize("columns", [24, 80, 200])
def test_lists_fit_the_terminal(platform, asked, columns):
    for args in (["actions"], ["agents"]):
        t = Terminal(platform, columns, *args)
        assert t.end() == 0
        rows = [r for r in t.text.replace("\r", "").splitlines()
                if not r.startswith("mig: the terminal is too narrow for ")]
        assert len(rows) >= 2 and max(map(len, rows)) <= columns, t.text


@pytest.mark.parametrize("columns", [30, 100])
def test_interrupt_with_a_silent_agent(platform, tree, columns):
    """One of three is stopped: its name and why stand in the summary."""
    silent = platform.agents["db1"].daemon.proc
    os.kill(silent.pid, signal.SIGSTOP)
    try:
        t = Terminal(platform, columns, "file", "-t", "all", "-path", tree,
                     "-name", "one", "-y")
        t.until("2/3 answered, 2 found")
        for line in re.findall(r"\x1b\[K(\d/3 answered[^\r\x1b]*)", t.text):
            assert len(line) < columns
        os.kill(t.proc.pid, signal.SIGINT)
        assert t.end() == INCOMPLETE
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    assert ("3 agents asked, 2 done, 2 found, 0 failed, 1 not answered"
            in t.text)
    assert re.search(r"not answered: .*: 1 \(db1", t.text)
    again = re.search(r"mig results ([0-9a-f]{12})", t.text).group(1)

    def complete():
        p = platform.mig("results", again)
        return p.returncode == FOUND and p
    p = miglib.wait_for("the late answer", complete, 40)
    assert "3 agents asked, 3 done, 3 found" in p.stderr


def test_interrupt_on_this_machine(platform, tmp_path):
    """Ctrl-C of a local search: what it has, and that it is not all."""
    deep = tmp_path / "deep"
    for i in range(40):
        d = deep / str(i)
        d.mkdir(parents=True)
        for k in range(50):
            (d / f"f{k}").write_bytes(os.urandom(64) * 3000)
    for parent in [deep, *deep.parents]:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    start = time.monotonic()
    p = subprocess.Popen(
        [miglib.program("mig"), "file", "-t", "local", "-path", str(deep),
         "-content", "zz(a|b)+[0-9]{40}nothing", "-sha3", "ab" * 48,
         "-macroal"], env=platform.env, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    miglib.wait_for("the worker", lambda: subprocess.run(
        ["pgrep", "-P", str(p.pid)], capture_output=True).returncode == 0
        or p.poll() is not None)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    assert p.returncode == INCOMPLETE, (p.returncode, out, err)
    assert "1 agent asked" in err and time.monotonic() - start < 20


# --- two signers ------------------------------------------------------------------

@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A platform whose ACL wants two people for every question."""
    p = miglib.Platform(tmp_path_factory.mktemp("two"))
    p.bob = p.gpg.make_key("Bob Demo", algo="nistp256", encryption="nistp256")
    p.acl = {"default": {"minimumweight": 2, "investigators": {
        "alice": {"fingerprint": p.fpr, "weight": 1},
        "bob": {"fingerprint": p.bob, "weight": 1}}}}
    try:
        p.mig("keyring", "add", p.bob, check=0)
        p.setup()
        key = p.dir / "bob.keyring"
        whole = p.keyring.read_text()
        key.write_text(whole)
        p.start().login()
        listed = p.admin("investigator", "list").stdout
        if p.bob.lower() not in listed.lower():
            p.admin("investigator", "add", str(key))
        p.agent("one").start()
        p.wait_online(1)
        yield p
    finally:
        p.stop()


def as_bob(platform, *args, check=None):
    """Another person on another machine: own configuration, own session."""
    home = platform.dir / "bob"
    home.mkdir(exist_ok=True)
    env = {**platform.env, "HOME": str(home)}
    for kind in ("CONFIG", "CACHE", "DATA", "STATE"):
        env[f"XDG_{kind}_HOME"] = str(home / kind.lower())
    p = subprocess.run([miglib.program("mig"), *map(str, args)], env=env,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=60)
    if check is not None:
        assert p.returncode == check, (args, p.stdout, p.stderr)
    return p


def test_two_signers_end_to_end(two, tree, tmp_path):
    ask = ["file", "-t", "all", "-path", str(tree), "-name", "one"]
    alone = two.mig(*ask)  # her signature alone moves nobody
    assert alone.returncode in (ERROR, INCOMPLETE) and alone.stdout == ""
    f = tmp_path / "signed.json"
    two.mig(*ask, "-s", "-weight", "2", "-e", "10m", "-reader", two.bob, "-o",
            str(f), check=0)
    half = two.mig("run", str(f), check=ERROR)  # would spoil it for good
    assert "needs weight 2 and has 1 signature" in half.stderr
    as_bob(two, "init", "--server", two.url, "--ca", two.ca, "--key", two.bob,
           check=0)
    p = as_bob(two, "action", "sign", "-y", f, check=0)
    assert "2 signatures" in p.stderr and str(tree) in p.stderr
    p = as_bob(two, "run", f, check=FOUND)
    assert f"one {tree}/one.conf [" in p.stdout, p.stdout
    assert "1 agent asked, 1 done, 1 found" in p.stderr
    shown = as_bob(two, "action", "show", check=0).stdout
    assert "Alice Demo" in shown and "Bob Demo" in shown
    assert "(2 signatures)" in shown
    # the first signer is a reader, too
    ident = re.search(r"^action +([0-9a-f]{64})$", shown, re.M).group(1)
    p = two.mig("results", ident, check=FOUND)
    assert f"{tree}/one.conf" in p.stdout


# --- a server that alters a real stream ---------------------------------------------

class Recorded:
    """A real action with its real answers, and a server that replays them as
    a test likes it."""

    def __init__(self, platform, tree, directory):
        import test_client_local as local
        self.platform = platform
        self.ids = [ident(platform.mig(
            "file", "-t", "all", "-path", tree, "-name", "one", "-n", n,
            "--json", check=FOUND)) for n in ("first", "second")]
        session = json.loads((platform.dir / "cache" / "mig" /
                              "session").read_text())
        self.token = session["token"]
        self.shown = [json.loads(self.get(f"/actions/{i}")) for i in self.ids]
        self.lines = [[json.loads(x) for x in
                       self.get(f"/actions/{i}/results?after=0").splitlines()]
                      for i in self.ids]
        self.answers = [[x for x in lines if x["type"] == "answer"]
                        for lines in self.lines]
        self.server = local.Server(directory / "tls")
        self.server.replies.update({
            ("POST", "/api/v1/sessions/nonce"): (200, {"nonce": "ab" * 32}),
            ("POST", "/api/v1/sessions"): (201, {
                "token": "cd" * 32, "expires": "2999-01-01T00:00:00Z"}),
            ("GET", f"/api/v1/actions/{self.ids[0]}"): (200, self.shown[0])})
        self.env = {**platform.env, "HOME": str(directory)}
        for kind in ("CONFIG", "CACHE", "DATA", "STATE"):
            self.env[f"XDG_{kind}_HOME"] = str(directory / kind.lower())
        p = self.mig("init", "-server", self.server.url, "-ca",
                     self.server.ca, "-key", platform.fpr)
        assert p.returncode == 0, p.stderr

    def get(self, path):
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--cacert",
             str(self.platform.dir / "xdg" / "mig" / "ca.pem"), "-H",
             f"Authorization: Bearer {self.token}",
             self.platform.url + "/api/v1" + path], capture_output=True,
            check=True).stdout.decode()

    def mig(self, *args):
        return subprocess.run([miglib.program("mig"), *args], env=self.env,
                              capture_output=True, text=True, timeout=120)

    def replay(self, lines, *args):
        """What mig makes of these lines."""
        def chunks():
            for x in lines:
                yield (x if isinstance(x, bytes)
                       else json.dumps(x).encode()) + b"\n"
        self.server.replies["GET", f"/api/v1/actions/{self.ids[0]}/results"] \
            = lambda body: (200, chunks())
        return self.mig("results", self.ids[0], *args)


@pytest.fixture(scope="module")
def recorded(platform, tree, tmp_path_factory):
    pytest.importorskip("test_client_local")
    r = Recorded(platform, tree, tmp_path_factory.mktemp("replay"))
    yield r
    r.server.stop()


END = {"type": "end", "reason": "complete", "expected": 3, "answered": 3}


def test_replayed_answers_are_what_they_were(recorded):
    p = recorded.replay(recorded.lines[0])
    assert p.returncode == FOUND, p.stderr
    assert "3 agents asked, 3 done, 3 found" in p.stderr


def altered(answer):
    text = answer["answer"]
    at = len(text) // 2
    return {**answer, "answer":
            text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]}


@pytest.mark.parametrize("change, says, done", [
    (lambda r: [r.answers[0][0]] * 5 + r.answers[0], None, 3),
    (lambda r: r.answers[1], "it answers another action", 0),
    (lambda r: [{**r.answers[0][0], "agent": r.answers[0][1]["agent"]}],
     "another agent signed it", 0),
    (lambda r: [altered(a) for a in r.answers[0]], "is not believed", 0),
    (lambda r: [altered(r.answers[0][0])] + r.answers[0],
     "is not believed", 3),
    (lambda r: r.answers[0][:2], "1 not answered", 2),
], ids=["twice", "other action", "other agent", "altered", "altered first",
        "withheld"])
def test_altered_streams(recorded, change, says, done):
    p = recorded.replay([*change(recorded), END])
    assert f"3 agents asked, {done} done, {done} found" in p.stderr, p.stderr
    assert len(p.stdout.splitlines()) == done
    assert p.returncode == (FOUND if says is None else INCOMPLETE), p.stderr
    assert says is None or says in p.stderr


@pytest.mark.parametrize("line", [
    {"type": "progress", "expected": -7}, {"type": "progress",
                                           "answered": 1 << 60},
    {"type": "progress", "expected": "3"}, {"type": "progress",
                                            "online": 1.5},
    {"type": "end", "expected": {}}, [], {"type": 1}, {}])
def test_impossible_numbers_are_no_lines(recorded, line):
    p = recorded.replay([line, *recorded.answers[0], END])
    assert "a line that is no answer" in p.stderr, p.stderr
    assert "3 agents asked, 3 done, 3 found" in p.stderr


def test_invented_numbers(recorded):
    """The server's numbers are claims: what was counted here stays, and who
    was asked does not become fewer."""
    big = {"type": "progress", "expected": 10 ** 12, "sent": 1,
           "answered": 10 ** 12, "online": 0, "reconnecting": 10 ** 12,
           "left": 10 ** 12}
    p = recorded.replay([big, *recorded.answers[0], END])
    assert "1000000000000 agents asked, 3 done, 3 found" in p.stderr
    assert p.returncode == INCOMPLETE
    few = {"type": "end", "expected": 1, "answered": 1}
    p = recorded.replay([{**big, "expected": 3}, recorded.answers[0][0], few])
    assert "3 agents asked, 1 done" in p.stderr and "2 not answered" in p.stderr
    assert p.returncode == INCOMPLETE


def peak_of(recorded, lines):
    """Peak memory of mig in MB, measured by a parent of its own."""
    with_peak = ("import resource,subprocess,sys;"
                 "r=subprocess.run(sys.argv[1:]).returncode;"
                 "print('PEAK',resource.getrusage(resource.RUSAGE_CHILDREN)"
                 ".ru_maxrss//1024,file=sys.stderr);sys.exit(r)")
    real, recorded.mig = recorded.mig, lambda *a: subprocess.run(
        ["/usr/bin/python3", "-c", with_peak, miglib.program("mig"), *a],
        env=recorded.env, capture_output=True, text=True, timeout=120)
    try:
        p = recorded.replay(lines)
    finally:
        recorded.mig = real
    return p, int(re.search(r"PEAK (\d+)", p.stderr).group(1))


def test_a_flood_stays_small(recorded):
    """Many answers, forged ones and kinds of lines nobody knows: bounded
    memory, bounded words, and still the right result."""
    first, second, third = (json.dumps(a).encode()
                            for a in recorded.answers[0])
    bad = json.dumps(altered(recorded.answers[0][0])).encode()

    def flood():
        for _ in range(200):
            yield b'{"type":"news"}\n' * 4999 + b'{"type":"news"}'
        for _ in range(100):
            yield b"\n".join([first] * 30)
            yield b"\n".join([bad] * 30)
        yield second
        yield third
        yield END
    p, peak = peak_of(recorded, flood())
    assert peak < 64, peak
    assert len(p.stderr.splitlines()) < 200
    assert "3 agents asked, 3 done, 3 found" in p.stderr, p.stderr[-500:]
    assert "3000 not believed" in p.stderr and p.returncode == INCOMPLETE


def test_an_endless_line_stays_small(recorded):
    lines = [b"x" * 100_000_000, *recorded.answers[0], END]
    p, peak = peak_of(recorded, lines)
    assert "a line is too long" in p.stderr and peak < 96, (peak, p.stderr)
    assert "3 agents asked, 3 done, 3 found" in p.stderr
