"""What encryption costs: the same work by a store with keys and one without."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks import sessions, speech
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_slices, in_turns, progress, ratio, settle
from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.store.database.workers import collect_garbage_seldom

# As long as the ids of servers: with a shorter one, two frames of 40 ms of a plain session fit into
# a page of SQLite, and of an encrypted one do not.
SESSION_ID = "sess_{:020d}"
_SECONDS = 120
_TEXT_EVENTS = 20_000
_BATCH, _SLICE = 100, 1000


def run(databases: Databases, options: Options) -> Report:
    """A voice call and a text session, written, read and sealed by both stores in turns."""
    report = Report("encryption", "encryption: the speed of a store with keys, of one without")
    # Without recorded speech, a call of the same length: the sample call again and again.
    seconds = _SECONDS // 4 if options.quick else _SECONDS
    calls = {
        "voice": speech.call(seconds) if "SPEECH" in os.environ else sessions.voice(40 * seconds),
        "text": sessions.text(_TEXT_EVENTS // 10 if options.quick else _TEXT_EVENTS),
    }
    settle()
    collect_garbage_seldom()
    for kind, frames in calls.items():
        measure(databases, options, report, kind, frames)
    return report


def measure(
    databases: Databases, options: Options, report: Report, kind: str, frames: Sequence[Frame]
) -> None:
    """Add the figures of one session to a report."""
    for backend in databases.backends(options.backends):
        progress(f"encryption: {kind}, {backend}")
        with ExitStack() as stack:
            urls = [stack.enter_context(databases.fresh(backend)) for _ in range(2)]
            keys = f"sqlite:///{databases.path()}"
            stores = {
                "plain": stack.enter_context(EventStore(urls[0])),
                "encrypted": stack.enter_context(EventStore(urls[1], keys=keys)),
            }
            _measure(report, options, f"{backend}, {kind}", stores, frames)


def _measure(
    report: Report,
    options: Options,
    where: str,
    stores: dict[str, EventStore],
    frames: Sequence[Frame],
) -> None:
    taken: dict[str, list[float]] = {name: [] for name in stores}
    for number in range(options.rounds(5)):
        writers = {
            name: partial(_write, store, SESSION_ID.format(number), frames)
            for name, store in stores.items()
        }
        for name, seconds in in_slices(writers, len(frames), _SLICE).items():
            taken[name].append(seconds)
    size = f"{len(frames):,} events"
    speed = ratio(taken["plain"], taken["encrypted"])
    report.add(f"{where}: appended, {_BATCH} a commit", speed, size=size)
    ids = [SESSION_ID.format(number) for number in range(options.rounds(5))]
    for what, work, more in (
        ("read", _read, 4),
        ("rebuilt", _rebuild, 2),
        ("sealed, unsealed", _seal, 1),
    ):
        both = {name: partial(work, store, ids) for name, store in stores.items()}
        found = in_turns(both, more * options.rounds(5))
        speed = ratio(found["plain"], found["encrypted"])
        report.add(f"{where}: {what}", speed, size=size)


def _write(
    store: EventStore, session_id: str, frames: Sequence[Frame], start: int, end: int
) -> None:
    for first in range(start, end, _BATCH):
        last = min(first + _BATCH, end)
        store.append(session_id, frames[first:last], close=last == len(frames))


def _read(store: EventStore, session_ids: Sequence[str]) -> None:
    for session_id in session_ids:
        for _ in store.events(session_id):
            pass


def _rebuild(store: EventStore, session_ids: Sequence[str]) -> None:
    store.rebuild(session_ids[:2]).raise_for_errors()


def _seal(store: EventStore, session_ids: Sequence[str]) -> None:
    store.seal(session_ids[:1])
    store.unseal(session_ids[0]).raise_for_errors()
