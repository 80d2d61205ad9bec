# SPDX-License-Identifier: MPL-2.0
"""Whoever owns the platform: a real one with real agents, and an attacker who
publishes on the relay's own socket and hears all that agents say."""
import base64
import contextlib
import ctypes
import hashlib
import json
import os
import re
import secrets
import socket
import struct
import threading
import time

import miglib
from fakeagent import FakeAgent, Identity, purpose_hash, rfc3339
from miglib import wait_for
from pgplib import Key, SshKey
from procs import family, kind

# src/action/refusal.h
SIGNATURE, WEIGHT, NOT_TARGETED, TARGET_ERROR = 2, 3, 4, 5
MALFORMED, TOO_EARLY, EXPIRED, TOO_LONG, POLICY_OLD = 1, 6, 7, 8, 9
MODULE, PARAMETERS, REPLAY_FLOOR, CANCELLED = 11, 12, 13, 19
DONE, REFUSED, STOPPED = 1, 2, 3     # src/action/result.h
SEAL = {"public": base64.b64encode(b"\x09" + bytes(31)).decode(), "readers": ["A" * 40],
        "key": "-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----\n"}


def pack(doc, sigs, magic=b"MIG3"):
    """The binary envelope (src/action/envelope.h)."""
    out = magic + bytes([len(sigs), 0, 0, 0]) + struct.pack(">I", len(doc)) + doc
    return out + b"".join(struct.pack(">H", len(s)) + s for s in sigs)


def action_id(doc):
    return purpose_hash("action", doc)


class Owner(FakeAgent):
    """Who holds the relay's own socket, where nothing is asked."""

    def __init__(self, platform):
        super().__init__(Identity(), "owner", {})
        self.path, = [p for p in platform.state.rglob("*") if p.is_socket()]

    def connect(self, subscribe=False, client_id="hostile-owner"):
        self.buf = b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))
        self.packet(0x10, self.field("MQTT") + bytes([4, 2, 0, 0]) + self.field(client_id))
        first, body = self.read_packet()
        assert first == 0x20 and body[1] == 0, body
        return self

    def publish_all(self, topics, payloads):
        """All of them, with each acknowledged by the relay."""
        n = 0
        for payload in payloads:
            for topic in topics:
                self.publish(topic, payload)
                n += 1
        while n > 0:
            n -= self.read_packet()[0] == 0x40


class Tap(Owner):
    """And hears what agents answer: (action, agent) -> (status, reason)."""

    def __init__(self, platform):
        super().__init__(platform)
        self.said, self.answers = {}, {}
        self.parts, self.wanted = {}, set()
        self.sent = self.taken = 0

    def connect(self, subscribe=True, client_id="hostile-tap"):
        super().connect(client_id=client_id)
        assert self.subscribe("mig/1/a/+/out") == [1]
        return self.listen()

    def listen(self):
        self.sock.settimeout(None)
        threading.Thread(target=self.hear, daemon=True).start()
        return self

    def hear(self):
        with contextlib.suppress(OSError, AttributeError):
            while True:
                first, body = self.read_packet()
                self.taken += first == 0x40
                if first >> 4 == 3:
                    self.heard(first, body)

    def payload(self, first, body):
        """Topic and payload; acknowledged."""
        n = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2:2 + n].decode(), body[2 + n:]
        if first & 6:
            self.packet(0x40, rest[:2])
            rest = rest[2:]
        return topic, rest

    def heard(self, first, body):
        topic, rest = self.payload(first, body)
        if rest[:1] in (b"\x11", b"\x13"):        # wants a part of what was announced
            self.wanted.add(rest[1:33].hex())
        if rest[:1] != b"\x10" or len(rest) < 37 or not topic.endswith("/out"):
            return      # also what a hostile agent says
        part, of = struct.unpack(">HH", rest[33:37])
        where = rest[1:33].hex(), topic.split("/")[3]
        got = self.parts.setdefault(where, {})
        got[part] = rest[37:]
        if len(got) == of:
            data = b"".join(got[i] for i in range(of))
            self.answers[where] = data
            self.said.setdefault(where, []).append(struct.unpack(">BH", data[1:4]))

    def tell(self, topic, payload):
        self.sent += 1
        self.publish(topic, payload)

    def wait_wanted(self, what):
        wait_for(f"an agent to want {what[:12]}", lambda: what in self.wanted)

    def settle(self):
        wait_for("the relay to take it all", lambda: self.taken >= self.sent, 180)


class Bait:
    """A directory and a file in it; whoever opens one of them is noticed."""

    OPEN, READ = 0x20, 0x1

    def __init__(self, directory):
        self.dir = directory
        directory.mkdir()
        (directory / "bait").write_text("bait\n")
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in (directory, directory / "bait"):
            assert self.libc.inotify_add_watch(self.fd, bytes(path), self.OPEN | self.READ) > 0

    def touched(self):
        with contextlib.suppress(BlockingIOError):
            return len(os.read(self.fd, 65536)) > 0
        return False

    def close(self):
        os.close(self.fd)


class Taken:
    """The platform as its owner sees it. People: ann and cleo have two keys, ben
    one, sam one of SSH; both keys count for one person. rita is known and may ask
    nothing, mallory is nobody. A question about memory needs two people."""

    NAMES = (("web1", "web"), ("web2", "web"), ("db1", "db"))

    def __init__(self, directory):
        for parent in [directory, *directory.parents]:
            if parent.stat().st_uid == os.getuid() and str(parent) != "/":
                parent.chmod(parent.stat().st_mode | 0o055)
        self.ann, self.spare, self.ben, self.mallory = Key(), Key(), Key(), Key()
        self.cleo, self.second, self.rita = Key(), Key(), Key()
        self.sam = SshKey()
        people = {"ann": self.ann, "ben": self.ben, "cleo": self.cleo, "sam": self.sam}
        more = {"ann": self.spare, "cleo": self.second}
        self.platform = p = miglib.Platform(directory / "platform")
        weights = {k: {"fingerprint": v.fpr.hex(), "weight": 1} for k, v in people.items()}
        weights["alice"] = {"fingerprint": p.fpr.lower(), "weight": 1}
        entry = {"minimumweight": 1, "investigators": weights}
        two = {**entry, "minimumweight": 2}
        p.acl = {"default": entry, "memory": two, "policy": two}
        p.persons = "".join(
            f"person {who.fpr.hex()} {name}\n{who.line()}" +
            (more[name].line() if name in more else "") for name, who in people.items())
        p.persons += f"person {self.rita.fpr.hex()} rita\n{self.rita.line()}"
        self.tree = directory / "tree"
        self.tree.mkdir()
        (self.tree / "passwd").write_text("root:x\n")
        self.bait = Bait(directory / "bait")
        self.ids, self.tap, self.running = {}, None, {}

    def start(self):
        p = self.platform
        p.setup().start().login()
        for name, role in self.NAMES:
            a = p.agent(name, operator="opsec", role=role)
            since(a.dir / "state", int(time.time()) - 3600)
            if name == "db1":       # takes a flood quickly
                a.conf.write_text(a.conf.read_text() + "rate 1000\n")
            a.start()
        p.wait_online(len(self.NAMES))
        rows = p.mig("agents", "--json", check=0).stdout.splitlines()
        self.ids = {r["name"]: r["agent"] for r in map(json.loads, rows) if "agent" in r}
        self.tap = Tap(p).connect()
        self.honest(*self.ids)
        self.running = self.processes()
        return self

    def start_again(self, name):
        """One that was stopped or killed, which the server may not have missed yet."""
        before = len(self.log(name).encode())
        self.platform.agents[name].start()
        wait_for("its return", lambda: "relay_up" in self.log(name, before))
        self.platform.wait_online(len(self.NAMES))

    def honest(self, *names):
        """What ann signed for these agents is run and answered by them."""
        doc = self.document(self.tree, name="an honest question",
                            target="name IN ('%s')" % "', '".join(names))
        action = self.send(doc, self.ann.sign(doc))
        for name in names:
            self.wait_said(action, name, DONE)
        return action

    def stop(self):
        try:
            self.platform.stop()
        finally:
            if self.tap is not None:
                self.tap.close()
            self.bait.close()

    # --- documents --------------------------------------------------------
    def document(self, where=None, **change):
        """Asks for the bait unless where says otherwise. Bytes."""
        now = time.time()
        doc = {"syntaxversion": 3, "nonce": secrets.token_hex(16), "name": "an attack",
               "target": "all", "validfrom": rfc3339(now - 5), "expireafter": rfc3339(now + 600),
               "require": {"weight": 1}, "operations": [self.operation(where)], "seal": SEAL}
        doc.update(change)
        return json.dumps({k: v for k, v in doc.items() if v is not None}).encode()

    def operation(self, where=None):
        return {"module": "file", "parameters": {"searches": {"s1": {
            "paths": [str(where or self.bait.dir)], "names": ["."], "contents": ["."]}}}}

    # --- the wire ---------------------------------------------------------
    def send(self, doc, *sigs, to=None):
        """As an envelope, to all or to one agent's own topic; the id."""
        self.put(pack(doc, sigs), to)
        return action_id(doc)

    def put(self, envelope, to=None):
        topic = f"mig/1/a/{self.ids[to]}/in" if to else "mig/1/all"
        self.tap.tell(topic, b"\x01" + envelope)

    def said(self, action, name):
        return self.tap.said.get((action, self.ids[name]), [])

    def wait_said(self, action, name, status, reason=0):
        return wait_for(f"{name} to say {status}/{reason} to {action[:12]}: "
                        f"{self.platform.agents[name].daemon.tail(6)}",
                        lambda: (status, reason) in self.said(action, name), 40)

    def log(self, name, offset=0):
        text = self.platform.agents[name].daemon.log.read_bytes()
        return text[offset:].decode(errors="replace")

    def processes(self):
        """{pid: role} of agents and server. Without workers, which come and go,
        and what examines actions, which has a time limit on a busy machine."""
        p = self.platform
        roots = [a.daemon.proc.pid for a in p.agents.values()]
        return {pid: k for pid in family([*roots, p.server.proc.pid])
                if (k := kind(pid)) in ("monitor", "net", "mosquitto", "api", "core", "ca")}


def since(state, seconds):
    """An empty journal that begins at that time (src/record/record.h): the
    agent knows of nothing that was signed before."""
    header = b"MIGREC3\n" + struct.pack(">Q", seconds * 1000)
    chain = hashlib.sha256(header).digest()
    data = struct.pack(">Q", seconds)
    head = struct.pack(">IH", len(data), 1)
    entry = head + b"\0\0" + hashlib.sha256(chain + head + data).digest() + data
    (state / "journal").write_bytes(header + entry)
    (state / "journal").chmod(0o600)


def written(path):
    """Bytes of a record file without the room behind its entries."""
    return len(path.read_bytes().rstrip(b"\0"))


def append(path, entries):
    """More entries, (type, data) each, at the end of a record file."""
    whole = path.read_bytes()
    chain, at = hashlib.sha256(whole[:16]).digest(), 16
    while at < len(whole):
        chain = whole[at + 8:at + 40]
        at += 40 + int.from_bytes(whole[at:at + 4], "big")
    with path.open("ab") as f:
        for kind_of, data in entries:
            head = struct.pack(">IH", len(data), kind_of)
            chain = hashlib.sha256(chain + head + data).digest()
            f.write(head + b"\0\0" + chain + data)


class Attack:
    """One attack on one taken platform."""

    def __init__(self, taken):
        self.taken = taken
        self.offset = {n: len(taken.log(n).encode()) for n in taken.ids}
        self.allowed = set()
        self.restarts = False
        taken.bait.touched()

    def honest(self, *names):
        """What ann asks of them (web1) is answered; what they were sent before
        has been looked at."""
        self.taken.tap.settle()
        self.allowed.add(self.taken.honest(*names or ("web1",)))

    def log(self, name):
        return self.taken.log(name, self.offset[name])

    def expect_log(self, name, action, pattern):
        """A line about that action which says so."""
        line = re.compile(rf"action={action[:8]}\S* .*{pattern}")
        wait_for(f"'{pattern}' about {action[:12]} in:\n{self.log(name)}",
                 lambda: line.search(self.log(name)))

    def unverified(self, doc, *sigs, says, name="web1"):
        """Sent to one agent; counted there as what nobody known signed."""
        action = self.taken.send(doc, *sigs, to=name)
        self.expect_log(name, action, f"reason={SIGNATURE} detail=.*{says}")
        assert action not in self.reported(name)
        return action

    def refused(self, doc, *sigs, reason, names=("web1",), says=None):
        """Sent to them; each answers so, signed, and its record has it."""
        for name in names:
            action = self.taken.send(doc, *sigs, to=name)
        for name in names:
            self.taken.wait_said(action, name, REFUSED, reason)
            if says:
                self.expect_log(name, action, says)
            entry = self.reported(name)[action]
            assert entry["accepted"] is False and entry["reason"] == reason, entry
        return action

    def reported(self, name):
        """What the agent's own record says was asked: {action: entry}."""
        run = self.taken.platform.agents[name].run("report", "--json")
        assert run.returncode == 0, run.stderr
        entries = map(json.loads, run.stdout.splitlines())
        return {e["action"]: e for e in entries if e["type"] == "asked"}

    def started(self, name):
        return re.findall(r" accepted action=(\w+)", self.log(name))

    def allow(self, action):
        """This one was honest."""
        self.allowed.add(action)
        return action

    def finish(self):
        """Everything still runs, and nothing of the attack was done."""
        self.honest()
        t = self.taken
        for name in t.ids:
            started = self.started(name)
            assert len(started) == len(set(started)), f"{name} ran one twice"
            for short in started:
                assert any(a.startswith(short) for a in self.allowed), (name, short)
        assert not t.bait.touched(), "the bait was looked at"
        now = t.processes()
        assert self.restarts or now == t.running, "a process was replaced"
        t.running = now
