"""Append and project in one transaction, with the states of sessions in progress at hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import ConflictError
from eventstore.projection.state import PROJECTOR_VERSION, SessionState
from eventstore.realtime.frames import STORE, Frame
from eventstore.store.append_to_stream import (
    ADVANCE,
    COPY_FROM,
    Head,
    decoded_rows,
    insert_events,
    is_repeated,
    lock_stream,
    open_stream,
)
from eventstore.store.load_state import catch_up_state, load_state
from eventstore.store.read_models import write_all, write_changes
from eventstore.store.transaction import Row, Transaction, write
from eventstore.times import now

SET_HEAD = (
    "UPDATE streams SET head_seq = ?, last_at = COALESCE(?, last_at), projected_seq = ?,"
    " projector_version = ?, closed_at = COALESCE(?, closed_at) WHERE session_id = ?"
)


class Appended(NamedTuple):
    """What an append did.

    Attributes:
        session_id: the stream.
        first_seq: the seq of the first frame.
        last_seq: the seq of the last frame; one less than `first_seq` where there was none.
        repeated: the frames were there already, from the same append made before.
    """

    session_id: str
    first_seq: int
    last_seq: int
    repeated: bool = False


class Cached(NamedTuple):
    """A session's state after its last append by this process."""

    state: SessionState
    opened_at: int


class StateCache:
    """States of sessions in progress. `take` hands one out to one caller; `put` gives it back.

    A state that an append took and did not give back (it failed) is loaded anew from the log.
    """

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._states: OrderedDict[str, Cached] = OrderedDict()
        self._lock = Lock()

    def take(self, session_id: str) -> Cached | None:
        """The session's state, which is then the caller's alone."""
        with self._lock:
            return self._states.pop(session_id, None)

    def put(self, cached: Cached) -> None:
        """Give a state back, after the commit that it belongs to."""
        with self._lock:
            self._states[cached.state.session_id] = cached
            if len(self._states) > self._size:
                self._states.popitem(last=False)


def append(
    engine: Engine,
    states: StateCache | None,
    session_id: str,
    frames: Iterable[Frame],
    expected_seq: int | None = None,
    close: bool = False,
) -> Appended:
    """Append frames in one transaction, and project them where `states` is given.

    Args:
        states: states of sessions in progress; None leaves the projecting to a worker.
        frames: a sequence, or an iterator, which is read once and never held whole.
        expected_seq: the head that the stream must have; None appends at any.
        close: no more will come: note that in the stream.

    Raises:
        ConflictError: the head is another, and this is no repetition of an earlier append.
        InvalidInputError: a frame with an unknown direction or a time that is no integer.
        DatabaseUnavailableError: the database failed, and nothing was written.
    """
    cached = states.take(session_id) if states is not None else None
    with write(engine) as tx:
        if (
            cached is not None
            and isinstance(frames, Sequence)
            and frames
            and not close
            and _claim(tx, cached, frames, expected_seq)
        ):
            result = _append_at_known_head(tx, cached, frames)
        else:
            result, cached = _append_at_head(
                tx, states is not None, cached, session_id, frames, expected_seq, close
            )
    if states is not None and cached is not None:
        states.put(cached)
    return result


def _claim(
    tx: Transaction, cached: Cached, frames: Sequence[Frame], expected_seq: int | None
) -> bool:
    """Move the head where it is still what this process last saw: one statement, no look first."""
    head, version = cached.state.seq, PROJECTOR_VERSION
    if head == 0 or (expected_seq is not None and expected_seq != head):
        return False
    last, at = head + len(frames), _last_at(frames)
    keys = (cached.state.session_id, head, head, version)
    return tx.run(ADVANCE, (last, at, last, version, *keys)) == 1


def _last_at(frames: Sequence[Frame]) -> int | None:
    """The last known time of a frame that crossed the wire."""
    for frame in reversed(frames):
        if frame.at is not None and frame.direction != STORE:
            return frame.at
    return None


def _append_at_known_head(tx: Transaction, cached: Cached, frames: Sequence[Frame]) -> Appended:
    state = cached.state
    base = state.seq
    _insert(tx, state.session_id, base, frames, state)
    write_changes(tx, state, cached.opened_at)
    return Appended(state.session_id, base + 1, base + len(frames))


def _append_at_head(
    tx: Transaction,
    inline: bool,
    cached: Cached | None,
    session_id: str,
    frames: Iterable[Frame],
    expected_seq: int | None,
    close: bool,
) -> tuple[Appended, Cached | None]:
    """Append at whatever head the stream has, locked first."""
    head = lock_stream(tx, session_id)
    if expected_seq is not None and expected_seq != (head.seq if head else 0):
        return _repeated(tx, session_id, head, expected_seq, list(frames)), None
    head = head or open_stream(tx, session_id, now(), PROJECTOR_VERSION)
    state = _state_at(tx, cached, session_id, head.seq) if inline else None
    last_seq, last_at = _insert(tx, session_id, head.seq, frames, state)
    projected, version = head.projected_seq, head.projector_version
    if state is not None:
        current = projected == head.seq and version == PROJECTOR_VERSION
        (write_changes if current else write_all)(tx, state, head.opened_at)
        projected, version = last_seq, PROJECTOR_VERSION
    closed_at = (last_at or now()) if close else None
    tx.run(SET_HEAD, (last_seq, last_at, projected, version, closed_at, session_id))
    result = Appended(session_id, head.seq + 1, last_seq)
    return result, None if state is None else Cached(state, head.opened_at)


def _repeated(
    tx: Transaction,
    session_id: str,
    head: Head | None,
    expected_seq: int,
    frames: list[Frame],
) -> Appended:
    """The answer to an append that was made before and whose answer was lost."""
    last_seq = expected_seq + len(frames)
    within = head is not None and expected_seq >= 0 and last_seq <= head.seq
    if within and frames and is_repeated(tx, session_id, expected_seq, frames):
        return Appended(session_id, expected_seq + 1, last_seq, repeated=True)
    raise ConflictError(session_id, expected_seq, head.seq if head else 0)


def _state_at(
    tx: Transaction, cached: Cached | None, session_id: str, head_seq: int
) -> SessionState:
    if cached is not None and cached.state.seq <= head_seq:
        if cached.state.seq < head_seq:
            catch_up_state(tx, cached.state, head_seq)
        return cached.state
    return load_state(tx, session_id, head_seq) if head_seq else SessionState(session_id)


def _insert(
    tx: Transaction,
    session_id: str,
    base: int,
    frames: Iterable[Frame],
    state: SessionState | None,
) -> tuple[int, int | None]:
    """Insert, and fold into the state where there is one.

    Returns:
        The last seq, and the last known time of a frame that crossed the wire.
    """
    decoded = decoded_rows(session_id, base, frames, state)
    if isinstance(frames, Sequence):
        insert_events(tx, decoded, few=len(frames) < COPY_FROM)
        return base + len(frames), _last_at(frames)
    last_seq, last_at = base, None

    def passing() -> Iterator[Row]:
        nonlocal last_seq, last_at
        for row in decoded:
            last_seq = row[1]
            if row[2] is not None and row[3] != STORE:
                last_at = row[2]
            yield row

    insert_events(tx, passing(), few=False)
    return last_seq, last_at
