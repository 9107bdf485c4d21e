"""Read LangSmith runs: an exported trace that has a run for each event."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.members import (
    FileTime,
    has_wire_type,
    message_of,
    read_time,
)
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.realtime.catalogue import direction_of, is_known
from eventstore.realtime.frames import Frame
from eventstore.realtime.recording_lines import StoredPlace
from eventstore.realtime.text.object_text import member_text
from eventstore.realtime.values import mapping

_SIDES = ("outputs", "inputs")
_INNER_KEYS = ("event", "output", "input", "data", "message")


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is a run."""
    has_side = any(isinstance(value.get(side), dict) for side in _SIDES)
    return has_side and ("run_type" in value or "dotted_order" in value)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read a run. Runs of chains, tools and models around the events hold no frame.

    If both its inputs and its outputs are events, the outputs came when it ended.
    """
    start, end = read_time(value.get("start_time")), read_time(value.get("end_time"))
    sent = _of_side(value, "inputs", text, start)
    received = _of_side(value, "outputs", text, start)
    if sent is None or received is None:
        return sent or received or Reading(None)
    if end.at is not None:
        received = _of_side(value, "outputs", text, end)
    return sent._replace(also=received)


def _of_side(value: dict[str, Any], side: str, text: str | None, time: FileTime) -> Reading | None:
    """Return the event in a run's inputs or outputs, or None if there is none."""
    holder, key = value, side
    if not _is_event(mapping(value.get(side))):
        inner = mapping(value.get(side))
        found = next((key for key in _INNER_KEYS if _is_event(mapping(inner.get(key)))), None)
        if found is None:
            return None
        text = None if text is None else member_text(text, side, inner)
        holder, key = inner, found
    frame = Frame(direction_of(holder[key]), message_of(holder, key, text), time.at)
    return Reading(frame, time.unread, StoredPlace(is_sender_told=False), connection=_trace(value))


def _is_event(value: dict[str, Any]) -> bool:
    type_ = value.get("type")
    return has_wire_type(value) or (isinstance(type_, str) and is_known(type_))


def _trace(value: dict[str, Any]) -> str:
    trace = value.get("trace_id")
    return trace if isinstance(trace, str) else ""


FORMAT = ValueFormat("langsmith", "runs of LangSmith", looks_like, read, mixes=True)
