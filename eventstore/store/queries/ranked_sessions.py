"""Pages of sessions that are filtered or sorted by figures, such as duration, cost or turns.

The rows of `session_figures` are small, and have an index for each order. A page is read from the
index of its order. If a condition leaves few sessions, it is read from those. Called by
session_pages.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from eventstore.store.database.transaction import Transaction
from eventstore.store.filters import search
from eventstore.store.filters.filters import SessionFilter, SessionPaging
from eventstore.store.filters.forced_joins import ordered_join, row_by_row
from eventstore.store.filters.narrowing import Narrowing, narrowest, narrowing_conditions
from eventstore.store.filters.score_conditions import (
    add_scores,
    add_sorting_score,
    sorting_name,
    sorting_place,
)
from eventstore.store.filters.session_conditions import (
    LIVE,
    SESSION_ID,
    add_session_text,
    add_status,
    session_joins,
)
from eventstore.store.filters.sql_conditions import (
    Where,
    add_facets,
    add_metadata_condition,
    add_scope,
    add_session,
    add_time,
    few_that_say,
    values_source,
)
from eventstore.store.log.session_facts import no_session
from eventstore.store.usage.session_costs import Costs

# The length of an open session. While its events are not projected yet, it is the step that it had
# reached, because it is found by that step.
_OPEN_LENGTH = (
    "(SELECT CASE WHEN o.projected_seq < o.head_seq OR o.last_at IS NULL THEN f.reached_us"
    " WHEN o.last_at < f.counts_from THEN 0 ELSE o.last_at - f.counts_from END"
    " FROM streams o WHERE o.session_id = f.session_id)"
)
_LENGTH = f"COALESCE(f.duration_us, {_OPEN_LENGTH})"
#: The expression that a list is sorted by, on a row `f` of `session_figures`.
VALUES = {
    "started": "f.at",
    "duration": _LENGTH,
    "latency": "f.slowest_us",
    "turns": "f.turns",
    "interruptions": "f.interruptions",
}
_INDEXES = {
    "started": "at",
    "duration": "duration",
    "latency": "slowest",
    "turns": "turns",
    "interruptions": "interruptions",
}
#: Filters on the minimum of a column.
_LEAST = {
    "min_turns": "turns",
    "min_interruptions": "interruptions",
    "min_latency": "slowest_us",
}


class _Branch(NamedTuple):
    """One SELECT of a UNION: a part of all sessions that has an order of its own.

    Attributes:
        source: SQL behind FROM, with `session_figures f`.
        where: Its conditions; the parameters of `source` come first.
        value: The expression that the sessions are sorted by.
        by: The alias with the time and the id of its sessions.
        steps: An indexed column that rises with `value`, if `value` itself has no index; otherwise
            None.
    """

    source: str
    where: Where
    value: str
    by: str = "f"
    steps: str | None = None


class _FewSessions(NamedTuple):
    """A source of few sessions: all that pass one condition.

    Attributes:
        sql: A subquery with their ids.
        parameters: Its parameters.
    """

    sql: str
    parameters: list[Any]


def is_ranked_sessions(filters: SessionFilter, paging: SessionPaging) -> bool:
    """Return True if a page needs more than the times, models and metadata of sessions."""
    return paging.sort != "started" or not filters.named().isdisjoint(filters.FIGURES)


def ranked_keys(
    tx: Transaction, filters: SessionFilter, paging: SessionPaging, live: bool, costs: Costs | None
) -> tuple[str, list[Any], str]:
    """Return the statement of the keys of a page, its parameters, and its ORDER BY for alias `k`.

    The last column is the session's id.

    Args:
        live: True lists only open sessions.
        costs: What sessions cost; None if that is not needed.

    Raises:
        NotFoundError: The cursor names no session.
        InvalidInputError: The text to search has no word.
    """
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    few = few_that_say(tx, terms, SESSION_ID) if terms else None
    lead = _FewSessions(*few) if few is not None else _few_sessions(tx, filters, live, costs)
    direction, compare = ("ASC", ">") if paging.ascends else ("DESC", "<")
    place = _place(tx, filters, paging, costs) if paging.cursor is not None else None
    statements, parameters = [], []
    for arm in _branches(tx, filters, paging, lead, costs):
        names = [arm.value, f"{arm.by}.at", f"{arm.by}.session_id"]
        where = arm.where
        source = arm.source + _add_conditions(where, tx, filters, live, costs)
        if terms and few is None:
            add_session_text(where, tx, terms, few, "f")
        if place is not None:
            where.add(f"({', '.join(names)}) {compare} (?, ?, ?)", *place)
        if arm.steps is not None:
            _add_steps(where, tx, source, arm.steps, paging, place)
        order = ", ".join(f"{name} {direction}" for name in dict.fromkeys(names))
        statements.append(
            f"SELECT {names[0]} AS v, {names[1]} AS at, {names[2]} AS session_id"
            f" FROM {source}{where.sql()} ORDER BY {order} LIMIT ?"
        )
        parameters += [*where.parameters, paging.limit + 1]
    order = ", ".join(f"k.{name} {direction}" for name in ("v", "at", "session_id"))
    keys = " UNION ALL ".join(f"SELECT * FROM ({sql}) a" for sql in statements)
    if len(statements) > 1:
        keys = f"SELECT * FROM ({keys}) k ORDER BY {order} LIMIT ?"
        parameters.append(paging.limit + 1)
    return keys, parameters, order


def _branches(
    tx: Transaction,
    filters: SessionFilter,
    paging: SessionPaging,
    lead: _FewSessions | None,
    costs: Costs | None,
) -> Iterator[_Branch]:
    """Yield the branches of a page: two if one index does not have all sessions in order."""
    sort = paging.sort
    if sort == "score":
        scored = Where([], [])
        if lead is None:
            by_index = _by_index(tx, "scores_number")
            source = f"scores x{by_index} {session_joins(tx, 'x', ('f',))}"
        else:
            source = _source_from(tx, lead, scored, ("f",))
            source += f" {ordered_join(tx)} scores x ON x.session_id = f.session_id"
        add_sorting_score(scored, tx, filters, SESSION_ID, paging.order)
        yield _Branch(source, scored, "x.number", "x")
        return
    if sort == "cost" and costs is not None:
        priced = Where([], [])
        if lead is None:
            by_index = _by_index(tx, "session_costs_usd")
            source = f"session_costs c{by_index} {session_joins(tx, 'c', ('f',))}"
        else:
            source = _source_from(tx, lead, priced, ("f", "c"))
        priced.add("c.prices = ?", costs.prices)
        yield _Branch(source, priced, "c.usd", "c")
        if costs.pending:
            found, values = values_source(list(costs.pending.items()), ("session_id", "usd"))
            others = Where([], list(values))
            if lead is not None:
                others.add(f"f.session_id IN (SELECT session_id FROM {lead.sql} d)")
                others.parameters.extend(lead.parameters)
            yield _Branch(f"{found} p {session_joins(tx, 'p', ('f',))}", others, "p.usd")
        return
    if sort == "duration":
        yield _branch_of_figures(tx, lead, "f.duration_us", "duration", "f.duration_us")
        # An open session's length is in no index. Its stream gives the length, and its row the
        # step.
        yield _branch_of_figures(tx, lead, _OPEN_LENGTH, "reached", "f.reached_us", by_steps=True)
    else:
        yield _branch_of_figures(tx, lead, VALUES[sort], _INDEXES[sort])


def _branch_of_figures(
    tx: Transaction,
    lead: _FewSessions | None,
    value: str,
    index: str,
    known: str | None = None,
    by_steps: bool = False,
) -> _Branch:
    """Return the sessions in the order of an index of `session_figures`, or the few sessions.

    Args:
        known: A column that must not be NULL.
        by_steps: True if the index is of steps of the value, not of the value.
    """
    where = Where([], [])
    if lead is None:
        source = f"session_figures f{_by_index(tx, f'session_figures_{index}')}"
    else:
        source = _source_from(tx, lead, where, ("f",))
    if known is not None:
        where.add(f"{known} IS NOT NULL")
    return _Branch(source, where, value, steps=known if by_steps and lead is None else None)


def _add_steps(
    where: Where,
    tx: Transaction,
    source: str,
    steps: str,
    paging: SessionPaging,
    place: tuple[Any, int, str] | None,
) -> None:
    """Add the condition that rows belong to steps of which the page can have rows.

    All values of one step are lower than those of the next. So the page ends within the step of its
    last row in the order of steps, and the values of rows in other steps need not be looked up.

    Args:
        where: All other conditions on the rows, with those of the page's cursor.
        place: The sort values of the page's cursor; None if there is no cursor.
    """
    direction, beyond, within = ("ASC", ">=", "<=") if paging.ascends else ("DESC", "<=", ">=")
    if place is not None:
        from eventstore.projection.figures import step_us

        where.add(f"{steps} {beyond} ?", step_us(place[0]))
    last = tx.row(
        f"SELECT {steps} FROM {source}{where.sql()} ORDER BY {steps} {direction} LIMIT 1 OFFSET ?",
        [*where.parameters, paging.limit],
    )
    if last is not None:
        where.add(f"{steps} {within} ?", last[0])


def _source_from(tx: Transaction, lead: _FewSessions, where: Where, names: tuple[str, ...]) -> str:
    """Return the source that joins tables to few sessions, and add its parameters."""
    where.parameters.extend(lead.parameters)
    return f"{lead.sql} d {session_joins(tx, 'd', names)}"


def _by_index(tx: Transaction, name: str) -> str:
    return "" if tx.postgresql else f" INDEXED BY {name}"


def _add_conditions(
    where: Where, tx: Transaction, filters: SessionFilter, live: bool, costs: Costs | None
) -> str:
    """Add all conditions except those on the text, and return the joins that they need."""
    needs = []
    if live or filters.status is not None or filters.model is not None:
        needs.append("s")
    if live or filters.status == "ended":
        needs.append("t")
    if filters.model is not None:
        where.add("s.model = ?", filters.model)
    if live:
        where.add(LIVE)
    add_status(where, tx, filters.status)
    add_time(where, "f.at", filters.since, filters.until)
    for condition in filters.metadata:
        add_metadata_condition(where, tx, condition, "session_metadata", "f", ())
    add_scope(where, filters.scope, "f")
    facets, lacked = filters.facets(), filters.lacked_facets()
    add_facets(where, tx, "session_facets", "f", SESSION_ID, facets, lacked)
    add_scores(where, tx, filters, "f", SESSION_ID)
    for name, column in _LEAST.items():
        least = getattr(filters, name)
        if least is not None:
            where.add(f"f.{column} >= ?", least)
    if filters.min_duration is not None:
        where.add(f"{_LENGTH} >= ?", filters.min_duration)
    if filters.max_duration is not None:
        where.add(f"{_LENGTH} BETWEEN 0 AND ?", filters.max_duration)
    if filters.min_cost is not None and costs is not None:
        _add_cost(where, tx, filters.min_cost, costs)
    return f" {session_joins(tx, 'f', tuple(needs))}" if needs else ""


def _add_cost(where: Where, tx: Transaction, least: float, costs: Costs) -> None:
    priced = row_by_row(
        tx,
        "SELECT 1 FROM session_costs y WHERE y.session_id = f.session_id"
        " AND y.prices = ? AND y.usd >= ?",
    )
    found, values = values_source(
        [(id_,) for id_, usd in costs.pending.items() if usd >= least], SESSION_ID
    )
    where.add(f"({priced} OR f.session_id IN {found})", costs.prices, least, *values)


def _few_sessions(
    tx: Transaction, filters: SessionFilter, live: bool, costs: Costs | None
) -> _FewSessions | None:
    """Return the sessions of the condition that leaves the fewest, or None if it leaves many."""
    found = narrowest(tx, _narrowing(filters, live, costs), SESSION_ID)
    return None if found is None else _FewSessions(*found)


def _narrowing(filters: SessionFilter, live: bool, costs: Costs | None) -> Iterator[Narrowing]:
    """Yield each condition that an index knows, as a source `x` of the sessions that pass it."""
    yield from narrowing_conditions(filters, "session", "session_figures")
    if filters.model is not None:
        yield "sessions x WHERE x.model = ?", [filters.model]
    if live:
        yield "sessions x WHERE x.closed = 0", []
    if filters.status == "interrupted":
        yield "session_figures x WHERE x.interruptions > 0", []
    yield from _narrowing_figures(filters)
    if filters.min_cost is not None and costs is not None:
        priced = "SELECT session_id FROM session_costs WHERE prices = ? AND usd >= ?"
        found, values = values_source([(id_,) for id_ in costs.pending], SESSION_ID)
        yield (
            f"({priced} UNION ALL SELECT session_id FROM {found} p) x",
            [costs.prices, filters.min_cost, *values],
        )


def _narrowing_figures(filters: SessionFilter) -> Iterator[Narrowing]:
    figures = "session_figures x WHERE"
    for name, column in _LEAST.items():
        if (value := getattr(filters, name)) is not None:
            yield f"{figures} x.{column} >= ?", [value]
    for value, compare in (
        (filters.min_duration, ">= ?"),
        (filters.max_duration, "BETWEEN 0 AND ?"),
    ):
        if value is not None:
            from eventstore.projection.figures import step_us

            passing = "SELECT session_id FROM session_figures WHERE"
            # Open sessions may pass by their step; their exact length is looked up later.
            yield (
                f"({passing} duration_us {compare} UNION ALL {passing} reached_us {compare}) x",
                [value, step_us(value)],
            )


def _check_in_scope(tx: Transaction, filters: SessionFilter, session_id: str) -> None:
    """Check that a session is there, and within the scope of a filter.

    Raises:
        NotFoundError: It is not.
    """
    where = Where([], [])
    add_session(where, tx, "f", session_id)
    add_scope(where, filters.scope, "f")
    if tx.row(f"SELECT f.at FROM session_figures f{where.sql()}", where.parameters) is None:
        raise no_session(session_id)


def _place(
    tx: Transaction, filters: SessionFilter, paging: SessionPaging, costs: Costs | None
) -> tuple[Any, int, str]:
    """Return the sort values of the page's cursor: value, time and id."""
    cursor = paging.cursor or ""
    if paging.sort == "score":
        name = sorting_name(filters)
        scored = sorting_place(tx, name, SESSION_ID, [cursor], paging.order)
        _check_in_scope(tx, filters, cursor)
        if scored is None:
            raise no_session(cursor)
        return scored[0], scored[1], cursor
    where = Where([], [])
    add_session(where, tx, "f", cursor)
    add_scope(where, filters.scope, "f")
    value = "(SELECT c.usd FROM session_costs c WHERE c.session_id = f.session_id)"
    value = VALUES.get(paging.sort, value)
    row = tx.row(f"SELECT {value}, f.at FROM session_figures f{where.sql()}", where.parameters)
    if row is None or row[0] is None:
        raise no_session(cursor)
    usd = costs.pending.get(cursor) if costs is not None and paging.sort == "cost" else None
    return row[0] if usd is None else usd, row[1], cursor
