"""Processes that write to a store. Importable, since a spawned process starts from nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from eventstore import EventStore
from eventstore.realtime.frames import SERVER, Frame
from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import close_all
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append

SHARED = "shared"


class Written(NamedTuple):
    """One append of a process: where, from which seq, and what."""

    session_id: str
    first_seq: int
    texts: list[str]


_start: Any = None


def _set_start(barrier: Any) -> None:
    global _start
    _start = barrier


def write_many(url: str, name: str, appends: int, own_sessions: int) -> list[Written]:
    """Append to one shared session, and in turn to some that this process and others share."""
    engine = engines.create(url)
    states = StateCache()
    written = []
    # All at once, or the first would be done before the last begins.
    _start.wait(timeout=30)
    for number in range(appends):
        for session_id in (SHARED, f"sess_{number % own_sessions}"):
            texts = list(_texts(f"{name}-{number}-{session_id}", 1 + number % 10))
            done = append(engine, states, session_id, [Frame(SERVER, text) for text in texts])
            written.append(Written(session_id, done.first_seq, texts))
    close_all(engine)
    return written


def _texts(name: str, count: int) -> Iterator[str]:
    for number in range(count):
        item = {"id": f"{name}-{number}", "type": "message", "role": "user", "content": []}
        yield json.dumps({"type": "conversation.item.added", "item": item})


def in_processes(url: str, count: int, appends: int, own_sessions: int) -> list[list[Written]]:
    """Run so many processes at once; what each of them wrote, in its order."""
    context = get_context("spawn")
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, _set_start, (barrier,)) as pool:
        running = [
            pool.submit(write_many, url, f"process-{number}", appends, own_sessions)
            for number in range(count)
        ]
        return [one.result(timeout=60) for one in running]


def write_in_threads(url: str, name: str, threads: int, appends: int) -> dict[str, list[str]]:
    """Append to a session in each thread of one store; the texts of each session, in order."""

    def write(session_id: str) -> list[str]:
        written: list[str] = []
        for number in range(appends):
            # An append of one event is one statement, a short one has some, and a long one a COPY.
            texts = list(_texts(f"{session_id}-{number}", (1, 1, 3, 10)[number % 4]))
            store.append(session_id, [Frame(SERVER, text) for text in texts])
            written += texts
        return written

    with EventStore(url) as store, ThreadPoolExecutor(threads) as pool:
        ids = [f"{name}-{number}" for number in range(threads)]
        return dict(zip(ids, pool.map(write, ids), strict=True))


def threads_in_processes(
    url: str, processes: int, threads: int, appends: int
) -> dict[str, list[str]]:
    """Run `write_in_threads` in so many processes at once; what all of them wrote."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        running = [
            pool.submit(write_in_threads, url, f"process-{number}", threads, appends)
            for number in range(processes)
        ]
        return {id_: texts for one in running for id_, texts in one.result(timeout=120).items()}


def batch(number: int, size: int) -> list[Frame]:
    """The frames of one append, each of which says of which append it is."""
    return [Frame(SERVER, text) for text in _texts(f"batch-{number}", size)]


def write_until_killed(url: str, session_id: str, size: int) -> None:
    """Append batch after batch, and say the number of each that is known to be written."""
    engine = engines.create(url)
    states = StateCache()
    number = 0
    while True:
        number += 1
        append(engine, states, session_id, batch(number, size))
        print(number, flush=True)


if __name__ == "__main__":
    write_until_killed(sys.argv[1], sys.argv[2], int(sys.argv[3]))
