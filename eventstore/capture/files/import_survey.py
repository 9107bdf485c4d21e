"""Find the connections in a recording, before anything is written; `import_file.py` calls it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.capture.files.formats.recording_file import RecordingFile
from eventstore.capture.files.live_senders import LiveSenders, digested_direction
from eventstore.capture.files.redaction import Redaction
from eventstore.capture.recording.session_ids import made_id, session_event
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import METADATA_SET, OPENED
from eventstore.realtime.frames import SERVER, STORE, Frame, parse
from eventstore.realtime.recording_lines import BadLine, StoredPlace
from eventstore.realtime.values import identifier, mapping, metadata_pairs

#: How many response ids of a connection are kept.
_MOST_RESPONSES = 1000


class FoundConnection(NamedTuple):
    """A connection of a recording.

    Attributes:
        first, last: The numbers of its first and last frame, from 1.
        session_id: The id to store it under, unless the user names one.
        metadata: The metadata that notes of the store in it set.
        made_id: An id made of its content.
        responses: The ids of its responses, a thousand at most.
        is_exported: Whether a store exported it, with all its notes. Other tools number lines too,
            but only a store's export has exactly its members, and no gap.
        is_reflected: Whether its input audio was reflected by the server, where the recording does
            not say who sent it. Only sidebands of GPT-Live have such audio.
        is_dated: Whether the date of its times is known, and not assumed by the import.
    """

    first: int
    last: int
    session_id: str
    metadata: dict[str, str]
    made_id: str
    responses: frozenset[str]
    is_exported: bool
    is_reflected: bool = False
    is_dated: bool = True


@dataclass
class _OpenConnection:
    """The connection that the survey is reading.

    Attributes:
        ends_at: The number of the frame at which it ends if another one begins behind it: its
            close, or the last frame before a request for another session.
    """

    first: int
    stored_as: str | None = None
    server_id: str | None = None
    ends_at: int | None = None
    has_begun: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)
    digest_behind: Any = field(default_factory=hashlib.sha256)
    senders: LiveSenders = field(default_factory=LiveSenders)
    senders_behind: LiveSenders = field(default_factory=LiveSenders)
    responses: set[str] = field(default_factory=set)
    is_exported: bool = False

    def finish(self, last: int) -> FoundConnection:
        """Return the connection, which ends at a frame."""
        if self.ends_at is not None and self.ends_at < last:
            self.digest.update(self.digest_behind.digest())
        made = made_id(self.digest.hexdigest())
        id_ = self.stored_as or self.server_id or made
        responses = frozenset(self.responses)
        return FoundConnection(
            self.first,
            last,
            id_,
            self.metadata,
            made,
            responses,
            self.is_exported,
            self.senders.are_reflected(),
        )


class _Connections:
    """Assigns the frames of a recording to its connections, in their order."""

    def __init__(self) -> None:
        self._finished: list[FoundConnection] = []
        self._open = _OpenConnection(1)
        # The number of the last frame, and the number of the first line of an exported session.
        self._index, self._first_seq = 0, 1

    def add(self, frame: Frame, place: StoredPlace) -> None:
        """Add the next frame. It may begin a new connection."""
        self._index += 1
        kind, named = session_event(frame)
        if place.seq is not None:
            self._begin_exported(place)
        elif kind == "created" and _is_another(
            named, self._open.server_id, self._open.ends_at is not None
        ):
            self._begin_behind()
        connection = self._open
        if kind == "starting" and connection.has_begun and connection.ends_at is None:
            connection.ends_at = self._index - 1
        connection.has_begun = connection.has_begun or kind in ("starting", "created")
        if connection.server_id is None and named is not None:
            connection.server_id = named
        expected = self._index - connection.first + 1
        connection.is_exported = (
            connection.is_exported and place.is_exported and place.seq == expected
        )
        _digest(connection, frame)
        is_behind = connection.ends_at is not None
        (connection.senders_behind if is_behind else connection.senders).note(frame)
        _note_response(connection, frame)
        if kind == "closed":
            connection.ends_at = self._index

    def finish(self) -> list[FoundConnection]:
        """End the last connection, and return all connections."""
        if self._index >= self._open.first:
            self._finished.append(self._open.finish(self._index))
        return self._finished

    def _begin_exported(self, place: StoredPlace) -> None:
        """Begin a connection if a numbered line is the first one of a session."""
        # Exported lines are numbered, and each session begins at 1, whatever is in it. Other tools
        # may count from 0.
        if self._index == 1 and place.seq == 0:
            self._first_seq = 0
        if place.seq == self._first_seq and self._index > self._open.first:
            self._finished.append(self._open.finish(self._index - 1))
            self._open = _OpenConnection(self._index)
        if self._index == self._open.first:
            self._open.stored_as = place.session_id
            self._open.is_exported = True

    def _begin_behind(self) -> None:
        """Begin a connection behind the last end, or with this frame if there was no end."""
        before = self._open
        last = before.ends_at if before.ends_at is not None else self._index - 1
        behind, before.digest_behind = before.digest_behind, hashlib.sha256()
        self._finished.append(before.finish(last))
        self._open = _OpenConnection(last + 1, digest=behind, senders=before.senders_behind)


def survey(
    recording: RecordingFile, keep_going: bool, redaction: Redaction
) -> tuple[list[FoundConnection], int]:
    """Return the connections of a recording, and how many lines cannot be read.

    A new connection starts at a `session.created` or `session.started` with another id than before.
    After a close, the frames behind it belong to the next connection if such an event follows, and
    so do frames from a `session.start` on.

    Raises:
        InvalidInputError: If a line cannot be read, unless `keep_going` is True.
    """
    connections = _Connections()
    skipped = 0
    for number, frame, place in recording.read():
        if isinstance(frame, BadLine):
            if not keep_going:
                raise InvalidInputError(
                    f"{recording.unit} {number}: {frame.reason}; nothing was imported"
                    " (--keep-going leaves such lines out)"
                )
            skipped += 1
            continue
        connections.add(redaction.take_out(frame), place)
    is_dated = not recording.notes.dates_assumed
    return [one._replace(is_dated=is_dated) for one in connections.finish()], skipped


# Types of the store's notes that set a session's metadata.
_METADATA_NOTES = (METADATA_SET, OPENED)


def _digest(connection: _OpenConnection, frame: Frame) -> None:
    """Add a frame to the hash that makes the session's id; notes of a store do not count."""
    if frame.direction == STORE:
        event = parse(frame.text) if isinstance(frame.text, str) else None
        if event is not None and event.get("type") in _METADATA_NOTES:
            connection.metadata.update(metadata_pairs(event.get("metadata")))
        return
    text = frame.text
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    is_behind = connection.ends_at is not None
    digest = connection.digest_behind if is_behind else connection.digest
    digest.update(f"{digested_direction(frame)} {len(text)}\n".encode() + text)


def _is_another(named: str | None, server_id: str | None, closed: bool) -> bool:
    if named is None:
        return False
    return closed if server_id is None else named != server_id


def _note_response(connection: _OpenConnection, frame: Frame) -> None:
    text = frame.text
    if frame.direction != SERVER or not isinstance(text, str) or "response.done" not in text:
        return
    event = parse(text) or {}
    response_id = identifier(mapping(event.get("response")).get("id"))
    if (
        event.get("type") == "response.done"
        and response_id
        and len(connection.responses) < _MOST_RESPONSES
    ):
        connection.responses.add(response_id)
