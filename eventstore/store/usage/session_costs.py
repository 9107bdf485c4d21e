"""Keep what each session costs by one list of prices, so that lists can be sorted by cost.

An append that adds usage resets its session's row, in the same transaction. `price_sessions`
computes the missing costs. An answer takes the rows that were computed by its own prices, and
computes the few others itself: docs/adr/0029. Called by query_sessions.py and verbs/upkeep.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlalchemy import Engine

from eventstore.errors import (
    DatabaseUnavailableError,
    EventStoreError,
    Failure,
    InvalidInputError,
)
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Row, Transaction, read

if TYPE_CHECKING:
    from eventstore.pricing.prices import Prices

#: How many sessions without a cost an answer computes itself.
MOST_PENDING = 1000
#: How long an answer prices new sessions if there are more, in seconds.
PRICING_SECONDS = 5.0
#: How many sessions are priced in one transaction.
_BATCH = 200
#: Conditions on rows of `session_costs`: computed by other prices or not yet; not computed yet.
_OTHER, _NEW = ("prices < ?", "prices > ?"), ("prices = ''",)

_Answer = TypeVar("_Answer")

SET_COST = "UPDATE session_costs SET prices = ?, usd = ? WHERE session_id = ? AND mark = ?"


class Costs(NamedTuple):
    """What an answer needs to know of the costs of sessions.

    Attributes:
        prices: The fingerprint of the prices; rows with this fingerprint are valid.
        pending: The costs of all other sessions, by their ids, in US dollars.
    """

    prices: str
    pending: dict[str, float]


class UnpricedError(InvalidInputError):
    """Too many sessions have no cost yet, for an answer that needs the cost of all."""


def known_cost(entry: dict[str, object]) -> float:
    """Return the cost in an entry of usage as far as it is known, or `UNKNOWN_COST`."""
    # Imported here, and again below, because most lists of sessions need no costs.
    from eventstore.store.readmodels.rows_of_state import UNKNOWN

    usd = entry["cost_usd"]
    return float(usd) if isinstance(usd, int | float) else UNKNOWN


def answer_with_costs(engine: Engine, ask: Callable[[], _Answer]) -> _Answer:
    """Return an answer that may need the cost of all sessions; price new sessions if it does.

    So sessions are priced by the first answer that needs it, if no worker does it. Sessions with a
    cost by other prices are left to `price_sessions`. Otherwise a user with a file of prices would
    overwrite the costs that all others see.

    Args:
        ask: Returns the answer, or raises UnpricedError.

    Raises:
        UnpricedError: Too many sessions still have no cost by the engine's prices.
    """
    try:
        return ask()
    except UnpricedError:
        end = time.monotonic() + PRICING_SECONDS
        # If the database is read-only, the UnpricedError of the second attempt says what to do.
        with suppress(DatabaseUnavailableError):
            for _ in price_sessions(engine, _NEW):
                if time.monotonic() > end:
                    break
        return ask()


def price_sessions(engine: Engine, conditions: tuple[str, ...] = _OTHER) -> Iterator[str | Failure]:
    """Compute the cost of sessions that have none by the engine's prices.

    Several processes may do it at the same time: a cost is stored only if no usage was added since
    it was read. A session whose usage cannot be added up gets no known cost.

    Args:
        conditions: Conditions on the rows to compute.

    Yields:
        The id of each session whose cost was set, and a failure for each whose usage cannot be
        added up.

    Raises:
        InvalidInputError: The prices cannot be used.
    """
    prices = prices_of(engine)
    done = [""]
    while done:
        failures: list[Failure] = []
        with read(engine) as tx:
            rows = pending_rows(tx, prices, _BATCH, conditions)
        costs = _compute(engine, [row[0] for row in rows], prices, failures)
        done = write_retried(engine, partial(_set_costs, prices.fingerprint, rows, costs))
        yield from failures
        failed = {failure.name for failure in failures}
        yield from (id_ for id_ in done if id_ not in failed)


def _set_costs(
    fingerprint: str, rows: list[Row], costs: dict[str, float], tx: Transaction
) -> list[str]:
    """Set the costs of sessions whose usage has not changed meanwhile, and return their ids."""
    # Every transaction locks rows in this order, so that two of them cannot deadlock.
    return [id_ for id_, mark in rows if tx.run(SET_COST, (fingerprint, costs[id_], id_, mark))]


def _compute(
    engine: Engine, ids: list[str], prices: Prices, failures: list[Failure]
) -> dict[str, float]:
    """Return what sessions cost. If the query for all fails, compute each one on its own."""
    from eventstore.store.readmodels.rows_of_state import UNKNOWN

    found = attempt("sessions", lambda: _read_costs(engine, ids, prices))
    if not isinstance(found, EventStoreError):
        return found
    if len(ids) == 1:
        failures.append(Failure(ids[0], found))
        return {ids[0]: UNKNOWN}
    alone = (_compute(engine, [id_], prices, failures) for id_ in ids)
    return {id_: usd for costs in alone for id_, usd in costs.items()}


def _read_costs(engine: Engine, ids: list[str], prices: Prices) -> dict[str, float]:
    with read(engine) as tx:
        return costs_of_sessions(tx, ids, prices)


def costs_of_sessions(tx: Transaction, ids: list[str], prices: Prices) -> dict[str, float]:
    """Return what sessions cost in US dollars as far as it is known, or `UNKNOWN_COST`."""
    from eventstore.store.usage.query_usage import usage_of_sessions

    usage = usage_of_sessions(tx, ids, prices) if ids else {}
    return {id_: known_cost(usage[id_]) for id_ in ids}


def pending_rows(
    tx: Transaction, prices: Prices, limit: int, conditions: tuple[str, ...] = _OTHER
) -> list[Row]:
    """Return sessions without a cost by these prices, each with its mark, in the order of ids.

    Args:
        limit: How many at most.
        conditions: Conditions on the rows.
    """
    sides = " UNION ALL ".join(
        f"SELECT * FROM (SELECT session_id, mark FROM session_costs WHERE {side} LIMIT ?) d"
        for side in conditions
    )
    parameters = [
        value for side in conditions for value in (*[prices.fingerprint] * side.count("?"), limit)
    ]
    return sorted(tx.rows(sides, parameters)[:limit])


def costs_at_hand(tx: Transaction, prices: Prices) -> Costs:
    """Return what is needed to filter or sort sessions by cost.

    Raises:
        UnpricedError: Too many sessions have no cost by these prices.
    """
    rows = pending_rows(tx, prices, MOST_PENDING + 1)
    if len(rows) > MOST_PENDING:
        raise UnpricedError(
            f"more than {MOST_PENDING:,} sessions have no cost by these prices yet, so none can be"
            " chosen or sorted by it; with the same prices, run once: eventstore project"
        )
    return Costs(prices.fingerprint, costs_of_sessions(tx, [row[0] for row in rows], prices))
