"""Rebuild of many short sessions by two processes, against two that only read their events.

The first rebuild writes all read models, and the others find that every row is right. With
`--sessions`, most of the sessions are copies, and the audio of voice is as small as a telephone's,
so that a hundred thousand fit on a disk.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from tempfile import TemporaryFile
from typing import NamedTuple

from benchmarks import sessions
from benchmarks.copied_log import PREFIX, copy_log
from benchmarks.databases import SQLITE, Databases, driver_connection
from benchmarks.memory import peak
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_turns, progress, ratio, settle, timed
from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.segments.unpack import unpack_segment
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
SEGMENTS = "SELECT data FROM segments WHERE session_id = {} ORDER BY first_seq"
#: What is read of sessions in rows and of sealed ones. Events of segments are read without audio.
OF_ROWS, OF_SEGMENTS = ("rows",), ("events", "bytes")

# Audio of 24 kHz and 16 bits has six times the bytes of G.711, whose base64 is cut at a quantum.
_AUDIO = re.compile(r'("(?:audio|delta)": ?")([A-Za-z0-9+/]{2000,})')
_SHARE, _QUANTUM = 6, 4


class Rebuilt(NamedTuple):
    """What a run of `eventstore rebuild` printed, and the memory of its largest process."""

    said: str
    peak_mb: float


def run(databases: Databases, options: Options) -> Report:
    """Measure each database, with the events in rows and in segments."""
    report = Report(
        "rebuild_many", "rebuild --all of short sessions: a share of reading their events"
    )
    count = options.sessions or options.events(SESSIONS)
    report.size = f"{count:,} sessions"
    many = f"{count:,} sessions, " if options.sessions else ""
    for backend in databases.backends(options.backends):
        for sealed in (False, True):
            with databases.fresh(backend) as url:
                ids = prepare(url, options, sealed)
                what = f"{many}{backend}, {'sealed' if sealed else 'in rows'}"
                measure(report, options, what, url, ids, OF_SEGMENTS if sealed else OF_ROWS)
    return report


def fill(url: str, count: int, telephone: bool = False) -> list[str]:
    """Append so many closed sessions, every other one of voice, without read models.

    Their lengths are spread evenly between the orders of 200 and 2,000 events.

    Args:
        url: The database.
        count: How many sessions.
        telephone: True if voice has audio of a sixth of the size.
    """
    lengths = random.Random(23)
    voice, text = sessions.voice(LONGEST), sessions.text(LONGEST)
    if telephone:
        voice = [Frame(direction, _shorter(said), at) for direction, said, at in voice]
    settle()
    ids = [f"{PREFIX}{number:06d}" for number in range(count)]
    with EventStore(url, projection="deferred") as store:
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


def _shorter(frame: str) -> str:
    def cut(match: re.Match[str]) -> str:
        return match[1] + match[2][: len(match[2]) // _SHARE // _QUANTUM * _QUANTUM]

    return _AUDIO.sub(cut, frame)


def _seal(url: str, ids: Sequence[str]) -> None:
    progress("rebuild_many: sealing")
    with EventStore(url) as store:
        failed = store.seal(ids, WORKERS).failed
    if failed:
        raise RuntimeError(f"{failed[0]}")


def prepare(url: str, options: Options, sealed: bool) -> list[str]:
    """Fill a database with sessions that have no read models; their ids."""
    count = options.sessions or options.events(SESSIONS)
    ids = fill(url, min(count, SESSIONS), bool(options.sessions))
    if sealed:
        _seal(url, ids)
    if options.sessions:
        with driver_connection(url) as connection:
            ids = copy_log(connection, ids, count // SESSIONS - 1)
    return ids


def measure(
    report: Report,
    options: Options,
    what: str,
    url: str,
    ids: Sequence[str],
    limits: Sequence[str],
) -> None:
    """Write the read models of sessions, rebuild them in turns with reading, and add the figures.

    Args:
        report: Where they go.
        options: The options of the run.
        what: The database, and whether the sessions are sealed.
        url: The database's URL.
        ids: All of its sessions.
        limits: What is read of them to compare: `OF_ROWS`, or `OF_SEGMENTS` if they are sealed.
    """
    progress(f"rebuild_many: {what}, writing the read models")
    first = timed(lambda: _rebuild(url, len(ids)))
    peaks: list[float] = []
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:

        def read(of: str) -> None:
            halves = [(url, of, ids[number::WORKERS]) for number in range(WORKERS)]
            list(pool.map(_read, halves))

        def rebuild() -> None:
            done = _rebuild(url, len(ids))
            if "every row was right" not in done.said:
                raise RuntimeError(done.said)
            peaks.append(done.peak_mb)

        progress(f"rebuild_many: {what}")
        works = {of: (lambda of=of: read(of)) for of in limits} | {"rebuild": rebuild}
        rounds = options.rounds(1 if options.sessions else 3)
        seconds = in_turns(works, rounds, warm_up=0 if options.sessions else 1)
    rebuilt = len(ids) / _median(seconds["rebuild"])
    details = {"sessions": len(ids), "sessions/s": rebuilt, "MB of a process": max(peaks)}
    for of in limits:
        read_at = {"read, sessions/s": len(ids) / _median(seconds[of])}
        report.add(
            f"{what}, of reading the {of}",
            ratio(seconds[of], seconds["rebuild"]),
            None if of == "bytes" else TARGET,
            **details,
            **read_at,
        )
    report.add(
        f"{what}, without read models, of reading the {limits[0]}",
        ratio([_median(seconds[limits[0]])], [first]),
        **{"sessions": len(ids), "sessions/s": len(ids) / first},
    )


def _rebuild(url: str, count: int) -> Rebuilt:
    """Run the command as a process, as a user does."""
    with TemporaryFile("w+") as output:
        arguments = ("rebuild", "--all", "--workers", str(WORKERS))
        megabytes, _ = peak(url, *arguments, output=output)
        output.seek(0)
        said = output.read()
    if f"Rebuilt {count:,} sessions" not in said:
        raise RuntimeError(said)
    return Rebuilt(said, megabytes)


def _read(given: tuple[str, str, Iterable[str]]) -> int:
    """Read sessions one after the other; how many rows, events or segments there were."""
    url, of, ids = given
    mark = "?" if url.startswith(SQLITE) else "%s"
    sql, found = (EVENTS if of == "rows" else SEGMENTS).format(mark), 0
    with driver_connection(url) as connection:
        for id_ in ids:
            rows = connection.execute(sql, (id_,)).fetchall()
            if of == "events":
                found += sum(1 for (data,) in rows for _ in unpack_segment(data, sound=False))
            else:
                found += len(rows)
    return found


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
