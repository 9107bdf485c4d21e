"""Serve a recording to one live client: each frame when it is due and its cause has arrived.

Called by replay/server/server.py and cassette_server.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.values import mapping, text
from eventstore.replay.serving.causality import CANCEL, IMPLIED, AudioReceived
from eventstore.replay.serving.client_event_ids import ClientEventIds
from eventstore.replay.serving.faults import Action, Faults, InjectedFault, error_event
from eventstore.replay.serving.ids import IdMap
from eventstore.replay.serving.input_clock import InputClock
from eventstore.replay.serving.live_role import live_target_of, script_for
from eventstore.replay.serving.matching import (
    ORDERED_RULES,
    Drift,
    Matcher,
    MatchRule,
    StreamedAudio,
)
from eventstore.replay.serving.metadata_echo import MetadataEcho
from eventstore.replay.serving.pace import MAX_LINGER, Pace
from eventstore.replay.serving.recording import Recording

#: Called with what a client did differently from the recorded client.
OnDrift = Callable[[Drift], None]
_POLICY_VIOLATION = 1008
#: A client's frame that is awaited for longer than this, in seconds, is reported as `waiting`.
_PATIENCE = 3.0
#: When all is sent, how long each of the client's last frames may take, in seconds.
_LAST_FRAMES = 2.0
#: How long a client that streams audio may pause while more audio is awaited, in seconds.
_PAUSE = 10.0
#: A client's audio may be shorter than the recorded audio by this share, and by at most so many
#: milliseconds.
_SLACK, _SLACK_MS = 0.01, 40.0
#: How many drifts of one connection are kept in its outcome. All are reported to `OnDrift`.
_DRIFT_KEPT = 1000
_LONE_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Manner:
    """How recordings are served.

    Attributes:
        speed: 1 for the recorded pace, 2 for twice as fast; None to send at once.
        rule: How a live client's frames are matched with the recorded frames.
        fresh: Replace all ids that the server chose by new ids, and move times to now.
        faults: Faults that the replay injects.
        step: Awaited before each frame is sent, so that a person can step; None not to wait.
        patience: How long a client may be silent, in seconds. After that it is refused if a frame
            is awaited, and closed if all is sent. None for ever.
        clean: Applied to a client's frame before it is matched; None to match it as it is.
        linger: How long a client may stay when all is sent, in seconds, if the recorded client
            closed the connection itself.
    """

    speed: float | None = 1.0
    rule: MatchRule = "type"
    fresh: bool = False
    faults: tuple[InjectedFault, ...] = ()
    step: Callable[[StoredEvent], Awaitable[None]] | None = None
    patience: float | None = None
    clean: Callable[[str | bytes], str | bytes] | None = None
    linger: float = MAX_LINGER


@dataclass
class Outcome:
    """What happened on a connection.

    Attributes:
        sent: How many of the server's frames were sent.
        whole: True if the whole recording was sent.
        drift: What the client did differently: the first thousand drifts.
        refused: The drift for which the connection was closed; None if there was none.
    """

    sent: int = 0
    whole: bool = False
    drift: list[Drift] = field(default_factory=list)
    refused: Drift | None = None


async def serve_connection(
    connection: ServerConnection, recording: Recording, manner: Manner, on_drift: OnDrift
) -> Outcome:
    """Play a recording to a client until the recording ends or the client leaves.

    Args:
        on_drift: Called at once with each drift.

    Returns:
        What was sent, and what the client did differently.
    """
    playing = _ClientReplay(connection, recording, manner, on_drift)
    listener = asyncio.create_task(playing.listen())
    player = asyncio.create_task(playing.send_all())
    try:
        await asyncio.wait((listener, player), return_when=asyncio.FIRST_COMPLETED)
        if player.done() and isinstance(player.exception(), ConnectionClosed | None):
            # The connection is over, but its last frames may still have to be matched.
            await asyncio.wait((listener,))
    finally:
        # A client that has left ends its replay, also in the middle of the recording.
        listener.cancel()
        for task in (player, listener):
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await task
    playing.report_missing()
    return playing.outcome


class _ClientReplay:
    """The replay of a recording on one client's connection.

    Attributes:
        outcome: What happened so far.
    """

    def __init__(
        self,
        connection: ServerConnection,
        recording: Recording,
        manner: Manner,
        on_drift: OnDrift,
    ) -> None:
        self.outcome = Outcome()
        self._connection, self._recording, self._manner = connection, recording, manner
        self._on_drift = on_drift
        request = connection.request
        target = None if request is None else live_target_of(request.path)
        self._script = script = script_for(recording.script, target)
        self._clock = asyncio.get_running_loop().time
        self._pace = Pace(manner.speed, self._clock())
        self._ids = IdMap.of(script, manner.fresh, recording.started_at)
        self._matcher = Matcher(script, manner.rule, self._ids)
        self._echoes = MetadataEcho(script), ClientEventIds(script)
        self._input, self._streamed_at = InputClock(), self._clock()
        self._input.configure(script.session)
        self._faults = Faults(manner.faults, script.live)
        self._arrived: dict[int, float] = {}
        self._began = self._heard = self._clock()
        self._news = asyncio.Event()
        self._expected = {expected.seq: expected for expected in script.expected}
        self._held: StoredEvent | None = None
        self._came = 0
        self._answering: set[str] = set()
        self._errors: dict[int, StoredEvent] = {}

    async def listen(self) -> None:
        """Receive the client's frames, and match them with the recorded frames."""
        async for frame in self._connection:
            self._heard = self._clock()
            clean = self._manner.clean
            match = self._matcher.receive(frame if clean is None else clean(frame))
            self._news.set()
            if isinstance(match, StreamedAudio):
                self._input.add(match.audio, match.event)
                self._streamed_at = self._clock()
                continue
            self._came += 1
            event = mapping(parse(frame)) if isinstance(frame, str) else {}
            self._input.configure(mapping(event.get("session")))
            drift = match.drift
            if drift is not None and not (drift.type == CANCEL and self._has_ended_by_itself()):
                self._report_drift(drift)
                if self._manner.rule in ORDERED_RULES:
                    await self._refuse(drift, text(event.get("event_id")))
                    return
            if match.seq is not None:
                self._arrived[match.seq] = self._clock()
                for echo in self._echoes:
                    echo.heard(match.seq, event)
                if match.seq in self._errors:
                    await self._send(self._errors.pop(match.seq))

    async def _refuse(self, drift: Drift, cause: str | None = None) -> None:
        self.outcome.refused = drift
        with suppress(ConnectionClosed):
            live = self._script.live
            await self._connection.send(error_event("replay_drift", str(drift), cause, live))
            await self._connection.close(_POLICY_VIOLATION, "the replay does not expect this")

    async def send_all(self) -> None:
        """Send the recording's frames, then close the connection as the recorded one was closed."""
        script = self._script
        waits, hears = (script.waits, script.hears) if self._manner.rule != "none" else ({}, {})
        async for sent in self._recording.sent(script.reflects):
            if sent.seq in hears:
                await self._await_audio(hears[sent.seq])
            if sent.seq in waits:
                cause = waits[sent.seq]
                if cause in script.idle and cause not in self._arrived:
                    # The frame answers a cancel that had no effect. It is sent only if this
                    # client sends that cancel, too.
                    self._errors[cause] = sent
                    continue
                if self._held is not None and cause not in self._arrived:
                    # The client may be waiting for the frame that the fault `swap` holds back.
                    await self._send_held()
                if not await self._await_cause(cause):
                    return
            if self._manner.speed is not None:
                await self._sleep_until(self._pace.due(sent.at, self._clock()))
            if self._manner.step is not None:
                await self._manner.step(sent)
            action = self._faults.at(sent) if self._manner.faults else None
            if action is None and self._held is None:
                await self._send(sent)
            elif not await self._send_with_faults(action or Action(), sent):
                return
        await self._send_held()
        self.outcome.whole = True
        await self._finish()

    async def _send(self, sent: StoredEvent) -> None:
        frame = sent.text
        if isinstance(frame, str):
            frame = self._ids.rewrite(frame)
            for echo in self._echoes:
                frame = echo.rewrite(sent, frame)
            if not frame.isascii():
                frame = _sendable(frame)
        await self._connection.send(frame)
        self.outcome.sent += 1
        if sent.type in ("response.created", "response.done"):
            response = mapping(mapping(parse(str(sent.text))).get("response"))
            alter = (
                self._answering.add if sent.type.endswith("created") else self._answering.discard
            )
            alter(text(response.get("id")) or "")

    def _has_ended_by_itself(self) -> bool:
        """Return True if no answer is going on that a client could cancel: see `Script.idle`."""
        return self._answering <= self._script.cut_off

    async def _send_held(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await self._send(held)

    async def _send_with_faults(self, action: Action, sent: StoredEvent) -> bool:
        """Send a frame with its faults. Return False if the connection is over."""
        if action.delay:
            await asyncio.sleep(action.delay)
            self._pace.delayed(action.delay)
        for frame in action.before:
            await self._connection.send(frame)
        if action.close is not None:
            if action.close:
                await self._connection.close(action.close, "a fault of the replay")
            else:
                self._connection.transport.abort()
            return False
        if action.swap and self._held is None:
            self._held = sent
            return True
        for _ in range(action.times):
            await self._send(sent)
        await self._send_held()
        return True

    async def _await_cause(self, seq: int) -> bool:
        """Wait until the client has sent a recorded frame, and count time from there.

        Returns:
            False if the client was silent for too long, so that the connection is over.
        """
        expected = self._expected[seq]
        tell_at: float | None = self._clock() + _PATIENCE
        while seq not in self._arrived:
            if tell_at is not None and self._clock() >= tell_at:
                if seq == IMPLIED:
                    return True  # no recording says that it must come
                self._on_drift(Drift("waiting", seq, expected.type))
                tell_at = None
            left = self._patience_left() if tell_at is None else tell_at - self._clock()
            if tell_at is None and left == 0:
                await self._refuse(Drift("missing", seq, expected.type))
                return False
            await self._wait_for_frame(left)
        self._pace.answered(expected.at, self._arrived[seq], self._clock())
        return True

    async def _await_audio(self, heard: AudioReceived) -> None:
        """Wait until the client has sent as much audio as was recorded, and count time from there.

        If the client sends no audio, or less, the wait ends when its pause is too long.
        """
        since = self._clock() if self._input.ms else self._began
        is_late, enough = False, heard.ms - min(_SLACK_MS, heard.ms * _SLACK)
        while self._input.ms < enough:
            patience = _PAUSE if self._input.ms else _PATIENCE
            left = max(since, self._streamed_at) + patience - self._clock()
            if left <= 0:
                return
            is_late = True
            await self._wait_for_frame(left)
        if is_late:
            self._pace.answered(heard.at, self._streamed_at, self._clock())

    def _patience_left(self) -> float | None:
        """Return how long the client may still be silent, in seconds; None for ever."""
        patience = self._manner.patience
        return None if patience is None else max(0.0, self._heard + patience - self._clock())

    async def _wait_for_frame(self, seconds: float | None) -> None:
        """Wait for the client's next frame, for so many seconds at most; None for ever."""
        self._news.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    async def _sleep_until(self, due: float) -> None:
        wait = due - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _finish(self) -> None:
        """Wait for the client's last frames, and close as the recorded connection was closed."""
        closing = self._recording.closing
        if self._manner.speed is not None:
            await self._sleep_until(self._pace.due(closing.at, self._clock()))
        if closing.by_client and not self._script.reflects:
            await self._let_client_close()
        missing, end = self._missing(), self._clock() + _LAST_FRAMES
        while any(missing) and (left := end - self._clock()) > 0:
            await self._wait_for_frame(left)
            # Only frames that are missing keep the connection open, because a microphone may
            # stream for ever.
            if self._missing() < missing:
                missing, end = self._missing(), self._clock() + _LAST_FRAMES
        await self._connection.close(closing.code, closing.reason)

    async def _let_client_close(self) -> None:
        """Wait until this client closes, since the recorded client closed the connection itself."""
        end = self._clock() + self._manner.linger
        while (left := end - self._clock()) > 0:
            if (silent := self._patience_left()) is not None:
                left = min(left, silent)
            if not left:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connection.wait_closed(), left)
                return

    def _missing(self) -> tuple[int, float]:
        """Return how many recorded client's frames have not come, and how much audio, in ms."""
        script = self._script
        left = self._matcher.left
        if self._manner.rule == "none":
            left = max(0, len(script.expected) - self._came)
        return left, max(0.0, script.input_ms - self._input.ms)

    def report_missing(self) -> None:
        """Report the recorded client's frames that never came."""
        for drift in self._matcher.missing():
            self._report_drift(drift)

    def _report_drift(self, drift: Drift) -> None:
        if len(self.outcome.drift) < _DRIFT_KEPT:
            self.outcome.drift.append(drift)
        self._on_drift(drift)


def _sendable(frame: str) -> str:
    """Return the frame with lone surrogates as JSON escapes: a websocket cannot carry them."""
    return _LONE_HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", frame)
