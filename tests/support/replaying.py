"""Run the replay server on loopback, in a thread, and be a client of it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.replay.server.server import MAX_REPLAYS, FindRecording, Watcher, replay_server
from eventstore.replay.server.stored_recordings import StoredRecordings
from eventstore.replay.serving.causality import Script, ScriptWriter
from eventstore.replay.serving.connection import Manner, Outcome
from eventstore.replay.serving.matching import Drift
from eventstore.replay.serving.recording import read_recording

INSTANT = Manner(speed=None)


def write_script(frames: Iterable[Frame]) -> Script:
    """Return the script of a whole recording, whose seqs count from 1."""
    writer = ScriptWriter()
    for seq, frame in enumerate(frames, 1):
        writer.add(seq, frame)
    return writer.script


@dataclass
class Served:
    """A running server, and what it told of its clients."""

    port: int
    tls: bool = False
    drift: list[Drift] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        """The base that an OpenAI client takes as `websocket_base_url`."""
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/v1"

    def outcome(self) -> Outcome:
        """What the next connection came to, once it is over."""
        assert self.ended.acquire(timeout=30)
        return self.outcomes[-1]


def one(frames: Sequence[Frame], name: str = "recording") -> FindRecording:
    """Serve these frames, whatever is asked for."""
    recording = read_recording(name, lambda: frames)
    return lambda target: recording


@contextmanager
def served(
    open_: FindRecording | StoredRecordings,
    manner: Manner = INSTANT,
    most: int = MAX_REPLAYS,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Served]:
    """A replay server on a free port, ended with the block."""
    ready, done = threading.Event(), threading.Event()
    running: list[Served] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
            ready.set()

    async def serve() -> None:
        state = Served(0, tls is not None)

        def closed(number: int, recording: object, outcome: Outcome) -> None:
            state.outcomes.append(outcome)
            state.ended.release()

        watcher = Watcher(lambda *_: None, lambda _, drift: state.drift.append(drift), closed)
        address = "127.0.0.1", 0
        async with replay_server(open_, manner, *address, watcher, most=most, tls=tls) as server:
            state.port = server.sockets[0].getsockname()[1]
            running.append(state)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(30)
        if failed:
            raise failed[0]
        yield running[0]
    finally:
        done.set()
        thread.join(30)


def sent_by(frames: Sequence[Frame], direction: str) -> list[str | bytes]:
    """The texts of one side."""
    return [frame.text for frame in frames if frame.direction == direction]


async def play_client(
    url: str, frames: Sequence[Frame], **options: object
) -> tuple[list[str | bytes], int | None, str | None]:
    """Be the recorded client: send each frame once all before it have come.

    Returns:
        What came, the close code and its reason.
    """
    came: list[str | bytes] = []
    async with connect(url, max_size=None, **options) as connection:  # type: ignore[arg-type]

        async def listen() -> None:
            async for message in connection:
                came.append(message)

        listening = asyncio.create_task(listen())
        wanted = 0
        for frame in frames:
            if frame.direction == SERVER:
                wanted += 1
            elif frame.direction == CLIENT:
                while len(came) < wanted and not listening.done():
                    await asyncio.sleep(0.001)
                try:
                    await connection.send(frame.text)
                except ConnectionClosed:
                    break  # the recorded server had closed it too
        await asyncio.wait_for(asyncio.wait({listening}), 30)
        return came, connection.close_code, connection.close_reason
