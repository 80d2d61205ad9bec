# SPDX-License-Identifier: MPL-2.0
"""A server that wants a signature for something else than a login, and logins
made of what was signed elsewhere."""
import json
import re
import time

import pytest

from fakeagent import purpose, purpose_hash, rfc3339
from hostilelib import Platform
from test_client_local import ERROR, gpg, gpgv, raw_packets  # noqa: F401
from test_server_api import Server, code

SECONDS = 15


@pytest.fixture(scope="module")
def liar(tmp_path_factory, gpg):  # noqa: F811
    p = Platform(tmp_path_factory.mktemp("login"), gpg)
    yield p
    p.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("server"))
    try:
        yield s.init().start()
    finally:
        s.daemon.stop()
        s.gpg.stop()


def logs_in(liar, nonce, check):
    """mig login against a server whose challenge is this; what it signed."""
    (liar.person.dir / ".cache" / "mig" / "session").unlink(missing_ok=True)
    liar.server.replies["POST", "/api/v1/sessions/nonce"] = (200, {"nonce": nonce})
    begun = len(liar.server.requests)
    p = liar.mig("login", check=check)
    return p, [json.loads(r[2]) for r in liar.server.requests[begun:]
               if r[:2] == ("POST", "/api/v1/sessions")]


def test_a_challenge_that_is_an_action(liar):
    """What mig signs is a document it made, for the purpose of a login; a
    challenge that is more than 64 digits is not signed at all."""
    _, (said,) = logs_in(liar, "ab" * 32, 0)
    doc = json.loads(said["document"])
    assert set(doc) == {"syntaxversion", "server", "ca", "nonce", "time"}
    action = json.dumps({"syntaxversion": 3, "nonce": "00" * 16, "target": "all"})
    for nonce in (action, "ab" * 31, "ab" * 33, "ab" * 31 + "\\n", 7, None, [],
                  'ab", "target": "all', "MIG action v3\n10\n" + "x" * 10,
                  purpose("action", action.encode()).decode(), "zz" * 32, ""):
        p, said = logs_in(liar, nonce, ERROR)
        assert said == [] and "nonce" in p.stderr, (nonce, p.stderr)
    logs_in(liar, "cd" * 32, 0)


def test_the_document_byte_by_byte(liar, gpg, tmp_path):  # noqa: F811
    """As doc/protocol.md has it: servers of other versions read it, too."""
    _, (said,) = logs_in(liar, "ab" * 32, 0)
    when = json.loads(said["document"])["time"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", when)
    doc = (f'{{"syntaxversion":3,"server":"{liar.server.url}","ca":"{liar.server.ca}",'
           f'"nonce":"{"ab" * 32}","time":"{when}"}}')
    assert said["document"] == doc
    packet, = raw_packets(said)
    signed = f"MIG session v3\n{len(doc)}\n{doc}".encode()
    assert f"VALIDSIG {gpg.alice}" in gpgv(gpg, tmp_path, packet, signed).stdout


def test_a_challenge_that_is_an_actions_id(liar):
    """The hash of an action as a challenge: what comes back signs no action."""
    doc = json.dumps({"syntaxversion": 3, "target": "all"}).encode()
    _, (said,) = logs_in(liar, purpose_hash("action", doc), 0)
    assert purpose("session", said["document"].encode()) != purpose("action", doc)
    assert doc.decode() not in said["document"]


def test_a_login_made_of_another_signature(server):
    """One that was made for an action, a cancel, a policy, or bare."""
    for word in ("action", "cancel", "policy", "hello", "result"):
        doc = server.session_document(server.nonce())
        reply = server.session(doc, signatures=[server.sign(word, doc.encode())])
        assert code(reply) == (403, "not_verified")
    assert server.login().call("GET", "/status")[0] == 200


def test_a_login_elsewhere_passed_on(server):
    """What a person signed for one server opens no other: its name, its CA and
    its challenge stand in it."""
    for change in ({"server": "https://evil.example:8443"}, {"ca": "ee" * 32},
                   {"nonce": "ee" * 32}, {"time": rfc3339(time.time() - 900)}):
        doc = server.session_document(server.nonce(), **change)
        assert server.session(doc)[0] == 403
    doc = server.session_document(server.nonce())
    assert server.session(doc)[0] == 201
    assert code(server.session(doc)) == (403, "expired")      # and only once


def test_a_session_signs_no_action(server):
    """Who took a session's token asks nothing of an agent with it."""
    api = server.login()
    doc = server.document()
    before = api.call("GET", "/actions")[1]["actions"]
    for sigs in ([], [server.sign("session", doc.encode())], [server.sign("action", b"x")],
                 [server.sign("action", doc.encode(), server.eve)]):
        assert code(api.call("POST", "/actions", {"document": doc, "signatures": sigs})) \
            == (403, "not_verified")
    assert api.call("GET", "/actions")[1]["actions"] == before
    server.launch(api)


def test_a_login_by_nobody(server):
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, server.eve)) == (403, "not_verified")
    doc = server.session_document(server.nonce())
    assert code(server.session(doc, signatures=[]))[0] in (400, 403)
    assert server.login(server.bob).call("GET", "/status")[0] == 200
