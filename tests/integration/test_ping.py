# SPDX-License-Identifier: MPL-2.0
"""The ping module on real networks: servers on loopback, a router between network
namespaces that refuses, names from a name server, with and without rights."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from miglib import free_port
from netservers import Datagrams, dns_answer, listener, own_etc
from test_agent_once import document, envelope, gpg  # noqa: F401
from test_netstat import BUILD, SANDBOXED, WORKER, may_make_networks, pair  # noqa: F401
from test_rights import ORDINARY, USER, Placed, place, rights  # noqa: F401
from test_serve import Worker, document as served_document

MIG = BUILD / "src" / "mig"
NEEDS = "4"    # NEED_NETWORK of modules/module.h
NO_ANSWER, REFUSED = 9999999, -1
NETWORKS = pytest.mark.skipif(not may_make_networks(), reason="no network namespace can be made here")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ask(*before, **params):
    params.setdefault("count", 1)
    params.setdefault("timeout", 1)
    done = subprocess.run([*before, str(WORKER), "ping"], input=json.dumps(params), text=True,
                          stdout=subprocess.PIPE, timeout=60, check=False)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def router(pair):  # noqa: F811
    """From the first namespace of the pair, everything else goes over the second, which
    refuses in its ways."""
    near, far = pair
    near.run("sh", "-ec", """ip route add default via 10.77.0.2
ip -6 route add default via fd77::2""")
    far.run("sh", "-ec", """echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
ip route add unreachable 10.1.0.0/16
ip route add prohibit 10.2.0.0/16
ip route add blackhole 10.3.0.0/16
ip -6 route add unreachable fd01::/16
ip -6 route add blackhole fd03::/16""")
    return near


CASES = {
    # destination, protocol: found, latency (None: real), words of failures
    ("10.77.0.2", "icmp"): (True, None, []),
    ("fd77::2", "icmp"): (True, None, []),
    ("10.1.0.1", "icmp"): (False, REFUSED, ["unreachable: ", "says 10.77.0.2"]),
    ("10.2.0.1", "icmp"): (False, REFUSED, ["unreachable: ", "says 10.77.0.2"]),
    ("10.3.0.1", "icmp"): (False, NO_ANSWER, ["no answer within 1 s"]),
    ("fd01::1", "icmp"): (False, REFUSED, ["unreachable: ", "says fd77::2"]),
    ("fd03::1", "icmp"): (False, NO_ANSWER, ["no answer within 1 s"]),
    ("10.77.0.2", "tcp"): (False, REFUSED, ["refused: ", "nothing listens"]),
    ("fd77::2", "tcp"): (False, REFUSED, ["refused: ", "nothing listens"]),
    ("10.1.0.1", "tcp"): (False, REFUSED, ["unreachable: "]),
    ("10.3.0.1", "tcp"): (False, NO_ANSWER, ["no answer within 1 s"]),
    ("10.77.0.2", "udp"): (False, REFUSED, ["refused: ", "nothing listens", "says 10.77.0.2"]),
    ("fd77::2", "udp"): (False, REFUSED, ["refused: ", "nothing listens", "says fd77::2"]),
    ("fd01::1", "udp"): (False, REFUSED, ["unreachable: ", "says fd77::2"]),
    # as in the original: silence may be all that UDP gets
    ("10.3.0.1", "udp"): (True, NO_ANSWER, ["no answer within 1 s, and no refusal: open, or dropped"]),
}


def test_an_answer_that_grows_too_large_is_still_one():
    """What was tried is told, nothing is cut in the middle, and it says that there would be more."""
    done = subprocess.run([str(WORKER), "--output", "700", "ping"], text=True, capture_output=True,
                          timeout=60, check=False, input=json.dumps(
                              {"destination": "127.0.0.1", "destinationport": free_port(),
                               "protocol": "tcp", "count": 100, "timeout": 1}))
    answer = json.loads(done.stdout)
    assert answer["statistics"]["notexamined"] == {"outputlimit": 1}, answer
    assert 3 < answer["statistics"]["tries"] < 20
    assert set(answer["elements"]["latencies"]) == {REFUSED}
    assert all(f.startswith("try ") for f in answer["elements"]["failures"])


@NETWORKS
def test_over_a_router(router):
    net = ["nsenter", f"--net=/proc/{router.proc.pid}/ns/net"]
    with concurrent.futures.ThreadPoolExecutor(len(CASES)) as pool:
        answers = pool.map(lambda case: ask(*net, destination=case[0], protocol=case[1], destinationport=9,
                                            timeout=1 if CASES[case][1] == NO_ANSWER else 20), CASES)
        for case, answer in zip(CASES, answers):
            check_over_a_router(*case, answer)


def check_over_a_router(destination, protocol, answer):
    found, latency, words = CASES[destination, protocol]
    elements = answer["elements"]
    assert (answer["foundanything"], answer["success"]) == (found, True), elements
    got, = elements["latencies"]
    assert got == latency if latency is not None else 0 < got < 30000, elements
    assert elements["protocol"] == protocol
    brackets = f"[{destination}]:9" if ":" in destination else f"{destination}:9"
    shown = destination if protocol == "icmp" else brackets
    assert elements["resolvedhost"] == f"{shown} ({destination})"
    text = " ".join(elements["failures"] or [])
    assert all(w in text for w in words) and bool(words) == bool(text), text


def test_servers():
    """All protocols on loopback, both families; each try counts."""
    for address in ("127.0.0.1", "::1"):
        server = Datagrams(lambda data: [b"hello"], address)
        with listener(address) as port:
            for protocol, to in (("tcp", port), ("udp", server.port)):
                answer = ask(destination=address, protocol=protocol, destinationport=to, count=2)
                assert answer["foundanything"] and answer["success"] and answer["errors"] is None
                assert all(0 < ms < 1000 for ms in answer["elements"]["latencies"])
                assert answer["elements"]["failures"] is None
                stats = answer["statistics"]
                assert (stats["tries"], stats["answered"], stats["notexamined"]) == (2, 2, {})
        server.close()
        assert server.seen == [b"mig ping\n"] * 2


def test_mixed_tries():
    """One answer of two is found, and both are told."""
    answers = iter([[], [b"x"]])
    server = Datagrams(lambda data: next(answers))
    answer = ask(destination="127.0.0.1", protocol="udp", destinationport=server.port, count=2)
    server.close()
    first, second = answer["elements"]["latencies"]
    assert first == NO_ANSWER and 0 < second < 1000
    assert len(answer["elements"]["failures"]) == 1 and answer["foundanything"]


def test_interrupted():
    """A stop and a limit end it at once, with what there is."""
    server = Datagrams(lambda data: [])
    question = {"destination": "127.0.0.1", "protocol": "udp", "destinationport": server.port,
                "count": 100, "timeout": 60}
    w = Worker("--needs", NEEDS)
    answer, status = w.run(served_document(operations=[{"module": "ping", "parameters": question}]), seconds=1)
    assert status == 4 and answer["statistics"]["notexamined"] == {"timelimit": 1}
    assert answer["elements"]["latencies"] == [] and not answer["foundanything"]
    w.close()
    server.close()


@pytest.fixture(scope="module")
def etc(tmp_path_factory):
    """Commands that see another /etc, with a name server of this test."""
    where = tmp_path_factory.mktemp("etc") / "etc"
    prefix = own_etc(where)
    dns = Datagrams(dns_answer({"one.example": "127.0.0.1", "six.example": "::1", "group.example": "224.0.0.1",
                                "nobody.example": "0.0.0.0", "silent.example": None}), "127.0.0.98", 53)
    (where / "resolv.conf").unlink(missing_ok=True)
    (where / "resolv.conf").write_text("nameserver 127.0.0.98\n")
    (where / "nsswitch.conf").write_text("hosts: files resolve mdns4_minimal dns\n")
    (where / "hosts").write_text("127.0.0.1 localhost\n127.0.0.2 filed.example\n")
    yield prefix
    dns.close()


@ROOT
@SANDBOXED
@pytest.mark.parametrize("name,family,address,word", [
    ("one.example", None, "127.0.0.1", None),
    ("six.example", None, "::1", None),
    ("filed.example", "ipv4", "127.0.0.2", None),
    ("one.example", "ipv6", None, "no such name, or none with an address of this kind"),
    ("none.example", None, None, "no such name"),
    ("group.example", None, None, "224.0.0.1 is a group's address: expected one host's"),
    ("nobody.example", None, None, "0.0.0.0 is the address of nobody"),
    ("silent.example", None, None, "no name server of this host answers"),
])
def test_names(etc, name, family, address, word):
    with listener("::1" if address == "::1" else "0.0.0.0") as port:
        more = {"family": family} if family else {}
        answer = ask(*etc, destination=name, protocol="tcp", destinationport=port, **more)
    if word is None:
        assert answer["foundanything"] and answer["elements"]["resolvedhost"] == f"{name}:{port} ({address})"
        return
    assert not answer["success"] and not answer["foundanything"]
    assert answer["statistics"]["notexamined"] == {"unresolved": 1}
    assert word in answer["errors"][0] and answer["errors"][0].startswith(f"unresolved: {name}: ")
    assert answer["elements"]["latencies"] == []


@NETWORKS
@SANDBOXED
def test_echo_needs_a_right(pair, place):  # noqa: F811
    """Without CAP_NET_RAW only where ping_group_range allows it, and with that not raw."""
    near, _ = pair
    shutil.copy(WORKER, place / "mig-worker")
    before = ["nsenter", f"--net=/proc/{near.proc.pid}/ns/net", *ORDINARY]

    def echo(to):
        done = subprocess.run([*before, str(place / "mig-worker"), "ping"], text=True, capture_output=True,
                              input=json.dumps({"destination": to, "count": 1}), timeout=60, check=False)
        return json.loads(done.stdout)

    answer = echo("10.77.0.2")
    assert not answer["success"] and answer["statistics"]["notexamined"] == {"notpermitted": 1}
    assert "it takes CAP_NET_RAW, or the agent's group in net.ipv4.ping_group_range" in answer["errors"][0]
    assert answer["statistics"]["rights"][0]["had"] == "no"
    near.run("sh", "-c", f"echo {USER} {USER} > /proc/sys/net/ipv4/ping_group_range")
    for to in ("10.77.0.2", "fd77::2"):
        answer = echo(to)
        assert answer["foundanything"] and answer["statistics"]["rights"][0]["notseen"] == "-", answer


ENVIRONMENTS = {
    # prefix, user, may send echo requests, reads
    "root": ([], 0, True, "only what names and clock settings need"),
    "user": (ORDINARY, USER, False, "only what names and clock settings need"),
}


@ROOT
@SANDBOXED
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_agent(name, place, gpg):  # noqa: F811
    prefix, user, echo, reads = ENVIRONMENTS[name]
    if echo is False and pathlib.Path("/proc/sys/net/ipv4/ping_group_range").read_text().split() != ["1", "0"]:
        pytest.skip("everybody may send echo requests here")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"cannot be arranged here: {name}")
    agent = Placed(place, gpg, prefix, user).install()
    with listener() as port:
        run, answer = agent.once(envelope(gpg, document(gpg, operations=[
            {"module": "ping", "parameters": {"destination": "localhost", "count": 1, "family": "ipv4"}},
            {"module": "ping", "parameters": {"destination": "::1", "count": 1}},
            {"module": "ping", "parameters": {"destination": "localhost", "protocol": "tcp", "count": 1,
                                              "destinationport": port, "family": "ipv4"}},
            {"module": "file", "parameters": {"searches": {"s": {
                "paths": ["/etc"], "names": ["^hosts$"], "options": {"matchall": True, "maxdepth": 1}}}}}])))
    assert run.returncode == 0, run.stderr
    four, six, tcp, files = [o["result"] for o in answer["operations"]]
    assert [four["success"], six["success"]] == [echo, echo]
    assert [four["foundanything"], six["foundanything"]] == [echo, echo]
    assert tcp["foundanything"] and files["foundanything"]
    # mig-agent check and the answers say the same
    check = json.loads(agent.run("check", "--json").stdout)
    had = {r["wanted"]: r["had"] for r in tcp["statistics"]["rights"]}
    assert had == {wanted: rights(check, wanted)["had"] for wanted in had} and len(had) == 2
    assert had["to read little, as it has sockets"] == reads
    assert (had["to send echo requests"] != "no") is echo


def test_mig():
    """The client: what is printed, and how it exits."""
    def mig(*words):
        done = subprocess.run([str(MIG), "ping", "-t", "local", *words], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    with listener() as port:
        status, out, _ = mig("-d", "127.0.0.1", "-p", "tcp", "-dp", str(port), "-c", "1")
        assert status == 0 and re.search(rf"tcp ping of 127\.0\.0\.1:{port} \(127\.0\.0\.1\): [0-9.]+ms\n", out)
        status, out, _ = mig("-d", "127.0.0.1", "-p", "tcp", "-dp", str(port), "-c", "1", "-csv")
        assert status == 0 and out.splitlines()[0].endswith("protocol,resolvedhost,try,latency,result")
        assert out.splitlines()[1].endswith(",answered")
    status, out, _ = mig("-d", "127.0.0.1", "-p", "tcp", "-dp", str(port), "-c", "1", "-show", "notfound")
    assert status == 1 and "): refused\n" in out and "nothing listens on this port" in out
    status, _, err = mig()
    assert status == 2 and "ping: -d: expected the host to reach" in err
    status, _, err = mig("-d", "127.0.0.1", "-ipv4", "-ipv6")
    assert status == 2 and "exclude each other" in err
    assert "-dp PORT" in subprocess.run([str(MIG), "ping", "help"], capture_output=True, text=True,
                                        check=True).stdout


def test_privacy():
    """With privacy a worker names neither the address nor who refused."""
    w = Worker("--needs", NEEDS)
    question = {"destination": "127.0.0.1", "protocol": "udp", "destinationport": 9, "count": 1}
    answer, _ = w.run(served_document(operations=[{"module": "ping", "parameters": question}]), privacy=1)
    w.close()
    assert answer["elements"]["resolvedhost"] == "masked" and answer["elements"]["failures"] == ["masked"]
    assert "127.0.0.1" not in json.dumps(answer)


@SANDBOXED
def test_kind_of_worker():
    """A worker of another kind refuses rather than find nothing."""
    question = {"destination": "127.0.0.1", "count": 1}
    w = Worker()
    answer, status = w.run(served_document(operations=[{"module": "ping", "parameters": question}]))
    assert status == 1 and not answer["success"]
    assert answer["errors"] == ["this worker was not made for module ping"]
    w.close()
