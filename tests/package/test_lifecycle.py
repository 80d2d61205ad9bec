# SPDX-License-Identifier: MPL-2.0
"""One machine's life with the packages, in the order of this file: installed,
set up as README.md says, used, crashed, upgraded in the middle of work, set
back, removed, installed again, purged. Platform, endpoint and investigator are
all on it."""
import bz2
import contextlib
import gzip
import json
import lzma
import os
import pathlib
import re
import signal
import stat
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from spoollib import spooled  # noqa: E402
from machine import OUT, Machine, leftovers, packages, raised, wait_for  # noqa: E402

SERVICES = ("mig-agent", "mig-server")
NEXT = "99.1~test"
STATE = "/var/lib/mig-agent"


@pytest.fixture(scope="module")
def machine():
    m = Machine(OUT / "test" / "machine")
    try:
        yield m.start()
    finally:
        m.stop()


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    """The same packages with a later version."""
    folder = tmp_path_factory.mktemp("later")
    return [raised(deb, NEXT, folder) for deb in packages()]


def main_pid(machine, name):
    return int(machine.property(name, "MainPID"))


def active(machine, name):
    return machine.property(name, "ActiveState") == "active"


def wait_active(machine, name):
    try:
        wait_for(f"{name} to be active", lambda: active(machine, name), 90)
    except AssertionError:
        print(machine.journal(name))
        raise


def ask(machine, *words, target="all"):
    done = machine.run(["mig", "file", "-t", target, "-json", *words],
                       check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return done, answers


def processes(machine):
    """{id as seen from here: name} of what runs in it."""
    space = os.readlink(f"/proc/{machine.pid}/ns/pid")
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "ns" / "pid") == space:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = os.path.basename(words[0].decode())
    return found


def working(machine):
    return {pid for pid, name in processes(machine).items()
            if name == "mig-worker"}


def looking_at(machine, path):
    """Workers that have the file open: the others wait for an order."""
    def has(pid):
        try:
            return any(os.readlink(fd).endswith(path) for fd in
                       pathlib.Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return False
    return {pid for pid in working(machine) if has(pid)}


def answers_kept(machine):
    return sorted(spooled(machine.path(STATE + "/spool")))


def test_install(machine):
    before = leftovers(machine.root)
    assert before == []
    machine.run("systemctl mask mosquitto")
    machine.apt("install", *machine.put(packages()))
    states = machine.run("dpkg-query -W -f '${Package} ${db:Status-Status}\n'"
                         " 'mig*'").stdout
    for name in ("mig", "mig-server", "mig-agent", "mig-worker"):
        assert f"{name} installed" in states, states


def test_nothing_is_started_or_enabled(machine):
    for name in SERVICES:
        assert not active(machine, name)
        state = machine.run(["systemctl", "is-enabled", name],
                            check=False).stdout.strip()
        assert state == "disabled", (name, state)
    # by hand it does not fail either, before it is set up
    machine.run("systemctl start mig-agent mig-server")
    for name in SERVICES:
        assert machine.property(name, "ConditionResult") == "no"
        assert not active(machine, name)


def test_users_and_configuration(machine):
    passwd = machine.path("/etc/passwd").read_text()
    for name in SERVICES:
        row = re.search(rf"^{name}:x:(\d+):.*:([^:\n]*)$", passwd, re.M)
        assert row and 0 < int(row.group(1)) < 1000, passwd
        assert row.group(2) == "/usr/sbin/nologin", row.group(0)
    assert machine.run("mig-agent -n").returncode == 0
    assert re.search(r"^net_user\s+mig-agent$",
                     machine.run("mig-agent -nv").stdout, re.M)


def test_units_are_valid_and_closed(machine):
    for name in SERVICES:
        done = machine.run(["systemd-analyze", "verify", "--man=no",
                            f"/lib/systemd/system/{name}.service"])
        assert done.stderr == "", done.stderr
    # 10 is a service without any protection, 0 one that can do nothing
    for name, most in (("mig-server", 30), ("mig-agent", 50)):
        machine.run(["systemd-analyze", "security", "--no-pager",
                     f"--threshold={most}", "--offline=yes",
                     f"/lib/systemd/system/{name}.service"])


def test_check_names_what_is_missing(machine):
    done = machine.run("mig-agent check", check=False)
    assert done.returncode == 1
    assert "mig-agent enrol" in done.stdout + done.stderr


def test_set_up_as_the_readme_says(machine):
    """Investigator, server, endpoint, and a first question."""
    machine.run("gpg --batch --passphrase '' --quick-generate-key"
                " 'An Investigator <one@example.org>' ed25519 sign,cert never")
    listed = machine.run("gpg --with-colons --list-keys").stdout
    key = re.search(r"^fpr:+([0-9A-F]{40}):", listed, re.M).group(1)
    machine.run(f"gpg --batch --passphrase '' --quick-add-key {key} cv25519"
                " encr never")
    machine.run(f"cd /root && mig keyring add {key} &&"
                " mig keyring export >keyring &&"
                " mig policy make --keyring keyring -o policy")
    text = machine.run("cd /root && mig-server init --name localhost"
                       " --policy policy --investigator keyring").stdout
    ca = re.search(r"CA fingerprint ([0-9a-f]{64})", text).group(1)
    assert "\n  systemctl enable --now mig-server\n" in text
    machine.run("systemctl enable --now mig-server")
    token = re.search(r"--token (\S+)",
                      machine.run("mig-server token").stdout).group(1)
    machine.run(f"mig-agent enrol https://localhost:8443 --ca {ca}"
                f" --token {token} --policy /root/policy")
    machine.run("systemctl enable --now mig-agent")
    machine.run(f"mig init --server https://localhost:8443 --ca {ca}"
                f" --key {key}")
    assert machine.run("mig-agent check").returncode == 0
    wait_for("the agent online", lambda: '"online":1' in machine.run(
        "mig status --json").stdout.replace(" ", ""))


def test_state_is_private(machine):
    for path, mode in ((STATE, 0o700), ("/var/lib/mig-server/ca", 0o700),
                       ("/var/lib/mig-server/db", 0o700),
                       (STATE + "/identity", 0o600),
                       ("/var/lib/mig-server/ca/ca.key", 0o600)):
        found = machine.path(path).stat()
        assert stat.S_IMODE(found.st_mode) & 0o777 == mode, (path, found)
    user = machine.run("id -u mig-server").stdout.strip()
    assert str(machine.path("/var/lib/mig-server/db").stat().st_uid) == user


def test_roles_have_no_rights(machine):
    """What the units grant, the roles have given up."""
    user = machine.run("id -u mig-agent").stdout.strip()
    for role in ("net", "verify", "judge"):
        pids = [pid for pid, name in processes(machine).items()
                if name == f"mig-agent-{role}"]
        assert len(pids) == 1, processes(machine)
        status = pathlib.Path(f"/proc/{pids[0]}/status").read_text()
        assert re.search(rf"^Uid:\s+{user}\s+{user}\s", status, re.M), status
        assert re.search(r"^CapEff:\s+0+$", status, re.M), status
        assert re.search(r"^Seccomp:\s+2$", status, re.M), status


def test_sees_through_the_units_sandbox(machine):
    """Files of root alone, and others' homes."""
    machine.run("mkdir -m 700 /home/someone && echo needle >/home/someone/f"
                " && chown -R 1234:1234 /home/someone")
    done, answers = ask(machine, "-path", "/etc", "-name", "^shadow$",
                        "-content", "^root")
    assert done.returncode == 0, (done, machine.journal("mig-agent"))
    assert "/etc/shadow" in done.stdout, answers
    done, answers = ask(machine, "-path", "/home", "-name", "^f$",
                        "-content", "needle")
    assert done.returncode == 0, (done, answers)
    assert "/home/someone/f" in done.stdout


def test_what_the_worker_loads_is_there(machine):
    """Each library that is a dependency by our rule only."""
    folder = machine.path("/opt/data")
    folder.mkdir()
    text = b"a needle here\n" * 100
    for name, data in (("gz", gzip.compress(text)), ("bz2", bz2.compress(text)),
                       ("xz", lzma.compress(text)),
                       ("zst", subprocess.run(["zstd", "-qc"], input=text,
                                              capture_output=True,
                                              check=True).stdout)):
        (folder / f"f.{name}").write_bytes(data)
    done, answers = ask(machine, "-path", "/opt/data", "-name", r"^f\.",
                        "-content", r"a (needle|pin) h[a-z]+e$",
                        "-decompress", "-returnsha256")
    assert done.returncode == 0, (done, answers)
    for name in ("gz", "bz2", "xz", "zst"):
        assert f"/opt/data/f.{name}" in done.stdout, done.stdout
    # a pattern that needs the other engine
    done, answers = ask(machine, "-path", "/opt/data", "-name", r"^f\.",
                        "-content", r"\bneedle\b", "-decompress")
    assert done.returncode == 0, (done, answers)


def test_a_crash_is_followed_by_a_start(machine):
    for name in SERVICES:
        first = main_pid(machine, name)
        machine.run(f"kill -KILL {first}")
        wait_for(f"another {name}", lambda n=name, f=first: main_pid(
            machine, n) not in (0, f) and active(machine, n), 90)
    done, answers = ask(machine, "-path", "/etc", "-name", "^passwd$")
    assert done.returncode == 0, (done, answers)


def test_logs_in_files_are_rotated(machine):
    """By what the packages bring, when the units write to files."""
    for name in SERVICES:
        folder = f"/etc/systemd/system/{name}.service.d"
        machine.run(f"mkdir -p {folder} && printf '[Service]\\n"
                    f"StandardError=append:/var/log/{name}.log\\n'"
                    f" >{folder}/log.conf")
    machine.run("systemctl daemon-reload"
                " && systemctl restart mig-server mig-agent")
    logs = {name: machine.path(f"/var/log/{name}.log") for name in SERVICES}
    pids = {name: main_pid(machine, name) for name in SERVICES}
    for name, log in logs.items():
        wait_for(f"lines of {name}", lambda f=log: f.exists() and
                 f.stat().st_size > 0)
        machine.run(f"logrotate --force /etc/logrotate.d/{name}")
        assert log.with_name(log.name + ".1").stat().st_size > 0
    wait_for("the relay", lambda: '"online":1' in machine.run(
        "mig status --json").stdout.replace(" ", ""))
    machine.run("systemctl reload mig-server")
    wait_for("a line after it", lambda: b"reload" in
             logs["mig-server"].read_bytes())
    ask(machine, "-path", "/etc", "-name", "^passwd$")
    wait_for("lines of the agent", lambda: b"answered" in
             logs["mig-agent"].read_bytes())
    for name, log in logs.items():
        assert b"\0" not in log.read_bytes()
        assert main_pid(machine, name) == pids[name]
        machine.run(f"rm -r /etc/systemd/system/{name}.service.d")
    machine.run("systemctl daemon-reload"
                " && systemctl restart mig-server mig-agent")


def begin_question(machine, number):
    """A question whose worker is stopped in the middle: (client, worker)."""
    machine.run("mkdir -p /opt/large && truncate -s 4G /opt/large/f")
    before = looking_at(machine, "/opt/large/f")
    client = machine.begin(
        ["mig", "file", "-t", "all", "-n", f"question {number}", "-path",
         "/opt/large", "-name", "^f$", "-returnsha256"])
    worker = min(wait_for("its worker", lambda: looking_at(
        machine, "/opt/large/f") - before))
    os.kill(worker, signal.SIGSTOP)
    return client, worker


def result(machine, number):
    """The lines of `mig results` for a question, by its name."""
    rows = json.loads(machine.run("mig actions --json").stdout)
    rows = rows if isinstance(rows, list) else rows["actions"]
    found = [row for row in rows if row["name"] == f"question {number}"]
    assert len(found) == 1, rows
    return machine.run(["mig", "results", found[0]["id"]], check=False)


def test_upgrade_in_the_middle_of_work(machine, later):
    """An answer that could not be delivered and a question that is being
    looked at: both survive, once."""
    names = machine.put(later)
    machine.run(["dpkg", "--unpack", *names])
    old = main_pid(machine, "mig-agent")
    clients, workers = zip(*(begin_question(machine, n) for n in (1, 2)))
    machine.run("systemctl stop mig-server"
                " && systemctl mask --runtime mig-server")
    for client in clients:
        client.kill()
        client.wait()
    kept = answers_kept(machine)
    os.kill(workers[0], signal.SIGCONT)
    wait_for("the first answer on the disk",
             lambda: len(answers_kept(machine)) == len(kept) + 1, 180)

    upgrade = machine.begin("dpkg --configure -a")
    wait_for("the old agent to be told to end", lambda: machine.property(
        "mig-agent", "ActiveState") == "deactivating", 120)
    os.kill(workers[1], signal.SIGCONT)
    text, _ = upgrade.communicate(timeout=300)
    assert upgrade.returncode == 0, text
    assert len(answers_kept(machine)) == len(kept) + 2, \
        machine.journal("mig-agent")
    wait_active(machine, "mig-agent")
    assert main_pid(machine, "mig-agent") != old

    machine.run("systemctl unmask --runtime mig-server"
                " && systemctl start mig-server")
    wait_for("the server", lambda: machine.run(
        "mig status", check=False).returncode == 0)
    for number in (1, 2):
        done = wait_for(f"answer {number}", lambda n=number: (
            lambda d: d if d.returncode == 0 else None)(result(machine, n)))
        assert "/opt/large/f" in done.stdout
    record = machine.run("mig-agent report").stdout
    for number in (1, 2):
        assert record.count(f"question {number}") >= 1, record
    assert machine.run("mig-agent check").returncode == 0


def test_upgrade_keeps_what_was_configured(machine, later):
    """A conffile that was changed stays; both services run as before."""
    conf = machine.path("/etc/mig/agent.conf")
    conf.write_text(conf.read_text() + "tag role web\n")
    machine.run(["dpkg", "--force-confold", "-i", *machine.put(later)])
    assert "tag role web" in conf.read_text()
    for name in SERVICES:
        wait_active(machine, name)
    done = wait_for("the new tag", lambda: (
        lambda d: d[0] if d[0].returncode == 0 else None)(ask(
            machine, "-path", "/etc", "-name", "^passwd$",
            target="tags->>'role'='web'")))
    assert "/etc/passwd" in done.stdout


def test_going_back_is_said(machine):
    done = machine.run(["dpkg", "--force-confold", "-i",
                        *machine.put(packages())])
    for name in SERVICES:
        assert f"{name}: going back from {NEXT}" in done.stderr, done.stderr
        wait_active(machine, name)


def test_remove_keeps_the_state(machine):
    machine.apt("remove", "mig-agent", "mig-server")
    left = [name for name in processes(machine).values()
            if name.startswith(("mig-", "mosquitto"))]
    assert left == []
    assert machine.path(STATE + "/identity").exists()
    assert machine.path("/etc/mig/agent.conf").exists()
    assert machine.path("/var/lib/mig-server/ca/ca.key").exists()


def test_install_again_goes_on(machine):
    machine.apt("install", *machine.put(packages()))
    for name in SERVICES:
        wait_active(machine, name)
    done, answers = ask(machine, "-path", "/etc", "-name", "^passwd$")
    assert done.returncode == 0, (done, answers)


def test_purge_leaves_nothing(machine):
    done = machine.apt("purge", "mig", "mig-agent", "mig-server",
                       "mig-worker", "mig-common")
    assert "mig-server: removing its certificate authority" in done.stdout
    assert "mig-agent: removing its identity" in done.stdout
    assert leftovers(machine.root) == []
    for name in SERVICES:
        state = machine.property(name, "LoadState")
        assert state == "not-found", state
