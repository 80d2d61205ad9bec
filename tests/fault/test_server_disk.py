# SPDX-License-Identifier: MPL-2.0
"""Disks that are full or cannot be written, a store that is locked, damaged or
gone, clocks that jump: the investigator and health are told in words, nothing
is lost, and it goes on by itself."""
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

import faultlib
import miglib
import platformlib as lib
from faultlib import ALWAYS, cases
from miglib import answers_of, wait_for

SECONDS = 20
SERVER = "mig-server"


def mount(path, options):
    path.mkdir(parents=True, exist_ok=True)
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none",
                        str(path)], capture_output=True, text=True)
    if p.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {p.stderr.strip()}")


def unmount(path):
    subprocess.run(["umount", "-l", str(path)], check=True)


class Small(faultlib.Platform):
    """The server's state on a small disk of its own."""

    def setup(self):
        mount(self.state, "size=16m,mode=755")
        super().setup()
        text = self.conf.read_text()
        text = re.sub(r"(?m)^disk_reserve .*\n", "", text)
        self.conf.write_text(text + "disk_reserve 0\n")
        return self

    def stop(self):
        try:
            super().stop()
        finally:
            unmount(self.state)

    def fill(self):
        """Not a byte is left."""
        fd = os.open(self.state / "filler", os.O_WRONLY | os.O_CREAT)
        os.lseek(fd, 0, os.SEEK_END)
        with contextlib.suppress(OSError):
            while True:
                os.write(fd, bytes(4096))
        os.close(fd)

    def free(self):
        (self.state / "filler").unlink(missing_ok=True)

    def mode(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.state)],
                       check=True)


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("disk"), kind=Small)
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(request):
    if "p" in request.fixturenames:
        p = request.getfixturevalue("p")
        lib.check_descriptors(p)
    yield
    if "p" in request.fixturenames:
        p.fault.disarm_all()
        p.client.disarm_all()
        lib.check_descriptors(p)


def problems(p):
    return " ".join(lib.health(p)[1].get("problems", []))


def check_recovered(p, name):
    wait_for("health again", lambda: lib.is_well(p))
    q = lib.ask(p, name)
    assert q.returncode == lib.FOUND, q.stderr
    lib.check_again(p, lib.check_stored(p, name))
    assert not lib.leftovers(p)


# --- a full disk -----------------------------------------------------------------

def test_full_disk(p):
    lib.ask(p, "before it is full")
    p.fill()
    try:
        q = lib.ask(p, "while it is full", large=True)
        assert q.returncode == lib.ERROR, (q.stdout[-300:], q.stderr)
        assert "disk is full" in q.stderr and "free" in q.stderr
        assert lib.action_of(p, "while it is full") is None
        wait_for("health", lambda: "disk is full" in problems(p))
        # what is there can be read
        p.mig("actions", check=0)
        p.mig("agents", check=0)
    finally:
        p.free()
    check_recovered(p, "room again")


@pytest.mark.long
def test_answers_wait_on_the_agents(p):
    """The disk is full when they come: none is acknowledged, none is lost."""
    name = "full when answers come"
    held = p.fault.hang(SERVER, "core.action_stored")
    client = lib.start_asking(p, name)
    held.wait()
    p.fill()
    held.release()
    try:
        time_of = wait_for("an answer that cannot be stored",
                           lambda: "disk is full" in problems(p), 30)
        assert time_of
        n, _ = lib.action_of(p, name)
        assert lib.rows(p, "SELECT COUNT(*) FROM answers WHERE action = ?",
                        n) == [(0,)]
    finally:
        p.free()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    lib.check_again(p, lib.check_stored(p, name))


@pytest.mark.long
def test_agents_that_come_and_go_while_it_is_full(p):
    """What nobody waits for is written later: who is there, and hellos."""
    p.fill()
    try:
        agent = p.agents["a3"]
        agent.daemon.stop()
        wait_for("a failing store", lambda: "disk is full" in problems(p))
        out = json.loads(p.mig("status", "--json", check=0).stdout)
        assert out["agents"]["online"] == 2
        agent.conf.write_text(agent.conf.read_text() + "tag later yes\n")
        agent.start()
        wait_for("three online", lambda: p.status()["agents"]["online"] == 3)
    finally:
        p.free()
    wait_for("its new hello in the store", lambda: lib.rows(
        p, "SELECT a.online FROM agents a JOIN hellos h ON h.n = a.n WHERE"
        " a.name = 'a3' AND h.tags LIKE '%later%'") == [(1,)])
    check_recovered(p, "they came and went")


def test_read_only(p):
    """Told at once, and it goes on when it can be written."""
    p.server.stop()
    p.mode("ro")
    at = p.server.log.stat().st_size
    try:
        p.server.start()
        assert p.server.proc.wait(20) == 1
        assert "read-only file system" in log_since(p, at)
    finally:
        p.mode("rw")
        p.start()       # what comes next is another test's matter
    p.wait_online(3, 60)
    check_recovered(p, "writable again")


@pytest.mark.long
def test_restart_on_a_full_disk(p):
    """Roles that die while there is no room come back and say so."""
    p.fill()
    try:
        lib.kill_role(p, "core")
        lib.kill_role(p, "relay")
        wait_for("three online", lambda:
                 p.status()["agents"]["online"] == 3, 40)
        assert "full" in lib.ask(p, "core anew", large=True).stderr
    finally:
        p.free()
    check_recovered(p, "after a restart")
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES))


@pytest.mark.long
@pytest.mark.parametrize("call", ["file.open", "file.write", "file.rename"])
def test_access_list_is_written_later(p, call):
    """A revoked agent is silenced at the relay once the disk takes it."""
    from fakeagent import Https, Identity
    who = Identity()
    https = Https(p.port, p.state / "relay" / "ca.crt")
    status, _ = https.call("POST", "/enrol",
                           who.enrol_request(p.token(), "gone"))
    assert status == 201
    fault = p.fault.error(SERVER, call, times=ALWAYS, what="/acl")
    p.mig("status", check=0)
    https.token = json.loads((p.dir / "cache" / "mig" /
                              "session").read_text())["token"]
    status, _ = https.call("DELETE", "/agents/" + who.id)
    assert status == 200
    acl = p.state / "relay" / "acl"
    fault.wait()
    assert who.id not in acl.read_text()
    fault.disarm()
    wait_for("the access list", lambda: who.id in acl.read_text())
    assert not lib.leftovers(p)


# --- locked ---------------------------------------------------------------------

def test_locked(p):
    """Another program has the store: asked later, it is the same action."""
    db = sqlite3.connect(p.state / "db" / "store.sqlite", timeout=20,
                         isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    client = lib.start_asking(p, "locked")
    wait_for("health", lambda: "locked" in problems(p), 30)
    p.mig("actions", check=0)
    db.execute("ROLLBACK")
    db.close()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    lib.check_again(p, lib.check_stored(p, "locked"))
    check_recovered(p, "unlocked")


# --- damaged or gone ---------------------------------------------------------------

@pytest.fixture
def stopped(p):
    p.server.stop()
    db = p.state / "db"
    kept = p.dir / "kept"
    with contextlib.closing(sqlite3.connect(db / "store.sqlite")) as c:
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(db, kept)
    yield db / "store.sqlite"
    if p.server.alive():
        p.server.stop()
    shutil.rmtree(db)
    shutil.copytree(kept, db)
    shutil.rmtree(kept)
    p.start()
    p.wait_online(3, 60)


def log_since(p, at):
    with open(p.server.log) as f:
        f.seek(at)
        return f.read()


def test_store_gone(p, stopped):
    for f in stopped.parent.iterdir():
        f.unlink()
    at = p.server.log.stat().st_size
    p.server.start()
    assert p.server.proc.wait(20) == 1
    assert "store.sqlite is missing: restore a backup" in log_since(p, at)
    assert not stopped.exists()
    q = p.admin("token", check=1)
    assert "store" in q.stderr and not stopped.exists()


@pytest.mark.long
@pytest.mark.parametrize("damage, says", [
    (b"", "empty or damaged"), (b"SQLite" * 1000, "damaged"),
    (None, "damaged")], ids=["empty", "another file", "first pages"])
def test_store_damaged(p, stopped, damage, says):
    """It is told and left as it is."""
    if damage is None:
        with open(stopped, "r+b") as f:
            f.seek(100)
            f.write(os.urandom(4096 * 4))
    else:
        stopped.write_bytes(damage)
    before = stopped.read_bytes()
    at = p.server.log.stat().st_size
    p.server.start()
    wait_for("words about it", lambda: says in log_since(p, at))
    p.server.stop()
    assert stopped.read_bytes() == before


# --- the client's disk -----------------------------------------------------------

def test_client_on_a_full_disk(p):
    """Asks, is answered, and says what is not remembered."""
    home = p.dir / "fullhome"
    env = dict(p.env)
    for kind in ("DATA", "CACHE"):
        env[f"XDG_{kind}_HOME"] = str(home / kind.lower())
    mount(home, "size=8k,mode=700")
    try:
        (home / "filler").write_bytes(bytes(8192))
        q = subprocess.run([miglib.program("mig"),
                            *lib.question(p, "no room at home")], env=env,
                           capture_output=True, text=True, timeout=60)
        assert q.returncode == lib.FOUND, q.stderr
        assert answers_of(q)[1]["done"] == 3
        for words in ("login is not kept", "not remembered here",
                      "names of these agents"):
            assert words in q.stderr, q.stderr
    finally:
        unmount(home)


def test_client_cannot_write_its_output(p):
    with open("/dev/full", "w") as full:
        q = subprocess.run([miglib.program("mig"),
                            *lib.question(p, "no room for output")],
                           env=p.env, stdout=full, stderr=subprocess.PIPE,
                           text=True, timeout=60)
    assert q.returncode == lib.ERROR
    assert "cannot write to standard output" in q.stderr
    wait_for("all answers", lambda: lib.rows(
        p, "SELECT answered FROM actions WHERE name = 'no room for output'")
        == [(3,)])
    ident = lib.check_stored(p, "no room for output")
    lib.check_again(p, ident)


@pytest.mark.parametrize("call", cases(["file.open", "file.write", "file.sync",
                                        "file.rename"], 2))
def test_client_files_stay_whole(p, call):
    """A configuration that cannot be written is the old one."""
    conf = p.dir / "xdg" / "mig" / "config"
    before = conf.read_text()
    fault = p.client.error("mig", call, what="/config")
    q = p.mig("init", "--server", p.url, "--ca", p.ca, "--key", p.fpr)
    assert q.returncode == lib.ERROR and "No space left" in q.stderr
    assert fault.fired == 1 and conf.read_text() == before
    assert not lib.leftovers(p)


def test_init_on_a_full_disk(tmp_path):
    """Leaves nothing half behind, and works when there is room."""
    state = tmp_path / "state"
    mount(state, "size=64k,mode=755")
    try:
        args = [miglib.program("mig-server"), "init", "--name", "localhost",
                "--state", str(state), "-c", str(tmp_path / "conf")]
        q = subprocess.run(args, capture_output=True, text=True)
        assert q.returncode == 1 and re.search("full|No space", q.stderr)
        left = [f for f in state.rglob("*") if f.is_file()]
        assert left == [] and not (tmp_path / "conf").exists()
        subprocess.run(["mount", "-o", "remount,size=4m", str(state)],
                       check=True)
        q = subprocess.run(args, capture_output=True, text=True)
        assert q.returncode == 0, q.stderr
    finally:
        unmount(state)


# --- clocks ------------------------------------------------------------------------

@pytest.mark.parametrize("days", cases([-400, 400], 1))
def test_clock_jumps(p, days):
    """Nothing that is stored goes, who is there stays there, and when it is
    right again everything is as before."""
    name = f"before the jump by {days} days"
    assert lib.ask(p, name).returncode == lib.FOUND
    ident = lib.check_stored(p, name)
    p.fault.clock(days * 86400)
    try:
        lib.kill_role(p, "core")    # and removes what is old as it starts
        wait_for("the core", lambda: lib.health(p)[0] != 0 and
                 p.mig("agents").returncode in (0, 2))
        if days > 0:
            wait_for("a word about it", lambda: "is the clock right" in
                     p.server.tail(200))
        # a login with a clock of another day is refused in words
        (p.dir / "cache" / "mig" / "session").unlink(missing_ok=True)
        q = p.mig("agents")
        assert "clock" in q.stderr, q.stderr
    finally:
        p.fault.clock(0)
    lib.check_again(p, ident)
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES), 40)
    check_recovered(p, f"after the jump by {days} days")
