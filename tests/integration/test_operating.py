# SPDX-License-Identifier: MPL-2.0
"""What an operator relies on: retention, full disks, health and metrics."""
import hashlib
import os
import re
import signal
import socket
import sqlite3
import ssl
import time

import pytest

from fakeagent import FakeAgent, Identity
from miglib import Daemon, free_ports, program, wait_for
from procs import parts_of
from test_server_api import Server

SAMPLE = re.compile(
    r"^(mig_[a-z_]+)(\{[a-z]+=\"[^\"\\\n]*\"(?:,[a-z]+=\"[^\"\\\n]*\")*\})?"
    r" (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|\+Inf|NaN)$")


@pytest.fixture(scope="module", name="people")
def make_people(tmp_path_factory):
    """Keys and keyrings, made once."""
    s = Server(tmp_path_factory.mktemp("people"))
    rings = {fpr: s.keyring(fpr) for fpr in (s.alice, s.bob)}
    yield s, rings
    s.gpg.stop()


class Operated(Server):
    """A server of a test's own with everybody's people."""

    def __init__(self, directory, people):
        template, self.rings = people
        self.dir = directory
        self.port, self.relay_port = free_ports(2)
        self.conf = directory / "server.conf"
        self.state = directory / "state"
        self.gpg, self.env = template.gpg, template.env
        self.alice, self.bob = template.alice, template.bob
        self.daemon = Daemon([program("mig-server"), "-c", str(self.conf),
                              "run"], directory / "log")

    def keyring(self, fpr):
        return self.rings[fpr]

    def answering(self):
        assert self.daemon.alive(), self.daemon.tail()
        try:
            return self.https().call("GET", "/health")[1]["core"] == "up"
        except (OSError, ssl.SSLError):
            return False

    def start_unready(self):
        """Up, whatever its health says."""
        self.daemon.start()
        wait_for("the core", self.answering, 30)
        return self


@pytest.fixture(name="server")
def make_server(tmp_path, people):
    s = Operated(tmp_path, people).init()
    try:
        yield s
    finally:
        s.daemon.stop()


def configure(server, **keys):
    """Sets keys of its configuration; None takes one out."""
    lines = [x for x in server.conf.read_text().splitlines()
             if x.split(" ")[0] not in keys]
    lines += [f"{k} {v}" for k, v in keys.items() if v is not None]
    server.conf.write_text("\n".join(lines) + "\n")


def parse_metrics(text):
    """Every line of the exposition, strictly; {name with labels: value}."""
    values, types, current = {}, {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in types, line
            assert len(line.split(" ", 3)[3]) > 3, line
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert kind in ("counter", "gauge", "histogram"), line
            assert (kind == "counter") == name.endswith("_total") or \
                name in ("mig_actions_total", "mig_answers_total"), line
            types[name] = kind
            continue
        m = SAMPLE.match(line)
        assert m, line
        name, labels, value = m.groups()
        base = re.sub("_(bucket|sum|count)$", "", name) \
            if types.get(current) == "histogram" else name
        # samples of one metric stand together under its own header
        assert base == current, line
        key = name + (labels or "")
        assert key not in values, line
        values[key] = float(value)
    return values


def scrape(server, headers=None):
    status, head, body = server.https().raw("GET", "/metrics",
                                            headers=headers)
    assert status == 200, (status, body)
    assert head["Content-Type"] == "text/plain; version=0.0.4"
    return parse_metrics(body.decode())


def enrolled(server, name, tags=None):
    who = Identity()
    status, j = server.https().call(
        "POST", "/enrol", who.enrol_request(server.token(), name))
    assert status == 201, j
    return FakeAgent(who, name, j, tags).connect().hello()


def test_metrics_and_who_may_read_them(server):
    token = "a" * 40
    configure(server, metrics_token=hashlib.sha256(token.encode())
              .hexdigest())
    server.start()
    api = server.login()
    agent = enrolled(server, "m1")
    wait_for("the agent", lambda: api.call("GET", "/status")[1]["agents"]
             ["online"] == 1)
    action = server.launch(api)["id"]
    agent.expect(1)
    agent.answer(action)
    m = wait_for("the answer in the metrics", lambda: (
        lambda m: m if m["mig_answers_total"] == 1 else None)(
            parse_metrics(api.raw("GET", "/metrics")[2].decode())))
    assert m["mig_agents_online"] == m["mig_agents_registered"] == 1
    assert m['mig_answers_by_status_total{status="refused"}'] == 1
    assert m['mig_answers_by_status_total{status="done"}'] == 0
    assert m["mig_answer_parts_total"] >= 1
    assert m["mig_acknowledgements_total"] >= 1
    assert m["mig_relay_up"] == m["mig_core_up"] == 1
    assert m["mig_store_bytes"] > 0 and m["mig_disk_free_bytes"] > 0
    for name in ("api", "relay", "ca"):
        assert m[f'mig_certificate_end_seconds{{name="{name}"}}'] \
            > time.time() + 86400
    assert m['mig_build_info{version="0.1.0"}'] == 1
    # a histogram rises to its count
    le = [v for k, v in m.items() if "_commit_seconds_bucket" in k]
    assert le == sorted(le) and le[-1] == m["mig_store_commit_seconds_count"]
    assert m["mig_store_commit_seconds_count"] > 0
    # its own token; nothing else is opened by it
    scrape(server, {"Authorization": "Bearer " + token})
    for bad in (token + "a", "", "b" * 40):
        status, _, _ = server.https().raw(
            "GET", "/metrics", headers={"Authorization": "Bearer " + bad})
        assert status == 401
    assert server.https().raw("GET", "/status", headers={
        "Authorization": "Bearer " + token})[0] == 401


def test_started_means_that_it_serves(server, tmp_path):
    """What systemd is told (sd_notify(3)), three times: it is asked at once."""
    where = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    where.bind(str(tmp_path / "notify"))
    where.settimeout(30)
    server.daemon.env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    for _ in range(3):
        server.daemon.start()
        assert where.recv(100) == b"READY=1"
        assert server.https().call("GET", "/health")[0] in (200, 503)
        server.daemon.stop()
        assert where.recv(100) == b"STOPPING=1"
    where.close()


def test_health_says_what_is_wrong(server):
    configure(server, metrics_open="loopback")
    server.start()
    status, j = server.https().call("GET", "/health")
    assert (status, j["status"], j["live"], j["ready"]) == \
        (200, "ok", True, True)
    assert j["problems"] == [] and j["relay"] == "up"
    assert set(j["certificates"]) == {"api", "relay", "ca"}
    assert scrape(server)["mig_relay_up"] == 1
    # a core that says nothing
    core = parts_of(server.daemon.proc.pid)["core"]
    os.kill(core, signal.SIGSTOP)
    try:
        wait_for("the health", lambda: "the core says nothing for 1" in str(
            server.https().call("GET", "/health")), 30)
        assert server.https().call("GET", "/health")[0] == 503
    finally:
        os.kill(core, signal.SIGCONT)
    wait_for("the core", lambda: server.https().call("GET", "/health")[0] == 200)
    server.daemon.stop()
    # less free than the reserve: no new action, in words
    configure(server, disk_reserve="8000000g")
    server.daemon.start()
    def sick():
        try:
            status, j = server.https().call("GET", "/health")
        except OSError:
            return None
        return (status, j) if "disk" in str(j["problems"]) else None
    status, j = wait_for("the health", sick, 30)
    assert status == 503 and j["ready"] is False and j["disk"] == "full"
    # who would restart it is told that it lives
    assert server.https().call("GET", "/health?live=1")[0] == 200
    assert scrape(server)["mig_disk_state"] == 2


def launch_refused(server, api):
    status, j = api.call("POST", "/actions", server.envelope(server.document()))
    return status, j.get("error", {})


def test_full_disk_takes_nothing_and_loses_nothing(server):
    server.start()
    api = server.login()
    agent = enrolled(server, "d1")
    wait_for("the agent", lambda: api.call("GET", "/status")[1]["agents"]
             ["online"] == 1)
    action = server.launch(api)["id"]
    agent.expect(1)
    server.daemon.stop()
    agent.close()
    configure(server, disk_reserve="8000000g")
    server.start_unready()
    api = server.login()
    status, error = launch_refused(server, api)
    assert (status, error["code"]) == (507, "storage")
    assert "disk" in error["message"]
    wait_for("the relay", lambda: server.https().call("GET", "/health")[1]["relay"] == "up")
    # an answer is not acknowledged, and not lost: it comes again
    agent.connect().hello()
    agent.send_part(action, 0, 1, agent.answer_bytes(action))
    wait_for("the part to be put off", lambda: parse_metrics(
        api.raw("GET", "/metrics")[2].decode())
        ["mig_answer_parts_deferred_total"] >= 1)
    server.daemon.stop()
    agent.close()
    configure(server, disk_reserve=None)
    server.start()
    api = server.login()
    agent.connect().hello()
    agent.answer(action)
    lines = list(api.lines(f"/actions/{action}/results"))
    assert lines[0]["agent"] == agent.who.id
    server.launch(api)["id"]


def age(server, action, seconds):
    """An action's end, moved back in the store while nobody uses it."""
    with sqlite3.connect(server.state / "db" / "store.sqlite") as db:
        n = db.execute("UPDATE actions SET expire_after = expire_after - ?"
                       " WHERE id = ?", (seconds, bytes.fromhex(action)))
        assert n.rowcount == 1
    db.close()


def test_retention(server):
    configure(server, keep_results="2d", keep_actions="30d")
    server.start()
    api = server.login()
    agent = enrolled(server, "r1")
    wait_for("the agent", lambda: api.call("GET", "/status")[1]["agents"]
             ["online"] == 1)
    ids = [server.launch(api)["id"] for _ in range(3)]
    for i in ids:
        agent.expect(1)
    for i in ids:
        agent.answer(i)
    server.daemon.stop()
    agent.close()
    day = 86400
    age(server, ids[0], 40 * day)
    age(server, ids[1], 20 * day)
    server.start()
    api = server.login()
    wait_for("the oldest action to go", lambda: api.call(
        "GET", f"/actions/{ids[0]}")[0] == 404)
    # the second kept its counts, not its answers
    second = wait_for("the answers to go", lambda: (
        lambda j: j if "results_removed" in j else None)(
            api.call("GET", f"/actions/{ids[1]}")[1]))
    assert second["counts"]["answered"] == 1
    assert [x["type"] for x in api.lines(f"/actions/{ids[1]}/results")] == \
        ["end"]
    # the third, which has not ended, kept all
    assert [x["type"] for x in api.lines(f"/actions/{ids[2]}/results")] == \
        ["answer", "end"]
    m = wait_for("the metrics", lambda: (
        lambda m: m if m["mig_pruned_actions_total"] else None)(
            parse_metrics(api.raw("GET", "/metrics")[2].decode())))
    assert m["mig_pruned_answers_total"] == 2
    assert m["mig_pruned_actions_total"] == 1
    # an agent that sends them once more is told that all is well, and
    # nothing comes back
    agent.connect().hello()
    for i in ids[:2]:
        data = agent.answer_bytes(i)
        agent.send_part(i, 0, 1, data)
        assert agent.ack(i, 0) is True
    assert [x["type"] for x in api.lines(f"/actions/{ids[1]}/results")] == \
        ["end"]


def test_logins_without_end_fill_nothing(server):
    """Each is told in the audit log, which is kept for years. Others are not kept off by them."""
    server.start()
    said = []
    while not said or said[-1][0] == 201:
        assert len(said) < 400
        said.append(server.session(server.session_document(server.nonce()), server.bob))
    assert len(said) > 100 and said[-1][0] == 503 and "try again in" in said[-1][1]["error"]["message"], said[-1]
    api = server.login()
    told = [x for x in api.lines("/audit?last=1000") if '"login"' in x.get("text", "")]
    assert len(told) == len(said)       # not the one that was refused, and this one
    wait_for("his next one", lambda: server.session(server.session_document(server.nonce()), server.bob)[0] == 201, 20)


def test_status_of_a_server_that_does_not_run(server):
    """Who was connected at its end is not any more; who was revoked is not registered."""
    server.start()
    api = server.login()
    stays = enrolled(server, "s1")
    gone = enrolled(server, "s2")
    wait_for("the agents", lambda: api.call("GET", "/status")[1]["agents"]["online"] == 2)
    assert "2 registered, 2 online, 0 revoked, 0 never" in wait_for("its store", lambda: [
        x for x in [server.command("status").stdout] if "2 online" in x])[0]
    assert api.call("DELETE", "/agents/" + gone.who.id)[0] == 200
    server.daemon.kill()
    stays.close()
    assert "1 registered, none online (the server does not run), 1 revoked, 0 never" in server.command("status").stdout


def test_prune_by_hand(server):
    server.start()
    api = server.login()
    agent = enrolled(server, "p1")
    wait_for("the agent", lambda: api.call("GET", "/status")[1]["agents"]
             ["online"] == 1)
    ids = [server.launch(api)["id"] for _ in range(2)]
    for i in ids:
        agent.expect(1)
    for i in ids:
        agent.answer(i)
    age(server, ids[0], 10 * 86400)
    out = server.command("prune", "--results", "5d", "--dry-run").stdout
    assert "1 answer" in out and api.call(
        "GET", f"/actions/{ids[0]}")[1].get("results_removed") is None
    # beside the running server; what has not ended stays
    out = server.command("prune", "--results", "1s", "--actions", "5d",
                         "--vacuum").stdout
    assert "removed 1 answer and 1 action" in out, out
    assert api.call("GET", f"/actions/{ids[0]}")[0] == 404
    assert [x["type"] for x in api.lines(f"/actions/{ids[1]}/results")] == \
        ["answer", "end"]
    assert "usage" in server.command("prune", "--results", "x",
                                     code=2).stderr
