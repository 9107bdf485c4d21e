"""Copy an SQLite database to another file while it is in use.

SQLite copies the pages itself (its online backup), all of one state of the database. Writers go on
meanwhile: in WAL mode they do not wait for readers. Called by verbs/backups.py.
"""

from __future__ import annotations

import errno
import os
import shlex
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError, InvalidInputError, SchemaError
from eventstore.store.database.engine import sqlite_file
from eventstore.store.database.transaction import Transaction, read_directly
from eventstore.store.log.segments.segment_bytes import shown_location
from eventstore.store.maintenance.status import COUNTS

OUTSIDE = "SELECT COUNT(*), MIN(location) FROM segments WHERE location IS NOT NULL"
COUNT_KEYS = "SELECT COUNT(*) FROM session_keys WHERE key IS NOT NULL"
# How many pages are copied at once. Between two steps, a fork and Ctrl-C get their turn. A page of
# 8 kB makes it 8 MB, which takes some milliseconds.
PAGES_PER_STEP = 1024
# What a file system answers that has no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

Found = TypeVar("Found")

#: Called with the number of bytes that are copied, and with all there are.
Progress = Callable[[int, int], None]


class BackedUp(NamedTuple):
    """A backup that was made of a store.

    Attributes:
        path: The file.
        bytes: How large it is.
        sessions: How many sessions are in it, without those that were erased.
        events: How many events these have.
        outside: How many segments have their bytes outside of the database, in files or in object
            storage. They are not in the backup.
        place: Where one of these is; None if there are none.
        key_store: The name of the database of keys that the sessions are encrypted with; None if
            they are not encrypted. The keys are not in the backup.
    """

    path: str
    bytes: int
    sessions: int
    events: int
    outside: int
    place: str | None
    key_store: str | None


class BackedUpKeys(NamedTuple):
    """A backup that was made of the database of keys.

    Attributes:
        path: The file.
        bytes: How large it is.
        keys: How many sessions have their key in it.
    """

    path: str
    bytes: int
    keys: int


def back_up_store(engine: Engine, target: Path, progress: Progress | None) -> BackedUp:
    """Copy the database of a store to a new file.

    Args:
        engine: The engine of the store, without a time limit.
        target: The file, which must not exist. It appears when it is complete.
        progress: Called after each step; None for nobody. What it raises ends the backup.

    Raises:
        InvalidInputError: The database is PostgreSQL, or the file exists, or has no folder.
        SchemaError: The database has no schema of a store.
        DatabaseUnavailableError: The database cannot be read, or the file cannot be written.
    """

    def facts(tx: Transaction) -> tuple[int, int, int, str | None, str | None]:
        sessions, events, _ = tx.rows(COUNTS)[0]
        outside, location = tx.rows(OUTSIDE)[0]
        place = None if location is None else _folder_of(shown_location(str(location)))
        return int(sessions), int(events), int(outside), place, tx.keys.name(tx)

    _check(engine, target)
    _check_tables(engine, "streams", "key_stores")
    found, size = _copy(engine, target, facts, progress)
    return BackedUp(str(target), size, *found)


def back_up_keys(engine: Engine, target: Path, progress: Progress | None) -> BackedUpKeys:
    """Copy a database of keys to a new file.

    Args, Raises: As for `back_up_store`; the engine is that of the database of keys.
    """
    _check(engine, target)
    _check_tables(engine, "session_keys")
    found, size = _copy(engine, target, lambda tx: int(tx.rows(COUNT_KEYS)[0][0]), progress)
    return BackedUpKeys(str(target), size, found)


def _folder_of(location: str) -> str:
    """Return the folder that a database has in a place: a segment is at FOLDER/27/27….segment."""
    return location.rsplit("/", 2)[0]


def dump_command(engine: Engine, target: Path) -> list[str]:
    """Return the words of the command that makes a backup of a PostgreSQL database.

    No password is in it, because other users of a machine see the arguments of programs.

    Raises:
        InvalidInputError: The database is not PostgreSQL.
    """
    if engine.dialect.name != "postgresql":
        raise InvalidInputError(f"no pg_dump makes a backup of {engine.url.database}")
    from psycopg.conninfo import make_conninfo
    from psycopg.pq import Conninfo

    # libpq knows no other options, and marks those that are secret by a star.
    known = {
        option.keyword.decode() for option in Conninfo.get_defaults() if option.dispchar != b"*"
    }
    _, given = engine.dialect.create_connect_args(engine.url)
    place = make_conninfo(**{name: value for name, value in given.items() if name in known})
    return ["pg_dump", "--format=custom", f"--file={target}", f"--dbname={place}"]


def _check(engine: Engine, target: Path) -> None:
    if engine.dialect.name == "postgresql":
        command = shlex.join(dump_command(engine, target))
        raise InvalidInputError(f"PostgreSQL makes its backups itself; run: {command}")
    if not target.name or not target.parent.is_dir():
        raise InvalidInputError(f"no folder for the backup {target}; make it first")
    if os.path.lexists(target):
        raise _exists(target)


def _check_tables(engine: Engine, *names: str) -> None:
    """Refuse a file that is no store, and do not make one: a backup of it would be empty.

    Raises:
        InvalidInputError: There is no file.
        SchemaError: It has not the tables.
    """
    file = sqlite_file(engine.url)
    if file is not None and not file.exists():
        raise InvalidInputError(f"there is no file {file} to back up")
    with read_directly(engine) as tx:
        there = {row[0] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not there.issuperset(names):
        raise SchemaError(f"{file or 'the database'} has nothing to back up: no table {names[-1]}")


def _exists(target: Path) -> InvalidInputError:
    return InvalidInputError(f"{target} exists; name a file that does not")


def _copy(
    engine: Engine,
    target: Path,
    facts: Callable[[Transaction], Found],
    progress: Progress | None,
) -> tuple[Found, int]:
    """Copy a database, and return what `facts` reads in the same state, and the file's size."""
    try:
        # The file is private, and its name is one that no other backup has.
        descriptor, name = tempfile.mkstemp(".partial", f".{target.name}.", target.parent)
        os.close(descriptor)
    except OSError as error:
        raise _failed(target, error) from error
    partial = Path(name)
    try:
        with read_directly(engine) as tx:
            # The first query decides which state of the database the transaction sees.
            found = facts(tx)
            try:
                _copy_pages(tx, partial, progress)
            except sqlite3.Error as error:
                raise _failed(target, error) from error
        try:
            size = _finish(partial, target)
        except (OSError, sqlite3.Error) as error:
            raise _failed(target, error) from error
    finally:
        for ending in ("", "-wal", "-shm"):
            Path(f"{partial}{ending}").unlink(missing_ok=True)
    return found, size


def _copy_pages(tx: Transaction, partial: Path, progress: Progress | None) -> None:
    # A backup goes back to the first page whenever somebody else writes, unless its connection is
    # in a transaction. So it is made within the transaction, and ends however much is written.
    pages: int = tx.rows("PRAGMA page_size")[0][0]

    def told(status: int, remaining: int, total: int) -> None:
        tx.begin_call()  # a fork of another thread waits until here, not until the end
        if progress is not None:
            progress((total - remaining) * pages, total * pages)

    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        # Nobody reads the file before it is complete, so it needs no journal.
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        tx.begin_call()
        try:
            tx.connection.backup(copy, pages=PAGES_PER_STEP, progress=told)
        finally:
            tx.calling = False


def _finish(partial: Path, target: Path) -> int:
    """Make one file of a copy, write it to the disk, and give it its name. Return its size."""
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        # The copied header says that there is a write-ahead log. Without that, the backup is one
        # file, and can be read where nothing can be written.
        copy.execute("PRAGMA journal_mode=DELETE")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    _name(partial, target)
    with suppress(OSError):  # not every file system writes folders to the disk
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return size


def _name(partial: Path, target: Path) -> None:
    """Give a file its name in one step, unless there is a file of that name.

    Raises:
        InvalidInputError: There is one by now.
    """
    try:
        # A rename would replace a file that somebody else has made meanwhile.
        os.link(partial, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise _exists(target) from None
        partial.rename(target)


def _failed(target: Path, error: Exception) -> DatabaseUnavailableError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return DatabaseUnavailableError(f"the backup {target} could not be written: {why}")
