"""Reads the copy of a relayed call, and hands its messages to the recorder, in order.

A large or compressed message is unpacked beside the calls (capture/messages/unpacking_thread.py).
What comes behind it in its session, in either direction, waits for it here; other sessions do not.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from eventstore.capture.messages.frame_scanner import Found, FrameScanner
from eventstore.capture.messages.message_unpacking import (
    Compression,
    Message,
    MessageGap,
    Payload,
    Unpacker,
    UnpackingJob,
)
from eventstore.capture.messages.unpacking_thread import UnpackingThread
from eventstore.capture.recorder.process.remote_session import RemoteSession
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.capture.relay.relay_metrics import RelayCounts
from eventstore.common import unforeseen
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.unfinished_messages import UnfinishedMessages

_LOGGER = logging.getLogger("eventstore.relay")
#: Bytes that are unpacked on the calls' own way, of each piece that is read.
_INLINE = 64 * 1024
#: What may wait behind a message that is being unpacked before less is read: bytes, and messages.
_MOST_WAITING_BYTES, _MOST_WAITING = 256 * 1024, 1000
_OVERHEAD = 200
_CUT_OFF = 1006


class CallEnd(NamedTuple):
    """How a call ended.

    Attributes:
        by: client, server or recorder.
        code, reason: of the first close frame; 1006 and what happened where there was none.
    """

    by: str
    code: int
    reason: str

    def __str__(self) -> str:
        """In words, for the log."""
        if self.code == _CUT_OFF:
            return self.reason
        reason = f" {self.reason!r}" if self.reason else ""
        return f"closed by the {self.by} with {self.code}{reason}"


class _Waiting(NamedTuple):
    """Something that waits: what was found, or a future of somebody who waits for its commit."""

    direction: str
    found: Found | Future[None]
    at: int


class Tee:
    """One session's copy.

    Args:
        unpacking: the relay's thread for large messages.
        unfinished: the relay's count of messages that are unfinished, or wait to be unpacked.

    Attributes:
        scanners: for each direction.
        closing: how it ended, once that is known.
        closed: whether both sides sent a close frame.
        frames: how many were recorded.
        problem: the first error of the recorder. The call goes on without it.
        named: done once the session's id is known, if it was not when the session ended.
        held: bytes of whole messages that wait to be unpacked.
    """

    def __init__(
        self,
        session: SessionRecorder | RemoteSession,
        compression: Compression,
        counts: RelayCounts,
        unpacking: UnpackingThread,
        unfinished: UnfinishedMessages | None = None,
    ) -> None:
        self.session = session
        self.held = 0
        self._unfinished = unfinished = unfinished or UnfinishedMessages()
        deflate = compression.agreed
        self.scanners = {
            CLIENT: FrameScanner(masked=True, deflate=deflate, unfinished=unfinished),
            SERVER: FrameScanner(masked=False, deflate=deflate, unfinished=unfinished),
        }
        self.closing: CallEnd | None = None
        self.closed = False
        self.frames = 0
        self.problem: Exception | None = None
        self.named: Future[None] | None = None
        self._counts = counts
        self._thread = unpacking
        self._unpackers = {
            CLIENT: Unpacker(compression.client_takeover),
            SERVER: Unpacker(compression.server_takeover),
        }
        self._inline = 0
        self._working: tuple[_Waiting, UnpackingJob] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._settled: Callable[[], None] | None = None

    # What is read

    def _arrival(self) -> int:
        """The time, by the session's clock; a jump of the wall clock is noted."""
        at = self.session.clock.now()
        jump = self.session.clock.jumped(at)
        if jump is not None and self.problem is None:
            self.session.clock_jumped(jump, at)
        return at

    def take(self, direction: str, data: bytes, most: int | None = None) -> int:
        """Read and record the next bytes of a direction.

        Args:
            most: how many frames to read; the rest waits for the next call. None for all.

        Returns:
            How many messages they complete.
        """
        scanner = self.scanners[direction]
        self._counts.bytes[direction] += len(data)
        found = scanner.feed(data, most)
        if found:
            self._inline = _INLINE
            at = self._arrival()
            for one in found:
                if self._working is None and isinstance(one, str | bytes):  # the usual case
                    self._record(direction, one, at)
                else:
                    self._put(_Waiting(direction, one, at))
        if scanner.close is not None:
            if self.closing is None or self.closing.code == _CUT_OFF:
                self.closing = CallEnd(direction, *scanner.close)
            self.closed = all(scanner.close for scanner in self.scanners.values())
        if self._settled is not None:
            self.settle(self._settled)
        return len(found)

    def is_behind(self, direction: str) -> bool:
        """Return True if some bytes of a direction are not looked at yet: `take` none more."""
        return self.scanners[direction].behind

    def is_pressed(self) -> bool:
        """Return True if less should be read: more comes of this session than can be recorded."""
        if self._working and (
            self._waiting_bytes > _MOST_WAITING_BYTES or len(self._waiting) > _MOST_WAITING
        ):
            return True
        return self.problem is None and self.session.is_pressed()

    def committed(self) -> Future[None] | None:
        """A future that is done once all that was recorded is committed; None where that failed."""
        try:
            if self.problem:
                return None
            if self._working is None:
                return self.session.committed()
        except Exception as error:
            self._fail(error)
            return None
        future: Future[None] = Future()
        self._waiting.append(_Waiting(CLIENT, future, 0))
        return future

    def resolve_when_committed(self, future: Future[None]) -> None:
        """Have a future done once all that was recorded is committed, or that has failed."""
        committed = self.committed()
        if committed is None:
            future.set_result(None)
        else:
            committed.add_done_callback(lambda _: future.set_result(None))

    # In order, behind what is being unpacked

    def _put(self, item: _Waiting) -> None:
        if self._working is not None:
            self._waiting.append(item)
            self._waiting_bytes += _size(item.found)
            if isinstance(item.found, Payload):
                self._unfinished.add(self, item.found.size)
        else:
            self._handle(item)

    def give_up(self) -> None:
        """Give up the messages that wait to be unpacked: those of all calls are too large."""
        for place, item in enumerate(self._waiting):
            found = item.found
            if isinstance(found, Payload):
                gap = MessageGap("overflow", {"bytes": found.size}, found.compressed)
                self._waiting[place] = item._replace(found=gap)
        self._waiting_bytes = sum(_size(item.found) for item in self._waiting)

    def _handle(self, item: _Waiting) -> None:
        found = item.found
        if isinstance(found, Payload):
            self._unpack(item, found)
        elif isinstance(found, MessageGap):
            lost = found.compressed
            self._gap(item, self._unpackers[item.direction].lose(found) if lost else found)
        elif isinstance(found, Future):
            self.resolve_when_committed(found)
        else:
            self._record(item.direction, found, item.at)

    def _unpack(self, item: _Waiting, payload: Payload) -> None:
        unpacker = self._unpackers[item.direction]
        unpacking = unpacker.begin(payload)
        if unpacking is None:
            return
        inline = self._inline if payload.compressed else 0
        if inline > 0 and unpacking.step(inline):
            self._inline -= payload.size + unpacking.made
            self._finish(item, unpacking)
        elif self._thread.take(unpacking, self._unpacked):
            self._working = item, unpacking
        else:
            gap = MessageGap("overflow", {"bytes": payload.size}, payload.compressed)
            self._gap(item, unpacker.lose(gap) if payload.compressed else gap)

    def _unpacked(self) -> None:
        """Go on behind a message that is unpacked now. Called by the event loop."""
        if self._working is not None:
            item, unpacking = self._working
            self._working = None
            self._finish(item, unpacking)
        self._inline = _INLINE
        while self._waiting and self._working is None:
            item = self._waiting.popleft()
            self._waiting_bytes -= _size(item.found)
            if isinstance(item.found, Payload):
                self._unfinished.remove(self, item.found.size)
            self._handle(item)
        if self._settled is not None:
            self.settle(self._settled)

    def _finish(self, item: _Waiting, unpacking: UnpackingJob) -> None:
        result = unpacking.result
        if isinstance(result, MessageGap):
            self._gap(item, result)
        else:
            self._record(item.direction, result, item.at)

    # To the recorder, which may fail; the call must not suffer

    def _record(self, direction: str, message: Message, at: int) -> None:
        self.frames += 1
        self._counts.frames[direction] += 1
        if self.problem is not None:
            return
        try:
            if isinstance(message, list):
                self.session.record_pieces(direction, message, at)
            else:
                self.session.record(direction, message, at)
        except Exception as error:
            self._fail(error)

    def _gap(self, item: _Waiting, gap: MessageGap) -> None:
        if self.problem is not None:
            return
        try:
            self.session.gap(gap.reason, direction=item.direction, **gap.facts)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Record no more of this call, which goes on; the first error is told at its end."""
        self.problem = self.problem or error
        unforeseen.log_fault(_LOGGER, "recording a call", error)

    # The end

    def gone(self, side: str, error: Exception | None) -> None:
        """A side's connection ended; without a close frame before, that is how the call ended."""
        if self.closing is not None:
            return
        if side == CLIENT:
            told = "the client was gone"
        elif self.scanners[SERVER].pending and not self.scanners[SERVER].failed:
            told = "the server closed the connection in the middle of a frame"
        elif error is not None:
            told = "the connection to the server was lost"
        else:
            told = "the server closed the connection without a close frame"
        self.closing = CallEnd(side, _CUT_OFF, told)

    def settle(self, settled: Callable[[], None]) -> bool:
        """Return True if all that came is recorded; otherwise have it called once that is so."""
        if self._working or any(scanner.behind for scanner in self.scanners.values()):
            self._settled = settled
            return False
        if self._settled is not None:
            self._settled = None
            settled()
        return True

    def summary(self) -> str:
        """How the session went, in words."""
        name = f"{self.session.session_id}: " if self.session.session_id else ""
        frames = f"{self.frames:,} frame{'' if self.frames == 1 else 's'}"
        failed = f"; recording failed: {type(self.problem).__name__}" if self.problem else ""
        return f"{name}ends: {frames}, {self.closing}{failed}"

    def end(self) -> None:
        """No more will come."""
        for scanner in self.scanners.values():
            scanner.forget()
        self._unfinished.release(self)
        closing = self.closing or CallEnd("recorder", _CUT_OFF, "the relay was stopped")
        self.closing = closing
        if self.session.session_id is None:
            self.named = self.committed()
        try:
            self.session.close(*closing)
        except Exception as error:
            self._fail(error)


def _size(found: Found | Future[None]) -> int:
    """About how many bytes of memory it takes while it waits."""
    if isinstance(found, Payload):
        return found.size + _OVERHEAD
    return _OVERHEAD + (len(found) if isinstance(found, str | bytes) else 0)
