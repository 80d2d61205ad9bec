# SPDX-License-Identifier: MPL-2.0
"""A real platform for tests: gpg home, mig-server, mig-agents, mig.

Everything lives below one temporary directory and is stopped by pid. Nothing
sleeps for a guess: wait_for() polls a condition and fails with its name.
"""
import base64
import contextlib
import fcntl
import json
import os
import pathlib
import random
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

import gpgend

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", ROOT / "build")).resolve()
BIN = pathlib.Path(os.environ.get("MIG_BIN", BUILD / "src")).resolve()


def program(name):
    path = BIN / name
    assert path.exists(), f"{path} is not built: ./dev build"
    return str(path)


def wait_for(what, condition, seconds=60):
    """Polls until condition() is true; returns its value. One that starts
    programs is asked less often, so that others have the processor."""
    end = time.monotonic() + seconds
    while True:
        before = os.times()
        value = condition()
        after = os.times()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        spent = sum(after[2:4]) - sum(before[2:4])      # by programs
        time.sleep(min(0.02 + 4 * spent, 0.3))


PORTS = range(12000, 32000)     # below those of outgoing connections
TAKEN = {}                      # by this process: port -> nothing


def free_port():
    """No other test takes it as long as this process lives: tests run side by
    side, and a daemon that was stopped shall find its port again."""
    if not TAKEN:
        # one byte a port; closed, and so given back, at the end of the process
        TAKEN[0] = open(pathlib.Path(tempfile.gettempdir(),
                                     f"mig-ports-{os.getuid()}"), "a+b")
    for port in random.sample(PORTS, 1000):
        if port in TAKEN:
            continue
        try:
            fcntl.lockf(TAKEN[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        TAKEN[port] = None
        return port
    raise AssertionError("no free port")


def free_ports(n):
    return [free_port() for _ in range(n)]


class Gpg:
    """A throw-away GNUPGHOME with keys made by the real gpg."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.home.mkdir(mode=0o700, parents=True)
        self.env = {**os.environ, "GNUPGHOME": str(self.home)}
        self.watcher = gpgend.watch(self.env)

    def run(self, *args, **kw):
        kw.setdefault("check", True)
        return subprocess.run(
            ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback",
             "--passphrase", "", *args],
            env=self.env, capture_output=True, **kw)

    def make_key(self, name, algo="ed25519", encryption="cv25519",
                 expire="never"):
        """Primary signing key plus encryption subkey; the fingerprint."""
        uid = f"{name} <{name.lower().replace(' ', '.')}@example.org>"
        self.run("--quick-generate-key", uid, algo, "sign,cert", expire)
        out = self.run("--with-colons", "--list-keys", uid).stdout.decode()
        fpr = next(line.split(":")[9] for line in out.splitlines()
                   if line.startswith("fpr:"))
        if encryption:
            self.run("--quick-add-key", fpr, encryption, "encr", "never")
        return fpr

    def detach_sign(self, fpr, data):
        return self.run("--local-user", fpr, "--detach-sign",
                        input=data).stdout

    def stop(self):
        subprocess.run(["gpgconf", "--kill", "all"], env=self.env,
                       check=False, capture_output=True)
        gpgend.end(self.watcher)


class Daemon:
    """One child process with its log in a file."""

    def __init__(self, argv, log, env=None):
        self.argv = argv
        self.log = pathlib.Path(log)
        self.env = env
        self.proc = None

    def start(self):
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.env, start_new_session=True)
        return self

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=35):
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(seconds)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError(
                    f"{self.argv[0]} did not stop: {self.tail()}")
        return self.proc.returncode

    def kill(self):
        """SIGKILL, as a crash."""
        self.proc.kill()
        self.proc.wait()

    def tail(self, n=40):
        if not self.log.exists():
            return ""
        return "\n".join(
            self.log.read_text(errors="replace").splitlines()[-n:])


class Agent:
    def __init__(self, platform, name, tags):
        self.platform = platform
        self.name = name
        self.dir = platform.dir / f"agent-{name}"
        self.dir.mkdir()
        self.conf = self.dir / "agent.conf"
        lines = [f"state {self.dir}/state", f"name {name}"]
        lines += [f"tag {k} {v}" for k, v in tags.items()]
        self.conf.write_text("\n".join(lines) + "\n")
        self.daemon = Daemon([program("mig-agent"), "run", "-c",
                              str(self.conf)], self.dir / "log")

    def run(self, *args, **kw):
        return subprocess.run([program("mig-agent"), *args, "-c",
                               str(self.conf)], capture_output=True,
                              text=True, timeout=60, **kw)

    def enrol(self, token=None, policy=True):
        p = self.platform
        args = ["enrol", p.url, "--ca", p.ca, "--token", token or p.token()]
        if policy:
            args += ["--policy", str(p.policy)]
        return self.run(*args)

    def start(self):
        self.daemon.start()
        return self


class Platform:
    """mig-server with its relay, an investigator and agents, on loopback."""

    AGENT = Agent

    def __init__(self, directory, acl=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.gpg = Gpg(self.dir / "gnupg")
        self.port, self.relay_port = free_ports(2)
        self.url = f"https://localhost:{self.port}"
        self.state = self.dir / "server"
        self.conf = self.dir / "server.conf"
        self.policy = self.dir / "policy"
        self.agents = {}
        self.env = {**self.gpg.env, "XDG_CONFIG_HOME": str(self.dir / "xdg"),
                    "XDG_CACHE_HOME": str(self.dir / "cache"),
                    "XDG_DATA_HOME": str(self.dir / "data"),
                    "XDG_STATE_HOME": str(self.dir / "state"),
                    "HOME": str(self.dir / "home"), "LC_ALL": "C.UTF-8"}
        (self.dir / "home").mkdir()
        self.fpr = self.gpg.make_key("Alice Demo")
        self.keyring = self.dir / "keyring"
        self.acl = acl
        self.limits = None
        self.persons = ""           # lines of a keyring, for the policy only
        self.ca = None
        self.server = Daemon(
            [program("mig-server"), "run", "-c", str(self.conf)],
            self.dir / "server.log")

    # --- commands ---------------------------------------------------------
    def mig(self, *args, timeout=60, check=None, **kw):
        """Runs mig without a terminal; the finished process."""
        p = subprocess.run([program("mig"), *args], env=self.env,
                           stdin=kw.pop("stdin", subprocess.DEVNULL),
                           capture_output=True, text=True, timeout=timeout,
                           **kw)
        if check is not None:
            assert p.returncode == check, (args, p.returncode, p.stdout,
                                           p.stderr)
        return p

    def admin(self, *args, check=0):
        p = subprocess.run([program("mig-server"), *args, "-c",
                            str(self.conf)], capture_output=True, text=True,
                           timeout=60)
        assert p.returncode == check, (args, p.returncode, p.stdout, p.stderr)
        return p

    # --- life --------------------------------------------------------------
    def setup(self):
        self.mig("keyring", "add", self.fpr, check=0)
        self.keyring.write_text(self.mig("keyring", "export", check=0).stdout)
        everybody = self.dir / "keyring-of-policy"
        everybody.write_text(self.keyring.read_text() + self.persons)
        args = ["policy", "make", "--keyring", str(everybody), "-o",
                str(self.policy)]
        if self.acl is not None:
            path = self.dir / "acl.json"
            path.write_text(json.dumps(self.acl))
            args += ["--acl", str(path)]
        if self.limits is not None:
            path = self.dir / "limits.json"
            path.write_text(json.dumps(self.limits))
            args += ["--limits", str(path)]
        self.mig(*args, check=0)
        out = self.admin("init", "--name", "localhost,127.0.0.1", "--port",
                         str(self.port), "--relay-port", str(self.relay_port),
                         "--policy", str(self.policy), "--investigator",
                         str(self.keyring), "--state", str(self.state))
        self.ca = re.search(r"\b[0-9a-f]{64}\b", out.stdout).group(0)
        return self

    def start(self):
        self.server.start()
        wait_for("the server's API", self.answers, 30)
        return self

    def answers(self):
        assert self.server.alive(), self.server.tail()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def login(self):
        self.mig("init", "--server", self.url, "--ca", self.ca, "--key",
                 self.fpr, check=0)
        return self

    def token(self, uses=1):
        out = self.admin("token", "--uses", str(uses)).stdout
        return re.search(r"--token (\S+)", out).group(1)

    def agent(self, name, **tags):
        a = self.AGENT(self, name, tags)
        self.agents[name] = a
        p = a.enrol()
        assert p.returncode == 0, (p.stdout, p.stderr)
        return a

    def status(self):
        # 3: the server is there, its relay is not (yet)
        p = self.mig("status", "--json")
        assert p.returncode in (0, 3), (p.stdout, p.stderr)
        return json.loads(p.stdout)

    def wait_online(self, n, seconds=30):
        def enough():
            for a in self.agents.values():
                if a.daemon.proc is not None:
                    assert a.daemon.alive(), a.daemon.tail()
            # 2: the API of a server that was just killed may come and go
            p = self.mig("status", "--json")
            assert p.returncode in (0, 2, 3), (p.stdout, p.stderr)
            return (p.returncode != 2 and
                    json.loads(p.stdout)["agents"]["online"] >= n)
        wait_for(f"{n} agents online", enough, seconds)

    def stop(self):
        errors = []
        for d in [a.daemon for a in self.agents.values()] + [self.server]:
            try:
                d.stop()
            except AssertionError as e:
                errors.append(str(e))
        self.gpg.stop()
        assert not errors, errors


def answers_of(process):
    """The answer lines of `mig … --json` (the last line is the summary)."""
    lines = [json.loads(x) for x in process.stdout.splitlines() if x.strip()]
    return lines[:-1], lines[-1]


# --- stores -------------------------------------------------------------------

def one_back(path):
    """The store as the version before wrote it: the newest step of schema.c undone."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        version, = db.execute("PRAGMA user_version").fetchone()
        assert version == 12, "another step is the newest: undo that one here"
        db.execute("DROP INDEX answers_different")
        db.execute(f"PRAGMA user_version = {version - 1}")
        db.commit()
        return version


# --- envelopes ----------------------------------------------------------------

def binary(envelope):
    """The binary envelope (src/action/envelope.h) of the JSON form."""
    doc = envelope["document"].encode()
    sigs = [dearmor(s) for s in envelope["signatures"]]
    return pack(doc, sigs)


def pack(doc, sigs):
    out = b"MIG3" + bytes([len(sigs), 0, 0, 0])
    out += len(doc).to_bytes(4, "big") + doc
    for s in sigs:
        out += len(s).to_bytes(2, "big") + s
    return out


def dearmor(text):
    lines = text.strip().splitlines()
    body = lines[lines.index("") + 1:-1]
    return base64.b64decode("".join(x for x in body if not x.startswith("=")))
