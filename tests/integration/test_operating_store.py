# SPDX-License-Identifier: MPL-2.0
"""What an operator relies on: a store at its bound, and a disk that is low."""
import os

from test_operating import (age, configure, enrolled, launch_refused, make_people,  # noqa: F401
                            make_server)
from miglib import wait_for

MIB = 1 << 20
HOUR, DAY = 3600, 86400


def online(api):
    return api.call("GET", "/status")[1]["agents"]["online"] == 1


def results(api, action):
    return [x["type"] for x in api.lines(f"/actions/{action}/results")]


def start_with(server, **keys):
    """With other bounds, and whatever health says of them: who asks, and its disk's state."""
    configure(server, **keys)
    server.start_unready()
    api = server.login()
    wait_for("the disk's state", lambda: server.https().call("GET", "/health")[1]["disk"] == "low")
    return api


def refused(server, api, word):
    status, error = launch_refused(server, api)
    assert (status, error["code"]) == (507, "storage") and word in error["message"], error


def takes_answers(api, agent, action):
    """Acknowledged as stored, and there to be read."""
    data = agent.answer_bytes(action)
    agent.send_part(action, 0, 1, data)
    assert agent.ack(action, 0) is True
    assert results(api, action)[0] == "answer"


def test_store_max(server):
    """Answers go before actions, the oldest first, and nothing that has not ended; then new actions
    are refused, answers stored, until an end makes room."""
    server.start()
    api = server.login()
    agent = enrolled(server, "s1")
    wait_for("the agent", lambda: online(api))
    old, late, large, small = [server.launch(api)["id"] for _ in range(4)]
    for _ in range(4):
        agent.expect(1)
    for i in (old, late, large):
        agent.answer(i, status=1, reason=0, sealed=os.urandom(MIB), operations=1)
    server.daemon.stop()
    agent.close()
    age(server, old, 2 * DAY)
    age(server, late, 2 * HOUR)
    configure(server, store_max="1m")
    before = server.command("prune", "--dry-run").stdout
    assert before.splitlines() == [
        "would remove 0 answers and 0 actions",
        "and about 2 answers and 1 action more, as the store is larger than store_max",
        "the store would be still larger than store_max; nothing else in it may go"]

    api = start_with(server, store_max="1m")
    assert api.call("GET", f"/actions/{old}")[0] == 404
    # one to which an answer may still come keeps its counts
    assert results(api, late) == ["end"]
    status, j = api.call("GET", f"/actions/{late}")
    assert "results_removed" in j and j["counts"]["answered"] == 1
    assert results(api, large) == ["answer", "end"]
    refused(server, api, "store_max")
    agent.connect().hello()
    takes_answers(api, agent, small)

    age(server, large, HOUR)
    wait_for("room", lambda: api.call(
        "POST", "/actions", server.envelope(server.document()))[0] == 201)
    assert results(api, large) == ["end"] and results(api, small)[0] == "answer"
    assert server.https().call("GET", "/health")[1]["disk"] == "ok"


def test_low_disk(server):
    """Between disk_reserve and a quarter of it: no new action, and answers go on."""
    server.start()
    api = server.login()
    agent = enrolled(server, "l1")
    wait_for("the agent", lambda: online(api))
    action = server.launch(api)["id"]
    agent.expect(1)
    server.daemon.stop()
    agent.close()
    v = os.statvfs(server.state)
    api = start_with(server, disk_reserve=2 * v.f_bavail * v.f_frsize)
    refused(server, api, "disk_reserve")
    agent.connect().hello()
    takes_answers(api, agent, action)
