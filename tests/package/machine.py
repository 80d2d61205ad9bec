# SPDX-License-Identifier: MPL-2.0
"""A small Debian system under its own systemd, on an overlay of the base that
tests/package/base made: own mounts, processes, host name and a network that
is loopback only. It ends with the process that made it."""
import os
import pathlib
import shlex
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build-packages"
BASE = OUT / "base"

# The shell that becomes the system's first process. $1 its root.
BOOT = r"""
set -e
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do
	: >dev/$d
	mount --bind /dev/$d dev/$d
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	chroot . /lib/systemd/systemd
"""


def wait_for(what, condition, seconds=60):
    """Polls until condition() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def packages():
    """The packages that were built, without debugging symbols."""
    return sorted(p for p in OUT.glob("*.deb") if "-dbgsym_" not in p.name)


class Machine:
    """start() boots; run() runs a command inside, as root."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.root = self.dir / "root"
        self.process = None
        self.pid = 0

    def mount(self):
        for name in ("root", "upper", "work"):
            (self.dir / name).mkdir(parents=True)
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={BASE},upperdir={self.dir}/upper,"
             f"workdir={self.dir}/work", str(self.root)], check=True)

    def start(self):
        self.mount()
        self.path("/etc/hostname").write_text("endpoint\n")
        self.path("/etc/hosts").write_text("127.0.0.1 localhost endpoint\n")
        # into the group first: it is the root of the new cgroup namespace
        enter = ('echo $$ >"$MIG_PACKAGE_CGROUP/cgroup.procs"; exec unshare '
                 '--mount --pid --fork --kill-child --net --uts --ipc '
                 '--cgroup --propagation private sh -c "$0" sh "$1"')
        with open(self.dir / "boot.log", "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", enter, BOOT, str(self.root)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = wait_for("the first process", self._first)
        wait_for("systemd", self._up, 120)
        return self

    def _first(self):
        assert self.process.poll() is None, \
            (self.dir / "boot.log").read_text()
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        children = pathlib.Path(path).read_text().split()
        return int(children[0]) if children else 0

    def _up(self):
        assert self.process.poll() is None, \
            (self.dir / "boot.log").read_text()
        state = self.run("systemctl is-system-running", check=False).stdout
        return state.strip() in ("running", "degraded")

    def argv(self, line):
        inside = ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u",
                  "-i", "-C", "chroot", f"/proc/{self.pid}/root", "env", "-i",
                  "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                  "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        return inside + (["sh", "-c", line] if isinstance(line, str)
                         else [str(word) for word in line])

    def run(self, line, check=True, timeout=300, **kw):
        """A shell line, or a list of words."""
        done = subprocess.run(self.argv(line), capture_output=True, text=True,
                              check=False, timeout=timeout, **kw)
        if check and done.returncode != 0:
            said = line if isinstance(line, str) else shlex.join(
                str(word) for word in line)
            raise AssertionError(f"{said}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def begin(self, line):
        """The same, not waited for."""
        return subprocess.Popen(self.argv(line), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def path(self, name):
        return self.root / name.lstrip("/")

    def put(self, files, folder="/var/cache/mig"):
        """Copies files into it; their names there."""
        target = self.path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            (target / file.name).write_bytes(file.read_bytes())
        return [f"{folder}/{file.name}" for file in files]

    def apt(self, *words):
        return self.run(["apt-get", "-q", "-y", "--no-install-recommends",
                         "-o", "APT::Sandbox::User=root", *words],
                        timeout=600)

    def property(self, unit, name):
        return self.run(["systemctl", "show", "-P", name, unit]).stdout.strip()

    def journal(self, unit):
        return self.run(["journalctl", "--no-pager", "-u", unit],
                        check=False).stdout

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def raised(deb, version, folder):
    """The same package as a later version: its control file says so."""
    tree = pathlib.Path(folder) / deb.stem
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    control = tree / "DEBIAN" / "control"
    text = control.read_text()
    old = next(line.split()[1] for line in text.splitlines()
               if line.startswith("Version:"))
    control.write_text(
        text.replace(f"Version: {old}\n", f"Version: {version}\n")
        .replace(f"(= {old})", f"(= {version})"))
    target = pathlib.Path(folder) / deb.name.replace(old, version)
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build",
                    tree, target], check=True, capture_output=True)
    return target


def leftovers(root):
    """Paths of ours below a root file system, but for caches and logs."""
    skip = {"proc", "sys", "dev", "run", "tmp"}
    found = []
    for folder, names, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        if inside == ".":
            names[:] = [n for n in names if n not in skip]
        if inside in ("var/cache", "var/log", "root"):
            names[:] = []
            continue
        found += [os.path.join(inside, n) for n in names + files
                  if n == "mig" or n.startswith(("mig-", "mig."))]
    return sorted(found)
