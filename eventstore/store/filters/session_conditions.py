"""Conditions on sessions that pages of every order share."""

from __future__ import annotations

from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters import search
from eventstore.store.filters.forced_joins import lookup_join
from eventstore.store.filters.sql_conditions import Where, count_up_to, is_rare, values_source
from eventstore.store.readmodels.words.search_tokens import Term

#: The stream knows it first, where a worker writes the read models.
LIVE = "s.closed = 0 AND t.closed_at IS NULL"
SESSION_ID = ("session_id",)
#: So many failed responses are found sooner by their index than in each session.
_FAILURES = 50_000
_FAILED = "responses e WHERE e.status IN ('failed', 'incomplete')"
_TABLES = {"s": "sessions", "t": "streams", "f": "session_figures", "c": "session_costs"}


def session_joins(tx: Transaction, by: str, names: tuple[str, ...] = ("s", "t")) -> str:
    """Return joins of tables of sessions: `sessions s`, `streams t`, `session_figures f` and so on.

    Args:
        by: what they are joined to is called so.
    """
    return " ".join(lookup_join(tx, _TABLES[name], name, by) for name in names)


def add_status(where: Where, tx: Transaction, status: str | None) -> None:
    """Add the condition on a session's status, but that it is live."""
    if status == "ended":
        where.add(f"NOT ({LIVE})")
    elif status == "interrupted":
        where.add("s.interruptions > 0")
    elif status == "errors":
        if count_up_to(tx, _FAILED, [], _FAILURES) < _FAILURES:
            failed = f"s.session_id IN (SELECT e.session_id FROM {_FAILED})"
        else:
            failed = f"EXISTS (SELECT 1 FROM {_FAILED} AND e.session_id = s.session_id)"
        where.add(f"(s.errors > 0 OR {failed})")


def add_session_text(
    where: Where, tx: Transaction, terms: list[Term], few: list[Row] | None, lead: str
) -> None:
    """Add the condition that somebody says the terms: one of few, or looked at in its turn."""
    if few is not None:
        found, values = values_source(few, SESSION_ID)
        where.add(f"{lead}.session_id IN {found}", *values)
    else:
        at_once = is_rare(tx, terms)
        condition, values = search.session_says(terms, tx.postgresql, at_once, lead)
        where.add(condition, *values)
