"""The verbs of verbs/upkeep.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from eventstore.aio.verbs.backups import AsyncBackups
from eventstore.verbs.upkeep import Upkeep

if TYPE_CHECKING:
    from eventstore.aio.async_items import AsyncItems
    from eventstore.aio.verb_calls import AsyncIds
    from eventstore.archive.copy_sessions import Copied
    from eventstore.archive.move_segments import Moved
    from eventstore.archive.seal import Sealed, Unsealed
    from eventstore.errors import Failure
    from eventstore.store.maintenance.distribute import TableStep
    from eventstore.store.sessions.erase_session import Erased
    from eventstore.store.sessions.repair import Repaired
    from eventstore.verbs.read_models import Ids
    from eventstore.verbs.reports import StoreStatus
    from eventstore.verbs.results import Results


class AsyncUpkeep(AsyncBackups):
    """The verbs of `Upkeep`, each called in a thread."""

    async def seal(self, session_ids: AsyncIds, workers: int = 1) -> Results[Sealed]:
        """Seal closed sessions: pack their events into segments, which read as the events did.

        Each session is sealed in one transaction, after its segments were read again and compared
        with the events. Sealing again packs what has come since.

        Args:
            session_ids: One session id, or several; `closed_sessions` finds them.
            workers: How many processes share the work.

        Returns:
            For each session, how many events were packed and how many bytes they took and take. A
            session that is open, does not exist or is damaged is in `failed`.

        Raises:
            InvalidInputError: An argument is wrong.
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(Upkeep.seal, cast("Ids", session_ids), workers)

    def iter_seal(
        self,
        session_ids: AsyncIds,
        workers: int = 1,
    ) -> AsyncItems[Sealed | Failure]:
        """Seal sessions as `seal` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        return self._items(Upkeep.iter_seal, cast("Ids", session_ids), workers)

    async def unseal(self, session_ids: AsyncIds) -> Results[Unsealed]:
        """Turn the segments of sealed sessions into events again, each session in one transaction.

        Args:
            session_ids: One session id, or several.

        Returns:
            For each session, how many events were unpacked. A session that does not exist or has a
            segment that cannot be read is in `failed`, and is as it was.

        Raises:
            InvalidInputError: `session_ids` is neither an id nor several.
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(Upkeep.unseal, cast("Ids", session_ids))

    def iter_unseal(self, session_ids: AsyncIds) -> AsyncItems[Unsealed | Failure]:
        """Unseal sessions as `unseal` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        return self._items(Upkeep.iter_unseal, cast("Ids", session_ids))

    async def repair(self, session_ids: AsyncIds, dry_run: bool = False) -> Results[Repaired]:
        """Set the head of sessions to their last event, and project these sessions anew.

        An append that meets events behind the head raises a `BrokenHeadError`, which names this.

        Args:
            session_ids: One session id, or several.
            dry_run: Change nothing; return what would be done.

        Returns:
            For each session, what was `mended` and what is `unmended`. A session in which events
            are missing is left as it is: it is in `done`, with what was found, and in `failed`. So
            is a session that does not exist, was erased or is damaged in `failed`.

        Raises:
            InvalidInputError: `session_ids` is neither an id nor several.
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(Upkeep.repair, cast("Ids", session_ids), dry_run)

    def iter_repair(
        self,
        session_ids: AsyncIds,
        dry_run: bool = False,
    ) -> AsyncItems[Repaired | Failure]:
        """Repair sessions as `repair` does, and yield each session as it is done.

        Yields:
            What was found and done, or the `Failure` that says why nothing could be. What could not
            be mended is `unmended` in what was found.
        """
        return self._items(Upkeep.iter_repair, cast("Ids", session_ids), dry_run)

    async def copy(
        self,
        session_ids: AsyncIds,
        to: AsyncUpkeep | Upkeep,
        then_delete: bool = False,
        dry_run: bool = False,
    ) -> Results[Copied]:
        """Copy closed sessions to another store, each in one transaction, and read them again.

        What the other store has already is left alone.

        Args:
            session_ids: One session id, or several; `closed_sessions` finds them.
            to: The other store, opened.
            then_delete: Delete each session from this store once the other one has it.
            dry_run: Change nothing; return what would be done.

        Returns:
            For each session, whether it was `copied`, was `continued` or `exists` already. A
            session that is open, damaged or another one in the other store is in `failed`.

        Raises:
            InvalidInputError: Both are the same store, or an argument is wrong.
            DatabaseUnavailableError: A database cannot be reached. What was done before stays.
        """
        return await self._run(
            Upkeep.copy,
            cast("Ids", session_ids),
            cast("Upkeep", to),
            then_delete,
            dry_run,
        )

    def iter_copy(
        self,
        session_ids: AsyncIds,
        to: AsyncUpkeep | Upkeep,
        then_delete: bool = False,
        dry_run: bool = False,
    ) -> AsyncItems[Copied | Failure]:
        """Copy sessions as `copy` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        return self._items(
            Upkeep.iter_copy,
            cast("Ids", session_ids),
            cast("Upkeep", to),
            then_delete,
            dry_run,
        )

    async def offload(self, session_ids: AsyncIds, to: str | None) -> Results[Moved]:
        """Move the bytes of sealed sessions out of the database, or back into it.

        Every read finds them there. The bytes go into a folder of this store's own. This store
        reads them from there at once; others that open the database do so if the place is beside
        the SQLite file, or is named by EVENTSTORE_SEGMENTS.

        Args:
            session_ids: One session id, or several; `closed_sessions` finds them.
            to: A folder, or a URL of fsspec's (`s3://bucket/calls`) without credentials; None to
                move bytes back into the database.

        Returns:
            For each session, how many segments and bytes were moved. A session that does not
            exist, or whose bytes cannot be read, is in `failed`.

        Raises:
            InvalidInputError: The place cannot be used, or what its URL needs is not installed.
            DatabaseUnavailableError: The database or the place cannot be reached. What was done
                before stays.
        """
        return await self._run(Upkeep.offload, cast("Ids", session_ids), to)

    def iter_offload(
        self,
        session_ids: AsyncIds,
        to: str | None,
    ) -> AsyncItems[Moved | Failure]:
        """Move the bytes of sessions as `offload` does, and yield each session as it is done.

        Yields:
            What was moved of a session, or the `Failure` that says why it could not be.
        """
        return self._items(Upkeep.iter_offload, cast("Ids", session_ids), to)

    async def vacuum(self) -> None:
        """Give the space back that deleted rows have left in the database's files.

        The database rewrites its files: SQLite needs as much room again meanwhile.

        Raises:
            DatabaseUnavailableError: The database cannot be reached, or it, a table or a shard is
                in use for longer than this waits. Call it again.
        """
        return await self._run(Upkeep.vacuum)

    async def erase(
        self,
        session_ids: AsyncIds,
        audio_only: bool = False,
        reason: str | None = None,
        vacuum: bool = True,
    ) -> Results[Erased]:
        """Erase sessions, or their audio, for good, each session in one transaction.

        What stays is a note that the session was erased, when and why.

        Args:
            session_ids: One session id, or several.
            audio_only: Erase only the audio of closed sessions; their events stay.
            reason: Why, in one line of at most 500 characters. It is kept.
            vacuum: Rewrite the database's files, so that no byte is left in them. PostgreSQL locks
                tables meanwhile, SQLite locks its file.

        Returns:
            For each session, when it was erased and what it held; without those that had been
            erased before. A session that does not exist, or that is open while only its audio
            should go, is in `failed`.

        Raises:
            InvalidInputError: An argument is wrong.
            DatabaseUnavailableError: Not everything was done; call it again.
        """
        return await self._run(Upkeep.erase, cast("Ids", session_ids), audio_only, reason, vacuum)

    def iter_erase(
        self,
        session_ids: AsyncIds,
        audio_only: bool = False,
        reason: str | None = None,
        vacuum: bool = True,
    ) -> AsyncItems[Erased | Failure]:
        """Erase sessions as `erase` does, and yield each session as it is done.

        The database's files are rewritten at the end, also if you stop before it: close the
        iterator then.

        Yields:
            What was erased, or the `Failure` that says why it could not be.
        """
        return self._items(Upkeep.iter_erase, cast("Ids", session_ids), audio_only, reason, vacuum)

    def stream_ids(self) -> AsyncItems[str]:
        """Yield the ids of all sessions in the log, in order, whether they are projected or not.

        Sessions that were erased are left out.
        """
        return self._items(Upkeep.stream_ids)

    async def status(self) -> StoreStatus:
        """Return what the store holds: its schema, sessions, events, responses, what is behind.

        A session counts as sealed when all of its events are.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(Upkeep.status)

    async def distribute(self, shards: int = 32, dry_run: bool = False) -> list[TableStep]:
        """Spread a store on PostgreSQL over the nodes of a Citus cluster, by sessions.

        Call it on the coordinator, again after an upgrade. What is spread already is left alone.
        Each table is locked for writing while its rows are copied to the nodes. Appends wait
        meanwhile, and recorders keep frames in their spool.

        Args:
            shards: Into how many shards the tables are divided, if none is yet: 1 to 1,024.
            dry_run: True only returns what would be done.

        Returns:
            The tables, each with its kind: `distributed` by session, or `reference` if each node
            has it as a whole.

        Raises:
            InvalidInputError: The database has no Citus, is a worker, or `shards` is not valid.
            SchemaError: The schema is missing, or is not the one that this version needs.
            DatabaseUnavailableError: A node does not answer; call it again.
        """
        return await self._run(Upkeep.distribute, shards, dry_run)

    def iter_distribute(self, shards: int = 32) -> AsyncItems[TableStep]:
        """Spread a store as `distribute` does, and yield each table when it is done.

        Args:
            shards: As for `distribute`.

        Yields:
            A table that was spread.

        Raises:
            InvalidInputError, SchemaError, DatabaseUnavailableError: As for `distribute`.
        """
        return self._items(Upkeep.iter_distribute, shards)

    async def rebalance(self) -> None:
        """Move shards until all nodes of a cluster have about as many bytes, while it is in use.

        Raises:
            InvalidInputError: The database has no Citus, or is a worker.
            DatabaseUnavailableError: A node does not answer.
        """
        return await self._run(Upkeep.rebalance)

    async def init(self) -> tuple[str | None, str]:
        """Create or upgrade the schema of the database, and that of the database of keys.

        The new tables of a store that is spread over a cluster are spread, too.

        Returns:
            The name of the migration that the database had before (None if it had none), and of the
            one that it has now.

        Raises:
            SchemaError: The schema is newer than this code, or the database is a worker of a
                cluster.
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(Upkeep.init)
