# SPDX-License-Identifier: MPL-2.0
"""Servers that tests run on loopback: TCP that accepts, UDP that answers, time servers
that tell the truth or not, name servers; and an /etc of a test's own."""
import contextlib
import pathlib
import shutil
import socket
import struct
import threading
import time

NTP_EPOCH = 2208988800
FAMILY = {False: socket.AF_INET, True: socket.AF_INET6}


class Datagrams:
    """Answers each datagram with what reply(data, address) returns: a list."""

    def __init__(self, reply, address="127.0.0.1", port=0):
        self.sock = socket.socket(FAMILY[":" in address], socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.address, self.port = self.sock.getsockname()[:2]
        self.reply, self.seen = reply, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            data, peer = self.sock.recvfrom(2048)
            if data == b"end":
                return
            self.seen.append(data)
            for answer in self.reply(data) or []:
                self.sock.sendto(answer, peer)

    def close(self):
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.sock.getsockname())
        self.thread.join(10)
        self.sock.close()

    @property
    def name(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@contextlib.contextmanager
def listener(address="127.0.0.1"):
    with socket.create_server((address, 0), family=FAMILY[":" in address]) as s:
        yield s.getsockname()[1]


def ntp_time(seconds):
    whole = int(seconds // 1)
    return struct.pack(">II", (whole + NTP_EPOCH) % 2**32, int((seconds - whole) * 2**32))


def ntp_answer(request, ahead=0.0, head=0x24, stratum=2, reference=b"GPS\0", origin=None, times=None):
    """times: when the request came and the answer left, where that is not now."""
    came, left = times or (time.time(), time.time())
    return (bytes([head, stratum, 6, 0xec]) + struct.pack(">II", 0x10, 0x10) + reference +
            ntp_time(came + ahead - 10) + (origin or request[40:48]) + ntp_time(came + ahead) + ntp_time(left + ahead))


class SlowNTP(Datagrams):
    """A time server that is so many seconds away each way, and thinks in between. What
    that came to on a busy machine, as far as a client can know: latency and drift."""
    TIMESTAMPS = 35     # SO_TIMESTAMPNS

    def __init__(self, there=0.0, back=0.0, thinks=0.0, ahead=0.0):
        self.there, self.back, self.thinks, self.ahead = there, back, thinks, ahead
        super().__init__(None)
        self.sock.setsockopt(socket.SOL_SOCKET, self.TIMESTAMPS, 1)

    def serve(self):
        while True:
            data, control, _, peer = self.sock.recvmsg(2048, 256)
            if data == b"end":
                return
            whole, ns = next(struct.unpack("qq", d) for _, kind, d in control if kind == self.TIMESTAMPS)
            asked = whole + ns / 1e9        # by the kernel: when it was sent
            time.sleep(self.there)
            came = time.time()
            time.sleep(self.thinks)
            left = time.time()
            time.sleep(self.back)
            answer = ntp_answer(data, self.ahead, times=(came, left))
            answered = time.time()
            self.sock.sendto(answer, peer)
            self.latency = came - asked + answered - left
            self.drift = -(self.ahead + (came - asked - (answered - left)) / 2)


# What a time server may do, and what is said of it (None: it is usable).
NTP = {
    "good": (lambda r: [ntp_answer(r)], None),
    "version3": (lambda r: [ntp_answer(r, head=0x1c)], None),
    "ahead": (lambda r: [ntp_answer(r, ahead=100)], None),
    "behind": (lambda r: [ntp_answer(r, ahead=-100)], None),
    "kiss": (lambda r: [ntp_answer(r, head=0xe4, stratum=0, reference=b"RATE")],
             "the server refuses (RATE): it was asked too often"),
    "unsynchronised": (lambda r: [ntp_answer(r, head=0xe4, stratum=16)], "not synchronised itself"),
    "timeless": (lambda r: [ntp_answer(r)[:32] + bytes(16)], "without a time"),
    "stranger": (lambda r: [ntp_answer(r, origin=b"12345678")], "an answer to another request"),
    "short": (lambda r: [ntp_answer(r)[:47]], "an answer of 47 bytes: expected at least 48"),
    "client": (lambda r: [ntp_answer(r, head=0x23)], "an answer of mode 3"),
    "silent": (lambda r: [], "no answer within 1 s"),
    # who does not see the request spoils nothing
    "spoofed": (lambda r: [b"", ntp_answer(r, ahead=500, origin=b"12345678"), ntp_answer(r)], None),
}


def ntp_server(kind, address="127.0.0.1", port=0):
    return Datagrams(NTP[kind][0], address, port)


def dns_answer(names):
    """A name server: {"name": "192.0.2.1"}, None: silence; any other name does not exist."""
    def reply(query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        question = query[12:at + 5]
        name = ".".join(labels)
        if name in names and names[name] is None:
            return []
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if name in names else 0x8183, 1, 0, 0, 0)
        if name not in names or kind != (28 if ":" in names[name] else 1):
            return [head + question]
        data = socket.inet_pton(FAMILY[":" in names[name]], names[name])
        record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        return [head[:6] + struct.pack(">H", 1) + head[8:] + question + record]
    return reply


def own_etc(where):
    """A copy of /etc below where; the prefix of commands that shall see it, in a mount
    namespace of theirs. Settings of time services are left out."""
    shutil.copytree("/etc", where, symlinks=True, ignore=lambda d, names: [
        n for n in names if n in ("chrony", "ntpsec", "ntp.conf", "chrony.conf", "timesyncd.conf", "ssl",
                                  "timesyncd.conf.d", "alternatives", "gtk-3.0", "fonts", "X11")])
    pathlib.Path(where).chmod(0o755)
    return ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc; shift; exec "$@"', "sh", str(where)]
