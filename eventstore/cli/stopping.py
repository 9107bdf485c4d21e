"""Ends a block, or what runs, in order on SIGINT (Ctrl-C) or SIGTERM.

Called by `terminal/follow.py`, `terminal/live_sessions.py`, and commands that follow all sessions.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Catch SIGINT and SIGTERM for the block.

    A second signal of the same kind has its former effect, so a program that hangs can be ended.

    Yields:
        A function that returns True if a signal has asked the block to end.
    """
    asked: list[int] = []
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        # An event of `threading` could deadlock: a signal may arrive while its lock is held.
        asked.append(number)
        signal.signal(number, before[number])

    for ending in (signal.SIGINT, signal.SIGTERM):
        # A signal that is ignored, as in a shell's background job, stays ignored.
        handler = signal.getsignal(ending)
        if handler != signal.SIG_IGN:
            before[ending] = handler
            signal.signal(ending, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def stop_by_signals(stop: Callable[[], object]) -> None:
    """Call a function on each SIGINT and SIGTERM, until the process ends.

    Args:
        stop: Asks what runs to end. It must not block.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
