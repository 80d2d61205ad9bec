# SPDX-License-Identifier: MPL-2.0
"""What `meson install` puts down runs from there: programs in bin and sbin find
those in libexec/mig, and nothing of the build directory is needed."""
import json
import os
import subprocess

import pytest

import miglib

BUILD = miglib.BUILD


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The prefix of an installation below a scratch directory."""
    root = tmp_path_factory.mktemp("install")
    root.chmod(0o755)
    done = subprocess.run(
        ["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet"],
        env={**os.environ, "DESTDIR": str(root)}, capture_output=True,
        text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = list(root.rglob("bin/mig"))
    assert len(found) == 1, found
    return found[0].parent.parent


def run(*argv, **options):
    env = {k: v for k, v in os.environ.items() if k != "MIG_LIBEXEC"}
    return subprocess.run([str(a) for a in argv], capture_output=True,
                          text=True, env=env, timeout=60, check=False,
                          **options)


def test_layout(prefix):
    names = {str(p.relative_to(prefix)) for p in prefix.rglob("*")
             if p.is_file()}
    for name in ("sbin/mig-server", "sbin/mig-agent",
                 "libexec/mig/mig-agent-net", "libexec/mig/mig-agent-verify",
                 "libexec/mig/mig-agent-judge",
                 "lib/systemd/system/mig-agent.service",
                 "lib/systemd/system/mig-server.service",
                 "lib/sysusers.d/mig-agent.conf",
                 "lib/sysusers.d/mig-server.conf", "share/man/man1/mig.1",
                 "share/man/man8/mig-agent.8"):
        assert name in names, sorted(names)


def test_units_name_the_installed_programs(prefix):
    for name in ("mig-agent", "mig-server"):
        text = (prefix / f"lib/systemd/system/{name}.service").read_text()
        line = [x for x in text.splitlines() if x.startswith("ExecStart=")][0]
        program = line.removeprefix("ExecStart=").split()[0]
        assert str(prefix / "sbin" / name).endswith(program), line


def test_local_question(prefix, tmp_path):
    (tmp_path / "needle").write_text("x")
    done = run(prefix / "bin/mig", "file", "-t", "local", "-path", tmp_path,
               "-name", "^needle$")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "needle") in done.stdout


def test_worker_by_hand(prefix, tmp_path):
    worker = next(prefix.rglob("mig-worker"))
    question = {"searches": {"s": {"paths": ["/etc"], "names": ["^passwd$"]}}}
    done = run(worker, "file", input=json.dumps(question))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["foundanything"]


def test_agent_finds_its_roles(prefix, tmp_path):
    conf = tmp_path / "agent.conf"
    conf.write_text(f"state {tmp_path}/state\n")
    agent = prefix / "sbin/mig-agent"
    assert run(agent, "-c", conf, "init").returncode == 0
    done = run(agent, "-c", conf, "check")
    text = done.stdout + done.stderr
    assert "is neither in" not in text, text
    assert str(BUILD) not in text, text


@pytest.mark.parametrize("line", [
    "sbin/mig-server", "sbin/mig-server nonsense", "sbin/mig-server -- -c x",
    "sbin/mig-agent", "sbin/mig-agent nonsense", "bin/mig nonsense",
])
def test_wrong_usage_is_2(prefix, line):
    done = run(prefix / line.split()[0], *line.split()[1:])
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr
