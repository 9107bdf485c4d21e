"""What takes the frames of one live session: taps, sidebands and the relay hand them over here."""

from __future__ import annotations

from threading import Lock
from typing import Any, cast

from eventstore.capture.messages.message_unpacking import joined
from eventstore.capture.recorder.arrival_clock import ArrivalClock
from eventstore.capture.recorder.commit_future import CommitFuture
from eventstore.capture.recorder.pending_frames import ActiveRecording, PendingFrames
from eventstore.capture.recording import notes
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.times import is_time


class SessionRecorder:
    """Takes the frames of one live session.

    Any thread may call its methods, and none of them blocks.

    Attributes:
        clock: The clock that gives frames their times if they come without one.
    """

    def __init__(
        self, pending: PendingFrames, recording: ActiveRecording, redact: bool = False
    ) -> None:
        self._pending, self._recording = pending, recording
        self.clock = ArrivalClock()
        self._mask, self._masking = SessionMask() if redact else None, Lock()

    @property
    def session_id(self) -> str | None:
        """The id that the session is stored under; None until its first frames are written."""
        return self._recording.target.session_id

    @property
    def recording(self) -> str:
        """The recording's key, which its `opened` note names, whatever the session's id is."""
        return self._recording.target.key

    def record(self, direction: str, text: str | bytes, at: int | None = None) -> None:
        """Hand over a frame. Frames behind the session's close are ignored.

        Args:
            direction: `client` or `server`.
            text: The frame exactly as on the wire; bytes for a binary message.
            at: Arrival in microseconds since 1970 UTC; by default now, by `clock`.

        Raises:
            InvalidInputError: If the direction or time is bad, or the frame is neither text nor
                bytes.
        """
        if type(text) is not str and type(text) is not bytes:
            text = _plain_type(text)
        if at is None:
            at = self.clock.arrival(self.clock_jumped)
        if direction not in (CLIENT, SERVER) or not is_time(at):
            raise InvalidInputError(f"direction {direction!r} at {at!r}: use client or server")
        direction = CLIENT if direction == CLIENT else SERVER
        # A forked child records nothing. Another thread of its parent may hold the lock, for ever
        # here.
        if self._mask is None or self._pending.in_forked_child:
            self._pending.put(self._recording, Frame(direction, text, at))
            return
        with self._masking:
            clean, secrets = self._mask.mask(text)
            self._pending.put(self._recording, Frame(direction, clean, at))
            if secrets:
                self._pending.put(self._recording, notes.redacted(secrets, at))

    def record_pieces(
        self, direction: str, pieces: list[str] | list[bytes], at: int | None = None
    ) -> None:
        """Hand over a large frame that comes in pieces, as `record` does."""
        self.record(direction, joined(pieces), at)

    def gap(self, reason: str, **facts: Any) -> None:
        """Note in the log that something is missing here, and why.

        Args:
            reason: A word for the cause, such as `overflow`.
            facts: What is known of it; values as in JSON.
        """
        self._pending.put(self._recording, notes.gap(reason, facts, self.clock.now()))

    def clock_jumped(self, jump: int, at: int) -> None:
        """Note in the log that the wall clock jumped by so many microseconds; the log's did not."""
        self._pending.put(self._recording, notes.clock(jump, at))

    def committed(self) -> CommitFuture:
        """Return a future that is done once all frames handed over so far are in the database.

        Await it, as in `await session.committed()`, or wait in a thread, as in
        `session.committed().result(10)`. It waits for as long as the database is away. It fails if
        frames were missed or refused, or if the recorder is closed before they are in the database.
        """
        return self._pending.delivery(self._recording)

    def is_pressed(self) -> bool:
        """Return True if the app should hand over less for a while: see `Recorder.is_pressed`."""
        return self._pending.is_pressed()

    def close(
        self,
        by: str | None = None,
        code: int | None = None,
        reason: str | None = None,
        at: int | None = None,
    ) -> None:
        """End the session: no more frames will come. Closing again does nothing.

        Args:
            by: Who closed the connection: client, server or recorder.
            code, reason: Those of its close frame; 1006 if there was none (RFC 6455, 7.4.1).
            at: When, in microseconds since 1970 UTC; by default now.

        Raises:
            InvalidInputError: If the time is not one.
        """
        at = checked_time(self.clock.now() if at is None else at)
        self._pending.end(self._recording, notes.closed(by, code, reason, at))


def checked_time(at: object) -> int:
    """Return a time, or refuse what no log could store: it would block all that comes behind it.

    Raises:
        InvalidInputError: If it is not in microseconds since 1970 UTC.
    """
    if not is_time(at):
        raise InvalidInputError(f"time {at!r}: use microseconds since 1970 UTC")
    return cast(int, at)


def _plain_type(text: object) -> str | bytes:
    """Return a frame as the plain type that all databases and the spool take.

    A frame that they do not take would stay in the recorder's memory, before all other sessions'.

    Raises:
        InvalidInputError: If it is neither text nor bytes.
    """
    if isinstance(text, str):
        return str.__str__(text)
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(memoryview(text))
    raise InvalidInputError(f"a frame is text or bytes, not {type(text).__name__}")
