# SPDX-License-Identifier: MPL-2.0
"""Agents over the years: certificates that end, protocols that differ."""
import base64
import os
import re
import ssl
import struct

import pytest
from cryptography import x509

from fakeagent import FakeAgent, Identity
from miglib import ROOT, Platform, wait_for
from test_operating import (configure, enrolled,  # noqa: F401
                            make_people, make_server)


def renew(agent, who=None, **change):
    """Sends RENEW as protocol.md says; who: the TLS key is of another."""
    who = who or Identity()
    doc = agent.who.enrol_request("00" * 32, agent.name,
                                  token_sha256="00" * 32,
                                  tls_spki=who.enrol_request("00" * 32, "x")
                                  ["document"].split('"tls_spki": "')[1]
                                  .split('"')[0], **change)
    agent.publish(agent.topic("out"), b"\x12" + agent.who.pub + bytes.fromhex(
        doc["signature"]) + doc["document"].encode())
    return who


def fields(data):
    out = []
    while data:
        n = struct.unpack(">I", data[:4])[0]
        out.append(data[4:4 + n])
        data = data[4 + n:]
    return out


def online(api):
    return api.call("GET", "/status")[1]["agents"]["online"]


def test_an_agent_of_protocol_2_renews(server):
    server.start()
    api = server.login()
    agent = enrolled(server, "a1")
    wait_for("the agent", lambda: online(api) == 1)
    old = x509.load_pem_x509_certificate(
        agent.enrolled["certificate"].encode())
    new_key = renew(agent)
    cert, ca = fields(agent.expect(6)[1][1:])
    new = x509.load_pem_x509_certificate(cert)
    assert new.subject == old.subject
    assert new.serial_number != old.serial_number
    assert ca.decode() == agent.enrolled["ca"]
    # it is good at the relay, for the same agent
    agent.close()
    agent.enrolled["certificate"] = cert.decode()
    agent.who.tls = new_key.tls
    agent.connect().hello()
    agent.expect(5)
    # too often, of another identity, too old: nothing comes
    refused = lambda: server.daemon.tail(200)  # noqa: E731
    other = Identity()
    mine, agent.who.key, agent.who.pub = (
        (agent.who.key, agent.who.pub), other.key, other.pub)
    renew(agent)
    wait_for("the refusal", lambda: "signed by another agent" in refused())
    agent.who.key, agent.who.pub = mine
    wait_for("the pause", lambda: (
        renew(agent, time="2020-01-01T00:00:00Z"),
        "more than ten minutes" in refused())[1], 30)


@pytest.mark.parametrize("protocol,good", [(1, False), (2, True), (3, True),
                                           (4, False), (9, False)])
def test_protocols_n_and_n_minus_1(server, protocol, good):
    server.start()
    api = server.login()
    agent = enrolled(server, "p1")
    wait_for("the agent", lambda: online(api) == 1)
    agent.close()
    # of a later version, its hello may hold what we do not know
    more = {} if good else {"later": {"x": 1}}
    agent.connect().hello(protocol=protocol, **more)
    _, welcome = agent.expect(5)
    assert welcome[13] == 3
    if good:
        action = server.launch(api)["id"]
        agent.expect(1)
        agent.answer(action)
        return
    text = wait_for("the words", lambda: next(
        (x.get("trouble") for x in api.lines("/agents")), None))
    assert f"speaks protocol {protocol}, this server 2 to 3" in text
    wait_for("it to be off", lambda: online(api) == 0)
    # presence does not bring it back; a hello that fits does
    agent.publish(agent.topic("presence"), agent.presence(1))
    agent.hello(protocol=2)
    wait_for("the agent again", lambda: online(api) == 1)
    wait_for("the store", lambda: "trouble" not in next(api.lines("/agents")))


def test_a_hello_that_an_agent_of_protocol_2_said(server):
    """Bytes of a program of then: tests/data/protocol2/README.md."""
    recorded = ROOT / "tests" / "data" / "protocol2"
    server.start()
    api = server.login()
    who = Identity(bytes.fromhex((recorded / "identity").read_text().split()[2]))
    status, j = server.https().call("POST", "/enrol", who.enrol_request(server.token(), "web1"))
    assert status == 201, j
    agent = FakeAgent(who, "web1", j).connect()
    agent.publish(agent.topic("hello"), (recorded / "hello").read_bytes(), 0)
    _, welcome = agent.expect(5)
    assert welcome[13] == 3
    wait_for("the agent", lambda: online(api) == 1)
    row = wait_for("the store", lambda: next((r for r in api.lines("/agents") if r.get("hello")), None))
    assert base64.b64decode(row["hello"]) == (recorded / "hello").read_bytes() and "trouble" not in row
    action = server.launch(api, target="tags->>'operator'='opsec'")["id"]
    agent.expect(1)
    agent.answer(action)


def test_agents_renew_by_themselves(tmp_path):
    """Real agents with certificates of half a minute."""
    p = Platform(tmp_path / "p")
    try:
        p.setup()
        with open(p.conf, encoding="ascii") as f:
            text = re.sub("(?m)^#?agent_certificate .*\n", "", f.read())
        p.conf.write_text(text + "agent_certificate 24s\n")
        p.start().login()
        agent = p.agent("r1")
        conf = agent.conf.read_text()
        agent.conf.write_text(conf + "hello_interval 5s\n")
        first = (agent.dir / "state" / "agent.crt").read_text()
        renewed = agent.dir / "state" / "tls.renewed"
        # what cannot be written is written later
        renewed.mkdir()
        agent.start()
        p.wait_online(1)
        wait_for("the renewal", lambda: "written later" in agent.daemon.tail(), 90)
        renewed.rmdir()
        wait_for("its file", renewed.exists, 20)
        assert agent.daemon.log.read_text().count(" renewal why=") == 1
        assert oct(renewed.stat().st_mode & 0o777) == "0o600"
        p.wait_online(1)
        question = ["file", "-t", "all", "-path", "/etc", "-name",
                    "^passwd$"]
        p.mig(*question, check=0)
        # after a restart the new one is used
        agent.daemon.stop()
        agent.start()
        p.wait_online(1)
        p.mig(*question, check=0)
        # a damaged file is noticed, and the old certificate is tried
        agent.daemon.stop()
        data = bytearray(renewed.read_bytes())
        data[len(data) // 2] ^= 1
        renewed.write_bytes(data)
        agent.start()
        wait_for("the words", lambda: "damaged" in agent.daemon.tail(), 30)
        for rest in (b"", bytes(data[:20])):
            agent.daemon.stop()
            renewed.write_bytes(rest)
            at = len(agent.daemon.log.read_text())
            agent.start()
            wait_for("the words", lambda: "damaged" in agent.daemon.log.read_text()[at:], 30)
            assert agent.daemon.alive()
        # the first one has ended, and what it may have been renewed to by now is
        # damaged: said in words, and enrolling again brings the same agent back
        def ended():
            c = x509.load_pem_x509_certificate(first.encode())
            import datetime
            return c.not_valid_after < datetime.datetime.utcnow()
        agent.daemon.stop()
        wait_for("the first certificate to end", ended, 90)
        renewed.write_bytes(b"")
        agent.start()
        wait_for("the words", lambda: "mig-agent enrol" in
                 agent.daemon.tail(), 30)
        agent.daemon.stop()
        assert agent.enrol().returncode == 0
        assert not renewed.exists()
        agent.start()
        p.wait_online(1)
        assert p.status()["agents"]["registered"] == 1
        assert os.path.exists(agent.dir / "state" / "agent.crt")
        assert configure
    finally:
        p.stop()


def test_a_revoked_agent_is_thrown_off(server):
    server.start()
    api = server.login()
    bad, good = enrolled(server, "bad"), enrolled(server, "good")
    wait_for("the agents", lambda: online(api) == 2)
    bad.expect(5)
    good.expect(5)
    assert api.call("DELETE", f"/agents/{bad.who.id}")[0] == 200
    with pytest.raises((ConnectionError, OSError)):
        while True:
            bad.receive(20)
    # nobody else is; who comes back is refused by TLS
    action = server.launch(api)["id"]
    good.expect(1)
    good.answer(action)

    def refused(agent):
        try:
            agent.close()
            agent.connect(subscribe=False)
        except ssl.SSLError as e:
            return "revoked" in str(e).replace("_", " ").lower()
        except OSError:
            pass  # the relay starts anew
        return False
    wait_for("the relay to refuse it", lambda: refused(bad))
    good.close()
    good.connect().hello()
    good.expect(5)
    wait_for("the good one alone", lambda: online(api) == 1)
    assert "trouble" not in str(list(api.lines("/agents")))
    # a list that is gone (a backup has none) or damaged is made anew
    crl = server.state / "relay" / "revoked.crl"
    for change in (crl.unlink, lambda: crl.write_text("junk")):
        server.daemon.stop()
        change()
        server.start()
        wait_for("the relay to refuse it", lambda: refused(bad))
        good.close()
        good.connect().hello()
        good.expect(5)


def test_a_revoked_agents_renewed_certificate(server):
    """Each that it ever got counts; one that another gets does not."""
    server.start()
    api = server.login()
    bad = enrolled(server, "bad")
    wait_for("the agent", lambda: online(api) == 1)
    bad.expect(5)
    before, old_key = bad.enrolled["certificate"], bad.who.tls
    new_key = renew(bad)
    after, _ = fields(bad.expect(6)[1][1:])
    assert api.call("DELETE", f"/agents/{bad.who.id}")[0] == 200
    bad.close()
    for cert, key in ((before, old_key), (after.decode(), new_key.tls)):
        bad.enrolled["certificate"], bad.who.tls = cert, key

        def refused():
            try:
                bad.connect(subscribe=False).close()
            except ssl.SSLError as e:
                return "revoked" in str(e).replace("_", " ").lower()
            return False
        wait_for("the relay to refuse it", refused)
