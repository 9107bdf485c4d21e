"""The frames in memory that a recorder has accepted and not yet written, in order and bounded.

`SessionRecorder` puts frames in from any thread; the recorder's writer and its spool thread take
them out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Lock

from eventstore.capture.recorder.commit_future import CommitFuture
from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession
from eventstore.capture.recording import notes
from eventstore.capture.recording.session_ids import session_event
from eventstore.errors import EventStoreError
from eventstore.realtime.frames import SERVER, STORE, Frame
from eventstore.store.log.session_facts import is_session_id
from eventstore.times import now, to_iso

#: Seconds that a session's first frames wait for the server to name the session's id.
NAMING_WAIT = 1.0
# Shares of the memory limit: above the first, the writer does not wait for more to write at once;
# above the second, it leaves the disk and the processor to the spool thread; above the third,
# entries go to the spool; above the fourth, producers should slow down.
_HURRY_SHARE, _FLOOD_SHARE, _SPOOL_SHARE, _SLOW_DOWN_SHARE = 0.125, 0.25, 0.5, 0.75
# About how many bytes an entry takes besides its text.
_ENTRY_OVERHEAD = 250


#: The error of futures that a closed recorder can no longer fulfil.
CLOSED_UNWRITTEN = "the recorder is closed, and some of the session is not in the database"


@dataclass
class _Missed:
    """Frames that found no room in memory since the last frame that did.

    Attributes:
        since, until: Arrival of the first and the last of them, in microseconds since 1970 UTC.
        frames: How many, by direction.
    """

    since: int
    until: int
    frames: dict[str, int] = field(default_factory=dict)


@dataclass
class ActiveRecording:
    """A session that is being recorded, or has ended and is not wholly in the database yet.

    Attributes:
        target: The session of the store that the recording is written to.
        number: The number of the last entry.
        delivered: The number of the entry up to which all are in the database.
        refused: The number of the last entry that the database refused.
        waiting: Entries that wait until the session's id is decided; None once it is.
        naming_deadline: When the id is decided at the latest, by the monotonic clock.
        waiters: Numbers of entries, each with a future to resolve when the entry is delivered.
        ended: Whether the session is closed and takes no more entries.
        missed: The frames that found no room and are not noted in the log yet.
    """

    target: TargetSession
    number: int = 0
    delivered: int = 0
    refused: int = 0
    waiting: list[Entry] | None = None
    naming_deadline: float = 0.0
    waiters: list[tuple[int, Future[None]]] = field(default_factory=list)
    ended: bool = False
    missed: _Missed | None = None

    def is_finished(self) -> bool:
        """Return True if the session is closed and all of it is in the database."""
        return self.ended and self.delivered >= self.number


def fail(waiters: Iterable[Future[None]], why: str) -> None:
    """Let futures fail. Call it without the lock, because a future runs its callbacks."""
    for future in waiters:
        if future.set_running_or_notify_cancel():
            future.set_exception(EventStoreError(why))


def size_of(entries: Iterable[Entry]) -> int:
    """Return about how many bytes of memory entries take."""
    return sum(_ENTRY_OVERHEAD + len(entry.frame.text) for entry in entries)


class PendingFrames:
    """A bounded queue that takes entries from any thread without waiting; `lock` guards all of it.

    Args:
        memory: Bytes of entries that it holds at most. Frames beyond are counted as missed, and
            noted in their session.

    Attributes:
        changed: The condition that wakes the writer.
        recordings: The sessions in progress, by their recording's key.
        begun: New recordings, which the spool's journal does not name yet.
        held: Bytes of entries that are queued, or being written.
        urgent: Whether somebody waits for a commit.
        spool_fails: Whether the disk does not take entries either.
        accepted, missed: How many frames were taken, and how many found no room.
        is_closed: Whether no more sessions are accepted.
        delivery_ended: Whether nothing is written to the database any more.
        in_forked_child: Whether this process was forked off the one that writes.
    """

    def __init__(self, memory: int) -> None:
        self.lock = Lock()
        self.changed = Condition(self.lock)
        self.recordings: dict[str, ActiveRecording] = {}
        self.begun: list[ActiveRecording] = []
        self.held = self.accepted = self.missed = 0
        self.urgent = self.spool_fails = False
        self.is_closed = self.delivery_ended = self.in_forked_child = False
        self._memory = memory
        self._hurry_from = _HURRY_SHARE * memory
        self._queue: list[Entry] = []
        self._naming: dict[str, ActiveRecording] = {}

    def is_hurried(self) -> bool:
        """Return True if there is enough to write, or if somebody waits for a commit."""
        return self.urgent or self.held > self._hurry_from

    def is_flooded(self) -> bool:
        """Return True if more than a quarter of the memory limit is in use."""
        return self.held > _FLOOD_SHARE * self._memory

    def is_filling(self) -> bool:
        """Return True if more than half of the memory limit is in use."""
        return self.held > _SPOOL_SHARE * self._memory

    def is_pressed(self) -> bool:
        """Return True if producers should slow down.

        That is so while more than three quarters of the memory limit are in use and entries are
        still being written. If nothing can be written, waiting does not help.
        """
        return self.held > _SLOW_DOWN_SHARE * self._memory and not self.spool_fails

    def __len__(self) -> int:
        return len(self._queue)

    def begin(self, recording: ActiveRecording, opened: Frame) -> None:
        """Add a session, with the note that opens it.

        Raises:
            EventStoreError: If the recorder is closed.
        """
        with self.lock:
            if self.is_closed:
                why = "belongs to another process" if self.in_forked_child else "is closed"
                raise EventStoreError(f"the recorder {why}; make another one")
            recording.target.opened = opened
            self.recordings[recording.target.key] = recording
            self.begun.append(recording)
            if not recording.target.chosen_by_user:
                recording.waiting = []
                recording.naming_deadline = time.monotonic() + NAMING_WAIT
                self._naming[recording.target.key] = recording
            self._put(recording, opened)

    def put(self, recording: ActiveRecording, frame: Frame) -> None:
        """Add a frame, or count it as missed if there is no room."""
        with self.lock:
            if recording.ended or self.in_forked_child:
                return
            if self.held + len(frame.text) > self._memory and frame.direction != STORE:
                self._count_missed(recording, frame)
                return
            if recording.missed is not None:
                self._note_missed(recording)
            self._put(recording, frame)
            if frame.direction != STORE:
                self.accepted += 1
            if recording.waiting is not None and frame.direction == SERVER:
                named = session_event(frame)[1]
                if named is not None:
                    recording.target.wanted_id = named if is_session_id(named) else None
                    self._decide_id(recording)

    def end(self, recording: ActiveRecording, note: Frame) -> None:
        """Add the note that closes a session; nothing happens if it is closed already."""
        with self.lock:
            if not recording.ended and not self.in_forked_child:
                if recording.missed is not None:
                    self._note_missed(recording)
                self._put(recording, note, closing=True)
                recording.ended = True
                self._decide_id(recording)

    def detach_after_fork(self) -> None:
        """Accept nothing any more, in a forked child: a thread of the parent may hold the lock."""
        self.lock = Lock()
        self.changed = Condition(self.lock)
        self.is_closed = self.delivery_ended = self.in_forked_child = True

    def delivery(self, recording: ActiveRecording) -> CommitFuture:
        """Return a future that is done once all that a session has handed over is in the database.

        The writer does not wait for the next interval then. The future fails if frames were missed,
        if the session was erased, or if the recorder is closed before.
        """
        future = CommitFuture()
        with self.lock:
            if recording.missed is not None:
                future.set_exception(RuntimeError("memory is full, and frames are missed"))
            elif recording.target.erased:
                future.set_exception(EventStoreError("the session was erased"))
            elif recording.delivered >= recording.number:
                future.set_result(None)
            elif self.delivery_ended:
                future.set_exception(EventStoreError(CLOSED_UNWRITTEN))
            else:
                recording.waiters.append((recording.number, future))
                self.urgent = True
                self.changed.notify()
        return future

    # With the lock held

    def take(self) -> list[Entry]:
        """Remove all queued entries and return them; their bytes count as held until `release`."""
        for recording in [
            recording
            for recording in self._naming.values()
            if recording.naming_deadline <= time.monotonic()
        ]:
            self._decide_id(recording)
        taken, self._queue, self.urgent = self._queue, [], False
        return taken

    def put_back(self, entries: list[Entry]) -> None:
        """Queue entries again that were taken, before all that came later."""
        self._queue[:0] = entries

    def release(self, entries: Iterable[Entry]) -> None:
        """Count the bytes of entries as free: they are in the database or in the spool."""
        self.held -= size_of(entries)

    def decide_all_ids(self) -> None:
        """Decide the ids of all sessions now, without waiting for the server to name them."""
        for recording in list(self._naming.values()):
            self._decide_id(recording)

    def seconds_to_naming(self) -> float | None:
        """Return the seconds until the next session's id is decided, or None if all are."""
        if not self._naming:
            return None
        due = next(iter(self._naming.values())).naming_deadline
        return max(0.0, due - time.monotonic())

    def note_delivered(self, key: str, number: int) -> list[Future[None]]:
        """Note up to which entry a recording is in the database; return the futures to resolve."""
        recording = self.recordings.get(key)
        if recording is None:
            return []
        recording.delivered = max(recording.delivered, number)
        done = [future for awaited, future in recording.waiters if awaited <= number]
        if done:
            recording.waiters = [waiter for waiter in recording.waiters if waiter[0] > number]
        return done

    def note_lost(self, key: str, number: int) -> list[Future[None]]:
        """Note that an entry will not be delivered; return the futures that must fail."""
        recording = self.recordings.get(key)
        if recording is None:
            return []
        failed = [future for awaited, future in recording.waiters if awaited >= number]
        recording.waiters = [waiter for waiter in recording.waiters if waiter[0] < number]
        return failed

    def give_up(self) -> list[Future[None]]:
        """Note that nothing is written any more; return the futures that must fail."""
        self.delivery_ended = True
        return [future for key in list(self.recordings) for future in self.note_lost(key, 0)]

    def forget_finished(self, keys: Iterable[str]) -> list[str]:
        """Remove those of the recordings that are finished; return their keys."""
        recordings = ((key, self.recordings.get(key)) for key in keys)
        finished = [
            key
            for key, recording in recordings
            if recording is not None and recording.is_finished()
        ]
        for key in finished:
            del self.recordings[key]
        return finished

    def _put(self, recording: ActiveRecording, frame: Frame, closing: bool = False) -> None:
        recording.number += 1
        entry = Entry(recording.target.key, recording.number, frame, closing)
        before = self.held
        self.held += _ENTRY_OVERHEAD + len(frame.text)
        if before <= self._hurry_from < self.held:
            self.changed.notify()
        if recording.waiting is not None:
            recording.waiting.append(entry)
            if len(recording.waiting) == 1:
                self.changed.notify()
            return
        self._queue.append(entry)
        if len(self._queue) == 1:
            self.changed.notify()

    def _decide_id(self, recording: ActiveRecording) -> None:
        if recording.waiting is not None:
            self._queue += recording.waiting
            recording.waiting = None
            del self._naming[recording.target.key]
            self.changed.notify()

    def _count_missed(self, recording: ActiveRecording, frame: Frame) -> None:
        at = frame.at if frame.at is not None else now()
        if recording.missed is None:
            recording.missed = _Missed(at, at)
        recording.missed.until = at
        frames = recording.missed.frames
        frames[frame.direction] = frames.get(frame.direction, 0) + 1
        self.missed += 1

    def _note_missed(self, recording: ActiveRecording) -> None:
        missed, recording.missed = recording.missed, None
        if missed is not None:
            facts = {
                "frames": missed.frames,
                "since": to_iso(missed.since),
                "until": to_iso(missed.until),
            }
            self._put(recording, notes.gap("overflow", facts, missed.until))
