"""Integration: a look for news costs what is new, however many sessions a store has."""

from __future__ import annotations

from support.calls import voice_call
from support.own_projections import unsettled

from eventstore import EventStore
from eventstore.store.consumers import news
from eventstore.store.database.transaction import Transaction, read, write

FRAMES = voice_call().frames[:3]


def old_sessions(store: EventStore, count: int) -> None:
    """Add sessions that were recorded before there was any consumer."""
    store.append("old", FRAMES, close=True)
    with write(store.engine) as tx:
        columns = "head_seq, opened_at, last_at, closed_at, projected_seq, projector_version"
        for number in range(count):
            tx.run(
                f"INSERT INTO streams (session_id, {columns}) SELECT ?, {columns}"
                " FROM streams WHERE session_id = 'old'",
                (f"old_{number:05}",),
            )


def plan(tx: Transaction, sql: str, parameters: tuple[object, ...]) -> str:
    explain = "EXPLAIN" if tx.postgresql else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row[-1]) for row in tx.rows(f"{explain} {sql}", parameters))


def test_a_subscription_from_now_settles_what_is_old(store: EventStore) -> None:
    old_sessions(store, 450)
    with store.subscribe("mine", of="sessions", once=True) as feed:
        assert list(feed) == []
    while unsettled(store):
        with store.subscribe("mine", once=True) as feed:
            assert list(feed) == []
    with read(store.engine) as tx:
        assert tx.rows("SELECT * FROM checkpoints") == []
    store.append("new", FRAMES, close=True)
    with store.subscribe("mine", once=True) as feed:
        assert [one.session_id for one in feed] == ["new"]


def test_what_a_dropped_consumer_left_is_settled(store: EventStore) -> None:
    store.subscribe("slow", from_="start").close()
    old_sessions(store, 5)
    for _ in range(2):
        with store.subscribe("mine", of="events", from_="start", once=True) as feed:
            list(feed)
    assert len(unsettled(store)) == 6
    store.drop_subscription("slow")
    with store.subscribe("mine", once=True) as feed:
        list(feed)
    assert unsettled(store) == []


def test_a_look_reads_the_sessions_with_news_alone(store: EventStore) -> None:
    old_sessions(store, 3_000)
    with write(store.engine) as tx:
        tx.run("UPDATE streams SET fed_seq = head_seq WHERE session_id <> 'old'")
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE streams")
    of_one = ("mine", "", 0, "", 0, 0, 0, 0)
    with read(store.engine) as tx:
        due = news._DUE
        look = news.WITH_NEWS.format(due=due, **news._BY_INDEX[tx.postgresql])
        rest = news.UNSETTLED.format(**news._BY_INDEX[tx.postgresql])
        plans = plan(tx, look, (*of_one, *of_one, 200)), plan(tx, rest, ("", 200))
    for told in plans:
        # A partition's index has a name of its own.
        assert "streams_news" in told or "session_id_idx" in told
        assert "Seq Scan on streams" not in told and "SCAN s" not in told
    assert "s USING PRIMARY KEY (session_id>?)" not in plans[0]
