"""A server of HTTP that creates calls over WebRTC, and has their sidebands at another server."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.call_server import CallServer
from support.live_server import LiveServer
from support.relaying import BareServer, bare_server

SDP = b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"
CREATED = (
    b"HTTP/1.1 201 Created\r\nLocation: /v1/realtime/calls/%s\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n"
)


@contextmanager
def webrtc_server(
    server: CallServer | LiveServer, *call_ids: str, answer: bytes = b""
) -> Iterator[BareServer]:
    """A server that answers a request for each call in turn, and has their sidebands at `server`.

    Args:
        answer: to each request, in place of the usual one.
    """
    left = list(call_ids)
    port = int(server.url.rpartition(":")[2].partition("/")[0])

    def talk(connection: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET"):
            with socket.create_connection(("127.0.0.1", port)) as behind:
                behind.sendall(head)
                back = threading.Thread(target=pump, args=(behind, connection), daemon=True)
                back.start()
                pump(connection, behind)
                back.join(20)
            return
        found = re.search(rb"(?i)content-length: *(\d+)", head)
        body = b""
        while found and len(body) < int(found[1]):
            body += connection.recv(65536)
        connection.sendall(answer or CREATED % (left.pop(0).encode(), len(SDP)) + SDP)

    with bare_server(talk) as upstream:
        yield upstream


def pump(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(None)
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
