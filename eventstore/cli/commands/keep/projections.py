"""The command `projections`, which lists projections of one's own, and drops one."""

from __future__ import annotations

import sys

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.terminal.output import clean, counted, print_json, print_line
from eventstore.verbs.reports import ProjectionStatus


@click.command()
@click.option("--drop", metavar="NAME", help="Forget a projection, and drop its tables.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@db_option
@json_option
def projections(drop: str | None, yes: bool, url: str, as_json: bool) -> None:
    """List projections of your own: how far each is, and with which sessions it failed.

    docs/projections.md says how to write one. With --drop, its tables go with all of their rows;
    if it is still given to a store, or installed, it is made anew of all sessions.

    \b
    Examples:
      eventstore projections
      eventstore projections --drop words_a_minute
    """
    with open_store(url) as store:
        if drop is None:
            found = store.projections()
            if as_json:
                print_json({"object": "list", "data": found})
            else:
                _print(found)
            return
        if not yes:
            _confirm(drop)
        tables = store.drop_projection(drop)
    if as_json:
        dropped = {"object": "eventstore.projection.dropped", "name": drop, "tables": tables}
        print_json(dropped)
    else:
        print_line(f"Dropped {clean(drop)} and {counted(len(tables), 'table')}.")


def _print(found: list[ProjectionStatus]) -> None:
    for one in found:
        print_line(projection_line(one))
        for failure in one["failures"]:
            tries = "once" if failure["tries"] == 1 else f"{failure['tries']:,} times"
            told = f"{failure['session_id']} after event {failure['seq']}: {failure['error']}"
            print_line(f"  failed {tries}: {clean(told)}")
    if not found:
        print_line("There are no projections of your own; docs/projections.md shows some.")


def projection_line(one: ProjectionStatus) -> str:
    """Return a line about a projection: its name, its version, how far it is."""
    behind = f"{counted(one['behind'], 'session')} behind"
    failed = f", {one['failed']:,} failed" if one["failed"] else ""
    how = "inline" if one["inline"] else "by eventstore project"
    where = "" if one["runs_here"] else "; it is not installed here"
    return f"{one['name']} (version {one['version']}, {how}): {behind}{failed}{where}"


def _confirm(name: str) -> None:
    """Ask for a confirmation on a terminal, or raise UsageError where nobody can answer."""
    question = f"Drop {clean(name)} with its tables?"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes")
    if not click.confirm(question, err=True):
        raise click.Abort


COMMANDS = (projections,)
