"""A server that answers requests of HTTP as a test says, and answers that are slow or hostile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: Gets a connection of which the beginning of a request was read.
Answer = Callable[[socket.socket], None]


class Answering:
    """Where the server listens, and how many connections it has accepted."""

    def __init__(self, port: int) -> None:
        self.url, self.accepted = f"http://127.0.0.1:{port}/hooks", 0


@contextmanager
def answering(
    answer: Answer, note: Callable[[str], object] = lambda _: None
) -> Iterator[Answering]:
    """Answer each connection in a thread of its own.

    Args:
        note: Gets the beginning of each request first.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server, threads = Answering(listener.getsockname()[1]), list[threading.Thread]()

        def respond(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                note(connection.recv(65536).decode("latin-1"))
                answer(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server.accepted += 1
                threads.append(threading.Thread(target=respond, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(20)


def dripping(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def dripping_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 100 Continue\r\n")
    while True:
        connection.sendall(b"x-more: " + b"x" * 8000 + b"\r\n")


def endless_line(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 200 " + b"x" * 8000)


def endless_hints(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\nlink: </>\r\n\r\n")
        time.sleep(0.01)
