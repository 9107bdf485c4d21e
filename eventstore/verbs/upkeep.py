"""The verbs that keep a store in order: project, seal, move, copy, erase, repair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from eventstore.store.database.engine_options import without_limit
from eventstore.store.database.keys import keys_of
from eventstore.times import date_of
from eventstore.verbs.queries import Queries

if TYPE_CHECKING:
    from eventstore.archive.copy_sessions import Copied
    from eventstore.archive.move_segments import Moved
    from eventstore.archive.repair import Repaired
    from eventstore.archive.seal import Sealed
    from eventstore.errors import EventStoreError
    from eventstore.store.readmodels.states.state_cache import StateCache
    from eventstore.store.sessions.erase_session import Erased
    from eventstore.store.sessions.project import Projected


class Upkeep(Queries):
    """The verbs that keep a store in order. `EventStore` has them all; make one of those."""

    #: The same database, for work that no time limit of queries ends.
    _work: Engine
    #: States of sessions that are being appended to; None where appends do not project.
    _states: StateCache | None

    def rebuild(
        self, session_ids: Iterable[str] | None = None, workers: int = 1
    ) -> Iterator[Projected]:
        """Rebuild read models from the log, each session atomically; yields each as it is done.

        One that fails stops no other. Where it is all, sums by day are made anew: by `sum_days`.

        Args:
            session_ids: which; None for all.
            workers: processes to share the work.

        Raises:
            SomeFailedError: at the end, with each session that could not be rebuilt.
            NotFoundError, ErasedError, DamagedError: the only one does not exist, or no more, or
                is damaged.
        """
        from eventstore.store.sessions import project

        named = session_ids is not None
        ids = project.session_ids(self._work) if session_ids is None else session_ids
        return project.rebuild(self._work, list(ids), workers, named)

    def archive(
        self, session_ids: Iterable[str], workers: int = 1
    ) -> Iterator[Sealed | EventStoreError]:
        """Seal closed sessions: their events become segments, which read as before.

        Each session is sealed in one transaction, after its segments were read again and compared.

        Args:
            session_ids: which; `closed_sessions` finds them.
            workers: processes to share the work.

        Returns:
            For each session what was done, or why it cannot be: it is open, say.
        """
        from eventstore.archive.seal import seal_sessions

        return seal_sessions(self._work, list(session_ids), workers)

    def unseal(self, session_id: str) -> int:
        """Turn a session's segments into events again; how many.

        Raises:
            NotFoundError: there is no such session.
            DamagedError: a segment cannot be read; nothing was changed.
        """
        from eventstore.archive.seal import unseal_session

        return unseal_session(self._work, session_id)

    def repair(self, session_id: str, dry_run: bool = False) -> Repaired:
        """Set a session's head behind its last event, and project the session anew.

        An append that meets events behind the head raises a `BrokenHeadError`, which names this.

        With `dry_run`, nothing is changed; it says what would be.

        Returns:
            What was mended, and what cannot be: where events are missing, nothing is changed.

        Raises:
            NotFoundError, ErasedError, DamagedError: nothing was changed.
        """
        from eventstore.archive.repair import repair_session

        return repair_session(self._work, session_id, dry_run)

    def copy(
        self,
        session_ids: Iterable[str],
        to: Upkeep,
        then_delete: bool = False,
        dry_run: bool = False,
    ) -> Iterator[Copied | EventStoreError]:
        """Copy closed sessions to another store, each in one transaction, and read them again.

        Args:
            session_ids: which; `closed_sessions` finds them. What is there already is left alone.
            to: the other store.
            then_delete: delete each from this store once the other has it.
            dry_run: change nothing; say what would be done.

        Returns:
            For each session what was done, or why it cannot be: it is open, or damaged, say.

        Raises:
            InvalidInputError: it is the same store.
        """
        from eventstore.archive.copy_sessions import copy_sessions

        there = without_limit(to.engine)
        return copy_sessions(self._work, there, session_ids, then_delete, dry_run)

    def offload(
        self, session_ids: Iterable[str], to: str | None
    ) -> Iterator[Moved | EventStoreError]:
        """Move the bytes of sealed sessions out of the database, and back; every read finds them.

        Args:
            session_ids: which; `closed_sessions` finds them.
            to: a folder, or a URL of fsspec's (`s3://bucket/calls`) without credentials; None
                for back into the database. Bytes go into a folder there that is this store's own.
                This store reads them from there at once; others that open it do where the place
                is beside the SQLite database, or named by EVENTSTORE_SEGMENTS.

        Returns:
            For each session what was moved, or why it cannot be.
        """
        from eventstore.archive.move_segments import move_segments
        from eventstore.store.database.allowed_locations import base_url

        base = None if to is None else base_url(to)
        return move_segments(self._work, session_ids, base)

    def vacuum(self) -> None:
        """Give the space back that deleted rows have left in the database's files.

        It rewrites them: SQLite needs as much room again meanwhile.
        """
        from eventstore.store.maintenance.vacuum import vacuum

        vacuum(self._work)

    def project(self, waits: bool = False) -> Iterator[Projected]:
        """Project every session that is behind its log or was projected by an older version.

        One that fails stops no other, and `status` names it until it works.

        Args:
            waits: leave those alone that failed before, until their pause is over: for a worker
                that calls this again and again.

        Raises:
            SomeFailedError: at the end, with each session that could not be projected.
        """
        from eventstore.store.sessions.project import catch_up

        return catch_up(self._work, waits)

    def sum_days(self) -> Iterator[str]:
        """Keep sums of days that are over, so that usage is answered soon; yields each day summed.

        Answers are the same without them: a day without sums, or that was appended to since, is
        summed from its rows when it is asked for. Several processes may do it at once.

        Raises:
            SomeFailedError: at the end, with each day that could not be summed up.
        """
        from eventstore.store.usage.daily.refresh import sum_days

        return (date_of(day) for day in sum_days(self._work))

    def price_sessions(self) -> Iterator[int]:
        """Compute what sessions cost by this store's prices, so that lists are sorted by it.

        Needed where `sessions` says that many have no cost yet. What was computed by other prices
        is computed again. Several processes may do it at once.

        Yields:
            How many sessions were priced, batch by batch.

        Raises:
            SomeFailedError: at the end, with each session whose usage cannot be added up; its cost
                is unknown.
            InvalidInputError: the prices cannot be used.
        """
        from eventstore.store.usage.session_costs import price_sessions

        return price_sessions(self._work)

    def erase(
        self,
        session_ids: str | Iterable[str],
        audio_only: bool = False,
        reason: str | None = None,
        vacuum: bool = True,
    ) -> list[Erased]:
        """Erase sessions, or their audio, each in one transaction; nothing of it can be read again.

        Args:
            session_ids: which.
            audio_only: only the audio of closed sessions; their events stay.
            reason: why, which is kept.
            vacuum: write the database's files anew, so that no byte is left in them. PostgreSQL
                locks tables meanwhile, SQLite its file.

        Returns:
            What was erased; what had been before is left out.

        Raises:
            NotFoundError: there is no such session, where only one was named.
            InvalidInputError: audio of a session that is open, where only one was named.
            SomeFailedError: some of several could not be erased; all others are.
            DatabaseUnavailableError: not all was done; do it again.
        """
        from eventstore.archive.erase import erase_all
        from eventstore.store.maintenance.scrub import scrub

        ids = [session_ids] if isinstance(session_ids, str) else list(session_ids)
        try:
            return erase_all(self._work, ids, audio_only, reason)
        finally:
            if self._states is not None:
                for session_id in ids:
                    self._states.take(session_id)  # it holds what was said
            scrub(self._work, vacuum)

    def stream_ids(self) -> Iterator[str]:
        """The ids of all sessions in the log, projected or not, in order."""
        from eventstore.store.sessions.project import session_ids

        return session_ids(self._work)

    def status(self) -> dict[str, Any]:
        """What the store holds: schema, sessions, events, responses, and what is behind.

        A session is sealed when all of its events are.
        """
        from eventstore.store.maintenance.status import status

        return status(self.engine)

    def init(self) -> tuple[str | None, str]:
        """Create or upgrade the schema, and that of the keys; the migration before, and after.

        Raises:
            SchemaError: the schema is newer than this code.
        """
        from eventstore.store.database import keys as session_keys
        from eventstore.store.database import schema

        keys = keys_of(self._work).engine
        if keys is not None:
            session_keys.upgrade(keys)
        return schema.upgrade(self._work)
