"""What is handed over and not yet written: in memory, in order, bounded."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Lock

from eventstore.capture.recorder.spool.spool_format import Destination, Entry
from eventstore.capture.recording import notes
from eventstore.capture.recording.connections import session_event
from eventstore.errors import EventStoreError
from eventstore.realtime.frames import SERVER, STORE, Frame
from eventstore.store.log.session_facts import is_session_id
from eventstore.times import now, to_iso

#: Seconds that a session's first frames wait for the server to name its id.
NAMING_WAIT = 1.0
# Shares of the room: from one on, entries go to the spool; from the other, less shall come.
_FILLING, _PRESSED = 0.5, 0.75
# Roughly what an entry takes beside its text.
_OVERHEAD = 250


#: Why nobody is told any more that something is delivered.
ENDED = "the recorder is closed, and some of the session is not in the database"


@dataclass
class _Missed:
    """Frames that found no room, since the last that did."""

    since: int
    until: int
    frames: dict[str, int] = field(default_factory=dict)


@dataclass
class Live:
    """A session that is being recorded.

    Attributes:
        destination: where it goes.
        number: of the last entry.
        delivered: the last entry that is in the database, and all before it.
        refused: the last entry that the database refused.
        waiting: entries that wait for the session's id; None once that is decided.
        name_by: when it is decided at the latest, by the monotonic clock.
        waiters: who is told when an entry is delivered.
        ended: nothing more comes.
    """

    destination: Destination
    number: int = 0
    delivered: int = 0
    refused: int = 0
    waiting: list[Entry] | None = None
    name_by: float = 0.0
    waiters: list[tuple[int, Future[None]]] = field(default_factory=list)
    ended: bool = False
    missed: _Missed | None = None

    def is_finished(self) -> bool:
        """Whether all of it is in the database."""
        return self.ended and self.delivered >= self.number


def fail(waiters: Iterable[Future[None]], why: str) -> None:
    """Tell who waits that it is in vain. Without the lock: they may call back."""
    for future in waiters:
        if future.set_running_or_notify_cancel():
            future.set_exception(EventStoreError(why))


def size_of(entries: Iterable[Entry]) -> int:
    """About how many bytes of memory entries take."""
    return sum(_OVERHEAD + len(entry.frame.text) for entry in entries)


class Outbox:
    """Takes entries from any thread without blocking; `lock` guards all of it.

    Args:
        bound: bytes of entries that are held; what comes beyond is missed, and noted.

    Attributes:
        changed: tells the writer that there is something to do.
        lives: the sessions in progress, by their recording's key.
        begun: those that are new, for the journal.
        held: bytes of entries that are queued or on their way.
        urgent: somebody waits.
        spool_fails: not even the disk takes entries.
        accepted, missed: frames.
        shut: no session is taken any more.
        over: nothing is delivered any more.
        left: this process is forked off the one that delivers.
    """

    def __init__(self, bound: int) -> None:
        self.lock = Lock()
        self.changed = Condition(self.lock)
        self.lives: dict[str, Live] = {}
        self.begun: list[Live] = []
        self.held = self.accepted = self.missed = 0
        self.urgent = self.spool_fails = False
        self.shut = self.over = self.left = False
        self._bound = bound
        self._queue: list[Entry] = []
        self._naming: dict[str, Live] = {}

    def is_filling(self) -> bool:
        """Whether half of the room is taken."""
        return self.held > _FILLING * self._bound

    def is_pressed(self) -> bool:
        """Whether who can hand over less now should: room gets scarce, but entries do get away."""
        return self.held > _PRESSED * self._bound and not self.spool_fails

    def __len__(self) -> int:
        return len(self._queue)

    def begin(self, live: Live, opened: Frame) -> None:
        """Take a session in, with the note that opens it.

        Raises:
            EventStoreError: the outbox is shut.
        """
        with self.lock:
            if self.shut:
                why = "belongs to another process" if self.left else "is closed"
                raise EventStoreError(f"the recorder {why}; make another one")
            live.destination.opened = opened
            self.lives[live.destination.key] = live
            self.begun.append(live)
            if not live.destination.chosen:
                live.waiting = []
                live.name_by = time.monotonic() + NAMING_WAIT
                self._naming[live.destination.key] = live
            self._put(live, opened)

    def put(self, live: Live, frame: Frame) -> None:
        """Take a frame, or miss it where there is no room."""
        with self.lock:
            if live.ended or self.left:
                return
            if self.held + len(frame.text) > self._bound and frame.direction != STORE:
                self._miss(live, frame)
                return
            if live.missed is not None:
                self._tell_missed(live)
            self._put(live, frame)
            if frame.direction != STORE:
                self.accepted += 1
            if live.waiting is not None and frame.direction == SERVER:
                named = session_event(frame)[1]
                if named is not None:
                    live.destination.wanted = named if is_session_id(named) else None
                    self._settle(live)

    def end(self, live: Live, note: Frame) -> None:
        """Take the note that closes a session; a second one does nothing."""
        with self.lock:
            if not live.ended and not self.left:
                if live.missed is not None:
                    self._tell_missed(live)
                self._put(live, note, closing=True)
                live.ended = True
                self._settle(live)

    def leave(self) -> None:
        """Take nothing any more, in a process that is forked off: whoever held the lock is gone."""
        self.lock = Lock()
        self.changed = Condition(self.lock)
        self.shut = self.over = self.left = True

    def delivery(self, live: Live) -> Future[None]:
        """A future for the delivery of all that a session has handed over; it hurries the writer.

        It fails with an error where some of it was missed, or the session was erased.
        """
        future: Future[None] = Future()
        with self.lock:
            if live.missed is not None:
                future.set_exception(RuntimeError("memory is full, and frames are missed"))
            elif live.destination.erased:
                future.set_exception(EventStoreError("the session was erased"))
            elif live.delivered >= live.number:
                future.set_result(None)
            elif self.over:
                future.set_exception(EventStoreError(ENDED))
            else:
                live.waiters.append((live.number, future))
                self.urgent = True
                self.changed.notify()
        return future

    # With the lock held

    def take(self) -> list[Entry]:
        """All that is queued; it counts as held until `release`."""
        for live in [live for live in self._naming.values() if live.name_by <= time.monotonic()]:
            self._settle(live)
        taken, self._queue, self.urgent = self._queue, [], False
        return taken

    def put_back(self, entries: list[Entry]) -> None:
        """Queue again, before all that came later, what was taken."""
        self._queue[:0] = entries

    def release(self, entries: Iterable[Entry]) -> None:
        """Entries are written, to the database or the spool: they are held no longer."""
        self.held -= size_of(entries)

    def settle_all(self) -> None:
        """Wait for no names any more."""
        for live in list(self._naming.values()):
            self._settle(live)

    def naming_wait(self) -> float | None:
        """Seconds until a session's id is to be decided; None where all are."""
        if not self._naming:
            return None
        due = next(iter(self._naming.values())).name_by
        return max(0.0, due - time.monotonic())

    def delivered(self, key: str, number: int) -> list[Future[None]]:
        """Note that a recording is delivered up to an entry; who waits for that."""
        live = self.lives.get(key)
        if live is None:
            return []
        live.delivered = max(live.delivered, number)
        done = [future for wanted, future in live.waiters if wanted <= number]
        if done:
            live.waiters = [waiter for waiter in live.waiters if waiter[0] > number]
        return done

    def lost(self, key: str, number: int) -> list[Future[None]]:
        """Note that an entry will not be delivered; who waits for it in vain."""
        live = self.lives.get(key)
        if live is None:
            return []
        vain = [future for wanted, future in live.waiters if wanted >= number]
        live.waiters = [waiter for waiter in live.waiters if waiter[0] < number]
        return vain

    def give_up(self) -> list[Future[None]]:
        """Deliver no more; who waits in vain."""
        self.over = True
        return [future for key in list(self.lives) for future in self.lost(key, 0)]

    def forget_finished(self, keys: Iterable[str]) -> list[str]:
        """Forget those of the recordings that are ended and delivered; which they were."""
        lives = ((key, self.lives.get(key)) for key in keys)
        finished = [key for key, live in lives if live is not None and live.is_finished()]
        for key in finished:
            del self.lives[key]
        return finished

    def _put(self, live: Live, frame: Frame, closing: bool = False) -> None:
        live.number += 1
        entry = Entry(live.destination.key, live.number, frame, closing)
        self.held += _OVERHEAD + len(frame.text)
        if live.waiting is not None:
            live.waiting.append(entry)
            if len(live.waiting) == 1:
                self.changed.notify()
            return
        self._queue.append(entry)
        if len(self._queue) == 1:
            self.changed.notify()

    def _settle(self, live: Live) -> None:
        if live.waiting is not None:
            self._queue += live.waiting
            live.waiting = None
            del self._naming[live.destination.key]
            self.changed.notify()

    def _miss(self, live: Live, frame: Frame) -> None:
        at = frame.at if frame.at is not None else now()
        if live.missed is None:
            live.missed = _Missed(at, at)
        live.missed.until = at
        frames = live.missed.frames
        frames[frame.direction] = frames.get(frame.direction, 0) + 1
        self.missed += 1

    def _tell_missed(self, live: Live) -> None:
        missed, live.missed = live.missed, None
        if missed is not None:
            facts = {
                "frames": missed.frames,
                "since": to_iso(missed.since),
                "until": to_iso(missed.until),
            }
            self._put(live, notes.gap("overflow", facts, missed.until))
