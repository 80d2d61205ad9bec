# SPDX-License-Identifier: MPL-2.0
"""An agent dies right after it has remembered a cancel, before anything was
stopped: what ran is not run again and says by whom it was cancelled."""
import json
import subprocess

import miglib
from faultlib import wait_for
from fleetlib import own_record, settled


def newest(fleet):
    listed = json.loads(fleet.mig("actions", "--json", check=0).stdout)["actions"]
    return listed[0]["id"] if listed else None


def answered(fleet, ident):
    lines = fleet.mig("results", ident, "--json").stdout.splitlines()
    return json.loads(lines[0]) if len(lines) > 1 else None


def test_killed_after_remembering(fleet, tmp_path):
    settled(fleet)
    agent = fleet.agents["a0"]
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 43)
    tmp_path.chmod(0o755)
    before = newest(fleet)
    asking = subprocess.Popen(
        [miglib.program("mig"), "file", "-t", "name='a0'", "-path", str(tmp_path), "-name", "hole",
         "-sha2", "ab" * 32, "-e", "10m", "-y"], env=fleet.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the launch", lambda: newest(fleet) != before)
        ident = newest(fleet)
        wait_for("its start", lambda: own_record(agent, ident))
        fault = agent.fault.kill("mig-agent", "cancel.remembered")
        fleet.mig("action", "cancel", ident, check=0)
        wait_for("the kill", lambda: fault.fired)
        wait_for("the agent again", fleet.tend)
        # it waits for nobody who is not there
        wait_for("mig's end", lambda: asking.poll() is not None, 60)
    finally:
        asking.kill()
        asking.wait()
    answer = wait_for("the answer", lambda: answered(fleet, ident), 60)
    assert answer["status"] == "stopped"
    assert "cancelled by Alice Demo" in answer["reason"], answer
    assert "interrupted by a restart" in answer["reason"], answer
    words = " ".join(own_record(agent, ident))
    assert "cancelled by Alice Demo" in words and "answered stopped" in words, words
    settled(fleet)


def test_a_judge_without_memory(fleet, tmp_path):
    """That is no verdict on the cancel: another judge is asked, and all stop."""
    settled(fleet)
    with open(tmp_path / "hole", "wb") as f:
        f.truncate(1 << 43)
    tmp_path.chmod(0o755)
    agents = list(fleet.agents.values())[:6]
    names = ", ".join(f"'{a.name}'" for a in agents)
    marks = {a.name: len(a.daemon.log.read_text()) for a in agents}
    before, slots = newest(fleet), []
    asking = subprocess.Popen(
        [miglib.program("mig"), "file", "-t", f"name IN ({names})", "-path", str(tmp_path), "-name", "hole",
         "-sha2", "ab" * 32, "-e", "10m", "-y"], env=fleet.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the launch", lambda: newest(fleet) != before)
        ident = newest(fleet)
        wait_for("its start", lambda: all(own_record(a, ident) for a in agents))
        slots = [a.fault.allocations("mig-agent-judge", n=1 + 3 * i) for i, a in enumerate(agents)]
        fleet.mig("action", "cancel", ident, check=0)
        wait_for("mig's end", lambda: asking.poll() is not None, 60)
    finally:
        for slot in slots:
            slot.disarm()
        asking.kill()
        asking.wait()
    lines = fleet.mig("results", ident, "--json").stdout.splitlines()[:-1]
    assert [json.loads(line)["status"] for line in lines] == ["stopped"] * len(agents), lines
    assert sum(slot.fired for slot in slots) > 3
    assert not [a.name for a in agents if "cancel_ignored" in a.daemon.log.read_text()[marks[a.name]:]]
    settled(fleet)
