"""The replay server: frames a second beside a bare server, and how late a hundred clients are."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks import sessions
from benchmarks.databases import SQLITE, Databases
from benchmarks.options import Options
from benchmarks.processes import listening
from benchmarks.report import Report
from benchmarks.rounds import in_turns, percentile, progress, ratio
from eventstore import EventStore
from eventstore.demo import call_lines
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.times import parse_time

SESSION = "sess_benchmark"
CALL = "sess_call"
SHARE = 0.7
LATENESS_MS = 20.0
CLIENTS = 100


def run(databases: Databases, options: Options) -> Report:
    """One client at once as fast as can be, then a hundred at the recorded pace."""
    report = Report("serve", "serve: the replay server, clients on the same two cores")
    frames = sessions.voice(options.events(40_000))
    with databases.fresh(SQLITE) as url, EventStore(url) as store:
        store.append(SESSION, frames, close=True)
        store.append(CALL, _call(), close=True)
        _speed(databases, options, report, url, [f for f in frames if f.direction == SERVER])
        _lateness(options, report, url)
    return report


def _call() -> list[Frame]:
    entries = map(json.loads, call_lines())
    return [Frame(e["direction"], e["frame"], parse_time(e["at"])) for e in entries]


def _speed(
    databases: Databases, options: Options, report: Report, url: str, sent: Sequence[Frame]
) -> None:
    texts = databases.path(".jsonl")
    texts.write_text("".join(json.dumps(frame.text) + "\n" for frame in sent))
    ours = ("-m", "eventstore.cli.main", "replay", SESSION, "--serve", "0", "--instant")
    with (
        listening("-m", "benchmarks.bare_server", str(texts)) as bare,
        listening(*ours, "--match", "none", "--db", url) as replayed,
    ):

        def reading(address: str) -> None:
            count = asyncio.run(_read(address))
            if count != len(sent):
                raise RuntimeError(f"{count} of {len(sent)} frames came")

        work = {"bare": lambda: reading(bare), "replay": lambda: reading(replayed)}
        progress(f"serve: {len(sent)} frames at once")
        seconds = in_turns(work, options.rounds(9))
    report.add(
        "one client at once, against a bare websockets server",
        ratio(seconds["bare"], seconds["replay"]),
        SHARE,
        size=f"{len(sent):,} frames",
        **{
            "frames/s": len(sent) / statistics.median(seconds["replay"]),
            "bare frames/s": len(sent) / statistics.median(seconds["bare"]),
        },
    )


async def _read(address: str) -> int:
    count = 0
    async with connect(address, max_size=None, compression=None) as connection:
        async for _ in connection:
            count += 1
    return count


def _lateness(options: Options, report: Report, url: str) -> None:
    clients = options.events(CLIENTS)
    frames = _call()
    ours = ("-m", "eventstore.cli.main", "replay", CALL, "--serve", "0")
    progress(f"serve: {clients} clients at the recorded pace")
    with listening(*ours, "--db", url) as address:
        late = asyncio.run(_all_clients(address, frames, clients))
    report.add(
        f"{clients} clients at the recorded pace, 99th percentile of lateness",
        percentile(late, 99),
        LATENESS_MS,
        at_most=True,
        unit=" ms",
        **{"median ms": statistics.median(late)},
    )


async def _all_clients(address: str, frames: Sequence[Frame], clients: int) -> list[float]:
    calls = (_be_client(address, frames, number / clients) for number in range(clients))
    return [late for found in await asyncio.gather(*calls) for late in found]


async def _be_client(address: str, frames: Sequence[Frame], after: float) -> list[float]:
    """Send as the recorded client did; how late each of the server's frames came, in ms."""
    await asyncio.sleep(after)
    first = frames[0].at or 0
    due = [((frame.at or 0) - first) / 1e6 for frame in frames if frame.direction == SERVER]
    came: list[float] = []
    async with connect(address, max_size=None, compression=None) as connection:
        start = time.perf_counter()

        async def listen() -> None:
            with suppress(ConnectionClosed):
                async for _ in connection:
                    came.append(time.perf_counter())

        listening = asyncio.create_task(listen())
        with suppress(ConnectionClosed):
            for frame in frames:
                if frame.direction == CLIENT:
                    wait = start + ((frame.at or 0) - first) / 1e6 - time.perf_counter()
                    await asyncio.sleep(max(0.0, wait))
                    await connection.send(frame.text)
        await listening
    if len(came) != len(due):
        raise RuntimeError(f"{len(came)} of {len(due)} frames came")
    # Counted from the earliest one: none can be early, so that is when all were due.
    offsets = [moment - then for moment, then in zip(came, due, strict=True)]
    return [1000 * (offset - min(offsets)) for offset in offsets]
