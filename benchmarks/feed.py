"""A feed over a hundred live sessions: how late it is, and what it costs when nothing happens."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.processes import answer
from benchmarks.report import Report
from benchmarks.rounds import Measured, percentile, progress
from eventstore import Append, EventStore, Frame

SESSIONS, RATE = 100, 40
#: How often a session is appended to, each second: a recorder writes several frames at once.
COMMITS = 10
P99_MS = 100.0


def run(databases: Databases, options: Options) -> Report:
    """One process writes, another one follows."""
    report = Report("feed", "a feed over 100 live sessions, 40 events a second each")
    seconds = 3.0 if options.quick else 20.0
    report.size = f"{SESSIONS} sessions for {seconds:g} s"
    for backend in databases.backends(options.backends):
        progress(f"feed: {backend}")
        with databases.fresh(backend) as url:
            with EventStore(url) as store:
                store.subscribe("benchmark").close()
            found = answer("-m", "benchmarks.feed", url, str(seconds))
            report.add(
                f"{backend}: from commit to handler, 99 of 100",
                Measured(*found["late"]),
                P99_MS,
                at_most=True,
                unit=" ms",
                half=found["p50"],
                events_a_second=found["rate"],
            )
            report.add(f"{backend}: a feed while nothing happens", found["idle"] * 100, unit=" %")
    return report


def _measure(url: str, seconds: float) -> dict[str, Any]:
    writer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.feed", "write", url, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    late: list[tuple[str, int, float]] = []
    total = SESSIONS * RATE * seconds
    # What a long-running program does once it has begun: otherwise Python looks at all that was
    # imported each time that it collects garbage.
    gc.collect()
    gc.freeze()
    with EventStore(url) as store:
        with store.subscribe("benchmark") as feed:
            for delivery in feed:
                late.append((delivery.session_id, delivery.seq, time.time()))
                if len(late) >= total:
                    break
        out, _ = writer.communicate()
        committed = {(id_, seq): at for id_, seq, at in json.loads(out)}
        waited = sorted(
            (at - committed[id_, _last(committed, id_, seq)]) * 1000 for id_, seq, at in late
        )
        idle = _idle(store)
    return {
        "p50": statistics.median(waited),
        "late": percentile(waited, 99),
        "rate": len(late) / seconds,
        "idle": idle,
    }


def _last(committed: dict[tuple[str, int], float], id_: str, seq: int) -> int:
    """The last event of the append that an event was part of."""
    return -(-seq // (RATE // COMMITS)) * (RATE // COMMITS)


def _idle(store: EventStore) -> float:
    """The share of a processor that a feed takes while nothing happens."""
    feed = store.subscribe("benchmark")
    threading.Timer(6.0, feed.stop).start()
    with feed:
        before, started = time.process_time(), time.monotonic()
        for _ in feed:
            pass
        return (time.process_time() - before) / (time.monotonic() - started)


def _write(url: str, seconds: float) -> list[tuple[str, int, float]]:
    """Append to a hundred sessions, at their pace; return when each append was committed."""
    committed: list[tuple[str, int, float]] = []
    many = RATE // COMMITS
    with EventStore(url) as store:
        started = time.monotonic()
        for round_ in range(int(seconds * COMMITS)):
            at = int(time.time() * 1_000_000)
            frames = [
                Frame("server", f'{{"type":"response.output_text.delta","delta":"{n}"}}', at)
                for n in range(many)
            ]
            for first in range(0, SESSIONS, 10):
                ids = [f"s{number}" for number in range(first, first + 10)]
                store.append_together([Append(id_, frames) for id_ in ids])
                now = time.time()
                committed += [(id_, (round_ + 1) * many, now) for id_ in ids]
            left = started + (round_ + 1) / COMMITS - time.monotonic()
            if left > 0:
                time.sleep(left)
    return committed


if __name__ == "__main__":
    if sys.argv[1] == "write":
        print(json.dumps(_write(sys.argv[2], float(sys.argv[3]))))
    else:
        print(json.dumps(_measure(sys.argv[1], float(sys.argv[2]))))
