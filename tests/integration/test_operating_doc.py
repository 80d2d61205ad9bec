# SPDX-License-Identifier: MPL-2.0
"""doc/operating.md: every command, key, metric and file in it is real."""
import json
import re
import shlex
import subprocess

import pytest

from miglib import ROOT, program
from test_operating import (Operated, make_people,  # noqa: F401
                            make_server, parse_metrics)

TEXT = (ROOT / "doc" / "operating.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def of(name):
    return [c for c in COMMANDS if c.split()[0] == name]


def test_there_is_something_to_check():
    assert len(of("mig-server")) > 10 and of("mig-agent")


@pytest.mark.parametrize("line", sorted({
    c for c in COMMANDS if c.split()[0] in ("mig-server", "mig-agent")}))
def test_commands_have_these_words_and_options(line):
    words = shlex.split(line.split("|")[0])
    text = subprocess.run([program(words[0]), "--help"], capture_output=True,
                          text=True, check=True).stdout
    if words[1] == "init":
        text += subprocess.run([program(words[0]), "init"], check=False,
                               capture_output=True, text=True).stderr
    assert re.search(rf"(?m)^  {words[1]}\b", text), line
    for word in words[2:]:
        if word.startswith("--"):
            assert word in text, (line, word)


@pytest.mark.parametrize("name", ["mig-server", "mig-agent"])
def test_commands_explain_themselves(name):
    """Each one that --help names, to who looks for it there."""
    run = [program(name)]
    text = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"(?m)^  ([a-z]+)(?: |$)", text))
    assert {"init", "run", "token" if name == "mig-server" else "report"} <= commands
    assert subprocess.run([*run, "help"], capture_output=True, text=True, check=True).stdout == text
    for command in commands:
        p = subprocess.run([*run, command, "--help"], capture_output=True, text=True, check=False)
        assert p.returncode == 0 and p.stderr == "", (command, p.stderr)
        usage, says = p.stdout.split("\n\n", 1)
        assert usage.startswith(f"usage: {name} [-c FILE] {command}") and says, command
        again = subprocess.run([*run, "help", command], capture_output=True, text=True, check=True).stdout
        assert again == p.stdout
        # who gets it wrong is told the same
        p = subprocess.run([*run, command, "--wrong", "x", "y"], capture_output=True, text=True, check=False)
        assert p.returncode == 2 and (usage in p.stderr or command == "run" or name == "mig-agent"), (command, p.stderr)


@pytest.mark.parametrize("words", ["run --once {f}", "init --policy {f}", "policy --json {f}", "report --force",
                                   "enrol https://localhost --ca 00 --token 00 --force", "check --since 1h"])
def test_an_option_of_another_command_is_not_ignored(tmp_path, words):
    conf = tmp_path / "conf"
    conf.write_text(f"state {tmp_path}/state\n")
    words = words.format(f=tmp_path / "none").split()
    p = subprocess.run([program("mig-agent"), "-c", conf, *words], capture_output=True, text=True, check=False,
                       timeout=20)
    option = next(w for w in words[::-1] if w.startswith("--"))
    assert p.returncode == 2 and f"{words[0]} takes no {option}\nusage: mig-agent {words[0]}" in p.stderr, p.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("words, says", [
    ("mig-agent enroll https://localhost", "mig-agent: unknown command 'enroll', did you mean 'enrol'?\n"),
    ("mig-agent help chek", "unknown command 'chek', did you mean 'check'?\n"),
    ("mig-agent start", "mig-agent: unknown command 'start'; see mig-agent --help\n"),
    ("mig-server investigators list", "mig-server: no command 'investigators', did you mean 'investigator'?\n"),
    ("mig-server help tokne", "mig-server: no command 'tokne', did you mean 'token'?\n"),
    ("mig-server reload", "mig-server: no command 'reload': mig-server --help lists them\n"),
    ("mig-server token -use 0", "mig-server: --uses 0: expected a number"),
    ("mig-server token -usse 1", "mig-server: token: unrecognized option '-usse'\nusage: mig-server [-c FILE] token"),
])
def test_what_people_mistype(words, says):
    name, *rest = words.split()
    p = subprocess.run([program(name), *rest], capture_output=True, text=True, check=False)
    assert p.returncode == 2 and p.stdout == "" and says in p.stderr, p.stderr


def test_one_dash_does(server, tmp_path):
    """As it does for mig."""
    assert "uses    7\n" in server.command("token", "-uses", "7", "-expires=1h").stdout
    assert json.loads(server.command("check", "-json", code=1).stdout)["checks"]
    server.command("backup", str(tmp_path / "mig.tar"))
    assert "good" in server.command("backup", "-verify", str(tmp_path / "mig.tar")).stdout
    server.command("prune", "-dry-run", "-results", "30d")
    server.command("renew", "-ca")
    conf = tmp_path / "agent.conf"
    conf.write_text(f"state {tmp_path}/agent\n")
    for words, says in (("enrol https://localhost:1 -ca 00 -token 00 -c {}", "--ca: not a SHA-256"),
                        ("-c {} -nv", "state "), ("-nv -c{}", "state "), ("report -since soon -c {}", "--since soon"),
                        ("check -force -c {}", "takes no --force")):
        p = subprocess.run([program("mig-agent"), *words.format(conf).split()], capture_output=True, text=True,
                           check=False)
        assert says in p.stdout + p.stderr, (words, p.stdout, p.stderr)


def test_what_cannot_be_printed_is_no_success(server):
    with open("/dev/full", "w") as full:
        for command in ("status", "token", "--help", "-nv"):
            p = subprocess.run([program("mig-server"), *(["-c", str(server.conf)] if command != "--help" else []),
                                command], stdout=full,
                               stderr=subprocess.PIPE, text=True, check=False)
            assert p.returncode == 1 and "No space left" in p.stderr, (command, p.stderr)


def test_commands_run(server, tmp_path, monkeypatch):
    """The server's own, in the order of the document."""
    monkeypatch.chdir(tmp_path)
    server.start()
    done = set()
    for line in of("mig-server"):
        words = shlex.split(line.split("|")[0])
        if words[1] in ("init", "restore") or words[1] == "backup" and \
                words[-1] == "-":
            continue
        words = [str(tmp_path / "mig.tar") if w.endswith("mig.tar") else w
                 for w in words]
        # a warning of check: there is no policy here
        server.command(*words[1:], code=1 if words[1] == "check" else 0)
        done.add(words[1])
    assert {"check", "token", "backup", "prune", "renew", "-n"} <= done


def test_keys_are_in_the_configuration(server):
    keys = set(re.findall(r"(?m)^([a-z_]+) ", server.conf.read_text()))
    for key in ("keep_results", "keep_actions", "store_max", "disk_reserve",
                "metrics_open", "agent_certificate", "relay_name", "name",
                "connections"):
        assert f"`{key}" in TEXT and key in keys, key


def test_metrics_exist(server):
    configured = server.conf.read_text().replace("metrics_open no",
                                                 "metrics_open yes")
    server.conf.write_text(configured)
    server.start()
    names = {re.sub(r"\{.*", "", k) for k in parse_metrics(
        server.https().raw("GET", "/metrics")[2].decode())}
    said = set(re.findall(r"mig_[a-z_]+[a-z]", TEXT))
    assert len(said) > 8 and said <= names, said - names
    assert Operated


def test_files_exist():
    for path in re.findall(r"`((?:etc|doc)/[\w./-]+)`", TEXT) + \
            re.findall(r"\b(doc/[\w./-]+\.md|doc/adr/\d+)", TEXT):
        found = list(ROOT.glob(path + "*"))
        assert found, path
