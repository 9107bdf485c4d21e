"""`AsyncFeed`: what a subscription delivers of all sessions, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from threading import Lock
from types import TracebackType

from eventstore.aio.async_items import AsyncItems
from eventstore.aio.threads import Threads
from eventstore.common.pauses import Pause
from eventstore.common.shared_future import awaited
from eventstore.feed.delivery import Delivery
from eventstore.feed.feed import Execute, Feed


class AsyncFeed(AsyncIterator[Delivery]):
    """The deliveries of a subscription, for `async for`; or let `run` await a function with each.

    It does what `Feed` does: a delivery counts as handled when the next one is asked for. Nothing
    is read ahead, and no thread waits for deliveries. Use it in `async with`, which adds the
    subscription, or call `close`. Close it before its store.
    """

    def __init__(self, threads: Threads, make: Callable[[], Feed]) -> None:
        self._threads, self._source = threads, _Source(make)
        self._deliveries = AsyncItems(threads, self._source.deliveries, 1)
        #: What `run_in_transaction` reads.
        self._handled: AsyncItems[Delivery] | None = None

    def __aiter__(self) -> AsyncFeed:
        return self

    async def __anext__(self) -> Delivery:
        """Return the next delivery; the one before it counts as handled."""
        return await anext(self._deliveries)

    def stop(self) -> None:
        """End the iteration, or `run`, after the delivery that is handled now."""
        self._source.stop()

    async def close(self) -> None:
        """Write what was handled, and let other feeds of the subscription have the sessions.

        If the database is away, they have them when the lease ends. If the caller is cancelled,
        closing goes on.
        """
        self.stop()
        readings = [one._stop() for one in (self._deliveries, self._handled) if one is not None]
        # These have their threads already, or get them first.
        await awaited(self._threads.submit(partial(self._source.close, readings)))

    async def run(self, handle: Callable[[Delivery], Awaitable[object]]) -> None:
        """Await a function with each delivery, until the feed is stopped.

        If it raises an error, the delivery's session is noted as failed and left alone for a pause,
        which grows up to ten minutes; then the same delivery comes again. Other sessions go on.

        Args:
            handle: The function.
        """
        async for delivery in self:
            try:
                await handle(delivery)
            except Exception as error:
                self._source.feed().failed(error)

    async def run_in_transaction(self, handle: Callable[[Delivery, Execute], object]) -> None:
        """Call a function with each delivery, in the transaction that moves the checkpoint.

        Args:
            handle: The function, which is not awaited: it is called in a thread, and must not wait
                for the event loop. For what it is given see `Feed.run_in_transaction`.
        """
        steps = partial(self._source.steps_in_transaction, handle)
        self._handled = AsyncItems(self._threads, steps, 1)
        async with self._handled as handled:
            async for _ in handled:
                pass

    async def __aenter__(self) -> AsyncFeed:
        await self._threads.run(self._source.feed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Source:
    """Makes the `Feed` when it is needed. Its methods are called in threads, except for `stop`."""

    def __init__(self, make: Callable[[], Feed]) -> None:
        self._make, self._lock = make, Lock()
        self._feed: Feed | None = None
        self._is_stopped = False

    def feed(self) -> Feed:
        """Return the feed, which adds the subscription to the store if it is new."""
        with self._lock:
            if self._feed is None:
                self._feed = self._make()
            if self._is_stopped:
                self._feed.stop()
            return self._feed

    def deliveries(self) -> Iterator[Delivery | Pause]:
        """Yield deliveries, and pauses while there are none."""
        return self.feed().steps()

    def steps_in_transaction(
        self, handle: Callable[[Delivery, Execute], object]
    ) -> Iterator[Delivery | Pause]:
        """Handle deliveries, and yield pauses while there are none."""
        return self.feed()._steps_in_transaction(handle)

    def stop(self) -> None:
        """Stop the feed, also if it is not made yet."""
        self._is_stopped = True
        if self._feed is not None:
            self._feed.stop()

    def close(self, readings: list[Future[None]]) -> None:
        """Close the feed, if it was made, once no thread reads it any more."""
        wait(readings)
        with self._lock:
            feed = self._feed
        if feed is not None:
            feed.close()
