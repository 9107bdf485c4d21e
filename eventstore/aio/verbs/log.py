"""The verbs of store/sessions/log.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verb_calls import VerbCalls
from eventstore.store.sessions.log import Log, WritableLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventstore.aio.async_items import AsyncItems
    from eventstore.realtime.events import StoredEvent
    from eventstore.realtime.frames import Frame
    from eventstore.store.log.session_facts import Revision
    from eventstore.store.sessions.append_arguments import Append, Appended


class AsyncLog(VerbCalls):
    """The verbs of `Log`, each called in a thread."""

    async def check_seen(self, session_id: str) -> None:
        """Check that a session may be read here: it is within the scope of this store.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: It is out of scope, or no store keeps such an id.
            InvalidInputError: The id is no text.
        """
        return await self._run(Log.check_seen, session_id)

    async def metadata(self, session_id: str) -> dict[str, str]:
        """Return the metadata that was set on a session.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: The session cannot be seen here.
        """
        return await self._run(Log.metadata, session_id)

    async def last_seq(self, session_id: str) -> int:
        """Return the sequence number of the session's last event, or 0 if it has no events.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(Log.last_seq, session_id)

    async def revision(self, session_id: str) -> Revision:
        """Return a token that changes whenever events are added to a session or erased from it.

        Compare it to decide whether something that was made of the session is still valid.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(Log.revision, session_id)

    def events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> AsyncItems[StoredEvent]:
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
        return self._items(Log.events, session_id, first, last, type)

    def masked_events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> AsyncItems[StoredEvent]:
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
        return self._items(Log.masked_events, session_id, first, last, type)


class AsyncWritableLog(AsyncLog):
    """The verbs of `WritableLog`, each called in a thread."""

    async def append(
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
        return await self._run(WritableLog.append, session_id, frames, expected_seq, close)

    async def append_together(self, appends: Sequence[Append]) -> list[Appended]:
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
        return await self._run(WritableLog.append_together, appends)

    async def set_metadata(self, session_id: str, metadata: Mapping[str, str]) -> Appended:
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
        return await self._run(WritableLog.set_metadata, session_id, metadata)
