"""Formats the table of open sessions: what happens in each, and when its last event was.

Called by the command `sessions --live` and by `live_sessions.py`.
"""

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
    """Return the table's rows: for each session its numbers, then its metadata and last words.

    Args:
        page: the open sessions.
        now: the clock's time, in microseconds since 1970 UTC.
        out: the console, whose width counts.
    """
    from rich.text import Text  # not needed for JSON

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
    """Return a session's model, its metadata and its last words in one line."""
    notes = entry["eventstore"]
    model, words = entry.get("model"), notes["last_words"]
    said = f"{words['role'] or '?'}: {' '.join(words['text'].split())}" if words else None
    known = (str(model) if model else None, pairs(notes["metadata"]), said)
    return " · ".join(filter(None, known))


def ago(iso: str | None, now: int) -> str:
    """Return how long ago a time was, such as `5 s ago`; empty if it is unknown.

    Args:
        iso: the time in ISO 8601; None if it is unknown.
        now: the clock's time, in microseconds since 1970 UTC.
    """
    at = parse_time(iso)
    if at is None:
        return ""
    # The recorder's clock may be ahead of this one.
    passed = max(0, now - at) // 1_000_000
    for unit, length in _UNITS:
        if passed >= 2 * length:
            return f"{passed // length} {unit} ago"
    return f"{passed} s ago"
