"""Which connections a recording holds: read once whole, before anything is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.capture.files.formats.recording import Recording
from eventstore.capture.files.redaction import Redaction
from eventstore.capture.recording.connections import made_id, session_event
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import SERVER, STORE, Frame, parse
from eventstore.realtime.recording_lines import BadLine
from eventstore.realtime.values import identifier, mapping, metadata_pairs

#: How many of a connection's responses are remembered.
_RESPONSES = 1000


class Part(NamedTuple):
    """A connection of a recording.

    Attributes:
        first, last: its frames, counted from 1.
        session_id: what it is stored under, where nobody names another id.
        metadata: what the store's notes in it say.
        made_id: an id made of its contents.
        responses: the ids of its responses, a thousand at most.
        is_exported: a store exported it, with all that is to be noted of it. Other tools number
            their lines as well; only a store's export has exactly its members, and no gap.
        is_dated: its times are not at a date that import has assumed.
    """

    first: int
    last: int
    session_id: str
    metadata: dict[str, str]
    made_id: str
    responses: frozenset[str]
    is_exported: bool
    is_dated: bool = True


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
    responses: set[str] = field(default_factory=set)
    is_exported: bool = False

    def part(self, last: int) -> Part:
        """The connection, ending at a frame."""
        if self.closed_at is not None and self.closed_at < last:
            self.digest.update(self.digest_behind.digest())
        made = made_id(self.digest.hexdigest())
        id_ = self.stored_as or self.server_id or made
        responses = frozenset(self.responses)
        return Part(self.first, last, id_, self.metadata, made, responses, self.is_exported)


def survey(recording: Recording, keep_going: bool, redaction: Redaction) -> tuple[list[Part], int]:
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
                part.is_exported = True
        elif kind == "created" and _is_another(named, part.server_id, part.closed_at is not None):
            last = part.closed_at if part.closed_at is not None else index - 1
            behind, part.digest_behind = part.digest_behind, hashlib.sha256()
            parts.append(part.part(last))
            part = _Survey(last + 1, digest=behind)
        if part.server_id is None and named is not None:
            part.server_id = named
        expected = index - part.first + 1
        part.is_exported = part.is_exported and place.is_exported and place.seq == expected
        _digest(part, frame)
        _note_response(part, frame)
        if kind == "closed":
            part.closed_at = index
    if index >= part.first:
        parts.append(part.part(index))
    is_dated = not recording.notes.dates_assumed
    return [one._replace(is_dated=is_dated) for one in parts], skipped


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


def _note_response(part: _Survey, frame: Frame) -> None:
    text = frame.text
    if frame.direction != SERVER or not isinstance(text, str) or "response.done" not in text:
        return
    event = parse(text) or {}
    response_id = identifier(mapping(event.get("response")).get("id"))
    if event.get("type") == "response.done" and response_id and len(part.responses) < _RESPONSES:
        part.responses.add(response_id)
