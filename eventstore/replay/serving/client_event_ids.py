"""Name the live client's event in each answer of GPT-Live, as a real server does. Pure.

The server repeats the id of the client's event that it answers as `client_event_id`, if the client
chose one. Some clients wait for the answer with this id. Called by connection.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.text.object_text import member_spans
from eventstore.realtime.values import dumps, mapping, text
from eventstore.replay.serving.causality import Script

_NAME = "client_event_id"
#: A longer id of a client is not repeated.
_LONGEST = 512


class ClientEventIds:
    """Replaces the recorded client's event ids in answers by those of the live client.

    Args:
        script: The recording's script, which says which frame answered which.
    """

    def __init__(self, script: Script) -> None:
        self._is_live, self._waits = script.live, script.waits
        self._recorded = {
            expected.seq: text(mapping(expected.event).get("event_id"))
            for expected in (script.expected if script.live else ())
        }
        self._by_seq: dict[int, str | None] = {}
        self._by_id: dict[str, str | None] = {}

    def heard(self, seq: int, event: dict[str, Any]) -> None:
        """Remember the id of a live client's event.

        Args:
            seq: The recorded frame that matches it.
            event: The live event.
        """
        if not self._is_live:
            return
        id_ = text(event.get("event_id"))
        self._by_seq[seq] = id_ if id_ is not None and len(id_) <= _LONGEST else None
        if (recorded := self._recorded.get(seq)) is not None:
            self._by_id[recorded] = self._by_seq[seq]

    def rewrite(self, sent: StoredEvent, frame: str) -> str:
        """Return a server's frame with the id of the live client's event that it answers.

        Args:
            sent: The frame as it was recorded.
            frame: The frame as it would be sent.
        """
        if not self._is_live:
            return frame
        seq = self._waits.get(sent.seq, -1)
        if f'"{_NAME}"' in frame:
            return self._with_live_ids(sent, frame)
        id_ = self._by_seq.get(seq)
        if id_ is None or self._recorded.get(seq) is not None:
            return frame  # the recorded server did not repeat the id either
        if sent.type == "error":
            return _in_member(frame, "error", lambda error: _with_id(error, id_))
        return _with_id(frame, id_)

    def _with_live_ids(self, sent: StoredEvent, frame: str) -> str:
        body = mapping(parse(str(sent.text)))
        frame = self._replaced(frame, body)
        if isinstance(body.get("error"), dict):
            error = body["error"]
            frame = _in_member(frame, "error", lambda told: self._replaced(told, error))
        return frame

    def _replaced(self, frame: str, body: dict[str, Any]) -> str:
        recorded = text(body.get(_NAME))
        if recorded is None or recorded not in self._by_id:
            return frame
        live = self._by_id[recorded]
        return _in_member(frame, _NAME, lambda _: "null" if live is None else dumps(live))


def _in_member(frame: str, name: str, change: Any) -> str:
    """Return an object's text with the value of a member changed, if the object has it."""
    spans = list(member_spans(frame, name))
    if not spans:
        return frame
    start, end = spans[-1]
    return f"{frame[:start]}{change(frame[start:end])}{frame[end:]}"


def _with_id(frame: str, id_: str) -> str:
    """Return an object's text with the id of a client's event as its last member."""
    body, closed, rest = frame.rpartition("}")
    comma = "" if body.rstrip().endswith("{") else ","
    return f'{body}{comma}"{_NAME}":{dumps(id_)}{closed}{rest}' if closed else frame
