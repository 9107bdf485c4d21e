"""The verbs of verbs/own_projections.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.queries import AsyncQueries
from eventstore.verbs.own_projections import OwnProjectionVerbs

if TYPE_CHECKING:
    from eventstore.verbs.reports import ProjectionStatus


class AsyncOwnProjectionVerbs(AsyncQueries):
    """The verbs of `OwnProjectionVerbs`, each called in a thread."""

    async def projections(self) -> list[ProjectionStatus]:
        """Return the projections of one's own that the store has, and how far each of them is.

        Returns:
            For each its name, its version, its tables, whether appends run it (`inline`), whether
            this process can run it (`runs_here`), how many sessions are `behind`, and how many of
            those `failed`, with the first hundred of them.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(OwnProjectionVerbs.projections)

    async def drop_projection(self, projection: str) -> list[str]:
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
        return await self._run(OwnProjectionVerbs.drop_projection, projection)
