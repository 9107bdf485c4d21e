"""Bring a recording's entries into its stream: once each, in order, whatever went wrong before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

from eventstore.capture.recorder.spool.spool_format import Destination, Entry
from eventstore.capture.recording import notes
from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame, parse
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import find_last_seq
from eventstore.store.sessions.append import Append, append
from eventstore.store.sessions.log import WritableLog

_TRIES = 10


def deliver(log: WritableLog, destination: Destination, entries: Sequence[Entry]) -> None:
    """Append entries behind those that this process has delivered before.

    Raises:
        ErasedError: the session was erased.
        DatabaseUnavailableError: whether they were written is not known.
    """
    frames = [entry.frame for entry in entries]
    for session_id, seq in _guesses(destination):
        try:
            done = log.append(session_id, frames, seq, close=entries[-1].closing)
        except ConflictError:
            continue  # another session has the id, or somebody else appended to this one
        destination.session_id, destination.seq = session_id, done.last_seq
        destination.reached = entries[-1].number, done.last_seq
        return
    deliver_missing(log, destination, entries)


def deliver_together(
    log: WritableLog, groups: Sequence[tuple[Destination, Sequence[Entry]]]
) -> None:
    """`deliver` for recordings that have their session ids, in one transaction; all, or nothing.

    Raises:
        ConflictError, ErasedError: somebody else appended to one of the sessions, or erased it.
        DatabaseUnavailableError: whether they were written is not known.
    """
    done = log.append_together(
        [
            Append(str(to.session_id), [e.frame for e in entries], to.seq, entries[-1].closing)
            for to, entries in groups
        ]
    )
    for (destination, entries), appended in zip(groups, done, strict=True):
        destination.seq = appended.last_seq
        destination.reached = entries[-1].number, appended.last_seq


def _guesses(destination: Destination) -> list[tuple[str, int]]:
    """Where the next append may go, the likeliest first: the session, and its head."""
    if destination.session_id is not None:
        return [(destination.session_id, destination.seq)]
    if destination.chosen:
        return []
    return [(id_, 0) for id_ in (destination.wanted, _made_id(destination)) if id_ is not None]


def deliver_missing(
    log: WritableLog, destination: Destination, entries: Sequence[Entry], projects: bool = True
) -> None:
    """Append those of the entries that are not in the stream yet.

    For entries that may have been written before: by an append whose answer was lost, or by a
    process that was killed. An append is one transaction, so those that are there come first.

    Args:
        projects: write read models too, as the store does.

    Raises:
        ErasedError: the session was erased.
        DatabaseUnavailableError: whether they were written is not known.
    """
    number, seq = destination.reached
    entries = [entry for entry in entries if entry.number > number]
    if not entries:
        return
    # Equal frames may stand before what was appended last: those are others.
    first = seq + 1 if number else entries[0].number
    write = log.append if projects else partial(append, log.engine, None)
    for _ in range(_TRIES):
        session_id, head = place(log, destination)
        missing = _missing(log, session_id, first, head, entries)
        frames = [entry.frame for entry in missing]
        lost = _lost_before(destination, missing, head)
        if lost:
            note = notes.gap("spool_damaged", {"frames": lost}, missing[0].frame.at)
            frames.insert(0, note)
        try:
            if missing:
                close = missing[-1].closing
                head = write(session_id, frames, expected_seq=head, close=close).last_seq
                destination.reached = missing[-1].number, head
        except ConflictError:
            continue  # somebody else appended in between
        destination.session_id, destination.seq, destination.hole = session_id, head, 0
        return
    raise DatabaseUnavailableError(f"others append to {destination.wanted} all the time")


def _lost_before(destination: Destination, missing: Sequence[Entry], head: int) -> int:
    """How many entries were lost before those that are missing in the stream."""
    if not missing:
        return 0
    # The numbers are no measure of what a session that it goes on with has.
    by_numbers = 0 if destination.chosen else missing[0].number - head - 1
    return destination.hole or max(0, by_numbers)


def _missing(
    log: WritableLog, session_id: str, first: int, head: int, entries: Sequence[Entry]
) -> Sequence[Entry]:
    # Others may have appended in between; an entry's seq is never less than its number.
    there = 0
    for event in read_events(log.engine, session_id, first, head):
        if there < len(entries) and _is_same(entries[there].frame, event):
            there += 1
    return entries[there:]


def place(log: WritableLog, destination: Destination) -> tuple[str, int]:
    """Where a recording goes that may have been begun before: its session's id, and the head."""
    if destination.session_id is not None:
        return destination.session_id, find_last_seq(log.engine, destination.session_id) or 0
    if destination.wanted is not None:
        head = find_last_seq(log.engine, destination.wanted) or 0
        if not head or destination.chosen or _is_begun(log, destination):
            return destination.wanted, head
    made = _made_id(destination)
    return made, find_last_seq(log.engine, made) or 0


def _is_begun(log: WritableLog, destination: Destination) -> bool:
    """Whether the session of the wanted id is this recording's own."""
    first = next(islice(read_events(log.engine, str(destination.wanted), 1, 1), 1), None)
    if first is None or first.direction != STORE or isinstance(first.text, bytes):
        return False
    return (parse(first.text) or {}).get("recording") == destination.key


def _made_id(destination: Destination) -> str:
    return f"sess_{destination.key}"


def _is_same(frame: Frame, event: StoredEvent) -> bool:
    return frame == (event.direction, event.text, event.at)
