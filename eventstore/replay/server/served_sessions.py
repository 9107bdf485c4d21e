"""Which sessions a replay server has served to whom asked in the same words, so that each is new.

A client that reconnects by itself would otherwise be played the same call without end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

#: How many sessions are remembered, of all wishes together; the wish that was uttered longest ago
#: is forgotten first, and begins again.
REMEMBERED = 100_000


class HasSessionId(Protocol):
    """A session that was chosen."""

    @property
    def session_id(self) -> str:
        """Its id."""


AnySession = TypeVar("AnySession", bound=HasSessionId)


@dataclass
class _Served:
    sessions: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ServedSessions:
    """The sessions that each wish was served. Its methods are called on one event loop."""

    def __init__(self) -> None:
        self._by_wish: OrderedDict[Hashable, _Served] = OrderedDict()
        self._remembered = 0

    async def next(
        self, wish: Hashable, choose: Callable[[Collection[str]], AnySession]
    ) -> AnySession:
        """Choose a session in a thread, and remember it. Of clients with one wish, one chooses.

        Args:
            choose: told the sessions that the wish was served; what it raises is raised.
        """
        served = self._by_wish.setdefault(wish, _Served())
        self._by_wish.move_to_end(wish)
        try:
            async with served.lock:
                chosen = await asyncio.to_thread(choose, served.sessions)
                served.sessions.add(chosen.session_id)
        finally:
            if not served.sessions and not served.lock.locked():
                self._by_wish.pop(wish, None)
        if self._by_wish.get(wish) is served:
            self._remembered += 1
        while self._remembered > REMEMBERED:
            _, oldest = self._by_wish.popitem(last=False)
            self._remembered -= len(oldest.sessions)
        return chosen

    def give_back(self, wish: Hashable, session_id: str) -> None:
        """Forget a session that could not be served after all."""
        served = self._by_wish.get(wish)
        if served is not None and session_id in served.sessions:
            served.sessions.discard(session_id)
            self._remembered -= 1
