"""Integration: erasing waits for whatever makes PostgreSQL keep deleted rows, and names it.

On a server of its own, because slots, standbys and prepared transactions concern all databases of
a server. That they keep rows is seen in the files.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import psycopg
import pytest
from support.database_files import analyze, files, found_in
from support.postgres import Cluster, stoppable_cluster, streaming_replica
from support.secret_call import secret_call

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError
from eventstore.store.maintenance import older_transactions

SETTINGS = {
    "wal_level": "logical",
    "max_prepared_transactions": "5",
    "wal_receiver_status_interval": "1s",
}
WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%DO $wait$%' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with stoppable_cluster(SETTINGS) as made:
        if made is None:
            pytest.skip("there are no binaries of PostgreSQL")
        yield made


@pytest.fixture(scope="module")
def standby(server: Cluster) -> Iterator[Cluster]:
    with streaming_replica(server) as made:
        yield made


@pytest.fixture
def url(server: Cluster) -> Iterator[str]:
    name = f"store_{uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    with EventStore(server.url(name), check_schema=False) as store:
        store.init()
    yield server.url(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    """A store with a call that is to be erased, and is in statistics."""
    with EventStore(url) as made:
        made.append("gone", secret_call("gone").frames, close=True)
        analyze(made)
        yield made


def until(server: Cluster, query: str) -> None:
    """Wait until a query finds a row."""
    end = time.monotonic() + 20
    while not server.run(query):
        assert time.monotonic() < end, query
        time.sleep(0.02)


def set_(server: Cluster, setting: str) -> None:
    server.run(f"ALTER SYSTEM SET {setting}")
    server.run("SELECT pg_reload_conf()")


@contextmanager
def psql(server: Cluster, url: str, *commands: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which executes commands and is ended after that."""
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    arguments = [part for command in commands for part in ("-c", command)]
    with subprocess.Popen([server.binaries / "psql", url, *arguments], **silent) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def logical_slot(server: Cluster) -> Iterator[str]:
    server.run("SELECT pg_create_logical_replication_slot('of_a_subscriber', 'pgoutput')")
    try:
        yield "the replication slot of_a_subscriber"
    finally:
        server.run("SELECT pg_drop_replication_slot('of_a_subscriber')")


@contextmanager
def prepared(server: Cluster) -> Iterator[str]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'left'")
    try:
        yield "the prepared transaction left"
    finally:
        server.run("ROLLBACK PREPARED 'left'")


@contextmanager
def elsewhere(server: Cluster) -> Iterator[str]:
    """A transaction in another database, which has written."""
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE elsewhere ()")
        yield f"a transaction of process {connection.info.backend_pid} of the user postgres"
        connection.rollback()


@contextmanager
def reader_of(standby: Cluster) -> Iterator[None]:
    """A transaction on the standby, which tells the primary what it still reads."""
    with psycopg.connect(standby.url()) as reader:
        set_(standby, "hot_standby_feedback = on")
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        yield
        set_(standby, "hot_standby_feedback = off")


@contextmanager
def read_standby(server: Cluster, standby: Cluster) -> Iterator[str]:
    told = "SELECT 1 FROM pg_stat_replication WHERE backend_xmin IS {}"
    with reader_of(standby):
        until(server, told.format("NOT NULL"))
        yield "the standby walreceiver"
    until(server, told.format("NULL"))


@contextmanager
def read_standby_with_slot(server: Cluster, standby: Cluster) -> Iterator[str]:
    server.run("SELECT pg_create_physical_replication_slot('of_a_standby')")
    set_(standby, "primary_slot_name = of_a_standby")
    slot = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'of_a_standby' AND "
    until(server, f"{slot} active")
    try:
        with reader_of(standby):
            until(server, f"{slot} xmin IS NOT NULL")
            yield "the replication slot of_a_standby"
        until(server, f"{slot} xmin IS NULL")
    finally:
        set_(standby, "primary_slot_name = ''")
        until(server, f"{slot} NOT active")
        server.run("SELECT pg_drop_replication_slot('of_a_standby')")


Holding = Callable[[], AbstractContextManager[str]]
HOLDERS = {
    holder.__name__: holder
    for holder in (logical_slot, prepared, elsewhere, read_standby, read_standby_with_slot)
}


@pytest.fixture(params=HOLDERS)
def holding(request: pytest.FixtureRequest, server: Cluster) -> Holding:
    """Begins to keep deleted rows, and says what the store is to call it."""
    holder, arguments = HOLDERS[request.param], [server]
    if request.param.startswith("read_standby"):
        arguments.append(request.getfixturevalue("standby"))
    return lambda: holder(*arguments)


def test_what_keeps_deleted_rows_is_named(
    store: EventStore, url: str, holding: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding() as name:
        with monkeypatch.context() as impatient:
            impatient.setattr(older_transactions, "WAIT", "0.2s")
            told = pytest.raises(DatabaseUnavailableError, match=f"rows are kept by .*{name}")
            with told as error:
                store.erase("gone").raise_for_errors()
        assert "files: deleted rows" in str(error.value), error.value
        # PostgreSQL writes the tables again without a word, and with what was erased. Statistics
        # are looked at where they alone are kept: a standby that has been away can ask for some
        # whose TOAST is gone, and PostgreSQL then refuses to write them again.
        of_catalogs = name.endswith("of_a_subscriber")
        for table in ("pg_statistic",) if of_catalogs else ("events", "items", "sessions"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"VACUUM (FULL) {table}".encode())
        assert found_in(files(url), "gone")
    store.erase([]).raise_for_errors()
    assert found_in(files(url), "gone") == {}


def test_what_keeps_deleted_rows_is_waited_for(
    store: EventStore, url: str, server: Cluster, holding: Holding
) -> None:
    failed = []

    def erase() -> None:
        try:
            store.erase("gone").raise_for_errors()
        except BaseException as error:
            failed.append(error)

    erasing = threading.Thread(target=erase)
    with holding():
        erasing.start()
        until(server, WAITING)
        time.sleep(0.3)
        assert erasing.is_alive() and not failed
    erasing.join()
    assert failed == []
    assert found_in(files(url), "gone") == {}


def test_a_slot_that_is_being_made_keeps_rows_of_tables(
    store: EventStore, url: str, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until all transactions have ended that were open before. Shards are moved by such slots."""
    monkeypatch.setattr(older_transactions, "WAIT", "0.2s")
    create = "CREATE_REPLICATION_SLOT new TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')"
    with (
        psycopg.connect(server.url()) as first,
        psycopg.connect(server.url()) as second,
    ):
        first.execute("CREATE TABLE first ()")
        with psql(server, f"{url}?replication=database", create) as making:
            until(server, "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'new'")
            store.erase("gone", vacuum=False).raise_for_errors()
            second.execute("CREATE TABLE second ()")
            first.rollback()
            with pytest.raises(DatabaseUnavailableError, match="kept by the replication slot new"):
                store.erase([]).raise_for_errors()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM (FULL) events")
            assert found_in(files(url), "gone")
            second.rollback()
            assert making.wait(timeout=20) == 0
    store.erase([]).raise_for_errors()
    assert found_in(files(url), "gone") == {}


def test_a_slot_that_was_given_up_keeps_nothing(
    store: EventStore, url: str, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL does so if the slot needs too much of the write-ahead log; the slot stays."""
    monkeypatch.setattr(older_transactions, "WAIT", "0.2s")
    with logical_slot(server):
        set_(server, "max_slot_wal_keep_size = '1MB'")
        for _ in range(3):
            server.run("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, '', 'x')")
        server.run("CHECKPOINT")
        until(server, "SELECT 1 FROM pg_replication_slots WHERE invalidation_reason IS NOT NULL")
        set_(server, "max_slot_wal_keep_size = -1")
        store.erase("gone").raise_for_errors()
        assert found_in(files(url), "gone") == {}


def test_a_vacuum_without_full_keeps_nothing(
    store: EventStore, url: str, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL runs one by itself in each large table, which can take hours."""
    monkeypatch.setattr(older_transactions, "WAIT", "0.2s")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE other AS SELECT generate_series(1, 200000)")
        connection.execute("DELETE FROM other")
    slowly = ("SET vacuum_cost_delay = 100", "SET vacuum_cost_limit = 1", "VACUUM other")
    with psql(server, url, *slowly) as vacuuming:
        until(server, "SELECT 1 FROM pg_stat_progress_vacuum")
        store.erase("gone").raise_for_errors()
        assert found_in(files(url), "gone") == {}
        assert vacuuming.poll() is None
