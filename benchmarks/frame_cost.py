"""What a frame costs PostgreSQL and the recorder: processor time, WAL and disk.

Fifty calls are appended to in one transaction, as the recorder does. Processor time does not depend
on what else the machine does, so these figures are absolute. `benchmarks/plan.py` rests on them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from benchmarks import sessions
from benchmarks.databases import POSTGRESQL, Databases
from benchmarks.options import Options
from benchmarks.report import Report
from eventstore import EventStore
from eventstore.store.sessions.append_arguments import Append

CALLS = 50
#: Frames of a call in a transaction: the recorder appends every 50 ms, and every 250 ms when it
#: has much to do. A call has 40 frames a second.
BATCHES = (2, 10)


class Spent(NamedTuple):
    """What was spent up to now: seconds of processors, bytes of WAL, bytes of the database."""

    client: float
    server: float
    wal: float
    disk: float


def run(databases: Databases, options: Options) -> Report:
    """Measure a small and a large batch."""
    report = Report("frame_cost", "frame_cost: what a frame costs, with projection")
    frames = sessions.voice(options.events(1000))
    characters = sum(len(frame.text) for frame in frames) / len(frames)
    for batch in BATCHES if POSTGRESQL in databases.backends(options.backends) else ():
        with databases.fresh(POSTGRESQL) as url, EventStore(url) as store:
            append_to_calls(store, frames, 0, 10)
            before = spent(store)
            append_to_calls(store, frames, 10, batch)
            after = spent(store)
            count = CALLS * (len(frames) - 10)
        names = ("µs of the recorder", "µs of PostgreSQL", "bytes of WAL", "bytes of disk")
        for name, start, end, scale in zip(names, before, after, (1e6, 1e6, 1, 1), strict=True):
            found = (end - start) * scale / count
            what = f"{CALLS} calls, {batch} frames each: {name}"
            report.add(what, found, unit="", size=f"{count:,} frames")
    report.notes["characters a frame"] = characters
    return report


def append_to_calls(
    store: EventStore, frames: list[sessions.Frame], start: int, batch: int
) -> None:
    """Append the frames from `start` on (at most 10 if it is 0), some of each call at a time."""
    end = len(frames) if start else 10
    for at in range(start, end, batch):
        some = frames[at : min(at + batch, end)]
        store.append_together(
            [Append(f"sess_{number}", some, expected_seq=at) for number in range(CALLS)]
        )


def spent(store: EventStore) -> Spent:
    """What this process and the server's processes have spent."""
    with store.engine.connect() as connection:
        pids = connection.execute(text("SELECT pid FROM pg_stat_activity")).scalars().all()
        wal, disk = connection.execute(
            text(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'),"
                " pg_database_size(current_database())"
            )
        ).one()
    return Spent(time.process_time(), sum(map(_seconds, pids)), float(wal), float(disk))


def _seconds(pid: int) -> float:
    """The processor time of a process of this machine (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
