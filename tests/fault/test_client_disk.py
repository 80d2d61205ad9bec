# SPDX-License-Identifier: MPL-2.0
"""The disk is full when mig writes one of its own files: it says which and why,
what was there stays whole, and with room again the same command does it."""
import pytest

import platformlib as lib

SECONDS = 20
CALLS = ["file.open", "file.write", "file.sync", "file.rename"]


@pytest.fixture(scope="module")
def p(tmp_path_factory):
    p = lib.make_platform(tmp_path_factory.mktemp("disk"), names=())
    p.bob = p.gpg.make_key("Bob Demo")
    p.mig("policy", "pin", str(p.policy), check=0)
    p.signed = lib.next_policy(p, 2)
    p.mig("token", "make", check=0)
    p.mig("audit", "verify", check=0)
    tokens = p.dir / "data" / "mig" / "tokens"
    mine = tokens.read_bytes()
    p.mig("token", "make", check=0)
    (p.dir / "team").write_bytes(tokens.read_bytes())
    tokens.write_bytes(mine)
    yield p
    p.stop()


# The file, below the platform's directory, and what writes it.
FILES = {
    "imported tokens": ("data/mig/tokens", lambda p: ["token", "import", str(p.dir / "team")]),
    "tokens": ("data/mig/tokens", lambda p: ["token", "make"]),
    "keyring": ("xdg/mig/keyring", lambda p: ["keyring", "add", p.bob]),
    "less of a keyring": ("xdg/mig/keyring", lambda p: ["keyring", "remove", p.bob]),
    "known policy": ("xdg/mig/known-policy", lambda p: ["policy", "pin", p.signed]),
    "signed policy": ("policy-2.new", lambda p: ["policy", "sign", "-y", str(p.dir / "policy-2"),
                                                 "-from", str(p.policy), "-o", str(p.dir / "policy-2.new")]),
    "policy": ("policy-2", lambda p: ["policy", "edit", str(p.policy), "-acl",
                                      str(p.dir / "acl-next"), "-o", str(p.dir / "policy-2")]),
    "reader's key": ("xdg/mig/reader.key", lambda p: ["reader", "make"]),
    "audit head": ("data/mig/audit/", lambda p: ["audit", "verify"]),
}


@pytest.mark.parametrize("name", FILES)
def test_full(p, name):
    below, command = FILES[name]
    path = p.dir / below
    if below.endswith("/"):
        path, = (f for f in path.iterdir() if f.suffix != ".lock")
    before = path.read_bytes() if path.exists() else None
    for call in CALLS:
        fault = p.client.error("mig", call, what=f"/{path.name}")
        q = p.mig(*command(p), check=lib.ERROR)
        assert fault.fired == 1
        assert path.name in q.stderr and "No space left on device" in q.stderr
        assert (path.read_bytes() if path.exists() else None) == before
        assert not lib.leftovers(p)
    p.mig(*command(p), check=0)
    assert path.exists()
    # what is made again in the same second is the same
    assert path.read_bytes() != before or name == "policy"


def test_a_policy_on_its_way_is_pushed_again(p):
    """The server has it, and here it could not be remembered."""
    known = p.dir / "xdg" / "mig" / "known-policy"
    p.mig("policy", "pin", str(p.policy), check=0)
    before = known.read_bytes()
    assert before.split(b"\n", 1)[1] == p.policy.read_bytes()
    p.client.error("mig", "file.write", what="/known-policy")
    q = p.mig("policy", "push", p.signed, check=lib.ERROR)
    assert "known-policy" in q.stderr and "No space left on device" in q.stderr
    assert known.read_bytes() == before
    p.mig("policy", "push", p.signed, check=0)
    assert known.read_bytes() != before
