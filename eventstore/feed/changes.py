"""Tell listeners of this process which sessions change, of all sessions of a store.

All listeners share one thread and one brief subscription (subscriptions.py), which are there while
somebody listens. Called by `web/api/live.py`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType

from sqlalchemy import Engine

from eventstore.common.unforeseen import OWN_CODE, log_fault
from eventstore.errors import EventStoreError
from eventstore.feed.feed import Feed
from eventstore.feed.subscriptions import add_brief_subscription, forget
from eventstore.store.consumers.news import settle_next
from eventstore.store.database.outages import is_outage

_LOGGER = logging.getLogger("eventstore")
#: Between two looks for changes, in seconds.
_PAUSE = 0.2
#: Until there is a subscription, and while there can be none, listeners look by themselves each
#: second. It is tried again after so many of those.
_SECOND, _AGAIN = 1.0, 30
#: How long a new listener waits for the subscription, in seconds.
_WAIT = 2.0
#: How many sessions a listener can have before it takes them.
MOST_TOLD = 100_000
_LEASE = 30.0
_PAGE = 500


class Listener:
    """Whoever is told of changes; a context manager, which ends it.

    Args:
        changes: What tells it.
        wake: Called, from another thread, when there is something to take. It must not block.
    """

    def __init__(self, changes: Changes, wake: Callable[[], None]) -> None:
        self._changes, self._wake = changes, wake
        self._lock, self._told = threading.Lock(), set[str]()
        self._has_lost = False

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._changes.leave(self)

    def take(self) -> set[str] | None:
        """Return the sessions that have changed since the last call.

        Returns:
            None if there were too many, so that it is unknown which ones.
        """
        with self._lock:
            told, self._told = self._told, set()
            lost, self._has_lost = self._has_lost, False
        return None if lost else told

    def tell(self, session_id: str | None) -> None:
        """Note that a session has changed; None for "look by yourself"."""
        with self._lock:
            if session_id is not None:
                self._has_lost = self._has_lost or len(self._told) >= MOST_TOLD
                if not self._has_lost:
                    self._told.add(session_id)
        self._wake()


class Changes:
    """Tells listeners which sessions change.

    Args:
        engine: The engine of the database, which is written to: without that, listeners are told
            each second to look by themselves, and may miss a session that begins and ends
            meanwhile.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._run: _Run | None = None
        self._runs: list[_Run] = []

    def listen(self, wake: Callable[[], None]) -> Listener:
        """Return a new listener, which is told of all changes that come after this call."""
        listener = Listener(self, wake)
        with self._lock:
            self._listeners.add(listener)
            if self._run is None:
                self._run = _Run(self._engine, self._tell)
                self._runs = [*filter(threading.Thread.is_alive, self._runs), self._run]
                self._run.start()
            run = self._run
        run.followed.wait(_WAIT)
        return listener

    def leave(self, listener: Listener) -> None:
        """Tell a listener no more."""
        with self._lock:
            self._listeners.discard(listener)
            if self._listeners or self._run is None:
                return
            self._run.stop()
            self._run = None

    def close(self) -> None:
        """End what runs, wait for that, and wake all listeners."""
        with self._lock:
            runs, self._run = self._runs, None
            listeners = list(self._listeners)
        for listener in listeners:
            listener.tell(None)
        for run in runs:
            run.stop()
        for run in runs:
            run.join(_WAIT)

    def _tell(self, run: _Run, session_id: str | None) -> None:
        with self._lock:
            listeners = list(self._listeners) if self._run is run else []
        for listener in listeners:
            listener.tell(session_id)


class _Run(threading.Thread):
    """The thread that follows the sessions for all listeners, until it is stopped.

    Attributes:
        followed: Set once each change is told.
    """

    def __init__(self, engine: Engine, tell: Callable[[_Run, str | None], None]) -> None:
        super().__init__(name="eventstore-changes", daemon=True)
        self._engine, self._tell = engine, tell
        self._name = f"pages.{os.urandom(8).hex()}"
        self._stopped, self.followed = threading.Event(), threading.Event()
        self._feed: Feed | None = None

    def stop(self) -> None:
        self._stopped.set()
        feed = self._feed
        if feed is not None:
            feed.stop()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except EventStoreError as error:
                _LOGGER.warning("live pages look each second, because of: %s", error)
            except Exception as error:  # a fault must not end what pages live by
                log_fault(_LOGGER, OWN_CODE, error)
            self.followed.clear()
            for _ in range(_AGAIN):
                if self._stopped.is_set():
                    break
                self._tell(self, None)
                self._stopped.wait(_SECOND)

    def _follow(self) -> None:
        self._settle_all()
        consumer = add_brief_subscription(self._engine, self._name)
        try:
            with Feed(self._engine, consumer, _LEASE, once=False, fastest=_PAUSE) as self._feed:
                if self._stopped.is_set():
                    return
                self.followed.set()
                self._tell(self, None)  # for what came before
                for delivery in self._feed:
                    self._tell(self, delivery.session_id)
        finally:
            self._drop()

    def _settle_all(self) -> None:
        """Settle what is old, so that the subscription needs no checkpoints there."""
        after = ""
        while not self._stopped.is_set():
            after = settle_next(self._engine, after, _PAGE)
            if not after:
                return
            self._tell(self, None)

    def _drop(self) -> None:
        try:
            forget(self._engine, self._name)
        except EventStoreError as error:
            if not is_outage(error):
                raise
