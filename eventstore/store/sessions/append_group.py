"""PostgreSQL: append to many sessions by a few statements, whatever the number of sessions.

One UPDATE moves the heads of all sessions, one COPY writes their events, and one statement the rows
that these change in the read models. Called by `append_together` (append.py), for the sessions
whose heads are known. A distributed database routes each statement to one session's node, so there
each session has its own statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventstore.encryption.cipher import Cipher
from eventstore.projection.handlers.session import close_session
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.realtime.endings import CLOSING, needs_closing_note
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.insert_events import COPY_FROM, decoded_rows, insert_events
from eventstore.store.readmodels.encrypted_rows import encrypted_rows
from eventstore.store.readmodels.figure_rows import is_length_step_due
from eventstore.store.readmodels.states.state_cache import CachedState
from eventstore.store.readmodels.upsert import upsert_clauses, upsert_parameters
from eventstore.store.readmodels.write_read_models import (
    Changes,
    changes_of,
    mark_written,
    write_changes,
)
from eventstore.store.sessions.append_arguments import Append, Appended
from eventstore.store.sessions.append_one import last_at
from eventstore.times import now

# All streams of the transaction are locked in one order, so that two transactions cannot deadlock.
# An index keeps texts in the order of the database's collation, and Python in that of their bytes.
# The UPDATE has no condition but the session's id: with others, PostgreSQL may look for all streams
# that fulfil those, if it knows little of the table.
_MOVE = (
    "WITH locked AS (SELECT s.session_id, g.last, g.at, g.closed_at, s.head_seq = g.head"
    " AND s.erased_at IS NULL{condition} AS moves"
    " FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])"
    " AS g (session_id, head, last, at, closed_at)"
    " JOIN streams s ON s.session_id = g.session_id"
    ' ORDER BY s.session_id COLLATE "C" FOR UPDATE OF s)'
    " UPDATE streams s SET head_seq = l.last, last_at = COALESCE(l.at, s.last_at){further}"
    " FROM locked l WHERE s.session_id = l.session_id AND l.moves RETURNING s.session_id"
)
MOVE_LOGS = _MOVE.format(condition="", further="")
MOVE_ALL = _MOVE.format(
    condition=" AND s.projected_seq = s.head_seq AND s.closed_at IS NULL"
    f" AND s.projector_version = {PROJECTOR_VERSION}",
    further=", projected_seq = l.last, closed_at = l.closed_at",
)
#: To as many sessions at least, one statement for all is faster than one for each.
_GROUP_FROM = 2
#: Characters of rows after which a statement is sent: a value of PostgreSQL has 1 GB at most.
_MOST_CHARACTERS = 4_000_000


class Member(NamedTuple):
    """One of the appends to known heads.

    Attributes:
        session_id: The session's id.
        head: The head that its stream has to have.
        frames: What is appended; one frame at least.
        close: True if no more frames will come; only with a state.
        cached: The session's state; None leaves the read models to a worker.
    """

    session_id: str
    head: int
    frames: Sequence[Frame]
    close: bool
    cached: CachedState | None

    def last_seq(self) -> int:
        """Return the seq of the last frame."""
        return self.head + len(self.frames)


def known_head(inline: bool, cached: CachedState | None, expected_seq: int | None) -> int | None:
    """Return the head that the stream should have, or None if it must be read from the database."""
    head = expected_seq
    if inline:
        head = cached.state.seq if cached is not None else None
        if expected_seq is not None and expected_seq != head:
            return None
    return head or None


def append_at_known_heads(
    tx: Transaction, inline: bool, appends: Sequence[tuple[Append, CachedState | None]]
) -> dict[str, Appended]:
    """Append to the sessions whose heads are the known ones; write nothing to the others.

    Args:
        tx: A transaction of PostgreSQL, without Citus.
        inline: True if read models are written too.
        appends: All appends of the transaction, in the order of their ids, with cached states.

    Returns:
        The results by session. The sessions that lack here are to be appended to by themselves: so
        is a session that several of the appends name.
    """
    named = Counter(one.session_id for one, _ in appends)
    members = [
        member
        for one, cached in appends
        if named[one.session_id] == 1 and (member := _member(inline, one, cached)) is not None
    ]
    if len(members) < _GROUP_FROM:
        return {}
    moved = _move(tx, members, list(named), inline)
    members = [one for one in members if one.session_id in moved]
    ciphers = {one.session_id: tx.cipher(one.session_id) for one in members}
    changes: dict[str, Changes] = {}
    rows = _rows(members, ciphers, changes)
    insert_events(tx, rows, few=sum(len(one.frames) for one in members) < COPY_FROM)
    if inline:
        _write_changes(tx, members, ciphers, changes)
    return {
        one.session_id: Appended(one.session_id, one.head + 1, one.last_seq()) for one in members
    }


def _member(inline: bool, one: Append, cached: CachedState | None) -> Member | None:
    """Return what is appended to a session at its known head, or None for another way."""
    session_id, frames, expected_seq, close = one
    head = known_head(inline, cached, expected_seq)
    if head is None or not isinstance(frames, Sequence) or not frames or (close and not inline):
        return None
    if close and needs_closing_note(tuple(frames)):
        frames = [*frames, CLOSING]
    return Member(session_id, head, frames, close, cached)


def _move(
    tx: Transaction, members: Sequence[Member], locked: Sequence[str], inline: bool
) -> set[str]:
    """Lock streams, move the heads, and return the sessions whose heads were the known ones."""
    moves = {
        one.session_id: (
            one.session_id,
            one.head,
            one.last_seq(),
            (at := last_at(one.frames)),
            (at or now()) if one.close else None,
        )
        for one in members
    }
    # A head of null is none that a stream has: such a stream is locked, and does not move.
    only_locked = [(id_, None, None, None, None) for id_ in locked if id_ not in moves]
    columns = [list(column) for column in zip(*moves.values(), *only_locked, strict=True)]
    return {row[0] for row in tx.rows(MOVE_ALL if inline else MOVE_LOGS, columns)}


def _rows(
    members: Sequence[Member], ciphers: dict[str, Cipher | None], changes: dict[str, Changes]
) -> Iterator[Row]:
    """Yield the rows of all events, and put into `changes` what they change in read models.

    The changes are computed while PostgreSQL still processes the rows.
    """
    for session_id, head, frames, close, cached in members:
        state = cached.state if cached is not None else None
        yield from decoded_rows(session_id, head, frames, state, ciphers[session_id])
        if cached is not None:
            if close:
                close_session(cached.state)
            if cached.state.dirty or is_length_step_due(cached.state):
                changes[session_id] = changes_of(*cached)


def _write_changes(
    tx: Transaction,
    members: Sequence[Member],
    ciphers: dict[str, Cipher | None],
    changes: dict[str, Changes],
) -> None:
    """Write what has changed in the read models: the rows of many sessions by one statement."""
    rows: dict[str, list[str]] = {}
    size = 0
    for one in members:
        its = changes.get(one.session_id)
        if one.cached is None or its is None:
            continue
        if not its.only_puts():
            write_changes(tx, one.cached.state, its)
            continue
        cipher = ciphers[one.session_id]
        put = its.rows if cipher is None else encrypted_rows(cipher, its.rows)
        for name, array in zip(*upsert_parameters(put), strict=True):
            rows.setdefault(name, []).append(array[1:-1])
            size += len(array)
        mark_written(one.cached.state, its.tags)
        if size > _MOST_CHARACTERS:
            _put(tx, rows)
            rows, size = {}, 0
    _put(tx, rows)


def _put(tx: Transaction, rows: dict[str, list[str]]) -> None:
    if rows:
        names = tuple(sorted(rows))  # Statements are prepared by their texts.
        arrays = [f"[{','.join(rows[name])}]" for name in names]
        tx.run(f"WITH {upsert_clauses(names)} SELECT 1", arrays)
