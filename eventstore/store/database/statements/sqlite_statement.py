"""Run a statement of somebody on SQLite, which refuses everything but reading.

The file is opened read-only, with `PRAGMA query_only`, and an authorizer allows reading alone. A
database in memory has one connection: it gets the same authorizer for the time of the statement.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.store.database.connections.driver_errors import translated
from eventstore.store.database.connections.pool import connections_of, pooled
from eventstore.store.database.engine import SQLITE_BUSY_MS, sqlite_file
from eventstore.store.database.statements.statement_rows import (
    MOST_BYTES_OF_VALUE,
    RowLimit,
    StatementRows,
    too_long,
)
from eventstore.store.database.transaction import read

# How many steps SQLite's virtual machine makes between two looks whether Ctrl-C was pressed.
_STEPS = 20_000
_CACHE_KIB = 32_768

_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION}
)
#: Functions that do more than compute.
_REFUSED_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "fsdir"}
)
#: Pragmas that tell something, and change nothing with or without a value. The index of words asks
#: for `data_version`.
_DESCRIBING = frozenset(
    {
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
        "data_version",
    }
)
#: Errors of a database that cannot be read now, in contrast to those of a statement.
_UNAVAILABLE = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL),
    }
)


def run_on_sqlite(
    engine: Engine, statement: str, parameters: Mapping[str, Any], limit: int, seconds: float
) -> StatementRows:
    """Run a statement that reads, and return its rows.

    Raises:
        InvalidInputError: SQLite refuses the statement.
        TimeLimitError: It takes longer than it may.
        DatabaseUnavailableError: The database cannot be read.
    """
    file = sqlite_file(engine.url)
    if file is None or connections_of(engine).is_memory:
        with read(engine) as tx, _guarded(tx.connection):
            return _rows(tx.connection, statement, parameters, limit, seconds)
    with translated(), pooled(engine), closing(_opened(file)) as connection, _guarded(connection):
        return _rows(connection, statement, parameters, limit, seconds)


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection to a file that can write nothing, whatever it is told."""
    url = f"{file.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(url, uri=True, timeout=SQLITE_BUSY_MS / 1000, isolation_level=None)
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    # What a sort or a recursion needs beyond the cache goes into files, and not into memory.
    connection.execute("PRAGMA temp_store=FILE")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES_OF_VALUE)
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


@contextmanager
def _guarded(connection: sqlite3.Connection) -> Iterator[None]:
    """Let a connection only read, for the block."""
    connection.execute("PRAGMA query_only=ON")
    connection.set_authorizer(_may)
    try:
        yield
    finally:
        connection.set_authorizer(None)
        connection.execute("PRAGMA query_only=OFF")


def _may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Return whether SQLite may do one of the actions that a statement consists of."""
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    describes = action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _DESCRIBING
    # SQLite asks so when it describes a virtual table to itself, such as `json_each` or the index
    # of words. A statement that says so itself is refused: the table may not be modified.
    declares = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    allowed = action in _READING or describes or declares
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _rows(
    connection: sqlite3.Connection,
    statement: str,
    parameters: Mapping[str, Any],
    limit: int,
    seconds: float,
) -> StatementRows:
    cursor, is_over = connection.cursor(), threading.Event()
    try:
        with _interrupted_after(connection, seconds, is_over):
            cursor.execute(statement, parameters)
            if cursor.description is None:
                raise InvalidInputError("the statement returns no rows; write a SELECT")
            found = RowLimit((one[0] for one in cursor.description), limit)
            for row in cursor:
                if not found.add(row):
                    break
            return found.rows()
    except (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError) as error:
        if str(error) == "interrupted":
            if is_over.is_set():
                raise too_long(seconds) from error
            # Ctrl-C was pressed meanwhile. Python raised it within the progress handler, where
            # sqlite3 stops the statement and loses the exception.
            raise KeyboardInterrupt from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNAVAILABLE:
            raise
        told = " ".join(str(error).split())
        raise InvalidInputError(f"SQLite refuses the statement: {told}") from error
    finally:
        cursor.close()


@contextmanager
def _interrupted_after(
    connection: sqlite3.Connection, seconds: float, is_over: threading.Event
) -> Iterator[None]:
    """Have a connection interrupted after a time, or at once by Ctrl-C, for the block.

    A thread looks at the time: SQLite ends a statement at its next step when it is told so. The
    progress handler is called after thousands of steps alone, each of which may copy a value of
    many megabytes. It is where Python notices Ctrl-C.

    Args:
        is_over: Set when the time is over.
    """

    def interrupt() -> None:
        is_over.set()
        connection.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    connection.set_progress_handler(lambda: False, _STEPS)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        connection.set_progress_handler(None, 0)
