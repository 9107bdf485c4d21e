"""Partitioned Parquet tables, compared with a fresh export; and changes that come between runs."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from eventstore import EventStore, Frame, write_parquet
from eventstore.exports.parquet.columns import TABLES
from support.calls import beta_tool_call, short_answer, short_call, voice_call

#: The calls that are written, and the times at which they begin, in microseconds after START.
_CALLS = (voice_call, beta_tool_call, short_answer, short_call)
_HOUR = 3_600_000_000


def tables_in(folder: Path) -> dict[str, Counter[str]]:
    """The rows of each table of a target, as DuckDB reads them as one table."""
    return {name: _rows(f"{folder}/{name}/**/*.parquet") for name in TABLES}


def fresh_tables(store: EventStore, folder: Path, **filters: Any) -> dict[str, Counter[str]]:
    """The rows of each table of a full export that is made now."""
    write_parquet(store, store.session_ids(**filters), folder)
    return {name: _rows(f"{folder}/{name}.parquet") for name in TABLES}


def check_tables(store: EventStore, target: Path, **filters: Any) -> None:
    """The target reads as a fresh export, and each session is under the day of its beginning."""
    fresh = fresh_tables(store, target.parent / "fresh", **filters)
    assert tables_in(target) == fresh
    wrong = duckdb.sql(
        f"SELECT session_id, day FROM {read_from(target, 'sessions')}"
        ' WHERE day <> CAST(make_timestamp(epoch_us("at")) AS DATE)'
    ).fetchall()
    assert wrong == []


def read_from(target: Path, table: str) -> str:
    """SQL that reads a table of a target."""
    return (
        f"read_parquet('{target}/{table}/**/*.parquet', hive_partitioning = true,"
        " union_by_name = true)"
    )


def parquet_files(target: Path) -> dict[str, tuple[int, int]]:
    """The files of a target, and what shows that one was written."""
    return {
        str(path.relative_to(target)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(target.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def _rows(place: str) -> Counter[str]:
    found = duckdb.sql(f"SELECT * FROM read_parquet('{place}', hive_partitioning = false)")
    return Counter(map(repr, found.fetchall()))


def moved_in_time(frames: list[Frame], hours: float) -> list[Frame]:
    """Frames that came so many hours later."""
    later = round(hours * _HOUR)
    return [frame if frame.at is None else frame._replace(at=frame.at + later) for frame in frames]


class Changes:
    """Changes of a store, of every kind, by chance.

    Args:
        store: The store.
        seed: The same seed makes the same changes.
    """

    def __init__(self, store: EventStore, seed: int) -> None:
        self._store, self._random = store, random.Random(seed)
        self._open: dict[str, list[Frame]] = {}
        self._there: list[str] = []
        self._made, self._seed = 0, seed

    def change(self) -> str:
        """Make one change, and return what it was."""
        doing = self._random.choice(
            ("begin", "begin", "begin", "go_on", "close", "describe", "judge", "erase", "mute")
        )
        if doing != "begin" and not self._there:
            doing = "begin"
        getattr(self, f"_{doing}")()
        return doing

    def _begin(self) -> None:
        frames = self._random.choice(_CALLS)().frames
        hours = self._random.choice((0, 1, 5, 23, 24, 30, 60, -20))
        frames = moved_in_time(frames, hours + self._random.random())
        if self._random.random() < 0.1:
            frames = [frame._replace(at=None) for frame in frames]
        self._made += 1
        name = f"sess_{self._seed}_{self._made}"
        first = self._random.randint(1, len(frames))
        self._store.append(name, frames[:first], close=first == len(frames))
        self._open[name] = frames[first:]
        self._there.append(name)

    def _one(self) -> str:
        return self._random.choice(self._there)

    def _go_on(self) -> None:
        name = self._one()
        rest = self._open[name]
        number = self._random.randint(0, len(rest))
        self._store.append(name, rest[:number])
        self._open[name] = rest[number:]

    def _close(self) -> None:
        name = self._one()
        self._store.append(name, self._open.pop(name), close=True)
        self._open[name] = []

    def _describe(self) -> None:
        key, value = self._random.choice("abc"), str(self._random.random())
        self._store.set_metadata(self._one(), {key: value})

    def _judge(self) -> None:
        value = self._random.choice((0.5, 1.0, True, "topic", None))
        if value is None:
            self._store.score(self._one(), "note", "words", kind="text")
        else:
            self._store.score(self._one(), f"by_{type(value).__name__}", value)

    def _erase(self) -> None:
        name = self._one()
        self._store.erase(name, vacuum=False).raise_for_errors()
        self._there.remove(name)

    def _mute(self) -> None:
        closed = [name for name in self._there if not self._open[name]]
        if closed:
            name = self._random.choice(closed)
            self._store.append(name, [], close=True)
            self._store.erase(name, audio_only=True, vacuum=False).raise_for_errors()
