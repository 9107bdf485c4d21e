"""Find out which server frame of a GPT-Live session answered which client frame. Pure.

GPT-Live has answers of its own: `session.started` answers `session.start`, `….appended` answers
`….append`, and a backend's next response answers `response.create`. A server that repeats the
command's id as `client_event_id` tells it itself. Called by causality.py.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from eventstore.projection.pending import Pending
from eventstore.realtime.values import identifier, mapping, text

#: The client's event that each event of the server answers.
_ANSWERS = {
    "session.started": "session.start",
    "session.updated": "session.update",
    "session.closed": "session.close",
    "session.input_audio.muted": "session.input_audio.mute",
    "session.input_audio.unmuted": "session.input_audio.unmute",
    "session.output_audio.fixture.playing": "session.output_audio.fixture.play",
    "session.instructions.appended": "session.instructions.append",
    "session.thinking.appended": "session.thinking.append",
    "session.commentary.appended": "session.commentary.append",
    "decision.item.created": "decision.item.create",
    "decision.item.deleted": "decision.item.delete",
    "transport.dtmf.sent": "transport.dtmf.send",
}
#: What the model makes of the session's timeline, on which the user's audio is. The server cannot
#: send it before it has heard as much.
LIVE_HEARS = frozenset(
    {
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "session.delegation.created",
        "decision.event",
    }
)
_CREATE, _CREATE_ITEM = "response.create", "response.item.create"
#: Events with which a backend's response begins.
_BEGINS = frozenset({"response.created", "response.queued", "response.in_progress"})
#: Why the server closes a session that its client asked it to close.
_ASKED_TO_CLOSE = "close_requested"
#: An answer is looked for among so many unanswered frames, and so many delegations and responses
#: are remembered. The oldest are forgotten first.
_WAITING = 1000


class LiveCauses:
    """The client's frames of a GPT-Live session that are not answered yet."""

    def __init__(self) -> None:
        self._waiting: Pending[str] = Pending()
        # Delegations whose backend has not begun, responses that have begun, and responses that
        # the server began by itself.
        self._fresh: dict[str, None] = {}
        self._begun: dict[str, None] = {}
        self._by_itself: dict[str, None] = {}

    def ask(self, seq: int, type_: str, event: dict[str, Any]) -> None:
        """Add a client's frame."""
        keys: list[Hashable] = [("type", type_)]
        if (item_id := _item_of(event)) is not None:
            keys.append(("item", type_, item_id))
        if (event_id := text(event.get("event_id"))) is not None:
            keys.append(("event", event_id))
        self._waiting.add(seq, type_, *keys)
        if len(self._waiting) > _WAITING:
            self._waiting.pop(next(iter(self._waiting.values)))

    def answered(self, type_: str, event: dict[str, Any]) -> int | None:
        """Return the seq of the client's frame that a server's frame answers, or None."""
        seq = self._cause(type_, event)
        if seq is not None and self._waiting.pop(seq) == _CREATE:
            # The response has read the items that were added before.
            for item in self._waiting.all(("type", _CREATE_ITEM)):
                if item < seq:
                    self._waiting.pop(item)
        return seq

    def _cause(self, type_: str, event: dict[str, Any]) -> int | None:
        begins = type_ == "response.event" and self._begins(event)
        named = named_command(event)
        if named is not None:
            # If it names a frame that is answered already, or another connection's, no further
            # frame is its cause.
            return self._waiting.first(("event", named))
        if type_ == "error":
            return self._refused(event)
        if type_ == "session.delegation.created":
            self._note_delegation(mapping(event.get("delegation")))
        elif type_ == "response.event":
            return self._continued() if begins else None
        elif type_ == "decision.event":
            return self._decided(event)
        elif type_ == "session.closed" and event.get("reason") not in (None, _ASKED_TO_CLOSE):
            return None
        asking = _ANSWERS.get(type_)
        if asking is None:
            return None
        item_id = _item_of(event)
        by_item = self._waiting.first(("item", asking, item_id)) if item_id is not None else None
        return by_item if by_item is not None else self._waiting.first(("type", asking))

    def _refused(self, event: dict[str, Any]) -> int | None:
        """Return the client's last frame if an error is one of a client's, or None.

        Others, such as `session_storage_failed`, are the server's own.
        """
        kind = mapping(event.get("error")).get("type")
        return max(self._waiting.values, default=None) if kind == "invalid_request_error" else None

    def _note_delegation(self, delegation: dict[str, Any]) -> None:
        """Remember a delegation, whose first response the server begins by itself."""
        if (id_ := identifier(delegation.get("id"))) is not None:
            _remember(self._fresh, id_)
        if (response_id := identifier(delegation.get("response_id"))) is not None:
            _remember(self._by_itself, response_id)

    def _begins(self, event: dict[str, Any]) -> bool:
        """Return True if a backend's event begins a response that an app may have asked for."""
        nested = mapping(event.get("event"))
        if nested.get("type") not in _BEGINS:
            return False
        response_id = identifier(mapping(nested.get("response")).get("id")) or ""
        if response_id in self._begun:
            return False
        _remember(self._begun, response_id)
        delegation_id = identifier(event.get("delegation_id")) or ""
        is_first = delegation_id in self._fresh
        self._fresh.pop(delegation_id, None)
        return not is_first and response_id not in self._by_itself

    def _continued(self) -> int | None:
        """Return the request, or else the last item, for which a backend begins a response."""
        asked = self._waiting.first(("type", _CREATE))
        if asked is not None:
            return asked
        return max(self._waiting.all(("type", _CREATE_ITEM)), default=None)

    def _decided(self, event: dict[str, Any]) -> int | None:
        """Return the request for a decision, or None if a delegation or a trigger was its cause."""
        source = text(event.get("source_event_id"))
        if source is not None:
            return self._waiting.first(("event", source))
        if event.get("delegation_id") is not None or event.get("trigger_id") is not None:
            return None
        return self._waiting.first(("type", "decision.create"))


def named_command(event: dict[str, Any]) -> str | None:
    """Return the id of the client's event that a server's event names, or None."""
    named = text(event.get("client_event_id"))
    return named or text(mapping(event.get("error")).get("client_event_id")) or None


def _item_of(event: dict[str, Any]) -> str | None:
    """Return the id of the item that an event is about, or None."""
    return identifier(event.get("item_id")) or identifier(mapping(event.get("item")).get("id"))


def _remember(known: dict[str, None], id_: str) -> None:
    known[id_] = None
    if len(known) > _WAITING:
        del known[next(iter(known))]
