"""The recorder: takes frames of live sessions without blocking, and writes them to a store.

Two threads work. The writer takes what is queued, every interval, and appends it. Where that fails
or takes too long, the spooler takes over: from then on everything goes to the spool on disk, and
the writer appends out of the spool, oldest first, until it has caught up. See docs/adr/0009.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import time
import weakref
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple
from uuid import uuid4

from eventstore.capture.recorder.pending_frames import ENDED, Live, Outbox, fail
from eventstore.capture.recorder.recorder_state import Flow
from eventstore.capture.recorder.session_recorder import SessionRecorder, checked_time
from eventstore.capture.recorder.spool.orphaned_spools import names
from eventstore.capture.recorder.spool.spool import Spool, default_folder
from eventstore.capture.recorder.spool.spool_format import KEY_LENGTH, Destination
from eventstore.capture.recorder.spool_thread import Spooler
from eventstore.capture.recorder.writer import Writer
from eventstore.capture.recording.notes import closed, opened
from eventstore.common import unforeseen
from eventstore.realtime.metadata import check_metadata
from eventstore.store.database import schema
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import check_session_id
from eventstore.store.sessions.log import WritableLog, open_log
from eventstore.times import now

MEMORY = 64 * 1024 * 1024
#: Seconds that the end of the program waits for the database, at most.
_AT_EXIT = 2.0
_LOGGER = logging.getLogger("eventstore.recorder")


class Counters(NamedTuple):
    """Frames of the client and the server that went through a recorder.

    Attributes:
        accepted: handed over, and taken.
        written: in the database.
        spooled: that went over the spool on disk.
        behind: accepted and not in the database yet.
        missed: that found no room, or that the database refused; the log says where.
        unprojected: in the log, while projecting them failed.
        faults: errors that nobody foresaw, each logged with its traceback.
        fold_errors: events that the fold could not make sense of by a fault of its own.
    """

    accepted: int
    written: int
    spooled: int
    behind: int
    missed: int
    unprojected: int = 0
    faults: int = 0
    fold_errors: int = 0


class Recorder:
    """Records live sessions; one for a process. Use it with `with`, or with `async with`.

    A process that is forked off makes its own: there, this one takes nothing.

    Args:
        store: a store, or a database's URL. It need not be reachable: frames wait in the spool.
        spool: the folder of the spool; by default EVENTSTORE_SPOOL, or beside an SQLite file, else
            under `~/.local/state/eventstore`.
        interval: seconds from one group of appends to the next.
        memory: bytes of frames that are held in memory at most.
        patience: seconds that the database may take before frames go to the spool.
        keys: with a URL, that of the database of keys, as for `EventStore`.
        redact: take secrets out of frames before anything is written, the spool included. Each is
            "[removed]" then, and a note behind its frame, `eventstore.session.redacted`, counts
            them. All other frames stay exact, and so does audio.

    Raises:
        InvalidInputError: no database URL, or a spool that cannot be written.
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
        self._ours, self._redact = isinstance(store, str), redact
        if isinstance(store, str):
            store = open_log(store, keys)
        self._store = store
        self._fits = not self._ours
        folder = Path(spool) if spool is not None else default_folder(_url_of(self._store))
        self._left = False
        self._outbox = Outbox(memory)
        self._flow = Flow(self._outbox, Spool(folder), interval, patience)
        # What a process before has left comes first.
        self._flow.spooling = any(name != self._flow.spool.name for name in names(folder))
        self._threads = [
            Thread(target=work.run, name=f"eventstore-{name}", daemon=True)
            for name, work in (
                ("writer", Writer(self._flow, self._open)),
                ("spooler", Spooler(self._flow)),
            )
        ]
        for thread in self._threads:
            thread.start()
        # A program that ends without `close` still has its frames written, and does not wait long.
        self._at_exit = partial(_close, weakref.ref(self), _AT_EXIT)
        atexit.register(self._at_exit)
        _MADE.add(self)

    def session(
        self,
        metadata: Mapping[str, str] | None = None,
        session_id: str | None = None,
        notes: Mapping[str, Any] | None = None,
        at: int | None = None,
    ) -> SessionRecorder:
        """Begin to record a session.

        Args:
            metadata: pairs to set on it.
            session_id: store it under this id, behind what is there; by default under the
                server's, where it is free, else under one that is made.
            notes: what its log shall say of how it was recorded: by, url, …
            at: when it began, in microseconds since 1970 UTC; now where it is not given.

        Raises:
            InvalidInputError: metadata beyond OpenAI's limits, a bad session id or time.
            EventStoreError: the recorder is closed, or another process has made it.
        """
        pairs = check_metadata(metadata or {})
        if session_id is not None:
            check_session_id(session_id)
        begun = checked_time(now() if at is None else at)
        key = uuid4().hex[:KEY_LENGTH]
        live = Live(Destination(key, session_id, session_id is not None))
        self._outbox.begin(live, opened(key, pairs, notes or {}, begun))
        self._flow.hurry_journal()
        return SessionRecorder(self._outbox, live, self._redact)

    def check(self) -> None:
        """Look whether the database can be written, which recording does not wait for.

        Raises:
            SchemaError: its schema is missing, or another than this code's.
            DatabaseUnavailableError: it is away.
            MissingKeyError: it is encrypted, and its keys are not named.
        """
        engine = self._open().engine
        with read(engine) as tx:
            tx.keys.check(tx)

    def is_pressed(self) -> bool:
        """Whether who can hand over less now should: memory fills, but frames do get away."""
        return self._outbox.is_pressed()

    def counters(self) -> Counters:
        """What was taken, and where it is."""
        with self._outbox.lock:
            flow, accepted = self._flow, self._outbox.accepted
            behind = accepted - flow.written - flow.lost
            missed = self._outbox.missed + flow.lost
            return Counters(
                accepted,
                flow.written,
                flow.spooled,
                behind,
                missed,
                unforeseen.FAULT_COUNTS[unforeseen.NOT_PROJECTED],
                unforeseen.fault_count(),
                unforeseen.FAULT_COUNTS[unforeseen.FOLD],
            )

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self._flow.spool.folder

    @property
    def trouble(self) -> str | None:
        """Why frames are not in the database; None where all is well."""
        return self._flow.trouble

    def close(self, timeout: float = 10.0, reason: str = "the recorder was stopped") -> None:
        """Note the end of all sessions, write what is left, and end.

        Who still waits for a commit then is told that it failed. Closing again does nothing.

        Args:
            timeout: seconds to wait for the database; what it has not taken then is in the spool,
                for the next recorder or `eventstore spool`.
            reason: why sessions that are still open end here.
        """
        atexit.unregister(self._at_exit)
        if self._left:
            return
        flow, (writer, spooler) = self._flow, self._threads
        with self._outbox.lock:
            self._outbox.shut = True
            lives = list(self._outbox.lives.values())
        for live in lives:
            self._outbox.end(live, closed("recorder", None, reason, now()))
        with self._outbox.lock:
            self._outbox.settle_all()
            flow.stop_by = time.monotonic() + timeout
            self._outbox.changed.notify()
        writer.join(timeout + 1)
        with self._outbox.lock:
            flow.over = True
            flow.spool_now.notify()
        spooler.join()
        with self._outbox.lock:
            lost = flow.lose_what_is_left()
            waiters = self._outbox.give_up()
        if lost:
            _LOGGER.error("%s frames are lost: neither database nor spool took them", lost)
        fail(waiters, ENDED)
        left = self.counters().behind
        if left:
            _LOGGER.warning("%s frames are left in the spool %s", left, flow.spool.folder)
        flow.spool.close()
        # A writer that still waits for its database keeps it.
        if self._ours and not writer.is_alive():
            self._store.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Recorder:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    def _leave(self) -> None:
        """In a process that is forked off: its threads are not there, and its files not its own."""
        self._left = True
        self._outbox.leave()
        self._flow.spool.leave()

    def _open(self) -> WritableLog:
        if not self._fits:
            schema.ensure(self._store.engine)
            self._fits = True
        return self._store


def _close(recorder: weakref.ref[Recorder], timeout: float) -> None:
    found = recorder()
    if found is not None:
        found.close(timeout)


def _leave_all() -> None:
    for recorder in list(_MADE):
        recorder._leave()


_MADE: weakref.WeakSet[Recorder] = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_all)


def _url_of(store: WritableLog) -> str:
    return store.engine.url.render_as_string(hide_password=False)
