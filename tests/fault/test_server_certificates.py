# SPDX-License-Identifier: MPL-2.0
"""The server's certificates and the relay's files: the disk takes none of them, or who writes them
is killed at it. Each file is the old or the new one, everybody stays connected, and once it is done
again, or the server started again, all is as it should be."""
import errno
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import platformlib as lib
from faultlib import ALWAYS, KILL, Control
from miglib import free_ports, program, wait_for

SHARDS = 2
SECONDS = 25
SERVER = "mig-server"
NAMES = ("c1", "c2")

PAIRS = {"ca/ca.crt": "ca/ca.key", "tls/server.crt": "tls/server.key",
         "relay/relay.crt": "relay/relay.key"}
# What is written, in this order.
RENEW = ["tls/server.crt", "relay/relay.crt"]
RENEW_CA = ["ca/ca.crt", "relay/ca.crt", *RENEW]
ERRORS = {"file.open": errno.EROFS, "file.write": errno.ENOSPC, "file.sync": errno.EIO,
          "file.rename": errno.ENOSPC}

# In every check; the others are long.
QUICK = {("renew --ca", "relay/ca.crt", "file.write"), ("renew", "relay/relay.crt", "file.rename"),
         ("renew --ca", "tls/server.crt", "file.sync")}
QUICK_KILLS = {("renew --ca", "relay/ca.crt", "file.rename")}


def cases(calls, quick):
    for command, files in (("renew", RENEW), ("renew --ca", RENEW_CA)):
        for file in files:
            for call in calls:
                marks = () if (command, file, call) in quick else pytest.mark.long
                yield pytest.param(command, file, call, marks=marks)


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("certificates"), NAMES)
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(request):
    yield
    if "p" in request.fixturenames:
        p = request.getfixturevalue("p")
        p.fault.disarm_all()
        if not p.server.alive():
            p.start()
        p.wait_online(len(NAMES), 60)


def certificates(pem):
    return [x509.load_pem_x509_certificate(text) for text in re.findall(
        b"-----BEGIN CERT.*?-----END CERT[^\n]*\n", pem, re.S)]


def public(key):
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


def contents(p):
    return {f: (p.state / f).read_bytes() for f in RENEW_CA}


def check_whole(p):
    """Each certificate is a whole one of its key."""
    for cert, key in PAIRS.items():
        pem = (p.state / cert).read_bytes()
        secret = serialization.load_pem_private_key((p.state / key).read_bytes(), None)
        assert pem.endswith(b"-----END CERTIFICATE-----\n"), cert
        assert public(certificates(pem)[0].public_key()) == public(secret.public_key()), cert


def presented(p, port):
    """The serial number of the certificate that is shown there."""
    ctx = ssl.create_default_context(cafile=str(p.state / "relay" / "ca.crt"))
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, \
                ctx.wrap_socket(raw, server_hostname="localhost") as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(True)).serial_number
    except OSError:
        return None


def serial(p, file):
    return certificates((p.state / file).read_bytes())[0].serial_number


def check_asks(p):
    q = lib.ask(p, f"question {time.monotonic()}")
    assert q.returncode == lib.FOUND and q.stdout.count('"found"') == len(NAMES) + 1, (
        q.stdout, q.stderr)


def check_good(p):
    """What is in the files is shown, under the newest CA; nothing is left of what failed."""
    wait_for("the certificates", lambda: (
        presented(p, p.port) == serial(p, "tls/server.crt") and
        presented(p, p.relay_port) == serial(p, "relay/relay.crt")), 30)
    files = contents(p)
    assert files["relay/ca.crt"] == files["ca/ca.crt"]
    newest = certificates(files["ca/ca.crt"])[0]
    for file in RENEW:
        assert certificates(files[file])[1] == newest
    check_whole(p)
    wait_for("a platform that is well", lambda: lib.is_well(p), 30)
    p.wait_online(len(NAMES), 60)
    p.admin("check")
    check_asks(p)
    lib.check_processes(p)
    assert not lib.leftovers(p)


def command(p, words, control=None):
    env = None if control is None else control.env()
    return subprocess.run([program(SERVER), *words.split(), "-c", str(p.conf)], env=env,
                          capture_output=True, text=True, timeout=60)


def age_leftovers(p):
    """So that a start removes them."""
    for path in lib.leftovers(p):
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.mark.parametrize("words, file, call", cases(ERRORS, QUICK))
def test_renewal_on_a_disk_that_takes_nothing(p, tmp_path, words, file, call):
    before, relay = contents(p), lib.role(p, "relay")
    control = Control(tmp_path / "fault")
    fault = control.error(SERVER, call, ERRORS[call], what="/" + file)
    q = command(p, words, control)
    assert (q.returncode, fault.fired) == (1, 1), (q.stdout, q.stderr)
    assert os.strerror(ERRORS[call]) in q.stderr and "/" + file in q.stderr
    after = contents(p)
    # what follows from another file is made all the same
    done = set(RENEW_CA if "--ca" in words else RENEW) - {file} if file != "ca/ca.crt" else set()
    assert {f for f in RENEW_CA if after[f] != before[f]} == done
    assert ("without --ca" in q.stderr) == ("ca/ca.crt" in done), q.stderr
    check_whole(p)
    assert not lib.leftovers(p)
    check_asks(p)
    # as it was told; nobody was thrown off
    q = command(p, words if "ca/ca.crt" not in done else "renew")
    assert q.returncode == 0 and "2 certificates" in q.stdout, (q.stdout, q.stderr)
    assert lib.role(p, "relay") == relay
    check_good(p)


@pytest.mark.parametrize("words, file, call", cases(
    ["file.write", "file.sync", "file.rename"], QUICK_KILLS))
def test_renewal_is_killed(p, tmp_path, words, file, call):
    """The next start finishes what it began, and removes what it left."""
    before = contents(p)
    control = Control(tmp_path / "fault")
    fault = control.arm(SERVER, call, KILL, what="/" + file)
    q = command(p, words, control)
    assert (q.returncode, fault.fired) == (-signal.SIGKILL, 1)
    assert contents(p)[file] == before[file]
    check_whole(p)
    check_asks(p)
    p.server.stop()
    age_leftovers(p)
    p.start()
    check_good(p)


@pytest.mark.long
@pytest.mark.parametrize("n", range(1, len(RENEW_CA) + 1))
def test_renewal_is_killed_between_two_files(p, tmp_path, n):
    """While the server runs: SIGHUP is enough."""
    before = contents(p)
    control = Control(tmp_path / "fault")
    fault = control.kill(SERVER, "file.renamed", n)
    q = command(p, "renew --ca", control)
    assert (q.returncode, fault.fired) == (-signal.SIGKILL, 1)
    after = contents(p)
    assert {f for f in RENEW_CA if after[f] != before[f]} == set(RENEW_CA[:n])
    check_whole(p)
    check_asks(p)
    os.kill(p.server.proc.pid, signal.SIGHUP)

    def follow():
        ca, copy, *own = (certificates(pem) for pem in contents(p).values())
        return copy == ca and all(pems[1] == ca[0] for pems in own)
    wait_for("what follows the CA's", follow)
    check_good(p)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
@pytest.mark.parametrize("how, n", [(KILL, 2), (KILL, 4), ("sync_dir", 2)])
def test_what_is_the_users_is_so_at_once(tmp_path, how, n):
    """The relay's files, whatever happens right after they got their names."""
    port, relay_port = map(str, free_ports(2))
    conf, state = tmp_path / "conf", tmp_path / "state"
    args = [program(SERVER), "init", "--name", "localhost", "--port", port, "--relay-port",
            relay_port, "--state", str(state), "--user", "nobody", "-c", str(conf)]
    subprocess.run(args, check=True, capture_output=True)
    before = (state / "relay" / "ca.crt").read_bytes()
    control = Control(tmp_path / "fault")
    if how == KILL:
        fault = control.kill(SERVER, "file.renamed", n)
    else:
        fault = control.error(SERVER, "file.sync_dir", errno.EIO, n=n)
    q = subprocess.run([program(SERVER), "renew", "--ca", "-c", str(conf)], env=control.env(),
                       capture_output=True)
    assert q.returncode != 0 and fault.fired == 1
    assert (state / "relay" / "ca.crt").read_bytes() != before
    nobody = pwd.getpwnam("nobody")
    for name in ("ca.crt", "relay.crt", "relay.key"):
        st = (state / "relay" / name).stat()
        assert (st.st_uid, st.st_gid) == (nobody.pw_uid, nobody.pw_gid), name


# --- a start that must write --------------------------------------------------------

def spoil(p, file):
    """So that the start has to write it."""
    path = p.state / file
    if file in ("mosquitto.conf", "relay/revoked.crl"):
        path.unlink()
    elif file == "relay/ca.crt":
        path.write_bytes(path.read_bytes() * 2)
    else:       # without the CA's behind it
        pem = path.read_bytes()
        path.write_bytes(pem[:pem.index(b"-----END CERT")] + b"-----END CERTIFICATE-----\n")


# Without these it cannot start; the others of before still do.
NEEDED = ["mosquitto.conf", "relay/revoked.crl"]
STARTS = [*NEEDED, "relay/ca.crt", *RENEW]
QUICK_STARTS = {("mosquitto.conf", "file.write"), ("relay/ca.crt", "file.write")}


def starts(calls, quick):
    for file in STARTS:
        for call in calls:
            yield pytest.param(file, call, marks=() if (file, call) in quick else pytest.mark.long)


@pytest.mark.parametrize("file, call", starts(ERRORS, QUICK_STARTS))
def test_start_on_a_disk_that_takes_nothing(p, file, call):
    p.server.stop()
    spoil(p, file)
    was = (p.state / file).read_bytes() if file not in NEEDED else None
    at = p.server.log.stat().st_size
    fault = p.fault.error(SERVER, call, ERRORS[call], ALWAYS, what="/" + file)

    def said():
        return re.search(r"server\[\d+\] (error|fatal).*" + re.escape("/" + file) + ".*" +
                         os.strerror(ERRORS[call]), p.server.log.read_text()[at:])
    if file in NEEDED:
        p.server.start()
        assert p.server.proc.wait(20) == 1
        assert said() and not (p.state / file).exists()
        assert not lib.leftovers(p)
        fault.disarm()
        p.start()
    else:
        p.start()
        assert said() and (p.state / file).read_bytes() == was
        p.wait_online(len(NAMES), 60)
        check_asks(p)
        fault.disarm()
        os.kill(p.server.proc.pid, signal.SIGHUP)
        wait_for("the file", lambda: (p.state / file).read_bytes() != was)
    check_good(p)


@pytest.mark.parametrize("file, call", starts(["file.write", "file.rename"], ()))
def test_start_is_killed(p, file, call):
    p.server.stop()
    spoil(p, file)
    fault = p.fault.arm(SERVER, call, KILL, what="/" + file)
    p.server.start()
    assert p.server.proc.wait(20) == -signal.SIGKILL and fault.fired == 1
    age_leftovers(p)
    p.start()
    check_good(p)


# --- the list of revoked certificates ------------------------------------------------

@pytest.mark.parametrize("call, how", [
    pytest.param("file.rename", KILL), pytest.param("ca.revoked", errno.ENOMEM), pytest.param("file.write", KILL, marks=pytest.mark.long),
    *(pytest.param(call, number, marks=pytest.mark.long) for call, number in ERRORS.items())])
def test_revoked_is_written_later(p, call, how):
    from fakeagent import Https, Identity
    who = Identity()
    https = Https(p.port, p.state / "relay" / "ca.crt")
    status, answer = https.call("POST", "/enrol", who.enrol_request(p.token(), "gone"))
    assert status == 201
    number = x509.load_pem_x509_certificate(answer["certificate"].encode()).serial_number
    path = p.state / "relay" / "revoked.crl"

    def listed():
        crl = x509.load_pem_x509_crl(path.read_bytes())
        return crl.get_revoked_certificate_by_serial_number(number) is not None
    assert not listed()
    if how == KILL:
        fault = p.fault.arm(SERVER, call, KILL, what="/revoked.crl")
    else:
        fault = p.fault.error(SERVER, call, how, what="/revoked.crl" if call != "ca.revoked" else "")
    p.mig("agents", "revoke", who.id, check=0)
    fault.wait(40)
    wait_for("its certificate in the list", listed, 60)
    if how == KILL:
        p.server.stop()
        age_leftovers(p)
        p.start()
    check_good(p)
