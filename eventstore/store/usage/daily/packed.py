"""A day's sums by the values of a key, packed: names as JSON, numbers as columns of 64 bits.

A thousand customers have thousands of sums a day; a year of them as rows would take SQLite seconds.
Pure.
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

#: What names a sum beside its value: model, kind, whether it was reported, whether it is seconds.
_LINE = 4
#: What is summed: the last time, which is no sum; how many; tokens.
_MEASURED = 2 + len(Tokens._fields)
# Beyond the lines that a store can have: models by kinds by periods of prices.
_LINES = 1 << 32


class PackedSums(NamedTuple):
    """Sums: values and lines by their places in `names`, and with each pair of them its numbers."""

    names: str
    numbers: bytes


class PackedDay(NamedTuple):
    """A day's sums, and the number of its period of prices."""

    period: int
    sums: PackedSums


def pack(rows: Sequence[Row]) -> PackedSums:
    """Pack the sums of a day.

    Args:
        rows: value, model, kind, whether it was reported, whether it is seconds, the last time,
            how many, and tokens, which must fit 64 bits.
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
    """The sums of days, added up.

    Args:
        model: that they must be of; None for any.

    Returns:
        Value, model, kind, whether it was reported, period, whether it is seconds, the last time,
        how many, and tokens.

    Raises:
        EventStoreError: a sum exceeds 64 bits.
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
        sums[1:, here] += numbers[3:]  # no pair is twice in a day
        if (sums[1:, here] < 0).any():
            raise EventStoreError("sums of usage exceed 64 bits")
    of_value, of_line = list(values), list(lines)
    numbers_of = sums[:, : len(places)].T.tolist()
    return [
        (of_value[pair // _LINES], *of_line[pair % _LINES], *measured)
        for pair, measured in zip(places, numbers_of, strict=True)
    ]


def _places(names: Iterable[Any], known: dict[Any, int]) -> NDArray[np.int64]:
    """The places of names among those that are known, new ones added."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def _unpack(packed: PackedSums) -> NDArray[np.int64]:
    """Columns: the value, the line, and what is measured."""
    raw = zstandard.ZstdDecompressor().decompress(packed.numbers)
    return np.frombuffer(raw, "<i8").reshape(2 + _MEASURED, -1).astype(np.int64, copy=False)
