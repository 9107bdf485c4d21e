"""A terminal as a screen and keys: takes it, handles its signals, and restores it at the end.

Used by `live_sessions.py` and `terminal_player.py`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Control sequences: switch to the alternate screen; hide the cursor and clear the screen; show the
#: cursor and switch back.
_ENTER = "\x1b[?1049h"
_EMPTY = "\x1b[?25l\x1b[0m\x1b[2J"
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_WAKING = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)


class RawTerminal:
    """Standard input and output as a screen and keys.

    Attributes:
        redrawn: how often the screen was cleared. After each time, all rows must be drawn again.
    """

    def __init__(self) -> None:
        self.redrawn = 0
        self._fd = sys.stdin.fileno()
        self._saved: list[Any] = termios.tcgetattr(self._fd)
        self._taken = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def size(self) -> tuple[int, int]:
        """Return the number of columns and of rows."""
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def write(self, text: str) -> None:
        """Write to the screen, unless another program has the terminal."""
        if self._taken:
            sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "replace"))
            sys.stdout.buffer.flush()

    def wait(self, seconds: float | None) -> tuple[bytes | None, bool]:
        """Wait for keys or signals.

        Args:
            seconds: how long to wait at most; None for no limit.

        Returns:
            The typed bytes, or None if the terminal is gone; and True if the caller must call
            `suspend`, because of Ctrl-Z.
        """
        sources = [self._fd, self._wake_read]
        if not self._taken:
            # Reading in the background would stop the program, so check again now and then.
            sources, seconds = [self._wake_read], min(0.5, seconds or 0.5)
            self._take()
        ready, _, _ = select.select(sources, [], [], seconds)
        stop = self._wake_read in ready and self._signalled()
        if self._fd not in ready:
            return b"", stop
        try:
            return os.read(self._fd, 1024) or None, stop
        except OSError:
            return None, stop

    def _signalled(self) -> bool:
        """Handle the signals that have arrived, and return True if one was SIGTSTP (Ctrl-Z)."""
        numbers = os.read(self._wake_read, 1024)
        if signal.SIGCONT in numbers:
            self._take()
        if signal.SIGWINCH in numbers:
            self.redrawn += 1
            self.write(_EMPTY)
        return signal.SIGTSTP in numbers

    def suspend(self) -> None:
        """Restore the terminal and stop the process, until the shell continues it."""
        self._give_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        self._take()

    def _take(self) -> None:
        if not self._in_foreground():
            return
        tty.setcbreak(self._fd, termios.TCSADRAIN)
        enter = "" if self._taken else _ENTER
        self._taken = True
        self.redrawn += 1
        self.write(enter + _EMPTY)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True  # the terminal has no job control

    def _give_back(self) -> None:
        if self._taken:
            # A closed terminal raises these errors, and needs no restoring.
            with contextlib.suppress(OSError, termios.error):
                self.write(_LEAVE)
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
            self._taken = False

    @contextmanager
    def taken(self) -> Iterator[RawTerminal]:
        """Take the terminal for the block, and restore it however the block ends.

        The first signal that ends a program, such as Ctrl-C, raises KeyboardInterrupt in the block.
        It is raised again when the terminal has been restored.
        """
        ended_by: list[int] = []
        leaving = False

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal leaving
            ended_by.append(number)
            if not leaving:
                leaving = True
                raise KeyboardInterrupt

        def wake(number: int, frame: FrameType | None) -> None:
            """Do nothing: the signal's number arrives through the pipe."""

        handlers: dict[signal.Signals, Any] = {}
        wake_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            for number in (*_ENDING, *_WAKING):
                # A signal that is ignored, as by nohup, stays ignored.
                if signal.getsignal(number) != signal.SIG_IGN:
                    handlers[number] = signal.signal(number, wake if number in _WAKING else end)
            self._take()
            yield self
        finally:
            # From here on, further signals are noted, but they do not interrupt the restoring.
            leaving = True
            self._give_back()
            signal.set_wakeup_fd(wake_before)
            os.close(self._wake_read)
            os.close(self._wake_write)
            for number, handler in reversed(handlers.items()):
                signal.signal(number, handler)
            if ended_by:
                signal.raise_signal(ended_by[0])
