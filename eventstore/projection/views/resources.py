"""Make the resources of items and responses from a session's state.

Called for rows of read models, by queries of one session, by reseeds and by the export to
OpenTelemetry. A resource is the object that the server sent last. Fields that the server left out
are completed from other events. All fields that the store adds are in one object, `eventstore`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from eventstore.projection.content import AudioSpan, ContentPart
from eventstore.projection.handlers.conversation import is_settled
from eventstore.projection.latency import elapsed_ms, response_times
from eventstore.projection.state import Item, Response, SessionState
from eventstore.projection.timed_words import WordTiming, by_start_time, on_own_audio
from eventstore.projection.views.heard import heard_text, is_by_time_alone, output_bytes_per_ms
from eventstore.projection.views.live import (
    live_audio,
    live_config_of,
    live_item_notes,
    live_response_notes,
)
from eventstore.projection.views.scores import score_notes
from eventstore.realtime.audio import bytes_per_ms
from eventstore.realtime.resources.dialects import response_config
from eventstore.realtime.values import mapping, sequence, text
from eventstore.times import to_iso

#: How many output items the row of a response has. The resource from a state has all.
MAX_OUTPUT = 128


def conversation_id(state: SessionState, index: int | None) -> str | None:
    """Return the id of a session's conversation by its index, or None if no event told it."""
    return None if index is None else state.conversations[index].id


def part_text(part: ContentPart, deltas: bool = True) -> str | None:
    """Return the final text or transcript of a part, or else its deltas if `deltas` is True."""
    if part.text is not None:
        return part.text
    if part.transcript is not None:
        return part.transcript
    return (part.text_so_far() or part.transcript_so_far()) if deltas else None


def item_text(item: Item, deltas: bool = True) -> str:
    """Return the whole text of an item, spoken or typed, its parts joined by spaces.

    Args:
        item: The item.
        deltas: True to include the deltas of parts that are not finished.
    """
    texts = [part_text(part, deltas) for _, part in sorted(item.parts.items())]
    return " ".join(said for said in texts if said)


def item_resource(state: SessionState, item: Item, live: bool = True) -> dict[str, Any]:
    """Return the resource of an item as its conversation has it.

    A truncated part has no transcript, because the server removes it from the conversation. The
    store keeps it as `eventstore.generated`.

    Args:
        state: The session's state.
        item: The item.
        live: True to include the deltas of an item that is not settled.
    """
    deltas = live or is_settled(state, item)
    resource = _item(state, item, deltas)
    cut = item.truncation
    contents = resource.get("content")
    if cut is not None and isinstance(contents, list):
        resource["content"] = [
            _without_transcript(content) if index == cut.content_index else content
            for index, content in enumerate(contents)
        ]
    return resource | {"eventstore": _item_notes(state, item, deltas)}


def _without_transcript(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if key != "transcript"}


def _item(state: SessionState, item: Item, deltas: bool) -> dict[str, Any]:
    """Return an item as the server described it last, completed from other events."""
    resource = dict(item.wire)
    if not text(resource.get("id")):
        resource["id"] = item.id  # an event names the item, and its body another thing
    kind = resource.setdefault("type", "message")
    if resource.get("status") == "in_progress" and _is_cut_off(state, item):
        resource["status"] = "incomplete"
    if kind == "message":
        if any(part.type == "input_audio" for part in item.parts.values()):
            resource.setdefault("role", "user")
        contents = resource["content"] = _content(item, resource.get("content"), deltas)
        for index, part in item.parts.items():
            # The last completed transcription wins over the transcript in the item's own event.
            heard = part.type == "input_audio" and part.transcript is not None
            if heard and index < len(contents) and isinstance(contents[index], dict):
                contents[index]["transcript"] = part.transcript
    elif kind in ("function_call", "mcp_call") and not resource.get("arguments"):
        arguments = item.arguments or ("".join(item.argument_deltas) if deltas else "")
        if arguments:
            resource["arguments"] = arguments
    return resource


def _is_cut_off(state: SessionState, item: Item) -> bool:
    """Return True if an item's response ended early, and no event ended the item itself."""
    response = state.responses.get(item.response_id or "")
    if response is None or response.done_seq is None:
        return False
    return not item.done and response.wire.get("status") != "completed"


def _content(item: Item, wire: Any, deltas: bool) -> list[Any]:
    contents = [dict(part) if isinstance(part, dict) else part for part in sequence(wire)]
    for index, part in sorted(item.parts.items()):
        if index > len(contents):
            break
        if index == len(contents):
            contents.append({"type": part.type} if part.type else {})
        content = contents[index]
        if not isinstance(content, dict):
            continue
        said, transcript = part.text, part.transcript
        if deltas:
            said = said if said is not None else part.text_so_far()
            transcript = transcript if transcript is not None else part.transcript_so_far()
        if content.get("text") in (None, "") and said is not None:
            content["text"] = said
        if content.get("transcript") in (None, "") and transcript is not None:
            content["transcript"] = transcript
    return contents


def _item_notes(state: SessionState, item: Item, deltas: bool) -> dict[str, Any]:
    response = state.responses.get(item.response_id or "")
    notes: dict[str, Any] = {
        "session_id": state.session_id,
        "conversation_id": conversation_id(state, item.conversation),
        "response_id": item.response_id,
        "seq": item.seen_seq,
        "at": to_iso(item.seen_at),
        "done_at": to_iso(item.done_at),
    }
    if item.answered_by is not None:
        notes["answered_by"] = item.answered_by
    if item.deleted_seq is not None:
        notes["deleted_seq"] = item.deleted_seq
    if item.progress is not None:
        notes["progress"] = item.progress
    if response is not None:
        notes |= _generated(item, response, deltas)
    if item.truncation is not None:
        notes["truncated"] = {
            "seq": item.truncation.seq,
            "at": to_iso(item.truncation.at),
            "content_index": item.truncation.content_index,
            "audio_end_ms": item.truncation.audio_end_ms,
        }
        if is_by_time_alone(item, response):
            notes["truncated"]["estimated_by"] = "time"
    notes |= live_item_notes(state, item)
    audio = _audio(item, response) if deltas else []
    if audio:
        notes["audio"] = audio
    timed = [_timed(one) for _, part in sorted(item.parts.items()) for one in _words(item, part)]
    if timed and (deltas or response is None or item.live is not None):
        notes["timed_words"] = timed
    languages = [code for part in item.parts.values() for code in part.languages]
    if languages:
        notes["languages"] = list(dict.fromkeys(languages))
    errors = [part.error for part in item.parts.values() if part.error]
    if errors:
        notes["transcription_error"] = errors[-1]
    return notes | score_notes(state, "item", item.id)


def _generated(item: Item, response: Response, deltas: bool) -> dict[str, Any]:
    """Return what a response generated, and what of that the user heard; of a backend nothing."""
    generated = item_text(item, deltas)
    if not generated:
        return {}
    if item.live is not None and item.live.kind == "backend":
        return {"generated": generated}
    return {"generated": generated, "heard": heard_text(item, response, deltas)}


def _words(item: Item, part: ContentPart) -> list[WordTiming]:
    """Return the words of a part, with their times on the part's own audio."""
    words = by_start_time(part.timed)
    if item.speech is None:
        return words
    return on_own_audio(words, item.speech.start_ms, item.speech.end_ms)


def _timed(timed: WordTiming) -> dict[str, Any]:
    told = {"text": timed.text, "start_ms": timed.start_ms, "end_ms": timed.end_ms}
    return told if timed.speaker is None else {**told, "speaker": timed.speaker}


def _audio(item: Item, response: Response | None) -> list[dict[str, Any]]:
    """Return where the audio of each part of an item is in the log, and its length."""
    if item.speech is not None:
        return [_speech_span(item)]
    if item.live is not None:
        return live_audio(item)
    per_ms = bytes_per_ms(None) if response is None else output_bytes_per_ms(response)
    return [
        {"content_index": index, "side": "output", **audio_span(part.audio, per_ms)}
        for index, part in sorted(item.parts.items())
        if part.audio is not None
    ]


def audio_span(audio: AudioSpan, per_ms: float) -> dict[str, Any]:
    """Return where output audio is in the log, as resources show it.

    Args:
        audio: The span of audio.
        per_ms: The bytes of one millisecond.
    """
    return {
        "first_seq": audio.first_seq,
        "last_seq": audio.last_seq,
        "chunks": audio.chunks,
        "bytes": audio.bytes,
        "duration_ms": round(audio.bytes / per_ms, 3),
    }


def _speech_span(item: Item) -> dict[str, Any]:
    """Return where the user's speech of an item is in the log, and on the input clock."""
    speech = item.speech
    if speech is None:
        return {}
    duration: float | None = None
    if speech.start_ms is not None and speech.end_ms is not None:
        duration = float(max(0, speech.end_ms - speech.start_ms))
    elif speech.bytes and speech.bytes_per_ms:
        duration = round(speech.bytes / speech.bytes_per_ms, 3)
    return {
        "content_index": 0,
        "side": "input",
        "first_seq": speech.first_seq,
        "last_seq": speech.committed_seq,
        "start_ms": speech.start_ms,
        "end_ms": speech.end_ms,
        "duration_ms": duration,
    }


def response_resource(state: SessionState, response: Response, live: bool = True) -> dict[str, Any]:
    """Return a response as a `realtime.response`, with the store's fields in `eventstore`.

    Args:
        state: The session's state.
        response: The response.
        live: True to include the deltas of a response that is not done, and its whole output.
            False limits the output to `MAX_OUTPUT` items, as in rows.
    """
    deltas = live or state.closed or response.done_seq is not None
    resource = dict(response.wire)
    resource.setdefault("object", "realtime.response")
    if not text(resource.get("id")):
        resource["id"] = response.id  # some servers tell the id only beside the response
    resource.setdefault("status", "in_progress")
    resource.setdefault("status_details", None)
    shown = list(response.output if live else islice(response.output, MAX_OUTPUT))
    output = _output(state, response, [state.items[item_id] for item_id in shown], deltas)
    resource["output"] = output if live else output[:MAX_OUTPUT]
    resource.setdefault("conversation_id", conversation_id(state, response.conversation))
    if "metadata" not in resource:
        asked = response.request.body.get("metadata") if response.request else None
        resource["metadata"] = asked if isinstance(asked, dict) else None
    if not resource.get("usage"):
        resource["usage"] = response.usage
    notes = resource["eventstore"] = _response_notes(state, response, shown, deltas)
    left_out = max(len(response.output) - len(shown), len(output) - len(resource["output"]))
    if left_out:
        notes["output_left_out"] = left_out
    return resource


def _output(state: SessionState, response: Response, items: list[Item], deltas: bool) -> list[Any]:
    wire = response.wire.get("output")
    # The end of a backend's response in a Live session tells no output.
    untold = response.live is not None and not wire
    if response.done_seq is None or untold or not isinstance(wire, list):
        return [_item(state, item, deltas or is_settled(state, item)) for item in items]
    by_id = {id_: item for item in items if (id_ := text(item.wire.get("id")))}
    output: list[Any] = []
    for entry in wire:
        item = by_id.get(text(mapping(entry).get("id")) or "")
        if item is None or not isinstance(entry, dict):
            output.append(entry)
        else:
            output.append(_completed(entry, item))
    return output


def _completed(entry: dict[str, Any], item: Item) -> dict[str, Any]:
    """Return an output item of `response.done`, with the texts that it lacks."""
    if entry.get("type", "message") == "message":
        return {**entry, "content": _content(item, entry.get("content"), True)}
    return entry


def config_of_response(response: Response) -> dict[str, Any]:
    """Return the settings with which a response was made, as `response_config` returns them."""
    body = response.request.body if response.request is not None else {}
    return response_config(response.wire, body, response.session, live_config_of(response))


def _response_notes(
    state: SessionState, response: Response, item_ids: list[str], deltas: bool
) -> dict[str, Any]:
    request = response.request
    moments = response_times(response)
    audio = [
        {"item_id": item_id, **entry}
        for item_id in item_ids
        for entry in _audio(state.items[item_id], response)
        if deltas
    ]
    notes = {
        "session_id": state.session_id,
        "model": text(response.session.get("model")),
        "seq": response.seen_seq,
        "done_seq": response.done_seq,
        "in_conversation": response.conversation is not None,
        "finished": response.done_seq is not None,
        "interrupted": response.id in state.interrupted,
        "trigger": request.kind if request is not None else None,
        "request_seq": request.seq if request is not None else None,
        "requested_at": to_iso(request.at) if request is not None else None,
        "created_at": to_iso(response.created_at),
        "first_text_at": to_iso(response.first_text_at),
        "first_audio_at": to_iso(response.first_audio_at),
        "done_at": to_iso(response.done_at),
        "speech_ended_at": to_iso(response.speech_ended_at),
        "time_to_first_text_ms": elapsed_ms(state, moments.asked, moments.first_text),
        "time_to_first_audio_ms": elapsed_ms(state, moments.asked, moments.first_audio),
        "speech_to_first_audio_ms": elapsed_ms(state, moments.speech_ended, moments.first_audio),
        "duration_ms": elapsed_ms(state, moments.created, moments.done),
        "playback_started_at": to_iso(response.playback_started_at),
        "playback_stopped_at": to_iso(response.playback_stopped_at),
        "config": config_of_response(response),
        "audio": audio,
        "heard": " ".join(
            said
            for said in (heard_text(state.items[item_id], response, deltas) for item_id in item_ids)
            if said
        ),
    }
    notes |= score_notes(state, "response", response.id)
    return notes if response.live is None else notes | live_response_notes(state, response)
