"""`AsyncEventStore`: the verbs of `EventStore` for asyncio, each in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from eventstore.aio.threads import Threads, closed_error
from eventstore.aio.verbs.event_store import AsyncFileVerbs
from eventstore.common.arguments import check_whole
from eventstore.errors import InvalidInputError
from eventstore.event_store import READ_LAG, EventStore
from eventstore.store.sessions.log import ProjectionMode

if TYPE_CHECKING:
    from eventstore.store.consumers.projections.projection import Projection

#: How many threads a store has, by default.
THREADS = 8


class AsyncEventStore(AsyncFileVerbs):
    """A store of conversations for asyncio: `EventStore` with verbs to await (docs/asyncio.md).

    A new store opens its database in a thread, in `async with` or with its first verb. Errors of
    opening are raised there. No event loop is needed to make it, and several may use it.

    A verb that is cancelled returns at once. If it has not begun, it does nothing. If it has begun,
    its thread goes on: a transaction is committed as a whole, or rolled back.

    Args:
        url: The database, as for `EventStore`. The same holds for all arguments but `threads`.
        projection: As for `EventStore`.
        check_schema: As for `EventStore`.
        keys: As for `EventStore`.
        time_limit: As for `EventStore`.
        prices: As for `EventStore`.
        read_url: As for `EventStore`.
        read_lag: As for `EventStore`.
        projections: As for `EventStore`.
        threads: How many verbs run at once, 1 to 64. Others wait for their turn.

    Raises:
        InvalidInputError: `threads` is not such a number.
    """

    def __init__(
        self,
        url: str = "sqlite:///eventstore.db",
        projection: ProjectionMode = "inline",
        check_schema: bool = True,
        keys: str | None = None,
        time_limit: float | None = None,
        prices: str | Path | None = None,
        read_url: str | None = None,
        read_lag: float = READ_LAG,
        projections: Sequence[Projection[Any]] = (),
        *,
        threads: int = THREADS,
    ) -> None:
        check_whole("threads", threads)
        if not 1 <= threads <= 64:
            raise InvalidInputError(f"threads is {threads}; use 1 to 64")
        self._make = partial(
            EventStore,
            *(url, projection, check_schema, keys, time_limit, prices, read_url, read_lag),
            projections,
        )
        self._store: EventStore | None = None
        self._opening, self._is_closed = Lock(), False
        super().__init__(Threads(threads), self._opened)

    def _opened(self) -> EventStore:
        with self._opening:
            if self._store is None:
                if self._is_closed:
                    raise closed_error()
                self._store = self._make()
            return self._store

    @property
    def sync(self) -> EventStore:
        """The store beneath, for what takes an `EventStore`, such as `Recorder` or `write_html`.

        If the database is not open yet, it is opened now, and the event loop waits for it.
        """
        return self._opened()

    async def close(self) -> None:
        """Close all connections and end all threads. Any later use raises `ClosedError`.

        Transactions that have begun come to their end. Iterators that are being read raise
        `ClosedError`. Closing again does nothing.
        """
        await self._threads.close(self._close)

    def _close(self) -> None:
        with self._opening:
            self._is_closed = True
        if self._store is not None:
            self._store.close()

    async def __aenter__(self) -> AsyncEventStore:
        try:
            await self._threads.run(self._opened)
        except asyncio.CancelledError:
            # The database may not answer for long. Whoever cancels does not wait for it.
            self._threads.begin_to_close(self._close)
            raise
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
