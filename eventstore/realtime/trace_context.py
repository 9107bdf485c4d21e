"""Read the trace that a call is part of: W3C's `traceparent` and `tracestate`. Pure.

An app that traces itself sends both as headers of the handshake, or names them to the recorder. The
recorder notes them in the session's log, and the spans of the session become children of the app's
span. Called by capture/ and by exports/otel.

The values come from whoever makes a request, so that anything that is not exactly in the form of
the recommendation (https://www.w3.org/TR/trace-context/) is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: The names of the headers, of fields of the note `eventstore.session.opened`, and of metadata.
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"

#: A later version may have more behind the flags; how long such a value may be is our limit.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?")
_MOST_CHARACTERS = 256
_MOST_STATE, _MOST_MEMBERS = 512, 32
_MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
_SAMPLED = 1


class TraceParent(NamedTuple):
    """The span of another program that a session is part of.

    Attributes:
        trace_id, span_id: The ids of its trace and of the span: 16 and 8 bytes.
        sampled: False if the program does not record its trace.
        state: What tracing systems add, as the text of `tracestate`; empty if there is none.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool
    state: str = ""


def parse_traceparent(value: object, state: object = None) -> TraceParent | None:
    """Return the parent that a `traceparent` names, or None if it is none.

    Args:
        value: The value, such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
        state: The value of `tracestate`. If it is not valid, the parent has none.
    """
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        return None
    found = _PARENT.fullmatch(value.strip(" \t"))
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5] is not None):
        return None
    trace_id, span_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
    if not any(trace_id) or not any(span_id):
        return None
    sampled = bool(int(found[4], 16) & _SAMPLED)
    return TraceParent(trace_id, span_id, sampled, _checked_state(state))


def _checked_state(state: object) -> str:
    """Return the text of a `tracestate` in its plain form, or an empty text if it is not valid."""
    if not isinstance(state, str) or len(state) > _MOST_STATE:
        return ""
    members = [member for part in state.split(",") if (member := part.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    if len(members) > _MOST_MEMBERS or len(keys) < len(members):
        return ""
    return ",".join(members) if all(map(_MEMBER.fullmatch, members)) else ""


def trace_notes(parents: Iterable[str], states: Iterable[str] = ()) -> dict[str, str]:
    """Return what a session's `opened` note says of the trace that it is part of.

    Args:
        parents: The values of all `traceparent` headers: two of them name nothing.
        states: Those of all `tracestate` headers, in their order.

    Returns:
        The fields `traceparent` and, if there is one, `tracestate`; empty if no parent is named.
    """
    values = list(parents)
    parent = parse_traceparent(values[0], ",".join(states)) if len(values) == 1 else None
    if parent is None:
        return {}
    notes = {TRACEPARENT: values[0].strip(" \t")}
    return notes | {TRACESTATE: parent.state} if parent.state else notes


def trace_parent_of(notes: Mapping[str, object], metadata: Mapping[str, str]) -> TraceParent | None:
    """Return the parent that a session's log names: its `opened` note, or else its metadata."""
    for told in (notes, metadata):
        parent = parse_traceparent(told.get(TRACEPARENT), told.get(TRACESTATE))
        if parent is not None:
            return parent
    return None
