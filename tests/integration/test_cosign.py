# SPDX-License-Identifier: MPL-2.0
"""Actions that need more than one signature: how they wait on the server, who
may sign, what launches them and what ends them."""
import hashlib
import json
import os

import pytest

import miglib
import openapi
from fakeagent import purpose, rfc3339
from miglib import wait_for
from test_cancel import Person, log_has, wait_log
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
    """A question about files needs two of Alice, Bob and Carol; Rita may only look. Two agents."""
    p = miglib.Platform(tmp_path_factory.mktemp("platform"))
    fprs = {"alice": p.fpr, **{n: p.gpg.make_key(f"{n.title()} Demo") for n in
                               ("bob", "carol", "rita")}}
    for name in ("alice", "bob", "carol"):
        p.mig("keyring", "add", fprs[name], check=0)
    who = {n: {"fingerprint": fprs[n], "weight": 1} for n in ("alice", "bob", "carol")}
    p.acl = {"default": {"minimumweight": 1, "investigators": who},
             "file": {"minimumweight": 2, "investigators": who}}
    try:
        p.setup().start().login()
        ring = p.dir / "ring-of-rita"
        env = {**p.env, "XDG_CONFIG_HOME": str(p.dir / "rita-config")}
        for args in (["keyring", "add", fprs["rita"]], ["keyring", "export", "-o", str(ring)]):
            Person.mig(type("P", (), {"env": env}), *args, check=0)
        p.admin("investigator", "add", str(ring), "--role", "reader")
        p.people = {n: Signer(p, n, f).login() for n, f in fprs.items()}
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
    return ["file", "-t", target, "-e", expiry, "-path", str(tree), "-name", "one", *more]


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
    assert row["waiting"] == {"weight": j["weight"], "missing": j["missing"],
                              "by": platform.fpr.lower()}
    assert row["counts"]["expected"] == 0
    # nobody has it, not even after a restart of everything that could send it
    platform.server.stop()
    platform.start()
    platform.wait_online(2)
    probe(platform)
    assert told(platform, ident) == []
    assert state(platform, ident)["waiting"]["weight"] == {"has": 1, "needs": 2}
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
        lambda s: s if s != first else None)(alice.armored("action", doc)))
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
    assert alice.cancel(other, other_doc)[0] == 201
    assert bob.cosign(ident, doc)[0] == 201
    wait_for("both answers", lambda: state(platform, ident)["counts"]["done"] == 2)


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
    # and so do those that come after a restart
    platform.server.stop()
    platform.start()
    assert state(platform, ident)["status"] == "cancelled"
    assert code(bob.cosign(ident, doc)) == (409, "exists")
    platform.wait_online(2)


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
