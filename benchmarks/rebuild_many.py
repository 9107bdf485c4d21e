"""Rebuild of many short sessions by two processes, against two that only read their rows."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks import sessions
from benchmarks.databases import SQLITE, Databases, driver_connection
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_turns, progress, ratio, settle
from eventstore import EventStore
from eventstore.store.sessions.append_arguments import Append

TARGET = 0.5
SESSIONS = 2_000
SHORTEST, LONGEST = 200, 2_000
WORKERS = 2
#: Sessions of one commit while the store is filled.
TOGETHER = 20

EVENTS = (
    "SELECT session_id, seq, at, direction, type, frame, audio_offset, audio_bytes, load_key,"
    " audio FROM events WHERE session_id = {} ORDER BY seq"
)
SEGMENTS = "SELECT * FROM segments WHERE session_id = {} ORDER BY first_seq"


def run(databases: Databases, options: Options) -> Report:
    """Measure each database, with the events in rows and in segments."""
    report = Report(
        "rebuild_many", "rebuild --all of short sessions: a share of reading their rows"
    )
    count = options.events(SESSIONS)
    report.size = f"{count:,} sessions"
    for backend in databases.backends(options.backends):
        with databases.fresh(backend) as url:
            ids = fill(url, count)
            for sealed in (False, True):
                if sealed:
                    _seal(url, ids)
                _measure(report, options, backend, url, ids, sealed)
    return report


def fill(url: str, count: int) -> list[str]:
    """Append so many closed sessions, every other one of voice, and write their read models.

    Their lengths are spread evenly between the orders of 200 and 2,000 events.
    """
    lengths = random.Random(23)
    voice, text = sessions.voice(LONGEST), sessions.text(LONGEST)
    settle()
    ids = [f"sess_{number:06d}" for number in range(count)]
    with EventStore(url) as store:
        for start in range(0, count, TOGETHER):
            appends = []
            for number in range(start, min(start + TOGETHER, count)):
                length = int(SHORTEST * (LONGEST / SHORTEST) ** lengths.random())
                frames = (voice if number % 2 else text)[:length]
                appends.append(Append(ids[number], frames, close=True))
            store.append_together(appends)
            if start % 1000 == 0:
                progress(f"rebuild_many: {start} of {count} sessions are there")
    return ids


def _seal(url: str, ids: Sequence[str]) -> None:
    progress("rebuild_many: sealing")
    with EventStore(url) as store:
        failed = store.seal(ids, WORKERS).failed
    if failed:
        raise RuntimeError(f"{failed[0]}")


def _measure(
    report: Report, options: Options, backend: str, url: str, ids: list[str], sealed: bool
) -> None:
    what = f"{backend}, {'sealed' if sealed else 'in rows'}"
    sql = (SEGMENTS if sealed else EVENTS).format("?" if backend == SQLITE else "%s")
    with EventStore(url) as store, ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:

        def read() -> None:
            halves = [(url, sql, ids[first::WORKERS]) for first in range(WORKERS)]
            list(pool.map(_read, halves))

        def rebuild() -> None:
            done = store.rebuild(workers=WORKERS)
            if len(done.done) != len(ids) or any(one.changed for one in done.done):
                raise RuntimeError(f"{len(done.done)} of {len(ids)} sessions were rebuilt")

        progress(f"rebuild_many: {what}")
        seconds = in_turns({"read": read, "rebuild": rebuild}, options.rounds(3))
    report.add(
        what,
        ratio(seconds["read"], seconds["rebuild"]),
        None if sealed else TARGET,
        **{
            "sessions": len(ids),
            "sessions/s": len(ids) / _median(seconds["rebuild"]),
            "read, sessions/s": len(ids) / _median(seconds["read"]),
            "MB of a worker": _peak_mb(),
        },
    )


def _read(given: tuple[str, str, Iterable[str]]) -> int:
    """Read the rows of sessions, one session after the other; how many rows there were."""
    url, sql, ids = given
    with driver_connection(url) as connection:
        return sum(len(connection.execute(sql, (id_,)).fetchall()) for id_ in ids)


def _peak_mb() -> float:
    """The peak memory of the largest process that this one has started and that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
