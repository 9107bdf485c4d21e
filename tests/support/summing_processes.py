"""Processes that append to days, erase, and sum these days up, all at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random
from typing import Any

from eventstore import EventStore, Frame
from eventstore.store.sessions.append_arguments import Append
from support.events import Call

DAYS = 12
DAY_MS = 86_400_000
SHARED = 6
SECRET = "quuxsecret"

_start: Any = None
_done: Any = None


def _set_up(start: Any, done: Any) -> None:
    global _start, _done
    _start, _done = start, done


def _answer(chance: Random, response: str, customer: str) -> list[Frame]:
    call = Call()
    call.ms = chance.randrange(DAYS) * DAY_MS
    metadata = {"customer": customer} if chance.random() < 0.8 else None
    call.created(response, metadata=metadata)
    usage = {"input_tokens": chance.randrange(100), "output_tokens": 1}
    return call.done(response, metadata=metadata, usage=usage).frames


def append_to_days(url: str, name: str, appends: int) -> None:
    """Append to sessions that others append to as well, each time to some day."""
    chance = Random(name)
    with EventStore(url) as store:
        _start.wait(timeout=60)
        for number in range(appends):
            session = f"shared_{chance.randrange(SHARED)}"
            frames = _answer(chance, f"resp_{name}_{number}", f"c{chance.randrange(4)}")
            if number % 5 == 0:
                other = [Append(f"{name}_{number}", frames), Append(session, frames)]
                store.append_together(other)
            elif number % 7 == 0:
                store.set_metadata(session, {"customer": f"c{chance.randrange(4)}"})
            else:
                for frame in frames:
                    store.append(session, [frame])


def erase_from_days(url: str, name: str, times: int) -> None:
    """Append sessions with words of their own, and erase them."""
    chance = Random(name)
    with EventStore(url) as store:
        _start.wait(timeout=60)
        for number in range(times):
            session = f"gone_{name}_{number}"
            for part in range(3):
                store.append(session, _answer(chance, f"resp_{part}", SECRET))
            if number:
                store.erase(f"gone_{name}_{number - 1}", vacuum=False).raise_for_errors()
        store.erase(f"gone_{name}_{times - 1}", vacuum=False).raise_for_errors()


def sum_until_done(url: str) -> int:
    """Sum days up again and again, until the others are done; how many days."""
    days = 0
    with EventStore(url) as store:
        _start.wait(timeout=60)
        while not _done.is_set():
            days += sum(1 for _ in store.sum_days().done)
    return days


def all_at_once(url: str, appends: int) -> int:
    """Run three that append, one that erases and two that sum; how many days were summed."""
    context = get_context("spawn")
    start, done = context.Barrier(6), context.Event()
    with ProcessPoolExecutor(6, context, _set_up, (start, done)) as pool:
        summing = [pool.submit(sum_until_done, url) for _ in range(2)]
        working = [pool.submit(append_to_days, url, f"p{n}", appends) for n in range(3)]
        working.append(pool.submit(erase_from_days, url, "e", appends // 6))
        try:
            for one in working:
                one.result(timeout=120)
        finally:
            done.set()
        return sum(one.result(timeout=60) for one in summing)
