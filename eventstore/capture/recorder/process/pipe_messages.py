"""What is said to a recorder in another process: tuples, a kind first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.capture.messages.message_unpacking import size_of

#: Characters that are said at once: to pickle more would hold the interpreter up.
LARGEST_MESSAGE = 256 * 1024
#: Bytes of memory that a message takes besides its frame, about.
MESSAGE_OVERHEAD = 200


def size_of_message(what: tuple[Any, ...]) -> int:
    """About how many bytes of memory a message takes."""
    return MESSAGE_OVERHEAD + (size_of(what[3]) if what[0] == "record" else 0)


def in_small_parts(messages: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """What to say at once, so that nothing large is pickled as a whole.

    A large frame stands alone, and goes over in pieces, which end with its record.
    """
    if len(messages) > 1 or size_of_message(messages[0]) <= LARGEST_MESSAGE:
        yield messages
        return
    kind, number, direction, text, at = messages[0]
    for piece in text if isinstance(text, list) else [text]:
        for start in range(0, len(piece), LARGEST_MESSAGE):
            yield [("piece", piece[start : start + LARGEST_MESSAGE])]
    yield [(kind, number, direction, None, at)]
