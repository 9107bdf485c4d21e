"""The verbs of verbs/backups.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.read_models import AsyncReadModelVerbs
from eventstore.verbs.backups import Backups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eventstore.store.maintenance.backup import BackedUp, BackedUpKeys


class AsyncBackups(AsyncReadModelVerbs):
    """The verbs of `Backups`, each called in a thread."""

    async def backup(
        self,
        path: str | Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> BackedUp:
        """Copy a store on SQLite to a new file, while it is in use.

        The copy has all that was committed when the call began, and nothing of what came later.
        Writers do not wait for it; meanwhile the `-wal` file grows by what they write. The copy is
        a store like any other: `EventStore(f"sqlite:///{path}").verify(…)` checks it. Segments
        outside of the database, and the database of keys, are not in it.

        Args:
            path: The file. It must not exist, and appears when it is complete.
            progress: Called with the number of bytes that are copied, and with all there are.

        Raises:
            InvalidInputError: The file exists or has no folder, or the database is PostgreSQL: then
                the error names the `pg_dump` that makes a backup of it.
            SchemaError: The database has no schema of a store.
            DatabaseUnavailableError: The database cannot be read, or the file cannot be written.
        """
        return await self._run(Backups.backup, path, progress)

    async def backup_keys(
        self,
        path: str | Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> BackedUpKeys:
        """Copy the database of keys, if it is SQLite, to a new file, while it is in use.

        Copy it after the store: then no session of the copy lacks its key. Whoever has both copies
        can read what was erased since, so keep the two apart, and delete old copies of keys soon.

        Args:
            path: The file. It must not exist, and appears when it is complete.
            progress: Called with the number of bytes that are copied, and with all there are.

        Raises:
            InvalidInputError: The store was opened without keys, or as for `backup`.
            DatabaseUnavailableError: As for `backup`.
        """
        return await self._run(Backups.backup_keys, path, progress)
