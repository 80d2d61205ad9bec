# SPDX-License-Identifier: MPL-2.0
"""What lies in an agent's spool: small answers in blocks of one file
(src/agent/store/small.h), the others in files of their own."""
import pathlib
import re

BLOCK, HEAD = 4096, 84
MAGIC = b"MIGSML1\n"


def small_ones(directory):
    """{action: (offset in the file "small", length)}"""
    path = pathlib.Path(directory) / "small"
    data = path.read_bytes() if path.exists() else b""
    out = {}
    for at in range(0, len(data) - BLOCK + 1, BLOCK):
        if data[at:at + 8] == MAGIC:
            out[data[at + 8:at + 40].hex()] = (
                at + HEAD, int.from_bytes(data[at + 48:at + 52], "big"))
    return out


def spooled(directory):
    """{action: the answer's bytes}"""
    directory = pathlib.Path(directory)
    out = {p.name: p.read_bytes() for p in directory.iterdir()
           if re.fullmatch("[0-9a-f]{64}", p.name)}
    for action, (at, length) in small_ones(directory).items():
        out[action] = (directory / "small").read_bytes()[at:at + length]
    return out
