# SPDX-License-Identifier: MPL-2.0
"""Agents behind a bad line: cut, slow, lossy, silent. Every question is
answered once by everyone, and who is away is told so within a bounded time."""
import json
import os
import re
import signal
import subprocess

import pytest

import faultlib
import miglib
import netlab
import platformlib as lib
from miglib import wait_for

KEEPALIVE = 5   # seconds; the smallest an agent takes
LONGEST = 40


class FarAgent(faultlib.Agent):
    def __init__(self, platform, name, tags):
        super().__init__(platform, name, tags)
        self.conf.write_text(self.conf.read_text() +
                             f"keepalive {KEEPALIVE}\n")
        self.daemon.argv = [*platform.lab.inside(platform.lab.agents),
                            *self.daemon.argv]

    def run(self, *args, **kw):
        lab = self.platform.lab
        return subprocess.run(
            [*lab.inside(lab.agents), miglib.program("mig-agent"), *args,
             "-c", str(self.conf)], capture_output=True, text=True,
            timeout=60, **kw)


class FarPlatform(faultlib.Platform):
    AGENT = FarAgent
    lab = None

    def __init__(self, directory, **kw):
        super().__init__(directory, **kw)
        self.url = f"https://{netlab.SERVER_IP}:{self.port}"
        self.here = self.lab.inside(self.lab.server)
        self.server.argv = [*self.here, *self.server.argv]

    def command(self, *args):
        """mig beside the server."""
        return [*self.here, miglib.program("mig"), *args]

    def mig(self, *args, timeout=60, check=None, near=True, **kw):
        argv = self.command(*args) if near else [
            *self.lab.inside(self.lab.agents), miglib.program("mig"), *args]
        p = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=timeout,
                           **kw)
        if check is not None:
            assert p.returncode == check, (args, p.stdout, p.stderr)
        return p

    def admin(self, *args, check=0):
        names = f"{netlab.SERVER_IP},localhost"
        return super().admin(*[names if a == "localhost,127.0.0.1" else a
                               for a in args], check=check)

    def answers(self):
        assert self.server.alive(), self.server.tail()
        return subprocess.run(
            [*self.here, "/usr/bin/python3", "-c", "import socket;"
             f"socket.create_connection(('{netlab.SERVER_IP}', {self.port}))"],
            capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    try:
        lab = netlab.Lab()
    except (RuntimeError, OSError) as e:
        pytest.skip(f"no network namespaces here: {e}")
    FarPlatform.lab = lab
    p = None
    try:
        p = lib.make_platform(tmp_path_factory.mktemp("net"),
                              kind=FarPlatform)
        yield p
    finally:
        if p is not None:
            p.stop()
        lab.close()


@pytest.fixture(autouse=True)
def good_line(p):
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES), LONGEST)
    yield
    p.lab.bad()
    p.lab.cut(False)


def start_asking(p, name, near=True, **kw):
    where = p.lab.server if near else p.lab.agents
    return subprocess.Popen(
        [*p.lab.inside(where), miglib.program("mig"),
         *lib.question(p, name, **kw)], env=p.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_answered(p, client, name):
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    assert json.loads(out.splitlines()[-1])["done"] == 3
    lib.check_again(p, lib.check_stored(p, name))


def test_the_line_is_what_it_says(p):
    """Without this the others would say nothing."""
    def ping(n, *options):
        out = subprocess.run(
            [*p.lab.inside(p.lab.agents), "/usr/bin/python3", "-c",
             "import socket,time\n"
             "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
             "s.settimeout(0.5)\n"
             "got=0;t=time.monotonic()\n"
             f"for i in range({n}):\n"
             f"  s.sendto(b'x'*500,('{netlab.SERVER_IP}',7777))\n"
             "  try: s.recv(999);got+=1\n"
             "  except OSError: pass\n"
             "print(got,time.monotonic()-t)"], capture_output=True, text=True)
        got, seconds = out.stdout.split()
        return int(got), float(seconds)
    echo = subprocess.Popen(
        [*p.here, "/usr/bin/python3", "-c",
         "import socket\n"
         "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
         f"s.bind(('{netlab.SERVER_IP}',7777));print('up',flush=True)\n"
         "while True: s.sendto(*s.recvfrom(999))"], stdout=subprocess.PIPE)
    try:
        echo.stdout.readline()
        assert ping(3)[0] == 3
        p.lab.bad(delay=0.1)
        got, seconds = ping(3)
        assert got == 3 and seconds >= 0.6
        p.lab.bad(loss=1)
        assert ping(2)[0] == 0
        p.lab.bad(rate=40000)   # 542 bytes need 0.1 s each way
        got, seconds = ping(2)
        assert got == 2 and seconds >= 0.4
    finally:
        p.lab.bad()
        echo.kill()
        echo.communicate()


@pytest.mark.parametrize("how, large", [
    ({"delay": 0.15, "rate": 256000}, False),
    ({"loss": 0.15}, False),
    ({"double": 0.3, "jitter": 0.03}, True),
    ({"loss": 0.05, "double": 0.1, "jitter": 0.02, "rate": 4000000}, True),
], ids=["slow", "lossy", "doubled and out of order", "all of it"])
def test_bad_line(p, how, large):
    name = f"line {sorted(how)}"
    p.lab.bad(**how)
    check_answered(p, start_asking(p, name, large=large), name)


def test_cut_while_answers_come(p):
    client = start_asking(p, "cut", large=True)
    wait_for("the action", lambda: lib.action_of(p, "cut"))
    p.lab.cut()
    p.lab.cut(False)
    check_answered(p, client, "cut")


def test_silent_line(p):
    """Nothing passes and nobody is told: both sides notice by themselves."""
    logs = [a.daemon.log.stat().st_size for a in p.agents.values()]
    p.lab.bad(loss=1)
    client = start_asking(p, "silent")
    wait_for("nobody online", lambda: p.status()["agents"]["online"] == 0,
             4 * KEEPALIVE)
    for agent, at in zip(p.agents.values(), logs):
        wait_for("the agent to notice", lambda: "relay_down" in
                 agent.daemon.log.read_text()[at:], 6 * KEEPALIVE)
    counts = lib.rows(p, "SELECT expected, answered FROM actions WHERE"
                      " name = 'silent'")
    assert counts == [(3, 0)]
    # who asks over it is told in words, not left waiting
    q = p.mig("agents", near=False)
    assert q.returncode == lib.ERROR
    assert re.search("cannot reach|does not answer", q.stderr), q.stderr
    p.lab.bad()
    wait_for("all back", lambda: lib.online(p) == list(lib.NAMES), LONGEST)
    check_answered(p, client, "silent")


def test_the_investigator_is_cut_off(p):
    """mig follows over the line: it goes on where it was."""
    hold = p.agents["a1"].daemon.proc.pid
    os.kill(hold, signal.SIGSTOP)
    try:
        client = start_asking(p, "cut off", near=False)
        wait_for("two answers", lambda: lib.rows(
            p, "SELECT answered FROM actions WHERE name = 'cut off'") ==
            [(2,)])
        p.lab.cut()
    finally:
        os.kill(hold, signal.SIGCONT)
    p.lab.cut(False)
    check_answered(p, client, "cut off")


def test_unreachable(p):
    """A port where nobody listens, and a name that is none."""
    for url, says in ((f"https://{netlab.SERVER_IP}:1", "refused"),
                      ("https://no.such.host.invalid:8443",
                       "Could not resolve")):
        q = p.mig("init", "--server", url, "--ca", p.ca, "--key", p.fpr,
                  near=False)
        assert q.returncode == lib.ERROR and says in q.stderr, q.stderr
        assert url in q.stderr
