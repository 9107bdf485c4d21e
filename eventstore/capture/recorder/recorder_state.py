"""What the recorder's threads share: where entries are on their way to the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition

from eventstore.capture.recorder.pending_frames import Live, Outbox
from eventstore.capture.recorder.spool.spool import Spool
from eventstore.capture.recorder.spool.spool_format import Entry, frames_in

#: The trouble that there is before the database has said why.
SLOW = "the database takes long"
LOGGER = logging.getLogger("eventstore.recorder")
#: Bytes that the spooler takes at once where more comes than the writer could drain beside it, and
#: seconds that draining waits for the end of that at most.
_FLOOD, _FLOOD_MOST = 2 * 1024 * 1024, 30.0


@dataclass
class Flow:
    """The state of the recorder's two threads, guarded by the outbox's lock.

    Attributes:
        outbox: what is handed over.
        spool: what is on disk.
        interval: seconds from one group of appends to the next.
        patience: seconds that a group may take before the spool takes over.
        spooling: all goes to the spool, and the writer appends out of it.
        in_flight: what the writer has taken and not appended yet, by recording.
        since: when it took that, by the monotonic clock.
        unsure: up to which entry of a recording some may have been written, and we do not know.
        spooler_busy: the spooler has taken something that is not on disk yet.
        flood_since: when it began to take much at once, by the monotonic clock; None where it has
            taken little.
        stop_by: when all shall be written at the latest, by the monotonic clock; None to go on.
        over: the writer works no more; what is left is for the spool.
        trouble: why frames are not in the database, for people; None where all is well.
        written, spooled, lost: frames.
    """

    outbox: Outbox
    spool: Spool
    interval: float
    patience: float
    spooling: bool = False
    in_flight: dict[str, list[Entry]] = field(default_factory=dict)
    since: float | None = None
    unsure: dict[str, int] = field(default_factory=dict)
    spooler_busy: bool = False
    flood_since: float | None = None
    stop_by: float | None = None
    over: bool = False
    trouble: str | None = None
    written: int = 0
    spooled: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        self.spool_now = Condition(self.outbox.lock)

    def journal(self, lives: Iterable[Live]) -> None:
        """Note on disk that recordings are in progress, so that a crash leaves a trace of each."""
        for live in lives:
            with suppress(OSError):
                self.spool.begin(live.destination)

    def hurry_journal(self) -> None:
        """Wake the spooler: a recording has begun."""
        with self.outbox.lock:
            self.spool_now.notify()

    def start_spooling(self, trouble: str) -> bool:
        """Send all that is not written yet through the spool; whether that is news.

        With the lock held; so `tell_spooling` is for later: a log may block.
        """
        self.spooling = True
        # What is on its way may yet be written, or not.
        self.doubt(self.in_flight)
        self.spool_now.notify()
        return self.note_trouble(trouble)

    def note_trouble(self, trouble: str) -> bool:
        """Note why frames are not in the database; whether that is news. With the lock held."""
        if trouble == SLOW and self.trouble is not None:
            return False
        news = self.trouble in (None, SLOW)
        self.trouble = trouble
        return news

    def tell_spooling(self) -> None:
        """Log that the spool has taken over. Without the lock."""
        LOGGER.warning("frames go to the spool %s: %s", self.spool.folder, self.trouble)

    def stop_spooling(self) -> None:
        """Append directly again, what the spool did not take first. With the lock held."""
        self.unsure = {}
        self.doubt(self.in_flight)
        self.outbox.put_back(flat(self.in_flight))
        self.in_flight, self.since = {}, None
        self.spooling = False
        self.spool.clear()

    def doubt(self, groups: dict[str, list[Entry]]) -> None:
        """Note that entries may have been written. With the lock held."""
        self.unsure |= {key: entries[-1].number for key, entries in groups.items()}

    def is_over_it(self) -> bool:
        """Whether there was trouble, and now there is none. With the lock held."""
        well = self.trouble is not None and not self.spooling
        if well:
            self.trouble = None
        return well

    def arrived(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note that entries of a recording are delivered; who waits. With the lock held."""
        delivered = self.outbox.lives[key].delivered
        # What the writer brought home while the spooler took a copy is delivered twice.
        self.written += frames_in(entry for entry in entries if entry.number > delivered)
        return self.outbox.delivered(key, entries[-1].number)

    def hole(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note what was lost before entries; who waits in vain. With the lock held."""
        live = self.outbox.lives[key]
        live.destination.hole = max(0, entries[0].number - live.delivered - 1)
        return self.outbox.lost(key, live.delivered + 1) if live.destination.hole else []

    def refused(self, key: str, entries: list[Entry]) -> list[Future[None]]:
        """Note, before they arrive, which will never; who waits in vain. With the lock held."""
        live = self.outbox.lives[key]
        frames = frames_in(entry for entry in entries if entry.number > live.refused)
        self.lost += frames
        self.written -= frames
        live.refused = max(live.refused, entries[-1].number)
        return self.outbox.lost(key, entries[0].number)

    def lose_what_is_left(self) -> int:
        """At the end: nothing took what is in memory still; how many. With the lock held."""
        lost = frames_in([*flat(self.in_flight), *self.outbox.take()])
        self.in_flight = {}
        self.lost += lost
        return lost

    def note_spooled(self, size: int) -> None:
        """Note how many bytes the spooler has taken at once. With the lock held."""
        if size < _FLOOD:
            self.flood_since = None
        elif self.flood_since is None:
            self.flood_since = time.monotonic()

    def is_flooded(self) -> bool:
        """Whether draining the spool must wait, so that all that comes is taken."""
        if self.outbox.spool_fails:
            return False
        since = self.flood_since
        flooded = since is not None and time.monotonic() - since < _FLOOD_MOST
        return flooded or self.outbox.is_filling()

    def is_slow(self) -> bool:
        """Whether the writer has been at one group for too long, or memory fills. With the lock."""
        if self.outbox.is_filling():
            return True
        return self.since is not None and time.monotonic() - self.since > self.patience


def flat(groups: dict[str, list[Entry]]) -> list[Entry]:
    """Entries of all recordings, each recording's in order."""
    return [entry for entries in groups.values() for entry in entries]


def by_recording(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries grouped by recording, in order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return groups
