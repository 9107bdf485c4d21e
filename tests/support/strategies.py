"""Hypothesis strategies: JSON, and streams of events that share a small pool of ids.

Events have the fields that their types are read for, mostly with values that fit, so that they
meet in the projection; some have a value that fits nowhere, and some are no events at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from eventstore.realtime import catalogue
from eventstore.realtime.frames import DIRECTIONS, Frame
from support.json_strategies import ANY as _ANY
from support.json_strategies import Draw, Json, any_text
from support.json_strategies import json_values as json_values
from support.json_strategies import mostly as _mostly
from support.json_strategies import object_of as _object
from support.json_strategies import one as _one

START = 1_700_000_000_000_000

_ITEM_ID = _one("item_1", "item_2", "item_3")
_RESPONSE_ID = _one("resp_1", "resp_2")
_CONVERSATION_ID = _one("conv_1", "conv_1", "conv_2", None)
_EVENT_ID = _one("event_1", "event_2", None)
_SAID = _one("Hello there", "", "Good bye now", "a\0b", "\ud83d", "é 日本", "one two three four")
_CONTENT = _one("text", "audio", "output_text", "output_audio", "input_text", "input_audio")
_STATUS = _one("completed", "cancelled", "failed", "incomplete", "in_progress")
_FORMAT = _one(
    *("pcm16", "g711_ulaw", "g711_alaw", "opus", {"type": "audio/pcmu"}, None),
    *("pcm16_16000hz", "pcm16-8000hz", "pcm24"),
)
_METADATA = st.dictionaries(_one("topic", "user", "é\0"), _one("a", "b", None, 1), max_size=3)
_MS = st.integers(0, 3000)
_INDEX = _one(0, 0, 0, 1, 2, 99)
_COUNT = _one(0, 1, 20, 300, -1, 2**63 - 1)
_MODALITIES = st.lists(_one("text", "audio"), max_size=2)
_AUDIO = _one("", "AAAA", "A" * 400, "AAA=", "AAB=", "no audio")

_TOKENS = {"text_tokens": _COUNT, "audio_tokens": _COUNT, "image_tokens": _COUNT}


def usages() -> st.SearchStrategy[Json]:
    """What was billed, in tokens or in seconds."""
    inputs = {**_TOKENS, "cached_tokens": _COUNT, "cached_tokens_details": _object(_TOKENS)}
    return _object(
        {
            "type": _one("tokens", "duration"),
            "input_tokens": _COUNT,
            "output_tokens": _COUNT,
            "total_tokens": _COUNT,
            "seconds": _one(0, 1, 2.5, -1),
            "input_token_details": _object(inputs),
            "output_token_details": _object(_TOKENS),
        }
    )


def _phrases() -> st.SearchStrategy[Json]:
    """A phrase of a transcription, with the times of its words."""
    timed = {"text": _SAID, "offset_milliseconds": _MS, "duration_milliseconds": _MS}
    words = st.lists(_mostly(_object(timed)), max_size=3)
    return _object({**timed, "words": words, "locale": _one("en-US", "\ud83d", None)})


def parts() -> st.SearchStrategy[Json]:
    """A content part."""
    return _object({"type": _CONTENT, "text": _SAID, "transcript": _SAID, "audio": _AUDIO})


def items() -> st.SearchStrategy[Json]:
    """A conversation item."""
    kinds = ("message", "function_call", "function_call_output", "mcp_call", "mcp_list_tools")
    return _object(
        {
            "id": _ITEM_ID,
            "type": _one("message", "message", *kinds, "mcp_approval_request"),
            "role": _one("user", "assistant", "system", "tool"),
            "status": _STATUS,
            "content": st.lists(_mostly(parts()), max_size=3),
            "call_id": _one("call_1", "call_2"),
            "name": _one("weather", ""),
            "arguments": _one("", "{}", '{"city":"Oslo"}'),
            "output": _SAID,
            "error": _mostly(_object({"type": _one("http_error", "protocol_error")})),
            "tools": st.lists(_object({"name": _SAID}), max_size=1),
        },
        lacks_one_in=8,
    )


def responses() -> st.SearchStrategy[Json]:
    """A response as either dialect writes it, or both at once."""
    details = {"type": _STATUS, "reason": _one("turn_detected", "client_cancelled", "unheard of")}
    output = _object({"format": _FORMAT, "voice": _one("alloy", {"name": "marin"})})
    return _object(
        {
            "id": _RESPONSE_ID,
            "object": _one("realtime.response"),
            "status": _STATUS,
            "status_details": _one(None, "unimplemented") | _object(details),
            "output": st.lists(_mostly(items()), max_size=3),
            "conversation_id": _CONVERSATION_ID,
            "conversation": _one("auto", "none"),
            "metadata": _METADATA | st.none(),
            "usage": usages() | st.none(),
            "modalities": _MODALITIES,
            "output_modalities": _MODALITIES,
            "voice": _one("alloy", {"name": "marin"}),
            "audio": _object({"output": output}),
            "output_audio_format": _FORMAT,
            "temperature": _one(0.8, 1),
            "max_output_tokens": _one("inf", 100, "many"),
        }
    )


def scores() -> st.SearchStrategy[Json]:
    """A score, most often a valid one, of the session, a response or an item."""
    targets = (
        _object({"response_id": _RESPONSE_ID})
        | _object({"item_id": _ITEM_ID})
        | _one({}, None, {"item_id": "item_1", "response_id": "resp_1"})
    )
    return _object(
        {
            "name": _one("helpful", "helpful", "topic", "no<name"),
            "value": _one(None, True, False, 0.25, 1, 10**400, "refund", "two\nlines", "\ud83d"),
            "kind": _one("number", "boolean", "label", "text", None, None, None),
            "target": targets,
            "by": _one(None, None, "judge", "anna", "\n"),
            "reason": _one(None, "it said why", "\0"),
            "at": _one(None, "2026-05-04T09:30:00Z", "yesterday"),
        },
        lacks_one_in=12,
    )


def sessions() -> st.SearchStrategy[Json]:
    """A session's configuration."""
    detection = _object({"type": _one("server_vad"), "create_response": st.booleans()})
    transcription = _object({"model": _one("whisper-1", "gpt-4o-transcribe")})
    heard = {"format": _FORMAT, "transcription": transcription, "turn_detection": detection}
    return _object(
        {
            "id": _one("sess_1", "sess_2"),
            "model": _one("gpt-realtime", "gpt-4o-realtime-preview"),
            "type": _one("realtime", "translation"),
            "turn_detection": detection,
            "input_audio_format": _FORMAT,
            "output_audio_format": _FORMAT,
            "input_audio_transcription": transcription,
            "audio": _object({"input": _object(heard), "output": _object({"format": _FORMAT})}),
        }
    )


_LIMIT = {"name": _one("tokens", "requests"), "limit": _COUNT, "remaining": _COUNT}

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "event_id": _EVENT_ID,
    "item_id": _ITEM_ID,
    "response_id": _RESPONSE_ID,
    "previous_item_id": _ITEM_ID | _one(None, "root", "item_unheard_of"),
    "content_index": _INDEX,
    "delta": _SAID,
    "audio_delta": _AUDIO,
    "audio": _AUDIO,
    "text": _SAID,
    "transcript": _SAID,
    "arguments": _one("{}", "", '{"city":"Oslo"}'),
    "audio_start_ms": _MS,
    "audio_end_ms": _MS,
    "item": items(),
    "response": responses(),
    "part": parts(),
    "session": sessions(),
    "conversation": _object({"id": _one("conv_1", "conv_2", "conv_3")}),
    "error": _object(
        {
            "type": _one("server_error"),
            "code": _one("conversation_already_has_active_response", None),
            "message": _SAID,
            "event_id": _EVENT_ID,
        }
    ),
    "usage": usages() | st.none(),
    "metadata": _METADATA,
    "score": scores(),
    "event": _one("1", "#"),
    "reason": _one("client", None),
    "rate_limits": st.lists(
        _mostly(
            _object({"name": _one("tokens", "requests"), "limit": _COUNT, "remaining": _COUNT})
        ),
        max_size=3,
    ),
    "start": _one(0, 0.5, 1.25, 1e300),
    "end": _one(0.5, 2, -1),
    "speaker": _one("A", "B", None),
    "audio_offset_ms": _MS,
    "audio_duration_ms": _MS,
    "id": _one("seg_1", "seg_2", ""),
    "language": _one("zh", None),
    "phrases": st.lists(_mostly(_phrases()), max_size=2),
    "languages": st.lists(_mostly(_one("en", {"code": "de"})), max_size=2),
    "url": _one("wss://a.example/v1/realtime?model=gpt-realtime", "?deployment=", "//[", None),
    "name": _one("weather", ""),
    "call_id": _one("call_1", "call_2"),
}

_ITEM = ("item", "previous_item_id")
_SPEECH = ("item_id", "audio_start_ms", "audio_end_ms")
_PART = ("response_id", "item_id", "content_index")

#: What each type is read for, by the first prefix that fits.
_FIELDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("conversation.item.input_audio_transcription.", ("item_id", "content_index")),
    ("conversation.item.truncated", ("item_id", "content_index", "audio_end_ms")),
    ("conversation.item.deleted", ("item_id",)),
    ("conversation.item.create", (*_ITEM, "event_id")),
    ("conversation.item.", _ITEM),
    ("conversation.created", ("conversation",)),
    ("input_audio_buffer.append", ("audio",)),
    ("session.input_audio_buffer.append", ("audio",)),
    ("input_audio_buffer.dtmf", ("event",)),
    ("input_audio_buffer.", _SPEECH),
    ("output_audio_buffer.", ("response_id",)),
    ("response.create", ("response", "event_id")),
    ("response.done", ("response", "response_id", "usage")),
    ("response.output_item.", ("item", "response_id")),
    ("response.content_part.", (*_PART, "part")),
    ("response.", _PART),
    ("mcp_list_tools.", ("item_id",)),
    ("eventstore.session.scored", ("score",)),
    ("eventstore.", ("metadata", "reason", "url")),
    ("warning", ("error",)),
    ("error", ("error",)),
    ("rate_limits.", ("rate_limits",)),
    ("session.output_audio.delta", ()),
    ("session.", ("session",)),
    ("", ("item_id",)),
)
_PAYLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("audio.delta", ("audio_delta",)),
    ("transcript.done", ("transcript",)),
    (
        "transcription.completed",
        ("transcript", "usage", "languages", "language", "phrases"),
    ),
    ("transcription.segment", ("text", "start", "end", "speaker", "id")),
    ("audio_timestamp.delta", ("text", "audio_offset_ms", "audio_duration_ms")),
    (".delta", ("delta",)),
    ("transcription.updated", ("transcript",)),
    ("transcription.failed", ("error",)),
    ("text.done", ("text",)),
    ("usage.updated", ("usage",)),
    ("arguments.done", ("arguments", "name", "call_id")),
)

TYPES = sorted(
    catalogue.FOLDED
    | set(catalogue.RENAMED)
    | set(catalogue.NO_EFFECT)
    | {"response.unheard_of", "eventstore.unheard_of"}
)

#: What most of a stream is made of, so that its events meet.
OFTEN = (
    "conversation.item.added",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.deleted",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.updated",
    "eventstore.session.metadata",
    "eventstore.session.scored",
    "input_audio_buffer.append",
    "input_audio_buffer.committed",
    "response.create",
    "response.created",
    "response.created",
    "response.done",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.added",
    "response.audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.text.delta",
    "response.text.done",
    "response.function_call_arguments.delta",
    "session.updated",
)


def _fields_of(type_: str) -> tuple[str, ...]:
    name = catalogue.canonical(type_)
    fields = next(fields for prefix, fields in _FIELDS if name.startswith(prefix))
    payload = next((fields for suffix, fields in _PAYLOADS if name.endswith(suffix)), ())
    return fields + payload


def _events_of(type_: str) -> st.SearchStrategy[Json]:
    values = {name: _VALUES[name] for name in _fields_of(type_)}
    body = _object(values, lacks_one_in=12)
    return body.map(lambda fields: {"type": type_, **_named(fields)})


def _named(fields: Json) -> Json:
    return {("delta" if name == "audio_delta" else name): v for name, v in fields.items()}


#: An event of each type.
EVENTS_BY_TYPE = {type_: _events_of(type_) for type_ in TYPES}


@st.composite
def events(draw: Draw) -> Json:
    """An event of any known type, and a few unknown ones."""
    types = TYPES if draw(st.integers(1, 4)) == 4 else OFTEN
    event: Json = draw(EVENTS_BY_TYPE[draw(st.sampled_from(types))])
    if draw(st.integers(1, 20)) == 20:
        odd = draw(_ANY)
        event |= odd if isinstance(odd, dict) else {"item": odd, "response": odd}
    return event


@st.composite
def frames(draw: Draw) -> Frame:
    """A frame: nearly always an event's, sent by whoever sends such."""
    at = draw(st.none() | st.integers(START, START + 10**9))
    if draw(st.integers(1, 25)) == 25:
        return Frame(draw(st.sampled_from(DIRECTIONS)), draw(any_text(20) | st.binary()), at)
    event = draw(events())
    direction = catalogue.direction_of(event)
    if draw(st.integers(1, 25)) == 25:
        direction = draw(st.sampled_from(DIRECTIONS))
    return Frame(direction, json.dumps(event, ensure_ascii=draw(st.booleans())), at)


@st.composite
def streams(draw: Draw, max_size: int = 30) -> list[Frame]:
    """Frames in arbitrary order; one time in four those of a Live session."""
    from support.live_strategies import live_streams  # which draws from here

    if draw(st.integers(1, 4)) == 4:
        return draw(live_streams(max_size))
    return draw(st.lists(frames(), min_size=1, max_size=max_size))


def _drop(draw: Draw, stream: list[Frame]) -> list[Frame]:
    start = draw(st.integers(0, len(stream) - 1))
    return stream[:start] + stream[start + draw(st.integers(1, 5)) :]


def _repeat(draw: Draw, stream: list[Frame]) -> list[Frame]:
    chosen, place = (draw(st.integers(0, len(stream) - 1)) for _ in range(2))
    return [*stream[:place], stream[chosen], *stream[place:]]


def _move(draw: Draw, stream: list[Frame]) -> list[Frame]:
    chosen, place = (draw(st.integers(0, len(stream) - 1)) for _ in range(2))
    rest = stream[:chosen] + stream[chosen + 1 :]
    return [*rest[:place], stream[chosen], *rest[place:]]


def _cut_off(draw: Draw, stream: list[Frame]) -> list[Frame]:
    return stream[: draw(st.integers(1, len(stream)))]


def _join_late(draw: Draw, stream: list[Frame]) -> list[Frame]:
    return stream[draw(st.integers(0, len(stream) - 1)) :]


def _lose_a_type(draw: Draw, stream: list[Frame]) -> list[Frame]:
    type_ = json.loads(draw(st.sampled_from(stream)).text)["type"]
    return [frame for frame in stream if json.loads(frame.text)["type"] != type_]


def _shuffle(draw: Draw, stream: list[Frame]) -> list[Frame]:
    start = draw(st.integers(0, len(stream) - 1))
    window = stream[start : start + 10]
    return [*stream[:start], *draw(st.permutations(window)), *stream[start + len(window) :]]


def _insert(draw: Draw, stream: list[Frame]) -> list[Frame]:
    event = draw(events())
    place = draw(st.integers(0, len(stream)))
    frame = Frame(catalogue.direction_of(event), json.dumps(event), stream[0].at)
    return [*stream[:place], frame, *stream[place:]]


_MUTATIONS: tuple[Callable[[Draw, list[Frame]], list[Frame]], ...] = (
    *(_drop, _repeat, _move, _move, _shuffle, _cut_off, _join_late, _lose_a_type),
)


@st.composite
def delivered_twice(draw: Draw, originals: Sequence[Sequence[Frame]]) -> list[Frame]:
    """A mutated stream whose server events have ids, and of which some come again.

    Most servers give each event an id of its own; some give the same one to several, or to all.
    """
    ids = draw(st.sampled_from(("unique", "unique", "few", "one")))
    stream = []
    for number, frame in enumerate(draw(mutated(originals, arbitrary=False))):
        name = {"unique": number, "few": number % 3, "one": 0}[ids]
        if frame.direction == "server" and isinstance(frame.text, str):
            event = {"event_id": f"event_{name}", **json.loads(frame.text)}
            frame = frame._replace(text=json.dumps(event))
        stream.append(frame)
    for _ in range(draw(st.integers(1, 6))):
        chosen = draw(st.integers(0, len(stream) - 1))
        behind = min(len(stream), chosen + draw(st.integers(1, 12)))
        stream.insert(behind, stream[chosen])
    return stream


@st.composite
def mutated(
    draw: Draw, originals: Sequence[Sequence[Frame]], arbitrary: bool = True
) -> list[Frame]:
    """One of the streams with events dropped, repeated, moved and cut off.

    Args:
        arbitrary: put arbitrary events between them, too.
    """
    stream = list(draw(st.sampled_from(originals)))
    mutations = (*_MUTATIONS, _insert, _insert) if arbitrary else _MUTATIONS
    for mutate in draw(st.lists(st.sampled_from(mutations), max_size=8)):
        stream = mutate(draw, stream) or stream
    return stream
