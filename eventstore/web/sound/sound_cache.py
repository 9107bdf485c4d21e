"""What was made of sessions' sound, kept for the next who asks: nameless files, and no longer than
the sessions are as they were.

A session may be erased by another process. So the cache looks into the database whenever a file is
asked for, and every few seconds while it has files; what was erased, or went on, is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from functools import partial
from threading import Event, Lock
from typing import BinaryIO, NamedTuple, cast
from weakref import WeakKeyDictionary

import anyio
from sqlalchemy import Engine

from eventstore.errors import EventStoreError
from eventstore.store.log.session_facts import Revision, find_revisions
from eventstore.verbs.queries import Queries
from eventstore.web.server.errors import ApiError
from eventstore.web.server.log import note_fault
from eventstore.web.server.places import Places
from eventstore.web.sound.sound_files import NamelessFile

#: Seconds between two looks for sessions that were erased, and that a look may take. What was
#: erased by another process is gone after both at the latest.
LOOK_EACH, LOOK_PATIENCE = 2.0, 5.0
#: Seconds that making a file may take.
TIME_LIMIT = 120.0
#: Bytes on disk that files take together, beside those that are being made.
MOST_BYTES = 2 * 1024**3
# Files, each of which is an open descriptor.
_MOST_FILES = 256
_CHANGED = "some of the session was erased meanwhile; ask again"

#: Called now and then while a file is made; it raises if the file is not wanted any more.
Check = Callable[[], None]
Make = Callable[[BinaryIO, Check], object]


class Wanted(NamedTuple):
    """What is wanted: of which session, as it was when, and what."""

    session_id: str
    version: Revision
    kind: str


class _Making(NamedTuple):
    """A file in the making; `stop` is set where it is not wanted any more."""

    task: asyncio.Task[NamelessFile]
    stop: Event


class SoundCache:
    """Files of sound. `forget` and `close` are called anywhere, the rest on the event loop.

    Args:
        engine: of the store.
        places: for files in the making.
        most: bytes on disk that files take together.
        look_each: seconds between two looks for erased sessions.
    """

    def __init__(
        self, engine: Engine, places: Places, most: int = MOST_BYTES, look_each: float = LOOK_EACH
    ) -> None:
        self._engine, self._places, self._most = engine, places, most
        self._look_each = look_each
        self._lock = Lock()
        self._files: OrderedDict[Wanted, NamelessFile] = OrderedDict()
        # Files that somebody uses: those above, and those that are still being sent.
        self._alive: WeakKeyDictionary[NamelessFile, Wanted] = WeakKeyDictionary()
        self._making: dict[Wanted, _Making] = {}
        self._watching: asyncio.Task[None] | None = None
        self._threads = anyio.CapacityLimiter(8)
        self._look_thread = anyio.CapacityLimiter(2)

    async def get(
        self, queries: Queries, wanted: Wanted, who: Hashable, make: Make
    ) -> NamelessFile:
        """Return a file.

        A file that is there is returned at once. All who want one that is being made wait for it
        together; it takes one place.

        Args:
            queries: which see the session.
            who: waits for a place.
            make: writes it.

        Raises:
            ErasedError: the session was erased meanwhile.
            BusyError: too much of this asker's waits already.
            ApiError: it took too long, or the session changed.
        """
        found = self._find(wanted)
        if found is not None:
            return found
        making = self._making.get(wanted)
        if making is None:
            stop = Event()
            task = asyncio.create_task(self._make(queries, wanted, who, make, stop))
            making = _Making(task, stop)
            with self._lock:
                self._making[wanted] = making
            task.add_done_callback(partial(self._is_made, wanted))
        self._watch()
        file = await asyncio.shield(making.task)
        if file.is_emptied:
            raise ApiError(503, _CHANGED, "changed")
        return file

    def forget(self, session_id: str) -> None:
        """Delete what was made of a session, also what is being read or made."""
        with self._lock:
            self._erase(lambda one: one.session_id == session_id)

    def close(self) -> None:
        """Delete all files."""
        with self._lock:
            self._erase(lambda _: True)

    def _find(self, wanted: Wanted) -> NamelessFile | None:
        self._compare({wanted.session_id}, {wanted.session_id: wanted.version})
        with self._lock:
            file = self._files.get(wanted)
            if file is not None:
                self._files.move_to_end(wanted)
            return file

    def _erase(self, is_erased: Callable[[Wanted], bool]) -> None:
        """Empty files, also those that are being sent, and stop those in the making."""
        for file, wanted in list(self._alive.items()):
            if is_erased(wanted):
                file.empty()
                self._files.pop(wanted, None)
        for wanted, making in self._making.items():
            if is_erased(wanted):
                making.stop.set()

    def _let_go(self, now: Mapping[str, Revision]) -> None:
        """Keep no files of sessions that have gone on; who is being sent one gets all of it."""
        for wanted in list(self._files):
            if now.get(wanted.session_id, wanted.version) != wanted.version:
                del self._files[wanted]

    async def _make(
        self, queries: Queries, wanted: Wanted, who: Hashable, make: Make, stop: Event
    ) -> NamelessFile:
        with await self._places.take(who):
            work = partial(_made, queries, wanted, make, stop)
            file = await anyio.to_thread.run_sync(work, limiter=self._threads)
        with self._lock:
            self._alive[file] = wanted
            if stop.is_set():
                file.empty()
            else:
                self._files[wanted] = file
                self._shrink()
        return file

    def _is_made(self, wanted: Wanted, task: asyncio.Task[NamelessFile]) -> None:
        with self._lock:
            del self._making[wanted]
        if not task.cancelled():
            task.exception()  # who asked may be gone

    def _shrink(self) -> None:
        """Drop the files that were used least lately, down to what they may take together."""
        sizes = {wanted: file.disk_bytes for wanted, file in self._files.items()}
        total = sum(sizes.values())
        while len(self._files) > 1 and (total > self._most or len(self._files) > _MOST_FILES):
            total -= sizes[self._files.popitem(last=False)[0]]

    def _watch(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Look again and again, while there are files, whether their sessions are as they were."""
        while self._alive or self._making:
            await asyncio.sleep(self._look_each)
            with self._lock:
                known = {one.session_id for one in (*self._alive.values(), *self._making)}
            try:
                async with asyncio.timeout(LOOK_PATIENCE):
                    now = await anyio.to_thread.run_sync(
                        partial(find_revisions, self._engine, known),
                        limiter=self._look_thread,
                        abandon_on_cancel=True,
                    )
            except (EventStoreError, TimeoutError):
                now = {}  # it may have been erased, and nobody can tell
            except Exception as error:
                note_fault("looking for erased sessions", error)
                now = {}
            self._compare(known, now)

    def _compare(self, known: Collection[str], now: Mapping[str, Revision]) -> None:
        """Drop what is no more as it was; `known` are the sessions that were looked for."""
        with self._lock:
            self._erase(lambda one: one.session_id in known and _is_erased(one, now))
            self._let_go(now)


def _is_erased(wanted: Wanted, now: Mapping[str, Revision]) -> bool:
    """Whether a session, or some of it, was erased since something was made of it."""
    version = now.get(wanted.session_id)
    return version is None or version[1] != wanted.version[1]


def _made(queries: Queries, wanted: Wanted, make: Make, stop: Event) -> NamelessFile:
    """Make a file, in a thread."""
    ends = time.monotonic() + TIME_LIMIT

    def check() -> None:
        if stop.is_set():
            _check_not_erased(queries, wanted)
            raise ApiError(503, _CHANGED, "changed")
        if time.monotonic() > ends:
            message = f"this sound takes more than {TIME_LIMIT:.0f} seconds; ask for a part of it"
            raise ApiError(503, message, "time_limit")

    file = NamelessFile()
    try:
        _check_not_erased(queries, wanted)
        make(cast(BinaryIO, file.stream), check)
        file.stream.flush()
        _check_not_erased(queries, wanted)
    except BaseException:
        file.empty()
        raise
    return file


def _check_not_erased(queries: Queries, wanted: Wanted) -> None:
    """Raises ErasedError where the session was erased, ApiError where only its audio was."""
    if queries.revision(wanted.session_id)[1] != wanted.version[1]:
        raise ApiError(503, _CHANGED, "changed")
