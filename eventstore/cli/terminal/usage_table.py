"""Prints usage and cost as a table, and names the usage without a known price.

Called by the command `usage` and by `state.py`.
"""

from __future__ import annotations

from typing import Any

from eventstore.cli.terminal.output import counted, dollars, group_name, print_table, say, seconds
from eventstore.store.usage.unpriced import LeftOut, not_in_cost

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


def _listed(left_out: LeftOut, why: str) -> str:
    """Return words such as `2 responses and 1 session without a known price (model)`."""
    things = [
        counted(number, name.removesuffix("s").replace("_", " "))
        for name, number in left_out.counts.items()
    ]
    listed = " and ".join(filter(None, (", ".join(things[:-1]), things[-1])))
    models = f" ({', '.join(left_out.models)})" if left_out.models else ""
    return f"{listed} {why}{models}"


def _say_unpriced(total: dict[str, Any]) -> None:
    """Print the usage that has no known price, and the limits of its cost if they are known."""
    without_price, untold = not_in_cost(total["unpriced"])
    if without_price.counts:
        say(f"Not in the cost: {_listed(without_price, 'without a known price')}.")
    if untold.counts:
        say(f"Not in the cost: {_listed(untold, 'whose usage the server has not told')}.")
    between = total["unpriced_between_usd"]
    if between is not None:
        say(
            "Where tokens of text and audio are not told apart, they cost between"
            f" {dollars(between[0])} and {dollars(between[1])}."
        )
