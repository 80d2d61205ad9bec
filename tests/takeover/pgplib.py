# SPDX-License-Identifier: MPL-2.0
"""OpenPGP signatures byte by byte, so that an attacker can make those that no
gpg makes; and those of SSH."""
import hashlib
import struct
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from fakeagent import purpose

RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
OID = bytes.fromhex("092b06010401da470f01")
CREATED, ISSUER, FINGERPRINT, NOTATION = 2, 16, 33, 20


def mpi(data):
    data = data.lstrip(b"\0")
    bits = len(data) * 8 - (8 - data[0].bit_length()) if data else 0
    return struct.pack(">H", bits) + data


def packet(tag, body):
    n = len(body)
    size = bytes([n]) if n < 192 else bytes([192 + ((n - 192) >> 8), (n - 192) & 255])
    return bytes([0xC0 | tag]) + size + body


def subpacket(kind, data):
    return bytes([len(data) + 1, kind]) + data


class Key:
    """An Ed25519 key of OpenPGP, a day old."""

    def __init__(self, secret=None):
        self.secret = secret or ed25519.Ed25519PrivateKey.generate()
        self.pub = self.secret.public_key().public_bytes(*RAW)
        self.created = int(time.time()) - 86400
        body = (b"\x04" + struct.pack(">I", self.created) + b"\x16" + OID +
                mpi(b"\x40" + self.pub))
        self.fpr = hashlib.sha1(b"\x99" + struct.pack(">H", len(body)) + body).digest()

    def line(self):
        return f"key {self.fpr.hex()} ed25519 {self.created} 0 {self.pub.hex()}\n"

    def hashed(self, when=None, issuer=None):
        return (subpacket(CREATED, struct.pack(">I", int(when or time.time()))) +
                subpacket(FINGERPRINT, b"\x04" + (issuer or self.fpr)))

    def body(self, data, kind=0, hashed=None, unhashed=b""):
        """Of a packet over exactly these bytes."""
        hashed = self.hashed() if hashed is None else hashed
        head = bytes([4, kind, 22, 8]) + struct.pack(">H", len(hashed)) + hashed
        if kind == 1:       # text: line ends are CR LF
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        digest = hashlib.sha256(data + head + b"\x04\xff" +
                                struct.pack(">I", len(head))).digest()
        raw = self.secret.sign(digest)
        return (head + struct.pack(">H", len(unhashed)) + unhashed + digest[:2] +
                mpi(raw[:32]) + mpi(raw[32:]))

    def over(self, data, **how):
        return packet(2, self.body(data, **how))

    def sign(self, doc, word="action", **how):
        return self.over(purpose(word, doc), **how)


def string(data):
    return struct.pack(">I", len(data)) + data


class SshKey:
    def __init__(self):
        self.secret = ed25519.Ed25519PrivateKey.generate()
        self.pub = self.secret.public_key().public_bytes(*RAW)
        self.blob = string(b"ssh-ed25519") + string(self.pub)
        self.fpr = hashlib.sha256(self.blob).digest()[:20]

    def line(self):
        return f"key {self.fpr.hex()} ssh-ed25519 0 0 {self.pub.hex()}\n"

    def over(self, data, space=b"action@mig", reserved=b""):
        rest = string(space) + string(reserved) + string(b"sha512")
        raw = self.secret.sign(b"SSHSIG" + rest + string(hashlib.sha512(data).digest()))
        return (b"SSHSIG" + struct.pack(">I", 1) + string(self.blob) + rest +
                string(string(b"ssh-ed25519") + string(raw)))

    def sign(self, doc, word="action", space=None, **how):
        return self.over(purpose(word, doc), space or word.encode() + b"@mig", **how)
