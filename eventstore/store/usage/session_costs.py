"""What sessions cost by one list of prices: a row for each, kept so that lists are sorted by it.

An append that bills something sets its session's row back, in the same transaction.
`price_sessions` computes what is missing. An answer takes rows that were computed by the asker's
own prices, and computes the few others itself: see docs/adr/0029.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from eventstore.store.database.transaction import Row, Transaction, read, write

if TYPE_CHECKING:
    from eventstore.pricing.prices import Prices

#: How many sessions that have no cost yet an answer computes itself.
MOST_PENDING = 1000
#: For how many seconds an answer prices new sessions where there are more.
PATIENCE = 5.0
#: Sessions that are priced in one transaction.
_BATCH = 200
#: Which rows of `session_costs` have no cost by some prices: of others, or of none.
_OTHER, _NEW = ("prices < ?", "prices > ?"), ("prices = ''",)

_Answer = TypeVar("_Answer")

SET_COST = "UPDATE session_costs SET prices = ?, usd = ? WHERE session_id = ? AND mark = ?"


class Costs(NamedTuple):
    """What an answer knows of costs.

    Attributes:
        prices: the fingerprint of the prices that rows must be of.
        pending: what sessions cost whose rows are of other prices, or of none.
    """

    prices: str
    pending: dict[str, float]


class UnpricedError(InvalidInputError):
    """Too many sessions have no cost for an answer that needs the costs of all."""


def known_cost(entry: dict[str, object]) -> float:
    """Return what an entry of usage costs as far as that is known, or `UNKNOWN_COST`."""
    # Imported here, as below: most lists of sessions need no costs.
    from eventstore.store.readmodels.rows_of_state import UNKNOWN

    usd = entry["cost_usd"]
    return float(usd) if isinstance(usd, int | float) else UNKNOWN


def answer_with_costs(engine: Engine, ask: Callable[[], _Answer]) -> _Answer:
    """Return an answer that may need what all sessions cost; price new sessions where it does.

    So what appends write is priced by whoever asks for it first, where no worker does it. What has
    a cost by other prices is left to `price_sessions`: who asks by a file of their own would take
    the costs from all others.

    Raises:
        UnpricedError: many sessions have no cost by the engine's prices even so.
    """
    try:
        return ask()
    except UnpricedError:
        end = time.monotonic() + PATIENCE
        # Whoever may not write is told what to do by the error.
        with suppress(DatabaseUnavailableError):
            for _ in price_sessions(engine, _NEW):
                if time.monotonic() > end:
                    break
        return ask()


def price_sessions(engine: Engine, which: tuple[str, ...] = _OTHER) -> Iterator[str | Failure]:
    """Compute what sessions cost that have no cost by the engine's prices.

    Several processes may do it at once: a row is set if nothing was billed since it was read. What
    a session used and cannot be added up has no known price.

    Args:
        which: conditions on the rows to compute.

    Yields:
        Each session whose cost was set, and each whose usage cannot be added up.

    Raises:
        InvalidInputError: the prices cannot be used.
    """
    prices = prices_of(engine)
    done = [""]
    while done:
        failures: list[Failure] = []
        with read(engine) as tx:
            rows = pending_rows(tx, prices, _BATCH, which)
        costs = _compute(engine, [row[0] for row in rows], prices, failures)
        with write(engine) as tx:
            # In one order everywhere: two that lock rows wait for each other at the first.
            done = [
                id_
                for id_, mark in rows
                if tx.run(SET_COST, (prices.fingerprint, costs[id_], id_, mark))
            ]
        yield from failures
        failed = {failure.name for failure in failures}
        yield from (id_ for id_ in done if id_ not in failed)


def _compute(
    engine: Engine, ids: list[str], prices: Prices, failures: list[Failure]
) -> dict[str, float]:
    """Return what sessions cost: all at once, or each by itself if that fails."""
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
    """Return what sessions cost as far as that is known, or `UNKNOWN_COST`."""
    from eventstore.store.usage.query_usage import usage_of_sessions

    usage = usage_of_sessions(tx, ids, prices) if ids else {}
    return {id_: known_cost(usage[id_]) for id_ in ids}


def pending_rows(
    tx: Transaction, prices: Prices, limit: int, which: tuple[str, ...] = _OTHER
) -> list[Row]:
    """Return sessions that have no cost by these prices, each with its mark, by their ids."""
    sides = " UNION ALL ".join(
        f"SELECT * FROM (SELECT session_id, mark FROM session_costs WHERE {side} LIMIT ?) d"
        for side in which
    )
    given = [value for side in which for value in (*[prices.fingerprint] * side.count("?"), limit)]
    return sorted(tx.rows(sides, given)[:limit])


def costs_at_hand(tx: Transaction, prices: Prices) -> Costs:
    """Return what is needed to choose or sort sessions by what they cost.

    Raises:
        UnpricedError: many sessions have no cost by these prices.
    """
    rows = pending_rows(tx, prices, MOST_PENDING + 1)
    if len(rows) > MOST_PENDING:
        raise UnpricedError(
            f"more than {MOST_PENDING:,} sessions have no cost by these prices yet, so none can be"
            " chosen or sorted by it; with the same prices, run once: eventstore project"
        )
    return Costs(prices.fingerprint, costs_of_sessions(tx, [row[0] for row in rows], prices))
