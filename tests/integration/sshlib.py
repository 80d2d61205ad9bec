# SPDX-License-Identifier: MPL-2.0
"""SSH keys for tests: a real ssh-agent with keys of ssh-keygen, on disk or in a
security key of software (softkey.c), and an agent made here that misbehaves."""
import base64
import contextlib
import hashlib
import os
import pathlib
import secrets
import signal
import socket
import struct
import subprocess
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from miglib import BUILD, wait_for

SK = b"sk-ssh-ed25519@openssh.com"
SOFTKEY = BUILD / "tests" / "integration" / "libsoftkey.so"
FAILURE, LIST, KEYS, SIGN, SIGNED = b"\x05", 11, b"\x0c", 13, b"\x0e"


def field(data):
    return struct.pack(">I", len(data)) + data


def fields(data):
    out = []
    while len(data) >= 4:
        n = struct.unpack(">I", data[:4])[0]
        out.append(data[4:4 + n])
        data = data[4 + n:]
    return out


def name_of(public):
    """The 20 bytes in hexadecimal that MIG names an SSH key by."""
    blob = base64.b64decode(pathlib.Path(public).read_text().split()[1])
    return hashlib.sha256(blob).hexdigest()[:40]


def fingerprint(public):
    out = subprocess.run(["ssh-keygen", "-lf", public], check=True,
                         capture_output=True, text=True).stdout
    return out.split()[1]


class SshAgent:
    """The real one; its options and environment."""

    def __init__(self, directory, *args, **env):
        self.dir = pathlib.Path(directory)
        # short: a socket's path must fit
        self.sock = f"/tmp/mig-ssh-{os.getpid()}-{secrets.token_hex(4)}"
        self.env = {**os.environ, "SSH_AUTH_SOCK": self.sock, **env}
        self.proc = subprocess.Popen(["ssh-agent", "-D", "-a", self.sock, *args],
                                     env=self.env, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        wait_for("ssh-agent", lambda: subprocess.run(
            ["ssh-add", "-l"], env=self.env, check=False,
            capture_output=True).returncode != 2)

    def make(self, name, *options, kind="ed25519"):
        """A new key; the path of its public half."""
        path = self.dir / name
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name,
                        "-f", path, *options], env=self.env, check=True,
                       capture_output=True)
        return path.with_suffix(".pub")

    def sign(self, public, message, namespace="action@mig"):
        """By ssh-keygen with a key that is loaded; the binary form."""
        text = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", public, "-n",
                               namespace], input=message, env=self.env, check=True,
                              capture_output=True).stdout.decode()
        return base64.b64decode("".join(text.splitlines()[1:-1]))

    def add(self, *args, **kw):
        subprocess.run(["ssh-add", "-q", *map(str, args)], env=self.env,
                       check=True, capture_output=True, **kw)

    def listed(self):
        return subprocess.run(["ssh-add", "-l"], env=self.env, check=True, text=True,
                              capture_output=True).stdout.splitlines()

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(20)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.sock)


ASKPASS = """#!/bin/sh
case "$1" in
*PIN* | *password* | Again*) echo 4711 ;;
*) exit "$(cat "$MIG_SOFTKEY/askpass" 2>/dev/null || echo 0)" ;;
esac
"""


class SoftKeyAgent(SshAgent):
    """With the security key of softkey.c, and somebody who answers ssh-askpass."""

    def __init__(self, directory):
        self.device = pathlib.Path(directory) / "softkey"
        self.device.mkdir()
        askpass = self.device / "ask"
        askpass.write_text(ASKPASS)
        askpass.chmod(0o700)
        super().__init__(directory, "-P", f"{SOFTKEY}", MIG_SOFTKEY=str(self.device),
                         SSH_SK_PROVIDER=str(SOFTKEY), SSH_ASKPASS=str(askpass),
                         SSH_ASKPASS_REQUIRE="force")

    def enroll(self, name, *options):
        """A key of the device, loaded; the path of its public half."""
        public = self.make(name, "-w", SOFTKEY, *options, kind="ed25519-sk")
        self.add(public.with_suffix(""))
        return public

    @property
    def counter(self):
        path = self.device / "counter"
        return int(path.read_text()) if path.exists() else 0

    @contextlib.contextmanager
    def does(self, mode):
        """What softkey.c does instead of what it is asked."""
        path = self.device / "mode"
        path.write_text(mode)
        try:
            yield
        finally:
            path.unlink()


class SecurityKey:
    """For FakeAgent."""

    def __init__(self, directory, comment="desk"):
        self.secret = Ed25519PrivateKey.generate()
        y = self.secret.public_key().public_bytes(Encoding.Raw,
                                                  PublicFormat.Raw)
        self.comment = comment
        self.blob = field(SK) + field(y) + field(b"ssh:")
        self.counter, self.flags = 0, 1
        self.public = pathlib.Path(directory) / f"{comment}.pub"
        self.public.write_text(f"{SK.decode()} "
                               f"{base64.b64encode(self.blob).decode()} "
                               f"{comment}\n")

    def sign(self, message):
        self.counter += 1
        tail = struct.pack(">BI", self.flags, self.counter)
        raw = self.secret.sign(hashlib.sha256(b"ssh:").digest() + tail +
                               hashlib.sha256(message).digest())
        return field(SK) + field(raw) + tail


class FakeAgent:
    """Answers as an agent that holds these keys; what stands in `says` (a
    message's number: bytes of the whole answer) it says instead."""

    def __init__(self, *keys):
        self.keys, self.says = keys, {}
        self.sock = f"/tmp/mig-fake-{os.getpid()}-{secrets.token_hex(4)}"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.sock)
        self.server.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            with s, contextlib.suppress(OSError, struct.error):
                n = struct.unpack(">I", s.recv(4, socket.MSG_WAITALL))[0]
                body = s.recv(n, socket.MSG_WAITALL)
                said = self.says.get(body[0])
                s.sendall(said if said is not None else
                          field(self.answer(body)))

    def answer(self, body):
        if body[0] == LIST:
            return KEYS + struct.pack(">I", len(self.keys)) + b"".join(
                field(k.blob) + field(k.comment.encode()) for k in self.keys)
        if body[0] == SIGN:
            blob, data = fields(body[1:])[:2]
            for k in self.keys:
                if k.blob == blob:
                    return SIGNED + field(k.sign(data))
        return FAILURE

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(20)
        os.unlink(self.sock)
