"""Define spans, and what the spans of a session have in common. Pure.

A session's trace has a root span for the session, and below it one span for each response, tool
call and transcription. Ids are hashes of the session's ids, so that exporting a session again gives
the same trace. If the session's log names a span of the app as the parent, the trace is that of the
app. Called by session_spans.py and transcription_spans.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from eventstore.projection.latency import EventTime, is_jump_between
from eventstore.projection.state import SessionState
from eventstore.projection.views.usage import Tokens
from eventstore.realtime.masking.mask import mask_entry, mask_words
from eventstore.realtime.resources.dialects import voice_of
from eventstore.realtime.trace_context import trace_parent_of
from eventstore.realtime.values import mapping, storable, text

_MILLION = 1_000_000

Value = str | bool | int | float | list[str]
Attributes = dict[str, Value]
SpanKind = Literal["internal", "client"]


class ServerError(NamedTuple):
    """An error that the server reported in a session.

    Attributes:
        at: When, in microseconds since 1970 UTC.
        type: Its code or type.
        message: Its message.
    """

    at: int
    type: str
    message: str


class Evaluation(NamedTuple):
    """A score, as the event `gen_ai.evaluation.result` of the span of what is scored.

    Attributes:
        at: When it was given, in microseconds since 1970 UTC.
        attributes: The event's attributes.
    """

    at: int
    attributes: Attributes


class SpanEvent(NamedTuple):
    """An event of a span, as it is exported.

    Attributes:
        name: The event's name.
        at: When, in microseconds since 1970 UTC.
        attributes: The event's attributes.
    """

    name: str
    at: int
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """A span of a trace.

    Attributes:
        name: The span's name.
        kind: `client` for work of the provider, `internal` for tool calls and the root.
        trace_id, span_id: The ids of the trace and of the span: 16 and 8 bytes.
        parent_id: The id of the parent span; None for the root, unless the app named a parent.
        start, end: In microseconds since 1970 UTC, on a clock that never jumps.
        attributes: The span's attributes.
        error: What failed; None if nothing failed.
        exceptions: Errors that the server reported, as events of the span.
        evaluations: Scores of what the span is about, as events of the span.
        trace_state: What other tracing systems add to the trace, as the text of `tracestate`.
        is_remote_child: True if another program made the parent span.
        is_over: True if what it is about has ended, although the session may go on.
    """

    name: str
    kind: SpanKind
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    start: int
    end: int
    attributes: Attributes
    error: str | None = None
    exceptions: list[ServerError] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    trace_state: str = ""
    is_remote_child: bool = False
    is_over: bool = field(default=True, compare=False, repr=False)

    def events(self) -> list[SpanEvent]:
        """Return the events of the span: its exceptions, and then its evaluations."""
        failed = [
            SpanEvent(
                "exception",
                error.at,
                {"exception.type": error.type, "exception.message": error.message},
            )
            for error in self.exceptions
        ]
        scored = [SpanEvent("gen_ai.evaluation.result", *one) for one in self.evaluations]
        return failed + scored


class Trace(NamedTuple):
    """The trace of a session.

    Attributes:
        id: Its id, 16 bytes.
        state: The text of its `tracestate`; empty if there is none.
        parent_id: The id of the app's span that the session is part of; None if none is named.
        sampled: False if the app does not record its trace.
    """

    id: bytes
    state: str = ""
    parent_id: bytes | None = None
    sampled: bool = True


def trace_of(state: SessionState) -> Trace:
    """Return the trace of a session: the app's, if the session's log names it, or else its own."""
    parent = trace_parent_of(state.notes, state.metadata)
    if parent is None:
        return Trace(_digest("trace", state.session_id)[:16])
    return Trace(parent.trace_id, parent.state, parent.span_id, parent.sampled)


def span_id(session_id: str, kind: str, id_: str = "") -> bytes:
    """Return the id of a span of a session: 8 bytes.

    Args:
        kind: What the span is about, such as `response`; `session` for the root.
        id_: The id of the response, item or transcription.
    """
    return _digest("span", session_id, kind, id_)[:8]


def _digest(*names: str) -> bytes:
    joined = "\0".join(storable(name) for name in names)
    return hashlib.sha256(joined.encode()).digest()


def child_span(
    state: SessionState,
    kind: str,
    id_: str,
    name: str,
    times: tuple[int, int],
    attributes: Attributes,
) -> Span:
    """Return a span below the session's root.

    Args:
        kind: What the span is about. It gives the span's id, together with `id_`.
        id_: The id of the response, item or transcription.
        name: The span's name.
        times: Its start and its end. An end before the start is moved to the start.
        attributes: The span's attributes.
    """
    session_id, trace = state.session_id, trace_of(state)
    return Span(
        clipped(name),
        "internal" if kind == "tool" else "client",
        trace.id,
        span_id(session_id, kind, id_),
        span_id(session_id, "session"),
        times[0],
        max(times),
        attributes,
        trace_state=trace.state,
    )


def clipped(value: str, limit: int = 256) -> str:
    """Return a text that every backend accepts, cut after `limit` characters."""
    return storable(value)[:limit]


def common_attributes(state: SessionState, operation: str) -> Attributes:
    """Return the attributes that every span of a session has."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider(state),
        "eventstore.session.id": state.session_id,
    } | _server(state)


def known_attributes(attributes: dict[str, Value | None]) -> Attributes:
    """Return the attributes that are not None, with texts that every backend accepts."""
    return {
        storable(key): storable(value) if isinstance(value, str) else value
        for key, value in attributes.items()
        if value is not None
    }


def provider(state: SessionState) -> str:
    """Return the provider's name in the conventions: by address, model or voice, else `openai`."""
    host = _host(state)
    model = text(state.wire.get("model")) or ""
    if host.endswith(".x.ai") or model.startswith("grok"):
        return "x_ai"
    voice = mapping(state.wire.get("voice"))
    kind = text(voice.get("type")) or ""
    if host.endswith(".azure.com") or (kind.startswith("azure") and voice_of(voice)):
        return "azure.ai.openai"
    return "openai"


def _server(state: SessionState) -> Attributes:
    try:
        parts = urlsplit(text(state.notes.get("url")) or "")
        port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    except ValueError:
        return {}
    return {"server.address": clipped(_host(state)), "server.port": port} if _host(state) else {}


def _host(state: SessionState) -> str:
    try:
        return urlsplit(text(state.notes.get("url")) or "").hostname or ""
    except ValueError:
        return ""


def usage_attributes(tokens: Tokens) -> dict[str, Value | None]:
    """Return the attributes for tokens, by modality, with cached tokens apart.

    A count of 0 for a modality gives None, so that `known_attributes` leaves it out.
    """
    applicable = {
        "text.input_tokens": tokens.input_text,
        "audio.input_tokens": tokens.input_audio,
        "image.input_tokens": tokens.input_image,
        "cache_read.input_tokens": tokens.cached_tokens,
        "text.cache_read.input_tokens": tokens.cached_text,
        "audio.cache_read.input_tokens": tokens.cached_audio,
        "image.cache_read.input_tokens": tokens.cached_image,
        "text.output_tokens": tokens.output_text,
        "audio.output_tokens": tokens.output_audio,
    }
    return {
        "gen_ai.usage.input_tokens": tokens.input_tokens,
        "gen_ai.usage.output_tokens": tokens.output_tokens,
        **{f"gen_ai.usage.{name}": value or None for name, value in applicable.items()},
    }


def note_failure(span: Span, attributes: Attributes, error: dict[str, Any]) -> None:
    """Put an error's type into the attributes, and its message into the span's status."""
    type_ = text(error.get("code")) or text(error.get("type")) or "_OTHER"
    attributes["error.type"] = clipped(type_, 128)
    span.error = clipped(text(error.get("message")) or type_, 1000)


def without_secrets(span: Span) -> Span:
    """Return the same span, with "[removed]" in place of secrets in its texts."""
    span.name = mask_words(span.name)
    span.error = None if span.error is None else mask_words(span.error)
    span.exceptions = [
        error._replace(message=mask_words(error.message)) for error in span.exceptions
    ]
    for attributes in (span.attributes, *(one.attributes for one in span.evaluations)):
        for name, value in attributes.items():
            if isinstance(value, str):
                attributes[name] = mask_entry(name, value)
            elif isinstance(value, list):
                attributes[name] = [mask_words(entry) for entry in value]
    return span


def first_time(*times: int | None) -> int | None:
    """Return the first of these times that is known, or None."""
    return next((time for time in times if time is not None), None)


def first_moment(state: SessionState, *moments: EventTime) -> int | None:
    """Return the first of these moments that is known, on a clock that never jumps, or None."""
    return first_time(*(state.steady(moment.at, moment.seq) for moment in moments))


def seconds_between(state: SessionState, start: EventTime, end: EventTime) -> float | None:
    """Return the seconds from one moment to another.

    Returns None if one of them is unknown, if they are out of order, or if the clock jumped between
    them.
    """
    if start.at is None or end.at is None or end.at < start.at:
        return None
    return None if is_jump_between(state, start, end) else (end.at - start.at) / _MILLION
