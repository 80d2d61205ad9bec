# SPDX-License-Identifier: MPL-2.0
"""Two agents of one identity: the state of one was copied with all that its machine is known
by, and both live. What the one has run the other cannot know, when it was copied before."""
import json
import shutil
import subprocess
import time

import pytest

import miglib
from miglib import answers_of, wait_for
from takeoverlib import DONE, Owner, Tap, action_id

SECONDS = 40


class Ear(Tap):
    """Hears what the server sends to agents."""

    def __init__(self, platform):
        super().__init__(platform)
        self.envelopes = []

    def connect(self, subscribe=True, client_id="hostile-ear"):
        Owner.connect(self, client_id=client_id)
        assert self.subscribe("mig/1/all", "mig/1/a/+/in") == [1, 1]
        return self.listen()

    def heard(self, first, body):
        payload = self.payload(first, body)[1]
        if payload[:1] == b"\x01":
            self.envelopes.append(payload[1:])


class Copy:
    """Of an agent as it is now, in another place."""

    def __init__(self, agent, name):
        self.dir = agent.platform.dir / name
        shutil.copytree(agent.dir / "state", self.dir / "state")
        self.conf = self.dir / "agent.conf"
        self.conf.write_text(agent.conf.read_text().replace(
            str(agent.dir / "state"), str(self.dir / "state")))
        self.daemon = miglib.Daemon(
            [miglib.program("mig-agent"), "run", "-c", str(self.conf)], self.dir / "log")

    def run(self, *args):
        return subprocess.run([miglib.program("mig-agent"), *args, "-c", str(self.conf)],
                              capture_output=True, text=True, timeout=60, check=False)


def ran(agent, action):
    """How often, by its own record."""
    run = agent.run("report", "--json")
    assert run.returncode == 0, run.stderr
    return sum(e["type"] == "asked" and e["accepted"] and e["action"] == action
               for e in map(json.loads, run.stdout.splitlines()))


def logged(daemon, text):
    return text in daemon.log.read_text(errors="replace")


def until(taken, doc, sigs, done, seconds=90):
    """Sent again and again to whichever of the two is there, until that is so."""
    end = time.time() + seconds
    while not done():
        assert time.time() < end
        taken.send(doc, *sigs, to="web2")
        time.sleep(0.5)


def alone(attack, copy):
    """The copy ends, and the other one is there."""
    taken = attack.taken
    agent = taken.platform.agents["web2"]
    copy.daemon.stop()
    shutil.rmtree(copy.dir)
    if not agent.daemon.alive():
        agent.start()
    doc = taken.document(taken.tree, target="name = 'web2'")
    action = attack.allow(action_id(doc))
    until(taken, doc, [taken.ann.sign(doc)], lambda: taken.said(action, "web2"))


@pytest.fixture
def two(taken, attack):
    """web2 and a copy of it, which is not started yet."""
    agent = taken.platform.agents["web2"]
    copy = Copy(agent, "copy")
    yield agent, copy
    alone(attack, copy)


def test_what_ran_before_the_copy_was_made(taken, attack):
    """The copy's journal has it as well: it says the stored answer again."""
    agent = taken.platform.agents["web2"]
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    action = attack.allow(taken.send(doc, sig))
    taken.wait_said(action, "web2", DONE)
    first = taken.tap.answers[action, taken.ids["web2"]]
    agent.daemon.stop()
    copy = Copy(agent, "copy")
    try:
        copy.daemon.start()
        wait_for("the copy", lambda: logged(copy.daemon, "relay_up"))
        n = len(taken.said(action, "web2"))
        until(taken, doc, [sig], lambda: len(taken.said(action, "web2")) > n)
        assert taken.tap.answers[action, taken.ids["web2"]] == first
        assert not logged(copy.daemon, "accepted action=")
    finally:
        alone(attack, copy)
        attack.restarts = True


def test_beside_its_living_original(taken, attack, two):
    """The relay has one connection of a name, so that they take it from each other. An action of
    after the copy runs once on each: nothing but the platform connects them. Not more often, and
    both records have it; agents and server say what is going on."""
    doc = taken.document(taken.tree)
    sigs = [taken.ann.sign(doc)]
    action = attack.allow(taken.send(doc, *sigs, to="web2"))
    taken.wait_said(action, "web2", DONE)
    time.sleep(1.1)     # what was asked is recorded with whole seconds
    agent, copy = two
    copy.daemon.start()
    answers = set()

    def said():
        answers.add(taken.tap.answers[action, taken.ids["web2"]])
        return all(logged(a.daemon, "relay_taken") for a in two)
    until(taken, doc, sigs, said)
    assert [ran(a, action) for a in two] == [1, 1]
    assert len(answers) == 2 and len({a[148:156] for a in answers}) == 1    # at one position
    assert len({a[156:188] for a in answers}) == 2                          # with two heads
    assert logged(copy.daemon, "a copy of its state")
    assert logged(taken.platform.server, f"connection_went_back agent={taken.ids['web2'][:12]}")


def test_both_answer_mig(taken, attack, two):
    """Delivered to both: the server keeps both answers, and mig marks the agent as copied as soon
    as it sees two statements that cannot be of one. Until somebody has looked at it."""
    platform, (agent, copy) = taken.platform, two
    ear = Ear(platform).connect()
    p = platform.mig("file", "-t", "name='web2'", "-path", str(taken.tree), "-name", "passwd",
                     "--json", check=0)
    answers, summary = answers_of(p)
    assert "marks" not in answers[0] or answers[0]["marks"] == ["new"]
    action = attack.allow(summary["id"])
    copy.daemon.start()

    def both():
        for env in ear.envelopes:
            taken.put(env, "web2")
        time.sleep(0.5)
        return logged(platform.server, f"answer_differs action={action[:12]}")
    wait_for("both answers", both, 90)
    ear.close()
    assert [ran(a, action) for a in two] == [1, 1]
    copy.daemon.stop()
    p = platform.mig("results", action, "--json", check=0)
    answers, summary = answers_of(p)
    assert len(answers) == 1
    assert summary["marks"] == [{"reason": "copied", "count": 1, "agents": ["web2"]}]
    assert "signed a second, different answer" in p.stderr and "its identity was copied" in p.stderr
    rows = map(json.loads, platform.mig("agents", "--json", check=0).stdout.splitlines())
    assert [r["marks"] for r in rows if r.get("name") == "web2"] == [["copied"]]
    p = platform.mig("trust", "forget", taken.ids["web2"], check=0)


def test_enrolled_on_another_machine(taken, attack, two):
    """It stops there, and when it is enrolled it is another agent, whose journal has what ran
    before. Nobody disturbs the other, and mig marks the name."""
    platform, (agent, copy) = taken.platform, two
    doc = taken.document(taken.tree)
    sig = taken.ann.sign(doc)
    action = attack.allow(taken.send(doc, sig))
    taken.wait_said(action, "web2", DONE)
    (copy.dir / "state" / "journal").write_bytes((agent.dir / "state" / "journal").read_bytes())
    platform.mig("agents", check=0)
    (copy.dir / "state" / "machine").write_text("00" * 32 + "\n")
    copy.daemon.start()
    wait_for("it to end", lambda: not copy.daemon.alive())
    assert logged(copy.daemon, "this one is a copy")
    run = copy.run("enrol", platform.url, "--ca", platform.ca, "--token", platform.token())
    assert run.returncode == 0, run.stderr
    offset = len(taken.log("web2"))
    copy.daemon.start()
    platform.wait_online(4)
    taken.send(doc, sig)
    p = platform.mig("file", "-t", "name='web2'", "-path", str(taken.tree), "-name", "passwd",
                     "--json", check=0)
    answers, summary = answers_of(p)
    attack.allow(summary["id"])
    assert len({a["agent"] for a in answers}) == 2 and taken.ids["web2"] in p.stdout
    assert summary["marks"] == [{"reason": "name taken", "count": 1, "agents": ["web2"]}]
    assert not logged(copy.daemon, f"accepted action={action[:12]}")
    assert "relay_down" not in taken.log("web2")[offset:]
