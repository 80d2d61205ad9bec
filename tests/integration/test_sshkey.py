# SPDX-License-Identifier: MPL-2.0
"""The sshkey module against ssh-keygen -l, on keys that ssh-keygen and openssl make:
every kind, every form, encrypted and not, certificates, lists; and on damaged ones."""
import base64
import json
import os
import random
import struct
import subprocess

import pytest

from miglib import BIN, BUILD
from sshlib import SOFTKEY

WORKER = BIN / "mig-worker"
KINDS = {"rsa": ["-t", "rsa", "-b", "2048"], "dsa": ["-t", "dsa"],
         "p256": ["-t", "ecdsa", "-b", "256"], "p384": ["-t", "ecdsa", "-b", "384"],
         "p521": ["-t", "ecdsa", "-b", "521"], "ed25519": ["-t", "ed25519"]}
NAMES = {"rsa": "ssh-rsa", "dsa": "ssh-dss", "p256": "ecdsa-sha2-nistp256",
         "p384": "ecdsa-sha2-nistp384", "p521": "ecdsa-sha2-nistp521",
         "ed25519": "ssh-ed25519"}


def run(*args, **kw):
    return subprocess.run([str(a) for a in args], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, **kw).stdout.decode()


def ask(*paths, **fields):
    question = {**({"paths": [str(p) for p in paths]} if paths else {}), **fields}
    r = subprocess.run([WORKER, "sshkey"], input=json.dumps(question).encode(),
                       stdout=subprocess.PIPE, timeout=60)
    answer = json.loads(r.stdout)
    assert r.returncode == 0 and answer["success"], answer
    return answer


def keys(answer):
    return answer["elements"]["keys"]


def gaps(answer):
    return answer["statistics"]["notexamined"]


def keygen_says(path):
    """[(bits, SHA256:..., MD5 without its prefix)] of a file of public keys."""
    out = []
    for a, b in zip(run("ssh-keygen", "-l", "-E", "sha256", "-f", path).splitlines(),
                    run("ssh-keygen", "-l", "-E", "md5", "-f", path).splitlines()):
        assert b.split()[1].startswith("MD5:")
        out.append((int(a.split()[0]), a.split()[1], b.split()[1][4:]))
    return out


def told(key):
    return (key["bits"], key["fingerprint_sha256"], key["fingerprint_md5"])


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """One key of each kind, in OpenSSH's form, not encrypted; not to be changed."""
    directory = tmp_path_factory.mktemp("sshkeys")
    for name, args in KINDS.items():
        run("ssh-keygen", "-q", *args, "-N", "", "-C", f"{name} of me@here", "-f",
            directory / name)
    return directory


def copy(made, name, directory, form=None, passphrase=""):
    """The key in another form; its path."""
    path = directory / name
    path.write_bytes((made / name).read_bytes())
    path.chmod(0o600)
    args = ["-m", form] if form else []
    run("ssh-keygen", "-q", "-p", *args, "-P", "", "-N", passphrase, "-f", path)
    return path


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", [None, "PEM", "PKCS8"])
def test_private(made, tmp_path, name, form):
    if name == "ed25519" and form:
        # this ssh-keygen writes OpenSSH's form only: openssl makes the other
        path = tmp_path / name
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
        (tmp_path / "pub").write_text(public_pem(path)[1])
        want = keygen_says(tmp_path / "pub")
    else:
        path = copy(made, name, tmp_path, form)
        want = keygen_says(made / f"{name}.pub")
    (key,) = keys(ask(path))
    assert [told(key)] == want
    assert key["type"] == "private" and not key["encrypted"] and key["path"] == str(path)
    assert key["keytype"] == NAMES[name] and path.read_text().startswith(
        f"-----BEGIN {key['form']}-----")
    assert key.get("comment") == (None if form else f"{name} of me@here")


@pytest.mark.parametrize("name, form", [
    ("rsa", None), ("rsa", "PEM"), ("rsa", "PKCS8"), ("dsa", "PEM"), ("p256", None),
    ("p256", "PEM"), ("p256", "PKCS8"), ("ed25519", None)])
def test_encrypted(made, tmp_path, name, form):
    (key,) = keys(ask(copy(made, name, tmp_path, form, "secret")))
    assert key["encrypted"] and key["type"] == "private" and "comment" not in key
    if form is None:  # the public half stands beside it in clear
        assert [told(key)] == keygen_says(made / f"{name}.pub")
    else:
        assert key["fingerprint_sha256"] == key["fingerprint_md5"] == "" and "bits" not in key


def test_public_half_computed(tmp_path):
    """SEC 1 without the public point; PKCS #8 of DSA and Ed25519 never has it."""
    path = tmp_path / "ec"
    run("openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", path)
    (want,) = keys(ask(path))
    run("openssl", "ec", "-in", path, "-no_public", "-out", path)
    (key,) = keys(ask(path))
    assert told(key) == told(want) and key["bits"] == 384


def test_keys_that_ssh_has_not(tmp_path):
    run("openssl", "ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", tmp_path / "a")
    run("openssl", "genpkey", "-algorithm", "x25519", "-out", tmp_path / "b")
    found = sorted(keys(ask(tmp_path)), key=lambda k: k["path"])
    assert [k["unknown"] for k in found] == ["SSH has no keys of its curve",
                                             "SSH has no keys of its algorithm"]
    assert all(k["fingerprint_sha256"] == "" and k["type"] == "private" for k in found)


def public_pem(path):
    """The public half of a private PEM file as openssl writes it, and as a line."""
    text = run("openssl", "pkey", "-in", path, "-pubout")
    raw = base64.b64decode("".join(text.splitlines()[1:-1]))[-32:]
    blob = b"".join(struct.pack(">I", len(x)) + x for x in (b"ssh-ed25519", raw))
    return text, "ssh-ed25519 " + base64.b64encode(blob).decode() + "\n"


@pytest.mark.parametrize("name, form, begins", [
    *((n, "RFC4716", "---- BEGIN SSH2 PUBLIC KEY ----") for n in KINDS),
    *((n, "PKCS8", "-----BEGIN PUBLIC KEY-----") for n in ("rsa", "dsa", "p256", "p384", "p521")),
    ("rsa", "PEM", "-----BEGIN RSA PUBLIC KEY-----")])
def test_public_forms(made, tmp_path, name, form, begins):
    """As ssh-keygen exports them, under any name and with a text around."""
    text = run("ssh-keygen", "-e", "-m", form, "-f", made / f"{name}.pub")
    assert text.startswith(begins)
    (tmp_path / "x").write_text("for you:\r\n" + text.replace("\n", "\r\n") + "ssh-rsa\n")
    (key,) = keys(ask(tmp_path / "x"))
    (tmp_path / "x").write_text(text)
    back = tmp_path / "back.pub"
    back.write_text(run("ssh-keygen", "-i", "-m", form, "-f", tmp_path / "x"))
    assert [told(key)] == keygen_says(made / f"{name}.pub") == keygen_says(back)
    assert key["type"] == "public" and not key["encrypted"] and key["keytype"] == NAMES[name]
    assert key["form"] == begins.strip("- ")[len("BEGIN "):] and "line" not in key and "unknown" not in key
    # ssh-keygen's own words stand there, in quotes
    assert (", converted by " in key["comment"] and '"' not in key["comment"]) if form == "RFC4716" \
        else "comment" not in key


def test_public_forms_of_openssl(tmp_path):
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key")
    text, line = public_pem(tmp_path / "key")
    (tmp_path / "key").unlink()
    (tmp_path / "line").write_text(line)
    (tmp_path / "pem").write_text(text + text)  # several in one file
    found = [k for k in keys(ask(tmp_path)) if "form" in k]
    assert [told(k) for k in found] == 2 * keygen_says(tmp_path / "line")
    for curve, conv in (("secp256k1", "uncompressed"), ("prime256v1", "compressed")):
        run("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", tmp_path / "key")
        (tmp_path / "pem").write_text(run("openssl", "ec", "-in", tmp_path / "key", "-pubout", "-conv_form", conv))
        (key,) = keys(ask(tmp_path / "pem"))
        assert key["type"] == "public" and key["fingerprint_sha256"] == "" and key["unknown"] == \
            {"compressed": "its point is compressed"}.get(conv, "SSH has no keys of its curve")
    run("openssl", "genpkey", "-algorithm", "x25519", "-out", tmp_path / "key")
    (tmp_path / "pem").write_text(run("openssl", "pkey", "-in", tmp_path / "key", "-pubout"))
    assert [k["unknown"] for k in keys(ask(tmp_path / "pem"))] == ["SSH has no keys of its algorithm"]


def test_comments_of_ssh2(made, tmp_path):
    """RFC 4716: any case of the tag, quotes or not, a backslash carries on; other headers do not matter."""
    _, *headers, body, end = run("ssh-keygen", "-e", "-f", made / "ed25519.pub").splitlines()
    assert len(headers) == 1
    for header, want in (('COMMENT: plain words', "plain words"), ('Comment: "one \\\nand two"', "one and two"),
                         ("Subject: me\\\nAAAA\nComment:\nx-y: z", None), ("", None)):
        (tmp_path / "k").write_text("\n".join(
            ["---- BEGIN SSH2 PUBLIC KEY ----", *([header] if header else []), body, end]))
        (key,) = keys(ask(tmp_path / "k"))
        assert [told(key)] == keygen_says(made / "ed25519.pub") and key.get("comment") == want


@pytest.fixture(scope="session")
def security_keys(tmp_path_factory):
    """As ssh-keygen makes them with the device of softkey.c: of two kinds, encrypted and not; with certificates."""
    directory = tmp_path_factory.mktemp("sk")
    env = {**os.environ, "MIG_SOFTKEY": str(directory), "SSH_SK_PROVIDER": str(SOFTKEY)}
    for kind in ("ed25519-sk", "ecdsa-sk"):
        for name, passphrase in ((kind, ""), (f"{kind}-secret", "secret")):
            run("ssh-keygen", "-q", "-t", kind, "-w", SOFTKEY, "-N", passphrase, "-C", f"{name} of me",
                "-f", directory / name, env=env)
    return directory


@pytest.mark.parametrize("kind, keytype", [("ed25519-sk", "sk-ssh-ed25519@openssh.com"),
                                           ("ecdsa-sk", "sk-ecdsa-sha2-nistp256@openssh.com")])
def test_files_of_security_keys(made, security_keys, tmp_path, kind, keytype):
    for name in (kind, f"{kind}-secret"):
        (key,) = keys(ask(security_keys / name))
        assert [told(key)] == keygen_says(security_keys / f"{name}.pub")
        assert (key["type"], key["keytype"], key["form"]) == ("private", keytype, "OPENSSH PRIVATE KEY")
        assert key["encrypted"] == name.endswith("secret")
        # the comment is among what is encrypted
        assert key.get("comment") == (None if key["encrypted"] else f"{kind} of me")
    (tmp_path / "k.pub").write_bytes((security_keys / f"{kind}.pub").read_bytes())
    run("ssh-keygen", "-q", "-s", made / "p256", "-I", "touched", "-h", "-n", "host.example", tmp_path / "k.pub")
    (key,) = keys(ask(tmp_path / "k-cert.pub"))
    assert [told(key)] == keygen_says(tmp_path / "k-cert.pub") == keygen_says(security_keys / f"{kind}.pub")
    assert key["keytype"] == keytype
    assert {k: key["certificate"][k] for k in ("keyid", "for", "ca")} == \
        {"keyid": "touched", "for": "host", "ca": keygen_says(made / "p256.pub")[0][1]}
    (tmp_path / "k").write_text(run("ssh-keygen", "-e", "-f", security_keys / f"{kind}.pub"))
    (key,) = keys(ask(tmp_path / "k"))
    assert [told(key)] == keygen_says(security_keys / f"{kind}.pub") and key["form"] == "SSH2 PUBLIC KEY"


def sk_line(kind):
    """ssh-keygen makes these with a device only; it reads them all the same."""
    def text(b):
        return struct.pack(">I", len(b)) + b
    point = b"\x04" + bytes.fromhex(  # the base point of the curve
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    if kind == "ed25519":
        name, body = b"sk-ssh-ed25519@openssh.com", text(b"\x58" + b"\x66" * 31)
    else:
        name, body = b"sk-ecdsa-sha2-nistp256@openssh.com", text(b"nistp256") + text(point)
    blob = text(name) + body + text(b"ssh:")
    return f"{name.decode()} {base64.b64encode(blob).decode()} token\n"


def test_security_keys(tmp_path):
    path = tmp_path / "authorized_keys"
    path.write_text(sk_line("ed25519") + sk_line("ecdsa"))
    found = keys(ask(path))
    assert [told(k) for k in found] == keygen_says(path) and len(found) == 2
    assert [k["keytype"] for k in found] == ["sk-ssh-ed25519@openssh.com",
                                             "sk-ecdsa-sha2-nistp256@openssh.com"]


def test_lists(made, tmp_path):
    public = {n: (made / f"{n}.pub").read_text() for n in KINDS}
    authorized = tmp_path / "authorized_keys"
    authorized.write_text("# mine\n\n" + public["ed25519"] + 'from="10.0.0.0/8",command="echo '
                          '\\"ssh-rsa AAAA\\" x" ' + public["rsa"] + public["p256"].rstrip())
    hosts = tmp_path / "known_hosts"
    hosts.write_text("a.example,10.0.0.1 " + public["p384"] + "|1|YWI=|YWI= " + public["dsa"]
                     + "@cert-authority *.example " + public["p521"])
    (tmp_path / "id.pub").write_text(public["ed25519"])
    (tmp_path / "notes.txt").write_text("my key:\n" + public["rsa"])
    found = keys(ask(tmp_path))
    assert len(found) == 8
    for name, type_, lines in (("authorized_keys", "authorizedkeys", [3, 4, 5]),
                               ("known_hosts", "knownhosts", [1, 2, 3]),
                               ("id.pub", "public", [1]), ("notes.txt", "public", [2])):
        mine = [k for k in found if k["path"] == str(tmp_path / name)]
        assert {k["type"] for k in mine} == {type_} and [k["line"] for k in mine] == lines
        if name == "known_hosts":  # ssh-keygen passes by what is marked
            assert [told(k) for k in mine[:2]] == keygen_says(tmp_path / name)
            assert [told(mine[2])] == keygen_says(made / "p521.pub")
        elif name != "notes.txt":
            assert [told(k) for k in mine] == keygen_says(tmp_path / name)
    assert [k["comment"] for k in found if k["path"].endswith("authorized_keys")] == \
        ["ed25519 of me@here", "rsa of me@here", "p256 of me@here"]


def test_lists_under_other_names(made, tmp_path):
    """AuthorizedKeysFile, AllowedSignersFile and copies have any name: each key counts, with what stands before it."""
    public = {n: (made / f"{n}.pub").read_text() for n in KINDS}
    before = ['from="10.0.0.0/8",command="echo \\"ssh-rsa AAAA\\" x",no-pty ', "restrict ", "a.example,10.0.0.1 ",
              "@cert-authority *.example ", 'me@example namespaces="git" ', "- "]
    path = tmp_path / "authorized_keys.d" / "root"
    path.parent.mkdir()
    path.write_text("# lines\nssh-rsa and ssh-dss are kinds of keys\n" +
                    "".join(b + public[n] for b, n in zip(before, KINDS)) + 'ssh-rsa "' + public["rsa"])
    answer = ask(tmp_path)
    found = keys(answer)
    assert [k["line"] for k in found] == [3, 4, 5, 6, 7, 8] and {k["type"] for k in found} == {"public"}
    assert [told(k) for k in found] == [keygen_says(made / f"{n}.pub")[0] for n in KINDS]
    assert [k["comment"] for k in found] == [f"{n} of me@here" for n in KINDS]
    assert gaps(answer) == {} and "10.0.0" not in json.dumps(answer)
    path.write_text("x ssh-ed25519 AAAA me\n")
    assert gaps(ask(tmp_path)) == {"notakey": 1}


@pytest.mark.parametrize("name", KINDS)
def test_certificates(made, tmp_path, name):
    (tmp_path / "k.pub").write_bytes((made / f"{name}.pub").read_bytes())
    run("ssh-keygen", "-q", "-s", made / "ed25519", "-I", "who it is", "-z", "18446744073709551615", "-n", "root",
        "-V", "20250102030405Z:20300102030405Z", tmp_path / "k.pub")
    (key,) = keys(ask(tmp_path / "k-cert.pub"))
    assert [told(key)] == keygen_says(tmp_path / "k-cert.pub")
    assert key["keytype"] == NAMES[name]
    assert key["certificate"] == {
        "keyid": "who it is", "serial": "18446744073709551615", "for": "user",
        "ca": keygen_says(made / "ed25519.pub")[0][1],
        "validafter": "2025-01-02T03:04:05Z", "validbefore": "2030-01-02T03:04:05Z"}


def test_nothing_private_is_answered(made, tmp_path):
    """No piece of a private key's text, nor of its numbers, in any form."""
    for name in KINDS:
        copy(made, name, tmp_path)
    (tmp_path / "authorized_keys").write_text(
        'command="backup --password=hunter2" ' + (made / "rsa.pub").read_text())
    text = json.dumps(ask(tmp_path))
    assert "hunter2" not in text
    for name in KINDS:
        body = "".join((tmp_path / name).read_text().splitlines()[1:-1])
        raw = base64.b64decode(body)
        assert not any(body[i:i + 24] in text for i in range(0, len(body) - 24, 8))
        assert not any(raw[i:i + 12].hex() in text for i in range(0, len(raw) - 12))


# --- where it looks -----------------------------------------------------------------


def test_depth_links_and_large_files(made, tmp_path):
    deep = tmp_path
    for level in range(1, 11):
        deep = deep / f"d{level}"
        deep.mkdir()
        (deep / "id.pub").write_bytes((made / "ed25519.pub").read_bytes())
    def depths(**f):
        return len(keys(ask(tmp_path, **f)))
    assert depths() == 7 and depths(maxdepth=0) == 7      # 8 levels, the root is the first
    assert depths(maxdepth=3) == 2 and depths(maxdepth=1000) == 10
    assert gaps(ask(tmp_path))["depthlimit"] == 1
    big = tmp_path / "big"
    big.write_bytes((made / "ed25519").read_bytes() + b"\n" * 1024 * 1024)
    (tmp_path / "authorized_keys").write_bytes(
        b"#\n" * 1024 * 1024 + (made / "ed25519.pub").read_bytes())
    (tmp_path / "link").symlink_to("d1/id.pub")
    (tmp_path / "out").symlink_to(made / "rsa.pub")
    os.mkfifo(tmp_path / "fifo")
    answer = ask(tmp_path, maxdepth=2)
    assert sorted(k["path"].removeprefix(f"{tmp_path}/") for k in keys(answer)) == \
        ["authorized_keys", "d1/id.pub", "link"]
    assert {k: gaps(answer)[k] for k in ("toolarge", "symlinkoutside", "special")} == \
        {"toolarge": 1, "symlinkoutside": 1, "special": 1}


def test_a_path_that_is_not_there(tmp_path):
    assert gaps(ask(tmp_path / "none")) == {"missing": 1}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to put something over /root")
def test_usual_places(made, tmp_path):
    """/root and /home, as far as they are there, in a namespace of its own."""
    worker = tmp_path / "mig-worker"
    worker.write_bytes(WORKER.read_bytes())
    worker.chmod(0o755)
    (tmp_path / "id.pub").write_bytes((made / "ed25519.pub").read_bytes())
    script = ("mount -t tmpfs none /root && mkdir /root/.ssh && cp $0/id.pub /root/.ssh && "
              "mount -t tmpfs none /home && mkdir -p /home/u/.ssh && cp $0/id.pub /home/u/.ssh && "
              "echo '{}' | $0/mig-worker sshkey")
    answer = json.loads(run("unshare", "-m", "sh", "-c", script, tmp_path))
    assert sorted(k["path"] for k in keys(answer)) == ["/home/u/.ssh/id.pub", "/root/.ssh/id.pub"]
    assert gaps(answer) == {} and answer["errors"] is None


# --- damage ---------------------------------------------------------------------------


def test_damaged_lists(made, tmp_path):
    good = (made / "rsa.pub").read_text().split()
    path = tmp_path / "authorized_keys"
    path.write_text("\n".join([
        " ".join(good), "rubbish", f"{good[0]} {good[1][:-40]}", f"{good[0]} !!!!",
        f"ssh-ed25519 {good[1]}", f"{good[0]}", "ssh-new AAAA", "\x00\x01"]) + "\n")
    answer = ask(path)
    # the type is what the key itself says, as for ssh
    assert [k["line"] for k in keys(answer)] == [1, 5]
    assert gaps(answer) == {"corrupt": 6}
    assert answer["errors"] == [f"corrupt: {path}: 6 lines are no keys; the first: line 2: "
                                "no key of a type that is known"]


def test_texts_that_are_no_keys(made, tmp_path):
    for i, text in enumerate(["-----BEGIN RSA PRIVATE KEY-----\n...\n",
                              "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
                              "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
                              "-----END OPENSSH PRIVATE KEY-----\n", "ssh-rsa AAAA\n"]):
        (tmp_path / str(i)).write_text(text)
    (tmp_path / "prose").write_text("ssh-rsa keys are old.\n-----BEGIN CERTIFICATE-----\nAAAA\n")
    answer = ask(tmp_path)
    assert keys(answer) == [] and gaps(answer) == {"notakey": 4}
    out = subprocess.run([BIN / "mig", "sshkey", "-t", "local", "-path", tmp_path],
                         stdout=subprocess.PIPE)
    assert out.returncode == 1  # nothing found, and nothing left in doubt


@pytest.mark.parametrize("name, form", [("rsa", "PEM"), ("p256", "PKCS8"), ("ed25519", None),
                                        ("dsa", "PEM")])
def test_cut_and_overwritten_keys(made, tmp_path, name, form):
    """Found as it is, or counted; never an answer that is none."""
    good = copy(made, name, tmp_path, form).read_bytes()
    (tmp_path / name).unlink()
    rnd = random.Random(name)
    for i in range(60):
        data = bytearray(good[:rnd.randrange(32, len(good))] if i % 3 == 0 else good)
        for _ in range(rnd.randrange(1, 6)):
            data[rnd.randrange(min(40, len(data) - 1), len(data))] = rnd.randrange(256) \
                if i % 2 else rnd.choice(b"ABCDxyz0+/=\n")
        (tmp_path / f"{i:02}").write_bytes(bytes(data))
    answer = ask(tmp_path)
    names = {k["path"] for k in keys(answer)}
    assert len(names) + gaps(answer).get("notakey", 0) >= 60
    assert answer["statistics"]["filescount"] == 60


# --- questions ------------------------------------------------------------------------


@pytest.mark.parametrize("question, error", [
    ([], "expected an object"),
    ({"paths": "x"}, "paths: expected an array"),
    ({"paths": [1]}, "paths[0]: expected a string"),
    ({"paths": ["root"]}, "paths[0]: 'root' is not an absolute path"),
    ({"paths": ["/"] * 4097}, "paths: more than 4096"),
    ({"maxdepth": -1}, "maxdepth: expected a whole number from 0 to 1000"),
    ({"maxdepth": 1001}, "maxdepth: expected a whole number from 0 to 1000"),
    ({"maxdepth": "3"}, "maxdepth"),
    ({"remotefs": 1}, "remotefs: expected true or false"),
    ({"path": ["/"]}, "path"),
])
def test_refused(question, error):
    r = subprocess.run([WORKER, "sshkey"], input=json.dumps(question).encode(),
                       stdout=subprocess.PIPE)
    answer = json.loads(r.stdout)
    assert r.returncode == 1 and not answer["success"] and error in answer["errors"][0]


def test_command_line(made, tmp_path):
    (tmp_path / "authorized_keys").write_text(
        (made / "ed25519.pub").read_text().replace("me@here", "\x1b[31m"))
    copy(made, "rsa", tmp_path, None, "secret")

    def mig(*args):
        r = subprocess.run([BIN / "mig", "sshkey", "-t", "local", "-path", tmp_path, *args],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return r.returncode, r.stdout.decode()

    code, out = mig()
    bits, sha, md5 = keygen_says(made / "ed25519.pub")[0]
    assert code == 0
    assert (f"{tmp_path}/authorized_keys [authorizedkeys] md5fp={md5} sha256fp={sha} "
            "keytype=ssh-ed25519 bits=256 comment=ed25519 of \\x1b[31m") in out
    assert f"{tmp_path}/rsa [private] encrypted=true md5fp=" in out
    code, out = mig("-csv")
    assert out.splitlines()[0].endswith("path,type,keytype,fingerprint_sha256,fingerprint_md5,"
                                        "comment,bits,encrypted")
    assert any(x.endswith(",256,false") for x in out.splitlines())
    assert mig("-maxdepth", "0")[0] == 0


def test_very_many_keys(made, tmp_path):
    """The answer ends by its own limit, and the worker stays small however long it is."""
    blob = base64.b64decode((made / "ed25519.pub").read_text().split()[1])
    lines = [b"host%d ssh-ed25519 %s user@host%d\n" % (
        i, base64.b64encode(blob[:-4] + struct.pack(">I", i)), i) for i in range(60000)]
    for i in range(12):
        (tmp_path / f"known_hosts{i}").write_bytes(b"".join(lines[i * 5000:(i + 1) * 5000]))
    peak = ("import resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True);"
            "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))")

    def measured(*limits):
        r = subprocess.run(["/usr/bin/python3", "-c", peak, WORKER, *limits, "sshkey"], check=True,
                           input=json.dumps({"paths": [str(tmp_path)]}).encode(),
                           capture_output=True, timeout=60)
        return json.loads(r.stdout), len(r.stdout) / (1 << 20), int(r.stderr) / 1024

    answer, size, most = measured()
    assert gaps(answer) == {} and size > 16
    assert sorted(k["comment"] for k in keys(answer)) == sorted(f"user@host{i}" for i in range(60000))
    assert len({k["fingerprint_sha256"] for k in keys(answer)}) == 60000
    assert most < 16 or "asan" in BUILD.name
    answer, _, _ = measured("--output", "65536", "--detail", "found-only")
    assert answer["foundanything"] and gaps(answer) == {}


def test_a_terabyte_of_nothing(made, tmp_path):
    """A hole takes no room on a disk; what is larger than keys are is counted, and not read."""
    (tmp_path / "id_small").write_bytes((made / "ed25519").read_bytes())
    begins = {"id_rsa": b"", "id_ecdsa": (made / "rsa").read_bytes(), "id.pub": b"ssh-ed25519 AAAA",
              "authorized_keys": (made / "ed25519.pub").read_bytes(), "known_hosts": b"\n"}
    for name, begin in begins.items():
        with open(tmp_path / name, "wb") as f:
            f.write(begin)
            f.truncate(1 << 40)
    r = subprocess.run([WORKER, "--seconds", "1", "--read", str(1 << 20), "sshkey"], check=True,
                       input=json.dumps({"paths": [str(tmp_path)]}).encode(), capture_output=True, timeout=60)
    answer = json.loads(r.stdout)
    assert [k["path"] for k in keys(answer)] == [str(tmp_path / "id_small")]
    assert gaps(answer) == {"toolarge": len(begins)}


def test_a_limit_says_how_far_it_came(made, tmp_path):
    """Which file was the last, as nobody knows the order of a directory."""
    for i in range(60):
        (tmp_path / f"id_{i}").write_bytes((made / "ed25519").read_bytes())

    def limited(*args):
        r = subprocess.run([WORKER, *args, "sshkey"], input=json.dumps({"paths": [str(tmp_path)]}).encode(),
                           stdout=subprocess.PIPE, timeout=60)
        return json.loads(r.stdout)

    answer = limited("--output", "6000")
    assert gaps(answer)["outputlimit"] == 1 and 0 < answer["statistics"]["filescount"] < 60
    last = answer["statistics"]["endedat"]
    assert os.path.dirname(last) == str(tmp_path) and last not in [k["path"] for k in keys(answer)]
    answer = limited("--read", "5000")
    assert gaps(answer)["readlimit"] == 1 and os.path.dirname(answer["statistics"]["endedat"]) == str(tmp_path)
    masked = limited("--read", "5000", "--privacy")
    assert masked["statistics"]["endedat"] == "masked" and str(tmp_path) not in json.dumps(masked)
    assert len(keys(masked)) == len(keys(answer)) > 1 and {k["path"] for k in keys(masked)} == {"masked"}
    assert "endedat" not in limited()["statistics"]
