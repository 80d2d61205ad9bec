# SPDX-License-Identifier: MPL-2.0
"""Installations for agents that stand for hosts of their own.

A thousand agents of one machine map the same pages of the same libraries, which
agents of a thousand hosts do not. In a virtual machine that can be what a fleet
measures: where KVM shadows the guest's page tables, a page that is mapped more than
1,000 times is taken out of all of them (RMAP_RECYCLE_THRESHOLD, arch/x86/kvm/mmu),
and each process faults it in again. So agents are spread over copies of the
programs and of their libraries, each in a mount namespace of its own.
"""
import os
import pathlib
import shutil
import subprocess

PROGRAMS = ("mig-agent", "mig-agent-net", "mig-agent-verify",
            "mig-agent-judge", "mig-worker")
PROCESSES = 5           # of one agent; each has the libraries
SHARERS = 1000          # no page of an installation is mapped more often
AGENTS = SHARERS // PROCESSES - 10

MOUNTS = """
while [ $# -gt 1 ]; do mount --bind "$1" "$2" || exit 1; shift 2; done
echo ready
exec cat >/dev/null
"""


def libraries(program):
    """Where the loader finds them, itself among them."""
    out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    return {os.path.realpath(word) for line in out.splitlines()
            for word in line.split() if word.startswith("/")}


class Install:
    """One copy, which lives as long as this object and its agents."""

    def __init__(self, directory, programs):
        directory = pathlib.Path(directory)
        shutil.copytree(programs, directory / "bin", ignore=lambda _, names: [
            n for n in names if n not in PROGRAMS])
        mounts = [directory / "bin", programs]
        for path in sorted(set().union(*(libraries(programs / p)
                                         for p in PROGRAMS))):
            copy = directory / os.path.basename(path)
            shutil.copy2(path, copy)
            mounts += [copy, path]
        self.holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", MOUNTS, "install",
             *map(str, mounts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError("no mount namespace could be made: root?")

    def put(self, agent):
        """This agent will be started in here."""
        agent.daemon.argv[:0] = [
            "nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
