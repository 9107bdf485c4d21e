"""Prints the output of commands: JSON for scripts, tables and lines for people.

The package rich, which prints for people, is imported only when it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import click

from eventstore.cli.terminal.harmless import json_line
from eventstore.realtime.masking.mask import mask_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

_given: list[Console] = []


def console() -> Console:
    """Return the console that prints for people on standard output."""
    if _given:
        return _given[-1]
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@contextmanager
def printing_to(given: Console) -> Iterator[None]:
    """Let `console()` return another console for the block."""
    _given.append(given)
    try:
        yield
    finally:
        _given.pop()


def printed_rows(printing: Callable[[], None], console: Console) -> list[Text]:
    """Return what a function prints for people, as rows folded at the console's width.

    Args:
        printing: prints to `console()`.
        console: the console, whose width and colours count.
    """
    from rich.console import Console
    from rich.text import Text

    out = Console(
        file=StringIO(),
        force_terminal=True,
        color_system=console.color_system or None,  # type: ignore[arg-type]
        width=console.width,
        highlight=False,
    )
    with out.capture() as captured, printing_to(out):
        printing()
    text = Text.from_ansi(captured.get().rstrip("\n"))
    return [row for line in text.split() for row in line.wrap(out, out.width, overflow="fold")]


def has_screen() -> bool:
    """Return True if standard input and output are a terminal that can show a whole screen."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return terminal and os.environ.get("TERM") not in ("dumb", "unknown")


def echo(line: str = "", style: str = "") -> None:
    """Print lines for people, without control characters."""
    from rich.text import Text

    console().print(Text("\n".join(map(clean, line.split("\n"))), style), soft_wrap=True)


def print_line(line: str) -> None:
    """Print a line on standard output, without control characters."""
    click.echo(clean(line))


def print_json(value: Any) -> None:
    """Print one JSON document on standard output, in one line."""
    click.echo(json_line(value))


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[Any]], one_line: bool = False
) -> None:
    """Print a table. Cells are untrusted text, so they are printed without control characters.

    Args:
        headings: the columns' headings; a column whose heading begins with `>` is aligned right.
        rows: the cells of each row; None for an empty cell.
        one_line: cut a text that is too long for its cell, instead of folding it.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        right = heading.startswith(">")
        # The first column has ids, which must stay in one line to be copied.
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if right else "left",
            overflow="ellipsis" if one_line else "fold",
            no_wrap=one_line or position == 0,
        )
    for row in rows:
        table.add_row(*(Text(clean("" if cell is None else str(cell))) for cell in row))
    console().print(table)


def print_columns(out: Console, *columns: tuple[Text | str, int]) -> None:
    """Print a row whose folded lines stay in their column.

    Args:
        out: the console.
        columns: a text and its width each; 0 for the last one, which is folded.
    """
    from rich.table import Table

    row = Table.grid(padding=(0, 1))
    for _, width in columns:
        if width:
            row.add_column(width=width, no_wrap=True)
        else:
            row.add_column(overflow="fold")
    row.add_row(*(text for text, _ in columns))
    out.print(row)


def clean(value: str) -> str:
    """Return a text without control characters, which could control a terminal."""
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in value)


def one_line(told: object) -> str:
    """Return a text or an error in one line, without control characters."""
    return clean(" ".join(str(told).split()))


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Progress | None]:
    """Show a progress bar on standard error for the block, if that is a terminal.

    Args:
        label: the text before the bar.
        total: the number at which the work is done; None if it is unknown.

    Yields:
        The bar, which has one task; None if standard error is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(escape(clean(label)), total=total)
        yield progress


@contextmanager
def counter(thing: str) -> Iterator[Callable[[int], None]]:
    """Show a count on standard error for the block, if that is a terminal.

    It is for work whose total is unknown.

    Args:
        thing: what is counted, in the singular, such as `session`.

    Yields:
        A function that shows a new count.
    """
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda number: status.update(f"{counted(number, thing)} so far")


def say(message: str) -> None:
    """Print a line on standard error, without control characters and with secrets masked."""
    click.echo(clean(mask_words(message)), err=True)


def short_time(iso: str | None) -> str:
    """Return a time for a table, such as `2026-05-04 09:30:00`; empty if it is unknown."""
    return (iso or "")[:19].replace("T", " ")


def seconds(milliseconds: float | None) -> str:
    """Return milliseconds as seconds for a table, such as `1.2s`; empty if they are unknown."""
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f}s"


def dollars(amount: float | None, more: bool = False) -> str:
    """Return an amount of money for a table.

    Args:
        amount: US dollars; None if no price is known.
        more: a part of the usage has no known price, which is shown as ` + ?`.
    """
    if amount is None:
        return "unknown"
    if 0 < amount < 0.00005:
        told = "<$0.0001"
    else:
        told = f"${amount:.4f}" if amount < 10 else f"${amount:,.2f}"
    return told + (" + ?" if more else "")


def pairs(metadata: Mapping[str, Any]) -> str:
    """Return metadata for a table, as `customer=42 topic=returns`."""
    return " ".join(f"{key}={value}" for key, value in metadata.items())


def counted(number: int, thing: str) -> str:
    """Return a number with its noun, such as `1 response` or `2 responses`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Return a number of bytes as `1.2 kB` or `3.4 MB`."""
    return f"{number / 1e6:,.1f} MB" if number >= 100_000 else f"{number / 1e3:,.1f} kB"


def group_name(entry: Mapping[str, Any]) -> str:
    """Return the name of a group of usage: its key, and its model if it is of one model."""
    names = [entry.get("key"), entry["model"]] if "model" in entry else [entry.get("key")]
    return " ".join(name or "—" for name in names)
