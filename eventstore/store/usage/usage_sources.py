"""Select the rows of `usage` that a filter asks for, and group them.

Called by query_usage.py, query_latency.py, query_context.py and daily/compute.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.values import MAX_KEY_LENGTH, storable
from eventstore.store.database.tables.day_tables import ALL_MARKS, LACKING, day_of
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.filters.forced_joins import ordered_join
from eventstore.store.filters.response_conditions import add_response_conditions, add_text_condition
from eventstore.store.filters.search import parse_terms
from eventstore.store.filters.sql_conditions import (
    Where,
    add_metadata_condition,
    add_scope,
    add_session,
    add_time,
    choose_start,
    counts_for_response,
)

#: The grouping by day and model together.
DAY_AND_MODEL = "day,model"
OF_RESPONSE = "JOIN responses r ON r.session_id = u.session_id AND r.response_id = u.response_id"
_OF_METADATA = "metadata:"

# Usage in seconds has its own price, so that it is not added to usage in tokens.
IN_SECONDS = "CASE WHEN u.total_tokens = 0 AND u.audio_ms > 0 THEN 1 ELSE 0 END"


class UsageSource(NamedTuple):
    """Where rows of `usage u` come from.

    Attributes:
        sql: SQL behind FROM.
        where: The conditions.
    """

    sql: str
    where: Where


def sources_of(
    tx: Transaction, filters: ResponseFilter, day: int | None = None
) -> list[UsageSource]:
    """Return the sources of the usage that a filter asks for.

    Transcriptions, and sessions that are billed by time, are filtered by their session's metadata.

    Args:
        filters: The filter.
        day: Only usage of sessions that the sums of this day lack; None for all usage. Only for
            filters that sums by day can answer.
    """
    of_all = {"scope", "metadata", "since", "until", "session", "model"}
    about_responses = filters.named() - of_all
    if not about_responses and not filters.metadata:
        where = _conditions(tx, filters)
        return [UsageSource(_usage(tx, where, day), where)]
    sources = [responses_of(tx, filters)]
    if not about_responses:
        sources.append(_of_others(tx, filters))
    return sources


def _conditions(tx: Transaction, filters: ResponseFilter) -> Where:
    """Return the conditions that apply to all kinds of usage."""
    where = Where([], [])
    add_time(where, "u.at", filters.since, filters.until)
    if filters.session is not None:
        add_session(where, tx, "u", filters.session)
    if filters.model is not None:
        where.add("u.model = ?", filters.model)
    add_scope(where, filters.scope, "u")
    return where


def _usage(tx: Transaction, where: Where, day: int | None) -> str:
    """Return the source of all rows of `usage u`, or of those that a day's sums lack."""
    if day is None:
        return "usage u"
    where.add(LACKING, day)
    return f"{ALL_MARKS} k {ordered_join(tx)} usage u ON u.session_id = k.session_id"


def responses_of(tx: Transaction, filters: ResponseFilter, day: int | None = None) -> UsageSource:
    """Return the source of the usage of responses that a filter asks for, with their rows as `r`.

    Args:
        filters, day: As for `sources_of`.

    Raises:
        InvalidInputError: The filter has a text, and the store is encrypted.
    """
    where = _conditions(tx, filters)
    start = choose_start(tx, filters.metadata)
    if start is not None and start.operator == "=":
        # The query goes from the few rows of the pair to their usage, by its key.
        sql = (
            f"response_metadata m {ordered_join(tx)} usage u ON u.session_id = m.session_id"
            f" AND u.usage_id = 'response/' || m.response_id {OF_RESPONSE}"
        )
        where.add(
            f"m.key = ? AND m.value = ? AND {counts_for_response('m')}", start.key, start.value
        )
    else:
        start, sql = None, f"{_usage(tx, where, day)} {OF_RESPONSE}"
    where.add("u.kind = 'response'")
    narrowed = replace(filters, scope=None, since=None, until=None, session=None, model=None)
    add_response_conditions(where, tx, narrowed, start, counted=True)
    if filters.text is not None:
        if tx.keys.name(tx) is not None:
            raise InvalidInputError(
                "what was said is encrypted here, and no usage is summed up by it; choose by"
                " metadata, or list the responses: eventstore responses --text …"
            )
        add_text_condition(where, tx, parse_terms(filters.text))
    return UsageSource(sql, where)


def _of_others(tx: Transaction, filters: ResponseFilter) -> UsageSource:
    """Return the source of the usage of transcriptions and sessions."""
    where = _conditions(tx, filters)
    start = next((c for c in filters.metadata if c.operator == "="), None)
    sql = "usage u"
    if start is not None:
        sql = f"session_metadata m {ordered_join(tx)} usage u ON u.session_id = m.session_id"
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
    where.add("u.kind <> 'response'")
    for condition in filters.metadata:
        if condition is not start:
            add_metadata_condition(where, tx, condition, "session_metadata", "u", (), timed=False)
    return UsageSource(sql, where)


def key_of_grouping(by: str | None) -> str | None:
    """Return the key of a grouping by metadata, or None for another grouping."""
    if by is None or not by.startswith(_OF_METADATA):
        return None
    return by.removeprefix(_OF_METADATA)


def group_of(by: str | None) -> tuple[str, list[Any]]:
    """Return the SQL expression to group rows of `usage u` by, and its parameters.

    Raises:
        InvalidInputError: `by` is not a grouping.
    """
    if by is None:
        return "NULL", []
    if by == "session":
        return "u.session_id", []
    if by == "model":
        return "u.model", []
    if by in ("day", DAY_AND_MODEL):
        return day_of("u.at"), []
    key = key_of_grouping(by)
    if key is not None and 0 < len(key) <= MAX_KEY_LENGTH and key == storable(key):
        # The session's value wins over the response's own; see `counts_for_response`.
        return (
            "COALESCE((SELECT y.value FROM session_metadata y WHERE y.session_id = u.session_id"
            " AND y.key = ?), (SELECT x.value FROM response_metadata x"
            " WHERE x.session_id = u.session_id AND x.response_id = u.response_id"
            " AND x.key = ? AND x.own = 1))",
            [key, key],
        )
    raise InvalidInputError(
        f"--by {by!r}: use session, model, day or metadata:KEY, or day,model for both"
    )
