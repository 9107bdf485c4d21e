"""Make the spans of a session from its state, by the conventions for generative AI.

Called by the command `export --format otel` and as `eventstore.read_spans`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from eventstore.common.urls import page_of_session
from eventstore.exports.otel import span_content
from eventstore.exports.otel.evaluations import add_evaluations
from eventstore.exports.otel.live_spans import (
    live_attributes,
    live_spans,
    put_below_delegation,
    spoken_times,
)
from eventstore.exports.otel.parts import Parts, whole
from eventstore.exports.otel.spans import (
    ServerError,
    Span,
    Value,
    child_span,
    clipped,
    common_attributes,
    first_moment,
    first_time,
    known_attributes,
    note_failure,
    seconds_between,
    span_id,
    trace_of,
    usage_attributes,
    without_secrets,
)
from eventstore.exports.otel.transcription_spans import transcription_spans
from eventstore.projection.latency import EventTime, ResponseTimes, response_times
from eventstore.projection.live.speech import may_go_on
from eventstore.projection.state import Item, Response, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.usage import billed_tokens
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.protocols import LIVE
from eventstore.realtime.values import mapping, metadata_pairs, number, storable, text
from eventstore.store.log.read_events import read_events
from eventstore.store.queries.query_sessions import state_at
from eventstore.store.sessions.log import Log


def read_spans(
    log: Log, session_id: str, content: bool = False, link: str | None = None
) -> list[Span]:
    """Return the spans of a stored session, its root first. Secrets are masked.

    A session in which nothing has a time has no spans.

    Args:
        log: The store.
        session_id: The session.
        content: Include what was said, the arguments and outputs of tools, and reasons and texts of
            scores.
        link: Where the store's pages are, such as `https://calls.example.com`: each span has the
            address of its session's page.

    Raises:
        NotFoundError: There is no such session.
    """
    state = state_at(log.engine, session_id)
    return session_spans(state, server_errors(log.engine, state), content, link)


def server_errors(engine: Engine, state: SessionState) -> Iterator[ServerError]:
    """Yield the errors that the server reported in a session, as its state is."""
    for event in read_events(engine, state.session_id, 1, state.seq, ["error"]):
        error = _server_error(state, event)
        if error is not None:
            yield error


def _server_error(state: SessionState, event: StoredEvent) -> ServerError | None:
    body = parse(event.text) if isinstance(event.text, str) else None
    at = state.steady(event.at, event.seq)
    if at is None or body is None:
        return None
    error = mapping(body.get("error"))
    type_ = text(error.get("code")) or text(error.get("type")) or "error"
    return ServerError(at, clipped(type_), clipped(text(error.get("message")) or "", 1000))


def session_spans(
    state: SessionState,
    exceptions: Iterable[ServerError] = (),
    content: bool = False,
    link: str | None = None,
) -> list[Span]:
    """Return the spans of a session's state, its root first; none if nothing in it has a time.

    Args:
        state: The session's state.
        exceptions: The errors that the server reported.
        content: Include what was said, the arguments and outputs of tools, and reasons and texts of
            scores.
        link: Where the store's pages are; None leaves the address of the session's page out.
    """
    errors = sorted(exceptions)
    spans = child_spans(state, whole(state), content)
    spans.sort(key=lambda span: (span.start, span.end, span.span_id))
    ends = state.first_at, state.steady(state.last_at, state.seq)
    times = [t for t in ends if t is not None]
    times += [t for span in spans for t in (span.start, span.end)]
    times += [error.at for error in errors]
    if not times:
        return []
    made = [_root(state, times, errors, content), *spans]
    add_evaluations(state, made, content)
    return finished(state, made, link)


def child_spans(state: SessionState, parts: Parts, content: bool) -> list[Span]:
    """Return the spans of parts of a session, without their scores, and with their secrets.

    Args:
        parts: What of the session has spans.
        content: Include what was said, and the arguments and outputs of tools.
    """
    inputs: dict[str, list[Item]] = {}
    if content and parts.responses:
        inputs = span_content.inputs_of_responses(state)
    outputs = _outputs(state) if any(map(_is_function_call, parts.items)) else {}
    return [
        *filter(None, (_response(state, r, inputs) for r in parts.responses)),
        *filter(None, (_tool(state, i, outputs, content) for i in parts.items)),
        *transcription_spans(state, parts, content),
        *live_spans(state, parts, content),
    ]


def finished(state: SessionState, spans: Iterable[Span], link: str | None) -> list[Span]:
    """Return spans without their secrets, and with the address of the session's page.

    Args:
        link: Where the store's pages are; None leaves the address out.
    """
    made = [without_secrets(span) for span in spans]
    if link is not None:
        page = page_of_session(link, storable(state.session_id))
        for span in made:
            span.attributes["eventstore.session.url"] = page
    return made


def _root(state: SessionState, times: list[int], errors: list[ServerError], content: bool) -> Span:
    attributes = common_attributes(state, "invoke_agent") | known_attributes(
        {
            "gen_ai.conversation.id": next((c.id for c in state.conversations if c.id), None),
            "gen_ai.request.model": text(state.wire.get("model")),
            "eventstore.interruptions": len(state.interrupted),
            **_live_session(state),
            **{f"eventstore.metadata.{key}": value for key, value in state.metadata.items()},
        }
    )
    if content:
        attributes |= span_content.session_content(state)
    trace = trace_of(state)
    ids = trace.id, span_id(state.session_id, "session"), trace.parent_id
    return Span(
        "invoke_agent",
        "internal",
        *ids,
        min(times),
        max(times),
        attributes,
        exceptions=errors,
        trace_state=trace.state,
        is_remote_child=trace.parent_id is not None,
        is_over=state.closed,
    )


def _live_session(state: SessionState) -> dict[str, Value | None]:
    """Return the attributes of the root that only a Live session has."""
    if state.live is None:
        return {}
    return {
        "eventstore.protocol": LIVE,
        "eventstore.close_reason": state.close_reason,
        "eventstore.usage.seconds": number((state.told_usage or {}).get("seconds")),
        "eventstore.context_usage": state.live.context_usage,
    }


# Responses


def _response(
    state: SessionState, response: Response, inputs: dict[str, list[Item]]
) -> Span | None:
    moments = response_times(response)
    begun = _first_known(
        moments.asked, moments.created, EventTime(response.seen_at, response.seen_seq)
    )
    start = first_moment(state, begun)
    if start is None:
        return None
    end = first_moment(state, moments.done, EventTime(state.last_at, state.seq)) or start
    model = text(response.session.get("model"))
    tokens = billed_tokens(response.usage)
    reasons = finish_reasons(state, response)
    attributes = common_attributes(state, "chat") | known_attributes(
        {
            "gen_ai.conversation.id": resources.conversation_id(state, response.conversation),
            "gen_ai.request.model": model,
            "gen_ai.response.model": text(response.wire.get("model")) or model,
            "gen_ai.response.id": response.id,
            "gen_ai.response.finish_reasons": reasons,
            "gen_ai.response.time_to_first_chunk": seconds_between(
                state, begun, _first_output(moments)
            ),
            **_configuration(response),
            **(usage_attributes(tokens) if response.usage else {}),
            "eventstore.interrupted": response.id in state.interrupted,
            "eventstore.speech_to_first_audio": seconds_between(
                state, moments.speech_ended, moments.first_audio
            ),
            **_metadata(state, response),
            **live_attributes(state, response),
        }
    )
    if response.id in inputs:
        attributes |= span_content.response_content(state, response, inputs[response.id], reasons)
    times = spoken_times(state, response) or (start, end)
    span = child_span(state, "response", response.id, f"chat {model or ''}".strip(), times, {})
    span.is_over = response.done_seq is not None
    if response.live is not None:
        put_below_delegation(state, span, response.live.delegation_id)
        spoken = state.items.get(response.live.spoken or "")
        span.is_over = span.is_over and (spoken is None or not may_go_on(state, spoken))
    if text(response.wire.get("status")) == "failed":
        error = mapping(mapping(response.wire.get("status_details")).get("error"))
        note_failure(span, attributes, error)
    span.attributes = attributes
    return span


def _configuration(response: Response) -> dict[str, Value | None]:
    config = resources.config_of_response(response)
    modalities, limit = config["modalities"], config["max_output_tokens"]
    speech = "speech" if "audio" in (modalities or ()) else "text"
    return {
        "gen_ai.output.type": speech if modalities else None,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": limit if isinstance(limit, int) else None,
        "gen_ai.request.temperature": config["temperature"],
    }


def _metadata(state: SessionState, response: Response) -> dict[str, Value | None]:
    """Return a response's metadata. The session's value wins if both have a key: docs/adr/0019."""
    pairs = metadata_pairs(response.wire.get("metadata"))
    return {
        f"eventstore.metadata.{key}": state.metadata.get(key, value) for key, value in pairs.items()
    }


def finish_reasons(state: SessionState, response: Response) -> list[str] | None:
    """Return why a response ended, in the words of the conventions; None while it goes on."""
    if response.done_seq is None:
        return None
    status = text(response.wire.get("status"))
    reason = text(mapping(response.wire.get("status_details")).get("reason"))
    if status == "completed":
        kinds = (state.items[id_].wire.get("type") for id_ in response.output)
        return ["tool_call" if any(kind == "function_call" for kind in kinds) else "stop"]
    if status == "incomplete" and reason == "max_output_tokens":
        return ["length"]
    if status in ("cancelled", "incomplete"):
        return [clipped(reason or status, 64)]
    return ["error"]


def _first_output(moments: ResponseTimes) -> EventTime:
    found = [m for m in (moments.first_text, moments.first_audio) if m.at is not None]
    return min(found, key=lambda moment: moment.seq, default=EventTime(None, 0))


def _first_known(*moments: EventTime) -> EventTime:
    return next((moment for moment in moments if moment.at is not None), moments[-1])


# Tool calls


def _tool(
    state: SessionState, item: Item, outputs: dict[str, list[Item]], content: bool
) -> Span | None:
    """Return the span of a tool call, or None if the item is no tool call or has no time.

    A function call lasts from when its arguments were complete until its output came. An MCP call
    lasts from its first event until it was done.
    """
    kind = item.wire.get("type")
    if kind not in ("function_call", "mcp_call"):
        return None
    output = _output_of(item, outputs) if kind == "function_call" else None
    seen, done = EventTime(item.seen_at, item.seen_seq), EventTime(item.done_at, item.done_seq)
    start = first_moment(state, done if kind == "function_call" else seen, seen)
    if start is None:
        return None
    if kind == "function_call":
        done = (
            EventTime(output.seen_at, output.seen_seq) if output is not None else EventTime(None, 0)
        )
    end = first_time(first_moment(state, done), start) or start
    name = text(item.wire.get("name"))
    attributes = common_attributes(state, "execute_tool") | known_attributes(
        {
            "gen_ai.conversation.id": resources.conversation_id(state, item.conversation),
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": text(item.wire.get("call_id")) or item.id,
            "gen_ai.tool.type": "function" if kind == "function_call" else "extension",
        }
    )
    if content:
        attributes |= span_content.tool_content(item, output)
    span = child_span(
        state, "tool", item.id, f"execute_tool {name or ''}".strip(), (start, end), {}
    )
    span.is_over = output is not None if kind == "function_call" else item.done
    if item.live is not None:
        put_below_delegation(state, span, item.live.delegation_id)
    error = item.wire.get("error")
    if error:
        note_failure(span, attributes, mapping(error))
    span.attributes = attributes
    return span


def _is_function_call(item: Item) -> bool:
    return item.wire.get("type") == "function_call"


def _outputs(state: SessionState) -> dict[str, list[Item]]:
    """Return the outputs of function calls by the call's id, in the order in which they came."""
    found: dict[str, list[Item]] = {}
    for item in sorted(state.items.values(), key=lambda item: item.seen_seq):
        call_id = text(item.wire.get("call_id"))
        if item.wire.get("type") == "function_call_output" and call_id is not None:
            found.setdefault(call_id, []).append(item)
    return found


def _output_of(call: Item, outputs: dict[str, list[Item]]) -> Item | None:
    """Return the first output of a call that came after the call."""
    given = outputs.get(text(call.wire.get("call_id")) or "", [])
    place = bisect_left(given, call.seen_seq, key=lambda item: item.seen_seq)
    return given[place] if place < len(given) else None
