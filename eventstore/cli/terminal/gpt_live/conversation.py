"""Prints a GPT-Live session: its facts, and its conversation in the order of its timeline.

Called by `state.py`, which prints what all sessions have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.cues import STYLES
from eventstore.cli.terminal.output import clean, echo, print_columns
from eventstore.cli.terminal.response_line import call_words
from eventstore.exports.live_words import (
    asked_words,
    by_timeline,
    delegation_facts,
    kind_of,
    minutes,
    moments_of,
    overlapped,
    said_words,
    seconds_on_timeline,
    session_facts,
    source_words,
    span_of,
    target_words,
)
from eventstore.realtime.resources.live_outcomes import decision_words
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.values import mapping, text

_TIME, _LABEL = 18, 14
_BEFORE = "before the start"


class _Row(NamedTuple):
    """A row of the conversation.

    Attributes:
        time: When, on the session's timeline.
        style: The name of a speaker, whose style the label has.
        label: Who speaks, or what happens.
        words: The words.
        note: What is added to the words, in another style.
    """

    time: str
    style: str
    label: str
    words: str
    note: str = ""


class _Told(NamedTuple):
    """What the rows of a conversation are made from.

    Attributes:
        session: The session's resource.
        items: The items of the conversation, by id.
        responses: The session's responses, by id.
        overlapped: The ids of what was said while the other one spoke.
    """

    session: Mapping[str, Any]
    items: dict[str, dict[str, Any]]
    responses: dict[str, dict[str, Any]]
    overlapped: set[str]


def print_live_session(session: Mapping[str, Any]) -> None:
    """Print what only a Live session has, in one line, and why it was closed in another."""
    facts = [f"{name} {value}" for name, value in session_facts(session)]
    reason = text(mapping(session.get("eventstore")).get("close_reason"))
    if facts:
        echo(clean(" · ".join(facts)))
    if reason:
        echo(f"closed: {clean(reason)}")


def print_live_items(
    out: Console, shown: Mapping[str, Any], items: Iterable[dict[str, Any]]
) -> None:
    """Print the items of a conversation, and the session's moments between them.

    Args:
        out: the console.
        shown: the result of `EventStore.state`.
        items: the items of one of its conversations.
    """
    for row in _rows(shown, by_timeline(items)):
        said = Text(clean(row.words))
        if row.note:
            said.append(f"{' ' if row.words else ''}[{clean(row.note)}]", style="dim italic")
        label = Text(clean(row.label)[:_LABEL], style=STYLES.get(row.style, "dim"))
        print_columns(out, (f"  {row.time}", _TIME), (label, _LABEL), (said, 0))


def _rows(shown: Mapping[str, Any], items: list[dict[str, Any]]) -> Iterator[_Row]:
    session = shown["session"]
    told = _Told(
        session,
        {str(item.get("id")): item for item in items},
        {str(response.get("id")): response for response in shown["responses"]},
        overlapped(items),
    )
    moments = iter(moments_of(session))
    moment = next(moments, None)
    for item in items:
        while moment is not None and moment[0] < (item["eventstore"].get("seq") or 0):
            yield _moment_row(moment)
            moment = next(moments, None)
        yield _row(item, told)
    while moment is not None:
        yield _moment_row(moment)
        moment = next(moments, None)


def _moment_row(moment: tuple[int, float | None, str]) -> _Row:
    _, at, words = moment
    time = "" if at is None else minutes(at) if at >= 0 else _BEFORE
    return _Row(time, "", "·", words)


def _row(item: dict[str, Any], told: _Told) -> _Row:
    kind, type_ = kind_of(item), item.get("type")
    if kind == "speech":
        return _speech(item, told)
    time = _time(item, told)
    role = text(item.get("role")) or "?"
    if kind == "history":
        return _Row(_BEFORE, role, role, said_words(item))
    if kind == "context":
        label = text(item["eventstore"].get("context")) or "context"
        refused = "refused" if item.get("status") == "incomplete" else ""
        return _Row(time, "system", label, said_words(item), refused or _unknown(item))
    if type_ == "delegation":
        target = mapping(item["eventstore"].get("delegation")).get("target")
        facts = ", ".join(delegation_facts(item, told.items, told.responses))
        asked = asked_words(item, told.items)
        words = f"to {target_words(text(target))}" + (f": “{asked}”" if asked else "")
        return _Row(time, "tool", "delegates", words, facts)
    if type_ == "decision":
        return _Row(time, "tool", "decides", decision_words(item), source_words(item))
    return _backend(item, time)


def _speech(item: dict[str, Any], told: _Told) -> _Row:
    role, notes = text(item.get("role")) or "?", item["eventstore"]
    facts = ["backchannel"] if notes.get("backchannel") else []
    if not facts and item.get("id") in told.overlapped:
        facts = ["while the other one spoke"]
    response = mapping(told.responses.get(notes.get("response_id") or ""))
    if mapping(response.get("eventstore")).get("interrupted"):
        facts.append("interrupted")
    return _Row(_time(item, told), role, role, said_words(item), ", ".join(facts))


def _backend(item: dict[str, Any], time: str) -> _Row:
    """Return the row of what a backend read or wrote, which nobody heard."""
    type_ = item.get("type")
    if type_ in ("function_call", "mcp_call"):
        failure = failure_of(item)
        words = call_words(item) + (f" → {item['output']}" if item.get("output") else "")
        return _Row(time, "tool", "backend calls", words, failure or "")
    if type_ == "function_call_output":
        return _Row(time, "tool", "tool", str(item.get("output")))
    if type_ == "message":
        role = text(item.get("role")) or "?"
        if role == "assistant":
            return _Row(time, "", "backend", said_words(item), "not said")
        return _Row(time, "", "backend input", said_words(item), role)
    return _Row(time, "", "backend", str(type_), failure_of(item) or "")


def _unknown(item: dict[str, Any]) -> str:
    return "" if said_words(item) else "its text is not in the log"


def _time(item: dict[str, Any], told: _Told) -> str:
    """Return when an item was, such as `0:02.0–0:02.8`; `~0:02.0` is estimated by its arrival."""
    span = span_of(item)
    if span is None:
        at = seconds_on_timeline(told.session, item)
        return "" if at is None else f"~{minutes(at)}"
    start, end = map(minutes, span)
    return start if start == end else f"{start}–{end}"
