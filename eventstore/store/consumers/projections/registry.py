"""Find the projections of one's own that this process runs: those it was given, and installed ones.

An installed package names a projection by an entry point of the group `eventstore.projections`. The
store's list of consumers only has names: what a database says is never imported. Entry points are
looked through once, and only if the list has a projection that the process was not given. What
runs projections is imported when there is one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.store.consumers.consumers import Consumer, all_consumers
from eventstore.store.database.transaction import read

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from eventstore.store.consumers.projections.inline import InlineProjections
    from eventstore.store.consumers.projections.projection import Projection
    from eventstore.store.consumers.projections.projection_run import RunningProjection

_LOGGER = logging.getLogger("eventstore")
GROUP = "eventstore.projections"


@cache
def installed() -> dict[str, EntryPoint]:
    """Return the projections that installed packages name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> Projection[Any]:
    """Return the projection of an entry point: a class, which is called, or an object.

    Raises:
        InvalidInputError: It cannot be imported, is no projection, or has another name.
    """
    from eventstore.store.consumers.projections.projection import check_projection

    try:
        found = point.load()
        made: Projection[Any] = found() if isinstance(found, type) else found
        check_projection(made)
        name = made.name
    except BaseException as error:
        # It may also raise SystemExit: appends of this process go on without it.
        if isinstance(error, InvalidInputError | KeyboardInterrupt):
            raise
        kind = type(error).__name__
        told = f"the projection {point.name} ({point.value}) cannot be loaded: {kind}"
        raise InvalidInputError(told) from error
    if name != point.name:
        told = f"the entry point {point.name} has a projection of the name {name}"
        raise InvalidInputError(told)
    return made


class Registry:
    """The projections that a process runs for a store.

    Args:
        engine: The engine of the store's database.
        given: The projections that the process was given; they were added to the store.
    """

    def __init__(self, engine: Engine, given: Sequence[Projection[Any]] = ()) -> None:
        self._engine = engine
        self._given = {one.name: one for one in given}
        self._running: dict[str, RunningProjection] = {}
        self._not_added: set[str] = set()
        self._inline: InlineProjections | None = None
        self._looked = False

    def add_installed(self) -> list[EventStoreError]:
        """Add the projections of installed packages to the store, as far as it has them not.

        Returns:
            Why some could not be added. Each is told once, and tried by the next process.
        """
        from eventstore.store.consumers.projections.projection_tables import add_projection

        failed: list[EventStoreError] = []
        for name, point in installed().items():
            if name in self._given or name in self._not_added:
                continue
            try:
                made = self._given[name] = _load(point)
                add_projection(self._engine, made)
            except InvalidInputError as error:
                self._not_added.add(name)
                failed.append(error)
        return failed

    def running(self) -> list[RunningProjection]:
        """Return the projections that this process can run, in the order of their names.

        One that is not installed here is left out. So is one of which another process has added a
        newer version: its sessions wait for a process with that version.
        """
        with read(self._engine) as tx:
            consumers = [one for one in all_consumers(tx) if one.kind == "projection"]
        found = (self._find(one) for one in consumers)
        return [one for one in found if one is not None]

    def inline(self) -> InlineProjections | None:
        """Return the projections that appends run, or None for none; they are looked up once."""
        if not self._looked:
            from eventstore.store.consumers.projections.inline import InlineProjections

            running = [one for one in self.running() if one.projection.inline]
            self._inline = InlineProjections(running) if running else None
            self._looked = True
        return self._inline

    def forget(self, session_id: str) -> None:
        """Keep no state of a session, which was erased."""
        if self._inline is not None:
            self._inline.forget(session_id)

    def _find(self, consumer: Consumer) -> RunningProjection | None:
        from eventstore.store.consumers.projections.projection_run import RunningProjection

        name = consumer.name
        if name not in self._given and name in installed() and name not in self._not_added:
            try:
                self._given[name] = _load(installed()[name])
            except InvalidInputError as error:
                self._not_added.add(name)
                _LOGGER.warning("%s; its sessions wait for a process that can", error)
        made = self._given.get(name)
        if made is None or made.version != consumer.version:
            return None
        return self._running.setdefault(name, RunningProjection(made))
