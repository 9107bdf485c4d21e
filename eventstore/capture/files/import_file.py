"""Import recordings: each connection becomes a session, stored wholly or not at all.

`EventStore.import_file` and `eventstore import` call `import_file`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from eventstore.capture.files.connection_frames import (
    ConnectionFrames,
    Progress,
    RereadRecording,
)
from eventstore.capture.files.formats.recording_file import RecordingFile, open_recording
from eventstore.capture.files.import_rates import (
    check_stored_rates,
    is_rates_note,
    with_rates_note,
)
from eventstore.capture.files.import_survey import FoundConnection, survey
from eventstore.capture.files.redaction import Redaction
from eventstore.capture.files.twice_readable import open_twice_readable, spooled
from eventstore.capture.recording.notes import redacted
from eventstore.capture.recording.same_call import note_same_calls
from eventstore.errors import (
    ErasedError,
    EventStoreError,
    Failure,
    InvalidInputError,
    SomeFailedError,
)
from eventstore.realtime.audio import NO_SAMPLE_RATES, SampleRates
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.protocols import is_live_id
from eventstore.store.database.outages import attempt
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import (
    check_session_id,
    count_responses,
    find_last_seq,
    metadata_frame,
)
from eventstore.store.queries.recordings_of_call import response_ids
from eventstore.store.sessions.append_arguments import RepeatableFrames

if TYPE_CHECKING:
    from eventstore.store.sessions.log import WritableLog


class Imported(NamedTuple):
    """What an import did with one session.

    Attributes:
        session_id: The id under which the session is stored.
        events: How many events it has in the log.
        responses: How many responses it has.
        added: How many events this import added; 0 if the session was there already.
        skipped_lines: How many lines could not be read and were left out.
        redacted: How many secrets were taken out of its frames.
        format: The format that the file was read in.
        warnings: What was noticed in the file, a line each, such as times that are not understood.
        same_call: The id of another session that is a recording of the same call, and counts its
            usage; None if there is none.
        metadata_set: True if the session was there already, and this import set metadata of it.
    """

    session_id: str
    events: int
    responses: int
    added: int
    skipped_lines: int = 0
    redacted: int = 0
    format: str = "jsonl"
    warnings: tuple[str, ...] = ()
    same_call: str | None = None
    metadata_set: bool = False


class AnotherSessionError(InvalidInputError):
    """Another session, whose frames differ, is stored under the same id."""


def import_file(
    log: WritableLog,
    path: str | Path | BinaryIO,
    session_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
    redact: bool = False,
    failures: list[Failure] | None = None,
    format: str | None = None,
    rates: SampleRates = NO_SAMPLE_RATES,
) -> list[Imported]:
    """Import a recording; it is read twice, first to check it and then into the log.

    If it holds several connections and one cannot be stored, the others are stored all the same.

    Args:
        path: A file in one of the formats of formats/registry.py, or a binary stream of one.
        session_id: The id to store it under, if the file holds one connection.
        metadata: Pairs to set on each of its sessions.
        keep_going: Leave out lines that cannot be read.
        progress: Called with the bytes of the file that the second reading has read.
        redact: Remove secrets from frames before they are written.
        failures: Receives the connections that cannot be stored, if there are several; None to
            raise.
        format: The name of its format; None to recognize it by the file's content.
        rates: Samples a second of its PCM, if its server does not say them or says wrong ones.

    Returns:
        One entry for each connection in the file that is stored.

    Raises:
        InvalidInputError: If a line cannot be read (it is named, and nothing is imported), there
            are no events, a session id is given for several connections, or another session has the
            same id.
        ErasedError: If the session was erased.
        SomeFailedError: At the end, if several connections could not be stored.
        DatabaseUnavailableError: If the database failed. Each session is whole or not there.
    """
    if session_id is not None:
        check_session_id(session_id)
    options = _Options(session_id, metadata or {}, keep_going, redact, progress, format, rates)
    import_one = partial(_import, log, options=options, failures=failures)
    if not isinstance(path, str | Path):
        with spooled(path, "standard input") as spool:
            return import_one(spool)
    try:
        with open_twice_readable(path) as stream:
            return import_one(stream)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error


class _Options(NamedTuple):
    """How to import a recording: see `import_file`."""

    session_id: str | None
    metadata: Mapping[str, str]
    keep_going: bool
    redact: bool
    progress: Progress | None
    format: str | None
    rates: SampleRates


def _import(
    log: WritableLog, stream: BinaryIO, options: _Options, failures: list[Failure] | None
) -> list[Imported]:
    with open_recording(stream, options.format) as recording:
        return _import_recording(log, stream, recording, options, failures)


def _import_recording(
    log: WritableLog,
    stream: BinaryIO,
    recording: RecordingFile,
    options: _Options,
    failures: list[Failure] | None,
) -> list[Imported]:
    connections, skipped = survey(recording, options.keep_going, Redaction(options.redact))
    warnings = tuple(recording.notes.warnings())
    _check_connections(connections, options)
    importing = _RecordingImport(log, recording, options, skipped, warnings)
    importing.take_all(connections, stream)
    failed = importing.failed
    if failures is not None and len(connections) > 1:
        failures += failed
    elif failed:
        raise failed[0].error if len(failed) == 1 else SomeFailedError(failed)
    return importing.results


def _check_connections(connections: list[FoundConnection], options: _Options) -> None:
    if not connections:
        raise InvalidInputError("no events in it")
    if options.session_id is not None and len(connections) > 1:
        raise InvalidInputError(
            f"it holds {len(connections)} connections; leave out --session-id, or split the file"
        )
    for connection in connections:
        check_metadata({**connection.metadata, **options.metadata})


class _RecordingImport:
    """Imports the connections of a recording that was checked.

    Args:
        log: Where they are stored.
        recording: The recording, which is read again from its start.
        options: How it is imported.
        skipped: How many of its lines cannot be read.
        warnings: What was noticed while it was checked.

    Attributes:
        results: An entry for each connection that is stored.
        failed: The connections that could not be stored.
    """

    def __init__(
        self,
        log: WritableLog,
        recording: RecordingFile,
        options: _Options,
        skipped: int,
        warnings: tuple[str, ...],
    ) -> None:
        self._log, self._recording, self._options = log, recording, options
        self._skipped, self._warnings = skipped, warnings
        self.results: list[Imported] = []
        self.failed: list[Failure] = []
        self._others: list[FoundConnection] = []

    def take_all(self, connections: list[FoundConnection], stream: BinaryIO) -> None:
        """Import all connections. One that cannot be stored stops no other."""
        options = self._options
        reread = RereadRecording(
            self._recording, connections, options.redact, stream, options.progress
        )
        for connection in connections:
            target = options.session_id or connection.session_id
            self._take(connection, target, ConnectionFrames(reread, connection))
        for connection in tuple(self._others):
            # It is another connection of a call that is stored. It gets an id of its own, and is
            # read again.
            self._take(connection, connection.made_id, ConnectionFrames(reread, connection))

    def _take(self, connection: FoundConnection, target: str, frames: ConnectionFrames) -> None:
        log, options = self._log, self._options
        importing = partial(
            _import_connection, log, target, connection, frames, options, self._skipped
        )
        imported = attempt(f"session {target}", importing)
        if isinstance(imported, AnotherSessionError) and _is_same_call(
            log, target, connection, options
        ):
            self._others.append(connection)
        elif isinstance(imported, EventStoreError):
            self.failed.append(Failure(target, imported))
        else:
            format_ = self._recording.format
            self.results.append(imported._replace(format=format_, warnings=self._warnings))


def _is_same_call(
    log: WritableLog, session_id: str, connection: FoundConnection, options: _Options
) -> bool:
    """Return True if the stored session of this id is another connection of the same call.

    Then the server gave it the same id, and both have a response in common. Two connections of a
    GPT-Live session may have none, but no two sessions have the same id there.
    """
    if options.session_id is not None or session_id == connection.made_id:
        return False
    if is_live_id(session_id):
        return True
    with read(log.engine) as tx:
        return not connection.responses.isdisjoint(response_ids(tx, session_id))


def _import_connection(
    log: WritableLog,
    session_id: str,
    connection: FoundConnection,
    frames: ConnectionFrames,
    options: _Options,
    skipped: int,
) -> Imported:
    _check_id(session_id)
    metadata, added, metadata_set = options.metadata, 0, False
    if _is_stored(log, session_id):
        check_stored_rates(log, session_id, options.rates)
        _compare(log, session_id, frames.read())
        if any(log.metadata(session_id).get(key) != metadata[key] for key in metadata):
            log.set_metadata(session_id, metadata)
            added, metadata_set = 1, True
    else:
        all_frames = RepeatableFrames(partial(_with_notes, frames, options))
        appended = log.append(session_id, all_frames, expected_seq=0, close=True)
        added = 0 if appended.repeated else appended.last_seq
    # An exported session already has all notes, and stays the same here, event for event.
    same_call = None
    if not connection.is_exported:
        same_call = note_same_calls(log, session_id, connection.is_dated)
    responses = count_responses(log.engine, session_id)
    return Imported(
        session_id,
        log.last_seq(session_id),
        responses,
        added,
        skipped,
        frames.secrets,
        same_call=same_call,
        metadata_set=metadata_set,
    )


def _with_notes(frames: ConnectionFrames, options: _Options) -> Iterator[Frame]:
    """Yield the frames of a connection, with notes of what its import was told and has done.

    The notes have no time: of two imports at once, the second then finds its own frames there.
    """
    yield from with_rates_note(frames.read(), options.rates)
    if frames.secrets:
        yield redacted(frames.secrets, None)
    if options.metadata:
        yield metadata_frame(options.metadata, None)


def _is_stored(log: WritableLog, session_id: str) -> bool:
    try:
        return bool(find_last_seq(log.engine, session_id))
    except ErasedError as error:
        advice = "; where it is to be stored all the same, name another id: --session-id NEW_ID"
        raise ErasedError(session_id, error.at, error.reason, advice) from error


def _check_id(session_id: str) -> None:
    try:
        check_session_id(session_id)
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}; name one with --session-id") from error


def _compare(log: WritableLog, session_id: str, frames: Iterator[Frame]) -> None:
    """Raise InvalidInputError unless the session's events are these frames.

    Metadata that were set later do not count, nor do sample rates that an import named.
    """
    same, is_same = 0, True
    kind = InvalidInputError
    stored = filterfalse(is_rates_note, log.events(session_id))
    event = None
    for frame in filterfalse(is_rates_note, frames):
        event = next(stored, None)
        is_same = event is not None and (
            (event.direction, event.text) == (frame.direction, frame.text)
        )
        if not is_same:
            break
        same += 1
    for _ in frames:
        pass  # the rest is read too, because its secrets are counted
    if is_same:
        if all(later.direction == STORE for later in stored):
            return
        what = f"the stored one goes on behind its first {same}"
    elif event is None or event.direction == STORE:
        what = f"this one goes on behind its {same}"
    else:
        kind, what = AnotherSessionError, f"it differs at event {same + 1}"
    raise kind(
        f"another session is stored as {session_id} ({what});"
        " import this one under an id of its own: --session-id NEW_ID"
    )
