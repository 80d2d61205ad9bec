# SPDX-License-Identifier: MPL-2.0
"""The clock of the investigator's machine is off by minutes or a day, both ways, and so is what
gpg writes into signatures. What cannot be is refused in words that name the clock, nothing is
launched by half, what can be looked at is shown as it is; and when the clock is right all is as
before."""
import json
import re
import subprocess
import threading
import time

import pytest

import faultlib
import platformlib as lib
from faultlib import Control
from miglib import Gpg, answers_of, program
from test_client_local import Person, Server, accept, slow

MINUTE, HOUR, DAY = 60, 3600, 86400
SECONDS = 10


def old_key(gpg):
    """One that is there by every clock that is tried."""
    then = ("--faked-system-time", str(int(time.time()) - 30 * DAY))
    uid = "Alice Older <older@example.org>"
    gpg.run(*then, "--quick-generate-key", uid, "ed25519", "sign,cert", "never")
    out = gpg.run("--with-colons", "--list-keys", uid).stdout.decode()
    fpr = next(line.split(":")[9] for line in out.splitlines() if line.startswith("fpr:"))
    gpg.run(*then, "--quick-add-key", fpr, "cv25519", "encr", "never")
    return fpr


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = faultlib.Platform(tmp_path_factory.mktemp("clock"))
    try:
        p.fpr = old_key(p.gpg)
        p.tree = lib.make_tree_once(p.dir)
        p.setup().start().login()
        for name in ("a1", "a2"):
            p.agent(name, role="test").start()
        p.wait_online(2)
        yield p
    finally:
        p.stop()


@pytest.fixture(autouse=True)
def right(p):
    yield
    set_clock(p, 0)
    p.fault.clock(0)


def set_clock(p, offset):
    p.client.clock(offset)
    conf = p.gpg.home / "gpg.conf"
    conf.write_text(f"faked-system-time {int(time.time()) + offset}\n" if offset else "")


def session(p):
    return p.dir / "cache" / "mig" / "session"


def actions(p):
    return lib.rows(p, "SELECT COUNT(*) FROM actions")[0][0] + lib.rows(p, "SELECT COUNT(*) FROM waiting")[0][0]


def refused(p, q):
    assert q.returncode == lib.ERROR and "clock" in q.stderr and not q.stdout, (q.stdout, q.stderr)
    assert not lib.leftovers(p)


def results(p, ident):
    q = p.mig("results", ident, "--json", check=lib.FOUND)
    assert not answers_of(q)[1]["marks"], q.stdout
    return sorted(q.stdout.splitlines())


def asked(p, name):
    q = lib.ask(p, name)
    assert q.returncode == lib.FOUND, q.stderr
    answers, summary = answers_of(q)
    assert len(answers) == 2 and not summary["marks"], q.stdout
    return summary["id"]


@pytest.mark.parametrize("days", [-1, 1])
def test_a_day_off(p, days):
    ident = asked(p, f"before {days}")
    before, stored = results(p, ident), actions(p)
    set_clock(p, days * DAY)
    # with the session from before: by a clock that is ahead it has ended
    if days < 0:
        assert results(p, ident) == before
        assert "a1" in p.mig("agents", check=0).stdout
    refused(p, lib.ask(p, f"off by {days}"))
    # without one
    session(p).unlink(missing_ok=True)
    for args in (["agents"], ["status"], ["results", ident, "--json"], ["action", "cancel", ident], ["token", "make"],
                 lib.question(p, f"off by {days}"), [*lib.question(p, f"off by {days}"), "-weight", "2", "-cosign"]):
        refused(p, p.mig(*args))
    assert not session(p).exists() and actions(p) == stored
    set_clock(p, 0)
    assert results(p, ident) == before
    asked(p, f"after {days}")


def test_a_server_that_never_ends_an_action(tmp_path):
    """Two minutes after its end it is not waited for any more."""
    gpg = Gpg(tmp_path / "gpg")
    server = Server(tmp_path / "tls")
    control, stop, seen = Control(tmp_path / "fault"), threading.Event(), threading.Event()
    try:
        home = tmp_path / "home"
        home.mkdir()
        person = Person(home, gpg)
        person.configure(key=gpg.make_key("Alice Demo"))
        server.replies.update({
            ("POST", "/api/v1/sessions/nonce"): (200, {"nonce": "ab" * 32}),
            ("POST", "/api/v1/sessions"): (201, {"token": "cd" * 32, "expires": "2999-01-01T00:00:00Z"})})
        person.mig("init", "-server", server.url, "-ca", server.ca, check=0)
        accept(server, b"")
        post = server.replies["POST", "/api/v1/actions"]

        def endless():
            for line in slow(1, 0, 1, stop):
                seen.set()
                yield line

        def posted(body):
            status, answer = post(body)
            server.replies["GET", f"/api/v1/actions/{answer['id']}/results"] = lambda _: (200, endless())
            return status, answer
        server.replies["POST", "/api/v1/actions"] = posted
        q = subprocess.Popen([program("mig"), "file", "-path", "/etc", "-name", "x", "-y"], text=True,
                             env=control.env(person.env), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert seen.wait(20)
        control.clock(5 * MINUTE + 130)
        try:
            _, err = q.communicate(timeout=20)
        finally:
            q.kill()
        assert q.returncode == lib.INCOMPLETE and "the server does not end its answers" in err, err
    finally:
        stop.set()
        server.stop()
        gpg.stop()


@pytest.mark.parametrize("days", [-1, 1])
def test_signed_when_it_was_off(p, days, tmp_path):
    set_clock(p, days * DAY)
    signed = tmp_path / "signed"
    signed.write_text(p.mig(*lib.question(p, f"signed {days}")[:-1], "-s", check=0).stdout)
    set_clock(p, 0)
    stored = actions(p)
    q = p.mig("run", str(signed), "--json")
    assert q.returncode == lib.ERROR and actions(p) == stored
    said = " ended at .*, and it is .* here" if days < 0 else "in the future: a clock is wrong"
    assert re.search(said, q.stderr), q.stderr


def test_minutes_ahead(p):
    """The session is good yet, what is signed is not; and what ends in between is no more to be
    stopped from here, which says why."""
    ident = asked(p, "ten minutes ahead")
    stored = actions(p)
    set_clock(p, 10 * MINUTE)
    assert results(p, ident)
    refused(p, lib.ask(p, "of tomorrow"))
    q = p.mig("action", "cancel", ident)
    assert q.returncode == lib.ERROR and " here: there is nothing to cancel" in q.stderr, q.stderr
    assert actions(p) == stored
    assert lib.rows(p, "SELECT COUNT(*) FROM cancels") == [(0,)]
    set_clock(p, 0)
    p.mig("action", "cancel", ident, check=0)


def test_the_session_ends_by_the_servers_clock(p):
    """A client that is behind takes it for good, is told that it is not, and why it gets no other."""
    ident = asked(p, "before the session's end")
    token = json.loads(session(p).read_text())["token"]
    p.fault.clock(DAY)
    refused(p, p.mig("agents"))
    refused(p, p.mig("results", ident, "--json"))
    p.fault.clock(0)
    assert results(p, ident)
    assert json.loads(session(p).read_text())["token"] != token
