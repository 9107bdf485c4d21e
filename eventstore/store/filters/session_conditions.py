"""SQL conditions on sessions that lists of every order share.

Called by queries/session_pages.py and queries/ranked_sessions.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.store.database.transaction import Transaction
from eventstore.store.filters import search
from eventstore.store.filters.forced_joins import lookup_join
from eventstore.store.filters.sql_conditions import Where, count_up_to, is_rare
from eventstore.store.readmodels.words.search_tokens import Term

#: The condition that a session is open. With deferred projection, the stream is closed first.
LIVE = "s.closed = 0 AND t.closed_at IS NULL"
SESSION_ID = ("session_id",)
#: Up to so many failed responses, their index is faster than a look at each session.
_FAILURES = 50_000
_FAILED = "responses e WHERE e.status IN ('failed', 'incomplete')"
_TABLES = {"s": "sessions", "t": "streams", "f": "session_figures", "c": "session_costs"}


def session_joins(tx: Transaction, by: str, names: tuple[str, ...] = ("s", "t")) -> str:
    """Return joins of tables of sessions, by their aliases: `s`, `t`, `f` and `c`.

    They stand for `sessions`, `streams`, `session_figures` and `session_costs`.

    Each table is looked up by the one before it, because Citus joins tables by each other's ids,
    and not by those of a list of keys.

    Args:
        by: The alias of the left side.
        names: The aliases of the tables to join.
    """
    sides = (by, *names)
    return " ".join(
        lookup_join(tx, _TABLES[name], name, side) for side, name in zip(sides, names, strict=False)
    )


def add_status(where: Where, tx: Transaction, status: str | None) -> None:
    """Add the condition on a session's status, except `live`; the caller adds `LIVE` for that."""
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
    where: Where,
    tx: Transaction,
    terms: list[Term],
    few: tuple[str, list[Any]] | None,
    lead: str,
) -> None:
    """Add the condition that an item of the session says the terms.

    Args:
        few: A source of the sessions that say them, with its parameters, if they are few; None if
            each session is looked at.
        lead: The alias with the session's id.
    """
    if few is not None:
        found, values = few
        where.add(f"{lead}.session_id IN {found}", *values)
    else:
        at_once = is_rare(tx, terms)
        condition, values = search.session_says(terms, tx.postgresql, at_once, lead)
        where.add(condition, *values)
