"""Integration: a store with more responses than are made one by one has copies of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import filled as filled_stores
from benchmarks import query_fill
from benchmarks.databases import Databases
from benchmarks.filled import filled_before
from benchmarks.query_fill import EVERY_US, fill
from eventstore import EventStore
from eventstore.store.database.transaction import read

MADE, COPIES = 400, 4
UNTIL = 1_800_000_000_000_000


def test_copies_have_ids_customers_and_times_of_their_own(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_fill, "MADE", MADE)
    monkeypatch.setattr(query_fill, "MOST_MADE", 2 * MADE)
    for module in (query_fill, filled_stores):
        monkeypatch.setattr(module, "EACH_CUSTOMER", 100)
    backend = database_url.partition(":")[0].partition("+")[0]
    count = MADE * (COPIES + 1)
    filled = fill(Databases(tmp_path, None), backend, database_url, count, UNTIL, True, True)
    assert filled.responses == count and len(filled.customers) == count // 100
    with EventStore(database_url) as store, read(store.engine) as tx:

        def number(sql: str) -> int:
            return int(tx.rows(sql)[0][0])

        for table in ("responses", "usage"):
            assert number(f"SELECT COUNT(*) FROM {table}") == count
        assert number("SELECT COUNT(DISTINCT session_id) FROM items") == count // 10
        assert number("SELECT COUNT(*) FROM sessions WHERE closed = 0") == query_fill.OPEN
        assert number("SELECT COUNT(*) FROM session_figures WHERE duration_us IS NULL") == 20
        assert number("SELECT MIN(at) FROM responses") >= filled.start
        assert number("SELECT MAX(at) FROM responses") < UNTIL
        assert number("SELECT MIN(at) FROM sessions") < filled.start + 11 * EVERY_US
        found = {row[0] for row in tx.rows("SELECT value FROM session_metadata WHERE value <> ''")}
        assert len(found & set(filled.customers)) > count // 100 * 0.8
        assert found <= {*filled.customers, "prod", "yes"}
        # A session and its responses have one customer.
        assert (
            number(
                "SELECT COUNT(*) FROM response_metadata r JOIN session_metadata s"
                " ON s.session_id = r.session_id AND s.key = r.key"
                " WHERE r.key = 'customer' AND r.value <> s.value"
            )
            == 0
        )
        said = tx.rows("SELECT session_id, item_id, said FROM items WHERE said <> ''")
    assert {row[0][:6] for row in said} == {"sess_C"}
    with EventStore(database_url) as store:
        before = filled_before(store)
        assert (before.responses, before.customers) == (count, filled.customers)
        for session, response in (*filled.keys[:40], *before.keys[:40]):
            found_one = store.response(response, session)
            assert found_one["id"] == response
            assert found_one["eventstore"]["session_id"] == session
        oldest = store.responses(order="asc", limit=1).data[0]
        page = store.responses(text=_words(said, oldest["eventstore"]["session_id"]), limit=100)
        # Each copy says the same.
        assert len(page.data) == COPIES + 1
        assert store.sessions(metadata={"customer": filled.customers[-1]}).data


def _words(said: list[tuple[str, str, str]], session: str) -> str:
    """Return a phrase that an item of a session says, and no other one but its copies."""
    texts = [text for id_, _, text in said if id_ == session and text.isascii()]
    return f'"{texts[0]}"'
