"""What was on a wire, and what a store holds of it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.replay.server.server import FindRecording
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.faults import parse_fault
from eventstore.replay.serving.matching import MatchRule
from support.replaying import Served, served


@dataclass
class Line:
    """The far end of a wire: the frames that the server got, as it got them."""

    got: list[str | bytes] = field(default_factory=list)

    def serve(
        self, open_: FindRecording, *faults: str, rule: MatchRule = "type"
    ) -> AbstractContextManager[Served]:
        """A replay server that notes what it gets."""

        def note(frame: str | bytes) -> str | bytes:
            self.got.append(frame)
            return frame

        parsed = tuple(map(parse_fault, faults))
        return served(open_, Manner(speed=None, rule=rule, faults=parsed, clean=note))


class Kept(NamedTuple):
    """A recorded session: what it notes of its opening and closing, and both sides' frames."""

    id: str
    opened: dict[str, Any]
    sent: list[str | bytes]
    came: list[str | bytes]
    gaps: list[dict[str, Any]]
    closed: dict[str, Any] | None

    @property
    def ending(self) -> tuple[str | None, int | None, str | None] | None:
        """By whom it was closed, code and reason."""
        if self.closed is None:
            return None
        return self.closed["by"], self.closed["code"], self.closed["reason"]


def kept(store: EventStore) -> list[Kept]:
    """The sessions of a store, in the order in which they were opened."""
    entries = store.sessions(limit=100).data
    found = [_session(store, entry["id"]) for entry in entries]
    return sorted(found, key=lambda session: next(iter(store.events(session.id))).at or 0)


def _session(store: EventStore, session_id: str) -> Kept:
    events = list(store.events(session_id))
    sides: dict[str, list[str | bytes]] = {CLIENT: [], SERVER: []}
    notes: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event.direction == STORE:
            notes.setdefault(event.type.rpartition(".")[2], []).append(json.loads(event.text))
        else:
            sides[event.direction].append(event.text)
    [opened] = notes["opened"]
    assert events[0].type == "eventstore.session.opened"
    [closed] = notes.get("closed", [None])
    assert closed is None or events[-1].type == "eventstore.session.closed"
    return Kept(session_id, opened, sides[CLIENT], sides[SERVER], notes.get("gap", []), closed)
