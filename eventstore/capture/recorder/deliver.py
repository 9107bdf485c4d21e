"""Append a recording's entries to its session: once each, in order, after any failure.

`deliver_always` calls this for one recording, and `writer.py` for several in one transaction.
`recover.py` uses `find_session` for what a process left in the spool.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession
from eventstore.capture.recording import notes
from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame, parse
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import find_last_seq
from eventstore.store.sessions.append import append
from eventstore.store.sessions.append_arguments import Append
from eventstore.store.sessions.log import WritableLog

_ATTEMPTS = 10


def deliver(log: WritableLog, target: TargetSession, entries: Sequence[Entry]) -> None:
    """Append entries that cannot be in the log yet, behind those that this process has appended.

    If another session has the requested id, or somebody else appended to the session,
    `deliver_missing` is called instead.

    Raises:
        ErasedError: If the session was erased.
        DatabaseUnavailableError: If it is not known whether the entries were written.
    """
    frames = [entry.frame for entry in entries]
    for session_id, seq in _likely_places(target):
        try:
            done = log.append(session_id, frames, seq, close=entries[-1].closing)
        except ConflictError:
            continue  # another session has the id, or somebody else appended
        target.session_id, target.seq = session_id, done.last_seq
        target.last_written = entries[-1].number, done.last_seq
        return
    deliver_missing(log, target, entries)


def deliver_together(
    log: WritableLog, groups: Sequence[tuple[TargetSession, Sequence[Entry]]]
) -> None:
    """Append the entries of several recordings in one transaction: all of them, or none.

    Args:
        groups: Recordings that have their session ids, each with the entries that follow the
            delivered ones. These may be in the log already, if it is not known whether an append of
            them was made: then this append is a repetition of that one, or it is a conflict.

    Raises:
        ConflictError: If somebody else appended to one of the sessions.
        ErasedError: If one of the sessions was erased.
        DatabaseUnavailableError: If it is not known whether the entries were written.
    """
    done = log.append_together(
        [
            Append(str(to.session_id), [e.frame for e in entries], to.seq, entries[-1].closing)
            for to, entries in groups
        ]
    )
    for (target, entries), appended in zip(groups, done, strict=True):
        target.seq = appended.last_seq
        target.last_written = entries[-1].number, appended.last_seq


def _likely_places(target: TargetSession) -> list[tuple[str, int]]:
    """Return where the next append may go, the likeliest first: session ids and their heads."""
    if target.session_id is not None:
        return [(target.session_id, target.seq)]
    if target.chosen_by_user:
        return []
    return [(id_, 0) for id_ in (target.wanted_id, _own_session_id(target)) if id_ is not None]


def deliver_missing(
    log: WritableLog, target: TargetSession, entries: Sequence[Entry], projects: bool = True
) -> None:
    """Append those of the entries that are not in the session's log yet.

    It is for entries that may have been written before: by an append whose answer was lost, or by a
    process that was killed. An append is one transaction, so the entries that are there are the
    first ones.

    Args:
        projects: Write read models too, as the store does.

    Raises:
        ErasedError: If the session was erased.
        DatabaseUnavailableError: If it is not known whether the entries were written, or other
            processes append to the session all the time.
    """
    number, seq = target.last_written
    entries = [entry for entry in entries if entry.number > number]
    if not entries:
        return
    # A frame before the last append may equal one of the entries; it is not that entry.
    first = seq + 1 if number else entries[0].number
    write = log.append if projects else partial(append, log.engine, None)
    for _ in range(_ATTEMPTS):
        session_id, head = find_session(log, target)
        missing = _missing(log, session_id, first, head, entries)
        frames = [entry.frame for entry in missing]
        lost = _lost(target, missing, head)
        if lost is not None:
            frames.insert(0, notes.gap(lost.reason, {"frames": lost.frames}, missing[0].frame.at))
        try:
            if missing:
                close = missing[-1].closing
                head = write(session_id, frames, expected_seq=head, close=close).last_seq
                target.last_written = missing[-1].number, head
        except ConflictError:
            continue  # somebody else appended in between
        target.session_id, target.seq, target.lost_before = session_id, head, 0
        return
    raise DatabaseUnavailableError(f"others append to {target.wanted_id} all the time")


class _Lost(NamedTuple):
    reason: str
    frames: int


def _lost(target: TargetSession, missing: Sequence[Entry], head: int) -> _Lost | None:
    """Return what was lost before the entries that are missing in the log; None if nothing was."""
    if not missing:
        return None
    # A session that is continued has other events already, so its seqs and the numbers differ.
    by_numbers = 0 if target.chosen_by_user else max(0, missing[0].number - head - 1)
    if head < target.seq:
        # An older state of the database took the place of the one that had confirmed the appends:
        # a replica that was promoted before it had all of the primary's commits, or a backup.
        return _Lost("database_lost", max(target.seq - head, by_numbers))
    frames = target.lost_before or by_numbers
    return _Lost("spool_damaged", frames) if frames else None


def _missing(
    log: WritableLog, session_id: str, first: int, head: int, entries: Sequence[Entry]
) -> Sequence[Entry]:
    """Return the entries from the first one on that is not among the session's events."""
    # Somebody else may have appended in between. An entry's seq is never less than its number.
    count = 0
    for event in read_events(log.engine, session_id, first, head):
        if count < len(entries) and _is_stored_as(entries[count].frame, event):
            count += 1
    return entries[count:]


def find_session(log: WritableLog, target: TargetSession) -> tuple[str, int]:
    """Return the id and the head of the session that a recording is stored in.

    The recording may have been begun by another process; so the log is asked whether the session of
    the requested id is this recording's own. The head is 0 if the session has no events yet.
    """
    if target.session_id is not None:
        return target.session_id, find_last_seq(log.engine, target.session_id) or 0
    if target.wanted_id is not None:
        head = find_last_seq(log.engine, target.wanted_id) or 0
        if not head or target.chosen_by_user or _owns_wanted_session(log, target):
            return target.wanted_id, head
    made = _own_session_id(target)
    return made, find_last_seq(log.engine, made) or 0


def _owns_wanted_session(log: WritableLog, target: TargetSession) -> bool:
    """Return True if the session of the requested id was begun by this recording."""
    first = next(islice(read_events(log.engine, str(target.wanted_id), 1, 1), 1), None)
    if first is None or first.direction != STORE or isinstance(first.text, bytes):
        return False
    return (parse(first.text) or {}).get("recording") == target.key


def _own_session_id(target: TargetSession) -> str:
    return f"sess_{target.key}"


def _is_stored_as(frame: Frame, event: StoredEvent) -> bool:
    return frame == (event.direction, event.text, event.at)
