"""Record many calls by sidebands, each in a task of its own, up to a limit.

`incoming_calls.py` starts recordings of calls that webhooks name, and `relay_calls.py` of calls
that the relay sees created.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from eventstore.capture.calls.sideband import AnyRecorder, CallAddress, RecordedSession, record_at
from eventstore.capture.taps.websocket_watch import ConnectionEnd
from eventstore.common import unforeseen
from eventstore.errors import EventStoreError

#: Calls that are recorded at once, unless the caller gives another number.
MAX_RECORDED_CALLS = 200
_LOGGER = logging.getLogger("eventstore.calls")
# Seconds for sidebands to close after they were told to.
_LEAVE_TIMEOUT = 10.0


class TooManyCallsError(Exception):
    """As many calls are being recorded as the limit allows."""


class CallUpdate(NamedTuple):
    """What happened to a call.

    Attributes:
        kind: `incoming`, `joined`, `ended`, `left` (the recorder was stopped) or `failed`.
        session_id: The id of its recorded session, if it is known.
        ending: How the connection ended; None if it did not.
        why: Why the call is not recorded; empty if it is.
    """

    call_id: str
    kind: str
    session_id: str | None = None
    ending: ConnectionEnd | None = None
    why: str = ""


class CallToRecord(NamedTuple):
    """A call to be recorded.

    Attributes:
        address: Where it is joined.
        metadata: Pairs to set on its session.
        wait: Seconds to try again in while the call is not accepted yet.
        notes: More for the log to say of how the call is recorded.
    """

    call_id: str
    address: CallAddress
    metadata: Mapping[str, str]
    wait: float
    notes: Mapping[str, str] | None = None


OnUpdate = Callable[[CallUpdate], None]
#: Returns the session in which a call is recorded already, or None.
FindSession = Callable[[str], Awaitable[str | None]]


class CallRecordings:
    """The calls that are being recorded in one event loop.

    Args:
        recorder: Records their events.
        max_calls: How many calls are recorded at once.
    """

    def __init__(self, recorder: AnyRecorder, max_calls: int = MAX_RECORDED_CALLS) -> None:
        self._recorder, self._most = recorder, max_calls
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._joined: dict[str, RecordedSession] = {}

    @property
    def count(self) -> int:
        """How many calls are joined or waited for."""
        return len(self._tasks)

    @property
    def live(self) -> int:
        """How many calls are joined."""
        return len(self._joined)

    def start(
        self, call: CallToRecord, on_update: OnUpdate, find: FindSession | None = None
    ) -> bool:
        """Begin to record a call; return False if it is being recorded already.

        Args:
            on_update: Called when something happens to the call.
            find: Asked first whether the call was recorded before.

        Raises:
            TooManyCallsError: If as many calls are being recorded as the limit allows.
        """
        if call.call_id in self._tasks:
            return False
        if len(self._tasks) >= self._most:
            raise TooManyCallsError
        task = asyncio.get_running_loop().create_task(self._record(call, on_update, find))
        self._tasks[call.call_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(call.call_id, None))
        return True

    async def _record(
        self, call: CallToRecord, on_update: OnUpdate, find: FindSession | None
    ) -> None:
        """Record a call to its end. An error is reported, and ends no other call."""
        try:
            found = None if find is None else await find(call.call_id)
            if found is not None:
                on_update(
                    CallUpdate(call.call_id, "failed", found, why=f"it is recorded in {found}")
                )
                return
            on_update(await self._record_to_end(call, on_update))
        except EventStoreError as error:
            on_update(CallUpdate(call.call_id, "failed", why=str(error)))
        except asyncio.CancelledError:
            session = self._joined.get(call.call_id)
            name = None if session is None else session.session_id
            on_update(CallUpdate(call.call_id, "left", name))
            raise
        except Exception as error:
            unforeseen.log_fault(_LOGGER, "recording a call", error)
            on_update(CallUpdate(call.call_id, "failed", why=type(error).__name__))
        finally:
            self._joined.pop(call.call_id, None)

    async def _record_to_end(self, call: CallToRecord, on_update: OnUpdate) -> CallUpdate:
        def on_join(session: RecordedSession) -> None:
            self._joined[call.call_id] = session
            on_update(CallUpdate(call.call_id, "joined"))

        joined = await record_at(
            self._recorder,
            call.call_id,
            call.address,
            metadata=call.metadata,
            on_join=on_join,
            wait=call.wait,
            notes=call.notes,
        )
        return CallUpdate(call.call_id, "ended", joined.session.session_id, joined.ending)

    async def idle(self, seconds: float) -> None:
        """Wait until no call is recorded or waited for, for so many seconds at most."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)

    async def leave(self) -> None:
        """Leave all calls, and close their sessions."""
        for task in list(self._tasks.values()):
            task.cancel()
        await self.idle(_LEAVE_TIMEOUT)
