# SPDX-License-Identifier: MPL-2.0
"""What the benches of mig-worker share."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER = ROOT / "build" / "src" / "mig-worker"


def need_worker():
    if not os.access(WORKER, os.X_OK):
        sys.exit("bench: mig-worker is not built: ./dev build")


def timed(argv, stdin=b""):
    """Wall, CPU (of the whole tree), output."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        begun = time.monotonic()
        with subprocess.Popen(argv, stdin=given, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as p:
            out = p.stdout.read()
            _, status, used = os.wait4(p.pid, 0)
            wall = time.monotonic() - begun
            p.returncode = os.waitstatus_to_exitcode(status)
    return wall, used.ru_utime + used.ru_stime, out


def peak_kb(argv, stdin=b""):
    """Of one more run: a child's ru_maxrss would begin with that of this process."""
    most = 0
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as p:
        p.stdin.write(stdin)
        p.stdin.close()
        while p.poll() is None:
            with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                for line in f:
                    if line.startswith("VmHWM:"):
                        most = max(most, int(line.split()[1]))
            time.sleep(0.002)
    return most
