"""What a call of `AsyncEventStore` costs: each verb as it is, for asyncio, and by `to_thread`.

The verb itself is the same in all three. `asyncio.to_thread` is what a program would write without
`AsyncEventStore`.
"""

from __future__ import annotations

import asyncio
import io
import statistics
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_turns, progress, ratio, settle
from eventstore import AsyncEventStore, EventStore
from eventstore.demo import call_lines
from eventstore.times import now

SESSIONS = 20
#: How many tasks call at once, where several do.
TASKS = 8

ASYNC, THREAD, SYNC = "AsyncEventStore", "to_thread", "EventStore"


class Asked(NamedTuple):
    """A verb to call.

    Attributes:
        calls: how many calls are a measurement.
        sync: calls the verb of a store.
        async_: calls it for asyncio.
    """

    calls: int
    sync: Callable[[EventStore, str], Any]
    async_: Callable[[AsyncEventStore, str], Awaitable[Any]]


async def _events(store: AsyncEventStore, id_: str) -> int:
    count = 0
    async for _ in store.events(id_):
        count += 1
    return count


def _key() -> dict[str, str]:
    return {"noted": str(now())}


ASKED: dict[str, Asked] = {
    "last_seq": Asked(1000, lambda s, id_: s.last_seq(id_), lambda s, id_: s.last_seq(id_)),
    "session": Asked(100, lambda s, id_: s.session(id_), lambda s, id_: s.session(id_)),
    "sessions, a page of 20": Asked(
        50, lambda s, id_: s.sessions(limit=20), lambda s, id_: s.sessions(limit=20)
    ),
    "set_metadata": Asked(
        20,
        lambda s, id_: s.set_metadata(id_, _key()),
        lambda s, id_: s.set_metadata(id_, _key()),
    ),
    "events, all of the sample call": Asked(
        5, lambda s, id_: sum(1 for _ in s.events(id_)), _events
    ),
}


def run(databases: Databases, options: Options) -> Report:
    """Call each verb in three ways, in turns, on each database."""
    report = Report("async_calls", "What a call of AsyncEventStore costs, beside the same verb")
    data = "".join(f"{line}\n" for line in call_lines()).encode()
    for backend in databases.backends(options.backends):
        with databases.fresh(backend) as url, asyncio.Runner() as runner:
            store = AsyncEventStore(url)
            for number in range(SESSIONS):
                store.sync.import_file(io.BytesIO(data), f"sess_{number:02}")
            settle()
            for name, asked in ASKED.items():
                progress(f"async_calls: {backend}, {name}")
                _measure(report, runner, store, f"{backend}: {name}", asked, options)
            _measure_tasks(report, runner, store, backend, options)
            runner.run(store.close())
    return report


def _measure(
    report: Report,
    runner: asyncio.Runner,
    store: AsyncEventStore,
    what: str,
    asked: Asked,
    options: Options,
) -> None:
    id_, calls = "sess_00", max(1, options.events(asked.calls))

    def in_a_loop() -> None:
        for _ in range(calls):
            asked.sync(store.sync, id_)

    async def awaited() -> None:
        for _ in range(calls):
            await asked.async_(store, id_)

    async def in_threads() -> None:
        for _ in range(calls):
            await asyncio.to_thread(asked.sync, store.sync, id_)

    taken = in_turns(
        {
            SYNC: in_a_loop,
            ASYNC: lambda: runner.run(awaited()),
            THREAD: lambda: runner.run(in_threads()),
        },
        options.rounds(15),
    )
    each = {name: 1e6 * statistics.median(found) / calls for name, found in taken.items()}
    size = f"{calls} calls"
    report.add(
        f"{what}: {ASYNC} / {SYNC}",
        ratio(taken[ASYNC], taken[SYNC]),
        size=size,
        **{"ms of the verb": each[SYNC] / 1000, "ms longer": (each[ASYNC] - each[SYNC]) / 1000},
    )
    of_threads = ratio(taken[ASYNC], taken[THREAD])
    report.add(f"{what}: {ASYNC} / {THREAD}", of_threads, size=size)


def _measure_tasks(
    report: Report, runner: asyncio.Runner, store: AsyncEventStore, backend: str, options: Options
) -> None:
    """Ask for pages from several tasks at once: the threads work while the loop hands out."""
    calls = max(TASKS, options.events(200)) // TASKS

    async def one() -> None:
        for _ in range(calls):
            await store.sessions(limit=20)

    async def all_at_once() -> None:
        await asyncio.gather(*(one() for _ in range(TASKS)))

    def in_a_loop() -> None:
        for _ in range(calls * TASKS):
            store.sync.sessions(limit=20)

    taken = in_turns(
        {SYNC: in_a_loop, ASYNC: lambda: runner.run(all_at_once())}, options.rounds(15)
    )
    report.add(
        f"{backend}: sessions, a page of 20, {TASKS} tasks at once: {ASYNC} / {SYNC}",
        ratio(taken[ASYNC], taken[SYNC]),
        size=f"{calls * TASKS} calls",
        **{"ms of the verb": 1e3 * statistics.median(taken[SYNC]) / (calls * TASKS)},
    )
