"""A live session that is recorded by another process: docs/adr/0010."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Protocol

from eventstore.capture.messages.message_unpacking import Message
from eventstore.capture.recorder.arrival_clock import ArrivalClock


class FrameTaker(Protocol):
    """What a remote session asks of its recorder: `RecorderProcess` has it all."""

    def hand_over(self, session: RemoteSession, direction: str, text: Message, at: int) -> None:
        """Take a frame."""

    def say(self, *what: Any) -> None:
        """Note something in the log of the session with this number."""

    def is_pressed(self, number: int) -> bool:
        """Return True if the session with this number should hand over less."""

    def commit(self, session: RemoteSession) -> Future[None]:
        """Return a future that is done once all that was handed over is in the database."""

    def end(self, session: RemoteSession, *how: Any) -> None:
        """Take no more of a session."""


class RemoteSession:
    """One live session: as `SessionRecorder`, of a `RecorderProcess`.

    Attributes:
        clock: what its frames are stamped by.
    """

    def __init__(self, recorder: FrameTaker, number: int, begun: tuple[Any, ...]) -> None:
        self.clock = ArrivalClock()
        self._recorder, self.number, self.begun = recorder, number, begun
        self.session_id: str | None = None
        self.missed: dict[str, int] = {}

    def record(self, direction: str, text: str | bytes, at: int | None = None) -> None:
        """Hand over a frame, as `SessionRecorder.record` does."""
        if at is None:
            at = self.clock.now()
            jump = self.clock.jumped(at)
            if jump is not None:
                self.clock_jumped(jump, at)
        self._recorder.hand_over(self, direction, text, at)

    def record_pieces(self, direction: str, pieces: list[str] | list[bytes], at: int) -> None:
        """Hand over a frame that is in pieces, because it is large: as `record` does."""
        self._recorder.hand_over(self, direction, pieces, at)

    def gap(self, reason: str, **facts: Any) -> None:
        """Note in the log that something is missing here, and why."""
        self._recorder.say("gap", self.number, reason, facts)

    def clock_jumped(self, jump: int, at: int) -> None:
        """Note in the log that the wall clock jumped by so many microseconds, and the log's not."""
        self._recorder.say("clock", self.number, jump, at)

    def is_pressed(self) -> bool:
        """Whether who can hand over less now should: see `RecorderProcess.is_pressed`."""
        return self._recorder.is_pressed(self.number)

    def committed(self) -> Future[None]:
        """A future that is done once all that was handed over so far is in the database."""
        return self._recorder.commit(self)

    def close(
        self, by: str | None = None, code: int | None = None, reason: str | None = None
    ) -> None:
        """No more will come; once."""
        self._recorder.end(self, by, code, reason, self.clock.now())
