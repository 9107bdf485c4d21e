"""`join`: record a call from its sideband until it ends, or the process is told to leave it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import click

from eventstore.capture.recorder import Recorder
from eventstore.capture.session_recorder import SessionRecorder
from eventstore.capture.sideband import record_call
from eventstore.capture.wire import Ending
from eventstore.cli.output import say
from eventstore.event_store import EventStore


def join_call(
    store: EventStore, call_id: str, upstream: str, metadata: dict[str, str]
) -> tuple[str, Ending | None]:
    """Record a call until it ends; SIGINT and SIGTERM leave it.

    Returns:
        The recorded session's id, and how it ended: None where it was left.

    Raises:
        EventStoreError: the call cannot be joined.
        click.Abort: it was left before it was joined.
    """
    joined: list[SessionRecorder] = []

    def on_join(session: SessionRecorder) -> None:
        joined.append(session)
        say(f"Joined {call_id}; Ctrl-C leaves it.")

    async def run() -> Ending | None:
        async with Recorder(store) as recorder:
            work = asyncio.create_task(
                record_call(
                    recorder, call_id, upstream=upstream, metadata=metadata, on_join=on_join
                )
            )
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, work.cancel)
            with suppress(asyncio.CancelledError):
                return (await work).ending
            return None

    ended = asyncio.run(run())
    if not joined:
        raise click.Abort
    return str(joined[0].session_id), ended
