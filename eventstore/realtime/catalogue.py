"""The catalogue of event types: who sends them, and what the fold and a rebuild do with them.

Called by the fold, by rebuilds, imports and the replay server. The types are those of OpenAI's API
reference, and of servers with the same protocol. Beta names are read as their GA names (see
`canonical`). The types of GPT-Live's sessions are in live_catalogue.py. A test goes through the
types of the `openai` package, and fails if one is in none of these sets.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.realtime.live_catalogue import (
    LIVE_CLIENT_TYPES,
    LIVE_FOLDED,
    LIVE_INPUT_AUDIO,
    LIVE_NO_EFFECT,
)

#: The types of the store's own notes.
OPENED = "eventstore.session.opened"
METADATA_SET = "eventstore.session.metadata"
SCORED = "eventstore.session.scored"
CLOSED = "eventstore.session.closed"
GAP = "eventstore.session.gap"
REDACTED = "eventstore.session.redacted"
SAME_CALL = "eventstore.session.same_call"
SAMPLE_RATES = "eventstore.session.sample_rates"
CLOCK = "eventstore.session.clock"

#: The GA name of each beta name, for events of which only the name changed.
RENAMED = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "conversation.item.created": "conversation.item.added",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
    "transcription_session.update": "session.update",
}

CLIENT_TYPES = frozenset(
    {
        "session.update",
        "transcription_session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.create",
        "response.cancel",
        "session.input_audio_buffer.append",
        "session.close",
        # Types of Azure Voice Live.
        "input_audio.turn.start",
        "input_audio.turn.append",
        "input_audio.turn.end",
        "input_audio.turn.cancel",
        "input_audio.clear",
        "input_text.delta",
        "input_text.done",
        "mcp_approval_response",
        "session.avatar.connect",
    }
)

#: Input audio. The fold only counts its bytes.
INPUT_AUDIO = frozenset(
    {"input_audio_buffer.append", "session.input_audio_buffer.append", LIVE_INPUT_AUDIO}
)

AUDIO_DELTAS = frozenset(
    {"response.audio.delta", "response.output_audio.delta", "session.output_audio.delta"}
)

#: Deltas of a response's texts. A `…done` event repeats their text, so that a rebuild reads them
#: only if that event is missing.
TEXT_DELTAS = frozenset(
    {
        "response.text.delta",
        "response.output_text.delta",
        "response.audio_transcript.delta",
        "response.output_audio_transcript.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
    }
)

#: All deltas of texts.
STREAMED_TEXTS = sorted(
    TEXT_DELTAS
    | {
        "conversation.item.input_audio_transcription.delta",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
    }
)
DELTAS = TEXT_DELTAS | AUDIO_DELTAS | {"conversation.item.input_audio_transcription.delta"}

#: Azure Voice Live's types that do not change the state, and why. Logs had them before the store
#: knew them. So a rebuild reads them, as it reads unknown types.
_VOICE_LIVE = {
    "input_audio.turn.start": "the server's committed event says what happened",
    "input_audio.turn.append": "a turn that the client marks; the log has its audio",
    "input_audio.turn.end": "the server's committed event says what happened",
    "input_audio.turn.cancel": "the server's cleared event says what happened",
    "input_audio.clear": "the server's cleared event says what happened",
    "input_text.delta": "the item that the server makes of it has the text",
    "input_text.done": "the item that the server makes of it has the text",
    "mcp_approval_response": "the server's item says what happened",
    "session.avatar.connect": "how an avatar's video is connected",
    "session.avatar.connecting": "how an avatar's video is connected",
    "session.avatar.switch_to_speaking": "what an avatar shows",
    "session.avatar.switch_to_idle": "what an avatar shows",
    "response.video.delta": "an avatar's video",
    "response.animation_blendshapes.delta": "a face that moves with the speech",
    "response.animation_blendshapes.done": "a face that moves with the speech",
    "response.animation_viseme.delta": "a mouth that moves with the speech",
    "response.animation_viseme.done": "a mouth that moves with the speech",
    "response.audio_timestamp.done": "the transcript has the words",
    "response.audio_transcript.annotation.added": "a source of what is said; the text is whole",
    "response.invocation.delta": "an invocation of an agent; its output has items",
    "response.web_search_call.in_progress": "the response says what was found",
    "response.web_search_call.searching": "the response says what was found",
    "response.web_search_call.completed": "the response says what was found",
    "response.file_search_call.in_progress": "the response says what was found",
    "response.file_search_call.searching": "the response says what was found",
    "response.file_search_call.completed": "the response says what was found",
    # Types of voice agents in Azure's Foundry, which speak the same protocol.
    "response.system_tool_arguments.done": "a tool of the server's own; the log has it",
    "session.end_conversation.completed": "an agent hangs up; the session's end says when",
}

#: Known types that do not change the state, and why.
NO_EFFECT = {
    **_VOICE_LIVE,
    "input_audio_buffer.append": "audio is read from the log, not projected",
    "session.input_audio_buffer.append": "audio is read from the log, not projected",
    "input_audio_buffer.commit": "the server's committed event says what happened",
    "input_audio_buffer.clear": "the server's cleared event says what happened",
    "output_audio_buffer.clear": "the server's cleared event says what happened",
    "conversation.item.retrieve": "a question; conversation.item.retrieved answers",
    "conversation.item.truncate": "a wish; conversation.item.truncated answers",
    "conversation.item.delete": "a wish; conversation.item.deleted answers",
    "response.cancel": "a wish; response.done answers",
    "session.close": "a wish; session.closed answers",
    "ping": "keep-alive",
    CLOCK: "the recorder saw the wall clock jump; the log's times did not",
}

#: Known types of the store's own notes that do not change the state.
STORES_OWN = frozenset({CLOCK})

#: The store's notes that may be set long after the call, so that their times are none of the call.
SET_LATER = frozenset({METADATA_SET, SCORED})

#: Types that change the state, by their GA names.
FOLDED = frozenset(
    {
        OPENED,
        METADATA_SET,
        SCORED,
        CLOSED,
        GAP,
        REDACTED,
        SAME_CALL,
        SAMPLE_RATES,
        "session.created",
        "session.updated",
        "session.update",
        "session.closed",
        "session.usage.updated",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "conversation.created",
        "conversation.item.create",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.input_audio_transcription.updated",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.failed",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.dtmf_event_received",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "response.create",
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.audio_timestamp.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "error",
        "rate_limits.updated",
        "warning",
    }
)

#: Types that a rebuild does not read, except deltas of texts that were never finished.
SKIPPED_BY_REBUILD = (
    (frozenset(NO_EFFECT) - frozenset(_VOICE_LIVE)) | TEXT_DELTAS | {LIVE_INPUT_AUDIO}
)

#: Deltas that a rebuild reads by the part to which they belong (see projection/load_keys.py).
PART_DELTAS = frozenset(
    {
        "response.audio.delta",
        "response.output_audio.delta",
        "conversation.item.input_audio_transcription.delta",
    }
)

#: The client's command to send a key (DTMF).
_DTMF = "transport.dtmf.send"

#: Types whose arrivals the session's clock ignores, because a rebuild does not read all of them.
UNTIMED = SKIPPED_BY_REBUILD | PART_DELTAS | INPUT_AUDIO


def canonical(type_: str) -> str:
    """Return the GA name of a type. Other names are returned as they are."""
    return RENAMED.get(type_, type_)


def is_known(type_: str) -> bool:
    """Return True if a type of either protocol changes the state, or is known not to change it."""
    return is_realtime(type_) or type_ in LIVE_FOLDED or type_ in LIVE_NO_EFFECT


def is_realtime(type_: str) -> bool:
    """Return True if a type is a known one of Realtime, or one of the store's own."""
    return canonical(type_) in FOLDED or type_ in NO_EFFECT


def is_made_up(direction: str, type_: str) -> bool:
    """Return True if a client sent an event that only servers send.

    Such an event must not count: a client could invent answers, and what they cost.
    """
    return direction == CLIENT and type_ not in CLIENT_TYPES and type_ not in LIVE_CLIENT_TYPES


def direction_of(event: dict[str, Any] | None) -> str:
    """Return the sender of an event by its type: `server` if the type is unknown or missing.

    Input audio of a Live session is taken for the client's. `capture/files/live_senders.py` decides
    its sender by the whole connection.
    """
    type_ = event.get("type") if event is not None else None
    if event is None or not isinstance(type_, str):
        return SERVER
    if type_ == _DTMF and "client_event_id" in event:
        return SERVER  # Servers told of a sent key by the command's own type before they had one.
    if type_.startswith("eventstore."):
        return STORE
    return CLIENT if type_ in CLIENT_TYPES or type_ in LIVE_CLIENT_TYPES else SERVER
