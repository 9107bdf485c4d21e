"""Many writers: as many processes on PostgreSQL, and many sessions of one recorder.

Processes append to a session each, beside processes that write the same rows by a bare COPY. A
recorder gets some frames of sixteen sessions at a time and writes them in one transaction, beside
a bare `executemany` (SQLite) or COPY (PostgreSQL) of the same rows in the same transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks import sessions
from benchmarks.bare import bare_writer, event_rows
from benchmarks.databases import POSTGRESQL, Databases, driver_connection, settings_of
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_slices, in_turns, progress, ratio, settle
from benchmarks.writer_process import MODES, writer_processes
from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import Frame

PROCESSES = (1, 2, 4, 8, 16)
#: Events of a session in a commit.
BATCHES = (10, 100)
#: Microseconds that the server waits before a commit, so that others join it (`commit_delay`).
DELAYS_US = (200, 1_000)
SESSIONS = 16
#: Frames of each session that a recorder gets at a time: at 40 frames a second, what comes in 50
#: ms, in 250 ms, and in two and a half seconds.
AT_ONCE = (2, 10, 100)

Work = Callable[[int, int], None]


def run(databases: Databases, options: Options) -> Report:
    """Measure processes on PostgreSQL, and a recorder on each database."""
    report = Report("writers", "writers: many at once, as a share of the bare limit")
    for backend in databases.backends(options.backends):
        _measure_recorder(databases, options, report, backend)
    if POSTGRESQL in databases.backends(options.backends):
        for batch in BATCHES:
            for processes in PROCESSES:
                _measure_processes(databases, options, report, processes, batch)
        for processes in PROCESSES[2:]:
            _measure_group_commit(databases, options, report, processes)
    return report


def _measure_processes(
    databases: Databases, options: Options, report: Report, processes: int, batch: int
) -> None:
    events = options.events(8_000) // processes
    progress(f"writers: {processes} processes, {batch} a commit, {events} events each")
    with ExitStack() as stack:
        urls = {mode: stack.enter_context(databases.fresh(POSTGRESQL)) for mode in MODES}
        with EventStore(urls["inline"]) as store:
            report.notes[POSTGRESQL] = settings_of(store.engine)
        write = stack.enter_context(writer_processes(urls, processes, events, batch))
        number = count()
        works = {mode: (lambda mode=mode: write(mode, next(number))) for mode in MODES}
        seconds = in_turns(works, options.rounds(7))
        for mode in ("log", "inline"):
            with EventStore(urls[mode]) as store:
                found, due = store.status()["events"], (1 + options.rounds(7)) * processes * events
                if found != due:
                    raise RuntimeError(f"{found} events are there, not {due}")
    for mode in ("log", "inline"):
        report.add(
            f"{processes} processes, {batch} a commit, {mode}",
            ratio(seconds["bare"], seconds[mode]),
            size=f"{processes * events:,} events",
            **_rates(processes * events, seconds["bare"], seconds[mode]),
        )


def _measure_group_commit(
    databases: Databases, options: Options, report: Report, processes: int
) -> None:
    """Compare the server's own group commit with none, at the smaller batch."""
    events = options.events(8_000) // processes
    with ExitStack() as stack:
        urls = {}
        for delay in (0, *DELAYS_US):
            url = stack.enter_context(databases.fresh(POSTGRESQL))
            urls[f"inline {delay}"] = url
            with driver_connection(url) as connection:
                name = make_url(url).database
                connection.execute(f'ALTER DATABASE "{name}" SET commit_delay = {delay}')
                connection.commit()
        write = stack.enter_context(writer_processes(urls, processes, events, BATCHES[0]))
        number = count()
        works = {mode: (lambda mode=mode: write(mode, next(number))) for mode in urls}
        seconds = in_turns(works, options.rounds(7))
    for delay in DELAYS_US:
        report.add(
            f"{processes} processes, {BATCHES[0]} a commit, commit_delay {delay} µs / none",
            ratio(seconds["inline 0"], seconds[f"inline {delay}"]),
        )


def _measure_recorder(databases: Databases, options: Options, report: Report, backend: str) -> None:
    frames = sessions.voice(options.events(4_000))
    settle()
    for at_once in AT_ONCE:
        some = frames[: len(frames) // 4] if at_once == min(AT_ONCE) else frames
        seconds: dict[str, list[float]] = {"bare": [], "log": [], "inline": []}
        for round_ in range(options.rounds(5)):
            progress(f"writers: {backend}, a recorder, {at_once} frames each, round {round_ + 1}")
            with ExitStack() as stack:
                works: dict[str, Work] = {
                    "bare": stack.enter_context(_bare(databases, backend, some, at_once))
                }
                for name in ("log", "inline"):
                    works[name] = stack.enter_context(
                        _recorder(databases, backend, name == "inline", some, at_once)
                    )
                for name, taken in in_slices(works, len(some), max(at_once, 200)).items():
                    seconds[name].append(taken)
        for name in ("log", "inline"):
            report.add(
                f"{backend}, one recorder, {SESSIONS} sessions, {at_once} frames each, {name}",
                ratio(seconds["bare"], seconds[name]),
                size=f"{SESSIONS * len(some):,} events",
                **_rates(SESSIONS * len(some), seconds["bare"], seconds[name]),
            )


@contextmanager
def _bare(
    databases: Databases, backend: str, frames: Sequence[Frame], at_once: int
) -> Iterator[Work]:
    rows = [event_rows(f"sess_{number:05d}", frames) for number in range(SESSIONS)]
    with bare_writer(databases, backend, single=False) as write:

        def work(start: int, end: int) -> None:
            for at in range(start, end, at_once):
                until = min(at + at_once, end)
                write([row for session in rows for row in session[at:until]])

        yield work


@contextmanager
def _recorder(
    databases: Databases,
    backend: str,
    inline: bool,
    frames: Sequence[Frame],
    at_once: int,
) -> Iterator[Work]:
    """Hands frames over to a recorder, and waits until all of them are committed."""
    with ExitStack() as stack:
        url = stack.enter_context(databases.fresh(backend))
        store = stack.enter_context(EventStore(url, "inline" if inline else "deferred"))
        recorder = stack.enter_context(Recorder(store, databases.path(".spool"), patience=60))
        calls = [recorder.session(session_id=f"sess_{number:05d}") for number in range(SESSIONS)]
        for call in calls:
            call.committed().result(60)

        def work(start: int, end: int) -> None:
            for at in range(start, end, at_once):
                for number, call in enumerate(calls):
                    for direction, text, _ in frames[at : min(at + at_once, end)]:
                        # Each call has an id of its own, as its server gives it.
                        call.record(direction, str(text).replace("sess_Demo", f"sess_{number}"))
                for done in [call.committed() for call in calls]:
                    done.result(60)

        yield work
        counters = recorder.counters()
        if (counters.written, counters.spooled) != (SESSIONS * len(frames), 0):
            raise RuntimeError(f"{counters}: not all frames went directly to the database")


def _rates(events: int, bare: list[float], ours: list[float]) -> dict[str, Any]:
    return {"events/s": events / _median(ours), "bare/s": events / _median(bare)}


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
