"""`Traces`: send the spans of sessions to a collector while the sessions go on.

`EventStore.traces` makes it. It reads what the recorder has written, by a subscription of its own,
in a thread or a process of its own. So frames never wait for it, whatever the collector does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

from eventstore.common.pauses import Pause
from eventstore.errors import EventStoreError
from eventstore.exports.otel.otlp_http import Endpoint
from eventstore.exports.otel.otlp_json import BATCH
from eventstore.exports.otel.sent_spans import SpanReader
from eventstore.exports.otel.spans import Span
from eventstore.feed.feed import Feed

_LOGGER = logging.getLogger("eventstore.traces")
#: Between two looks for news, in seconds: spans are sent so long after what they are about.
LOOK_EACH = 0.2
#: The first and the longest pause before spans are offered again that were not taken, in seconds.
FIRST_PAUSE, MOST_PAUSE = 0.5, 15.0


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
        sent: How many spans were taken.
        refused: How many spans the collector will never take, as it says.
        failed: How often the collector took nothing.
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
        self._engine, self._make, self._endpoint, self._once = engine, feed, endpoint, once
        self._content, self._link = content, link
        self._stopped = threading.Event()
        self._feed: Feed | None = None
        self._batch: list[Span] = []
        self._is_failing = False
        self.sent = self.refused = self.failed = 0

    def run(self) -> None:
        """Send spans until `stop` is called, or all are sent if it was made with `once`.

        While the collector is away, nothing more is read, and nothing is lost.

        Raises:
            EventStoreError: The store failed, or the collector did not take what was to be sent
                once. What was not sent is sent when it runs again.
        """
        reader = SpanReader(self._engine, self.name, self._content, self._link)
        self._batch = []
        try:
            with self._make() as self._feed:
                if not self._stopped.is_set():
                    self._follow(self._feed, reader)
        finally:
            self._endpoint.close()

    def stop(self) -> None:
        """End `run` soon. Any thread, or a signal, may call it."""
        self._stopped.set()
        self._endpoint.close()  # What is sent now ends, and is not repeated for seconds.
        if self._feed is not None:
            self._feed.stop()

    def _follow(self, feed: Feed, reader: SpanReader) -> None:
        for step in feed.steps():
            if isinstance(step, Pause):
                self._flush(feed)
                self._stopped.wait(step.seconds)
                continue
            try:
                self._batch += reader.new_spans(step.session_id)
            except Exception as error:
                feed.failed(error)
            if len(self._batch) >= BATCH:
                self._flush(feed)
        self._flush(feed)

    def _flush(self, feed: Feed) -> None:
        """Send what is to be sent; the checkpoints may move once it was taken.

        Raises:
            EventStoreError: It was not taken, and nobody waits for that.
        """
        while self._batch:
            self._send_some(feed, self._batch[:BATCH])
            if self._stopped.is_set() and self._is_failing:
                return
            del self._batch[:BATCH]
            feed.keep()
        feed.acknowledge()

    def _send_some(self, feed: Feed, spans: list[Span]) -> None:
        """Send spans, and wait until they are taken, or refused for ever, or `stop` is called."""
        pause = FIRST_PAUSE
        while True:
            outcome = self._endpoint.offer(spans)
            if outcome.kind != "away":
                break
            self.failed += 1
            if self._once:
                raise EventStoreError(f"{self.to} did not take the spans: {outcome.reason}")
            self._note_away(outcome.reason)
            if self._stopped.is_set():
                return
            self._wait(feed, pause)
            pause = min(pause * 2, MOST_PAUSE)
        self._is_failing = False
        if outcome.kind == "taken":
            self._note_taken(len(spans), outcome.rejected, outcome.reason)
        elif len(spans) > 1:
            # One span may be the reason, or all together are too large.
            half = len(spans) // 2
            for some in (spans[:half], spans[half:]):
                self._send_some(feed, some)
                if self._is_failing:
                    return
        else:
            self.refused += 1
            name, reason = spans[0].name, outcome.reason
            _LOGGER.error("%s will never take the span %r: %s", self.to, name, reason)

    def _wait(self, feed: Feed, seconds: float) -> None:
        """Wait, and keep the sessions of the feed meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopped.wait(min(seconds, LOOK_EACH)):
            feed.keep()

    def _note_taken(self, offered: int, rejected: int, reason: str) -> None:
        rejected = min(rejected, offered)
        self.sent += offered - rejected
        self.refused += rejected
        if rejected:
            _LOGGER.error("%s left %d spans out: %s", self.to, rejected, reason)

    def _note_away(self, reason: str) -> None:
        if not self._is_failing:
            _LOGGER.warning("%s did not take spans: %s; trying again", self.to, reason)
        self._is_failing = True
