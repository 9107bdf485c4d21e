"""The state that the recorder's two threads share: where entries are on their way to the database.

`recorder.py` makes a `RecorderState`; the writer and the spool thread work on it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition

from eventstore.capture.recorder.pending_frames import ActiveRecording, PendingFrames
from eventstore.capture.recorder.spool.spool import Spool
from eventstore.capture.recorder.spool.spool_format import Entry, frames_in

#: The trouble that is reported until the database itself names an error.
SLOW_DATABASE = "the database takes long"
LOGGER = logging.getLogger("eventstore.recorder")


@dataclass
class RecorderState:
    """The state of the recorder's two threads, guarded by the lock of `pending`.

    Attributes:
        pending: The frames in memory.
        spool: The entries on disk.
        interval: Seconds from one append to the next.
        patience: Seconds that an append may take before the spool thread takes over.
        spooling: Whether entries go to the spool, and the writer appends from there.
        in_flight: Entries that the writer has taken and not appended yet, by recording.
        append_started: When the writer began the append that it is at, by the monotonic clock.
        unconfirmed: For each recording, the number of the last entry that may have been written
            without our knowing.
        spool_busy: Whether the spool thread has entries that are not on disk yet.
        spooled_at: When the spool thread took entries last, by the monotonic clock.
        stop_deadline: When the writer shall stop at the latest, by the monotonic clock; None while
            the recorder is open.
        writer_ended: Whether the writer has stopped; the spool thread takes what is left.
        trouble: Why frames are not in the database, for people; None if all is well.
        written, spooled, lost: Numbers of frames.
    """

    pending: PendingFrames
    spool: Spool
    interval: float
    patience: float
    spooling: bool = False
    in_flight: dict[str, list[Entry]] = field(default_factory=dict)
    append_started: float | None = None
    unconfirmed: dict[str, int] = field(default_factory=dict)
    spool_busy: bool = False
    spooled_at: float = 0.0
    stop_deadline: float | None = None
    writer_ended: bool = False
    trouble: str | None = None
    written: int = 0
    spooled: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self.spool_wakeup = Condition(self.pending.lock)

    def journal(self, recordings: Iterable[ActiveRecording]) -> None:
        """Note in the spool's journal that recordings are in progress, so that a crash shows."""
        for recording in recordings:
            with suppress(OSError):
                self.spool.begin(recording.target)

    def wake_spool_thread(self) -> None:
        """Wake the spool thread, because a recording has begun."""
        with self.pending.lock:
            self.spool_wakeup.notify()

    def start_spooling(self, trouble: str) -> bool:
        """Send all entries that are not written yet through the spool; return True if that is new.

        Call it with the lock held. `log_spooling` comes later, without it: a log handler may block.
        """
        self.spooling = True
        # The writer's append may still succeed, or not.
        self.mark_unconfirmed(self.in_flight)
        self.spool_wakeup.notify()
        return self.note_trouble(trouble)

    def note_trouble(self, trouble: str) -> bool:
        """Note why frames are not in the database; return True if it is new. With the lock held."""
        if trouble == SLOW_DATABASE and self.trouble is not None:
            return False
        is_new = self.trouble in (None, SLOW_DATABASE)
        self.trouble = trouble
        return is_new

    def log_spooling(self) -> None:
        """Log that entries go to the spool. Without the lock."""
        LOGGER.warning("frames go to the spool %s: %s", self.spool.folder, self.trouble)

    def stop_spooling(self) -> None:
        """Append directly again, first what the spool did not take. With the lock held."""
        self.unconfirmed = {}
        self.mark_unconfirmed(self.in_flight)
        self.pending.put_back(flat(self.in_flight))
        self.in_flight, self.append_started = {}, None
        self.spooling = False
        self.spool.clear()

    def mark_unconfirmed(self, groups: dict[str, list[Entry]]) -> None:
        """Note that entries may have been written. With the lock held."""
        self.unconfirmed |= {key: entries[-1].number for key, entries in groups.items()}

    def take_recovery(self) -> bool:
        """Return True if trouble has just ended, and forget the trouble. With the lock held."""
        has_recovered = self.trouble is not None and not self.spooling
        if has_recovered:
            self.trouble = None
        return has_recovered

    def note_delivered(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note that entries of a recording are in the database; return the futures to resolve.

        Call it with the lock held.
        """
        delivered = self.pending.recordings[key].delivered
        # If the spool thread took a copy while the writer appended, the same entries are delivered
        # twice.
        self.written += frames_in(entry for entry in entries if entry.number > delivered)
        return self.pending.note_delivered(key, entries[-1].number)

    def note_lost_before(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note how many entries were lost before these; return the futures that must fail.

        Call it with the lock held.
        """
        recording = self.pending.recordings[key]
        recording.target.lost_before = max(0, entries[0].number - recording.delivered - 1)
        return (
            self.pending.note_lost(key, recording.delivered + 1)
            if recording.target.lost_before
            else []
        )

    def note_refused(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note which entries the database refuses, before `note_delivered` counts them.

        Call it with the lock held. It returns the futures that must fail.
        """
        recording = self.pending.recordings[key]
        frames = frames_in(entry for entry in entries if entry.number > recording.refused)
        self.lost += frames
        self.written -= frames
        recording.refused = max(recording.refused, entries[-1].number)
        return self.pending.note_lost(key, entries[0].number)

    def count_rest_as_lost(self) -> int:
        """Count the frames that are still in memory at the end as lost; return how many. With the
        lock.
        """
        lost = frames_in([*flat(self.in_flight), *self.pending.take()])
        self.in_flight = {}
        self.lost += lost
        return lost

    def is_flooded(self) -> bool:
        """Return True if the writer must not read the spool yet, to leave the disk to the other."""
        return self.pending.is_flooded() and not self.pending.spool_fails

    def must_spool(self) -> bool:
        """Return True if the spool thread must take what is in memory. With the lock held.

        While the writer reads the spool, and nothing else keeps it from the database, newer entries
        stay in memory for a while. So the writer can reach the end of the spool, however fast they
        come.
        """
        if not self.spooling:
            return self.is_slow()
        if self.trouble != SLOW_DATABASE or self.pending.is_flooded():
            return True
        return time.monotonic() - self.spooled_at > self.patience

    def is_slow(self) -> bool:
        """Return True if an append takes too long, or memory fills. With the lock held."""
        if self.pending.is_filling():
            return True
        return (
            self.append_started is not None
            and time.monotonic() - self.append_started > self.patience
        )


def flat(groups: dict[str, list[Entry]]) -> list[Entry]:
    """Return the entries of all recordings in one list, each recording's in order."""
    return [entry for entries in groups.values() for entry in entries]


def by_recording(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return entries grouped by their recording's key, in order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return groups
