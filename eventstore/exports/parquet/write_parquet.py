"""Write sessions, responses, items, usage and scores to Parquet files, for DuckDB and others.

The files have the rows of the read models with typed columns, and each whole resource as JSON text.
Needs `pyarrow`, which the extra `parquet` brings. Called by the command `export --format parquet`
and as `eventstore.write_parquet`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eventstore.errors import Failure
from eventstore.exports.parquet.columns import TABLES
from eventstore.exports.parquet.rows import RowsRead, batches, kept_rows, read_rows
from eventstore.exports.parquet.table_file import TableFile

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log


class Written(NamedTuple):
    """How many rows the Parquet files have, and of how many sessions.

    Attributes:
        sessions: Rows of sessions.
        responses: Rows of responses.
        items: Rows of items.
        usage: Rows of usage.
        scores: Rows of scores.
    """

    sessions: int
    responses: int
    items: int
    usage: int
    scores: int


def write_parquet(
    log: Log,
    session_ids: Iterable[str],
    folder: Path,
    progress: Callable[[int], None] | None = None,
    failures: list[Failure] | None = None,
) -> Written:
    """Write `sessions`, `responses`, `items`, `usage` and `scores`, `.parquet` each: all, or none.

    Args:
        log: The store.
        session_ids: The sessions. They are taken one by one, so they may be all of a large store.
        folder: The folder for the files. It is made if it is not there.
        progress: Called with the number of sessions so far.
        failures: Sessions that cannot be read are added here and left out. None raises the error
            of the first one.

    Raises:
        NotFoundError: There is no such session.
        MissingExtraError: `pyarrow` is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sessions = 0
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(TableFile(folder / f"{name}.parquet", columns))
            for name, columns in TABLES.items()
        }
        for ids in batches(session_ids):
            for found in read_rows(log, ids, failures):
                write_tables(list(files.values()), found)
                sessions += found.sessions
            if progress is not None:
                progress(sessions)
        for file in files.values():
            file.finish()
        for file in files.values():
            file.publish()
    rows = {name: file.rows for name, file in files.items() if name != "sessions"}
    return Written(sessions, **rows)


def write_tables(files: Sequence[TableFile], found: RowsRead) -> None:
    """Write the rows of sessions to the files of their tables, and close the file they were in."""
    with found.rows as rows:
        for file, number in zip(files, found.numbers, strict=True):
            file.write_all(kept_rows(rows, number))
