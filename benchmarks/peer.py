"""Against a general event-sourcing library: eventsourcing's `EventStore.put` of the same frames.

Its domain events hold direction and text, and are made before the clock starts, as our frames
are. Its file database has the library's own defaults (WAL, synchronous FULL).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.sqlite import (
    SQLiteAggregateRecorder,
    SQLiteApplicationRecorder,
    SQLiteDatastore,
)

from benchmarks import sessions
from benchmarks.append import SESSION, Slices, store_writer
from benchmarks.bare import Row, Writer, bare_writer, event_rows
from benchmarks.databases import SQLITE, Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_slices, progress, ratio, settle
from eventstore.realtime.frames import Frame

#: What the store should reach with a voice session; the bare limit is there to compare.
TARGETS = {"inline": 2.5, "log": 4.0, "bare": None}
MODES = {"inline": "inline", "log": "deferred"}
RECORDERS = {"application": SQLiteApplicationRecorder, "aggregate": SQLiteAggregateRecorder}
SLICE = 2000


@dataclass(frozen=True)
class FrameReceived:
    """A frame as a domain event."""

    originator_id: UUID
    originator_version: int
    direction: str
    frame: str


def run(databases: Databases, options: Options) -> Report:
    """Measure batches of 100 and 500 against both recorders."""
    report = Report("peer", "append: times faster than eventsourcing's EventStore.put, on SQLite")
    for kind, make in (("voice", sessions.voice), ("text", sessions.text)):
        events = options.events(20_000)
        progress(f"peer: making a {kind} session of {events} events")
        frames = make(events)
        id_ = UUID(int=1)
        domain = [FrameReceived(id_, n, f.direction, f.text) for n, f in enumerate(frames, 1)]
        rows = event_rows(SESSION, frames)
        settle()
        for batch in (100, 500):
            seconds = _seconds(databases, options, kind, batch, frames, domain, rows)
            for ours, target in TARGETS.items():
                for peer in RECORDERS:
                    report.add(
                        f"{kind}, {batch} a commit, {ours}, against its {peer} recorder",
                        ratio(seconds[peer], seconds[ours]),
                        target if kind == "voice" else None,
                        size=f"{events:,} events",
                        **{
                            "events/s": events * len(seconds[ours]) / sum(seconds[ours]),
                            "peer/s": events * len(seconds[peer]) / sum(seconds[peer]),
                        },
                    )
    return report


def _seconds(
    databases: Databases,
    options: Options,
    kind: str,
    batch: int,
    frames: Sequence[Frame],
    domain: Sequence[FrameReceived],
    rows: Sequence[Row],
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in (*RECORDERS, *MODES, "bare")}
    for round_ in range(options.rounds(7)):
        progress(f"peer: {kind}, batches of {batch}, round {round_ + 1}")
        with ExitStack() as stack:
            writers: dict[str, Slices] = {
                name: stack.enter_context(_peer_writer(databases, recorder, domain, batch))
                for name, recorder in RECORDERS.items()
            }
            for name, mode in MODES.items():
                made: Any = store_writer(databases, SQLITE, mode, frames, batch)
                writers[name] = stack.enter_context(made)
            bare = stack.enter_context(bare_writer(databases, SQLITE, False))

            def write_bare(start: int, end: int, bare: Writer = bare) -> None:
                for at in range(start, end, batch):
                    bare(rows[at : min(at + batch, end)])

            writers["bare"] = write_bare
            for name, value in in_slices(writers, len(frames), SLICE).items():
                seconds[name].append(value)
    return seconds


@contextmanager
def _peer_writer(
    databases: Databases,
    recorder_class: Callable[[SQLiteDatastore], Any],
    domain: Sequence[FrameReceived],
    batch: int,
) -> Iterator[Slices]:
    path = databases.path()
    store = SQLiteDatastore(str(path))
    recorder = recorder_class(store)
    recorder.create_table()
    transcoder = persistence.JSONTranscoder()
    for transcoding in (
        persistence.UUIDAsHex(),
        persistence.DecimalAsStr(),
        persistence.DatetimeAsISO(),
    ):
        transcoder.register(transcoding)
    put = persistence.EventStore(persistence.Mapper(transcoder), recorder).put

    def write(start: int, end: int) -> None:
        for at in range(start, end, batch):
            put(domain[at : min(at + batch, end)])

    try:
        yield write
    finally:
        store.close()
        for file in databases.folder.glob(f"{path.name}*"):
            file.unlink()
