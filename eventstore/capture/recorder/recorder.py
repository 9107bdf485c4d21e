"""The recorder takes frames of live sessions without blocking, and writes them to a store.

It has two threads. The writer takes the queued entries every interval and appends them. If that
fails or takes too long, the spool thread takes over: then all entries go to the spool on disk, and
the writer appends them from the spool, oldest first, until it has caught up. docs/adr/0009 says
why.

Apps make a `Recorder` for taps; the relay's child process, sidebands and tests use it too.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from uuid import uuid4

from eventstore.capture.recorder.closing import ClosedAtEnd
from eventstore.capture.recorder.pending_frames import (
    CLOSED_UNWRITTEN,
    ActiveRecording,
    PendingFrames,
    fail,
)
from eventstore.capture.recorder.recorder_state import RecorderState
from eventstore.capture.recorder.session_recorder import SessionRecorder, checked_time
from eventstore.capture.recorder.spool.orphaned_spools import process_names
from eventstore.capture.recorder.spool.spool import Spool, default_folder
from eventstore.capture.recorder.spool.spool_format import KEY_LENGTH, TargetSession
from eventstore.capture.recorder.spool_thread import SpoolThread
from eventstore.capture.recorder.writer import Writer
from eventstore.capture.recording.notes import closed, opened
from eventstore.common import unforeseen
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.trace_context import trace_notes
from eventstore.realtime.upstream_urls import joined_session
from eventstore.store.database import schema
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import check_session_id, is_session_id
from eventstore.store.sessions.log import WritableLog, open_log
from eventstore.times import now

MEMORY = 64 * 1024 * 1024
#: Seconds that a program that ends without `close` waits for the database at most.
_EXIT_TIMEOUT = 2.0
_LOGGER = logging.getLogger("eventstore.recorder")


class Counters(NamedTuple):
    """Numbers of frames of clients and servers that went through a recorder.

    Attributes:
        accepted: Frames that were handed over and taken.
        written: Frames that are in the database.
        spooled: Frames that went through the spool on disk.
        behind: Frames that were accepted and are not in the database yet.
        missed: Frames that found no room, or that the database refused. The log says where.
        unprojected: Frames that are in the log, but whose projection failed.
        faults: Unforeseen errors, each logged with its traceback.
        fold_errors: Events that the projection could not handle because of an error in its code.
    """

    accepted: int
    written: int
    spooled: int
    behind: int
    missed: int
    unprojected: int = 0
    faults: int = 0
    fold_errors: int = 0


class Recorder(ClosedAtEnd):
    """Records live sessions. Make one for a process, and use it with `with` or `async with`.

    A forked child process must make its own: a recorder of its parent takes nothing there.

    Args:
        store: A store, or a database's URL. It need not be reachable: frames wait in the spool.
        spool: The folder of the spool; by default EVENTSTORE_SPOOL, or beside an SQLite file, else
            under `~/.local/state/eventstore`.
        interval: Seconds from one append to the next.
        memory: Bytes of frames that are held in memory at most.
        patience: Seconds that the database may take before frames go to the spool.
        keys: The URL of the database of keys, if `store` is a URL; as for `EventStore`.
        redact: Remove secrets from frames before anything is written, also to the spool. Each
            secret becomes "[removed]", and a note behind its frame, `eventstore.session.redacted`,
            counts them. All other frames stay exact, and so does audio.

    Raises:
        InvalidInputError: If the URL is not a database's, or the spool cannot be written.
    """

    def __init__(
        self,
        store: WritableLog | str = "sqlite:///eventstore.db",
        spool: Path | str | None = None,
        interval: float = 0.05,
        memory: int = MEMORY,
        patience: float = 1.0,
        keys: str | None = None,
        redact: bool = False,
    ) -> None:
        self._owns_store, self._redact = isinstance(store, str), redact
        if isinstance(store, str):
            store = open_log(store, keys)
        self._store = store
        self._schema_checked = not self._owns_store
        folder = Path(spool) if spool is not None else default_folder(_url_of(self._store))
        self._in_forked_child = False
        self._pending = PendingFrames(memory)
        self._state = RecorderState(self._pending, Spool(folder), interval, patience)
        # Entries that an earlier process left in the spool are written before new ones.
        self._state.spooling = any(name != self._state.spool.name for name in process_names(folder))
        self._threads = [
            Thread(target=work.run, name=f"eventstore-{name}", daemon=True)
            for name, work in (
                ("writer", Writer(self._state, self._checked_store)),
                ("spool", SpoolThread(self._state)),
            )
        ]
        for thread in self._threads:
            thread.start()
        # A program may end without `close`: its frames are written then too, without a long wait.
        self._at_exit = partial(_close_at_exit, weakref.ref(self), _EXIT_TIMEOUT)
        atexit.register(self._at_exit)
        _RECORDERS.add(self)

    def session(
        self,
        metadata: Mapping[str, str] | None = None,
        session_id: str | None = None,
        notes: Mapping[str, Any] | None = None,
        at: int | None = None,
        traceparent: str | None = None,
    ) -> SessionRecorder:
        """Begin to record a session, and return what takes its frames.

        Args:
            metadata: Pairs to set on the session.
            session_id: The id to store the session under, behind what is there. By default it is
                the server's id if that is free, else one that the store makes.
            notes: What the log shall say of how the session was recorded, such as `{"by":
                "relay"}`. If its `url` joins a GPT-Live session, this names the server's id, which
                events there may not.
            at: When it began, in microseconds since 1970 UTC; by default now.
            traceparent: The app's own span, in W3C's form `00-…-…-01`: the session's traces are
                below it (see `eventstore traces`). What is not in this form is ignored.

        Raises:
            InvalidInputError: If metadata exceed OpenAI's limits, or the session id or time is
                bad.
            EventStoreError: If the recorder is closed, or another process made it.
        """
        pairs = check_metadata(metadata or {})
        if session_id is not None:
            check_session_id(session_id)
        begun = checked_time(now() if at is None else at)
        key = uuid4().hex[:KEY_LENGTH]
        if traceparent is not None:
            notes = {**(notes or {}), **trace_notes([traceparent])}
        wanted = session_id or _named_by_url(notes or {})
        recording = ActiveRecording(TargetSession(key, wanted, session_id is not None))
        self._pending.begin(recording, opened(key, pairs, notes or {}, begun))
        self._state.wake_spool_thread()
        return SessionRecorder(self._pending, recording, self._redact)

    def check(self) -> None:
        """Check that the database can be written; recording itself does not wait for that.

        Raises:
            SchemaError: If the schema is missing or is not this code's.
            DatabaseUnavailableError: If the database cannot be reached.
            MissingKeyError: If the store is encrypted and its database of keys is not named.
        """
        engine = self._checked_store().engine
        with read(engine) as tx:
            tx.keys.check(tx)

    def is_pressed(self) -> bool:
        """Return True if the app should hand over less for a while.

        That is so while more than three quarters of `memory` are in use and frames are still being
        written. If nothing can be written, waiting does not help, and False is returned.
        """
        return self._pending.is_pressed()

    def counters(self) -> Counters:
        """Return how many frames were taken, and where they are."""
        with self._pending.lock:
            state, accepted = self._state, self._pending.accepted
            behind = accepted - state.written - state.lost
            missed = self._pending.missed + state.lost
            return Counters(
                accepted,
                state.written,
                state.spooled,
                behind,
                missed,
                unforeseen.FAULT_COUNTS[unforeseen.NOT_PROJECTED],
                unforeseen.fault_count(),
                unforeseen.FAULT_COUNTS[unforeseen.FOLD],
            )

    @property
    def spool(self) -> Path:
        """The folder of the spool."""
        return self._state.spool.folder

    @property
    def trouble(self) -> str | None:
        """Why frames are not in the database, for people; None if all is well."""
        return self._state.trouble

    def close(self, timeout: float = 10.0, reason: str = "the recorder was stopped") -> None:
        """End all sessions, write what is left, and stop the threads.

        Futures of `committed` that are not done by then fail. Closing again does nothing.

        Args:
            timeout: Seconds to wait for the database. Entries that it has not taken by then stay in
                the spool, for the next recorder or `eventstore spool`.
            reason: Why sessions that are still open end here.
        """
        atexit.unregister(self._at_exit)
        if self._in_forked_child:
            return
        state, (writer, spooling) = self._state, self._threads
        with self._pending.lock:
            self._pending.is_closed = True
            recordings = list(self._pending.recordings.values())
        for recording in recordings:
            self._pending.end(recording, closed("recorder", None, reason, now()))
        with self._pending.lock:
            self._pending.decide_all_ids()
            state.stop_deadline = time.monotonic() + timeout
            self._pending.changed.notify()
        writer.join(timeout + 1)
        with self._pending.lock:
            state.writer_ended = True
            state.spool_wakeup.notify()
        spooling.join()
        with self._pending.lock:
            lost = state.count_rest_as_lost()
            waiters = self._pending.give_up()
        if lost:
            _LOGGER.error("%s frames are lost: neither database nor spool took them", lost)
        fail(waiters, CLOSED_UNWRITTEN)
        left = self.counters().behind
        if left:
            _LOGGER.warning("%s frames are left in the spool %s", left, state.spool.folder)
        state.spool.close()
        # A writer that still waits for its database uses the store.
        if self._owns_store and not writer.is_alive():
            self._store.close()

    def _detach_after_fork(self) -> None:
        """Detach from the parent in a forked child, where its threads do not run."""
        self._in_forked_child = True
        self._pending.detach_after_fork()
        self._state.spool.detach_after_fork()

    def _checked_store(self) -> WritableLog:
        if not self._schema_checked:
            schema.ensure(self._store.engine)
            self._schema_checked = True
        return self._store


def _named_by_url(notes: Mapping[str, Any]) -> str | None:
    """Return the id of the GPT-Live session that a recording's URL joins, or None."""
    url = notes.get("url")
    named = joined_session(url) if isinstance(url, str) else None
    return named if named is not None and is_session_id(named) else None


def _close_at_exit(recorder: weakref.ref[Recorder], timeout: float) -> None:
    found = recorder()
    if found is not None:
        found.close(timeout)


def _detach_all() -> None:
    for recorder in list(_RECORDERS):
        recorder._detach_after_fork()


_RECORDERS: weakref.WeakSet[Recorder] = weakref.WeakSet()
os.register_at_fork(after_in_child=_detach_all)


def _url_of(store: WritableLog) -> str:
    return store.engine.url.render_as_string(hide_password=False)
