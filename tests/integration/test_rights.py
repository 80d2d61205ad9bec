# SPDX-License-Identifier: MPL-2.0
"""What mig-agent check says of the agent's rights, and what its answers say,
where it is root, root in a container, an ordinary user, on an old kernel."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from test_agent_once import AGENT, BUILD, Agent, document, envelope, gpg  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
OLD = str(pathlib.Path(__file__).with_name("oldlandlock.py"))
pytestmark = [
    pytest.mark.skipif(not AGENT.exists(), reason=f"{AGENT} is not built"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give rights away"),
]
USER, STRANGER = 65533, 61234
EVERY, STATE = "every file", "this agent's own state"
LESS = ["setpriv", "--bounding-set", "-sys_admin,-sys_ptrace,-dac_read_search,-sys_nice"]
NONE = ["setpriv", "--bounding-set", "-all"]
ORDINARY = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--bounding-set", "-all",
            "--inh-caps", "-all"]
NAMESPACE = ["unshare", "--user", "--map-root-user"]
# a root that is no mount point, as of a chroot: nothing can be made private
CHROOT = ["unshare", "--mount", "sh", "-ec", """
    root=$1; shift
    for d in bin lib lib64 usr etc tmp var proc dev; do
        [ -e /$d ] || continue
        mkdir -p $root/$d && mount --rbind /$d $root/$d
    done
    exec chroot $root "$@" """, "sh"]


def old(version):
    return [sys.executable, OLD, str(version)]


class Placed(Agent):
    """An agent that is started by a command that takes rights away."""

    def __init__(self, where, key, prefix, user):
        self.prefix = prefix
        self.programs = where / "bin"
        shutil.copytree(BUILD / "src", self.programs,
                        ignore=lambda d, names: [n for n in names if not n.startswith("mig-") or n.endswith(".p")])
        where.chmod(0o755)
        if user:
            os.chown(where, user, user)
        super().__init__(where, key)

    def run(self, *args, data=None):
        return subprocess.run([*self.prefix, str(self.programs / "mig-agent"), "-c", str(self.conf), *args],
                              input=data, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture
def place():
    """Where every user can go."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="mig-rights-", dir="/tmp"))
    yield d
    shutil.rmtree(d)


@pytest.fixture
def tree(place):
    d = place / "tree"
    d.mkdir()
    for name, mode, owner in (("open", 0o644, 0), ("root", 0o600, 0), ("stranger", 0o600, STRANGER)):
        (d / name).write_text("needle\n")
        (d / name).chmod(mode)
        os.chown(d / name, owner, owner)
    d.chmod(0o755)
    return d


def rights(check, wanted):
    row, = [r for r in check["rights"] if r["wanted"] == wanted]
    return row


ENVIRONMENTS = {
    # prefix, user, what is found, reads, not seen, how the state is hidden
    "root": ([], 0, ["open", "root", "stranger"], EVERY, STATE, "covered by a mount"),
    "container": (LESS, 0, ["open", "root", "stranger"], EVERY, STATE, "refused by Landlock"),
    "container, old kernel": (old(0) + LESS, 0, ["open"], "what everybody may read",
                              "what only some users may read", "another user without rights"),
    "root without rights": (NONE, 0, ["open", "root"], "what the agent's user may read",
                            f"what others keep from that user; {STATE}", "refused by Landlock"),
    "user namespace": (NAMESPACE, 0, ["open", "root"], "every file of this user namespace",
                       f"files of users who do not exist in this user namespace; {STATE}",
                       "covered by a mount"),
    "chroot": (CHROOT, 0, ["open", "root", "stranger"], EVERY, STATE, "refused by Landlock"),
    "user": (ORDINARY, USER, ["open"], "what the agent's user may read",
             f"what others keep from that user; {STATE}", "refused by Landlock"),
    "user, old kernel": (old(0) + ORDINARY, USER, ["open"], "what the agent's user may read",
                         "what others keep from that user", "no"),
    "Landlock 1": (old(1) + LESS, 0, ["open", "root", "stranger"], EVERY, STATE, "refused by Landlock"),
    "Landlock 2": (old(2), 0, ["open", "root", "stranger"], EVERY, STATE, "covered by a mount"),
}


# the other modules, with questions that take them no time
OTHERS = {
    "memory": {"searches": {"s": {"names": ["^no such name$"], "options": {}}}},
    "netstat": {"listeningport": ["1"]},
    "pkg": {"pkgmatch": {"matches": ["^no such package$"]}},
    "sshkey": {"paths": ["/nosuchpath"]},
    "ping": {"destination": "127.0.0.1", "protocol": "udp", "destinationport": 9, "count": 1, "timeout": 1},
    "timedrift": {},
    "agent": {},
}


def check_others(check, operations):
    """Each answer says of its module's rights what mig-agent check says."""
    assert [o["module"] for o in operations] == list(OTHERS)
    for name, op in zip(OTHERS, operations):
        rows = [r for r in check["rights"] if name in r["module"].split(", ")]
        assert bool(rows) == (name != "agent"), (name, check["rights"])
        said = op["result"]["statistics"].get("rights")
        if name in ("netstat", "ping", "timedrift"):
            assert said == [{k: r[k] for k in ("wanted", "had", "notseen")} for r in rows], (name, said)
        elif rows:
            row, = rows
            assert said == {"looksinto" if name == "memory" else "reads": row["had"],
                            "notseen": row["notseen"]}, (name, said)
        else:
            assert said is None


@pytest.mark.parametrize("name", [pytest.param(
    name, marks=pytest.mark.long if name == "chroot" else ()) for name in ENVIRONMENTS])
def test_check_and_answer_agree(name, place, gpg, tree):  # noqa: F811
    prefix, user, seen, reads, unseen, hidden = ENVIRONMENTS[name]
    if name == "chroot":
        (place / "newroot").mkdir()
        prefix = [*prefix, str(place / "newroot")]
    if subprocess.run([*prefix, shutil.which("true")], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"cannot be arranged here: {name}")
    agent = Placed(place, gpg, prefix, user).install()

    # what it says
    run = agent.run("check", "--json")
    assert run.returncode == 0, run.stderr
    check = json.loads(run.stdout)
    files = rights(check, "to read every file")
    assert (files["had"], files["notseen"]) == (reads, unseen)
    assert rights(check, "not to see the agent's state")["had"] == hidden
    sandbox = check["facts"]["sandbox worker:"]
    version = re.search(r"landlock-(\d+)", sandbox)
    if "old kernel" in name:
        assert version is None and rights(check, "not to write")["had"] == "seccomp"
    elif name.startswith("Landlock"):
        assert version.group(1) == name[-1]
    assert ("uid" in sandbox.split()) == (rights(check, "to start roles and workers as other users")["had"] != "no")
    # the same for people
    text = agent.run("check").stdout
    assert f"module file: reads {reads}; not seen: {unseen}\n" in text

    # what it does: the same, and it says so
    question = [{"module": "file", "parameters": {"searches": {
        "tree": {"paths": [str(tree)], "contents": ["needle"], "options": {"matchall": True}},
        "state": {"paths": [str(place)], "names": ["^(identity|journal)$"], "options": {"matchall": True}},
        "inside": {"paths": [str(place / "state")], "contents": ["."], "options": {"matchall": True}}}}}]
    question += [{"module": module, "parameters": asked} for module, asked in OTHERS.items()]
    run, answer = agent.once(envelope(gpg, document(gpg, operations=question)))
    assert run.returncode == 0, run.stderr
    check_others(check, answer["operations"][1:])
    result = answer["operations"][0]["result"]
    assert result["success"], result
    assert result["statistics"]["rights"] == {"reads": reads, "notseen": unseen}
    left_out = result["statistics"]["notexamined"]
    found = {k: sorted(pathlib.Path(e["file"]).name for e in v if e["file"]) for k, v in result["elements"].items()}
    assert found["tree"] == seen
    missed = 3 - len(seen)
    if missed:
        assert left_out["unreadable"] >= missed
        assert f"rights: this agent reads {reads}; not seen: {unseen}" in result["errors"]
    if hidden == "no":
        assert found["state"] == ["identity", "journal"]
    else:
        assert found["state"] == [] and found["inside"] == []
        assert left_out.get("agentstate", 0) + left_out.get("unreadable", 0) >= 1
    if hidden in ("covered by a mount", "refused by Landlock"):
        assert left_out["agentstate"] >= 1




def test_what_landlock_hides(place, gpg, tree):  # noqa: F811
    """Not only is it passed by: the kernel refuses it, by every way there is."""
    agent = Placed(place, gpg, LESS, 0).install()
    link, = [place / "way"]
    link.symlink_to("state/identity")
    question = [{"module": "file", "parameters": {"searches": {"s": {
        "paths": [str(link), f"/proc/self/root{place}/state/identity", f"/proc/self/cwd{place}/state",
                  str(place / "tree/../state/identity"), str(tree / "open")],
        "contents": ["."], "options": {"matchall": True}}}}}]
    run, answer = agent.once(envelope(gpg, document(gpg, operations=question)))
    assert run.returncode == 0, run.stderr
    result = answer["operations"][0]["result"]
    assert [e["file"] for e in result["elements"]["s"] if e["file"]] == [str(tree / "open")]


def test_document():
    """doc/rights.md has the table of the code, to the letter."""
    table = subprocess.run([str(AGENT), "check", "--table"], capture_output=True, text=True, check=True).stdout
    assert table in (ROOT / "doc" / "rights.md").read_text()
