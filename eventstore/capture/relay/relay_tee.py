"""Read the copy of a relayed session, and hand its messages to the recorder in order.

A large or compressed message is unpacked in another thread (capture/messages/unpacking_thread.py).
The session's later messages, in both directions, wait here until that is done; other sessions do
not wait. `relay_connection.py` makes a `Tee` for each session.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from eventstore.capture.messages.frame_scanner import FrameScanner, ScannedMessage
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
#: Bytes of compressed messages that the event loop itself unpacks, of each chunk that is read.
_INLINE_BYTES = 64 * 1024
#: How much may wait behind a message that is being unpacked before less is read: bytes, and
#: messages.
_MOST_WAITING_BYTES, _MOST_WAITING = 256 * 1024, 1000
_ITEM_OVERHEAD = 200
_CUT_OFF = 1006


class CallEnd(NamedTuple):
    """How a session ended.

    Attributes:
        by: Client, server or recorder.
        code, reason: Those of the first close frame. If there was none, 1006 and what happened (RFC
            6455, 7.4.1).
    """

    by: str
    code: int
    reason: str

    def __str__(self) -> str:
        """Return the end in words, for a log."""
        if self.code == _CUT_OFF:
            return self.reason
        reason = f" {self.reason!r}" if self.reason else ""
        return f"closed by the {self.by} with {self.code}{reason}"


class _Waiting(NamedTuple):
    """Something that waits behind a message that is being unpacked.

    Attributes:
        found: What the scanner found, or a future to resolve once what came before is committed.
        at: Arrival in microseconds since 1970 UTC.
    """

    direction: str
    found: ScannedMessage | Future[None]
    at: int


class Tee:
    """Reads one session's copy.

    Args:
        session: Takes the messages.
        compression: What the handshake agreed on.
        counts: The relay's counters.
        unpacking: The relay's thread for large messages.
        unfinished: Counts the relay's messages that are unfinished or wait to be unpacked.

    Attributes:
        scanners: The scanner of each direction.
        closing: How the session ended, once that is known.
        closed: Whether both sides sent a close frame.
        frames: How many messages were recorded.
        problem: The first error of the recorder. The session goes on without it.
        named: Done once the session's id is known; None if it was known when the session ended.
        held: Bytes of whole messages that wait to be unpacked.
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

    # Reading

    def _note_jump(self, jump: int, at: int) -> None:
        if self.problem is None:
            self.session.clock_jumped(jump, at)

    def take(self, direction: str, data: bytes, most: int | None = None) -> int:
        """Read and record the next bytes of a direction.

        Args:
            most: How many frames to read at most; the rest waits for the next call. None for all.

        Returns:
            How many messages are complete now.
        """
        scanner = self.scanners[direction]
        self._counts.bytes[direction] += len(data)
        found = scanner.feed(data, most)
        if found:
            self._inline = _INLINE_BYTES
            at = self.session.clock.arrival(self._note_jump)
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
        """Return True if some bytes of a direction are not read yet.

        Until they are, read no more bytes from its side, and call `take` with `b""`.
        """
        return self.scanners[direction].behind

    def is_pressed(self) -> bool:
        """Return True if less should be read, because the recorder cannot keep up."""
        if self._working and (
            self._waiting_bytes > _MOST_WAITING_BYTES or len(self._waiting) > _MOST_WAITING
        ):
            return True
        return self.problem is None and self.session.is_pressed()

    def committed(self) -> Future[None] | None:
        """Return a future that is done once all recorded messages are committed.

        Return None if recording has failed.
        """
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
        """Resolve a future once all recorded messages are committed, or that has failed."""
        committed = self.committed()
        if committed is None:
            future.set_result(None)
        else:
            committed.add_done_callback(lambda _: future.set_result(None))

    # Messages in order, behind the one that is being unpacked

    def _put(self, item: _Waiting) -> None:
        if self._working is not None:
            self._waiting.append(item)
            self._waiting_bytes += _size(item.found)
            if isinstance(item.found, Payload):
                self._unfinished.add(self, item.found.size)
        else:
            self._handle(item)

    def give_up(self) -> None:
        """Drop the messages that wait to be unpacked: those of all sessions are too large."""
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
        """Go on after a message was unpacked; called in the event loop."""
        if self._working is not None:
            item, unpacking = self._working
            self._working = None
            self._finish(item, unpacking)
        self._inline = _INLINE_BYTES
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

    # The recorder may fail; the call must not suffer

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
        """Record no more of this session, which goes on; its first error is reported at its end."""
        self.problem = self.problem or error
        unforeseen.log_fault(_LOGGER, "recording a call", error)

    # The end

    def gone(self, side: str, error: Exception | None) -> None:
        """Note that a side's connection ended; without a close frame, that ends the session."""
        if self.closing is not None:
            return
        if side == CLIENT:
            reason = "the client was gone"
        elif self.scanners[SERVER].pending and not self.scanners[SERVER].failed:
            reason = "the server closed the connection in the middle of a frame"
        elif error is not None:
            reason = "the connection to the server was lost"
        else:
            reason = "the server closed the connection without a close frame"
        self.closing = CallEnd(side, _CUT_OFF, reason)

    def settle(self, settled: Callable[[], None]) -> bool:
        """Return True if all messages are recorded; otherwise call `settled` once they are."""
        if self._working or any(scanner.behind for scanner in self.scanners.values()):
            self._settled = settled
            return False
        if self._settled is not None:
            self._settled = None
            settled()
        return True

    def summary(self) -> str:
        """Return in words how the session went."""
        name = f"{self.session.session_id}: " if self.session.session_id else ""
        frames = f"{self.frames:,} frame{'' if self.frames == 1 else 's'}"
        failed = f"; recording failed: {type(self.problem).__name__}" if self.problem else ""
        return f"{name}ends: {frames}, {self.closing}{failed}"

    def end(self) -> None:
        """Close the session's recording: no more bytes will come."""
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


def _size(found: ScannedMessage | Future[None]) -> int:
    """Return about how many bytes of memory a message takes while it waits."""
    if isinstance(found, Payload):
        return found.size + _ITEM_OVERHEAD
    return _ITEM_OVERHEAD + (len(found) if isinstance(found, str | bytes) else 0)
