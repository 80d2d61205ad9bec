# SPDX-License-Identifier: MPL-2.0
"""A platform that keeps an agent on an old policy while others go on: mig knows
by what agents sign who lags, and takes no other word for it."""
import base64
import json
import time

import pytest

from fakeagent import purpose_hash
from hostilelib import Liar, Platform
from test_client_local import ERROR, FOUND, INCOMPLETE, NOT_FOUND, gpg  # noqa: F401

SECONDS = 15
NEWEST, BEHIND = 0, NOT_FOUND


class Frozen(Platform):
    """Of two policies mig knows the second; the server has both."""

    def __init__(self, directory, gpg_home):
        super().__init__(directory, gpg_home)
        self.dir = directory
        keyring = directory / "keyring"
        self.mig("keyring", "add", gpg_home.alice, check=0)
        keyring.write_text(self.mig("keyring", "export", check=0).stdout)
        make = ("policy", "make", "--keyring", keyring, "-o")
        self.files = [directory / "p1", directory / "p2"]
        self.mig(*make, self.files[0], check=0)
        self.hashes = [purpose_hash("policy", self.files[0].read_bytes())]
        self.mig(*make, self.files[1], "-version", "2", "-previous", self.hashes[0], check=0)
        self.hashes.append(purpose_hash("policy", self.files[1].read_bytes()))
        self.mig("policy", "pin", self.files[1], check=0)
        self.chain(2)

    def chain(self, n):
        """So many of them the server shows."""
        self.server.replies["GET", "/api/v1/policies"] = (200, {"policies": [
            {"version": i + 1, "hash": self.hashes[i], "signed": True, "current": i + 1 == n,
             "previous": self.hashes[i - 1] if i else None, "created": 1} for i in range(n)]})
        for i in range(2):
            self.server.replies["GET", f"/api/v1/policies/{self.hashes[i]}"] = (
                200, self.files[i].read_bytes())

    def has(self, version, digest=None):
        return {"version": version, "hash": digest or self.hashes[version - 1]}

    def status(self, *rows, check):
        self.listed(*rows)
        p = self.mig("policy", "status", "-json", check=check)
        j = json.loads(p.stdout)
        return j["agents"], {x["name"]: x for x in j["lagging"]}, j, p


@pytest.fixture(scope="module")
def shared(tmp_path_factory, gpg):  # noqa: F811
    p = Frozen(tmp_path_factory.mktemp("frozen"), gpg)
    yield p
    p.stop()


@pytest.fixture
def liar(shared):
    """All have the newest, and that is said; mig forgets them afterwards."""
    shared.known.unlink(missing_ok=True)
    a = Liar("good")
    agents, lagging, _, _ = shared.status(a.row(a.hello(policy=shared.has(2))), check=NEWEST)
    assert agents["current"] == agents["total"] == 1 and lagging == {}
    shared.known.unlink()
    return shared


def test_following_undoes_no_other(liar):
    """What another mig, or a person, has pinned while a policy was fetched stays."""
    known = liar.person.config.parent / "known-policy"
    two = known.read_bytes()
    liar.mig("policy", "pin", liar.files[0], check=0)
    signed = liar.dir / "signed"
    liar.mig("policy", "sign", "-y", liar.files[1], "-from", liar.files[0], "-o", signed, check=0)
    # the same version, but no step of a chain: only a person pins it
    other = liar.dir / "other"
    liar.mig("policy", "make", "--keyring", liar.dir / "keyring", "-o", other, "-version", "9",
             "-previous", "ab" * 32, check=0)
    path = "GET", f"/api/v1/policies/{liar.hashes[1]}/signed"
    try:
        for meanwhile in None, other:
            def fetched(_, pinned=meanwhile):
                if pinned:
                    liar.mig("policy", "pin", pinned, check=0)
                return 200, signed.read_bytes()
            liar.server.replies[path] = fetched
            liar.mig("policy", "pin", liar.files[0], check=0)
            liar.mig("policy", "show", check=0)
            shown = liar.mig("policy", "show", "-raw", known, check=0).stdout
            assert shown == (meanwhile or liar.files[1]).read_text()
    finally:
        del liar.server.replies[path]
        known.write_bytes(two)


def now(offset=0):
    return int((time.time() + offset) * 1000)


def test_one_is_kept_behind(liar):
    """Whatever the server says beside the hello, and with whatever chain."""
    a, b = Liar("ahead"), Liar("frozen")
    rows = (a.row(a.hello(policy=liar.has(2))),
            b.row(b.hello(policy=liar.has(1)), policy=liar.has(2), version=2, current=True))
    for n in (2, 1, 0):
        liar.chain(n)
        agents, lagging, j, _ = liar.status(*rows, check=BEHIND)
        assert (j["version"], agents["current"], agents["behind"]) == (2, 1, 1)
        assert set(lagging) == {"frozen"} and lagging["frozen"]["steps"] == 1
    liar.chain(2)
    liar.listed(*rows)
    p = liar.mig("policy", "status", check=BEHIND)
    assert "frozen" in p.stdout and "1 step behind" in p.stdout
    assert "1 of 2 agents have the newest policy" in p.stderr


def test_a_hello_made_to_look_up_to_date(liar):
    """Another agent's, one with its policy changed, one that another signed, one
    for another purpose: none counts."""
    a, b, mallory = Liar("ahead"), Liar("frozen"), Liar("frozen")
    good = a.hello(policy=liar.has(2))
    said = b.hello(policy=liar.has(1))
    mallory.id = b.id
    for forged in (good, mallory.hello(policy=liar.has(2)), changed(said, liar), "", "AAAA", None):
        row = {**b.row(said), "hello": forged}
        agents, lagging, _, p = liar.status(a.row(good), row, check=BEHIND)
        assert (agents["current"], agents["unverified"]) == (1, 1), (forged, p.stdout)
        assert lagging == {}
    liar.status(a.row(good), b.row(b.hello(policy=liar.has(2))), check=NEWEST)


def changed(hello, liar):
    """The same hello with the newer policy, under its old signature."""
    raw = base64.b64decode(hello)
    raw = raw.replace(liar.hashes[0].encode(), liar.hashes[1].encode())
    return base64.b64encode(raw.replace(b'"policy": {"version": 1', b'"policy": {"version": 2')
                            ).decode()


def test_a_hello_again(liar):
    """One of before it went back to an older policy."""
    b = Liar("restored")
    b.connection = 3
    newest = b.hello(policy=liar.has(2), time=now(-600))
    agents, _, _, _ = liar.status(b.row(newest), check=NEWEST)
    b.connection = 4
    agents, lagging, _, _ = liar.status(b.row(b.hello(policy=liar.has(1))), check=BEHIND)
    assert lagging["restored"]["standing"] == "behind"
    agents, lagging, _, p = liar.status(b.row(newest), check=BEHIND)
    assert (agents["current"], agents["old"]) == (0, 1), p.stdout
    assert lagging["restored"]["standing"] == "old"
    liar.listed(b.row(newest))
    p = liar.mig("policy", "status", check=BEHIND)
    assert "an older hello than was seen" in p.stdout and "0 of 1 agents" in p.stderr


def test_who_lags_is_left_out(liar):
    """The server lists only those that went on."""
    a, b = Liar("ahead"), Liar("frozen")
    good = a.row(a.hello(policy=liar.has(2)))
    liar.status(good, b.row(b.hello(policy=liar.has(1))), check=BEHIND)
    agents, _, j, p = liar.status(good, check=BEHIND)
    assert agents["leftout"] == 1 and j["leftout"] == [{"agent": b.id, "name": "frozen"}]
    assert "frozen" in p.stderr and "left out" not in p.stdout
    liar.mig("trust", "forget", b.id, check=0)
    liar.status(good, check=NEWEST)


def test_answers_say_under_which_policy(liar):
    """It is signed: the platform does not hide who answers under an old one."""
    agents = {"good": (2, liar.hashes[1]), "frozen": (1, liar.hashes[0]),
              "foreign": (2, "ab" * 32), "ahead": (3, "cd" * 32)}
    crowd = []
    for name, policy in agents.items():
        crowd.append(Liar(name))
        crowd[-1].policy = policy
    answers, summary, p = liar.ask(lambda action, doc: [
        (a.id, a.answer(action, doc)) for a in crowd], expected=crowd, check=FOUND)
    assert {a["name"] for a in answers if "other policy" in a["marks"]} == {"frozen", "foreign"}
    assert [(m["reason"], m["count"]) for m in summary["marks"]] == [("other policy", 2)]
    lied = crowd[1].answer

    def newer(action, doc):
        data = lied(action, doc)
        at = data.index(bytes.fromhex(liar.hashes[0])) - 8
        return data[:at] + (2).to_bytes(8, "big") + bytes.fromhex(liar.hashes[1]) + data[at + 40:]
    _, summary, p = liar.ask(lambda action, doc: [(crowd[1].id, newer(action, doc))],
                             check=INCOMPLETE)
    assert summary["done"] == 0 and summary["notbelieved"] == 1, p.stderr


def test_a_policy_of_no_chain(liar):
    """The version alone does not make it the newest."""
    b = Liar("foreign")
    for other in (liar.has(2, "ab" * 32), liar.has(2, liar.hashes[0]), liar.has(9, liar.hashes[1])):
        agents, lagging, _, _ = liar.status(b.row(b.hello(policy=other)), check=BEHIND)
        assert agents["foreign"] == 1 and lagging["foreign"]["standing"] == "foreign"


def test_a_step_that_nobody_signed(liar):
    """Shown as what follows: mig does not go there."""
    third = liar.dir / "p3"
    keyring = liar.dir / "keyring"
    liar.mig("policy", "make", "--keyring", keyring, "-o", third, "-version", "3", "-previous",
             liar.hashes[1], check=0)
    text = third.read_bytes()
    digest = purpose_hash("policy", text)
    listed = {"version": 3, "hash": digest, "previous": liar.hashes[1], "created": 1,
              "signed": True, "current": True}
    replies = liar.server.replies
    replies["GET", "/api/v1/policies"][1]["policies"].append(listed)
    replies["GET", f"/api/v1/policies/{digest}"] = (200, text)
    a = Liar("ahead")
    liar.listed(a.row(a.hello(policy={"version": 3, "hash": digest})))
    try:
        for signatures in ([], ["-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----"]):
            replies["GET", f"/api/v1/policies/{digest}/signed"] = (200, {
                "document": text.decode(), "signatures": signatures})
            p = liar.mig("policy", "status", check=ERROR)
            assert "after version 2" in p.stderr
    finally:
        liar.chain(2)
    agents, _, j, _ = liar.status(a.row(a.hello(policy={"version": 3, "hash": digest})),
                                  check=BEHIND)
    assert j["version"] == 2 and agents["foreign"] == 1
