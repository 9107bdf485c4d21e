"""Reads the copy of a relayed call, and hands its messages to the recorder."""

from __future__ import annotations

from concurrent.futures import Future
from typing import NamedTuple

from eventstore.capture.frame_scanner import FrameScanner, Gap
from eventstore.capture.recorder_process import RemoteSession
from eventstore.capture.relay_metrics import Counts
from eventstore.capture.session_recorder import SessionRecorder
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.times import now

_CUT_OFF = 1006


class Closing(NamedTuple):
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


class Tee:
    """One session's copy.

    Args:
        deflate: whether permessage-deflate was agreed on.

    Attributes:
        scanners: for each direction.
        closing: how it ended, once that is known.
        closed: whether both sides sent a close frame.
        frames: how many were recorded.
        problem: the first error of the recorder. The call goes on without it.
    """

    def __init__(
        self, session: SessionRecorder | RemoteSession, deflate: bool, counts: Counts
    ) -> None:
        self.session = session
        self.scanners = {
            CLIENT: FrameScanner(masked=True, deflate=deflate),
            SERVER: FrameScanner(masked=False, deflate=deflate),
        }
        self.closing: Closing | None = None
        self.closed = False
        self.frames = 0
        self.problem: Exception | None = None
        self._counts = counts

    def take(self, direction: str, data: bytes) -> int:
        """Read and record the next bytes of a direction; how many messages they complete."""
        scanner, counts = self.scanners[direction], self._counts
        counts.bytes[direction] += len(data)
        found = scanner.feed(data)
        if found:
            messages = sum(not isinstance(message, Gap) for message in found)
            self.frames += messages
            counts.frames[direction] += messages
            self._record(direction, found)
        if scanner.close is not None:
            if self.closing is None or self.closing.code == _CUT_OFF:
                self.closing = Closing(direction, *scanner.close)
            self.closed = all(scanner.close for scanner in self.scanners.values())
        return len(found)

    def _record(self, direction: str, found: list[str | bytes | Gap]) -> None:
        if self.problem is not None:
            return
        at = now()
        try:
            for message in found:
                if isinstance(message, Gap):
                    self.session.gap(message.reason, direction=direction, **message.facts)
                else:
                    self.session.record(direction, message, at)
        except Exception as error:  # whatever it is, the call must not suffer
            self.problem = error

    def is_pressed(self) -> bool:
        """Whether the recorder takes less than comes: a flood, which no call is."""
        return self.problem is None and self.session.is_pressed()

    def committed(self) -> Future[None] | None:
        """A future that is done once all that was recorded is committed; None where that failed."""
        try:
            return None if self.problem else self.session.committed()
        except Exception as error:
            self.problem = error
            return None

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
        self.closing = Closing(side, _CUT_OFF, told)

    def told(self) -> str:
        """How the session went, in words."""
        name = f"{self.session.session_id}: " if self.session.session_id else ""
        frames = f"{self.frames:,} frame{'' if self.frames == 1 else 's'}"
        failed = f"; recording failed: {type(self.problem).__name__}" if self.problem else ""
        return f"{name}ends: {frames}, {self.closing}{failed}"

    def end(self) -> None:
        """No more will come."""
        closing = self.closing or Closing("recorder", _CUT_OFF, "the relay was stopped")
        self.closing = closing
        try:
            self.session.close(*closing)
        except Exception as error:
            self.problem = self.problem or error
