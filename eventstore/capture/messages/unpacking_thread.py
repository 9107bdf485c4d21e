"""A thread of the relay that unpacks large messages, so that no other call waits for it.

To inflate and decode a large message takes up to a fifth of a second. The event loop hands such
messages over, and is called back. Each session has one message here at a time, so that sessions
take turns. The relay's tees use it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread

from eventstore.capture.messages.message_unpacking import MessageGap, UnpackingJob
from eventstore.common import unforeseen

_LOGGER = logging.getLogger("eventstore.relay")
#: Bytes of payloads that may wait for the thread. If none waits, any message is taken.
WAITING_LIMIT = 64 * 1024 * 1024

_STEP_BYTES = 1024 * 1024


class UnpackingThread:
    """Unpacks messages in the order in which they are handed over.

    The thread starts with the first message, and ends with `close`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = Condition()
        self._queue: deque[tuple[UnpackingJob, Callable[[], None]]] = deque()
        self._waiting = 0
        self._closed = False
        self._thread: Thread | None = None

    def take(self, unpacking: UnpackingJob, done: Callable[[], None]) -> bool:
        """Queue a message for the thread.

        Args:
            done: Called in the event loop once the result is there.

        Returns:
            False if too much waits already, or the thread is closed or cannot be started. Then
            nothing is queued.
        """
        with self._changed:
            if self._closed or not self._begin():
                return False
            if self._waiting and self._waiting + unpacking.size > WAITING_LIMIT:
                return False
            self._waiting += unpacking.size
            self._queue.append((unpacking, done))
            self._changed.notify()
        return True

    def _begin(self) -> bool:
        """Start the thread unless it runs; return False if the operating system refuses one."""
        if self._thread is None:
            thread = Thread(target=self._run, name="eventstore-unpacking", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def close(self) -> None:
        """End the thread after its current step. Messages that wait are given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                unpacking, done = self._queue.popleft()
            size = unpacking.size
            try:
                while not unpacking.step(_STEP_BYTES):
                    if self._closed:
                        return
            except Exception as error:  # the thread must go on for the other calls
                if not isinstance(error, MemoryError):
                    unforeseen.log_fault(_LOGGER, "unpacking a message", error)
                unpacking.fail(MessageGap("overflow", {"bytes": size}))
            with self._changed:
                self._waiting -= size
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(done)
            del unpacking, done  # keep no message in memory while the queue is empty
