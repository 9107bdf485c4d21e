"""Prints usage and cost as a table, and names the usage without a known price.

Called by the command `usage` and by `state.py`.
"""

from __future__ import annotations

from typing import Any

from eventstore.cli.terminal.output import counted, dollars, group_name, print_table, say, seconds

_USAGE_COLUMNS = {
    ">RESPONSES": "responses",
    ">TRANSCRIPTS": "transcriptions",
    ">INPUT": "input_tokens",
    ">CACHED": "cached_tokens",
    ">TEXT IN": "input_text",
    ">AUDIO IN": "input_audio",
    ">OUTPUT": "output_tokens",
    ">TEXT OUT": "output_text",
    ">AUDIO OUT": "output_audio",
}
_SELDOM_COLUMNS = {">TIME": "audio_ms"}


def print_usage(entries: list[dict[str, Any]]) -> None:
    """Print a table of usage, and what its cost does not contain.

    Args:
        entries: entries of `EventStore.usage`, of which the last is the total.
    """
    seldom = {
        heading: field
        for heading, field in _SELDOM_COLUMNS.items()
        if any(entry[field] for entry in entries)
    }
    columns = _USAGE_COLUMNS | seldom
    print_table(
        ("", *columns, ">COST"),
        [
            (
                group_name(entry),
                *(_usage_cell(entry, field) for field in columns.values()),
                dollars(entry["cost_usd"], bool(entry["unpriced"]["models"])),
            )
            for entry in entries
        ],
    )
    _say_unpriced(entries[-1])


def _usage_cell(entry: dict[str, Any], field: str) -> Any:
    return seconds(entry[field] or None) if field == "audio_ms" else entry[field]


def _say_unpriced(total: dict[str, Any]) -> None:
    """Print the usage that has no known price, and the limits of its cost if they are known."""
    unpriced = total["unpriced"]
    if not unpriced["models"]:
        return
    things = [counted(unpriced["responses"], "response")]
    things += [counted(unpriced["transcriptions"], "transcription")]
    for field in ("sessions", "paused_sessions", "decisions"):
        if unpriced.get(field):
            things.append(counted(unpriced[field], field.removesuffix("s").replace("_", " ")))
    listed = ", ".join(things[:-1]) + f" and {things[-1]}"
    say(f"Not in the cost: {listed} without a known price ({', '.join(unpriced['models'])}).")
    between = total["unpriced_between_usd"]
    if between is not None:
        say(
            "Where tokens of text and audio are not told apart, they cost between"
            f" {dollars(between[0])} and {dollars(between[1])}."
        )
