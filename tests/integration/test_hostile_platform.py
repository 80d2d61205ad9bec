# SPDX-License-Identifier: MPL-2.0
"""Whoever holds the relay's own socket publishes what he likes: agents run
only what an investigator signed, for them, now, and once."""
import base64
import json
import subprocess
import time

import pytest

import miglib
from miglib import answers_of, wait_for

MARK = "hostile-platform-test"


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


@pytest.fixture(scope="module")
def relay(platform):
    """Publishes as the owner of the platform."""
    socks = [p for p in platform.state.rglob("*") if p.is_socket()]
    assert socks, "the relay has no Unix socket"

    def publish(topic, payload):
        for sock in socks:
            p = subprocess.run(
                ["mosquitto_pub", "--unix", str(sock), "-V", "mqttv311", "-q",
                 "1", "-t", topic, "-s"], input=payload, capture_output=True,
                check=False)
            if p.returncode == 0:
                return
        raise AssertionError(p.stderr)
    return publish


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    d = tmp_path_factory.mktemp("tree")
    (d / "passwd").write_text("root:x\n")
    return d


def signed(platform, tree, name, target="all", expiry="5m"):
    p = platform.mig("file", "-s", "-n", name, "-t", target, "-e", expiry,
                     "-path", str(tree), "-name", "^passwd$", check=0)
    return json.loads(p.stdout)


def reported(platform, agent, name):
    """How many entries of that agent's own record name this action."""
    out = platform.agents[agent].run("report", "--json").stdout
    return out.count(name)


def honest(platform, tree, name):
    """An honest action after the attack: everyone is still at work, and what
    was published before has been looked at."""
    p = platform.mig("file", "-n", name, "-t", "all", "-path", str(tree),
                     "-name", "^passwd$", "--json", check=0)
    assert answers_of(p)[1]["done"] == 3


def test_the_honest_case_runs_without_the_server(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-honest")
    relay("mig/1/all", b"\x01" + binary(env))
    wait_for("web1 to run it",
             lambda: reported(platform, "web1", f"{MARK}-honest"))


def test_replay_runs_once(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-replay")
    payload = b"\x01" + binary(env)
    for _ in range(3):
        relay("mig/1/all", payload)
    ident = wait_for("web1 to run it",
                     lambda: reported(platform, "web1", f"{MARK}-replay"))
    agent = platform.agents["web1"]
    agent.daemon.stop()
    agent.start()
    platform.wait_online(3)
    relay("mig/1/all", payload)
    honest(platform, tree, "after replay")
    assert reported(platform, "web1", f"{MARK}-replay") == ident


def test_target_cannot_be_widened(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-narrow", target="name='web1'")
    relay("mig/1/all", b"\x01" + binary(env))
    wait_for("web1 to run it",
             lambda: reported(platform, "web1", f"{MARK}-narrow"))
    honest(platform, tree, "after widening")
    for line in platform.agents["db1"].run("report").stdout.splitlines():
        if f"{MARK}-narrow" in line:
            assert "target" in line or "refused" in line, line


def test_unknown_key(platform, relay, tree, tmp_path):
    stranger = miglib.Gpg(tmp_path / "g")
    try:
        fpr = stranger.make_key("Mallory")
        env = signed(platform, tree, f"{MARK}-stranger")
        doc = env["document"].replace(f"{MARK}-stranger",
                                      f"{MARK}-strange2").encode()
        data = b"MIG action v3\n%d\n" % len(doc) + doc
        relay("mig/1/all",
              b"\x01" + pack(doc, [stranger.detach_sign(fpr, data)]))
        honest(platform, tree, "after stranger")
        assert reported(platform, "web1", f"{MARK}-strange2") == 0
    finally:
        stranger.stop()


def test_no_signature_and_foreign_purpose(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-purpose")
    doc = env["document"].encode()
    relay("mig/1/all", b"\x01" + pack(doc, []))
    for purpose in (b"MIG cancel v3\n", b"MIG policy v3\n", b"MIG session v3\n",
                    b"MIG action v2\n", b""):
        data = (purpose + b"%d\n" % len(doc) if purpose else b"") + doc
        sig = platform.gpg.detach_sign(platform.fpr, data)
        relay("mig/1/all", b"\x01" + pack(doc, [sig]))
    honest(platform, tree, "after purposes")
    assert reported(platform, "web1", f"{MARK}-purpose") == 0


def test_changed_document(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-changed", target="name='nobody'")
    sigs = [dearmor(s) for s in env["signatures"]]
    doc = env["document"].replace("name='nobody'", "name<>'nobody'").encode()
    relay("mig/1/all", b"\x01" + pack(doc, sigs))
    honest(platform, tree, "after change")
    assert reported(platform, "web1", f"{MARK}-changed") == 0


def test_expired(platform, relay, tree):
    env = signed(platform, tree, f"{MARK}-late", expiry="1s")
    expire = json.loads(env["document"])["expireafter"]
    wait_for("expiry", lambda: time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > expire, 120)
    relay("mig/1/all", b"\x01" + binary(env))
    honest(platform, tree, "after expiry")
    for line in platform.agents["web1"].run("report").stdout.splitlines():
        if f"{MARK}-late" in line:
            assert "expired" in line or "refused" in line, line


def test_junk_of_every_length(platform, relay, tree):
    env = binary(signed(platform, tree, f"{MARK}-junk", target="name='no'"))
    for kind in range(8):
        for n in (0, 1, 4, 11, 12, 13, 40, 200, len(env) - 1):
            relay("mig/1/all", bytes([kind]) + env[:n])
    relay("mig/1/all", b"\x01" + env + b"more")
    relay("mig/1/all", b"\x01MIG3\x10\0\0\0\xff\xff\xff\xff")
    relay("mig/1/all", b"\xff" * 131000)
    honest(platform, tree, "after junk")
    for a in platform.agents.values():
        assert a.daemon.alive(), a.daemon.tail()
