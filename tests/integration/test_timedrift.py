# SPDX-License-Identifier: MPL-2.0
"""The timedrift module against time servers of this test, honest and not, named or
known from the settings of the host's time service."""
import contextlib
import datetime
import json
import os
import re
import subprocess

import pytest

from miglib import free_port
from netservers import NTP, Datagrams, SlowNTP, dns_answer, ntp_server, own_etc
from test_agent_once import document, envelope, gpg  # noqa: F401
from test_netstat import BUILD, SANDBOXED, WORKER
from test_rights import Placed, place  # noqa: F401
from test_serve import Worker, document as served_document

MIG = BUILD / "src" / "mig"
NEEDS = "4"    # NEED_NETWORK of modules/module.h
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def servers():
    some = {kind: ntp_server(kind) for kind in NTP}
    some["six"] = ntp_server("good", "::1")
    yield some
    for s in some.values():
        s.close()


def ask(*before, **params):
    params.setdefault("timeout", 1)
    done = subprocess.run([*before, str(WORKER), "timedrift"], input=json.dumps(params), text=True,
                          stdout=subprocess.PIPE, timeout=60, check=False)
    return json.loads(done.stdout)


def seconds(text):
    """Of a duration below an hour, as "-1m40.5s"."""
    sign, minutes, number, unit = re.fullmatch(r"(-?)(?:(\d+)m(?=[\d.]+s))?([\d.]+)(ns|µs|ms|s)", text).groups()
    value = 60 * int(minutes or 0) + float(number) * {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
    return -value if sign else value


def by_server(answer):
    return answer["statistics"]["ntpstats"]


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def test_local_time_only():
    begin = now()
    for question in ({"drift": ""}, {}):
        answer = ask(**question)
        assert answer["foundanything"] and answer["success"] and answer["errors"] is None
        assert answer["elements"].keys() == {"hascheckeddrift", "localtime"}
        assert answer["elements"]["hascheckeddrift"] is False
        text = re.sub(r"\.(\d{1,6})\d*Z$", lambda m: f".{m.group(1):0<6}+00:00", answer["elements"]["localtime"])
        assert begin <= datetime.datetime.fromisoformat(text) <= now()
        assert "ntpstats" not in answer["statistics"]


@pytest.mark.parametrize("kinds,drift,outside,ahead", [
    (["good"], "2s", False, 0),
    (["six"], "2s", False, 0),
    (["version3"], "2s", False, 0),
    (["ahead"], "99s", True, -100),
    (["ahead"], "1m42s", False, -100),
    (["behind"], "1.5m", True, 100),
    # the largest group of servers that agree decides, not the first to answer
    (["ahead", "good", "version3"], "2s", False, 0),
    (["good", "behind", "spoofed"], "2s", False, 0),
])
def test_drift(servers, kinds, drift, outside, ahead):
    answer = ask(drift=drift, servers=[servers[k].name for k in kinds], timeout=5)
    elements = answer["elements"]
    assert answer["success"] and answer["foundanything"] is outside
    assert elements["hascheckeddrift"] is True and elements["iswithindrift"] is not outside
    drifts = [seconds(d) for d in elements.get("drifts", [])]
    assert len(drifts) == outside and all(abs(d - ahead) < 2 for d in drifts)
    assert answer["statistics"]["notexamined"] == {} and answer["errors"] is None
    for kind, s in zip(kinds, by_server(answer)):
        assert s["reachable"] and s["stratum"] == 2 and s["address"] == servers[kind].address
        assert 0 <= seconds(s["latency"]) < 2 and seconds(s["distance"]) < 2
        liar = len(kinds) > 1 and kind in ("ahead", "behind")
        assert s["agrees"] is not liar
        assert abs(seconds(s["drift"]) - {"ahead": -100, "behind": 100}.get(kind, 0)) < 2


@pytest.mark.parametrize("way, latency, drift", [
    ({"there": .3, "back": .3}, .6, 0),
    ({"there": .3, "back": .3, "ahead": 100}, .6, -100),
    # half of what one way is longer than the other cannot be known: the distance says so
    ({"there": .5, "back": .1}, .6, -.2),
    ({"back": .6}, .6, .3),
    ({"thinks": .5}, 0, 0),
])
def test_latency_is_compensated(way, latency, drift):
    """By half of the way there and back, and without the time that the server took."""
    server = SlowNTP(**way)
    try:
        answer = ask(drift="50s", servers=[server.name], timeout=10)
    finally:
        server.close()
    (told,) = by_server(answer)
    # the server's own figures, which are those of the test where nothing was late
    assert server.latency >= latency and abs(seconds(told["latency"]) - server.latency) < .1, told
    assert abs(seconds(told["drift"]) - server.drift) < .1, told
    assert abs(server.drift - drift) <= (server.latency - latency) / 2 + .001
    assert seconds(told["distance"]) >= server.latency / 2 - .1
    assert abs(seconds(told["drift"]) + way.get("ahead", 0)) <= seconds(told["distance"])
    assert answer["elements"]["iswithindrift"] is (drift > -50) and told["agrees"]


def test_request_tells_nothing(servers):
    """48 bytes, version 4, client; the transmit time is a new random number."""
    seen = servers["good"].seen
    for _ in range(2):
        ask(drift="5s", servers=[servers["good"].name])
    for data in seen:
        assert len(data) == 48 and data[0] == 0x23 and data[1:40] == bytes(39)
    assert len({data[40:] for data in seen}) == len(seen) >= 2


def test_unusable(servers):
    """What cannot be believed is said in words, and one honest server is enough."""
    wrong = {k: why for k, (_, why) in NTP.items() if why is not None}
    closed = f"127.0.0.1:{free_port()}"
    named = [servers[k].name for k in wrong] + [closed, "no-such-name.invalid"]
    answer = ask(drift="2s", servers=named + [servers["good"].name])
    assert answer["success"] and not answer["foundanything"]
    assert answer["statistics"]["notexamined"] == {"unusable": len(named)}
    told = by_server(answer)
    assert [s["reachable"] for s in told] == [False] * len(named) + [True]
    for (kind, why), s in zip(wrong.items(), told):
        assert why in s["why"], kind
    assert told[len(wrong)]["why"].startswith("nothing serves the time there: ")
    assert len(answer["errors"]) == len(named)
    # without it nothing was checked, which is no answer at all
    answer = ask(drift="2s", servers=[servers["kiss"].name, closed])
    assert not answer["success"] and not answer["foundanything"]
    assert answer["elements"]["hascheckeddrift"] is False and "iswithindrift" not in answer["elements"]
    assert answer["statistics"]["notexamined"] == {"unusable": 2, "unchecked": 1}
    assert answer["errors"][-1] == "unchecked: no time server gave a usable answer"


def test_no_majority(servers):
    answer = ask(drift="2s", servers=[servers[k].name for k in ("ahead", "behind")])
    # with one of two believed it would be found, with the other it would not
    assert not answer["success"] and not answer["foundanything"]
    assert answer["statistics"]["notexamined"] == {"disagree": 1}
    elements = answer["elements"]
    assert elements["hascheckeddrift"] is False and elements.keys() == {"hascheckeddrift", "localtime"}
    assert [(s["reachable"], s["agrees"]) for s in by_server(answer)] == [(True, False)] * 2
    assert "it cannot be told whose time is right" in answer["errors"][0]


@pytest.fixture(scope="module")
def etc(tmp_path_factory, servers):
    """Commands that see another /etc, with settings of three time services."""
    where = tmp_path_factory.mktemp("etc") / "etc"
    prefix = own_etc(where)
    dns = Datagrams(dns_answer({"clock.example": "127.0.0.1", "six.example": "::1"}), "127.0.0.99", 53)
    (where / "resolv.conf").unlink(missing_ok=True)
    (where / "resolv.conf").write_text("nameserver 127.0.0.99\n")
    (where / "nsswitch.conf").write_text("hosts: files dns\n")
    yield where, prefix
    dns.close()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@ROOT
def test_silent_address(etc):
    """An address that does not answer is not all that a name has."""
    where, prefix = etc
    with contextlib.closing(Datagrams(lambda _: [])) as silent, \
         contextlib.closing(ntp_server("good", "127.0.0.3", silent.port)):
        (where / "hosts").write_text("127.0.0.1 both.example\n127.0.0.3 both.example\n")
        server, = by_server(ask(*prefix, drift="9s", servers=[f"both.example:{silent.port}"]))
        assert silent.seen and server["reachable"] and server["address"] == "127.0.0.3"


@ROOT
def test_settings(etc, servers, place, gpg):  # noqa: F811
    where, prefix = etc
    answer = ask(*prefix, drift="2s")
    if not any(s["host"].endswith("pool.ntp.org") for s in by_server(answer)):
        # nothing is set up, and nothing else is asked
        assert not answer["success"] and by_server(answer) == []
        assert "no time server is known" in answer["errors"][0]
    write(where / "chrony" / "chrony.conf", f"""# the test's
server clock.example iburst port {servers['good'].port}
pool six.example port {servers['six'].port}
confdir /etc/chrony/conf.d
include /opt/not-to-be-read.conf
include /etc/passwd
""")
    write(where / "chrony" / "conf.d" / "more.conf", f"server 127.0.0.1 port {servers['kiss'].port}\n")
    write(where / "ntp.conf", "server -4 no-such-name.example\n")
    answer = ask(*prefix, drift="2s")
    assert answer["success"] and not answer["foundanything"]
    told = {s["host"]: s for s in by_server(answer)}
    good, six, kiss = told["clock.example"], told["six.example"], told["127.0.0.1"]
    assert good["reachable"] and (good["source"], good["address"]) == ("/etc/chrony/chrony.conf", "127.0.0.1")
    assert six["reachable"] and six["address"] == "::1"
    assert (kiss["source"], kiss["reachable"]) == ("/etc/chrony/conf.d/more.conf", False)
    assert told["no-such-name.example"]["source"] == "/etc/ntp.conf"
    # whatever the settings include: what is no setting of a clock is not read
    gaps = [e for e in answer["errors"] if e.startswith("settings: ")]
    assert gaps == ["settings: /etc/passwd: Permission denied"] or "asan" in BUILD.name
    # the same by an agent, whose worker has no rights
    agent = Placed(place, gpg, prefix, 0).install()
    run, answer = agent.once(envelope(gpg, document(gpg, operations=[
        {"module": "timedrift", "parameters": {"drift": "2s", "timeout": 2}}])))
    assert run.returncode == 0, run.stderr
    result = answer["operations"][0]["result"]
    assert result["success"] and result["elements"]["iswithindrift"] is True
    assert {s["host"] for s in by_server(result) if s["reachable"]} == {"clock.example", "six.example"}


@ROOT
def test_settings_of_dhcp(servers):
    """Where Debian's ntpd has them instead of its own; in the sandbox, too."""
    for path in ("/run/ntpsec/ntp.conf.dhcp", "/run/ntp.conf.dhcp"):
        # ntpd's settings name no ports
        prefix = ["unshare", "--mount", "sh", "-ec",
                  'mount -t tmpfs none /run; mkdir -p "${1%/*}"; echo "server 127.0.0.1" >"$1"; shift; exec "$@"', "sh", path]
        answer = ask(*prefix, drift="2s")
        told = {s["host"]: s.get("source") for s in by_server(answer)}
        assert told.get("127.0.0.1") == path
        assert not [e for e in answer["errors"] or [] if e.startswith("settings: ")]


def test_mig(servers):
    def mig(*words):
        done = subprocess.run([str(MIG), "timedrift", "-t", "local", *words], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    good, ahead = servers["good"].name, servers["ahead"].name
    status, out, _ = mig("-drift", "2s", "-server", good, "-show", "all")
    assert status == 1 and ", within the drift allowed\n" in out and f"server {good} (127.0.0.1): drift " in out
    # as one would type it
    six = servers["six"].name
    assert f"server {six} (::1): drift " in mig("-drift", "2s", "-server", six, "-show", "all")[1]
    assert f',"{good}","127.0.0.1",' in mig("-drift", "2s", "-server", good, "-csv")[1]
    status, out, _ = mig("-drift", "2s", "-server", ahead)
    assert status == 0 and re.search(r", OUTSIDE the drift allowed: -1m(39|40)", out)
    # what failed is summed up; with its server, in the answer, when all is shown
    kiss = servers["kiss"].name
    status, out, err = mig("-drift", "2s", "-server", kiss)
    assert status == 3 and "error" not in out and "the server refuses (RATE): it was asked too often: 1 (" in err
    assert err.count(kiss) == 1
    status, out, err = mig("-drift", "2s", "-server", kiss, "-show", "all")
    assert status == 3 and f"error: unusable: {kiss}: the server refuses (RATE)" in out and kiss not in err
    status, out, _ = mig("-drift", "2s", "-server", ahead, "-server", servers["behind"].name, "-show", "all")
    assert status == 3 and out.count(", disagrees with the others") == 2 and "the drift allowed" not in out
    status, _, err = mig("-drift", "2")
    assert status == 2 and "'2' is not a duration" in err


@SANDBOXED
def test_privacy(servers):
    """With privacy a worker names no server."""
    w = Worker("--needs", NEEDS)
    question = {"drift": "2s", "servers": [servers["ahead"].name, servers["kiss"].name]}
    answer, _ = w.run(served_document(operations=[{"module": "timedrift", "parameters": question}]), privacy=1)
    w.close()
    assert answer["foundanything"] and answer["elements"]["drifts"]
    assert {s["host"] for s in by_server(answer)} == {"masked"} and "port" not in by_server(answer)[0]
    assert "127.0.0.1" not in json.dumps(answer)
