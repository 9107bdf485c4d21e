"""Computes the costs of sessions and the sums by day in a thread, while the API is served.

Called by `web/running.py`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from eventstore.common import unforeseen
from eventstore.errors import EventStoreError, Failure, failure_line
from eventstore.event_store import EventStore
from eventstore.web.server.log import LOGGER, note_fault

#: Seconds between two rounds of work.
EACH = 60.0
# Seconds that the end of the block waits for the day that is being summed up.
_PATIENCE = 5.0


@contextmanager
def summing(store: EventStore, each: float = EACH) -> Iterator[None]:
    """Price sessions and sum up the days that are over, again and again, until the block ends.

    An error of the database is logged as one line, and the next round tries the work again.

    Args:
        store: An open store that the thread may write to.
        each: Seconds between two rounds.
    """
    stop = threading.Event()
    args = (store, each, stop)
    thread = threading.Thread(target=_run, args=args, name="sum-days", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE)


def _run(store: EventStore, each: float, stop: threading.Event) -> None:
    works: dict[str, Callable[[], Iterable[object]]] = {
        "sum days": store.iter_sum_days,
        "price sessions": store.iter_price_sessions,
    }
    while not stop.is_set():
        for task, work in works.items():
            _do(task, work, stop)
        stop.wait(each)


def _do(task: str, work: Callable[[], Iterable[object]], stop: threading.Event) -> None:
    """Run a task to its end, or until `stop` is set, and log its failures."""
    try:
        for done in work():
            if isinstance(done, Failure):
                LOGGER.warning(json.dumps({"task": task, "error": failure_line(done)}))
                unforeseen.count_faults(task)
            if stop.is_set():
                return
    except EventStoreError as error:
        if not stop.is_set():
            LOGGER.warning(json.dumps({"task": task, "error": str(error)}))
    except Exception as error:  # a fault must not end the thread
        note_fault(task, error)
