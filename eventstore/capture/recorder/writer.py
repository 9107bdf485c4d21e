"""The recorder's thread that appends entries to the database, directly or from the spool.

`recorder.py` starts it beside the spool thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress

from eventstore.capture.recorder.deliver import deliver_together
from eventstore.capture.recorder.deliver_always import deliver_always, is_outage
from eventstore.capture.recorder.pending_frames import fail, size_of
from eventstore.capture.recorder.recorder_state import LOGGER, RecorderState, by_recording
from eventstore.capture.recorder.recover import recover_next
from eventstore.capture.recorder.spool import orphaned_spools
from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession
from eventstore.capture.recording.same_call import note_ended
from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, SchemaError
from eventstore.store.sessions.log import WritableLog

#: Bytes that are read from the spool at once.
_READ_BYTES = 4 * 1024 * 1024
#: What is appended in one transaction: so many sessions at most, and so many bytes if it has more
#: than one. They share the cost of its statements and of its commit, and locks are short.
_SESSIONS_PER_APPEND, _BYTES_PER_APPEND = 200, 4 * 1024 * 1024
#: With fewer sessions than these, each is appended by itself if one of them refuses its entries.
_FEWEST_HALVED = 16
#: Appends are so far apart that the writer works for at most one part in so many of the time, but
#: at most so many seconds: many short appends cost more than a few long ones.
_WORK_SHARE, _LONGEST_PAUSE = 4, 0.25
#: Seconds from one try to the next while the database is away: at first, and at most.
_RETRY, _LONGEST_RETRY = 0.1, 2.0

#: A session with the entries to append.
_Group = tuple[TargetSession, list[Entry]]


class Writer:
    """Appends to the store; while it cannot, the spool thread keeps the entries.

    Args:
        state: Shared with the spool thread.
        open_store: Returns the store; it is called again until it succeeds.
    """

    def __init__(self, state: RecorderState, open_store: Callable[[], WritableLog]) -> None:
        self._state, self._open = state, open_store
        self._taken_at = 0.0
        self._retry_at, self._retry = 0.0, _RETRY
        self._has_orphans = True
        self._pause = state.interval

    def run(self) -> None:
        """Work until the recorder stops and all is written, or its deadline has passed."""
        while self._run_once():
            pass

    def _run_once(self) -> bool:
        state, pending = self._state, self._state.pending
        with pending.lock:
            if not self._await_work():
                return False
            spooling = state.spooling
            if not spooling:
                self._taken_at = time.monotonic()
                state.in_flight = by_recording(pending.take())
                state.append_started = self._taken_at
        try:
            if spooling:
                self._drain()
            else:
                self._write()
        except Exception as error:  # an unforeseen error must not end the recording
            unforeseen.log_fault(LOGGER, "the recorder's writer", error)
            self._start_spooling(unforeseen.as_store_error("the recorder's writer", error))
        return True

    def _await_work(self) -> bool:
        """Wait, with the lock held, for something to do; return False if the recorder stops."""
        state, pending = self._state, self._state.pending
        while True:
            clock, stop = time.monotonic(), state.stop_deadline
            if stop is not None and (clock >= stop or not (state.spooling or len(pending))):
                return False
            if state.spooling:
                due: float | None = self._retry_at
            elif len(pending):
                hurried = pending.is_hurried() or stop is not None
                due = clock if hurried else self._taken_at + self._pause
            else:
                waiting = pending.seconds_to_naming()
                due = None if waiting is None else clock + waiting
            if due is not None and due <= clock:
                return True
            pending.changed.wait(None if due is None else due - clock)

    # From memory

    def _write(self) -> None:
        state, pending = self._state, self._state.pending
        for groups in _batches(state.in_flight):
            with pending.lock:
                if state.spooling:
                    return  # the spool thread has taken the rest
                state.append_started = time.monotonic()
            try:
                self._deliver_groups(groups)
            except (DatabaseUnavailableError, SchemaError) as error:
                self._start_spooling(error)
                return
            with pending.lock:
                waiters: list[Future[None]] = []
                for key, entries in groups.items():
                    if state.in_flight.pop(key, None) is not None:
                        pending.release(entries)
                    waiters += state.note_delivered(key, entries)
                finished: list[str] = []
                if not state.spooling:  # otherwise the spool thread may have a copy
                    finished = pending.forget_finished(groups)
                    for key in groups:
                        state.unconfirmed.pop(key, None)
            self._resolve(waiters, finished)
        with pending.lock:
            state.append_started = None
            recovered = state.take_recovery()
        self._retry = _RETRY
        took = time.monotonic() - self._taken_at
        self._pause = max(state.interval, min(_WORK_SHARE * took, _LONGEST_PAUSE))
        self._log_recovery(recovered)

    def _deliver_groups(self, groups: dict[str, list[Entry]]) -> None:
        state = self._state
        recordings = state.pending.recordings
        done = self._deliver_together(self._known_groups(groups))
        for key, entries in groups.items():
            if key not in done:
                state.journal([recordings[key]])
                self._deliver_recording(key, entries, sure=self._is_next(key, entries))
            if entries[-1].closing:
                note_ended(self._open(), recordings[key].target.session_id)

    def _known_groups(self, entries_of: dict[str, list[Entry]]) -> list[_Group]:
        """Return those whose session is known, and whose entries follow what the database has."""
        groups = []
        for key, entries in entries_of.items():
            target = self._state.pending.recordings[key].target
            is_known = target.session_id is not None and not target.erased
            # They are written, but not noted as delivered, if an append beside theirs failed.
            is_written = target.last_written[0] >= entries[0].number
            if is_known and not is_written and self._follows(key, entries):
                groups.append((target, entries))
        return groups

    def _follows(self, key: str, entries: list[Entry]) -> bool:
        """Return True if entries follow those that are known to be in the database."""
        return entries[0].number == self._state.pending.recordings[key].delivered + 1

    def _is_next(self, key: str, entries: list[Entry]) -> bool:
        """Return True if entries follow the delivered ones and none of them was written already."""
        first = entries[0].number
        return self._follows(key, entries) and first > self._state.unconfirmed.get(key, 0)

    def _deliver_together(self, groups: list[_Group]) -> set[str]:
        """Append in one transaction, or in several if a session refuses its entries.

        A session that refuses is looked for by halves, so that most of the others are appended
        together all the same.

        Returns:
            The keys of the recordings whose entries are in the database. The others are appended
            one by one then.
        """
        if len(groups) < 2:
            return set()
        try:
            deliver_together(self._open(), groups)
        except Exception as error:
            if is_outage(error):
                raise
            if len(groups) < _FEWEST_HALVED:
                return set()
            half = len(groups) // 2
            return self._deliver_together(groups[:half]) | self._deliver_together(groups[half:])
        return {target.key for target, _ in groups}

    def _start_spooling(self, error: Exception) -> None:
        state = self._state
        with state.pending.lock:
            is_new = state.start_spooling(str(error))
            state.append_started = None
            self._schedule_retry()
        if is_new:
            state.log_spooling()

    def _schedule_retry(self) -> None:
        self._retry_at = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, _LONGEST_RETRY)

    # From the spool

    def _drain(self) -> None:
        state, pending = self._state, self._state.pending
        if state.is_flooded():  # the spool thread goes first, because it is faster
            self._retry_at = time.monotonic() + state.interval
            return
        groups: dict[str, list[Entry]] = {}
        try:
            if self._has_orphans:
                self._has_orphans = recover_next(self._open(), state.spool.folder) is not None
                return
            groups = by_recording(state.spool.read(_READ_BYTES))
            for batch in _batches(self._undelivered(groups)):
                self._deliver_groups(batch)
                with pending.lock:
                    waiters = [
                        one
                        for key, entries in batch.items()
                        for one in state.note_delivered(key, entries)
                    ]
                self._resolve(waiters, [])
        except (DatabaseUnavailableError, SchemaError, OSError) as error:
            with pending.lock:
                state.mark_unconfirmed(groups)
                is_new = state.note_trouble(str(error))
                self._schedule_retry()
            if is_new:
                state.log_spooling()
            return
        lost = state.spool.advance()
        with pending.lock:
            state.lost += lost
            finished: list[str] = []
            recovered = False
            if groups:
                self._retry = _RETRY
            else:
                self._retry_at = time.monotonic() + state.interval
                if not state.spool_busy and state.spool.is_drained():
                    state.stop_spooling()
                    # While entries wait that were not spooled, their append shows whether the
                    # database is back.
                    recovered = not len(pending) and state.take_recovery()
                    finished = pending.forget_finished(list(pending.recordings))
        self._resolve([], finished)
        if lost:
            LOGGER.error("%s frames are lost: files of the spool are damaged or gone", lost)
        self._log_recovery(recovered)

    def _undelivered(self, groups: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
        """Leave out what the writer had appended when the spool thread took its copy."""
        recordings = self._state.pending.recordings
        rest = {
            key: [entry for entry in entries if entry.number > recordings[key].delivered]
            for key, entries in groups.items()
        }
        return {key: entries for key, entries in rest.items() if entries}

    # From either

    def _log_recovery(self, recovered: bool) -> None:
        if recovered:
            LOGGER.warning("the spool is written to the database")

    def _deliver_recording(self, key: str, entries: list[Entry], sure: bool) -> None:
        """Append entries of one recording; `sure`: none of them can be in the log already."""
        state = self._state
        target = state.pending.recordings[key].target
        with state.pending.lock:
            lost = state.note_lost_before(key, entries)
        fail(lost, "frames in the spool are lost; the log says where")
        refused = deliver_always(self._open(), target, entries, sure)
        if refused:
            self._keep_refused(target, refused)
            with state.pending.lock:
                waiters = state.note_refused(key, refused)
            fail(waiters, "the database refused a frame; the log says where")

    def _keep_refused(self, target: TargetSession, refused: list[Entry]) -> None:
        """Keep entries on disk that the database refuses, unless their session was erased."""
        spool = self._state.spool
        if target.erased:
            return
        try:
            orphaned_spools.keep_refused(spool.folder, spool.name, target, refused)
        except OSError as error:
            LOGGER.error("%s refused frames cannot be kept: %s", len(refused), error.strerror)

    def _resolve(self, waiters: list[Future[None]], finished: list[str]) -> None:
        for future in waiters:
            if future.set_running_or_notify_cancel():
                future.set_result(None)
        for key in finished:
            with suppress(OSError):
                self._state.spool.end(key)


def _batches(groups: dict[str, list[Entry]]) -> Iterator[dict[str, list[Entry]]]:
    """Yield groups of entries that are appended in one transaction."""
    batch: dict[str, list[Entry]] = {}
    size = 0
    for key, entries in list(groups.items()):
        size += size_of(entries)
        if batch and (len(batch) == _SESSIONS_PER_APPEND or size > _BYTES_PER_APPEND):
            yield batch
            batch, size = {}, size_of(entries)
        batch[key] = entries
    if batch:
        yield batch
