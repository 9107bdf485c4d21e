"""Shows the open sessions on a terminal's screen, read again each second: `sessions --live`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from eventstore.cli.stopping import stopped_by_signals
from eventstore.cli.terminal.drawing import Drawing, full_screen
from eventstore.cli.terminal.keys import read_keys
from eventstore.cli.terminal.live_table import live_rows
from eventstore.cli.terminal.output import console, counted, one_line
from eventstore.cli.terminal.raw_terminal import RawTerminal
from eventstore.errors import DatabaseUnavailableError
from eventstore.store.queries.pages import Page
from eventstore.times import now

_SECONDS = 1.0


class Seen(NamedTuple):
    """The result of the last read.

    Attributes:
        page: the open sessions.
        at: when they were read, in microseconds since 1970 UTC.
        error: why a later read failed; empty if none did.
    """

    page: Page[Any]
    at: int
    error: str = ""


def watch_sessions(ask: Callable[[], Page[Any]]) -> None:
    """Show the open sessions until q, Ctrl-C or SIGTERM.

    Args:
        ask: reads the open sessions.
    """
    seen = Seen(ask(), now())  # an invalid filter raises here, before the screen is taken
    due = time.monotonic() + _SECONDS
    screen = RawTerminal()
    # The screen ends its block by KeyboardInterrupt, and raises the signal again after it.
    with stopped_by_signals() as stopped, suppress(KeyboardInterrupt), screen.taken():
        drawing = Drawing(screen, console())
        while not stopped():
            _, height = drawing.size()
            drawing.draw(screen_rows(seen, drawing.console, height))
            typed, suspend = screen.wait(max(0.0, due - time.monotonic()))
            if typed is None or "q" in read_keys(typed, whole=True)[0]:
                return
            if suspend:
                screen.suspend()
            if time.monotonic() >= due:
                seen = _read(ask, seen)
                due = time.monotonic() + _SECONDS


def _read(ask: Callable[[], Page[Any]], before: Seen) -> Seen:
    """Read the open sessions again. If the database fails, keep those that were read before."""
    try:
        return Seen(ask(), now())
    except DatabaseUnavailableError as error:
        return before._replace(error=one_line(error))


def screen_rows(seen: Seen, out: Console, height: int) -> list[Text]:
    """Return all rows of the screen, with the status line as the last.

    Args:
        seen: the open sessions.
        out: the console, whose width counts.
        height: how many rows the screen has.
    """
    room = max(0, height - 1)
    rows: list[Text] = []
    if seen.page.data:
        rows = live_rows(seen.page, seen.at, out)
    if len(rows) > room:
        rows = [*rows[: max(0, room - 1)], Text("…", "dim")][:room]
    more = "more than " if seen.page.has_more else ""
    told = f" {more}{counted(len(seen.page.data), 'session')} open · {seen.error or 'q quits'}"
    return full_screen(rows, told, out.width, height)
