"""The command `record` as users run it, and calls through it by real clients."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from support.cassettes import websocket_server
from support.postgres import free_port
from support.terminal import COMMAND, environment

# How long a client waits for an answer: a durable relay answers when the database does.
_PATIENCE = 120.0


class RelayCommand:
    """`eventstore record` in a process of its own, which can be killed and started again.

    Args:
        url: The URL of the database.
        spool: The spool's folder.
        options: Further options of the command.
    """

    def __init__(self, url: str, spool: Path, *options: str) -> None:
        self.port, self.told = free_port(), list[str]()
        self._url, self._spool, self._options = url, spool, options
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def start(self, upstream: str) -> None:
        """Start the command, as often as it takes until it listens, as a service manager does."""
        arguments = ("--listen", str(self.port), "--upstream", upstream, "--db", self._url)
        while True:
            self._process = subprocess.Popen(
                [*COMMAND, "record", *arguments, "--spool", str(self._spool), *self._options],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
                start_new_session=True,
            )
            for line in self._process.stderr or ():
                self.told.append(line)
                if re.search(r"Recording on ws://", line):
                    threading.Thread(target=self._listen, args=(self._process,)).start()
                    return
            self._process.wait()
            time.sleep(0.5)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Read what the command tells, so that it never waits for a reader."""
        with suppress(ValueError):
            self.told.extend(process.stderr or ())

    def kill(self, whole: bool = True) -> None:
        """Kill the command's process, and all of its children or none of them."""
        assert self._process is not None
        if whole:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Stop the command as a service manager does; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def end(self) -> None:
        """End all of its processes that still run."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass
class Exchange:
    """What one call has sent.

    Attributes:
        sent: The frames.
        answered: When the answer to each had come, by the monotonic clock.
        broken: When the call broke off; None if it was ended.
    """

    sent: list[str] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    broken: float | None = None

    def certain(self, soon: float) -> int:
        """How many frames must be in the log, if those of the last seconds before a break may not.

        Args:
            soon: How many seconds.
        """
        end = float("inf") if self.broken is None else self.broken - soon
        return sum(at <= end for at in self.answered)


class Callers:
    """Clients, each of which calls through a relay, and calls again if the call breaks off.

    Args:
        url: Where they call.
        count: How many there are.
        pause: Seconds between the frames of a call.

    Attributes:
        exchanges: All calls, by their numbers.
    """

    def __init__(self, url: str, count: int, pause: float) -> None:
        self.exchanges: dict[int, Exchange] = {}
        self._url, self._pause, self._numbers = url, pause, itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go_on_calling) for _ in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have all calls end by themselves."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _go_on_calling(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError, WebSocketException), connect(self._url, proxy=None) as client:
                client.recv(timeout=_PATIENCE)  # the server names the session
                self._call(client, next(self._numbers))
            self._stop.wait(0.2)

    def _call(self, client: ClientConnection, number: int) -> None:
        exchange = self.exchanges[number] = Exchange()
        try:
            while not self._stop.is_set():
                frame = json.dumps({"type": "x", "call": number, "n": len(exchange.sent)})
                exchange.sent.append(frame)
                client.send(frame)
                assert client.recv(timeout=_PATIENCE) == frame
                exchange.answered.append(time.monotonic())
                self._stop.wait(self._pause)
        except BaseException:
            exchange.broken = time.monotonic()
            raise


async def _name_and_echo(connection: ServerConnection) -> None:
    """Name the session as the provider does, and send each frame back."""
    session = {"id": f"sess_{uuid4().hex}"}
    await connection.send(json.dumps({"type": "session.created", "session": session}))
    async for message in connection:
        await connection.send(message)


@contextmanager
def naming_upstream() -> Iterator[str]:
    """A server that names each session, and sends each frame back."""
    with websocket_server(_name_and_echo) as url:
        yield url
