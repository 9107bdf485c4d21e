"""Limit how often one session is replayed, since a client may reconnect without end.

Called by stored_recordings.py.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

#: The size of a bucket in tokens, and how long one token takes to come back, in seconds.
AT_ONCE, EACH = 5, 1.0
#: So many sessions are remembered. A session whose bucket is full again needs no memory.
_REMEMBERED = 1000


class _Bucket(NamedTuple):
    free: float
    at: float


class Reconnects:
    """A rate limit for each session: a token bucket from which every ended replay takes a token.

    A client that connects while the bucket is empty waits until there is a token, but takes none.
    So no client waits longer than `EACH`, and clients that connect at the same time do not wait for
    each other.

    Args:
        clock: Returns seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def ended(self, session_id: str) -> None:
        """Take a token, because a replay of a session has ended."""
        self._buckets[session_id] = _Bucket(max(0.0, self._free(session_id) - 1), self._clock())
        self._buckets.move_to_end(session_id)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def wait(self, session_id: str) -> float:
        """Return how long a client has to wait for a session, in seconds."""
        return max(0.0, 1 - self._free(session_id)) * EACH

    def _free(self, session_id: str) -> float:
        bucket = self._buckets.get(session_id)
        if bucket is None:
            return AT_ONCE
        return min(AT_ONCE, bucket.free + (self._clock() - bucket.at) / EACH)
