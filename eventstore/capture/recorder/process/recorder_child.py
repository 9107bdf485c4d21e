"""The child process of `RecorderProcess`: a recorder that gets its frames over a pipe.

`recorder_start.py` starts it. `pipe_messages.py` has the form of the messages.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from eventstore.capture.messages.message_unpacking import Message
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, EventStoreError, MissingKeyError

_LOGGER = logging.getLogger("eventstore.recorder")
#: Seconds from one report of its counters to the next.
_STATUS_INTERVAL = 0.2
# Seconds until it is checked again whether the recorder has room.
_RECHECK = 0.005
# The relay's process has priority: see docs/adr/0010.
_NICENESS = 10
#: How seldom garbage is collected: after so many new objects, the young after so many times, and
#: all after so many times these.
GC_THRESHOLDS = (20_000, 10, 1_000)


class PipeReporter(logging.Handler):
    """Sends messages to the parent process; any thread may call it."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.INFO)
        self._pipe, self._send_lock = pipe, threading.Lock()

    def send(self, *message: Any) -> None:
        """Send a message, or drop it if the parent is gone."""
        with self._send_lock, suppress(OSError, ValueError):
            self._pipe.send(message)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a log record to the parent, whose logger writes it."""
        self.send("log", record.levelno, record.getMessage())


def main(descriptor: int) -> None:
    """Record what the pipe says, until it says `stop` or the parent is gone.

    Args:
        descriptor: The file descriptor of the pipe.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent ends this process
    os.nice(_NICENESS)
    pipe = Connection(descriptor)
    reporter = PipeReporter(pipe)
    logging.getLogger("eventstore").addHandler(reporter)
    unforeseen.watch_threads(_LOGGER)
    url, spool, keys, redact = pipe.recv()
    try:
        recorder = Recorder(url, spool, keys=keys, redact=redact)
    except EventStoreError as error:
        reporter.send("failed", error)
        return
    try:
        recorder.check()
        reporter.send("ready", recorder.spool, None)
    except EventStoreError as error:
        is_away = isinstance(error, DatabaseUnavailableError)
        if not is_away or isinstance(error, MissingKeyError):
            recorder.close(0)
            reporter.send("failed", error)
            return
        reporter.send("ready", recorder.spool, str(error))
    collect_garbage_seldom()
    work = _Work(recorder, reporter)
    threading.Thread(target=work.report_status, daemon=True).start()
    work.run(pipe)


def collect_garbage_seldom() -> None:
    """Have this process look for garbage seldom: frames that wait and states of calls are none.

    To search frames all the time took a tenth of the work. To search the states of 600 calls of
    five minutes takes 0.9 s, in which memory fills.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class _Work:
    """Carries out the parent's messages with a recorder."""

    def __init__(self, recorder: Recorder, reporter: PipeReporter) -> None:
        self._recorder, self._reporter = recorder, reporter
        self._sessions: dict[int, SessionRecorder] = {}
        self._unnamed: dict[int, SessionRecorder] = {}
        self._pieces: list[Any] = []  # pieces of the next frame

    def run(self, pipe: Connection) -> None:
        """Carry out messages in order until the end, and report the last counters."""
        handlers: dict[str, Callable[..., None]] = {
            "open": self._open,
            "piece": self._pieces.append,
            "record": self._record,
            "gap": lambda number, why, facts: self._sessions[number].gap(why, **facts),
            "clock": lambda number, *jump: self._sessions[number].clock_jumped(*jump),
            "close": lambda number, *how: self._sessions.pop(number).close(*how),
            "commit": self._commit,
        }
        timeout = self._listen(pipe, handlers)
        if timeout is None:
            self._recorder.close(reason="the program that recorded it ended")
        else:
            self._recorder.close(timeout)
        self._report_ids()
        self._reporter.send("ended", tuple(self._recorder.counters()))

    def _listen(
        self, pipe: Connection, handlers: Mapping[str, Callable[..., None]]
    ) -> float | None:
        """Carry out messages until the end; return the seconds that closing may take.

        Return None if the parent is gone.
        """
        while True:
            try:
                messages = pipe.recv()
            except (EOFError, OSError):
                return None
            while self._recorder.is_pressed():
                time.sleep(_RECHECK)
            for name, *arguments in messages:
                if name == "stop":
                    return float(arguments[0])
                try:
                    handlers[name](*arguments)
                except Exception as error:  # the other sessions go on
                    unforeseen.log_fault(_LOGGER, "carrying out a message about a session", error)

    def report_status(self) -> None:
        """Report counters and trouble again and again; a thread of its own runs it."""
        pause = threading.Event()
        while not pause.wait(_STATUS_INTERVAL):
            self._report_ids()
            counters = tuple(self._recorder.counters())
            self._reporter.send("status", counters, self._recorder.trouble)

    def _open(self, number: int, *arguments: Any) -> None:
        self._sessions[number] = self._unnamed[number] = self._recorder.session(*arguments)

    def _record(self, number: int, direction: str, text: Message | None, at: int) -> None:
        if text is None:
            text = self._pieces.copy()
            self._pieces.clear()
        if isinstance(text, list):
            self._sessions[number].record_pieces(direction, text, at)
        else:
            self._sessions[number].record(direction, text, at)

    def _commit(self, number: int, ticket: int) -> None:
        def report(done: Future[None]) -> None:
            self._report_ids()
            error = done.exception()
            self._reporter.send("committed", ticket, None if error is None else str(error))

        session = self._sessions.get(number)
        if session is None:
            self._reporter.send("committed", ticket, "the session is closed")
        else:
            session.committed().add_done_callback(report)

    def _report_ids(self) -> None:
        unnamed: Iterable[tuple[int, SessionRecorder]] = list(self._unnamed.items())
        for number, session in unnamed:
            if session.session_id is not None:
                self._unnamed.pop(number, None)
                self._reporter.send("named", number, session.session_id)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("Error: a recorder starts this by itself; there is nothing to run here\n")
        sys.exit(2)
    main(int(sys.argv[1]))
