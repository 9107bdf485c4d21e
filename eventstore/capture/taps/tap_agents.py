"""Record what an openai-agents runner sends and receives: one line where it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.taps.tap_openai import client_name
from eventstore.capture.taps.websocket_watch import session_starter, watch_from_here

if TYPE_CHECKING:
    from agents.realtime import OpenAIRealtimeWebSocketModel


def recorded_model(
    recorder: Recorder,
    metadata: Mapping[str, str] | None = None,
    session_id: str | None = None,
    model: OpenAIRealtimeWebSocketModel | None = None,
) -> OpenAIRealtimeWebSocketModel:
    """A model for a `RealtimeRunner` whose connections are recorded, all frames both ways.

        RealtimeRunner(agent, model=recorded_model(recorder))

    Each connection is a session, whose notes name the `previous`, if any. Recording never raises
    into the runner.

    Args:
        metadata: pairs to set on its sessions.
        session_id: store the first under this id; by default the server's, where it is free.
        model: one of your own to record, such as an `OpenAIRealtimeSIPModel`; by default a new
            `OpenAIRealtimeWebSocketModel`.

    Raises:
        ImportError: openai-agents is not installed.
    """
    try:
        from agents.realtime import OpenAIRealtimeWebSocketModel
    except ImportError as error:
        raise ImportError("recorded_model needs openai-agents: install openai-agents") from error
    recorded: Any = model or OpenAIRealtimeWebSocketModel()
    notes = {"by": "tap", "client": client_name("openai-agents")}
    begin = session_starter(recorder, notes, metadata, session_id)
    create = recorded._create_websocket_connection

    async def create_recorded(*args: Any, **options: Any) -> Any:
        websocket = await create(*args, **options)
        # Nobody has read from it yet, so nothing is missed.
        watch_from_here(websocket, begin)
        return websocket

    recorded._create_websocket_connection = create_recorded
    return cast("OpenAIRealtimeWebSocketModel", recorded)
