"""Fills a terminal's whole screen: rows, and a status line at its bottom. Pure.

Called by `live_sessions.py` and `terminal_player.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text


def full_screen(rows: Sequence[Text], status: str, width: int, height: int) -> list[Text]:
    """Return as many rows as a screen has.

    Args:
        rows: the rows to show from the top. Those that have no room are left out.
        status: the line to show in reverse colours as the last row.
        width: how many columns the screen has.
        height: how many rows the screen has.
    """
    room = max(0, height - 1)
    last = Text(status, style="reverse")
    last.truncate(width, overflow="ellipsis", pad=True)
    return [*rows[:room], *[Text()] * (room - len(rows)), last]
