# SPDX-License-Identifier: MPL-2.0
"""The netstat module on real networks: namespaces of the test's own with a veth
pair between them, sockets of both families, neighbours, and what ss(8) says."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from test_serve import Worker, document

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
NEEDS = "8"    # NEED_SOCKETS of modules/module.h
SANDBOXED = pytest.mark.skipif("asan" in BUILD.name, reason="needs the real sandbox")


def may_make_networks():
    return subprocess.run(["unshare", "-n", "true"], capture_output=True,
                          check=False).returncode == 0


pytestmark = pytest.mark.skipif(not may_make_networks(),
                                reason="no network namespace can be made here")

# Holds sockets and says what it has; ends when its input does.
HOLDER = r"""
import json, os, socket, sys
held, said = [], {}
def tcp(family, addr):
    s = socket.socket(family); s.bind((addr, 0)); s.listen(); held.append(s)
    return s.getsockname()[1]
said["inode"] = os.stat("/proc/self/ns/net").st_ino
said["listen4"] = tcp(socket.AF_INET, "127.0.0.1")
said["listen6"] = tcp(socket.AF_INET6, "::1")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
held.append(u); said["udp"] = u.getsockname()[1]
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
client = socket.create_connection(server.getsockname())
peer, _ = server.accept(); server.close()
held += [client, peer]
said["client"], said["connected"] = client.getsockname()[1], client.getpeername()[1]
c = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); c.connect(("::1", 9)); held.append(c)
said["udp_client"] = c.getsockname()[1]
print(json.dumps(said), flush=True)
sys.stdin.read()
"""


class Network:
    """A namespace with a process in it that holds sockets."""

    def __init__(self, setup="ip link set lo up"):
        self.proc = subprocess.Popen(
            ["unshare", "-n", "sh", "-ec",
             f"{setup}\nexec {sys.executable} -c \"$HOLDER\""], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "HOLDER": HOLDER})
        self.said = json.loads(self.proc.stdout.readline())
        self.name = f"net:[{self.said['inode']}]"

    def run(self, *argv, **more):
        return subprocess.run(["nsenter", f"--net=/proc/{self.proc.pid}/ns/net", *argv],
                              capture_output=True, text=True, check=True, **more).stdout

    def ask(self, *before, **params):
        """The answer of a worker in this namespace."""
        done = self.run(*before, str(WORKER), "netstat", input=json.dumps(params))
        return json.loads(done)

    def close(self):
        self.proc.communicate()


@pytest.fixture(scope="module")
def net():
    network = Network()
    yield network
    network.close()


@pytest.fixture(scope="module")
def pair():
    """Two namespaces with a veth pair between them; the first has met the other."""
    other = Network()
    near = Network("""ip link set lo up
ip link add near type veth peer name far0
ip link set near address 02:00:00:00:aa:01
ip link set far0 address 02:00:00:00:aa:02
ip addr add 10.77.0.1/24 dev near
ip addr add fd77::1/64 dev near nodad
ip link set near up""")
    near.run("ip", "link", "set", "far0", "netns", str(other.proc.pid))
    other.run("sh", "-ec", """ip addr add 10.77.0.2/24 dev far0
ip addr add fd77::2/64 dev far0 nodad
ip link set far0 up""")
    # one datagram each makes ARP and neighbour discovery ask; the pings wait for the answers
    near.run(sys.executable, "-c", MEET)
    yield near, other
    near.close()
    other.close()


# Connects to a closed port: the refusal comes back only after both have met.
MEET = """
import socket, time
for family, addr in ((socket.AF_INET, "10.77.0.2"), (socket.AF_INET6, "fd77::2")):
    end = time.monotonic() + 20
    while True:
        s = socket.socket(family); s.settimeout(3)
        try:
            s.connect((addr, 9))
        except ConnectionRefusedError:
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        finally:
            s.close()
"""


def one(answer, search, value):
    found = answer["elements"][search][value]
    assert found is not None and len(found) == 1, found
    return found[0]


def test_listening(net):
    said = net.said
    ports = [str(said[k]) for k in ("listen4", "listen6", "udp", "connected", "client",
                                    "udp_client")]
    answer = net.ask(listeningport=ports)
    assert answer["foundanything"] and answer["success"]
    four = one(answer, "listeningport", ports[0])
    assert four == {
        "localaddr": "127.0.0.1", "localport": said["listen4"], "namespace": "default",
        "protocol": "tcp", "state": "listen", "pid": net.proc.pid, "process": four["process"],
        "executable": os.path.realpath(sys.executable), "uid": 0, "user": "root"}
    assert four["process"] == pathlib.Path(f"/proc/{net.proc.pid}/comm").read_text().strip()
    six = one(answer, "listeningport", ports[1])
    assert (six["localaddr"], six["protocol"]) == ("::1", "tcp6")
    udp = one(answer, "listeningport", ports[2])
    assert (udp["protocol"], udp["state"], udp["pid"]) == ("udp", "unconnected", net.proc.pid)
    # connections have ports and do not listen
    for port in ports[3:]:
        assert answer["elements"]["listeningport"][port] is None
    assert answer["statistics"]["totalhits"] == 3


def test_connected(net):
    said = net.said
    answer = net.ask(connectedip=["127.0.0.1", "127.0.0.0/8", "::/0", "0.0.0.0/0", "10.1.1.1"])
    found = answer["elements"]["connectedip"]
    assert found["10.1.1.1"] is None
    ends = {(e["localport"], e["remoteport"]) for e in found["127.0.0.1"]}
    assert ends == {(said["client"], said["connected"]), (said["connected"], said["client"])}
    assert all(e["state"] == "established" and e["pid"] == net.proc.pid
               for e in found["127.0.0.1"])
    # no listener is a connection to 0.0.0.0, and IPv4 is no network of IPv6
    assert found["127.0.0.0/8"] == found["0.0.0.0/0"] == found["127.0.0.1"]
    assert [(e["protocol"], e["remoteport"], e["state"]) for e in found["::/0"]] == [
        ("udp6", 9, "connected")]


def test_as_ss_has_it(net):
    """Every listening and every connected socket of ss(8), and no other."""
    answer = net.ask(listeningport=[str(p) for p in range(1024, 17000)],
                     connectedip=["0.0.0.0/0", "::/0"])
    more = [net.ask(listeningport=[str(p) for p in range(at, min(at + 16000, 65536))])
            for at in range(17000, 65536, 16000)]
    ours = set()
    for a in [answer, *more]:
        for search in a["elements"].values():
            for found in search.values():
                ours |= {(e["protocol"][:3], e["localaddr"], e["localport"],
                          e.get("remoteport", 0), e["pid"]) for e in found or []}
    theirs = set()
    for line in net.run("ss", "-tuanpH").splitlines():
        proto, state, _, _, local, remote, *who = line.split()
        addr, port = local.rsplit(":", 1)
        peer = remote.rsplit(":", 1)[1]
        pid = re.search(r"pid=(\d+)", who[0]) if who else None
        theirs.add((proto, addr.strip("[]"), int(port), 0 if peer == "*" else int(peer),
                    int(pid[1])))
        assert state in ("LISTEN", "UNCONN", "ESTAB")
    assert ours == theirs and len(ours) == 6


# A socket that three processes hold, and one half of a connection in each state on its way to the end.
ENDS = r"""
import json, os, socket, subprocess, sys
os.system("ip link set lo up")
def ask(*options, **params):
    return json.loads(subprocess.run([sys.argv[1], *options, "netstat"], input=json.dumps(params).encode(),
                                     stdout=subprocess.PIPE, check=True).stdout)
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
port = server.getsockname()[1]
stop, hold = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.close(hold); os.read(stop, 1); os._exit(0)
listening = ask(listeningport=[str(port)])
client = socket.create_connection(("127.0.0.1", port))
mine = client.getsockname()[1]
peer, _ = server.accept()
client.close()
half = ask(connectedip=["127.0.0.1"])
peer.close()
over = ask(connectedip=["127.0.0.1"])
masked = ask("--privacy", connectedip=["127.0.0.1"])
print(json.dumps([os.getpid(), port, mine, listening, half, over, masked]))
"""


def test_shared_and_ending_sockets():
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", ENDS, WORKER], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    pid, port, mine, listening, half, over, masked = json.loads(done.stdout)
    entry = one(listening, "listeningport", str(port))
    # the others came later, and are told as a number
    assert entry["sharedby"] == 2 and pid <= entry["pid"] <= pid + 100
    ends = {e["localport"]: e for e in half["elements"]["connectedip"]["127.0.0.1"]}
    assert ends[port]["state"] == "close-wait" and (ends[port]["pid"], ends[port]["user"]) == (pid, "root")
    assert ends[mine]["state"] == "fin-wait-2"
    # nobody holds what is closed, and nobody is named for it
    after = one(over, "connectedip", "127.0.0.1")
    assert (after["state"], after["localport"], after["remoteport"]) == ("time-wait", mine, port)
    for entry in (ends[mine], after):
        assert not {"pid", "process", "executable", "sharedby", "uid", "user"} & set(entry)
    assert one(masked, "connectedip", "127.0.0.1") == {**after, "remoteaddr": "masked"}


def test_interfaces(pair):
    near, _ = pair
    answer = near.ask(localmac=["^02:00:00:00:AA:01$", ".", "^$"],
                      localip=["10.77.0.0/24", "fd77::1", "10.77.0.2", "127.0.0.1"])
    mac = one(answer, "localmac", "^02:00:00:00:AA:01$")
    assert mac == {"localmacaddr": "02:00:00:00:aa:01", "namespace": "default",
                   "interface": "near"}
    # loopback has no address that would match anything
    assert [e["interface"] for e in answer["elements"]["localmac"]["."]].count("lo") == 0
    assert answer["elements"]["localmac"]["^$"] is None
    assert one(answer, "localip", "10.77.0.0/24") == {
        "localaddr": "10.77.0.1", "namespace": "default", "interface": "near"}
    assert one(answer, "localip", "fd77::1")["interface"] == "near"
    assert one(answer, "localip", "127.0.0.1")["interface"] == "lo"
    assert answer["elements"]["localip"]["10.77.0.2"] is None


def test_address_that_is_given_up():
    """A MAC address that costs too many steps is told, whichever others come behind it."""
    network = Network("""ip link set lo up
ip link add a0 type veth peer name a1
ip link set a1 address aa:aa:aa:aa:aa:aa
ip link set a0 address 02:00:00:00:00:01""")
    steps = "|".join(f"[a:{c}]" for c in "bcde1234")
    answer = network.ask(localmac=[f"^(?:(?:{steps})+[xy]|02.*)$"])
    network.close()
    assert [len(found) for found in answer["elements"]["localmac"].values()] == [1]
    assert answer["statistics"]["notexamined"]["enginelimit"] == 1
    assert [e.split(":")[0] for e in answer["errors"]] == ["enginelimit"]


def test_neighbours(pair):
    near, _ = pair
    answer = near.ask(neighbormac=["^02:00:00:00:aa:02$", "aa:01"],
                      neighborip=["10.77.0.0/24", "fd77::/64", "10.77.0.1"])
    found = answer["elements"]["neighbormac"]["^02:00:00:00:aa:02$"]
    assert {"10.77.0.2", "fd77::2"} <= {e["remoteaddr"] for e in found}
    assert all(e["remotemacaddr"] == "02:00:00:00:aa:02" and e["interface"] == "near"
               for e in found)
    assert one(answer, "neighborip", "10.77.0.0/24")["remoteaddr"] == "10.77.0.2"
    assert one(answer, "neighborip", "fd77::/64")["remotemacaddr"] == "02:00:00:00:aa:02"
    assert answer["elements"]["neighbormac"]["aa:01"] is None
    assert answer["elements"]["neighborip"]["10.77.0.1"] is None


def test_other_namespaces(net, pair):
    """From one namespace into all others, interfaces and neighbours included."""
    near, other = pair
    port = str(net.said["listen4"])
    asked = {"listeningport": [port], "localmac": ["^02:00:00:00:aa:02$"],
             "neighborip": ["fd77::2"]}
    answer = other.ask(**asked, namespaces=True)
    found = [e for e in answer["elements"]["listeningport"][port] if e["namespace"] == net.name]
    assert [(e["pid"], e["localaddr"]) for e in found] == [(net.proc.pid, "127.0.0.1")]
    assert one(answer, "localmac", "^02:00:00:00:aa:02$")["namespace"] == other.name
    assert one(answer, "neighborip", "fd77::2")["namespace"] == near.name
    assert answer["statistics"]["namespaces"] >= 4
    # there are hosts with a process that root may not look into either
    assert set(answer["statistics"]["notexamined"]) <= {"vanished", "owners"}, answer["errors"]
    # not asked for: said, and not looked at
    answer = near.ask(**asked)
    assert answer["elements"]["localmac"]["^02:00:00:00:aa:02$"] is None
    assert answer["statistics"]["namespaces"] == 1
    assert answer["statistics"]["notexamined"]["notasked"] >= 3


def test_namespace_without_process(tmp_path):
    """Mounted, as ip-netns(8) and container engines do, and held by a descriptor."""
    spot = tmp_path / "a b"
    spot.touch()
    script = f"""import ctypes, json, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x00020000) == 0
assert libc.mount(None, b"/", None, 0x44000, None) == 0
ask = lambda: json.loads(subprocess.run([{str(WORKER)!r}, "netstat"], stdout=subprocess.PIPE,
    input=json.dumps({{"localmac": ["^02:00:00:00:bb:"], "namespaces": True}}).encode()).stdout)
p = subprocess.Popen(["unshare", "-n", "sh", "-ec",
    "ip link add v0 address 02:00:00:00:bb:01 type veth peer name v1; echo; read x"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdout.readline()
subprocess.run(["mount", "--bind", "/proc/%d/ns/net" % p.pid, {str(spot)!r}], check=True)
fd = os.open("/proc/%d/ns/net" % p.pid, os.O_RDONLY)
p.communicate()
mounted = ask()
subprocess.run(["umount", {str(spot)!r}], check=True)
held = ask()
os.close(fd)
print(json.dumps([mounted, held, ask()]))"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    mounted, held, gone = json.loads(done.stdout)
    assert one(mounted, "localmac", "^02:00:00:00:bb:")["localmacaddr"] == "02:00:00:00:bb:01"
    assert one(held, "localmac", "^02:00:00:00:bb:")["interface"] == "v0"
    assert gone["elements"]["localmac"]["^02:00:00:00:bb:"] is None


@SANDBOXED
def test_without_rights(net, pair):
    """As an ordinary user: own namespace by netlink, others by files; both said."""
    near, other = pair
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    port = str(net.said["listen4"])
    answer = net.ask(*nobody, listeningport=[port])
    found = one(answer, "listeningport", port)
    assert "pid" not in found and found["user"] == "root"
    assert answer["statistics"]["notexamined"]["owners"] > 0
    assert answer["statistics"]["rights"][0]["had"] == "processes of the agent's user"
    answer = other.ask(*nobody, listeningport=[port], localmac=["^02:00:00:00:aa:01$"],
                       neighborip=["10.77.0.2", "fd77::2"], localip=["10.77.0.1", "fd77::1"],
                       namespaces=True)
    elements = answer["elements"]
    assert f"pid:{net.proc.pid}" in [e["namespace"] for e in elements["listeningport"][port]]
    there = f"pid:{near.proc.pid}"
    # other tests may have the same addresses at this time
    for search, value in (("neighborip", "10.77.0.2"), ("localip", "10.77.0.1"), ("localip", "fd77::1")):
        assert [e["namespace"] for e in elements[search][value]].count(there) == 1
    # what cannot be seen that way is no "not found"
    assert elements["localmac"]["^02:00:00:00:aa:01$"] is None
    assert elements["neighborip"]["fd77::2"] is None
    gaps = answer["statistics"]["notexamined"]
    assert gaps["interfacemacs"] > 0 and gaps["ipv6neighbours"] > 0
    assert any("netlink is refused in" in text for text in answer["errors"])


@SANDBOXED
def test_as_the_agent_does(net):
    """From a worker of its own kind, as another user, then narrowed."""
    port = str(net.said["listen4"])
    doc = document(operations=[{"module": "netstat", "parameters": {
        "listeningport": [port], "namespaces": True}}])
    worker = Worker("--uid", "65533", "--needs", NEEDS)
    answer, status = worker.run(doc, memory=64 << 20)
    assert status == 0 and worker.spent, answer
    found = [e for e in answer["elements"]["listeningport"][port]
             if e["namespace"] == net.name]
    assert [(e["pid"], e["user"]) for e in found] == [(net.proc.pid, "root")]
    worker.close()
    # the one for files has nothing opened: said, and no "not found"
    worker = Worker("--uid", "65533")
    answer, status = worker.run(doc)
    assert status == 1 and "was not made for module netstat" in answer["errors"][0]
    worker.close()


def test_output_limit(net):
    done = net.run(str(WORKER), "--output", "2000", "netstat",
                   input=json.dumps({"connectedip": ["127.0.0.0/8"] + [
                       f"127.0.0.0/{n}" for n in range(9, 30)]}))
    answer = json.loads(done)
    assert answer["statistics"]["notexamined"]["outputlimit"] == 1
    assert answer["foundanything"] and len(done) < 8000


def test_many_values(net):
    values = [f"10.{n >> 8 & 255}.{n & 255}.0/24" for n in range(10000)] + ["127.0.0.1"]
    answer = net.ask(connectedip=values)
    assert len(answer["elements"]["connectedip"]["127.0.0.1"]) == 2
    done = subprocess.run([WORKER, "netstat"], capture_output=True, text=True, check=False,
                          input=json.dumps({"listeningport": ["1"] * 100000}))
    assert done.returncode == 1 and "at most 16384" in done.stdout


# One entry for each socket and network: the answer is long though the sockets are few.
MANY = r"""
import json, os, resource, socket, subprocess, sys
os.system("ip link set lo up")
resource.setrlimit(resource.RLIMIT_NOFILE, (4200, max(4200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
held = []
for i in range(4000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((f"127.1.{i >> 8}.{i & 255}", 9)); held.append(s)
question = json.dumps({"connectedip": [f"127.0.0.0/{n}" for n in range(8, 16)] +
                       [f"127.1.0.0/{n}" for n in range(8, 19)]}).encode()
for i, options in enumerate(json.loads(sys.argv[3])):
    with open(f"{sys.argv[2]}/{i}", "wb") as f:
        subprocess.run([sys.argv[1], *options, "netstat"], input=question, stdout=f, check=True)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_very_many_entries(tmp_path):
    """The answer ends by its own limit, and the worker stays small however long it is."""
    options = [[], ["--output", str(4 << 20)], ["--output", "400000", "--privacy"],
               ["--output", "65536", "--detail", "found-only"]]
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", MANY, WORKER, tmp_path, json.dumps(options)],
                          capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    size, length, *_ = [(tmp_path / str(i)).stat().st_size for i in range(4)]
    whole, some, masked, found_only = [json.loads((tmp_path / str(i)).read_bytes()) for i in range(4)]
    lists = whole["elements"]["connectedip"]
    assert "outputlimit" not in whole["statistics"]["notexamined"] and size > 16 << 20
    assert [len({e["remoteaddr"] for e in entries}) for entries in lists.values()] == [4000] * 19
    assert int(done.stdout.split()[0]) < 20 << 10 or "asan" in BUILD.name
    # what is listed is the beginning of each list
    assert some["statistics"]["notexamined"]["outputlimit"] == 1 and 3 << 20 < length <= 4 << 20
    assert all(entries == lists[v][:len(entries)] for v, entries in some["elements"]["connectedip"].items())
    for v, entries in masked["elements"]["connectedip"].items():
        assert 50 < len(entries) and entries == [
            {k: "masked" if k in ("remoteaddr", "user", "executable") else x for k, x in e.items() if k != "uid"}
            for e in lists[v][:len(entries)]]
    # what is not answered needs no room
    assert found_only["foundanything"] and "outputlimit" not in found_only["statistics"]["notexamined"]
    assert [a["statistics"]["totalhits"] for a in (whole, some, masked, found_only)] == [19 * 4000] * 4
