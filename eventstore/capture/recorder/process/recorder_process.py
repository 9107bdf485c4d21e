"""A recorder in a child process, for programs that must not wait for the interpreter's lock.

Appending to a database holds the lock for milliseconds at a time. A relay cannot wait so long, so
`eventstore record` uses this: it sends frames over a pipe to a process that records them
(docs/adr/0010).
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Any
from weakref import WeakValueDictionary

from eventstore.capture.messages.message_unpacking import Message, size_of
from eventstore.capture.recorder.closing import ClosedAtEnd
from eventstore.capture.recorder.commit_future import CommitFuture
from eventstore.capture.recorder.process.memory_shares import has_room, holds_much
from eventstore.capture.recorder.process.pipe_messages import (
    LARGEST_MESSAGE,
    MESSAGE_OVERHEAD,
    in_small_parts,
    size_of_message,
)
from eventstore.capture.recorder.process.recorder_start import start_child
from eventstore.capture.recorder.process.remote_session import RemoteSession
from eventstore.capture.recorder.recorder import MEMORY, Counters
from eventstore.errors import EventStoreError
from eventstore.realtime.metadata import check_metadata
from eventstore.store.database.connections import forks
from eventstore.store.log.session_facts import check_session_id
from eventstore.times import now

_LOGGER = logging.getLogger("eventstore.recorder")
#: Seconds in which entries are gathered for one message over the pipe.
_GATHER_SECONDS = 0.004
#: Seconds until a child process that ended by itself is started again.
_RESTART_PAUSE = 1.0
#: Entries in one message over the pipe. And seconds after which a child that reads nothing counts
#: as stuck: then sessions no longer wait for it.
_MOST_MESSAGES, _STUCK_SECONDS = 500, 1.0


class RecorderProcess(ClosedAtEnd):
    """Records live sessions as `Recorder` does, in a child process.

    If the child ends by itself, it is started again. Sessions in progress go on as new ones, whose
    logs say so.

    Args:
        url: The database's URL.
        spool: The folder of the spool, as for `Recorder`.
        memory: Bytes of frames that this process holds at most; the child may hold as many.
        keys: The URL of the database of keys, as for `EventStore`.
        redact: Remove secrets from frames before they are written, as for `Recorder`.

    Attributes:
        spool: The folder of the spool.
        trouble: Why frames are not in the database, for people; None if all is well.

    Raises:
        InvalidInputError, SchemaError: As for `Recorder` and its `check`.
    """

    def __init__(
        self,
        url: str,
        spool: Path | str | None = None,
        memory: int = MEMORY,
        keys: str | None = None,
        redact: bool = False,
    ) -> None:
        self._arguments, self._memory = (url, spool, keys, redact), memory
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._queue: deque[tuple[Any, ...]] = deque()
        self._held = 0
        self._held_by: dict[int, int] = {}
        self._urgent = self._is_closing = self._child_gone = self._in_forked_child = False
        self._sessions: dict[int, RemoteSession] = {}
        self._closing_sessions: dict[int, RemoteSession] = {}
        self._begun = WeakValueDictionary[int, RemoteSession]()
        self._tickets: dict[int, CommitFuture] = {}
        self._numbers = count(1)
        self._accepted = self._sent = self._missed = 0
        self._sent_at = time.monotonic()
        self._ended_counters = self._child_counters = Counters(0, 0, 0, 0, 0)
        self.trouble: str | None = None
        self._pipe, self._process, self.spool = self._start()
        self._sender = Thread(target=self._send, name="eventstore-sender", daemon=True)
        self._sender.start()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Leave the child process to the parent, in a forked process: nothing is recorded here.

        The pipe is closed here. Otherwise the child would also wait for this process to end.
        """
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._in_forked_child, self._queue = True, deque()
        self._sessions.clear()
        self._closing_sessions.clear()
        self._tickets.clear()
        with Path(os.devnull).open("r+b") as nowhere, suppress(OSError):
            os.dup2(nowhere.fileno(), self._pipe.fileno(), inheritable=False)

    def session(
        self,
        metadata: Mapping[str, str] | None = None,
        session_id: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> RemoteSession:
        """Begin to record a session: see `Recorder.session`.

        Raises:
            InvalidInputError: If metadata exceed OpenAI's limits, or the session id is bad.
            EventStoreError: If this process was forked off the one that made the recorder.
        """
        self._check_process()
        pairs = check_metadata(metadata or {})
        if session_id is not None:
            check_session_id(session_id)
        begun = (pairs, session_id, dict(notes or {}), now())
        with self._lock:
            session = RemoteSession(self, next(self._numbers), begun)
            self._sessions[session.number] = self._begun[session.number] = session
            self._put("open", session.number, *begun)
        return session

    def _check_process(self) -> None:
        if self._in_forked_child:
            raise EventStoreError("the recorder is another process's: make one in each process")

    @property
    def pid(self) -> int:
        """The id of the child process."""
        return self._process.pid

    def is_pressed(self, number: int) -> bool:
        """Return True if a session should slow down, because memory fills up.

        It is never so while the child reads nothing, because waiting does not help then.
        """
        own, sessions = self._held_by.get(number, 0), len(self._held_by)
        if not holds_much(own, self._held, sessions, self._memory):
            return False
        return time.monotonic() - self._sent_at < _STUCK_SECONDS

    def counters(self) -> Counters:
        """Return how many frames were taken, and where they are."""
        with self._lock:
            ended, running = self._ended_counters, self._child_counters
            written = ended.written + running.written
            missed = self._missed + ended.missed + running.missed
            behind = max(0, self._accepted - written - ended.missed - running.missed)
            spooled = ended.spooled + running.spooled
            return Counters(
                self._accepted, written, spooled, behind, missed, *_sum_of_faults(ended, running)
            )

    def close(self, timeout: float = 10.0) -> None:
        """End all sessions, write what is left, and end the child process.

        Args:
            timeout: Seconds to wait for the database: see `Recorder.close`.
        """
        if self._in_forked_child:
            return
        with self._lock:
            self._put("stop", timeout)
            self._is_closing = self._urgent = True
            self._changed.notify()
        self._sender.join(timeout + 10)
        try:
            self._process.wait(timeout + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._listener.join(5)
        self._fail_tickets()
        self._pipe.close()

    # For the sessions

    def hand_over(self, session: RemoteSession, direction: str, text: Message, at: int) -> None:
        """Take a frame of a session, or count it as missed if there is no room."""
        size = size_of(text) + MESSAGE_OVERHEAD
        with self._lock:
            if session.number not in self._sessions:
                return
            held = self._held_by.get(session.number, 0)
            if not has_room(size, held, self._held, self._memory):
                session.missed[direction] = session.missed.get(direction, 0) + 1
                self._missed += 1
                return
            self._note_missed(session)
            self._held += size
            self._held_by[session.number] = held + size
            self._accepted += 1
            self._put("record", session.number, direction, text, at)

    def say(self, *message: Any) -> None:
        """Send a message about a session to the child."""
        if self._in_forked_child:
            return
        with self._lock:
            self._put(*message)

    def commit(self, session: RemoteSession) -> CommitFuture:
        """Return a future that is done once all frames of a session so far are in the database."""
        future = CommitFuture()
        if self._in_forked_child:
            future.set_exception(EventStoreError("the recorder is another process's"))
            return future
        with self._lock:
            ticket = next(self._numbers)
            self._tickets[ticket] = future
            self._put("commit", session.number, ticket)
            self._urgent = True
        return future

    def end(self, session: RemoteSession, *closing: Any) -> None:
        """End a session; nothing happens if it has ended already."""
        with self._lock:
            if self._sessions.pop(session.number, None) is not None:
                self._note_missed(session)
                self._closing_sessions[session.number] = session
                self._put("close", session.number, *closing)

    def _put(self, *message: Any) -> None:
        self._queue.append(message)
        if len(self._queue) == 1:
            self._changed.notify()

    def _note_missed(self, session: RemoteSession) -> None:
        if session.missed:
            self._put("gap", session.number, "overflow", {"frames": session.missed})
            session.missed = {}

    def _start(self) -> tuple[Connection, subprocess.Popen[bytes], Path]:
        pipe, process = start_child()
        # The database's URL may hold a password, so it goes over the pipe and not on the command
        # line.
        pipe.send(self._arguments)
        try:
            # The child may log something before it is ready, such as what others left in the spool.
            while (answer := pipe.recv())[0] == "log":
                self._handle(*answer)
        except (EOFError, OSError) as error:
            raise EventStoreError("the recorder's process does not start") from error
        if answer[0] == "failed":
            process.wait()
            raise answer[1]
        _, spool, self.trouble = answer
        self._listener = Thread(target=self._listen, args=(pipe,), daemon=True)
        self._listener.start()
        return pipe, process, spool

    def _listen(self, pipe: Connection) -> None:
        try:
            while True:
                self._handle(*pipe.recv())
        except (EOFError, OSError):
            with self._lock:
                self._child_gone = True
                self._changed.notify()

    def _handle(self, kind: str, *message: Any) -> None:
        if kind == "log":
            _LOGGER.log(*message)
        elif kind == "named":
            session = self._begun.get(message[0])
            if session is not None:
                session.session_id = message[1]
        elif kind == "committed":
            ticket, error = message
            future = self._tickets.pop(ticket, None)
            if future is not None and future.set_running_or_notify_cancel():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(RuntimeError(error))
        else:
            with self._lock:
                self._child_counters = Counters(*message[0])
                self.trouble = message[1] if kind == "status" else None

    def _send(self) -> None:
        while True:
            queue = self._next_messages()
            if queue is None:
                if not self._start_again():
                    return
                continue
            try:
                for messages in in_small_parts(queue):
                    self._pipe.send(messages)
            except OSError:
                with self._lock:
                    self._queue.extendleft(reversed(queue))
                    self._child_gone = True
                continue
            if self._count_sent(queue):
                return

    def _next_messages(self) -> list[tuple[Any, ...]] | None:
        """Return the next entries to send, gathered for a while; None if the child is gone."""
        with self._lock:
            self._changed.wait_for(lambda: self._queue or self._child_gone)
            self._changed.wait_for(lambda: self._urgent or self._child_gone, _GATHER_SECONDS)
            if self._child_gone:
                return None
            queue: list[tuple[Any, ...]] = []
            size = 0
            while self._queue and len(queue) < _MOST_MESSAGES:
                size += size_of_message(self._queue[0])
                if queue and size > LARGEST_MESSAGE:
                    break
                queue.append(self._queue.popleft())
            # The entries that are left have waited long enough.
            self._urgent = bool(self._queue)
            return queue

    def _count_sent(self, queue: list[tuple[Any, ...]]) -> bool:
        """Note that entries were sent; return True if they were the last."""
        self._sent_at = time.monotonic()
        with self._lock:
            for message in queue:
                if message[0] == "record":
                    self._release(message[1], size_of_message(message))
                    self._sent += 1
                elif message[0] == "close":
                    self._closing_sessions.pop(message[1], None)
                elif message[0] == "stop":
                    return True
        return False

    def _release(self, number: int, size: int) -> None:
        self._held -= size
        left = self._held_by.pop(number) - size
        if left:
            self._held_by[number] = left

    def _start_again(self) -> bool:
        """Start the child anew, and go on with all sessions; return False if it shall end."""
        self._fail_tickets()
        self._process.wait()
        while True:
            if self._is_closing:
                return False
            _LOGGER.error("the recorder's process ended; it is started again")
            time.sleep(_RESTART_PAUSE)
            with suppress(EventStoreError, OSError):
                self._pipe, self._process, _ = self._start()
                break
        with self._lock:
            self._child_gone = False
            self._ended_counters, self._child_counters = (
                self._counters_of_ended(),
                Counters(0, 0, 0, 0, 0),
            )
            opening = {message[1] for message in self._queue if message[0] == "open"}
            reopening: list[tuple[Any, ...]] = []
            for session in [*self._closing_sessions.values(), *self._sessions.values()]:
                if session.number not in opening:
                    reopening.append(("open", session.number, *session.begun))
                    facts = {"previous": session.session_id}
                    reopening.append(("gap", session.number, "recorder_restarted", facts))
            self._queue.extendleft(reversed(reopening))
        return True

    def _fail_tickets(self) -> None:
        with self._lock:
            tickets, self._tickets = self._tickets, {}
        for future in tickets.values():
            if future.set_running_or_notify_cancel():
                future.set_exception(RuntimeError("the recorder's process ended"))

    def _counters_of_ended(self) -> Counters:
        """Return the counters of all ended children; frames in doubt count as missed."""
        ended, running = self._ended_counters, self._child_counters
        written = ended.written + running.written
        missed = self._sent - written
        spooled = ended.spooled + running.spooled
        return Counters(self._sent, written, spooled, 0, missed, *_sum_of_faults(ended, running))


def _sum_of_faults(ended: Counters, running: Counters) -> tuple[int, ...]:
    """Return the last three counters, summed over all children."""
    return tuple(map(sum, zip(ended[-3:], running[-3:], strict=True)))
