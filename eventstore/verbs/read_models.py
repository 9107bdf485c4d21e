"""The verbs that keep read models and sums in step with the log: rebuild, project, sum, price.

Each has two forms, as the verbs of `upkeep.py` have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from eventstore.common.arguments import check_text
from eventstore.errors import Failure, InvalidInputError
from eventstore.times import date_of
from eventstore.verbs.own_projections import OwnProjectionVerbs
from eventstore.verbs.results import Results, collected, ids_of
from eventstore.verbs.subscriptions import SubscriptionVerbs

if TYPE_CHECKING:
    from eventstore.store.consumers.projections.catch_up import Projected
    from eventstore.store.readmodels.states.state_cache import StateCache

#: One session id, or several.
Ids = str | Iterable[str]


class ReadModelVerbs(OwnProjectionVerbs, SubscriptionVerbs):
    """The verbs that keep read models in step. `EventStore` has them all; make one of those."""

    #: States of sessions that are being appended to; None where appends do not project.
    _states: StateCache | None

    def rebuild(
        self,
        session_ids: Ids | None = None,
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
        return collected(self.iter_rebuild(session_ids, workers, projection))

    def iter_rebuild(
        self,
        session_ids: Ids | None = None,
        workers: int = 1,
        projection: str | None = None,
    ) -> Iterator[Projected | Failure]:
        """Rebuild read models as `rebuild` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        from eventstore.store.sessions import project

        named = session_ids is not None
        ids = (
            list(project.all_session_ids(self._work))
            if session_ids is None
            else ids_of(session_ids)
        )
        if projection is not None:
            check_text("projection", projection)
            return self._rebuild_own(projection, ids)
        return project.rebuild(self._work, ids, checked_workers(workers), named)

    def project(self, waits: bool = False) -> Results[Projected]:
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
        return collected(self.iter_project(waits))

    def iter_project(self, waits: bool = False) -> Iterator[Projected | Failure]:
        """Project sessions as `project` does, and yield each session as it is done.

        Yields:
            What was done with a session, or the `Failure` that says why it could not be.
        """
        from eventstore.store.sessions.project import catch_up

        yield from catch_up(self._work, waits)
        yield from self._project_own(waits)

    def sum_days(self) -> Results[str]:
        """Keep sums of the days that are over, so that `usage` and `latency` answer soon.

        Answers are the same without these sums: a day that has none, or that was appended to since,
        is summed up from its rows when it is asked for. Several processes may do this at once.

        Returns:
            The dates of the days that were summed up, such as `2026-05-04`, in UTC. A day that
            could not be is in `failed`; its `name` is the date.

        Raises:
            DatabaseUnavailableError: The database cannot be reached. What was done before stays.
        """
        return collected(self.iter_sum_days())

    def iter_sum_days(self) -> Iterator[str | Failure]:
        """Keep sums of days as `sum_days` does, and yield each day as it is done.

        Yields:
            The date of a day, or the `Failure` that says why it could not be summed up.
        """
        from eventstore.store.usage.daily.refresh import refresh_days

        days = refresh_days(self._work)
        return (day if isinstance(day, Failure) else date_of(day) for day in days)

    def price_sessions(self) -> Results[str]:
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
        return collected(self.iter_price_sessions())

    def iter_price_sessions(self) -> Iterator[str | Failure]:
        """Price sessions as `price_sessions` does, and yield each session as it is done.

        Yields:
            The id of a session, or the `Failure` that says why its usage cannot be added up.
        """
        from eventstore.store.usage.session_costs import price_sessions

        return price_sessions(self._work)


def checked_workers(workers: int) -> int:
    """Return a number of processes.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(workers, int) or workers < 1:
        raise InvalidInputError("workers is a number of processes, 1 or more")
    return workers
