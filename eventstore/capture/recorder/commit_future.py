"""What `committed` of a recorded session returns: a future for threads and for event loops."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from typing import Any

from eventstore.common.shared_future import awaited


class CommitFuture(Future[None]):
    """A future that is done once frames are in the database.

    A thread waits by `result(timeout)`, and a coroutine by `await`, in any event loop. Several
    tasks may await it. A task that is cancelled stops waiting, and nothing else.
    """

    def __await__(self) -> Generator[Any, None, None]:
        return awaited(self).__await__()
