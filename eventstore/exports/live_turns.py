"""Make the turns of a GPT-Live session for its transcript. Pure. Called by transcript.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eventstore.exports.live_words import (
    asked_words,
    delegation_facts,
    kind_of,
    overlapped,
    said_words,
    seconds_on_timeline,
    source_words,
    target_words,
    time_of,
)
from eventstore.realtime.resources.live_outcomes import decision_words
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.values import mapping, text

Json = dict[str, Any]

_UNKNOWN = "[its text is not in the log]"

#: The note of what was said while the other speaker had already begun, and went on.
OVERLAPS = "while the other one spoke"


class LiveTurn(NamedTuple):
    """What a turn of a transcript has under the same names.

    Attributes:
        speaker: `user`, `assistant`, `app`, `backend`, `decisions` or `tool`.
        kind: `said`, `call`, `result`, `delegation`, `decision`, or the kind of a context:
            `instructions`, `thinking` or `commentary`.
        at: Seconds since the call's first event; None if that is not known.
        text: The words.
        notes: Short facts.
    """

    speaker: str
    kind: str
    at: float | None
    text: str
    notes: list[str]


class LiveCall:
    """A GPT-Live session of which turns are made.

    Args:
        shown: The whole session, as `EventStore.state` returns it.
    """

    def __init__(self, shown: Json) -> None:
        items = [item for conversation in shown["conversations"] for item in conversation["items"]]
        self._session = shown["session"]
        self._items = {str(item.get("id")): item for item in items}
        self._responses = {str(response.get("id")): response for response in shown["responses"]}
        self._overlapped = overlapped(items)
        self.zero = timeline_zero(shown["session"])

    def turn(self, item: Json, facts: list[str]) -> LiveTurn:
        """Return the turn of an item.

        Args:
            item: The item.
            facts: Short facts about its response.
        """
        at = self.since_first_event(seconds_on_timeline(self._session, item))
        kind, type_, role = kind_of(item), text(item.get("type")), text(item.get("role")) or "?"
        said = said_words(item)
        if kind == "speech":
            return LiveTurn(role, "said", at, said, [*facts, *self._speech_facts(item)])
        if kind == "history":
            return LiveTurn(role, "said", None, said, ["told before the start"])
        if kind == "context":
            told = text(item["eventstore"].get("context")) or "context"
            refused = ["refused"] if item.get("status") == "incomplete" else []
            return LiveTurn("app", told, at, said or _UNKNOWN, refused)
        if type_ == "delegation":
            return LiveTurn("assistant", "delegation", at, *self._delegation(item))
        if type_ == "decision":
            notes = [source_words(item), text(item.get("model")) or ""]
            return LiveTurn(
                "decisions", "decision", at, decision_words(item), [*filter(None, notes)]
            )
        return _backend_turn(item, at, facts)

    def since_first_event(self, seconds: float | None) -> float | None:
        """Return seconds of the session's timeline as seconds since the session's first event."""
        return None if seconds is None else max(0.0, round(seconds + self.zero, 3))

    def _speech_facts(self, item: Json) -> list[str]:
        if item["eventstore"].get("backchannel"):
            return ["backchannel"]
        return [OVERLAPS] if item.get("id") in self._overlapped else []

    def _delegation(self, item: Json) -> tuple[str, list[str]]:
        target = text(mapping(item["eventstore"].get("delegation")).get("target"))
        asked = asked_words(item, self._items)
        words = f"to {target_words(target)}" + (f": “{asked}”" if asked else "")
        return words, delegation_facts(item, self._items, self._responses)


def _backend_turn(item: Json, at: float | None, facts: list[str]) -> LiveTurn:
    """Return the turn of what a backend read or wrote, which nobody heard."""
    type_, role = text(item.get("type")), text(item.get("role"))
    if type_ == "function_call_output":
        return LiveTurn("tool", "result", at, text(item.get("output")) or "", facts)
    if type_ != "message":
        call = f"{text(item.get('name')) or type_ or '?'}({text(item.get('arguments')) or ''})"
        output = failure_of(item) or text(item.get("output"))
        return LiveTurn("backend", "call", at, f"{call} → {output}" if output else call, facts)
    how = "not said" if role == "assistant" else f"given to the backend by the {role or '?'}"
    return LiveTurn("backend", "said", at, said_words(item), [*facts, how])


def timeline_zero(session: Mapping[str, Any]) -> float:
    """Return where the session's timeline begins, in seconds since its first event."""
    notes = session["eventstore"]
    opened = time_of(notes.get("opened_at"))
    started = time_of(mapping(notes.get("live")).get("started_at"))
    return 0.0 if opened is None or started is None else (started - opened) / 1_000_000
