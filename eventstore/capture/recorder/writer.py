"""The recorder's thread that appends what is handed over, directly or out of the spool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice

from eventstore.capture.recorder.deliver import deliver_together
from eventstore.capture.recorder.deliver_always import deliver_always, is_outage
from eventstore.capture.recorder.pending_frames import fail
from eventstore.capture.recorder.recorder_state import LOGGER, Flow, by_recording
from eventstore.capture.recorder.recover import recover_next
from eventstore.capture.recorder.spool import orphaned_spools as leftovers
from eventstore.capture.recorder.spool.spool_format import Destination, Entry
from eventstore.capture.recording.same_call import note_ended
from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, SchemaError
from eventstore.store.sessions.log import WritableLog

#: Bytes that are read out of the spool at once.
_PIECE = 4 * 1024 * 1024
#: Sessions that are appended to in one transaction: a commit's cost is shared, its locks are short.
_TOGETHER = 50
#: Groups are further apart, up to so many seconds, where the writer would work for more than one
#: part in so many of the time: many short appends cost more than a few long ones.
_SHARE, _PAUSE_MOST = 4, 0.25
#: Seconds from one try to the next while the database is away: at first, and at most.
_RETRY, _RETRY_MOST = 0.1, 2.0


class Writer:
    """Appends to the store; while it cannot, the spooler keeps what comes.

    Args:
        flow: shared with the spooler.
        open_store: gives the store; called until it succeeds.
    """

    def __init__(self, flow: Flow, open_store: Callable[[], WritableLog]) -> None:
        self._flow, self._open = flow, open_store
        self._taken_at = 0.0
        self._retry_at, self._retry = 0.0, _RETRY
        self._leftovers = True
        self._pause = flow.interval

    def run(self) -> None:
        """Work until the flow is to stop, and all is written or its time is over."""
        while self._work():
            pass

    def _work(self) -> bool:
        flow, outbox = self._flow, self._flow.outbox
        with outbox.lock:
            if not self._await_work():
                return False
            spooling = flow.spooling
            if not spooling:
                self._taken_at = time.monotonic()
                flow.in_flight = by_recording(outbox.take())
                flow.since = self._taken_at
        try:
            if spooling:
                self._drain()
            else:
                self._write()
        except Exception as error:  # a fault of ours must not end the recording
            unforeseen.log_fault(LOGGER, "the recorder's writer", error)
            self._failed(unforeseen.as_store_error("the recorder's writer", error))
        return True

    def _await_work(self) -> bool:
        """Wait, with the lock held, for something to do; False where the end has come."""
        flow, outbox = self._flow, self._flow.outbox
        while True:
            clock, stop = time.monotonic(), flow.stop_by
            if stop is not None and (clock >= stop or not (flow.spooling or len(outbox))):
                return False
            if flow.spooling:
                due: float | None = self._retry_at
            elif len(outbox):
                hurried = outbox.urgent or stop is not None
                due = clock if hurried else self._taken_at + self._pause
            else:
                waiting = outbox.naming_wait()
                due = None if waiting is None else clock + waiting
            if due is not None and due <= clock:
                return True
            outbox.changed.wait(None if due is None else due - clock)

    # Directly

    def _write(self) -> None:
        flow, outbox = self._flow, self._flow.outbox
        for groups in _portions(flow.in_flight):
            if flow.spooling:
                return  # the spooler has taken what is left
            try:
                self._deliver_groups(groups)
            except (DatabaseUnavailableError, SchemaError) as error:
                self._failed(error)
                return
            with outbox.lock:
                told = []
                for key, entries in groups.items():
                    if flow.in_flight.pop(key, None) is not None:
                        outbox.release(entries)
                    told += flow.arrived(key, entries)
                finished: list[str] = []
                if not flow.spooling:  # else the spooler may have taken a copy
                    finished = outbox.forget_finished(groups)
                    for key in groups:
                        flow.unsure.pop(key, None)
            self._tell(told, finished)
        with outbox.lock:
            flow.since = None
            over_it = flow.is_over_it()
        self._retry = _RETRY
        took = time.monotonic() - self._taken_at
        self._pause = max(flow.interval, min(_SHARE * took, _PAUSE_MOST))
        self._tell_all_is_well(over_it)

    def _deliver_groups(self, groups: dict[str, list[Entry]]) -> None:
        flow = self._flow
        lives = flow.outbox.lives
        together = []
        for key, entries in groups.items():
            destination = lives[key].destination
            known = destination.session_id is not None and not destination.erased
            if known and self._is_next(key, entries):
                together.append((destination, entries))
        done = {to.key for to, _ in together} if self._deliver_all(together) else set()
        for key, entries in groups.items():
            if key not in done:
                flow.journal([lives[key]])
                self._deliver(key, entries, sure=self._is_next(key, entries))
            if entries[-1].closing:
                note_ended(self._open(), lives[key].destination.session_id)

    def _is_next(self, key: str, entries: list[Entry]) -> bool:
        """Whether entries go right behind what is delivered, and none of them is there already."""
        live = self._flow.outbox.lives[key]
        first = entries[0].number
        return first == live.delivered + 1 and first > self._flow.unsure.get(key, 0)

    def _deliver_all(self, groups: list[tuple[Destination, list[Entry]]]) -> bool:
        """Append in one transaction; False, and nothing done, where one of them cannot."""
        try:
            deliver_together(self._open(), groups)
        except Exception as error:
            if is_outage(error):
                raise
            return False  # one session's trouble is no other's
        return True

    def _failed(self, error: Exception) -> None:
        flow = self._flow
        with flow.outbox.lock:
            news = flow.start_spooling(str(error))
            flow.since = None
            self._back_off()
        if news:
            flow.tell_spooling()

    def _back_off(self) -> None:
        self._retry_at = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, _RETRY_MOST)

    # Out of the spool

    def _drain(self) -> None:
        flow, outbox = self._flow, self._flow.outbox
        if flow.is_flooded():  # the spooler first: it is faster
            self._retry_at = time.monotonic() + flow.interval
            return
        groups: dict[str, list[Entry]] = {}
        try:
            if self._leftovers:
                self._leftovers = recover_next(self._open(), flow.spool.folder) is not None
                return
            groups = by_recording(flow.spool.read(_PIECE))
            for portion in _portions(groups):
                self._deliver_groups(portion)
        except (DatabaseUnavailableError, SchemaError, OSError) as error:
            with outbox.lock:
                flow.doubt(groups)
                news = flow.note_trouble(str(error))
                self._back_off()
            if news:
                flow.tell_spooling()
            return
        lost = flow.spool.advance()
        with outbox.lock:
            flow.lost += lost
            told = []
            for key, entries in groups.items():
                told += flow.arrived(key, entries)
            finished: list[str] = []
            over_it = False
            if groups:
                self._retry = _RETRY
            else:
                self._retry_at = time.monotonic() + flow.interval
                if not flow.spooler_busy and flow.spool.is_drained():
                    flow.stop_spooling()
                    # What is not even spooled shows whether the database takes it again.
                    over_it = not len(outbox) and flow.is_over_it()
                    finished = outbox.forget_finished(list(outbox.lives))
        self._tell(told, finished)
        if lost:
            LOGGER.error("%s frames are lost: files of the spool are damaged or gone", lost)
        self._tell_all_is_well(over_it)

    # Both

    def _tell_all_is_well(self, over_it: bool) -> None:
        if over_it:
            LOGGER.warning("the spool is written to the database")

    def _deliver(self, key: str, entries: list[Entry], sure: bool) -> None:
        """Append entries; `sure`: none of them can be there already."""
        flow = self._flow
        destination = flow.outbox.lives[key].destination
        with flow.outbox.lock:
            lost = flow.hole(key, entries)
        fail(lost, "frames in the spool are lost; the log says where")
        refused = deliver_always(self._open(), destination, entries, sure)
        if refused:
            self._keep(destination, refused)
            with flow.outbox.lock:
                waiters = flow.refused(key, refused)
            fail(waiters, "the database refused a frame; the log says where")

    def _keep(self, destination: Destination, refused: list[Entry]) -> None:
        """Keep on disk what the database refuses, but of a session that was erased."""
        spool = self._flow.spool
        if destination.erased:
            return
        try:
            leftovers.keep_refused(spool.folder, spool.name, destination, refused)
        except OSError as error:
            LOGGER.error("%s refused frames cannot be kept: %s", len(refused), error.strerror)

    def _tell(self, told: list[Future[None]], finished: list[str]) -> None:
        for future in told:
            if future.set_running_or_notify_cancel():
                future.set_result(None)
        for key in finished:
            with suppress(OSError):
                self._flow.spool.end(key)


def _portions(groups: dict[str, list[Entry]]) -> Iterator[dict[str, list[Entry]]]:
    """Groups that are appended in one transaction."""
    items = iter(list(groups.items()))
    while portion := dict(islice(items, _TOGETHER)):
        yield portion
