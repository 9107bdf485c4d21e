"""What commands print: JSON for scripts, tables and words for people.

The package rich, which prints for people, is imported when there is something for them.
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
    """Standard output for people."""
    if _given:
        return _given[-1]
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@contextmanager
def printing_to(given: Console) -> Iterator[None]:
    """Let what is printed for people go to another console."""
    _given.append(given)
    try:
        yield
    finally:
        _given.pop()


def printed_rows(printing: Callable[[], None], console: Console) -> list[Text]:
    """The rows of what is printed for people, folded at the console's width."""
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
    """Whether a program may take the terminal: keys in, a screen out."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return terminal and os.environ.get("TERM") not in ("dumb", "unknown")


def echo(line: str = "", style: str = "") -> None:
    """A line for people; it may hold untrusted text that went through `clean`."""
    from rich.text import Text

    console().print(Text("\n".join(map(clean, line.split("\n"))), style), soft_wrap=True)


def print_line(line: str) -> None:
    """A line on standard output; names and files in it may be untrusted."""
    click.echo(clean(line))


def print_json(value: Any) -> None:
    """Exactly one JSON document on standard output."""
    click.echo(json_line(value))


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[Any]], one_line: bool = False
) -> None:
    """A table. Cells are untrusted text: no markup, no control characters.

    Args:
        one_line: cut what is too long for its cell, rather than fold it.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        right = heading.startswith(">")
        # Ids, in the first column, are there to be copied whole.
        table.add_column(
            heading.removeprefix(">"),
            justify="right" if right else "left",
            overflow="ellipsis" if one_line else "fold",
            no_wrap=one_line or position == 0,
        )
    for row in rows:
        table.add_row(*(Text(clean("" if cell is None else str(cell))) for cell in row))
    console().print(table)


def clean(value: str) -> str:
    """Text without control characters, which could steer a terminal."""
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in value)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Progress | None]:
    """A bar on standard error, where that is a terminal."""
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
    """A count on standard error, where that is a terminal, of what nobody knows the number of.

    Args:
        thing: what is counted, in the singular.
    """
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda number: status.update(f"{counted(number, thing)} so far")


def say(message: str) -> None:
    """A line on standard error: progress and notes."""
    click.echo(clean(mask_words(message)), err=True)


def short_time(iso: str | None) -> str:
    """A time for a table: to the second."""
    return (iso or "")[:19].replace("T", " ")


def seconds(milliseconds: float | None) -> str:
    """A duration for a table."""
    return "" if milliseconds is None else f"{milliseconds / 1000:.1f}s"


def dollars(amount: float | None, more: bool = False) -> str:
    """Money for a table.

    Args:
        amount: None where no price is known.
        more: some of it has no known price.
    """
    if amount is None:
        return "unknown"
    if 0 < amount < 0.00005:
        told = "<$0.0001"
    else:
        told = f"${amount:.4f}" if amount < 10 else f"${amount:,.2f}"
    return told + (" + ?" if more else "")


def pairs(metadata: dict[str, str]) -> str:
    """Metadata for a table."""
    return " ".join(f"{key}={value}" for key, value in metadata.items())


def counted(number: int, thing: str) -> str:
    """`1 response`, `2 responses`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """An amount of bytes: `1.2 kB`, `3.4 MB`."""
    return f"{number / 1e6:,.1f} MB" if number >= 100_000 else f"{number / 1e3:,.1f} kB"


def group_name(entry: Mapping[str, Any]) -> str:
    """The name of a group for a table: its key, and its model where it is of one."""
    names = [entry.get("key"), entry["model"]] if "model" in entry else [entry.get("key")]
    return " ".join(name or "—" for name in names)
