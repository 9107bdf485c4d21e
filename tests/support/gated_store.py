"""A store that holds up what one tenant asks, as slow queries do, until a test lets it go on."""

from __future__ import annotations

import threading
from typing import Any

from eventstore import EventStore
from eventstore.verbs.queries import Queries


class GatedQueries(Queries):
    """What a tenant sees: asked for usage, it waits for the gate."""

    gate: Gate

    def usage(self, *given: Any, **named: Any) -> Any:
        self.gate.wait()
        return super().usage(*given, **named)


class Gate:
    """Counts who waits before it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._arrived = threading.Semaphore(0)

    def wait(self) -> None:
        """Wait until the gate is open."""
        self._arrived.release()
        assert self._open.wait(60)

    def arrivals(self, number: int) -> None:
        """Wait until so many more have come."""
        for _ in range(number):
            assert self._arrived.acquire(timeout=60)

    def is_empty(self) -> bool:
        """Whether nobody has come since."""
        return not self._arrived.acquire(blocking=False)

    def open(self) -> None:
        """Let all go on."""
        self._open.set()


class GatedStore(EventStore):
    """A store that holds up one tenant, the one of which `customer` has the value."""

    def __init__(self, url: str, gate: Gate, held_up: str) -> None:
        super().__init__(url)
        self._gate, self._held_up = gate, held_up

    def audio(self, *given: Any, **selected: Any) -> Any:
        """Write sound; a stretch that begins at a whole second is held up."""
        if selected.get("start") is not None and selected["start"] % 1 == 0:
            self._gate.wait()
        return super().audio(*given, **selected)

    def scoped(self, key: str, value: str) -> Queries:
        """What a tenant sees."""
        seen = super().scoped(key, value)
        if value != self._held_up:
            return seen
        gated = GatedQueries(seen.engine, seen.scope)
        gated.gate = self._gate
        return gated
