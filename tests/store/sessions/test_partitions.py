"""Integration: the partitions that stand in for a cluster have the sessions."""

from __future__ import annotations

import pytest
from support.calls import SAMPLE_STREAMS
from support.partitioned import PARTITIONS

from eventstore import EventStore
from eventstore.store.database.transaction import read


@pytest.mark.parametrize("database_url", ["partitioned"], indirect=True)
def test_the_sessions_are_spread(database_url: str) -> None:
    with EventStore(database_url) as store:
        for number in range(8):
            store.append(f"sess_{number}", SAMPLE_STREAMS[0])
        with read(store.engine) as tx:
            assert tx.distributed
            counts = [tx.rows(f"SELECT COUNT(*) FROM events_{n}")[0][0] for n in range(PARTITIONS)]
    assert sum(counts) == 8 * len(SAMPLE_STREAMS[0])
    assert sum(count > 0 for count in counts) > 1
