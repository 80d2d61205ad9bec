# SPDX-License-Identifier: MPL-2.0
"""Actions that need more than one signature: how they wait on the server, who
may sign, what launches them and what ends them."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import miglib
import openapi
from fakeagent import purpose, rfc3339
from miglib import binary, wait_for
from test_cancel import Person, log_has, relay, wait_log  # noqa: F401
from test_server_api import armor

SECONDS = 60


class Signer(Person):
    """A person who also speaks to the API without mig."""

    def login(self):
        super().login()
        p = self.p
        self.api = openapi.Checked(p.port, str(p.state / "relay" / "ca.crt"))
        nonce = self.api.call("POST", "/sessions/nonce")[1]["nonce"]
        doc = json.dumps({"syntaxversion": 3, "server": p.url, "ca": p.ca, "nonce": nonce,
                          "time": rfc3339()})
        status, j = self.api.call("POST", "/sessions", self.envelope("session", doc))
        assert status == 201, j
        self.api.token = j["token"]
        return self

    def armored(self, word, doc, fpr=None, gpg=None):
        return armor((gpg or self.p.gpg).detach_sign(fpr or self.fpr,
                                                     purpose(word, doc.encode())))

    def envelope(self, word, doc):
        return {"document": doc, "signatures": [self.armored(word, doc)]}

    def cosign(self, ident, doc, *signatures):
        return self.api.call("POST", f"/actions/{ident}/signatures", {
            "document": doc, "signatures": list(signatures) or [self.armored("action", doc)]})

    def cancel(self, ident, doc):
        text = json.dumps({"syntaxversion": 3, "nonce": os.urandom(16).hex(), "action": ident,
                           "time": rfc3339(), "expireafter": json.loads(doc)["expireafter"]})
        return self.api.call("POST", f"/actions/{ident}/cancel", self.envelope("cancel", text))


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """A question about files needs two of Alice, Bob and Carol; Dave may ask, but brings no weight;
    Rita may only look. Two agents."""
    p = miglib.Platform(tmp_path_factory.mktemp("platform"))
    fprs = {"alice": p.fpr, **{n: p.gpg.make_key(f"{n.title()} Demo") for n in
                               ("bob", "carol", "dave", "rita")}}
    for name in ("alice", "bob", "carol", "dave"):
        p.mig("keyring", "add", fprs[name], check=0)
    who = {n: {"fingerprint": fprs[n], "weight": 1} for n in ("alice", "bob", "carol")}
    p.acl = {"default": {"minimumweight": 1, "investigators": who},
             "file": {"minimumweight": 2, "investigators": who},
             "policy": {"minimumweight": 1, "investigators": {"alice": who["alice"]}}}
    try:
        p.setup().start().login()
        ring = p.dir / "ring-of-rita"
        env = {**p.env, "XDG_CONFIG_HOME": str(p.dir / "rita-config")}
        for args in (["keyring", "add", fprs["rita"]], ["keyring", "export", "-o", str(ring)]):
            Person.mig(type("P", (), {"env": env}), *args, check=0)
        p.admin("investigator", "add", str(ring), "--role", "reader")
        p.people = {n: Signer(p, n, f).login() for n, f in fprs.items()}
        for name in fprs:
            shutil.copy(p.policy, p.dir / name / "config/mig/known-policy")
        for name in ("web1", "web2"):
            p.agent(name).start()
        p.wait_online(2)
        p.mallory = miglib.Gpg(p.dir / "mallory")
        p.mallory_fpr = p.mallory.make_key("Mallory")
        yield p
    finally:
        if hasattr(p, "mallory"):
            p.mallory.stop()
        p.stop()


@pytest.fixture
def people(platform):
    return platform.people


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    d = tmp_path_factory.mktemp("tree")
    (d / "one.conf").write_text("x\n")
    return d


def ask(tree, *more, target="all", expiry="10m"):
    return ["file", "-t", target, *(["-e", expiry] if expiry else []), "-path", str(tree), "-name",
            "one", *more]


def signed(platform, tree, *more, **kw):
    """What Alice has signed, readable by Bob and Carol: (envelope, id)."""
    who = platform.people
    p = platform.mig(*ask(tree, "-s", "-weight", "2", "-reader", who["bob"].fpr, "-reader",
                          who["carol"].fpr, *more, **kw), check=0)
    env = json.loads(p.stdout)
    doc = env["document"].encode()
    return env, action_id(doc)


def action_id(doc):
    return hashlib.sha256(purpose("action", doc)).hexdigest()


def wait_for_signatures(platform, tree, **kw):
    """One of Alice's that waits."""
    env, ident = signed(platform, tree, **kw)
    status, j = platform.people["alice"].api.call("POST", "/actions", env)
    assert (status, j["status"], j["weight"]) == (201, "waiting", {"has": 1, "needs": 2}), j
    return ident, env["document"]


def state(platform, ident):
    status, j = platform.people["rita"].api.call("GET", f"/actions/{ident}")
    assert status == 200, j
    return j


def code(reply):
    return reply[0], reply[1]["error"]["code"]


def told(platform, ident):
    return [n for n in platform.agents if log_has(platform, n, ident[:12])]


# --- the server ------------------------------------------------------------------

def test_waits_and_is_launched_by_the_second(platform, people, tree):
    env, ident = signed(platform, tree)
    alice, bob, rita = people["alice"], people["bob"], people["rita"]
    status, j = alice.api.call("POST", "/actions", env)
    assert status == 201 and j["id"] == ident and j["status"] == "waiting"
    assert "needs weight 2" in j["missing"] and "bring 1" in j["missing"], j
    # the same again changes nothing
    assert alice.api.call("POST", "/actions", env) == (200, j)
    assert alice.cosign(ident, env["document"], *env["signatures"]) == (200, j)
    listed = rita.api.call("GET", "/actions?waiting=1")[1]["actions"]
    row, = [a for a in listed if a["id"] == ident]
    assert row["status"] == "waiting" and row["target"] == "all"
    assert row["waiting"] == {"weight": j["weight"], "missing": j["missing"], "possible": True,
                              "policy": 1, "by": platform.fpr.lower()}
    assert row["counts"]["expected"] == 0
    withdrawn, doc = wait_for_signatures(platform, tree)
    assert alice.cancel(withdrawn, doc)[0] == 201
    # nobody has it, not even after a restart of everything that could send it
    platform.server.stop()
    platform.start()
    platform.wait_online(2)
    probe(platform)
    assert told(platform, ident) == []
    assert state(platform, ident)["waiting"]["weight"] == {"has": 1, "needs": 2}
    assert state(platform, withdrawn)["status"] == "cancelled"
    assert code(bob.cosign(withdrawn, doc)) == (409, "exists")
    status, j = bob.cosign(ident, env["document"])
    assert (status, j) == (201, {"id": ident, "expected": 2, "online": 2})
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)
    now = state(platform, ident)
    assert now["status"] == "complete" and "waiting" not in now
    assert [n.split(" <")[0] for n in now["investigators"]] == ["Alice Demo", "Bob Demo"]
    assert len(now["signatures"]) == 2
    # a reply that was lost is said again; who comes later is told so
    assert bob.cosign(ident, env["document"], now["signatures"][1])[0] == 200
    assert code(people["carol"].cosign(ident, env["document"])) == (409, "exists")
    what = [json.loads(e["text"])["what"] for e in audit(alice)
            if ident in e["text"]]
    assert what == ["action_waiting", "action_cosigned", "action_launched"]


def audit(person):
    return [e for e in person.api.lines("/audit") if e["type"] == "entry"]


def probe(platform):
    """What needs one signature is answered by all: nothing before it is under way any more."""
    p = platform.mig("ping", "-t", "all", "-d", "127.0.0.1", "-p", "tcp", "-dp",
                     str(platform.port), "-c", "1", "--json")
    assert len(miglib.answers_of(p)[0]) == 2, (p.stdout, p.stderr)


def test_who_may_sign_and_what(platform, people, tree):
    ident, doc = wait_for_signatures(platform, tree)
    other, other_doc = wait_for_signatures(platform, tree)
    alice, bob, rita = people["alice"], people["bob"], people["rita"]
    before = state(platform, ident)
    # the same person with other bytes
    first, = before["signatures"]
    again = wait_for("another second", lambda: (
        lambda s: s if miglib.dearmor(s) != miglib.dearmor(first) else None)(alice.armored("action", doc)))
    assert code(alice.cosign(ident, doc, again)) == (409, "exists")
    # who may only look, and whom nobody knows
    assert code(rita.cosign(ident, doc)) == (403, "not_allowed")
    stranger = alice.armored("action", doc, platform.mallory_fpr, platform.mallory)
    assert code(bob.cosign(ident, doc, stranger)) == (403, "not_verified")
    # Rita's signature, brought by somebody who may sign
    assert code(bob.cosign(ident, doc, rita.armored("action", doc)))[0] == 403
    # other bytes, and a signature over other bytes
    assert code(bob.cosign(ident, other_doc)) == (400, "invalid")
    assert code(bob.cosign(ident, doc + " ")) == (400, "invalid")
    assert code(bob.cosign(ident, doc, bob.armored("action", other_doc))) == \
        (403, "not_verified")
    assert code(bob.cosign(ident, doc, bob.armored("cancel", doc))) == (403, "not_verified")
    assert code(bob.cosign(ident, doc, bob.armored("action", doc), again)) == (400, "invalid")
    assert code(bob.cosign("0" * 64, doc)) == (404, "not_found")
    assert state(platform, ident) == before and told(platform, ident) == []
    assert platform.status()["store"] == "ok"
    assert alice.cancel(other, other_doc)[0] == 201
    assert bob.cosign(ident, doc)[0] == 201
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)


def test_without_weight(platform, people, tree):
    """A signature that cannot count is not taken: who gave it could cancel, and fill the places."""
    ident, doc = wait_for_signatures(platform, tree)
    alice, bob, dave = (people[n] for n in ("alice", "bob", "dave"))
    before = state(platform, ident)
    status, j = dave.cosign(ident, doc)
    assert (status, j["error"]["code"]) == (403, "denied"), j
    assert "brings no weight for what is asked" in j["error"]["message"], j
    both = [*before["signatures"], dave.armored("action", doc)]
    assert code(dave.api.call("POST", "/actions", {"document": doc, "signatures": both})) == \
        (403, "denied")
    assert code(dave.cancel(ident, doc)) == (403, "denied")
    assert state(platform, ident) == before
    # mig says so before it shows, opens or signs anything
    p = dave.mig("action", "cosign", ident, "-y", check=2)
    assert "your signature would not count: by policy 1" in p.stderr, p.stderr
    assert 'file (entry "file" of the ACL)' in p.stderr and "-cosign-by" in p.stderr
    assert "target " not in p.stderr and "seal" not in p.stderr
    # beside one that counts it is left out
    three = [*both, bob.armored("action", doc)]
    status, j = bob.api.call("POST", "/actions", {"document": doc, "signatures": three})
    assert (status, j["expected"]) == (201, 2), j
    assert [x["fingerprint"] for x in j["left_out"]] == [dave.fpr.lower()], j
    assert [miglib.dearmor(s) for s in state(platform, ident)["signatures"]] == \
        [miglib.dearmor(s) for s in (three[0], three[2])]
    # who has none is taken where the action wants just them
    env, _ = signed(platform, tree)
    wants = json.loads(env["document"])
    wants["require"] = {"weight": 2, "fingerprints": [dave.fpr]}
    text = json.dumps(wants)
    ident = action_id(text.encode())
    assert alice.api.call("POST", "/actions", alice.envelope("action", text))[0] == 201
    status, j = dave.cosign(ident, text)
    assert (status, j["weight"]) == (201, {"has": 1, "needs": 2}), j
    assert dave.cancel(ident, text)[0] == 201
    ident, _ = cosigning(platform, tree, "--cosign-by", dave.fpr)
    assert "signed; action" in dave.mig("action", "cosign", ident, "-y", check=0).stdout
    alice.mig("action", "cancel", ident, "-y", check=0)


def test_three_are_wanted_by_name(platform, people, tree):
    """Fingerprints that must have signed; the weight alone does not launch it."""
    alice, bob, carol = (people[n] for n in ("alice", "bob", "carol"))
    env, _ = signed(platform, tree)
    doc = json.loads(env["document"])
    doc["require"] = {"weight": 1, "fingerprints": [carol.fpr]}
    text = json.dumps(doc)
    ident = action_id(text.encode())
    status, j = alice.api.call("POST", "/actions", alice.envelope("action", text))
    assert status == 201 and j["status"] == "waiting", j
    status, j = bob.cosign(ident, text)
    assert (status, j["weight"]) == (201, {"has": 2, "needs": 2})
    assert "requires a signature by " + carol.fpr.lower() in j["missing"]
    assert told(platform, ident) == []
    # all that was gathered elsewhere may come as one
    both = [s for s in state(platform, ident)["signatures"]]
    both.append(carol.armored("action", text))
    status, j = alice.api.call("POST", "/actions", {"document": text, "signatures": both})
    assert (status, j["expected"]) == (201, 2), j
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)


def test_its_time_ends(platform, people, tree):
    ident, doc = wait_for_signatures(platform, tree, expiry="3s")
    wait_for("its end", lambda: state(platform, ident)["status"] == "expired")
    assert code(people["bob"].cosign(ident, doc)) == (409, "exists")
    assert all(a["id"] != ident for a in
               people["bob"].api.call("GET", "/actions?waiting=1")[1]["actions"])
    assert told(platform, ident) == []


def test_cancelled_while_it_waits(platform, people, tree):
    ident, doc = wait_for_signatures(platform, tree)
    alice, bob = people["alice"], people["bob"]
    assert code(bob.cancel(ident, doc)) == (403, "denied")
    assert state(platform, ident)["status"] == "waiting"
    status, j = alice.cancel(ident, doc)
    assert (status, j["status"], j["expected"]) == (201, "cancelled", 0), j
    assert alice.cancel(ident, doc)[0] == 200
    assert code(bob.cosign(ident, doc)) == (409, "exists")
    assert state(platform, ident)["cancel"]["investigators"] == \
        ["Alice Demo <alice.demo@example.org>"]
    # agents remember it, should anybody bring it nevertheless
    for name in platform.agents:
        wait_log(platform, name, " cancel ", ident[:12], "known=0")
    assert not any(log_has(platform, n, " accepted ", ident[:12]) for n in platform.agents)


def test_cancelled_before_the_reply_was_heard(platform, people, tree):
    """The last signature, and the whole, said again: that it was launched would be no answer."""
    alice, bob = people["alice"], people["bob"]
    env, _ = signed(platform, tree)
    doc = {**json.loads(env["document"]), "validfrom": rfc3339(time.time() + 300)}
    text = json.dumps(doc)
    ident = action_id(text.encode())
    assert alice.api.call("POST", "/actions", alice.envelope("action", text))[0] == 201
    last = bob.armored("action", text)
    assert bob.cosign(ident, text, last)[0] == 201
    assert bob.cosign(ident, text, last)[0] == 200
    whole = {"document": text, "signatures": state(platform, ident)["signatures"]}
    assert alice.api.call("POST", "/actions", whole)[0] == 200
    assert alice.cancel(ident, text)[0] == 201
    for status, j in (bob.cosign(ident, text, last), alice.api.call("POST", "/actions", whole)):
        assert (status, j["error"]["code"]) == (409, "exists"), j
        assert j["error"]["message"] == f"action {ident[:12]} was cancelled: make a new one"


def test_cancelled_while_its_last_signature_is_stored(platform, people, tree):
    """Between the commit and the launch the store is ahead of who sends: try again."""
    ident, doc = wait_for_signatures(platform, tree)
    alice = people["alice"]

    def store(status):
        with contextlib.closing(sqlite3.connect(platform.state / "db/store.sqlite")) as db, db:
            assert db.execute("UPDATE actions SET status = ? WHERE id = ?",
                              (status, bytes.fromhex(ident))).rowcount == 1
    store(0)
    try:
        assert code(alice.cancel(ident, doc)) == (503, "busy")
        p = subprocess.Popen([miglib.program("mig"), "action", "cancel", ident, "-y"],
                             env=alice.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        try:
            assert "try again; sending it again" in p.stderr.readline()
            store(4)
            out, err = p.communicate(timeout=60)
        finally:
            p.kill()
        assert p.returncode == 0 and out.startswith("cancelled"), (out, err)
    finally:
        if state(platform, ident)["status"] == "open":
            store(4)
    assert state(platform, ident)["status"] == "cancelled"


# --- whoever owns the platform ---------------------------------------------------

def test_delivered_early(platform, people, tree, relay):  # noqa: F811
    """What waits, taken out of the store: agents refuse it, for good; the last signature, when it
    comes, gets refusals and no answers."""
    ident, doc = wait_for_signatures(platform, tree)
    relay("mig/1/all", b"\x01" + binary({"document": doc,
                                        "signatures": state(platform, ident)["signatures"]}))
    for name in platform.agents:
        wait_log(platform, name, "refused", ident[:12], "reason=3")
    assert people["bob"].cosign(ident, doc)[0] == 201
    wait_for("both refusals", lambda: state(platform, ident)["counts"]["refused"] == 2)
    assert not any(log_has(platform, n, " accepted ", ident[:12]) for n in platform.agents)


def test_a_cancel_that_the_server_forgot(platform, people, tree, relay):  # noqa: F811
    """Bob is made to sign what Alice has withdrawn: agents remember."""
    ident, doc = wait_for_signatures(platform, tree)
    first = state(platform, ident)["signatures"]
    second = people["bob"].armored("action", doc)
    assert people["alice"].cancel(ident, doc)[0] == 201
    for name in platform.agents:
        wait_log(platform, name, " cancel ", ident[:12], "known=0")
    relay("mig/1/all", b"\x01" + binary({"document": doc, "signatures": [*first, second]}))
    for name in platform.agents:
        wait_log(platform, name, "refused", ident[:12], "reason=19")


def test_metrics_count_them(platform, people, tree):
    ident, doc = wait_for_signatures(platform, tree)
    alice = people["alice"]

    def waiting():
        text = alice.api.raw("GET", "/metrics")[2].decode()
        return [x for x in text.splitlines() if x.startswith("mig_actions_waiting ")]
    wait_for("one more", lambda: waiting() and float(waiting()[0].split()[1]) >= 1)
    assert alice.cancel(ident, doc)[0] == 201


def test_one_that_nothing_is_said_of_goes_at_once(platform, people, tree):
    """require of weight 1: agents judge it, as before; nobody waits for another signature."""
    env = json.loads(platform.mig(*ask(tree, "-s"), check=0).stdout)
    status, j = people["alice"].api.call("POST", "/actions", env)
    assert (status, j["expected"]) == (201, 2)
    wait_for("both refusals", lambda: state(platform, j["id"])["counts"]["refused"] == 2)


# --- mig -------------------------------------------------------------------------

def cosigning(platform, tree, *more, by="alice"):
    """An action that somebody has left on the server: its id, and what was said."""
    p = platform.people[by].mig(*ask(tree, expiry=None), "-y", *(more or ["--cosign"]),
                                check=0)
    short = re.match(r"action ([0-9a-f]{12}) waits for weight \d+, has \d+\n"
                     r"who may sign it: mig action cosign \1\n", p.stdout)
    assert short, (p.stdout, p.stderr)
    ident, = [a["id"] for a in waiting(platform) if a["id"].startswith(short[1])]
    return ident, p


def waiting(platform):
    return json.loads(platform.people["bob"].mig("actions", "--waiting", "--json",
                                                 check=0).stdout)["actions"]


def test_from_asking_to_the_answer(platform, people, tree):
    alice, bob, carol = (people[n] for n in ("alice", "bob", "carol"))
    ident, _ = cosigning(platform, tree)
    p = alice.mig("results", ident, check=2)
    assert "waits for signatures: nobody was asked yet" in p.stderr
    row, = [x for x in bob.mig("actions", "--waiting", check=0).stdout.splitlines()
            if x.startswith(ident[:12])]
    assert re.fullmatch(ident[:12] + r" +Alice Demo +1/2 +waits +20\S+Z +all +mig file.*", row), row
    p = alice.mig("action", "cosign", ident, "-y", check=2)
    assert "you have signed it already" in p.stderr
    p = people["rita"].mig("action", "cosign", ident, "-y", check=2)
    assert "is nobody's key in policy 1" in p.stderr
    # without a terminal nobody is asked, and nothing signed; but all is shown
    p = bob.mig("action", "cosign", ident[:12], check=2)
    assert "nobody can be asked here" in p.stderr
    for line in (f"action   {ident}", "needs    weight 2", "target   all",
                 f"asked by Alice Demo <alice.demo@example.org> {platform.fpr.lower()}",
                 "weight   has 1 of 2, with yours 2 (policy 1): it would be launched",
                 "agents   2 (2 online), as the server says: web1, web2",
                 f"reader   {bob.fpr.lower()} Bob Demo <bob.demo@example.org> (you)",
                 f"reader   {carol.fpr.lower()} Carol Demo <carol.demo@example.org>"):
        assert line in p.stderr, (line, p.stderr)
    asks = p.stderr[p.stderr.index("asks     file\n"):]
    for line in ("searches", "  s1", f"    paths {tree}", "    names one",
                 "    options maxdepth 1000, maxerrors 30, matchlimit 1000, matchall true"):
        assert f"\n           {line}\n" in asks, (line, asks)
    assert "\\u{" not in p.stderr
    # a day, not the five minutes in which agents answer
    start, end = re.search(r"valid +(\S+) to (\S+)", p.stderr).groups()
    assert start[:10] != end[:10]
    assert state(platform, ident)["status"] == "waiting" and told(platform, ident) == []
    p = bob.mig("action", "cosign", ident[:12], "-y", check=0)
    assert f"signed; action {ident[:12]} was launched: 2 agents asked" in p.stdout
    for who in (bob, alice, carol):
        p = who.mig("results", ident, "--follow", "--json", check=0)
        answers, summary = miglib.answers_of(p)
        assert summary["found"] == 2 and str(tree / "one.conf") in p.stdout
    p = carol.mig("action", "cosign", ident, "-y", check=2)
    assert "does not wait for signatures" in p.stderr
    assert all(a["id"] != ident for a in waiting(platform))


def test_by_whom(platform, people, tree):
    """Carol by name: Bob's signature is taken, and does not suffice."""
    alice, bob, carol = (people[n] for n in ("alice", "bob", "carol"))
    for word, says in (("nobody", "nobody of policy 1 is named so"),
                       ("demo", "it could be "), (platform.mallory_fpr, "knows no such person")):
        p = alice.mig(*ask(tree), "-y", "--cosign-by", word, check=2)
        assert says in p.stderr, (word, p.stderr)
    ident, _ = cosigning(platform, tree, "--cosign-by", "carol", "-reader", bob.fpr)
    doc = json.loads(state(platform, ident)["document"])
    assert doc["require"]["weight"] == 2
    assert [f.lower() for f in doc["require"]["fingerprints"]] == [carol.fpr.lower()]
    assert sorted(f.lower() for f in doc["seal"]["readers"]) == \
        sorted(f.lower() for f in (alice.fpr, bob.fpr, carol.fpr))
    p = bob.mig("action", "cosign", ident, "-y", check=0)
    assert p.stdout.startswith("signed; action") and "requires a signature by" in p.stdout
    p = carol.mig("action", "cosign", ident, "-y", "--json", check=0)
    assert json.loads(p.stdout)["expected"] == 2
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)


def test_what_it_cannot_be(platform, people, tree):
    alice = people["alice"]
    p = alice.mig("ping", "-t", "all", "-d", "127.0.0.1", "-p", "tcp", "-dp", "1", "-y", "--cosign",
                  check=2)
    assert "one signature suffices" in p.stderr
    p = alice.mig(*ask(tree), "-y", "--cosign", "-weight", "9", check=2)
    assert "with everybody's signature" in p.stderr and "needs weight 9" in p.stderr
    p = alice.mig(*ask(tree), "-s", "--cosign", check=2)
    assert "-s and -p do not send it" in p.stderr
    p = platform.mig(*ask(tree), "-y", "--cosign", check=2)
    assert "mig policy pin" in p.stderr
    p = alice.mig("action", "cosign", "0" * 12, "-y", check=2)
    assert "no action" in p.stderr


def test_a_file_may_wait(platform, people, tree, tmp_path):
    """What was signed into a file goes to the server half signed, when that is said."""
    env, ident = signed(platform, tree)
    path = tmp_path / "half.json"
    path.write_text(json.dumps(env))
    p = platform.mig("run", str(path), check=2)
    assert "needs weight 2 and has 1 signature" in p.stderr and "-cosign" in p.stderr
    dave = people["dave"]
    path.write_text(json.dumps({**env, "signatures": [
        *env["signatures"], dave.armored("action", env["document"])]}))
    p = platform.mig("run", str(path), "--cosign", check=0)
    assert "waits for weight 2, has 1" in p.stdout
    assert f"\nsignature left out: {dave.fpr.lower()}: brings no weight" in p.stdout, p.stdout
    people["carol"].mig("action", "cosign", ident, "-y", check=0)
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)


def test_what_looks_like_something_else(platform, people, tree):
    ident, _ = cosigning(platform, tree, "--cosign", "-n", "look at p\u0430sswd \u202efdp.exe",
                         "-name", "\u0441onf")
    p = people["bob"].mig("action", "cosign", ident, check=2)
    assert "name     look at p\\u{430}sswd \\u{202e}fdp.exe\n" in p.stderr, p.stderr
    assert 'names \\u{441}onf' in p.stderr and "not what it may look like" in p.stderr
    assert "\u202e" not in p.stderr and "\u0430" not in p.stderr
    people["alice"].mig("action", "cancel", ident, "-y", check=0)


def test_a_label_that_poses_as_a_line(platform, people, tree, tmp_path):
    """Labels of searches are free text: one that is no word is quoted, and room is seen."""
    draft = tmp_path / "draft"
    search = {"paths": [str(tree)], "names": ["one"]}
    draft.write_text(json.dumps({
        "syntaxversion": 3, "name": "x" + " " * 200 + "name y", "target": "all", "operations": [
            {"module": "file", "parameters": {"searches": {
                "s1": search, "  contents ^SECRET$": search}}}]}))
    p = people["alice"].mig("run", str(draft), "--cosign", "-y", check=0)
    ident = re.search(r"action ([0-9a-f]{12})", p.stdout + p.stderr)[1]
    p = people["bob"].mig("action", "cosign", ident, check=2)
    assert '\n             "\\x20\\x20contents ^SECRET$"\n' in p.stderr, p.stderr
    assert "name     x \\x20\\x20" in p.stderr and "not what it may look like" in p.stderr
    people["alice"].mig("action", "cancel", ident, "-y", check=0)


def test_withdrawn(platform, people, tree):
    alice, bob = people["alice"], people["bob"]
    ident, _ = cosigning(platform, tree)
    p = bob.mig("action", "cancel", ident, "-y", check=2)
    assert "can cancel it" in p.stderr
    p = alice.mig("action", "cancel", ident, "-y", "-reason", "not needed", check=0)
    assert "cancelled" in p.stdout
    p = bob.mig("action", "cosign", ident, "-y", check=2)
    assert "does not wait for signatures: it is cancelled" in p.stderr
    assert "not needed" in bob.mig("action", "show", ident, check=0).stdout


def test_two_at_the_same_moment(platform, people, tree):
    """Bob's and Carol's, of an action that needs all three: none is lost, and it is launched once."""
    env, _ = signed(platform, tree)
    doc = json.loads(env["document"])
    doc["require"] = {"weight": 3}
    text = json.dumps(doc)
    ident = action_id(text.encode())
    assert people["alice"].api.call("POST", "/actions",
                                    people["alice"].envelope("action", text))[0] == 201
    both = {n: people[n].armored("action", text) for n in ("bob", "carol")}
    said = {n: [] for n in both}

    def sign(name):
        while not said[name] or said[name][-1] == 503:
            said[name].append(people[name].cosign(ident, text, both[name])[0])
    threads = [threading.Thread(target=sign, args=(n,)) for n in both]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert [x[-1] for x in said.values()] == [201, 201], said
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)
    assert len(state(platform, ident)["signatures"]) == 3
    assert platform.status()["store"] == "ok"


# --- another policy --------------------------------------------------------------

def next_policy(platform, version, **weights):
    """Alice makes and pushes the one in which these have this weight for files; its file."""
    acl = json.loads(json.dumps(platform.acl))
    for name, w in weights.items():
        acl["file"]["investigators"].setdefault(
            name, {"fingerprint": platform.people[name].fpr})["weight"] = w
    path = platform.dir / f"policy-{version}"
    (platform.dir / "acl-next").write_text(json.dumps(acl))
    alice = platform.people["alice"]
    alice.mig("policy", "edit", "-acl", str(platform.dir / "acl-next"), "-o", str(path), check=0)
    alice.mig("policy", "sign", "-y", str(path), check=0)
    return f"{path}.signed"


def other(platform, env, **require):
    """The same question with something else required: (document, id), signed by nobody."""
    text = json.dumps({**json.loads(env["document"]), "nonce": os.urandom(16).hex(),
                       "require": require})
    return text, action_id(text.encode())


def test_weightless_signatures_of_a_new_one(platform, people, tree):
    """Posted at once they are left out as later; so is a stranger's. The first may be weightless.
    The answer says which, and why, and so does the list."""
    env, _ = signed(platform, tree)
    alice, dave = people["alice"], people["dave"]
    text, ident = other(platform, env, weight=3)
    sigs = [who.armored("action", text) for who in (alice, dave, people["bob"])]
    stranger = alice.armored("action", text, platform.mallory_fpr, platform.mallory)
    status, j = alice.api.call("POST", "/actions", {
        "document": text, "signatures": [stranger, *sigs]})
    assert (status, j["weight"], j["possible"]) == (201, {"has": 2, "needs": 3}, True), j
    by = f"(by policy {state(platform, ident)['waiting']['policy']})"
    no_weight = {"fingerprint": dave.fpr.lower(),
                 "reason": f"brings no weight for what is asked {by}"}
    unknown = {"fingerprint": platform.mallory_fpr.lower(),
               "reason": "key not in the keyring (by the server's keyring)"}
    assert j["left_out"] == [unknown, no_weight] and "uncounted" not in j, j
    listed, = [a["waiting"] for a in waiting(platform) if a["id"] == ident]
    assert listed["left_out"] == [unknown, no_weight] and "uncounted" not in listed, listed
    p = people["bob"].mig("actions", "--waiting", check=0)
    for x in (unknown, no_weight):
        assert f"\n{ident[:12]} signature left out: {x['fingerprint']}: {x['reason']}\n" \
            in p.stdout, p.stdout
    now = state(platform, ident)
    assert [miglib.dearmor(s) for s in now["signatures"]] == \
        [miglib.dearmor(s) for s in (sigs[0], sigs[2])]
    assert [n.split(" <")[0] for n in now["investigators"]] == ["Alice Demo", "Bob Demo"]
    assert code(dave.cancel(ident, text)) == (403, "denied")
    assert alice.cancel(ident, text)[0] == 201
    text, ident = other(platform, env, weight=2)
    sigs = [who.armored("action", text) for who in (dave, alice)]
    status, j = dave.api.call("POST", "/actions", {"document": text, "signatures": sigs})
    assert (status, j["weight"]) == (201, {"has": 1, "needs": 2}), j
    assert j["uncounted"] == [no_weight] and "left_out" not in j, j
    assert len(state(platform, ident)["signatures"]) == 2
    p = people["bob"].mig("action", "cosign", ident, "-y", check=0)
    assert re.search(r"was launched: 2 agents asked .*\nsignature does not count: "
                     + re.escape(f"{dave.fpr.lower()}: {no_weight['reason']}\n"), p.stdout), p.stdout
    assert dave.cancel(ident, text)[0] == 201


def test_another_policy_launches(platform, people, tree):
    """What is complete by a new policy is launched, once agents have it, and nothing else; what can
    never be says so, until another policy comes. Of all that no word is lost with a restart."""
    env, ident = signed(platform, tree)
    alice = people["alice"]
    assert alice.api.call("POST", "/actions", env)[0] == 201
    named, name_id = other(platform, env, weight=2, fingerprints=[people["carol"].fpr])
    heavy, heavy_id = other(platform, env, weight=4)
    for text in (named, heavy):
        assert alice.api.call("POST", "/actions", alice.envelope("action", text))[0] == 201
    # three can sign, and four is needed
    stuck = state(platform, heavy_id)["waiting"]
    assert stuck["possible"] is False and "could bring 3" in stuck["missing"], stuck
    p = people["bob"].mig("actions", "--waiting", check=0)
    row, = [x for x in p.stdout.splitlines() if x.startswith(heavy_id[:12] + " ") and "1/4" in x]
    assert " stuck " in row and f"\n{heavy_id[:12]} is stuck: by the server's" in p.stdout
    assert "no signature can complete it: file: needs weight 4" in \
        people["bob"].mig("action", "show", heavy_id, check=0).stdout
    # one agent is slow to take it: until then it would refuse, for good, and is not sent it
    slow = platform.agents["web2"].daemon.proc.pid
    signed_policy = next_policy(platform, 2, alice=2)
    os.kill(slow, signal.SIGSTOP)
    try:
        alice.mig("policy", "push", signed_policy, check=0)
        wait_for("the others", lambda: state(platform, ident)["counts"]["done"] == 1)
        # nor a new one, nor one with its last signature
        new, new_id = other(platform, env, weight=2)
        status, j = alice.api.call("POST", "/actions", alice.envelope("action", new))
        assert (status, j["expected"]) == (201, 2), j
        last, last_id = other(platform, env, weight=3)
        status, j = alice.api.call("POST", "/actions", alice.envelope("action", last))
        assert (status, j["weight"]) == (201, {"has": 2, "needs": 3}), j
        assert people["bob"].cosign(last_id, last)[0] == 201
        for i in (new_id, last_id):
            wait_for("the others", lambda: state(platform, i)["counts"]["done"] == 1)  # noqa: B023
    finally:
        os.kill(slow, signal.SIGCONT)
    for i in (ident, new_id, last_id):
        wait_for("both answers", lambda: state(platform, i)["counts"]["done"] == 2, 90)  # noqa: B023
    wait_for("hope", lambda: state(platform, heavy_id)["waiting"]["possible"])
    now = state(platform, name_id)["waiting"]
    assert (now["policy"], now["weight"]) == (2, {"has": 2, "needs": 2}), now
    assert "requires a signature by " + people["carol"].fpr.lower() in now["missing"]
    assert told(platform, name_id) == []
    what = [json.loads(e["text"]) for e in audit(alice) if ident in e["text"]]
    assert [(w["what"], w["who"]) for w in what][1:] == \
        [("action_rejudged", "-"), ("action_launched", "-")]
    # pushed, and the server gone before it has looked
    platform.server.kill()
    with contextlib.closing(sqlite3.connect(platform.state / "db/store.sqlite")) as db, db:
        db.execute("UPDATE waiting SET policy = 1, possible = 0, has = 0")
    platform.start()

    def looked_at(ident):
        with contextlib.suppress(OSError):  # the api of before may still take a connection, and end
            return state(platform, ident)["waiting"]["possible"]

    for text, i in ((named, name_id), (heavy, heavy_id)):
        wait_for("the start", lambda: looked_at(i))  # noqa: B023
        assert state(platform, i)["waiting"]["policy"] == 2
        assert alice.cancel(i, text)[0] == 201


def push(platform, by="alice", **weights):
    """The platform's first policy with these weights for files is the newest now."""
    platform.policies = getattr(platform, "policies", 100) + 1
    path = next_policy(platform, platform.policies, **weights)
    platform.people[by].mig("policy", "push", path, check=0)


def test_whom_a_newer_policy_gave_weight(platform, people, tree):
    """Their client knows the policy before: it follows the signed steps instead of refusing them."""
    alice, dave = people["alice"], people["dave"]
    push(platform)
    dave.mig("policy", "status")
    known = platform.dir / "dave/config/mig/known-policy"
    before = platform.dir / "before-dave"
    shutil.copy(known, before)
    env, _ = signed(platform, tree, "-reader", dave.fpr)
    ident = alice.api.call("POST", "/actions", env)[1]["id"]
    push(platform, dave=1)
    p = dave.mig("action", "cosign", ident, "-y", "-policy", str(before), check=2)
    assert "your signature would not count: by policy" in p.stderr
    assert known.read_bytes() == before.read_bytes()
    dave.mig("action", "cosign", ident, "-y", check=0)
    assert known.read_bytes() != before.read_bytes()
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2, 90)
    # what they signed is stored, and does not count any more by the policy after it
    text, ident = other(platform, env, weight=3)
    both = [who.armored("action", text) for who in (alice, dave)]
    status, j = alice.api.call("POST", "/actions", {"document": text, "signatures": both})
    assert (status, j["weight"]) == (201, {"has": 2, "needs": 3}) and "uncounted" not in j, j
    push(platform)
    wait_for("it to be said", lambda: [
        (x["fingerprint"], x["reason"].split(" (")[0])
        for x in state(platform, ident)["waiting"].get("uncounted", [])] ==
        [(dave.fpr.lower(), "brings no weight for what is asked")])
    assert f"signature does not count: {dave.fpr.lower()}: brings" in \
        alice.mig("action", "show", ident, check=0).stdout
    assert alice.cancel(ident, text)[0] == 201


def test_who_may_not_ask_any_more(platform, people, tree):
    """A policy does not launch what only they signed who are in a role that may not."""
    push(platform)
    ident, doc = wait_for_signatures(platform, tree)
    alice, carol = people["alice"], people["carol"]
    platform.admin("investigator", "role", carol.fpr, "admin")
    platform.admin("investigator", "role", alice.fpr, "reader")
    try:
        push(platform, by="bob", alice=2)
        wait_for("it to be said", lambda: "may launch actions any more: that takes the role "
                 "investigator" in state(platform, ident)["waiting"]["missing"])
        assert state(platform, ident)["status"] == "waiting"
    finally:
        platform.admin("investigator", "role", alice.fpr, "admin")
        platform.admin("investigator", "role", carol.fpr, "investigator")
    # nobody looks again of itself so soon: she says the same again
    env = {"document": doc, "signatures": state(platform, ident)["signatures"]}
    assert alice.api.call("POST", "/actions", env)[0] == 201
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2, 90)
    what = [json.loads(e["text"]) for e in audit(alice) if ident in e["text"]]
    assert [(w["what"], w["who"]) for w in what][1:] == \
        [(w, alice.fpr.lower()) for w in ("action_rejudged", "action_launched")]
    alice.mig("policy", "status")


def test_who_comes_back_after_a_policy(platform, people, tree):
    """An agent that was away gets the policy first, and then what it completed."""
    push(platform)
    ident, _ = wait_for_signatures(platform, tree)
    web2 = platform.agents["web2"]
    web2.daemon.stop()
    try:
        wait_for("it to be away", lambda: platform.status()["agents"]["online"] == 1)
        push(platform, alice=2)
        wait_for("the other's answer", lambda: state(platform, ident)["counts"]["done"] == 1)
    finally:
        web2.start()
    wait_for("both answers", lambda: state(platform, ident)["counts"]["answered"] == 2, 60)
    assert state(platform, ident)["counts"]["done"] == 2


@pytest.mark.long
def test_a_launch_that_fails(platform, people, tree):
    """It is said in the log, by its id, tried again ever more rarely, and goes when nothing fails."""
    push(platform)
    ident, _ = wait_for_signatures(platform, tree)

    def store(sql):
        with contextlib.closing(sqlite3.connect(platform.state / "db/store.sqlite", timeout=30)) \
                as db, db:
            db.execute(sql)

    def pauses():
        return [int(x) for x in re.findall(rf"rejudge id={ident[:12]} why=.* again_ms=(\d+)",
                                           platform.server.log.read_text(errors="replace"))]
    # what cannot be computed of it once it is open
    store(f"CREATE INDEX no ON actions(abs(CASE WHEN id = x'{ident}' AND status = 0"
          " THEN -9223372036854775807 - 1 ELSE 0 END))")
    try:
        push(platform, alice=2)
        wait_for("two failures", lambda: len(pauses()) >= 2)
        assert pauses()[:2] == [2000, 4000]
        assert state(platform, ident)["status"] == "waiting"
    finally:
        store("DROP INDEX no")
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2, 60)


@pytest.mark.long
def test_no_room_on_the_disk(platform, people, tree):
    """What a policy completes waits for room, says so, and is not launched by the same signature
    said again."""
    push(platform)
    alice = people["alice"]
    ident, doc = wait_for_signatures(platform, tree)
    conf = platform.conf.read_text()
    free = os.statvfs(platform.state)
    reserve = free.f_bavail * free.f_frsize * 2  # low, not full
    assert "disk_reserve" in conf

    def restart(text):
        platform.server.stop()
        platform.conf.write_text(text)
        platform.start()
        platform.wait_online(2)
    try:
        restart(re.sub(r"disk_reserve.*", f"disk_reserve {reserve}", conf))
        push(platform, alice=2)
        wait_for("it to be said", lambda: state(platform, ident)["waiting"]["missing"] ==
                 "nothing: it is launched when the server's disk has room again")
        env = {"document": doc, "signatures": state(platform, ident)["signatures"]}
        assert code(alice.api.call("POST", "/actions", env)) == (507, "storage")
        assert code(alice.cosign(ident, doc, *env["signatures"])) == (507, "storage")
        assert state(platform, ident)["status"] == "waiting"
    finally:
        restart(conf)
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2, 90)


def test_nothing_is_left_out_of_what_is_complete(platform, people, tree):
    """Carol is in the policy and not registered: with her it is complete, and is launched with both
    signatures."""
    env, _ = signed(platform, tree)
    alice, carol = people["alice"], people["carol"]
    text, ident = other(platform, env, weight=2)
    both = {"document": text,
            "signatures": [alice.armored("action", text), carol.armored("action", text)]}
    platform.admin("investigator", "remove", carol.fpr)
    push(platform)
    status, j = alice.api.call("POST", "/actions", both)
    assert (status, j["expected"]) == (201, 2), j
    assert len(state(platform, ident)["signatures"]) == 2
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)
