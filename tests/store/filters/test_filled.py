"""Integration: a store with the rows of another one is as if it had been filled itself."""

from __future__ import annotations

import pytest
from support.filled import filled
from support.query_calls import calls

from eventstore import EventStore
from eventstore.store.database.tables.declared import metadata


def fill(store: EventStore) -> None:
    for session_id, frames in calls().items():
        store.append(session_id, frames)
    store.sum_days().raise_for_errors()
    store.set_metadata("sess_00", {"customer": "42"})


def never(store: EventStore) -> None:
    pytest.fail("the store was to get a copy")


never.__module__ = fill.__module__


def rows_of(store: EventStore) -> dict[str, list[str]]:
    with store.engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {name}")))
            for name in metadata.tables
        }


def empty(store: EventStore) -> None:
    with store.engine.begin() as connection:
        for name in metadata.tables:
            connection.exec_driver_sql(f"DELETE FROM {name}")


def test_a_copy_has_the_rows_of_the_store_that_was_filled(
    store: EventStore, database_url: str
) -> None:
    filled(store, "copied", fill)
    known = rows_of(store)
    assert known["events"] and known["responses"] and known["usage_days"]
    empty(store)
    with EventStore(database_url) as other:
        filled(other, "copied", never)
        assert rows_of(other) == known
        other.append("sess_more", calls()["sess_00"])
        assert other.verify("sess_more").done[0].problems == []
        assert {done.changed for done in other.rebuild().done} == {0}


def test_a_store_that_is_not_empty_is_filled_itself(store: EventStore) -> None:
    store.append("apart", calls()["sess_00"])
    filled(store, "copied", fill)
    assert sorted(store.stream_ids()) == sorted(["apart", *calls()])


def test_what_a_test_changes_is_in_no_copy(store: EventStore) -> None:
    filled(store, "copied", fill)
    assert store.metadata("sess_00")["customer"] == "42"
    assert sorted(store.stream_ids()) == sorted(calls())
    store.set_metadata("sess_00", {"customer": "changed"})
    store.erase(["sess_01"], vacuum=False).raise_for_errors()
