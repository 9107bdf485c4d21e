"""`Log`: a store's log as the rooms above the store read it; `WritableLog`: as they append to it.

`EventStore` is a `WritableLog`, and what it lends for reading alone (`EventStore.scoped`) is a
`Log`. What captures, replays, renders and exports sessions is written against these two, and knows
nothing of the verbs above.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlalchemy import Engine

from eventstore.realtime.metadata import Condition, check_metadata
from eventstore.realtime.values import is_storable
from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import close_for_good
from eventstore.store.database.connections.wal import Checkpointer
from eventstore.store.log.session_facts import (
    Revision,
    check_session_id,
    find_last_seq,
    find_revision,
    has_metadata_pair,
    metadata_frame,
    no_session,
    read_metadata,
)
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.times import now

if TYPE_CHECKING:
    from eventstore.realtime.events import StoredEvent
    from eventstore.realtime.frames import Frame
    from eventstore.store.sessions.append import Append, Appended

Found = TypeVar("Found")

#: `inline`: an append writes the read models, too. `deferred`: a worker does, by `project`.
Projection = Literal["inline", "deferred"]


class Log:
    """The log of a store's sessions, for reading.

    Args:
        engine: of the database.
        scope: a pair of sessions' metadata: sessions without it do not exist here.
    """

    def __init__(self, engine: Engine, scope: Condition | None = None) -> None:
        self.engine, self.scope = engine, scope

    def check_seen(self, session_id: str) -> None:
        """Check that a session may be read here.

        Raises:
            NotFoundError: It is out of scope, or its id is none that a store keeps.
        """
        if not is_storable(session_id):
            raise no_session(session_id)
        scope = self.scope
        if scope is not None and not has_metadata_pair(
            self.engine, session_id, scope.key, scope.value
        ):
            raise no_session(session_id)

    def _found(self, session_id: str, find: Callable[[Engine, str], Found | None]) -> Found:
        self.check_seen(session_id)
        found = find(self.engine, session_id)
        if found is None:
            raise no_session(session_id)
        return found

    def metadata(self, session_id: str) -> dict[str, str]:
        """The metadata that was set on a session."""
        self.check_seen(session_id)
        return read_metadata(self.engine, session_id)

    def last_seq(self, session_id: str) -> int:
        """Return the sequence number of the session's last event, or 0 if it has no events.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        return self._found(session_id, find_last_seq)

    def revision(self, session_id: str) -> Revision:
        """Return a token that changes whenever events are added to a session or erased from it.

        Compare it to decide whether something that was made of the session is still valid.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        return self._found(session_id, find_revision)

    def events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """A session's events in order, each frame exactly as it was received.

        Args:
            first, last: seqs, both included; None for the last there is.
            type: a glob of types, such as `response.*`.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.store.log.read_events import read_events

        head = self.last_seq(session_id)
        end = head if last is None else min(last, head)
        return read_events(self.engine, session_id, max(1, first), end, type)

    def masked_events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """A session's events as `events` gives them, with "[removed]" in place of secrets.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.store.log.masked_events import mask_events, session_mask_at

        mask = session_mask_at(self.engine, session_id, min(first - 1, self.last_seq(session_id)))
        return mask_events(self.events(session_id, first, last, type), mask)


class WritableLog(Log):
    """The log of a store's sessions, for reading and appending. Safe to share between threads.

    Args:
        engine: of the database.
        projection: whether an append writes the read models, too.
    """

    def __init__(self, engine: Engine, projection: Projection = "inline") -> None:
        super().__init__(engine)
        self._states = StateCache() if projection == "inline" else None
        self._checkpointer = Checkpointer(engine) if engines.has_wal(engine) else None

    def close(self) -> None:
        """Close all connections. Whoever uses the store afterwards gets a `ClosedError`.

        Transactions that other threads are in come to their end. Closing again does nothing.
        """
        if self._checkpointer is not None:
            self._checkpointer.close()
        close_for_good(self.engine)

    def append(
        self,
        session_id: str,
        frames: Iterable[Frame],
        expected_seq: int | None = None,
        close: bool = False,
    ) -> Appended:
        """Append frames to a session in one transaction; all of them, or none.

        Args:
            session_id: the session, made where there is none.
            frames: a sequence, or an iterator, which is read once and never held whole.
            expected_seq: the seq that the session's last event must have (0: no events yet).
                The same append made again, after a lost answer, succeeds and adds nothing.
            close: no more will come.

        Returns:
            The seqs of the first and last frame, and whether they were there already.

        Raises:
            ConflictError: the session's head is another. ErasedError: it was erased.
            BrokenHeadError: events stand behind the head: see `repair`.
            InvalidInputError: a bad session id, direction or time.
            DatabaseUnavailableError: nothing was written.
        """
        from eventstore.store.sessions.append import append

        check_session_id(session_id)
        done = append(self.engine, self._states, session_id, frames, expected_seq, close)
        if self._checkpointer is not None:
            self._checkpointer.appended(done.last_seq - done.first_seq + 1)
        return done

    def append_together(self, appends: Sequence[Append]) -> list[Appended]:
        """Append to several sessions in one transaction; all of it, or nothing.

        Args:
            appends: one for each session: its id, frames, `expected_seq` and `close`.

        Raises:
            ConflictError, ErasedError, InvalidInputError, DatabaseUnavailableError: as for
                `append`.
        """
        from eventstore.store.sessions.append import append_together

        for one in appends:
            check_session_id(one.session_id)
        done = append_together(self.engine, self._states, appends)
        if self._checkpointer is not None:
            self._checkpointer.appended(sum(one.last_seq - one.first_seq + 1 for one in done))
        return done

    def set_metadata(self, session_id: str, metadata: Mapping[str, str]) -> Appended:
        """Set metadata pairs of a session, noted in its log as `eventstore.session.metadata`.

        Raises:
            InvalidInputError: more than 16 pairs in all, keys over 64 or values over 512
                characters.
        """
        check_metadata({**self.metadata(session_id), **check_metadata(metadata)})
        return self.append(session_id, [metadata_frame(metadata, now())])


def open_log(url: str, keys: str | None = None) -> WritableLog:
    """Open the log of a database, without a look at its schema.

    Args:
        url: of the database.
        keys: the URL of the database of sessions' keys; by default EVENTSTORE_KEYS.

    Raises:
        InvalidInputError: A URL is none, or names a database that is not supported.
        MissingExtraError: There are keys, and the package that encrypts is not installed.
    """
    return WritableLog(engines.create(url, keys or os.environ.get("EVENTSTORE_KEYS")))
