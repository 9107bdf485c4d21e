"""Who signed in to the pages: an API key became a cookie, which reads and does no more."""

from __future__ import annotations

import hashlib
import secrets
import time
from threading import Lock

from starlette.requests import Request

from eventstore.web.server.access import Access

HOURS = 12
_MOST = 10_000


def cookie_of(request: Request) -> str:
    """The cookie's name: browsers send it to each port of a host, and each may be a store."""
    server = request.scope.get("server")
    return f"eventstore_{server[1]}" if server else "eventstore"


class SignIns:
    """Who signed in, by the SHA-256 of their cookies; forgotten when the server ends."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[bytes, tuple[Access, float]] = {}

    def begin(self, access: Access) -> str:
        """The cookie of a new sign-in. It reads, raw where the key may, and does no more."""
        cookie = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            kept = {k: v for k, v in self._found.items() if v[1] > now}
            while len(kept) >= _MOST:
                del kept[next(iter(kept))]
            reading = access._replace(rights=access.rights & {"read", "raw"})
            kept[_digest(cookie)] = (reading, now + HOURS * 3600)
            self._found = kept
        return cookie

    def find(self, cookie: str) -> Access | None:
        """What a cookie opens."""
        found = self._found.get(_digest(cookie))
        return found[0] if found is not None and found[1] > time.monotonic() else None

    def end(self, cookie: str) -> None:
        """Forget a cookie."""
        with self._lock:
            self._found.pop(_digest(cookie), None)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
