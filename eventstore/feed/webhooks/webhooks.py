"""`Webhooks`: post what a subscription delivers, until it is taken or given up.

`EventStore.webhooks` makes it. Several threads, and several processes, share the sessions; the
webhooks of one session are sent in their order, each after the one before was taken or given up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, NotFoundError
from eventstore.feed.delivery import Delivery
from eventstore.feed.feed import Feed
from eventstore.feed.webhooks.dead_letters import (
    DeadLetter,
    dead_letters,
    drop_dead_letter,
    note_dead_letter,
)
from eventstore.feed.webhooks.payload import body_of, headers_of, id_of
from eventstore.feed.webhooks.post import Destination, PostError, post
from eventstore.realtime.masking.mask import mask_value
from eventstore.store.database.outages import is_outage
from eventstore.store.queries.query_responses import read_response
from eventstore.store.queries.query_sessions import read_session
from eventstore.times import now

_LOGGER = logging.getLogger("eventstore.webhooks")
#: How often a webhook is sent before it is given up: with the pauses of a feed, for some 50
#: minutes.
MOST_TRIES = 14
_MOST_AGAIN = 1_000


class Webhooks:
    """Webhooks to one app.

    Args:
        engine: The engine of the store's database.
        name: The name of their subscription.
        feeds: Makes a feed of it, for each thread.
        to: Where they go.
        key: The key that signs them.
        link: Where the store's pages are; None leaves links out.
        most_tries: How often a webhook is sent before it is given up; None for `MOST_TRIES`.

    Attributes:
        name: As given.
        sent: How many webhooks were taken.
        failed: How many attempts failed.
        given_up: How many webhooks were given up.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        feeds: Callable[[], Feed],
        to: Destination,
        key: bytes,
        link: str | None,
        most_tries: int | None = None,
    ) -> None:
        self.name = name
        self._engine, self._make, self._to, self._key, self._link = engine, feeds, to, key, link
        self._most_tries = most_tries or MOST_TRIES
        self._lock = threading.Lock()
        self._feeds: list[Feed] = []
        self._stopped = False
        self.sent = self.failed = self.given_up = 0

    def run(self, threads: int = 4) -> None:
        """Send webhooks until `stop` is called, or all are sent if the subscription ends then.

        Args:
            threads: How many webhooks are sent at once.

        Raises:
            EventStoreError: The store failed; what was not sent is sent when it runs again.
        """
        errors: list[BaseException] = []

        def work(feed: Feed) -> None:
            try:
                with feed:
                    feed.run(self._send, self._most_tries, self._give_up)
            except BaseException as error:
                errors.append(error)
                self.stop()

        with self._lock:
            self._feeds = [] if self._stopped else [self._make() for _ in range(threads)]
        workers = [threading.Thread(target=work, args=(feed,)) for feed in self._feeds]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]

    def stop(self) -> None:
        """End `run` after the webhooks that are sent now. Any thread, or a signal, may call it."""
        self._stopped = True
        for feed in self._feeds:
            feed.stop()

    def send_again(self) -> Iterator[tuple[DeadLetter, str | None]]:
        """Send once more what was given up, each session's in order.

        Yields:
            Each webhook, and why it was not taken; None if it was.
        """
        for letter in dead_letters(self._engine, self.name, _MOST_AGAIN):
            try:
                delivery = self._delivery(letter)
                if delivery is not None:
                    self._send(delivery)
            except PostError as error:
                if delivery is not None:
                    note_dead_letter(self._engine, self.name, delivery, 1, str(error))
                yield letter, str(error)
                continue
            drop_dead_letter(self._engine, letter)
            yield letter, None

    def _delivery(self, letter: DeadLetter) -> Delivery | None:
        """Return what a webhook that was given up said, or None if it is there no more."""
        try:
            if letter.kind == "session":
                found = read_session(self._engine, letter.session_id)
            else:
                found = read_response(self._engine, letter.response_id or "", letter.session_id)
        except NotFoundError:
            return None
        except EventStoreError as error:
            if is_outage(error):
                raise
            return None
        resource, place = mask_value(found), (letter.session_id, letter.seq)
        if letter.kind == "session":
            return Delivery(*place, "session", resource=resource)
        return Delivery(*place, "response", resource=resource)

    def _send(self, delivery: Delivery) -> None:
        at = now()
        body = body_of(delivery, at, self._link)
        headers = headers_of(self._key, id_of(self.name, delivery), at, body)
        try:
            post(self._to, headers, body)
        except PostError:
            with self._lock:
                self.failed += 1
            raise
        with self._lock:
            self.sent += 1

    def _give_up(self, delivery: Delivery, error: Exception, tries: int) -> None:
        told = str(error) if isinstance(error, PostError) else type(error).__name__
        note_dead_letter(self._engine, self.name, delivery, tries, told)
        with self._lock:
            self.given_up += 1
        _LOGGER.error("a webhook of session %s is given up: %s", delivery.session_id, told)
