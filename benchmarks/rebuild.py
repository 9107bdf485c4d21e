"""Rebuild of a session against `orjson.loads` of all its frames, already in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from benchmarks.append import KINDS
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import in_turns, progress, ratio, settle
from eventstore import EventStore
from eventstore.realtime.frames import Frame

SESSION = "sess_benchmark"
TARGET = 1.0


def run(databases: Databases, options: Options) -> Report:
    """Measure a voice session of two lengths, a text session, and one of GPT-Live."""
    report = Report("rebuild", "rebuild: times faster than orjson.loads over the session's frames")
    for kind, events in (("voice", 20_000), ("voice", 100_000), ("text", 20_000), ("live", 20_000)):
        measure(databases, options, report, kind, options.events(events))
    return report


def measure(databases: Databases, options: Options, report: Report, kind: str, events: int) -> None:
    """Add the figures of one kind of session, which has so many events, to a report."""
    progress(f"rebuild: making a {kind} session of {events} events")
    frames = KINDS[kind](events)
    settle()
    for backend in databases.backends(options.backends):
        _measure(databases, options, report, f"{kind}, {events}, {backend}", backend, frames)


def _measure(
    databases: Databases,
    options: Options,
    report: Report,
    what: str,
    backend: str,
    frames: Sequence[Frame],
) -> None:
    texts = [frame.text for frame in frames]
    with databases.fresh(backend) as url, EventStore(url, "deferred") as store:
        for start in range(0, len(frames), 2000):
            store.append(SESSION, frames[start : start + 2000], expected_seq=start)

        def parse() -> None:
            for text in texts:
                orjson.loads(text)

        def rebuild() -> None:
            (done,) = store.rebuild([SESSION]).done
            if done.seq != len(frames):
                raise RuntimeError(f"rebuilt up to {done.seq} of {len(frames)}")

        work: dict[str, Callable[[], None]] = {"parse": parse, "rebuild": rebuild}
        progress("rebuild:", what)
        seconds = in_turns(work, options.rounds(9))
        counts = store.status()
    report.add(
        what,
        ratio(seconds["parse"], seconds["rebuild"]),
        TARGET,
        size=f"{len(frames):,} events",
        **{
            "rebuild ms": 1000 * sorted(seconds["rebuild"])[len(seconds["rebuild"]) // 2],
            "orjson ms": 1000 * sorted(seconds["parse"])[len(seconds["parse"]) // 2],
            "responses": counts["responses"],
            "MB of text": sum(map(len, texts)) / 1e6,
        },
    )
