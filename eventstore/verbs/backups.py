"""The verbs that make backups of a store on SQLite, and of its database of keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from eventstore.common.arguments import checked_path
from eventstore.errors import InvalidInputError
from eventstore.store.database.engine_options import keys_engine_of, without_limit
from eventstore.verbs.read_models import ReadModelVerbs

if TYPE_CHECKING:
    from eventstore.store.maintenance.backup import BackedUp, BackedUpKeys


class Backups(ReadModelVerbs):
    """The verbs that make backups. `EventStore` has them all; make one of those."""

    def backup(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
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
        from eventstore.store.maintenance.backup import back_up_store

        return back_up_store(self._work, checked_path("path", path), progress)

    def backup_keys(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
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
        from eventstore.store.maintenance.backup import back_up_keys

        keys, target = keys_engine_of(self.engine), checked_path("path", path)
        if keys is None:
            raise InvalidInputError("the store was opened without a database of keys; name it")
        return back_up_keys(without_limit(keys), target, progress)
