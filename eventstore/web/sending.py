"""Sends webhooks beside a server, in threads of their own, on a store opened for them alone.

Called by the command `serve` (cli/commands/serve/services.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from eventstore.common import unforeseen
from eventstore.errors import EventStoreError
from eventstore.event_store import EventStore
from eventstore.feed.webhooks.webhooks import Webhooks
from eventstore.store.database.outages import is_outage

_LOGGER = logging.getLogger("eventstore.webhooks")
#: The first and the longest pause after sending failed as a whole, in seconds.
FIRST_PAUSE, MOST_PAUSE = 1.0, 30.0
#: How long the end of a server waits for the webhooks that are sent then, in seconds: a post takes
#: no longer.
GRACE = 11.0


class Sending(NamedTuple):
    """The settings of the webhooks that a server sends.

    Attributes:
        to: The app's URL.
        secret: The secret that signs them.
        on: What they are sent on.
        name: The name of their subscription.
        link: Where the store's pages are; None for the server's own address, if it is known.
        allow_private: True if they may go to a private address, and by HTTP.
        at_once: How many are sent at once.
    """

    to: str
    secret: str
    on: tuple[str, ...] = ("session.ended",)
    name: str = "webhooks"
    link: str | None = None
    allow_private: bool = False
    at_once: int = 4


class WebhookSender:
    """Sends webhooks from `start` to `stop`, whatever fails meanwhile.

    Args:
        store: A store for this alone.
        settings: The settings.
    """

    def __init__(self, store: EventStore, settings: Sending) -> None:
        self._store, self._settings, self._link = store, settings, settings.link
        self._stopped = threading.Event()
        self._running: Webhooks | None = None
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Add the subscription of the webhooks, if it is not there.

        Raises:
            InvalidInputError: A setting is wrong.
            DatabaseUnavailableError: The database cannot be reached.
        """
        self._make()

    def start(self, address: str | None) -> None:
        """Begin to send, in a thread.

        Args:
            address: Where the server's pages are, for links; None if that is not known.
        """
        if self._stopped.is_set():
            return
        self._link = self._settings.link or address
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more than what is sent now. It does not wait."""
        self._stopped.set()
        if self._running is not None:
            self._running.stop()

    def join(self, seconds: float) -> None:
        """Wait until what is sent now has been taken, but not longer."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _make(self) -> Webhooks:
        settings = self._settings
        return self._store.webhooks(
            settings.to,
            settings.secret,
            on=settings.on,
            name=settings.name,
            link=self._link,
            allow_private=settings.allow_private,
        )

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._running = self._make()
                if not self._stopped.is_set():
                    self._running.run(self._settings.at_once)
            except Exception as error:
                self._tell(error, pause)
                self._stopped.wait(pause)
                lasted = time.monotonic() - began
                pause = FIRST_PAUSE if lasted > MOST_PAUSE * 2 else min(pause * 2, MOST_PAUSE)
            else:
                if not self._stopped.is_set():
                    _LOGGER.warning(
                        "the subscription %s was dropped; no webhooks are sent any more",
                        self._settings.name,
                    )
                return

    def _tell(self, error: Exception, pause: float) -> None:
        if isinstance(error, EventStoreError) and is_outage(error):
            _LOGGER.warning("webhooks wait for the database: %s", error)
        else:
            unforeseen.log_fault(_LOGGER, "webhooks", error)
            _LOGGER.warning("no webhooks are sent for %.0f seconds, because of a fault", pause)


@contextmanager
def sending(store: EventStore, settings: Sending) -> Iterator[WebhookSender]:
    """Return what sends webhooks once it is started; it ends with the block.

    Args:
        store: A store for this alone; it is not closed before the threads have ended.
        settings: The settings.

    Raises:
        InvalidInputError: A setting is wrong.
        DatabaseUnavailableError: The database cannot be reached.
    """
    sender = WebhookSender(store, settings)
    sender.check()
    try:
        yield sender
    finally:
        sender.stop()
        sender.join(GRACE)
