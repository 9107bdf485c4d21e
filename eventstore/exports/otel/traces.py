"""`Traces`: send the spans of sessions to a collector while the sessions go on.

`EventStore.traces` makes it. It reads what the recorder has written, by a subscription of its own,
in a thread or a process of its own. So frames never wait for it, whatever the collector does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine

from eventstore.common.pauses import Pause
from eventstore.errors import EventStoreError
from eventstore.exports.otel.otlp_http import Endpoint
from eventstore.exports.otel.outbox import Outbox
from eventstore.exports.otel.sent_spans import SpanReader
from eventstore.feed.feed import RETRY, Feed
from eventstore.store.database.outages import is_outage

#: Between two looks for news, in seconds: spans are sent so long after what they are about.
LOOK_EACH = 0.2


class Traces:
    """Traces for one collector.

    Args:
        engine: The engine of the store's database.
        name: The name of their subscription.
        feed: Makes the feed of it.
        endpoint: Where they go.
        content: Include what was said, and the arguments and outputs of tools.
        link: Where the store's pages are; None leaves the addresses of pages out.
        once: True if the feed ends when there is nothing more for now.

    Attributes:
        name: As given.
        to: The URL of the collector, without what may be secret in it.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        feed: Callable[[], Feed],
        endpoint: Endpoint,
        content: bool = False,
        link: str | None = None,
        once: bool = False,
    ) -> None:
        self.name, self.to = name, endpoint.shown
        self._make, self._endpoint = feed, endpoint
        self._make_reader = partial(SpanReader, engine, name, content, link)
        self._reader = self._make_reader()
        self._stopped = threading.Event()
        self._feed: Feed | None = None
        self._outbox = Outbox(endpoint, once)

    @property
    def sent(self) -> int:
        """How many spans were taken."""
        return self._outbox.sent

    @property
    def refused(self) -> int:
        """How many spans the collector will never take, as it says or shows."""
        return self._outbox.refused

    @property
    def failed(self) -> int:
        """How often the collector took nothing."""
        return self._outbox.failed

    def run(self) -> None:
        """Send spans until `stop` is called, or all are sent if it was made with `once`.

        While the collector is away, little more is read, and nothing is lost.

        Raises:
            EventStoreError: The store failed, or the collector did not take what was to be sent
                once. What was not sent is sent when it runs again.
        """
        self._reader = self._make_reader()  # Another one knows only what was acknowledged.
        self._outbox.clear()
        try:
            with self._make() as self._feed:
                if not self._stopped.is_set():
                    self._follow(self._feed)
        finally:
            self._endpoint.close()

    def stop(self) -> None:
        """End `run` soon. Any thread, or a signal, may call it."""
        self._outbox.is_stopped = True
        self._stopped.set()
        self._endpoint.close()  # What is sent now ends. The next run sends it.
        if self._feed is not None:
            self._feed.stop()

    def _follow(self, feed: Feed) -> None:
        outbox = self._outbox
        for step in feed.steps():
            if isinstance(step, Pause):
                self._flush(feed)
                self._stopped.wait(step.seconds)
                continue
            try:
                outbox.add(step.session_id, self._reader.new_spans(step.session_id))
            except Exception as error:
                feed.failed(error)
            if outbox.is_full():
                self._flush(feed, until_empty=True)
        self._flush(feed, until_empty=True)

    def _flush(self, feed: Feed, until_empty: bool = False) -> None:
        """Send what is to be sent; the checkpoints may move once all of it was taken.

        Args:
            until_empty: Wait until it was taken, or `stop` is called. Otherwise some more is read
                while the collector takes nothing.

        Raises:
            EventStoreError: It was not taken, and nobody waits for that.
        """
        outbox = self._outbox
        while outbox and not (self._stopped.is_set() and outbox.is_failing):
            seconds = outbox.next_at - time.monotonic()
            if seconds <= 0:
                self._offer(feed)
            elif until_empty:
                self._stopped.wait(min(seconds, LOOK_EACH))
                feed.keep()
            else:
                return
        if not outbox:
            feed.acknowledge()

    def _offer(self, feed: Feed) -> None:
        """Send some of it. Of sessions that were erased while it waited, nothing is sent."""
        outbox = self._outbox
        try:
            if outbox.is_failing:
                outbox.forget(self._reader.gone(outbox.session_ids()))
            if outbox:
                outbox.offer(feed.keep)
        except EventStoreError as error:
            if not is_outage(error):
                raise
            outbox.next_at = time.monotonic() + RETRY
