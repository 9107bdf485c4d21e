"""Describe, log and count unforeseen faults (exceptions that are bugs) without their content.

The message of an exception may contain what was said in a call, or a key: a driver's error shows
the row, a parser's error the text. So a description consists of the exception's class and its
traceback. Only errors of the store itself keep their message. The recorder, the relay and the web
server log faults with this module. Verbs over several sessions and the command line turn a fault
into an `UnforeseenError` with `as_store_error`.
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

#: Tasks that `fault_count` leaves out: events that the fold could not process, appends whose
#: projection failed (in both cases the frames are in the log), and code of the store's users: their
#: projections, and what handles their feeds.
FOLD, NOT_PROJECTED, OWN_CODE = "fold", "not projected", "code of one's own"
_LEFT_OUT = frozenset({FOLD, NOT_PROJECTED, OWN_CODE})
#: The number of faults in this process, by task.
FAULT_COUNTS: Counter[str] = Counter()

#: Limits of a description: frames of a traceback, causes, and exceptions of an exception group.
_FRAMES, _CHAIN, _PARTS = 20, 5, 3
#: Seconds during which a fault of one class at one place is logged only once.
_QUIET = 60.0
#: How many pairs of a class and a place are remembered.
_MOST_KINDS = 1000

_lock = Lock()
_told: dict[tuple[str, str, str], float] = {}


def _begin_anew() -> None:
    """Reset the counts in a forked child, and the lock, which a thread of the parent may hold."""
    global _lock
    _lock = Lock()
    FAULT_COUNTS.clear()
    _told.clear()


os.register_at_fork(after_in_child=_begin_anew)


def count_faults(task: str, number: int = 1) -> None:
    """Count faults that are reported elsewhere, without logging them.

    Args:
        task: What the process was doing, in a few fixed words.
        number: How many faults there were.
    """
    with _lock:
        FAULT_COUNTS[task] += number


def fault_count() -> int:
    """Return the number of faults in this process, without those of code that is not the store's.

    Faults of the fold, and of appends whose projection failed, are left out, too.
    """
    with _lock:
        return sum(n for task, n in FAULT_COUNTS.items() if task not in _LEFT_OUT)


def log_fault(logger: logging.Logger, task: str, error: BaseException) -> None:
    """Log a fault with its traceback, and count it.

    A fault of the same class at the same place is logged once a minute, and counted each time.

    Args:
        logger: The logger to write to.
        task: What the process was doing, in a few fixed words without any content.
        error: The exception.
    """
    if should_log(task, error):
        logger.error("%s failed: %s", task, "\n".join(describe_fault(error)))


def watch_threads(logger: logging.Logger) -> None:
    """Log exceptions that end a thread of this process with `log_fault`, without their message."""

    def ended(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            log_fault(logger, "a thread, which ended", told.exc_value)

    threading.excepthook = ended


def watch_loop(logger: logging.Logger, loop: asyncio.AbstractEventLoop) -> None:
    """Log exceptions of an event loop's callbacks and tasks with `log_fault`."""

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
    """Return a description of a fault: a line with its class, then lines of its traceback."""
    return list(_chain(error, _CHAIN))


def as_store_error(name: str, error: Exception) -> EventStoreError:
    """Return an error whose message can be shown to people.

    Args:
        name: What failed, such as `session sess_123`.
        error: The exception.

    Returns:
        The exception itself if it is an error of the store. Otherwise an `UnforeseenError` with
        the exception's class and place.
    """
    if isinstance(error, EventStoreError):
        return error
    return UnforeseenError(name, type(error).__name__, place_of(error))


def place_of(error: BaseException) -> str:
    """Return the file and line, such as `fold.py:105`, where an exception left the store's code."""
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
    # The message of an InvalidInputError often quotes the input, which may be content.
    if isinstance(error, EventStoreError) and not isinstance(error, InvalidInputError):
        return f"{kind}: {' '.join(str(error).split())}"
    state = sqlstate(error)
    return kind if state is None else f"{kind} (SQLSTATE {state})"


def sqlstate(error: Any) -> str | None:
    """Return the SQLSTATE, a code of five characters, of a PostgreSQL error; otherwise None."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) and state.isalnum() and len(state) == 5 else None
