"""SQL conditions on responses that lists and sums of usage share.

Called by queries/query_responses.py, queries/ranked_responses.py and usage/usage_sources.py.
"""

from __future__ import annotations

from eventstore.realtime.metadata import Condition
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters import search
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.filters.score_conditions import add_scores
from eventstore.store.filters.sql_conditions import (
    Where,
    add_facets,
    add_metadata_condition,
    add_scope,
    add_session,
    add_time,
)
from eventstore.store.readmodels.words.search_tokens import Term

#: Filters on columns of `responses`: `EQUAL` on a value, `LEAST` on a minimum.
EQUAL = {
    "status": "status",
    "reason": "status_reason",
    "model": "model",
    "voice": "voice",
    "conversation": "conversation_id",
}
LEAST = {"min_tokens": "total_tokens", "min_latency": "answer_us", "min_duration": "duration_us"}
#: The primary key of `responses`.
IDS = ("session_id", "response_id")


def add_response_conditions(
    where: Where,
    tx: Transaction,
    filters: ResponseFilter,
    start: Condition | None = None,
    time: str = "r",
    counted: bool = False,
) -> None:
    """Add the conditions of a filter on `responses r`, except those on its text and on `start`.

    Args:
        start: The condition on metadata that the query already starts from.
        time: The alias with the column `at`.
        counted: True compares metadata only with pairs that count for a response; see
            `counts_for_response`.
    """
    add_scope(where, filters.scope, "r")
    if filters.session is not None:
        add_session(where, tx, "r", filters.session)
    for compare, columns in (("=", EQUAL), (">=", LEAST)):
        for name, column in columns.items():
            if (value := getattr(filters, name)) is not None:
                where.add(f"r.{column} {compare} ?", value)
    if filters.modality is not None:
        where.add("r.modalities IN (?, 'audio,text')", filters.modality)
    add_facets(where, tx, "response_facets", "r", IDS, filters.facets())
    add_scores(where, tx, filters, "r", IDS)
    add_time(where, f"{time}.at", filters.since, filters.until)
    for condition in filters.metadata:
        if condition is not start:
            table, keys = "response_metadata", ("response_id",)
            add_metadata_condition(where, tx, condition, table, "r", keys, counted=counted)


def add_text_condition(where: Where, tx: Transaction, terms: list[Term]) -> None:
    """Add the condition that an item of response `r`, or of the turn it answers, says the terms."""
    found, parameters = search.items_that_say(terms, tx.postgresql)
    found = f"SELECT i.session_id, i.response_id FROM {found}"
    where.add(f"(r.session_id, r.response_id) IN ({found})", *parameters)
