"""The process that `RecorderProcess` starts: a recorder that is told over a pipe what to record."""

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
#: Seconds between words about how it stands.
_EVERY = 0.2
# Seconds until another look whether there is room.
_REST = 0.005
# Calls come first: see docs/adr/0010.
_NICE = 10
# Objects made between two looks for garbage.
_GARBAGE = 20_000


class Teller(logging.Handler):
    """Tells the other process something; several threads do."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(logging.INFO)
        self._pipe, self._one = pipe, threading.Lock()

    def tell(self, *what: Any) -> None:
        """Send a message; one that nobody is there for any more is no matter."""
        with self._one, suppress(OSError, ValueError):
            self._pipe.send(what)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is logged."""
        self.tell("log", record.levelno, record.getMessage())


def main(descriptor: int) -> None:
    """Record what the pipe says until it says stop, or until its other end is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever started it is told, and ends it
    os.nice(_NICE)
    pipe = Connection(descriptor)
    teller = Teller(pipe)
    logging.getLogger("eventstore").addHandler(teller)
    unforeseen.watch_threads(_LOGGER)
    url, spool, keys, redact = pipe.recv()
    try:
        recorder = Recorder(url, spool, keys=keys, redact=redact)
    except EventStoreError as error:
        teller.tell("failed", error)
        return
    try:
        recorder.check()
        teller.tell("ready", recorder.spool, None)
    except EventStoreError as error:
        is_away = isinstance(error, DatabaseUnavailableError)
        if not is_away or isinstance(error, MissingKeyError):
            recorder.close(0)
            teller.tell("failed", error)
            return
        teller.tell("ready", recorder.spool, str(error))
    # What waits is no garbage: looking through it all the time cost a tenth of the work.
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    work = _Work(recorder, teller)
    threading.Thread(target=work.tell_status, daemon=True).start()
    work.run(pipe)


class _Work:
    """Does with a recorder what another process says."""

    def __init__(self, recorder: Recorder, teller: Teller) -> None:
        self._recorder, self._teller = recorder, teller
        self._sessions: dict[int, SessionRecorder] = {}
        self._unnamed: dict[int, SessionRecorder] = {}
        self._pieces: list[Any] = []  # of the frame that comes next

    def run(self, pipe: Connection) -> None:
        """Do what comes, in order."""
        deeds: dict[str, Callable[..., None]] = {
            "open": self._open,
            "piece": self._pieces.append,
            "record": self._record,
            "gap": lambda number, why, facts: self._sessions[number].gap(why, **facts),
            "clock": lambda number, *jump: self._sessions[number].clock_jumped(*jump),
            "close": lambda number, *how: self._sessions.pop(number).close(*how),
            "commit": self._commit,
        }
        timeout = self._listen(pipe, deeds)
        if timeout is None:
            self._recorder.close(reason="the program that recorded it ended")
        else:
            self._recorder.close(timeout)
        self._tell_names()
        self._teller.tell("ended", tuple(self._recorder.counters()))

    def _listen(self, pipe: Connection, deeds: Mapping[str, Callable[..., None]]) -> float | None:
        """Seconds that the end may take; None where the other process is gone."""
        while True:
            try:
                told = pipe.recv()
            except (EOFError, OSError):
                return None
            while self._recorder.is_pressed():
                time.sleep(_REST)
            for name, *arguments in told:
                if name == "stop":
                    return float(arguments[0])
                try:
                    deeds[name](*arguments)
                except Exception as error:  # one that cannot be recorded must not end the others
                    unforeseen.log_fault(_LOGGER, "doing what is said of a session", error)

    def tell_status(self) -> None:
        """Tell again and again how it stands."""
        pause = threading.Event()
        while not pause.wait(_EVERY):
            self._tell_names()
            counters = tuple(self._recorder.counters())
            self._teller.tell("status", counters, self._recorder.trouble)

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
        def told(done: Future[None]) -> None:
            self._tell_names()
            error = done.exception()
            self._teller.tell("committed", ticket, None if error is None else str(error))

        session = self._sessions.get(number)
        if session is None:
            self._teller.tell("committed", ticket, "the session is closed")
        else:
            session.committed().add_done_callback(told)

    def _tell_names(self) -> None:
        unnamed: Iterable[tuple[int, SessionRecorder]] = list(self._unnamed.items())
        for number, session in unnamed:
            if session.session_id is not None:
                self._unnamed.pop(number, None)
                self._teller.tell("named", number, session.session_id)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("Error: a recorder starts this by itself; there is nothing to run here\n")
        sys.exit(2)
    main(int(sys.argv[1]))
