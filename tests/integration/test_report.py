# SPDX-License-Identifier: MPL-2.0
"""What the endpoint's owner sees: the agent's own record, whether it is whole,
and a notice of each accepted action."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from miglib import program
from test_agent_once import Agent, document, envelope, gpg  # noqa: F401
from test_netstat import may_make_networks

HEADER = 16     # of a record file (src/record/record.h)


@pytest.fixture(scope="module")
def asked(tmp_path_factory, gpg):
    """An agent that was asked twice, and refused once."""
    where = tmp_path_factory.mktemp("report")
    where.chmod(0o755)
    (where / "data").mkdir()
    (where / "data" / "needle.txt").write_text("needle in it\n")
    a = Agent(where, gpg).install()
    for name in ("first\u202e question", "second question"):
        run, _ = a.once(envelope(gpg, document(gpg, where / "data", name=name)))
        assert run.returncode == 0, run.stderr
    a.once(envelope(gpg, document(gpg, where / "data", target="name='other'")))
    a.whole = (where / "state" / "record").read_bytes()
    return a


def closing(where, *args):
    """mig-agent, run by a shell with what follows behind the arguments: closed or other descriptors."""
    return subprocess.run(["sh", "-c", f'exec "$0" {" ".join(map(str, args))}', program("mig-agent")], cwd=where,
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(tmp_path, closed):
    """No file of the state gets the number of one, and with it words of the log."""
    (tmp_path / "conf").write_text(f"state {tmp_path}/state\nname closed\n")
    p = closing(tmp_path, "init -c conf", closed)
    assert p.returncode == (1 if ">&- 2" in closed else 0), p
    assert closing(tmp_path, "run -c conf", closed).returncode == 1     # there is no policy
    words = {f.name: f.read_bytes() for f in (tmp_path / "state").iterdir() if f.is_file()}
    assert words["lock"] == b"" and not [n for n, b in words.items() if b"info " in b or b"error " in b], words
    p = closing(tmp_path, "report -c conf")
    assert p.returncode == 0 and "damaged" not in p.stdout + p.stderr, p


@pytest.mark.skipif(not may_make_networks(), reason="no namespace can be made here")
@pytest.mark.parametrize("ids,says", [("0:0", "must not be root\n"), ("7:0", "the group of 'odd' must not be root's"),
                                      ("7:7", None)])
def test_roles_do_not_become_root(tmp_path, ids, says):
    """Neither by their user nor by its group, as operator and sync of some systems."""
    (tmp_path / "passwd").write_text(f"root:x:0:0::/:/bin/sh\nodd:x:{ids}::/:/bin/sh\n")
    (tmp_path / "conf").write_text(f"state {tmp_path}/state\nnet_user odd\n")
    p = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind passwd /etc/passwd && exec "$0" init -c conf',
                        program("mig-agent")], cwd=tmp_path, text=True, capture_output=True, timeout=60, check=False)
    assert p.returncode == (says is not None) and (says or "") in p.stderr, p


def test_check_without_its_configuration(tmp_path):
    p = closing(tmp_path, "check -c none")
    assert p.returncode == 1 and p.stderr == "mig-agent: none: No such file or directory\n", p


def test_check_does_not_wait_for_ever(asked, tmp_path):
    (tmp_path / "mig-worker").write_text("#!/bin/sh\nyes | head -c 1000000\n")
    (tmp_path / "mig-worker").chmod(0o755)
    p = subprocess.run([program("mig-agent"), "check", "-c", str(asked.conf)], text=True, capture_output=True, timeout=10,
                       env={**os.environ, "MIG_LIBEXEC": str(tmp_path)}, check=False)
    assert p.returncode == 1 and "mig-agent: mig-worker: more than 4096 bytes\n" in p.stderr, p


def test_how_a_child_ended_is_known(asked, tmp_path):
    """Also where whoever started it ignores SIGCHLD, as some do."""
    for name in ("mig-worker", "mig-agent-net"):
        (tmp_path / name).write_text("#!/bin/sh\nkill -9 $$\n")
        (tmp_path / name).chmod(0o755)
    p = subprocess.run([program("mig-agent"), "check", "-c", str(asked.conf)], text=True, capture_output=True, timeout=60,
                       env={**os.environ, "MIG_LIBEXEC": str(tmp_path)}, check=False,
                       preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert p.returncode == 1 and "mig-worker did not say what rights it has: killed by SIGKILL" in p.stderr, p


@pytest.mark.parametrize("args,code", [("report", 1), ("report verify", 2), ("check", 1), ("--once /dev/null", 1)])
def test_output_that_is_not_taken(asked, args, code):
    p = closing(asked.where, args, "-c", asked.conf, ">/dev/full")
    assert p.returncode == code, p
    assert "standard output does not take all of it" in p.stderr or args.startswith("--"), p


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_record_of_others_is_not_called_damaged():
    with tempfile.TemporaryDirectory(dir="/tmp") as where:
        pathlib.Path(where).chmod(0o755)
        conf = pathlib.Path(where) / "conf"
        conf.write_text(f"state {where}/state\nname others\n")
        assert closing(where, "init", "-c", conf).returncode == 0
        p = subprocess.run([program("mig-agent"), "report", "-c", str(conf)], user=65534, group=65534,
                           extra_groups=[], capture_output=True, text=True, timeout=60, check=False)
    assert p.returncode == 1 and "the record cannot be read after entry 0: " in p.stderr, p
    assert "Permission denied" in p.stderr


@pytest.fixture
def agent(asked):
    """The same, its record as it was."""
    record = asked.where / "state" / "record"
    record.write_bytes(asked.whole)
    yield asked
    record.write_bytes(asked.whole)


def verify(agent, *args):
    run = agent.run("report", "verify", "--json", *args)
    return run.returncode, json.loads(run.stdout)


def test_who_what_verdict_how_much(agent, gpg):
    text = agent.run("report").stdout
    assert "\u202e" not in text
    assert 'accepted "first\\u{202e} question"' in text
    assert gpg.key("alice")[0] in text and "asks file" in text
    assert "refused" in text and "because" in text and "sealed" in text
    entries = agent.report()
    first = next(x for x in entries if x["type"] == "asked")
    assert first["signers"] == [gpg.key("alice")[0]]
    assert len(first["keys"]) == 1 and len(first["keys"][0]) == 40
    assert any(x["type"] == "answered" and x["bytes"] > 0 for x in entries)


def test_since(agent):
    def lines(since):
        run = agent.run("report", "--json", "--since", since)
        assert run.returncode == 0, run.stderr
        return run.stdout.splitlines()
    everything = agent.run("report", "--json").stdout.splitlines()
    assert lines("2h") == everything and lines("1970-01-01T00:00:00Z") == everything
    assert lines("2999-01-01T00:00:00Z") == []
    last = json.loads(everything[-1])["time"] // 1000
    shown = lines(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last)))
    assert everything[-1] in shown
    run = agent.run("report", "--since", "yesterday")
    assert run.returncode == 2 and "--since yesterday: expected" in run.stderr
    run = agent.run("report", "--since", "2")
    assert run.returncode == 2 and "--since 2: give a unit" in run.stderr


def test_no_agent_is_not_an_agent_that_was_asked_nothing(agent):
    state = agent.where / "state"
    aside = agent.where / "state.aside"
    (state / "record").unlink()
    run = agent.run("report")
    assert run.returncode == 1 and "nothing was asked yet" in run.stderr
    state.rename(aside)
    try:
        run = agent.run("report")
        assert run.returncode == 1 and not run.stdout
        assert f"there is no agent in {state}" in run.stderr and "-c" in run.stderr
    finally:
        aside.rename(state)


def test_whole(agent):
    code, state = verify(agent)
    assert code == 0 and state["whole"] is True
    assert state["entries"] == len(agent.report()) and state["marks"] >= 2
    text = agent.run("report", "verify").stdout
    assert f"head: {state['entries']}:{state['head']}" in text
    # its own words hold, another's do not
    assert verify(agent, f"{state['entries']}:{state['head']}")[0] == 0
    code, state = verify(agent, f"1:{state['head']}")
    assert code == 1 and "entry 1 was another" in state["trouble"]
    for bad in ("7", "x:" + "0" * 64, "1:abc"):
        code, state = verify(agent, bad)
        assert code == 2 and state["whole"] is None and "POSITION:HEAD" in state["trouble"]
    assert agent.run("report", "nonsense").returncode == 2


def entries_at(data):
    """Where each entry begins, and where the last one ends."""
    at = [HEADER]
    while at[-1] < len(data):
        at.append(at[-1] + 40 + int.from_bytes(data[at[-1]:at[-1] + 4], "big"))
    return at


def test_a_changed_entry_is_named(agent):
    record = agent.where / "state" / "record"
    data = bytearray(agent.whole)
    data[entries_at(data)[1] + 50] ^= 1
    record.write_bytes(data)
    code, state = verify(agent)
    assert code == 1 and state["whole"] is False and state["entries"] == 1
    assert "entry 2 at byte" in state["trouble"] and "up to entry 1" in state["trouble"]
    assert "entry 2" in agent.run("report", "verify").stderr


def test_a_record_that_was_cut_or_written_anew_is_found(agent):
    """Both have a chain without a fault; the answers on the disk know better."""
    record = agent.where / "state" / "record"
    record.write_bytes(agent.whole[:entries_at(agent.whole)[1]])
    assert agent.run("report").returncode == 0
    code, state = verify(agent)
    assert code == 1 and "cut off" in state["trouble"], state
    record.write_bytes(forged(agent.whole))
    assert agent.run("report").returncode == 0
    code, state = verify(agent)
    assert code == 1 and "written anew" in state["trouble"], state


def test_a_crash_before_the_record_is_synced_cuts_nothing_off(agent):
    """An answer's block is on the disk, the two entries about it are not yet."""
    record = agent.where / "state" / "record"
    at = entries_at(agent.whole)
    record.write_bytes(agent.whole[:at[-3]])
    code, state = verify(agent)
    assert code == 0 and state["entries"] == len(at) - 3 and state["unread"] == 0, state
    # no crash takes two
    record.write_bytes(agent.whole[:at[-5]])
    code, state = verify(agent)
    assert code == 1 and "cut off" in state["trouble"], state


def forged(data):
    """The same entries, one of them changed, under a chain that fits."""
    import hashlib
    out, chain, at, first = data[:HEADER], hashlib.sha256(data[:HEADER]).digest(), HEADER, True
    while at < len(data):
        n = int.from_bytes(data[at:at + 4], "big")
        body = bytearray(data[at + 40:at + 40 + n])
        if first:
            body[-1] ^= 1
        first = False
        chain = hashlib.sha256(chain + data[at:at + 6] + body).digest()
        out += data[at:at + 8] + chain + body
        at += 40 + n
    return out


def test_what_cannot_be_looked_at_is_no_verdict(agent):
    """Neither whole nor not; and a spool that cannot be read is not an empty one."""
    state = agent.where / "state"
    spool, aside = state / "spool", state / "spool.aside"
    spool.rename(aside)
    try:
        spool.write_text("no directory\n")
        code, told = verify(agent)
        assert code == 2 and told["whole"] is None and "spool" in told["trouble"], told
        run = agent.run("report", "verify")
        assert run.returncode == 2 and "the record could not be checked: " in run.stderr
        spool.unlink()
        spool.mkdir()
        # what is no answer is counted, and holds up nothing
        os.mkfifo(spool / ("1" * 64))
        (spool / ("0" * 64)).symlink_to(aside / "small")
        code, told = verify(agent)
        assert code == 0 and told["marks"] == 0 and told["strange"] == 2, told
    finally:
        if spool.is_dir():
            shutil.rmtree(spool)
        aside.rename(spool)
    record = state / "record"
    # a record that is gone while its answers are there is not whole
    record.unlink()
    code, told = verify(agent)
    assert code == 1 and told["whole"] is False and "record" in told["trouble"], told
    (state / "identity").rename(state / "identity.aside")
    try:
        code, told = verify(agent)
        assert code == 2 and told["whole"] is None, told
    finally:
        (state / "identity.aside").rename(state / "identity")


def test_an_unfinished_entry_is_said(agent):
    record = agent.where / "state" / "record"
    record.write_bytes(agent.whole + b"\0\0\0\x50\0\x01\0\0half")
    code, state = verify(agent)
    assert code == 0 and state["unfinished"] is True


def test_notice_by_syslog(agent, gpg):
    """In one printable line; a syslog that is not there holds up nothing."""
    path = agent.where / "log"
    conf = agent.conf.read_text()
    agent.conf.write_text(conf + f"notice syslog\nnotice_socket {path}\n")
    try:
        doc = document(gpg, agent.where / "data", name="told\u2066 <37>")
        run, _ = agent.once(envelope(gpg, doc))
        assert run.returncode == 0 and "notice_failed" in run.stderr, run.stderr
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(str(path))
            s.settimeout(20)
            doc = document(gpg, agent.where / "data", name="told\u2066 <37>")
            run, _ = agent.once(envelope(gpg, doc))
            assert run.returncode == 0, run.stderr
            line = s.recv(4096).decode()
        assert line.startswith("<37>mig-agent[")
        assert '"told\\u{2066} <37>" signed by ' + gpg.key("alice")[0] in line
        assert line.endswith(" asks file") and line.isprintable()
        agent.conf.write_text(conf + "notice loud\n")
        run = agent.run("-n")
        assert run.returncode == 1 and "none, syslog or desktop" in run.stderr
    finally:
        agent.conf.write_text(conf)
        agent.whole = (agent.where / "state" / "record").read_bytes()


def test_a_damaged_record_takes_no_answer_with_it(agent, gpg):
    """Not at the start that puts it aside, nor at the next."""
    state = agent.where / "state"
    # behind what proves one of them
    first = [x["type"] for x in agent.report()].index("answered")
    data = bytearray(agent.whole)
    data[entries_at(data)[first + 1] + 50] ^= 1
    (state / "record").write_bytes(data)
    before = len(small_answers(state))
    assert before >= 3
    for n in (1, 2):
        run, _ = agent.once(envelope(gpg, document(gpg, agent.where / "data")))
        assert run.returncode == 0, run.stderr
        assert ("record_damaged" in run.stderr) == (n == 1), run.stderr
        assert len(small_answers(state)) == before + n


def small_answers(state):
    data = (state / "spool" / "small").read_bytes()
    return [at for at in range(0, len(data), 4096) if data[at:at + 8] == b"MIGSML1\n"]


def test_notice_on_desktops(request):
    """Runs as who owns the session, and only where the session is his own."""
    # pytest's own directories are closed to other users
    base = tempfile.TemporaryDirectory(prefix="mig-notice-")
    request.addfinalizer(base.cleanup)
    tmp_path = pathlib.Path(base.name)
    tmp_path.chmod(0o755)
    root = os.geteuid() == 0
    me = 64901 if root else os.geteuid()
    dirs = {str(me): me, "0": 0, "64902": 64903 if root else me, "x": me}
    socks = []
    for name, owner in dirs.items():
        d = tmp_path / "run" / name
        d.mkdir(parents=True)
        socks.append(socket.socket(socket.AF_UNIX))
        socks[-1].bind(str(d / "bus"))
        for p in (d, d / "bus"):
            if root:
                os.chown(p, owner, owner)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    say = tmp_path / "say"
    say.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$DBUS_SESSION_BUS_ADDRESS" '
                   f'"$(id -u)" "$(env | wc -l)" > {out}/$(id -u)\n')
    say.chmod(0o755)
    try:
        p = subprocess.run(
            [program("mig-agent-notice"), "a <b>&\" --help", str(tmp_path / "run"), str(say)],
            timeout=60, check=False, env={"HOME": "/root"})
        assert p.returncode == 0
        assert os.listdir(out) == [str(me)]
        lines = (out / str(me)).read_text().splitlines()
        assert lines[1] == "--" and lines[3] == 'a &lt;b&gt;&amp;" --help'
        assert lines[4] == f"unix:path={tmp_path}/run/{me}/bus" and lines[5] == str(me)
    finally:
        for s in socks:
            s.close()
