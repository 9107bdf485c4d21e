"""Put what happened in a GPT-Live session into words: answers of decisions, mutes, pauses. Pure.

Called by exports, replays and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.realtime.values import mapping, number, sequence, text

_MOST_ANSWERS = 20
#: A statement that is at least so probable is answered with yes.
_EVEN = 0.5
#: What is told of each moment of a session: mutes, pauses, steps of the transport, sounds.
MOMENT_WORDS = {
    "fixture_playing": "a prepared sound begins",
    "fixture_played": "the prepared sound ends",
    "ringing": "the phone rings",
    "answered": "the call is answered",
    "failed": "the call could not be set up",
    "muted": "the user is muted",
    "unmuted": "the user is not muted any more",
    "paused": "the session is paused",
    "resumed": "the session goes on",
}


def decision_words(decision: Mapping[str, Any]) -> str:
    """Return the answers of a decision, such as `mood: upset (91 %) · wants_human: yes (85 %)`."""
    answers = [mapping(answer) for answer in sequence(decision.get("answers"))]
    told = [
        f"{text(answer.get('name')) or f'question {place}'}: {_answer_words(answer)}"
        for place, answer in enumerate(answers[:_MOST_ANSWERS], 1)
    ]
    left_out = len(answers) - len(told)
    return " · ".join([*told, f"{left_out} more"] if left_out else told)


def _answer_words(answer: dict[str, Any]) -> str:
    kind = text(answer.get("type"))
    if kind == "refusal":
        return "refused"
    if kind == "predicate":
        probability = number(answer.get("probability"))
        if probability is None:
            return "?"
        likely = probability >= _EVEN
        return (
            f"{'yes' if likely else 'no'} ({percent(probability if likely else 1 - probability)})"
        )
    value = answer.get("choice") if kind == "choice" else number(answer.get("score"))
    told = "?" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    sure = number(answer.get("confidence"))
    return told if sure is None else f"{told} ({percent(sure)})"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as a text such as `91 %`."""
    return f"{min(1.0, max(0.0, share)) * 100:.0f} %"
