"""Divide a partitioned export into parts: which file a session is in, and when it is out of date.

A part has the sessions that began on one day, or in some hours of it, and one file in each table.
Pure. Called by update_parquet.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from eventstore.store.queries.session_versions import SessionVersion
from eventstore.times import DAY_US, date_of, parse_time

#: A day is divided until a part of it has about so many rows of its largest table, or an hour.
PART_ROWS = 50_000
#: Into so many parts can a day be divided.
_COUNTS = (1, 2, 3, 4, 6, 8, 12, 24)
_HOURS = 24
_HOUR_US = DAY_US // _HOURS
# How many days a new day's size is estimated from, since it goes on.
_DAYS_BEFORE = 7
_NAME = re.compile(r"day=(\d{4}-\d\d-\d\d)/part-(\d\d)-of-(\d\d)\.parquet")
_MODULUS = 2**128


@dataclass(frozen=True)
class Part:
    """A part of an export.

    Attributes:
        day: The day of its sessions, as the number of days since 1970.
        index: Which part of the day it is, from 0.
        count: Into how many parts the day is divided.
    """

    day: int
    index: int
    count: int

    @property
    def name(self) -> str:
        """Return the name of its file within the folder of a table."""
        return f"day={date_of(self.day)}/part-{self.index:02}-of-{self.count:02}.parquet"

    @property
    def since(self) -> int:
        """Return the time at which it begins, in microseconds since 1970 UTC."""
        return self.day * DAY_US + self.index * (_HOURS // self.count) * _HOUR_US

    @property
    def until(self) -> int:
        """Return the time at which it ends, which is no longer in it."""
        return self.since + (_HOURS // self.count) * _HOUR_US


def part_of_name(name: str) -> Part | None:
    """Return the part that has a file of this name, or None if no part has."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        at = parse_time(match[1])
    except ValueError:
        return None
    if at is None:
        return None
    part = Part(at // DAY_US, int(match[2]), int(match[3]))
    is_one = part.count in _COUNTS and part.index < part.count
    return part if is_one and part.name == name else None


class Contents:
    """What sessions a part has, and in which version, as sums that need no order.

    Attributes:
        sessions: How many sessions it has.
        rows: About how many rows its largest table has.
    """

    def __init__(self) -> None:
        self.sessions = self.rows = self._sum = 0

    def add(self, version: SessionVersion) -> None:
        """Add a session."""
        hashed = hashlib.sha256(version.token.encode("utf-8", "surrogatepass")).digest()
        self._sum = (self._sum + int.from_bytes(hashed[:16])) % _MODULUS
        self.sessions += 1
        self.rows += 1 + 2 * version.responses

    def include(self, other: Contents) -> None:
        """Add the sessions of other contents, none of which is in these."""
        self._sum = (self._sum + other._sum) % _MODULUS
        self.sessions += other.sessions
        self.rows += other.rows

    def digest(self, salt: str) -> str:
        """Return a hash of all sessions and their versions.

        Args:
            salt: What else the rows are made of.
        """
        told = f"{salt} {self.sessions} {self._sum}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]


class Days:
    """The contents of all days of a store, by hour: its memory grows with the days alone."""

    def __init__(self) -> None:
        self._hours: dict[int, dict[int, Contents]] = {}

    def add(self, version: SessionVersion) -> None:
        """Add a session to the hour in which it began."""
        day, rest = divmod(version.at, DAY_US)
        hours = self._hours.setdefault(day, {})
        hours.setdefault(rest // _HOUR_US, Contents()).add(version)

    def parts(self, counts: Mapping[int, int]) -> Iterator[tuple[Part, Contents]]:
        """Yield the parts that have sessions, the oldest first, each with its contents.

        Args:
            counts: Into how many parts days are divided already. A day that has files stays as it
                is divided, so that each of its files can be replaced by itself.
        """
        chosen = dict(counts)
        for day, hours in sorted(self._hours.items()):
            if day not in chosen:
                rows = sum(one.rows for one in hours.values())
                before = (chosen.get(day - back, 1) for back in range(1, _DAYS_BEFORE + 1))
                chosen[day] = max(_count_for(rows), *before)
            found: dict[int, Contents] = {}
            for hour, contents in hours.items():
                index = hour * chosen[day] // _HOURS
                found.setdefault(index, Contents()).include(contents)
            for index in sorted(found):
                yield Part(day, index, chosen[day]), found[index]


def counts_of(parts: Iterable[Part]) -> dict[int, int]:
    """Return into how many parts each day is divided by files that are there."""
    found: dict[int, int] = {}
    for part in parts:
        found[part.day] = max(part.count, found.get(part.day, 1))
    return found


def _count_for(rows: int) -> int:
    return next((count for count in _COUNTS if rows <= count * PART_ROWS), _COUNTS[-1])
