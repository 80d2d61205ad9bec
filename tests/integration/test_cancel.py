# SPDX-License-Identifier: MPL-2.0
"""mig action cancel: by whom it holds, what it stops, and that what was
cancelled never starts, whenever and however it comes."""
import hashlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import miglib
from miglib import answers_of, binary, wait_for

SECONDS = 40


class Person:
    """Another investigator: the same gpg home, a client of their own."""

    def __init__(self, platform, name, fpr):
        self.p, self.fpr = platform, fpr
        d = platform.dir / name
        self.env = {**platform.env}
        for k in ("CONFIG", "CACHE", "DATA", "STATE"):
            self.env[f"XDG_{k}_HOME"] = str(d / k.lower())

    def login(self):
        self.mig("init", "--server", self.p.url, "--ca", self.p.ca, "--key",
                 self.fpr, check=0)
        return self

    def mig(self, *args, check=None, timeout=60):
        r = subprocess.run([miglib.program("mig"), *args], env=self.env,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=timeout, check=False)
        if check is not None:
            assert r.returncode == check, (args, r.stdout, r.stderr)
        return r

    def sign(self, purpose, document):
        return self.p.gpg.detach_sign(
            self.fpr, b"MIG %s v3\n%d\n" % (purpose.encode(), len(document)) + document)


def acl(people):
    everybody = {n: {"fingerprint": f, "weight": 1} for n, f in people.items()}
    return {"default": {"minimumweight": 1, "investigators": everybody},
            "cancel": {"minimumweight": 1,
                       "investigators": {"carol": everybody["carol"]}}}


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """Alice and Bob may ask, Carol may also cancel what others asked; two
    agents, each with one worker."""
    p = miglib.Platform(tmp_path_factory.mktemp("platform"))
    fprs = {"alice": p.fpr, "bob": p.gpg.make_key("Bob Demo"),
            "carol": p.gpg.make_key("Carol Demo")}
    for fpr in (fprs["bob"], fprs["carol"]):
        p.mig("keyring", "add", fpr, check=0)
    p.acl = acl(fprs)
    try:
        p.setup().start().login()
        p.people = {n: Person(p, n, f).login() for n, f in fprs.items()}
        for name in ("web1", "web2"):
            a = p.agent(name)
            a.conf.write_text(a.conf.read_text() + "workers 1\n")
            a.start()
        p.wait_online(2)
        p.mallory = miglib.Gpg(p.dir / "mallory")
        p.mallory_fpr = p.mallory.make_key("Mallory")
        yield p
    finally:
        if hasattr(p, "mallory"):
            p.mallory.stop()
        p.stop()


@pytest.fixture(scope="module")
def relay(platform):
    """Publishes as the owner of the platform."""
    sock = next(s for s in platform.state.rglob("*") if s.is_socket())

    def publish(topic, payload):
        subprocess.run(["mosquitto_pub", "--unix", str(sock), "-V", "mqttv311",
                        "-q", "1", "-t", topic, "-s"], input=payload, check=True,
                       capture_output=True)
    return publish


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A file that is found, and one that takes for ever to read."""
    d = tmp_path_factory.mktemp("slow")
    (d / "needle").write_text("x\n")
    with open(d / "zzz-hole", "wb") as f:
        f.truncate(1 << 43)
    return d


def question(slow, target="all", expiry="10m"):
    return ["file", "-t", target, "-e", expiry, "-path", str(slow), "-name", ".", "-sha2",
            "ab" * 32, "-matchany", "-y"]


class Asking:
    """`mig …` that waits for its answers in the background."""

    def __init__(self, platform, args):
        before = newest(platform)
        self.proc = subprocess.Popen([miglib.program("mig"), *args, "--json"], env=platform.env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
        self.out = self.err = None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.id = wait_for("the launch", lambda: (
            lambda n: n if n != before else None)(newest(platform)), 30)

    def read(self):
        self.out, self.err = self.proc.communicate()

    def end(self, seconds=60):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "mig still waits"
        lines = [json.loads(x) for x in self.out.splitlines() if x.strip()]
        return {x["name"]: x for x in lines[:-1]}, lines[-1]


def actions(platform):
    return json.loads(platform.mig("actions", "--json", check=0).stdout)["actions"]


def newest(platform):
    listed = actions(platform)
    return listed[0]["id"] if listed else None


def log_has(platform, agent, *words):
    text = platform.agents[agent].daemon.log.read_text(errors="replace")
    return any(all(w in line for w in words) for line in text.splitlines())


def wait_log(platform, agent, *words, seconds=30):
    wait_for(f"{agent}: {words}", lambda: log_has(platform, agent, *words), seconds)


def accepted(platform, agent, ident):
    wait_log(platform, agent, " accepted ", ident[:12])


def report(platform, agent):
    out = platform.agents[agent].run("report", "--json").stdout
    return [json.loads(x) for x in out.splitlines()]


def of_action(platform, agent, ident):
    return [e for e in report(platform, agent) if e.get("action") == ident]


def workers(platform, agent):
    """Processes of this agent that burn CPU time: (pid, ticks)."""
    pids = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid",
                           str(platform.agents[agent].daemon.proc.pid)], capture_output=True,
                          text=True, check=True).stdout.split("\n")
    return [int(x.split()[0]) for x in pids if "mig-worker" in x]


def signed_cancel(person, ident, end, purpose="cancel", **change):
    """The JSON form of the envelope and its binary form."""
    doc = {"syntaxversion": 3, "nonce": os.urandom(16).hex(), "action": ident,
           "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "expireafter": end,
           **change}
    text = json.dumps(doc).encode()
    sig = person.sign(purpose, text)
    return (b"MIG3" + bytes([1, 0, 0, 0]) + len(text).to_bytes(4, "big") + text +
            len(sig).to_bytes(2, "big") + sig)


# --- what runs ------------------------------------------------------------------

def test_a_running_worker_is_stopped(platform, slow):
    asking = Asking(platform, question(slow))
    for name in ("web1", "web2"):
        accepted(platform, name, asking.id)
    pids = wait_for("the workers", lambda: [w for n in ("web1", "web2")
                                            for w in workers(platform, n)])
    start = time.monotonic()
    p = platform.mig("action", "cancel", asking.id[:12], "--reason", "wrong hosts", check=0)
    assert "cancelled" in p.stdout
    wait_log(platform, "web1", "answered", asking.id[:12], "status=3")
    took = time.monotonic() - start
    # a second, and what a busy machine needs for signing, sending, reading
    assert took < 15, took
    answers, summary = asking.end()
    assert summary["failed"] == 2, summary
    for a in answers.values():
        assert a["status"] == "stopped"
        assert a["reason"].startswith("stopped: cancelled by Alice Demo <alice.demo@example.org>: "
                                      "wrong hosts"), a
    # what was found until then is answered where the worker could say it
    for a in answers.values():
        op, = a["operations"]
        assert op["status"] == "interrupted"
        assert op["error"].startswith("cancelled by Alice Demo")
        assert "elements" in op or "lost" in op["error"], op
    assert [x["status"] for x in actions(platform) if x["id"] == asking.id] == ["cancelled"]
    shown = platform.mig("action", "show", asking.id, check=0).stdout
    assert "by Alice Demo" in shown and "wrong hosts" in shown
    entries = of_action(platform, "web1", asking.id)
    assert [e["type"] for e in entries] == ["asked", "cancelled", "answered"]
    assert entries[1]["open"] and entries[1]["signers"] == [platform.fpr.lower()]
    assert entries[2]["status"] == "stopped"
    # by their own records within a second; of the two the quicker one, as the machine may be busy
    spent = [last["time"] - told["time"] for _, told, last in (
        of_action(platform, n, asking.id) for n in ("web1", "web2"))]
    assert min(spent) <= 1000, spent
    assert "wrong hosts" in platform.agents["web1"].run("report").stdout
    assert pids


def test_its_results_end_with_that_reason(platform):
    cancelled = next(a["id"] for a in actions(platform) if a["status"] == "cancelled")
    p = platform.mig("results", cancelled, "--json")
    answers, summary = answers_of(p)
    assert len(answers) == 2 and summary["failed"] == 2
    again = platform.mig("action", "cancel", cancelled, check=0)
    assert "2 of 2" in again.stdout


def test_the_next_question_is_answered(platform, slow):
    p = platform.mig("file", "-t", "all", "-path", str(slow), "-name", "^needle$", "--json", check=0)
    assert answers_of(p)[1]["found"] == 2


def test_one_that_waits_is_refused(platform, slow):
    first = Asking(platform, question(slow, "name='web1'"))
    accepted(platform, "web1", first.id)
    second = Asking(platform, question(slow, "name='web1'"))
    accepted(platform, "web1", second.id)
    platform.mig("action", "cancel", second.id, check=0)
    answers, summary = second.end()
    assert summary["refused"] == 1
    assert answers["web1"]["reason"] == "cancelled by an investigator"
    # the one that runs goes on
    assert not any(e["type"] == "answered" for e in of_action(platform, "web1", first.id))
    platform.mig("action", "cancel", first.id, check=0)
    first.end()


# --- by whom --------------------------------------------------------------------

def stranger(platform):
    who = Person(platform, "mallory", platform.mallory_fpr)
    who.p = type("P", (), {"gpg": platform.mallory})
    return who


def strangers(platform):
    """Cancels that web1 counted, since nobody it knows has signed them."""
    return platform.agents["web1"].daemon.log.read_text().count("unverified cancel=")


def test_who_may(platform, slow, relay):
    """Bob neither signed it nor has the right; a stranger and other purposes
    even less. Carol has it."""
    bob, carol = platform.people["bob"], platform.people["carol"]
    asking = Asking(platform, question(slow, "name='web1'"))
    accepted(platform, "web1", asking.id)
    end = next(a["expireafter"] for a in actions(platform) if a["id"] == asking.id)
    p = bob.mig("action", "cancel", asking.id)
    assert p.returncode == 2 and "can cancel it" in p.stderr, p.stderr
    # the platform's owner sends it anyway
    topic = f"mig/1/a/{agent_id(platform, 'web1')}/in"
    relay(topic, b"\x08" + signed_cancel(bob, asking.id, end))
    wait_log(platform, "web1", "cancel_ignored", asking.id[:12], "the signers bring 0")
    alice = platform.people["alice"]
    for purpose in ("action", "policy", "session"):
        relay(topic, b"\x08" + signed_cancel(alice, asking.id, end, purpose))
    relay("mig/1/all", b"\x08" + signed_cancel(stranger(platform), asking.id, end))
    relay(topic, b"\x08" + signed_cancel(alice, asking.id, end, target="all"))
    wait_log(platform, "web1", "cancel_ignored", "target")
    wait_for("four strangers", lambda: strangers(platform) >= 4)
    assert not any(e["type"] == "cancelled" for e in of_action(platform, "web1", asking.id))
    p = carol.mig("action", "cancel", asking.id, check=0)
    answers, _ = asking.end()
    assert "cancelled by Carol Demo" in answers["web1"]["reason"]


def agent_id(platform, name):
    for line in platform.mig("agents", "--json", check=0).stdout.splitlines():
        a = json.loads(line)
        if a.get("name") == name:
            return a["agent"]
    raise AssertionError(name)


# --- late, restarted, before ----------------------------------------------------

def test_a_late_agent_never_starts_it(platform, slow):
    agent = platform.agents["web2"]
    agent.daemon.stop()
    asking = Asking(platform, [*question(slow), "-nowait"])
    platform.mig("action", "cancel", asking.id, check=0)
    asking.end()
    agent.start()
    platform.wait_online(2)
    wait_log(platform, "web2", " cancel ", asking.id[:12], "known=0")
    assert not log_has(platform, "web2", " accepted ", asking.id[:12])


def test_cancel_before_the_action_and_kill(platform, slow, relay):
    """The cancel comes first; the agent is killed right after remembering it;
    then the relay's owner brings the action, twice."""
    env = json.loads(platform.mig(*question(slow, "name='web1'"), "-s", check=0).stdout)
    doc = env["document"].encode()
    ident = hashlib.sha256(b"MIG action v3\n%d\n" % len(doc) + doc).hexdigest()
    end = json.loads(doc)["expireafter"]
    topic = f"mig/1/a/{agent_id(platform, 'web1')}/in"
    payload = b"\x08" + signed_cancel(platform.people["alice"], ident, end)
    relay(topic, payload)
    wait_log(platform, "web1", " cancel ", ident[:12], "known=0")
    agent = platform.agents["web1"]
    agent.daemon.kill()
    agent.start()
    platform.wait_online(2)
    relay(topic, payload)  # a replay does no harm
    relay(topic, b"\x01" + binary(env))
    wait_log(platform, "web1", "refused", ident[:12], "reason=19")
    relay("mig/1/all", b"\x01" + binary(env))
    # what comes after it was read: so was it
    seen = strangers(platform)
    relay("mig/1/all", b"\x08" + signed_cancel(stranger(platform), ident, end))
    wait_for("what follows it", lambda: strangers(platform) > seen)
    entries = of_action(platform, "web1", ident)
    assert [e["type"] for e in entries] == ["cancelled", "asked", "answered"]
    assert not entries[0]["open"] and not entries[1]["accepted"]
    assert "cancelled by Alice Demo" in entries[1]["detail"]


def test_one_by_another_person_waits_in_vain(platform, slow, relay):
    """Bob cancels what he has not signed, before it comes: it runs."""
    env = json.loads(platform.mig("file", "-s", "-t", "name='web1'", "-path", str(slow), "-name",
                                  "^needle$", check=0).stdout)
    doc = env["document"].encode()
    ident = hashlib.sha256(b"MIG action v3\n%d\n" % len(doc) + doc).hexdigest()
    topic = f"mig/1/a/{agent_id(platform, 'web1')}/in"
    relay(topic, b"\x08" + signed_cancel(platform.people["bob"], ident,
                                         json.loads(doc)["expireafter"]))
    wait_log(platform, "web1", " cancel ", ident[:12], "known=0")
    relay(topic, b"\x01" + binary(env))
    wait_log(platform, "web1", "answered", ident[:12], "status=1")


def test_a_server_that_restarts_goes_on_telling(platform, slow):
    agent = platform.agents["web2"]
    agent.daemon.stop()
    asking = Asking(platform, [*question(slow), "-nowait"])
    platform.mig("action", "cancel", asking.id, check=0)
    asking.end()
    platform.server.stop()
    platform.start()
    agent.start()
    platform.wait_online(2)
    wait_log(platform, "web2", " cancel ", asking.id[:12], "known=0")
    assert [x["status"] for x in actions(platform) if x["id"] == asking.id] == ["cancelled"]


def test_a_restart_in_between(platform, slow, relay):
    """Killed while its worker runs, then cancelled: it is answered at the
    start as interrupted, once, and the cancel changes nothing."""
    asking = Asking(platform, [*question(slow, "name='web1'"), "-nowait"])
    accepted(platform, "web1", asking.id)
    agent = platform.agents["web1"]
    agent.daemon.stop(signal.SIGKILL)
    platform.mig("action", "cancel", asking.id, check=0)
    agent.start()
    wait_for("one answer", lambda: [e["type"] for e in of_action(platform, "web1", asking.id)] ==
             ["asked", "answered"])
    asking.end()
    end = next(a["expireafter"] for a in actions(platform) if a["id"] == asking.id)
    relay(f"mig/1/a/{agent_id(platform, 'web1')}/in",
          b"\x08" + signed_cancel(platform.people["alice"], asking.id, end))
    wait_log(platform, "web1", "cancel_ignored", asking.id[:12], "it is over here")
    assert [e["type"] for e in of_action(platform, "web1", asking.id)] == ["asked", "answered"]


def test_errors_are_words(platform, slow):
    p = platform.mig("action", "cancel", "0123456789abcdef")
    assert p.returncode == 2 and "no action" in p.stderr, p.stderr
    p = platform.mig("action", "cancel", "xyz")
    assert p.returncode == 2 and "no action id" in p.stderr, p.stderr
    platform.mig("file", "-t", "all", "-path", str(slow), "-name", "^needle$", check=0)
    p = platform.mig("action", "cancel", newest(platform), "--reason", "x" * 300)
    assert p.returncode == 2 and "at most 200 bytes" in p.stderr, p.stderr
    # somebody who enrols now would still be asked
    p = platform.mig("action", "cancel", newest(platform), check=0)
    assert "there is nothing to stop" in p.stdout and "comes later" in p.stdout, p.stdout
