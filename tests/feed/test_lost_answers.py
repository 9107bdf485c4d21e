"""Integration: an answer to a COMMIT that is lost makes nothing happen twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.calls import voice_call
from support.gate import gate_to_database
from support.postgres import PostgresServer

from eventstore import EventStore
from eventstore.feed.delivery import Delivery
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames
#: The table of a handler, each row of which makes its COMMIT take a while.
_SLOW = """
CREATE TABLE handled (seq BIGINT);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq = 2 THEN PERFORM pg_sleep({seconds}); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON handled
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
"""


# The second one is at its end after the feed has come back.
@pytest.mark.parametrize("seconds", [0.6, 2])
def test_a_lost_answer_writes_nothing_twice(
    request: pytest.FixtureRequest, postgres: PostgresServer, seconds: float
) -> None:
    name = postgres.create_database(request.getfixturevalue("postgres_template"))
    url = postgres.url(name)
    with (
        gate_to_database(url) as (gate, through),
        EventStore(url) as store,
        EventStore(through) as other,
    ):
        store.append("a", FRAMES[:4])
        with write(store.engine) as tx:
            tx.connection.execute(_SLOW.format(seconds=seconds), prepare=False)
        cut: list[int] = []
        with other.subscribe("mine", from_="start", lease=1) as feed:

            def handle(delivery: Delivery, execute: Callable[..., Any]) -> None:
                execute("INSERT INTO handled VALUES (?)", [delivery.seq])
                if delivery.seq == 2 and not cut:
                    cut.append(delivery.seq)
                    threading.Timer(0.3, gate.shut).start()
                    threading.Timer(0.4, gate.open).start()
                if delivery.seq == 4:
                    feed.stop()

            feed.run_in_transaction(handle)
        with read(store.engine) as tx:
            assert [seq for (seq,) in tx.rows("SELECT seq FROM handled")] == [1, 2, 3, 4]
    postgres.drop_database(name)
