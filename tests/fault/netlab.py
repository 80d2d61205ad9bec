# SPDX-License-Identifier: MPL-2.0
"""Two network namespaces and a bad line between them.

        server                    line                     agents
      10.77.0.1 s0 ===== s1 [ this program ] a1 ===== a0 10.77.0.2

`tc netem` is a module that many kernels do not have. Here every frame passes
a program (this file, as a script, in a namespace of its own) that delays,
throttles, loses, doubles and reorders it, which works wherever namespaces do.
"""
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

SERVER_IP, AGENTS_IP = "10.77.0.1", "10.77.0.2"
QUEUE_MAX = 2000        # frames waiting in one direction
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x24, 0x2C)     # tx checksums, TSO, GSO, GRO: off


def sh(*argv, check=True):
    p = subprocess.run(argv, capture_output=True, text=True)
    if check and p.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {p.stderr.strip()}")
    return p


class Lab:
    """Made and removed by who uses it; raises RuntimeError where the kernel
    or the rights do not allow it."""

    def __init__(self):
        base = f"mig{os.getpid()}"
        self.server, self.line, self.agents = (
            f"{base}s", f"{base}l", f"{base}a")
        self.proc = None
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        for ns in (self.server, self.line, self.agents):
            sh("ip", "netns", "add", ns)
            sh(*self.inside(ns), "ip", "link", "set", "lo", "up")
        for ns, end, ip in ((self.server, "s", SERVER_IP),
                            (self.agents, "a", AGENTS_IP)):
            sh("ip", "link", "add", f"{end}0", "netns", ns, "type", "veth",
               "peer", "name", f"{end}1", "netns", self.line)
            sh(*self.inside(ns), "ip", "addr", "add", f"{ip}/24", "dev",
               f"{end}0")
            sh(*self.inside(ns), "ip", "link", "set", f"{end}0", "up")
            sh(*self.inside(ns), sys.executable, __file__, "plain",
               f"{end}0")
            sh(*self.inside(self.line), "ip", "link", "set", f"{end}1", "up")
        self.proc = subprocess.Popen(
            [*self.inside(self.line), sys.executable, __file__, "line", "s1",
             "a1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.proc.stdout.readline() != "ready\n":
            raise RuntimeError("the line does not start")

    @staticmethod
    def inside(ns):
        return ["nsenter", f"--net=/run/netns/{ns}"]

    def bad(self, **how):
        """delay (s each way), jitter (s), rate (bit/s), loss, double (of 1).
        Without any it is a good line again."""
        self.proc.stdin.write(json.dumps(how) + "\n")
        self.proc.stdin.flush()
        assert self.proc.stdout.readline() == "ok\n"

    def cut(self, down=True):
        """The agents' cable."""
        sh(*self.inside(self.agents), "ip", "link", "set", "a0",
           "down" if down else "up")

    def close(self):
        if self.proc is not None:
            self.proc.stdin.close()
            self.proc.wait()
            self.proc.stdout.close()
        for ns in (self.server, self.line, self.agents):
            sh("ip", "netns", "del", ns, check=False)


# --- the line ------------------------------------------------------------------

class Direction:
    def __init__(self, out):
        self.out = out
        self.queue = []     # (when, number, frame)
        self.number = 0
        self.free = 0.0     # when the line has sent what it was given

    def take(self, frame, how, now):
        if random.random() < how.get("loss", 0) or \
                len(self.queue) >= QUEUE_MAX:
            return
        start = max(now, self.free)
        if how.get("rate"):
            self.free = start + len(frame) * 8 / how["rate"]
            start = self.free
        start += how.get("delay", 0) + random.random() * how.get("jitter", 0)
        for _ in range(2 if random.random() < how.get("double", 0) else 1):
            self.number += 1
            heapq.heappush(self.queue, (start, self.number, frame))

    def give(self, now):
        while self.queue and self.queue[0][0] <= now:
            try:
                self.out.send(heapq.heappop(self.queue)[2])
            except OSError:
                pass            # the cable is out


def packet_socket(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 0))
    s.setblocking(False)
    return s


def line(one, two):
    socks = [packet_socket(one), packet_socket(two)]
    ways = {socks[0]: Direction(socks[1]), socks[1]: Direction(socks[0])}
    how = {}
    print("ready", flush=True)
    while True:
        due = [d.queue[0][0] for d in ways.values() if d.queue]
        wait = max(0, min(due) - time.monotonic()) if due else None
        for s in select.select([*socks, sys.stdin], [], [], wait)[0]:
            if s is sys.stdin:
                text = sys.stdin.readline()
                if not text:
                    return
                how = json.loads(text)
                print("ok", flush=True)
                continue
            for _ in range(64):
                try:
                    frame, address = s.recvfrom(65536)
                except OSError:
                    break
                if address[2] != socket.PACKET_OUTGOING:
                    ways[s].take(frame, how, time.monotonic())
        for d in ways.values():
            d.give(time.monotonic())


def plain(name):
    """What leaves here is what it will be on the line: small and complete."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS:
            value = bytearray(struct.pack("II", command, 0))
            data = (ctypes.c_char * 8).from_buffer(value)
            request = struct.pack("16sP16x", name.encode(),
                                  ctypes.addressof(data))
            try:
                fcntl.ioctl(s, SIOCETHTOOL, request)
            except OSError:
                pass


if __name__ == "__main__":
    {"line": line, "plain": plain}[sys.argv[1]](*sys.argv[2:])
