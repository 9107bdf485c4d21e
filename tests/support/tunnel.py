"""A server with TLS that answers each request with the same bytes, and a proxy of CONNECT."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import trustme

from support.answering import answering


@contextmanager
def tls_answering(folder: Path, answer: bytes) -> Iterator[tuple[str, Path]]:
    """Yield the URL, and the file of the authority that made the server's certificate."""
    authority, path = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


class Tunnel(NamedTuple):
    """A proxy, with the heads of the requests to it."""

    url: str
    heads: list[str]


@contextmanager
def tunnelling() -> Iterator[Tunnel]:
    """Serve as a proxy of CONNECT."""
    heads: list[str] = []

    def connect(connection: socket.socket) -> None:
        host, _, port = heads[-1].split(" ")[1].rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(other, connection))
            back.start()
            _copy(connection, other)
            back.join(20)

    with answering(connect, heads.append) as server:
        yield Tunnel(server.url, heads)


def _copy(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            to.sendall(piece)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)
