"""Sums by day: how many there are, and how they are dropped."""

from __future__ import annotations

from eventstore import EventStore
from eventstore.store.database.tables import day_tables


def drop_sums(store: EventStore, some: str = "1 = 1") -> None:
    """Make days those that were never summed."""
    with store.engine.begin() as connection:
        for table in day_tables.OF_THE_STORE:
            connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {some}")


def counts(store: EventStore) -> dict[str, int]:
    """How many rows the tables of sums have, and how many marks there are."""
    tables = (*day_tables.OF_THE_STORE, *day_tables.MARK_TABLES)
    with store.engine.connect() as connection:
        return {
            t.name: connection.exec_driver_sql(f"SELECT COUNT(*) FROM {t.name}").scalar_one()
            for t in tables
        }
