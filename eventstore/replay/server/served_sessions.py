"""Remember which sessions were served for which request, so that each client gets another one.

Otherwise a client that reconnects by itself would be played the same call without end. Called by
stored_recordings.py.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

#: So many sessions are remembered, of all requests together. The request that was made longest ago
#: is forgotten first; its sessions are then served again.
REMEMBERED = 100_000


class HasSessionId(Protocol):
    """Something with the id of a session."""

    @property
    def session_id(self) -> str:
        """Return the session's id."""


ServedSession = TypeVar("ServedSession", bound=HasSessionId)


@dataclass
class _Served:
    sessions: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ServedSessions:
    """The sessions that were served for each request. Call its methods on one event loop."""

    def __init__(self) -> None:
        self._by_request: OrderedDict[Hashable, _Served] = OrderedDict()
        self._remembered = 0

    async def next(
        self, request: Hashable, choose: Callable[[Collection[str]], ServedSession]
    ) -> ServedSession:
        """Choose a session for a request, and remember it.

        The choice is made in a thread. Clients with the same request wait for each other, so that
        they get different sessions.

        Args:
            request: The request.
            choose: Called with the sessions that were served for this request. What it raises is
                raised here.
        """
        served = self._by_request.setdefault(request, _Served())
        self._by_request.move_to_end(request)
        try:
            async with served.lock:
                chosen = await asyncio.to_thread(choose, served.sessions)
                served.sessions.add(chosen.session_id)
        finally:
            if not served.sessions and not served.lock.locked():
                self._by_request.pop(request, None)
        if self._by_request.get(request) is served:
            self._remembered += 1
        while self._remembered > REMEMBERED:
            _, oldest = self._by_request.popitem(last=False)
            self._remembered -= len(oldest.sessions)
        return chosen

    def give_back(self, request: Hashable, session_id: str) -> None:
        """Forget a session that was chosen for a request but could not be served."""
        served = self._by_request.get(request)
        if served is not None and session_id in served.sessions:
            served.sessions.discard(session_id)
            self._remembered -= 1
