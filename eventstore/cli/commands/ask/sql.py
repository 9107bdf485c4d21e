"""The command `sql`, which runs one statement that reads, or lists the views."""

from __future__ import annotations

import csv
import sys
from io import StringIO
from typing import Any

import click
import pybase64

from eventstore.cli.options import db_option, json_option, open_to_read
from eventstore.cli.terminal.output import clean, console, print_json, print_line, print_table, say
from eventstore.errors import InvalidInputError
from eventstore.store.database.statements.statement_rows import StatementRows
from eventstore.store.database.views.all_views import described_views

#: The longest statement that is read from standard input, in bytes.
_LONGEST = 1_000_000
#: The narrowest column, in characters, in which a text is folded in a table.
_FOLDED = 24


@click.command()
@click.argument("statement", required=False)
@click.option(
    "--param", "given", multiple=True, metavar="NAME=VALUE", help="A value for :NAME; again: more."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="The most rows.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.001, 86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the statement may take.",
)
@click.option("--views", is_flag=True, help="List the views with their columns, and run nothing.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV.")
@db_option
@json_option
def sql(
    statement: str | None,
    given: tuple[str, ...],
    limit: int,
    time_limit: float,
    views: bool,
    as_csv: bool,
    url: str,
    as_json: bool,
) -> None:
    """Run one SQL statement that reads, on views that stay as they are.

    The statement is a SELECT in the dialect of the database; `-` reads it from standard input. The
    database refuses everything but reading. Nothing is masked: this is for the database's owner.
    docs/sql.md has examples, and says how to connect psql, Datasette, DuckDB and Grafana.

    \b
    Examples:
      eventstore sql --views
      eventstore sql "SELECT day, COUNT(*) FROM v_responses GROUP BY day"
      eventstore sql "SELECT * FROM v_sessions WHERE model = :model" --param model=gpt-realtime
      eventstore sql --csv - < report.sql
    """
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    if views:
        if statement is not None or as_csv:
            raise click.UsageError("--views goes with --json alone")
        _print_views(as_json)
        return
    if statement is None:
        raise click.UsageError("give a statement, - to read it from standard input, or --views")
    text = _read_statement() if statement == "-" else statement
    with open_to_read(url) as store:
        found = store.sql(text, _parameters(given), limit=limit, time_limit=time_limit)
    if as_json:
        data = [{name: _json_value(value) for name, value in row.items()} for row in found.data]
        print_json({"object": "list", "data": data, "has_more": found.has_more})
    elif as_csv:
        _print_csv(found)
    else:
        _print_table(found)
    if found.has_more and not as_json:
        say("There are more rows: raise --limit, or select fewer columns.")


def _read_statement() -> str:
    """Return the statement from standard input.

    Raises:
        InvalidInputError: It is too long, or no text.
    """
    data = sys.stdin.buffer.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        raise InvalidInputError(f"the statement is longer than {_LONGEST:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError("the statement is not UTF-8 text") from error


def _parameters(given: tuple[str, ...]) -> dict[str, str]:
    """Return parameters from arguments such as `model=gpt-realtime`.

    Raises:
        click.BadParameter: An argument has no `=`.
    """
    for one in given:
        if "=" not in one:
            raise click.BadParameter(f"parameter {one!r}: use NAME=VALUE")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _json_value(value: Any) -> Any:
    """Return a value as JSON has it; bytes are base64."""
    return pybase64.b64encode_as_string(value) if isinstance(value, bytes) else value


def _print_csv(found: StatementRows) -> None:
    """Print rows as CSV, exactly; on a terminal without control characters."""
    shown = clean if sys.stdout.isatty() else str
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in (found.columns, *(row.values() for row in found.data)):
        writer.writerow([shown(v) if isinstance(v, str) else _json_value(v) for v in row])
        click.echo(out.getvalue(), nl=False)
        out.seek(0)
        out.truncate()


def _print_table(found: StatementRows) -> None:
    """Print rows as a table, or one below the other where the table would not fit."""
    if not found.data:
        say("No rows.")
        return
    rows = [[_cell(value) for value in row.values()] for row in found.data]
    cells = [list(map(str, column)) for column in zip(found.columns, *rows, strict=True)]
    width = sum(min(max(map(len, column)), _FOLDED) + 2 for column in cells)
    if width > console().width:
        _print_records(found.columns, rows)
        return
    is_number = [
        all(isinstance(v, int | float | None) for v in column) for column in zip(*rows, strict=True)
    ]
    headings = [
        f"{'>' if right else ''}{name}"
        for name, right in zip(found.columns, is_number, strict=True)
    ]
    print_table(headings, rows)


def _print_records(columns: list[str], rows: list[list[Any]]) -> None:
    longest = max(map(len, columns))
    for number, row in enumerate(rows, 1):
        print_line(f"row {number:,}")
        for name, value in zip(columns, row, strict=True):
            print_line(f"  {name:<{longest}}  {'' if value is None else value}".rstrip())


def _cell(value: Any) -> Any:
    return f"<{len(value):,} bytes>" if isinstance(value, bytes) else value


def _print_views(as_json: bool) -> None:
    views = described_views()
    if as_json:
        print_json({"object": "list", "data": views, "has_more": False})
        return
    for view in views:
        print_line(f"{view['name']}: {view['about']}")
        for column in view["columns"]:
            print_line(f"  {column['name']:<21} {column['kind']:<8} {column['about']}")


COMMANDS = (sql,)
