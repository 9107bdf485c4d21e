"""The verbs of verbs/log_queries.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from eventstore.aio.verbs.conversations import AsyncConversations
from eventstore.verbs.log_queries import LogQueries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from eventstore.aio.async_items import AsyncItems
    from eventstore.aio.verb_calls import AsyncIds
    from eventstore.archive.verifying.verify_results import SegmentDigest, Verified
    from eventstore.errors import DatabaseUnavailableError, Failure
    from eventstore.realtime.protocols import Protocol
    from eventstore.realtime.resources.session_config import ClientDialect
    from eventstore.replay.player.cue import Cue
    from eventstore.replay.reseed.item_seeds import AssistantAs
    from eventstore.replay.reseed.reseed import Reseed
    from eventstore.verbs.results import Results


class AsyncLogQueries(AsyncConversations):
    """The verbs of `LogQueries`, each called in a thread."""

    def export(self, session_ids: AsyncIds) -> AsyncItems[bytes]:
        """Yield sessions as lines of JSON: `seq`, `at`, `direction` and `frame`.

        `import_file` makes equal sessions of them. If a session has an id of yours, and not the
        server's, its first line holds it.

        Args:
            session_ids: One session id, or several: their lines follow each other.

        Raises:
            NotFoundError: There is no such session. It is raised when the turn of that session
                comes, as are the errors below.
            ErasedError: A session was erased.
            DamagedError: An event cannot be read. Those before it are yielded.
            InvalidInputError: `session_ids` is neither an id nor several.
        """
        return self._items(LogQueries.export, cast("str | Iterable[str]", session_ids))

    def replay(self, session_id: str) -> AsyncItems[Cue]:
        """Yield a conversation as it happened: what was said, called and cut off, and when.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return self._items(LogQueries.replay, session_id)

    def follow(
        self,
        session_id: str,
        stopped: Callable[[], bool] | None = None,
        away: Callable[[DatabaseUnavailableError], None] | None = None,
    ) -> AsyncItems[Cue]:
        """Yield a conversation so far, and then each further cue as it happens.

        It ends when the session is closed. A cue comes at most about 0.2 s behind its commit.

        Args:
            session_id: The session's id.
            stopped: Asked several times a second, such as the `is_set` of a `threading.Event`. If
                it returns True, the iterator ends.
            away: Told once, each time that the database goes away. That does not end the iterator:
                the database is tried again. What this raises ends it.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return self._items(LogQueries._follow_steps, session_id, stopped, away)

    async def reseed(
        self,
        session_id: str,
        at: str | int | None = None,
        dialect: ClientDialect = "ga",
        audio: bool = False,
        max_items: int | None = None,
        assistant_as: AssistantAs = "text",
        to: Protocol | None = None,
        max_tokens: int = 8192,
    ) -> Reseed:
        """Return the client events that rebuild a conversation in a new session, and what is lost.

        A Live session becomes a `session.start` with a history. The history is text alone.

        Args:
            session_id: The session's id.
            at: The conversation after the event with this sequence number, or `"+12.5"` for so many
                seconds after the first event; None for now.
            dialect: The shape of the events: `ga` or `beta`.
            audio: True to send the user's speech as audio if the log has it; else its transcript.
            max_items: Only the last so many items; None for all.
            assistant_as: The assistant's words as its own `text`, or in `system` messages.
            to: The protocol of the new session, `realtime` or `live`; None for the old one's.
            max_tokens: How many tokens the history of a Live session has at most, by estimate: one
                for 3 bytes of UTF-8, and 8 for each message. The newest messages are kept.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            InvalidInputError: An argument is wrong.
        """
        return await self._run(
            LogQueries.reseed,
            session_id,
            at,
            dialect,
            audio,
            max_items,
            assistant_as,
            to,
            max_tokens,
        )

    async def verify(
        self,
        session_ids: AsyncIds,
        expected: Mapping[str, Sequence[SegmentDigest]] | None = None,
    ) -> Results[Verified]:
        """Recompute the digests of sessions, and find what is changed, missing or added.

        Args:
            session_ids: One session id, or several.
            expected: For sessions by their ids, the `segments` that `verify` gave before and that
                were kept elsewhere, to compare with. If a session is not sealed, only these can
                tell a changed frame.

        Returns:
            For each session, its digests and its `problems`. A session with problems is in `done`,
            with what was found, and in `failed`. So is a session that does not exist in `failed`.

        Raises:
            InvalidInputError: `session_ids` is neither an id nor several.
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(
            LogQueries.verify,
            cast("str | Iterable[str]", session_ids),
            expected,
        )

    def iter_verify(
        self,
        session_ids: AsyncIds,
        expected: Mapping[str, Sequence[SegmentDigest]] | None = None,
    ) -> AsyncItems[Verified | Failure]:
        """Verify sessions as `verify` does, and yield each session as it is done.

        Yields:
            What was found, with its `problems`, or the `Failure` that says why a session could not
            be read.
        """
        return self._items(
            LogQueries.iter_verify,
            cast("str | Iterable[str]", session_ids),
            expected,
        )
