"""Records a call from its sideband until it ends, or until a signal leaves it.

Called by the command `join` (join.py). `calling.py` uses its words for the end of a call.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

import click

from eventstore.capture.calls.sideband import RecordedSession, record_call
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.taps.websocket_watch import ConnectionEnd
from eventstore.cli.terminal.output import say
from eventstore.event_store import EventStore

# Seconds after which a line says that the call is not there yet.
_QUIET = 1.0


def join_call(
    store: EventStore,
    call_id: str,
    upstream: str,
    metadata: dict[str, str],
    wait: float,
    redact: bool,
) -> tuple[str, ConnectionEnd | None]:
    """Record a call until it ends; SIGINT and SIGTERM leave it.

    Args:
        store: The store.
        call_id: The call's id, such as `rtc_123`.
        upstream: The URL of the call's server.
        metadata: Pairs to set on the session.
        wait: For how many seconds to try again if the call does not exist yet.
        redact: Take secrets out of frames before they are written.

    Returns:
        The recorded session's id, and how the call ended; None if a signal left it.

    Raises:
        EventStoreError: The call cannot be joined.
        click.Abort: A signal arrived before the call was joined.
    """
    joined: list[RecordedSession] = []

    def on_join(session: RecordedSession) -> None:
        joined.append(session)
        say(f"Joined {call_id}; Ctrl-C leaves it.")

    def tell_waiting() -> None:
        if not joined:
            say(f"{call_id} is not there yet; trying again for {wait:g} s.")

    async def run() -> ConnectionEnd | None:
        async with Recorder(store, redact=redact) as recorder:
            work = asyncio.create_task(
                record_call(
                    recorder,
                    call_id,
                    upstream=upstream,
                    metadata=metadata,
                    on_join=on_join,
                    wait=wait,
                )
            )
            if wait > _QUIET:
                asyncio.get_running_loop().call_later(_QUIET, tell_waiting)
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, work.cancel)
            with suppress(asyncio.CancelledError):
                return (await work).ending
            return None

    ended = asyncio.run(run())
    if not joined:
        raise click.Abort
    return str(joined[0].session_id), ended


def how_ended(ending: ConnectionEnd | None) -> str:
    """Return words for the end of a call; the argument is None if the recorder left the call."""
    if ending is None:
        return "was left"
    if ending.by is None:
        return f"was cut off ({ending.code})"
    return f"was ended by the {ending.by} ({f'{ending.code} {ending.reason}'.strip()})"


def ending_facts(ending: ConnectionEnd | None) -> dict[str, Any]:
    """Return the end of a call for JSON; the argument is None if the recorder left the call."""
    if ending is None:
        return {"by": "recorder", "code": 1000, "reason": ""}
    return ending._asdict()
