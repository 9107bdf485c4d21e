"""Forward bytes between a client and the upstream, until one of them or the relay ends it.

`relay_connection.py` makes a `DuplexForwarder` once both sides are connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from websockets.frames import Close, Frame, Opcode

from eventstore.capture.relay.relay_pipe import Deadline, Forwarder, PipeSide
from eventstore.capture.relay.relay_tee import CallEnd, Tee

GOING_AWAY, GOING_AWAY_REASON = 1001, "the relay is going away"
# Seconds until it is checked again whether the recorder has room.
_RECHECK = 0.005
# Frames of a copy that are read at once, so that many tiny frames do not delay the other calls.
_FRAMES_PER_TURN = 100
# Seconds for the rest of a connection after one side has ended, and for the answer to a close
# frame.
DRAIN_TIMEOUT, _CLOSE_TIMEOUT = 10.0, 2.0


class DuplexForwarder:
    """Forwards bytes in both directions, and reads a copy of a session's.

    Args:
        tee: Reads the copy; None for plain HTTP.
        durable: Forward messages only after they are committed.
        deadline: The connection's deadline.
    """

    def __init__(
        self, client: PipeSide, server: PipeSide, tee: Tee | None, durable: bool, deadline: Deadline
    ) -> None:
        self._client, self._server = client, server
        self._forwarders = {client: Forwarder(client, server), server: Forwarder(server, client)}
        self._tee, self._durable, self._deadline = tee, durable, deadline
        self._ended: set[PipeSide] = set()
        self._going_away = False
        self._closed_sides: set[PipeSide] = set()

    def reader(self, side: PipeSide) -> Callable[[bytes], None]:
        """Return the function that handles a side's bytes, with as few steps as possible."""
        forwarder, tee, direction = self._forwarders[side], self._tee, side.name
        if tee is None:
            return forwarder.send

        def pass_on(data: bytes) -> None:
            forwarder.send(data)
            tee.take(direction, data, _FRAMES_PER_TURN)
            if tee.closed:
                self._linger()
            if tee.is_behind(direction):
                self._catch_up(side, tee)
            elif tee.is_pressed():
                self._pause_reading(side, tee)

        def pass_on_behind(data: bytes) -> None:
            found = tee.take(direction, data, _FRAMES_PER_TURN)
            if tee.is_behind(direction):
                whole: Future[None] = Future()
                forwarder.send(data, whole)
                self._catch_up(side, tee, whole)
            else:
                forwarder.send(data, tee.committed() if found else None)
            if tee.closed:
                self._linger()

        return pass_on_behind if self._durable else pass_on

    def _catch_up(self, side: PipeSide, tee: Tee, whole: Future[None] | None = None) -> None:
        """Read the rest of the copy in turns with the other calls; until then read no more bytes.

        Args:
            whole: A future to resolve once all of the copy is committed.
        """
        loop = asyncio.get_running_loop()
        side.hold("copy")

        def go_on() -> None:
            if tee.is_pressed():
                loop.call_later(_RECHECK, go_on)
                return
            tee.take(side.name, b"", _FRAMES_PER_TURN)
            if tee.closed:
                self._linger()
            if tee.is_behind(side.name):
                loop.call_soon(go_on)
                return
            side.release("copy")
            if whole is not None:
                tee.resolve_when_committed(whole)
            if self._going_away:
                self._end_between_frames(side, tee)
            elif tee.is_pressed():
                self._pause_reading(side, tee)

        loop.call_soon(go_on)

    def _pause_reading(self, side: PipeSide, tee: Tee) -> None:
        """Read no more bytes of a side until the recorder has room again."""
        side.hold("recorder")

        def look() -> None:
            if tee.is_pressed():
                self._pause_reading(side, tee)
            else:
                side.release("recorder")

        asyncio.get_running_loop().call_later(_RECHECK, look)

    def ended(self, side: PipeSide) -> None:
        """Close the other half when a side has ended its own; close both sides after both have."""
        self._note_gone(side, None)
        self._forwarders[side].end()
        self._ended.add(side)
        if len(self._ended) == 2:
            for forwarder in self._forwarders.values():
                forwarder.close()

    def lost(self, side: PipeSide, error: Exception | None) -> None:
        """Close the other side when a side's connection is gone."""
        self._note_gone(side, error)
        self._forwarders[side].close()

    def _note_gone(self, side: PipeSide, error: Exception | None) -> None:
        if self._tee is not None:
            self._tee.gone(side.name, error)
        self._linger()

    def _linger(self) -> None:
        self._deadline.set(DRAIN_TIMEOUT, self._abort)

    def _abort(self) -> None:
        self._client.abort()
        self._server.abort()

    def go_away(self) -> None:
        """Close both sides; a session gets close frames, each as soon as no frame is half sent."""
        if self._going_away:
            return
        self._going_away = True
        self._deadline.set(_CLOSE_TIMEOUT, self._close)
        if self._tee is None:
            self._close()
            return
        tee = self._tee
        tee.closing = tee.closing or CallEnd("recorder", GOING_AWAY, GOING_AWAY_REASON)
        for side in (self._client, self._server):
            self._end_between_frames(side, tee)

    def _end_between_frames(self, side: PipeSide, tee: Tee) -> None:
        """Send the close frame in a side's name, unless that side has sent half a frame."""
        scanner = tee.scanners[side.name]
        if not scanner.pending and not scanner.failed and side not in self._closed_sides:
            self._send_close(side, tee)

    def closing_reader(self, side: PipeSide) -> Callable[[bytes], None]:
        """Return the function that handles a side's bytes once the relay is stopping."""
        if self._tee is None:
            return self._forwarders[side].send
        forwarder, tee = self._forwarders[side], self._tee
        scanner = tee.scanners[side.name]

        def pass_on(data: bytes) -> None:
            if side in self._closed_sides:
                scanner.feed(data)  # it is not forwarded; only a close frame matters
                if scanner.close is not None:
                    side.close()
                return
            committed = tee.committed() if tee.take(side.name, data) and self._durable else None
            border = len(data) - scanner.pending
            if scanner.failed or border <= 0:
                forwarder.send(data, committed)
                return
            forwarder.send(data[:border], committed)
            self._send_close(side, tee)

        return pass_on

    def _send_close(self, source: PipeSide, tee: Tee) -> None:
        """Send the close frame in a side's name, unless that side has sent its own."""
        self._closed_sides.add(source)
        if tee.scanners[source.name].close is None:
            payload = Close(GOING_AWAY, GOING_AWAY_REASON).serialize()
            frame = Frame(Opcode.CLOSE, payload).serialize(mask=source is self._client)
            self._forwarders[source].send(frame)

    def _close(self) -> None:
        self._linger()
        self._client.close()
        self._server.close()
