# SPDX-License-Identifier: MPL-2.0
"""What the tests of server, relay, client and network share: what must
hold after any fault, read from the store, and the processes of a platform."""
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request

import faultlib
from miglib import answers_of, wait_for

FOUND, NOT_FOUND, ERROR, INCOMPLETE = 0, 1, 2, 3
NAMES = ("a1", "a2", "a3")


def make_tree(directory):
    d = pathlib.Path(directory)
    (d / "etc").mkdir()
    (d / "etc" / "passwd").write_text("root:x:0:0\n")
    (d / "many").mkdir()
    for i in range(3000):
        (d / "many" / f"a-file-with-a-rather-long-name-{i:05}").touch()
    d.chmod(0o755)
    for parent in d.parents:
        if parent.stat().st_uid == os.getuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o055)
    return d


def make_platform(directory, names=NAMES, kind=faultlib.Platform):
    p = kind(directory)
    p.tree = make_tree_once(directory)
    p.setup().start().login()
    for name in names:
        p.agent(name, role="test").start()
    p.wait_online(len(names))
    return p


def make_tree_once(directory):
    d = pathlib.Path(directory) / "tree"
    d.mkdir()
    return make_tree(d)


# --- asking -------------------------------------------------------------------

def question(p, name, large=False, target="all"):
    if large:
        return ["file", "-n", name, "-t", target, "-path",
                str(p.tree / "many"), "-name", "a-file", "-matchlimit",
                "5000", "-returnsha256", "--json"]
    return ["file", "-n", name, "-t", target, "-path", str(p.tree / "etc"),
            "-name", "^passwd$", "--json"]


def ask(p, name, timeout=90, **kw):
    return p.mig(*question(p, name, **kw), timeout=timeout)


def start_asking(p, name, **kw):
    return subprocess.Popen([faultlib.miglib.program("mig"),
                             *question(p, name, **kw)], env=p.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def next_policy(p, version):
    """In which Alice weighs as much as its version is."""
    who = {"alice": {"fingerprint": p.fpr, "weight": version}}
    acl = {name: {"minimumweight": 1, "investigators": who} for name in ("default", "policy")}
    (p.dir / "acl-next").write_text(json.dumps(acl))
    before = p.policy if version == 2 else p.dir / f"policy-{version - 1}"
    path = p.dir / f"policy-{version}"
    p.mig("policy", "edit", str(before), "-acl", str(p.dir / "acl-next"), "-o", str(path), check=0)
    p.mig("policy", "sign", "-y", str(path), "-from", str(before), check=0)
    return f"{path}.signed"


def ask_many(p, name, weight):
    """What needs more weight than Alice has: it is left on the server. The finished process."""
    half = p.dir / "half"
    half.write_text(p.mig(*question(p, name)[:-1], "-s", "-e", "10m", "-weight", str(weight),
                          check=0).stdout)
    return p.mig("run", str(half), "--cosign", check=0)


def check_launched(p, name):
    """It waited, and goes the way of another."""
    wait_for("three answers", lambda: rows(
        p, "SELECT status, done FROM actions WHERE n = ?", action_of(p, name)[0]) == [(1, 3)], 90)
    check_again(p, check_stored(p, name))
    assert rows(p, "SELECT COUNT(*) FROM waiting") == [(0,)]


# --- the oracle ---------------------------------------------------------------

def rows(p, sql, *args):
    db = p.state / "db" / "store.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True,
                                            timeout=20)) as c:
        return c.execute(sql, args).fetchall()


def action_of(p, name):
    """(n, hex id) of the one action of this name, or None."""
    found = rows(p, "SELECT n, lower(hex(id)) FROM actions WHERE name = ?",
                 name)
    assert len(found) <= 1, f"{name} is stored {len(found)} times"
    return found[0] if found else None


def runs(p, agent, name):
    """How often this agent was asked it and answered, by its own record."""
    out = p.agents[agent].run("report", "--json").stdout
    return out.count(name)


def check_stored(p, name, agents=NAMES):
    """Stored completely, each answer once, and each agent ran it once."""
    n, ident = action_of(p, name)
    assert rows(p, "SELECT COUNT(*) FROM documents WHERE n = ?", n) == [(1,)]
    expected = rows(p, "SELECT a.name, x.state FROM expected x JOIN agents a"
                    " ON a.n = x.agent WHERE x.action = ?", n)
    assert sorted(expected) == [(a, 2) for a in sorted(agents)], expected
    answers = rows(p, "SELECT a.name, w.different FROM answers w JOIN agents"
                   " a ON a.n = w.agent WHERE w.action = ?", n)
    assert sorted(answers) == [(a, 0) for a in sorted(agents)], answers
    counts = rows(p, "SELECT expected, sent, answered, done, status FROM"
                  " actions WHERE n = ?", n)
    assert counts == [(len(agents),) * 4 + (1,)], counts
    once = {a: runs(p, a, name) for a in agents}
    assert len(set(once.values())) == 1 and min(once.values()) > 0, once
    return ident


def check_again(p, ident, n=len(NAMES)):
    """Whoever comes back later sees all of it."""
    q = p.mig("results", ident, "--json", check=FOUND)
    assert answers_of(q)[1]["done"] == n, q.stdout


def online(p):
    """Names that `mig agents` calls online."""
    out = p.mig("agents", "--json")
    if out.returncode != 0:
        return None
    agents = [json.loads(x) for x in out.stdout.splitlines()]
    return sorted(a["name"] for a in agents if a["online"])


def health(p):
    """(HTTP status, body); (0, {}) when nobody listens."""
    ctx = ssl.create_default_context(
        cafile=str(p.state / "relay" / "ca.crt"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ctx))
    try:
        with opener.open(p.url + "/api/v1/health", timeout=10) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)
    except OSError:
        return 0, {}


def is_well(p):
    return health(p)[0] == 200


# --- processes ----------------------------------------------------------------

def children(pid):
    out = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(x) for x in out.split()]


def words(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(
            errors="replace").split("\0")
    return []


def role(p, name):
    """The pid of core, api, ca or relay; None while it is away."""
    for pid in children(p.server.proc.pid):
        w = words(pid)
        if name in w or (name == "relay" and "mosquitto" in w[:1]):
            return pid
    return None


def kill_role(p, name):
    pid = wait_for(f"role {name}", lambda: role(p, name))
    os.kill(pid, signal.SIGKILL)
    wait_for(f"the end of {name}", lambda: role(p, name) != pid)
    return wait_for(f"another {name}", lambda: role(p, name))


def check_processes(p):
    """The parent has its four children and no other."""
    def four():
        kids = children(p.server.proc.pid)
        return len(kids) == 4 and all(
            role(p, r) for r in ("core", "api", "ca", "relay"))
    wait_for("four children", four)


def age(pid):
    """Seconds since the process was started."""
    ticks = int(pathlib.Path(f"/proc/{pid}/stat").read_text()
                .rsplit(")", 1)[1].split()[19])
    uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def settled(p):
    """All roles are there long enough for another death not to be taken for
    a role that cannot start (the parent's pause would double)."""
    wait_for("a platform that is well", lambda: is_well(p))
    check_processes(p)
    wait_for("roles that have served", lambda: all(
        age(k) > 2.1 for k in children(p.server.proc.pid)))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def check_descriptors(p):
    """Each role has no more of them than at the first call."""
    def counts():
        pids = {r: role(p, r) for r in ("core", "api", "ca")}
        return {"parent": descriptors(p.server.proc.pid), **{r: descriptors(pid) for r, pid in pids.items() if pid}}

    def more():
        return {r: f"{n}, not {p.held[r]}" for r, n in counts().items() if n > p.held[r]}
    wait_for("a platform that is well", lambda: is_well(p), 40)
    if p.held is None:
        p.held = counts()
    try:
        wait_for("descriptors as before", lambda: not more(), 15)
    except AssertionError:
        raise AssertionError(more())


def rss_kb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


def leftovers(p):
    """Temporary files below the server's state and the client's folders."""
    found = []
    for top in (p.state, p.dir / "xdg", p.dir / "cache", p.dir / "data"):
        for base, _, files in os.walk(top):
            found += [os.path.join(base, f) for f in files
                      if re.search(r"\.tmp-.{6}$", f)]
    return found
