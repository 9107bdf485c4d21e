"""Cut the texts of frames into columns, so that equal parts are stored once and compress well.

Called by pack.py and unpack.py. A text is cut at the values of its JSON members. The rest is its
skeleton. A session has few different skeletons. The values at one place of one skeleton are a
column: all event ids, all deltas, and so on. A text need not be valid JSON: joining its pieces
always gives the same text.

Example:
    `{"type":"ping","n":1}` has the skeleton `{"type":`, `,"n":`, `}` and the values `"ping"`, `1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from eventstore.realtime.json_scanner import NUMBER, STRING

#: A value behind a colon: a string or a number.
_VALUE = re.compile(rf"(?<=:)(\s?(?:{STRING}|{NUMBER}))", re.DOTALL)
# A longer text is not cut: it is no usual frame, and may have been made to take time.
_LONGEST = 256 * 1024
SEPARATOR = "\0"
# Columns with fewer values, or with shorter ones, do not go into the block `ids`.
_FEW, _SHORT = 8, 12

Skeleton = tuple[str, ...]


def cut_text(text: str) -> tuple[Skeleton, Sequence[str]]:
    """Return the skeleton of a text, and the values between the pieces of the skeleton."""
    if len(text) > _LONGEST:
        return ("", ""), (text,)
    pieces = _VALUE.split(text)
    return tuple(pieces[::2]), pieces[1::2]


def is_random(column: Sequence[str]) -> bool:
    """Return True if a column has random ids, which compress best in a block of their own."""
    first = column[0]
    size = len(first)
    return (
        len(column) > _FEW
        and size > _SHORT
        and len(set(column)) == len(column)
        and all(len(value) == size for value in column)
    )


def is_constant(column: Sequence[str]) -> bool:
    """Return True if a column has the same value in each row."""
    return column.count(column[0]) == len(column)


def join_columns(
    skeleton: Skeleton, columns: Sequence[str | Sequence[str]], count: int
) -> Iterator[str]:
    """Return an iterator of the texts that have one skeleton, in order.

    Args:
        skeleton: The skeleton.
        columns: The values for each gap of the skeleton: a list with a value for each text, or
            one text that is the value in all of them.
        count: The number of texts.
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
