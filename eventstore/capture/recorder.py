"""The recorder: takes frames of live sessions without blocking, and writes them to a store."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any
from uuid import uuid4

from eventstore.event_store import EventStore
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import dumps
from eventstore.times import now


class SessionRecorder:
    """One live session. All its methods may be called from any thread, and never block."""

    def __init__(self, store: EventStore, session_id: str | None, notes: Mapping[str, Any]) -> None:
        self._store = store
        self.session_id: str | None = session_id or f"sess_{uuid4().hex[:24]}"
        self._note({"type": "eventstore.session.opened", **notes})

    def record(self, direction: str, text: str | bytes, at: int | None = None) -> None:
        """Hand over a frame: `client` or `server`, its exact text (bytes: a binary message)."""
        self._store.append(str(self.session_id), [Frame(direction, text, at or now())])

    def gap(self, reason: str, **facts: Any) -> None:
        """Note in the log that something is missing here, and why."""
        self._note({"type": "eventstore.session.gap", "reason": reason, **facts})

    def committed(self) -> Future[None]:
        """A future that is done once all that was handed over so far is in the database."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(
        self, by: str | None = None, code: int | None = None, reason: str | None = None
    ) -> None:
        """No more will come. Closing again does nothing.

        Args:
            by: who closed the connection: client, server or recorder.
            code, reason: of its close frame; 1006 where there was none.
        """
        self._note(
            {"type": "eventstore.session.closed", "by": by, "code": code, "reason": reason}, True
        )

    def _note(self, event: Mapping[str, Any], close: bool = False) -> None:
        frame = Frame(STORE, dumps(dict(event)), now())
        self._store.append(str(self.session_id), [frame], close=close)


class Recorder:
    """Records live sessions; one for a process. Use it with `with`, or with `async with`."""

    def __init__(self, store: EventStore | str) -> None:
        self._store = EventStore(store) if isinstance(store, str) else store

    def session(
        self,
        metadata: Mapping[str, str] | None = None,
        session_id: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> SessionRecorder:
        """Begin to record a session.

        Args:
            metadata: pairs to set on it.
            session_id: store it under this id; by default the server's, where it is free.
            notes: what its log shall say of how it was recorded: by, url, …
        """
        noted = {**(notes or {}), **({"metadata": dict(metadata)} if metadata else {})}
        return SessionRecorder(self._store, session_id, noted)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, and end."""

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Recorder:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
