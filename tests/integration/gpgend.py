# SPDX-License-Identifier: MPL-2.0
"""What gpg has started for a GNUPGHOME ends with the process that made it,
however that ends: gpg-agent is a daemon, and outlives who is killed."""
import subprocess

# standard input is a pipe that nobody else can write to
WAIT = "trap '' INT TERM HUP; read -r _; gpgconf --kill all"


def watch(env):
    """env names the GNUPGHOME."""
    return subprocess.Popen(["sh", "-c", WAIT], env=env, stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)


def end(watcher):
    """As if this process had ended."""
    watcher.stdin.close()
    watcher.wait()
