"""Runs the replay server until it is stopped, and prints what its clients do.

Called by the command `replay --serve` (ask/read.py).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Thread

from websockets.asyncio.server import Server

from eventstore.cli.commands.serve.serving import Serving, listening, place
from eventstore.cli.commands.serve.tls_options import say_whom_to_trust
from eventstore.cli.terminal.output import counted, say
from eventstore.common.tls import ListenerTls, tls_for_listener
from eventstore.errors import NotFoundError
from eventstore.event_store import EventStore
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.protocols import LIVE
from eventstore.replay.server.server import Watcher, recordings_of, replay_server
from eventstore.replay.serving.connection import Manner, Outcome
from eventstore.replay.serving.matching import Drift
from eventstore.replay.serving.recording import Recording

_REALTIME_PATH, _LIVE_PATH = "/v1/realtime", "/v1/live/sessions"
EVERY_SESSION = "every session, by ?session=ID, ?model=NAME or ?metadata[KEY]=VALUE"


def serve(store: EventStore, session_id: str | None, serving: Serving, speed: float | None) -> None:
    """Serve a session, or the whole store, until SIGINT or SIGTERM.

    Args:
        store: The store.
        session_id: The session to serve; None for the whole store.
        serving: The options of --serve.
        speed: 1 for the recorded pace, 2 for twice as fast; None for no pauses.

    Raises:
        EventStoreError: The server cannot listen on the address.
        NotFoundError: There is no such session.
        InvalidInputError: The certificate or its key cannot be used.
        MissingExtraError: No certificate can be made, because the extra `tls` is not installed.
    """
    paths = [_REALTIME_PATH, _LIVE_PATH]
    if session_id is not None:
        store.last_seq(session_id)
        paths = [_REALTIME_PATH]
        with suppress(NotFoundError):  # it is not projected yet
            if store.session(session_id)["eventstore"].get("protocol") == LIVE:
                paths = [_LIVE_PATH]
    with (
        tls_for_listener(serving.tls, serving.host) as listen,
        listening(serving.host, serving.port),
    ):
        asyncio.run(_run(store, session_id, serving, speed, listen, paths))


async def _run(
    store: EventStore,
    session_id: str | None,
    serving: Serving,
    speed: float | None,
    listen: ListenerTls,
    paths: list[str],
) -> None:
    step = _stepper() if serving.step else None
    manner = Manner(
        None if step else speed,
        serving.rule,
        serving.fresh,
        serving.faults,
        step,
        linger=serving.linger,
    )
    address = serving.host, serving.port
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def closed(number: int, recording: Recording, outcome: Outcome) -> None:
        _closed(number, recording, outcome)
        if serving.once:
            stop.set()

    watcher = Watcher(_opened, _drift, closed)
    recordings = recordings_of(store, session_id, once=serving.once)
    async with replay_server(recordings, manner, *address, watcher, tls=listen.context) as server:
        what = session_id or EVERY_SESSION
        say_whom_to_trust(listen.ca_file)
        urls = (replay_url(server, listen, path) for path in paths)
        say(f"Serving {what} on {' and '.join(urls)}; Ctrl-C ends it.")
        await stop.wait()


def live_url(url: str) -> str:
    """Return the URL for clients of GPT-Live, from that of a replay server for all others."""
    return url.removesuffix(_REALTIME_PATH) + _LIVE_PATH


def replay_url(server: Server, listen: ListenerTls, path: str = _REALTIME_PATH) -> str:
    """Return the URL that clients of a replay server connect to."""
    scheme = "wss" if listen.context else "ws"
    return f"{scheme}://{place(*server.sockets[0].getsockname()[:2])}{path}"


def _stepper() -> Callable[[StoredEvent], Awaitable[None]]:
    """Return a function that waits for a line of standard input before each frame.

    At the end of the input, it does not wait any more.
    """
    turn, lines = asyncio.Lock(), asyncio.Queue[str]()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the server has ended
            while line := sys.stdin.readline():
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    # A daemon thread does not keep the process alive until the next line is typed.
    Thread(target=read, daemon=True).start()

    async def step(sent: StoredEvent) -> None:
        async with turn:
            _print_replay(f"next: {sent.seq} {sent.type} [Enter]")
            if not await lines.get():
                lines.put_nowait("")

    return step


def _opened(number: int, recording: Recording) -> None:
    _print_replay(f"{number}: {recording.name} begins")


def _drift(number: int, drift: Drift) -> None:
    for line in str(drift).splitlines():
        _print_replay(f"{number}: {line}")


def _closed(number: int, recording: Recording, outcome: Outcome) -> None:
    end = "to its end" if outcome.whole else "not to its end"
    drift = f", {counted(len(outcome.drift), 'difference')}" if outcome.drift else ""
    _print_replay(f"{number}: {recording.name}: {counted(outcome.sent, 'frame')}, {end}{drift}")


def _print_replay(line: str) -> None:
    with suppress(OSError):  # the reader of a pipe may be gone
        say(line)
