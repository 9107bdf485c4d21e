"""Run a function for many sessions in several processes, each with its own connection.

Called by project.py (`rebuild`) and archive/seal.py. If the function fails for one session, or even
kills its process, the other sessions are still done.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Generic, TypeVar

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, WorkerDiedError
from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import connections_of
from eventstore.store.database.engine_options import allowed_locations_of
from eventstore.store.database.keys import keys_of

Result = TypeVar("Result")
Work = Callable[[Engine, Sequence[str]], Iterable[Result | EventStoreError]]

_MOST_AT_ONCE = 50
#: After so many deaths of a process in a row, each with another session, the work is given up.
_MOST_DEATHS = 10
# How many objects are created between two runs of the garbage collector.
_GARBAGE = 100_000
# A spawned process imports the program anew.
_CANNOT_START = (
    "no worker process can start, for the reason that it printed; a program that gives workers"
    ' has to be a file, and to work below `if __name__ == "__main__":`'
)
_engine: Engine | None = None


def for_each(
    engine: Engine, work: Work[Result], ids: Sequence[str], workers: int
) -> Iterator[Result | EventStoreError]:
    """Call a function for sessions, in this process or with some of them in each of several others.

    Args:
        engine: The engine of the database.
        work: A function at the top level of a module, so that other processes can import it. It
            returns a result, or an error, for each of the sessions that it gets, in their order.
        ids: The sessions.
        workers: How many processes; 1 means this process alone.

    Yields:
        The result or the error of each session, in the order of `ids`.

    Raises:
        EventStoreError: The whole database is away, full or locked, or no process can work.
        ClosedError: The store is closed.
        ForkError: This process cannot use its database.
    """
    connections = connections_of(engine)
    connections.check()  # Worker processes would open a closed database again.
    if workers <= 1 or len(ids) <= 1:
        yield from work(engine, ids)
        return
    yield from _SharedWork(engine, work, workers).results(ids)


class _SharedWork(Generic[Result]):
    """One call of `for_each` that several processes share."""

    def __init__(self, engine: Engine, work: Work[Result], workers: int) -> None:
        keys = keys_of(engine).engine
        keys_url = _url(keys) if keys is not None else None
        self._opened = _url(engine), keys_url, allowed_locations_of(engine).given()
        self._work, self._workers = work, workers
        self._deaths = 0

    def results(self, ids: Sequence[str]) -> Iterator[Result | EventStoreError]:
        """Yield what the function returns for each session, in order."""
        at_once = max(1, min(_MOST_AT_ONCE, len(ids) // self._workers))
        left = [ids[place : place + at_once] for place in range(0, len(ids), at_once)]
        while left:
            done = 0
            for result in self._until_one_dies(left):
                yield from result
                done += 1
            left = left[done:]
            # A process died while it worked on one of these groups. The pool starts groups in
            # order, and queues one more than it has processes.
            for group in left[: self._workers + 1]:
                yield from self._one_by_one(group)
            left = left[self._workers + 1 :]

    def _until_one_dies(
        self, groups: Sequence[Sequence[str]]
    ) -> Iterator[list[Result | EventStoreError]]:
        """Yield the results of groups of sessions in order, until a process dies."""
        pool = self._pool(self._workers)
        try:
            tasks: list[Future[list[Result | EventStoreError]]] = [
                pool.submit(_work_with_all, self._work, group) for group in groups
            ]
            for task in tasks:
                yield task.result()
        except BrokenProcessPool:
            return
        finally:
            pool.shutdown(cancel_futures=True)

    def _one_by_one(self, ids: Sequence[str]) -> Iterator[Result | EventStoreError]:
        """Work on one session at a time, to find the session that kills its process."""
        pool = None
        try:
            for session_id in ids:
                pool = pool or self._started_pool()
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

    def _started_pool(self) -> ProcessPoolExecutor:
        """Return a pool of one process, which has started: what kills it from now on is its work.

        Raises:
            EventStoreError: It cannot start.
        """
        pool = self._pool(1)
        try:
            pool.submit(_nothing).result()
        except BrokenProcessPool:
            pool.shutdown()
            raise EventStoreError(_CANNOT_START) from None
        return pool

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        # The processes are spawned, because a forked child would share this process's connections.
        return ProcessPoolExecutor(workers, get_context("spawn"), _start, self._opened)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _start(url: str, keys: str | None, allowed: list[str]) -> None:
    """Open the database in a new worker process."""
    global _engine
    collect_garbage_seldom()
    _engine = engines.create(url, keys)
    for location in allowed:
        allowed_locations_of(_engine).allow(location)


def collect_garbage_seldom() -> None:
    """Run the garbage collector seldom; called in a process that only works through sessions.

    Such a process holds thousands of rows that are no garbage. Going through them took a tenth of
    the time of sealing.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _nothing() -> None:
    """Return at once."""


def _work_with_all(work: Work[Result], ids: Sequence[str]) -> list[Result | EventStoreError]:
    if _engine is None:
        raise RuntimeError("a worker without an engine")
    return list(work(_engine, ids))
