"""Run the code of a projection of one's own on a session, with limits of time and of rows.

Whatever the code raises becomes a `ProjectionError` without its message. Called inline (inline.py)
and by workers (catch_up.py).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eventstore.errors import ProjectionError
from eventstore.realtime.events import StoredEvent
from eventstore.store.consumers.projections.guarded_call import BusyError, GuardedCalls
from eventstore.store.consumers.projections.kept_states import KeptState
from eventstore.store.consumers.projections.projected_rows import KeyedRows, RowError, keyed_rows
from eventstore.store.consumers.projections.projection import Projection, Rows

Result = TypeVar("Result")


class RunningProjection:
    """A projection, and the thread in which its code runs.

    Args:
        projection: The projection.

    Attributes:
        projection: As given.
        name, version: Those of the projection.
    """

    def __init__(self, projection: Projection[Any]) -> None:
        self.projection = projection
        self.name, self.version = projection.name, projection.version
        self._types = None if projection.types is None else frozenset(projection.types)
        self._calls = GuardedCalls()

    def is_late(self) -> bool:
        """Return True until code that took too long returns. No call is made until then."""
        return self._calls.is_late()

    def begin(self, session_id: str, seconds: float) -> Any:
        """Return the state of a session without events.

        Args:
            session_id: The session.
            seconds: How long the code may take.

        Raises:
            ProjectionError: The code failed, or took longer.
        """
        return self._call(session_id, lambda: self.projection.begin(session_id), seconds)

    def evolve(
        self, session_id: str, state: Any, events: Sequence[StoredEvent], seconds: float
    ) -> Any:
        """Return the state after some more events.

        Raises:
            ProjectionError: The code failed, or took longer than so many seconds.
        """
        wanted = [event for event in events if self._types is None or event.type in self._types]
        if not wanted:
            return state

        def fold() -> Any:
            after = state
            for event in wanted:
                after = self.projection.evolve(after, event)
            return after

        return self._call(session_id, fold, seconds)

    def rows(self, session_id: str, kept: KeptState, seconds: float) -> KeyedRows:
        """Return the rows that a session's state makes, and measure the state.

        Raises:
            ProjectionError: The code failed, took longer, or returned no rows.
        """

        def make() -> Rows:
            kept.measure()  # What a state's classes say of their size is code of its own, too.
            return self.projection.rows(kept.state)

        return self._rows(session_id, make, seconds)

    def rows_of_whole(
        self, session_id: str, resources: dict[str, Any], seconds: float
    ) -> KeyedRows:
        """Return the rows that a projection of whole sessions makes of a session's resources.

        Raises:
            ProjectionError: As for `rows`.
        """
        return self._rows(session_id, lambda: self.projection.project(resources), seconds)

    def _rows(self, session_id: str, make: Callable[[], Rows], seconds: float) -> KeyedRows:
        # What was made may be a generator, which runs while its rows are read.
        return self._call(
            session_id, lambda: keyed_rows(self.projection, session_id, make()), seconds
        )

    def _call(self, session_id: str, work: Callable[[], Result], seconds: float) -> Result:
        try:
            return self._calls.call(work, seconds)
        except TimeoutError as error:
            kind, told = "TimeoutError", f"took longer than {seconds:g} s"
            cause: BaseException = error
        except BusyError as error:
            kind, told, cause = "TimeoutError", "is still busy with an earlier session", error
        except RowError as error:
            kind, told, cause = "RowError", str(error), error
        except BaseException as error:
            kind = type(error).__name__
            told, cause = f"raised {kind} at {_place(error)}", error
        raise ProjectionError(self.name, session_id, kind, told) from cause


def _place(error: BaseException) -> str:
    """Return the file and line, such as `words.py:12`, where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
