"""The verbs of verbs/queries.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.log_queries import AsyncLogQueries
from eventstore.verbs.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any, Literal

    from typing_extensions import Unpack

    from eventstore.aio.async_items import AsyncItems
    from eventstore.aio.async_page import AsyncPage
    from eventstore.exports.transcript import Turn
    from eventstore.feed.webhooks.dead_letters import DeadLetter
    from eventstore.realtime.resources.dialects import Dialect
    from eventstore.store.filters.filters import ResponseSort, SessionSort
    from eventstore.verbs.filter_params import (
        LogFilterParams,
        ResponseFilterParams,
        SessionFilterParams,
    )
    from eventstore.verbs.resources import ResponseResource, SessionResource, WholeSession


class AsyncQueries(AsyncLogQueries):
    """The verbs of `Queries`, each called in a thread."""

    def scoped(self, key: str, value: str) -> AsyncQueries:
        """Return the same store, of which only sessions with a pair of metadata are seen.

        All other sessions do not exist for it, and count nowhere. The metadata of a response alone
        do not make it visible.

        Args:
            key: The key of the pair.
            value: The value that it must have.

        Raises:
            InvalidInputError: This cannot be a pair of metadata.
        """
        later = self._later(Queries.scoped, key, value)
        return AsyncQueries(self._threads, later)

    async def sessions(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        sort: SessionSort = "started",
        live: bool = False,
        summary: bool = False,
        **filters: Unpack[SessionFilterParams],
    ) -> AsyncPage[SessionResource]:
        """Return a page of sessions, newest first. Every filter must hold.

        Args:
            limit: How many entries the page has at most, 1 to 100.
            after: The `last_id` of a page: this one begins behind it.
            before: The `first_id` of a page: this one ends before it.
            order: `desc`, the newest or the most first, or `asc`.
            sort: By when sessions `started`, or by `duration`, `cost`, `latency` (the slowest
                answer), `turns`, `interruptions`, or by `score`: the first one that the filter
                `score` names, of several the highest with `desc` and the lowest with `asc`.
                Sessions of which that is not known come last with `desc` and first with `asc`;
                sessions that are alike are in order of time.
            live: Only open sessions. Each has, under `eventstore`, what it is `doing` and its
                `last_words`.
            summary: Add to each session, under `eventstore`, a `summary` of its turns, tokens, cost
                and slowest answer.
            filters: Which sessions: see `SessionFilterParams`.

        Returns:
            A page, which is a sequence of session resources.

        Raises:
            InvalidInputError: An argument or a filter is wrong; or costs are asked for, and many
                sessions have none by these prices yet: see `price_sessions`.
            NotFoundError: `after` or `before` names no session.
        """
        return await self._page(
            Queries.sessions,
            limit=limit,
            after=after,
            before=before,
            order=order,
            sort=sort,
            live=live,
            summary=summary,
            **filters,
        )

    async def dead_letter_page(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> AsyncPage[DeadLetter]:
        """Return a page of the webhooks that were given up, those that failed last first.

        Args:
            limit: How many entries the page has at most, 1 to 100.
            after: The `last_id` of a page: this one begins behind it.
            order: `desc`, the newest first, or `asc`.

        Raises:
            InvalidInputError: An argument is wrong.
            NotFoundError: `after` names none.
        """
        return await self._page(Queries.dead_letter_page, limit=limit, after=after, order=order)

    async def dead_letter(self, id_: str) -> DeadLetter:
        """Return a webhook that was given up.

        Args:
            id_: Its id, as `dead_letter_page` gives it.

        Raises:
            NotFoundError: There is none, or it was taken meanwhile.
        """
        return await self._run(Queries.dead_letter, id_)

    def session_ids(self, **filters: Unpack[SessionFilterParams]) -> AsyncItems[str]:
        """Yield the ids of all sessions that match, oldest first.

        Args:
            filters: Which sessions: see `SessionFilterParams`.

        Raises:
            InvalidInputError: A filter is wrong.
        """
        return self._items(Queries.session_ids, **filters)

    async def session(self, session_id: str) -> SessionResource:
        """Return a session as the server described it last, with what the store adds.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(Queries.session, session_id)

    async def state(
        self,
        session_id: str,
        at: str | int | None = None,
        dialect: Dialect = "wire",
    ) -> WholeSession:
        """Return the whole state of a session: itself, its conversations, responses and usage.

        Args:
            session_id: The session's id.
            at: The state after the event with this sequence number, or `"+12.5"` for the state so
                many seconds after the first event, also written `"0:12.5"`; in a GPT-Live session
                they count on the session's own timeline. None for the state now.
            dialect: The shape of items and responses: `wire` as the server had it, or the full
                `beta` or `ga` shape.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            InvalidInputError: `at` or `dialect` is wrong.
        """
        return await self._run(Queries.state, session_id, at, dialect)

    def projected(
        self,
        projection: str,
        session_id: str | None = None,
        table: str | None = None,
    ) -> AsyncItems[dict[str, Any]]:
        """Yield the rows that a projection of one's own has made, decrypted, by session.

        The tables are in the database: any SQL reads them, too.

        Args:
            projection: The projection's name.
            session_id: Only the rows of this session.
            table: Which of its tables; it may be left out if there is one.

        Yields:
            The columns of a row by their names.

        Raises:
            InvalidInputError: The store has no such projection or table.
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            MissingKeyError: The store is encrypted, and a session's key is not at hand.
        """
        return self._items(Queries.projected, projection, session_id, table)

    async def transcript(self, session_id: str) -> list[Turn]:
        """Return a session as people read it: what was said and heard, called and answered.

        Args:
            session_id: The session's id.

        Returns:
            The turns, in order.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(Queries.transcript, session_id)

    async def waveform(
        self,
        session_id: str,
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Return what a player draws of a session: loudness, turns, words and marks on one axis.

        Args:
            session_id: The session's id.
            check: Called again and again while the waveform is made. What it raises ends the work.

        Returns:
            `start` and `end`, in seconds since the first event. For `user` and `assistant` the
            loudness from `start` on, 0 to 100, `per_second` values a second; empty if no sound is
            in the log. `turns` with their `words`, each with the second at which it begins, which
            is an estimate. `marks`: calls of tools, and errors.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(Queries.waveform, session_id, check)

    async def responses(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        sort: ResponseSort = "created",
        dialect: Dialect = "wire",
        **filters: Unpack[ResponseFilterParams],
    ) -> AsyncPage[ResponseResource]:
        """Return a page of responses, newest first. Every filter must hold.

        Args:
            limit: How many entries the page has at most, 1 to 100.
            after: The `last_id` of a page: this one begins behind it.
            before: The `first_id` of a page: this one ends before it.
            order: `desc`, the newest or the most first, or `asc`.
            sort: By when responses were `created`, or by `duration`, `latency` (how long they were
                waited for), `tokens` (all of them), or `score`, as for `sessions`. Responses of
                which that is not known come last with `desc` and first with `asc`; responses that
                are alike are in order of time.
            dialect: The shape of the resources: `wire` as the server had it, or the full `beta` or
                `ga` shape.
            filters: Which responses: see `ResponseFilterParams`.

        Returns:
            A page, which is a sequence of response resources.

        Raises:
            InvalidInputError: An argument or a filter is wrong.
            NotFoundError: `after` or `before` names no response.
            AmbiguousError: `after` or `before` names responses of several sessions.
        """
        return await self._page(
            Queries.responses,
            limit=limit,
            after=after,
            before=before,
            order=order,
            sort=sort,
            dialect=dialect,
            **filters,
        )

    async def response(
        self,
        response_id: str,
        session: str | None = None,
        dialect: Dialect = "wire",
    ) -> ResponseResource:
        """Return a `realtime.response` resource.

        Args:
            response_id: The response's id.
            session: The id of its session, if several sessions have a response of this id.
            dialect: The shape of the resource: `wire` as the server had it, or the full `beta` or
                `ga` shape.

        Raises:
            NotFoundError: There is no such response.
            AmbiguousError: Several sessions have a response of this id.
            InvalidInputError: `dialect` is wrong.
        """
        return await self._run(Queries.response, response_id, session, dialect)

    def closed_sessions(
        self,
        older_than: str | timedelta | None = None,
        **filters: Unpack[LogFilterParams],
    ) -> AsyncItems[str]:
        """Yield the ids of closed sessions, in the order of the ids.

        A session that is not projected yet fits no filter.

        Args:
            older_than: Only sessions that were closed at least so long ago: `30s`, `15m`, `12h`,
                `7d`, `2w`, or a `timedelta`.
            filters: Which sessions: see `LogFilterParams`.

        Raises:
            InvalidInputError: The age or a filter is wrong.
        """
        return self._items(Queries.closed_sessions, older_than, **filters)
