"""The `record` command as a process, and upstreams that behave badly."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.frames import Frame, Opcode

from eventstore import EventStore
from support.relaying import (
    read_all,
    switching,
)
from support.terminal import service, told_by

HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)


@contextmanager
def recording(store: EventStore, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it listens."""
    url = store.engine.url.render_as_string(hide_password=False)
    with service("record", "--listen", "0", "--db", url, *arguments) as process:
        told = told_by(process)
        found = re.search(r"wss?://127[^\s;]+", told)
        assert found is not None, told
        yield process, found[0]


def port_of(at: str) -> int:
    return int(at.rpartition(":")[2])


def hang(connection: socket.socket, head: bytes) -> None:
    connection.sendall(switching(head) + HELLO)
    read_all(connection)


def answer_close(connection: socket.socket, head: bytes) -> None:
    connection.sendall(switching(head) + HELLO)
    time.sleep(0.7)
    connection.sendall(b"\x88\x02\x03\xe8")
