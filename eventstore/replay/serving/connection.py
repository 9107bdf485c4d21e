"""Serve a recording to one live client: its frames when they are due and their cause has come."""

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
from eventstore.replay.serving.causality import CANCEL, AudioReceived
from eventstore.replay.serving.faults import Action, Fault, Faults, error_event
from eventstore.replay.serving.ids import IdMap
from eventstore.replay.serving.input_clock import InputClock
from eventstore.replay.serving.matching import IN_ORDER, Drift, Matcher, Rule, StreamedAudio
from eventstore.replay.serving.metadata_echo import MetadataEcho
from eventstore.replay.serving.pace import LINGER, Pace
from eventstore.replay.serving.recording import Recording

#: Told what a client did otherwise than the recorded one.
OnDrift = Callable[[Drift], None]
_POLICY_VIOLATION = 1008
#: Seconds without an awaited frame after which somebody should be told.
_PATIENCE = 3.0
#: Seconds for each of the client's last frames to come, once all of the server's are sent.
_LAST_FRAMES = 2.0
#: Seconds that a client which streams audio may pause, while more of it is awaited.
_PAUSE = 10.0
#: By how much a client's audio may be shorter than the recorded one's: a hundredth of it, and no
#: more than so many milliseconds.
_SLACK, _SLACK_MS = 0.01, 40.0
#: Differences of one connection that are kept; all are told.
_DRIFT_KEPT = 1000
_LONE_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Manner:
    """How recordings are served.

    Attributes:
        speed: 1 for the recorded pace, 2 for twice as fast; None for at once.
        rule: how a live client's frames are matched with the recorded ones.
        fresh: new ids for all that the server named, and times of now.
        faults: what goes wrong.
        step: awaited before each frame, for somebody to let it pass; None to let all pass.
        patience: seconds without any frame of the client's after which it is told that it drifted,
            where one is awaited, or that the recording is at its end; None to wait on.
        clean: applied to a client's frame before it is matched; None matches it as it came.
        linger: seconds that a client may stay once all is sent, where the recorded client closed.
    """

    speed: float | None = 1.0
    rule: Rule = "type"
    fresh: bool = False
    faults: tuple[Fault, ...] = ()
    step: Callable[[StoredEvent], Awaitable[None]] | None = None
    patience: float | None = None
    clean: Callable[[str | bytes], str | bytes] | None = None
    linger: float = LINGER


@dataclass
class Outcome:
    """What a connection came to.

    Attributes:
        sent: the server's frames that were sent.
        whole: whether all of the recording was sent.
        drift: what the client did otherwise, the first thousand of it.
        refused: for which of it the connection was closed.
    """

    sent: int = 0
    whole: bool = False
    drift: list[Drift] = field(default_factory=list)
    refused: Drift | None = None


async def serve_connection(
    connection: ServerConnection, recording: Recording, manner: Manner, on_drift: OnDrift
) -> Outcome:
    """Play a recording to a client until its end, or the client's.

    Returns:
        What was sent, and what the client did otherwise.
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
        # A client that left ends its replay, wherever that is.
        listener.cancel()
        for task in (player, listener):
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await task
    playing.tell_missing()
    return playing.outcome


class _ClientReplay:
    """One client's connection, and where it is in the recording."""

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
        script = recording.script
        self._clock = asyncio.get_running_loop().time
        self._pace = Pace(manner.speed, self._clock())
        self._ids = IdMap(manner.fresh, script.server_ids, recording.started_at)
        self._matcher = Matcher(script, manner.rule, self._ids)
        self._echo = MetadataEcho(script)
        self._input, self._streamed_at = InputClock(), self._clock()
        self._input.configure(script.session)
        self._faults = Faults(manner.faults)
        self._arrived: dict[int, float] = {}
        self._began = self._heard = self._clock()
        self._news = asyncio.Event()
        self._expected = {expected.seq: expected for expected in script.expected}
        self._held: StoredEvent | None = None
        self._came = 0
        self._answering: set[str] = set()
        self._errors: dict[int, StoredEvent] = {}

    async def listen(self) -> None:
        """Take in the client's frames, and match them."""
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
                self._tell(drift)
                if self._manner.rule in IN_ORDER:
                    await self._refuse(drift, text(event.get("event_id")))
                    return
            if match.seq is not None:
                self._arrived[match.seq] = self._clock()
                self._echo.heard(match.seq, event)
                if match.seq in self._errors:
                    await self._send(self._errors.pop(match.seq))

    async def _refuse(self, drift: Drift, cause: str | None = None) -> None:
        self.outcome.refused = drift
        with suppress(ConnectionClosed):
            await self._connection.send(error_event("replay_drift", str(drift), cause))
            await self._connection.close(_POLICY_VIOLATION, "the replay does not expect this")

    async def send_all(self) -> None:
        """Send the recording's frames, then close as it was closed."""
        script = self._recording.script
        waits, hears = (script.waits, script.hears) if self._manner.rule != "none" else ({}, {})
        async for sent in self._recording.sent():
            if sent.seq in hears:
                await self._await_audio(hears[sent.seq])
            if sent.seq in waits:
                cause = waits[sent.seq]
                if cause in script.idle and cause not in self._arrived:
                    self._errors[cause] = sent  # for who sends what this client may not send
                    continue
                if self._held is not None and cause not in self._arrived:
                    # The client may wait for the very frame that a fault holds back.
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
            elif not await self._act(action or Action(), sent):
                return
        await self._send_held()
        self.outcome.whole = True
        await self._finish()

    async def _send(self, sent: StoredEvent) -> None:
        frame = sent.text
        if isinstance(frame, str):
            frame = self._echo.rewrite(sent, self._ids.rewrite(frame))
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
        """Whether there is no answer that a client could cancel: see `Script.idle`."""
        return self._answering <= self._recording.script.cut_off

    async def _send_held(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await self._send(held)

    async def _act(self, action: Action, sent: StoredEvent) -> bool:
        """Do what a fault asks for; False where the connection is over."""
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
        """Wait for the client's counterpart of a recorded frame, and count time from there.

        Returns:
            False where the client was silent for too long, and the connection is over.
        """
        expected = self._expected[seq]
        tell_at: float | None = self._clock() + _PATIENCE
        while seq not in self._arrived:
            if tell_at is not None and self._clock() >= tell_at:
                self._on_drift(Drift("waiting", seq, expected.type))
                tell_at = None
            left = self._left() if tell_at is None else tell_at - self._clock()
            if tell_at is None and left == 0:
                await self._refuse(Drift("missing", seq, expected.type))
                return False
            await self._news_within(left)
        self._pace.answered(expected.at, self._arrived[seq], self._clock())
        return True

    async def _await_audio(self, heard: AudioReceived) -> None:
        """Wait until as much of the user's audio has come as was recorded, and count from there.

        A client that streams none, or less, is waited for no longer than it may pause.
        """
        since = self._clock() if self._input.ms else self._began
        is_late, enough = False, heard.ms - min(_SLACK_MS, heard.ms * _SLACK)
        while self._input.ms < enough:
            patience = _PAUSE if self._input.ms else _PATIENCE
            left = max(since, self._streamed_at) + patience - self._clock()
            if left <= 0:
                return
            is_late = True
            await self._news_within(left)
        if is_late:
            self._pace.answered(heard.at, self._streamed_at, self._clock())

    def _left(self) -> float | None:
        """Seconds that a client may still be silent; None where it may be for ever."""
        patience = self._manner.patience
        return None if patience is None else max(0.0, self._heard + patience - self._clock())

    async def _news_within(self, seconds: float | None) -> None:
        """Wait for a frame of the client's, for so long at most."""
        self._news.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    async def _sleep_until(self, due: float) -> None:
        wait = due - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _finish(self) -> None:
        """Wait for the client's last frames, as long as it took then, and close as was recorded."""
        closing = self._recording.closing
        if self._manner.speed is not None:
            await self._sleep_until(self._pace.due(closing.at, self._clock()))
        if closing.by_client:
            await self._let_client_close()
        missing, end = self._missing(), self._clock() + _LAST_FRAMES
        while any(missing) and (left := end - self._clock()) > 0:
            await self._news_within(left)
            # Only what is missing keeps the connection open: a microphone may never end.
            if self._missing() < missing:
                missing, end = self._missing(), self._clock() + _LAST_FRAMES
        await self._connection.close(closing.code, closing.reason)

    async def _let_client_close(self) -> None:
        """Stay as long as this client does: the recorded one left by itself."""
        end = self._clock() + self._manner.linger
        while (left := end - self._clock()) > 0:
            if (silent := self._left()) is not None:
                left = min(left, silent)
            if not left:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connection.wait_closed(), left)
                return

    def _missing(self) -> tuple[int, float]:
        """How many of the recorded client's frames have not come, and how much of its audio."""
        script = self._recording.script
        left = self._matcher.left
        if self._manner.rule == "none":
            left = max(0, len(script.expected) - self._came)
        return left, max(0.0, script.input_ms - self._input.ms)

    def tell_missing(self) -> None:
        """Tell which recorded frames never came."""
        for drift in self._matcher.missing():
            self._tell(drift)

    def _tell(self, drift: Drift) -> None:
        if len(self.outcome.drift) < _DRIFT_KEPT:
            self.outcome.drift.append(drift)
        self._on_drift(drift)


def _sendable(frame: str) -> str:
    """The frame as a websocket can carry it: lone halves of characters as JSON's escapes."""
    return _LONE_HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", frame)
