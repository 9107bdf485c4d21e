"""Waits in an event loop for a future of threads that others may wait for as well."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def awaited(future: Future[T]) -> asyncio.Future[T]:
    """Return a future of the running event loop that is done when another one is.

    If it is cancelled, the other one is not: `asyncio.wrap_future` would cancel both. The loop may
    be closed before the other future is done.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[T] = loop.create_future()

    def tell(done: Future[T]) -> None:
        with suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(_settle, waiter, done)

    future.add_done_callback(tell)
    return waiter


def _settle(waiter: asyncio.Future[T], done: Future[T]) -> None:
    if waiter.done():
        return
    if done.cancelled():
        waiter.cancel()
        return
    error = done.exception()
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)
