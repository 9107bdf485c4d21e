"""Sessions, responses and items in few fields, for lists that a model reads. Pure.

A whole resource has hundreds of fields. A brief keeps what one looks at first, under plain names,
and leaves out what is empty. Times are seconds, where a resource has milliseconds.
"""

from __future__ import annotations

from typing import Any

from eventstore.mcp.answers import Json
from eventstore.mcp.bounds import fitting, piece
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.values import mapping, number, sequence, text

# How many characters of what was said a list shows.
_SAID = 400
_PART_TYPES = {"input_image": "[an image]", "image": "[an image]"}


def _told(fields: Json) -> Json:
    """Return the fields of a brief that tell something."""
    return {key: value for key, value in fields.items() if value not in (None, "", {}, [])}


def seconds(milliseconds: Any) -> float | None:
    """Return milliseconds as seconds, or None if they are no number."""
    found = number(milliseconds)
    return None if found is None else round(found / 1000, 3)


def session_brief(resource: Any) -> Json:
    """Return a session in few fields.

    Args:
        resource: The session as `sessions(summary=True)` gives it.
    """
    notes = mapping(resource.get("eventstore"))
    summary = mapping(notes.get("summary"))
    return _told(
        {
            "session_id": notes.get("session_id"),
            "started_at": notes.get("opened_at"),
            "seconds": seconds(notes.get("duration_ms")),
            "open": None if notes.get("closed") else True,
            "close_reason": notes.get("close_reason"),
            "model": resource.get("model"),
            "protocol": notes.get("protocol"),
            "metadata": notes.get("metadata"),
            "turns": summary.get("turns"),
            "responses": notes.get("responses"),
            "interruptions": notes.get("interruptions") or None,
            "errors": notes.get("errors") or None,
            "slowest_answer_seconds": seconds(summary.get("slowest_ms")),
            "input_tokens": summary.get("input_tokens"),
            "cached_tokens": summary.get("cached_tokens"),
            "output_tokens": summary.get("output_tokens"),
            "cost_usd": summary.get("cost_usd"),
            "cost_is_incomplete": True if summary.get("unpriced") else None,
            "scores": scores_brief(notes.get("scores")),
        }
    )


def response_brief(resource: Any) -> Json:
    """Return a response in few fields, with the beginning of what it said."""
    notes = mapping(resource.get("eventstore"))
    usage = mapping(resource.get("usage"))
    details = mapping(usage.get("input_token_details"))
    answer_ms = next(
        (
            notes[name]
            for name in ("speech_to_first_audio_ms", "time_to_first_audio_ms")
            if notes.get(name) is not None
        ),
        notes.get("time_to_first_text_ms"),
    )
    said = piece(said_in(resource), 0, _SAID)
    return _told(
        {
            "response_id": resource.get("id"),
            "session_id": notes.get("session_id"),
            "created_at": notes.get("created_at"),
            "status": resource.get("status"),
            "ended_by": _why(resource),
            "interrupted": notes.get("interrupted") or None,
            "model": notes.get("model"),
            "said": said.text + (f"… [{said.left:,} more characters]" if said.left else ""),
            "tools_called": tools_called(resource),
            "wait_seconds": seconds(answer_ms),
            "seconds": seconds(notes.get("duration_ms")),
            "input_tokens": usage.get("input_tokens"),
            "cached_tokens": details.get("cached_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "metadata": resource.get("metadata"),
            "outside_of_conversation": True if notes.get("in_conversation") is False else None,
            "found": fitting(notes.get("match"), 2000) if notes.get("match") else None,
            "scores": scores_brief(notes.get("scores")),
        }
    )


def _why(resource: Any) -> str | None:
    """Return the reason of a response's end, or the message of its error."""
    details = mapping(resource.get("status_details"))
    error = mapping(details.get("error"))
    said = text(error.get("message")) or text(error.get("code")) or text(details.get("reason"))
    return None if said is None else piece(said, 0, _SAID).text


def said_in(resource: Any) -> str:
    """Return what a response said, or what was heard of it if its output does not tell."""
    output = map(mapping, sequence(resource.get("output")))
    said = " ".join(filter(None, (words_of(item) for item in output)))
    return said or text(mapping(resource.get("eventstore")).get("heard")) or ""


def words_of(item: Json) -> str:
    """Return the words of an item: what was said, called or returned."""
    kind = text(item.get("type"))
    if kind in ("function_call", "mcp_call"):
        called = f"{text(item.get('name')) or '?'}({text(item.get('arguments')) or ''})"
        outcome = failure_of(item) or text(item.get("output"))
        return f"{called} → {outcome}" if outcome else called
    if kind == "function_call_output":
        return text(item.get("output")) or ""
    words = []
    for part in map(mapping, sequence(item.get("content"))):
        said = text(part.get("text")) or text(part.get("transcript"))
        words.append(said or _PART_TYPES.get(text(part.get("type")) or "", ""))
    return " ".join(filter(None, words))


def tools_called(resource: Any) -> list[str]:
    """Return the names of the tools that a response called, in order."""
    output = map(mapping, sequence(resource.get("output")))
    called = (one for one in output if one.get("type") in ("function_call", "mcp_call"))
    return [piece(text(one.get("name")) or "?", 0, 64).text for one in called][:50]


def scores_brief(scores: Any) -> list[Json]:
    """Return scores in few fields, without what they are of."""
    return [
        _told({key: score.get(key) for key in ("name", "value", "by", "reason", "at")})
        for score in map(mapping, sequence(scores))
    ][:32]


def item_brief(item: Any) -> Json:
    """Return an item of a conversation in few fields."""
    notes = mapping(item.get("eventstore"))
    words = words_of(item)
    heard = text(notes.get("heard"))
    return _told(
        {
            "item_id": item.get("id"),
            "type": item.get("type"),
            "role": item.get("role"),
            "status": item.get("status"),
            "words": words or text(notes.get("generated")),
            "heard": heard if heard is not None and heard != notes.get("generated") else None,
            "call_id": item.get("call_id"),
            "at": notes.get("at"),
            "seq": notes.get("seq"),
            "response_id": notes.get("response_id"),
            "kind": notes.get("kind"),
            "scores": scores_brief(notes.get("scores")),
        }
    )
