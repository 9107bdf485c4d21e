"""The verbs about scores: give one, list those of a session, and sum them up.

Each verb imports its queries when it is called. `EventStore` has all of them; `Queries`, which see
a scope, have those that read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from typing_extensions import Unpack

from eventstore.brief import brief
from eventstore.common.arguments import check_text
from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.mask import mask_value
from eventstore.store.filters.filters import ScoreFilter
from eventstore.store.sessions.log import Log, WritableLog
from eventstore.times import now, parse_time
from eventstore.verbs.analytics import Totals, checked_grouping, masked_groups

if TYPE_CHECKING:
    from eventstore.realtime.frames import Frame
    from eventstore.realtime.resources.scores import ScoreKind, ScoreValue
    from eventstore.verbs.filter_params import Moment, ScoreFilterParams
    from eventstore.verbs.score_reports import ScoreReport, ScoreResource


class ScoreQueries(Totals):
    """The verbs that read scores: for `Queries`, which see a scope."""

    def scores(self, session_id: str) -> list[ScoreResource]:
        """Return the scores of a session, its responses and its items, in the order of the log.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        from eventstore.store.usage.scores import query_scores

        self.reader.check_seen(session_id)
        found = mask_value(query_scores.read_scores(self._reads, session_id))
        return cast("list[ScoreResource]", found)

    def score_sums(
        self, by: str | None = None, **filters: Unpack[ScoreFilterParams]
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
        from eventstore.store.usage.scores.score_sums import sum_scores

        checked = self._checked(ScoreFilter, filters)
        summed = sum_scores(self._reads, checked_grouping(by), checked)
        return cast("ScoreReport", masked_groups(by, summed))


class Scoring(WritableLog):
    """The verb that gives a score."""

    def score(
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
        from eventstore.realtime.frames import parse
        from eventstore.realtime.resources.scores import read_score, score_resource
        from eventstore.store.usage.scores.query_scores import check_target
        from eventstore.store.usage.scores.score_room import check_room

        frame = frame_of_score(
            name, value, response=response, item=item, by=by, reason=reason, kind=kind, at=at
        )
        Log(self.engine).check_seen(session_id)
        check_target(self.engine, session_id, response, item)
        score = read_score((parse(str(frame.text)) or {}).get("score"), 0, frame.at)
        if score is None:  # `score_frame` checks what `read_score` reads
            raise InvalidInputError("the score is not valid")
        check_room(self.engine, session_id, score)
        done = self.append(session_id, [frame])
        return cast("ScoreResource", score_resource(session_id, score._replace(seq=done.last_seq)))


def frame_of_score(
    name: str,
    value: ScoreValue,
    *,
    response: str | None = None,
    item: str | None = None,
    by: str | None = None,
    reason: str | None = None,
    kind: ScoreKind | None = None,
    at: Moment | None = None,
) -> Frame:
    """Return the event that gives a score, after checking the arguments of `Scoring.score`.

    Raises:
        InvalidInputError: An argument is wrong.
    """
    from eventstore.realtime.resources.scores import score_frame

    for argument, id_ in (("response", response), ("item", item)):
        if id_ is not None:
            check_text(argument, id_)
    try:
        given_at = parse_time(at)
    except ValueError as error:
        advice = "use ISO 8601 (2026-05-04T09:30:00Z) or epoch seconds"
        raise InvalidInputError(f"at: {brief(at)} is no time; {advice}") from error
    return score_frame(
        name,
        value,
        response_id=response,
        item_id=item,
        by=by,
        reason=reason,
        kind=kind,
        given_at=given_at,
        at=now(),
    )
