"""The lock that all threads of a process hold to write to an SQLite file. Called by pool.py."""

from __future__ import annotations

from threading import Lock, get_ident
from types import TracebackType

from eventstore.errors import InvalidInputError


class WritingLock:
    """A lock that tells a thread which would wait for itself, and for ever."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: int | None = None

    def acquire(self, timeout: float = -1) -> bool:
        """Take the lock, and return True; False if that took longer than `timeout` seconds.

        By default it takes as long as it takes.

        Raises:
            InvalidInputError: This thread has the lock.
        """
        if self._owner == get_ident():
            raise InvalidInputError(
                "this thread writes to the database already, in a transaction that is not at its"
                " end; write by that transaction, or after it"
            )
        if not self._lock.acquire(timeout=timeout):
            return False
        self._owner = get_ident()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._owner = None
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
