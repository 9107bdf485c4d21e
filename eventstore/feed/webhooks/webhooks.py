"""`Webhooks`: post what a subscription delivers, until it is taken or given up.

`EventStore.webhooks` makes it. Several threads, and several processes, share the sessions; the
webhooks of one session are sent in their order, each after the one before was taken or given up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from sqlalchemy import Engine

from eventstore.errors import ErasedError, EventStoreError, NotFoundError
from eventstore.feed.delivery import Delivery
from eventstore.feed.feed import Feed
from eventstore.feed.webhooks.dead_letters import (
    DeadLetter,
    drop_dead_letter,
    due_letters,
    mark_all,
    note_dead_letter,
    take_letter,
)
from eventstore.feed.webhooks.destination import Destination
from eventstore.feed.webhooks.payload import body_of, headers_of, id_of
from eventstore.feed.webhooks.post import PostError, post
from eventstore.realtime.masking.mask import mask_value
from eventstore.store.database.outages import is_outage
from eventstore.store.queries.query_responses import read_response
from eventstore.store.queries.query_sessions import read_session
from eventstore.times import now

_LOGGER = logging.getLogger("eventstore.webhooks")
#: How often a webhook is sent before it is given up: with the pauses of a feed, for some 50
#: minutes.
MOST_TRIES = 14
#: How often it is looked for webhooks that are to be sent again, in seconds.
LOOK_EACH = 1.0
_BATCH = 100


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
        self._stopped = self._is_failing = False
        self.sent = self.failed = self.given_up = 0

    def run(self, threads: int = 4) -> None:
        """Send webhooks until `stop` is called, or all are sent if the subscription ends then.

        What was given up, and is marked to be sent again, is sent beside the others.

        Args:
            threads: How many webhooks are sent at once.

        Raises:
            EventStoreError: The store failed; what was not sent is sent when it runs again.
        """
        errors: list[BaseException] = []
        ended = threading.Event()

        def guarded(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)
                self.stop()

        with self._lock:
            self._feeds = [] if self._stopped else [self._make() for _ in range(threads)]
        works = [partial(self._run_feed, feed) for feed in self._feeds]
        # A program that ends does not wait for an app that is slow to answer.
        workers = [threading.Thread(target=guarded, args=(w,), daemon=True) for w in works]
        resending = partial(self._send_marked_until, ended)
        again = threading.Thread(target=guarded, args=(resending,), daemon=True)
        for worker in (*workers, again):
            worker.start()
        for worker in workers:
            worker.join()
        ended.set()
        again.join()
        if errors:
            raise errors[0]

    def _run_feed(self, feed: Feed) -> None:
        with feed:
            feed.take_one_by_one()
            feed.run(self._send, self._most_tries, self._give_up, (PostError,))

    def _send_marked_until(self, ended: threading.Event) -> None:
        """Look for webhooks to send again, once at least, until the feeds have ended."""
        while True:
            try:
                for _ in self._send_marked():
                    pass
            except EventStoreError as error:
                if not is_outage(error):
                    raise
            if self._stopped or ended.wait(LOOK_EACH):
                return

    def stop(self) -> None:
        """End `run` after the webhooks that are sent now. Any thread, or a signal, may call it."""
        self._stopped = True
        for feed in self._feeds:
            feed.stop()

    def send_again(self) -> Iterator[tuple[DeadLetter, str | None]]:
        """Send once more all that was given up, each session's in order.

        What is not sent, because the iteration ends before, stays marked to be sent again.

        Yields:
            Each webhook, and why it was not taken; None if it was.
        """
        mark_all(self._engine, self.name)
        return self._send_marked()

    def _send_marked(self) -> Iterator[tuple[DeadLetter, str | None]]:
        """Send what is due to be sent again, and yield each webhook with why it was not taken."""
        has_sent = True
        while has_sent:
            has_sent = False
            for letter in due_letters(self._engine, self.name, _BATCH):
                if self._stopped:
                    return
                if take_letter(self._engine, letter):
                    has_sent = True
                    yield letter, self._send_letter(letter)

    def _send_letter(self, letter: DeadLetter) -> str | None:
        """Send a webhook that was given up, and return why it was not taken; None if it was."""
        try:
            delivery = self._delivery(letter)
            if delivery is not None:
                self._send(delivery)
        except Exception as error:
            if isinstance(error, EventStoreError) and is_outage(error):
                raise
            told, resource = _reason_of(error), {"id": letter.response_id}
            failed = Delivery(letter.session_id, letter.seq, _kind_of(letter), resource=resource)
            note_dead_letter(self._engine, self.name, failed, 1, told, self._to.shown())
            return told
        drop_dead_letter(self._engine, letter)
        return None

    def _delivery(self, letter: DeadLetter) -> Delivery | None:
        """Return what a webhook that was given up said, or None if it is there no more."""
        try:
            if letter.kind == "session":
                found = read_session(self._engine, letter.session_id)
            else:
                found = read_response(self._engine, letter.response_id or "", letter.session_id)
        except (NotFoundError, ErasedError):
            return None
        resource = mask_value(found)
        return Delivery(letter.session_id, letter.seq, _kind_of(letter), resource=resource)

    def _send(self, delivery: Delivery) -> None:
        at = now()
        body = body_of(delivery, at, self._link)
        headers = headers_of(self._key, id_of(self.name, delivery), at, body)
        try:
            post(self._to, headers, body)
        except PostError as error:
            with self._lock:
                self.failed += 1
                is_first, self._is_failing = not self._is_failing, True
            if is_first:
                _LOGGER.warning(
                    "a webhook to %s was not taken: %s; trying again", self._to.shown(), error
                )
            raise
        with self._lock:
            self.sent += 1
            self._is_failing = False

    def _give_up(self, delivery: Delivery, error: Exception, tries: int) -> None:
        told = _reason_of(error)
        note_dead_letter(self._engine, self.name, delivery, tries, told, self._to.shown())
        with self._lock:
            self.given_up += 1
        _LOGGER.error("a webhook of session %s is given up: %s", delivery.session_id, told)


def _reason_of(error: Exception) -> str:
    """Return why a webhook was not taken, without content."""
    return str(error) if isinstance(error, PostError) else type(error).__name__


def _kind_of(letter: DeadLetter) -> Literal["response", "session"]:
    return "session" if letter.kind == "session" else "response"
