"""Write one Parquet file: rows are collected into row groups; the file appears when it is whole.

Called by write_parquet.py and update_parquet.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eventstore.errors import MissingExtraError, StorageUnavailableError
from eventstore.exports.parquet.columns import Columns
from eventstore.store.database.transaction import Row

#: A row group is written when it has so many rows, or so many characters of JSON.
GROUP_ROWS = 20_000
GROUP_CHARACTERS = 16 * 1024 * 1024
# An entry of a list counts as so many characters, since a word with its times takes memory, too.
_ENTRY = 50


class TableFile:
    """A Parquet file that is written beside its place, and put there by `publish`.

    Attributes:
        rows: How many rows were written.
        partial: The file that is being written.

    Args:
        path: The file's place.
        columns: Its columns. The last one must hold the largest text of a row: memory is bounded
            by its length.
        notes: Names and values that are written into the file's metadata.

    Raises:
        MissingExtraError: `pyarrow` is not installed.
        StorageUnavailableError: The file cannot be written, also by the methods.
    """

    def __init__(
        self, path: Path, columns: Columns, notes: Mapping[str, str] | None = None
    ) -> None:
        self.rows = 0
        self._path, self.partial = path, path.with_name(path.name + ".partial")
        self._schema = _schema(columns).with_metadata(notes)
        self._held: list[Row] = []
        self._characters = 0

    def __enter__(self) -> Self:
        from pyarrow.parquet import ParquetWriter

        try:
            with self._told():
                self._writer = ParquetWriter(self.partial, self._schema, compression="zstd")
        except BaseException:
            self.partial.unlink(missing_ok=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with suppress(OSError):  # Where it fails, what is in the block failed before.
                self._writer.close()
        finally:
            self.partial.unlink(missing_ok=True)

    def write_all(self, rows: Iterable[Row]) -> None:
        """Add rows. A row group is written when it is full."""
        for row in rows:
            self._held.append(row)
            self._characters += _size(row)
            if len(self._held) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
                self._write_group()

    def finish(self) -> None:
        """Write the rows that are held, and end the file. No more rows can be added."""
        self._write_group()
        with self._told():
            self._writer.close()

    def publish(self) -> None:
        """Put the finished file in its place."""
        with self._told():
            self.partial.replace(self._path)

    def _write_group(self) -> None:
        if not self._held:
            return
        import pyarrow

        columns = zip(*self._held, strict=True)
        arrays = [
            pyarrow.array(values, field.type)
            for values, field in zip(columns, self._schema, strict=True)
        ]
        batch = pyarrow.record_batch(arrays, schema=self._schema)
        with self._told():
            self._writer.write_batch(batch, row_group_size=len(self._held))
        self.rows += len(self._held)
        self._held, self._characters = [], 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Arrow puts the number of the error into a sentence of its own.
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise StorageUnavailableError(f"cannot write {self.partial}: {reason}") from error


def _size(row: Row) -> int:
    """Return about how large a row is in memory: its largest text and the entries of its lists."""
    text = len(row[-1]) if isinstance(row[-1], str) else 0
    return text + sum(_ENTRY * len(value) for value in row if isinstance(value, list))


def _schema(columns: Columns) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet") from error
    word = [
        ("text", pyarrow.string()),
        ("start_ms", pyarrow.float64()),
        ("end_ms", pyarrow.float64()),
        ("speaker", pyarrow.string()),
    ]
    types = {
        "text": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "flag": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "pairs": pyarrow.map_(pyarrow.string(), pyarrow.string()),
        "words": pyarrow.list_(pyarrow.struct(word)),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in columns])
