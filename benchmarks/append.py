"""Append against the bare limit: the same decoded rows into the same table, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

from benchmarks import sessions
from benchmarks.bare import bare_writer, event_rows
from benchmarks.databases import Databases, settings_of
from benchmarks.live_sessions import live
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_slices, progress, ratio, settle
from benchmarks.statements import Statement, kept_statements, statement_writer
from eventstore import EventStore
from eventstore.realtime.frames import Frame

SESSION = "sess_benchmark"
SLICE = 2000
TARGETS = {"log": 0.85, "inline": 0.6}
SINGLE_TARGET = 0.8
#: The statements of an append with projection, sent by the driver alone.
STATEMENTS = "statements"
KINDS: dict[str, Callable[[int], list[Frame]]] = {
    "voice": sessions.voice,
    "text": sessions.text,
    "live": live,
}

Slices = Callable[[int, int], None]


def run(databases: Databases, options: Options) -> Report:
    """Measure each batch size on each database."""
    report = Report("append", "append: rows a second, as a share of the bare limit")
    for kind in KINDS:
        batches = (1, 100, 500, 1000) if kind == "voice" else (1, 100, 500)
        measure(databases, options, report, kind, batches, options.events(20_000))
    return report


def measure(
    databases: Databases,
    options: Options,
    report: Report,
    kind: str,
    batches: Sequence[int],
    events: int,
) -> None:
    """Add the figures of one kind of session, which has so many events, to a report.

    Args:
        batches: How many events a commit has. With one, a fifth of the events is enough.
    """
    progress(f"append: making a {kind} session of {events} events")
    frames = KINDS[kind](events)
    rows = event_rows(SESSION, frames)
    settle()
    for backend in databases.backends(options.backends):
        for batch in batches:
            some = events // 5 if batch == 1 else events
            _measure(databases, options, report, kind, backend, batch, frames[:some], rows)


def _measure(
    databases: Databases,
    options: Options,
    report: Report,
    kind: str,
    backend: str,
    batch: int,
    frames: Sequence[Frame],
    rows: Sequence[tuple[object, ...]],
) -> None:
    seconds: dict[str, list[float]] = {"bare": [], "log": [], "inline": []}
    commits: list[list[Statement]] = []
    if batch > 1:  # A single row of PostgreSQL is one statement with its read models.
        seconds[STATEMENTS] = []
        commits = kept_statements(databases, backend, SESSION, frames, batch)
        settle()
    for round_ in range(options.rounds(7)):
        progress(f"append: {kind}, {backend}, batches of {batch}, round {round_ + 1}")
        with ExitStack() as stack:
            write = stack.enter_context(bare_writer(databases, backend, batch == 1))

            def bare(start: int, end: int, write: Callable[..., None] = write) -> None:
                for at in range(start, end, batch):
                    write(rows[at : min(at + batch, end)])

            writers: dict[str, Slices] = {"bare": bare}
            for name, mode in (("log", "deferred"), ("inline", "inline")):
                writers[name] = stack.enter_context(
                    store_writer(databases, backend, mode, frames, batch, report)
                )
            if commits:
                writers[STATEMENTS] = stack.enter_context(
                    statement_writer(databases, backend, commits, batch)
                )
            found = in_slices(writers, len(frames), min(SLICE, max(batch, 500)))
            for name, value in found.items():
                seconds[name].append(value)
    per_commit = {k: _per(v, len(frames) / batch) for k, v in seconds.items()}
    for name in [name for name in seconds if name != "bare"]:
        report.add(
            f"{kind}, {backend}, {batch} a commit, {name}",
            ratio(seconds["bare"], seconds[name]),
            None if kind == "text" else SINGLE_TARGET if batch == 1 else TARGETS.get(name),
            size=f"{len(frames):,} events",
            **{
                "events/s": len(frames) / _median(seconds[name]),
                "bare/s": len(frames) / _median(seconds["bare"]),
                "µs/commit": per_commit[name],
                "bare µs/commit": per_commit["bare"],
            },
        )


@contextmanager
def store_writer(
    databases: Databases,
    backend: str,
    mode: Literal["inline", "deferred"],
    frames: Sequence[Frame],
    batch: int,
    report: Report | None = None,
) -> Iterator[Slices]:
    """A writer of the store's own, through its Python API."""
    with databases.fresh(backend) as url, EventStore(url, mode) as store:
        if report is not None:
            report.notes[backend] = settings_of(store.engine)
        append = store.append

        def write(start: int, end: int) -> None:
            for at in range(start, end, batch):
                append(SESSION, frames[at : min(at + batch, end)], expected_seq=at)

        yield write
        if store.last_seq(SESSION) != len(frames):
            raise RuntimeError(f"{store.last_seq(SESSION)} events are there, not {len(frames)}")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _per(values: list[float], count: float) -> float:
    return _median(values) / count * 1e6
