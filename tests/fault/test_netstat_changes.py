# SPDX-License-Identifier: MPL-2.0
"""Tables of the network that change while netstat reads them. The kernel says so,
and they are read again: nothing that was read before is answered twice, nothing is
missing, and a table that changed each time is counted and named."""
import errno
import json
import os
import pathlib
import subprocess

import pytest

from faultlib import ALWAYS, HANG, Control, wait_for
from test_netstat import Network, may_make_networks

pytestmark = pytest.mark.skipif(not may_make_networks(),
                                reason="no network namespace can be made here")

WORKER = pathlib.Path(os.environ["MIG_BIN"]) / "mig-worker"
TABLES = ["links", "addresses", "neighbours", "tcp", "udp"]
TRIES = 5


@pytest.fixture(scope="module")
def net():
    network = Network("""ip link set lo up
ip link add near type veth peer name far
ip link set near address 02:00:00:00:aa:01
ip addr add 10.77.0.1/24 dev near
ip link set near up
for i in 2 3 4; do ip neigh add 10.77.0.$i lladdr 02:00:00:00:aa:0$i dev near nud permanent; done""")
    yield network
    network.close()


@pytest.fixture
def control(tmp_path):
    return Control(tmp_path / "control")


def ask(net, control, *args):
    """Something of each table, several entries a value."""
    said = net.said
    question = {"localmac": ["^02:00:00:00:aa"], "localip": ["10.77.0.0/16", "127.0.0.1"],
                "neighbormac": ["aa:0[23]$"], "neighborip": ["10.77.0.0/24"], "connectedip": ["127.0.0.1", "::1"],
                "listeningport": [str(said[k]) for k in ("listen4", "listen6", "udp", "client")]}
    out = net.run(str(WORKER), *args, "netstat", input=json.dumps(question), env=control.env())
    return json.loads(out)


def found(answer):
    """All but the gaps and what they are told in."""
    statistics = {k: v for k, v in answer["statistics"].items() if k in ("examined", "totalhits", "namespaces")}
    return answer["foundanything"], answer["success"], answer["elements"], statistics


def changes(answer):
    """What is said of them; how many there are."""
    return ([e for e in answer["errors"] or [] if e.startswith("changing")],
            answer["statistics"]["notexamined"].get("changing"))


@pytest.fixture
def undisturbed(net, control):
    answer = ask(net, control)
    hits = {s: {v: len(e or []) for v, e in found.items()} for s, found in answer["elements"].items()}
    assert hits["neighbormac"] == {"aa:0[23]$": 2} and hits["neighborip"] == {"10.77.0.0/24": 3}, hits
    assert hits["localip"] == {"10.77.0.0/16": 1, "127.0.0.1": 1} and hits["connectedip"]["127.0.0.1"] == 2
    assert sorted(hits["listeningport"].values()) == [0, 1, 1, 1]
    assert answer["statistics"]["totalhits"] == sum(n for s in hits.values() for n in s.values())
    assert changes(answer) == ([], None)
    return answer


@pytest.mark.parametrize("point", ["nets.dump", "nets.receive"])
@pytest.mark.parametrize("table", TABLES)
def test_changed_once(net, control, undisturbed, table, point):
    """All entries are there when it is told, and are taken back."""
    fault = control.error("mig-worker", point, errno.ENOBUFS, what=table)
    answer = ask(net, control)
    assert fault.fired == 1
    assert found(answer) == found(undisturbed) and changes(answer) == ([], None)


def test_changed_once_each(net, control, undisturbed):
    faults = [control.error("mig-worker", "nets.dump", errno.ENOBUFS, times=TRIES - 1, what=t) for t in TABLES]
    answer = ask(net, control)
    # families are asked for one after the other, so that tcp and udp have two dumps a try
    assert [f.fired for f in faults] == [TRIES - 1] * len(TABLES)
    assert found(answer) == found(undisturbed) and changes(answer) == ([], None)


@pytest.mark.parametrize("table", TABLES)
def test_changed_each_time(net, control, undisturbed, table):
    fault = control.error("mig-worker", "nets.dump", errno.ENOBUFS, times=ALWAYS, what=table)
    answer = ask(net, control)
    assert fault.fired == TRIES * (2 if table in ("tcp", "udp") else 1)
    assert found(answer) == found(undisturbed)
    assert changes(answer) == ([f"changing: {net.name}: it changed each time it was read; entries may be missing"], 1)


def test_output_of_what_was_taken_back(net, control):
    """It takes no room of the answer."""
    limit = ["--output", "4096"]
    whole = ask(net, control, *limit)
    control.error("mig-worker", "nets.dump", errno.ENOBUFS, times=ALWAYS)
    answer = ask(net, control, *limit)
    assert found(answer) == found(whole) and changes(answer)[1] == len(TABLES)
    assert answer["statistics"]["notexamined"].get("outputlimit") == whole["statistics"]["notexamined"].get("outputlimit")


QUESTION = json.dumps({"connectedip": ["127.0.0.1", "127.0.0.0/8"], "localip": ["127.0.0.0/8", "10.77.0.1"]})
NO_MEMORY = "memorylimit: limit reached: memory; not everything found is listed"


def alone(net, control):
    """Of no other processes, so that each run has the same allocations: (exit status, answer)"""
    r = subprocess.run(["nsenter", f"--net=/proc/{net.proc.pid}/ns/net", "unshare", "-pfm", "--mount-proc",
                        WORKER, "netstat"], input=QUESTION, env=control.env(), capture_output=True, text=True,
                       check=False, timeout=60)
    return r.returncode, json.loads(r.stdout)


def listed(answer):
    """Without names, which may be unknown for the same reason."""
    return {(s, v): [{k: x for k, x in e.items() if k not in ("user", "interface")} for e in entries or []]
            for s, values in answer["elements"].items() for v, entries in values.items()}


@pytest.mark.parametrize("changing", [False, True], ids=["", "changing"])
@pytest.mark.parametrize("times", [1, 2, ALWAYS], ids=["once", "twice", "always"])
def test_memory_that_does_not_suffice(net, control, times, changing):
    """It is said whenever entries are missing, and only then; what was taken back is not missed."""
    counted = control.allocations("mig-worker")
    whole = listed(alone(net, control)[1])
    total, told = counted.seen, 0
    assert [len(entries) for entries in whole.values()] == [1, 1, 2, 2]
    for n in range(total - 30, total + 1):
        control.disarm_all()
        control.allocations("mig-worker", n, times=times)
        if changing:
            control.error("mig-worker", "nets.dump", errno.ENOBUFS, times=2, what="tcp")
        status, answer = alone(net, control)
        if not answer["success"]:
            assert answer["errors"] and status != 0
            continue
        some, gaps = listed(answer), answer["statistics"]["notexamined"]
        assert (status == 3) == ("memorylimit" in gaps) == (NO_MEMORY in (answer["errors"] or []))
        assert "" not in (answer["errors"] or []), (n, answer)
        told += status == 3
        # a table that could not be read may be one without entries
        if "namespace" not in gaps:
            assert all(some[k] == whole[k][:len(some[k])] for k in whole)
            assert (some != whole) == (status == 3), (n, answer)
    # the first entries of what changes are there before it is said
    assert told >= (3 if times != 1 or not changing else 1)


def test_what_is_met_becomes_another_file(control, tmp_path):
    """A descriptor of a network is followed; whose it is puts a pipe there that nobody writes to: it is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    sleeper = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        here = os.readlink("/proc/self/ns/net")
        wait_for("its network", lambda: os.readlink(f"/proc/{sleeper.pid}/ns/net") != here)
        number = os.open(f"/proc/{sleeper.pid}/ns/net", os.O_RDONLY)
    finally:
        sleeper.kill()
        sleeper.wait()
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    held = os.dup2(number, 777)
    os.close(number)
    fault = control.arm("mig-worker", "nets.meet", HANG, what=str(held))
    with subprocess.Popen([WORKER, "netstat"], env=control.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        try:
            worker.stdin.write(b'{"localip": ["127.0.0.1"]}')
            worker.stdin.close()
            fault.wait()
            os.dup2(pipe, held)
            fault.release()
            wait_for("its end", lambda: worker.poll() is not None)
            assert json.loads(worker.stdout.read())["foundanything"]
        finally:
            # who waits for a writer has had one
            os.close(os.open(tmp_path / "pipe", os.O_RDWR))
            worker.kill()
            os.close(held)
            os.close(pipe)
