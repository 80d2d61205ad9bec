# SPDX-License-Identifier: MPL-2.0
"""netstat asked of a real agent, beside file in one action: as root, as root of a
container, in a user namespace, as an ordinary user, on an old kernel."""
import json
import subprocess

import pytest

from test_agent_once import document, envelope, gpg  # noqa: F401
from test_netstat import SANDBOXED, Network, may_make_networks
from test_rights import LESS, NAMESPACE, ORDINARY, USER, Placed, old, place, rights, tree  # noqa: F401

pytestmark = [SANDBOXED, pytest.mark.skipif(not may_make_networks(),
                                            reason="no network namespace can be made here")]
HOLDS, ENTERS = "to see who holds which socket", "to ask in every network namespace"
FILES = "in others /proc/PID/net"
ENVIRONMENTS = {
    # prefix, user, whose sockets, which namespaces, is the process told
    "root": ([], 0, "every process", "every one", True),
    "root, old kernel": (old(0), 0, "every process", "every one", True),
    "container": (LESS, 0, "none", FILES, False),
    "user namespace": (NAMESPACE, 0, None, FILES, False),
    "user": (ORDINARY, USER, "processes of the agent's user", FILES, False),
}


@pytest.fixture(scope="module")
def net():
    network = Network()
    yield network
    network.close()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_agent(name, net, place, gpg, tree):  # noqa: F811
    prefix, user, holds, enters, told = ENVIRONMENTS[name]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"cannot be arranged here: {name}")
    port = str(net.said["listen6"])
    agent = Placed(place, gpg, prefix, user).install()
    run, answer = agent.once(envelope(gpg, document(gpg, operations=[
        {"module": "netstat", "parameters": {"listeningport": [port], "namespaces": True}},
        {"module": "file", "parameters": {"searches": {"s": {
            "paths": [str(tree)], "names": ["^open$"], "options": {"matchall": True}}}}},
        {"module": "netstat", "parameters": {"localmac": ["^ff:ff"], "localip": ["127.0.0.1"]}}])))
    assert run.returncode == 0, run.stderr
    sockets, files, own = [o["result"] for o in answer["operations"]]
    assert [e["file"] for e in files["elements"]["s"]] == [str(tree / "open")]
    assert own["elements"]["localip"]["127.0.0.1"][0]["interface"] == "lo"
    assert own["elements"]["localmac"]["^ff:ff"] is None
    there = net.name if told else f"pid:{net.proc.pid}"
    found = [e for e in sockets["elements"]["listeningport"][port] if e["namespace"] == there]
    assert [e["localaddr"] for e in found] == ["::1"]
    assert (found[0].get("pid") == net.proc.pid) is told
    gaps = sockets["statistics"]["notexamined"]
    assert told or gaps["owners"] > 0
    # mig-agent check and the answer say the same
    had = {r["wanted"]: r["had"] for r in sockets["statistics"]["rights"]}
    check = json.loads(agent.run("check", "--json").stdout)
    assert had == {wanted: rights(check, wanted)["had"] for wanted in (HOLDS, ENTERS)}
    assert had[ENTERS] == enters and holds in (None, had[HOLDS])
