"""Return the configuration of a GPT-Live session as a client may send it in `session.start`.

The inputs are untrusted objects of the wire. The results are valid by the types of the `openai`
package (`openai.types.live`). Called by reseeds.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.resources.live_tools import live_tool_choice, live_tools
from eventstore.realtime.resources.shapes import (
    Shape,
    by_type,
    first_of,
    flag,
    given_object,
    listed,
    literal,
    record,
)
from eventstore.realtime.values import integer, one_of, text

Json = dict[str, Any]

#: The model of a session whose model no event tells.
DEFAULT_LIVE_MODEL = "gpt-live-1"


def _words(value: Any) -> str | None:
    """Return a text that is not empty."""
    return text(value) or None


def _rate(*allowed: int) -> Shape:
    return lambda value: rate if (rate := integer(value)) in allowed else None


def _choice(value: Any) -> str | bool | None:
    return value if isinstance(value, str | bool) else None


def _count(value: Any) -> int | None:
    found = integer(value)
    return found if found is not None and found >= 0 else None


#: The formats that a session's websocket takes.
live_format: Shape = by_type(
    {
        "audio/pcm": record({"rate": _rate(16_000, 24_000)}),
        "audio/pcmu": record({"rate": _rate(8000)}),
        "audio/pcma": record({"rate": _rate(8000)}),
    }
)

# Decisions

_PARTS = by_type(
    {
        "input_text": record({"text": text}),
        "input_image": record(
            {"image_url": _words}, {"detail": literal("low", "high", "auto", "original")}
        ),
        "input_json": record({"data": first_of(given_object, listed(given_object))}),
    }
)
_ASKED = first_of(_words, listed(_PARTS))
_OPTIONS = listed(record({"value": _choice}, {"description": text}))
_LEVELS = listed(record({"label": _words}, {"description": text}))
_QUESTIONS = listed(
    by_type(
        {
            "choice": record({"choices": _OPTIONS, "instructions": _ASKED}, {"name": _words}),
            "predicate": record({"instructions": _ASKED}, {"name": _words}),
            "score": record({"levels": _LEVELS, "instructions": _ASKED}, {"name": _words}),
        }
    )
)
_TRIGGERS = listed(
    by_type(
        {
            "decisions": record(
                {
                    "event_type": literal(
                        "session.input_transcript.delta", "session.output_transcript.delta"
                    ),
                    "decisions": record({"questions": _QUESTIONS}),
                }
            )
        }
    )
)

# Delegation

_EFFORT = literal("none", "minimal", "low", "medium", "high", "xhigh")
_TIER = literal("auto", "default", "fast_tier_temp_pilot", "flex", "priority", "ultrafast")
_BACKEND = record(
    {"model": _words},
    {
        "instructions": _words,
        "max_output_tokens": _count,
        "parallel_tool_calls": flag,
        "reasoning": record(
            optional={"effort": _EFFORT, "summary": literal("concise", "detailed", "auto")}
        ),
        "service_tier": _TIER,
        "text": record(optional={"verbosity": literal("low", "medium", "high")}),
        "tool_choice": live_tool_choice,
        "tools": lambda value: live_tools(value) or None,
    },
)
_DELAY: dict[str, Shape] = {"acknowledgement_delay_ms": _count}
_DELEGATION = by_type(
    {
        "client": record(optional=_DELAY),
        "responses": record({"responses": _BACKEND}, _DELAY),
        "decisions": record(
            {"decisions": record({"model": _words, "questions": _QUESTIONS})}, _DELAY
        ),
    }
)

# The session

_EVENT_SELECTOR = record({"type": _words}, {"response_event": _words})
_CHANNEL = record(
    optional={
        # An empty list is kept: it allows no event, while a missing list allows all of them.
        "allowed_client_events": lambda value: _all_or(value, text),
        "allowed_server_events": lambda value: _all_or(value, _EVENT_SELECTOR),
    }
)
_ALL = frozenset({"all"})
#: What a client may ask for of a session, by the names of its members.
LIVE_SETTINGS = ("model", "instructions", "audio", "delegation", "client", "store", "triggers")
_VOICE = first_of(_words, record({"id": _words}))
_SESSION = record(
    optional={
        "model": _words,
        "instructions": _words,
        "audio": record(
            optional={"format": live_format, "output": record(optional={"voice": _VOICE})}
        ),
        "delegation": _DELEGATION,
        "client": record({"data_channel": _CHANNEL}),
        "store": flag,
        "triggers": _TRIGGERS,
    },
)


def _all_or(value: Any, shape: Shape) -> str | list[Any] | None:
    made: list[Any] | None = listed(shape)(value)
    if made is None and isinstance(value, list):
        return []
    return made if made is not None else one_of(value, _ALL)


def live_config(session: Json) -> Json:
    """Return what a client may ask for of a Live session's configuration.

    The history is not part of it, and neither is `safety_identifier`, which names a user.

    Args:
        session: The session as a server described it, or as a client asked for it.
    """
    made: Json = _SESSION(session) or {}
    if not made.get("audio", {}).get("output"):
        made.get("audio", {}).pop("output", None)
    if not made.get("audio"):
        made.pop("audio", None)
    return made
