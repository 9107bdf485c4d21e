"""One live session's recording: what taps and the relay hand its frames to."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock
from typing import Any, cast

from eventstore.capture.messages.message_unpacking import joined
from eventstore.capture.recorder.arrival_clock import ArrivalClock
from eventstore.capture.recorder.pending_frames import Live, Outbox
from eventstore.capture.recording import notes
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.times import is_time


class SessionRecorder:
    """One live session. All methods may be called from any thread, and none blocks.

    Attributes:
        clock: what its frames are stamped by, where no time is given with them.
    """

    def __init__(self, outbox: Outbox, live: Live, redact: bool = False) -> None:
        self._outbox, self._live = outbox, live
        self.clock = ArrivalClock()
        self._mask, self._masking = SessionMask() if redact else None, Lock()

    @property
    def session_id(self) -> str | None:
        """The id that it is stored under; None until its first frames are written."""
        return self._live.destination.session_id

    @property
    def recording(self) -> str:
        """What its `opened` note is named by, whatever the session's id."""
        return self._live.destination.key

    def record(self, direction: str, text: str | bytes, at: int | None = None) -> None:
        """Hand over a frame. Behind the session's close, frames are ignored.

        Args:
            direction: `client` or `server`.
            text: exactly as on the wire; bytes for a binary message.
            at: arrival in microseconds since 1970 UTC; now, by its `clock`, where it is not given.

        Raises:
            InvalidInputError: another direction, a time that is none, or neither text nor bytes.
        """
        if type(text) is not str and type(text) is not bytes:
            text = _plain(text)
        if at is None:
            at = self.clock.now()
            jump = self.clock.jumped(at)
            if jump is not None:
                self.clock_jumped(jump, at)
        if direction not in (CLIENT, SERVER) or not is_time(at):
            raise InvalidInputError(f"direction {direction!r} at {at!r}: use client or server")
        direction = CLIENT if direction == CLIENT else SERVER
        # In a forked child nothing is taken, and another thread of the parent may hold the lock.
        if self._mask is None or self._outbox.left:
            self._outbox.put(self._live, Frame(direction, text, at))
            return
        with self._masking:
            clean, secrets = self._mask.mask(text)
            self._outbox.put(self._live, Frame(direction, clean, at))
            if secrets:
                self._outbox.put(self._live, notes.redacted(secrets, at))

    def record_pieces(
        self, direction: str, pieces: list[str] | list[bytes], at: int | None = None
    ) -> None:
        """Hand over a frame that is in pieces, because it is large: as `record` does."""
        self.record(direction, joined(pieces), at)

    def gap(self, reason: str, **facts: Any) -> None:
        """Note in the log that something is missing here, and why.

        Args:
            reason: a word for it.
            facts: what is known of it; values as in JSON.
        """
        self._outbox.put(self._live, notes.gap(reason, facts, self.clock.now()))

    def clock_jumped(self, jump: int, at: int) -> None:
        """Note in the log that the wall clock jumped by so many microseconds, and the log's not."""
        self._outbox.put(self._live, notes.clock(jump, at))

    def committed(self) -> Future[None]:
        """A future that is done once all that was handed over so far is in the database.

        To await it: `await asyncio.wrap_future(session.committed())`. While the database is away,
        so long does it wait. It fails with an error where frames had to be missed, or were
        refused, and where the recorder is closed before they are in the database.
        """
        return self._outbox.delivery(self._live)

    def is_pressed(self) -> bool:
        """Whether who can hand over less now should: memory fills, but frames do get away."""
        return self._outbox.is_pressed()

    def close(
        self,
        by: str | None = None,
        code: int | None = None,
        reason: str | None = None,
        at: int | None = None,
    ) -> None:
        """No more will come. Closing again does nothing.

        Args:
            by: who closed the connection: client, server or recorder.
            code, reason: of its close frame; 1006 where there was none.
            at: when, in microseconds since 1970 UTC; now where it is not given.

        Raises:
            InvalidInputError: a time that is none.
        """
        at = checked_time(self.clock.now() if at is None else at)
        self._outbox.end(self._live, notes.closed(by, code, reason, at))


def checked_time(at: object) -> int:
    """Return a time. Another one could be written to no log, and nothing behind it.

    Raises:
        InvalidInputError: it is none.
    """
    if not is_time(at):
        raise InvalidInputError(f"time {at!r}: use microseconds since 1970 UTC")
    return cast(int, at)


def _plain(text: object) -> str | bytes:
    """Return a frame as the type that all databases and the spool take.

    What they do not take would stay in the recorder's memory, before the frames of all sessions.

    Raises:
        InvalidInputError: it is neither text nor bytes.
    """
    if isinstance(text, str):
        return str.__str__(text)
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(memoryview(text))
    raise InvalidInputError(f"a frame is text or bytes, not {type(text).__name__}")
