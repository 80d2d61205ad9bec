# SPDX-License-Identifier: MPL-2.0
"""As test_alloc_commands.py, for what changes what is there already: an agent's
enrolment and a single question to it, the server's certificates, results and
tokens, and mig's cancels, signatures, keyring and audit log."""
import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

import faultlib
import swarmlib
from fakeagent import Https, purpose_hash
from faultlib import ALWAYS, Control
from miglib import program
from platformlib import rows
from test_alloc_commands import KINDS, WANTING, Run, check_whole, files, leftovers, mig, own, server, sweep, sweeping
from test_cancel import Person

SECONDS = 20
AGENT, SERVER, MIG = "mig-agent", "mig-server", "mig"


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    """Alice and Bob, and an agent that is away."""
    p = faultlib.Platform(tmp_path_factory.mktemp("more"))
    bob = p.gpg.make_key("Bob Demo")
    for fpr in (p.fpr, bob):        # Alice is the administrator
        p.mig("keyring", "add", fpr, check=0)
    p.acl = {"default": {"minimumweight": 1, "investigators": {
        name: {"fingerprint": fpr, "weight": 1} for name, fpr in (("alice", p.fpr), ("bob", bob))}}}
    try:
        p.setup()
        swarmlib.no_rates(p).start().login()
        p.bob = Person(p, "bob", bob).login()
        away = p.agent("away").start()
        p.wait_online(1)
        away.daemon.stop()
        for d in (p.dir / "xdg", p.dir / "bob" / "config"):
            shutil.copy(p.policy, d / "mig" / "known-policy")
        p.backup = p.dir / "backup.tar"
        p.admin("backup", str(p.backup))
        yield p
    finally:
        p.stop()


def run(name, *args, env=None):
    """The finished process; no faults."""
    return subprocess.run([program(name), *map(str, args)], env=env, check=False, capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL)


def copy(p, d, who=None):
    for kind, name in KINDS:
        there = p.dir / name if who is None else p.dir / who / kind
        if there.exists():
            shutil.copytree(there, d / name, dirs_exist_ok=True)


# --- the agent ------------------------------------------------------------------

def conf(d):
    (d / "conf").write_text(f"state {d}/state\nname {d.name}\n")
    return ["-c", str(d / "conf")]


def enrolment(p, token, d):
    return ["enrol", p.url, "--ca", p.ca, "--token", token, "--policy", str(p.policy), *conf(d)]


@sweeping
@pytest.mark.parametrize("whose", [AGENT, "mig-agent-enrol"])
def test_enrol(p, tmp_path, most, whose):
    """Enrolled, or nothing stands in the way of another try; it is one identity."""
    token = p.token(uses=10000)

    def identity(d):
        path = d / "state" / "identity"
        return path.read_bytes() if path.exists() else None

    def check(d, r):
        before = identity(d)
        if r.code != 0:
            q = run(AGENT, *enrolment(p, token, d))
            assert q.returncode == 0, q.stderr
        assert before in (None, identity(d))
        assert "PRIVATE KEY" in (d / "state" / "agent.key").read_text()
        q = run(AGENT, "check", *conf(d))
        assert q.returncode == 0 and "policy version 1 " in q.stdout, (q.stdout, q.stderr)
        assert not [f for f in os.listdir(d / "state") if re.search(r"\.(tmp-.{6}|new|anew)$", f)]
    sweep(tmp_path, most, lambda d: [program(AGENT), *enrolment(p, token, d)], check, whose=whose)


@sweeping
def test_once(p, tmp_path, most):
    """Run and answered, or not run; what its own record says of it is what was printed."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "needle").touch()
    first = tmp_path / "first"
    first.mkdir()
    q = run(AGENT, "policy", p.policy, *conf(first))
    assert q.returncode == 0, q.stderr
    envelope = tmp_path / "envelope"
    envelope.write_text(p.mig("file", "-t", "all", "-e", "1h", "-path", str(tree), "-name", "^needle$", "-s",
                              check=0).stdout)

    def before(d):
        shutil.copytree(first / "state", d / "state")
        conf(d)

    def check(d, r):
        assert r.code != 0 or r.out, "no answer"
        answer = json.loads(r.out) if r.code == 0 else None
        q = run(AGENT, "report", "--json", *conf(d))
        assert q.returncode == 0, q.stderr
        said = [json.loads(x) for x in q.stdout.splitlines()]
        answered = [x for x in said if x["type"] == "answered"]
        if answer:
            # what ran is printed, also when there is no memory to seal it
            assert len(answered) == 1 and (answer["status"] == answered[0]["status"] or " error answer " in r.err), (
                answered, r.err)
            op, = answer["operations"]
            assert op["status"] != "done" or "needle" in json.dumps(op["result"]["elements"]), op
        # what was judged is not judged again
        q = run(AGENT, "--once", envelope, *conf(d))
        again = json.loads(q.stdout)["status"]
        assert again in (("known",) if answered else ("known", "done")), (said, q.stdout)
    sweep(tmp_path, most, lambda d: [program(AGENT), "--once", str(envelope), "-c", str(d / "conf")], check,
          before)


def test_once_without_memory_for_the_job(p, tmp_path):
    """It is in the journal and not run: the command ends and says why, and the next start answers it."""
    q = run(AGENT, "policy", p.policy, *conf(tmp_path))
    assert q.returncode == 0, q.stderr
    envelope = tmp_path / "envelope"
    envelope.write_text(p.mig("file", "-t", "all", "-e", "1h", "-path", str(tmp_path), "-name", ".", "-s", check=0).stdout)
    control = Control(tmp_path / "fault")
    fault = control.allocation_after(AGENT, "journal.synced", 1)
    q = subprocess.run([program(AGENT), "--once", str(envelope), *conf(tmp_path)], env=control.env(), check=False,
                       capture_output=True, text=True, timeout=30)
    assert fault.fired and (q.returncode, q.stdout) == (1, "") and "why=memory" in q.stderr, q
    q = run(AGENT, "--once", envelope, *conf(tmp_path))
    assert json.loads(q.stdout)["status"] == "known" and "interrupted action=" in q.stderr, q


# --- the server -------------------------------------------------------------------

@pytest.fixture(scope="module")
def restored(p, tmp_path_factory):
    """A server's state that nobody uses."""
    d = tmp_path_factory.mktemp("restored")
    text = re.sub(r"(?m)^state .*", f"state {d}/state", p.conf.read_text())
    (d / "conf").write_text(text)
    q = server("-c", d / "conf", "restore", p.backup)
    assert q.returncode == 0, q.stderr
    return d


def a_copy(restored, d):
    shutil.copytree(restored / "state", d / "state")
    (d / "conf").write_text(re.sub(r"(?m)^state .*", f"state {d}/state", (restored / "conf").read_text()))


@sweeping
@pytest.mark.parametrize("ca", [[], ["--ca"]], ids=["certificates", "ca"])
def test_renew(restored, tmp_path, most, ca):
    """Keys and certificates that belong together, whatever of them are new; and done again, all are."""
    def check(d, r):
        check_whole(d / "conf", d / "b")
        before = files(d / "state")
        q = server("-c", d / "conf", "renew", *ca)
        assert q.returncode == 0 and b"were made anew" in q.stdout, q.stderr
        changed = {k for k, v in files(d / "state").items() if before.get(k) != v}
        assert {"ca/server.crt", "relay/server.crt"} <= changed or len(changed) >= 2, changed
        check_whole(d / "conf", d / "b2")
        assert not [f for f in (d / "state").rglob("*.tmp-*")]
    sweep(tmp_path, most, lambda d: [program(SERVER), "-c", str(d / "conf"), "renew", *ca], check,
          before=lambda d: a_copy(restored, d))


@sweeping
@pytest.mark.parametrize("command", [["--dry-run"], ["--vacuum"]], ids="-".join)
def test_prune(restored, tmp_path, most, command):
    def check(d, r):
        assert r.code != 0 or b"remove" in r.out, r.out
        check_whole(d / "conf", d / "b")
    sweep(tmp_path, most, lambda d: [program(SERVER), "-c", str(d / "conf"), "prune", *command], check,
          before=lambda d: a_copy(restored, d))


@sweeping
@pytest.mark.parametrize("command", [["check"], ["check", "--json"]], ids="-".join)
def test_server_check(p, tmp_path, most, command):
    """All that there is to say, or an end that is not good."""
    whole = []

    def check(_, r):
        whole.append(len(r.out.splitlines()))
        assert r.code != 0 or len(r.out.splitlines()) == whole[0], r.out
        assert "--json" not in command or not r.out or json.loads(r.out)["checks"]
        # nothing that would be done for want of memory
        assert b"restore" not in r.out and b"renew`" not in r.out, r.out
    sweep(tmp_path, most, lambda d: [program(SERVER), "-c", str(p.conf), *command], check)


@sweeping
def test_server_token(restored, tmp_path, most):
    """The command is printed whole, of a token that is good; or there is none."""
    def tokens(d):
        q = run(SERVER, "-c", d / "conf", "token", "list")
        return q.stdout

    def check(d, r):
        made = re.findall(rb"--token (\S+)", r.out)
        assert len(made) == (r.code == 0), (r.code, r.out)
        check_whole(d / "conf", d / "b")
    sweep(tmp_path, most, lambda d: [program(SERVER), "-c", str(d / "conf"), "token", "--uses", "2"], check,
          before=lambda d: a_copy(restored, d))


# --- mig --------------------------------------------------------------------------

# It is loaded when it is needed: spared, as constructors in C++ end the process, only when it is
# there from the start.
RNP = {"LD_PRELOAD": "librnp.so.0"}


def ask(p, *more):
    """A question to the agent that is away: its id. Not sent by mig, which would wait a while."""
    envelope = json.loads(p.mig("file", "-t", "name='away'", "-e", "1h", "-path", "/etc", "-name", "^passwd$",
                                "-s", *more, check=0).stdout)
    https = Https(p.port, p.state / "relay" / "ca.crt")
    https.token = json.loads((p.dir / "cache" / "mig" / "session").read_text())["token"]
    status, body = https.call("POST", "/actions", envelope)
    assert status == 201, body
    return purpose_hash("action", envelope["document"].encode())


@sweeping
def test_cancel(p, tmp_path, most):
    def before(d):
        copy(p, d)
        (d / "id").write_text(ask(p))

    def check(d, r):
        ident = (d / "id").read_text()
        stored = cancels(p, ident)
        assert stored == 1 if r.code == 0 else stored <= 1
        assert r.code != 0 or b"cancelled " in r.out
        again = mig(p, "action", "cancel", ident, env=own(p, d))
        assert again.returncode == 0 and cancels(p, ident) == 1, again.stderr
    sweep(tmp_path, most, lambda d: [program(MIG), "action", "cancel", (d / "id").read_text()], check, before,
          env=lambda d: own(p, d))


def cancels(p, ident):
    return rows(p, "SELECT COUNT(*) FROM cancels c JOIN actions a ON a.n = c.action WHERE hex(a.id) = ?",
                    ident.upper())[0][0]


@sweeping
def test_cosign(p, tmp_path, most):
    """Signed and launched, or it waits as before; never launched by half."""
    def before(d):
        copy(p, d, "bob")
        (d / "id").write_text(ask(p, "-weight", "2", "-reader", p.bob.fpr))

    def check(d, r):
        ident = (d / "id").read_text()
        if r.code == 0:
            assert b"was launched: 1 agent asked" in r.out, r.out
        else:
            mig(p, "action", "cosign", ident, "-y", env=own(p, d))
        assert rows(p, "SELECT expected, status FROM actions WHERE hex(id) = ?", ident.upper()) == [(1, 0)]
    sweep(tmp_path, most, lambda d: [program(MIG), "action", "cosign", (d / "id").read_text(), "-y"], check,
          before, env=lambda d: {**own(p, d), **RNP})


@sweeping
def test_keyring_add(p, tmp_path, most):
    """The file has both people, or is what it was."""
    alice = tmp_path / "alice"
    assert mig(p, "keyring", "add", p.fpr, "-f", alice).returncode == 0

    def command(d):
        return ["keyring", "add", p.bob.fpr, "-f", str(d / "ring")]

    def check(d, r):
        assert r.code == 0 or (d / "ring").read_bytes() == alice.read_bytes()
        again = mig(p, *command(d))
        assert again.returncode == 0, again.stderr
        text = (d / "ring").read_text()
        assert [text.count(f"person {fpr.lower()} ") for fpr in (p.fpr, p.bob.fpr)] == [1, 1]
        assert not leftovers(d)
    sweep(tmp_path, most, lambda d: [program(MIG), *command(d)], check,
          before=lambda d: shutil.copy(alice, d / "ring"),
          env={**p.env, **RNP})


def test_librnp_without_memory(p, tmp_path):
    """It ends the process, which has words for that; the keyring is as it should be, or there is none."""
    keys = tmp_path / "keys"
    keys.write_bytes(subprocess.run(["gpg", "--export", p.bob.fpr], env=p.env, check=True, stdout=subprocess.PIPE).stdout)

    def add(n, times=1):
        d = tmp_path / f"{n}-{times}"
        d.mkdir()
        r = Run(d, [program(MIG), "keyring", "add", str(keys), "-f", str(d / "ring")], p.env, n, times)
        return r, (d / "ring").read_bytes() if (d / "ring").exists() else None, leftovers(d)
    whole, ring, _ = add(0)
    assert whole.code == 0 and ring
    ended = 0
    for n, times in [*((n, 1) for n in [*range(90, 140, 5), *range(140, whole.seen, 60)]), (776, ALWAYS)]:
        r, made, left = add(n, times)
        assert r.code >= 0 and not left, (n, r.code, r.err)
        assert made == (ring if r.code == 0 else None), (n, r.code, r.err)
        assert r.code == 0 or r.err.strip(), n
        ended += "librnp, which reads OpenPGP keys and armour, ended this command" in r.err
    assert ended > 1


@sweeping
def test_audit_verify(p, tmp_path, most):
    """What is remembered is a head of this log; what was said is true."""
    def check(d, r):
        assert r.code != 0 or (b"entries  1 to " in r.out and b"head " in r.out), r.out
        again = mig(p, "audit", "verify", env=own(p, d))
        assert again.returncode == 0 and b"is whole" in again.stderr, again.stderr
        assert not leftovers(d / "data" / "mig" / "audit")
    sweep(tmp_path, most, lambda d: [program(MIG), "audit", "verify"], check, lambda d: copy(p, d),
          env=lambda d: own(p, d))
