"""Copy SQLite's write-ahead log into the database file in a thread: docs/adr/0007.

Otherwise SQLite copies the log in the commit that makes it long, which takes a quarter of the time
of an append. The thread starts earlier and works while appends go on, because SQLite releases
Python's global interpreter lock. If the thread is late, commits make the checkpoint as usual, from
`engine.SQLITE_CHECKPOINT_PAGES` on. Used by sessions/log.py.
"""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from eventstore.errors import EventStoreError
from eventstore.store.database.connections import forks
from eventstore.store.database.connections.pool import pooled

PASSIVE_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"

# How many pages a commit writes: the last page of each table and index, and the pages of its
# frames.
_PAGES_A_COMMIT = 4
_FRAMES_A_PAGE = 3
_PAGES_BEFORE_CHECKPOINT = 1000


class Checkpointer:
    """Starts a checkpoint in a thread when enough was appended since the last one.

    Args:
        engine: The engine of the SQLite file.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Start without a thread; a forked child does not have its parent's thread."""
        self._pages = 0
        self._running: Future[None] | None = None
        self._executor = ThreadPoolExecutor(1, "eventstore-checkpoint")

    def appended(self, frames: int) -> None:
        """Count a commit, and start a checkpoint if it is time for one.

        Args:
            frames: How many frames the commit wrote.
        """
        self._pages += _PAGES_A_COMMIT + frames // _FRAMES_A_PAGE
        if self._pages < _PAGES_BEFORE_CHECKPOINT:
            return
        if self._running is None or self._running.done():
            self._pages = 0
            # If the store is closed or the interpreter ends, the executor takes no more work.
            with suppress(RuntimeError):
                self._running = self._executor.submit(self._checkpoint)

    def close(self) -> None:
        """Wait until the running checkpoint ends."""
        self._executor.shutdown()

    def _checkpoint(self) -> None:
        # A failure loses no data, and the next commit that is affected reports it.
        with suppress(SQLAlchemyError, sqlite3.Error, EventStoreError), pooled(self._engine):
            proxy = self._engine.raw_connection()
            try:
                proxy.driver_connection.execute(PASSIVE_CHECKPOINT)  # type: ignore[union-attr]
            finally:
                proxy.close()
