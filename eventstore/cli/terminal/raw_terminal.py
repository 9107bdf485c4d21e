"""The terminal while a program draws on it and reads keys: taken, and given back as it was."""

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

#: Another screen; and it empty, without a cursor.
_ENTER = "\x1b[?1049h"
_EMPTY = "\x1b[?25l\x1b[0m\x1b[2J"
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_WAKING = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)


class RawTerminal:
    """Standard input and output as a screen and keys.

    Attributes:
        redrawn: counts the times that the screen was emptied, so that all must be drawn again.
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
        """Columns and rows."""
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24

    def write(self, text: str) -> None:
        """Draw, unless another program has the terminal."""
        if self._taken:
            sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "replace"))
            sys.stdout.buffer.flush()

    def wait(self, seconds: float | None) -> tuple[bytes | None, bool]:
        """Wait for keys or signals.

        Args:
            seconds: at most; None for as long as it takes.

        Returns:
            What was typed, None where the terminal is gone; and whether the program is to stop
            for now (Ctrl-Z), for which `suspend` is there.
        """
        sources = [self._fd, self._wake_read]
        if not self._taken:
            # In the background, where reading would stop the program: look again now and then.
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
        """Do what signals ask for; whether one asks to stop for now."""
        numbers = os.read(self._wake_read, 1024)
        if signal.SIGCONT in numbers:
            self._take()
        if signal.SIGWINCH in numbers:
            self.redrawn += 1
            self.write(_EMPTY)
        return signal.SIGTSTP in numbers

    def suspend(self) -> None:
        """Stop as a shell's job, until it goes on."""
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
            return True  # no terminal that jobs share

    def _give_back(self) -> None:
        if self._taken:
            # A terminal that was closed needs nothing back.
            with contextlib.suppress(OSError, termios.error):
                self.write(_LEAVE)
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
            self._taken = False

    @contextmanager
    def taken(self) -> Iterator[RawTerminal]:
        """Take the terminal, and give it back however the block ends.

        Signals that end a program raise KeyboardInterrupt in the block, and end the program when
        the terminal has been given back.
        """
        ended_by: list[int] = []

        def end(number: int, frame: FrameType | None) -> None:
            ended_by.append(number)
            raise KeyboardInterrupt

        def wake(number: int, frame: FrameType | None) -> None:
            """The number comes through the pipe."""

        handlers: dict[signal.Signals, Any] = {}
        wake_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            for number in (*_ENDING, *_WAKING):
                # What the caller ignores, as nohup does, stays ignored.
                if signal.getsignal(number) != signal.SIG_IGN:
                    handlers[number] = signal.signal(number, wake if number in _WAKING else end)
            self._take()
            yield self
        finally:
            # A second Ctrl-C must not come between.
            ending = (signal.SIGINT, *_ENDING)
            signal.pthread_sigmask(signal.SIG_BLOCK, ending)
            self._give_back()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wake_before)
            os.close(self._wake_read)
            os.close(self._wake_write)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
            if ended_by:
                signal.raise_signal(ended_by[0])
