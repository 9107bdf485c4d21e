"""A primary and its streaming replica, and new stores on both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

from eventstore import EventStore
from support.postgres import Cluster, stoppable_cluster, streaming_replica

ACTIVITY = """
SELECT string_agg(concat_ws(' ', backend_type, state, wait_event, query), '; '),
  pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text, pg_get_wal_replay_pause_state()
FROM pg_stat_activity
"""


class Servers(NamedTuple):
    primary: Cluster
    replica: Cluster

    def pause(self) -> None:
        """Let the replica replay nothing more."""
        self.replica.run("SELECT pg_wal_replay_pause()")
        while self.replica.run("SELECT pg_get_wal_replay_pause_state()") != [("paused",)]:
            time.sleep(0.01)

    def go_on(self) -> None:
        self.replica.run("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until the replica has replayed what the primary has committed."""
        ((position,),) = self.primary.run("SELECT pg_current_wal_flush_lsn()::text")
        end = time.monotonic() + 20
        while self.replica.run(f"SELECT pg_last_wal_replay_lsn() < '{position}'") == [(True,)]:
            assert time.monotonic() < end, (position, *self.replica.run(ACTIVITY)[0])
            time.sleep(0.02)


@contextmanager
def replicated() -> Iterator[Servers | None]:
    """Two servers of one's own; None where there are no binaries."""
    settings = {
        "synchronous_commit": "local",  # else commits reach the replica a fifth of a second later
        "wal_keep_size": "2GB",  # for a replica that was away
    }
    with stoppable_cluster(settings) as primary:
        if primary is None:
            yield None
            return
        with streaming_replica(primary) as replica:
            yield Servers(primary, replica)


@contextmanager
def replicated_database(servers: Servers) -> Iterator[str]:
    """The name of a new store's database, which the replica has, too."""
    name = f"store_{uuid4().hex}"
    servers.primary.run(f"CREATE DATABASE {name}")
    with EventStore(servers.primary.url(name), check_schema=False) as store:
        store.init()
    servers.catch_up()
    try:
        yield name
    finally:
        servers.go_on()
        servers.primary.run(f"DROP DATABASE {name} WITH (FORCE)")
