"""Keep sums by day while the API is served, in a thread beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from eventstore import unforeseen
from eventstore.errors import EventStoreError, SomeFailedError, line_of
from eventstore.event_store import EventStore
from eventstore.web.log import LOGGER, note_fault

#: Seconds between two looks.
EACH = 60.0
# How long the end waits for the day that is being summed up.
_PATIENCE = 5.0


@contextmanager
def summing(store: EventStore, each: float = EACH) -> Iterator[None]:
    """Sum up days that are over, at once and again and again, until the block ends.

    An error of the database is logged as one line, and all is tried again with the next look.

    Args:
        each: seconds between two looks.
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
    while not stop.is_set():
        try:
            for _ in store.sum_days():
                if stop.is_set():
                    return
        except SomeFailedError as error:
            for failure in error.failures:
                LOGGER.warning(json.dumps({"task": "sum days", "error": line_of(failure)}))
                unforeseen.count("sum days")
        except EventStoreError as error:
            if not stop.is_set():
                LOGGER.warning(json.dumps({"task": "sum days", "error": str(error)}))
        except Exception as error:  # the thread goes on
            note_fault("sum days", error)
        stop.wait(each)
