"""Integration: a store that Citus has spread is asked by statements that Citus takes.

Here any PostgreSQL is told that it is spread. So its answers can be compared with those of a store
that is not, also where there is no cluster. With `TEST_CITUS`, all tests of queries run on one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support.query_calls import KEYS, recorded

from eventstore import EventStore
from eventstore.store.database.connections import pool
from eventstore.store.database.transaction import Transaction
from eventstore.store.queries import suggest

#: What Citus refuses in a statement that names no session.
REFUSED = re.compile(r"\b(RECURSIVE|OFFSET 0)\b")

Ask = Callable[[EventStore], Any]

SUGGESTIONS: list[Ask] = [
    lambda store: store.metadata_keys(),
    lambda store: store.metadata_keys("t"),
    lambda store: store.models(),
    *(
        lambda store, key=key, prefix=prefix, limit=limit: store.metadata_values(key, prefix, limit)
        for key in (*KEYS, "unheard of")
        for prefix in ("", "d")
        for limit in (1, 50)
    ),
]
QUERIES: list[Ask] = [
    *(
        lambda store, sort=sort: store.sessions(
            sort=sort, tool="t", language="en", text="order", min_cost=0.0
        )
        for sort in ("started", "duration", "cost")
    ),
    lambda store: store.sessions(status="errors"),
    lambda store: store.sessions(status="live", summary=True),
    lambda store: store.responses(text="order", tool="t"),
    lambda store: store.responses(sort="tokens", metadata="customer"),
    lambda store: store.usage("day"),
    lambda store: store.usage("metadata:customer"),
    lambda store: store.latency("model"),
    lambda store: store.context(),
    lambda store: store.sum_days(),
    lambda store: store.project(),
]


@pytest.fixture
def stores(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[EventStore, EventStore]]:
    """The same store, taken for one that is not spread and for one that is."""
    with EventStore(postgres_url) as plain:
        monkeypatch.setattr(pool, "is_distributed", lambda connection: False)
        recorded(plain)
        monkeypatch.setattr(pool, "is_distributed", lambda connection: True)
        with EventStore(postgres_url) as spread:
            yield plain, spread


@pytest.mark.parametrize("block", [1, 2, 200])
def test_suggestions_are_the_same(
    stores: tuple[EventStore, EventStore], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    plain, spread = stores
    monkeypatch.setattr(suggest, "_BLOCK", block)
    for ask in SUGGESTIONS:
        assert ask(spread) == ask(plain)


def test_no_statement_has_what_citus_refuses(
    stores: tuple[EventStore, EventStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, spread = stores
    sent: list[str] = []
    rows = Transaction.rows

    def noting(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> Any:
        assert tx.distributed
        sent.append(sql)
        return rows(tx, sql, parameters)

    monkeypatch.setattr(Transaction, "rows", noting)
    for ask in (*SUGGESTIONS, *QUERIES):
        ask(spread)
    assert sent
    assert not [sql for sql in sent if REFUSED.search(sql)]
