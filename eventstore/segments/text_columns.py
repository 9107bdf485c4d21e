"""Frames' texts as columns: what they share is kept once, what differs stands together.

A text is cut at the values of its JSON fields. What is left is its skeleton, of which a session
has few; the values of one place in one skeleton are a column: all event ids, all deltas, … Cutting
knows nothing of JSON but where a value may stand, and joining gives the text back whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from eventstore.realtime.json_scanner import NUMBER, STRING

#: A value behind a colon: a string or a number.
_VALUE = re.compile(rf"(?<=:)(\s?(?:{STRING}|{NUMBER}))", re.DOTALL)
# A longer text is one value: it is no event's frame, and may be made to take time.
_LONGEST = 256 * 1024
SEPARATOR = "\0"
# A column of fewer values, or of shorter ones, is not worth a block of its own.
_FEW, _SHORT = 8, 12

Skeleton = tuple[str, ...]


def cut_text(text: str) -> tuple[Skeleton, Sequence[str]]:
    """A text's skeleton, and the values between its pieces."""
    if len(text) > _LONGEST:
        return ("", ""), (text,)
    pieces = _VALUE.split(text)
    return tuple(pieces[::2]), pieces[1::2]


def is_random(column: Sequence[str]) -> bool:
    """Whether a column is of ids with little in common, which are best packed by themselves."""
    first = column[0]
    size = len(first)
    return (
        len(column) > _FEW
        and size > _SHORT
        and len(set(column)) == len(column)
        and all(len(value) == size for value in column)
    )


def is_constant(column: Sequence[str]) -> bool:
    """Whether a column says the same in each row."""
    return column.count(column[0]) == len(column)


def join_columns(
    skeleton: Skeleton, columns: Sequence[str | Sequence[str]], count: int
) -> Iterator[str]:
    """The texts of a skeleton, in order, as they are asked for.

    Args:
        columns: the values between its pieces; a text is the same in each row.
        count: how many texts there are.
    """
    pieces = [_escaped(skeleton[0])]
    varying: list[Iterable[str]] = []
    for piece, column in zip(skeleton[1:], columns, strict=True):
        if isinstance(column, str):
            pieces.append(_escaped(column))
        else:
            pieces.append("%s")
            varying.append(column)
        pieces.append(_escaped(piece))
    pattern = "".join(pieces)
    if not varying:
        return repeat(pattern % (), count)
    return map(pattern.__mod__, zip(*varying, strict=True))


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
