"""Import recordings: one session a connection, each whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from eventstore.capture.connections import made_id, session_event
from eventstore.capture.import_formats.recording import Recording, open_recording
from eventstore.capture.jsonl import BOM, MAX_LINE, TOO_LONG, BadLine
from eventstore.capture.redaction import Redaction
from eventstore.errors import (
    ErasedError,
    EventStoreError,
    Failure,
    InvalidInputError,
    SomeFailedError,
)
from eventstore.realtime.frames import STORE, Frame, parse
from eventstore.realtime.values import metadata_pairs
from eventstore.store.metadata import check_metadata
from eventstore.store.outages import attempt
from eventstore.store.sessions import (
    check_session_id,
    count_responses,
    find_head,
    metadata_frame,
)

if TYPE_CHECKING:
    from eventstore.event_store import EventStore

Progress = Callable[[int], None]

_PIECE = 1 << 20


class Imported(NamedTuple):
    """What an import did for one session.

    Attributes:
        session_id: the session.
        events: its events in the log.
        responses: its responses.
        added: how many events this import added; 0 where the session was there already.
        skipped_lines: lines that could not be read and were left out.
        redacted: secrets that were taken out of its frames.
        format: the format that the file was read in.
        warnings: what was noticed in the file, a line each: times that are not understood, say.
    """

    session_id: str
    events: int
    responses: int
    added: int
    skipped_lines: int = 0
    redacted: int = 0
    format: str = "jsonl"
    warnings: tuple[str, ...] = ()


class Part(NamedTuple):
    """A connection of a recording: the frames `first` to `last`, counted from 1."""

    first: int
    last: int
    session_id: str
    metadata: dict[str, str]


@dataclass
class _Survey:
    """The connection that a survey is in."""

    first: int
    stored_as: str | None = None
    server_id: str | None = None
    closed_at: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)
    digest_behind: Any = field(default_factory=hashlib.sha256)

    def part(self, last: int) -> Part:
        """The connection, ending at a frame."""
        if self.closed_at is not None and self.closed_at < last:
            self.digest.update(self.digest_behind.digest())
        id_ = self.stored_as or self.server_id or made_id(self.digest.hexdigest())
        return Part(self.first, last, id_, self.metadata)


def import_file(
    store: EventStore,
    path: str | Path | BinaryIO,
    session_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
    redact: bool = False,
    failures: list[Failure] | None = None,
    format: str | None = None,
) -> list[Imported]:
    """Import a recording, read twice: first whether it is sound, then into the log.

    Of several connections, one that cannot be stored stops no other.

    Args:
        path: a file in one of the formats of import_formats/registry.py, or a binary stream of one.
        session_id: the id to store it under, where the file holds one connection.
        metadata: pairs to set on each of its sessions.
        keep_going: leave out lines that cannot be read.
        progress: called with the bytes of the file read so far in the second reading.
        redact: take secrets out of frames before they are written.
        failures: takes those of several connections that cannot be stored; None to raise them.
        format: the name of its format; None to tell it by what is in the file.

    Returns:
        One entry for each connection in the file that is stored.

    Raises:
        InvalidInputError: a line that cannot be read (named; nothing is imported), no events,
            a session id for several connections, or another session under the same id.
        ErasedError: the session was erased.
        SomeFailedError: at the end, where several connections could not be stored.
        DatabaseUnavailableError: the database failed; sessions are whole or not there.
    """
    if session_id is not None:
        check_session_id(session_id)
    wish = _Wish(session_id, metadata or {}, keep_going, redact, progress, format)
    bring_in = partial(_import, store, wish=wish, failures=failures)
    if not isinstance(path, str | Path):
        with _spooled(path, "standard input") as spool:
            return bring_in(spool)
    try:
        with Path(path).open("rb") as stream:
            kind = os.fstat(stream.fileno()).st_mode
            if stat.S_ISREG(kind):
                return bring_in(stream)
            if not stat.S_ISFIFO(kind):
                raise InvalidInputError(f"{path} is no file of a recording, but a device")
            with _spooled(stream, str(path)) as spool:
                return bring_in(spool)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def _spooled(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """A copy of a stream that can be read twice; one that is one line without end is refused.

    Raises:
        InvalidInputError: its first line is too long, or there is no room for the copy.
    """
    with tempfile.TemporaryFile() as spool:
        has_lines = False
        try:
            while piece := stream.read(_PIECE):
                # An array may be one line, of many elements.
                is_array = not spool.tell() and piece.removeprefix(BOM).lstrip()[:1] == b"["
                has_lines = has_lines or is_array or b"\n" in piece
                spool.write(piece)
                if not has_lines and spool.tell() > MAX_LINE:
                    raise InvalidInputError(f"line 1: {TOO_LONG}; nothing was imported")
        except OSError as error:
            raise InvalidInputError(f"cannot read {name}: {error.strerror or error}") from error
        yield spool


class _Wish(NamedTuple):
    """How a recording is to be imported: see `import_file`."""

    session_id: str | None
    metadata: Mapping[str, str]
    keep_going: bool
    redact: bool
    progress: Progress | None
    format: str | None


def _import(
    store: EventStore, stream: BinaryIO, wish: _Wish, failures: list[Failure] | None
) -> list[Imported]:
    with open_recording(stream, wish.format) as recording:
        return _import_recording(store, stream, recording, wish, failures)


def _import_recording(
    store: EventStore,
    stream: BinaryIO,
    recording: Recording,
    wish: _Wish,
    failures: list[Failure] | None,
) -> list[Imported]:
    parts, skipped = _survey(recording, wish.keep_going, Redaction(wish.redact))
    warnings = tuple(recording.notes.warnings())
    if not parts:
        raise InvalidInputError("no events in it")
    if wish.session_id is not None and len(parts) > 1:
        raise InvalidInputError(
            f"it holds {len(parts)} connections; leave out --session-id, or split the file"
        )
    for part in parts:
        check_metadata({**part.metadata, **wish.metadata})
    read = (frame for _, frame, _ in recording.read() if not isinstance(frame, BadLine))
    redaction = Redaction(wish.redact)
    frames = map(redaction.take_out, read)
    results: list[Imported] = []
    failed: list[Failure] = []
    for part in parts:
        target = wish.session_id or part.session_id
        passing = _take(frames, part.last - part.first + 1, stream, wish.progress)
        bringing = partial(
            _import_part, store, target, part, passing, wish.metadata, skipped, redaction
        )
        done = attempt(f"session {target}", bringing)
        if isinstance(done, EventStoreError):
            failed.append(Failure(target, done))
        else:
            results.append(done._replace(format=recording.format, warnings=warnings))
        for _ in passing:
            pass  # what was not read of one that failed stands before the next
    if failures is not None and len(parts) > 1:
        failures += failed
    elif failed:
        raise failed[0].error if len(failed) == 1 else SomeFailedError(failed)
    return results


def _take(
    frames: Iterator[Frame], count: int, stream: BinaryIO, progress: Progress | None
) -> Iterator[Frame]:
    for taken in range(count):
        frame = next(frames, None)
        if frame is None:
            raise InvalidInputError("the file changed while it was read; import it again")
        if progress is not None and taken % 256 == 0:
            progress(stream.tell())
        yield frame


def _survey(recording: Recording, keep_going: bool, redaction: Redaction) -> tuple[list[Part], int]:
    """The connections of a recording, and how many lines cannot be read.

    A new connection starts at a `session.created` with another id than the one before, and at
    the first frame behind a close that such an event follows.
    """
    parts: list[Part] = []
    skipped = index = 0
    part = _Survey(1)
    first_seq = 1
    for number, frame, place in recording.read():
        if isinstance(frame, BadLine):
            if not keep_going:
                raise InvalidInputError(
                    f"{recording.unit} {number}: {frame.reason}; nothing was imported"
                    " (--keep-going leaves such lines out)"
                )
            skipped += 1
            continue
        frame = redaction.take_out(frame)
        index += 1
        kind, named = session_event(frame)
        if place.seq is not None:
            # Exported lines are numbered: each session begins at 1, whatever is in it. Others'
            # may count from 0.
            if index == 1 and place.seq == 0:
                first_seq = 0
            if place.seq == first_seq and index > part.first:
                parts.append(part.part(index - 1))
                part = _Survey(index)
            if index == part.first:
                part.stored_as = place.session_id
        elif kind == "created" and _is_another(named, part.server_id, part.closed_at is not None):
            last = part.closed_at if part.closed_at is not None else index - 1
            behind, part.digest_behind = part.digest_behind, hashlib.sha256()
            parts.append(part.part(last))
            part = _Survey(last + 1, digest=behind)
        if part.server_id is None and named is not None:
            part.server_id = named
        _digest(part, frame)
        if kind == "closed":
            part.closed_at = index
    if index >= part.first:
        parts.append(part.part(index))
    return parts, skipped


# A store's notes that set a session's metadata.
_WITH_METADATA = ("eventstore.session.metadata", "eventstore.session.opened")


def _digest(part: _Survey, frame: Frame) -> None:
    """Add a frame to what the session's made id comes from; what a store noted does not count."""
    if frame.direction == STORE:
        event = parse(frame.text) if isinstance(frame.text, str) else None
        if event is not None and event.get("type") in _WITH_METADATA:
            part.metadata.update(metadata_pairs(event.get("metadata")))
        return
    text = frame.text
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    digest = part.digest if part.closed_at is None else part.digest_behind
    digest.update(f"{frame.direction} {len(text)}\n".encode() + text)


def _is_another(named: str | None, server_id: str | None, closed: bool) -> bool:
    if named is None:
        return False
    return closed if server_id is None else named != server_id


def _import_part(
    store: EventStore,
    session_id: str,
    part: Part,
    frames: Iterator[Frame],
    metadata: Mapping[str, str],
    skipped: int,
    redaction: Redaction,
) -> Imported:
    _check_id(session_id)
    before = redaction.secrets
    count = part.last - part.first + 1
    added = 0
    if _is_stored(store, session_id):
        _compare(store, session_id, frames, count)
        if any(store.metadata(session_id).get(key) != metadata[key] for key in metadata):
            store.set_metadata(session_id, metadata)
            added = 1
    else:
        # Without a time, so that of two imports at once the second finds its own frames there.
        noted = [metadata_frame(metadata, None)] if metadata else []
        told = chain(redaction.with_note(frames), noted)
        done = store.append(session_id, told, expected_seq=0, close=True)
        added = 0 if done.repeated else done.last_seq
    responses = count_responses(store.engine, session_id)
    redacted = redaction.secrets - before
    return Imported(session_id, store.head(session_id), responses, added, skipped, redacted)


def _is_stored(store: EventStore, session_id: str) -> bool:
    try:
        return bool(find_head(store.engine, session_id))
    except ErasedError as error:
        advice = "; where it is to be stored all the same, name another id: --session-id NEW_ID"
        raise ErasedError(session_id, error.at, error.reason, advice) from error


def _check_id(session_id: str) -> None:
    try:
        check_session_id(session_id)
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; name one with --session-id") from error


def _compare(store: EventStore, session_id: str, frames: Iterator[Frame], count: int) -> None:
    """Raise InvalidInputError unless the session's events are these frames.

    Metadata that was set on the stored session later does not count.
    """
    same = 0
    stored = store.events(session_id)
    event = None
    for frame in frames:
        event = next(stored, None)
        if event is None or (event.direction, event.text) != (frame.direction, frame.text):
            break
        same += 1
    for _ in frames:
        pass
    if same == count:
        if all(later.direction == STORE for later in stored):
            return
        what = f"the stored one goes on behind its first {count}"
    elif event is None or event.direction == STORE:
        what = f"this one goes on behind its {same}"
    else:
        what = f"it differs at event {same + 1}"
    raise InvalidInputError(
        f"another session is stored as {session_id} ({what});"
        " import this one under an id of its own: --session-id NEW_ID"
    )
