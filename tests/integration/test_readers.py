# SPDX-License-Identifier: MPL-2.0
"""Who can read: readers by full fingerprint from the local keyring, keys that
cannot be used, and a key of an action that a reader hands on."""
import json
import subprocess

import pytest

import miglib
from fakeagent import Https, purpose, rfc3339
from miglib import program

FOUND, ERROR = 0, 2


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """One agent; Alice asks, Bob and Carol are registered, Dora is nobody."""
    p = miglib.Platform(tmp_path_factory.mktemp("readers"))
    try:
        p.setup()
        for name in ("bob", "carol", "dora"):
            setattr(p, name, p.gpg.make_key(f"{name.title()} Demo"))
        for name in ("bob", "carol"):
            ring = p.dir / f"keyring-{name}"
            fpr = getattr(p, name)
            p.mig("keyring", "add", "-f", str(ring), fpr, check=0)
            p.admin("investigator", "add", str(ring))
        p.start().login()
        p.agent("web1", role="web").start()
        p.wait_online(1)
        (p.dir / "asked").mkdir()
        (p.dir / "asked" / "secret.conf").write_text("x\n")
        for d in [p.dir / "asked", *(p.dir / "asked").parents]:
            if str(d).startswith("/tmp/"):
                d.chmod(d.stat().st_mode | 0o055)
        for name in ("bob", "carol", "dora"):
            xdg = p.dir / f"xdg-{name}" / "mig"
            xdg.mkdir(parents=True)
            for f in (p.dir / "xdg" / "mig").iterdir():
                text = f.read_text().replace(p.fpr.lower(), getattr(p, name).lower())
                (xdg / f.name).write_text(text.replace(p.fpr, getattr(p, name)))
        yield p
    finally:
        p.stop()


def ask(p, *args, check=FOUND):
    r = p.mig("file", "-path", str(p.dir / "asked"), "-name", "secret", "--json", *args,
              check=check)
    return miglib.answers_of(r)[1]["id"] if check == FOUND else r


def as_person(p, name, *args, check=None):
    """mig as somebody else: other configuration, other sessions."""
    env = {**p.env, "XDG_CONFIG_HOME": str(p.dir / f"xdg-{name}"),
           "XDG_CACHE_HOME": str(p.dir / f"cache-{name}"),
           "XDG_DATA_HOME": str(p.dir / f"data-{name}")}
    r = subprocess.run([program("mig"), *map(str, args)], env=env, capture_output=True,
                       text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert check is None or r.returncode == check, (r.stdout, r.stderr)
    return r


def reads(p, name, ident, *args):
    r = as_person(p, name, "results", ident, *args)
    return r.returncode == FOUND and "secret.conf" in r.stdout, r.stderr


def test_readers_of_the_command_line(readers):
    p = readers
    ident = ask(p, "-reader", p.bob)
    assert reads(p, "bob", ident)[0]
    ok, err = reads(p, "carol", ident)
    assert not ok and "you are not among the readers" in err
    assert f"mig results share {ident[:12]} -to {p.carol.lower()}" in err.lower()
    shown = p.mig("action", "show", ident, check=0).stdout.lower()
    assert p.bob.lower() in shown and p.carol.lower() not in shown


def test_the_draft_shows_them(readers):
    p = readers
    r = p.mig("file", "-path", "/etc", "-name", "x", "-p", "-reader", p.bob, check=0)
    draft = json.loads(r.stdout)
    assert [x.lower() for x in draft["seal"]["readers"]] == [p.fpr.lower(), p.bob.lower()]
    assert "could be read by: Alice Demo" in r.stderr and "Bob Demo" in r.stderr


def test_readers_of_the_configuration(readers):
    p = readers
    conf = p.dir / "xdg" / "mig" / "config"
    before = conf.read_text()
    conf.write_text(before + f"reader {p.carol}\n")
    try:
        ident = ask(p)
    finally:
        conf.write_text(before)
    assert reads(p, "carol", ident)[0] and not reads(p, "bob", ident)[0]


def odd_keys(gpg):
    """Keys that nobody may read with: (fingerprint, words)."""
    unable = gpg.make_key("Unable Demo", encryption=None)
    faked = ("--faked-system-time", "20200101T000000")
    gpg.run(*faked, "--quick-generate-key", "Gone Demo", "ed25519", "sign,cert", "never")
    out = gpg.run("--with-colons", "--list-keys", "Gone Demo").stdout.decode()
    gone = next(x.split(":")[9] for x in out.splitlines() if x.startswith("fpr:"))
    gpg.run(*faked, "--quick-add-key", gone, "cv25519", "encr", "2020-02-01")
    revoked = gpg.make_key("Revoked Demo")
    text = (gpg.home / "openpgp-revocs.d" / f"{revoked}.rev").read_text()
    gpg.run("--import", input=text.replace(":-----BEGIN", "-----BEGIN").encode())
    return [(unable, "it has no key to encrypt to"), (revoked, "it is revoked"),
            ("00" * 20, "no such key"), ("Bob Demo", "neither a full fingerprint"),
            (unable[24:], "neither a full fingerprint"),
            (gone, "its encryption key is expired")]


def test_keys_that_cannot_read(readers):
    p = readers
    for fpr, words in odd_keys(p.gpg):
        r = ask(p, "-reader", fpr, check=ERROR)
        assert words in r.stderr, (fpr, r.stderr)
    r = p.mig("file", "-path", "/etc", "-name", "x", "-p", "-reader", fpr, check=ERROR)
    assert words in r.stderr
    r = p.mig("results", "share", "last", "-to", "00" * 20, check=ERROR)
    assert "no such key" in r.stderr


def test_a_program_reads_with_an_api_key(readers, tmp_path):
    """Nobody logs in, and there is no gpg: an API key opens the door, a reader's key the answers."""
    p, key = readers, tmp_path / "key"
    p.mig("apikey", "make", "nightly", "-calls", "agents,actions:read,results", "-o", str(key), check=0)
    env = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "MIG_API_KEY_FILE": str(key)}

    def nightly(*args, code=0):
        r = subprocess.run([program("mig"), *args], env=env, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert r.returncode == code, (args, r.stdout, r.stderr)
        return r
    nightly("init", "--server", p.url, "--ca", p.ca)
    name = nightly("reader", "make").stdout.strip()
    ident = ask(p, "-reader", name)
    assert "secret.conf" in nightly("results", ident, code=FOUND).stdout
    assert "web1" in nightly("agents").stdout and ident[:12] in nightly("actions").stdout
    assert "you are not among the readers" in nightly("results", ask(p), code=ERROR).stderr
    # it asks nothing: there is nothing that signs
    r = nightly("file", "-t", "all", "-path", "/etc", "-name", "x", code=ERROR)
    assert "no key in" in r.stderr
    p.mig("apikey", "revoke", "nightly", check=0)


def test_share_and_forget(readers):
    p = readers
    ident = ask(p)
    assert not reads(p, "bob", ident)[0]
    r = p.mig("results", "share", ident[:12], "-to", p.bob, check=0)
    assert f"Bob Demo <bob.demo@example.org> ({p.bob.lower()})" in r.stderr and "for good" in r.stderr
    assert f"shared: mig results {ident[:12]} opens it there\n" in r.stderr
    r = p.mig("results", "share", ident, "-to", p.fpr, check=ERROR)
    assert f"is among the readers of action {ident[:12]} already" in r.stderr
    ok, err = reads(p, "bob", ident)
    assert ok and f"opened with the key that {p.fpr.lower()} has shared" in err.lower()
    assert not reads(p, "carol", ident)[0]
    # who it was shared with can hand it on, and takes back only his own
    as_person(p, "bob", "results", "share", ident, "-to", p.carol, check=0)
    assert reads(p, "carol", ident)[0]
    r = as_person(p, "bob", "results", "forget", ident, check=0)
    assert "1 share of yours" in r.stderr and p.fpr.lower() in r.stderr.lower()
    assert reads(p, "bob", ident)[0] and not reads(p, "carol", ident)[0]
    r = p.mig("results", "forget", ident, check=0)
    assert "1 share of yours" in r.stderr and "(you)" in r.stderr
    assert not reads(p, "bob", ident)[0]
    assert "0 shares" in p.mig("results", "forget", ident, check=0).stderr


def test_share_in_a_file(readers, tmp_path):
    p = readers
    ident, other = ask(p), ask(p)
    path = tmp_path / "share"
    p.mig("results", "share", ident, "-to", p.bob, "-o", str(path), check=0)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not reads(p, "bob", ident)[0]
    assert reads(p, "bob", ident, "-share", path)[0]
    ok, err = reads(p, "bob", other, "-share", path)
    assert not ok and "another action" in err
    ok, err = reads(p, "carol", ident, "-share", path)
    assert not ok and f"it is for the key {p.bob.lower()}" in err.lower()
    path.write_text("junk")
    assert not reads(p, "bob", ident, "-share", path)[0]


@pytest.fixture(scope="module")
def https(readers):
    """The server's API as Alice; and a share made by hand."""
    p = readers
    h = Https(p.port, p.state / "relay" / "ca.crt")
    status, nonce = h.call("POST", "/sessions/nonce")
    assert status == 200, nonce
    doc = json.dumps({"syntaxversion": 3, "server": p.url, "ca": p.ca,
                      "nonce": nonce["nonce"], "time": rfc3339()})
    status, body = h.call("POST", "/sessions", envelope(p, "session", doc))
    assert status in (200, 201), body
    h.token = body["token"]
    return h


def envelope(p, word, doc, by=None):
    sig = p.gpg.run("--local-user", by or p.fpr, "--armor", "--detach-sign",
                    input=purpose(word, doc.encode())).stdout.decode()
    return {"document": doc, "signatures": [sig]}


def share_doc(p, ident, key=None, **change):
    if key is None:
        key = p.gpg.run("--trust-model", "always", "--armor", "-r", p.bob, "--encrypt",
                        input=b"A" * 43 + b"=").stdout.decode()
    return json.dumps({"syntaxversion": 3, "nonce": "ab" * 16, "action": ident,
                       "to": p.bob.lower(), "key": key, "time": rfc3339(), **change})


def test_the_server_refuses(readers, https):
    """Other signers, other purposes, other actions, old ones, too many."""
    p, path = readers, f"/actions/{ask(readers)}/shares"
    ident = path.split("/")[2]
    good = share_doc(p, ident)
    for body, status, word in (
            (envelope(p, "share", good, by=p.bob), 403, "not logged in"),
            (envelope(p, "share", good, by=p.dora), 403, "not in the keyring"),
            (envelope(p, "action", good), 403, "signature"),
            ({**envelope(p, "share", good), "document": good + " "}, 403, "signature"),
            (envelope(p, "share", share_doc(p, "00" * 32)), 400, "another action"),
            (envelope(p, "share", share_doc(p, ident, time="2020-01-01T00:00:00Z")), 403, "time"),
            (envelope(p, "share", share_doc(p, ident, more=1)), 400, "more"),
            (envelope(p, "share", share_doc(p, ident, to="bob")), 400, "to:"),
            (envelope(p, "share", share_doc(p, ident, key="x")), 400, "key"),
            ({"document": good, "signatures": []}, 400, "one signature"),
            ({}, 400, "document")):
        got, reply = https.call("POST", path, body)
        assert got == status, (body, got, reply)
        assert word in reply["error"]["message"], (word, reply)
    assert https.call("GET", path)[1] == {"shares": []}
    big = json.dumps({"document": "x" * 300_000, "signatures": []})
    assert https.raw("POST", path, big)[0] == 413
    assert https.call("POST", "/actions/" + "00" * 32 + "/shares",
                      envelope(p, "share", share_doc(p, "00" * 32)))[0] == 404
    assert Https(p.port, p.state / "relay" / "ca.crt").call("GET", path)[0] == 401


def test_a_key_that_opens_nothing_is_not_believed(readers, https):
    """The server takes what it cannot read; the client looks."""
    p, ident = readers, ask(readers)
    status, reply = https.call("POST", f"/actions/{ident}/shares",
                               envelope(p, "share", share_doc(p, ident)))
    assert status == 201, reply
    ok, err = reads(p, "bob", ident)
    assert not ok and "not the one that action" in err
    # a good one beside it opens, whoever comes first
    as_person(p, "carol", "results", "share", ident, "-to", p.bob, check=ERROR)
    status, listed = https.call("GET", f"/actions/{ident}/shares")
    assert [x["to"].lower() for x in listed["shares"]] == [p.bob.lower()]
    p.mig("results", "share", ident, "-to", p.bob, check=0)
    assert reads(p, "bob", ident)[0]
    assert len(https.call("GET", f"/actions/{ident}/shares")[1]["shares"]) == 1
    assert told(p, "key_shared", ident) == [f"to {p.bob.lower()}"] * 2


def told(p, what, ident):
    """What the audit log says of it, done by Alice: the details."""
    out = p.mig("audit", "show", "-json", check=0).stdout
    entries = (json.loads(line).get("entry", {}) for line in out.splitlines())
    return [e["detail"] for e in entries if e.get("what") == what and
            e["object"] == ident and e["who"] == p.fpr.lower()]
