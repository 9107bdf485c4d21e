"""Verify that a session's frames are those that were recorded, and name what is changed or missing.

Called by `EventStore.verify`. The work is shared with verify_log.py (segments and rows),
verify_events.py (one event after the other) and verify_rows.py (the columns of one event).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from eventstore.archive.verifying.verify_events import EventChecks
from eventstore.archive.verifying.verify_log import verify_log
from eventstore.archive.verifying.verify_results import Problem, SegmentDigest, Verified
from eventstore.errors import DamagedError
from eventstore.segments.digest import BEGINNING, session_digest
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.heads import read_stream
from eventstore.store.log.read_events import read_rows
from eventstore.store.log.segments.read_segments import (
    read_segments,
)
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import audio_erased_at, check_not_erased, tombstone_faults
from eventstore.store.maintenance.orphans import tables_with_rows

STREAM = "SELECT head_seq, sealed_seq, last_at, erased_at FROM streams WHERE session_id = ?"


def verify_session(
    engine: Engine, session_id: str, expected: Sequence[SegmentDigest] | None = None
) -> Verified:
    """Compute a session's digests again from its log, and return them with all problems.

    Args:
        expected: Digests that were kept elsewhere, to compare with. Events after the last of them
            are new, and no problem.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased, and its tombstone says so without contradiction.
    """
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
        if row is None:
            return _without_stream(tx, session_id)
        tombstone = list(tombstone_faults(tx, session_id))
        try:
            read_stream(tx, session_id)
        except DamagedError as error:
            said = Problem(error.first_seq, error.last_seq, error.problem)
            return Verified(session_id, 0, 0, [], [said])
        if not tombstone:
            check_not_erased(tx, session_id)
    head, sealed, last_at, erased_at = row[0], row[1] or 0, row[2], row[3]
    problems = [Problem(1, head, fault) for fault in tombstone]
    if erased_at is not None:
        return Verified(session_id, head, 0, [], problems)
    try:
        with read(engine) as tx:
            stored = read_segments(tx, session_id)
            was_erased = audio_erased_at(tx, session_id) is not None
            cipher = tx.keys.known_cipher(tx, session_id)
        checks = EventChecks(engine, session_id, was_erased, cipher)
        found = verify_log(checks, head, sealed, stored, problems)
        problems += checks.plain_read_models(head)
    except DamagedError as error:
        problems.append(Problem(error.first_seq, error.last_seq, error.problem))
        return Verified(session_id, head, sealed, [], sorted(set(problems)))
    if not problems and checks.last_at != last_at:
        problem = "the stream says another time of the last event than the events do"
        problems.append(Problem(head, head, problem))
    if expected is not None:
        problems += _differences(engine, session_id, found, expected)
    has_keys = keys_of(engine).engine is not None
    protection = checks.protection if has_keys else None
    return Verified(session_id, head, sealed, found, sorted(set(problems)), protection)


def _without_stream(tx: Transaction, session_id: str) -> Verified:
    """Return the problem of a session that has rows in other tables, but no stream.

    Raises:
        NotFoundError: There are no rows of this session at all.
    """
    found = tables_with_rows(tx, session_id)
    if not found:
        raise no_session(session_id)
    problem = f"its stream is missing, and there are rows of it in {', '.join(found)}"
    return Verified(session_id, 0, 0, [], [Problem(1, 1, problem)])


def _differences(
    engine: Engine,
    session_id: str,
    found: Sequence[SegmentDigest],
    expected: Sequence[SegmentDigest],
) -> Iterator[Problem]:
    """Yield where the log differs from digests that were kept elsewhere."""
    same = list(found[: len(expected)]) == list(expected)
    head = found[-1].last_seq if found else 0
    previous = BEGINNING
    for first, last, sha256 in () if same else expected:
        if last > head:
            yield Problem(max(first, head + 1), last, "events are missing")
        try:
            rows = read_rows(engine, session_id, first, min(last, head))
            if last <= head and session_digest(previous, rows) != sha256:
                yield Problem(first, last, "the frames are not those that the digest is of")
        except DamagedError:
            pass  # the check of the log has reported this damage
        except ValueError as error:
            yield Problem(first, last, f"columns contradict each other: {error}")
        previous = sha256
