"""Let go of the parent's connections in a forked child. Called by pool.py.

PostgreSQL: the child must not send anything over the parent's connection. Its copy of the socket is
replaced by the null device, and the connection object is never finalised.

SQLite: the library remembers for the whole process which locks the process holds on a file. If a
child only left its parent's connections alone, the library would believe that the child holds their
locks, and would take none of its own. The child would then wait for ever for a lock that nobody
holds, or write into a log that others have deleted. So the child closes the connections that were
open at the fork. Closing would also roll back a transaction in the log's index, which the processes
share; so the child first maps a private copy of the index.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventstore.store.database.connections.drivers import driver_errors

if TYPE_CHECKING:
    import psycopg

_MAPS = Path("/proc/self/maps")
_DESCRIPTORS = Path("/dev/fd")
_MAP_FIXED = 0x10


def abandon_postgresql(connections: Iterable[psycopg.Connection[Any]]) -> None:
    """Cut the parent's connections to PostgreSQL off in a forked child."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for connection in connections:
        with suppress(OSError, *driver_errors()):
            os.dup2(nowhere, connection.fileno(), inheritable=False)
        _never_finalise(connection)
    os.close(nowhere)


def close_sqlite(connections: Iterable[sqlite3.Connection], path: str) -> str | None:
    """Close the parent's connections to an SQLite file in a forked child.

    Args:
        connections: The connections.
        path: The path of the database's file.

    Returns:
        Why the child cannot use the file; None if it can.
    """
    for connection in connections:
        if connection.in_transaction and not _make_mapping_private(f"{path}-shm"):
            _never_finalise(connection)
            return "it was forked off amid a transaction"
        connection.close()
    return None


def keep_alive(connections: Iterable[sqlite3.Connection]) -> None:
    """Never close these connections of SQLite, because another thread was inside one of them."""
    for connection in connections:
        _never_finalise(connection)


def _never_finalise(connection: object) -> None:
    # Not even when the interpreter ends: finalising could write to the parent's connection, or
    # hang.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _make_mapping_private(path: str) -> bool:
    """Replace the process's shared mapping of a file by a private copy, and return True if done."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        identity = _identity(os.fstat(file))
        for line in _MAPS.read_text("utf-8", "surrogateescape").splitlines():
            addresses, access, offset, device, inode = line.split(maxsplit=5)[:5]
            major, minor = (int(part, 16) for part in device.split(":"))
            if "s" in access and (os.makedev(major, minor), int(inode)) == identity:
                start, end = (int(address, 16) for address in addresses.split("-"))
                _map_private(file, start, end - start, int(offset, 16))
    except (OSError, ValueError):
        return False
    finally:
        os.close(file)
    return True


def _map_private(file: int, start: int, length: int, offset: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
        ctypes.c_long,
    ]
    access, how = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _MAP_FIXED
    if libc.mmap(start, length, access, how, file, offset) != start:
        raise OSError(ctypes.get_errno(), "mmap")


def is_open(path: str) -> bool:
    """Return True if this process has a file open."""
    try:
        identity = _identity(Path(path).stat())
        descriptors = [int(entry.name) for entry in _DESCRIPTORS.iterdir()]
    except OSError:
        return False
    for descriptor in descriptors:
        with suppress(OSError):  # The descriptor by which the list was read is closed.
            if _identity(os.fstat(descriptor)) == identity:
                return True
    return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
