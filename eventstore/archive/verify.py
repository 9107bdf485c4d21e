"""Verify that a session's frames are those that were recorded, and name what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.archive.verify_rows import row_problem
from eventstore.encryption.cipher import Cipher
from eventstore.encryption.encrypt_segments import is_bound_segment, is_encrypted_segment
from eventstore.errors import DamagedError, Failure, NotFoundError
from eventstore.projection.repeats import Repeats
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import BOUND, ENCRYPTED, STORE
from eventstore.segments.digest import BEGINNING, Digest, extend_digest, session_digest
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.derived_columns import DerivedColumns
from eventstore.store.log.heads import find_faults, read_log_extent, read_stream
from eventstore.store.log.read_events import read_rows, read_stored_rows
from eventstore.store.log.segments.read_segments import (
    Segment,
    StoredSegment,
    bytes_of,
    digest_start,
    events_in,
    find_segment,
    read_segments,
)
from eventstore.store.log.tombstones import audio_erased_at, check_not_erased, tombstone_faults
from eventstore.store.maintenance.orphans import tables_with_rows
from eventstore.store.readmodels.encrypted_rows import count_plain_rows

STREAM = "SELECT head_seq, sealed_seq, last_at, erased_at FROM streams WHERE session_id = ?"
BESIDE_SEGMENTS = "SELECT MIN(seq), MAX(seq) FROM events WHERE session_id = ? AND seq <= ?"
LAST_EVENT = "SELECT MAX(seq) FROM events WHERE session_id = ?"

_BEHIND = "events stand behind the head"


class SegmentDigest(NamedTuple):
    """A part of a session, and the digest of all up to its end."""

    first_seq: int
    last_seq: int
    sha256: bytes


class Problem(NamedTuple):
    """What is wrong with some events.

    Attributes:
        first_seq, last_seq: the events that it may concern.
        problem: in words.
    """

    first_seq: int
    last_seq: int
    problem: str


class Protection(NamedTuple):
    """How many events of a session in an encrypted store are protected how.

    Attributes:
        bound: encrypted, and bound to the row's other columns.
        old: encrypted as older versions did: time, direction and type are not bound to it.
        plain: not encrypted.
    """

    bound: int = 0
    old: int = 0
    plain: int = 0


class Verified(NamedTuple):
    """What a session's log turned out to be.

    Attributes:
        session_id: the session.
        events: its head.
        sealed: up to which event its segments prove it; what is behind is proved by a digest that
            was kept elsewhere alone.
        segments: its digests, also those of parts that are not sealed.
        problems: in order; none where all is well.
        protection: of an encrypted store whose keys are named; None for any other.
    """

    session_id: str
    events: int
    sealed: int
    segments: list[SegmentDigest]
    problems: list[Problem]
    protection: Protection | None = None

    @property
    def sha256(self) -> bytes:
        """The session's digest."""
        return self.segments[-1].sha256 if self.segments else BEGINNING


def verification_failure(verified: Verified) -> Failure | None:
    """Return what is wrong with a session that was verified, or None if it is whole."""
    if not verified.problems:
        return None
    first = verified.problems[0]
    error = DamagedError(verified.session_id, first.first_seq, first.last_seq, first.problem)
    return Failure(verified.session_id, error)


def verify_session(
    engine: Engine, session_id: str, expected: Sequence[SegmentDigest] | None = None
) -> Verified:
    """Recompute a session's digest from its log.

    Args:
        expected: digests that were kept elsewhere, to compare with. Events behind them are new.

    Raises:
        NotFoundError: there is no such session.
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
        look = _Look(engine, session_id, was_erased, cipher)
        found = _verify_log(look, head, sealed, stored, problems)
        problems += look.plain_read_models(head)
    except DamagedError as error:
        problems.append(Problem(error.first_seq, error.last_seq, error.problem))
        return Verified(session_id, head, sealed, [], sorted(set(problems)))
    if not problems and look.last_at != last_at:
        problem = "the stream says another time of the last event than the events do"
        problems.append(Problem(head, head, problem))
    if expected is not None:
        problems += _differences(engine, session_id, found, expected)
    has_keys = keys_of(engine).engine is not None
    protection = look.protection if has_keys else None
    return Verified(session_id, head, sealed, found, sorted(set(problems)), protection)


def _without_stream(tx: Transaction, session_id: str) -> Verified:
    """Tell that there are rows of a session that has no stream.

    Raises:
        NotFoundError: there are none, either.
    """
    found = tables_with_rows(tx, session_id)
    if not found:
        raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
    problem = f"its stream is missing, and there are rows of it in {', '.join(found)}"
    return Verified(session_id, 0, 0, [], [Problem(1, 1, problem)])


class _Look:
    """What a pass over a session's events has seen so far.

    Attributes:
        last_at: the time of the last event that crossed the wire and has one.
        protection: how the events are protected.
    """

    def __init__(
        self, engine: Engine, session_id: str, audio_was_erased: bool, cipher: Cipher | None
    ) -> None:
        self.engine, self.session_id, self._cipher = engine, session_id, cipher
        self.protection = Protection()
        self.last_at: int | None = None
        self._audio_was_erased = audio_was_erased
        self._derived = DerivedColumns(engine, session_id)
        self._repeats = Repeats()

    def problem(self, row: EventRow, is_sealed: bool) -> str | None:
        """Look at the next event; say what is wrong with its columns, or return None."""
        if row.at is not None and row.direction != STORE:
            self.last_at = row.at
        stored = None if is_sealed else self._derived.of(row.seq)
        if stored is not None:
            is_bound = stored.audio_offset == BOUND
            problem = self.protect(
                row.seq, 1, is_bound or stored.audio_offset == ENCRYPTED, is_bound
            )
            if problem is not None:
                return problem
        return row_problem(row, stored, self._audio_was_erased, self._repeats)

    def protect(self, last: int, events: int, is_encrypted: bool, is_bound: bool) -> str | None:
        """Note how some events are protected, up to one; say if they should be better, or not."""
        bound, old, plain = self.protection
        if is_bound:
            bound += events
        elif is_encrypted:
            old += events
        else:
            plain += events
        self.protection = Protection(bound, old, plain)
        if is_encrypted or self._cipher is None:
            return None
        begun = self._cipher.from_seq
        # Where it was not noted, nothing that is plain stands behind what is encrypted.
        if (last >= begun) if begun is not None else (bound + old > 0):
            return "it is not encrypted, and the session's events were when this one was written"
        return None

    def plain_read_models(self, head: int) -> Iterator[Problem]:
        """Yield what rows of read models are not encrypted, once all events were looked at.

        Readers take such rows as they are, since older ones may be plain; a rebuild encrypts them.
        """
        bound, old, plain = self.protection
        if self._cipher is None:
            return
        begun = self._cipher.from_seq
        if begun is None:
            if not bound + old:
                return
            begun = plain + 1
        with read(self.engine) as tx:
            found = count_plain_rows(tx, self.session_id, begun)
        for table, count in found.items():
            rows = "a row" if count == 1 else f"{count:,} rows"
            yield Problem(
                1,
                head,
                f"{rows} of {table} not encrypted, which readers would take as they are;"
                f" run: eventstore rebuild {self.session_id}",
            )


def _verify_log(
    look: _Look, head: int, sealed: int, stored: Sequence[Segment], problems: list[Problem]
) -> list[SegmentDigest]:
    engine, session_id = look.engine, look.session_id
    found = _verify_segments(look, stored, problems)
    reached = found[-1].last_seq if found else 0
    if reached < sealed:
        problems.append(Problem(reached + 1, sealed, "segments are missing"))
    problems += _rows_beside(engine, session_id, sealed)
    problems += _contradictions_of_stream(engine, session_id)
    if not problems and digest_start(stored, head).first <= sealed:
        # Sealed again, the last segment would go on with what came behind it.
        found.pop()
    found += _verify_tail(look, sealed, head, found, problems)
    return found


def _verify_segments(
    look: _Look, stored: Sequence[Segment], problems: list[Problem]
) -> list[SegmentDigest]:
    previous, seq = BEGINNING, 1
    found = []
    for segment in stored:
        first, last = segment.first_seq, segment.last_seq
        if first > seq:
            problems.append(Problem(seq, first - 1, "segments are missing"))
        elif first < seq:
            problems.append(Problem(first, seq - 1, "segments overlap"))
        if segment.previous_sha256 != previous:
            problems.append(Problem(first, last, "the segment does not follow the one before"))
        problems += _verify_segment(look, segment)
        found.append(SegmentDigest(first, last, segment.sha256))
        # Of the next one only its own damage shall be told.
        previous, seq = segment.sha256, last + 1
    return found


def _verify_segment(look: _Look, segment: Segment) -> Iterator[Problem]:
    first, last = segment.first_seq, segment.last_seq
    packed = None
    try:
        with read(look.engine) as tx:
            packed = find_segment(tx, look.session_id, first)
        if packed is None:
            yield Problem(first, last, "the segment is gone")
            return
        packed = packed._replace(data=bytes_of(packed))
        data = packed.data or b""
        problem = look.protect(
            last, last - first + 1, is_encrypted_segment(data), is_bound_segment(data)
        )
        if problem is not None:
            yield Problem(first, last, problem)
        digest, times = Digest(segment.previous_sha256), []
        for row in events_in(packed):
            problem = look.problem(row, is_sealed=True)
            if problem is not None:
                yield Problem(row.seq, row.seq, problem)
            digest.add(row)
            times.append(row.at)
        if digest.value() != segment.sha256:
            yield Problem(first, last, "its frames are not those that were sealed")
        known = min((at for at in times if at is not None), default=None)
        said = (packed.first_at, packed.least_at, packed.frame_bytes)
        if said != (times[0], known, digest.frame_bytes):
            yield Problem(first, last, "the log says other times or sizes than its events have")
    except DamagedError as error:
        yield _narrowed(packed, error)
    except ValueError as error:
        yield Problem(first, last, f"its columns contradict each other: {error}")


def _narrowed(packed: StoredSegment | None, error: DamagedError) -> Problem:
    """What is damaged, to the events that it is of where it is their sound alone."""
    sound = error.sound
    if packed is None or sound is None:
        return Problem(error.first_seq, error.last_seq, error.problem)
    rows = events_in(packed, lambda *kind: kind == sound, sound=False)
    seqs = [row.seq for row in rows if row.audio_bytes is not None] or [error.first_seq]
    problem = f"{error.problem}: that of {len(seqs):,} events; their texts, and all else, are whole"
    return Problem(seqs[0], seqs[-1], problem)


def _rows_beside(engine: Engine, session_id: str, sealed: int) -> Iterator[Problem]:
    with read(engine) as tx:
        row = tx.row(BESIDE_SEGMENTS, (session_id, sealed))
    if row is not None and row[0] is not None:
        yield Problem(row[0], row[1], "rows stand beside the segments of these events")


def _contradictions_of_stream(engine: Engine, session_id: str) -> Iterator[Problem]:
    """Where the stream's row says other than the log, which `eventstore repair` can mend."""
    with read(engine) as tx:
        faults = find_faults(read_stream(tx, session_id), read_log_extent(tx, session_id))
        found = [fault for fault in faults if fault.mendable]
    for first, last, problem, _ in found:
        yield Problem(first, last, f"{problem}; run: eventstore repair {session_id}")


def _verify_tail(
    look: _Look,
    sealed: int,
    head: int,
    found: Sequence[SegmentDigest],
    problems: list[Problem],
) -> list[SegmentDigest]:
    """The digests of what is not sealed, in the parts that sealing would make."""
    engine, session_id = look.engine, look.session_id
    digests: list[SegmentDigest] = []
    digest = Digest(found[-1].sha256 if found else BEGINNING)
    seq = found[-1].last_seq if found else 0
    begin = seq + 1
    with read(engine) as tx:
        row = tx.row(LAST_EVENT, (session_id,))
    end = max(head, (row[0] or 0) if row is not None else 0)
    for event in read_stored_rows(engine, session_id, begin, end):
        if event.seq > seq + 1:
            problems.append(Problem(seq + 1, event.seq - 1, "events are missing"))
        seq = event.seq
        if seq > head:
            continue
        problem = look.problem(event, is_sealed=seq <= sealed)
        if problem is not None:
            problems.append(Problem(seq, seq, problem))
            continue
        digest = extend_digest(digest, event)
        if digest.is_full() or seq == head:
            digests.append(SegmentDigest(begin, seq, digest.value()))
            begin = seq + 1
    if seq < head:
        problems.append(Problem(seq + 1, head, "events are missing"))
    elif seq > head and not any(_BEHIND in problem for _, _, problem in problems):
        problems.append(Problem(head + 1, seq, _BEHIND))
    return digests


def _differences(
    engine: Engine,
    session_id: str,
    found: Sequence[SegmentDigest],
    expected: Sequence[SegmentDigest],
) -> Iterator[Problem]:
    """Where the log differs from digests that were kept elsewhere."""
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
            pass  # told already
        except ValueError as error:
            yield Problem(first, last, f"columns contradict each other: {error}")
        previous = sha256
