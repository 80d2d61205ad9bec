# SPDX-License-Identifier: MPL-2.0
"""How pytest -n shares tests out: by file, as those of a file use one platform
and may build on one another. A file whose tests do not says

    SHARDS = 4

and is shared out in so many pieces, each with a platform of its own. Long
files go first: a file says SECONDS = n, about, when it takes more than ten.

What takes minutes (sweeps over every allocation, every step) is marked
pytest.mark.long: ./dev check long.
"""
import functools
import re
import zlib

import pytest

SAYS = re.compile(r"^(SHARDS|SECONDS) = (\d+)$", re.MULTILINE)


@functools.lru_cache(None)
def says(path):
    """(shards, seconds)"""
    found = dict(SAYS.findall(path.read_text(encoding="utf-8")))
    return int(found.get("SHARDS", 1)), int(found.get("SECONDS", 1))


def piece(root, nodeid):
    """"file:2": what is not shared out further."""
    name = nodeid.split("::", 1)[0]
    shards, _ = says(root / name)
    return f"{name}:{zlib.crc32(nodeid.encode()) % shards}"


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes, by name only")


def pytest_collection_modifyitems(items):
    def weight(item):
        shards, seconds = says(item.path)
        return -seconds / shards, str(item.path)
    # stable: the order within a file is the file's
    items.sort(key=weight)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByPiece(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return piece(config.rootpath, nodeid)
    return ByPiece(config, log)
