"""Measure in turns: A B A B …, so that what drifts on the machine drifts for both."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Measured(NamedTuple):
    """What was measured in several rounds.

    Attributes:
        value: A statistic of the rounds.
        least, greatest: The least and the greatest round.
        rounds: How many there were.
        statistic: Which one the value is.
    """

    value: float
    least: float
    greatest: float
    rounds: int
    statistic: str = "median"


def ratio(above: Sequence[float], below: Sequence[float]) -> Measured:
    """The ratio of what was measured in the same rounds: the median of the pairs, one a round."""
    return median([a / b for a, b in zip(above, below, strict=True)])


def median(taken: Sequence[float]) -> Measured:
    """The median of what was measured."""
    return Measured(statistics.median(taken), min(taken), max(taken), len(taken))


def percentile(taken: Sequence[float], percent: int) -> Measured:
    """What so many of a hundred measurements do not exceed."""
    value = sorted(taken)[len(taken) * percent // 100]
    return Measured(value, min(taken), max(taken), len(taken), f"{percent}th percentile")


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(
    work: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each of several things, done in turns, each round beginning with another."""
    names = list(work)
    for _ in range(warm_up):
        for name in names:
            work[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds):
        for name in _rotated(names, round_):
            taken[name].append(timed(work[name]))
    return taken


def in_slices(
    writers: Mapping[str, Callable[[int, int], object]], events: int, size: int
) -> dict[str, float]:
    """Seconds that each writer takes for a whole session, written in slices and in turns.

    Args:
        writers: each writes the session's events from one index up to another.
    """
    names = list(writers)
    total = dict.fromkeys(names, 0.0)
    for turn, start in enumerate(range(0, events, size)):
        end = min(start + size, events)
        for name in _rotated(names, turn):
            write = writers[name]
            begin = time.perf_counter()
            write(start, end)
            total[name] += time.perf_counter() - begin
    return total


def settle() -> None:
    """Take what there is now (the workload) out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()


def progress(*words: object) -> None:
    """Tell what is being done, on standard error."""
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]
