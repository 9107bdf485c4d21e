"""Faults that nobody foresaw: described, logged and counted without their content.

The message of an exception may hold what was said or a key: a driver's error shows the row that it
is about, a parser's the text that it read. So a description has the exception's class, the places
in the code that it came through, and the message only of the store's own errors. The recorder, the
relay and the web server log by this module; the command line tells a fault by `foreseen`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from eventstore.errors import EventStoreError, InvalidInputError, UnforeseenError

if TYPE_CHECKING:
    import asyncio

#: What is counted apart: events that the fold cannot make sense of, and frames that are in the log
#: while projecting them failed.
FOLD, NOT_PROJECTED = "fold", "not projected"
#: How many faults there were in this process, by what it was doing.
FAULT_COUNTS: Counter[str] = Counter()

#: Frames of a traceback, exceptions that led to one another, and parts of a group that are told.
_FRAMES, _CHAIN, _PARTS = 20, 5, 3
#: Seconds in which a fault of one kind at one place is logged once; it is counted each time.
_QUIET = 60.0
#: Kinds of faults that are remembered at most.
_MOST_KINDS = 1000

_lock = Lock()
_told: dict[tuple[str, str, str], float] = {}


def _begin_anew() -> None:
    """In a forked child: its faults are its own, and a thread of the parent may hold the lock."""
    global _lock
    _lock = Lock()
    FAULT_COUNTS.clear()
    _told.clear()


os.register_at_fork(after_in_child=_begin_anew)


def count_faults(task: str, number: int = 1) -> None:
    """Count faults that are kept elsewhere, and not logged.

    Args:
        task: what was being done, in a few fixed words.
        number: how many there were.
    """
    with _lock:
        FAULT_COUNTS[task] += number


def fault_count() -> int:
    """Return how many faults there were in this process, without those that are counted apart."""
    with _lock:
        return sum(n for task, n in FAULT_COUNTS.items() if task not in (FOLD, NOT_PROJECTED))


def log_fault(logger: logging.Logger, task: str, error: BaseException) -> None:
    """Log a fault with its traceback, and count it.

    A fault of the same class at the same place is logged once a minute, and counted each time.

    Args:
        logger: where to.
        task: what was being done, in a few fixed words, which hold nothing of what was being done
            it with.
        error: the fault.
    """
    if should_log(task, error):
        logger.error("%s failed: %s", task, "\n".join(describe_fault(error)))


def watch_threads(logger: logging.Logger) -> None:
    """Log what ends a thread of this process as `note` does, not with its message."""

    def ended(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            log_fault(logger, "a thread, which ended", told.exc_value)

    threading.excepthook = ended


def watch_loop(logger: logging.Logger, loop: asyncio.AbstractEventLoop) -> None:
    """Log what an event loop's callbacks and tasks raise as `note` does, not with its message."""

    def raised(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(context)
        else:
            log_fault(logger, "the event loop", error)

    loop.set_exception_handler(raised)


def should_log(task: str, error: BaseException) -> bool:
    """Count a fault, and return True if it was not logged within the last minute."""
    key = task, type(error).__name__, place_of(error)
    now = time.monotonic()
    with _lock:
        FAULT_COUNTS[task] += 1
        if now - _told.get(key, -_QUIET) < _QUIET:
            return False
        if len(_told) >= _MOST_KINDS:
            _told.clear()
        _told[key] = now
    return True


def describe_fault(error: BaseException) -> list[str]:
    """Describe a fault in lines: the first has its class, the others the places that it was at."""
    return list(_chain(error, _CHAIN))


def as_store_error(name: str, error: Exception) -> EventStoreError:
    """Return an error to tell people: the store's own as it is, another by its class and place.

    Args:
        name: of what failed, such as `session sess_123`.
    """
    if isinstance(error, EventStoreError):
        return error
    return UnforeseenError(name, type(error).__name__, place_of(error))


def place_of(error: BaseException) -> str:
    """Return the file and line of the store's code that an exception came through last."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "eventstore" in Path(frame.filename).parts[:-1]]
    found = (ours or frames)[-1:]
    return f"{Path(found[0].filename).name}:{found[0].lineno}" if found else "an unknown place"


def _chain(error: BaseException, left: int) -> Iterator[str]:
    yield _headline(error)
    for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]:
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:_PARTS] if left else ():
            yield from _chain(part, left - 1)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and left:
        yield f"because of {_headline(before)}"
        yield from list(_chain(before, left - 1))[1:]


def _headline(error: BaseException) -> str:
    kind = type(error).__name__
    # What is wrong with an input is told by showing the input.
    if isinstance(error, EventStoreError) and not isinstance(error, InvalidInputError):
        return f"{kind}: {' '.join(str(error).split())}"
    state = sqlstate(error)
    return kind if state is None else f"{kind} (SQLSTATE {state})"


def sqlstate(error: Any) -> str | None:
    """Return the code that PostgreSQL gave an error, or None for another error."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) and state.isalnum() and len(state) == 5 else None
