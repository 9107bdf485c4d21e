"""Do two pieces of work at once: the second one in a thread of its own. Called by writer.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """Return what both functions return, when both have ended.

    The thread of the second one does not keep the process from ending.

    Raises:
        BaseException: What the first one raises, or else what the second one raises.
    """
    beside: Future[T] = Future()

    def work() -> None:
        try:
            beside.set_result(second())
        except BaseException as error:
            beside.set_exception(error)

    thread = Thread(target=work, name="eventstore-writer-beside", daemon=True)
    thread.start()
    try:
        done = first()
    finally:
        thread.join()
    return done, beside.result()
