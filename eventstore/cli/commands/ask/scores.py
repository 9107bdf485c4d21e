"""The commands `score`, which gives a score, and `scores`, which lists or sums them up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import click

from eventstore.cli import completion
from eventstore.cli.options import (
    db_option,
    given_options,
    json_option,
    open_store,
    open_to_read,
    session_filters,
)
from eventstore.cli.terminal.output import print_json, print_table, say
from eventstore.realtime.resources.scores import ScoreKind, read_value
from eventstore.store.usage.scores.sums_of_rows import GROUPS


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.argument("name")
@click.argument("value", required=False)
@click.option("--response", metavar="ID", help="Score this response of the session.")
@click.option("--item", metavar="ID", help="Score this item of the session.")
@click.option("--by", metavar="WHO", help="Who or what gives the score.")
@click.option("--reason", metavar="TEXT", help="Why it is given.")
@click.option(
    "--kind",
    type=click.Choice(get_args(ScoreKind)),
    help="By default the value tells it: 0.5, true, a-label, or a longer text.",
)
@click.option("--at", metavar="TIME", help="When it was given; by default now.")
@click.option("--remove", is_flag=True, help="Take the score back, instead of giving a value.")
@db_option
@json_option
def score(
    session_id: str,
    name: str,
    value: str | None,
    kind: ScoreKind | None,
    remove: bool,
    url: str,
    as_json: bool,
    **told: Any,
) -> None:
    """Score a session, a response or an item: a number, true or false, a label, or a text.

    It is noted in the session's log. A later score of the same name, of the same thing and by the
    same giver replaces it.

    \b
    Examples:
      eventstore score sess_123 helpful 0.5 --response resp_123 --by judge --reason "no price"
      eventstore score sess_123 solved true
      eventstore score sess_123 topic refund --by anna
      eventstore score sess_123 topic --by anna --remove
    """
    if (value is None) != remove:
        raise click.UsageError("give a value, or --remove")
    given = None
    if value is not None:
        given = value if kind in ("label", "text") else read_value(value)
    with open_store(url) as store:
        done = store.score(session_id, name, given, kind=kind, **told)
    if as_json:
        print_json(done)
    elif remove:
        say(f"Took {name} of {_target(done)} back.")
    else:
        say(f"Scored {_target(done)}: {name} is {_shown(done['value'])}.")


def _target(score: Mapping[str, Any]) -> str:
    """Return what a score is of, in words."""
    for kind in ("response", "item"):
        if score[f"{kind}_id"] is not None:
            return f"{kind} {score[f'{kind}_id']}"
    return f"session {score['session_id']}"


def _shown(value: Any) -> str:
    """Return the value of a score as a command line writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.command()
@click.argument(
    "session_id", metavar="[SESSION]", required=False, shell_complete=completion.sessions
)
@click.option("--by", metavar="GROUP", help=f"{', '.join(GROUPS)} or metadata:KEY.")
@click.option("--name", metavar="NAME", help="Only scores of this name.")
@click.option("--giver", metavar="WHO", help="Only scores that this one gave.")
@session_filters
@db_option
@json_option
def scores(session_id: str | None, by: str | None, url: str, as_json: bool, **filters: Any) -> None:
    """List the scores of a session, or sum those of all up.

    A day is that of the session, response or item that is scored.

    \b
    Examples:
      eventstore scores sess_123
      eventstore scores --by day
      eventstore scores --by model --name helpful --since 2026-05-01
      eventstore scores --by metadata:customer --json
    """
    given = given_options(filters)
    if session_id is not None and (by is not None or given):
        raise click.UsageError("name a session, or sum up by --by and filters")
    with open_to_read(url) as store:
        if session_id is not None:
            _print_scores(store.scores(session_id), as_json)
        else:
            _print_sums(store.score_sums(by, **given), as_json)


def _print_scores(found: Any, as_json: bool) -> None:
    if as_json:
        print_json({"object": "list", "data": found})
    elif not found:
        say("The session has no scores.")
    else:
        print_table(
            ("SCORED", "NAME", "VALUE", "BY", "REASON"),
            [
                (_target(one), one["name"], _shown(one["value"]), one["by"], one["reason"])
                for one in found
            ],
        )


def _print_sums(summed: Any, as_json: bool) -> None:
    if as_json:
        print_json(summed)
    elif not summed["data"]:
        say("No scores match.")
    else:
        by_name = summed["by"] == "name"
        headings = ("NAME", ">SCORES", ">MEAN", ">TRUE", "LABELS")
        rows = [(*(() if by_name else (one["key"],)), *_sum_row(one)) for one in summed["data"]]
        print_table(headings if by_name else (summed["by"].upper(), *headings), rows)


def _sum_row(one: Mapping[str, Any]) -> tuple[Any, ...]:
    share = one["true_share"]
    labels = ", ".join(f"{label} {count}" for label, count in one["labels"].items())
    if one["labelled"] and not labels:
        labels = f"{one['labelled']} encrypted"
    return (
        one["name"],
        one["count"],
        None if one["mean"] is None else f"{one['mean']:.3g}",
        None if share is None else f"{share:.0%}",
        labels or None,
    )


COMMANDS = (score, scores)
