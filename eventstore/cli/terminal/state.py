"""Prints a session's state: its conversations, responses and usage.

Called by the command `state` and by `player_rows.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.cues import STYLES
from eventstore.cli.terminal.gpt_live.conversation import print_live_items, print_live_session
from eventstore.cli.terminal.output import (
    clean,
    console,
    counted,
    echo,
    pairs,
    print_columns,
    print_table,
    seconds,
)
from eventstore.cli.terminal.response_line import call_words, response_line
from eventstore.cli.terminal.usage_table import print_usage
from eventstore.exports.live_words import is_live
from eventstore.exports.speakers import has_several_speakers, with_names
from eventstore.projection.session_names import sideband_of
from eventstore.realtime.resources.outcomes import failure_of, status_words
from eventstore.realtime.resources.scores import score_words
from eventstore.realtime.values import mapping, text


def print_state(shown: Mapping[str, Any]) -> None:
    """Print a session's whole state.

    Args:
        shown: the result of `EventStore.state`.
    """
    print_conversations(shown)
    if shown["responses"]:
        echo()
        _print_responses(shown["responses"])
        echo()
        print_usage([shown["usage"] | {"key": "usage"}])
    _print_scores(shown)


def _print_scores(shown: Mapping[str, Any]) -> None:
    """Print the scores of a session, its responses and its items, each with its reason."""
    items = (item for conversation in shown["conversations"] for item in conversation["items"])
    rows = [
        (one["response_id"] or one["item_id"] or "session", *score_words([one]), one["reason"])
        for resource in (shown["session"], *shown["responses"], *items)
        for one in resource.get("eventstore", {}).get("scores", ())
    ]
    if rows:
        echo()
        print_table(("SCORED", "SCORE", "REASON"), rows)


def print_conversations(shown: Mapping[str, Any]) -> None:
    """Print a session and its conversations, without the tables of responses and usage.

    Args:
        shown: the result of `EventStore.state`.
    """
    _print_session(shown)
    several = has_several_speakers(shown)
    for conversation in shown["conversations"]:
        echo(f"\nconversation {conversation['id'] or '(unnamed)'}")
        if is_live(shown["session"]):
            print_live_items(console(), shown, conversation["items"])
            continue
        for item in conversation["items"]:
            _print_item(console(), item, several)
    outside = [r for r in shown["responses"] if not r["eventstore"]["in_conversation"]]
    if outside:
        echo("\noutside the conversation")
        for response in outside:
            _print_line(console(), "aside", "aside", response_line(response))


def _print_session(shown: Mapping[str, Any]) -> None:
    session = shown["session"]
    notes = session["eventstore"]
    state = "closed" if notes["closed"] else "open"
    length = seconds(notes["duration_ms"]) or "no times recorded"
    model = clean(str(session.get("model") or "no model named"))
    echo(f"session {clean(session['id'])} · {model} · {state}")
    echo(
        f"{counted(notes['events'], 'event')} · {notes['opened_at'] or ''} {length}"
        f" · {counted(notes['responses'], 'response')}{_of_backends(shown['responses'])}"
        f" · {counted(notes['interruptions'], 'interruption')}"
    )
    if is_live(session):
        print_live_session(session)
    if notes["metadata"]:
        echo(f"metadata {clean(pairs(notes['metadata']))}")
    _print_other_recordings(session)
    for side, rate in (notes.get("sample_rates") or {}).items():
        echo(f"{side} PCM at {rate} Hz, as its importer told")
    unseen = mapping(notes.get("opened")).get("unseen")
    for what in unseen if isinstance(unseen, list) else ():
        echo(f"not recorded: {clean(str(what))}")
    for side, words in notes.get("translation", {}).items():
        if isinstance(words, str):
            echo(f"translation {side}: {clean(words)}")
    if notes["unknown_types"]:
        counts = ", ".join(f"{clean(t)} ×{n}" for t, n in notes["unknown_types"].items())
        if others := notes.get("events_of_other_unknown_types"):
            counts += f", others ×{others}"
        echo(f"events of unknown types: {counts}")
    for limit in notes.get("rate_limits", ()):
        echo(f"rate limit: {_limit(limit)}")
    for diagnostic in notes["diagnostics"]:
        echo(f"! event {diagnostic['seq']}: {diagnostic['code']}: {clean(diagnostic['message'])}")


def _of_backends(responses: Iterable[Mapping[str, Any]]) -> str:
    """Return how many responses of a GPT-Live session nobody heard; empty if there are none."""
    kinds = [response["eventstore"].get("kind") for response in responses]
    count = kinds.count("delegated")
    return f" ({count} of a backend)" if count else ""


def _print_other_recordings(session: Mapping[str, Any]) -> None:
    """Print which session a sideband joined, and which recording of the call counts its usage."""
    notes = session["eventstore"]
    if joined := sideband_of(mapping(notes.get("opened")), session):
        echo(f"a sideband, another connection to {clean(joined)}")
    if other := notes.get("same_call"):
        echo(f"the same call as {clean(other)}, where its usage is counted")


def _limit(limit: Mapping[str, Any]) -> str:
    """Return for example `120 of 40,000 tokens left, reset in 55.2 s (event 7)`."""
    name = clean(limit["name"])
    left, all_, reset = (limit[member] for member in ("remaining", "limit", "reset_seconds"))
    told = f"{all_:,.0f} {name}" if all_ else name
    if left is not None:
        told = f"{left:,.0f} of {told} left" if all_ else f"{left:,.0f} {name} left"
    if reset is not None:
        told += f", reset in {reset:.1f} s"
    return f"{told} (event {limit['seq']})"


def _print_item(out: Console, item: Mapping[str, Any], several: bool) -> None:
    kind, notes = item.get("type"), item.get("eventstore", {})
    if kind in ("function_call", "mcp_call"):
        _print_line(out, "assistant", "calls", call_words(item))
        failure = failure_of(item)
        if failure is not None:
            _print_line(out, "error", "! tool", failure)
        elif kind == "mcp_call" and item.get("output") is not None:
            _print_line(out, "tool", "tool", str(item["output"]))
    elif kind == "function_call_output":
        _print_line(out, "tool", "tool", str(item.get("output")))
    elif kind == "message":
        _print_message(out, item, notes, several)
    else:
        words = " ".join(filter(None, (text(item.get("server_label")), failure_of(item))))
        _print_line(out, "system", str(kind), words)


def _print_message(
    out: Console, item: Mapping[str, Any], notes: Mapping[str, Any], several: bool
) -> None:
    role = str(item.get("role") or "?")
    generated, heard = notes.get("generated"), notes.get("heard")
    if notes.get("truncated") and isinstance(generated, str) and isinstance(heard, str):
        unheard = generated.removeprefix(heard).strip()
        by_time = mapping(notes["truncated"]).get("estimated_by") == "time"
        _print_line(out, role, role, heard, unheard, "likely not heard" if by_time else "not heard")
        return
    parts = [part for part in item.get("content") or [] if isinstance(part, dict)]
    words = " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts)
    if several:
        words = with_names(item, words)
    if not words.strip():
        kinds = ", ".join(str(part.get("type")) for part in parts) or item.get("status") or "empty"
        words = f"({kinds})"
    if item.get("status") == "incomplete":
        words += " …"
    _print_line(out, role, role, words)


def _print_line(
    out: Console, style: str, label: str, words: str, unheard: str = "", how: str = "not heard"
) -> None:
    said = Text(clean(words))
    if unheard:
        said.append(f" [{how}: {clean(unheard)}]", style="dim italic")
    shown = Text(f"  {clean(label)[:10]}", style=STYLES.get(style, "bold"))
    print_columns(out, (shown, 12), (said, 0))


def _print_responses(responses: Iterable[Mapping[str, Any]]) -> None:
    rows = []
    for response in responses:
        notes, usage = response["eventstore"], response.get("usage")
        rows.append(
            (
                response["id"],
                status_words(response),
                notes.get("kind") or notes["trigger"],
                seconds(notes["speech_to_first_audio_ms"]),
                seconds(notes["time_to_first_audio_ms"]),
                usage.get("total_tokens") if isinstance(usage, dict) else None,
                pairs(mapping(response.get("metadata"))),
            )
        )
    print_table(
        ("RESPONSE", "STATUS", "BY", ">SPEECH→AUDIO", ">ASKED→AUDIO", ">TOKENS", "METADATA"), rows
    )
