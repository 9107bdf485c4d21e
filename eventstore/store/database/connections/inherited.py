"""What a forked child does with the connections of its parent: it lets go of them.

PostgreSQL: nothing that the child does may reach the parent's server connection. The child's copy
of the socket is replaced by the null device, and the connection object is never finalised.

SQLite: the library remembers, for the whole process, which locks the process holds on a file. A
child that only leaves its parent's connections alone believes that it holds their locks, and does
not take any of its own: it waits for ever for a lock that nobody holds, or goes on to write into a
log that others have deleted. So the child closes what was open at the fork. Closing would undo a
transaction in the log's index, which processes share: it gets a private copy of the index first.
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
    """Cut off the parent's connections to PostgreSQL in a forked child."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for connection in connections:
        with suppress(OSError, *driver_errors()):
            os.dup2(nowhere, connection.fileno(), inheritable=False)
        _never_finalise(connection)
    os.close(nowhere)


def close_sqlite(connections: Iterable[sqlite3.Connection], path: str) -> str | None:
    """Close the parent's connections to an SQLite file in a forked child.

    Args:
        path: of the database's file.

    Returns:
        Why the child cannot use the file; None where it can.
    """
    for connection in connections:
        if connection.in_transaction and not _make_mapping_private(f"{path}-shm"):
            _never_finalise(connection)
            return "it was forked off amid a transaction"
        connection.close()
    return None


def keep_alive(connections: Iterable[sqlite3.Connection]) -> None:
    """Never close connections of SQLite: another thread was inside them at the fork."""
    for connection in connections:
        _never_finalise(connection)


def _never_finalise(connection: object) -> None:
    # Even at the interpreter's end: finalising might write to what the parent uses, or hang.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _make_mapping_private(path: str) -> bool:
    """Have what this process has mapped of a file be a copy of its own."""
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
        wanted = _identity(Path(path).stat())
        descriptors = [int(entry.name) for entry in _DESCRIPTORS.iterdir()]
    except OSError:
        return False
    for descriptor in descriptors:
        with suppress(OSError):  # the one that the list was read by
            if _identity(os.fstat(descriptor)) == wanted:
                return True
    return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
