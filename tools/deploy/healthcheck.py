"""Ask the health route of `eventstore serve` or `eventstore record`, for a container's health.

It is called by the image's HEALTHCHECK: `python healthcheck.py [PORT…]`. It exits with 0 if one of
the ports (8000 and 8080 by default) answers /healthz with 200, and with 1 otherwise.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence

PORTS = ("8000", "8080")
# Less than the HEALTHCHECK's own limit, for both ports together.
SECONDS = 2.0


def is_healthy(port: int) -> bool:
    """Return True if a server on this machine answers on a port that it is healthy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(ports: Sequence[str]) -> int:
    """Return the exit code: 0 if one of the ports is healthy."""
    return 0 if any(is_healthy(int(port)) for port in ports or PORTS) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
