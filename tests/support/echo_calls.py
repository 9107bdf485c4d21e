"""Live calls through a relay to a server that echoes, and whether all of them was recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import CLIENT, SERVER, STORE, parse
from support.cassettes import websocket_server
from support.relaying import recorded, relaying

#: What each call has sent, by its number. The server has sent the same.
Sent = dict[int, list[str]]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextmanager
def echo_calls(url: str, spool: Path, count: int, pause: float = 0.003) -> Iterator[Sent]:
    """Have calls recorded to a database while the block runs; all is written when it has ended.

    Args:
        pause: Seconds between a call's frames.
    """
    sent: Sent = {number: [] for number in range(count)}
    stop = threading.Event()
    with (
        websocket_server(echo) as upstream,
        relaying(Recorder(url, spool=spool), upstream) as relay,
    ):
        calls = [
            threading.Thread(target=_call, args=(relay.url, number, stop, pause, sent))
            for number in sent
        ]
        for call in calls:
            call.start()
        try:
            yield sent
        finally:
            stop.set()
            for call in calls:
                call.join()
        relay.ended(count)


def _call(url: str, number: int, stop: threading.Event, pause: float, sent: Sent) -> None:
    """Send frame after frame, and take the answer to each."""
    with connect(f"{url}/realtime?model={number}", proxy=None) as client:
        while not stop.is_set():
            frame = f'{{"type": "x", "call": {number}, "n": {len(sent[number])}}}'
            client.send(frame)
            sent[number].append(frame)
            assert client.recv(timeout=20) == frame
            stop.wait(pause)


def check_recorded(store: EventStore, sent: Sent) -> None:
    """Check that each frame of the calls is in the log, once and in order."""
    for direction in (CLIENT, SERVER):
        assert sorted(recorded(store, direction)) == sorted(sent.values())
    assert not lost_frames(store)


def check_whole(store: EventStore, count: int) -> None:
    """Check that there are so many sessions, whose digests and rows are right."""
    ids = list(store.session_ids())
    assert len(ids) == count
    assert store.verify(ids).failed == []
    rebuilt = store.rebuild(ids).raise_for_errors()
    assert sum(one.changed for one in rebuilt.done) == 0


def lost_frames(store: EventStore) -> list[int]:
    """How many frames the database has lost, as the recorder has noted it."""
    texts = [parse(str(text)) or {} for texts in recorded(store, STORE) for text in texts]
    gaps = [note for note in texts if note["type"] == "eventstore.session.gap"]
    assert {gap["reason"] for gap in gaps} <= {"database_lost"}
    return [gap["frames"] for gap in gaps]
