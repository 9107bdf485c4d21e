"""Prepare a recording for serving: its script, and the server's frames to send.

Called by stored_recordings.py for sessions of a store, and by cassette.py for cassettes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from eventstore.errors import EventStoreError
from eventstore.realtime.catalogue import CLOSED
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import CLIENT, SERVER, STORE, Frame, decode_columns, parse
from eventstore.realtime.live_catalogue import LIVE_INPUT_AUDIO
from eventstore.realtime.session_clock import SessionClock
from eventstore.realtime.values import dumps, integer, text
from eventstore.replay.serving.causality import Script, ScriptWriter

#: The server's frames are kept in memory if they have at most so many characters. The frames of a
#: longer recording are read again for each connection, in batches.
KEPT = 64 * 1024 * 1024
_PIECE = 256
_NORMAL_CLOSURE, _REASON_BYTES = 1000, 123


class RecordedClose(NamedTuple):
    """How a recorded connection was closed.

    Attributes:
        at: When, in microseconds since 1970 UTC, on a clock that never jumps; None if unknown.
        code, reason: The close frame's code and reason.
        by_client: True if it is known that the client closed it.
    """

    at: int | None
    code: int
    reason: str
    by_client: bool = False


@dataclass(frozen=True)
class Recording:
    """A recorded connection that can be served.

    Attributes:
        name: Its name for people: the session's id, or the cassette's file.
        script: The causes of its frames.
        started_at: When its first frame arrived, in microseconds since 1970 UTC; None if unknown.
        closing: How it was closed.
    """

    name: str
    script: Script
    started_at: int | None
    closing: RecordedClose
    _kept: list[StoredEvent] | None
    _open: Callable[[], Iterator[StoredEvent]]
    _open_reflected: Callable[[], Iterator[StoredEvent]]

    def forget(self) -> None:
        """Drop the frames in memory, since the session was erased. Running replays are cut off."""
        if self._kept is not None:
            self._kept.clear()

    async def sent(self, reflects: bool = False) -> AsyncIterator[StoredEvent]:
        """Yield the server's frames, in order.

        Args:
            reflects: Yield also the client's audio of a GPT-Live session, as frames of the server:
                so it is reflected to sidebands.

        Raises:
            EventStoreError: The session was erased meanwhile.
        """
        had_some = bool(self._kept)
        if self._kept is not None and not reflects:
            for sent in self._kept:
                yield sent
            self._check_kept(had_some)
            return
        frames = self._open_reflected() if reflects else self._open()

        def next_piece() -> list[StoredEvent]:
            return list(islice(frames, _PIECE))

        # The next batch is read in a thread while this one is sent.
        reading = asyncio.create_task(asyncio.to_thread(next_piece))
        try:
            while piece := await reading:
                reading = asyncio.create_task(asyncio.to_thread(next_piece))
                self._check_kept(had_some)
                for sent in piece:
                    yield sent
        finally:
            reading.cancel()

    def _check_kept(self, had_some: bool) -> None:
        """Raise EventStoreError if there were frames in memory, and `forget` has dropped them."""
        if had_some and not self._kept:
            raise EventStoreError("the session was erased")


def read_recording(
    name: str,
    open_: Callable[[], Iterable[Frame]],
    sent: Callable[[], Iterator[StoredEvent]] | None = None,
) -> Recording:
    """Read a recording once to write its script. Short recordings are kept in memory.

    Args:
        name: The recording's name for people.
        open_: Returns all its frames, from the first one, each time it is called.
        sent: Returns only the server's frames, if that is less work.
    """
    writer, kept, size = ScriptWriter(), [], 0
    whole = True
    started_at = ended_at = None
    closing = RecordedClose(None, _NORMAL_CLOSURE, "")
    clock, shifts = SessionClock(), [(0, 0)]
    for seq, arrived in enumerate(open_(), 1):
        frame = arrived._replace(at=clock.steady(arrived.at))
        if clock.shift != shifts[-1][1]:
            shifts.append((seq, clock.shift))
        type_ = writer.add(seq, frame)
        if frame.direction != STORE and frame.at is not None:
            ended_at = frame.at
            started_at = ended_at if started_at is None else started_at
        if frame.direction == SERVER and whole:
            kept.append(StoredEvent(seq, frame.at, SERVER, type_, frame.text))
            size += len(frame.text)
            whole = size <= KEPT
        elif frame.direction == STORE:
            closing = _closing(frame) or closing
    if closing.at is None:
        closing = closing._replace(at=ended_at)
    at_hand = kept if whole else None
    again = partial(_steady, sent or (lambda: _sent(open_())), shifts)
    reflected = partial(_steady, lambda: _reflected(open_()), shifts)
    return Recording(name, writer.script, started_at, closing, at_hand, again, reflected)


def _steady(
    sent: Callable[[], Iterator[StoredEvent]], shifts: list[tuple[int, int]]
) -> Iterator[StoredEvent]:
    """Yield frames with the arrival times of a clock that never jumps.

    Args:
        shifts: From which seq, and how much is added to arrival times, in microseconds.
    """
    place = 0
    for event in sent():
        while place + 1 < len(shifts) and shifts[place + 1][0] <= event.seq:
            place += 1
        shift = shifts[place][1]
        yield event if event.at is None else event._replace(at=event.at + shift)


def _sent(frames: Iterable[Frame]) -> Iterator[StoredEvent]:
    for seq, frame in enumerate(frames, 1):
        if frame.direction == SERVER:
            type_ = decode_columns(frame.text)[0]
            yield StoredEvent(seq, frame.at, SERVER, type_, frame.text)


def _reflected(frames: Iterable[Frame]) -> Iterator[StoredEvent]:
    for seq, frame in enumerate(frames, 1):
        type_, _, _, _, event = decode_columns(frame.text)
        if frame.direction == SERVER:
            yield StoredEvent(seq, frame.at, SERVER, type_, frame.text)
        elif frame.direction == CLIENT and type_ == LIVE_INPUT_AUDIO:
            told: str | bytes = frame.text
            if event is not None and "event_id" in event:
                whole = parse(str(told)) or event
                told = dumps({"type": type_, "audio": whole.get("audio")})
            yield StoredEvent(seq, frame.at, SERVER, type_, told)


def _closing(frame: Frame) -> RecordedClose | None:
    """Return how the connection was closed, if a frame is the recorder's note of that."""
    event = parse(frame.text) if isinstance(frame.text, str) else None
    if event is None or event.get("type") != CLOSED:
        return None
    code = integer(event.get("code"))
    # Codes such as 1006 are reserved (RFC 6455, section 7.4.1): no close frame carries them. They
    # are noted for connections that were cut off.
    sendable = code is not None and (code in (1000, 1001, 1003) or 1007 <= code <= 1014)
    private = code is not None and 3000 <= code <= 4999
    reason = (text(event.get("reason")) or "").encode(errors="replace")[:_REASON_BYTES]
    told = code if code and (sendable or private) else _NORMAL_CLOSURE
    return RecordedClose(frame.at, told, reason.decode(errors="ignore"), event.get("by") == CLIENT)
