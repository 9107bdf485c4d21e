"""Put the live request's metadata into the response that answers it, as a real server does. Pure.

Some clients put a value of their own into each request's metadata, and wait for the response with
this value. Called by connection.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.text.object_text import member_spans
from eventstore.realtime.values import dumps, is_deeper, mapping, text
from eventstore.replay.serving.causality import Script

# Metadata is an object of texts. A value that is nested deeper is not sent back.
_LEVELS = 4


class MetadataEcho:
    """Replaces recorded metadata in responses by the metadata of the live requests.

    Args:
        script: The recording's script, which says which response answered which request.
    """

    def __init__(self, script: Script) -> None:
        self._asked = script.asked
        asked_for = set(script.asked.values())
        self._recorded = {
            expected.seq: _metadata(mapping(expected.event).get("response"))
            for expected in script.expected
            if expected.seq in asked_for
        }
        self._live: dict[int, Any] = {}

    def heard(self, seq: int, event: dict[str, Any]) -> None:
        """Remember the metadata of a live request.

        Args:
            seq: The recorded frame that matches it.
            event: The live request.
        """
        metadata = _metadata(event.get("response"))
        if metadata != self._recorded.get(seq, metadata) and not is_deeper(metadata, _LEVELS):
            self._live[seq] = metadata

    def rewrite(self, sent: StoredEvent, frame: str) -> str:
        """Return a server's frame with the metadata of the live request that it answers.

        A frame that answers no request with other metadata is returned unchanged.

        Args:
            sent: The frame as it was recorded.
            frame: The frame as it would be sent.
        """
        if not self._live or '"metadata"' not in frame or not sent.type.startswith("response."):
            return frame
        response = mapping(mapping(parse(str(sent.text))).get("response"))
        seq = self._asked.get(text(response.get("id")) or "")
        if seq not in self._live or _metadata(response) != self._recorded[seq]:
            return frame
        return _with_metadata(frame, self._live[seq])


def _metadata(response: Any) -> dict[str, Any]:
    """Return the metadata of a response or of a request for one; an empty object without any."""
    return mapping(mapping(response).get("metadata"))


def _with_metadata(frame: str, metadata: dict[str, Any]) -> str:
    *_, (start, end) = member_spans(frame, "response")
    inner = list(member_spans(frame[start:end], "metadata"))
    if not inner:
        return frame
    first, last = inner[-1]
    told = dumps(metadata) if metadata else "null"
    return frame[: start + first] + told + frame[start + last :]
