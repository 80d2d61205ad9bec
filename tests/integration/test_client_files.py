# SPDX-License-Identifier: MPL-2.0
"""What mig does with files of its own, without any server."""
import hashlib
import json
import os
import pty
import resource
import signal
import subprocess

import pytest

from miglib import program
from sshlib import SshAgent, fingerprint
from test_client_local import ERROR, Person

HEAD = "\u202eola \u009b31m"    # what a terminal must not get, and a file keeps


@pytest.fixture
def sam(tmp_path):
    """Somebody with an SSH key alone, and a policy in which they may ask."""
    home = tmp_path / "sam"
    home.mkdir()
    p = Person(home)
    p.key = home / "id.pub"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sam",
                    "-f", home / "id"], check=True)
    p.configure(signer=p.key)
    p.ring, p.policy = home / "ring", home / "policy-1"
    p.mig("keyring", "add", "-f", p.ring, p.key, check=0)
    with p.ring.open("a") as f:
        f.write(f"# {HEAD}\n")
    p.mig("policy", "make", "-keyring", p.ring, "-o", p.policy, check=0)
    return p


@pytest.fixture(autouse=True)
def terminal(sam):
    """Where an editor can be opened: as mig's standard input."""
    master, slave = pty.openpty()
    sam.at_terminal = lambda *args, **kw: sam.mig(*args, tty=slave, **kw)
    yield
    os.close(master)
    os.close(slave)


def editor(sam, script):
    path = sam.dir / "editor"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    sam.env["EDITOR"] = str(path)


# --- mig policy edit ---------------------------------------------------------

@pytest.mark.parametrize("script,says", [
    # nobody may change it any more: known after the editor has ended
    ("""sed -i 's/"policy"/"netstat"/' $1""", "lock everybody out"),
    ("""sed -i 's/"weight":1/"weight":0/' $1; exit 3""", "exit 3"),
    ("echo '# half' >>$1", "end of file expected"),
])
def test_what_was_edited_stays(sam, script, says):
    editor(sam, script)
    out = sam.dir / "next"
    p = sam.at_terminal("policy", "edit", sam.policy, "-o", out, check=ERROR)
    kept = sam.dir / "next.acl"
    assert says in p.stderr and f"-acl {kept}" in p.stderr, p.stderr
    work = kept.read_text()
    assert not out.exists() and work
    # nor does the next try begin with the old text in its place
    editor(sam, "true")
    p = sam.at_terminal("policy", "edit", sam.policy, "-o", out, check=ERROR)
    assert str(kept) in p.stderr and kept.read_text() == work
    kept.unlink()
    editor(sam, """sed -i 's/"weight":1/"weight":2/' $1""")
    sam.at_terminal("policy", "edit", sam.policy, "-o", out, check=0)
    assert out.exists() and not kept.exists()


@pytest.mark.parametrize("script,says", [("exit 1", "exit 1"), ("true", "nothing was changed")])
def test_an_editor_that_changed_nothing_leaves_nothing(sam, script, says):
    editor(sam, script)
    p = sam.at_terminal("policy", "edit", sam.policy, "-o", sam.dir / "next", check=ERROR)
    assert says in p.stderr and not list(sam.dir.glob("next*"))


def test_without_a_terminal_no_editor_is_started(sam):
    editor(sam, f"touch {sam.dir}/started")
    p = sam.mig("policy", "edit", sam.policy, "-o", sam.dir / "next", check=ERROR)
    assert "needs a terminal" in p.stderr and "-acl FILE" in p.stderr
    assert not list(sam.dir.glob("next*")) and not (sam.dir / "started").exists()


def test_an_interrupt_in_the_editor_is_the_editor_s(sam):
    """As the terminal sends it, to both."""
    editor(sam, "trap '' INT QUIT; kill -INT $PPID; kill -QUIT $PPID\n"
           """sed -i 's/"weight":1/"weight":2/' $1""")
    p = sam.at_terminal("policy", "edit", sam.policy, "-o", sam.dir / "next",
                        check=0)
    assert "weight changed from 1 to 2" in p.stderr


# --- bytes -------------------------------------------------------------------

def test_policies_keep_every_byte_in_a_pipe(sam):
    data = sam.policy.read_bytes()
    assert HEAD.encode() in data
    p = sam.mig("policy", "show", "-raw", sam.policy, check=0)
    assert p.stdout.encode() == data
    p = sam.mig("policy", "make", "-keyring", sam.ring, "-o", "-", check=0)
    assert HEAD in p.stdout
    ident = hashlib.sha256(b"MIG policy v3\n%d\n" % len(p.stdout.encode()) +
                           p.stdout.encode()).hexdigest()
    assert ident in p.stderr
    # what is shown to people has nothing of the kind
    assert HEAD not in sam.mig("policy", "show", sam.policy, check=0).stdout


# --- who signs with an SSH key -----------------------------------------------

DRAFT = {"syntaxversion": 3, "name": "x", "target": "all",
         "operations": [{"module": "agent", "parameters": {}}]}


@pytest.mark.parametrize("form", ["path", "fingerprint"])
def test_acl_check_takes_the_signer_for_who_asks(sam, form):
    if form == "fingerprint":
        sam.configure(signer="ssh:" + fingerprint(sam.key))
    draft = sam.dir / "draft"
    draft.write_text(json.dumps(DRAFT))
    p = sam.mig("acl", "check", "-policy", sam.policy, draft, check=0)
    assert "as if you had signed it" in p.stdout and "run it" in p.stdout
    # who is not in the policy is not let in by this
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                    sam.dir / "other"], check=True)
    sam.configure(signer=sam.dir / "other.pub")
    p = sam.mig("acl", "check", "-policy", sam.policy, draft, check=1)
    assert "could sign: sam" in p.stdout


def test_init_takes_a_signer_by_any_path(sam):
    agent = SshAgent(sam.dir)
    try:
        agent.add(sam.key.with_suffix(""))
        sam.config.unlink()
        subprocess.run([program("mig"), "init", "-signer", sam.key.name],
                       cwd=sam.dir, env={**sam.env, **{
                           "SSH_AUTH_SOCK": agent.sock}}, check=True,
                       stdin=subprocess.DEVNULL, timeout=60)
    finally:
        agent.stop()
    assert f"ssh:{fingerprint(sam.key)}" in sam.config.read_text()


def test_the_draft_shows_readers_who_are_no_pgp_keys(sam):
    own = sam.mig("reader", "make", check=0).stdout.strip()
    p = sam.mig("file", "-path", "/etc", "-name", "x", "-p", check=0)
    assert len(json.loads(p.stdout)["seal"]["readers"]) == 1, own
    assert "could be read" not in p.stderr      # by oneself alone
    other = "x25519:" + "07" * 32
    sam.config.write_text(f"reader {other}\n")
    p = sam.mig("file", "-path", "/etc", "-name", "x", "-p", check=0)
    shown, = json.loads(p.stdout)["seal"]["readers"]
    assert f"could be read by: a reader's key ({shown})" in p.stderr


def full(size):
    """No file takes more than that, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_reader_s_key_is_made_whole_or_not(sam):
    """Where the configuration cannot be written no key is left that nobody knows of; one that is left
    all the same, by a crash, is taken up."""
    before = sam.config.read_text() + "# " + "x" * 4096 + "\n"
    sam.config.write_text(before)
    key = sam.config.parent / "reader.key"
    p = subprocess.run([program("mig"), "reader", "make"], env=sam.env, text=True, timeout=60,
                       capture_output=True, stdin=subprocess.DEVNULL,
                       preexec_fn=lambda: full(4096))
    assert p.returncode == ERROR and str(sam.config) in p.stderr and p.stdout == "", p
    assert not key.exists() and sam.config.read_text() == before
    name = sam.mig("reader", "make", check=0).stdout.strip()
    assert sam.config.read_text() == before + f"reader {name}\n"
    p = sam.mig("reader", "make", check=ERROR)
    assert "reader.key is there already" in p.stderr
    whole = key.read_bytes()
    sam.config.write_text(before)
    p = sam.mig("reader", "make", check=0)
    assert p.stdout.strip() == name and f"took up {key}" in p.stderr
    assert sam.config.read_text() == before + f"reader {name}\n" and key.read_bytes() == whole
    # what is no key is left alone
    sam.config.write_text(before)
    key.write_text("mine\n")
    sam.mig("reader", "make", check=ERROR)
    assert key.read_text() == "mine\n" and sam.config.read_text() == before


def test_a_draft_with_a_reader_needs_no_key(sam):
    sam.config.unlink()
    p = sam.mig("file", "-path", "/etc", "-name", "x", "-p", "-reader",
                "x25519:" + "07" * 32, check=0)
    assert len(json.loads(p.stdout)["seal"]["readers"]) == 1
    p = sam.mig("file", "-path", "/etc", "-name", "x", "-p", check=0)
    assert "seal" not in json.loads(p.stdout)


# --- files that several write, or that are damaged ---------------------------

def test_tokens_imported_at_once_are_all_there(sam):
    tokens = {f"mig-token-{n:064x}" for n in range(1, 9)}
    for n, token in enumerate(tokens):
        (sam.dir / f"t{n}").write_text(f"{token} {n}\n")
    procs = [subprocess.Popen([program("mig"), "token", "import",
                               sam.dir / f"t{n}"], env=sam.env,
                              stderr=subprocess.PIPE)
             for n in range(len(tokens))]
    for p in procs:
        _, err = p.communicate(timeout=60)
        assert p.returncode == 0 and b"1 new" in err, err
    kept = sam.dir / ".local/share/mig/tokens"
    assert {x.split()[0] for x in kept.read_text().splitlines()} == tokens


def at_once(person, *each):
    """These commands beside each other; their exit codes and outputs."""
    procs = [subprocess.Popen([program("mig"), *map(str, args)], env=person.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for args in each]
    return [(p.communicate(timeout=60), p.returncode) for p in procs]


def test_people_added_at_once_are_all_there(sam):
    keys = [sam.dir / f"k{n}" for n in range(8)]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", key], check=True)
    for (_, err), code in at_once(sam, *(["keyring", "add", f"{key}.pub"] for key in keys)):
        assert code == 0, err
    listed = sam.mig("keyring", "list", check=0).stdout
    assert {x.split()[1] for x in listed.splitlines() if x[0] != " "} == {key.name for key in keys}
    ids = [x.split()[0] for x in listed.splitlines() if x[0] != " "]
    ends = at_once(sam, *(["keyring", "remove", i] for i in ids[1:]))
    assert [code for _, code in ends] == [0] * 7, ends
    assert ids[0] in sam.mig("keyring", "list", check=0).stdout
    sam.mig("keyring", "remove", ids[0], "-f", sam.dir / "nosuch", check=ERROR)
    assert not list(sam.dir.glob("nosuch*"))


def test_no_reader_s_key_is_lost_to_another(sam):
    """Each that is printed is the one that is there."""
    ends = at_once(sam, *[["reader", "make"]] * 8)
    names = {out.strip() for (out, _), code in ends if code == 0}
    assert len(names) == 1 and sorted(code for _, code in ends) == [0] + [ERROR] * 7, ends
    assert sam.config.read_text().count("reader ") == 1
    assert names.pop()[7:] in (sam.config.parent / "reader.key").read_text()


def test_no_token_too_many(sam):
    """With one more no mig could read any of them."""
    kept = sam.dir / ".local/share/mig/tokens"
    kept.parent.mkdir(parents=True)
    kept.write_text("".join(f"mig-token-{n:064x} {n}\n" for n in range(10000)))
    before = kept.read_bytes()
    sam.configure(signer=sam.key, server="https://localhost:1", ca="ab" * 32)
    p = sam.mig("token", "make", check=ERROR)
    assert "10000 tokens, and can be no more" in p.stderr and kept.read_bytes() == before


def test_forgetting_takes_no_damaged_line_with_it(sam):
    known = sam.dir / ".local/share/mig/known"
    known.parent.mkdir(parents=True)
    known.write_text(f"{'ab' * 32} 17 web1\n{'cd' * 32} 17\n{'ef' * 32} 17 web2\n")
    before = known.read_bytes()
    p = sam.mig("trust", "forget", "web1", check=ERROR)
    assert "line 2 is damaged" in p.stderr and known.read_bytes() == before
    known.write_text("".join(x for x in known.read_text().splitlines(True) if "cd" not in x))
    sam.mig("trust", "forget", "web1", check=0)
    assert "web2" in known.read_text() and "web1" not in known.read_text()
