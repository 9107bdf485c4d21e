"""`Log` reads a store's log for the packages above the store; `WritableLog` also appends to it.

`EventStore` is a `WritableLog`. `EventStore.scoped` returns a `Log`, which only reads. The packages
that capture, replay, render and export sessions are given one of the two. They do not know
`EventStore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import Engine

from eventstore.common.arguments import check_text, check_whole
from eventstore.realtime.metadata import Condition, check_metadata
from eventstore.realtime.values import MAX_KEY_BYTES, is_storable
from eventstore.store.consumers.projections.registry import Registry
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
    read_session_metadata,
)
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.times import now

if TYPE_CHECKING:
    from eventstore.realtime.events import StoredEvent
    from eventstore.realtime.frames import Frame
    from eventstore.store.consumers.projections.projection import Projection
    from eventstore.store.sessions.append_arguments import Append, Appended

Found = TypeVar("Found")

#: `inline`: an append also writes the read models. `deferred`: a worker writes them later.
ProjectionMode = Literal["inline", "deferred"]


class Log:
    """The log of a store's sessions, for reading.

    Args:
        engine: The engine of the database.
        scope: A pair of session metadata. Sessions without the pair are treated as not there.

    Attributes:
        engine, scope: As given.
    """

    def __init__(self, engine: Engine, scope: Condition | None = None) -> None:
        self.engine, self.scope = engine, scope

    def check_seen(self, session_id: str) -> None:
        """Check that a session may be read here: it is within the scope of this store.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: It is out of scope, or no store keeps such an id.
            InvalidInputError: The id is no text.
        """
        check_text("session_id", session_id)
        if not is_storable(session_id) or len(session_id.encode()) > MAX_KEY_BYTES:
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
        """Return the metadata that was set on a session.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: The session cannot be seen here.
        """
        self.check_seen(session_id)
        return read_session_metadata(self.engine, session_id)

    def last_seq(self, session_id: str) -> int:
        """Return the sequence number of the session's last event, or 0 if it has no events.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return self._found(session_id, find_last_seq)

    def revision(self, session_id: str) -> Revision:
        """Return a token that changes whenever events are added to a session or erased from it.

        Compare it to decide whether something that was made of the session is still valid.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return self._found(session_id, find_revision)

    def events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """Yield a session's events in order, each frame exactly as it was received.

        Args:
            session_id: The session's id.
            first: The sequence number of the first event to yield.
            last: The sequence number of the last one; None for the session's last event.
            type: Only events of these types: a pattern such as `response.*`.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            DamagedError: An event cannot be read. Those before it are yielded.
            InvalidInputError: An argument is wrong.
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
        """Yield a session's events as `events` does, with "[removed]" in place of secrets.

        Args:
            session_id: The session's id.
            first: The sequence number of the first event to yield.
            last: The sequence number of the last one; None for the session's last event.
            type: Only events of these types: a pattern such as `response.*`.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            DamagedError: An event cannot be read. Those before it are yielded.
            InvalidInputError: An argument is wrong.
        """
        from eventstore.store.log.masked_events import mask_events, session_mask_at

        check_whole("first", first)
        mask = session_mask_at(self.engine, session_id, min(first - 1, self.last_seq(session_id)))
        return mask_events(self.events(session_id, first, last, type), mask)


class WritableLog(Log):
    """The log of a store's sessions, for reading and appending. Threads may share it.

    Args:
        engine: The engine of the database.
        projection: `inline` if an append also writes the read models, otherwise `deferred`.
        projections: Projections of one's own that this process runs, and that the store has.

    Attributes:
        registry: What finds the projections of one's own that this process runs.
    """

    def __init__(
        self,
        engine: Engine,
        projection: ProjectionMode = "inline",
        projections: Sequence[Projection[Any]] = (),
    ) -> None:
        super().__init__(engine)
        self.registry = Registry(engine, projections)
        self._states = StateCache() if projection == "inline" else None
        self._checkpointer = Checkpointer(engine) if engines.has_wal(engine) else None

    def close(self) -> None:
        """Close all connections. Any later use of the store raises `ClosedError`.

        Transactions that other threads have begun come to their end. Closing again does nothing.
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
        """Append frames to a session in one transaction: all of them, or none.

        Args:
            session_id: The session's id. The session is made if there is none.
            frames: A sequence of `Frame`, or an iterator, which is read once and never held whole.
            expected_seq: The sequence number that the session's last event must have; 0 for no
                events yet; None for any. The same append made again, after its answer was lost,
                succeeds and adds nothing.
            close: True if no more frames will come. If none of them is of the end, and there are
                no more than notes, an event `eventstore.session.closed` is appended behind them.

        Returns:
            The sequence numbers of the first and the last frame, and whether they were there
            already.

        Raises:
            ConflictError: The session's last event has another sequence number.
            ErasedError: The session was erased.
            BrokenHeadError: There are events behind the session's head: see `repair`.
            InvalidInputError: Something is no frame, or has a wrong direction or time; or the id
                cannot be one of a session.
            DatabaseUnavailableError: Nothing was written.
        """
        from eventstore.store.sessions.append import append
        from eventstore.store.sessions.append_arguments import check_append

        check_session_id(session_id)
        check_append(frames, expected_seq)
        own = None if self._states is None else self.registry.inline()
        done = append(self.engine, self._states, session_id, frames, expected_seq, close, own)
        if self._checkpointer is not None:
            self._checkpointer.appended(done.last_seq - done.first_seq + 1)
        return done

    def append_together(self, appends: Sequence[Append]) -> list[Appended]:
        """Append to several sessions in one transaction: all of it, or nothing.

        Args:
            appends: One `Append` for each session: its id, frames, `expected_seq` and `close`.

        Returns:
            For each session what `append` returns, in the order of `appends`.

        Raises:
            ConflictError: The last event of a session has another sequence number.
            ErasedError: A session was erased.
            BrokenHeadError: There are events behind the head of a session: see `repair`.
            InvalidInputError: Something is no append, no frame, or no session's id.
            DatabaseUnavailableError: Nothing was written.
        """
        from eventstore.store.sessions.append import append_together
        from eventstore.store.sessions.append_arguments import checked_appends

        appends = checked_appends(appends)
        for one in appends:
            check_session_id(one.session_id)
        own = None if self._states is None else self.registry.inline()
        done = append_together(self.engine, self._states, appends, own)
        if self._checkpointer is not None:
            self._checkpointer.appended(sum(one.last_seq - one.first_seq + 1 for one in done))
        return done

    def set_metadata(self, session_id: str, metadata: Mapping[str, str]) -> Appended:
        """Set metadata of a session. It is noted in its log as `eventstore.session.metadata`.

        Args:
            session_id: The session's id. The session is made if there is none.
            metadata: The pairs to set. Other pairs of the session stay.

        Returns:
            What `append` returns for the note.

        Raises:
            InvalidInputError: There are more than 16 pairs in all, a key has over 64 characters or
                a value over 512, or they are no text.
            ErasedError: The session was erased.
            DatabaseUnavailableError: Nothing was written.
        """
        pairs = check_metadata(metadata)
        check_metadata({**self.metadata(session_id), **pairs})
        return self.append(session_id, [metadata_frame(pairs, now())])


def open_log(url: str, keys: str | None = None) -> WritableLog:
    """Open the log of a database. The schema is not checked.

    Args:
        url: The URL of the database.
        keys: The URL of the database of the sessions' keys; by default EVENTSTORE_KEYS.

    Raises:
        InvalidInputError: A URL is not valid, or names a database that is not supported.
        MissingExtraError: Keys are named, and the package that encrypts is not installed.
    """
    return WritableLog(engines.create(url, keys))
