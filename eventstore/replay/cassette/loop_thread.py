"""Run an asynchronous server in a thread of its own, so that tests with and without asyncio use it.

Called by cassette.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from eventstore.errors import EventStoreError

T = TypeVar("T")
#: How long work in the loop may take to end, in seconds.
_STOP = 20.0


class LoopThread(Generic[T]):
    """Keeps one asynchronous context manager open in a thread with an event loop.

    Args:
        open_: Makes the context manager. It is called in the thread.
    """

    def __init__(self, open_: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._open = open_
        self._entered: Future[T] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._hold()), name="eventstore-cassette", daemon=True
        )

    def start(self) -> T:
        """Start the thread and enter the context manager.

        Returns:
            The value of the context manager. If entering raises, the exception is raised here.
        """
        self._thread.start()
        return self._entered.result()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the thread's event loop, and wait for it.

        Raises:
            EventStoreError: The thread has ended, or belongs to the process from which this one
                was forked.
        """
        if not self._thread.is_alive():
            raise EventStoreError("the cassette's server ended, or is another process's")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_STOP)

    def stop(self) -> None:
        """Leave the context manager and end the thread. A second call does nothing.

        Raises:
            RuntimeError: The thread does not end.
        """
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(_STOP)
            if self._thread.is_alive():
                raise RuntimeError("the cassette's server does not end")

    async def _hold(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._open() as value:
                self._entered.set_result(value)
                await self._leave.wait()
        except BaseException as error:
            if self._entered.done():
                raise
            self._entered.set_exception(error)
