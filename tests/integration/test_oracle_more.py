# SPDX-License-Identifier: MPL-2.0
"""
The original's questions about networks, clocks, processes and keys, and what it answered,
through mig-worker. tests/data/oracle/cases/ has them (of lists the first entries). Its
answers are of another machine, so the things that it found are arranged here, in a
network namespace: what must be equal is which values are found, and the members of
entries. Each difference that is meant stands at its assertion with the reason.
"""
import json
import os
import shutil
import subprocess
import sys

import pytest

from test_netstat import WORKER, may_make_networks
from test_oracle import DATA, original, question, tree  # noqa: F401

NAMES = sorted(p.name[:-len(".in.json")] for p in (DATA / "cases").glob("*.in.json")
               if p.name.startswith(("netstat-", "ping-", "timedrift-")))

# 5672 listens and is connected from 1664, as on the machine of the original
HOLDER = r"""
import os, socket, sys
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 5672)); server.listen()
client = socket.socket(); client.bind(("127.0.0.1", 1664)); client.connect(("127.0.0.1", 5672))
peer, _ = server.accept()
print(os.stat("/proc/self/ns/net").st_ino, flush=True)
sys.stdin.read()
"""


class Space:
    def __init__(self):
        self.proc = subprocess.Popen(
            ["unshare", "-n", "sh", "-ec", f'ip link set lo up\nexec {sys.executable} -c "$HOLDER"'], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "HOLDER": HOLDER})
        self.name = f"net:[{self.proc.stdout.readline().strip()}]"

    def ask(self, name):
        done = subprocess.run(["nsenter", f"--net=/proc/{self.proc.pid}/ns/net", str(WORKER), name.split("-")[0]],
                              input=question(name, ""), stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def space():
    if not may_make_networks():
        pytest.skip("no network namespace can be made here")
    s = Space()
    yield s
    s.proc.communicate()


def both(space, name):
    """Ours and the original's; the same verdicts."""
    ours, theirs = space.ask(name), original(name, "")
    assert (ours["foundanything"], ours["success"]) == (theirs["foundanything"], theirs["success"])
    assert set(theirs["elements"] or {}) <= set(ours["elements"])
    return ours, theirs


def members(theirs, search, value):
    """Of the original's entries; each is one of ours as well."""
    return set().union(*theirs["elements"][search][value])


@pytest.mark.parametrize("name,says", [
    # refused with the field and what is expected
    ("netstat-bad", "listeningport[0]: '99999' is not a port"),
    ("netstat-localip", "localip[0]: '^127\\.0\\.0\\.1$' is neither an address nor a network"),
])
def test_refused(space, name, says):
    ours, theirs = both(space, name)
    assert theirs["elements"] is None and ours["elements"] == {}
    assert len(ours["errors"]) == 1 and says in ours["errors"][0]


def test_local_mac(space):
    ours, theirs = both(space, "netstat-localmac")
    # in a namespace of nothing but loopback: the address is 00:00:..., where the original
    # had an empty one, which "^00:" does not match
    entry, = ours["elements"]["localmac"]["^00:"] or [None]
    assert theirs["elements"]["localmac"]["^00:"] is None and entry is None


def test_connected(space):
    ours, theirs = both(space, "netstat-connectedip")
    found = ours["elements"]["connectedip"]["127.0.0.1"]
    assert {(e["localport"], e["remoteport"]) for e in found} == {(1664, 5672), (5672, 1664)}
    assert all(members(theirs, "connectedip", "127.0.0.1") <= set(e) for e in found)
    # the original never counted them
    assert theirs["statistics"]["totalhits"] == 0 and ours["statistics"]["totalhits"] == 2


def test_listening(space):
    ours, theirs = both(space, "netstat-listen")
    found, theirs_found = ours["elements"]["listeningport"], theirs["elements"]["listeningport"]
    # once, as one socket listens; the original also gave each connection of that port
    entry, = found["5672"]
    assert members(theirs, "listeningport", "5672") <= set(entry) and entry["state"] == "listen"
    # a connection from a port is none that listens: the original said so of 1664
    assert found["1664"] is None and theirs_found["1664"]
    assert found["9"] is theirs_found["9"] is None


def test_namespaces(space):
    ours, theirs = both(space, "netstat-namespaces")
    names = {e["namespace"] for e in theirs["elements"]["listeningport"]["5672"]}
    assert all(n.startswith("net:[") for n in names)
    entry, = [e for e in ours["elements"]["listeningport"]["5672"] if e["namespace"] == space.name]
    assert members(theirs, "listeningport", "5672") <= set(entry)


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("ping-")])
def test_ping(space, name):
    ours, theirs = both(space, name)
    mine, its = ours["elements"], theirs["elements"]
    assert (mine["protocol"], mine["resolvedhost"]) == (its["protocol"], its["resolvedhost"])
    assert len(mine["latencies"]) == len(its["latencies"])
    for got, want in zip(mine["latencies"], its["latencies"]):
        assert got == want if want <= 0 else 0 < got < 9999999
    # what was refused is said in words; the original kept silent
    refused = -1 in its["latencies"]
    assert its["failures"] is None and (mine["failures"] is not None) is refused
    # statistics, which the original had none of, say what was tried
    assert theirs["statistics"] is None and ours["statistics"]["tries"] == len(its["latencies"])


def test_timedrift(space):
    ours, theirs = both(space, "timedrift-nodrift")
    assert ours["elements"].keys() == theirs["elements"].keys()
    assert ours["elements"]["hascheckeddrift"] is theirs["elements"]["hascheckeddrift"] is False
    shape = [text.translate({ord(c): "0" for c in "123456789"}).split(".")[0]
             for text in (ours["elements"]["localtime"], theirs["elements"]["localtime"])]
    assert shape[0] == shape[1] and ours["elements"]["localtime"].endswith("Z")
    assert ours["errors"] is theirs["errors"] is None


def by_hand(name, at=""):
    done = subprocess.run([str(WORKER), name.split("-")[0]], input=question(name, at), stdout=subprocess.PIPE,
                          text=True, timeout=60, check=False)
    return json.loads(done.stdout), original(name, at)


def test_memory_libraries(tmp_path):
    """The postgres of the original is a copy of sleep here."""
    program = tmp_path / "postgres"
    shutil.copy(shutil.which("sleep"), program)
    with subprocess.Popen([program, "600"]) as p:
        try:
            ours, theirs = by_hand("memory-lib")
            want = theirs["elements"]["s1"][0]
            entry, = [e for e in ours["elements"]["s1"] if e["process"]["pid"] == p.pid]
        finally:
            p.kill()
    assert (ours["foundanything"], ours["success"]) == (theirs["foundanything"], theirs["success"]) == (True, True)
    assert entry.keys() == want.keys() and entry["search"] == want["search"]
    assert entry["process"] == {**want["process"], "name": str(program), "pid": p.pid}
    assert ours["statistics"]["totalhits"] == len(ours["elements"]["s1"])
    # the original read no memory either: libraries stand in the list of mappings
    assert ours["statistics"]["memoryread"] == theirs["statistics"]["memoryread"] == 0


def test_memory():
    ours, theirs = by_hand("memory-name")
    assert (ours["foundanything"], ours["success"]) == (theirs["foundanything"], theirs["success"]) == (False, True)
    assert ours["elements"] == theirs["elements"]
    assert set(theirs["statistics"]) <= set(ours["statistics"])


def test_sshkey(tree):  # noqa: F811
    ours, theirs = by_hand("sshkey-none", tree)
    assert (ours["foundanything"], ours["success"]) == (theirs["foundanything"], theirs["success"]) == (False, True)
    # nothing is an empty list, as it is when there is something
    assert theirs["elements"] == {"keys": None} and ours["elements"] == {"keys": []}
    # links that lead nowhere and the FIFO were not looked at, which the original kept for itself
    assert ours["statistics"]["notexamined"] == {"special": 1, "symlinkbroken": 2}


def test_table_is_complete():
    assert len(NAMES) == 11
