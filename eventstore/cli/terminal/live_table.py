"""How open sessions are printed: what goes on in each, and how long ago its last event was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.cli.terminal.output import (
    clean,
    pairs,
    print_table,
    printed_rows,
    seconds,
    short_time,
)
from eventstore.store.queries.pages import Page
from eventstore.times import parse_time

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_HEADINGS = ("SESSION", "STARTED", ">LENGTH", ">EVENTS", ">LAST EVENT", "NOW")
_DOING = {"user_speaking": "user speaks", "answering": "answering", "waiting": "waiting"}
_UNITS = (("days", 86_400), ("h", 3600), ("min", 60))


def live_rows(page: Page[Any], now: int, out: Console) -> list[Text]:
    """A table of open sessions: for each a row, and one of what is known of it and was said.

    Args:
        now: the clock, in microseconds since 1970 UTC.
        out: whose width counts.
    """
    from rich.text import Text  # lists that are JSON need none

    cells = [_cells(entry, now) for entry in page.data]
    heading, *rows = printed_rows(lambda: print_table(_HEADINGS, cells, one_line=True), out)
    told = [heading]
    for row, entry in zip(rows, page.data, strict=True):
        about = Text(clean(f"  {_about(entry)}"), style="dim")
        about.truncate(out.width, overflow="ellipsis")
        told += [row, about]
    return told


def _cells(entry: dict[str, Any], now: int) -> tuple[Any, ...]:
    notes = entry["eventstore"]
    return (
        entry["id"],
        short_time(notes["opened_at"]),
        seconds(notes["duration_ms"]),
        notes["events"],
        ago(notes["last_at"], now),
        _DOING[notes["doing"]],
    )


def _about(entry: dict[str, Any]) -> str:
    """A session's model, its metadata, and what was said last, in a line."""
    notes = entry["eventstore"]
    model, words = entry.get("model"), notes["last_words"]
    said = f"{words['role'] or '?'}: {' '.join(words['text'].split())}" if words else None
    known = (str(model) if model else None, pairs(notes["metadata"]), said)
    return " · ".join(filter(None, known))


def ago(iso: str | None, now: int) -> str:
    """How long ago a time was; empty where it is unknown.

    Args:
        now: the clock, in microseconds since 1970 UTC.
    """
    at = parse_time(iso)
    if at is None:
        return ""
    # The clock of who wrote it may be ahead of this one.
    passed = max(0, now - at) // 1_000_000
    for unit, length in _UNITS:
        if passed >= 2 * length:
            return f"{passed // length} {unit} ago"
    return f"{passed} s ago"
