# SPDX-License-Identifier: MPL-2.0
"""Each role of the server and the client die at each step of an action, of an
enrolment and of a login; the parent starts the roles again. A 201 means that
the action is stored and reaches every agent once; without one it is absent or
complete, never half; every answer is stored once."""
import json
import os
import signal
import subprocess

import pytest

import faultlib
import miglib
import platformlib as lib
from fakeagent import Https, Identity
from faultlib import cases
from miglib import answers_of, wait_for

SECONDS = 30
SERVER = "mig-server"

# One of the first and one of the second kind in each run: two deaths on the
# way of the same action.
ANSWERS = ["core.answer_part", "core.answer_checked", "core.answer_stored",
           "core.answer_acked", "core.part_acked", "api.stream"]
LAUNCH = [(point, ANSWERS[i % len(ANSWERS)]) for i, point in enumerate([
    "api.action", "api.asked", "core.action_received",
    "core.action_verified", "core.action_put", "writer.commit",
    "writer.committed", "core.action_stored", "core.action_replied",
    "api.reply", "core.action_published"])]


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("kill"))
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(p):
    lib.settled(p)
    lib.check_descriptors(p)
    yield
    p.fault.disarm_all()
    p.client.disarm_all()
    lib.check_descriptors(p)


@pytest.mark.parametrize("points", cases(LAUNCH, 5), ids="-".join)
def test_server_dies_on_the_way(p, points):
    name = "dies at {} and {}".format(*points)
    faults = [p.fault.kill(SERVER, point) for point in points]
    q = lib.ask(p, name, large="core.part_acked" in points)
    assert q.returncode == lib.FOUND, (q.stdout[-500:], q.stderr)
    assert answers_of(q)[1]["done"] == 3
    assert [f.fired for f in faults] == [1, 1]
    lib.check_again(p, lib.check_stored(p, name))


def test_an_agent_comes_while_the_action_is_stored(p):
    """Its first hello is there before the commit: it is asked with the others, not never."""
    late = p.agent("late")
    hold = p.fault.hang(SERVER, "core.action_put")
    q = lib.start_asking(p, "while it is stored", target="name in ('late', 'a1')")
    try:
        hold.wait()
        p.fault.forget()
        late.start()
        wait_for("its hello", lambda: p.fault.count("core.hello"))
        hold.release()
        out, err = q.communicate(timeout=60)
    finally:
        q.kill()
        late.daemon.stop()
        del p.agents["late"]
        # or whoever asks all of them waits for it
        p.mig("agents", "revoke", lib.rows(p, "SELECT LOWER(HEX(id)) FROM agents WHERE name = 'late'")[0][0], check=0)
    assert {x["name"] for x in map(json.loads, out.splitlines()[:-1])} == {"a1", "late"}, err


@pytest.mark.long
@pytest.mark.parametrize("point", ["core.answer_stored", "core.answer_acked"])
def test_each_of_many_answers_dies_at_its_turn(p, point):
    """Three deaths, one at each agent's answer."""
    name = f"three at {point}"
    for _ in range(3):
        p.fault.kill(SERVER, point)
    q = lib.ask(p, name)
    assert q.returncode == lib.FOUND, q.stderr
    lib.check_again(p, lib.check_stored(p, name))


ENROL = ["core.enrol_checked", "ca.asked", "ca.signed", "core.enrol_signed",
         "writer.commit", "core.enrol_stored"]


@pytest.mark.parametrize("point", cases(ENROL, 2))
def test_enrolment(p, point):
    """The same request again is the same agent, and its token counts once."""
    https = Https(p.port, p.state / "relay" / "ca.crt")
    who, token = Identity(), p.token()
    fault = p.fault.kill(SERVER, point)

    def enrol():
        try:
            return https.call("POST", "/enrol",
                              who.enrol_request(token, "new"))
        except (OSError, ValueError):
            return 0, {}
    status, body = enrol()
    assert status in (0, 503), (status, body)
    assert fault.fired == 1
    status, body = wait_for("an answer", lambda: [r for r in [enrol()]
                                                  if r[0] not in (0, 503)])[0]
    assert status == 201 and body["agent"] == who.id, body
    assert lib.rows(p, "SELECT COUNT(*) FROM agents WHERE id = ?",
                    bytes.fromhex(who.id)) == [(1,)]
    other = Identity()
    status, body = https.call("POST", "/enrol",
                              other.enrol_request(token, "other"))
    assert status == 403 and "used up" in body["error"]["message"]


@pytest.mark.long
@pytest.mark.parametrize("point", ["core.nonce", "core.session_checked",
                                   "core.session_stored"])
def test_login(p, point):
    (p.dir / "cache" / "mig" / "session").unlink()
    fault = p.fault.kill(SERVER, point)
    q = p.mig("agents")
    assert fault.fired == 1
    # a nonce that was given but forgotten is refused in words
    assert q.returncode == 0 or (point == "core.nonce" and
                                 "ask for a new one" in q.stderr), q.stderr
    p.mig("agents", check=0)


REJUDGE = ["core.policy_stored", "core.action_verified", "core.action_put", "core.action_stored",
           "core.action_published"]


@pytest.mark.long
@pytest.mark.parametrize("version", range(2, 2 + len(REJUDGE)), ids=REJUDGE)
def test_waiting_and_another_policy(p, version):
    """An action that waits is complete by the next policy; the core dies on the way. It is launched
    all the same, once, when agents have that policy."""
    name = f"dies at {REJUDGE[version - 2]} of policy {version}"
    assert "waits for weight" in lib.ask_many(p, name, version).stdout
    signed = lib.next_policy(p, version)
    fault = p.fault.kill(SERVER, REJUDGE[version - 2])
    p.mig("policy", "push", signed)
    wait_for("its end", lambda: fault.fired == 1, 60)
    lib.check_launched(p, name)


def test_what_waits_is_stored_before_the_end(p):
    """A server that is stopped commits what it has begun to write."""
    name = "stored at the end"
    hold = p.fault.hang(SERVER, "core.action_put")
    q = lib.start_asking(p, name)
    try:
        hold.wait()
        p.server.proc.terminate()
        # whoever hears of the end goes, but who still writes
        wait_for("the api's end", lambda: lib.role(p, "api") is None)
        hold.release()
        status = p.server.proc.wait(20)
    finally:
        q.kill()
        q.communicate()
        p.start()
    assert status == 0 and lib.action_of(p, name) is not None


@pytest.mark.parametrize("point", cases(["core.cancel_verified", "core.cancel_stored",
                                         "core.cancel_published"], 1))
def test_cancel(p, point, tmp_path):
    """Of an action that runs everywhere. The document is stored once or not at all; once it is, every
    agent stops."""
    name = f"cancelled at {point}"
    hole = tmp_path / "hole"
    with open(hole, "wb") as f:
        f.truncate(1 << 43)
    for d in (tmp_path, *tmp_path.parents):
        if d.stat().st_uid == os.getuid() and str(d).startswith("/tmp/"):
            d.chmod(0o755)
    argv = [miglib.program("mig"), "file", "-n", name, "-t", "all", "-path", str(tmp_path), "-name", "hole",
            "-sha2", "ab" * 32, "-e", "10m", "-y"]
    asking = subprocess.Popen(argv, env=p.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        n, ident = wait_for("the launch", lambda: lib.action_of(p, name))
        wait_for("all run it", lambda: all(lib.runs(p, a, name) for a in lib.NAMES))
        fault = p.fault.kill(SERVER, point)
        p.mig("action", "cancel", ident)
        assert fault.fired == 1
        stored = lib.rows(p, "SELECT COUNT(*) FROM cancels WHERE action = ?", n)[0][0]
        assert stored <= 1 and (stored == 1 or point == "core.cancel_verified")
        p.mig("action", "cancel", ident, check=0)
        wait_for("three answers", lambda: lib.rows(
            p, "SELECT answered FROM actions WHERE n = ?", n) == [(3,)], 60)
        assert lib.rows(p, "SELECT COUNT(*) FROM cancels WHERE action = ?", n) == [(1,)]
    finally:
        asking.kill()
        asking.wait()
    lines = [json.loads(x) for x in p.mig("results", ident, "--json").stdout.splitlines()]
    assert [(x["status"], "cancelled by " in x["reason"]) for x in lines[:-1]] == [("stopped", True)] * 3, lines


CLIENT = ["mig.login", "mig.signed", "mig.posted", "mig.remembered",
          "mig.answer", "mig.opened", "mig.followed", "mig.trusted"]


@pytest.mark.parametrize("point", CLIENT)
def test_client_dies(p, point):
    """What was launched goes on without it; mig results picks it up."""
    name = f"client at {point}"
    if point == "mig.login":
        (p.dir / "cache" / "mig" / "session").unlink()
    fault = p.client.kill("mig", point)
    q = lib.ask(p, name)
    assert q.returncode == -signal.SIGKILL and fault.fired == 1
    found = lib.action_of(p, name)
    if point in ("mig.login", "mig.signed"):
        assert found is None
        q = lib.ask(p, name)
        assert q.returncode == lib.FOUND, q.stderr
    else:
        wait_for("three answers", lambda: lib.rows(
            p, "SELECT status FROM actions WHERE n = ?", found[0]) == [(1,)])
    ident = lib.check_stored(p, name)
    if point not in ("mig.posted",):
        q = p.mig("results", "--json", check=lib.FOUND)
        assert answers_of(q)[1]["id"] == ident
    lib.check_again(p, ident)
    assert not lib.leftovers(p)


def test_torn_lines_take_no_other_with_them(p):
    """What a crash or a full disk left at the end of what mig remembers."""
    for name in ("actions", "known"):
        with open(p.dir / "data" / "mig" / name, "a") as f:
            f.write("0123456789abcdef")
    fault = p.client.error("mig", "file.append", what="/actions")
    q = lib.ask(p, "not remembered")
    assert q.returncode == lib.FOUND and fault.fired == 1
    assert "No space left" in q.stderr and "mig results" in q.stderr
    q = lib.ask(p, "remembered")
    ident = answers_of(q)[1]["id"]
    assert answers_of(p.mig("results", "--json"))[1]["id"] == ident


@pytest.mark.parametrize("point", cases(["parent.restart", "parent.started"], 0))
def test_parent_dies(p, point):
    """Then everything ends, the relay too; started again, it goes on."""
    name = f"parent at {point}"
    kids = lib.children(p.server.proc.pid)
    fault = p.fault.kill(SERVER, point)
    p.fault.kill(SERVER, "core.action_stored")
    client = lib.start_asking(p, name)
    p.server.proc.wait(20)
    assert fault.fired == 1
    wait_for("the end of all roles",
             lambda: not any(os.path.exists(f"/proc/{k}") for k in kids))
    p.start()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    assert json.loads(out.splitlines()[-1])["done"] == 3
    lib.check_again(p, lib.check_stored(p, name))


# Where the relay dies on the way: while the core, or net of every agent, is
# at this step.
RELAY = ["core.action_stored", "core.action_published", "core.answer_part", "core.answer_checked",
         "core.answer_stored", "core.answer_acked", "net.envelope", "net.part", "net.ack"]


@pytest.mark.parametrize("point", cases(RELAY, 4))
def test_relay_dies(p, point):
    name = f"relay at {point}"
    held = [a.fault.hang("mig-agent-net", point) for a in p.agents.values()] \
        if point.startswith("net.") else [p.fault.hang(SERVER, point)]
    client = lib.start_asking(p, name)
    try:
        for h in held:
            h.wait()
        lib.kill_role(p, "relay")
    finally:
        for h in held:
            h.release()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    assert json.loads(out.splitlines()[-1])["done"] == 3
    lib.check_again(p, lib.check_stored(p, name))
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES), 40)


@pytest.mark.parametrize("point", cases([
    "core.action_received", "core.action_put", "core.action_stored", "core.action_published",
    "core.answer_checked", "core.answer_stored"], 2))
def test_all_die(p, point):
    """The parent and all that it started, as when the machine loses power but
    for its disk."""
    name = f"all at {point}"
    kids = lib.children(p.server.proc.pid)
    held = p.fault.hang(SERVER, point)
    client = lib.start_asking(p, name)
    held.wait()
    for pid in (p.server.proc.pid, *kids):
        os.kill(pid, signal.SIGKILL)
    p.server.proc.wait(20)
    held.release()
    p.start()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    assert json.loads(out.splitlines()[-1])["done"] == 3
    lib.check_again(p, lib.check_stored(p, name))


@pytest.mark.long
@pytest.mark.parametrize("point", ["core.hello", "core.hello_stored"])
def test_hellos(p, point):
    """The relay dies with an action on its way, and the core at the first
    hello after it."""
    name = f"hello at {point}"
    hang = [a.fault.hang("mig-agent-net", "net.part")
            for a in p.agents.values()] if "net.part" in faultlib.points() \
        else []
    client = lib.start_asking(p, name)
    wait_for("the action", lambda: lib.action_of(p, name))
    fault = p.fault.kill(SERVER, point)
    lib.kill_role(p, "relay")
    for h in hang:
        h.release()
    out, err = client.communicate(timeout=90)
    assert client.returncode == lib.FOUND, err
    fault.wait()
    lib.check_again(p, lib.check_stored(p, name))
    wait_for("all online", lambda: lib.online(p) == list(lib.NAMES))


@pytest.mark.long
def test_unfinished_files_are_removed(p):
    """What a killed writer left, once nobody can be at it any more."""
    who = Identity()
    https = Https(p.port, p.state / "relay" / "ca.crt")
    status, _ = https.call("POST", "/enrol", who.enrol_request(p.token(), "gone"))
    assert status == 201
    session = p.dir / "cache" / "mig" / "session"
    session.unlink()
    p.client.kill("mig", "file.sync")
    assert p.mig("agents").returncode == -signal.SIGKILL
    p.mig("agents", check=0)
    https.token = json.loads(session.read_text())["token"]
    fault = p.fault.arm(SERVER, "file.sync", faultlib.KILL, what="/acl")
    assert https.call("DELETE", "/agents/" + who.id)[0] in (0, 200, 503)
    fault.wait()
    wait_for("the access list", lambda: who.id in (p.state / "relay" / "acl").read_text())
    left = lib.leftovers(p)
    assert sorted(os.path.basename(f).split(".tmp-")[0] for f in left) == ["acl", "session"]
    for f in left:
        os.utime(f, (1, 1))
    session.unlink()
    p.mig("agents", check=0)
    p.server.stop()
    p.start()
    assert not lib.leftovers(p)
    p.wait_online(3, 60)
