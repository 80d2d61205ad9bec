# SPDX-License-Identifier: MPL-2.0
"""Backup and restore, and the server's own certificates."""
import ctypes
import datetime
import ipaddress
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tarfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from miglib import Platform, answers_of, wait_for
from test_server_api import role_pid
from test_operating import (configure, enrolled,  # noqa: F401
                            make_people, make_server)


def presented(server):
    """The certificate that the API presents to a new connection."""
    ctx = ssl.create_default_context(cafile=server.ca_file)
    with socket.create_connection(("127.0.0.1", server.port), 10) as raw, \
            ctx.wrap_socket(raw, server_hostname="localhost") as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(True))


def relay_presents(server):
    ctx = ssl.create_default_context(cafile=server.ca_file)
    with socket.create_connection(("127.0.0.1", server.relay_port), 10) as \
            raw, ctx.wrap_socket(raw, server_hostname="localhost") as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(True))


def relay_answers(server):
    try:
        return relay_presents(server)
    except OSError:
        return None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("fits", ["nothing", "copy"])
def test_no_room_for_a_backup(server, tmp_path, fits):
    """It says so and leaves nothing; what was there is still good."""
    small = tmp_path / "small"
    small.mkdir()
    out, old = small / "backup.tar", tmp_path / "old.tar"
    server.command("backup", str(old))
    room = 16 if fits == "nothing" else old.stat().st_size // 1024 + 64
    # a mount namespace of its own: nothing is left mounted
    script = ('mount -t tmpfs -o size="$1"k none "$2" && shift 2 && '
              '{ "$@"; rc=$?; ls -A "${3%/*}" >&2; exit $rc; }')
    p = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(room), str(small),
         server.daemon.argv[0], "backup", str(out), "-c", str(server.conf)],
        capture_output=True, text=True, check=False)
    assert p.returncode == 1, (p.stdout, p.stderr)
    error, *left = p.stderr.strip().splitlines()
    assert str(small) in error and left == [], p.stderr
    assert re.search("no room for a copy of the store|No space left on device",
                     error), error
    assert "by itself" not in error
    assert "good: a backup" in server.command("backup", "--verify", str(old)).stdout


@pytest.mark.parametrize("how", ["reader leaves", "stopped"])
def test_a_backup_that_is_broken_off_leaves_nothing(server, how):
    """A copy of the store is as large as the store, and would stay there for ever."""
    p = subprocess.Popen([server.daemon.argv[0], "backup", "-", "-c", str(server.conf)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert os.read(p.stdout.fileno(), 1)    # the copy is made
    # not where the roles may put another file or a link in its place
    assert [x.parent for x in server.state.rglob(".mig-backup.*")] == [server.state]
    if how == "stopped":
        p.terminate()
        p.wait(20)
    p.stdout.close()
    assert p.wait(20) == 1
    assert ("stopped by a signal" if how == "stopped" else "Broken pipe") in p.stderr.read()
    assert not list(server.state.rglob(".mig-backup.*"))


@pytest.mark.parametrize("by", ["backup", "start"])
def test_a_copy_that_a_killed_backup_left_is_removed(server, tmp_path, by):
    """That of a backup which runs is not."""
    def begin():
        p = subprocess.Popen([server.daemon.argv[0], "backup", "-", "-c", str(server.conf)], stdout=subprocess.PIPE)
        assert os.read(p.stdout.fileno(), 1)    # the copy is made
        return p
    killed = begin()
    left, = server.state.glob(".mig-backup.*")
    runs = begin()
    assert left.exists()
    killed.kill()
    killed.wait(20)
    assert left.exists()
    if by == "start":
        server.start()
    else:
        server.command("backup", str(tmp_path / "b.tar"))
    assert not left.exists() and len(list(server.state.glob(".mig-backup.*"))) == 1
    assert runs.stdout.read() and runs.wait(20) == 0
    killed.stdout.close()
    runs.stdout.close()


@pytest.mark.parametrize("words", ["backup", "backup --verify"])
def test_what_a_killed_one_left_elsewhere_is_removed(server, tmp_path, words):
    """It holds the CA's key. What is another's, or no half of ours, stays."""
    work, whole, rest = tmp_path / "work", tmp_path / "whole.tar", []
    work.mkdir()
    server.command("backup", str(whole))
    for name in ("b.tar.202611", ".mig-backup.other"):
        rest.append(work / name)
        rest[-1].write_text("x")
    if os.geteuid() == 0:
        os.chown(rest[-1], 12345, -1)
    else:
        rest.pop().unlink()
    argv, env = [server.daemon.argv[0], *words.split(), "-c", str(server.conf)], {**os.environ, "TMPDIR": str(work)}
    if words == "backup":       # of a pipe that nobody feeds it makes the first file
        conf = tmp_path / "conf"
        os.mkfifo(conf)
        text = server.conf.read_text()
        p = subprocess.Popen([*argv[:-1], str(conf), str(work / "b.tar")])
        conf.write_text(text)
    else:
        p = subprocess.Popen([*argv, "-"], stdin=subprocess.PIPE, env=env)
        p.stdin.write(whole.read_bytes()[:-100000])
        p.stdin.flush()
    wait_for("its file", lambda: len(list(work.iterdir())) > len(rest))
    p.kill()
    p.wait(20)
    assert len(list(work.iterdir())) > len(rest)
    out = whole if "--verify" in words else work / "b.tar"
    subprocess.run([*argv, str(out)], env=env, check=True, capture_output=True)
    assert sorted(work.iterdir()) == sorted({*rest, out} if words == "backup" else rest)


def test_what_roles_own_does_not_lead_root_elsewhere(server, tmp_path):
    """relay/ is theirs: neither another file's contents nor another CA's fingerprint come out of it."""
    ca = server.state / "relay" / "ca.crt"
    other = tmp_path / "secret"
    other.write_text("of nobody else's\n")
    good = ca.read_bytes()
    ca.unlink()
    ca.symlink_to(other)
    out = tmp_path / "b.tar"
    assert "relay/ca.crt" in server.command("backup", str(out), code=1).stderr and not out.exists()
    ca.unlink()
    ca.write_bytes((server.state / "tls" / "server.crt").read_bytes())
    if os.geteuid() == 0:
        assert f"--ca {server.ca} " in server.command("token").stdout
    ca.write_bytes(good)


@pytest.mark.parametrize("what", ["fifo", "huge"])
def test_what_roles_own_does_not_keep_root_waiting(server, tmp_path, what):
    """A pipe in the place of a file, or one without an end."""
    relay, out, names = server.state / "relay", tmp_path / "b.tar", ("relay.crt", "revoked.crl")
    for name in names:
        (relay / name).unlink(missing_ok=True)
        if what == "fifo":
            os.mkfifo(relay / name)
        else:
            with open(relay / name, "wb") as f:
                f.truncate(1 << 40)
    refused = server.command("backup", str(out), code=1).stderr
    assert f"{relay}/" in refused and ("not a regular file" if what == "fifo" else "more than") in refused
    assert not out.exists()
    c = checked(server, 2)
    if what == "fifo":
        assert "is no file" in c["files", "problem"]
    server.start()     # both are made anew
    assert all(stat.S_ISREG((relay / n).lstat().st_mode) and (relay / n).stat().st_size < 10000 for n in names)
    server.command("backup", str(out))


@pytest.mark.parametrize("what", ["directory", "full directory", "gone", "junk"])
def test_what_roles_own_does_not_keep_the_server_from_starting(server, what):
    """Whatever they make of what is in relay/: all of it can be made anew, and is."""
    relay = server.state / "relay"
    names = ["ca.crt", "relay.crt", "relay.key", "acl", "revoked.crl"]
    server.start()
    server.daemon.stop()
    for name in names + ["core.sock"] * (what != "gone"):
        (relay / name).unlink(missing_ok=True)
        if "directory" in what:
            (relay / name).mkdir()
        if what == "full directory":
            (relay / name / "kept").write_text("x")
        if what == "junk":
            (relay / name).write_text("# junk\n")
    if what != "junk":
        assert "`mig-server renew` makes it anew" in server.command("check", code=2).stdout
    server.start()
    assert all(stat.S_ISREG((relay / n).lstat().st_mode) for n in names)
    wait_for("the relay", lambda: relay_answers(server), 20)
    assert relay_presents(server).serial_number == x509.load_pem_x509_certificate(
        (relay / "relay.crt").read_bytes()).serial_number
    assert stat.S_IMODE((relay / "relay.key").stat().st_mode) == 0o600
    assert {p.name.split(".aside-")[0] for p in relay.glob("*.aside-*")} == (
        {*names, "core.sock"} if what == "full directory" else set())
    checked(server, 1)      # no policy, and nothing else


def test_a_check_that_is_broken_off_leaves_no_key(server, tmp_path):
    """The CA's key is among what is unpacked for it."""
    backup = tmp_path / "b.tar"
    server.command("backup", str(backup))
    work = tmp_path / "tmp"
    work.mkdir()
    p = subprocess.Popen([server.daemon.argv[0], "backup", "--verify", "-", "-c", str(server.conf)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env={**os.environ, "TMPDIR": str(work)})
    p.stdin.write(backup.read_bytes()[:-100000])
    p.stdin.flush()
    wait_for("the key", lambda: list(work.glob("*/ca/ca.key")))
    p.terminate()
    assert p.wait(20) == 1 and b"stopped by a signal" in p.stderr.read()
    p.stdin.close()
    assert list(work.iterdir()) == []


def test_backup_of_a_running_server_is_checked(server, tmp_path):
    server.start()
    api = server.login()
    agent = enrolled(server, "b1")
    action = server.launch(api)["id"]
    agent.expect(1)
    agent.answer(action)
    out = tmp_path / "backup.tar"
    assert "encrypted" in server.command("backup", str(out)).stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()
            if p.name.startswith((".mig-backup", "backup.tar."))] == []
    with tarfile.open(out) as t:
        names = t.getnames()
        assert names[0] == "MANIFEST" and "ca/ca.key" in names
        assert t.getmember("ca/ca.key").mode == 0o600
    assert "good: a backup" in server.command("backup", "--verify",
                                              str(out)).stdout
    # to a pipe, as to gpg or age
    p = subprocess.run([server.daemon.argv[0], "-c", str(server.conf),
                        "backup", "-"], capture_output=True, check=True)
    (tmp_path / "piped.tar").write_bytes(p.stdout)
    server.command("backup", "--verify", str(tmp_path / "piped.tar"))
    p = server.command("backup", str(tmp_path / "none/b.tar"), code=1)
    assert p.stderr == f"mig-server: {tmp_path}/none: No such file or directory\n"
    p = server.command("backup", "--verify", str(server.conf), code=1)
    assert p.stderr.startswith(f"mig-server: {server.conf}: not a backup")
    # any flipped byte or a cut is noticed
    data = out.read_bytes()
    bad = tmp_path / "bad.tar"
    for at in (0, 124, 600, 5000, len(data) // 2):
        flipped = bytearray(data)
        flipped[at] ^= 1
        bad.write_bytes(flipped)
        assert server.command("backup", "--verify", str(bad),
                              code=1).stderr.startswith("mig-server: ")
    for n in (0, 100, 512, 2048, len(data) // 2):
        bad.write_bytes(data[:n])
        assert "cut short" in server.command("backup", "--verify", str(bad),
                                             code=1).stderr
    # not over what is there, nor under a running server
    assert "uses" in server.command("restore", str(out), code=1).stderr
    server.daemon.stop()
    e = server.command("restore", str(out), code=1).stderr
    assert "--force" in e and "nothing was changed" in e
    assert server.command("restore", "--force", str(bad), code=1)
    server.start()
    assert server.login().call("GET", f"/actions/{action}")[0] == 200
    server.daemon.stop()
    # an error leaves nothing half written
    assert server.command("backup", "/nonexistent/x", code=1)


def test_restore_and_what_came_after_the_backup(tmp_path):
    """Real agents and a real investigator: disaster, and what is left."""
    p = Platform(tmp_path / "p")
    try:
        p.setup().start().login()
        agent = p.agent("r1").start()
        p.wait_online(1)
        question = ["file", "-t", "all", "-path", "/etc", "-name",
                    "^passwd$"]
        p.mig(*question, check=0)
        old = re.findall(r"action_new id=(\w+)", p.server.tail(200))[0]
        backup = tmp_path / "backup.tar"
        p.admin("backup", str(backup))
        p.mig(*question, check=0)
        # the machine is lost
        p.server.kill()
        # its roles end by themselves, and take their sockets away
        wait_for("nothing of it", lambda: shutil.rmtree(p.state, ignore_errors=True)
                 or not p.state.exists())
        p.state.mkdir()
        out = p.admin("restore", str(backup)).stdout
        assert "log in again" in out
        p.start()
        p.wait_online(1, 90)  # its reconnects back off
        assert agent.daemon.alive()
        # old answers are there and open; new questions work
        q = p.mig("results", old, "--json")
        answers, _ = answers_of(q)
        assert q.returncode == 0 and len(answers) == 1
        p.mig(*question, check=0)
    finally:
        p.stop()


def test_old_tokens_and_logins_are_void_after_a_restore(server, tmp_path):
    server.start()
    api = server.login()
    token = server.token()
    out = tmp_path / "b.tar"
    server.command("backup", str(out))
    before = (server.state / "ca" / "ca.crt").read_bytes()
    server.daemon.stop()
    out2 = server.command("restore", "--force", str(out)).stdout
    assert "before-restore-" in out2
    server.start()
    assert (server.state / "ca" / "ca.crt").read_bytes() == before
    assert api.call("GET", "/status")[0] == 401
    from fakeagent import Identity
    status, j = server.https().call(
        "POST", "/enrol", Identity().enrol_request(token, "x"))
    assert status == 403 and "unknown" in j["error"]["message"]


def test_actions_newer_than_the_backup(server, tmp_path):
    """Launched again with the same bytes, agents send their answers again."""
    server.start()
    api = server.login()
    agent = enrolled(server, "n1")
    out = tmp_path / "b.tar"
    server.command("backup", str(out))
    envelope = server.envelope(server.document())
    action = server.launch(api, envelope=envelope)["id"]
    agent.expect(1)
    data = agent.answer(action)
    server.daemon.stop()
    agent.close()
    server.command("restore", "--force", str(out))
    server.start()
    api = server.login()
    agent.connect().hello(known=[action])
    # of an action it does not know any more: acknowledged, not kept
    agent.send_part(action, 0, 1, data)
    assert agent.ack(action, 0) is True
    assert api.call("GET", f"/actions/{action}")[0] == 404
    # the same signed bytes: the same action, and the answer counts
    assert server.launch(api, envelope=envelope)["id"] == action
    agent.expect(1)
    agent.answer(action, data)
    lines = list(api.lines(f"/actions/{action}/results"))
    assert lines[0]["agent"] == agent.who.id


# --- the server's own certificates ------------------------------------------

def issue(server, names, days, begins=-1):
    """A certificate as the server would make it, but for its days."""
    ca_key = serialization.load_pem_private_key(
        (server.state / "ca" / "ca.key").read_bytes(), None)
    ca = x509.load_pem_x509_certificate(
        (server.state / "ca" / "ca.crt").read_bytes())
    key = serialization.load_pem_private_key(
        (server.state / "tls" / "server.key").read_bytes(), None)
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(
                NameOID.COMMON_NAME, names[0])]))
            .issuer_name(ca.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]), False)
            .add_extension(x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(ca_key, hashes.SHA256()))
    return cert.public_bytes(serialization.Encoding.PEM) + \
        (server.state / "ca" / "ca.crt").read_bytes()


@pytest.mark.parametrize("names,days,begins,why", [
    (["localhost", "127.0.0.1"], 20, -1, "ends soon"), (["localhost", "127.0.0.1"], -0.5, -1, "ends soon"),
    (["localhost"], 300, -1, "another name"), (["localhost", "127.0.0.1"], 700, 300, "made by a clock that was ahead")],
    ids=["ends soon", "ended", "another name", "not begun"])
def test_certificates_are_renewed_at_the_start(server, names, days, begins, why):
    path = server.state / "tls" / "server.crt"
    path.write_bytes(issue(server, names, days, begins))
    relay = (server.state / "relay" / "relay.crt").read_bytes()
    server.start()
    assert f'certificate_renewed name=api why="{why}"' in server.daemon.log.read_text()
    cert = presented(server)
    left = cert.not_valid_after - datetime.datetime.utcnow()
    assert left > datetime.timedelta(days=390) and cert.not_valid_before < datetime.datetime.utcnow()
    # what needs nothing is left alone
    assert (server.state / "relay" / "relay.crt").read_bytes() == relay


def test_renewal_while_everybody_is_connected(server):
    server.start()
    api = server.login()
    agent = enrolled(server, "c1")
    wait_for("the agent", lambda: api.call("GET", "/status")[1]["agents"]
             ["online"] == 1)
    before = presented(server).serial_number
    relay_before = relay_presents(server).serial_number
    # a stream that is open goes on over the renewal
    stream = api.lines("/actions?limit=1")
    action = server.launch(api)["id"]
    c = api.connect()
    c.request("GET", f"/api/v1/actions/{action}/results?follow=1",
              headers=api.headers())
    reply = c.getresponse()
    assert b"progress" in reply.readline()
    out = server.command("renew").stdout
    assert "2 certificates" in out and "was told" in out
    wait_for("the API's new certificate",
             lambda: presented(server).serial_number != before)
    wait_for("the relay's new certificate",
             lambda: relay_presents(server).serial_number != relay_before)
    agent.expect(1)
    agent.answer(action)
    rest = reply.read()
    c.close()
    assert b'"answer"' in rest and b'"complete"' in rest
    del stream
    # the agent was never thrown off, and the roles are the ones of before
    assert "ended child" not in server.daemon.tail(200)
    os.kill(server.daemon.proc.pid, signal.SIGHUP)
    wait_for("the reload", lambda: server.daemon.tail(200)
             .count("certificate_taken") >= 2)
    assert server.healthy()


def test_one_server_a_state(server):
    server.start()
    p = subprocess.run(server.daemon.argv, capture_output=True, text=True,
                       timeout=20, check=False)
    assert p.returncode == 1 and "uses" in p.stderr
    assert server.healthy()


# --- check --------------------------------------------------------------------

def checked(server, code):
    p = server.command("check", "--json", code=code)
    j = json.loads(p.stdout)
    assert j["status"] == ("ok", "warning", "problem")[code]
    return {(c["what"], c["status"]): c["text"] for c in j["checks"]}


def kernel_keeps_time():
    """By adjtimex(2): struct timex begins with modes, offset, freq, maxerror,
    esterror, status; 0x40 is STA_UNSYNC."""
    timex = (ctypes.c_long * 64)()
    assert ctypes.CDLL(None).adjtimex(timex) >= 0
    return not timex[5] & 0x40


def test_check(server):
    # stopped, without a policy
    c = checked(server, 1)
    assert "policy set" in c["policy", "warning"]
    assert "does not run" in c["server", "ok"]
    assert "free" in c[f"port {server.port}", "ok"]
    assert "version 2" in c["mosquitto", "ok"]
    assert ("NTP" in c["clock", "ok"]) != kernel_keeps_time()
    server.start()
    c = checked(server, 1)
    assert "pid" in c["server", "ok"] and "sound" in c["store", "ok"]
    assert "answers" in c[f"port {server.relay_port}", "ok"]
    text = server.command("check", code=1).stdout
    assert re.search(r"^ok +certificate +good until 2", text, re.M)
    assert re.search(r"^warning +policy ", text, re.M)
    server.daemon.stop()
    # each of these is found, with what to do
    key = server.state / "ca" / "ca.key"
    key.chmod(0o644)
    assert "chmod" in checked(server, 2)["files", "problem"]
    key.chmod(0o600)
    cert = server.state / "tls" / "server.crt"
    good = cert.read_bytes()
    cert.write_bytes(issue(server, ["localhost", "127.0.0.1"], 10))
    assert "mig-server renew" in checked(server, 1)["certificate", "warning"]
    cert.write_bytes(good.replace(b"A", b"B", 40))
    assert ("certificate", "problem") in checked(server, 2)
    cert.write_bytes(good)
    with socket.create_server(("127.0.0.1", server.port)):
        assert "something else" in checked(server, 2)[
            f"port {server.port}", "problem"]
    if os.geteuid() == 0:
        os.chown(server.state, 12345, -1)
        assert "chown 0" in checked(server, 2)["files", "problem"]
        os.chown(server.state, 0, -1)
        configure(server, relay_port=883)
        assert "relay_name" in checked(server, 2)["relay_port", "problem"]
        configure(server, relay_port=server.relay_port)
    configure(server, relay_name="relay.example:443")
    assert "add it there" in checked(server, 2)["relay_name", "problem"]
    configure(server, relay_name="127.0.0.1:443")
    assert ("relay_name", "problem") not in checked(server, 1)
    configure(server, relay_name=None, mosquitto="/nonexistent", disk_reserve="8000000g",
              name="other.example")
    c = checked(server, 2)
    assert "install" in c["mosquitto", "problem"]
    assert "disk_reserve" in c["disk", "problem"]
    assert "lacks a name" in c["certificate", "warning"]
    configure(server, mosquitto=None, disk_reserve=None)
    db = server.state / "db" / "store.sqlite"
    data = bytearray(db.read_bytes())
    data[4096:8192] = bytes(4096)
    db.write_bytes(data)
    assert "restore" in checked(server, 2)["store", "problem"]
    server.conf.write_text("nonsense\n")
    assert ("configuration", "problem") in checked(server, 2)


def test_check_says_what_keeps_it_from_running(server, tmp_path):
    """Each of these was well, or something else, by its words."""
    def problem(what, how="problem"):
        return checked(server, 2 if how == "problem" else 1)[what, how]
    with socket.create_server(("::1", server.relay_port), family=socket.AF_INET6):
        assert "something else listens" in problem(f"port {server.relay_port}")
    configure(server, listen="192.0.2.1", relay_listen="192.0.2.1")     # nobody's (RFC 5737)
    c = checked(server, 2)
    assert "set listen to" in c[f"port {server.port}", "problem"]
    assert "set relay_listen to" in c[f"port {server.relay_port}", "problem"]
    configure(server, listen=None, relay_listen=None, mosquitto="/bin/true")
    assert "is not mosquitto" in problem("mosquitto")
    configure(server, mosquitto=None, store_max="8000000g")
    assert "lower it" in problem("store_max", "warning")
    configure(server, store_max=None, relay_agents=1000000)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1000000:
        assert "LimitNOFILE" in problem("descriptors", "warning")
    configure(server, relay_agents=None)
    key = server.state / "ca" / "ca.key"
    good = key.read_bytes()
    key.write_text("junk")
    assert "ca.key" in problem("ca") and "restore a backup" in problem("ca")
    key.write_bytes(good)
    if os.geteuid() != 0:
        return
    configure(server, user="nosuchuser")
    c = checked(server, 2)
    assert "useradd" in c["user", "problem"] and ("files", "problem") not in c
    configure(server, user="nobody")
    server.state.chmod(0o700)
    assert "the user nobody cannot enter it: chmod o+x" in server.command("check", code=2).stdout


def test_a_damaged_key_of_the_api_is_made_anew(server):
    """Nobody knows the API by it, and without it nobody comes in."""
    key = server.state / "tls" / "server.key"
    for damage in (lambda: key.write_text("junk"), key.unlink):
        damage()
        assert "mig-server renew" in str(checked(server, 2))
        server.start()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and presented(server)
        server.daemon.stop()


@pytest.mark.parametrize("who, says", [("mosquitto", "does not answer"), ("core", "the core says nothing")])
def test_check_beside_what_hangs(server, who, says):
    """It is there, and says nothing: no other program has its port, and all is not well."""
    server.start()
    assert "well" in checked(server, 1)["health", "ok"]
    pid = role_pid(server, who)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("its words", lambda: says in subprocess.run(
            [*server.daemon.argv[:-1], "check"], capture_output=True, text=True, check=False).stdout, 40)
        checked(server, 2)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_another_program_has_the_relays_port(server):
    """That something listens there is not enough, while the server runs."""
    with socket.create_server(("127.0.0.1", server.relay_port)):
        server.start_unready()
        text = checked(server, 2)[f"port {server.relay_port}", "problem"]
        assert "another program has its port" in text


def test_a_start_without_the_apis_port_fails_at_once(server):
    """Not when the patience of the service manager ends."""
    with socket.create_server(("127.0.0.1", server.port)):
        done = subprocess.run(server.daemon.argv, capture_output=True,
                              text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "mig-server check" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_state_that_the_unit_makes_read_only(server):
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift &&'
         ' exec "$@"', "sh", server.state, *server.daemon.argv],
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"{server.state} is on a read-only file system" in done.stderr
    assert "ReadWritePaths=" in done.stderr
