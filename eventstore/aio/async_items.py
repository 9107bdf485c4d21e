"""Reads an iterator of the store in threads, for `async for`.

A thread reads some items ahead and then goes back to the pool, so that a slow reader of one session
holds no thread. verb_calls.py makes an `AsyncItems` for each verb that returns an iterator.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

from eventstore.aio.threads import Threads
from eventstore.common.pauses import Pause, waited
from eventstore.common.shared_future import awaited
from eventstore.errors import ClosedError

Item = TypeVar("Item")

#: How many items, and how many bytes of them, are read ahead at most. One item may be larger.
MOST_ITEMS, MOST_BYTES = 256, 1024 * 1024
#: Seconds that an item waits for others at most, so that not each of them wakes the event loop.
LINGER = 0.002


class AsyncItems(AsyncIterator[Item]):
    """What a verb yields, for `async for`: events, lines, ids, cues, or what was done.

    Nothing is read before the first item is asked for, and errors come then, too. At most 256 items
    or 1 MB are read ahead. A verb whose name begins with `iter_` works on a session only when it is
    asked for. To stop early is safe: `break`, an exception or a cancelled task end the reading.
    `aclose`, or `async with`, also waits until the last thread has let go.
    """

    def __init__(
        self, threads: Threads, begin: Callable[[], Iterator[Item | Pause]], most: int = MOST_ITEMS
    ) -> None:
        self._begin, self._reading = begin, _Reading(threads, begin, most)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> AsyncItems[Item]:
        return self

    async def __anext__(self) -> Item:
        """Return the next item. If it is cancelled, no item is lost."""
        reading = self._reading
        while not reading.ready:
            self._loop = asyncio.get_running_loop()
            if not await reading.more(self._loop):
                raise StopAsyncIteration
        return reading.ready.popleft()

    async def aclose(self) -> None:
        """End the reading, and wait until no thread works for it any more.

        Raises:
            Exception: What the iterator raises as it is closed. `iter_erase` rewrites the
                database's files then.
        """
        await awaited(self._stop())

    def _stop(self) -> Future[None]:
        """End the reading, and return what is done once no thread works for it any more."""
        self._reading.stop()
        return self._reading.closed

    async def __aenter__(self) -> AsyncItems[Item]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _in_thread(self) -> Iterator[Item]:
        """Yield the items in the current thread, for a verb that is given them as an argument."""
        yield from waited(self._begin(), lambda: False)

    def __del__(self) -> None:
        # The garbage collector may call this anywhere, also where a lock is held. So the loop stops
        # the reading. Without a loop, the iterator is garbage, too, and is closed as such.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._reading.stop)


class _Reading(Generic[Item]):
    """An iterator that threads read for an `AsyncItems`, one thread at a time.

    It does not know the `AsyncItems`, which can thus be garbage while a thread still reads.

    Args:
        threads: The threads.
        begin: Makes the iterator. It is called in a thread.
        most: How many items are read ahead at most.

    Attributes:
        ready: The items that were read and not handed on yet.
        closed: Done when the iterator is closed, and no thread uses it.
    """

    def __init__(
        self, threads: Threads, begin: Callable[[], Iterator[Item | Pause]], most: int
    ) -> None:
        self._threads, self._begin, self._most = threads, begin, most
        self.ready: deque[Item] = deque()
        self.closed: Future[None] = Future()
        self._lock = Lock()
        self._iterator: Iterator[Item | Pause] | None = None
        self._in_use = self._ended = self._wakes_soon = False
        self._error: BaseException | None = None
        self._paused_until = 0.0
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    # Called in the event loop

    async def more(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait until there are items; return False if there will be none.

        Raises:
            Exception: What the iterator raised. It is raised once.
            ClosedError: The store was closed.
            RuntimeError: Another task waits for items already.
        """
        with self._lock:
            if self.ready:
                return True
            if self._ended:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return False
            if self._waiter is not None:
                raise RuntimeError("another task waits for the next item already")
            waiter = loop.create_future()
            self._waiter, self._wakes_soon = (loop, waiter), False
            pause = self._paused_until - time.monotonic()
        if self.ready:  # It came before the thread could see that somebody waits for it.
            _resolve(waiter)
        if pause > 0:
            timer = loop.call_later(pause, self._start_reading)
        else:
            timer = None
            self._start_reading()
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                self._waiter = None
        return True

    def _start_reading(self) -> None:
        with self._lock:
            if self._in_use or self._ended:
                return
            self._in_use = True
        try:
            self._threads.end_when_closed(self)
            self._threads.submit(self._read)
        except ClosedError as error:
            self._without_pool(partial(self._finish, error))

    def stop(self) -> None:
        """End the reading without waiting for it."""
        with self._lock:
            self._ended = True
            self.ready = deque()  # A thread may still add to the old one.
            self._wake()
            if self._in_use or self.closed.done():
                return  # The thread that uses the iterator closes it.
            self._in_use = True
        try:
            self._threads.submit(self._close_iterator)
        except ClosedError:
            self._without_pool(self._close_iterator)

    def _without_pool(self, work: Callable[[], None]) -> None:
        """Close the iterator in a thread of its own, because the store is closed."""
        if self._iterator is None:
            work()
        else:
            Thread(target=work, name="eventstore-async-close", daemon=True).start()

    # Called in threads

    def end(self, error: BaseException) -> None:
        """End the reading because the store is closed. What was read is still handed on."""
        with self._lock:
            if self._ended:
                return
            self._ended, self._error = True, error
            self._wake()
            if self._in_use:
                return  # The thread that uses the iterator closes it.
            self._in_use = True
        self._close_iterator()

    def _read(self) -> None:
        """Read until enough is ready, or the iterator ends or pauses."""
        try:
            if self._iterator is None and not self._ended:
                self._iterator = self._begin()
            is_left = self._iterator is not None and self._read_some(self._iterator)
        except BaseException as error:
            self._finish(error)
            return
        if not is_left:
            self._finish(None)

    def _read_some(self, items: Iterable[Item | Pause]) -> bool:
        """Read some items; return False if no more will be read."""
        ready, size = self.ready, 0
        for item in items:
            if self._ended:
                return False
            if isinstance(item, Pause):
                self._paused_until = time.monotonic() + item.seconds
                return self._leave()
            ready.append(item)
            size += _size_of(item)
            if len(ready) >= self._most or size >= MOST_BYTES:
                return self._leave()
            if self._waiter is not None and not self._wakes_soon:
                with self._lock:
                    self._wake_soon()
        return False

    def _leave(self) -> bool:
        """Let another thread go on later; return True unless no more will be read."""
        with self._lock:
            if self._ended:
                return False
            self._in_use = False
            self._wake()
        return True

    def _finish(self, error: BaseException | None) -> None:
        """Hand on the iterator's end, or its error, behind the items that are ready."""
        with self._lock:
            if not self._ended:
                self._ended, self._error = True, error
        self._close_iterator()
        with self._lock:
            self._wake()

    def _close_iterator(self) -> None:
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        try:
            if close is not None:
                close()
        except BaseException as error:
            self.closed.set_exception(error)
        else:
            del iterator, close  # What is no generator closes what it reads as it is dropped.
            self.closed.set_result(None)

    # Called with the lock held

    def _wake(self) -> None:
        """Wake the task that waits for items."""
        if self._waiter is not None:
            loop, waiter = self._waiter
            with suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(_resolve, waiter)

    def _wake_soon(self) -> None:
        """Wake the task that waits for items a moment later, when there may be more of them."""
        if self._waiter is not None and not self._wakes_soon:
            self._wakes_soon = True
            loop, waiter = self._waiter
            with suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(partial(loop.call_later, LINGER, _resolve, waiter))


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _size_of(item: Any) -> int:
    """Return about how many bytes an item has; 0 if it is small."""
    text = item if isinstance(item, bytes) else getattr(item, "text", "")
    return len(text) if isinstance(text, str | bytes) else 0
