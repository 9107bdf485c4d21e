"""A node is added to a cluster, and shards are moved to it, while calls are recorded.

Integration: where TEST_CITUS names a cluster of two workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.echo_calls import check_recorded, check_whole, echo_calls
from support.postgres import CitusCluster

from eventstore import EventStore

CALLS = 4


@pytest.fixture
def of_one_worker(cluster: CitusCluster) -> Iterator[str]:
    """The name of a database that one of two workers has all shards of."""
    name = cluster.create_database()
    cluster.add_citus(name, workers=1)
    with EventStore(cluster.url(name), check_schema=False) as store:
        store.init()
        store.distribute(shards=4)
    yield name
    cluster.drop_database(name)


def test_shards_move_to_a_new_node_under_live_calls(
    cluster: CitusCluster, of_one_worker: str, tmp_path: Path
) -> None:
    url = cluster.url(of_one_worker)
    with echo_calls(url, tmp_path / "spool", CALLS) as sent, EventStore(url) as store:
        while len(list(store.stream_ids())) < CALLS:
            time.sleep(0.05)
        cluster.add_worker(of_one_worker, 1)
        store.rebalance()
        time.sleep(1.0)
    with EventStore(url) as store:
        check_recorded(store, sent)
        check_whole(store, CALLS)
        assert [node["shards"] > 0 for node in store.status()["nodes"]] == [False, True, True]
    with psycopg.connect(url) as connection:
        placed = "SELECT COUNT(DISTINCT nodeport) FROM citus_shards WHERE table_name::text='events'"
        assert connection.execute(placed).fetchall() == [(2,)]
