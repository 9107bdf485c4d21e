"""The verbs of verbs/scores.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.analytics import AsyncTotals
from eventstore.aio.verbs.log import AsyncWritableLog
from eventstore.verbs.scores import ScoreQueries, Scoring

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from eventstore.realtime.resources.scores import ScoreKind, ScoreValue
    from eventstore.verbs.filter_params import Moment, ScoreFilterParams
    from eventstore.verbs.score_reports import ScoreReport, ScoreResource


class AsyncScoreQueries(AsyncTotals):
    """The verbs of `ScoreQueries`, each called in a thread."""

    async def scores(self, session_id: str) -> list[ScoreResource]:
        """Return the scores of a session, its responses and its items, in the order of the log.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return await self._run(ScoreQueries.scores, session_id)

    async def score_sums(
        self,
        by: str | None = None,
        **filters: Unpack[ScoreFilterParams],
    ) -> ScoreReport:
        """Return scores summed up by name and group: counts, means, shares of true, and labels.

        Args:
            by: How to group: `name`, `day`, `model`, `giver`, `session` or `metadata:KEY`; None for
                `name`. The day is that of the session, response or item that is scored, in UTC.
            filters: Which scores: see `ScoreFilterParams`.

        Returns:
            `data`, an entry for each group and each name of a score in it.

        Raises:
            InvalidInputError: The grouping or a filter is wrong, or there are too many groups.
        """
        return await self._run(ScoreQueries.score_sums, by, **filters)


class AsyncScoring(AsyncWritableLog):
    """The verbs of `Scoring`, each called in a thread."""

    async def score(
        self,
        session_id: str,
        name: str,
        value: ScoreValue,
        *,
        response: str | None = None,
        item: str | None = None,
        by: str | None = None,
        reason: str | None = None,
        kind: ScoreKind | None = None,
        at: Moment | None = None,
    ) -> ScoreResource:
        """Score a session, a response or an item. It is noted in the session's log.

        A later score of the same name, of the same thing and by the same giver replaces it; the log
        keeps both.

        Args:
            session_id: The session's id. It may be closed or sealed.
            name: The name of the score: at most 64 characters, without any of `< > = ! ^`.
            value: A number, a truth, or text; None takes the score back. One line of at most 128
                characters is a label, by which lists are filtered; other text is only kept.
            response: The id of the response to score.
            item: The id of the item to score. Without both, the session is scored.
            by: Who or what gives the score, in at most 64 characters.
            reason: Why, in at most 1,000 characters.
            kind: `number`, `boolean`, `label` or `text`; by default the value tells it.
            at: When the score was given; by default now.

        Returns:
            The score, as the session's resources show it.

        Raises:
            InvalidInputError: An argument is wrong, or so many scores are there that it would not
                be kept.
            NotFoundError: There is no such session, or no such response or item in it.
            ErasedError: The session was erased.
            DatabaseUnavailableError: Nothing was written.
        """
        return await self._run(
            Scoring.score,
            session_id,
            name,
            value,
            response=response,
            item=item,
            by=by,
            reason=reason,
            kind=kind,
            at=at,
        )
