"""Call code of a projection of one's own, and wait for it no longer than so many seconds.

Python cannot end a thread. So code that does not come to an end keeps its thread, and the
projection is not called again in this process until it has: an append waits for it once.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from eventstore.store.database.connections import forks

Result = TypeVar("Result")


class BusyError(Exception):
    """The code is still busy with an earlier call, or with that of another thread."""


class _Call:
    """A call that waits for its end.

    Attributes:
        work: What is called.
        done: Set once it has ended.
        result: What it returned.
        error: What it raised; None if it returned.
    """

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.done = work, Event()
        self.result: Any = None
        self.error: BaseException | None = None


class GuardedCalls:
    """Calls functions one after the other in a thread of their own, which begins with the first."""

    def __init__(self) -> None:
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Start without a thread. In a forked child, the parent's thread is not there."""
        self._queue: SimpleQueue[_Call] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._late: _Call | None = None

    def call(self, work: Callable[[], Result], seconds: float) -> Result:
        """Return what a function returns, or raise what it raises.

        Args:
            work: The function.
            seconds: How long to wait for it.

        Raises:
            TimeoutError: It took longer; it goes on, and nobody will see what it returns.
            BusyError: An earlier call still goes on; or that of another thread did for so long. An
                append waits no longer for a worker of the same process than for the code itself.
        """
        lock = self._lock
        if not lock.acquire(timeout=seconds):
            raise BusyError
        try:
            if self.is_late():
                raise BusyError
            self._late = None
            if self._thread is None:
                self._thread = Thread(target=self._run, name="eventstore-projection", daemon=True)
                self._thread.start()
            call = _Call(work)
            self._queue.put(call)
            if not call.done.wait(seconds):
                self._late = call
                raise TimeoutError
        finally:
            lock.release()
        if call.error is not None:
            raise call.error
        result: Result = call.result
        return result

    def is_late(self) -> bool:
        """Return True while a call goes on for which nobody waits any more."""
        late = self._late
        return late is not None and not late.done.is_set()

    def _run(self) -> None:
        while True:
            call = self._queue.get()
            try:
                call.result = call.work()
            except BaseException as error:
                call.error = error
            call.done.set()
            del call
