"""`Feed`: what a subscription delivers of all sessions, one delivery after the other.

`EventStore.subscribe` makes it. Several processes may have feeds of one subscription: they share
the sessions, and each session is with one of them at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Engine

from eventstore.common import unforeseen
from eventstore.common.pauses import Pause
from eventstore.errors import DatabaseUnavailableError, EventStoreError, Failure
from eventstore.feed.delivery import Delivery, Wanted
from eventstore.feed.held_sessions import Held, HeldSessions
from eventstore.feed.read_deliveries import deliveries, last_to_read
from eventstore.feed.read_together import MOST_OF_SESSION, Stretch, read_together
from eventstore.realtime.events import StoredEvent
from eventstore.store.consumers.consumers import (
    SEEN,
    START_AGAIN,
    Consumer,
    find_consumer,
    finish_pass,
    move_pass,
)
from eventstore.store.consumers.news import LEFT_OUT, News, in_pass, settle, with_news
from eventstore.store.database.outages import is_outage
from eventstore.store.database.retries import run_retried, write_retried
from eventstore.store.database.transaction import Row, read, write
from eventstore.times import now

T = TypeVar("T")

_LOGGER = logging.getLogger("eventstore")
#: The shortest and the longest pause between two looks for news, in seconds. The pause grows while
#: there are none.
FASTEST, SLOWEST = 0.02, 0.25
#: The pause before another attempt to reach a database that is away, in seconds.
RETRY = 0.5
#: After how many seconds checkpoints are written, if nothing else makes it time.
_SAVE_EACH = 0.5
#: After how many seconds what was read together is read anew: a session may be erased meanwhile.
_FRESH = 1.0
#: After how many seconds it is looked whether the subscription is still there.
_CHECK_EACH = 1.0
#: How often a feed notes that its subscription is followed, in microseconds.
_SEEN_EACH = 30 * 1_000_000
_PAGE = 200

#: Runs a statement, with `?` for each parameter, in the transaction that moves the checkpoint.
Execute = Callable[[str, Sequence[Any]], list[Row]]


class _Turn(NamedTuple):
    """A session with news, when its turn has come.

    Attributes:
        news: The session.
        held: How far this feed is in it.
        last: Up to which event it is read now.
        known: The events up to there, if they were read already.
    """

    news: News
    held: Held
    last: int
    known: list[StoredEvent] | None = None


class Feed:
    """The deliveries of a subscription; iterate over it, or let `run` call a function with each.

    A delivery counts as handled when the next one is asked for. What was handled is written every
    half second, and when the feed is closed: if the process dies before that, the last deliveries
    come again. Use it in a `with` statement, or call `close`. One thread may use it at a time;
    `stop` may be called by any.

    Attributes:
        name: The subscription's name.
    """

    def __init__(self, engine: Engine, consumer: Consumer, lease: float, once: bool) -> None:
        self.name = consumer.name
        self._engine, self._wanted, self._once = engine, Wanted.of_json(consumer.definition), once
        self._from_start = consumer.definition.get("from") == "start"
        self._held = HeldSessions(engine, self.name, self._from_start, round(lease * 1_000_000))
        self._stopped = threading.Event()
        self._next_save = self._next_check = 0.0
        self._has_passed = False
        self._error: Exception | None = None

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration, or `run`, after the delivery that is handled now."""
        self._stopped.set()

    def close(self) -> None:
        """Write what was handled, and let other feeds of the subscription have the sessions.

        If the database is away, they have them when the lease ends.
        """
        self.stop()
        try:
            self._held.close()
        except EventStoreError as error:
            unforeseen.log_fault(_LOGGER, "closing a feed", error)

    def __iter__(self) -> Iterator[Delivery]:
        """Yield deliveries until the feed is stopped, and wait for more when there are none.

        If the database goes away, the iteration goes on once it is back.
        """
        return self._waited(self._steps())

    def _steps(self) -> Iterator[Delivery | Pause]:
        """Yield deliveries. When there are none, yield how long to wait for more."""
        for turn in self._turns():
            if isinstance(turn, Pause):
                yield turn
                continue
            for delivery in self._of(turn):
                yield delivery
                error, self._error = self._error, None
                if error is not None:
                    self._note_error(delivery.session_id, error)
                    break
                self._note_handled(turn, delivery)
                if self._stopped.is_set():
                    return
                if not self._held.has(turn.news.session_id):
                    break  # The lease has ended, and another feed has the session.

    def run(self, handle: Callable[[Delivery], object]) -> None:
        """Call a function with each delivery, until the feed is stopped.

        If it raises an error, the delivery's session is noted as failed and left alone for a pause,
        which grows up to ten minutes; then the same delivery comes again. Other sessions go on.

        Args:
            handle: The function.
        """

        def handle_all(turn: _Turn) -> None:
            for delivery in self._of(turn):
                handle(delivery)
                self._note_handled(turn, delivery)
                if self._stopped.is_set() or not self._held.has(delivery.session_id):
                    return

        for turn in self._waited(self._turns()):
            self._attempt(turn, handle_all)

    def failed(self, error: Exception) -> None:
        """Note that the delivery that an iteration yielded last could not be handled.

        What `run` does for a function that raises an error is done when the next delivery is asked
        for: the session is left alone for a pause, and then the same delivery comes again.

        Args:
            error: Why it could not be handled.
        """
        self._error = error

    def run_in_transaction(self, handle: Callable[[Delivery, Execute], object]) -> None:
        """Call a function with each delivery, in the transaction that moves the checkpoint.

        So what the function writes by its second argument is written exactly once for each
        delivery. If it raises an error, nothing of it is written; see `run`.

        Args:
            handle: The function. It gets a delivery, and a function that runs a statement on the
                store's database: `execute("INSERT INTO mine VALUES (?, ?)", [1, "a"])`.
        """

        for _ in self._waited(self._steps_in_transaction(handle)):
            pass

    def _steps_in_transaction(
        self, handle: Callable[[Delivery, Execute], object]
    ) -> Iterator[Pause]:
        """Do what `run_in_transaction` does. When there is nothing, yield how long to wait."""

        def handle_all(turn: _Turn) -> None:
            for delivery in self._of(turn):
                if not self._in_transaction(turn, delivery, handle) or self._stopped.is_set():
                    return

        for turn in self._turns():
            if isinstance(turn, Pause):
                yield turn
            else:
                self._attempt(turn, handle_all)

    def _in_transaction(
        self, turn: _Turn, delivery: Delivery, handle: Callable[[Delivery, Execute], object]
    ) -> bool:
        """Handle a delivery and move the checkpoint; False if another feed has the session."""
        before = turn.held.seq, turn.held.ended
        try:
            with write(self._engine) as tx:
                handle(delivery, tx.execute)
                turn.held.handled(delivery.seq, delivery.kind == "session")
                if not self._held.save_in(tx, delivery.session_id):
                    raise _LostError
        except BaseException as error:
            turn.held.seq, turn.held.ended = before
            if not isinstance(error, _LostError):
                raise
            self._held.forget(delivery.session_id)
            return False
        return True

    # The sessions

    def _waited(self, steps: Iterable[T | Pause]) -> Iterator[T]:
        """Yield what some steps yield, and wait during their pauses, unless the feed is stopped."""
        for step in steps:
            if isinstance(step, Pause):
                self._stopped.wait(step.seconds)
            else:
                yield step

    def _turns(self) -> Iterator[_Turn | Pause]:
        """Yield the sessions of this feed that have news, and pauses while there are none."""
        pause, reached = FASTEST, True
        while not self._stopped.is_set():
            try:
                found = False
                for one in self._look():
                    found = True
                    yield one
                    if self._stopped.is_set():
                        return
                self._held.save()
                reached = True
            except DatabaseUnavailableError as error:
                if not is_outage(error):
                    raise
                if reached:
                    _LOGGER.warning("the feed %s waits for the database: %s", self.name, error)
                reached = False
                yield Pause(RETRY)
                continue
            if self._once and not found:
                return
            pause = FASTEST if found else min(pause * 1.25, SLOWEST)
            if not found:
                yield Pause(pause)

    def _look(self) -> Iterator[_Turn]:
        while (passed := self._passed()) is not None and not self._stopped.is_set():
            yield from self._next_of_pass(passed)
        after = ""
        while True:
            with read(self._engine) as tx:
                page = with_news(tx, self.name, 0, _PAGE, after, worker=self._held.worker)
            yield from self._taken(page)
            if len(page) < _PAGE:
                return
            after = page[-1].session_id

    def _next_of_pass(self, passed: str) -> Iterator[_Turn]:
        """Yield the next sessions of the pass over all sessions, and note how far it is."""
        with read(self._engine) as tx:
            page = in_pass(tx, self.name, _PAGE, passed)
        yield from self._taken([news for news in page if self._is_behind(news)])
        if page:
            self._held.save()
            settle(self._engine, [news.session_id for news in page])
            write_retried(self._engine, lambda tx: move_pass(tx, self.name, page[-1].session_id))
        else:
            write_retried(self._engine, lambda tx: finish_pass(tx, self.name))

    def _is_behind(self, news: News) -> bool:
        first = 0 if self._from_start else news.fed
        return (news.checkpoint.seq if news.checkpoint is not None else first) < news.head

    def _taken(self, page: list[News]) -> Iterator[_Turn]:
        """Yield those sessions that this feed can have, and that it can go on in."""
        turns = []
        for news, held in self._held.take(page):
            last = last_to_read(self._wanted, news, held.seq)
            if last > held.seq:
                turns.append(_Turn(news, held, last))
        known, fresh_until = self._read_together(turns), time.monotonic() + _FRESH
        for turn in turns:
            is_fresh = time.monotonic() < fresh_until
            yield turn._replace(known=known.get(turn.news.session_id)) if is_fresh else turn
            self._save_in_time()

    def _read_together(self, turns: list[_Turn]) -> dict[str, list[StoredEvent]]:
        """Read the events of those sessions that have few new ones, as live calls have."""
        types = self._wanted.event_types()
        if types == () or len(turns) < 2:
            return {}
        stretches = [
            Stretch(turn.news.session_id, turn.held.seq, turn.last)
            for turn in turns
            if turn.held.seq >= turn.news.sealed and turn.last - turn.held.seq <= MOST_OF_SESSION
        ]
        return read_together(self._engine, stretches, types)

    def _passed(self) -> str | None:
        """Return the place of the pass over all sessions, or None if there is none to make."""
        if self._has_passed and time.monotonic() < self._next_check:
            return None
        at, self._next_check = now(), time.monotonic() + _CHECK_EACH
        with read(self._engine) as tx:
            consumer = find_consumer(tx, self.name)
        if consumer is None:  # It was dropped.
            self.stop()
            return None
        if at - consumer.seen_at > LEFT_OUT // 2:
            run_retried(self._engine, START_AGAIN, (at, self.name))
            return ""
        if at - consumer.seen_at > _SEEN_EACH:
            run_retried(self._engine, SEEN, (at, self.name))
        self._has_passed = consumer.passed is None
        return consumer.passed

    # The deliveries of one session

    def _of(self, turn: _Turn) -> Iterator[Delivery]:
        """Yield the deliveries of a session; afterwards it was read up to the turn's last event."""
        news, held, last, known = turn
        place = held.seq, last, held.ended
        try:
            yield from deliveries(self._engine, self._wanted, news, *place, known)
        except EventStoreError as error:
            if is_outage(error):
                raise
            self._fail(news.session_id, error)
            return
        held.seq = max(held.seq, last)

    def _note_handled(self, turn: _Turn, delivery: Delivery) -> None:
        turn.held.handled(delivery.seq, delivery.kind == "session")
        self._save_in_time()

    def _attempt(self, turn: _Turn, work: Callable[[_Turn], None]) -> None:
        """Handle the deliveries of a session; if that fails, note it, and go on with others."""
        try:
            work(turn)
        except Exception as error:
            self._note_error(turn.news.session_id, error)

    def _note_error(self, session_id: str, error: Exception) -> None:
        if is_outage(error):
            raise error
        unforeseen.log_fault(_LOGGER, unforeseen.OWN_CODE, error)
        self._fail(session_id, unforeseen.as_store_error(self.name, error))

    def _fail(self, session_id: str, error: EventStoreError) -> None:
        self._held.fail(session_id, Failure(session_id, error).kind)

    def _save_in_time(self) -> None:
        if time.monotonic() >= self._next_save:
            self._held.save()
            self._next_save = time.monotonic() + _SAVE_EACH


class _LostError(Exception):
    """Another feed of the subscription has the session by now."""
