"""Where an append's and a rebuild's time goes: microseconds a frame and a commit, part by part.

Not a benchmark with targets but the tool to reach them: `python -m benchmarks.breakdown`.
Parts are timed by wrapping the store's functions; what runs inside a generator that the driver
pulls (decoding, folding) is timed alone and taken off the insert it runs in.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import sessions
from benchmarks.append import SESSION
from benchmarks.bare import bare_writer, event_rows
from benchmarks.databases import BACKENDS, Databases, databases
from benchmarks.rounds import progress, settle, timed
from eventstore import EventStore
from eventstore.projection.state import SessionState
from eventstore.realtime.frames import Frame, decode
from eventstore.store.database import transaction
from eventstore.store.log import insert_events as append_to_stream
from eventstore.store.readmodels import write_read_models as read_models
from eventstore.store.sessions import append as appender
from eventstore.store.sessions import project

WRAPPED = {
    "lock (SELECT streams)": (appender, "lock_stream"),
    "insert, with decode and fold": (appender, "insert_events"),
    "read models": (appender, "write_changes"),
    "read models, all": (project, "write_all"),
    "load state": (project, "load_state"),
    "  put rows": (read_models, "put_rows"),
    "  differences": (read_models, "differences"),
    "  response row": (read_models, "response_row"),
    "  item rows": (read_models, "item_rows"),
    "  session row": (read_models, "session_row"),
    "  response metadata": (read_models, "response_metadata_rows"),
    "  index said": (read_models, "_index_said"),
    "a statement, in all": (transaction.Transaction, "run"),
    "statements, many": (transaction.Transaction, "run_many"),
    "queries": (transaction.Transaction, "rows"),
}


class Clock:
    """Time and calls by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def wrap(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def run(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*args, **named)
            finally:
                self.seconds[name] += time.perf_counter() - start
                self.calls[name] += 1

        return run


@contextmanager
def _wrapped(clock: Clock) -> Iterator[None]:
    kept = []
    for name, (owner, attribute) in WRAPPED.items():
        kept.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, clock.wrap(name, getattr(owner, attribute)))
    try:
        yield
    finally:
        for owner, attribute, original in kept:
            setattr(owner, attribute, original)


def alone(frames: Sequence[Frame]) -> dict[str, float]:
    """Seconds of the pure parts over a session, best of five."""
    texts = [frame.text for frame in frames]

    def rows(state: SessionState | None) -> None:
        for _ in append_to_stream.decoded_rows(SESSION, 0, frames, state, None):
            pass

    def decode_only() -> None:
        for text in texts:
            decode(text)

    works: dict[str, Callable[[], None]] = {
        "decode": decode_only,
        "decode, as rows": lambda: rows(None),
        "decode and fold, as rows": lambda: rows(SessionState(SESSION)),
    }
    return {name: min(timed(work) for _ in range(5)) for name, work in works.items()}


def of_append(
    made: Databases, backend: str, mode: Any, frames: Sequence[Frame], batch: int
) -> None:
    """Print an append's parts."""
    clock = Clock()
    with made.fresh(backend) as url, EventStore(url, mode) as store:

        def work() -> None:
            for at in range(0, len(frames), batch):
                store.append(SESSION, frames[at : at + batch], expected_seq=at)

        with _wrapped(clock):
            total = timed(work)
    rows = event_rows(SESSION, frames)
    with bare_writer(made, backend, batch == 1) as write:

        def write_all() -> None:
            for at in range(0, len(rows), batch):
                write(rows[at : at + batch])

        bare = timed(write_all)
    _table(f"append, {backend}, {mode}, {batch} a commit", clock, total, bare, frames, batch)


def of_rebuild(made: Databases, backend: str, frames: Sequence[Frame]) -> None:
    """Print a rebuild's parts."""
    clock = Clock()
    with made.fresh(backend) as url, EventStore(url, "deferred") as store:
        for at in range(0, len(frames), 1000):
            store.append(SESSION, frames[at : at + 1000], expected_seq=at)
        store.rebuild([SESSION]).raise_for_errors()
        with _wrapped(clock):
            total = timed(lambda: store.rebuild([SESSION]).done)
    _table(f"rebuild, {backend}", clock, total, 0.0, frames, len(frames))


def _table(
    title: str, clock: Clock, total: float, bare: float, frames: Sequence[Frame], batch: int
) -> None:
    table = Table(title=title, title_justify="left", highlight=False)
    for column in ("part", "calls", "µs/call", "µs/frame", "µs/commit", "share"):
        table.add_column(column, justify="left" if column == "part" else "right")
    commits = len(frames) / batch
    lines = [("all", 1, total), *((n, clock.calls[n], s) for n, s in clock.seconds.items())]
    lines += [("(bare)", 1, bare)]
    for name, calls, seconds in lines:
        table.add_row(
            name,
            str(calls),
            f"{seconds / calls * 1e6:,.1f}",
            f"{seconds / len(frames) * 1e6:.2f}",
            f"{seconds / commits * 1e6:,.0f}",
            f"{seconds / total:.0%}",
        )
    Console(width=110).print(table)


def by_function(
    made: Databases, backend: str, mode: Any, frames: Sequence[Frame], batch: int
) -> None:
    """Print cProfile's view of the same append: shares, not times."""
    with made.fresh(backend) as url, EventStore(url, mode) as store:
        profile = cProfile.Profile()
        profile.enable()
        for at in range(0, len(frames), batch):
            store.append(SESSION, frames[at : at + batch], expected_seq=at)
        profile.disable()
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(28)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breakdown", description=__doc__)
    parser.add_argument("--kind", choices=("voice", "text"), default="voice")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--db", action="append", choices=BACKENDS)
    parser.add_argument("--profile", action="store_true", help="cProfile as well")
    given = parser.parse_args()
    frames = getattr(sessions, given.kind)(given.events)
    settle()
    for name, seconds in alone(frames).items():
        print(f"{name}: {seconds / len(frames) * 1e6:.2f} µs/frame")
    backends = tuple(given.db or BACKENDS)
    with databases(None, backends) as made:
        for backend in made.backends(backends):
            for batch in given.batch or (1, 100, 500):
                for mode in ("deferred", "inline"):
                    progress(backend, batch, mode)
                    some = frames[: 2000 if batch == 1 else None]
                    of_append(made, backend, mode, some, batch)
                    if given.profile:
                        by_function(made, backend, mode, some, batch)
            of_rebuild(made, backend, frames)


if __name__ == "__main__":
    main()
