# SPDX-License-Identifier: MPL-2.0
"""Whoever owns the platform, without one: an HTTPS server that says what a test
tells it to, and agents whose keys the test holds, down to the sealed bytes."""
import base64
import ctypes
import ctypes.util
import hashlib
import json
import struct
import time

from fakeagent import Identity, purpose_hash
from test_client_local import Person, Server

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))
ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd"))
SODIUM.sodium_init()
ZSTD.ZSTD_compressBound.restype = ZSTD.ZSTD_compress.restype = ctypes.c_size_t
PIECE = 65536


def zstd(data):
    """One frame that states its size."""
    n = ZSTD.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(n)
    n = ZSTD.ZSTD_compress(out, ctypes.c_size_t(n), data, ctypes.c_size_t(len(data)), 1)
    return out.raw[:n]


def seal(public, data):
    """src/crypto/seal.h, byte by byte."""
    n = max(1024, len(data))
    if n > 1024:
        e = n.bit_length() - 1
        mask = (1 << (e - e.bit_length())) - 1
        n = (n + mask) & ~mask
    plain = struct.pack(">Q", len(data)) + data + bytes(n - len(data))
    key = ctypes.create_string_buffer(32)
    SODIUM.randombytes_buf(key, ctypes.c_size_t(32))
    box, state, head = (ctypes.create_string_buffer(x) for x in (80, 1024, 24))
    SODIUM.crypto_box_seal(box, key, ctypes.c_ulonglong(32), public)
    SODIUM.crypto_secretstream_xchacha20poly1305_init_push(state, head, key)
    out = box.raw + head.raw
    for at in range(0, len(plain), PIECE):
        piece = plain[at:at + PIECE]
        c = ctypes.create_string_buffer(len(piece) + 17)
        SODIUM.crypto_secretstream_xchacha20poly1305_push(
            state, c, None, piece, ctypes.c_ulonglong(len(piece)), None,
            ctypes.c_ulonglong(0), ctypes.c_ubyte(3 if at + PIECE >= len(plain) else 0))
        out += c.raw
    return out


def field(data):
    return struct.pack(">I", len(data)) + data


FOUND = {"foundanything": True, "success": True, "errors": None, "statistics": {},
         "elements": {"s1": [{"file": "/etc/passwd", "search": {},
                              "fileinfo": {"size": 1, "mode": "-rw-r--r--",
                                           "lastmodified": "2026-01-01"}}]}}


class Liar(Identity):
    """An agent that signs whatever it is told to."""

    def __init__(self, name="web1"):
        super().__init__()
        self.name = name
        self.position, self.head, self.connection = 10, "11" * 32, 1
        self.tags = {"role": "web"}
        self.policy = 1, "00" * 32      # version and hash, of its answers

    def hello(self, **change):
        doc = {"id": self.id, "name": self.name, "version": "0.1.0", "protocol": 1,
               "mode": "daemon", "os": "linux", "arch": "amd64", "ident": "Debian",
               "time": int(time.time() * 1000), "connection": self.connection,
               "environment": {"os": "linux"}, "tags": self.tags, "addresses": [],
               "modules": ["file"], "policy": {"version": 1, "hash": "00" * 32},
               "record": {"position": self.position, "head": self.head},
               "known": [], "interval": 600}
        doc.update(change)
        text = json.dumps(doc).encode()
        return base64.b64encode(b"\x03" + self.pub + self.sign("hello", text) + text).decode()

    def row(self, hello=None, **change):
        """A line of the server's list of agents."""
        return {"id": self.id, "name": self.name, "online": True, "lastseen": 1,
                "hello": hello or self.hello(), **change}

    def plain(self, action, parts, count=None):
        out = b"MIGR" + bytes([3, 0]) + struct.pack(">H", len(parts) if count is None else count)
        out += bytes.fromhex(action) + bytes.fromhex(self.id) + field(self.name.encode())
        for i, (status, data) in enumerate(parts):
            out += struct.pack(">HBB", i, status, 0) + field(data)
        return out

    def answer(self, action, doc, result=None, when=None, packed=None, parts=None):
        """A whole answer; packed: instead of what would be sealed."""
        if parts is None:
            text = result if isinstance(result, bytes) else json.dumps(result or FOUND).encode()
            parts = [(1, text)]
        public = base64.b64decode(doc["seal"]["public"])
        sealed = seal(public, packed if packed is not None else zstd(self.plain(action, parts)))
        return self.header(action, 1, 0, len(parts), sealed, when)

    def refusal(self, action, reason=4, when=None):
        return self.header(action, 2, reason, 0, b"", when)

    def header(self, action, status, reason, parts, sealed, when=None):
        h = struct.pack(">BBH", 3, status, reason)
        h += bytes.fromhex(action) + bytes.fromhex(self.id) + self.pub
        h += struct.pack(">QQ", when or int(time.time() * 1000), self.policy[0])
        h += bytes.fromhex(self.policy[1])
        h += struct.pack(">Q", self.position) + bytes.fromhex(self.head)
        h += struct.pack(">HHI", parts, 0, len(sealed)) + hashlib.sha256(sealed).digest()
        return h + self.sign("result", h) + sealed


class Platform:
    """The hostile server, and an investigator who is logged in to it."""

    def __init__(self, directory, gpg):
        self.server = Server(directory / "tls")
        self.server.replies.update({
            ("POST", "/api/v1/sessions/nonce"): (200, {"nonce": "ab" * 32}),
            ("POST", "/api/v1/sessions"): (201, {"token": "cd" * 32,
                                                 "expires": "2999-01-01T00:00:00Z"}),
            ("GET", "/api/v1/status"): (200, {"version": "1", "relay": "up", "agents": {
                "registered": 1, "online": 1}})})
        home = directory / "home"
        home.mkdir()
        self.person = Person(home, gpg)
        self.person.configure(key=gpg.alice)
        self.mig = self.person.mig
        self.known = home / ".local" / "share" / "mig" / "known"
        self.mig("init", "-server", self.server.url, "-ca", self.server.ca, check=0)
        self.action = self.doc = self.envelope = None

    def listed(self, *rows):
        self.server.replies["GET", "/api/v1/agents"] = (
            200, b"".join(json.dumps(r).encode() + b"\n" for r in rows))

    def agents(self, *rows, check=0, args=("-json",)):
        """mig agents over these lines: its rows and the process."""
        self.listed(*rows)
        p = self.mig("agents", *args, check=check)
        return [json.loads(x) for x in p.stdout.splitlines()] if "-json" in args else None, p

    def answers(self, make, expected=(), **action):
        """Takes every action from now on. make(action id, document) gives
        [(agent id, answer bytes)]; expected: whom the server says it asks."""
        def roster(agent):
            return {"agent": agent.id, "name": agent.name, "state": "answered",
                    "online": True, "lastseen": 1, **getattr(agent, "roster", {})}

        def lines(answers):
            for i, (who, data) in enumerate(answers):
                yield json.dumps({"type": "answer", "cursor": i + 1, "agent": who,
                                  "answer": base64.b64encode(data).decode()}).encode() + b"\n"
            yield json.dumps({"type": "end", "reason": "complete", "expected": len(answers),
                              "answered": len(answers)}).encode() + b"\n"

        def post(body):
            self.envelope = json.loads(body)
            text = self.envelope["document"]
            self.action = purpose_hash("action", text.encode())
            self.doc = json.loads(text)
            base = f"/api/v1/actions/{self.action}"
            replies = self.server.replies
            for path in {base, base[:-52]}:
                replies["GET", path] = (200, {**self.envelope, "id": self.action, **action})
            made = make(self.action, self.doc)
            replies["GET", base + "/results"] = lambda _: (200, b"".join(lines(made)))
            replies["GET", base + "/agents"] = lambda _: (200, b"".join(
                json.dumps(roster(a)).encode() + b"\n" for a in expected))
            return 201, {"id": self.action, "expected": len(made), "online": len(made)}
        self.server.replies["POST", "/api/v1/actions"] = post
        self.server.replies["POST", "/api/v1/targets"] = (200, {
            "count": 1, "online": 1, "agents": []})

    def ask(self, make, *args, expected=(), check=None, words=("-json",), **action):
        """One question; its answers, its summary, and the process."""
        self.answers(make, expected, **action)
        p = self.mig("file", "-path", "/etc", "-name", "^passwd$", *words, *args, check=check)
        lines = [json.loads(x) for x in p.stdout.splitlines()] if "-json" in words else [None]
        return lines[:-1], lines[-1], p

    def stop(self):
        self.server.stop()
