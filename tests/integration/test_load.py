# SPDX-License-Identifier: MPL-2.0
"""Back-pressure and storms: hundreds of agents in one process
(tests/load/swarm) on a real server and its real relay."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import tempfile
import threading
import time
import urllib.parse

import pytest

import miglib
import procs
import swarmlib
from miglib import wait_for

QUESTION = ("-t", "all", "-path", "/etc/passwd", "-name", "^passwd$")
MIB = 1024    # in kB

# What core and relay may hold at most, whatever agents do: the core's queue
# for the store, answers being put together and waiting, one being copied; the
# relay's two bounds of one connection and what these few hundred agents need.
CORE_MAX_KB = 256 * MIB
RELAY_MAX_KB = 256 * MIB


@contextlib.contextmanager
def a_platform(conf=""):
    directory = tempfile.mkdtemp(prefix="mig-load-")
    os.chmod(directory, 0o755)
    p = miglib.Platform(pathlib.Path(directory) / "p")
    try:
        p.setup()
        if conf:
            with open(p.conf, "a", encoding="ascii") as f:
                f.write(conf)
        p.start().login()
        yield p
    finally:
        p.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def platform():
    swarmlib.raise_limits()
    with a_platform() as p:
        yield p


@contextlib.contextmanager
def a_swarm(platform, count, *options, name="swarm"):
    s = swarmlib.Swarm(platform, count, platform.dir / name)
    s.dir.mkdir(exist_ok=True)
    if not s.file.exists():
        s.enrol()
    s.start(*options)
    try:
        yield s
    finally:
        s.stop()


class Peak(threading.Thread):
    """The most memory that each part of the server had while it ran."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self.pids = procs.parts_of(platform.server.proc.pid)
        self.kb = dict.fromkeys(self.pids, 0)
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            for k, pid in self.pids.items():
                self.kb[k] = max(self.kb[k], procs.rss_kb(pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def all_stored(count, n=1):
    """Of the swarm's statistics: n actions, each answered by all, stored."""
    def there(stats):
        done = [t for t in stats["actions"].values() if t["stored"] >= count]
        return len(done) >= n
    return there


def assert_once(platform, count, actions=None):
    """Nothing lost, nothing twice."""
    rows = swarmlib.stored(platform)
    for action in actions or rows:
        assert rows[action] == (count, count, count), (action, rows[action])


# --- answers that do not fit in memory together ------------------------------

@pytest.mark.parametrize("count", [
    pytest.param(6, id="some"), pytest.param(40, id="many", marks=pytest.mark.long)])
def test_large_answers_from_all(platform, count):
    """Many answers of 4 MiB at once: 40 are more than twice what the core sets
    aside. All are stored, memory stays bounded, and no agent has more than one
    part on its way, so that nothing queues up in the relay either."""
    with a_swarm(platform, count, "-a", 4 * 1024 * 1024) as swarm:
        swarm.wait_welcomed()
        with Peak(platform) as peak:
            mig = swarmlib.launch(platform, *QUESTION)
            stats = swarm.wait("all stored", all_stored(count), 120)
            swarmlib.end(mig)
        assert_once(platform, count, stats["actions"])
        assert peak.kb["core"] < CORE_MAX_KB, peak.kb
        assert peak.kb["relay"] < RELAY_MAX_KB / 4, peak.kb
        # each was made to wait for room, and none for long enough to repeat
        # all of it
        assert stats["acks"] >= stats["parts"] - stats["parts_again"]


@contextlib.contextmanager
def a_reader(platform, path):
    """The beginning of a stream was read, and nothing else is for now."""
    session = json.loads((platform.dir / "cache" / "mig" /
                          "session").read_text())
    at = urllib.parse.urlsplit(platform.url)
    https = http.client.HTTPSConnection(
        at.hostname, at.port, timeout=60, context=ssl.create_default_context(
            cafile=platform.dir / "xdg" / "mig" / "ca.pem"))
    try:
        https.request("GET", "/api/v1" + path, headers={
            "Authorization": "Bearer " + session["token"]})
        reply = https.getresponse()
        assert reply.status == 200
        yield reply, reply.read(65536)
    finally:
        https.close()


def test_a_reader_that_stops_takes_no_time(platform):
    """In the middle of a stream that is larger than what sockets hold. Read on
    later, it is whole."""
    with a_swarm(platform, 4, "-a", 4 * 1024 * 1024) as swarm:
        swarm.wait_welcomed()
        mig = swarmlib.launch(platform, *QUESTION)
        stats = swarm.wait("all stored", all_stored(4), 120)
        swarmlib.end(mig)
    action, = stats["actions"]
    api = procs.parts_of(platform.server.proc.pid)["api"]
    with a_reader(platform, f"/actions/{action}/results?after=0") as (reply, text):
        time.sleep(1)    # what sockets hold was sent
        before = procs.cpu_ms(api)
        time.sleep(2)
        assert procs.cpu_ms(api) - before < 300
        lines = [json.loads(x) for x in (text + reply.read()).splitlines()]
    assert [x["type"] for x in lines] == ["answer"] * 4 + ["end"]


# --- agents that do not keep the rules ---------------------------------------

def large_question():
    """A question too large to be sent to all: it is announced and pulled."""
    digests = [f"{i:064x}" for i in range(2000)]
    return (*QUESTION, "-matchany", *(x for d in digests for x in ("-sha2", d)))


@pytest.mark.parametrize("honest,kind", [
    pytest.param(10, 2, id="some"), pytest.param(100, 10, id="many", marks=pytest.mark.long)])
def test_rogues_do_not_disturb(platform, honest, kind):
    """Some never answer, some never read, some send junk, some begin answers
    that they never end, some ask for envelopes without reading them. The
    others' answers are all stored, and the memory is bounded."""
    with a_swarm(platform, 5 * kind, "-m", kind, "-s", kind, "-u", kind, "-e",
                 kind, "-g", kind, name="rogues") as rogues, a_swarm(
                     platform, honest, name="honest") as swarm:
        swarm.wait_welcomed(honest)
        rogues.wait("all connected", lambda s: s["up"] == 5 * kind)
        with Peak(platform) as peak:
            small = swarmlib.launch(platform, *QUESTION)
            swarm.wait("all honest ones stored", all_stored(honest), 60)
            large = swarmlib.launch(platform, *large_question())
            swarm.wait("all honest ones pulled and stored",
                       all_stored(honest, 2), 90)
            # and a large answer of each, while others hold up the queue
            swarm.do(f"answer {256 * 1024}")
            again = swarmlib.launch(platform, *QUESTION, "-maxdepth", "3")
            stats = swarm.wait("large answers stored",
                               all_stored(honest, 3), 120)
            swarmlib.end(small, large, again)
        rogues.wait("much junk", lambda s: s["junk"] > 200 * kind)
        assert stats["wants"] >= honest * 2
        assert peak.kb["core"] < CORE_MAX_KB, peak.kb
        assert peak.kb["relay"] < RELAY_MAX_KB, peak.kb
        rows = swarmlib.stored(platform)
        for action, task in stats["actions"].items():
            # a rogue's answer would be none: only honest ones are there, once
            assert rows[action][1:] == (honest, honest), (action, task)
        # those who flood are silenced, and nobody else; in the order of the
        # options the first are greedy, endless, junk
        floods = {f"swarm{i:05}" for i in range(kind, 3 * kind)}
        wait_for("those who flood are silenced",
                 lambda: silenced(platform) == floods, 60)


def silenced(platform):
    """Names of those that the server's log says it of."""
    log = platform.server.log.read_text(errors="replace")
    return {line.split("name=")[1].split()[0]
            for line in log.splitlines() if "agent_silenced" in line}


# --- storms ------------------------------------------------------------------

SOME, MANY = pytest.param(40, id="some"), pytest.param(1000, id="many", marks=pytest.mark.long)


@pytest.fixture(scope="module")
def storm(request):
    """So many agents of half as many again, which are silent: 6 s of spread for many."""
    swarmlib.raise_limits()
    with a_platform() as p:
        swarm = swarmlib.Swarm(p, request.param * 3 // 2).enrol()
        swarm.start("-n", request.param)
        swarm.count = request.param
        try:
            swarm.wait_welcomed()
            yield p, swarm
        finally:
            swarm.stop()


def online(platform):
    return platform.status()["agents"]["online"]


def weather(platform, swarm, strike):
    """Thrown off while one question is on its way, another one asked when
    nobody is there. How long until all were back."""
    have = len(swarm.stats()["actions"])
    first = swarmlib.launch(platform, *QUESTION)
    swarm.wait("the first one is on its way", lambda s: any(
        0 < t["reached"] for t in list(s["actions"].values())[
            :len(s["actions"]) - have]), 30)
    begun = time.monotonic()
    strike()
    swarm.wait("all thrown off", lambda s: s["welcomed"] < swarm.count // 10, 30)
    second = swarmlib.launch(platform, *QUESTION)
    swarm.wait_welcomed(swarm.count, 90)
    back = time.monotonic() - begun
    wait_for("all online", lambda: online(platform) == swarm.count, 30)
    stats = swarm.wait("both stored", all_stored(swarm.count, have + 2), 90)
    swarmlib.end(first, second)
    rows = swarmlib.stored(platform)
    for action in stats["actions"]:
        expected, agents, kept = rows[action]
        # nobody of the silent ones was there to answer
        assert (agents, kept) == (swarm.count, swarm.count), (action, rows[action])
    return back, stats


@pytest.mark.parametrize("storm", [MANY], indirect=True)
def test_storm_of_resets(storm):
    platform, swarm = storm
    back, stats = weather(platform, swarm, lambda: swarm.do("reset"))
    # agents x 4 ms, uniform in it, and that is what governs the return
    assert stats["spread_ms"] == swarm.count * 3 // 2 * 4
    assert stats["waits"] == swarm.count
    assert stats["wait_max_ms"] <= stats["spread_ms"]
    assert stats["wait_max_ms"] > stats["spread_ms"] * 0.9
    mean = stats["wait_sum_ms"] / stats["waits"]
    assert 0.4 < mean / stats["spread_ms"] < 0.6
    assert back > stats["spread_ms"] / 1000 * 0.8


@pytest.mark.parametrize("storm", [MANY, SOME], indirect=True)
def test_storm_of_a_killed_relay(storm):
    """The relay is killed; the server starts it anew."""
    platform, swarm = storm
    relay = procs.parts_of(platform.server.proc.pid)["relay"]
    weather(platform, swarm, lambda: os.kill(relay, signal.SIGKILL))
    assert procs.parts_of(platform.server.proc.pid)["relay"] != relay
    assert platform.server.alive()
