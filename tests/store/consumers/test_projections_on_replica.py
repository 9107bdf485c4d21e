"""Integration: rows of projections are read from a streaming replica of the store."""

from __future__ import annotations

import time

from support.calls import voice_call
from support.events import SESSION
from support.own_projections import CountTypes, rows_of
from support.postgres import KEEPER_OF_DATA
from support.replication import Servers

from eventstore import EventStore
from eventstore.store.database.engine_options import replica_of

FRAMES = voice_call().frames


def test_a_store_that_reads_a_replica(servers: Servers, replicated_name: str) -> None:
    url, replica_url = servers.primary.url(replicated_name), servers.replica.url(replicated_name)
    servers.pause()
    with EventStore(url, read_url=replica_url, projections=[CountTypes(inline=True)]) as store:
        store.append(SESSION, FRAMES[:10])
        before = rows_of(store, CountTypes())  # the replica does not have the tables yet
        assert len(before["own_types"]) > 3 and store.projections()[0]["behind"] == 0
        servers.go_on()
        servers.catch_up()
        time.sleep(1.2)  # the replica is not asked for a while after it was behind
        assert rows_of(store, CountTypes()) == before
        replica = replica_of(store.reader.engine)
        assert replica is not None and replica.reads > 0
        store.append(SESSION, FRAMES[10:])
        assert rows_of(store, CountTypes()) != before  # it reads what it has written
        assert store.rebuild(projection="own_counts").done[0].changed == 0


def test_a_projection_is_added_though_the_replica_is_behind(
    servers: Servers, replicated_name: str
) -> None:
    url, replica_url = servers.primary.url(replicated_name), servers.replica.url(replicated_name)
    servers.pause()
    with EventStore(url, projections=[CountTypes(version=2)]):
        pass
    with EventStore(url, read_url=replica_url, projections=[CountTypes(inline=True)]) as store:
        store.append(SESSION, FRAMES)  # it is the older version, and leaves the session
        (status,) = store.projections()
        assert (status["version"], status["runs_here"], status["behind"]) == (2, False, 1)


def test_rows_are_read_while_the_primary_is_away(servers: Servers, replicated_name: str) -> None:
    url, replica_url = servers.primary.url(replicated_name), servers.replica.url(replicated_name)
    with EventStore(url, read_url=replica_url, projections=[CountTypes(inline=True)]) as store:
        store.append(SESSION, FRAMES)
        before = rows_of(store, CountTypes())
        servers.catch_up()
        servers.primary.stop()
        try:
            assert rows_of(store, CountTypes()) == before
        finally:
            servers.primary.start(KEEPER_OF_DATA)
