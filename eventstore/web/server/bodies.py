"""How many bytes of requests' bodies are held at once, shared out among those who send them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from eventstore.web.server.places import BusyError

# Bytes of all bodies together, or so many bodies as large as they may be where that is more.
_MOST_BYTES, _BODIES = 256 * 1024 * 1024, 4


class Bodies:
    """Bytes of the bodies of requests that are under way. Its methods are called on the event loop.

    An asker may hold as many bytes as are free beside them, as with places (places.py): one asker
    alone holds half of them at most.

    Args:
        body_bytes: that one request may have.
    """

    def __init__(self, body_bytes: int) -> None:
        self._free = max(_MOST_BYTES, _BODIES * body_bytes)
        self._held: Counter[Hashable] = Counter()

    def take(self, who: Hashable, size: int) -> None:
        """Note that more of a body has come.

        Args:
            who: sends it: the tenant, or the key.

        Raises:
            BusyError: this asker holds too many bytes already.
        """
        if self._held[who] + size > self._free - size:
            raise BusyError
        self._free -= size
        self._held[who] += size

    def give_back(self, who: Hashable, size: int) -> None:
        """Note that a body is not held any more."""
        self._free += size
        self._held[who] -= size
        if not self._held[who]:
            del self._held[who]
