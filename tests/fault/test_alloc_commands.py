# SPDX-License-Identifier: MPL-2.0
"""The n-th allocation of a command fails that writes what must be whole: the
server's init, backup and restore, mig policy and mig token; and once more all
from the n-th on. It ends with an error that says what was wanting, or has done
all it should; and what it leaves does not stand in the way of a second run.

The own allocations of OpenSSL, GPGME and the C library, whose name lookups
crash, are spared (faultlib)."""
import concurrent.futures
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

import platformlib as lib
from faultlib import ALWAYS, ERROR, SPARE_CRYPTO, SPARE_LIBC, Control
from miglib import program
from test_alloc import sample

SECONDS = 20
# How many allocations of a command are tried.
FEW, MOST = 6, int(os.environ.get("MIG_ALLOC_MOST", "120"))
sweeping = pytest.mark.parametrize("most", [FEW, pytest.param(MOST, marks=pytest.mark.long)],
                                   ids=["few", "many"])

# libcurl says what it was doing: looking up a name, preparing TLS; libevent nothing
WANTING = "memory|malloc|Could not resolve host|ssl ctx callback|cannot connect|closed|no reason given"


class Run:
    """A command in a directory of its own; n: of this allocation and times - 1
    more there is none, 0: all are counted; whose: of that program, which it starts."""

    def __init__(self, directory, argv, env=None, n=0, times=1, whose=None):
        control = Control(directory.parent / f"fault-{directory.name}")
        control.spare_fragile(SPARE_CRYPTO | SPARE_LIBC)
        name = whose or os.path.basename(argv[0])
        slot = control.allocations(name, n, times) if n else control.allocations(name)
        p = subprocess.run(argv, env=control.env(env), cwd=directory, capture_output=True,
                           timeout=60, stdin=subprocess.DEVNULL)
        self.code, self.out = p.returncode, p.stdout
        self.err = p.stderr.decode(errors="replace")
        self.seen, self.fired = slot.seen, slot.fired
        control.path.unlink()

    def problem(self):
        """What is wrong with it, whatever it was to do; or None."""
        if self.code < 0:
            return f"signal {-self.code}: {self.err[-300:]}"
        if self.code != 0 and not re.search(WANTING, self.err + self.out.decode(errors="replace")):
            return f"exit {self.code} and does not say why: {self.err[-300:]!r}"
        return None


def sweep(tmp_path, most, command, check, before=lambda d: None, env=None, whose=None):
    """command(directory): argv. before(directory) makes what it needs,
    check(directory, run) asserts what must be true after it."""
    def run(name, n=0, times=1):
        while True:
            d = tmp_path / name
            d.mkdir()
            before(d)
            r = Run(d, command(d), env(d) if callable(env) else env, n, times, whose)
            wait = re.search(r"a minute: try again in (\d+) s", r.err)
            if not wait:
                return d, r
            # so many logins are too many where the machine is fast
            time.sleep(int(wait[1]))
            shutil.rmtree(d)

    def one(job):
        n, times = job
        what = f"{n} of {total} x {times}"
        try:
            # short: a server's state has sockets
            d, r = run(f"{n}" if times == 1 else f"{n}on", n, times)
            assert not r.problem(), r.problem()
            check(d, r)
        except subprocess.TimeoutExpired:
            return f"{what}: hangs"
        except AssertionError as e:
            return f"{what}: {str(e).splitlines()[0]:.700}"
        shutil.rmtree(d)
        return None

    d, whole = run("whole")
    assert whole.code == 0, (whole.out, whole.err)
    check(d, whole)
    total = whole.seen
    assert total > 5
    jobs = [(n, times) for times in (1, ALWAYS) for n in sample(total, most)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems = [x for x in pool.map(one, jobs) if x]
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("alloc"), names=())
    p.backup = p.dir / "backup.tar"
    p.admin("backup", str(p.backup))
    yield p
    p.stop()


def server(*args):
    """The finished process; no faults."""
    return subprocess.run([program("mig-server"), *map(str, args)], capture_output=True,
                          check=False, timeout=60, stdin=subprocess.DEVNULL)


def files(directory):
    """{path: digest} of what is there, but the lock."""
    return {str(f.relative_to(directory)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in directory.rglob("*") if f.is_file() and f.name != "lock"}


def check_whole(conf, at):
    """A state that a backup can be made of, with all of its files that belong together."""
    q = server("-c", conf, "backup", at)
    assert q.returncode == 0, q.stderr
    check_good(at)


def check_good(backup):
    q = server("backup", "--verify", backup)
    assert q.returncode == 0, q.stderr


# --- the server ---------------------------------------------------------------

@sweeping
def test_init(p, tmp_path, most):
    def command(d):
        return [program("mig-server"), "-c", str(d / "conf"), "init", "--name", "localhost",
                "--state", str(d / "state"), "--policy", str(p.policy), "--investigator",
                str(p.keyring), "--user", "root"]

    def check(d, r):
        if r.code != 0:
            left = [f for f in d.rglob("*") if f.is_file()]
            assert not left, f"left behind: {left}"
        again = server(*command(d)[1:])
        assert again.returncode == (1 if r.code == 0 else 0), again.stderr
        assert r.code != 0 or b"is there already" in again.stderr
        check_whole(d / "conf", d / "backup")
    sweep(tmp_path, most, command, check)


def test_init_cannot_look_up_the_user(tmp_path, control):
    """That is no word about whether there is one: root is not taken instead."""
    if os.geteuid() != 0:
        pytest.skip("only root looks it up")
    control.error("mig-server", "user.look_up", errno.ENOMEM)
    q = subprocess.run(
        [program("mig-server"), "-c", str(tmp_path / "conf"), "init", "--name", "localhost",
         "--state", str(tmp_path / "state")], capture_output=True, text=True, timeout=60, check=False,
        env=control.env())
    assert q.returncode == 1 and "cannot be looked up: Cannot allocate memory" in q.stderr, q.stderr
    assert "root" not in q.stderr and not (tmp_path / "state").exists()


@sweeping
def test_backup(p, tmp_path, most):
    """An older one of the same name is there: it is that, or the new one."""
    def check(d, r):
        if r.code != 0:
            assert (d / "b").read_bytes() == b"an older one"
        else:
            check_good(d / "b")
        assert os.listdir(d) == ["b"]
    sweep(tmp_path, most, lambda d: [program("mig-server"), "-c", str(p.conf), "backup", "b"],
          check, before=lambda d: (d / "b").write_bytes(b"an older one"))


@sweeping
def test_backup_to_a_pipe(p, tmp_path, most):
    """What came out of one that failed does not pass for a backup."""
    def check(d, r):
        (d / "b").write_bytes(r.out)
        q = server("backup", "--verify", d / "b")
        assert (q.returncode == 0) == (r.code == 0), q.stderr
    sweep(tmp_path, most, lambda d: [program("mig-server"), "-c", str(p.conf), "backup", "-"], check)
    assert not [f for f in os.listdir(p.state / "db") if "backup" in f]


@sweeping
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["empty", "force"])
def test_restore(p, tmp_path, most, force):
    """All of it is there, or what was there before."""
    def before(d):
        (d / "conf").write_text(re.sub(r"(?m)^state .*", f"state {d}/state", p.conf.read_text()))
        if force:
            q = server("-c", d / "conf", "restore", p.backup)
            assert q.returncode == 0, q.stderr
            (d / "state" / "ca" / "mark").touch()
        (d / "before").write_text(json.dumps(files(d / "state")))

    def command(d):
        return [program("mig-server"), "-c", str(d / "conf"), "restore", *force, str(p.backup)]

    def check(d, r):
        if r.code != 0:
            assert files(d / "state") == json.loads((d / "before").read_text())
            again = server(*command(d)[1:])
            assert again.returncode == 0, again.stderr
        olds = [f for f in os.listdir(d / "state") if f.startswith("before-")]
        assert len(olds) == len(force) and not (d / "state" / "restore.tmp").exists()
        assert not (d / "state" / "ca" / "mark").exists()
        check_whole(d / "conf", d / "b")
    sweep(tmp_path, most, command, check, before)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["empty", "force"])
def test_restore_that_cannot_be_put_in(p, tmp_path, control, force, n):
    """No server is left with keys of one time and a store of another."""
    conf, state = tmp_path / "conf", tmp_path / "state"
    conf.write_text(re.sub(r"(?m)^state .*", f"state {state}", p.conf.read_text()))
    if force:
        assert server("-c", conf, "restore", p.backup).returncode == 0
        (state / "ca" / "mark").touch()
    before = files(state)
    control.arm("mig-server", "restore.put_in", ERROR, n=n, arg=errno.EIO)
    argv = ["-c", str(conf), "restore", *force, str(p.backup)]
    q = subprocess.run([program("mig-server"), *argv], env=control.env(), capture_output=True, text=True,
                       timeout=60, check=False)
    assert q.returncode == 1 and "Input/output error" in q.stderr and "put back" not in q.stderr
    assert files(state) == before and os.listdir(state).count("lock") == 1
    assert len(os.listdir(state)) == (5 if force else 1)
    assert server(*argv).returncode == 0
    check_whole(conf, tmp_path / "b")


@sweeping
def test_verify(p, tmp_path, most):
    def check(d, r):
        assert os.listdir(d) == []
        assert r.code != 0 or b"good: a backup" in r.out
    sweep(tmp_path, most, lambda d: [program("mig-server"), "backup", "--verify", str(p.backup)],
          check, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert not list(tmp_path.glob(".mig-backup*"))


def test_what_another_takes_for_left(p, tmp_path):
    """A directory that is made and has no lock yet: another one is made."""
    control = Control(tmp_path / "fault")
    made = control.hang("mig-server", "backup.made")
    argv = [program("mig-server"), "backup", "--verify", str(p.backup)]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(argv, env=control.env(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as held:
        made.wait()
        subprocess.run(argv, env=env, check=True, timeout=60)
        assert not list(tmp_path.glob(".mig-backup*"))
        made.release()
        assert b"good: a backup" in held.stdout.read()
    assert held.returncode == 0 and not list(tmp_path.glob(".mig-backup*"))


# --- mig policy ---------------------------------------------------------------

def leftovers(directory):
    return [f for f in os.listdir(directory) if ".tmp-" in f]


def mig(p, *args, env=None):
    return subprocess.run([program("mig"), *map(str, args)], env=env or p.env, check=False,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


def hash_of(p, path):
    """Of the policy in the file; None: there is none that is whole."""
    q = mig(p, "policy", "hash", path)
    return q.stdout.strip().decode() if q.returncode == 0 else None


def changes(run):
    return [line for line in run.err.splitlines() if line.startswith("  ")]


WRITES = {
    "make": lambda p: ["make", "-keyring", str(p.keyring), "-o", "out"],
    "edit": lambda p: ["edit", str(p.policy), "-acl", str(p.dir / "acl-next"), "-o", "out"],
    "sign": lambda p: ["sign", "-y", str(p.dir / "policy-2"), "-from", str(p.policy), "-o", "out"],
}


@pytest.fixture(scope="module")
def signed(p):
    """The next policy, with Alice's signature."""
    return lib.next_policy(p, 2)


@sweeping
@pytest.mark.parametrize("command", WRITES)
def test_policy_file(p, signed, tmp_path, most, command):
    """The file is a policy as a whole, or is what it was; and nobody signs
    what was not shown."""
    shown = {}

    def check(d, r):
        if r.code == 0:
            assert hash_of(p, d / "out") is not None
            assert changes(r) == shown.setdefault("changes", changes(r))
        else:
            assert (d / "out").read_bytes() == b"an older one"
            again = mig(p, "policy", *WRITES[command](p)[:-1], d / "out")
            assert again.returncode == 0, again.stderr
        assert not leftovers(d)
    sweep(tmp_path, most, lambda d: [program("mig"), "policy", *WRITES[command](p)], check,
          before=lambda d: (d / "out").write_bytes(b"an older one"), env=p.env)


@sweeping
@pytest.mark.parametrize("command", [["hash"], ["show"], ["show", "-raw"]], ids="-".join)
def test_policy_looking(p, signed, tmp_path, most, command):
    """Shown as it is, or not at all."""
    argv = [program("mig"), "policy", command[0], signed, *command[1:]]
    whole = mig(p, *argv[1:]).stdout

    def check(_, r):
        assert r.code != 0 or r.out == whole
    sweep(tmp_path, most, lambda d: argv, check, env=p.env)


# --- mig, with a server ---------------------------------------------------------

def own(p, d):
    """The environment of a client of its own in the directory, which knows what Alice's knows."""
    return {**p.env, **{f"XDG_{kind.upper()}_HOME": str(d / name) for kind, name in KINDS}}


KINDS = (("config", "xdg"), ("cache", "cache"), ("data", "data"))


def copy(p, d):
    for _, name in KINDS:
        shutil.copytree(p.dir / name, d / name, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def pinned(p, signed):
    p.mig("policy", "pin", str(p.policy), check=0)
    p.mig("policy", "push", signed, check=0)
    p.mig("token", "make", check=0)
    return p


def known(d):
    """Below the line with its hash, which one that a test put there has not."""
    data = (d / "xdg" / "mig" / "known-policy").read_bytes()
    return data.split(b"\n", 1)[1] if data.startswith(b"mig-known ") else data


@sweeping
@pytest.mark.parametrize("command", ["push", "pin"])
def test_policy_known(pinned, signed, tmp_path, most, command):
    """What mig knows is one policy or the other, and doing it again is no other."""
    p = pinned
    new = subprocess.run([program("mig"), "policy", "show", "-raw", signed], env=p.env,
                         check=True, capture_output=True).stdout

    def before(d):
        copy(p, d)
        (d / "xdg" / "mig" / "known-policy").write_bytes(p.policy.read_bytes())

    def check(d, r):
        assert known(d) == new if r.code == 0 else known(d) in (new, p.policy.read_bytes())
        again = mig(p, "policy", command, signed, env=own(p, d))
        assert again.returncode == 0 and known(d) == new, again.stderr
        assert not leftovers(d / "xdg" / "mig")
    sweep(tmp_path, most, lambda d: [program("mig"), "policy", command, signed], check, before,
          env=lambda d: own(p, d))


@sweeping
@pytest.mark.parametrize("command", [["policy", "show"], ["policy", "status"],
                                     ["policy", "status", "-json"], ["token", "list"],
                                     ["token", "list", "-json"], ["token", "export"]], ids="-".join)
def test_looking(pinned, tmp_path, most, command):
    """All of it is shown, or none and why."""
    p = pinned
    whole = mig(p, *command).stdout
    assert whole

    def check(_, r):
        assert r.code != 0 or r.out == whole, r.out
    sweep(tmp_path, most, lambda d: [program("mig"), *command], check, lambda d: copy(p, d),
          env=lambda d: own(p, d))


# --- mig token ------------------------------------------------------------------

def tokens(d):
    return (d / "data" / "mig" / "tokens").read_text().splitlines()


def on_server(p):
    """The digests of the tokens that are good."""
    return [x["sha256"] for x in json.loads(p.mig("token", "list", "-json", check=0).stdout)["tokens"]]


def make_token(p, d):
    """The digest of one more; one at a time, or it could be another's."""
    with MAKING:
        old = on_server(p)
        q = mig(p, "token", "make", env=own(p, d))
        assert q.returncode == 0, q.stderr
        new, = set(on_server(p)) - set(old)
    return new


MAKING = threading.Lock()


@sweeping
def test_token_make(pinned, tmp_path, most):
    """A command is printed when the token is kept here and known there; the
    tokens before it stay."""
    p = pinned

    def check(d, r):
        old = (p.dir / "data" / "mig" / "tokens").read_text().splitlines()
        assert tokens(d)[:len(old)] == old
        made = re.search(rb"--token (\S+)", r.out)
        assert (made is not None) == (r.code == 0)
        if made:
            assert tokens(d)[-1].split()[0] == made[1].decode()
            assert "here" in mig(p, "token", "list", env=own(p, d)).stdout.decode()
        again = mig(p, "token", "make", env=own(p, d))
        assert again.returncode == 0, again.stderr
        assert not leftovers(d / "data" / "mig")
    sweep(tmp_path, most, lambda d: [program("mig"), "token", "make"], check, lambda d: copy(p, d),
          env=lambda d: own(p, d))


@sweeping
def test_token_revoke(pinned, tmp_path, most):
    p = pinned

    def before(d):
        copy(p, d)
        (d / "id").write_text(make_token(p, d))

    def check(d, r):
        ident = (d / "id").read_text()
        if r.code != 0:
            mig(p, "token", "revoke", ident, env=own(p, d))
        assert ident not in on_server(p)
    sweep(tmp_path, most, lambda d: [program("mig"), "token", "revoke", (d / "id").read_text()],
          check, before, env=lambda d: own(p, d))


@sweeping
def test_token_import(pinned, tmp_path, most):
    p = pinned

    def before(d):
        copy(p, d)
        (d / "team").write_text("")
        shutil.copytree(d / "data", d / "other")
        env = {**own(p, d), "XDG_DATA_HOME": str(d / "other")}
        assert mig(p, "token", "make", env=env).returncode == 0
        (d / "team").write_bytes(mig(p, "token", "export", env=env).stdout)

    def check(d, r):
        old = (p.dir / "data" / "mig" / "tokens").read_text().splitlines()
        both = (d / "team").read_text().splitlines()
        assert len(both) == len(old) + 1
        assert tokens(d) == (both if r.code == 0 else old)
        again = mig(p, "token", "import", d / "team", env=own(p, d))
        assert again.returncode == 0 and tokens(d) == both, again.stderr
        assert not leftovers(d / "data" / "mig")
    sweep(tmp_path, most, lambda d: [program("mig"), "token", "import", str(d / "team")], check,
          before, env=lambda d: own(p, d))
