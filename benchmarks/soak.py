"""A day of calls in ten minutes: whether the relay's memory stays what it is."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from benchmarks import sessions
from benchmarks.databases import SQLITE, Databases
from benchmarks.options import Options
from benchmarks.processes import answer, listening
from benchmarks.relay import metrics_of, written
from benchmarks.report import Report
from benchmarks.rounds import progress
from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER

#: Frames of a call of five minutes, and how many calls go on at once.
FRAMES, AT_ONCE = 11_600, 20
HOURS, MINUTES = 24, 10
_EVERY = 5.0
#: The relay's memory in the last third of the time, against the second third.
GROWTH = 1.05


def run(databases: Databases, options: Options) -> Report:
    """Calls of five minutes, one after the other on twenty lines, as fast as they go."""
    report = Report("soak", "soak: a day of calls through the relay")
    calls = options.events(HOURS * 12)
    report.size = f"{calls} calls"
    frames = sessions.voice(FRAMES)
    asked = written(databases, [str(f.text) for f in frames if f.direction == CLIENT])
    answers = written(databases, [str(f.text) for f in frames if f.direction == SERVER])
    with databases.fresh(SQLITE) as url:
        ours = ("-m", "eventstore.cli.main", "record", "--listen", "0", "--db", url)
        with listening("-m", "benchmarks.upstream", answers) as upstream:
            spool = databases.path(".spool")
            with listening(*ours, "--upstream", upstream, "--spool", str(spool)) as relay:
                progress(f"soak: {calls} calls of {FRAMES} frames")
                seconds = MINUTES * 60 * calls / (HOURS * 12)
                found = answer("-m", "benchmarks.soak", relay, asked, str(calls), str(seconds))
        _check(report, url, found, calls)
    return report


def _check(report: Report, url: str, found: dict[str, Any], calls: int) -> None:
    sizes = found["memory_mb"]
    third = len(sizes) // 3
    middle, last = (statistics.median(part) for part in (sizes[third:-third], sizes[-third:]))
    seconds = found["seconds"]
    report.add(
        "memory in the last third of the time, against the second",
        last / middle,
        GROWTH,
        at_most=True,
        **{"MB": last, "most MB": max(sizes), "first MB": sizes[0]},
        **{"most frames behind": max(found["behind"]), "spooled": found["spooled"]},
        missed=found["missed"],
    )
    report.notes["memory_mb"], report.notes["behind"] = sizes, found["behind"]
    with EventStore(url) as store:
        status = store.status()
    events = calls * (FRAMES + 2)
    facts = {"sessions": status["sessions"], "events": status["events"], "minutes": seconds / 60}
    report.add("frames lost", float(events - status["events"]), 0.0, at_most=True, unit="", **facts)


async def play(url: str, path: str, calls: int, seconds: float) -> dict[str, Any]:
    """Play calls, so many at once, in so many seconds; what the relay's metrics say meanwhile."""
    texts = [json.loads(line) for line in Path(path).read_text().splitlines()]
    left = iter(range(calls))
    start = time.perf_counter()
    each = seconds * AT_ONCE / calls
    lines = [
        asyncio.create_task(_line(url, texts, left, each, each * number / AT_ONCE))
        for number in range(AT_ONCE)
    ]
    watched: list[dict[str, float]] = []
    watching = asyncio.create_task(_watch(url, watched))
    await asyncio.gather(*lines)
    took = time.perf_counter() - start
    watching.cancel()
    return {
        "seconds": took,
        "memory_mb": [_memory(one) for one in watched],
        "behind": [one["eventstore_recorder_behind"] for one in watched],
        "spooled": watched[-1]["eventstore_recorder_spooled_total"],
        "missed": watched[-1]["eventstore_recorder_missed_total"],
    }


async def _line(url: str, texts: list[str], left: Any, each: float, after: float) -> None:
    await asyncio.sleep(after)
    for _ in left:
        start = time.perf_counter()
        async with connect(url, compression=None, max_size=None) as connection:
            # A frame of the client's is answered by one of the server's: half of them each.
            asked = islice(texts * 2, FRAMES // 2)
            for number, text in enumerate(asked):
                due = start + each * 2 * number / FRAMES
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await connection.send(text)
                await connection.recv()


async def _watch(url: str, watched: list[dict[str, float]]) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        watched.append(await asyncio.to_thread(metrics_of, url))
        behind = watched[-1]["eventstore_recorder_behind"]
        print(f"{_memory(watched[-1]):.0f} MB, {behind:.0f} frames behind", file=sys.stderr)


def _memory(metrics: dict[str, float]) -> float:
    """Megabytes of the relay and of the process that records."""
    name = "process_resident_memory_bytes"
    return (metrics[name] + metrics[f"eventstore_recorder_{name}"]) / 1e6


if __name__ == "__main__":
    url, path, calls, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(play(url, path, int(calls), float(seconds)))))
