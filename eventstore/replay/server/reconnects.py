"""How soon a session that clients name is served again: a client may reconnect without end."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

#: How many replays of a session may end one right after the other, and seconds until one more may.
AT_ONCE, EACH = 5, 1.0
#: How many sessions are remembered; a session that no replay of ended for a while needs no memory.
_REMEMBERED = 1000


class _Bucket(NamedTuple):
    free: float
    at: float


class Reconnects:
    """A bucket of tokens for each session, of which a replay that ends takes one.

    Who connects while it is empty waits for a token, and takes none: so nobody waits longer than
    `EACH`, and clients that connect at the same time do not wait for each other.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def ended(self, session_id: str) -> None:
        """Note that a replay of a session ended."""
        self._buckets[session_id] = _Bucket(max(0.0, self._free(session_id) - 1), self._clock())
        self._buckets.move_to_end(session_id)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def wait(self, session_id: str) -> float:
        """Return how many seconds a client has to wait for a session."""
        return max(0.0, 1 - self._free(session_id)) * EACH

    def _free(self, session_id: str) -> float:
        bucket = self._buckets.get(session_id)
        if bucket is None:
            return AT_ONCE
        return min(AT_ONCE, bucket.free + (self._clock() - bucket.at) / EACH)
