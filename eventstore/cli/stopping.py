"""End in order when a signal asks for it: Ctrl-C, or SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Give what tells whether a signal has asked the block to end.

    The same signal again does what it did before the block: by that, what hangs can be ended.
    """
    asked: list[int] = []
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        # No event of `threading` here: a signal may come while it is locked.
        asked.append(number)
        signal.signal(number, before[number])

    for ending in (signal.SIGINT, signal.SIGTERM):
        # What the caller ignores, as a shell's background job does, stays ignored.
        handler = signal.getsignal(ending)
        if handler != signal.SIG_IGN:
            before[ending] = handler
            signal.signal(ending, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
