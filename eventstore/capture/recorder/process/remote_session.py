"""A live session that is recorded by a child process; `RecorderProcess.session` makes it."""

from __future__ import annotations

from typing import Any, Protocol

from eventstore.capture.messages.message_unpacking import Message
from eventstore.capture.recorder.arrival_clock import ArrivalClock
from eventstore.capture.recorder.commit_future import CommitFuture


class FrameTaker(Protocol):
    """What a remote session needs of its recorder; `RecorderProcess` has it."""

    def hand_over(self, session: RemoteSession, direction: str, text: Message, at: int) -> None:
        """Take a frame of a session."""

    def say(self, *message: Any) -> None:
        """Send a message about a session to the child process."""

    def is_pressed(self, number: int) -> bool:
        """Return True if the session with this number should slow down."""

    def commit(self, session: RemoteSession) -> CommitFuture:
        """Return a future that is done once all frames so far are in the database."""

    def end(self, session: RemoteSession, *closing: Any) -> None:
        """End a session."""


class RemoteSession:
    """Takes the frames of one live session, as `SessionRecorder` does, for a `RecorderProcess`.

    Attributes:
        clock: The clock that gives frames their times if they come without one.
        number: The session's number in the messages to the child.
        begun: The arguments that the session was begun with, to begin it again in a new child.
        session_id: The id that it is stored under; None until the child reports it.
        missed: Frames that found no room since the last that did, by direction.
    """

    def __init__(self, recorder: FrameTaker, number: int, begun: tuple[Any, ...]) -> None:
        self.clock = ArrivalClock()
        self._recorder, self.number, self.begun = recorder, number, begun
        self.session_id: str | None = None
        self.missed: dict[str, int] = {}

    def record(self, direction: str, text: str | bytes, at: int | None = None) -> None:
        """Hand over a frame, as `SessionRecorder.record` does."""
        if at is None:
            at = self.clock.arrival(self.clock_jumped)
        self._recorder.hand_over(self, direction, text, at)

    def record_pieces(self, direction: str, pieces: list[str] | list[bytes], at: int) -> None:
        """Hand over a large frame that comes in pieces, as `record` does."""
        self._recorder.hand_over(self, direction, pieces, at)

    def gap(self, reason: str, **facts: Any) -> None:
        """Note in the log that something is missing here, and why."""
        self._recorder.say("gap", self.number, reason, facts)

    def clock_jumped(self, jump: int, at: int) -> None:
        """Note in the log that the wall clock jumped by so many microseconds; the log's did not."""
        self._recorder.say("clock", self.number, jump, at)

    def is_pressed(self) -> bool:
        """Return True if producers should slow down: see `RecorderProcess.is_pressed`."""
        return self._recorder.is_pressed(self.number)

    def committed(self) -> CommitFuture:
        """Return a future that is done once all frames so far are in the database, to be awaited.

        It is as that of `SessionRecorder.committed`.
        """
        return self._recorder.commit(self)

    def close(
        self, by: str | None = None, code: int | None = None, reason: str | None = None
    ) -> None:
        """End the session, as `SessionRecorder.close` does."""
        self._recorder.end(self, by, code, reason, self.clock.now())
