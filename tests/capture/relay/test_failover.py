"""The primary is killed under live calls and its replica is promoted: nothing is lost unsaid.

Integration: a primary and its replica, the relay, and clients on loopback. FAILOVERS says how often
it is tried; `make endurance` does so twenty times.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.echo_calls import Sent, check_recorded, check_whole, echo_calls, lost_frames
from support.postgres import stoppable_cluster, streaming_replica
from support.relaying import eventually, recorded
from support.replication import Servers

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER

CALLS = 4
FAILOVERS = int(os.environ.get("FAILOVERS", "1"))


@pytest.fixture
def pair() -> Iterator[Servers]:
    """Two servers for one test, since a failover ends what they are to each other."""
    with stoppable_cluster({"synchronous_commit": "on"}) as primary:
        if primary is None:
            pytest.skip("there are no binaries of PostgreSQL")
        with streaming_replica(primary) as replica:
            yield Servers(primary, replica)


def either(servers: Servers) -> str:
    """The URL that leads to whichever of the two servers is the primary."""
    places = [f"127.0.0.1:{one.parameters['port']}" for one in servers]
    hosts = "&".join(f"host={place}" for place in places)
    return f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write"


def fail_over(servers: Servers) -> None:
    """Kill the primary, and make its replica the primary."""
    servers.primary.stop()
    time.sleep(random.uniform(0, 0.5))
    servers.replica.run("SELECT pg_promote()")


def record_through_a_failover(
    servers: Servers, spool: Path, before: float, midway: Callable[[Servers], None] = lambda _: None
) -> Sent:
    """Record calls during a failover, and return what each has sent."""
    with EventStore(servers.primary.url(), check_schema=False) as made:
        made.init()
    with echo_calls(either(servers), spool, CALLS) as sent:
        eventually(lambda: servers.primary.run("SELECT COUNT(*) FROM streams") == [(CALLS,)])
        midway(servers)
        time.sleep(before)
        fail_over(servers)
        time.sleep(1.0)
    return sent


@pytest.mark.parametrize("attempt", range(FAILOVERS))
def test_nothing_is_lost_if_commits_wait_for_the_replica(
    pair: Servers, tmp_path: Path, attempt: int
) -> None:
    pair.primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    pair.primary.run("SELECT pg_reload_conf()")
    sent = record_through_a_failover(pair, tmp_path / "spool", 0.5 + attempt % 7 * 0.1)
    with EventStore(either(pair)) as store:
        check_recorded(store, sent)
        check_whole(store, CALLS)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("attempt", range(FAILOVERS))
def test_what_is_lost_with_the_primary_is_noted(
    pair: Servers, tmp_path: Path, attempt: int
) -> None:
    """Without waiting, PostgreSQL loses commits that the replica has not got yet."""
    sent = record_through_a_failover(pair, tmp_path / "spool", 1.0, cut_off)
    with EventStore(either(pair)) as store:
        lost = lost_frames(store)
        assert lost
        kept = recorded(store, CLIENT) + recorded(store, SERVER)
        assert 2 * sum(map(len, sent.values())) == sum(map(len, kept)) + sum(lost)
        check_whole(store, CALLS)


def cut_off(servers: Servers) -> None:
    """Let the replica get nothing more: what is committed from here on is lost with the primary."""
    servers.replica.run("ALTER SYSTEM SET primary_conninfo = ''")
    servers.replica.run("SELECT pg_reload_conf()")
