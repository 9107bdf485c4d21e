"""Fill a terminal's whole screen with rows, and draw those that differ from what is there.

Called by `live_sessions.py` and `terminal_player.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.raw_terminal import RawTerminal


@dataclass
class Drawing:
    """The rows on the screen, which are kept so that only changed rows are drawn.

    Attributes:
        screen: the terminal.
        console: formats the rows; its width is that of the screen.
        rows: the rows on the screen now, as text with control sequences.
        redrawn: the screen's count of redraws when the rows were drawn.
    """

    screen: RawTerminal
    console: Console
    rows: list[str] = field(default_factory=list)
    redrawn: int = -1

    def size(self) -> tuple[int, int]:
        """Return the screen's columns and rows, and set the console's size to them."""
        self.console.size = width, height = self.screen.size()
        return width, height

    def draw(self, rows: Iterable[Text]) -> None:
        """Show these rows on the screen, from its top."""
        if self.redrawn != self.screen.redrawn:
            self.redrawn, self.rows = self.screen.redrawn, []
        drawn = [self._ansi(row) for row in rows]
        before = self.rows + [""] * (len(drawn) - len(self.rows))
        changed = (
            f"\x1b[{number};1H\x1b[2K{row}"
            for number, (row, old) in enumerate(zip(drawn, before, strict=False), 1)
            if row != old
        )
        self.screen.write("".join(changed))
        self.rows = drawn

    def _ansi(self, row: Text) -> str:
        with self.console.capture() as captured:
            self.console.print(row, end="", no_wrap=True, overflow="crop")
        return captured.get()


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
