# SPDX-License-Identifier: MPL-2.0
"""usage: oldlandlock.py VERSION COMMAND ...

Runs the command on a kernel whose Landlock seems to have this version (0: none):
seccomp(2) hands the question for it to this process, which answers it."""
import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
import sys
import threading

SECCOMP = {"x86_64": 317, "aarch64": 277}[platform.machine()]
CREATE_RULESET = 444
NEW_LISTENER = 1 << 3
RECV, SEND = 0xC0502100, 0xC0182101
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
libc = ctypes.CDLL(None, use_errno=True)


def listener(version):
    """Installs the filter; the descriptor that hears of the calls."""
    program = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, CREATE_RULESET)]
    # flags: only the question for the version, or with none every call
    program += [(LOAD, 0, 0, 32), (EQUAL, 0, 1, 1)] if version else [(LOAD, 0, 0, 0), (EQUAL, 0, 1, CREATE_RULESET)]
    program += [(RETURN, 0, 0, NOTIFY), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no_new_privs
    fd = libc.syscall(SECCOMP, 1, NEW_LISTENER, fprog)
    if fd < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    return fd


def answer(fd, version):
    while True:
        call = bytearray(80)
        try:
            fcntl.ioctl(fd, RECV, call)
            ident = struct.unpack_from("Q", call)[0]
            fcntl.ioctl(fd, SEND, struct.pack("QqiI", ident, version,
                                              0 if version else -errno.EOPNOTSUPP, 0))
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.EINTR):
                return


def main():
    version, command = int(sys.argv[1]), sys.argv[2:]
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        socket.send_fds(theirs, [b"x"], [listener(version)])
        os.execvp(command[0], command)
    theirs.close()
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    threading.Thread(target=answer, args=(fds[0], version), daemon=True).start()
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


main()
