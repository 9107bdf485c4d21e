"""Event names: which there are, who sends them, what they do to the projection.

Beta names are read as their GA names (`canonical`). A test walks the `openai` package's
unions and fails where a type is in none of the sets below.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.frames import CLIENT, SERVER, STORE

#: Beta name to GA name, where only the name changed.
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
        # Azure Voice Live's.
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

#: Input audio: counted by the log, never read by the projection.
INPUT_AUDIO = frozenset({"input_audio_buffer.append", "session.input_audio_buffer.append"})

AUDIO_DELTAS = frozenset(
    {"response.audio.delta", "response.output_audio.delta", "session.output_audio.delta"}
)

#: A response's deltas of text, whose `…done` says the same: a rebuild reads them only where
#: none came.
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

#: All that grow an item piece by piece.
STREAMED_TEXTS = sorted(
    TEXT_DELTAS
    | {
        "conversation.item.input_audio_transcription.delta",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
    }
)
DELTAS = TEXT_DELTAS | AUDIO_DELTAS | {"conversation.item.input_audio_transcription.delta"}

#: Azure Voice Live's types without effect on state, and why. Logs held them before they were
#: known: their events are read in their turn, as those of unknown types are.
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
    # Of voice agents in Azure's Foundry, which speak the same protocol.
    "response.system_tool_arguments.done": "a tool of the server's own; the log has it",
    "session.end_conversation.completed": "an agent hangs up; the session's end says when",
}

#: Known types without effect on state, and why.
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
    "eventstore.session.clock": "the recorder saw the wall clock jump; the log's times did not",
}

#: Types that the projection folds, by their GA name.
FOLDED = frozenset(
    {
        "eventstore.session.opened",
        "eventstore.session.metadata",
        "eventstore.session.closed",
        "eventstore.session.gap",
        "eventstore.session.redacted",
        "eventstore.session.same_call",
        "eventstore.session.sample_rates",
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

#: What a rebuild need not read at all, save where a text has not been finished.
SKIPPED_BY_REBUILD = (frozenset(NO_EFFECT) - frozenset(_VOICE_LIVE)) | TEXT_DELTAS

#: What a rebuild reads by the part that it grows.
PART_DELTAS = frozenset(
    {
        "response.audio.delta",
        "response.output_audio.delta",
        "conversation.item.input_audio_transcription.delta",
    }
)

#: A projection's clock does not go by the arrivals of these: a rebuild does not read them all.
UNTIMED = SKIPPED_BY_REBUILD | PART_DELTAS | INPUT_AUDIO


def canonical(type_: str) -> str:
    """The GA name of a type; unknown names stay as they are."""
    return RENAMED.get(type_, type_)


def is_known(type_: str) -> bool:
    """Whether the type is folded, or known to have no effect."""
    return canonical(type_) in FOLDED or type_ in NO_EFFECT


def is_made_up(direction: str, type_: str) -> bool:
    """Whether a client says what only servers say: it could make up answers, and their cost."""
    return direction == CLIENT and type_ not in CLIENT_TYPES


def direction_of(event: dict[str, Any] | None) -> str:
    """Who sends an event, by its type; the server where it cannot be told."""
    type_ = event.get("type") if event is not None else None
    if not isinstance(type_, str):
        return SERVER
    if type_.startswith("eventstore."):
        return STORE
    return CLIENT if type_ in CLIENT_TYPES else SERVER
