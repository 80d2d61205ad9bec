# SPDX-License-Identifier: MPL-2.0
"""Several operations in one action: one of them hangs. It is ended by its
limit, alone; the others of the action run meanwhile, and so do other actions;
all answers arrive together and each in its place. And one that is over before
the monitor has heard that it began is over, and not begun again."""
import concurrent.futures
import json
import time

from faultlib import wait_for
from fleetlib import settled

SECONDS = 2     # limit of an operation; 5 more until it is killed


def question(fleet, agent):
    """Four operations that are told apart by what they look for."""
    words = []
    for i in range(4):
        words += ["+"] * bool(i) + ["file", "-path", str(fleet.haystack),
                                    "-name", f"^needle{i or ''}$"]
    draft = fleet.dir / "four.json"
    fleet.mig(*words, "-t", f"name = '{agent.name}'", "-p", "-o", str(draft),
              check=0)
    text = json.loads(draft.read_text())
    text["limits"] = {"seconds": SECONDS}
    draft.write_text(json.dumps(text))
    return draft


def asked_for(part):
    return part["elements"]["s1"][0]["search"]["names"]


def test_one_operation_hangs_and_delays_no_other(fleet):
    agent = next(iter(fleet.agents.values()))
    for i in range(1, 4):
        (fleet.haystack / f"needle{i}").write_text("x")
    draft = question(fleet, agent)
    agent.fault.forget()
    fault = agent.fault.hang("mig-worker", "worker.walking")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(fleet.mig, "-i", str(draft), "-y", "--json")
        wait_for("an operation to hang", lambda: fault.fired)
        start = time.monotonic()
        # the three others have run, and another action is answered
        wait_for("the others", lambda: agent.fault.count(
            "worker.answered", "mig-worker") == 3)
        p = fleet.mig("file", "-t", f"name = '{agent.name}'", "-path",
                      str(fleet.haystack), "-name", "^needle$", "--json",
                      check=0)
        assert json.loads(p.stdout.splitlines()[0])["found"]
        hung = not first.done()
        took = time.monotonic() - start
        p = first.result(40)
    assert hung, f"the others took {took:.1f} s, longer than what hangs"
    parts = json.loads(p.stdout.splitlines()[0])["operations"]
    statuses = [x["status"] for x in parts]
    assert sorted(statuses) == ["done", "done", "done", "timeout"], parts
    assert p.returncode == 3, (p.returncode, p.stderr)
    for i, part in enumerate(parts):
        if part["status"] == "done":
            assert asked_for(part) == [f"^needle{i or ''}$"]
            assert part["foundanything"]
        else:
            assert f"time {SECONDS} s" in part["error"]


def test_a_worker_that_is_faster_than_the_monitor(fleet):
    """It takes its order, answers and exits while the monitor stands at its start."""
    agent = next(iter(fleet.agents.values()))
    settled(fleet)
    agent.fault.forget()
    for i in range(1, 7):
        fault = agent.fault.hang("mig-agent", "job.spawned")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(fleet.mig, "ping", "-t", f"name = '{agent.name}'", "-d", "127.0.0.1",
                                "-p", "tcp", "-dp", "1", "-c", "1", "--json")
            wait_for("the start", lambda f=fault: f.fired)
            wait_for("the answer", lambda n=i: agent.fault.count("worker.answered", "mig-worker") == n)
            time.sleep(0.2)     # its exit
            fault.release()
            p = asked.result(60)
        answer = json.loads(p.stdout.splitlines()[0])
        assert answer["operations"][0]["status"] == "done", answer
        assert agent.fault.count("worker.limited", "mig-worker") == i
