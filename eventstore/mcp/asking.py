"""Who asks, and what for: the store as the asker may see it, and the time that an answer may take.

Made by server.py for each call of a tool, and passed to the functions that answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from eventstore.errors import TimeLimitError
from eventstore.mcp.transcripts import Transcript, Transcripts, read_whole
from eventstore.realtime.events import StoredEvent
from eventstore.store.sessions.log import Log
from eventstore.verbs.queries import Queries
from eventstore.web.server.access import Access, Right
from eventstore.web.server.requests import Stores, may_raw, scoped

#: How many times the limit of one query the whole answer may take.
QUERIES_OF_AN_ANSWER = 3

NeededRight = Literal["read", "score", "append"]


class Service(NamedTuple):
    """The settings of an MCP server.

    Attributes:
        stores: The store, opened for queries with a time limit, and without one; and the API keys,
            by which a server that listens knows who asks.
        access: What somebody may do who needs no key: on standard input, or without keys.
        allow_writing: True if the tools that write are offered to those who have the right.
        time_limit: How many seconds a query may take.
    """

    stores: Stores
    access: Access
    allow_writing: bool
    time_limit: float


class Asker:
    """Somebody who calls a tool, for as long as that takes.

    Args:
        service: The server's settings.
        access: What the asker may do.
        transcripts: The transcripts that askers of this server read last.

    Attributes:
        access: As given.
    """

    def __init__(
        self, service: Service, access: Access, transcripts: Transcripts | None = None
    ) -> None:
        self.service, self.access = service, access
        self._transcripts = transcripts
        self.begin()

    def begin(self, check_wanted: Callable[[], None] = lambda: None) -> None:
        """Let the time of the answer begin: it is the asker's turn now.

        Args:
            check_wanted: Raises an exception when nobody waits for the answer any more.
        """
        self._check_wanted = check_wanted
        self._ends = time.monotonic() + self.service.time_limit * QUERIES_OF_AN_ANSWER

    @property
    def queries(self) -> Queries:
        """The verbs that read, limited to the sessions that the asker may see."""
        return scoped(self.service.stores.reading, self.access)

    def transcript(self, session_id: str) -> Transcript:
        """Return the transcript of a session that the asker may see.

        Raises:
            NotFoundError: There is no such session for the asker.
            ErasedError: The session was erased.
        """
        queries, store = self.queries, self.service.stores.reading
        # A replica may tell of a revision, and be behind it when the transcript is read.
        if self._transcripts is None or store.reader is not store:
            state, turns = read_whole(queries, session_id)
            return Transcript(state["session"], turns)
        return self._transcripts.read(queries, session_id)

    @property
    def raw(self) -> bool:
        """True if the asker may read frames as they are, with the secrets in them."""
        return may_raw(self.access)

    def may(self, right: NeededRight) -> bool:
        """Return True if the asker may use the tools that need a right."""
        has: frozenset[Right] = self.access.rights
        return right in has and (right == "read" or self.service.allow_writing)

    def check_time(self) -> None:
        """Raise TimeLimitError if the answer takes too long, or end if nobody waits for it."""
        self._check_wanted()
        if time.monotonic() > self._ends:
            raise TimeLimitError("it takes too long; narrow it by session, time or limit")

    def timed_log(self) -> Log:
        """Return the log that the asker may see, whose events end when the answer takes too long.

        Its queries have no limit of their own: sound is read from all events of a session.
        """
        seen = scoped(self.service.stores.writing, self.access)
        return _TimedLog(seen, self.check_time)


class _TimedLog(Log):
    def __init__(self, log: Log, check: Callable[[], None]) -> None:
        super().__init__(log.engine, log.scope)
        self._check = check

    def events(self, *arguments: Any, **named: Any) -> Iterator[StoredEvent]:
        for event in super().events(*arguments, **named):
            self._check()
            yield event
