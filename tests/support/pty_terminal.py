"""A terminal of our own: a program in it, keys typed on it, and the screen that it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from support.terminal import environment

#: A busy machine's programs begin late.
PATIENCE = 60
# The program becomes the leader of the terminal's session, as a login shell is.
_LEAD = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)
_TOKEN = re.compile(
    r"\x1b\[(?P<row>\d+);(?P<column>\d+)H|\x1b\[(?P<erase>2[JK])|\x1b\[(?P<colour>[\d;]*)m"
    r"|\x1b\[\?(?P<mode>1049|25)(?P<on>[hl])|(?P<sign>[\r\n]|[^\x00-\x1f\x7f-\x9f])"
)


class Screen:
    """What a terminal shows. It knows what the player sends, and refuses all else."""

    def __init__(self, rows: int, columns: int) -> None:
        self.resize(rows, columns)
        self.alternate = False
        self.cursor = True
        self.coloured = False
        self._rest = ""

    def resize(self, rows: int, columns: int) -> None:
        """Be so large, and empty."""
        self.size = (rows, columns)
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0

    def lines(self) -> list[str]:
        """The rows, without spaces at their ends."""
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, text: str) -> None:
        """Show what a program printed."""
        self._rest += text
        while self._rest:
            match = _TOKEN.match(self._rest)
            if match is None:
                # A sequence may come in two pieces, but nothing else may come.
                assert re.fullmatch(r"\x1b(\[[?\d;]*)?", self._rest), ascii(self._rest[:40])
                return
            self._rest = self._rest[match.end() :]
            self._do(match)

    def _do(self, token: re.Match[str]) -> None:
        rows, columns = self.size
        if token["row"]:
            self.row, self.column = int(token["row"]) - 1, int(token["column"]) - 1
        elif token["erase"] == "2J":
            self.cells = [[" "] * columns for _ in range(rows)]
        elif token["erase"] == "2K":
            self.cells[min(self.row, rows - 1)] = [" "] * columns
        elif token["colour"] is not None:
            self.coloured = token["colour"] not in ("", "0")
        elif token["mode"] == "25":
            self.cursor = token["on"] == "h"
        elif token["mode"] == "1049":
            self.alternate = token["on"] == "h"
            self.resize(rows, columns)
        else:
            self._print(token["sign"])

    def _print(self, sign: str) -> None:
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self.row += 1
        elif self.row < self.size[0] and self.column < self.size[1]:
            self.cells[self.row][self.column] = sign
            self.column += 1


class PtyTerminal:
    """A program in a terminal."""

    def __init__(self, command: list[str], rows: int, columns: int, **env: str) -> None:
        self._master, self._slave = pty.openpty()
        self.screen = Screen(rows, columns)
        self.printed = ""
        self._set_size(rows, columns)
        self.before = self.settings()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LEAD, *command],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            env={**environment(), "TERM": "xterm-256color", **env},
        )

    def settings(self) -> list[Any]:
        """The terminal's settings, as `stty -a` tells them."""
        return termios.tcgetattr(self._slave)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> None:
        """Take what is printed within so many seconds, if anything is."""
        if select.select([self._master], [], [], seconds)[0]:
            text = os.read(self._master, 65536).decode(errors="ignore")
            self.printed += text
            self.screen.feed(text)

    def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Wait until something holds of the screen's lines; the lines."""
        end = time.monotonic() + PATIENCE
        while not holds(self.screen.lines()):
            assert time.monotonic() < end, "\n".join(self.screen.lines())
            self.read(0.2)
        return self.screen.lines()

    def shows(self, *texts: str) -> list[str]:
        """Wait until the screen shows all of these; its lines."""
        return self.until(lambda lines: all(text in "\n".join(lines) for text in texts))

    def ends(self) -> int:
        """Wait for the program's end; its exit code, negative for a signal."""
        end = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, "it goes on"
            self.read(0.05)
        self.read(0)
        return code

    def hang_up(self) -> None:
        """Take the terminal away."""
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def is_as_before(self) -> bool:
        """Whether the terminal is as the program found it."""
        screen = self.screen
        visible = screen.cursor and not screen.alternate and not screen.coloured
        return visible and self.settings() == self.before

    def close(self) -> None:
        """Clean up."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self._master >= 0:
            self.hang_up()


@contextmanager
def in_terminal(
    *command: str, rows: int = 24, columns: int = 100, **env: str
) -> Iterator[PtyTerminal]:
    """Run a command in a terminal."""
    terminal = PtyTerminal(list(command), rows, columns, **env)
    try:
        yield terminal
    finally:
        terminal.close()
