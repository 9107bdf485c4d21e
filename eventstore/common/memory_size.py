"""Estimate how much memory a value takes, with all that it refers to, and how much there is.

Called where states of sessions are kept in memory, whose bytes are limited.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from sys import getsizeof
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

#: What a value refers to, but does not hold alone.
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType)

# So many values are looked at by one call of each function, which takes half of the time of a loop.
_AT_ONCE = 4096

#: Where Linux tells a container's limit of memory: of control groups of version 2, and of 1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@cache
def machine_memory(limits: tuple[str, ...] = LIMITS) -> int:
    """Return how many bytes of memory this machine or container has, or 0 if that is unknown.

    Args:
        limits: The files that tell a container's limit. Those that are missing, or that have no
            number, tell none.
    """
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
    for path in limits:
        with suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    return min(found)


def memory_size(value: object, most: int) -> int:
    """Return how many bytes a value takes with all that it refers to, each counted once.

    Classes, modules and functions are left out.

    Args:
        value: The value.
        most: The largest size that matters to the caller. A larger value may have any result above
            this one.
    """
    left: list[Any] = [value]
    seen = {id(value)}
    size = 0
    while left and size <= most:
        some = left[-_AT_ONCE:]
        del left[-_AT_ONCE:]
        some = [one for one in some if not isinstance(one, _SHARED)]
        size += sum(map(getsizeof, some))
        found = gc.get_referents(*some)
        # A dictionary whose keys are all strings tells its values alone.
        found += chain.from_iterable(one for one in some if isinstance(one, dict))
        by_id = dict(zip(map(id, found), found, strict=True))
        new = by_id.keys() - seen
        seen |= new
        left.extend(map(by_id.__getitem__, new))
    return size
