"""Caches sound files and waveforms of sessions in nameless files, until the sessions change.

Another process may erase a session. So the cache reads the sessions' revisions from the database
for each request, and every few seconds while it has files. It drops the files of sessions that were
erased or have new events. Called by `web/api/audio.py` and `web/api/sessions.py`.
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

#: Seconds between two checks for erased sessions, and seconds that a check may take. Files of a
#: session that another process erased are emptied after the sum of both, at the latest.
LOOK_EACH, LOOK_PATIENCE = 2.0, 5.0
#: Seconds that making a file may take.
MAKING_TIME_LIMIT = 120.0
#: How many bytes on disk the files take together, without those that are being made.
MAX_CACHE_BYTES = 2 * 1024**3
# How many files are kept. Each of them is an open file descriptor.
_MOST_FILES = 256
_CHANGED = "some of the session was erased meanwhile; ask again"

#: Is called again and again while a file is made, and raises an error to stop the making.
Check = Callable[[], None]
Make = Callable[[BinaryIO, Check], object]


class SoundKey(NamedTuple):
    """The key of a file in the cache.

    Attributes:
        session_id: The session that the file is made of.
        version: The session's revision, of which the file is made.
        kind: What the file contains: a format of sound with its selection, or `waveform`.
    """

    session_id: str
    version: Revision
    kind: str


class _Making(NamedTuple):
    """A file that is being made.

    Attributes:
        task: Makes the file.
        stop: Is set when the file is no longer wanted.
    """

    task: asyncio.Task[NamelessFile]
    stop: Event


class SoundCache:
    """A cache of sound files and waveforms.

    `forget` and `close` may be called in any thread, all other methods on the event loop.

    Args:
        engine: The store's engine, from which revisions are read.
        places: Limits how many files are made at once.
        max_bytes: How many bytes on disk the files may take together.
        look_each: Seconds between two checks for erased sessions.
    """

    def __init__(
        self,
        engine: Engine,
        places: Places,
        max_bytes: int = MAX_CACHE_BYTES,
        look_each: float = LOOK_EACH,
    ) -> None:
        self._engine, self._places, self._most = engine, places, max_bytes
        self._look_each = look_each
        self._lock = Lock()
        self._files: OrderedDict[SoundKey, NamelessFile] = OrderedDict()
        # All files that exist: those of `_files`, and dropped ones that are still being sent.
        self._alive: WeakKeyDictionary[NamelessFile, SoundKey] = WeakKeyDictionary()
        self._making: dict[SoundKey, _Making] = {}
        self._watching: asyncio.Task[None] | None = None
        self._threads = anyio.CapacityLimiter(8)
        self._look_thread = anyio.CapacityLimiter(2)

    async def get(
        self, queries: Queries, key: SoundKey, asker: Hashable, make: Make
    ) -> NamelessFile:
        """Return a file from the cache, or make it.

        Requests for a file that is being made wait for it together, and take one place together.

        Args:
            queries: Queries that may see the session.
            key: Which file to return.
            asker: The asker, for whom the place is taken.
            make: Writes the file's content to a stream.

        Raises:
            ErasedError: The session was erased meanwhile.
            BusyError: Too many requests of this asker wait already.
            ApiError: Making the file took too long, or some of the session was erased meanwhile.
        """
        found = self._find(key)
        if found is not None:
            return found
        making = self._making.get(key)
        if making is None:
            stop = Event()
            task = asyncio.create_task(self._make(queries, key, asker, make, stop))
            making = _Making(task, stop)
            with self._lock:
                self._making[key] = making
            task.add_done_callback(partial(self._is_made, key))
        self._watch()
        file = await asyncio.shield(making.task)
        if file.is_emptied:
            raise ApiError(503, _CHANGED, "changed")
        return file

    def forget(self, session_id: str) -> None:
        """Empty a session's files, also those that are being sent, and stop making new ones."""
        with self._lock:
            self._erase(lambda one: one.session_id == session_id)

    def close(self) -> None:
        """Empty all files, and stop making new ones."""
        with self._lock:
            self._erase(lambda _: True)

    def _find(self, key: SoundKey) -> NamelessFile | None:
        self._compare({key.session_id}, {key.session_id: key.version})
        with self._lock:
            file = self._files.get(key)
            if file is not None:
                self._files.move_to_end(key)
            return file

    def _erase(self, is_erased: Callable[[SoundKey], bool]) -> None:
        """Empty the chosen files, also those that are being sent, and stop making new ones."""
        for file, key in list(self._alive.items()):
            if is_erased(key):
                file.empty()
                self._files.pop(key, None)
        for key, making in self._making.items():
            if is_erased(key):
                making.stop.set()

    def _let_go(self, now: Mapping[str, Revision]) -> None:
        """Drop the files of sessions with a new revision. Responses that send one finish it."""
        for key in list(self._files):
            if now.get(key.session_id, key.version) != key.version:
                del self._files[key]

    async def _make(
        self, queries: Queries, key: SoundKey, asker: Hashable, make: Make, stop: Event
    ) -> NamelessFile:
        with await self._places.take(asker):
            work = partial(_made, queries, key, make, stop)
            file = await anyio.to_thread.run_sync(work, limiter=self._threads)
        with self._lock:
            self._alive[file] = key
            if stop.is_set():
                file.empty()
            else:
                self._files[key] = file
                self._shrink()
        return file

    def _is_made(self, key: SoundKey, task: asyncio.Task[NamelessFile]) -> None:
        with self._lock:
            del self._making[key]
        if not task.cancelled():
            task.exception()  # asyncio would log it if no request waits for the task any more

    def _shrink(self) -> None:
        """Drop the least recently used files until the rest is within the limits."""
        sizes = {key: file.disk_bytes for key, file in self._files.items()}
        total = sum(sizes.values())
        while len(self._files) > 1 and (total > self._most or len(self._files) > _MOST_FILES):
            total -= sizes[self._files.popitem(last=False)[0]]

    def _watch(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Compare the sessions' revisions again and again, as long as there are files."""
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
                now = {}  # without the database, each session counts as erased
            except Exception as error:
                note_fault("looking for erased sessions", error)
                now = {}
            self._compare(known, now)

    def _compare(self, known: Collection[str], now: Mapping[str, Revision]) -> None:
        """Empty or drop the files of sessions that have changed.

        Args:
            known: The sessions whose revisions were read.
            now: Their revisions; a session that is missing here is gone.
        """
        with self._lock:
            self._erase(lambda one: one.session_id in known and _is_erased(one, now))
            self._let_go(now)


def _is_erased(key: SoundKey, now: Mapping[str, Revision]) -> bool:
    """Return True if a session, or a part of it, was erased since a file was made of it."""
    version = now.get(key.session_id)
    return version is None or version[1] != key.version[1]


def _made(queries: Queries, key: SoundKey, make: Make, stop: Event) -> NamelessFile:
    """Make a file and return it. Called in a thread."""
    ends = time.monotonic() + MAKING_TIME_LIMIT

    def check() -> None:
        if stop.is_set():
            _check_not_erased(queries, key)
            raise ApiError(503, _CHANGED, "changed")
        if time.monotonic() > ends:
            message = (
                f"this sound takes more than {MAKING_TIME_LIMIT:.0f} seconds; ask for a part of it"
            )
            raise ApiError(503, message, "time_limit")

    file = NamelessFile()
    try:
        _check_not_erased(queries, key)
        make(cast(BinaryIO, file.stream), check)
        file.stream.flush()
        _check_not_erased(queries, key)
    except BaseException:
        file.empty()
        raise
    return file


def _check_not_erased(queries: Queries, key: SoundKey) -> None:
    """Raise ErasedError if the session was erased, or ApiError if only its audio was."""
    if queries.revision(key.session_id)[1] != key.version[1]:
        raise ApiError(503, _CHANGED, "changed")
