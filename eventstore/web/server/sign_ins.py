"""Sign-ins to the web pages: an API key is exchanged for a cookie, which may read, score and send.

`web/pages/sign_in.py` begins and ends sign-ins; `requests.py` looks cookies up.
"""

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
    """Return the name of a server's cookie, which contains the server's port.

    Browsers send a cookie to all ports of a host, and each port may serve another store.
    """
    server = request.scope.get("server")
    return f"eventstore_{server[1]}" if server else "eventstore"


class SignIns:
    """The sign-ins of a server, by the SHA-256 of their cookies. They end with the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: dict[bytes, tuple[Access, float]] = {}

    def begin(self, access: Access) -> str:
        """Begin a sign-in, and return its cookie.

        The cookie may read. If the key may, it also reads raw frames, scores, and has webhooks sent
        again. It has no other right of the key.
        """
        cookie = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            kept = {k: v for k, v in self._found.items() if v[1] > now}
            while len(kept) >= _MOST:
                del kept[next(iter(kept))]
            reading = access._replace(rights=access.rights & {"read", "raw", "score", "send"})
            kept[_digest(cookie)] = (reading, now + HOURS * 3600)
            self._found = kept
        return cookie

    def find(self, cookie: str) -> Access | None:
        """Return the access of a cookie, or None if it is unknown or has expired."""
        found = self._found.get(_digest(cookie))
        return found[0] if found is not None and found[1] > time.monotonic() else None

    def end(self, cookie: str) -> None:
        """End the sign-in of a cookie."""
        with self._lock:
            self._found.pop(_digest(cookie), None)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
