"""The commands `latency` and `context`, which sum up times of answers and sizes of contexts."""

from __future__ import annotations

from typing import Any

import click

from eventstore.cli.options import (
    by_option,
    db_option,
    given_options,
    json_option,
    open_to_read,
    response_filters,
)
from eventstore.cli.terminal.output import group_name, print_json, print_table, say


@click.command()
@by_option
@response_filters
@db_option
@json_option
def latency(by: str | None, url: str, as_json: bool, **filters: Any) -> None:
    """Tell how fast answers came: half of them within P50, nine of ten within P90.

    An answer's time is from the end of the user's speech until sound; without speech, from the
    response's creation until sound or text. Times are told to 2.2 %.

    \b
    Examples:
      eventstore latency --by day
      eventstore latency --by model --since 2026-05-01
    """
    with open_to_read(url) as store:
        page = store.latency(by, **given_options(filters))
    if as_json:
        print_json(page)
        return
    entries = [*page["data"], page["total"] | {"key": "total"}]
    print_table(
        ("", ">ANSWERS", ">P50", ">P90", ">P99"),
        [
            (
                group_name(entry),
                entry["answers"],
                *(_milliseconds(entry[name]) for name in ("p50_ms", "p90_ms", "p99_ms")),
            )
            for entry in entries
        ],
    )


@click.command()
@response_filters
@db_option
@json_option
def context(url: str, as_json: bool, **filters: Any) -> None:
    """Tell how contexts grow: mean tokens of each session's first response, its second, …

    The 200th line is of all responses from there on. Cached tokens are part of the input tokens.

    \b
    Examples:
      eventstore context
      eventstore context --model gpt-realtime --since 2026-05-01
    """
    with open_to_read(url) as store:
        page = store.context(**given_options(filters))
    if as_json:
        print_json(page)
        return
    if not page["data"]:
        say("No responses match.")
        return
    print_table(
        (">TURN", ">RESPONSES", ">INPUT", ">CACHED", ">OUTPUT"),
        [
            (
                entry["turn"],
                entry["responses"],
                *(
                    f"{entry[name]:,.1f}"
                    for name in ("input_tokens", "cached_tokens", "output_tokens")
                ),
            )
            for entry in page["data"]
        ],
    )


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


COMMANDS = (latency, context)
