"""What to measure, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.databases import BACKENDS

QUICK = 10


class Options(NamedTuple):
    """A run's options.

    Attributes:
        quick: a tenth of everything, to see that it works.
        backends: the databases to measure on.
        folder: where databases are made; None for the system's temporary folder.
        repeats: rounds, where not the benchmark's own number.
        calls: live calls to plan for, or to measure; none for the benchmark's own numbers.
        minutes: how long live calls have gone on before they are measured.
        assumed: what a plan assumes otherwise, such as `days_kept=30`.
        responses: how many responses to fill with; None for the benchmark's own number.
        sessions: how many sessions to rebuild; None for the benchmark's own number.
        stores: URLs of filled databases to measure on, in place of fresh ones; they are kept.
        chill: a command of the shell that empties all caches (the benchmark `cold`).
    """

    quick: bool = False
    backends: tuple[str, ...] = BACKENDS
    folder: Path | None = None
    repeats: int | None = None
    calls: tuple[int, ...] = ()
    minutes: int = 0
    assumed: tuple[str, ...] = ()
    responses: int | None = None
    sessions: int | None = None
    stores: tuple[str, ...] = ()
    chill: str = ""

    def events(self, full: int) -> int:
        """How many events, responses, … to measure with."""
        return full // QUICK if self.quick else full

    def size(self, full: int) -> int:
        """How many responses to fill a store with."""
        return self.responses or max(2000, self.events(full))

    def rounds(self, full: int) -> int:
        """How many rounds."""
        return self.repeats or (2 if self.quick else full)
