"""SQLite's write-ahead log, copied into the database file beside the appends: docs/adr/0007.

SQLite copies it in the commit that makes it long, which is a quarter of an append's time. Here a
thread does so early, while appends go on: SQLite runs without the interpreter's lock. Where the
thread is late, commits do it as ever, from `engine.SQLITE_CHECKPOINT_PAGES` on.
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

CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"

# Pages of a commit: the last one of each table and index, and those that its frames fill.
_PAGES_A_COMMIT = 4
_FRAMES_A_PAGE = 3
_PAGES_BEFORE_CHECKPOINT = 1000


class Checkpointer:
    """Begins a checkpoint, one at a time, when enough was appended since the last."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Begin without a thread; a forked child has none of its parent's."""
        self._pages = 0
        self._running: Future[None] | None = None
        self._executor = ThreadPoolExecutor(1, "eventstore-checkpoint")

    def appended(self, frames: int) -> None:
        """Count a commit of so many frames."""
        self._pages += _PAGES_A_COMMIT + frames // _FRAMES_A_PAGE
        if self._pages < _PAGES_BEFORE_CHECKPOINT:
            return
        if self._running is None or self._running.done():
            self._pages = 0
            # A closed store, or an interpreter that ends, takes no more work.
            with suppress(RuntimeError):
                self._running = self._executor.submit(self._checkpoint)

    def close(self) -> None:
        """Wait for the checkpoint that runs."""
        self._executor.shutdown()

    def _checkpoint(self) -> None:
        # A failure loses nothing: the next commit that matters meets it, and says so.
        with suppress(SQLAlchemyError, sqlite3.Error, EventStoreError), pooled(self._engine):
            proxy = self._engine.raw_connection()
            try:
                proxy.driver_connection.execute(CHECKPOINT)  # type: ignore[union-attr]
            finally:
                proxy.close()
