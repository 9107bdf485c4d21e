"""What was asked, how often, and what failed: each failure once, by where it comes from."""

from __future__ import annotations

import json
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import eventstore
from eventstore.common import unforeseen
from eventstore.errors import (
    DamagedError,
    DatabaseUnavailableError,
    EventStoreError,
    UnforeseenError,
)
from eventstore.realtime.values import dumps

_PACKAGE = str(Path(eventstore.__file__).parent)


class Failure(NamedTuple):
    """Something that must not happen, whatever a store holds.

    Attributes:
        what: what was asked for, without its ids: failures of one `what` and `place` are one.
        place: the code's line that failed, or what is wrong with the answer.
        told: all that helps to find it.
    """

    what: str
    place: str
    told: str


class Tally:
    """Counts by kind, and failures.

    Args:
        one_in: how many of the questions are asked: one in so many.
        turn: which of them: with each turn others, until after `one_in` turns all were asked.
        seconds: that an answer may take; None for any. It needs the main thread.
        only: the one question to ask; None for all.
    """

    def __init__(
        self,
        one_in: int = 1,
        turn: int = 0,
        seconds: float | None = None,
        only: str | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self._only = only
        self._one_in, self._offered, self._seconds = one_in, turn, seconds

    def takes(self, what: str) -> bool:
        """Whether the next question is to be asked."""
        if self._only is not None:
            return what == self._only
        self._offered += 1
        return self._offered % self._one_in == 0

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Note each fault that the code catches as one that nobody foresaw."""

        def heard(task: str, error: BaseException) -> bool:
            self.fail(f"noted: {task}", place_of(error), "".join(traceback.format_exception(error)))
            return False

        with mock.patch.object(unforeseen, "should_log", heard):
            yield

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Raises TimeoutError in what takes longer than an answer may."""
        if self._seconds is None:
            yield
            return
        before = signal.signal(signal.SIGALRM, _take_too_long)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def fail(self, what: str, place: str, told: str) -> None:
        """Note a failure."""
        self.failures.append(Failure(what, place, told))

    def ask(self, kind: str, what: str, asked: Callable[[], Any], told: str = "") -> Any:
        """Ask for something; the answer, or None where it was refused or failed.

        Refusals are errors of the store's own, but for those that blame the database.
        """
        self.counts[kind] += 1
        try:
            with self.timed():
                answer = asked()
                answer = list(answer) if isinstance(answer, Iterator) else answer
            for part in answer if isinstance(answer, list) else ():
                if isinstance(part, UnforeseenError):
                    self.fail(what, str(part).partition("unforeseen ")[2], told)
            return answer
        except (DamagedError, DatabaseUnavailableError, UnforeseenError) as error:
            self.fail(what, f"{type(error).__name__}", f"{told}\n{traceback.format_exc()}")
        except EventStoreError as error:
            if "\n" in str(error):
                self.fail(what, "an error of several lines", str(error))
        except Exception as error:
            self.fail(what, place_of(error), f"{told}\n{traceback.format_exc()}")
        return None


def _take_too_long(*_: object) -> None:
    raise TimeoutError("it takes too long")


def place_of(error: BaseException) -> str:
    """The error's kind, and the last line of the package that it went through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_PACKAGE):
            name = frame.filename.removeprefix(f"{_PACKAGE}/")
            return f"{type(error).__name__} in {name}: {frame.line}"
    return f"{type(error).__name__}: {error}"[:200]


def strict_json(text: str) -> Any:
    """The value of JSON text, in which there is no NaN.

    Raises:
        ValueError: it is no JSON.
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def is_json(value: Any) -> bool:
    """Whether a resource can be written as JSON, and read again."""
    strict_json(dumps(value))
    return True
