"""A store that Citus has spread over nodes against the same store on one of its servers.

`TEST_CITUS` names a database on the coordinator. All nodes are on the same machine, so that both
stores have the same cores. Their servers must wait for the disk (`fsync = on`).
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url
from support.postgres import CitusCluster

from benchmarks import sessions
from benchmarks.databases import POSTGRESQL, Databases, settings_of, warm
from benchmarks.frame_cost import BATCHES, CALLS, append_to_calls
from benchmarks.options import Options
from benchmarks.query import OTHERS, PAGE
from benchmarks.query_fill import Filled, fill
from benchmarks.report import Report
from benchmarks.rounds import in_slices, in_turns, progress, ratio, settle
from eventstore import EventStore
from eventstore.realtime.frames import Frame

SHARDS = 4
#: A page by metadata on a cluster may take so many times what it takes on one PostgreSQL.
TARGET = 3.0
WRITERS = 8
SLICE = 500

Writer = Callable[[int, int], None]


def run(databases: Databases, options: Options) -> Report:
    """Measure appends of one and of several writers, and pages of many responses."""
    report = Report("cluster", f"cluster: {SHARDS} shards on two workers, in one PostgreSQL's time")
    server = databases.server
    if not isinstance(server, CitusCluster):
        raise RuntimeError("TEST_CITUS names no cluster of Citus")
    _measure_cost(databases, server, options, report)
    _measure_appends(databases, server, options, report)
    _measure_queries(databases, server, options, report)
    return report


def _measure_cost(
    databases: Databases, server: CitusCluster, options: Options, report: Report
) -> None:
    """Measure the processor time of each kind of node for a frame, as `frame_cost` does of one."""
    frames = sessions.voice(options.events(1000))
    for batch in (*BATCHES, 100):
        with _spread(databases, server) as url, EventStore(url) as store:
            append_to_calls(store, frames, 0, 10)
            before = _seconds_of_nodes(url)
            append_to_calls(store, frames, 10, batch)
            after = _seconds_of_nodes(url)
        count = CALLS * (len(frames) - 10)
        for node, seconds in after.items():
            report.add(
                f"{CALLS} calls, {batch} frames each: µs of the {node} for a frame",
                (seconds - before[node]) / count * 1e6,
                unit="",
                size=f"{count:,} frames",
            )


def _seconds_of_nodes(url: str) -> dict[str, float]:
    """The processor time that the coordinator has spent, and that of both workers."""
    spent = {"coordinator": 0.0, "workers": 0.0}
    with psycopg.connect(url) as connection:
        places = connection.execute("SELECT nodename, nodeport, groupid = 0 FROM pg_dist_node")
        for host, port, is_coordinator in places.fetchall():
            node = make_url(url).set(host=host, port=port).render_as_string(hide_password=False)
            with psycopg.connect(node) as there:
                row = there.execute("SHOW data_directory").fetchone()
            server = int(Path(str(row and row[0]), "postmaster.pid").read_text().split()[0])
            spent["coordinator" if is_coordinator else "workers"] += _seconds(server)
    return spent


def _seconds(server: int) -> float:
    """The processor time of a server and of all of its processes, also of those that have ended."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It ends at this moment.
            fields = path.read_text().rpartition(")")[2].split()
            if int(path.parent.name) == server:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == server:
                total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _measure_appends(
    databases: Databases, server: CitusCluster, options: Options, report: Report
) -> None:
    frames = sessions.voice(options.events(4000))
    settle()
    for writers in (1, WRITERS):
        for batch in (1, 10, 50, 200):
            some = frames[: len(frames) // (4 if batch == 1 else 1) // writers]
            seconds: dict[str, list[float]] = {"plain": [], "spread": []}
            for round_ in range(options.rounds(5)):
                progress(f"cluster: {batch} a commit, {writers} writers, round {round_ + 1}")
                with ExitStack() as stack:
                    plain = stack.enter_context(databases.fresh(POSTGRESQL))
                    spread = stack.enter_context(_spread(databases, server))
                    works = {
                        name: stack.enter_context(_writer(url, some, batch, writers))
                        for name, url in (("plain", plain), ("spread", spread))
                    }
                    for name, taken in in_slices(works, len(some), max(SLICE, batch)).items():
                        seconds[name].append(taken)
            report.add(
                f"append, {batch} a commit, {writers} writers: speed of a cluster / of one server",
                ratio(seconds["plain"], seconds["spread"]),
                size=f"{len(some) * writers:,} events",
                **{
                    f"{name} events/s": len(some) * writers / sorted(taken)[len(taken) // 2]
                    for name, taken in seconds.items()
                },
            )


@contextmanager
def _spread(databases: Databases, server: CitusCluster) -> Iterator[str]:
    """The URL of a new store on the cluster."""
    with databases.fresh(POSTGRESQL) as url:
        server.spread(str(make_url(url).database))
        yield url


@contextmanager
def _writer(url: str, frames: list[Frame], batch: int, writers: int) -> Iterator[Writer]:
    """Appends frames to as many sessions as there are writers, each in a thread of its own."""
    with EventStore(url) as store:

        def one(number: int, start: int, end: int) -> None:
            for at in range(start, end, batch):
                piece = frames[at : min(at + batch, end)]
                store.append(f"sess_{number}", piece, expected_seq=at)

        def write(start: int, end: int) -> None:
            threads = [threading.Thread(target=one, args=(n, start, end)) for n in range(writers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        yield write
        heads = {store.last_seq(f"sess_{number}") for number in range(writers)}
        if heads != {len(frames)}:
            raise RuntimeError(f"{heads} events are there, not {len(frames)}")


def _measure_queries(
    databases: Databases, server: CitusCluster, options: Options, report: Report
) -> None:
    size = options.events(1_000_000)
    report.size = f"{size:,} responses"
    with databases.fresh(POSTGRESQL) as url:
        filled = fill(databases, POSTGRESQL, url, size)
        progress("cluster: the same store is spread")
        copy = server.copy_database(str(make_url(url).database))
        try:
            server.spread(copy)
            settle()
            warm(url)
            with EventStore(url) as plain, EventStore(server.url(copy)) as spread:
                report.notes[POSTGRESQL] = settings_of(plain.engine)
                _measure_pages(plain, spread, options, report, filled)
        finally:
            server.drop_database(copy)


def _measure_pages(
    plain: EventStore, spread: EventStore, options: Options, report: Report, filled: Filled
) -> None:
    customer = {"metadata": {"customer": "customer-00001"}}
    any_customer = {"metadata": {"customer": random.Random(11).choice(filled.customers)}}
    asked: dict[str, Callable[[EventStore], Any]] = {
        "a page by customer": lambda store: store.responses(limit=PAGE, **any_customer).data
    }
    for name, filters in OTHERS.items():
        asked[f"a page: {name}"] = lambda store, filters=filters: (
            store.responses(limit=PAGE, **filters).data
        )
    asked |= {
        "a page: env=prod and status=failed": lambda store: (
            store.responses(limit=PAGE, metadata={"env": "prod"}, status="failed").data
        ),
        "a page of sessions": lambda store: store.sessions(limit=PAGE).data,
        "usage by model": lambda store: store.usage(by="model"),
        "usage by model, a customer": lambda store: store.usage(by="model", **customer),
        "latency by day": lambda store: store.latency(by="day"),
        "keys of metadata": lambda store: store.metadata_keys(),
        "values of a key": lambda store: store.metadata_values("customer", prefix="customer-000"),
    }
    for name, ask in asked.items():
        progress(f"cluster: {filled.responses:,} responses, {name}")
        if ask(plain) != ask(spread):
            raise RuntimeError(f"{name}: the answers differ")
        works = {"plain": lambda ask=ask: ask(plain), "spread": lambda ask=ask: ask(spread)}
        seconds = in_turns(works, options.rounds(15), warm_up=3)
        report.add(
            f"{filled.responses:,} responses, {name}",
            ratio(seconds["spread"], seconds["plain"]),
            TARGET if name == "a page by customer" else None,
            at_most=True,
            **{
                f"{which} ms": sorted(taken)[len(taken) // 2] * 1000
                for which, taken in seconds.items()
            },
        )
