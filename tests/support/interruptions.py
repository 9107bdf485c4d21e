"""Interrupt each transaction of a store on PostgreSQL by real errors of the server.

Triggers raise the errors that PostgreSQL raises for transactions that stand in each other's way:
at a transaction's first statement that writes, at its third, at its tenth, and at its COMMIT. The
fifth attempt passes. So a transaction that is run again as a whole succeeds, and nothing else does.
How many attempts have failed is counted by a sequence, which no rollback sets back.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from eventstore.store.database.tables.declared import metadata
from eventstore.times import to_iso

#: How often a transaction fails before it passes.
INTERRUPTIONS = 4

_FUNCTIONS = """
CREATE SEQUENCE interruptions MINVALUE 0 START 0;
SELECT nextval('interruptions');

CREATE FUNCTION interrupt() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('interruptions') % 2 = 0 THEN
    RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
  END IF;
  RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
END $$;

CREATE FUNCTION interrupt_statement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  failed bigint := (SELECT last_value % 5 FROM interruptions);
  written int := COALESCE(NULLIF(current_setting('interruptions.written', true), ''), '0')::int + 1;
BEGIN
  IF current_setting('interruptions.passes', true) = 'yes' THEN
    RETURN NULL;
  ELSIF failed = 4 THEN
    PERFORM nextval('interruptions'), set_config('interruptions.passes', 'yes', true);
    RETURN NULL;
  END IF;
  PERFORM set_config('interruptions.written', written::text, true);
  IF written >= (ARRAY[1, 3, 10, NULL])[failed + 1] THEN
    PERFORM interrupt();
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION interrupt_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('interruptions.passes', true) IS DISTINCT FROM 'yes' THEN
    PERFORM interrupt();
  END IF;
  RETURN NULL;
END $$;
"""
_TRIGGERS = """
CREATE TRIGGER interrupt_statement AFTER INSERT OR UPDATE OR DELETE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION interrupt_statement();
CREATE CONSTRAINT TRIGGER interrupt_commit AFTER INSERT OR UPDATE OR DELETE ON {table}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION interrupt_commit();
"""
_END = "DROP FUNCTION interrupt_statement, interrupt_commit CASCADE"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
# What differs between two stores in which the same was done: numbers that are drawn at random, and
# names of places.
_RANDOM = {
    ("day_marks", "mark"),
    ("summed_days", "version"),
    ("session_costs", "mark"),
    ("store_ids", "id"),
    ("key_stores", "id"),
    ("session_keys", "key"),
}


def interrupt_transactions(url: str) -> None:
    """Interrupt each transaction that writes to a database, from now on."""
    triggers = "".join(_TRIGGERS.format(table=table) for table in metadata.tables)
    _run(url, _FUNCTIONS + triggers)


def stop_interrupting(url: str) -> int:
    """Interrupt no more transactions, and return how many were interrupted."""
    _run(url, _END)
    return int(_run(url, "SELECT last_value FROM interruptions")[0][0])


def all_rows(url: str, since: int) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a store, to be compared with those of another one.

    Args:
        since: When the two stores began to differ, in microseconds since 1970 UTC. Later times are
            left out.
    """
    found = {}
    with _connected(url) as connection:
        for table in metadata.tables.values():
            names = [column.name for column in table.columns]
            rows = connection.execute(f"SELECT {', '.join(names)} FROM {table}".encode())
            found[table.name] = sorted(
                (
                    tuple(
                        _comparable(table.name, *pair, since)
                        for pair in zip(names, row, strict=True)
                    )
                    for row in rows
                ),
                key=repr,
            )
    return found


def _comparable(table: str, column: str, value: Any, since: int) -> Any:
    if (table, column) in _RANDOM:
        return value is not None
    if column in ("location", "locations") and value is not None:
        return [place.rpartition("/")[2] for place in value.split(",")]
    if isinstance(value, int) and value >= since:
        return "later"
    if isinstance(value, str):
        began = str(to_iso(since))
        return _TIME.sub(lambda found: "later" if found[0] >= began else found[0], value)
    return value


def _run(url: str, sql: str) -> list[tuple[Any, ...]]:
    with _connected(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def _connected(url: str) -> psycopg.Connection[Any]:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn)
