"""Draw rows on the screen of a terminal that is taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from eventstore.cli.terminal.raw_terminal import RawTerminal


@dataclass
class Drawing:
    """What stands on the screen, so that only rows that differ are drawn."""

    screen: RawTerminal
    console: Console
    rows: list[str] = field(default_factory=list)
    redrawn: int = -1

    def size(self) -> tuple[int, int]:
        """The screen's columns and rows, which the console has from now on."""
        self.console.size = width, height = self.screen.size()
        return width, height

    def draw(self, rows: Iterable[Text]) -> None:
        """Make the screen show these rows, from its top."""
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
