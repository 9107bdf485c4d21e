"""What can be asked of a store: the verbs of `EventStore` that write nothing. They mask secrets.

Each verb imports its queries when it is called, so that one command does not load those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from typing_extensions import Unpack, deprecated

from eventstore.common.arguments import check_choice, check_text
from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.metadata import Condition
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import (
    BasicFilter,
    Paging,
    ResponseFilter,
    ResponsePaging,
    ResponseSort,
    SessionFilter,
    SessionPaging,
    SessionSort,
    checked_filter,
)
from eventstore.times import now, parse_age
from eventstore.verbs.log_queries import LogQueries

if TYPE_CHECKING:
    from eventstore.exports.transcript import Turn
    from eventstore.feed.webhooks.dead_letters import DeadLetter
    from eventstore.realtime.resources.dialects import Dialect
    from eventstore.store.queries.pages import Page
    from eventstore.verbs.filter_params import (
        LogFilterParams,
        ResponseFilterParams,
        SessionFilterParams,
    )
    from eventstore.verbs.resources import ResponseResource, SessionResource, WholeSession


class Queries(LogQueries):
    """The verbs of a store that read: lists, one session, conversations, sums.

    `EventStore` has them all, and its `scoped` returns one that sees a part of the store.
    """

    def scoped(self, key: str, value: str) -> Queries:
        """Return the same store, of which only sessions with a pair of metadata are seen.

        All other sessions do not exist for it, and count nowhere. The metadata of a response alone
        do not make it visible.

        Args:
            key: The key of the pair.
            value: The value that it must have.

        Raises:
            InvalidInputError: This cannot be a pair of metadata.
        """
        conditions = {"metadata": [Condition(key, "=", value)]}
        (scope,) = checked_filter(BasicFilter, conditions).metadata
        return Queries(self._reads, scope)

    def sessions(
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
    ) -> Page[SessionResource]:
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
        from eventstore.store.queries import query_sessions

        options = {"limit": limit, "after": after, "before": before, "order": order, "sort": sort}
        paging = checked_filter(SessionPaging, options)
        checked = self._checked(SessionFilter, filters)
        page = query_sessions.query_sessions(self._reads, checked, paging, live, summary)
        ask = partial(self.sessions, limit=limit, order=order, sort=sort, live=live)
        further = partial(ask, summary=summary, **paging.further(page), **filters)
        return page.with_data(cast("list[SessionResource]", mask_value(page.data)), further)

    def dead_letter_page(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Page[DeadLetter]:
        """Return a page of the webhooks that were given up, those that failed last first.

        Args:
            limit: How many entries the page has at most, 1 to 100.
            after: The `last_id` of a page: this one begins behind it.
            order: `desc`, the newest first, or `asc`.

        Raises:
            InvalidInputError: An argument is wrong.
            NotFoundError: `after` names none.
        """
        from eventstore.feed.webhooks.dead_letters import dead_letter_page

        paging = checked_filter(Paging, {"limit": limit, "after": after, "order": order})
        found = dead_letter_page(self.reader.engine, paging.limit, after, paging.order, self.scope)
        further = partial(self.dead_letter_page, limit=limit, after=found.last_id, order=order)
        return found.with_data(found.data, further)

    def dead_letter(self, id_: str) -> DeadLetter:
        """Return a webhook that was given up.

        Args:
            id_: Its id, as `dead_letter_page` gives it.

        Raises:
            NotFoundError: There is none, or it was taken meanwhile.
        """
        from eventstore.feed.webhooks.dead_letters import read_letter

        check_text("id_", id_)
        with read(self.reader.engine) as tx:
            return read_letter(tx, id_, self.scope)

    def session_ids(self, **filters: Unpack[SessionFilterParams]) -> Iterator[str]:
        """Yield the ids of all sessions that match, oldest first.

        Args:
            filters: Which sessions: see `SessionFilterParams`.

        Raises:
            InvalidInputError: A filter is wrong.
        """
        from eventstore.store.queries import query_sessions

        return query_sessions.matching_session_ids(
            self.engine, self._checked(SessionFilter, filters)
        )

    def session(self, session_id: str) -> SessionResource:
        """Return a session as the server described it last, with what the store adds.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        from eventstore.store.queries import query_sessions

        self.reader.check_seen(session_id)
        session = mask_value(query_sessions.read_session(self._reads, session_id))
        return cast("SessionResource", session)

    def state(
        self, session_id: str, at: str | int | None = None, dialect: Dialect = "wire"
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
        from eventstore.realtime.resources.dialects import (
            DIALECTS,
            render_item,
            render_response,
        )
        from eventstore.store.queries.masked_state import masked_state

        check_choice("dialect", dialect, DIALECTS)
        shown = masked_state(self.reader, session_id, at)
        if dialect != "wire":
            for conversation in shown["conversations"]:
                items = (render_item(item, dialect) for item in conversation["items"])
                conversation["items"] = [item for item in items if item is not None]
            shown["responses"] = [render_response(r, dialect) for r in shown["responses"]]
        return cast("WholeSession", shown)

    @deprecated("show() has a new name: state()")
    def show(
        self, session_id: str, at: str | int | None = None, dialect: Dialect = "wire"
    ) -> WholeSession:
        """Return what `state` returns. This is its old name, and goes with the next release."""
        return self.state(session_id, at, dialect)

    def projected(
        self, projection: str, session_id: str | None = None, table: str | None = None
    ) -> Iterator[dict[str, Any]]:
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
        from eventstore.store.consumers.projections.read_projected import read_projected

        check_text("projection", projection)
        if table is not None:
            check_text("table", table)
        if session_id is not None:
            self.last_seq(session_id)
        return read_projected(self.reader.engine, projection, session_id, table, self.scope)

    def transcript(self, session_id: str) -> list[Turn]:
        """Return a session as people read it: what was said and heard, called and answered.

        Args:
            session_id: The session's id.

        Returns:
            The turns, in order.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        from eventstore.exports.transcript import transcript_turns
        from eventstore.store.queries.masked_state import masked_state

        reader = self.reader
        errors = reader.masked_events(session_id, type="error")
        return transcript_turns(masked_state(reader, session_id), errors, prices_of(self.engine))

    def waveform(self, session_id: str, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
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
        from eventstore.exports.waveform import waveform  # numpy takes long to load

        return waveform(self.reader, session_id, check)

    def responses(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        sort: ResponseSort = "created",
        dialect: Dialect = "wire",
        **filters: Unpack[ResponseFilterParams],
    ) -> Page[ResponseResource]:
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
        from eventstore.realtime.resources.dialects import DIALECTS, render_response
        from eventstore.store.queries import query_responses

        check_choice("dialect", dialect, DIALECTS)
        options = {"limit": limit, "after": after, "before": before, "order": order, "sort": sort}
        paging = checked_filter(ResponsePaging, options)
        checked = self._checked(ResponseFilter, filters)
        page = query_responses.query_responses(self._reads, checked, paging)
        data = mask_value(page.data)
        if dialect != "wire":
            data = [render_response(response, dialect) for response in data]
        ask = partial(self.responses, limit=limit, order=order, sort=sort, dialect=dialect)
        further = partial(ask, **paging.further(page), **filters)
        return page.with_data(cast("list[ResponseResource]", data), further)

    def response(
        self, response_id: str, session: str | None = None, dialect: Dialect = "wire"
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
        from eventstore.realtime.resources.dialects import DIALECTS, render_response
        from eventstore.store.queries import query_responses

        check_choice("dialect", dialect, DIALECTS)
        resource = query_responses.read_response(self._reads, response_id, session, self.scope)
        return cast("ResponseResource", render_response(mask_value(resource), dialect))

    def closed_sessions(
        self, older_than: str | timedelta | None = None, **filters: Unpack[LogFilterParams]
    ) -> Iterator[str]:
        """Yield the ids of closed sessions, in the order of the ids.

        A session that is not projected yet fits no filter.

        Args:
            older_than: Only sessions that were closed at least so long ago: `30s`, `15m`, `12h`,
                `7d`, `2w`, or a `timedelta`.
            filters: Which sessions: see `LogFilterParams`.

        Raises:
            InvalidInputError: The age or a filter is wrong.
        """
        from eventstore.store.filters.choose_sessions import SessionChoice, choose_sessions

        try:
            before = None if older_than is None else now() - parse_age(older_than)
        except ValueError as error:
            raise InvalidInputError(str(error)) from error
        choice = SessionChoice(
            self._checked(BasicFilter, filters), closed=True, closed_before=before
        )
        return (chosen.session_id for chosen in choose_sessions(self.engine, choice))
