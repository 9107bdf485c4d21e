"""Integration: a store that Citus has spread is asked by statements that Citus takes.

Here any PostgreSQL is told that it is spread. So its answers can be compared with those of a store
that is not, also where there is no cluster. With `TEST_CITUS`, all tests of queries run on one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support.query_calls import KEYS, recorded

from eventstore import EventStore, Page
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
LISTS: list[Ask] = [
    lambda store: pages(store.sessions(limit=3)),
    lambda store: pages(store.sessions(sort="duration", order="asc", limit=3)),
    lambda store: pages(store.sessions(sort="cost", text="order", min_cost=0.0)),
    lambda store: pages(store.sessions(status="errors", summary=True)),
    lambda store: pages(store.sessions(status="live")),
    lambda store: pages(store.sessions(tool="t", language="en")),
    lambda store: pages(store.sessions(protocol="live")),
    lambda store: pages(store.sessions(protocol="realtime", limit=3)),
    lambda store: pages(store.responses(kind="delegated", limit=5)),
    lambda store: pages(store.responses(limit=5)),
    lambda store: pages(store.responses(text="order", limit=5, order="asc")),
    lambda store: pages(store.responses(sort="tokens", metadata="customer", limit=5)),
    lambda store: pages(store.responses(metadata={"customer": "7"}, limit=5)),
    lambda store: list(store.session_ids(metadata="customer")),
    lambda store: pages(store.sessions(score="helpful<0.5", label="refund")),
    lambda store: pages(store.sessions(score="helpful", sort="score", limit=3)),
    lambda store: pages(store.responses(score=["helpful", "topic=refund"], limit=5)),
    lambda store: pages(store.responses(score="helpful", sort="score", order="asc", limit=5)),
]
OTHERS: list[Ask] = [
    lambda store: store.usage("day"),
    lambda store: store.usage("metadata:customer"),
    lambda store: store.latency("model"),
    lambda store: store.context(),
    lambda store: store.score_sums("model", metadata="customer"),
    lambda store: store.score_sums("metadata:customer", model="gpt-realtime"),
    lambda store: store.sum_days(),
    lambda store: store.project(),
]


def pages(page: Page[Any]) -> list[Any]:
    """All pages of a list."""
    found = [page.as_list()]
    while (following := page.next_page()) is not None:
        page = following
        found.append(page.as_list())
    return found


@pytest.fixture
def stores(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[EventStore, EventStore]]:
    """The same store, taken for one that is not spread and for one that is."""
    if os.environ.get("TEST_CITUS"):
        pytest.skip("the form of a store that is not spread is refused by a cluster")
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


def test_lists_are_the_same(stores: tuple[EventStore, EventStore]) -> None:
    plain, spread = stores
    for ask in LISTS:
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
    for ask in (*SUGGESTIONS, *LISTS, *OTHERS):
        ask(spread)
    assert sent
    assert not [sql for sql in sent if REFUSED.search(sql)]
