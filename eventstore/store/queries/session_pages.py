"""Read the rows of a page of sessions, with any mix of filters, in the order of time.

Other orders are in ranked_sessions.py. Called by query_sessions.py and requested_sessions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eventstore.realtime.metadata import Condition
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters import search
from eventstore.store.filters.filters import SessionFilter, SessionPaging
from eventstore.store.filters.scan_encrypted import scan_page
from eventstore.store.filters.session_conditions import (
    LIVE,
    SESSION_ID,
    add_session_text,
    add_status,
    session_joins,
)
from eventstore.store.filters.sql_conditions import (
    Where,
    add_metadata_condition,
    add_scope,
    add_session,
    add_time,
    choose_start,
    count_pairs_up_to,
    few_that_say,
    key_condition,
    most_few,
)
from eventstore.store.log.session_facts import no_session
from eventstore.store.queries.keyed_rows import one_of, rows_by_key
from eventstore.store.queries.ranked_sessions import is_ranked_sessions, ranked_keys
from eventstore.store.readmodels.encrypted_rows import decrypted_texts
from eventstore.store.readmodels.words.search_tokens import Term
from eventstore.store.readmodels.words.searched_text import searched_text
from eventstore.store.usage.session_costs import Costs


def read_session_page(
    tx: Transaction,
    filters: SessionFilter,
    paging: SessionPaging,
    live: bool = False,
    columns: str = "s.session_id",
    costs: Costs | None = None,
) -> list[Row]:
    """Return the rows of a page in the order of reading, and one more if there are more.

    Args:
        live: True lists only open sessions.
        columns: Of `sessions s` and `streams t`; the last one is the session's id.
        costs: What sessions cost; None if they are neither filtered nor sorted by it.

    Raises:
        NotFoundError: The cursor names no session.
        InvalidInputError: The text to search has no word.
    """
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    if not terms or tx.keys.name(tx) is None:
        return _rows(tx, filters, paging, live, columns, costs)
    without_text = replace(filters, text=None)
    return scan_page(
        paging,
        lambda page: _rows(tx, without_text, page, live, columns, costs),
        lambda row: _says(tx, row[-1], terms),
        lambda row: str(row[-1]),
    )


def _says(tx: Transaction, session_id: str, terms: list[Term]) -> bool:
    """Return True if an item of an encrypted session says the terms."""
    sql = (
        "SELECT type, item_id, said, resource FROM items WHERE session_id = ?"
        " AND (said <> '' OR type <> 'message')"
    )
    return any(
        searched_text(type_, *decrypted_texts(tx, "items", session_id, *row)).snippet(terms)
        is not None
        for type_, *row in tx.rows(sql, (session_id,))
    )


def _rows(
    tx: Transaction,
    filters: SessionFilter,
    paging: SessionPaging,
    live: bool,
    columns: str,
    costs: Costs | None,
) -> list[Row]:
    if not tx.distributed:
        return tx.rows(*sessions_sql(tx, filters, paging, live, columns, costs))
    sql, parameters, _ = _page_keys(tx, filters, paging, live, costs)
    keys = [row[-1:] for row in tx.rows(sql, parameters)]
    by_key = (
        f"SELECT {columns} FROM sessions s JOIN streams t ON t.session_id = s.session_id"
        f" WHERE {one_of('s', keys)}"
    )
    return rows_by_key(tx, keys, by_key, (), lambda row: row[-1:])


def sessions_sql(
    tx: Transaction,
    filters: SessionFilter,
    paging: SessionPaging,
    live: bool = False,
    columns: str = "s.session_id",
    costs: Costs | None = None,
) -> tuple[str, list[Any]]:
    """Return the statement of a page, and its parameters.

    Args:
        live, columns, costs: As for `read_session_page`.

    Raises:
        NotFoundError: The cursor names no session.
        InvalidInputError: The text to search has no word.
    """
    keys, parameters, order = _page_keys(tx, filters, paging, live, costs)
    # Only the sessions of the page are read whole.
    sql = f"SELECT {columns} FROM ({keys}) k {session_joins(tx, 'k')} ORDER BY {order}"
    return sql, parameters


def _page_keys(
    tx: Transaction, filters: SessionFilter, paging: SessionPaging, live: bool, costs: Costs | None
) -> tuple[str, list[Any], str]:
    """Return the statement of a page's keys, its parameters, and its ORDER BY for alias `k`.

    The last column is the session's id.
    """
    live = live or filters.status == "live"
    if is_ranked_sessions(filters, paging):
        return ranked_keys(tx, filters, paging, live, costs)
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    few = few_that_say(tx, terms, SESSION_ID) if terms else None
    source = _source(tx, filters, live, few)
    time = source.time
    where = Where([], [*source.parameters])
    _add_conditions(where, tx, filters, source)
    if live:
        where.add(LIVE)
    add_status(where, tx, filters.status)
    if terms and not source.says:
        add_session_text(where, tx, terms, few, source.lead)
    direction, compare = ("ASC", ">") if paging.ascends else ("DESC", "<")
    if paging.cursor is not None:
        at = _time_of(tx, paging.cursor, filters.scope)
        where.add(f"({time}.at, {time}.session_id) {compare} (?, ?)", at, paging.cursor)
    keys = (
        f"SELECT {time}.at, {time}.session_id FROM {source.sql}{where.sql()}"
        f" ORDER BY {time}.at {direction}, {time}.session_id {direction} LIMIT ?"
    )
    order = f"k.at {direction}, k.session_id {direction}"
    return keys, [*where.parameters, paging.limit + 1], order


class _SessionSource(NamedTuple):
    """The tables from which a page is read.

    Attributes:
        sql: SQL behind FROM, with `sessions s` and `streams t` if they are needed.
        parameters: The parameters of `sql`.
        lead: The alias of the first table, which has the session's id.
        time: The alias whose column `at` the rows are ordered by.
        start: The condition on metadata that `sql` already fulfils.
        says: True if all sessions in `sql` say the terms.
    """

    sql: str
    parameters: Sequence[Any] = ()
    lead: str = "s"
    time: str = "s"
    start: Condition | None = None
    says: bool = False


def _source(
    tx: Transaction, filters: SessionFilter, live: bool, few: tuple[str, list[Any]] | None
) -> _SessionSource:
    if live:
        # Open sessions are few. Without the hint, SQLite would read all sessions of a model.
        by_index = "" if tx.postgresql else " INDEXED BY sessions_open"
        return _SessionSource(f"sessions s{by_index} JOIN streams t ON t.session_id = s.session_id")
    streams = ("t",) if filters.status == "ended" else ()
    if few is not None:
        found, values = few
        sql = f"{found} d {session_joins(tx, 'd', ('s', *streams))}"
        return _SessionSource(sql, values, lead="s" if tx.distributed else "d", says=True)
    start = _start(tx, filters)
    if start is None:
        return _SessionSource(f"sessions s {session_joins(tx, 's', streams)}")
    condition, values = key_condition(start)
    by_index = "" if tx.postgresql else " INDEXED BY session_metadata_value"
    if start.operator == "=":
        # The index already has the rows in order, and lookups behind it keep that order.
        sessions = ("s",) if filters.status is not None or filters.model is not None else ()
        sql = f"session_metadata m{by_index} {session_joins(tx, 'm', (*sessions, *streams))}"
        return _SessionSource(sql, lead="m", time="m", start=start)
    found = f"session_metadata x{by_index} WHERE {condition}"
    distinct = f"(SELECT DISTINCT x.session_id FROM {found}) d"
    sql = f"{distinct} {session_joins(tx, 'd', ('s', *streams))}"
    return _SessionSource(sql, values, lead="d", start=start)


def _start(tx: Transaction, filters: SessionFilter) -> Condition | None:
    """Return the condition on metadata to start from; the scope's pair is one of them."""
    scope = (filters.scope,) if filters.scope is not None else ()
    start = choose_start(tx, filters.metadata + scope, "session_metadata")
    if start is None or filters.model is None:
        return start
    # If the pair is common, the model's index is shorter, and is in order as well.
    most = most_few(tx)
    rare = count_pairs_up_to(tx, start, "session_metadata", most) < most
    return start if rare else None


def _add_conditions(
    where: Where, tx: Transaction, filters: SessionFilter, source: _SessionSource
) -> None:
    """Add the conditions on a session's model, time, metadata and scope."""
    start, time = source.start, source.time
    if start is not None and time == "m":
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
    if filters.model is not None:
        where.add("s.model = ?", filters.model)
    add_time(where, f"{time}.at", filters.since, filters.until)
    for condition in filters.metadata:
        if condition is not start:
            timed = source.lead != "d"
            add_metadata_condition(where, tx, condition, "session_metadata", source.lead, (), timed)
    if filters.scope is not start:
        add_scope(where, filters.scope, source.lead)


def _time_of(tx: Transaction, session_id: str, scope: Condition | None) -> int:
    where = Where([], [])
    add_session(where, tx, "s", session_id)
    add_scope(where, scope, "s")
    row = tx.row(f"SELECT s.at FROM sessions s{where.sql()}", where.parameters)
    if row is None:
        raise no_session(session_id)
    return int(row[0])
