"""Limits how many bytes of request bodies are in memory at once, with a fair share for each asker.

An asker is a tenant or an API key. Called by `guard.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from eventstore.web.server.places import BusyError

# The limit for all bodies together: this many bytes, or this many bodies of the largest size that
# is allowed, whichever is more.
_MOST_BYTES, _BODIES = 256 * 1024 * 1024, 4


class BodyMemory:
    """Counts the bytes of request bodies in memory. Its methods are called on the event loop.

    An asker may hold as many bytes as remain free, as with places (places.py). So one asker alone
    holds half of them at most.

    Args:
        body_bytes: How many bytes the body of one request may have.
    """

    def __init__(self, body_bytes: int) -> None:
        self._free = max(_MOST_BYTES, _BODIES * body_bytes)
        self._held: Counter[Hashable] = Counter()

    def take(self, asker: Hashable, size: int) -> None:
        """Count bytes of a body that have arrived.

        Args:
            asker: The asker that sends the body: the tenant, or the name of the key.
            size: How many bytes have arrived.

        Raises:
            BusyError: This asker holds too many bytes already. Nothing is counted then.
        """
        if self._held[asker] + size > self._free - size:
            raise BusyError
        self._free -= size
        self._held[asker] += size

    def give_back(self, asker: Hashable, size: int) -> None:
        """Release the bytes of a body that is no longer in memory."""
        self._free += size
        self._held[asker] -= size
        if not self._held[asker]:
            del self._held[asker]
