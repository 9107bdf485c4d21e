"""Query responses with any mix of filters, in pages that neither skip nor repeat an entry.

A page begins behind the sort values of the entry before it (keyset pagination), not behind a number
of entries. Called by verbs/queries.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.errors import NotFoundError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import loads
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters import search
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging
from eventstore.store.filters.find_response import find_response, response_cursors
from eventstore.store.filters.forced_joins import lookup_join
from eventstore.store.filters.page_bytes import rows_that_fit, small_texts
from eventstore.store.filters.response_conditions import IDS, add_response_conditions
from eventstore.store.filters.scan_encrypted import scan_page
from eventstore.store.filters.sql_conditions import (
    Where,
    add_session,
    choose_start,
    few_that_say,
    is_rare,
    key_condition,
    values_source,
)
from eventstore.store.queries.keyed_rows import one_of, rows_by_key
from eventstore.store.queries.pages import Page
from eventstore.store.queries.ranked_responses import is_ranked_responses, ranked_keys
from eventstore.store.readmodels.encrypted_rows import decrypted_texts
from eventstore.store.readmodels.words.search_tokens import Term
from eventstore.store.readmodels.words.searched_text import searched_text

_ALL = "responses r"
#: SQL of few ids, and its parameters.
Few = tuple[str, list[Any]]
RESPONSE_RESOURCE = "SELECT resource FROM responses WHERE session_id = ? AND response_id = ?"


def query_responses(
    engine: Engine, filters: ResponseFilter, paging: ResponsePaging
) -> Page[dict[str, Any]]:
    """Return a page of responses, by their time unless `paging` names another order.

    Args:
        filters: The filter.
        paging: Which part of the list, and its order.

    Raises:
        NotFoundError: `after` or `before` names no response.
        AmbiguousError: `after` or `before` names responses of several sessions.
        InvalidInputError: The text to search has no word.
    """
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    with read(engine) as tx:
        if terms and tx.keys.name(tx) is not None:
            without_text = replace(filters, text=None)
            rows = scan_page(
                paging,
                lambda page: _page_rows(tx, without_text, page),
                lambda row: bool(_matches(tx, row[0], row[1], terms)),
                lambda row: response_cursors(tx, [row], filters.scope)[0],
            )
        else:
            rows = _page_rows(tx, filters, paging)
        page, more = rows_that_fit(paging, rows, lambda row: int(row[3]))
        data = [_resource_of_row(tx, row) for row in page]
        if terms:
            for row, resource in zip(page, data, strict=True):
                resource["eventstore"]["match"] = _matches(tx, row[0], row[1], terms)
        ends = response_cursors(tx, [page[0], page[-1]], filters.scope) if page else [None]
    return Page(data, ends[0], ends[-1], more)


def _page_rows(tx: Transaction, filters: ResponseFilter, paging: ResponsePaging) -> list[Row]:
    """Return the rows of a page, as `responses_sql` selects them."""
    if not tx.distributed:
        return tx.rows(*responses_sql(tx, filters, paging))
    keys = [row[-2:] for row in tx.rows(*_page_keys(tx, filters, paging))]
    found, values = values_source(keys, IDS)
    sql = (
        f"SELECT {_columns(tx)} FROM responses r WHERE {one_of('r', keys)}"
        f" AND (r.session_id, r.response_id) IN {found}"
    )
    return rows_by_key(tx, keys, sql, values, lambda row: row[:2])


def responses_sql(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging
) -> tuple[str, list[Any]]:
    """Return the statement of a page, and its parameters.

    The rows have the columns session_id, response_id, the resource or NULL if it is large, and its
    bytes.
    """
    if is_ranked_responses(filters, paging):
        keys, parameters, order = _ranked_keys(tx, filters, paging)
    else:
        rows, time, parameters = _page_source(tx, filters, paging)
        if time != "r":
            return f"SELECT {_columns(tx)} {rows}", parameters
        keys, order = f"SELECT r.at, r.session_id, r.response_id {rows}", _page_order("k", paging)
    # The conditions are checked on the index, and only the rows of the page are read whole.
    return (
        f"SELECT {_columns(tx)} FROM ({keys}) k {_responses_join(tx, 'k')} ORDER BY {order}",
        parameters,
    )


def _columns(tx: Transaction) -> str:
    return f"r.session_id, r.response_id, {small_texts(tx, ['r.resource'])}"


def _page_keys(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging
) -> tuple[str, list[Any]]:
    """Return the statement of a page's keys, and its parameters.

    The last columns are session_id and response_id.
    """
    if is_ranked_responses(filters, paging):
        return _ranked_keys(tx, filters, paging)[:2]
    rows, time, parameters = _page_source(tx, filters, paging)
    return f"SELECT {time}.at, {time}.session_id, {time}.response_id {rows}", parameters


def _ranked_keys(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging
) -> tuple[str, list[Any], str]:
    where = Where([], [])
    add_response_conditions(where, tx, filters)
    return ranked_keys(tx, filters, paging, where)


def _page_source(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging
) -> tuple[str, str, list[Any]]:
    """Return SQL of a page by time from FROM on, the alias of the times, and the parameters."""
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    few = few_that_say(tx, terms, IDS) if terms else None
    where = Where([], [])
    source = _choose_source(tx, filters, few, where)
    time = source.time
    add_response_conditions(where, tx, filters, source.start, time)
    if terms and not source.is_of_words:
        _add_words(where, tx, terms, few)
    if paging.cursor is not None:
        compare = ">" if paging.ascends else "<"
        place = find_response(tx, paging.cursor, filters.session, filters.scope)
        where.add(f"({time}.at, {time}.session_id, {time}.response_id) {compare} (?, ?, ?)", *place)
    rows = f"FROM {source.sql}{where.sql()} ORDER BY {_page_order(time, paging)} LIMIT ?"
    return rows, time, [*where.parameters, paging.limit + 1]


class _ResponseSource(NamedTuple):
    """The rows from which a page of responses is selected.

    Attributes:
        sql: SQL behind FROM, with the responses as `r`.
        start: The condition on metadata that it fulfils already; None if there is none.
        time: The alias of the table with the column `at` that sorts the page.
        is_of_words: True if it has only responses that say what is searched for.
    """

    sql: str
    start: Condition | None = None
    time: str = "r"
    is_of_words: bool = False


def _choose_source(
    tx: Transaction, filters: ResponseFilter, few: Few | None, where: Where
) -> _ResponseSource:
    """Return the rows to start from, and add their conditions and parameters to `where`.

    Args:
        few: A source of the ids of the responses that say what is searched for, if they are few.
    """
    # A session's pairs are in the index of its responses, so that a scope's pair can lead the query
    # too.
    scope = (filters.scope,) if filters.scope is not None else ()
    start = choose_start(tx, filters.metadata + scope)
    if few is not None and (start is None or start.operator != "="):
        found, values = few
        where.add("r.at IS NOT NULL")
        where.parameters.extend(values)
        return _ResponseSource(_source_by_ids(tx, filters, found), is_of_words=True)
    if start is None:
        return _ResponseSource(_ALL)
    if start.operator == "=":
        # The index already has the rows in order, and lookups behind it keep that order.
        narrowed, values = _narrowed(tx, filters)
        where.parameters.extend(values)
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
        if tx.distributed and filters.session is not None:
            add_session(where, tx, "m", filters.session)  # Citus does not conclude it.
        sql = f"response_metadata m {narrowed} {_responses_join(tx, 'm')}"
        return _ResponseSource(sql, start, "m")
    condition, values = key_condition(start)
    by_index = "" if tx.postgresql else " INDEXED BY response_metadata_value"
    where.parameters.extend(values)
    sql = (
        f"(SELECT DISTINCT session_id, response_id FROM response_metadata x{by_index}"
        f" WHERE {condition}) d {_responses_join(tx, 'd')}"
    )
    return _ResponseSource(sql, start)


def _add_words(where: Where, tx: Transaction, terms: list[Term], few: Few | None) -> None:
    """Add the condition that a response says what is searched for."""
    if few is not None:
        found, values = few
        where.add(f"(r.session_id, r.response_id) IN {found}", *values)
        return
    condition, values = search.response_says(terms, tx.postgresql, is_rare(tx, terms))
    where.add(condition, *values)


def _source_by_ids(tx: Transaction, filters: ResponseFilter, found: str) -> str:
    """Return a source of responses `r`, for a source of their ids."""
    only_times = {"scope", "metadata", "since", "until", "session", "text"}
    if tx.distributed or filters.named() - only_times:
        return f"{found} d {_responses_join(tx, 'd')}"
    # Only the times are needed. Metadata have them as well, in smaller rows.
    same = "x.session_id = d.session_id AND x.response_id = d.response_id"
    times = ", ".join(
        f"(SELECT x.at FROM {table} x WHERE {same} LIMIT 1)"
        for table in ("response_metadata", "responses")
    )
    # Without the fence, PostgreSQL looks each time up twice: to compare it, and to sort by it.
    fence = " OFFSET 0" if tx.postgresql else ""
    return f"(SELECT d.session_id, d.response_id, COALESCE({times}) AS at FROM {found} d{fence}) r"


def _narrowed(tx: Transaction, filters: ResponseFilter) -> tuple[str, list[str]]:
    """SQLite: return a join that leaves out responses `m` that fail a filter, and its parameters.

    The join uses the filter's index, because the rows of responses are large and far apart.
    """
    for name, index, value in (
        ("conversation_id", "responses_conversation", filters.conversation),
        ("status_reason", "responses_reason", filters.reason),
        ("status", "responses_status", filters.status),
        ("voice", "responses_voice", filters.voice),
        ("model", "responses_model", filters.model),
    ):
        if value is not None and not tx.postgresql:
            same = " AND ".join(f"n.{key} = m.{key}" for key in ("at", "session_id", "response_id"))
            return f"CROSS JOIN responses n INDEXED BY {index} ON n.{name} = ? AND {same}", [value]
    return "", []


def _page_order(alias: str, paging: ResponsePaging) -> str:
    direction = "ASC" if paging.ascends else "DESC"
    return ", ".join(f"{alias}.{name} {direction}" for name in ("at", "session_id", "response_id"))


def _responses_join(tx: Transaction, by: str) -> str:
    """Return a join that looks up `responses r`."""
    return lookup_join(tx, "responses", "r", by, IDS)


def read_response(
    engine: Engine, id_: str, session: str | None = None, scope: Condition | None = None
) -> dict[str, Any]:
    """Return the resource of one response.

    Args:
        id_, session, scope: As for `find_response`.

    Raises:
        NotFoundError: There is no such response.
        AmbiguousError: Responses of several sessions have the id.
    """
    with read(engine) as tx:
        _, session_id, response_id = find_response(tx, id_, session, scope)
        row = tx.row(RESPONSE_RESOURCE, (session_id, response_id))
        if row is None:
            raise NotFoundError(f"no response {id_}; list them with: eventstore responses")
        return _resource(tx, session_id, response_id, row[0])


def _resource_of_row(tx: Transaction, row: Row) -> dict[str, Any]:
    session_id, response_id, text, _ = row
    if text is None:
        (text,) = tx.rows(RESPONSE_RESOURCE, (session_id, response_id))[0]
    return _resource(tx, session_id, response_id, text)


def _resource(tx: Transaction, session_id: str, response_id: str, text: str) -> dict[str, Any]:
    (text,) = decrypted_texts(tx, "responses", session_id, response_id, text)
    resource: dict[str, Any] = loads(text)
    if not isinstance(resource.get("id"), str):
        resource["id"] = response_id  # Rows of projector version 1 may lack it.
    return resource


def _matches(
    tx: Transaction, session_id: str, response_id: str, terms: list[Term]
) -> list[dict[str, str | None]]:
    """Return the items of a response, and of the turn that it answers, that match a search."""
    rows = tx.rows(
        "SELECT item_id, role, type, said, resource FROM items"
        " WHERE session_id = ? AND response_id = ? ORDER BY seq",
        (session_id, response_id),
    )
    matches = []
    for item_id, role, type_, *texts in rows:
        said, resource = decrypted_texts(tx, "items", session_id, item_id, *texts)
        found = searched_text(type_, said, resource).shown(terms)
        if found is not None:
            matches.append({"item_id": item_id, "role": role, "text": found})
    return matches
