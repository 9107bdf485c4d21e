"""The verbs of verbs/sql.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.queries import AsyncQueries
from eventstore.verbs.sql import SqlVerb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.store.database.statements.statement_rows import StatementRows
    from eventstore.verbs.sql import ParameterValue


class AsyncSqlVerb(AsyncQueries):
    """The verbs of `SqlVerb`, each called in a thread."""

    async def sql(
        self,
        statement: str,
        parameters: Mapping[str, ParameterValue] | None = None,
        *,
        limit: int = 1000,
        time_limit: float = 60.0,
    ) -> StatementRows:
        """Run one SQL statement that reads, and return its rows (docs/sql.md).

        The views `v_sessions`, `v_responses`, `v_items`, `v_usage`, `v_events` and so on stay as
        they are when the tables change. The database refuses everything but reading. Nothing is
        masked: what is in the views is what was recorded.

        Args:
            statement: A SELECT, in the database's own dialect, with `:name` for each parameter.
            parameters: The values of the parameters, by name.
            limit: The most rows to return.
            time_limit: How many seconds it may take.

        Returns:
            `columns`, `data` with a dict for each row, and `has_more` if there are more rows, or
            the rows have more than 64 MB.

        Raises:
            InvalidInputError: The database refuses the statement, such as one that writes, or
                several; or an argument is wrong.
            TimeLimitError: It takes longer than it may.
            DatabaseUnavailableError: The database cannot be reached.
        """
        return await self._run(
            SqlVerb.sql,
            statement,
            parameters,
            limit=limit,
            time_limit=time_limit,
        )
