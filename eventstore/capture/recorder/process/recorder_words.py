"""What is said to a recorder in another process: tuples, a kind first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.capture.messages.message_unpacking import size_of

#: Characters that are said at once: to pickle more would hold the interpreter up.
AT_ONCE_SIZE = 256 * 1024
#: Bytes of memory that a word takes besides its frame, about.
OVERHEAD = 200


def size_of_word(what: tuple[Any, ...]) -> int:
    """About how many bytes of memory a word takes."""
    return OVERHEAD + (size_of(what[3]) if what[0] == "record" else 0)


def in_bounds(words: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """What to say at once, so that nothing large is pickled as a whole.

    A large frame stands alone among the words, and goes over in pieces, which end with its record.
    """
    if len(words) > 1 or size_of_word(words[0]) <= AT_ONCE_SIZE:
        yield words
        return
    kind, number, direction, text, at = words[0]
    for piece in text if isinstance(text, list) else [text]:
        for start in range(0, len(piece), AT_ONCE_SIZE):
            yield [("piece", piece[start : start + AT_ONCE_SIZE])]
    yield [(kind, number, direction, None, at)]
