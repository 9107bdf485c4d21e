"""Make the texts of a call's HTML page that are not in the transcript. Pure.

Called by html.py and its template, which escapes all texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventstore.exports.live_words import is_live, minutes, session_facts
from eventstore.projection.session_names import sideband_of
from eventstore.realtime.resources.scores import score_words
from eventstore.realtime.values import mapping, number, text

Json = dict[str, Any]

#: A text with more characters is folded on the page.
LONG = 600


def call_facts(session: Json, usage: Json) -> list[tuple[str, str]]:
    """Return the facts above the transcript, as pairs of a name and a text.

    Args:
        session: The session's resource.
        usage: The session's usage, as in its state.
    """
    notes = session["eventstore"]
    duration = number(notes.get("duration_ms"))
    cost = number(usage.get("cost_usd"))
    unpriced = bool(mapping(usage.get("unpriced")).get("models"))
    opened = (text(notes.get("opened_at")) or "").replace("T", " ")[:19]
    stated = (
        ("Started", opened and f"{opened} UTC"),
        ("Length", clock_text(duration / 1000) if duration is not None else ""),
        ("Model", text(session.get("model")) or ""),
        ("Responses", str(notes["responses"])),
        ("Interruptions", str(notes["interruptions"] or "")),
        ("Server errors", str(notes["errors"] or "")),
        ("Tokens", f"{usage['input_tokens']:,} in, {usage['output_tokens']:,} out"),
        ("Cost", "unknown" if cost is None else f"${cost:.4f}{' and more' if unpriced else ''}"),
        ("Sideband of", sideband_of(mapping(notes.get("opened")), session) or ""),
        ("Usage is counted in", text(notes.get("same_call")) or ""),
        *(_live_facts(session) if is_live(session) else ()),
        ("Scores", ", ".join(score_words(notes.get("scores")))),
        *notes["metadata"].items(),
    )
    return [(name, value) for name, value in stated if value]


def _live_facts(session: Json) -> list[tuple[str, str]]:
    """Return what only a GPT-Live session has, and why it was closed."""
    facts = [(name.capitalize(), value) for name, value in session_facts(session)]
    return [*facts, ("Closed", text(session["eventstore"].get("close_reason")) or "")]


def clock_text(seconds: float) -> str:
    """Return seconds as a text such as `1:02` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock_of(session: Json) -> Callable[[float], str]:
    """Return what writes a turn's time: in tenths of a second where words may overlap."""
    return minutes if is_live(session) else clock_text


def indented_json(said: str) -> str:
    """Return a JSON object or array with line breaks and indents; other text as it is."""
    import json

    try:
        parsed = json.loads(said)
    except (ValueError, RecursionError):
        return said
    if not isinstance(parsed, dict | list):
        return said
    return json.dumps(parsed, indent=2, ensure_ascii=False)
