# SPDX-License-Identifier: MPL-2.0
"""What an agent refuses because it has enough: a disk full of answers that
nobody acknowledged, a full queue. Told with its reason, and gone with its cause."""
import json
import secrets
import subprocess

import pytest

import miglib
from miglib import answers_of, binary, wait_for
from spoollib import spooled
from swarmlib import end, stored

FOUND, INCOMPLETE = 0, 3
BUSY, NO_ROOM = 14, 15  # src/action/refusal.h
QUOTA, RESULT = 1 << 20, 300 << 10


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = miglib.Platform(tmp_path_factory.mktemp("refusals"))
    p.limits = {"workers": 1, "queue": 1, "resultbytes": RESULT}
    try:
        p.setup().start().login()
        for name in ("small", "busy"):
            p.agent(name)
        small = p.agents["small"].conf
        small.write_text(small.read_text() + f"quota {QUOTA}\n")
        yield p
    finally:
        p.stop()


@pytest.fixture(scope="module")
def tree(p):
    d = p.dir / "tree"
    d.mkdir()
    for _ in range(2000):
        (d / secrets.token_hex(60)).touch()
    with open(d / "hole", "wb") as f:
        f.truncate(1 << 43)
    for parent in (d, *d.parents):
        if str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def online(p, name):
    agent = p.agents[name].start()
    wait_for(f"{name} online", lambda: name in p.mig("agents", "-t", "online").stdout)
    return agent


def question(name, agent, tree, *more):
    return ("file", "-n", name, "-t", f"name='{agent}'", "-e", "10m", "-path", str(tree), *more)


def asking(p, *words):
    return subprocess.Popen([miglib.program("mig"), *words, "--json", "--show", "all"], env=p.env, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer(mig, code):
    out, err = mig.communicate(timeout=90)
    assert mig.returncode == code, (mig.returncode, out, err)
    line, = [json.loads(x) for x in out.splitlines()][:-1]
    return line


def test_answers_that_nobody_acknowledged(p, tree):
    """They pile up to the quota while the agent has no server. What could not be kept is refused; all
    that were are stored once when the server is there again."""
    agent = online(p, "small")
    agent.daemon.stop()
    envelopes, reasons = [], []
    while NO_ROOM not in reasons:
        text = p.mig(*question(f"pile {len(reasons)}", "small", tree, "-name", "^[0-9a-f]{120}$",
                               "-matchlimit", "5000"), "-s", check=0).stdout
        path = p.dir / f"pile-{len(reasons)}"
        path.write_text(text)
        (p.dir / "once").write_bytes(binary(json.loads(text)))
        before = sum(len(x) for x in spooled(agent.dir / "state/spool").values())
        ran = agent.run("--once", str(p.dir / "once"))
        said = json.loads(ran.stdout)
        envelopes.append(path)
        reasons.append(said.get("reason", 0))
        # not before it must, and not later
        assert (reasons[-1] == 0) == (before + RESULT < QUOTA), (before, said)
    kept = spooled(agent.dir / "state/spool")
    assert reasons == [0] * (len(reasons) - 1) + [NO_ROOM] and len(reasons) > 2, reasons
    assert len(kept) == len(reasons) and sum(len(x) for x in kept.values()) <= QUOTA
    migs = [asking(p, "run", str(path)) for path in envelopes]
    try:
        wait_for("all to be launched", lambda: len(stored(p)) == len(migs))
        assert not any(n for _, n, _ in stored(p).values())
        agent.start()
        answers = [answer(mig, FOUND) for mig in migs[:-1]]
        refused = answer(migs[-1], INCOMPLETE)
    finally:
        end(*migs)
    assert [len(a["operations"][0]["elements"]["s1"]) for a in answers] == [2000] * len(answers)
    assert (refused["status"], refused["reason"]) == ("refused", "the agent's disk quota for results is full")
    assert set(stored(p).values()) == {(1, 1, 1)} and set(stored(p)) == set(kept)
    # acknowledged, they give their room back
    q = p.mig(*question("after", "small", tree, "-name", "^hole$"), "--json", check=FOUND)
    assert answers_of(q)[1]["done"] == 1


def test_a_full_queue(p, tree):
    """One runs, one waits, the third is refused; the two are done all the same."""
    agent = online(p, "busy")

    def accepted(n):
        return lambda: agent.daemon.log.read_text().count(" accepted ") >= n
    runs = asking(p, *question("runs", "busy", tree, "-name", "^hole$", "-sha2", "ab" * 32))
    wait_for("one that runs", accepted(1))
    waits = asking(p, *question("waits", "busy", tree, "-name", "^hole$"))
    try:
        wait_for("one that waits", accepted(2))
        refused = answer(asking(p, *question("refused", "busy", tree, "-name", "^hole$")), INCOMPLETE)
        assert (refused["status"], refused["reason"]) == ("refused", "the agent's queue is full")
        assert accepted(2)() and not accepted(3)() and waits.poll() is None and runs.poll() is None
        newest = json.loads(p.mig("actions", "--json", check=0).stdout)["actions"]
        first, = [a["id"] for a in newest if a["name"] == "runs"]
        p.mig("action", "cancel", first, check=0)
        assert answer(waits, FOUND)["status"] == "done"
        assert answer(runs, INCOMPLETE)["status"] == "stopped"
    finally:
        end(runs, waits)
    q = p.mig(*question("after", "busy", tree, "-name", "^hole$"), "--json", check=FOUND)
    assert answers_of(q)[1]["done"] == 1
