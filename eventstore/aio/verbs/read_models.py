"""The verbs of verbs/read_models.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from eventstore.aio.verbs.own_projections import AsyncOwnProjectionVerbs
from eventstore.aio.verbs.subscriptions import AsyncSubscriptionVerbs
from eventstore.verbs.read_models import ReadModelVerbs

if TYPE_CHECKING:
    from eventstore.aio.async_items import AsyncItems
    from eventstore.aio.verb_calls import AsyncIds
    from eventstore.errors import Failure
    from eventstore.store.consumers.projections.catch_up import Projected
    from eventstore.verbs.read_models import Ids
    from eventstore.verbs.results import Results


class AsyncReadModelVerbs(AsyncOwnProjectionVerbs, AsyncSubscriptionVerbs):
    """The verbs of `ReadModelVerbs`, each called in a thread."""

    async def rebuild(
        self,
        session_ids: AsyncIds | None = None,
        workers: int = 1,
        projection: str | None = None,
    ) -> Results[Projected]:
        """Rebuild the read models of sessions from their logs, each session in one transaction.

        Rows that are right already are left alone. If all sessions are rebuilt, sums by day are
        dropped as well; `sum_days` makes them anew.

        Args:
            session_ids: One session id, or several; None for all sessions.
            workers: How many processes share the work.
            projection: Rebuild the rows of this projection of your own, and no others.

        Returns:
            For each session, its last sequence number and how many of its rows were wrong. A
            session that does not exist, was erased or is damaged is in `failed`.

        Raises:
            InvalidInputError: An argument is wrong.
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(
            ReadModelVerbs.rebuild,
            cast("Ids | None", session_ids),
            workers,
            projection,
        )

    def iter_rebuild(
        self,
        session_ids: AsyncIds | None = None,
        workers: int = 1,
        projection: str | None = None,
    ) -> AsyncItems[Projected | Failure]:
        """Rebuild read models as `rebuild` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        return self._items(
            ReadModelVerbs.iter_rebuild,
            cast("Ids | None", session_ids),
            workers,
            projection,
        )

    async def project(self, waits: bool = False) -> Results[Projected]:
        """Project every session that is behind its log or was projected by an older version.

        Projections of your own that are installed are added to the store, and run as well.
        `status` names each session that could not be projected, until it can be.

        Args:
            waits: Leave those sessions alone that failed before, until their pause is over: for a
                worker that calls this again and again.

        Returns:
            For each session that was projected, its last sequence number and how many of its rows
            changed; in `failed` those that could not be projected.

        Raises:
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(ReadModelVerbs.project, waits)

    def iter_project(self, waits: bool = False) -> AsyncItems[Projected | Failure]:
        """Project sessions as `project` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        return self._items(ReadModelVerbs.iter_project, waits)

    async def sum_days(self) -> Results[str]:
        """Keep sums of the days that are over, so that `usage` and `latency` answer soon.

        Answers are the same without these sums: a day that has none, or that was appended to since,
        is summed up from its rows when it is asked for. Several processes may do this at once.

        Returns:
            The dates of the days that were summed up, such as `2026-05-04`, in UTC. A day that
            could not be is in `failed`; its `name` is the date.

        Raises:
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(ReadModelVerbs.sum_days)

    def iter_sum_days(self) -> AsyncItems[str | Failure]:
        """Keep sums of days as `sum_days` does, and yield each day as it is done.

        Yields:
            The date of a day, or the `Failure` that says why it could not be summed up.
        """
        return self._items(ReadModelVerbs.iter_sum_days)

    async def price_sessions(self) -> Results[str]:
        """Compute what sessions cost by this store's prices, so that lists can be sorted by it.

        It is needed where `sessions` says that many sessions have no cost yet. What was computed by
        other prices is computed again. Several processes may do this at once.

        Returns:
            The ids of the sessions that were priced. A session whose usage cannot be added up is in
            `failed`, and its cost is unknown.

        Raises:
            InvalidInputError: The prices cannot be used.
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return await self._run(ReadModelVerbs.price_sessions)

    def iter_price_sessions(self) -> AsyncItems[str | Failure]:
        """Price sessions as `price_sessions` does, and yield each session as it is done.

        Yields:
            The id of a session, or the `Failure` that says why its usage cannot be added up.
        """
        return self._items(ReadModelVerbs.iter_price_sessions)
