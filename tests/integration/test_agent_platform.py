# SPDX-License-Identifier: MPL-2.0
"""The agent against a real platform: its own state stays its own, enrolment
and its refusals, check beside a running agent, proxies."""
import json
import os
import pathlib
import re
import secrets
import socket
import ssl
import subprocess
import threading
import time

import pytest

from miglib import Agent, answers_of, free_ports, program, wait_for
from spoollib import small_ones

FOUND, NOT_FOUND, ERROR, PARTIAL = 0, 1, 2, 3
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="not root")


def listing(directory):
    """Everything of a state directory that a side effect would change."""
    return {str(p.relative_to(directory)): (p.stat().st_mtime_ns,
                                            p.stat().st_size)
            for p in sorted(pathlib.Path(directory).rglob("*"))}


# --- the disk takes no answer ------------------------------------------------

def test_answer_waits_for_the_disk(platform, tmp_path):
    agent = platform.agents["web1"]
    spool, away = agent.dir / "state" / "spool", agent.dir / "state" / "away"
    (tmp_path / "needle").write_text("x")
    spool.rename(away)
    try:
        with subprocess.Popen(
                [program("mig"), "file", "-t", "name='web1'", "-path",
                 str(tmp_path), "-name", "^needle$", "--json"],
                env=platform.env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, text=True) as p:
            time.sleep(3)
            assert p.poll() is None  # it cannot have been answered
            away.rename(spool)
            out, _ = p.communicate(timeout=60)
    finally:
        if away.exists():
            away.rename(spool)
    assert p.returncode == FOUND, out
    answer = json.loads(out.splitlines()[0])
    assert answer["operations"][0]["foundanything"] is True


# --- the agent's own state ---------------------------------------------------

def ask(platform, *paths, name="."):
    args = [x for p in paths for x in ("-path", str(p))]
    p = platform.mig("file", "-t", "name='web1'", *args, "-name", name,
                     "--json")
    assert p.returncode in (FOUND, NOT_FOUND, PARTIAL), p.stderr
    answers, _ = answers_of(p)
    assert len(answers) == 1
    return p.returncode, answers[0]["operations"][0]


@ROOT
@pytest.mark.parametrize("below", ["", "agent.key", "spool", ".."])
def test_workers_do_not_see_the_agents_state(platform, below):
    state = platform.agents["web1"].dir / "state"
    assert (state / "agent.key").exists() and (state / "identity").exists()
    path = os.path.normpath(state / below)
    code, operation = ask(platform, path,
                          name="^(identity|agent.key|journal|policy)$")
    assert code == PARTIAL
    assert operation["foundanything"] is False
    assert [e["file"] for e in operation["elements"]["s1"]] == [""]
    assert operation["statistics"]["notexamined"] == {"agentstate": 1}
    assert "agent's own state" in "".join(operation["errors"])


@ROOT
def test_state_stays_hidden_behind_a_link(platform, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(platform.agents["web1"].dir / "state")
    code, operation = ask(platform, link, name="^identity$")
    assert code == PARTIAL
    assert operation["statistics"]["notexamined"]["agentstate"] == 1


@ROOT
@pytest.mark.parametrize("less", [
    [], ["setpriv", "--bounding-set", "-sys_admin"]])
def test_another_agents_state_is_hidden(platform, less):
    """Of agents on one host, where each is told."""
    agent, other = (platform.agents[n] for n in ("web1", "web2"))
    conf, command = agent.conf.read_text(), agent.daemon.argv

    def restart(text, argv):
        agent.daemon.stop()
        agent.daemon.argv = argv
        agent.conf.write_text(text)
        agent.start()
        platform.wait_online(len(platform.agents))
        return ask(platform, other.dir / "state", name="^identity$")
    try:
        code, operation = restart(conf + f"hide {platform.dir}\n", [*less, *command])
        assert (code, operation["foundanything"]) == (PARTIAL, False), operation
        assert operation["statistics"]["notexamined"]["agentstate"] == 1
        assert "not to see the agent's state: " in agent.run("check").stdout
    finally:
        code, operation = restart(conf, command)
    assert operation["foundanything"] is True


def test_what_is_hidden_holds_the_state(platform, tmp_path):
    for hide in ("/", "/nowhere", "relative"):
        conf = tmp_path / "agent.conf"
        conf.write_text(f"state {tmp_path}/state\nhide {hide}\n")
        run = subprocess.run([program("mig-agent"), "-n", "-c", str(conf)], capture_output=True, text=True, check=False)
        assert run.returncode == 1 and "hide" in run.stderr, run.stderr
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "in" / "state").symlink_to(tmp_path / "elsewhere")
    conf.write_text(f"state {tmp_path}/in/state\nhide {tmp_path}/in\n")
    run = subprocess.run([program("mig-agent"), "-c", str(conf), "policy", str(platform.policy)],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 1 and f"state is in truth {tmp_path}/elsewhere" in run.stderr, run.stderr


@ROOT
@pytest.mark.parametrize("less", [
    [], ["setpriv", "--bounding-set", "-sys_admin"]])
def test_state_is_hidden(tmp_path, less):
    """By a mount, or, where none is allowed, by Landlock (doc/adr/0018)."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "identity").write_text("secret")
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    question = {"searches": {"s1": {"paths": [str(state)],
                                    "names": ["identity"],
                                    "options": {"matchall": True}}}}
    run = subprocess.run(
        [*less, program("mig-worker"), "--cover", str(state), "--uid",
         "60800", "file"], input=json.dumps(question), text=True,
        capture_output=True, timeout=60, check=True)
    answer = json.loads(run.stdout)
    assert answer["foundanything"] is False
    assert answer["statistics"]["notexamined"] == {"agentstate": 1}


@ROOT
def test_covering_leaves_the_host_alone(platform):
    ask(platform, platform.agents["web1"].dir)
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        assert "mig-covered" not in f.read()
    assert (platform.agents["web1"].dir / "state" / "identity").exists()


# --- check -------------------------------------------------------------------

def test_check_beside_a_running_agent(platform):
    agent = platform.agents["web1"]
    before = listing(agent.dir / "state")
    run = agent.run("check")
    assert run.returncode == 0, run.stderr
    assert listing(agent.dir / "state") == before
    for line in ("running yes", f"relay localhost:{platform.relay_port} "
                 "(enrolment)", "policy version 1 ", "sandbox verify: ",
                 "module file: reads ",
                 "right worker: not to see the agent's state: "):
        assert f"\n{line}" in run.stdout, run.stdout
    assert agent.daemon.alive()
    ask(platform, "/etc/passwd")


@pytest.mark.parametrize("name", ["agent.crt", "agent.key", "ca.crt", "relay"])
def test_check_misses_what_enrolment_brought(platform, name):
    agent = platform.agents["web1"]
    path = agent.dir / "state" / name
    path.rename(path.with_name("away"))
    run = agent.run("check")
    path.with_name("away").rename(path)
    assert run.returncode == 1
    assert f"{name} is missing: run 'mig-agent enrol'" in run.stderr


def test_check_sees_a_key_that_others_can_read(platform):
    agent = platform.agents["web1"]
    path = agent.dir / "state" / "agent.key"
    path.chmod(0o644)
    run = agent.run("check")
    path.chmod(0o600)
    assert run.returncode == 1 and "agent.key: mode 0644" in run.stderr


@pytest.mark.parametrize("relay, says", [
    ("127.0.0.1:1", "127.0.0.1:1: no connection: Connection refused: does the server run"),
    ("no.such.host.invalid:1", "its name has no address: "),
    ("127.0.0.2:{relay}", "its certificate is not the one expected: IP address mismatch"),
    ("localhost:{https}", "it does not answer as a relay does: it asks for no certificate"),
    (None, None)])
def test_check_tries_the_relay(platform, relay, says):
    """Beside the agent, which keeps its connection."""
    agent = platform.agents["web1"]
    log, conf = len(agent.daemon.log.read_text()), agent.conf.read_text()
    if relay is not None:
        agent.conf.write_text(conf + "relay " + relay.format(
            relay=platform.relay_port, https=platform.port) + "\n")
    try:
        run = agent.run("check")
    finally:
        agent.conf.write_text(conf)
    assert re.search(r"\ncertificate from \S+Z until \S+Z\n", run.stdout), run.stdout
    assert f"\nconnection {'yes' if says is None else 'no'}\n" in run.stdout, run.stdout
    assert run.returncode == (says is not None), run.stderr
    assert re.search(says or "^$", run.stderr), run.stderr
    ask(platform, "/etc/passwd")
    assert "relay_down" not in agent.daemon.log.read_text()[log:]


# --- enrolment ---------------------------------------------------------------

@pytest.fixture
def newcomer(platform):
    """Not enrolled, and not known to platform.agents."""
    agent = Agent(platform, "new" + secrets.token_hex(4), {})
    yield agent
    agent.daemon.stop()


def policy_hash(platform):
    out = platform.admin("token").stdout
    return re.search(r"--policy-hash ([0-9a-f]{64})", out).group(1)


def enrol(platform, agent, *options, url=None, ca=None, token=None):
    return agent.run("enrol", url or platform.url, "--ca", ca or platform.ca,
                     "--token", token or platform.token(), *options)


def nothing_filed(agent):
    return not any((agent.dir / "state" / name).exists()
                   for name in ("agent.crt", "agent.key", "policy", "relay"))


def test_enrolment_by_an_address(platform, newcomer):
    """Of IPv6, which a URL has in brackets and a certificate without."""
    text = platform.conf.read_text()
    assert re.search(r"(?m)^name localhost", text)
    platform.conf.write_text(re.sub(r"(?m)^(name localhost.*)", r"\1,::1", text))
    platform.admin("renew")
    run = wait_for("the new certificate", lambda: (
        lambda r: r if "not for" not in r.stderr else None)(enrol(
            platform, newcomer, "--policy", str(platform.policy),
            url=f"https://[::1]:{platform.port}")))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("text, why", [
    (None, "No such file"), ("root:x:0:0", "not a policy")])
def test_a_bad_policy_costs_no_token(platform, newcomer, text, why):
    path = newcomer.dir / "policy"
    if text is not None:
        path.write_text(text)
    token = platform.token()
    run = enrol(platform, newcomer, "--policy", str(path), token=token)
    assert run.returncode == 1 and why in run.stderr and str(path) in run.stderr
    assert nothing_filed(newcomer)
    run = enrol(platform, newcomer, "--policy", str(platform.policy),
                token=token)
    assert run.returncode == 0, run.stderr


def test_a_revoked_agent_learns_that_it_is(platform, newcomer):
    run = enrol(platform, newcomer, "--policy", str(platform.policy))
    number = re.search(r"enrolled as ([0-9a-f]{64})", run.stdout).group(1)
    newcomer.start()
    wait_for("the relay", lambda: "relay_up" in newcomer.daemon.tail())
    platform.mig("agents", "revoke", number)
    # where both are on one host the relay may have closed before the agent has said its first
    # word, and the alert is not read: at the next try then, and each comes later
    wait_for("the reason", lambda: "refuses the connection: certificate "
             "revoked" in newcomer.daemon.tail(), 240)
    run = newcomer.run("check")
    assert run.returncode == 1 and "it refuses the connection: certificate revoked" in run.stderr
    assert "run 'mig-agent enrol' again" in run.stderr


def test_first_policy_by_its_hash(platform, newcomer):
    run = enrol(platform, newcomer, "--policy-hash", policy_hash(platform))
    assert run.returncode == 0, run.stderr
    state = newcomer.dir / "state"
    assert (state / "policy").read_bytes() == platform.policy.read_bytes()
    assert (state / "agent.key").stat().st_mode & 0o777 == 0o600
    check = newcomer.run("check")
    assert check.returncode == 0, check.stderr
    newcomer.start()
    wait_for("the new agent online", lambda: newcomer.name in platform.mig(
        "agents", "-t", "online").stdout)


@pytest.mark.parametrize("lost", ["gone", "damaged"])
def test_a_lost_record_is_not_hidden_by_enrolling_again(platform, newcomer, lost):
    """Its small answers stay, and the new record says that there was another. Without the journal, as
    both were lost."""
    agent, state = newcomer, newcomer.dir / "state"
    assert enrol(platform, agent, "--policy", str(platform.policy)).returncode == 0
    agent.start()
    wait_for("it to be online", lambda: online(platform, agent))
    p = platform.mig("file", "-t", f"name='{agent.name}'", "-path", "/etc/passwd", "-name", "^passwd$", "--json")
    assert p.returncode == FOUND, (p.stdout, p.stderr)
    agent.daemon.stop()
    before = small_ones(state / "spool")
    assert len(before) == 1
    (state / "journal").unlink()
    if lost == "gone":
        (state / "record").unlink()
    else:
        data = bytearray((state / "record").read_bytes())
        data[100] ^= 1
        (state / "record").write_bytes(data)
    p = enrol(platform, agent)
    assert p.returncode == 0 and ("record_" + lost) in p.stderr, (p.stdout, p.stderr)
    entries = [json.loads(x) for x in agent.run("report", "--json").stdout.splitlines()]
    assert "the record before this " + ("is gone" if lost == "gone" else "was damaged") in \
        entries[0]["text"] and entries[1]["text"].startswith("enrolled at "), entries
    assert len(list(state.glob("record.damaged-*"))) == (lost == "damaged")
    agent.start()
    wait_for("it to be online", lambda: online(platform, agent))
    agent.daemon.stop()
    assert small_ones(state / "spool") == before


@pytest.mark.parametrize("again", [False, True])
def test_the_lost_record_of_an_agent_that_was_asked_nothing(platform, newcomer, again):
    """At the next start, and where somebody enrols it again; also when what follows died at once."""
    record = newcomer.dir / "state" / "record"

    def lost():
        if again:
            p = enrol(platform, newcomer)
            assert p.returncode == 0, p.stderr
            return "record_gone" in p.stderr
        log = newcomer.daemon.log
        log.write_bytes(b"")
        newcomer.start()
        wait_for("it to be connected", lambda: b"relay_up" in log.read_bytes())
        newcomer.daemon.stop()
        return b"record_gone" in log.read_bytes()
    assert enrol(platform, newcomer, "--policy", str(platform.policy)).returncode == 0
    assert not lost()
    for damage in (record.unlink, lambda: record.write_bytes(record.read_bytes()[:16]),
                   lambda: record.write_bytes(record.read_bytes()[:20])):
        damage()
        assert lost()
        entries = [json.loads(x) for x in newcomer.run("report", "--json").stdout.splitlines()]
        assert entries[0]["text"] == "the record before this is gone", entries
        assert not lost()


def test_wrong_policy_hash(platform, newcomer):
    run = enrol(platform, newcomer, "--policy-hash", secrets.token_hex(32))
    assert run.returncode == 1
    assert "policy" in run.stderr
    assert not (newcomer.dir / "state" / "policy").exists()


def test_wrong_ca(platform, newcomer):
    run = enrol(platform, newcomer, ca=secrets.token_hex(32))
    assert run.returncode == 1 and "not under the pinned CA" in run.stderr
    assert nothing_filed(newcomer)


def test_used_token(platform, newcomer):
    token = platform.token()
    other = Agent(platform, newcomer.name + "b", {})
    assert enrol(platform, other, token=token).returncode == 0
    run = enrol(platform, newcomer, token=token)
    assert run.returncode == 1 and "token" in run.stderr, run.stderr
    assert nothing_filed(newcomer)


def test_expired_token(platform, newcomer):
    out = platform.admin("token", "--expires", "1s", "--uses", "1000").stdout
    token = re.search(r"--token (\S+)", out).group(1)

    def is_refused():
        again = Agent(platform, "x" + secrets.token_hex(4), {})
        run = enrol(platform, again, token=token)
        return run.returncode == 1 and run
    run = wait_for("the token's end", is_refused)
    assert "token is past its end" in run.stderr, run.stderr


def test_unknown_token(platform, newcomer):
    run = enrol(platform, newcomer, token=secrets.token_hex(32))
    assert run.returncode == 1 and "token" in run.stderr, run.stderr
    assert nothing_filed(newcomer)


def test_server_is_not_there(platform, newcomer):
    port, = free_ports(1)
    run = enrol(platform, newcomer, url=f"https://localhost:{port}")
    assert run.returncode == 1
    assert f"localhost port {port}" in run.stderr, run.stderr
    assert "Connection refused" in run.stderr, run.stderr
    assert nothing_filed(newcomer)


def test_server_name_that_does_not_exist(platform, newcomer):
    run = enrol(platform, newcomer, url="https://nosuch.invalid:1234")
    assert run.returncode == 1 and "nosuch.invalid" in run.stderr
    assert nothing_filed(newcomer)


@pytest.mark.parametrize("args, text", [
    (("http://localhost:1", "--ca", "0" * 64, "--token", "0" * 64),
     "https://"),
    (("https://localhost:1", "--ca", "12", "--token", "0" * 64), "--ca"),
    (("https://localhost:1", "--ca", "0" * 64, "--token", "12"), "--token"),
    (("https://localhost:1", "--ca", "0" * 64, "--token", "0" * 64,
      "--policy-hash", "xy"), "--policy-hash"),
])
def test_bad_enrol_options(newcomer, args, text):
    run = newcomer.run("enrol", *args)
    assert run.returncode == 2 and text in run.stderr
    assert nothing_filed(newcomer)


# --- through a proxy ---------------------------------------------------------

class Proxy:
    """A tiny HTTP CONNECT proxy that can be told to misbehave."""

    def __init__(self, mode="good", target=None):
        self.mode, self.target = mode, target
        self.requests = []
        self.carried = 0
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(conn,),
                             daemon=True).start()

    def one(self, conn):
        head = b""
        while b"\r\n\r\n" not in head:
            data = conn.recv(4096)
            if not data:
                return
            head += data
        self.requests.append(head.decode())
        reply = {"403": b"HTTP/1.1 403 Forbidden\r\n\r\n",
                 "garbage": secrets.token_bytes(20000),
                 "endless": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000,
                 "closes": b""}.get(self.mode)
        if reply is not None:
            conn.sendall(reply)
            conn.close()
            return
        host, port = head.split()[1].decode().rsplit(":", 1)
        far = socket.create_connection(self.target or (host, int(port)))
        # in two pieces, as a slow one would
        conn.sendall(b"HTTP/1.1 200 Connection ")
        conn.sendall(b"established\r\nVia: test\r\n\r\n")
        ends = [threading.Thread(target=self.copy, args=a, daemon=True)
                for a in ((conn, far), (far, conn))]
        for t in ends:
            t.start()

    def copy(self, source, to):
        try:
            while data := source.recv(65536):
                self.carried += len(data)
                to.sendall(data)
        except OSError:
            pass
        for s in (source, to):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.sock.close()


@pytest.fixture
def proxies():
    made = []

    def make(*args, **kw):
        made.append(Proxy(*args, **kw))
        return made[-1]
    yield make
    for p in made:
        p.close()


@pytest.fixture
def proxied(platform, newcomer):
    """Enrols and starts the newcomer behind these proxies."""
    def start(*found, log="info", relay=None):
        run = enrol(platform, newcomer, "--policy", str(platform.policy))
        assert run.returncode == 0, run.stderr
        with newcomer.conf.open("a") as f:
            f.write(f"log {log}\n")
            for p in found:
                f.write(f"proxy 127.0.0.1:{p.port}\n")
            if relay is not None:
                f.write(f"relay {relay}\n")
        return newcomer.start()
    return start


def online(platform, agent):
    return agent.name in platform.mig("agents", "-t", "online").stdout


def test_through_a_proxy(platform, proxied, proxies):
    proxy = proxies()
    agent = proxied(proxy)
    wait_for("the agent online", lambda: online(platform, agent))
    assert proxy.requests[0].startswith(
        f"CONNECT localhost:{platform.relay_port} HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{platform.relay_port}\r\n" in \
        proxy.requests[0]
    before = proxy.carried
    p = platform.mig("file", "-t", f"name='{agent.name}'", "-path", "/etc",
                     "-name", "^passwd$", "-content", "^root", "--json",
                     check=FOUND)
    assert answers_of(p)[1]["found"] == 1
    assert proxy.carried - before > 2000
    # no socket of the tunnel is left where others could find it
    assert not list((agent.dir / "state").glob("tunnel*"))
    assert agent.daemon.stop() == 0


def test_much_through_a_proxy(platform, proxied, proxies, tmp_path):
    """A question of 700 KB down, an answer of many names up."""
    many = tmp_path / "many"
    many.mkdir()
    for i in range(2000):
        (many / f"{secrets.token_hex(40)}").touch()
    for parent in [many, *many.parents]:
        if str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    search = {"s1": {"paths": [str(many)], "names": ["^[0-9a-f]+$"],
                     "sha2": [secrets.token_hex(32) for _ in range(10000)],
                     "options": {"matchall": False, "matchlimit": 100000}}}
    action = tmp_path / "action.json"
    action.write_text(json.dumps({
        "name": "much", "target": "all", "syntaxversion": 2,
        "operations": [{"module": "file",
                        "parameters": {"searches": search}}]}))
    proxy = proxies()
    agent = proxied(proxy)
    wait_for("the agent online", lambda: online(platform, agent))
    p = platform.mig("-i", str(action), "-t", f"name='{agent.name}'",
                     "--json", "-show", "found", check=FOUND)
    answers, summary = answers_of(p)
    assert summary["done"] == 1
    files = {e["file"] for e in answers[0]["operations"][0]["elements"]["s1"]}
    assert len(files - {""}) == 2000
    assert proxy.carried > 700_000
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("mode", ["403", "garbage", "endless", "closes"])
def test_a_bad_proxy_is_passed_over(platform, proxied, proxies, mode):
    """The next proxy is tried; without one, the relay itself."""
    bad, good = proxies(mode), proxies()
    agent = proxied(bad, good)
    wait_for("the agent online", lambda: online(platform, agent))
    assert bad.requests and good.requests


@pytest.mark.parametrize("mode, why", [
    ("403", "403 Forbidden"), ("garbage", "not HTTP"),
    ("endless", "not HTTP"), ("closes", "closed the connection")])
def test_why_no_proxy_helped(platform, proxied, proxies, mode, why):
    bad = proxies(mode)
    port, = free_ports(1)
    agent = proxied(bad, relay=f"localhost:{port}")
    wait_for("the reason in the log",
             lambda: "relay_down" in agent.daemon.tail())
    text = agent.daemon.tail()
    assert f"proxy 127.0.0.1 port {bad.port}" in text and why in text
    assert f"localhost port {port}: Connection refused" in text


def test_directly_when_no_proxy_is_there(platform, proxied):
    class Nobody:
        port, = free_ports(1)
    agent = proxied(Nobody)
    wait_for("the agent online", lambda: online(platform, agent))


def test_a_proxy_cannot_pose_as_the_relay(platform, proxied, proxies,
                                          tmp_path):
    """A proxy that leads elsewhere meets TLS: another CA is refused, and so
    is the right CA with another name."""
    key, cert = tmp_path / "key", tmp_path / "cert"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                    str(key), "-out", str(cert), "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    errors = []

    def pose():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            try:
                ctx.wrap_socket(conn, server_side=True).recv(1)
                errors.append("accepted")
            except (ssl.SSLError, OSError) as e:
                errors.append(str(e))
    threading.Thread(target=pose, daemon=True).start()
    proxy = proxies(target=listener.getsockname())
    agent = proxied(proxy)
    wait_for("a refused handshake", lambda: errors)
    wait_for("its report", lambda: "relay_down" in agent.daemon.tail())
    listener.close()
    assert "accepted" not in errors and "alert" in errors[0].lower(), errors
    assert not online(platform, agent)


def test_the_relays_name_is_checked_behind_a_proxy(platform, proxied,
                                                   proxies):
    """The proxy leads to the right relay, which was asked for by a name that
    is not in its certificate."""
    proxy = proxies(target=("127.0.0.1", platform.relay_port))
    agent = proxied(proxy, relay=f"elsewhere.invalid:{platform.relay_port}")
    wait_for("a refused handshake",
             lambda: "relay_down" in agent.daemon.tail())
    assert proxy.requests[0].startswith("CONNECT elsewhere.invalid:")
    assert not online(platform, agent)


def test_it_says_why_the_relay_is_not_taken(platform, proxied, proxies):
    proxy = proxies(target=("127.0.0.1", platform.relay_port))
    agent = proxied(proxy, relay=f"elsewhere.invalid:{platform.relay_port}")
    wait_for("the reason", lambda: "not the one expected: hostname mismatch"
             in agent.daemon.tail().lower())


@pytest.mark.parametrize("line", [
    "proxy x", "proxy x:0", "proxy x:70000", "proxy http://x:1",
    "proxy me@x:1", "proxy :3128",
    "\n".join(f"proxy p{i}:1" for i in range(9))])
def test_bad_proxy_in_the_configuration(tmp_path, newcomer, line):
    newcomer.conf.write_text(line + "\n")
    run = newcomer.run("-n")
    assert run.returncode == 1 and "proxy" in run.stderr, run.stderr


# --- the agent's own memory ------------------------------------------------------

OWN = ["mig-agent", "mig-agent-net", "mig-agent-verify", "mig-agent-judge", "mig-worker"]


def processes_of(agent):
    """{pid: program} of a running agent: its session, as miglib.Daemon starts it."""
    ret = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(entry)) == agent.daemon.proc.pid:
                ret[int(entry)] = os.path.basename(os.readlink(f"/proc/{entry}/exe"))
        except OSError:
            continue
    return ret


@ROOT
def test_memory_of_the_agent_itself(platform):
    """Whatever is asked by name: of the roles and workers of the agent that is asked nothing is
    looked into; they are counted. Those of the other agents here are named, too."""
    def looks():
        return (processes_of(platform.agents["web1"]),
                {**processes_of(platform.agents["web2"]), **processes_of(platform.agents["db1"])})

    before = looks()
    assert set(before[0].values()) == set(OWN)
    words = [["memory", "-name", f"/{name}$", "-content", "."] for name in OWN]
    secret = secrets.token_hex(16)      # it comes to net, verify, judge, monitor and worker
    words.append(["memory", "-content", secret])
    line = [x for w in words for x in ("+", *w)][1:]
    p = platform.mig(*line, "-t", "name='web1'", "--json", "-show", "all", check=FOUND)
    (answer,), _ = answers_of(p)
    # whoever was there all the time, and whoever was there at all
    after = looks()
    (own, others), (own_ever, others_ever) = zip(*(
        (a.keys() & b.keys(), a.keys() | b.keys()) for a, b in zip(before, after)))
    assert len(answer["operations"]) == len(words) and len(others) >= 2 * len(OWN)
    for part in answer["operations"]:
        found = {e["process"]["pid"] for entries in part["elements"].values() for e in entries}
        assert not found & (own_ever | others_ever), part
        gaps, failures = (part["statistics"][x] for x in ("notexamined", "failures"))
        assert gaps["agentprocess"] >= len(own) and gaps["otheragent"] >= len(others), gaps
        assert {pid for pid in others for f in failures if f.startswith(f"process {pid} /")
                and f.endswith("it runs the agent's own program")} == others
        assert not [f for f in failures for pid in own if f.startswith(f"process {pid} ")]
        assert any(x.startswith("otheragent: ") for x in part["errors"])
