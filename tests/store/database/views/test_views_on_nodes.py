"""Integration: on a cluster of Citus, views are read on its nodes; TEST_CITUS names one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.calls import voice_call
from support.postgres import CitusCluster

from eventstore import EventStore
from eventstore.store.database.transaction import read
from eventstore.store.database.views.all_views import VIEWS


@pytest.fixture
def spread(cluster: CitusCluster) -> Iterator[EventStore]:
    """A store that is spread over the nodes, with three calls."""
    name = cluster.create_database()
    cluster.add_citus(name)
    with EventStore(cluster.url(name), check_schema=False) as store:
        store.init()
        store.distribute(shards=8)
        for number in range(3):
            store.append(f"sess_{number}", voice_call().frames, close=True)
        yield store
    cluster.drop_database(name)


def test_a_statement_about_a_session_goes_to_its_node(spread: EventStore) -> None:
    for view in VIEWS:
        for where, tasks in (("WHERE session_id = 'sess_1'", 1), ("", 8)):
            with read(spread.engine) as tx:
                sql = f"EXPLAIN (COSTS OFF) SELECT * FROM {view.name} {where}"
                plan = [str(line) for (line,) in tx.rows(sql)]
            counts = [line.split()[-1] for line in plan if "Task Count" in line]
            # A second count would be that of a subplan, whose rows the coordinator collects first.
            assert counts == [str(tasks)], "\n".join(plan)
        sql = f"SELECT DISTINCT session_id AS id FROM {view.name} ORDER BY id"
        found = [row["id"] for row in spread.sql(sql).data]
        assert found == ([] if view.name == "v_scores" else ["sess_0", "sess_1", "sess_2"])
    (row,) = spread.sql("SELECT SUM(total_tokens) AS tokens FROM v_usage").data
    assert row["tokens"] == spread.usage()["total"]["total_tokens"]
