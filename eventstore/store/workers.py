"""Share work over sessions among processes, each with a connection of its own."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from sqlalchemy import Engine

from eventstore.store import engine as engines
from eventstore.store.transaction import keys_of, places_of

Result = TypeVar("Result")

_MOST_AT_ONCE = 50
# Objects made between two looks for garbage.
_GARBAGE = 100_000
_engine: Engine | None = None


def for_each(
    engine: Engine, work: Callable[[Engine, str], Result], ids: Sequence[str], workers: int
) -> Iterator[Result]:
    """What some work gives for each session, in order, as it gets done.

    Args:
        work: a function of a module, so that other processes find it.
        workers: processes; with one, it is done in this one.

    Raises:
        Exception: what the work raises.
    """
    if workers <= 1 or len(ids) <= 1:
        for session_id in ids:
            yield work(engine, session_id)
        return
    keys = keys_of(engine).engine
    keys_url = _url(keys) if keys is not None else None
    opened = _url(engine), keys_url, places_of(engine).given()
    at_once = max(1, min(_MOST_AT_ONCE, len(ids) // workers))
    # Spawned, not forked: a forked child would share this process's connections.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, opened) as pool:
        yield from pool.map(partial(_work, work), ids, chunksize=at_once)


def _url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def _start(url: str, keys: str | None, places: list[str]) -> None:
    global _engine
    work_in_bulk()
    _engine = engines.create(url, keys)
    for place in places:
        places_of(_engine).allow(place)


def work_in_bulk() -> None:
    """Look for garbage seldom, in a process that does nothing but work through sessions.

    Thousands of rows are in hand at once and no garbage: looking through them took a tenth of the
    time of sealing.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _work(work: Callable[[Engine, str], Result], session_id: str) -> Result:
    if _engine is None:
        raise RuntimeError("a worker without an engine")
    return work(_engine, session_id)
