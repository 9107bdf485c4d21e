"""Query responses: any mix of filters, keyset pages that neither skip nor repeat."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.errors import AmbiguousError, NotFoundError
from eventstore.realtime.values import loads
from eventstore.store import search
from eventstore.store.filters import Condition, Paging, ResponseFilter
from eventstore.store.transaction import Transaction, read

# How many rows of a metadata index are worth counting to choose where to start.
_PROBE = 1000
_ALL = "responses r"


class Page(NamedTuple):
    """A part of a list.

    Attributes:
        data: the resources.
        first_id, last_id: the ids of the first and the last; None where there is none.
        has_more: whether more follow behind `last_id`.
    """

    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool

    def as_list(self) -> dict[str, Any]:
        """The page in OpenAI's list shape."""
        return {
            "object": "list",
            "data": self.data,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "has_more": self.has_more,
        }


class Where(NamedTuple):
    """Conditions to join by AND, and their parameters in order."""

    conditions: list[str]
    parameters: list[Any]

    def add(self, condition: str, *parameters: Any) -> None:
        """One more condition."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def sql(self) -> str:
        """The clause, empty where there is no condition."""
        return " WHERE " + " AND ".join(self.conditions) if self.conditions else ""


def query_responses(engine: Engine, wanted: ResponseFilter, paging: Paging) -> Page:
    """A page of responses, by time.

    Raises:
        NotFoundError: `after` names no response.
        AmbiguousError: `after` names responses of several sessions.
        InvalidInputError: the text to search names no word.
    """
    terms = search.parse_terms(wanted.text) if wanted.text is not None else []
    with read(engine) as tx:
        sql, parameters = responses_sql(tx, wanted, paging)
        rows = tx.rows(sql, parameters)
        data = [loads(row[2]) for row in rows[: paging.limit]]
        if terms:
            for row, resource in zip(rows, data, strict=False):
                resource["eventstore"]["match"] = _matches(tx, row[0], row[1], terms)
        first = rows[0][1] if data else None
        last = _cursor(tx, *rows[len(data) - 1][:2]) if data else None
    return Page(data, first, last, len(rows) > paging.limit)


def responses_sql(tx: Transaction, wanted: ResponseFilter, paging: Paging) -> tuple[str, list[Any]]:
    """The statement of a page: session_id, response_id, resource."""
    start = choose_start(tx, wanted.metadata)
    terms = search.parse_terms(wanted.text) if wanted.text is not None else []
    rare = bool(terms) and _are_rare(tx, terms)
    where = Where([], [])
    time = "r"
    if rare and (start is None or start.operator != "="):
        found, values = search.items_that_say(terms, tx.postgresql)
        distinct = f"SELECT DISTINCT i.session_id, i.response_id FROM {found}"
        source, start, terms = f"({distinct}) d {_looked_up(tx, 'd')}", None, []
        where.parameters.extend(values)
    elif start is None:
        source = _ALL
    elif start.operator == "=":
        # The index has the pages in order already; a lookup behind it keeps that order.
        source = f"response_metadata m {_looked_up(tx, 'm')}"
        where.add("m.key = ? AND m.value = ?", start.key, start.value)
        time = "m"
    else:
        condition, values = _key_condition(start)
        by_index = "" if tx.postgresql else " INDEXED BY response_metadata_value"
        source = (
            f"(SELECT DISTINCT session_id, response_id FROM response_metadata x{by_index}"
            f" WHERE {condition}) d {_looked_up(tx, 'd')}"
        )
        where.parameters.extend(values)
    add_response_conditions(where, tx, wanted, start, time)
    if terms:
        add_text_condition(where, tx, terms, one_by_one=not rare)
    direction, compare = ("ASC", ">") if paging.order == "asc" else ("DESC", "<")
    if paging.after is not None:
        after = find_response(tx, paging.after, wanted.session)
        where.add(f"({time}.at, {time}.session_id, {time}.response_id) {compare} (?, ?, ?)", *after)
    order = _order(time, direction)
    if source == _ALL:
        # Conditions are met on the index; only the page's rows are then read.
        keys = "SELECT r.at, r.session_id, r.response_id"
        found = f"{keys} FROM {source}{where.sql()} ORDER BY {order} LIMIT ?"
        source, order = f"({found}) k {_looked_up(tx, 'k')}", _order("k", direction)
        sql = f"SELECT r.session_id, r.response_id, r.resource FROM {source} ORDER BY {order}"
    else:
        sql = (
            f"SELECT r.session_id, r.response_id, r.resource FROM {source}{where.sql()}"
            f" ORDER BY {order} LIMIT ?"
        )
    return sql, [*where.parameters, paging.limit + 1]


def _order(alias: str, direction: str) -> str:
    return ", ".join(f"{alias}.{name} {direction}" for name in ("at", "session_id", "response_id"))


def ordered_join(tx: Transaction) -> str:
    """A join that SQLite makes in the order in which it is written."""
    return "JOIN" if tx.postgresql else "CROSS JOIN"


def _looked_up(tx: Transaction, alias: str) -> str:
    """A join of `responses r`, one by one in the order of what it is joined to.

    Planners do not know how metadata and responses go together, and would rather sort a million.
    """
    keys = f"session_id = {alias}.session_id AND {{0}}response_id = {alias}.response_id"
    if tx.postgresql:
        # OFFSET 0 keeps the planner from turning the lookup inside out.
        inner = "SELECT * FROM responses WHERE " + keys.format("")
        return f"CROSS JOIN LATERAL ({inner} OFFSET 0) r"
    return "CROSS JOIN responses r ON r." + keys.format("r.")


def add_response_conditions(
    where: Where,
    tx: Transaction,
    wanted: ResponseFilter,
    start: Condition | None = None,
    time: str = "r",
) -> None:
    """Add every condition of the filter on `responses r`, but for its text and the start."""
    for name, value in (
        ("status", wanted.status),
        ("model", wanted.model),
        ("voice", wanted.voice),
        ("conversation_id", wanted.conversation),
        ("session_id", wanted.session),
    ):
        if value is not None:
            where.add(f"r.{name} = ?", value)
    if wanted.modality is not None:
        where.add("r.modalities IN (?, 'audio,text')", wanted.modality)
    if wanted.min_tokens is not None:
        where.add("r.total_tokens >= ?", wanted.min_tokens)
    if wanted.since is not None:
        where.add(f"{time}.at >= ?", wanted.since)
    if wanted.until is not None:
        where.add(f"{time}.at < ?", wanted.until)
    for condition in wanted.metadata:
        if condition is not start:
            add_metadata_condition(where, tx, condition, "response_metadata", "r", ("response_id",))


def add_text_condition(
    where: Where, tx: Transaction, terms: list[search.Term], one_by_one: bool
) -> None:
    """Add the condition that something in a response `r`, or in its turn, says the terms.

    Args:
        one_by_one: look at each response in its turn, for pages of what is said often; else at
            all that say them first.
    """
    if one_by_one:
        condition, parameters = search.response_says(terms, tx.postgresql)
    else:
        found, parameters = search.items_that_say(terms, tx.postgresql)
        found = f"SELECT i.session_id, i.response_id FROM {found}"
        condition = f"(r.session_id, r.response_id) IN ({found})"
    where.add(condition, *parameters)


def _are_rare(tx: Transaction, terms: list[search.Term]) -> bool:
    """Whether few items say the terms."""
    return _probe(tx, *search.items_that_say(terms, tx.postgresql)) < _PROBE


def add_metadata_condition(
    where: Where,
    tx: Transaction,
    condition: Condition,
    table: str,
    alias: str,
    keys: tuple[str, ...],
    timed: bool = True,
) -> None:
    """Add a condition on the metadata of the rows of `alias`.

    `K!=V` holds where the pair is not there, so also where the key is not.

    Args:
        keys: what rows and their metadata have in common, beside the session.
        timed: and the time.
    """
    joined = " AND ".join(f"x.{key} = {alias}.{key}" for key in ("session_id", *keys))
    test, values = _key_condition(condition)
    if condition.operator != "!=" or not timed:
        negated = "NOT " if condition.operator == "!=" else ""
        where.add(f"{negated}EXISTS (SELECT 1 FROM {table} x WHERE {joined} AND {test})", *values)
        return
    # Where nearly all have the pair, nearly all are looked at: in the order of the pair's own
    # index, which has the same time, so that one look is beside the other.
    by_index = "" if tx.postgresql else f" INDEXED BY {table}_value"
    where.add(
        f"NOT EXISTS (SELECT 1 FROM {table} x{by_index} WHERE {joined} AND {test}"
        f" AND x.at = {alias}.at)",
        *values,
    )


def _key_condition(condition: Condition) -> tuple[str, list[str]]:
    if condition.operator == "has":
        return "x.key = ?", [condition.key]
    if condition.operator == "^=":
        end = _after_prefix(condition.value)
        if end is None:
            return "x.key = ? AND x.value >= ?", [condition.key, condition.value]
        return (
            "x.key = ? AND x.value >= ? AND x.value < ?",
            [condition.key, condition.value, end],
        )
    return "x.key = ? AND x.value = ?", [condition.key, condition.value]


def _after_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with the prefix, by code point."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if 0xD800 <= point <= 0xDFFF:
            point = 0xE000
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return None


def choose_start(tx: Transaction, conditions: tuple[Condition, ...]) -> Condition | None:
    """The metadata condition to start from: the only one, or the one with the fewest rows."""
    equal = [c for c in conditions if c.operator == "="]
    if len(equal) == 1:
        return equal[0]
    if equal:
        return min(equal, key=lambda condition: _probe_condition(tx, condition))
    for condition in conditions:
        # A rare key leads; a common one is met soon enough in order of time.
        if condition.operator != "!=" and _probe_condition(tx, condition) < _PROBE:
            return condition
    return None


def _probe_condition(tx: Transaction, condition: Condition) -> int:
    test, values = _key_condition(condition)
    return _probe(tx, f"response_metadata x WHERE {test}", values)


def _probe(tx: Transaction, found: str, parameters: list[str]) -> int:
    """How many rows a source and its condition have, counted up to `_PROBE`."""
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {found} LIMIT ?) probed"
    return int(tx.rows(sql, [*parameters, _PROBE])[0][0])


def find_response(tx: Transaction, id_: str, session: str | None) -> tuple[int, str, str]:
    """Time, session and id of a response named by its id, or by `session/response`.

    Raises:
        NotFoundError, AmbiguousError: none, or several sessions' have it.
    """
    found = _places(tx, id_, session)
    for position in (i for i, character in enumerate(id_) if character == "/"):
        if found:
            break
        # `session/response`; either may hold a slash itself.
        named = id_[:position]
        if session in (None, named):
            found = _places(tx, id_[position + 1 :], named)
    if not found:
        where = f" in session {session}" if session else ""
        raise NotFoundError(f"no response {id_}{where}; list them with: eventstore responses")
    if len(found) > 1:
        sessions = ", ".join(place[1] for place in found[:5])
        more = "" if len(found) <= 5 else ", …"
        raise AmbiguousError(
            f"response {id_} is in several sessions ({sessions}{more}); add --session"
        )
    return found[0]


def _places(tx: Transaction, id_: str, session: str | None) -> list[tuple[int, str, str]]:
    sql = "SELECT at, session_id, response_id FROM responses WHERE response_id = ?"
    if session is not None:
        return [(r[0], r[1], r[2]) for r in tx.rows(sql + " AND session_id = ?", (id_, session))]
    return [(r[0], r[1], r[2]) for r in tx.rows(sql + " ORDER BY session_id LIMIT 6", (id_,))]


def _cursor(tx: Transaction, session_id: str, response_id: str) -> str:
    """What to give as `after`: the id, with its session where the id alone is ambiguous."""
    if len(_places(tx, response_id, None)) > 1:
        return f"{session_id}/{response_id}"
    return response_id


def read_response(engine: Engine, id_: str, session: str | None = None) -> dict[str, Any]:
    """One response's resource.

    Raises:
        NotFoundError, AmbiguousError: none, or several sessions' have the id.
    """
    with read(engine) as tx:
        _, session_id, response_id = find_response(tx, id_, session)
        row = tx.row(
            "SELECT resource FROM responses WHERE session_id = ? AND response_id = ?",
            (session_id, response_id),
        )
    if row is None:
        raise NotFoundError(f"no response {id_}; list them with: eventstore responses")
    resource: dict[str, Any] = loads(row[0])
    return resource


def _matches(
    tx: Transaction, session_id: str, response_id: str, terms: list[search.Term]
) -> list[dict[str, str | None]]:
    """What was said that matches, in the response and in the turn that it answers."""
    rows = tx.rows(
        "SELECT item_id, role, said FROM items WHERE session_id = ? AND response_id = ?"
        " ORDER BY seq",
        (session_id, response_id),
    )
    found = ((item_id, role, search.snippet(said, terms)) for item_id, role, said in rows)
    return [{"item_id": i, "role": r, "text": text} for i, r, text in found if text is not None]
