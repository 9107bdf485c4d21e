"""The threads in which an `AsyncEventStore` works, so that no event loop waits for a database.

verb_calls.py runs verbs here, and async_items.py reads iterators. Nothing here belongs to an event
loop: one store can serve one loop after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Lock, Thread
from typing import Protocol, TypeVar
from weakref import WeakSet

from eventstore.common.shared_future import awaited
from eventstore.errors import ClosedError
from eventstore.store.database.connections import forks

T = TypeVar("T")


class Endable(Protocol):
    """Work that needs a thread again and again, such as an iterator that is read in pieces."""

    def end(self, error: BaseException) -> None:
        """End the work, and give whoever waits for it an error. It may block."""


class Threads:
    """A bounded number of threads. Each is started when it is needed.

    Args:
        count: How many threads there are at most. Further calls wait for their turn.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._start()
        forks.renew_in_children(self)

    def _start(self) -> None:
        self._lock = Lock()
        self._closing: Future[None] | None = None
        self._closer: Thread | None = None
        self._unfinished: WeakSet[Endable] = WeakSet()
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="eventstore-async")

    def renew(self) -> None:
        """Use other threads, in a forked process: those of its parent do not run there."""
        was_closed = self._closing is not None
        self._start()
        if was_closed:
            self._closing = Future()
            self._closing.set_result(None)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have a thread do some work, in the caller's context, and return its future.

        Raises:
            ClosedError: The threads were closed.
        """
        with self._lock:
            if self._closing is not None:
                raise closed_error()
            return self._pool.submit(copy_context().run, work)

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work in a thread, and return its result.

        A caller that is cancelled waits no longer. Work that has not begun is then not begun. Work
        that has begun comes to its end, and its result is dropped.

        Raises:
            ClosedError: The threads were closed.
        """
        return await asyncio.wrap_future(self.submit(work))

    def end_when_closed(self, work: Endable) -> None:
        """Call `end` of some work when the threads are closed, if the work still exists then."""
        with self._lock:
            self._unfinished.add(work)

    async def close(self, last: Callable[[], object]) -> None:
        """Take no more work, and wait until no thread is left.

        If the caller is cancelled, closing goes on.

        Args:
            last: Called in a thread when no more work is taken.
        """
        await awaited(self.begin_to_close(last))
        if self._closer is not None:
            self._closer.join()  # It ends at this moment.

    def begin_to_close(self, last: Callable[[], object]) -> Future[None]:
        """Close as `close` does, without waiting for it."""
        with self._lock:
            if self._closing is not None:
                return self._closing
            closing = self._closing = Future()
            unfinished = list(self._unfinished)
        # It is not one of the pool's threads: those may all be busy.
        work = partial(self._end_all, closing, unfinished, last)
        self._closer = Thread(target=work, name="eventstore-async-close", daemon=True)
        self._closer.start()
        return closing

    def _end_all(
        self, closing: Future[None], unfinished: list[Endable], last: Callable[[], object]
    ) -> None:
        try:
            try:
                for work in unfinished:
                    work.end(closed_error())
                last()
            finally:
                self._pool.shutdown(wait=True)
        except BaseException as error:
            closing.set_exception(error)
        else:
            closing.set_result(None)


def closed_error() -> ClosedError:
    """Return what a store raises that was closed."""
    return ClosedError("the store is closed; open it again")
