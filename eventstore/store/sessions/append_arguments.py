"""The arguments of an append, the checks of them, and its result.

append.py uses the classes. `WritableLog` (log.py) checks what comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from eventstore.brief import brief
from eventstore.common.arguments import check_whole
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import Frame
from eventstore.store.log.insert_events import no_frame


class Appended(NamedTuple):
    """The result of an append.

    Attributes:
        session_id: The session's id.
        first_seq: The sequence number of the first frame.
        last_seq: The sequence number of the last frame; one less than `first_seq` if there was no
            frame.
        repeated: True if the frames were there already, because the same append was made before.
    """

    session_id: str
    first_seq: int
    last_seq: int
    repeated: bool = False


class Append(NamedTuple):
    """One of the appends of `append_together`.

    Attributes:
        session_id: The session's id.
        frames: The frames to append, in order.
        expected_seq: The sequence number that the session's last event must have; None for any.
        close: True if no more frames will come.
    """

    session_id: str
    frames: Iterable[Frame]
    expected_seq: int | None = None
    close: bool = False


class RepeatableFrames:
    """Frames that are too many to be held, and can be read again from the first one.

    Args:
        begin: Returns an iterator over all of them, each time it is called.
    """

    def __init__(self, begin: Callable[[], Iterator[Frame]]) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[Frame]:
        return self._begin()


class _FramesReadOnce:
    """Frames of an iterator. `is_begun` is True once they are being read."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames, self.is_begun = frames, False

    def __iter__(self) -> Iterator[Frame]:
        self.is_begun = True
        return iter(self._frames)


def read_once(append: Append) -> Append:
    """Return an append that notes when its frames are read, if they can be read only once."""
    if isinstance(append.frames, Sequence | RepeatableFrames):
        return append
    return append._replace(frames=_FramesReadOnce(append.frames))


def is_unread(append: Append) -> bool:
    """Return True if the frames of an append from `read_once` can still be read as a whole."""
    return not (isinstance(append.frames, _FramesReadOnce) and append.frames.is_begun)


def check_append(frames: object, expected_seq: int | None) -> None:
    """Check the arguments of an append before any frame is read.

    The frames of an iterator are checked later, as they come.

    Raises:
        InvalidInputError: `frames` is not made of frames, or `expected_seq` is not a sequence
            number.
    """
    if expected_seq is not None:
        check_whole("expected_seq", expected_seq)
    if not isinstance(frames, Iterable) or isinstance(frames, str | bytes):
        raise InvalidInputError(f"frames is {brief(frames)}; give Frame(direction, text, at)")
    if isinstance(frames, Sequence):
        for place, frame in enumerate(frames, 1):
            if not isinstance(frame, tuple) or not hasattr(frame, "at"):
                raise no_frame(place, frame)


def checked_appends(appends: object) -> list[Append]:
    """Return the appends to several sessions as a list, after a check of each.

    Raises:
        InvalidInputError: A value is not an `Append`, or its fields are not valid.
    """
    if not isinstance(appends, Iterable):
        raise InvalidInputError(f"appends is {brief(appends)}; give Append(session_id, frames)")
    found = list(appends)
    for one in found:
        if not isinstance(one, Append):
            raise InvalidInputError(f"{brief(one)} is no Append(session_id, frames)")
        check_append(one.frames, one.expected_seq)
    return found
