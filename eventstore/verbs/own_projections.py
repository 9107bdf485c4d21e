"""The verbs for projections of one's own: list them, read their rows, drop them.

`project` and `rebuild` (read_models.py) run them, beside the store's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine

from eventstore.common.arguments import check_text
from eventstore.errors import Failure, InvalidInputError
from eventstore.verbs.queries import Queries
from eventstore.verbs.results import attempted

if TYPE_CHECKING:
    from eventstore.store.consumers.projections.catch_up import Projected, ProjectionWorker
    from eventstore.store.consumers.projections.registry import Registry
    from eventstore.verbs.reports import ProjectionStatus


class OwnProjectionVerbs(Queries):
    """The verbs for projections of one's own. `EventStore` has them all; make one of those."""

    #: The same database, for work that no time limit of queries ends.
    _work: Engine
    #: The projections that this process runs, and what runs them on sessions that are behind.
    registry: Registry
    _own_workers: dict[str, ProjectionWorker]

    def projections(self) -> list[ProjectionStatus]:
        """Return the projections of one's own that the store has, and how far each of them is.

        Returns:
            For each its name, its version, its tables, whether appends run it (`inline`), whether
            this process can run it (`runs_here`), how many sessions are `behind`, and how many of
            those `failed`, with the first hundred of them.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.consumers.projections.projection_status import projection_status

        here = {one.name for one in self.registry.running()}
        return cast("list[ProjectionStatus]", projection_status(self.reader.engine, here))

    def drop_projection(self, projection: str) -> list[str]:
        """Forget a projection of one's own, and drop its tables with all of their rows.

        If it is given or installed again, it is made anew of all sessions.

        Args:
            projection: The projection's name.

        Returns:
            The names of the tables that were dropped, also those of its older versions.

        Raises:
            InvalidInputError: The store has no such projection.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.consumers.projections.projection_tables import drop_projection

        check_text("projection", projection)
        return drop_projection(self._work, projection)

    def _project_own(self, waits: bool) -> Iterator[Projected | Failure]:
        """Run projections of one's own on the sessions that are behind."""
        for error in self.registry.add_installed():
            yield Failure("projections", error)
        for worker in self._workers().values():
            yield from worker.catch_up(waits)

    def _rebuild_own(
        self, projection: str, session_ids: Iterable[str]
    ) -> Iterator[Projected | Failure]:
        """Make the rows of a projection of one's own anew, for each session."""
        worker = self._workers().get(projection)
        if worker is None:
            told = f"there is no projection {projection!r} that this process can run"
            raise InvalidInputError(f"{told}; see: eventstore projections")
        yield from attempted(session_ids, worker.rebuild)

    def _forget(self, session_ids: Iterable[str]) -> None:
        """Keep no state of sessions that were erased, because it may have what was said."""
        for session_id in session_ids:
            self.registry.forget(session_id)
            for worker in self._own_workers.values():
                worker.forget(session_id)

    def _workers(self) -> dict[str, ProjectionWorker]:
        """Return what runs each projection of one's own on the sessions that are behind.

        A worker keeps states between two calls, so it is made once.
        """
        from eventstore.store.consumers.projections.catch_up import ProjectionWorker
        from eventstore.store.queries.query_sessions import show_session

        running = {one.name: one for one in self.registry.running()}
        for name, own in running.items():
            if name not in self._own_workers:
                self._own_workers[name] = ProjectionWorker(self._work, own, show_session)
        return {name: self._own_workers[name] for name in running}
