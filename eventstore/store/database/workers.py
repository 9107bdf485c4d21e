"""Share work over sessions among processes, each with a connection of its own.

Work that fails for one session fails for that one alone, also where it takes its process with it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Generic, TypeVar

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, WorkerDiedError
from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import CONNECTIONS, Connections
from eventstore.store.database.engine_options import allowed_locations_of
from eventstore.store.database.keys import keys_of
from eventstore.store.database.outages import attempt

Result = TypeVar("Result")
Work = Callable[[Engine, str], Result]

_MOST_AT_ONCE = 50
#: Processes that die one after the other, each with another session, until all is given up.
_MOST_DEATHS = 10
# Objects made between two looks for garbage.
_GARBAGE = 100_000
_engine: Engine | None = None


def for_each(
    engine: Engine, work: Work[Result], ids: Sequence[str], workers: int
) -> Iterator[Result | EventStoreError]:
    """Do some work with each session.

    Args:
        engine: of the database.
        work: a function of a module, so that other processes find it.
        ids: the sessions.
        workers: processes; with one, it is done in this one.

    Returns:
        For each session, in order and as it gets done, what the work gives, or why it failed.

    Raises:
        EventStoreError: the whole database is away, full or locked, or no process can work.
        ClosedError: the store is closed. ForkError: this process cannot use its database.
    """
    connections: Connections = engine.get_execution_options()[CONNECTIONS]
    connections.check()  # other processes would open the database anew
    if workers <= 1 or len(ids) <= 1:
        for session_id in ids:
            yield _attempt(engine, work, session_id)
        return
    yield from _SharedWork(engine, work, workers).results(ids)


def _attempt(engine: Engine, work: Work[Result], session_id: str) -> Result | EventStoreError:
    return attempt(f"session {session_id}", lambda: work(engine, session_id))


class _SharedWork(Generic[Result]):
    """One piece of work, and the processes that share it."""

    def __init__(self, engine: Engine, work: Work[Result], workers: int) -> None:
        keys = keys_of(engine).engine
        keys_url = _url(keys) if keys is not None else None
        self._opened = _url(engine), keys_url, allowed_locations_of(engine).given()
        self._work, self._workers = work, workers
        self._deaths = 0

    def results(self, ids: Sequence[str]) -> Iterator[Result | EventStoreError]:
        """What the work gives for each session, in order."""
        at_once = max(1, min(_MOST_AT_ONCE, len(ids) // self._workers))
        left = [ids[place : place + at_once] for place in range(0, len(ids), at_once)]
        while left:
            done = 0
            for result in self._until_one_dies(left):
                yield from result
                done += 1
            left = left[done:]
            # A process died. It had one of these in its hands: a pool begins them in order, and
            # takes one more than it has processes.
            for group in left[: self._workers + 1]:
                yield from self._one_by_one(group)
            left = left[self._workers + 1 :]

    def _until_one_dies(
        self, groups: Sequence[Sequence[str]]
    ) -> Iterator[list[Result | EventStoreError]]:
        pool = self._pool(self._workers)
        try:
            tasks = [pool.submit(_work_with_all, self._work, group) for group in groups]
            for task in tasks:
                yield task.result()
        except BrokenProcessPool:
            return
        finally:
            pool.shutdown(cancel_futures=True)

    def _one_by_one(self, ids: Sequence[str]) -> Iterator[Result | EventStoreError]:
        """Work with one session at a time, to find the one that its process dies of."""
        pool = None
        try:
            for session_id in ids:
                pool = pool or self._pool(1)
                task: Future[list[Result | EventStoreError]] = pool.submit(
                    _work_with_all, self._work, (session_id,)
                )
                try:
                    yield task.result()[0]
                    self._deaths = 0
                except BrokenProcessPool:
                    pool.shutdown()
                    pool = None
                    self._note_death()
                    yield WorkerDiedError(session_id)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def _note_death(self) -> None:
        self._deaths += 1
        if self._deaths >= _MOST_DEATHS:
            raise EventStoreError(
                f"{self._deaths} processes died one after the other; give fewer workers,"
                " or more memory"
            )

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        # Spawned, not forked: a forked child would share this process's connections.
        return ProcessPoolExecutor(workers, get_context("spawn"), _start, self._opened)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _start(url: str, keys: str | None, allowed: list[str]) -> None:
    global _engine
    collect_garbage_seldom()
    _engine = engines.create(url, keys)
    for location in allowed:
        allowed_locations_of(_engine).allow(location)


def collect_garbage_seldom() -> None:
    """Look for garbage seldom, in a process that does nothing but work through sessions.

    Thousands of rows are in hand at once and no garbage: looking through them took a tenth of the
    time of sealing.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _work_with_all(work: Work[Result], ids: Sequence[str]) -> list[Result | EventStoreError]:
    if _engine is None:
        raise RuntimeError("a worker without an engine")
    engine = _engine
    return [_attempt(engine, work, session_id) for session_id in ids]
