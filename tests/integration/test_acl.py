# SPDX-License-Identifier: MPL-2.0
"""What the ACL leaves of a question, by real agents with the real sandbox: paths
that nothing leads out of, details of answers, times, weights and limits."""
import ctypes
import json
import os
import shutil
import subprocess
import threading
import time

import pytest

import miglib
from test_agent_once import (AGENT, BUILD, WEIGHT, Agent, document,  # noqa: F401
                             envelope, gpg, rfc3339)

SHARDS = 2
SECONDS = 40
WORKER = BUILD / "src" / "mig-worker"
pytestmark = pytest.mark.skipif(not AGENT.exists(), reason=f"{AGENT} is not built")


class Limited(Agent):
    """An agent whose policy changes from test to test."""

    version = 0

    def acl(self, minimum=1, people=None, limits=None, **entries):
        """default=... and module=...: what stands in the entry beside weight and people."""
        self.version += 1
        who = {name: {"fingerprint": self.gpg.key(name)[0], "weight": weight,
                      **(people or {}).get(name, {})} for name, weight in self.people.items()}
        acl = {name: {"minimumweight": minimum, "investigators": who, **more}
               for name, more in {"default": {}, **entries}.items()}
        path = self.policy(version=self.version, acl=acl, limits=limits)
        return self.run("policy", str(path))

    def install(self, **how):
        run = self.acl(**how)
        assert run.returncode == 0, run.stderr
        return self

    def ask(self, module, parameters, *signers, **change):
        """The answer of the operation, or (reason, why) of the refusal."""
        doc = document(self.gpg, operations=[{"module": module, "parameters": parameters}], **change)
        run, answer = self.once(envelope(self.gpg, doc, *signers))
        if answer["status"] == "refused":
            return answer["reason"], run.stderr + json.dumps(answer)
        return answer["operations"][0]

    def found(self, paths, **fields):
        op = self.ask("file", search(paths, **fields))
        assert isinstance(op, dict), op
        return [f["file"] for f in op["result"]["elements"]["s"] if f["file"]], op["result"]


def search(paths, options=None, **fields):
    return {"searches": {"s": {"paths": [str(p) for p in paths], "names": ["."],
                               "options": {"matchall": True, **(options or {})}, **fields}}}


@pytest.fixture(scope="module")
def agent(tmp_path_factory, gpg):  # noqa: F811
    where = tmp_path_factory.mktemp("acl")
    where.chmod(0o755)
    return Limited(where, gpg)


@pytest.fixture(scope="module")
def tree(agent):
    """in/ is allowed, out/ is not, and links lead from the one to the other."""
    top = agent.where / "tree"
    for d in ("in/sub", "out", "in2"):
        (top / d).mkdir(parents=True)
    (top / "in/sub/mine").write_text("mine\n")
    (top / "out/secret").write_text("secret\n")
    (top / "in2/other").write_text("other\n")
    (top / "in/todir").symlink_to(top / "out")
    (top / "in/tofile").symlink_to(top / "out/secret")
    (top / "in/up").symlink_to("../out")
    (top / "in/inner").symlink_to("sub/mine")
    (top / "way").symlink_to(top / "in")
    return top


# --- paths --------------------------------------------------------------------

def test_paths_are_whole_components_of_the_normalised_text(agent, tree):
    agent.install(file={"paths": [str(tree / "in")]})
    mine, inner = f"{tree}/in/sub/mine", f"{tree}/in/inner"
    assert set(agent.found([tree / "in"])[0]) == {mine, inner}
    inside = (f"{tree}//in/./sub/", f"{tree}/out/../in/sub", mine)
    assert set(agent.found(inside)[0]) == {mine}
    for outside in (f"{tree}/in2", f"{tree}/in/../out", f"{tree}/in/sub/../../out", f"{tree}", "/"):
        reason, why = agent.ask("file", search([outside]))
        assert reason == WEIGHT and "is outside the paths that entry" in why, (outside, why)
    # one of several is enough, in any search
    reason, _ = agent.ask("file", search([tree / "in", tree / "out"]))
    assert reason == WEIGHT


def test_links_do_not_lead_out(agent, tree):
    agent.install(default={"paths": [str(tree / "in")]})
    files, result = agent.found([tree / "in"], contents=["secret"])
    assert files == []
    assert result["statistics"]["notexamined"]["symlinkoutside"] == 3, result
    for link in ("todir", "todir/secret", "tofile", "up/secret"):
        files, result = agent.found([tree / "in" / link])
        assert files == [] and result["statistics"]["notexamined"] == {"policypaths": 1}, result
        assert "symbolic links lead there: name the place itself" in result["errors"][0]


def test_a_policy_that_names_a_link_allows_nothing(agent, tree):
    agent.install(file={"paths": [str(tree / "way")]})
    files, result = agent.found([tree / "way"])
    assert files == [] and result["statistics"]["notexamined"] == {"policypaths": 1}
    # and what is not there at all is said as ever
    agent.install(file={"paths": [str(tree / "none")]})
    files, result = agent.found([tree / "none"])
    assert files == [] and result["statistics"]["notexamined"] == {"missing": 1}


RENAME_EXCHANGE = 2
AT_FDCWD = -100


def test_a_directory_that_is_exchanged_meanwhile(tree):
    """The asked path is a directory at one moment and a link to outside at the next."""
    libc = ctypes.CDLL(None, use_errno=True)
    path, link = tree / "in/swap", tree / "in/swap.link"
    path.mkdir()
    (path / "inside").write_text("x\n")
    link.symlink_to(tree / "out")
    over = threading.Event()

    def swap():
        while not over.is_set():
            libc.renameat2(AT_FDCWD, bytes(path), AT_FDCWD, bytes(link), RENAME_EXCHANGE)
            time.sleep(0.0005)

    def look(*options):
        run = subprocess.run([WORKER, *options, "file"], input=json.dumps(search([path])),
                             capture_output=True, text=True, timeout=60, check=False)
        answer = json.loads(run.stdout)
        return {os.path.basename(f["file"]) for f in answer["elements"]["s"]}, answer

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen, refused = set(), 0
        end = time.monotonic() + 30
        # the honest case: without the policy's paths the link is followed
        while "secret" not in seen and time.monotonic() < end:
            seen |= look()[0]
        assert "secret" in seen
        seen, runs = set(), 0
        while (runs < 20 or "inside" not in seen or refused == 0) and time.monotonic() < end:
            names, answer = look("--within", str(tree / "in"))
            refused += answer["statistics"]["notexamined"].get("policypaths", 0)
            seen |= names
            runs += 1
    finally:
        over.set()
        thread.join()
    assert "secret" not in seen and "inside" in seen and refused > 0, (seen, refused)


def test_paths_of_the_other_modules(agent, tree):
    agent.install(default={"paths": [str(tree / "in")]})
    # a key that lies outside is not found through a link
    reason, why = agent.ask("sshkey", {})
    assert reason == WEIGHT and "/root is outside" in why
    op = agent.ask("sshkey", {"paths": [f"{tree}/in/todir"]})
    assert op["result"]["statistics"]["notexamined"] == {"policypaths": 1}, op
    reason, why = agent.ask("pkg", {"pkgmatch": {"matches": ["."]}, "roots": [str(tree / "out")]})
    assert reason == WEIGHT and "pkg: " in why
    op = agent.ask("pkg", {"pkgmatch": {"matches": ["."]}, "roots": [f"{tree}/in/todir"]})
    assert op["result"]["statistics"]["notexamined"]["policypaths"] == 1, op
    # those that take no path are as before
    assert agent.ask("agent", {})["status"] == "done"


@pytest.mark.skipif(not os.path.exists("/var/lib/dpkg/status"), reason="no packages of dpkg here")
def test_packages_of_the_host_are_no_path(agent, tree):
    agent.install(default={"paths": [str(tree / "in")]})
    result = agent.ask("pkg", {"pkgmatch": {"matches": ["^dpkg$"]}})["result"]
    assert [p["name"] for p in result["elements"]["packages"]] == ["dpkg"], result
    assert result["success"] and not result["statistics"].get("notexamined"), result
    # that is the module's alone
    reason, _ = agent.ask("file", search(["/var/lib/dpkg"]))
    assert reason == WEIGHT


def test_by_hand_within_is_for_modules_with_paths(tree):
    for module in ("netstat", "timedrift", "agent"):
        run = subprocess.run([WORKER, "--within", str(tree), module], input="{}", text=True,
                             capture_output=True, timeout=60, check=False)
        assert run.returncode == 2 and run.stdout == "", run
        assert f"--within: the module {module} takes no paths" in run.stderr


def test_packages_below_a_root_within_the_paths(agent, tree):
    db = tree / "in/image/var/lib/dpkg"
    db.mkdir(parents=True)
    (db / "status").write_text("Package: demo\nStatus: install ok installed\nVersion: 1\n"
                               "Architecture: all\n\n")
    (tree / "out/image/var/lib/dpkg").mkdir(parents=True)
    agent.install(pkg={"paths": [str(tree / "in")]})
    ask = {"pkgmatch": {"matches": ["."]}, "roots": [str(tree / "in/image")]}
    assert [p["name"] for p in agent.ask("pkg", ask)["result"]["elements"]["packages"]] == ["demo"]


@pytest.mark.parametrize("entry, why", [
    ({"file": {"paths": ["var"]}}, "file.paths[0]: expected an absolute path"),
    ({"file": {"paths": ["/var/../etc"]}}, "file.paths[0]"),
    ({"netstat": {"paths": ["/var"]}}, "the module netstat takes no paths"),
    ({"file": {"detail": "little"}}, "file.detail: expected"),
    ({"file": {"path": ["/var"]}}, 'did you mean "paths"'),
    ({"policy": {"detail": "full"}}, "policy.detail"),
])
def test_a_policy_that_cannot_be_honoured_is_refused(agent, entry, why):
    run = agent.acl(**entry)
    assert run.returncode != 0 and why in run.stderr, run.stderr
    agent.version -= 1


# --- details ------------------------------------------------------------------

QUESTIONS = {
    "file": lambda tree: search([tree / "in"], contents=["mine"], options={"returnsha256": True}),
    "sshkey": lambda tree: {"paths": [str(tree / "keys")]},
    "pkg": lambda tree: {"pkgmatch": {"matches": ["^d"]}, "roots": [str(tree / "root")]},
    "netstat": lambda tree: {"localip": ["127.0.0.1"]},
    "memory": lambda tree: {"searches": {"s": {"names": ["/migneedle$"], "contents": ["31536"],
                                               "options": {"matchall": True}}}},
    "agent": lambda tree: {},
}
# what an answer has with "full" and not with "metadata"
CONTENT = {"file": '"sha256"', "sshkey": "me@home", "memory": '"end"'}
# what it has with "metadata" and not with "found-only"
NAMES = {"file": "in/sub/mine", "sshkey": "keys/id.pub", "pkg": "demo", "netstat": "127.0.0.1",
         "memory": "migneedle", "agent": "sandbox"}


@pytest.fixture(scope="module")
def things(tree):
    (tree / "keys").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@home", "-f",
                    tree / "keys/id"], check=True)
    db = tree / "root/var/lib/dpkg"
    db.mkdir(parents=True)
    (db / "status").write_text("Package: demo\nStatus: install ok installed\nVersion: 1\n"
                               "Architecture: all\n\n")
    shutil.copy(shutil.which("sleep"), tree / "migneedle")
    needle = subprocess.Popen([tree / "migneedle", "31536"])
    yield tree
    needle.kill()
    needle.wait()


def by_hand(module, question, *options):
    run = subprocess.run([WORKER, *options, module], input=json.dumps(question),
                         capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, (run.stdout, run.stderr)
    return json.loads(run.stdout)


@pytest.mark.parametrize("module", QUESTIONS)
def test_detail(agent, things, module):
    question = QUESTIONS[module](things)
    texts = {}
    for detail in ("full", "metadata", "found-only"):
        if module in ("file", "agent"):
            agent.install(**{module: {"detail": detail}})
            result = agent.ask(module, question)["result"]
        else:
            result = by_hand(module, question, "--detail", detail)
        assert result["foundanything"] is True, result
        texts[detail] = json.dumps(result)
        said = result["statistics"].get("narrowed")
        assert said == (None if detail == "full" else [f"detail limited to {detail} by the policy"])
    assert NAMES[module] in texts["full"] and NAMES[module] in texts["metadata"]
    if module in CONTENT:
        assert CONTENT[module] in texts["full"] and CONTENT[module] not in texts["metadata"]
    assert NAMES[module] not in texts["found-only"]
    assert json.loads(texts["found-only"])["elements"] == {}


def test_errors_without_names(agent, tree):
    agent.install(file={"detail": "found-only"})
    result = agent.ask("file", search([tree / "notthere"]))["result"]
    assert result["foundanything"] is False and result["errors"] == ["masked"]
    assert result["statistics"]["notexamined"] == {"missing": 1}


def test_the_agent_s_own_privacy_counts_as_well(agent, tree):
    """Whatever is narrower: names are masked though the policy lets them through."""
    conf = agent.conf.read_text()
    agent.conf.write_text(conf + "privacy yes\n")
    try:
        agent.install(file={"detail": "metadata"})
        op = agent.ask("file", search([tree / "in"], options={"returnsha256": True}))
        result = op["result"]
        assert {f["file"] for f in result["elements"]["s"]} == {"masked"}
        assert "sha256" not in json.dumps(result["elements"]["s"][0]["fileinfo"])
        assert result["statistics"]["narrowed"] == [
            "detail limited to metadata by the policy", "names masked by the agent's privacy setting"]
        agent.install(file={"detail": "found-only"})
        assert agent.ask("file", search([tree / "in"]))["result"]["elements"] == {}
        agent.install()
        result = agent.ask("file", search([tree / "in"]))["result"]
        assert result["statistics"]["narrowed"] == ["names masked by the agent's privacy setting"]
    finally:
        agent.conf.write_text(conf)


# --- when and who ---------------------------------------------------------------

def test_entries_and_people_have_their_time(agent, tree):
    now = time.time()
    past, soon = rfc3339(now - 3600), rfc3339(now + 3600)
    ask = search([tree / "in"])
    agent.install(file={"notbefore": past, "notafter": soon})
    assert agent.ask("file", ask)["status"] == "done"
    agent.install(file={"notbefore": soon})
    reason, why = agent.ask("file", ask)
    assert reason == WEIGHT and f"holds from {soon}" in why
    agent.install(file={"notafter": past})
    reason, why = agent.ask("file", ask)
    assert reason == WEIGHT and f"ended at {past}" in why
    agent.install(people={"alice": {"notafter": past}})
    reason, why = agent.ask("file", ask, "alice")
    assert reason == WEIGHT and "people whose time" in why
    assert agent.ask("file", ask, "bob")["status"] == "done"
    assert agent.ask("file", ask, "alice", "bob")["status"] == "done"


def test_weights_of_people(agent, tree):
    ask = search([tree / "in"])
    agent.install(minimum=3)
    assert agent.ask("file", ask, "alice")[0] == WEIGHT
    assert agent.ask("file", ask, "alice", "alice")[0] == WEIGHT
    assert agent.ask("file", ask, "bob", "mallory")[0] == WEIGHT
    assert agent.ask("file", ask, "alice", "bob")["status"] == "done"


# --- limits: the smallest of action, policy and agent ---------------------------

POLICY = {"seconds": 50, "cpuseconds": 40, "cpupercent": 30, "readbytes": 1 << 30,
          "resultbytes": 1 << 20, "memorybytes": 48 << 20}


def effective(agent, **limits):
    """As the agent module says what holds for itself."""
    result = agent.ask("agent", {}, limits=limits)["result"]
    return result["elements"]["agent"]["limits"]


def test_limits_that_nobody_states(agent):
    """The defaults, of configuration, policy and question."""
    agent.install()
    assert not {"worker_memory", "worker_cpu"} & set(agent.conf.read_text().split())
    shown = effective(agent)
    assert (shown["memorybytes"], shown["cpupercent"]) == (64 << 20, 50), shown


def test_the_smaller_limit_wins(agent):
    agent.install(limits=POLICY)
    fields = [f for f in POLICY if f != "memorybytes"]

    def held(factor=None):
        shown = effective(agent, **({f: int(POLICY[f] * factor) for f in fields} if factor else {}))
        return {f: shown[f] for f in fields}

    assert held() == held(2) == {f: POLICY[f] for f in fields}
    assert held(0.5) == {f: POLICY[f] // 2 for f in fields}


def test_the_owner_s_limits_win_where_smaller(agent):
    conf = agent.conf.read_text()
    agent.install(limits=POLICY)
    assert effective(agent)["memorybytes"] == 48 << 20
    agent.conf.write_text(conf + "worker_memory 32m\nworker_cpu 20\n")
    try:
        shown = effective(agent, cpupercent=25)
        assert shown["memorybytes"] == 32 << 20 and shown["cpupercent"] == 20, shown
        assert effective(agent, cpupercent=10)["cpupercent"] == 10
    finally:
        agent.conf.write_text(conf)


# --- mig acl check, and what mig says before it launches -------------------------

def check(agent, home, path, *options):
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "LC_ALL": "C.UTF-8",
           "GNUPGHOME": str(agent.gpg.home)}
    run = subprocess.run([miglib.program("mig"), "acl", "check", str(path), *options], env=env,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    return run


def signed(agent, path, operations, *names):
    """An action as a file for people; its binary form."""
    doc = document(agent.gpg, operations=operations)
    sigs = []
    for name in names:
        armor = agent.gpg("--enarmor", data=agent.gpg.sign(name, doc)).decode()
        lines = [x for x in armor.splitlines() if not x.startswith("Comment")]
        sigs.append("\n".join(lines).replace("PGP ARMORED FILE", "PGP SIGNATURE") + "\n")
    path.write_text(json.dumps({"document": doc.decode(), "signatures": sigs}))
    return path


def test_check_says_what_the_agent_then_does(agent, tree, tmp_path):
    inside, outside = search([tree / "in"]), search([tree / "out"])
    agent.install(minimum=3, file={"paths": [str(tree / "in")], "detail": "metadata"})
    policy = str(agent.where / "policy")
    for names, question, runs in ((("alice",), inside, False), (("alice", "bob"), inside, True),
                                  (("alice", "bob"), outside, False)):
        path = signed(agent, tmp_path / "action", [{"module": "file", "parameters": question}], *names)
        run = check(agent, tmp_path, path, "--policy", policy, "--json")
        assert run.returncode == (0 if runs else 1), (run.stdout, run.stderr)
        said = json.loads(run.stdout)
        assert said["runs"] is runs and said["policy"]["version"] == agent.version
        op, = said["operations"]
        assert (op["entry"], op["detail"], op["needed"]) == ("file", "metadata", 3)
        assert op["brought"] == len(names) + 1 and op["within"] is (question is inside)
        assert {p["label"]: p["signed"] for p in op["people"]} == {
            "alice": True, "bob": "bob" in names}
        # the agent itself
        code, _ = agent.once(path.read_bytes())
        assert (code.returncode == 0) is runs


def test_check_in_words(agent, tree, tmp_path):
    soon = rfc3339(time.time() + 86400)
    agent.install(minimum=3, file={"paths": [str(tree / "in")], "detail": "found-only",
                                   "notafter": soon})
    draft = tmp_path / "draft"
    draft.write_text(json.dumps({"syntaxversion": 3, "name": "x", "target": "all", "operations": [
        {"module": "file", "parameters": search([tree / "in"])}, {"module": "agent", "parameters": {}}]}))
    # the policy this client knows, and its own signature
    (tmp_path / "mig").mkdir()
    run = check(agent, tmp_path, draft)
    assert run.returncode == 2 and "-policy FILE" in run.stderr, run.stderr
    shutil.copy(agent.where / "policy", tmp_path / "mig/known-policy")
    (tmp_path / "mig/config").write_text(f"key {agent.gpg.key('alice')[0]}\n")
    run = check(agent, tmp_path, draft)
    assert run.returncode == 1, (run.stdout, run.stderr)
    for text in ('entry "file": needs weight 3, has 2, until ' + soon, "could sign: bob (weight 1)",
                 'entry "default": needs weight 3, has 2', "none so far; as if you had signed it",
                 "file: agents will only say whether something was found",
                 f"file: agents will look at nothing but {tree}/in", "300 s, 120 s of CPU",
                 "agents with this policy refuse it: file: needs weight 3"):
        assert text in run.stdout, (text, run.stdout)
    for wrong, text in ((tmp_path / "mig/config", "config: line 1"), ("/nosuchfile", "/nosuchfile")):
        run = check(agent, tmp_path, wrong)
        assert run.returncode == 2 and text in run.stderr, (run.stdout, run.stderr)


def test_a_launch_is_narrowed(tmp_path):
    p = miglib.Platform(tmp_path / "platform")
    me = {"alice": {"fingerprint": p.fpr, "weight": 1}}
    p.acl = {"default": {"minimumweight": 1, "investigators": me, "detail": "found-only"}}
    (tmp_path / "needle").write_text("x\n")
    ask = ("file", "-t", "all", "-e", "5m", "-path", str(tmp_path / "needle"), "-name", ".")
    try:
        p.setup().start().login()
        p.agent("one").start()
        p.wait_online(1)
        shutil.copy(p.policy, p.dir / "xdg/mig/known-policy")
        run = p.mig(*ask, check=0)
        assert "file: agents will only say whether something was found" in run.stderr, run.stderr
        assert "one found something\n" in run.stdout, run.stdout
        assert "one note: detail limited to found-only by the policy\n" in run.stdout
        assert str(tmp_path) not in run.stdout
        shown = json.loads(p.mig("actions", "--json", check=0).stdout)["actions"][0]["id"]
        run = p.mig("acl", "check", shown[:12], check=0)
        assert "agents with this policy run it" in run.stdout
        # the policy this client knows asks for more than one signature
        (p.dir / "acl2").write_text(json.dumps(
            {"default": {"minimumweight": 2, "investigators": me}}))
        p.mig("policy", "make", "--keyring", str(p.keyring), "--acl", str(p.dir / "acl2"), "-o",
              str(p.dir / "xdg/mig/known-policy"), check=0)
        run = p.mig(*ask, check=2)
        assert "would refuse it: file: needs weight 2" in run.stderr, run.stderr
        p.mig("acl", "check", shown[:12], check=1)
        assert len(json.loads(p.mig("actions", "--json", check=0).stdout)["actions"]) == 1
    finally:
        p.stop()
