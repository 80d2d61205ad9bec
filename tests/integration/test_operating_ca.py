# SPDX-License-Identifier: MPL-2.0
"""A CA that ends: made anew while agents are there and while they are not."""
import datetime
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from miglib import Platform, wait_for

LIFE = 22  # seconds of the first CA
QUESTION = ["file", "-t", "all", "-path", "/etc", "-name", "^passwd$"]


def now():
    return datetime.datetime.utcnow()


def shorten(p):
    """Gives the CA an end that is near; its key and name stay."""
    path = p.state / "ca" / "ca.crt"
    old = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(
        (p.state / "ca" / "ca.key").read_bytes(), None)
    end = now() + datetime.timedelta(seconds=LIFE)
    builder = (x509.CertificateBuilder().subject_name(old.subject)
               .issuer_name(old.subject).public_key(old.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(now() - datetime.timedelta(hours=1))
               .not_valid_after(end))
    for ext in old.extensions:
        builder = builder.add_extension(ext.value, ext.critical)
    cert = builder.sign(key, hashes.SHA256())
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    p.ca = cert.fingerprint(hashes.SHA256()).hex()
    return end


def ends(agent):
    """When the certificate that it renewed ends."""
    path = agent.dir / "state" / "tls.renewed"
    if not path.exists():
        return datetime.datetime.min
    texts = re.findall(rb"-----BEGIN CERT.*?-----END CERT[^\n]*\n",
                       path.read_bytes(), re.S)
    return x509.load_pem_x509_certificate(texts[1]).not_valid_after


def test_everybody_survives_the_end_of_the_ca(tmp_path):
    p = Platform(tmp_path / "p")
    try:
        p.setup()
        end = shorten(p)
        first = p.ca
        p.start().login()
        here, away, gone = (p.agent(n) for n in ("here", "away", "gone"))
        for a in (here, away, gone):
            a.conf.write_text(a.conf.read_text() + "hello_interval 5s\n")
        here.start()
        away.start()
        p.wait_online(2)
        away.daemon.stop()
        # an API server that shows its old chain would be noticed by check
        out = p.admin("renew", "--ca").stdout
        assert "was told" in out and "2 certificates" in out
        second = re.search(r"fingerprint ([0-9a-f]{64})", out).group(1)
        assert second != first
        assert second in p.admin("status").stdout
        # who was away comes back while the old one is good, by what it knows
        assert now() < end, "too slow: nothing was tested"
        away.start()
        p.wait_online(2)
        for a in (here, away):
            wait_for("its renewal", lambda a=a: ends(a) > end, 60)
        wait_for("the end of the first CA", lambda: now() > end, 60)
        # from here on nobody gets anywhere with the old one alone
        for a in (here, away):
            a.daemon.stop()
            a.start()
        p.wait_online(2)
        p.mig(*QUESTION, check=0)
        # who was away all the time says so; enrolling again helps, by the
        # fingerprint of today
        gone.start()
        wait_for("the words", lambda: "mig-agent enrol" in
                 gone.daemon.tail(), 30)
        gone.daemon.stop()
        assert p.ca == first and gone.enrol().returncode != 0
        p.ca = second
        assert gone.enrol().returncode == 0
        gone.start()
        p.wait_online(3)
        # clients: what was pinned before, with a new session; pinned anew
        p.mig("status", check=0)
        for path in p.dir.rglob("session"):
            path.unlink()
        p.mig("status", check=0)
        p.login()
        p.mig(*QUESTION, check=0)
        assert p.status()["agents"]["registered"] == 3
        # a stranger's fingerprint is still none
        refused = p.mig("init", "--server", p.url, "--ca", "0" * 64, "--key",
                        p.fpr)
        assert refused.returncode != 0 and "wrong server" in refused.stderr
        # and once more, with nothing that ends soon: nobody is thrown off
        log = p.server.log.stat().st_size
        p.admin("renew", "--ca")
        wait_for("the reload", lambda: "certificate_taken" in
                 p.server.log.read_text()[log:])
        p.mig(*QUESTION, check=0)
        assert "relay_restart" not in p.server.log.read_text()[log:]
        p.admin("check")
    finally:
        p.stop()
