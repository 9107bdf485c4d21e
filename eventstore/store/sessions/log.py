"""`Log` reads a store's log for the rooms above the store; `WritableLog` also appends to it.

`EventStore` is a `WritableLog`. `EventStore.scoped` returns a `Log`, which only reads. The rooms
that capture, replay, render and export sessions are given one of the two. They do not know
`EventStore`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlalchemy import Engine

from eventstore.common.arguments import check_text, check_whole
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

#: `inline`: an append also writes the read models. `deferred`: a worker writes them later.
Projection = Literal["inline", "deferred"]


class Log:
    """The log of a store's sessions, for reading.

    Args:
        engine: the engine of the database.
        scope: a pair of session metadata. Sessions without the pair are treated as not there.

    Attributes:
        engine, scope: as given.
    """

    def __init__(self, engine: Engine, scope: Condition | None = None) -> None:
        self.engine, self.scope = engine, scope

    def check_seen(self, session_id: str) -> None:
        """Check that a session may be read through this log.

        Raises:
            NotFoundError: the session is out of scope, or no store accepts such an id.
        """
        check_text("session_id", session_id)
        if not is_storable(session_id):
            raise no_session(session_id)
        scope = self.scope
        if scope is not None and not has_metadata_pair(
            self.engine, session_id, scope.key, scope.value
        ):
            raise no_session(session_id)

    def _found(self, session_id: str, find: Callable[[Engine, str], Found | None]) -> Found:
        """Return what `find` returns for a session; raise NotFoundError if it is None."""
        self.check_seen(session_id)
        found = find(self.engine, session_id)
        if found is None:
            raise no_session(session_id)
        return found

    def metadata(self, session_id: str) -> dict[str, str]:
        """Return the metadata that was set on a session."""
        self.check_seen(session_id)
        return read_metadata(self.engine, session_id)

    def last_seq(self, session_id: str) -> int:
        """Return the sequence number of the session's last event, or 0 if it has no events.

        Raises:
            NotFoundError: there is no such session.
            ErasedError: the session was erased.
        """
        return self._found(session_id, find_last_seq)

    def revision(self, session_id: str) -> Revision:
        """Return a token that changes whenever events are added to a session or erased from it.

        Compare it to decide whether something that was made of the session is still valid.

        Raises:
            NotFoundError: there is no such session.
            ErasedError: the session was erased.
        """
        return self._found(session_id, find_revision)

    def events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """Return an iterator over a session's events in order, each frame as it was received.

        Args:
            first, last: the first and last seq, both included; None for `last` means the last
                event.
            type: a glob of event types, such as `response.*`.

        Raises:
            NotFoundError: there is no such session.
            ErasedError: the session was erased.
        """
        from eventstore.store.log.read_events import read_events

        check_whole("first", first)
        if last is not None:
            check_whole("last", last)
        if type is not None:
            check_text("type", type)
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
        """Return an iterator over a session's events with "[removed]" in place of secrets.

        Args:
            first, last, type: as for `events`.

        Raises:
            NotFoundError: there is no such session.
            ErasedError: the session was erased.
        """
        from eventstore.store.log.masked_events import mask_events, session_mask_at

        check_whole("first", first)
        mask = session_mask_at(self.engine, session_id, min(first - 1, self.last_seq(session_id)))
        return mask_events(self.events(session_id, first, last, type), mask)


class WritableLog(Log):
    """The log of a store's sessions, for reading and appending. Threads may share it.

    Args:
        engine: the engine of the database.
        projection: `inline` if an append also writes the read models, otherwise `deferred`.
    """

    def __init__(self, engine: Engine, projection: Projection = "inline") -> None:
        super().__init__(engine)
        self._states = StateCache() if projection == "inline" else None
        self._checkpointer = Checkpointer(engine) if engines.has_wal(engine) else None

    def close(self) -> None:
        """Close all connections. Any later use of the store raises `ClosedError`.

        Transactions that other threads have begun come to their end. A second call does nothing.
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
        """Append frames to a session in one transaction: all of them are written, or none.

        Args:
            session_id: the session; it is created if there is none.
            frames: a sequence, or an iterator. An iterator is read once and never held as a whole.
            expected_seq: the seq that the session's last event must have (0: there must be no
                events). If the answer to an append was lost, the same append succeeds again and
                adds nothing.
            close: True if no more frames will come.

        Returns:
            The seqs of the first and last frame, and whether they were there already.

        Raises:
            ConflictError: the session's last event is another one.
            ErasedError: the session was erased.
            BrokenHeadError: the log has events behind the head; see `repair`.
            InvalidInputError: the session id, a direction or a time is not valid.
            DatabaseUnavailableError: the database failed, and nothing was written.
        """
        from eventstore.store.sessions.append import append, check_append

        check_session_id(session_id)
        check_append(frames, expected_seq)
        done = append(self.engine, self._states, session_id, frames, expected_seq, close)
        if self._checkpointer is not None:
            self._checkpointer.appended(done.last_seq - done.first_seq + 1)
        return done

    def append_together(self, appends: Sequence[Append]) -> list[Appended]:
        """Append to several sessions in one transaction: all of it is written, or nothing.

        Args:
            appends: one for each session: its id, frames, `expected_seq` and `close`.

        Returns:
            The results in the order of `appends`.

        Raises:
            ConflictError, ErasedError, BrokenHeadError, InvalidInputError,
                DatabaseUnavailableError: as for `append`.
        """
        from eventstore.store.sessions.append import append_together, checked_appends

        appends = checked_appends(appends)
        for one in appends:
            check_session_id(one.session_id)
        done = append_together(self.engine, self._states, appends)
        if self._checkpointer is not None:
            self._checkpointer.appended(sum(one.last_seq - one.first_seq + 1 for one in done))
        return done

    def set_metadata(self, session_id: str, metadata: Mapping[str, str]) -> Appended:
        """Set metadata pairs of a session. The log notes them as `eventstore.session.metadata`.

        Args:
            metadata: the pairs to add or replace; other pairs of the session stay.

        Raises:
            InvalidInputError: the session would have more than 16 pairs, or a key has more than 64
                or a value more than 512 characters. OpenAI's API has the same limits.
        """
        pairs = check_metadata(metadata)
        check_metadata({**self.metadata(session_id), **pairs})
        return self.append(session_id, [metadata_frame(pairs, now())])


def open_log(url: str, keys: str | None = None) -> WritableLog:
    """Open the log of a database. The schema is not checked.

    Args:
        url: the URL of the database.
        keys: the URL of the database of the sessions' keys; by default EVENTSTORE_KEYS.

    Raises:
        InvalidInputError: a URL is not valid, or names a database that is not supported.
        MissingExtraError: keys are named, and the package that encrypts is not installed.
    """
    return WritableLog(engines.create(url, keys or os.environ.get("EVENTSTORE_KEYS")))
