"""Limits how many requests work at once, so that one API key never takes all threads.

Every route that works in a thread takes a place first: see `paths.py` and `streams.py`. A place is
a permit, as of a semaphore. There are fewer places than threads and database connections, so some
remain for health checks and for the pages' static files.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from types import TracebackType
from typing import NamedTuple, Self

from eventstore.web.server.errors import ApiError

#: Seconds after which a refused client should ask again.
RETRY_AFTER = 2


class BusyError(ApiError):
    """Too many requests of one asker are under way already."""

    def __init__(self) -> None:
        message = "too many of your requests are under way; wait for their answers, then try again"
        super().__init__(503, message, "busy", headers={"Retry-After": str(RETRY_AFTER)})


class Place:
    """A place that one request holds. Use it in a `with` block, or call `leave` at the end."""

    def __init__(self, places: Places, asker: Hashable) -> None:
        self._places: Places | None = places
        self._who = asker

    def leave(self) -> None:
        """Give the place back. A second call does nothing."""
        places, self._places = self._places, None
        if places is not None:
            places._give_back(self._who)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()


class Places:
    """A fixed number of places for one kind of work. All methods are called on the event loop.

    An asker (a tenant or an API key) gets a place while more places are free than it holds already.
    So one asker alone holds half of the places at most, a second one holds half of the rest, and a
    new asker finds a free place at once. Askers that wait are served in turns: each gets one place
    before any of them gets another.

    Args:
        places: How many there are; 2 at least.
        waiting: How many requests of one asker may wait for a place; the next one is refused.
    """

    def __init__(self, places: int, waiting: int) -> None:
        self._free, self._most_waiting = places, waiting
        self._held: Counter[Hashable] = Counter()
        self._queues: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, asker: Hashable) -> Place:
        """Wait for a place, and return it.

        Args:
            asker: The asker: the tenant, or the name of the key.

        Raises:
            BusyError: Too many requests of this asker wait already.
        """
        queue = self._queues.get(asker)
        if not queue and self._may_enter(asker):
            self._enter(asker)
            return Place(self, asker)
        if len(queue or ()) >= self._most_waiting:
            raise BusyError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(asker, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(asker)  # the place was given at the moment of the cancellation
            else:
                self._forget(asker, turn)
            raise
        return Place(self, asker)

    def _may_enter(self, asker: Hashable) -> bool:
        return self._free > self._held[asker]

    def _enter(self, asker: Hashable) -> None:
        self._free -= 1
        self._held[asker] += 1

    def _give_back(self, asker: Hashable) -> None:
        self._free += 1
        self._held[asker] -= 1
        if not self._held[asker]:
            del self._held[asker]
        while (lucky := next(filter(self._may_enter, self._queues), None)) is not None:
            self._queues.move_to_end(lucky)
            turn = self._queues[lucky][0]
            self._forget(lucky, turn)
            if not turn.done():
                self._enter(lucky)
                turn.set_result(None)

    def _forget(self, asker: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(asker, deque())
        if turn not in queue:
            return  # a place came free between its cancellation and the end of its task
        queue.remove(turn)
        if not queue:
            del self._queues[asker]


class ServerPlaces(NamedTuple):
    """The places of a server, by the kind of work.

    Attributes:
        reading: Requests that read, whose queries have a time limit.
        writing: Requests that append or erase.
        sound: Sound files and waveforms in the making.
        streams: Responses that are sent over a long time: event streams, and exports as JSON lines.
        stream_reads: Reads of the database for these streams.
    """

    reading: Places
    writing: Places
    sound: Places
    streams: Places
    stream_reads: Places


def server_places() -> ServerPlaces:
    """Make the places of a server.

    All kinds of work together have fewer places than there are threads (40) and, for each of the
    two stores, connections (25).
    """
    return ServerPlaces(
        reading=Places(16, 64),
        writing=Places(8, 64),
        sound=Places(4, 16),
        streams=Places(256, 0),
        stream_reads=Places(4, 256),
    )
