# SPDX-License-Identifier: MPL-2.0
"""The agent module on real agents: what an agent says of itself, that two
agents on one host see each other, and how one of them is stopped. And the
privacy setting, which covers every module."""
import json
import os
import pathlib
import subprocess

import pytest

import miglib
from netservers import Datagrams

FOUND, NOTHING, INCOMPLETE = 0, 1, 3


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two agents on this host, one of which masks; who asks may stop them."""
    p = miglib.Platform(tmp_path_factory.mktemp("two"))
    entry = {"minimumweight": 1, "investigators": {
        "alice": {"fingerprint": p.fpr, "weight": 1}}}
    p.acl = {"default": entry, "agentstop": entry}
    try:
        p.setup().start().login()
        p.agent("one", role="web")
        two = p.agent("two")
        two.conf.write_text(two.conf.read_text() + "privacy yes\n")
        for a in p.agents.values():
            a.start()
        p.wait_online(2)
        yield p
    finally:
        p.stop()


def ask(platform, name, *words, check=FOUND):
    p = platform.mig("agent", "-t", f"name = '{name}'", "-json", *words,
                     check=check)
    answer = json.loads(p.stdout.splitlines()[0])
    return answer["operations"][0], answer["agent"]


def pid(platform, name):
    return platform.agents[name].daemon.proc.pid


def duplicate_of(part, number):
    return next((d for d in part["elements"]["duplicates"]
                 if d["pid"] == number), None)


def test_an_agent_describes_itself(two):
    part, agent_id = ask(two, "one")
    said = part["elements"]["agent"]
    assert said["id"] == agent_id and said["name"] == "one"
    assert said["pid"] == pid(two, "one") and said["mode"] == "daemon"
    assert said["version"] == two.agents["one"].run(
        "--version").stdout.split()[-1]
    assert said["uptime"] < 3600
    assert said["policy"]["version"] == 1
    assert said["relay"] == {"peer": f"localhost:{two.relay_port}",
                             "connected": True,
                             "heard": said["relay"]["heard"]}
    assert said["limits"]["workers"] == 2
    assert said["limits"]["memorybytes"] == 64 * 1024 * 1024
    before = said["counts"]
    assert before["accepted"] >= 1 and before["connections"] >= 1
    after = ask(two, "one")[0]["elements"]["agent"]["counts"]
    assert after["accepted"] == before["accepted"] + 1
    assert after["answered"] == before["answered"] + 1
    assert after["record"] > before["record"]


def test_text_and_csv(two):
    out = two.mig("agent", "-t", "name = 'one'", check=FOUND).stdout
    assert "one agent version=" in out and f"pid={pid(two, 'one')} " in out
    assert "one policy: version=1 " in out and "one counts: accepted=" in out
    assert f"one duplicate pid={pid(two, 'two')} " in out
    rows = two.mig("agent", "-t", "name = 'one'", "-csv",
                   check=FOUND).stdout.splitlines()
    assert rows[0] == "agent,name,kind,pid,version,mode,uptime,id,policy"
    assert any(f",duplicate,{pid(two, 'two')}," in r for r in rows)


def test_two_agents_see_each_other(two):
    for own, other in (("one", "two"), ("two", "one")):
        part, agent_id = ask(two, own, "-duplicates")
        seen = duplicate_of(part, pid(two, other))
        assert seen["mode"] == "daemon" and not seen["sameid"]
        assert seen["id"] != agent_id and seen["uptime"] < 3600
        assert duplicate_of(part, pid(two, own)) is None


def test_by_hand_it_sees_all(two):
    p = two.mig("agent", "-t", "local", "-json", check=FOUND)
    part = json.loads(p.stdout.splitlines()[0])["operations"][0]
    assert "agent" not in part["elements"]
    for name in ("one", "two"):
        assert duplicate_of(part, pid(two, name))["user"] == os.getuid()
    p = two.mig("agent", "-t", "local", "-stop", str(pid(two, "one")),
                "-version", "1", check=INCOMPLETE)
    assert "only an agent can stop another" in p.stdout + p.stderr
    assert two.agents["one"].daemon.alive()


@pytest.mark.parametrize("words,says", [
    (["-stop", "7"], "belong together"),
    (["-version", "1"], "belong together"),
    (["-stop", "1", "-version", "1"], "whole number from 2"),
    (["-stop", "x", "-version", "1"], "not a number"),
    (["-stop", "7", "-version", "a b"], "is not a version"),
])
def test_bad_parameters(two, words, says):
    p = two.mig("agent", "-t", "local", *words, check=2)
    assert says in p.stderr, p.stderr


def version_of(two):
    return ask(two, "one")[0]["elements"]["agent"]["version"]


def test_what_is_not_stopped(two):
    version = version_of(two)
    other = subprocess.Popen(["sleep", "60"])
    try:
        for number, v, says in (
                (pid(two, "one"), version, "this is the agent itself"),
                (pid(two, "two"), "0.0.1", "of another version"),
                (other.pid, version, "is no agent"),
                (2**31 - 2, version, "no such process")):
            part, _ = ask(two, "one", "-stop", str(number), "-version", v,
                          check=INCOMPLETE)
            assert not part["success"] and not part["foundanything"]
            assert says in part["elements"]["stop"]["result"]
            assert says in part["errors"][0]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert all(a.daemon.alive() for a in two.agents.values())


def test_one_stop_an_action(two):
    word = ["agent", "-stop", "7", "-version", "1"]
    p = two.mig(*word, "+", *word, "-t", "name = 'one'", check=2)
    assert "one action asks one other agent to end" in p.stderr


def test_a_duplicate_is_stopped(two):
    """Last but for the mask: the other one ends, with what it had to say."""
    third = two.agent("three")
    third.start()
    two.wait_online(3)
    number = third.daemon.proc.pid
    out = two.mig("agent", "-t", "name = 'one'", "-stop", str(number),
                  "-version", version_of(two), check=FOUND).stdout
    assert f"one stop pid={number} version=" in out and ": ended" in out
    assert third.daemon.proc.wait(10) == 0
    assert f"duplicate pid={number} " not in out
    log = two.agents["one"].daemon.log.read_text()
    assert "agent_stop action=" in log and f"pid={number}" in log


# --- privacy ------------------------------------------------------------------

def test_privacy_masks_before_anything_leaves(two, tmp_path):
    (tmp_path / "secret-name").write_text("x")
    where = pathlib.Path(tmp_path)
    where.chmod(0o755)
    words = ["file", "-path", str(where), "-name", "secret", "+", "agent"]
    for name, masked in (("one", False), ("two", True)):
        p = two.mig(*words, "-t", f"name = '{name}'", "-json", check=FOUND)
        answer = json.loads(p.stdout.splitlines()[0])
        file, agent = answer["operations"]
        hit = file["elements"]["s1"][0]
        assert ("secret-name" in hit["file"]) != masked
        assert (hit["file"] == "masked") == masked
        assert hit["fileinfo"]["size"] == 1
        peer = agent["elements"]["agent"]["relay"]["peer"]
        assert (peer == "masked") == masked
        assert all(("user" in d) != masked
                   for d in agent["elements"]["duplicates"])


def test_privacy_by_hand(tmp_path):
    (tmp_path / "secret-name").write_text("x")
    q = {"searches": {"s1": {"paths": [str(tmp_path), str(tmp_path / "no")],
                             "names": ["."]}}}
    p = subprocess.run([miglib.program("mig-worker"), "--privacy", "file"],
                       input=json.dumps(q), capture_output=True, text=True,
                       timeout=60)
    assert p.returncode == 0
    assert '"file":"masked"' in p.stdout.replace(" ", "")
    assert "secret-name" not in p.stdout
    assert json.loads(p.stdout)["errors"] == ["masked"]


def test_who_waits_keeps_no_place(two):
    """As many operations as may run at once wait for an answer that does not come;
    what is asked next is answered meanwhile."""
    heard = []
    silent = Datagrams(lambda data: heard.append(data) or [])
    wait = ["ping", "-d", "127.0.0.1", "-p", "udp", "-dp", str(silent.port), "-c", "1",
            "-timeout", "40"]
    waiting = subprocess.Popen(
        [miglib.program("mig"), *wait, "-t", "name = 'one'", *(["+", *wait] * 3)],
        env=two.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        miglib.wait_for("them to run", lambda: len(heard) >= 2)
        for _ in range(2):
            two.mig("file", "-t", "name = 'one'", "-path", "/etc/passwd", "-name", ".", check=FOUND)
        assert waiting.poll() is None
        action = json.loads(two.mig("actions", "-json").stdout)
        action = next(a for a in action["actions"] if a["name"].startswith("mig ping"))
        two.mig("action", "cancel", action["id"], "-y")
        waiting.communicate(timeout=60)
    finally:
        waiting.kill()
        waiting.wait()
        silent.close()
