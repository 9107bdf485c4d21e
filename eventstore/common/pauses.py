"""Iterators that wait for something to happen say how long they want to wait.

Such an iterator does not sleep. It yields a `Pause`, and expects to be asked again later. So a
thread can sleep for it, and an event loop can wait for it without a thread. `follow` of
verbs/log_queries.py is made of one; eventstore/aio/ reads it without `waited`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")

#: The longest sleep at once, in seconds. So a signal or another thread can end the waiting soon.
_LONGEST = 0.1


class Pause(NamedTuple):
    """Says that there is nothing to yield now.

    Attributes:
        seconds: In how many seconds the iterator should be asked again.
    """

    seconds: float


def waited(steps: Iterable[T | Pause], stopped: Callable[[], bool]) -> Iterator[T]:
    """Yield what an iterator yields, and sleep in this thread during its pauses.

    Args:
        steps: The iterator.
        stopped: Asked several times a second; True ends a pause. The iterator must look at it, too.
    """
    for step in steps:
        if isinstance(step, Pause):
            end = time.monotonic() + step.seconds
            while (left := end - time.monotonic()) > 0 and not stopped():
                time.sleep(min(left, _LONGEST))
        else:
            yield step
