"""The messages to a recorder in a child process: tuples that begin with their kind. Pure.

For example `("record", 1, "server", "{…}", at)` or `("gap", 1, "overflow", {…})`; 1 is the
session's number. `recorder_process.py` sends them to `recorder_child.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.capture.messages.message_unpacking import size_of

#: Characters in one write to the pipe: to pickle more would hold the interpreter's lock too long.
LARGEST_MESSAGE = 256 * 1024
#: Bytes of memory that a message takes besides its frame, about.
MESSAGE_OVERHEAD = 200


def size_of_message(message: tuple[Any, ...]) -> int:
    """Return about how many bytes of memory a message takes."""
    return MESSAGE_OVERHEAD + (size_of(message[3]) if message[0] == "record" else 0)


def in_small_parts(messages: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield lists of messages to write at once, so that nothing large is pickled as a whole.

    A large frame is alone in its list. It is sent as `piece` messages, and a `record` without its
    text follows them.
    """
    if len(messages) > 1 or size_of_message(messages[0]) <= LARGEST_MESSAGE:
        yield messages
        return
    kind, number, direction, text, at = messages[0]
    for piece in text if isinstance(text, list) else [text]:
        for start in range(0, len(piece), LARGEST_MESSAGE):
            yield [("piece", piece[start : start + LARGEST_MESSAGE])]
    yield [(kind, number, direction, None, at)]
