# SPDX-License-Identifier: MPL-2.0
"""An agent of Python's own: its keys, documents and MQTT, byte by byte from
doc/protocol.md, so that server and agent are not tested by one another's
mistakes. It runs nothing: what it answers, the test decides.
"""
import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import struct
import tempfile
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def purpose(word, data):
    """What is signed: prefix, decimal length, the bytes."""
    return b"MIG %s v3\n%d\n" % (word.encode(), len(data)) + data


def purpose_hash(word, data):
    return hashlib.sha256(purpose(word, data)).hexdigest()


def rfc3339(t=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


class Https:
    """One request a call; the reply is (status, headers, parsed body)."""

    def __init__(self, port, ca_file, host="localhost"):
        self.port = port
        self.host = host
        self.context = ssl.create_default_context(cafile=ca_file)
        self.token = None

    def connect(self, timeout=20):
        return http.client.HTTPSConnection(self.host, self.port,
                                           context=self.context,
                                           timeout=timeout)

    def headers(self, extra=None):
        h = dict(extra or {})
        if self.token and "Authorization" not in h:
            h["Authorization"] = "Bearer " + self.token
        return h

    def raw(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c = self.connect()
        try:
            c.request(method, "/api/v1" + path, body, self.headers(headers))
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def call(self, method, path, body=None, headers=None):
        status, _, data = self.raw(method, path, body, headers)
        return status, json.loads(data)

    def lines(self, path):
        """NDJSON as it comes."""
        c = self.connect()
        try:
            c.request("GET", "/api/v1" + path, headers=self.headers())
            r = c.getresponse()
            assert r.status == 200, (r.status, r.read())
            for line in r:
                yield json.loads(line)
        finally:
            c.close()


class Identity:
    def __init__(self, seed=None):
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.pub = self.key.public_key().public_bytes(*RAW)
        self.id = hashlib.sha256(self.pub).hexdigest()
        self.tls = ec.generate_private_key(ec.SECP256R1())
        self.spki = self.tls.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, word, data):
        return self.key.sign(purpose(word, data))

    def enrol_request(self, token, host, **change):
        doc = {"syntaxversion": 3, "nonce": os.urandom(32).hex(),
               "token_sha256": hashlib.sha256(bytes.fromhex(token))
               .hexdigest(), "tls_spki": base64.b64encode(self.spki).decode(),
               "name": host, "time": rfc3339()}
        doc.update(change)
        text = json.dumps(doc)
        return {"document": text, "identity": self.pub.hex(), "token": token,
                "signature": self.sign("enrol", text.encode()).hex()}


class FakeAgent:
    """Enrolled and connected to the relay."""

    def __init__(self, identity, name, enrolled, tags=None):
        self.who = identity
        self.name = name
        self.tags = tags or {}
        self.enrolled = enrolled
        self.connection = 0
        self.sock = None
        self.buf = b""
        self.mid = 0

    # --- MQTT 3.1.1 -------------------------------------------------------
    def context(self):
        key = self.who.tls.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())
        ctx = ssl.create_default_context(cadata=self.enrolled["ca"])
        with tempfile.NamedTemporaryFile() as f:
            f.write(key + self.enrolled["certificate"].encode())
            f.flush()
            ctx.load_cert_chain(f.name)
        return ctx

    @staticmethod
    def field(data):
        if isinstance(data, str):
            data = data.encode()
        return struct.pack(">H", len(data)) + data

    def packet(self, kind, body):
        n, size = len(body), b""
        while True:
            size += bytes([n % 128 | (128 if n > 127 else 0)])
            n //= 128
            if n == 0:
                break
        self.sock.sendall(bytes([kind]) + size + body)

    def read(self, n):
        while len(self.buf) < n:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the relay closed the connection")
            self.buf += data
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def read_packet(self):
        kind = self.read(1)[0]
        n = shift = 0
        while True:
            b = self.read(1)[0]
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                break
        return kind, self.read(n)

    def topic(self, leaf, agent=None):
        return f"mig/1/a/{agent or self.who.id}/{leaf}"

    def presence(self, online):
        return struct.pack(">BQ", online, self.connection)

    def connect(self, subscribe=True, client_id="any"):
        host, port = self.enrolled["relay"].rsplit(":", 1)
        self.connection += 1
        self.buf = b""
        raw = socket.create_connection((host, int(port)), 10)
        self.sock = self.context().wrap_socket(raw, server_hostname=host)
        will = self.field(self.topic("presence")) + self.field(
            self.presence(0))
        self.packet(0x10, self.field("MQTT") + bytes([4, 2 | 4 | 8, 0, 60]) +
                    self.field(client_id) + will)
        kind, body = self.read_packet()
        assert kind == 0x20 and body[1] == 0, body
        if subscribe:
            assert self.subscribe("mig/1/all", self.topic("in")) == [1, 1]
        return self

    def subscribe(self, *topics):
        self.mid += 1
        self.packet(0x82, struct.pack(">H", self.mid) + b"".join(
            self.field(t) + b"\x01" for t in topics))
        while True:
            kind, body = self.read_packet()
            if kind == 0x90:
                return list(body[2:])

    def publish(self, topic, payload, qos=1):
        self.mid = self.mid % 65000 + 1
        mid = struct.pack(">H", self.mid) if qos else b""
        self.packet(0x30 | qos << 1, self.field(topic) + mid + payload)

    def receive(self, seconds=10):
        """The next message to this agent: (topic, payload)."""
        self.sock.settimeout(seconds)
        while True:
            kind, body = self.read_packet()
            if kind >> 4 != 3:
                continue
            n = struct.unpack(">H", body[:2])[0]
            topic, rest = body[2:2 + n].decode(), body[2 + n:]
            if kind & 6:
                self.packet(0x40, rest[:2])
                rest = rest[2:]
            return topic, rest

    def expect(self, kind, seconds=10):
        """The next message of this type; others are skipped."""
        end = time.monotonic() + seconds
        while True:
            topic, payload = self.receive(max(0.1, end - time.monotonic()))
            if payload[0] == kind:
                return topic, payload

    def close(self, graceful=False):
        if self.sock is not None:
            if graceful:
                self.packet(0xE0, b"")
            self.sock.close()
            self.sock = None

    # --- what agents say --------------------------------------------------
    def hello_bytes(self, known=(), **change):
        doc = {"id": self.who.id, "name": self.name, "version": "0.1.0",
               "protocol": 2, "mode": "daemon", "os": "linux",
               "arch": "amd64", "ident": "Debian", "time":
               int(time.time() * 1000), "connection": self.connection,
               "environment": {"os": "linux"}, "tags": self.tags,
               "addresses": ["10.0.0.1/24"], "modules": ["file"],
               "policy": {"version": 1, "hash": "00" * 32},
               "record": {"position": 0, "head": "00" * 32},
               "known": list(known), "interval": 600}
        doc.update(change)
        text = json.dumps(doc).encode()
        return b"\x03" + self.who.pub + self.who.sign("hello", text) + text

    def hello(self, **kw):
        self.publish(self.topic("presence"), self.presence(1))
        self.publish(self.topic("hello"), self.hello_bytes(**kw), 0)
        return self

    def answer_bytes(self, action, status=2, reason=4, sealed=b"",
                     operations=0, when=None, agent=None):
        h = struct.pack(">BBH", 3, status, reason)
        h += bytes.fromhex(action) + bytes.fromhex(agent or self.who.id)
        h += self.who.pub
        h += struct.pack(">QQ", when or int(time.time() * 1000), 1)
        h += bytes(32) + struct.pack(">Q", 0) + bytes(32)
        h += struct.pack(">HHI", operations, 0, len(sealed))
        h += hashlib.sha256(sealed).digest()
        return h + self.who.sign("result", h) + sealed

    def send_part(self, action, part, of, data):
        self.publish(self.topic("out"), b"\x10" + bytes.fromhex(action) +
                     struct.pack(">HH", part, of) + data)

    def answer(self, action, data=None, turns=1, **kw):
        """turns: how often each part is said, as agents do, until it is acknowledged."""
        data = data or self.answer_bytes(action, **kw)
        parts = [data[:16384]]
        parts += [data[i:i + 122880] for i in range(16384, len(data), 122880)]
        for i, part in enumerate(parts):
            for turn in range(turns):
                self.send_part(action, i, len(parts), part)
                try:
                    self.ack(action, i, 10 / turns)
                    break
                except TimeoutError:
                    if turn == turns - 1:
                        raise
        return data

    def ack(self, action, part, seconds=10):
        """Waits for this part's acknowledgement; True when all is stored."""
        while True:
            _, m = self.expect(4, seconds)
            if m[1:33].hex() == action and m[33:35] == struct.pack(">H",
                                                                   part):
                return m[37] == 1
