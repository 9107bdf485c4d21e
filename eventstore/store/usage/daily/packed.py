"""Pack a day's sums by the values of a metadata key into one row.

A thousand customers have thousands of sums a day. A year of them as single rows would take SQLite
seconds to read. The names are stored as JSON, and the numbers as compressed columns of 64 bits.
Called by compute.py and query_usage.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from eventstore.errors import EventStoreError
from eventstore.projection.views.usage import Tokens
from eventstore.realtime.values import dumps, loads
from eventstore.store.database.transaction import Row

#: How many columns identify a sum besides its value: model, kind, reported, in seconds.
_LINE = 4
#: How many numbers a sum has: the last time (a maximum), how many, and the tokens.
_MEASURED = 2 + len(Tokens._fields)
# More than the lines that a store can have: models times kinds times periods of prices.
_LINES = 1 << 32


class PackedSums(NamedTuple):
    """The packed sums of one day.

    Attributes:
        names: JSON with the values and the lines.
        numbers: Compressed columns: the index of the value, the index of the line, and the numbers.
    """

    names: str
    numbers: bytes


class PackedDay(NamedTuple):
    """The sums of a day, and its period of prices.

    Attributes:
        period: The number of the period.
        sums: The packed sums.
    """

    period: int
    sums: PackedSums


def pack(rows: Sequence[Row]) -> PackedSums:
    """Pack the sums of a day.

    Args:
        rows: Value, model, kind, reported, in seconds, the last time, how many, and the tokens. The
            numbers must fit 64 bits.
    """
    values: dict[str | None, int] = {}
    lines: dict[Row, int] = {}
    numbers = np.empty((2 + _MEASURED, len(rows)), "<i8")
    for place, (value, *rest) in enumerate(rows):
        line = tuple(rest[:_LINE])
        numbers[0, place] = values.setdefault(value, len(values))
        numbers[1, place] = lines.setdefault(line, len(lines))
        numbers[2:, place] = rest[_LINE:]
    names = dumps({"values": list(values), "lines": list(lines)})
    return PackedSums(names, zstandard.ZstdCompressor().compress(numbers.tobytes()))


def add_up(days: Iterable[PackedDay], model: str | None = None) -> list[Row]:
    """Add up the sums of several days.

    Args:
        days: The packed sums.
        model: Only sums of this model; None for all.

    Returns:
        Rows of value, model, kind, reported, period of prices, in seconds, the last time, how many,
        and the tokens.

    Raises:
        EventStoreError: A sum exceeds 64 bits.
    """
    values: dict[str | None, int] = {}
    lines: dict[Row, int] = {}
    places: dict[int, int] = {}
    sums = np.zeros((_MEASURED, 1024), np.int64)
    for period, packed in days:
        names, numbers = loads(packed.names), _unpack(packed)
        own = [(*line[: _LINE - 1], period, line[-1]) for line in names["lines"]]
        if model is not None:
            numbers = numbers[:, np.array([line[0] == model for line in own], bool)[numbers[1]]]
        value = _places(names["values"], values)
        line = _places(own, lines)
        pairs = (value[numbers[0]] * _LINES + line[numbers[1]]).tolist()
        here = _places(pairs, places)
        while sums.shape[1] < len(places):
            sums = np.concatenate((sums, np.zeros_like(sums)), axis=1)
        sums[0, here] = np.maximum(sums[0, here], numbers[2])
        sums[1:, here] += numbers[3:]  # A day has no pair of value and line twice.
        if (sums[1:, here] < 0).any():
            raise EventStoreError("sums of usage exceed 64 bits")
    of_value, of_line = list(values), list(lines)
    numbers_of = sums[:, : len(places)].T.tolist()
    return [
        (of_value[pair // _LINES], *of_line[pair % _LINES], *measured)
        for pair, measured in zip(places, numbers_of, strict=True)
    ]


def _places(names: Iterable[Any], known: dict[Any, int]) -> NDArray[np.int64]:
    """Return the indexes of names in `known`, to which new names are added."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def _unpack(packed: PackedSums) -> NDArray[np.int64]:
    """Return the columns of packed sums: the value, the line, and the numbers."""
    raw = zstandard.ZstdDecompressor().decompress(packed.numbers)
    return np.frombuffer(raw, "<i8").reshape(2 + _MEASURED, -1).astype(np.int64, copy=False)
