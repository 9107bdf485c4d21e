"""What can be asked of a store: the verbs of `EventStore` that write nothing. They mask secrets.

Each verb imports its queries when it is called, so that one command does not load those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import deprecated

from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.mask import mask_value
from eventstore.store.database.engine_options import prices_of
from eventstore.store.filters.filters import (
    BasicFilter,
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
    from eventstore.realtime.resources.dialects import Dialect
    from eventstore.store.queries.query_responses import Page


class Queries(LogQueries):
    """The verbs that read. `EventStore` has them all; make one of those, or call its `scoped`."""

    def scoped(self, key: str, value: str) -> Queries:
        """The same store, of which only sessions with a pair of metadata are seen and counted.

        A response's own metadata do not make it one of theirs.

        Raises:
            InvalidInputError: no pair of metadata.
        """
        (scope,) = checked_filter(BasicFilter, {"metadata": {key: value}}).metadata
        return Queries(self.engine, scope)

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
        **filters: Any,
    ) -> Page:
        """A page of sessions, newest first; every filter must hold.

        Args:
            live: only those that are open. Each has, under `eventstore`, `doing`
                (`user_speaking`, `answering` or `waiting`) and `last_words` (`role` and `text` of
                the last finished turn, or None).
            summary: each has, under `eventstore`, a `summary`: `turns`, `input_tokens`,
                `cached_tokens`, `output_tokens`, `cost_usd` (None where nothing has a known
                price), `unpriced` (whether something has none) and `slowest_ms`, the slowest
                answer: from the end of the user's speech to its first sound, or else from the
                response's creation to its first sound or text.
            limit: 1 to 100.
            after: the `last_id` of the page before.
            before: the `first_id` of the page behind; the last entries before it.
            order: `desc`, the newest or the most first, or `asc`.
            sort: by when they `started`, or by `duration`, `cost`, `latency` (the slowest answer),
                `turns` or `interruptions`, as their resources and summaries tell them. Those of
                which it is not known come last with `desc`, and first with `asc`; sessions that
                are alike are in order of time.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`), `model`,
                `status` (`live`, `ended`, `interrupted`, or `errors`: it has errors, or responses
                that failed or are incomplete), `text` (somebody said it: words, `"a phrase"`,
                `pre*`), `since`, `until` (ISO 8601 or epoch seconds); `tool` (it was called),
                `reason` (a response ended for it, or an error has this code), `language` (a
                transcript is in it), `min_duration`, `max_duration` and `min_latency` (seconds),
                `min_cost` (US dollars that have a known price), `min_turns`, `min_interruptions`.
                What is not known passes none of these.

        Raises:
            InvalidInputError: a bad filter; or costs are asked for, and many sessions have none
                by these prices yet: see `price_sessions`.
            NotFoundError: `after` or `before` names no session.
        """
        from eventstore.store.queries import query_sessions

        given = {"limit": limit, "after": after, "before": before, "order": order, "sort": sort}
        paging = checked_filter(SessionPaging, given)
        wanted = self._checked(SessionFilter, filters)
        page = query_sessions.query_sessions(self.engine, wanted, paging, live, summary)
        return page._replace(data=mask_value(page.data))

    def session_ids(self, **filters: Any) -> Iterator[str]:
        """The ids of all sessions that match, oldest first; filters as for `sessions`.

        Raises:
            InvalidInputError: a bad filter.
        """
        from eventstore.store.queries import query_sessions

        return query_sessions.matching_session_ids(
            self.engine, self._checked(SessionFilter, filters)
        )

    def session(self, session_id: str) -> dict[str, Any]:
        """A session's resource, with ours under `eventstore`.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.store.queries import query_sessions

        self.check_seen(session_id)
        session: dict[str, Any] = mask_value(query_sessions.read_session(self.engine, session_id))
        return session

    def state(
        self, session_id: str, at: str | int | None = None, dialect: Dialect = "wire"
    ) -> dict[str, Any]:
        """A session whole: `session`, `conversations` with items, `responses`, `usage`.

        Args:
            at: the state at a seq, or `+SECONDS` since its first event; None for now.
            dialect: the shape of items and responses.

        Raises:
            NotFoundError: there is no such session. InvalidInputError: a bad `at`.
        """
        from eventstore.realtime.resources.dialects import render_item, render_response
        from eventstore.store.queries.masked_state import masked_state

        shown = masked_state(self, session_id, at)
        if dialect != "wire":
            for conversation in shown["conversations"]:
                items = (render_item(item, dialect) for item in conversation["items"])
                conversation["items"] = [item for item in items if item is not None]
            shown["responses"] = [render_response(r, dialect) for r in shown["responses"]]
        return shown

    @deprecated("show() has a new name: state()")
    def show(
        self, session_id: str, at: str | int | None = None, dialect: Dialect = "wire"
    ) -> dict[str, Any]:
        """Return what `state` returns. This is its old name, and goes with the next release."""
        return self.state(session_id, at, dialect)

    def transcript(self, session_id: str) -> list[Turn]:
        """A session as people read it: what was said and heard, called and answered, in order.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.exports.transcript import turns

        errors = self.masked_events(session_id, type="error")
        return turns(self.state(session_id), errors, prices_of(self.engine))

    def waveform(self, session_id: str, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """What a player draws of a session: loudness, turns, words and marks on one axis.

        Args:
            check: called again and again while it is made. What it raises ends that.

        Returns:
            `start` and `end`, in seconds since the first event; for `user` and `assistant` the
            loudness from `start` on, 0 to 100, `per_second` values a second, empty where no sound
            is in the log; `turns` with their `words`, each with the second at which it begins, an
            estimate; `marks`: tool calls and errors.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.exports.waveform import waveform  # numpy takes long to load

        return waveform(self, session_id, check)

    def responses(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        sort: ResponseSort = "created",
        dialect: Dialect = "wire",
        **filters: Any,
    ) -> Page:
        """A page of responses, newest first; every filter must hold.

        Args:
            limit: 1 to 100.
            after: the `last_id` of the page before.
            before: the `first_id` of the page behind; the last entries before it.
            order: `desc`, the newest or the most first, or `asc`.
            sort: by when they were `created`, or by `duration`, `latency` (how long they were
                waited for) or `tokens` (all of them). Those of which it is not known come last
                with `desc`, and first with `asc`; responses that are alike are in order of time.
            dialect: the shape of the resources.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`; a session's
                own counts for its responses), `status`, `reason`, `model`, `voice`, `modality`,
                `conversation`, `session`, `text`, `min_tokens`, `since`, `until`; `tool` (it called
                it), `language` (the turn that it answers is in it), `min_latency` and
                `min_duration` (seconds).

        Raises:
            InvalidInputError: a bad filter.
            NotFoundError, AmbiguousError: `after` or `before` names none, or several.
        """
        from eventstore.realtime.resources.dialects import render_response
        from eventstore.store.queries import query_responses

        given = {"limit": limit, "after": after, "before": before, "order": order, "sort": sort}
        paging = checked_filter(ResponsePaging, given)
        wanted = self._checked(ResponseFilter, filters)
        page = query_responses.query_responses(self.engine, wanted, paging)
        page = page._replace(data=mask_value(page.data))
        if dialect == "wire":
            return page
        return page._replace(data=[render_response(r, dialect) for r in page.data])

    def response(
        self, response_id: str, session: str | None = None, dialect: Dialect = "wire"
    ) -> dict[str, Any]:
        """A `realtime.response` resource.

        Args:
            session: its session, where several have a response of this id.
            dialect: `wire` as its server had it, or the full `beta` or `ga` shape.

        Raises:
            NotFoundError, AmbiguousError: none, or several sessions' have the id.
        """
        from eventstore.realtime.resources.dialects import render_response
        from eventstore.store.queries import query_responses

        resource = query_responses.read_response(self.engine, response_id, session, self.scope)
        return render_response(mask_value(resource), dialect)

    def closed_sessions(self, older_than: str | None = None, **filters: Any) -> Iterator[str]:
        """The ids of closed sessions, in order; one that is not projected yet fits no filter.

        Args:
            older_than: closed so long ago: `7d`, `12h`, `2w`.
            filters: `metadata`, `model`, `since` and `until`, as for `sessions`.

        Raises:
            InvalidInputError: a bad age or filter.
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
