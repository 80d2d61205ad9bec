# SPDX-License-Identifier: MPL-2.0
"""The monitor's side of mig-worker --serve (modules/order.h)."""
import base64
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("MIG_BUILD", HERE.parent.parent / "build"))
WORKER = BUILD / "src" / "mig-worker"
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def document(*questions, **changes):
    doc = {
        "syntaxversion": 3, "nonce": "00" * 16, "name": "test", "target": "all",
        "validfrom": "2026-01-01T00:00:00Z", "expireafter": "2026-01-02T00:00:00Z",
        "require": {"weight": 1},
        "operations": [{"module": "file", "parameters": {"searches": {"s": q}}} for q in questions],
        "seal": {"public": base64.b64encode(b"k" * 32).decode(), "readers": ["ab" * 20],
                 "key": "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"},
    }
    doc.update(changes)
    return json.dumps(doc).encode()


def memfd(data, seals=SEALS):
    fd = os.memfd_create("action", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


DOCUMENT, START, TAKEN, SPENT, DONE = 1, 2, 3, 4, 5    # modules/order.h
OUTPUT = 1 << 20
SHORT = 16384    # bytes of a document or an answer that are in the message


def frame(kind, body=b""):
    return struct.pack(">IHHI", len(body), kind, 0, 0) + body


def order(n, seconds=0, cpu=0, memory=0, read=0, share=0, output=OUTPUT, privacy=0, detail=0,
          paths=b"", state=b"", doc=b""):
    return (struct.pack(">BBqqqqqqBB", n, 0, seconds, cpu, memory, read, share, output, privacy,
                        detail) + b"".join(struct.pack(">I", len(f)) + f for f in (paths, state, doc)))


class Worker:
    """The monitor's side."""

    def __init__(self, *args, before=lambda: None):
        self.sock, theirs = socket.socketpair()
        self.spent = False
        with theirs:
            def on_four():
                os.dup2(theirs.fileno(), 4)
                before()
            self.proc = subprocess.Popen(
                [WORKER, "--serve", *args], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, preexec_fn=on_four, pass_fds=(4,), env={})

    @property
    def pid(self):
        return self.proc.pid

    def order(self, doc, n=0, out=None, **limits):
        """doc: descriptor, or the bytes. Descriptor of the answer to come."""
        if out is None:
            out = os.memfd_create("answer", os.MFD_CLOEXEC)
        if isinstance(doc, bytes):
            limits["doc"] = doc
        else:
            socket.send_fds(self.sock, [frame(DOCUMENT)], [doc])
        socket.send_fds(self.sock, [frame(START, order(n, **limits))], [out])
        return out

    def answer(self, out):
        """(answer or text, None: it waits for the next order; else how it exited)."""
        assert self.receive() == TAKEN
        said = self.receive()
        if said == SPENT:
            self.spent = True
            said = self.receive()
        assert said in (DONE, None) and not (said == DONE and self.spent)
        status = None if said == DONE else self.proc.wait(timeout=30)
        data = os.pread(out, OUTPUT * 2, 0)
        os.close(out)
        self.short = said == DONE and self.body != b""
        if self.short:
            assert len(self.body) <= SHORT
            data = self.body
        try:
            return json.loads(data), status
        except ValueError:
            return data.decode(), status

    def receive(self):
        """None: it has closed its end."""
        try:
            head = self.sock.recv(12, socket.MSG_WAITALL)
        except ConnectionResetError:
            return None
        if not head:
            return None
        size, kind, _, _ = struct.unpack(">IHHI", head)
        assert size == 0 or kind == DONE
        self.body = self.sock.recv(size, socket.MSG_WAITALL) if size else b""
        return kind

    def run(self, data, n=0, seals=None, **limits):
        """As the agent does, or with a descriptor of such seals."""
        if seals is None and 0 < len(data) <= SHORT:
            return self.answer(self.order(data, n, **limits))
        fd = memfd(data, SEALS if seals is None else seals)
        try:
            return self.answer(self.order(fd, n, **limits))
        finally:
            os.close(fd)

    def close(self):
        self.sock.close()
        if self.proc.poll() is None:
            assert self.proc.wait(timeout=20) == 0
