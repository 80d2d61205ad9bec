# SPDX-License-Identifier: MPL-2.0
"""Malformed input from every side: raw HTTP, parts of answers, questions that
are too large or too many, files on the server's disk. Everything is refused in
words or ends that one connection; the rest goes on."""
import base64
import concurrent.futures
import contextlib
import json
import os
import random
import re
import resource
import select
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest

from miglib import BIN, program, wait_for
from procs import parts_of
from test_agent_once import (Agent, MALFORMED, PARAMETERS, document, envelope, gpg)  # noqa: F401
from test_server_api import Server, refused, role_pid

MIB = 1 << 20
TIMEOUT = 2  # of the server's requests


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("bad"))
    try:
        s.init()
        text = re.sub(r"(?m)^(request_timeout|connections_per_ip) .*\n", "", s.conf.read_text())
        s.conf.write_text(text + f"request_timeout {TIMEOUT}s\nconnections_per_ip 300\n")
        yield s.start()
    finally:
        s.daemon.stop()
        s.gpg.stop()


@pytest.fixture(scope="module")
def api(server):
    return server.login()


@pytest.fixture(autouse=True)
def nothing_died(request):
    """The roles before a test are the roles after it."""
    if "server" not in request.fixturenames:
        yield
        return
    server = request.getfixturevalue("server")
    before = {r: role_pid(server, r) for r in ("api", "core", "ca")}
    yield
    assert {r: role_pid(server, r) for r in ("api", "core", "ca")} == before, server.daemon.tail()
    assert server.healthy()


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


# --- HTTP ---------------------------------------------------------------------------

def connect(server, timeout=20):
    ctx = ssl.create_default_context(cafile=server.ca_file)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout)
    return ctx.wrap_socket(raw, server_hostname="localhost")


def talk(server, data, timeout=2 * TIMEOUT + 10):
    """All that comes back until the server closes; it does, in time."""
    out = b""
    with connect(server, timeout) as s:
        with contextlib.suppress(OSError):
            s.sendall(data)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := s.recv(65536):
                out += piece
    return out


def statuses(reply):
    return [int(x) for x in re.findall(rb"HTTP/1\.[01] (\d{3})", reply)]


HEAD = b"Host: localhost\r\n"
HEALTH = b"GET /api/v1/health HTTP/1.1\r\n" + HEAD + b"\r\n"
ENROL = b"POST /api/v1/enrol HTTP/1.1\r\n" + HEAD


MALFORMED_REQUESTS = [
    b"", b"\r\n" * 1000, b"GET", b"GET /", b"GET /api/v1/health", b"GET /api/v1/health\r\n", b"GET  HTTP/1.1\r\n\r\n",
    b"GET /api/v1/health HTTP/0.9\r\n\r\n", b"GET /api/v1/health HTTP/2.0\r\n" + HEAD + b"\r\n",
    b"GET /api/v1/health HTTP/1.1" + b"9" * 1000 + b"\r\n\r\n", b"GET /api/v1/status\x00 HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /api/v1/" + b"a" * 100000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /api/v1/agents?" + b"x=1&" * 20000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"A" * 200000, b"\x00" * 1000, random.Random(1).randbytes(5000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\n" + HEAD + b"X: " + b"h" * 100000 + b"\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\n" + HEAD + b"".join(b"X%d: y\r\n" % i for i in range(20000)) + b"\r\n",
    b"GET /api/v1/status HTTP/1.1\r\n" + HEAD + b" folded: x\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\n: no name\r\n\r\n", b"GET /api/v1/status HTTP/1.1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n", b"GET /api/v1/actions/%00%2e%2e%2f HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /api/v1/actions/%zz%f HTTP/1.1\r\n" + HEAD + b"\r\n", b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\n" + HEAD + b"\r\n", b"TRACE /api/v1/status HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET http://elsewhere/api/v1/status HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /api/v1/status HTTP/1.1\r\nAuthorization: Bearer " + b"f" * 20000 + b"\r\n\r\n",
    b"GET /api/v1/status HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    ENROL + b"Content-Length: 10\r\n\r\n", ENROL + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    ENROL + b"Content-Length: -1\r\n\r\n{}", ENROL + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    ENROL + b"Content-Length: 0x2\r\n\r\n{}", ENROL + b"Content-Length: \r\n\r\n{}",
    ENROL + b"Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}",
    ENROL + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ENROL + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    ENROL + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    ENROL + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"e" * 100000 + b"\r\n{}\r\n0\r\n\r\n",
    ENROL + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"T: x\r\n" * 20000 + b"\r\n",
    ENROL + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ENROL + b"Expect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}",
    ENROL + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
]


def test_malformed_requests(server):
    """No reply or a refusal in words; the connection ends by itself."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda d: talk(server, d), MALFORMED_REQUESTS))
    for data, reply in zip(MALFORMED_REQUESTS, replies):
        assert not [s for s in statuses(reply) if s < 400], (data[:100], reply[:300])
        for body in re.findall(rb"\r\n\r\n(\{.*?\}\})", reply):
            assert json.loads(body)["error"]["message"]


SMUGGLED = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n", b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n",
    b"Transfer-Encoding: chunked, identity\r\nContent-Length: %d\r\n", b"Transfer-Encoding:\x0bchunked\r\nContent-Length: %d\r\n",
    b"Content-Length: 5\r\nContent-Length: %d\r\n", b"Content-Length: %d\r\nContent-Length: 5\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n", b"X: y\nContent-Length: 5\r\n", b"Content-Length : 5\r\n",
]


def test_smuggled_requests(server):
    """Two ways to see where a request ends: no proxy in front may take for one
    what is two here, so what is ambiguous is refused and the connection ends,
    or the second request is one that stands behind any proxy's end too."""
    body = b"0\r\n\r\n" + HEALTH
    heads = [h % len(body) if b"%d" in h else h for h in SMUGGLED]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda h: talk(server, ENROL + h + b"\r\n" + body), heads))
    for head, reply in zip(heads, replies):
        plain = head in (b"Content-Length: 5\r\n", b"X: y\nContent-Length: 5\r\n")
        assert statuses(reply).count(200) <= plain, (head, reply)


def test_pipelined_requests(server):
    reply = talk(server, HEALTH * 50)
    assert statuses(reply) == [200] * 50


def test_slow_heads_and_bodies_end(server, api):
    """A byte now and then does not keep a connection: it has the time of one
    request, while others are served."""
    socks = [connect(server) for _ in range(40)]
    bodies = [connect(server) for _ in range(5)]
    try:
        for s in bodies:
            s.sendall(ENROL + b"Content-Length: 100000\r\n\r\n")
        for s in socks:
            s.sendall(b"GET /api/v1/health HTTP/1.1\r\nX: ")
        begin = time.monotonic()
        left = {**{s: "head" for s in socks}, **{s: "body" for s in bodies}}
        heads_gone = None
        while left:
            assert time.monotonic() - begin < 12 * TIMEOUT, f"{len(left)} still open"
            for s in list(left):
                try:
                    s.sendall(b"x")
                    s.settimeout(0.001)
                    with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
                        if s.recv(100) == b"":
                            raise ConnectionError
                except OSError as e:
                    if isinstance(e, TimeoutError):
                        continue
                    del left[s]
            if heads_gone is None and "head" not in left.values():
                heads_gone = time.monotonic() - begin
            assert api.call("GET", "/status")[0] == 200
            time.sleep(0.2)
        assert heads_gone < 6 * TIMEOUT
    finally:
        for s in socks + bodies:
            s.close()


def test_idle_connections_are_bounded(server, api):
    """As many as one address may have, and not one more; then they end."""
    pid = role_pid(server, "api")
    before = rss_kb(pid)
    socks = []
    try:
        for _ in range(400):
            s = socket.create_connection(("127.0.0.1", server.port), 5)
            s.setblocking(False)
            socks.append(s)

        def closed():
            n = 0
            for s in socks:
                try:
                    n += s.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    n += 1
            return n
        wait_for("the surplus to be closed", lambda: closed() >= 100, 10)
        assert rss_kb(pid) - before < 64 << 10
        wait_for("the idle ones to be closed", lambda: closed() == 400, 4 * TIMEOUT + 10)
        wait_for("the API again", server.healthy)
    finally:
        for s in socks:
            s.close()
    assert api.call("GET", "/status")[0] == 200


@contextlib.contextmanager
def silent(port, n):
    """So many connections that say nothing, as far as they are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n + 2000:
        pytest.skip(f"{hard} descriptors at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = []
    try:
        for i in range(n):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            socks.append(s)
            if i % 100 == 99:   # as fast as they are taken, not faster
                taken = select.poll()
                taken.register(s, select.POLLOUT)
                taken.poll(5000)
        yield socks
    finally:
        for s in socks:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


IDLE = 10000
IDLE_RELAY = 2000   # each is a TLS object of the relay: by hand with 10,000


@pytest.mark.long
def test_silent_connections_to_the_relay(server, api):
    """Agents come, are welcomed and asked as ever; what they cost is bounded
    by their number, and that by relay_agents (20,000 here)."""
    text = (server.state / "mosquitto.conf").read_text()
    assert re.findall(r"(?m)^max_connections (\d+)$", text) == [str(20000 + 5000 + 256)]
    here = server.enrol("before").connect().hello()
    here.expect(5)
    relay = parts_of(server.daemon.proc.pid)["relay"]
    before = rss_kb(relay)
    try:
        with silent(server.relay_port, IDLE_RELAY):
            new = server.enrol("between").connect().hello()
            try:
                new.expect(5, 30)
                for a in (here, new):
                    ident = server.launch(api, target=f"id = '{a.who.id}'")["id"]
                    a.expect(1, 30)
                    assert api.call("GET", "/actions/" + ident)[1]["counts"]["expected"] == 1
            finally:
                new.close()
            assert rss_kb(relay) - before < IDLE_RELAY * 64
            assert parts_of(server.daemon.proc.pid)["relay"] == relay
    finally:
        here.close()


def test_ten_thousand_silent_connections_to_the_api(server, api):
    """One address has its share; others (here: who was in) are served."""
    pid = role_pid(server, "api")
    before = rss_kb(pid)
    assert api.call("GET", "/status")[0] == 200
    with silent(server.port, IDLE) as socks:
        def closed():
            n = 0
            for s in socks:
                try:
                    n += s.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    n += 1
            return n
        wait_for("the surplus to be closed", lambda: closed() >= IDLE - 300, 60)
        assert rss_kb(pid) - before < 64 << 10
        assert len(os.listdir(f"/proc/{pid}/fd")) < 1000
    wait_for("the API again", server.healthy, 30)
    assert api.call("GET", "/status")[0] == 200


@pytest.mark.parametrize("path", ["/sessions", "/targets", "/actions", "/investigators", "/tokens", "/enrol"])
@pytest.mark.parametrize("body", [
    "[" * 10000, '{"a":' * 10000, '{"target":' + "9" * 100000 + "}", '{"uses":1e999}', '{"uses":-9223372036854775809}',
    '{"document":"' + "x" * 2 * MIB + '"}', '{"\\u0000":1}', '"' + "\\" * 9999, "{" + ",".join(f'"k{i}":{i}' for i in range(50000)) + "}",
    "\ufeff{}", "NaN", '{"document":null,"signatures":null}', '{"signatures":[' + ",".join(["0"] * 100000) + "]}",
], ids=lambda b: re.sub(r"[\[\]]", ".", ascii(b[:14])))
def test_bodies_of_every_wrong_kind(api, path, body):
    status, j = api.call("POST", path, body.encode())
    assert 400 <= status < 500, (status, j)
    assert j["error"]["message"] and len(json.dumps(j)) < 4096


# --- parts of answers -----------------------------------------------------------------

def test_impossible_parts(server, api):
    """Wrong counts, sizes, orders and claims: nothing is kept for them, and an
    honest answer goes through afterwards."""
    a = server.enrol("parts").connect().hello()
    try:
        a.expect(5)
        action = server.launch(api, target=f"id = '{a.who.id}'")["id"]
        a.expect(1)
        core = role_pid(server, "core")
        before, memory = refused(api), rss_kb(core)
        sealed = os.urandom(200000)
        good = a.answer_bytes(action, 1, 0, sealed, 1)
        ident = bytes.fromhex(action)
        n = 0
        for part, of, size in ((0, 0, 10), (1, 1, 10), (5, 3, 10), (65535, 65535, 10), (0, 65535, 16384), (0, 65535, 0),
                               (0, 3, 122881), (65534, 65535, 122880), (0, 1, 0), (0, 1, 122880), (2, 70, 122880)):
            a.publish(a.topic("out"), b"\x10" + ident + part.to_bytes(2, "big") + of.to_bytes(2, "big") + bytes(size))
            n += 1
        # a header that claims two gigabytes, and one more than it has
        for claim in (1 << 31, 0xffffffff, len(sealed) + 1, 8 * MIB + 1, 0):
            h = bytearray(good[:292])
            h[-96 - 4:-96] = claim.to_bytes(4, "big")
            a.send_part(action, 0, 1, bytes(h) + sealed[:1000])
        # doubled, overlapping, cut anew in the middle of it
        for part, of, data in ((0, 3, good[:16384]), (0, 3, b"x" * 16384), (1, 3, good[16384:139264]),
                               (1, 3, good[16000:138880]), (0, 2, good[:16384]), (1, 2, good[16384:139264]), (2, 3, b"")):
            a.send_part(action, part, of, data)
        wait_for("the core to have looked at all that", lambda: refused(api) > before)
        # acknowledgements of the junk come in between, so it may have to say it
        # again, as an agent does

        def stored():
            a.answer(action, good)
            counts = api.call("GET", "/actions/" + action)[1]["counts"]
            return counts["answered"] == counts["done"] == 1
        wait_for("the honest answer to be stored", stored, 60)
        got = [x for x in api.lines(f"/actions/{action}/results") if x["type"] == "answer"]
        assert [base64.b64decode(x["answer"]) for x in got] == [good]
        assert rss_kb(core) - memory < 64 << 10
    finally:
        a.close()


@pytest.mark.parametrize("nth", range(3))
def test_every_bit_of_an_answer(server, api, nth):
    """However an answer was changed on the way, it is not the agent's. As many
    changes from one agent as do not count as a flood."""
    a = server.enrol(f"flips{nth}").connect().hello()
    try:
        a.expect(5)
        action = server.launch(api, target=f"id = '{a.who.id}'")["id"]
        a.expect(1)
        before = refused(api)
        good = a.answer_bytes(action, 1, 0, os.urandom(1200), 1)
        bits = [*range(0, 292 * 8, 11), *range(292 * 8, len(good) * 8, 293)][nth::3]
        for bit in bits:
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            a.send_part(action, 0, 1, bytes(bad))
        wait_for("all of them to be refused", lambda: refused(api) >= before + len(bits), 60)
        assert api.call("GET", "/actions/" + action)[1]["counts"]["answered"] == 0
        a.answer(action, good)
        assert api.call("GET", "/actions/" + action)[1]["counts"]["answered"] == 1
    finally:
        a.close()


# --- questions: too many, too large ------------------------------------------------------

@pytest.fixture
def agent(tmp_path, gpg):  # noqa: F811
    tmp_path.chmod(0o755)
    return Agent(tmp_path, gpg).install()


def checks(n, kind="names"):
    if kind == "sha2":
        return {kind: [f"{i:064x}" for i in range(n)]}
    return {kind: [f"^needle{i}$" for i in range(n)]}


def file_operation(path, **fields):
    return {"module": "file", "parameters": {"searches": {"s": {
        "paths": [str(path)], "options": {"matchall": False}, **fields}}}}


@pytest.mark.parametrize("kind", ["names", "sha2"])
def test_ten_thousand_terms_run(agent, gpg, kind):  # noqa: F811
    d = agent.where / "d"
    d.mkdir()
    (d / "needle9999").write_text("x")
    run, answer = agent.once(envelope(gpg, document(gpg, operations=[file_operation(d, **checks(10000, kind))])))
    assert run.returncode == 0, run.stderr
    op = answer["operations"][0]
    assert op["status"] == "done" and op["result"]["success"], op
    assert op["result"]["foundanything"] is (kind == "names")


def test_hundred_thousand_terms_are_refused(agent, gpg):  # noqa: F811
    """By the judge, as by the worker and the client, in few words."""
    doc = document(gpg, operations=[{"module": "file", "parameters": {"searches": {"s": {
        "paths": ["/etc"], "names": ["a"] * 100000}}}}])
    assert len(doc) < MIB
    assert agent.refused(envelope(gpg, doc)) == PARAMETERS
    assert "at most 32768" in agent.report()[-2]["detail"]


def stack_for_arguments():
    """The kernel takes a quarter of the stack's limit, and no more than 6 MiB."""
    resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def test_hundred_thousand_terms_on_the_command_line(tmp_path):
    """The limit is told; then what is within it."""
    def ask(n):
        return subprocess.run([program("mig"), "file", "-t", "local", "-path", str(tmp_path)] + ["-name", "x"] * n,
                              capture_output=True, text=True, timeout=60, check=False,
                              preexec_fn=stack_for_arguments)
    run = ask(100000)
    assert run.returncode == 2 and run.stdout == ""
    assert "100000 checks, at most 32768" in run.stderr and len(run.stderr) < 1000, run.stderr[:1000]
    run = ask(10000)
    assert run.returncode == 1, run.stderr[:1000]


@pytest.mark.parametrize("version", [2, 3])
def test_hundred_thousand_terms_in_an_action_file(tmp_path, version):
    """Refused before anything is signed or shown, with the file's name."""
    path = tmp_path / "action.json"
    path.write_text(json.dumps({
        "syntaxversion": version, "name": "many", "target": "all", "operations": [
            {"module": "file", "parameters": {"searches": {"s": {"paths": ["/etc"], "names": ["^a"] * 100000}}}}]}))
    for how in (["-t", "local"], ["-p"], []):
        run = subprocess.run([program("mig"), "-i", str(path), *how], capture_output=True, text=True, timeout=60,
                             check=False, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(tmp_path)})
        assert run.returncode == 2 and run.stdout == "", (how, run.stdout[:200])
        assert f"{path}: operations[0]: " in run.stderr and "100000 checks, at most 32768" in run.stderr, run.stderr[:500]
        assert len(run.stderr) < 1000


def test_sixty_four_operations_and_one_more(agent, gpg):  # noqa: F811
    one = {"module": "file", "parameters": {"searches": {"s": {"paths": ["/etc"], "names": ["^passwd$"],
                                                               "options": {"maxdepth": 1}}}}}
    run, answer = agent.once(envelope(gpg, document(gpg, operations=[one] * 64)))
    assert run.returncode == 0, run.stderr
    assert [o["status"] for o in answer["operations"]] == ["done"] * 64
    assert agent.refused(envelope(gpg, document(gpg, operations=[one] * 65))) == MALFORMED
    assert "64" in agent.report()[-2]["detail"]


def test_a_document_of_one_mebibyte_and_one_byte_more(agent, gpg):  # noqa: F811
    doc = document(gpg, "/etc", operations=[{"module": "file", "parameters": {"searches": {"s": {
        "paths": ["/etc"], "names": ["^passwd$"], "options": {"maxdepth": 1}}}}}])
    exact = doc + b" " * (MIB - len(doc))
    run, answer = agent.once(envelope(gpg, exact))
    assert run.returncode == 0 and answer["operations"][0]["result"]["foundanything"], run.stderr
    assert agent.refused(envelope(gpg, exact + b" ")) == MALFORMED


def test_a_document_of_one_mebibyte_through_the_server(server, api):
    doc = server.document(target="id = 'nobody'")
    exact = doc + " " * (MIB - len(doc))
    assert server.launch(api, envelope=server.envelope(exact))["expected"] == 0
    status, j = api.call("POST", "/actions", server.envelope(exact + " "))
    assert status in (400, 413) and "1048576" in j["error"]["message"], j


def field_table():
    """Each parameter that the module's table has, as mig prints it."""
    text = subprocess.run([program("mig"), "file", "--help"], capture_output=True, text=True, check=False).stdout
    flags = re.findall(r"^\s+-{1,2}([a-z0-9]+)\b", text, re.M)
    return flags


BAD_VALUES = {
    "path": ["etc", "", "./x", "/" + "a" * 5000], "name": ["(", "", "[", "a{99999}", "(?<=x)y", "\\"],
    "size": ["", "x", "-1", "1kk", "9" * 30, "<", ">m", "1.5k", " 1"], "mode": ["(", "", "["],
    "mtime": ["", "1d", "<d", "<1", ">1y", "<-1d", "<" + "9" * 30 + "d"], "content": ["(", "", "a{1,100000}", "*"],
    "md5": ["", "xyz", "a" * 31, "a" * 33, "g" * 32], "sha1": ["", "a" * 39, "g" * 40], "sha2": ["a" * 65, "a" * 40, "g" * 64],
    "sha3": ["a" * 40, "", "g" * 56], "mismatch": ["", "nothing", "names"],
    "maxdepth": ["", "-1", "x", "1e9", "9" * 30], "maxerrors": ["", "-1", "1.5"], "matchlimit": ["", "-1", "0x10", "9" * 25],
}
SWITCHES = {"matchall", "matchany", "macroal", "returnsha256", "decompress", "remotefs", "verbose"}


def test_the_table_of_bad_values_is_complete():
    flags = set(field_table())
    assert "path" in flags and "sha3" in flags, flags
    own = {f for f in flags if f in BAD_VALUES or f in SWITCHES}
    listed = subprocess.run([program("mig"), "file", "--help"], capture_output=True, text=True, check=False).stdout
    section = listed[listed.index("path"):]
    assert own == set(BAD_VALUES) | SWITCHES, (own ^ (set(BAD_VALUES) | SWITCHES), section)


@pytest.mark.parametrize("flag", sorted(BAD_VALUES))
def test_every_field_violated_at_the_client(tmp_path, flag):
    for value in BAD_VALUES[flag]:
        args = ["-name", "a", f"-{flag}", value, *([] if flag == "path" else ["-path", "/nonexistent"])]
        run = subprocess.run([program("mig"), "file", "-t", "local", *args], capture_output=True, text=True, timeout=20,
                             check=False)
        assert run.returncode == 2 and run.stdout == "", (flag, value[:40], run.returncode, run.stderr)
        assert f"file: -{flag}: " in run.stderr, (flag, value[:40], run.stderr)
        assert len(run.stderr) < 8192


def worker(parameters):
    run = subprocess.run([program("mig-worker"), "file"], input=json.dumps(parameters), capture_output=True, text=True,
                         timeout=30, check=False)
    return run.returncode, json.loads(run.stdout)


def violations():
    """Every field with every type it does not have, and unknown ones."""
    search = {"paths": ["/nonexistent"], "names": ["a"]}
    wrong = [None, True, 1, -1, 1.5, 1e300, "x", [], {}, [1], [None], [[]], [{}], {"a": 1}]
    lists = ["paths", "names", "sizes", "modes", "mtimes", "contents", "md5", "sha1", "sha2", "sha3"]
    for field in lists:
        for v in wrong:
            if v is None and field != "paths" or v == [] and field != "paths":
                continue  # the same as absent, as in the original's files
            yield f"{field}={v!r}", {**search, field: v}
    for field in ("maxdepth", "maxerrors", "matchlimit"):
        for v in (True, -1, 1.5, 1e300, "x", [], {}):
            yield f"{field}={v!r}", {**search, "options": {field: v}}
    for field in ("matchall", "macroal", "returnsha256", "decompress", "remotefs"):
        for v in (1, 0, "true", [], {}):
            yield f"{field}={v!r}", {**search, "options": {field: v}}
    for v in ("name", ["nothing"], [1], {}, 1):
        yield f"mismatch={v!r}", {**search, "options": {"mismatch": v}}
    yield "unknown", {**search, "unknown": 1}
    yield "options.unknown", {**search, "options": {"unknown": 1}}
    yield "options", {**search, "options": []}
    yield "description", {**search, "description": 1}


def test_every_field_violated_at_the_worker():
    table = list(violations())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda row: worker({"searches": {"s": row[1]}}), table))
    for (name, _), (rc, answer) in zip(table, answers):
        assert rc == 1 and not answer["success"], name
        where = name.split("=")[0].split(".")[-1]
        assert where in answer["errors"][0] and "expected" in answer["errors"][0] or "unknown" in name, (name, answer)
    for bad in ({}, {"searches": {}}, {"searches": []}, {"searches": {"": {}}}, {"searches": {"x" * 65: {}}}, [], 1,
                {"searches": {f"s{i}": {"paths": ["/"]} for i in range(10000)}}):
        rc, answer = worker(bad)
        assert rc == 1 and answer["errors"][0], bad


CONTRADICTORY = [("sizes", ">1m", "<1k"), ("names", "^f$", "!^f$"), ("mtimes", "<1h", ">2h"),
                 ("contents", "x", "!x"), ("sha2", "ab" * 32, "cd" * 32)]


def test_contradictory_filters_are_refused_in_words(tmp_path):
    """The field and both values; nothing is looked at, as "nothing found" would be no answer."""
    (tmp_path / "f").write_text("x\n")
    for field, a, b in CONTRADICTORY:
        search = {"paths": [str(tmp_path)], field: [a, b]}
        rc, answer = worker({"searches": {"s": {**search, "options": {"matchall": True}}}})
        assert rc == 1 and not answer["success"], answer
        assert answer["errors"][0].startswith(f"searches.s.{field}[1]: no file passes both '{a}' and '{b}'"), answer
        rc, answer = worker({"searches": {"s": search}})  # each by itself
        assert rc == 0 and answer["success"] and answer["foundanything"] == (field != "sha2"), answer


def test_contradictory_filters_at_the_command_line(tmp_path):
    def mig(*args):
        r = subprocess.run([BIN / "mig", *args, "-t", "local"], capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout + r.stderr
    for field, a, b in CONTRADICTORY:
        flag = field.removesuffix("s")
        rc, text = mig("file", "-path", tmp_path, f"-{flag}", a, f"-{flag}", b)
        assert rc >= 2 and f"-{flag}: no file passes both '{a}' and '{b}'" in text and "matchany" in text, text
        assert mig("file", "-path", tmp_path, f"-{flag}", a, f"-{flag}", b, "-matchany")[0] == 1
    rc, text = mig("pkg", "-name", ".", "-vercmp", ">=2:2.0", "-vercmp", "<2:2.0")
    assert rc >= 2 and "-vercmp: no version passes both '>=2:2.0' and '<2:2.0'" in text, text


def test_contradictory_filters_at_agent_and_server(agent, gpg, server, api):  # noqa: F811
    for op, says in ((file_operation("/etc", sizes=["<1k", ">1m"], options={"matchall": True}),
                      "searches.s.sizes[1]: no file passes both '<1k' and '>1m'"),
                     ({"module": "pkg", "parameters": {"pkgmatch": {"matches": ["."]}, "vermatch": "=2", "vercmp": [">2"]}},
                      "vermatch: no version passes both '>2' and '=2'")):
        assert agent.refused(envelope(gpg, document(gpg, operations=[op]))) == PARAMETERS
        assert says in agent.report()[-2]["detail"]
        assert says in server.launch(api, 403, operations=[op])["error"]["message"]


# --- the server's own files ---------------------------------------------------------------

@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A server's state, made and never started."""
    s = Server(tmp_path_factory.mktemp("stopped"))
    try:
        yield s.init()
    finally:
        s.gpg.stop()


def stopped_is_up(server):
    with contextlib.suppress(OSError, ssl.SSLError):
        return server.https().call("GET", "/health")[0] == 200
    return False


@contextlib.contextmanager
def starting(server):
    """Its log, while it tries."""
    log = server.dir / "start.log"
    with open(log, "wb") as out:
        p = subprocess.Popen(server.daemon.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield log
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(30)


def damaged(data, how):
    if how == "bit":  # in the private number, past what only names the kind
        data = bytearray(data)
        data[data.index(b"\n") + 60] ^= 1
        return bytes(data)
    return {"empty": b"", "garbage": os.urandom(300), "cut": data[:len(data) * 2 // 3]}[how]


@pytest.mark.parametrize("how", ["empty", "garbage"])
def test_a_damaged_key_of_the_api_is_made_anew(stopped, how):
    """Who connects knows the CA, and not this key. It says so."""
    path = stopped.state / "tls" / "server.key"
    data = path.read_bytes()
    path.write_bytes(damaged(data, how))
    try:
        with starting(stopped) as log:
            wait_for("the server", lambda: stopped_is_up(stopped))
            assert "warn key_made name=api why=" in log.read_text(errors="replace")
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name, how", [(n, h) for n in ("db/store.sqlite", "ca/ca.key")
                                       for h in ("empty", "garbage", "bit")
                                       # bits of the store: tests/unit/server/test_stored.c
                                       if (n, h) != ("db/store.sqlite", "bit")] +
                         [("db/store.sqlite", "cut"), ("ca/ca.crt", "empty"), ("tls/server.key", "bit")])
def test_damaged_files_of_the_server(stopped, name, how):
    """It says which and why, and does not begin anew as if nothing had been."""
    path = stopped.state / name
    if name.startswith("db"):  # all of it in one file
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    path.write_bytes(damaged(data, how))
    try:
        with starting(stopped) as log:
            want = {"db": "store.sqlite", "tls": "tls|certificate|private key|server.(key|crt)",
                    "ca": "CA|certificate|private key|ca.(key|crt)"}[name[:name.index("/")]]
            wait_for(f"words about {name}", lambda: re.search(f" error .*({want})", log.read_text(errors="replace")))
            text = log.read_text(errors="replace")
            assert "BUG" not in text and "killed" not in text, text
            if not name.startswith("ca"):  # without the CA only nobody can enrol
                assert not stopped_is_up(stopped)
    finally:
        for extra in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path}{extra}")
        path.write_bytes(data)
