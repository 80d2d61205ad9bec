# SPDX-License-Identifier: MPL-2.0
"""Memory is wanting while a key is read: it is answered, or counted as what was
not looked at for that; never as a text that is no key, which leaves no doubt."""
import json
import subprocess

import pytest

from faultlib import Control
from miglib import program

MOST = 20       # allocations until a key is known
FORMS = ["line", "authorized_keys", "openssh", "rsa", "spki", "ssh2"]


def keygen(*args):
    return subprocess.run(["ssh-keygen", *map(str, args)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    where = tmp_path_factory.mktemp("keys")
    keygen("-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", where / "openssh")
    public = (where / "openssh.pub").rename(where / "line")
    (where / "authorized_keys").write_text("# mine\nrestrict " + public.read_text())
    (where / "spki").write_text(keygen("-e", "-m", "PKCS8", "-f", public))
    (where / "ssh2").write_text(keygen("-e", "-f", public))
    (where / "rsa").write_bytes((where / "openssh").read_bytes())
    (where / "rsa").chmod(0o600)
    keygen("-q", "-p", "-m", "PEM", "-P", "", "-N", "", "-f", where / "rsa")
    return where


@pytest.mark.parametrize("form", FORMS)
def test_no_key_is_left_out_without_a_word(files, tmp_path, form):
    control = Control(tmp_path / "control")

    def ask():
        p = subprocess.run([program("mig-worker"), "sshkey"], env=control.env(), capture_output=True, text=True,
                           input=json.dumps({"paths": [str(files / form)]}), timeout=60, check=False)
        answer = json.loads(p.stdout)
        assert p.returncode == 0 and answer["success"], answer
        return [k["fingerprint_sha256"] for k in answer["elements"]["keys"]], answer["statistics"]["notexamined"]

    whole = ask()
    assert len(whole[0][0]) > 40 and whole[1] == {}
    for n in range(1, MOST):
        fault = control.allocation_after("mig-worker", "sshkey.file", n)
        answer = ask()
        assert fault.fired
        if answer == whole:     # what comes now is libcrypto's, for fingerprints
            break
        assert answer == ([], {"memorylimit": 1}), (n, answer)
    assert 3 < n < MOST - 1
