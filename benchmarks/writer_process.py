"""Processes that write at once: the bare rows of a session each, or by the store."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection

from benchmarks import sessions
from benchmarks.bare import copy_writer, event_rows
from benchmarks.databases import driver_connection
from benchmarks.rounds import settle
from eventstore import EventStore
from eventstore.realtime.frames import Frame

#: Bare rows; the store without and with read models.
MODES = ("bare", "log", "inline")

#: Appends all frames to the session of a name.
Write = Callable[[str], None]


@contextmanager
def writer_processes(
    urls: Mapping[str, str], processes: int, events: int, batch: int
) -> Iterator[Callable[[str, int], None]]:
    """Yield what lets all processes write a session each, and returns once all have.

    Args:
        urls: The database of each mode: of `MODES`, or another name that begins with `inline`.
        processes: How many there are.
        events: How many events each session has.
        batch: How many events a commit has.
    """
    spawning = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        ends = []
        for number in range(processes):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(
                target=_serve, args=(theirs, dict(urls), number, events, batch)
            )
            process.start()
            stack.callback(process.join)
            theirs.close()
            ends.append(stack.enter_context(ours))

        def write(mode: str, round_: int) -> None:
            for end in ends:
                end.send((mode, round_))
            for end in ends:
                end.recv()

        for end in ends:
            end.recv()  # It is set up.
        yield write


def _serve(
    asked: Connection, urls: Mapping[str, str], number: int, events: int, batch: int
) -> None:
    """Write a session whenever a mode and the number of a round come; end with the parent."""
    frames = sessions.voice(events)
    with ExitStack() as stack:
        writers = {
            name: _bare(stack, url, frames, batch)
            if name == "bare"
            else _store(stack, url, name.startswith("inline"), frames, batch)
            for name, url in urls.items()
        }
        settle()
        asked.send(None)
        while True:
            try:
                mode, round_ = asked.recv()
            except EOFError:
                return
            writers[mode](f"sess_{number:02d}_{round_:04d}")
            asked.send(None)


def _bare(stack: ExitStack, url: str, frames: list[Frame], batch: int) -> Write:
    copy = copy_writer(stack.enter_context(driver_connection(url)))
    rows = [row[1:] for row in event_rows("", frames)]

    def write(session_id: str) -> None:
        for at in range(0, len(rows), batch):
            copy([(session_id, *row) for row in rows[at : at + batch]])

    return write


def _store(stack: ExitStack, url: str, inline: bool, frames: list[Frame], batch: int) -> Write:
    store = stack.enter_context(EventStore(url, "inline" if inline else "deferred"))

    def write(session_id: str) -> None:
        for at in range(0, len(frames), batch):
            store.append(session_id, frames[at : at + batch], expected_seq=at)

    return write
