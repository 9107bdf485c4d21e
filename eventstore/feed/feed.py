"""`Feed`: what a subscription delivers of all sessions, one delivery after the other.

`EventStore.subscribe` makes it. Several processes may have feeds of one subscription: they share
the sessions, and each session is with one of them at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Engine

from eventstore.common import unforeseen
from eventstore.common.pauses import Pause
from eventstore.errors import DatabaseUnavailableError, EventStoreError, Failure
from eventstore.feed.delivery import Delivery, Wanted
from eventstore.feed.held_sessions import HeldSessions
from eventstore.feed.read_deliveries import deliveries
from eventstore.feed.turns import Turn, Turns
from eventstore.store.consumers.consumers import Consumer
from eventstore.store.database.any_statement import run_any
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Row, write
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

#: Runs a statement, with `?` for each parameter, in the transaction that moves the checkpoint.
Execute = Callable[[str, Sequence[Any]], list[Row]]


class Feed:
    """The deliveries of a subscription; iterate over it, or let `run` call a function with each.

    A delivery counts as handled when the next one is asked for. What was handled is written every
    half second, and when the feed is closed: if the process dies before that, the last deliveries
    come again. Use it in a `with` statement, or call `close`. One thread may use it at a time;
    `stop` may be called by any.

    Attributes:
        name: The subscription's name.
    """

    def __init__(
        self,
        engine: Engine,
        consumer: Consumer,
        lease: float,
        once: bool,
        fastest: float = FASTEST,
        acknowledged: bool = False,
    ) -> None:
        self.name = consumer.name
        self._engine, self._wanted, self._once = engine, Wanted.of_json(consumer.definition), once
        from_start = consumer.definition.get("from") == "start"
        self._held = HeldSessions(engine, self.name, from_start, round(lease * 1_000_000))
        self._finder = Turns(engine, self.name, self._wanted, from_start, self._held)
        self._acknowledged = acknowledged
        self._stopped = threading.Event()
        self._next_save, self._fastest = 0.0, fastest
        self._is_away = self._has_told = self._one_by_one = False
        self._error: Exception | None = None
        self._expected: tuple[type[Exception], ...] = ()

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

    def take_one_by_one(self) -> None:
        """Take one session at a time, and let it go after its turn.

        By default a feed takes all sessions that have news, and keeps them for some seconds. Where
        one delivery may take long, the others would wait for it, though other feeds of the
        subscription are idle.
        """
        self._one_by_one = self._finder.one_by_one = True

    def close(self) -> None:
        """Write what was handled, and let other feeds of the subscription have the sessions.

        If the database is away, they have them when the lease ends.
        """
        self.stop()
        try:
            self._held.let_all_go()
        except EventStoreError as error:
            _LOGGER.warning(
                "the feed %s was closed while its database is away: %s", self.name, error
            )

    def __iter__(self) -> Iterator[Delivery]:
        """Yield deliveries until the feed is stopped, and wait for more when there are none.

        If the database goes away, the iteration goes on once it is back.
        """
        return self._waited(self.steps())

    def unacknowledged(self) -> dict[str, tuple[int, bool]]:
        """Return how far its receiver is in each session of which it was delivered something.

        Returns:
            For each session the last event, and True if its end was delivered. It is empty for a
            feed that needs no acknowledgement.
        """
        return self._held.waiting()

    def acknowledge(self) -> None:
        """Let the checkpoints move up to what was handled until now.

        It is for a feed that was made with `acknowledged`, whose receiver has it.
        """
        self._held.acknowledge()

    def keep(self) -> None:
        """Keep the sessions for longer, while what was delivered waits to be acknowledged."""
        self._save_in_time()

    def steps(self) -> Iterator[Delivery | Pause]:
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

    def run(
        self,
        handle: Callable[[Delivery], object],
        most_tries: int | None = None,
        give_up: Callable[[Delivery, Exception, int], object] | None = None,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        """Call a function with each delivery, until the feed is stopped.

        If it raises an error, the delivery's session is noted as failed and left alone for a pause,
        which grows up to ten minutes; then the same delivery comes again. Other sessions go on.

        Args:
            handle: The function.
            most_tries: How often the same delivery comes; None for as often as it takes.
            give_up: Called with a delivery that came so often, the last error, and how often it
                came. The session then goes on behind it.
            expected: Errors that the function tells of by itself: they are not logged as faults.
        """
        self._expected = expected

        def handle_all(turn: Turn) -> None:
            for delivery in self._of(turn):
                try:
                    handle(delivery)
                except Exception as error:
                    tries = turn.held.tries + 1
                    if most_tries is None or tries < most_tries or _is_away(error):
                        raise
                    if give_up is not None:
                        give_up(delivery, error, tries)
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

        def handle_all(turn: Turn) -> None:
            for delivery in self._of(turn):
                if not self._in_transaction(turn, delivery, handle) or self._stopped.is_set():
                    return

        for turn in self._turns():
            if isinstance(turn, Pause):
                yield turn
            else:
                self._attempt(turn, handle_all)

    def _in_transaction(
        self, turn: Turn, delivery: Delivery, handle: Callable[[Delivery, Execute], object]
    ) -> bool:
        """Handle a delivery and move the checkpoint; False if another feed has the session."""
        before, at = (turn.held.seq, turn.held.ended), now()
        try:
            with write(self._engine) as tx:
                handle(delivery, partial(run_any, tx))
                turn.held.handled(delivery.seq, delivery.kind == "session")
                if not self._held.save_in(tx, delivery.session_id):
                    raise _LostError
        except BaseException as error:
            turn.held.seq, turn.held.ended = before
            if not isinstance(error, _LostError):
                raise
            self._held.forget(delivery.session_id)
            return False
        self._held.saved(delivery.session_id, at)
        return True

    # The sessions

    def _waited(self, steps: Iterable[T | Pause]) -> Iterator[T]:
        """Yield what some steps yield, and wait during their pauses, unless the feed is stopped."""
        for step in steps:
            if isinstance(step, Pause):
                self._stopped.wait(step.seconds)
            else:
                yield step

    def _turns(self) -> Iterator[Turn | Pause]:
        """Yield the sessions of this feed that have news, and pauses while there are none."""
        pause = self._fastest
        while not self._stopped.is_set():
            found = self._is_away = False
            try:
                for one in self._finder.look():
                    found = True
                    # The lease may have ended while those before it were handled.
                    if self._held.has(one.news.session_id):
                        yield one
                    self._save_in_time()
                    if self._one_by_one and not self._is_away:
                        self._held.let_all_go()
                    if self._stopped.is_set():
                        return
                    if self._is_away:
                        break
                self._save_in_time()
            except DatabaseUnavailableError as error:
                if not is_outage(error):
                    raise
                self._note_away(error)
            if self._is_away:
                yield Pause(RETRY)
                continue
            self._has_told = False
            if self._finder.dropped or (self._once and not found):
                return
            pause = self._fastest if found else min(pause * 1.25, SLOWEST)
            if not found or self._fastest > FASTEST:
                yield Pause(pause)

    # The deliveries of one session

    def _of(self, turn: Turn) -> Iterator[Delivery]:
        """Yield the deliveries of a session; afterwards it was read up to the turn's last event."""
        news, held, last, known = turn
        place = held.seq, last, held.ended
        try:
            yield from deliveries(self._engine, self._wanted, news, *place, known)
        except EventStoreError as error:
            if is_outage(error):
                self._note_away(error)
            else:
                self._fail(news.session_id, error)
            return
        held.seq = max(held.seq, last)

    def _note_handled(self, turn: Turn, delivery: Delivery) -> None:
        turn.held.waits = self._acknowledged
        turn.held.handled(delivery.seq, delivery.kind == "session")
        self._save_in_time()

    def _attempt(self, turn: Turn, work: Callable[[Turn], None]) -> None:
        """Handle the deliveries of a session; if that fails, note it, and go on with others."""
        try:
            work(turn)
        except Exception as error:
            self._note_error(turn.news.session_id, error)

    def _note_error(self, session_id: str, error: Exception) -> None:
        """Note that a session's delivery failed, unless the database is away: then it is waited."""
        if _is_away(error):
            self._note_away(error)
            return
        if not isinstance(error, self._expected):
            unforeseen.log_fault(_LOGGER, unforeseen.OWN_CODE, error)
        self._fail(session_id, unforeseen.as_store_error(self.name, error))

    def _fail(self, session_id: str, error: EventStoreError) -> None:
        """Note that a session failed. If the database is away, its delivery comes again after."""
        try:
            self._held.fail(session_id, Failure(session_id, error).kind)
        except DatabaseUnavailableError as away:
            if not is_outage(away):
                raise
            self._note_away(away)

    def _save_in_time(self) -> None:
        if time.monotonic() < self._next_save:
            return
        self._next_save = time.monotonic() + _SAVE_EACH
        try:
            self._held.save()
        except DatabaseUnavailableError as error:
            if not is_outage(error):
                raise
            self._note_away(error)

    def _note_away(self, error: Exception) -> None:
        """Note that the database is away: the feed goes on once it is back."""
        if not self._has_told:
            _LOGGER.warning("the feed %s waits for the database: %s", self.name, error)
        self._is_away = self._has_told = True


def _is_away(error: Exception) -> bool:
    """Return True if an error is of the whole database, not of the delivery."""
    return isinstance(error, EventStoreError) and is_outage(error)


class _LostError(Exception):
    """Another feed of the subscription has the session by now."""
