# SPDX-License-Identifier: MPL-2.0
"""Roles of an agent that were taken over: net hands over a certificate with which no net could connect
any more (tests/takeover/hostilenet.c), verify lies about when something was signed (hostileverify.c).
Nothing of it is left when they are started anew."""
import datetime
import re
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import miglib
from miglib import wait_for
from takeoverlib import DONE, REFUSED
from test_hostile_worker import another

SECONDS = 20
INTERNAL = 17       # src/action/refusal.h
HOSTILE = miglib.BUILD / "tests" / "takeover" / "hostile"
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def victim(taken):
    return another(taken, "victim")


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def strangers(agent):
    """All that is needed, by a CA of their own: CA, certificate, key."""
    ca, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.utcnow()

    def make(subject, public, is_ca):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(name("MIG CA"))
                .public_key(public).serial_number(x509.random_serial_number())
                .not_valid_before(now - DAY / 24).not_valid_after(now + 300 * DAY)
                .add_extension(x509.BasicConstraints(is_ca, None), True)
                .sign(ca, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return (make(name("MIG CA"), ca.public_key(), True), make(name(agent), key.public_key(), False),
            pem(key))


def of(agent):
    return tuple((agent.dir / "state" / f).read_bytes() for f in ("ca.crt", "agent.crt", "agent.key"))


def fields(*texts):
    return b"".join(struct.pack(">I", len(t)) + t for t in texts)


def bodies(taken, victim):
    ca, cert, key = of(victim)
    other = strangers(taken.ids["victim"])
    another_key = pem(ec.generate_private_key(ec.SECP256R1()))
    return {
        "no fields": b"x" * 300,
        "two fields": fields(ca, cert),
        "no texts": fields(b"", b"", b""),
        "another CA": fields(*other),
        "a certificate of another CA": fields(ca, *other[1:]),
        "another key": fields(ca, cert, another_key),
        "another agent's": fields(ca, *of(taken.platform.agents["web2"])[1:]),
        "the one in use": fields(ca, cert, key),
        "a chain that ends in nonsense": fields(ca, cert + b"-----BEGIN CERTIFICATE-----\nAA\n", key),
    }


def test_a_certificate_that_is_none(taken, attack, victim):
    attack.restarts = True      # of the victim's net
    HOSTILE.mkdir(exist_ok=True)
    path, state = HOSTILE / taken.ids["victim"], victim.dir / "state"
    before = sorted(p.name for p in state.iterdir())
    for what, body in bodies(taken, victim).items():
        path.write_bytes(body)
        path.chmod(0o644)
        victim.daemon.stop()
        at = len(victim.daemon.log.read_text())
        victim.start()
        try:
            wait_for(what, lambda at=at: "is not the next certificate of this agent" in
                     victim.daemon.log.read_text()[at:])
        finally:
            path.unlink()
        assert " renewed\n" not in victim.daemon.log.read_text()[at:]
        # the next net is nobody's
        wait_for("the next net", lambda at=at: re.search(
            r"(?s) net_ended .* relay_up ", victim.daemon.log.read_text()[at:]))
        attack.honest("victim")
    assert sorted(p.name for p in state.iterdir()) == before


def test_a_flood_of_what_is_signed(taken, attack, victim):
    """Each roll call is answered by a hello, which the monitor signs."""
    attack.restarts = True
    HOSTILE.mkdir(exist_ok=True)
    path = HOSTILE / taken.ids["victim"]
    path.write_bytes(b"flood")
    path.chmod(0o644)
    victim.daemon.stop()
    at = len(victim.daemon.log.read_text())
    victim.start()
    try:
        wait_for("its end", lambda: " net_floods message=" in victim.daemon.log.read_text()[at:])
    finally:
        path.unlink()
    wait_for("the next net", lambda: re.search(
        r"(?s) net_ended .* relay_up ", victim.daemon.log.read_text()[at:]))
    attack.honest("victim")


def test_signed_in_forty_years(taken, attack, victim):
    """By what was signed last the agent knows that its clock is behind: by such a word everything
    would have ended for ever."""
    attack.restarts = True
    HOSTILE.mkdir(exist_ok=True)
    (HOSTILE / "verify").touch()
    (HOSTILE / "verify").chmod(0o644)

    def restart():
        victim.daemon.stop()
        victim.start()
        taken.platform.wait_online(len(taken.ids))
        attack.honest("victim")
    try:
        restart()
        # one that is signed just now would be refused already
        attack.honest("victim")
    finally:
        (HOSTILE / "verify").unlink()
    restart()


def test_verify_that_ends_by_itself(taken, attack, victim):
    """Again and again: whoever asked is told, and the action is examined when it comes again and verify
    is well."""
    attack.restarts = True
    HOSTILE.mkdir(exist_ok=True)
    (HOSTILE / "verify-ends").touch()
    (HOSTILE / "verify-ends").chmod(0o644)
    victim.daemon.stop()
    at = len(victim.daemon.log.read_text())
    victim.start()
    taken.platform.wait_online(len(taken.ids))
    doc = taken.document(taken.tree, target="name = 'victim'")
    sig = taken.ann.sign(doc)
    action = attack.allow(taken.send(doc, sig, to="victim"))
    try:
        taken.wait_said(action, "victim", REFUSED, INTERNAL)
    finally:
        (HOSTILE / "verify-ends").unlink()
    said = victim.daemon.log.read_text()[at:]
    assert said.count("role_ended role=verify") == 2, said
    assert "verify gave no verdict on it: exit 0" in said
    taken.send(doc, sig, to="victim")
    taken.wait_said(action, "victim", DONE)
