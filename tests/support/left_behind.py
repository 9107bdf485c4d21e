"""What work in threads may leave behind: threads, and transactions that were never ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from eventstore.store.database.connections import forks

PREFIX = "eventstore-async"


def threads() -> list[str]:
    """The names of the threads of stores for asyncio."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(PREFIX)]


def transactions() -> int:
    """How many transactions of this process are open, and calls of database drivers."""
    return len(forks._users)


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if there are more threads or open transactions at the end than at the beginning."""
    before = len(threads()), transactions()
    yield
    assert (len(threads()), transactions()) == before, threads()
