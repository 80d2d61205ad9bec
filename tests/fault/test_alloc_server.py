# SPDX-License-Identifier: MPL-2.0
"""The n-th allocation of the server fails, counted from the steps of its main
paths: a request, an action, an answer, a hello, an enrolment, a login. A role
may end and be started again, but never by a crash; what was accepted is
answered by each agent and stored once, nothing is half there, and nobody who
waits is left without an answer."""
import json
import os
import re

import pytest

import platformlib as lib
from fakeagent import FakeAgent, Https, Identity
from faultlib import cases
from miglib import answers_of, wait_for

SECONDS = 15
SERVER = "mig-server"
# A sample is tried; MIG_ALLOC_FAR=60: each one up to the 59th.
FAR = int(os.environ.get("MIG_ALLOC_FAR", "0"))


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("alloc"))
    yield p
    p.stop()


@pytest.fixture(autouse=True)
def clean(p):
    wait_for("a platform that is well", lambda: lib.is_well(p))
    yield
    p.fault.disarm_all()


def crashes(p):
    """Roles that ended otherwise than by their own will."""
    return [line for line in p.server.log.read_text().splitlines()
            if re.search(r"ended child=\S+ .*by SIG(?!KILL)", line)]


def check_no_crash(p):
    assert not crashes(p), crashes(p)


def ask_with(p, name, faults):
    slots = [p.fault.allocation_after(SERVER, point, n)
             for point, n in faults]
    q = lib.ask(p, name)
    for s in slots:
        s.disarm()
    assert q.returncode == lib.FOUND, (faults, q.stdout[-500:], q.stderr)
    assert answers_of(q)[1]["done"] == len(lib.NAMES)
    check_no_crash(p)
    lib.check_again(p, lib.check_stored(p, name))
    return [s.fired for s in slots]


def far(few):
    return range(1, FAR) if FAR > 1 else few


def test_one_of_each(p):
    ask_with(p, "one allocation of the action", [("core.action_received", 9)])
    ask_with(p, "one allocation of an answer", [("core.answer_stored", 3)])


@pytest.mark.long
@pytest.mark.parametrize("n", far([1, 4, 13, 28]))
def test_action_and_answers(p, n):
    """Each of three answers fails at another allocation."""
    ask_with(p, f"allocation {n}", [
        ("api.action", n), ("core.action_received", n),
        ("core.answer_part", n), ("core.answer_part", n + 1),
        ("core.answer_part", 2 * n), ("api.stream", n)])
    ask_with(p, f"allocation {n} once stored", [
        ("core.action_verified", n), ("core.action_stored", n),
        ("core.answer_stored", n), ("core.answer_stored", n + 2)])


WAITING = far([2, 15, 40, 90, 160, 250])


@pytest.mark.long
@pytest.mark.parametrize("i", range(len(WAITING)), ids=lambda i: str(WAITING[i]))
def test_waiting_and_another_policy(p, i):
    """An action that waits, and the policy that completes it."""
    n, version = WAITING[i], i + 2
    name = f"allocation {n} of policy {version}"
    signed = lib.next_policy(p, version)
    slot = p.fault.allocation_after(SERVER, "core.action_received", n)
    assert "waits for weight" in lib.ask_many(p, name, version).stdout
    slot.disarm()
    slot = p.fault.allocation_after(SERVER, "core.policy_stored", n)
    # whose answer is lost asks again, and is told that it is there
    wait_for("the push", lambda: p.mig("policy", "push", signed).returncode == 0)
    lib.check_launched(p, name)
    slot.disarm()
    check_no_crash(p)


def test_no_policy_is_refused_for_want_of_memory(p):
    """That would be a word on what people signed, and the server's own trouble."""
    version = 2 + len(WAITING)
    for v in range(2, version):     # those that no test before has pushed
        if not (p.dir / f"policy-{v}").exists():
            p.mig("policy", "push", lib.next_policy(p, v), check=0)
    signed, said = lib.next_policy(p, version), []
    for n in range(1, 400, 7):
        slot = p.fault.allocation_after(SERVER, "core.policy_received", n)
        q = p.mig("policy", "push", signed)
        slot.disarm()
        if q.returncode == 0:
            break
        said.append(q.stderr)
    assert said and q.returncode == 0
    assert not [x for x in said if "not taken" in x or "memory" not in x], said
    check_no_crash(p)


ENROL = ["core.enrol_checked", "ca.asked", "core.enrol_signed",
         "core.enrol_stored"]


@pytest.mark.parametrize("n", cases(far([1, 3, 9]), 1))
def test_enrolment(p, n):
    """Told to come again, or enrolled; its token counts once."""
    https = Https(p.port, p.state / "relay" / "ca.crt")
    for point in ENROL:
        who = first = Identity()
        token = p.token()
        slot = p.fault.allocation_after(SERVER, point, n)

        def enrol():
            try:
                return https.call("POST", "/enrol",
                                  who.enrol_request(token, "new"))
            except (OSError, ValueError):
                return 0, {}
        tries = []

        def enrolled():
            tries.append(enrol())
            assert tries[-1][0] in (0, 201, 503), (point, n, tries)
            return tries[-1][0] == 201
        wait_for("an enrolment", enrolled)
        slot.disarm()
        assert lib.rows(p, "SELECT COUNT(*) FROM agents WHERE id = ?",
                        bytes.fromhex(who.id)) == [(1,)]
        who = Identity()        # what was left to fail may fail here
        assert wait_for("a refusal", lambda: [x for x in [enrol()[0]]
                                              if x not in (0, 503)]) == [403]
        new = FakeAgent(first, "new", tries[-1][1]).connect().hello()
        new.expect(5)       # its welcome: the core knows it
        new.close()
    check_no_crash(p)


@pytest.mark.parametrize("n", cases(far([1, 8]), 0))
def test_hello(p, n):
    """What an agent says of itself is stored whole, if need be when it says
    it again."""
    https = Https(p.port, p.state / "relay" / "ca.crt")
    who = Identity()
    status, body = https.call("POST", "/enrol",
                              who.enrol_request(p.token(), "says"))
    assert status == 201, body
    tag = f"allocation{n}"
    agent = FakeAgent(who, "says", body, {"is": tag})

    def stored():
        agent.connect().hello()
        agent.close()
        return lib.rows(p, "SELECT tags FROM hellos h JOIN agents a ON"
                        " a.n = h.n WHERE a.id = ?", bytes.fromhex(who.id))
    p.fault.allocation_after(SERVER, "core.hello", n)
    assert json.loads(wait_for("its hello", stored)[0][0]) == {"is": tag}
    check_no_crash(p)


@pytest.mark.parametrize("n", cases(far([1, 4]), 1))
def test_login(p, n):
    for point in ("core.nonce", "core.session_checked", "core.session_stored"):
        (p.dir / "cache" / "mig" / "session").unlink()
        slot = p.fault.allocation_after(SERVER, point, n)
        p.mig("agents", check=0)
        slot.disarm()
    check_no_crash(p)
