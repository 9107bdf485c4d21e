"""The verbs that keep a store in order: seal, move, copy, erase, repair.

A verb that works on several sessions has two forms. `seal(ids)` does its work when it is called
and returns `Results`: what is `done`, and what has `failed`. `iter_seal(ids)` yields the same, one
after the other, as the work gets done: for progress, and for more sessions than fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from typing_extensions import deprecated

from eventstore.errors import EventStoreError, Failure, InvalidInputError
from eventstore.store.database.engine_options import replica_of, without_limit
from eventstore.store.database.keys import keys_of
from eventstore.verbs.backups import Backups
from eventstore.verbs.read_models import Ids, checked_workers
from eventstore.verbs.results import Results, attempted, collected, ids_of, with_names

if TYPE_CHECKING:
    from eventstore.archive.copy_sessions import Copied
    from eventstore.archive.move_segments import Moved
    from eventstore.archive.seal import Sealed, Unsealed
    from eventstore.store.maintenance.distribute import TableStep
    from eventstore.store.sessions.erase_session import Erased
    from eventstore.store.sessions.repair import Repaired
    from eventstore.verbs.reports import StoreStatus


#: How many webhooks that were given up `status` counts.
_MOST_COUNTED = 10_000


class Upkeep(Backups):
    """The verbs that keep a store in order. `EventStore` has them all; make one of those."""

    def seal(self, session_ids: Ids, workers: int = 1) -> Results[Sealed]:
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
        return collected(self.iter_seal(session_ids, workers))

    def iter_seal(self, session_ids: Ids, workers: int = 1) -> Iterator[Sealed | Failure]:
        """Seal sessions as `seal` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        from eventstore.archive.seal import seal_sessions

        ids = ids_of(session_ids)
        return with_names(ids, seal_sessions(self._work, ids, checked_workers(workers)))

    @deprecated("archive() has new names: seal(), or iter_seal() to see what is done as it is done")
    def archive(
        self, session_ids: Iterable[str], workers: int = 1
    ) -> Iterator[Sealed | EventStoreError]:
        """Yield what `iter_seal` yields, but errors alone. This goes with the next release."""
        done = self.iter_seal(session_ids, workers)
        return (one.error if isinstance(one, Failure) else one for one in done)

    def unseal(self, session_ids: Ids) -> Results[Unsealed]:
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
        return collected(self.iter_unseal(session_ids))

    def iter_unseal(self, session_ids: Ids) -> Iterator[Unsealed | Failure]:
        """Unseal sessions as `unseal` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        from eventstore.archive.seal import Unsealed, unseal_session

        return attempted(
            ids_of(session_ids), lambda id_: Unsealed(id_, unseal_session(self._work, id_))
        )

    def repair(self, session_ids: Ids, dry_run: bool = False) -> Results[Repaired]:
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
        from eventstore.store.sessions.repair import repair_failure

        return collected(self.iter_repair(session_ids, dry_run), repair_failure)

    def iter_repair(self, session_ids: Ids, dry_run: bool = False) -> Iterator[Repaired | Failure]:
        """Repair sessions as `repair` does, and yield each session as it is done.

        Yields:
            What was found and done, or the `Failure` that says why nothing could be. What could not
            be mended is `unmended` in what was found.
        """
        from eventstore.store.sessions.repair import repair_session

        return attempted(ids_of(session_ids), lambda id_: repair_session(self._work, id_, dry_run))

    def copy(
        self, session_ids: Ids, to: Upkeep, then_delete: bool = False, dry_run: bool = False
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
        return collected(self.iter_copy(session_ids, to, then_delete, dry_run))

    def iter_copy(
        self, session_ids: Ids, to: Upkeep, then_delete: bool = False, dry_run: bool = False
    ) -> Iterator[Copied | Failure]:
        """Copy sessions as `copy` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        from eventstore.archive.copy_sessions import copy_sessions

        if not isinstance(to, Upkeep):
            raise InvalidInputError("`to` is no store; open one: EventStore(url)")
        ids, there = ids_of(session_ids), without_limit(to.engine)
        return with_names(ids, copy_sessions(self._work, there, ids, then_delete, dry_run))

    def offload(self, session_ids: Ids, to: str | None) -> Results[Moved]:
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
        return collected(self.iter_offload(session_ids, to))

    def iter_offload(self, session_ids: Ids, to: str | None) -> Iterator[Moved | Failure]:
        """Move the bytes of sessions as `offload` does, and yield each session as it is done.

        Yields:
            What was moved of a session, or the `Failure` that says why it could not be.
        """
        from eventstore.archive.move_segments import move_segments
        from eventstore.store.database.allowed_locations import base_url

        ids, base = ids_of(session_ids), None if to is None else base_url(to)
        return with_names(ids, move_segments(self._work, ids, base))

    def vacuum(self) -> None:
        """Give the space back that deleted rows have left in the database's files.

        The database rewrites its files: SQLite needs as much room again meanwhile.

        Raises:
            DatabaseUnavailableError: The database cannot be reached, or it, a table or a shard is
                in use for longer than this waits. Call it again.
        """
        from eventstore.store.maintenance.vacuum import vacuum

        vacuum(self._work)

    def erase(
        self,
        session_ids: Ids,
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
        return collected(self.iter_erase(session_ids, audio_only, reason, vacuum))

    def iter_erase(
        self,
        session_ids: Ids,
        audio_only: bool = False,
        reason: str | None = None,
        vacuum: bool = True,
    ) -> Iterator[Erased | Failure]:
        """Erase sessions as `erase` does, and yield each session as it is done.

        The database's files are rewritten at the end, also if you stop before it: close the
        iterator then.

        Yields:
            What was erased, or the `Failure` that says why it could not be.
        """
        from eventstore.archive.erase import check_reason

        check_reason(reason)
        return self._erasing(ids_of(session_ids), audio_only, reason, vacuum)

    def _erasing(
        self, ids: list[str], audio_only: bool, reason: str | None, vacuum: bool
    ) -> Iterator[Erased | Failure]:
        from eventstore.archive.erase import erase_each
        from eventstore.store.maintenance.scrub import scrub

        try:
            yield from erase_each(self._work, ids, audio_only, reason)
        finally:
            if self._states is not None:
                for session_id in ids:
                    self._states.take(session_id)  # it holds what was said
            self._forget(ids)
            scrub(self._work, vacuum)

    def stream_ids(self) -> Iterator[str]:
        """Yield the ids of all sessions in the log, in order, whether they are projected or not.

        Sessions that were erased are left out.
        """
        from eventstore.store.sessions.project import all_session_ids

        return all_session_ids(self._work)

    def status(self) -> StoreStatus:
        """Return what the store holds: its schema, sessions, events, responses, what is behind.

        A session counts as sealed when all of its events are.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.maintenance.status import status

        replica = replica_of(self._reads)
        found = status(self.engine)
        found["replica"] = None if replica is None else replica.state()
        found["projections"], found["subscriptions"] = self.projections(), self.subscriptions()
        found["dead_letters"] = len(self.dead_letters(limit=_MOST_COUNTED))
        return cast("StoreStatus", found)

    def distribute(self, shards: int = 32, dry_run: bool = False) -> list[TableStep]:
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
        from eventstore.store.maintenance.distribute import missing_steps

        return missing_steps(self._work) if dry_run else list(self.iter_distribute(shards))

    def iter_distribute(self, shards: int = 32) -> Iterator[TableStep]:
        """Spread a store as `distribute` does, and yield each table when it is done.

        Args:
            shards: As for `distribute`.

        Yields:
            A table that was spread.

        Raises:
            InvalidInputError, SchemaError, DatabaseUnavailableError: As for `distribute`.
        """
        from eventstore.store.maintenance.distribute import distribute

        return distribute(self._work, shards)

    def rebalance(self) -> None:
        """Move shards until all nodes of a cluster have about as many bytes, while it is in use.

        Raises:
            InvalidInputError: The database has no Citus, or is a worker.
            DatabaseUnavailableError: A node does not answer.
        """
        from eventstore.store.maintenance.distribute import rebalance

        rebalance(self._work)

    def init(self) -> tuple[str | None, str]:
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
        from eventstore.store.database import keys as session_keys
        from eventstore.store.database import schema
        from eventstore.store.maintenance.distribute import spread_new_tables

        keys = keys_of(self._work).engine
        if keys is not None:
            session_keys.upgrade(keys)
        upgraded = schema.upgrade(self._work)
        spread_new_tables(self._work)
        return upgraded
