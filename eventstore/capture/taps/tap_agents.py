"""Record what an openai-agents runner sends and receives, by one line where the runner is made."""

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
    traceparent: str | None = None,
) -> OpenAIRealtimeWebSocketModel:
    """Return a model for a `RealtimeRunner` whose connections are recorded, in both directions.

        RealtimeRunner(agent, model=recorded_model(recorder))

    Each connection is a session. Its notes name the recording of the connection before, as
    `previous`. An error of the recording is never raised into the runner.

    Args:
        recorder: Writes the frames to a store.
        metadata: Pairs to set on the sessions.
        session_id: The id to store the first session under; by default the server's, if that is
            free.
        model: A model of your own to record, such as an `OpenAIRealtimeSIPModel`; by default a new
            `OpenAIRealtimeWebSocketModel`.
        traceparent: The app's own span, as for `tap`.

    Raises:
        ImportError: If openai-agents is not installed.
    """
    try:
        from agents.realtime import OpenAIRealtimeWebSocketModel
    except ImportError as error:
        raise ImportError("recorded_model needs openai-agents: install openai-agents") from error
    recorded: Any = model or OpenAIRealtimeWebSocketModel()
    notes = {"by": "tap", "client": client_name("openai-agents")}
    begin = session_starter(recorder, notes, metadata, session_id, traceparent)
    create = recorded._create_websocket_connection

    async def create_recorded(*args: Any, **options: Any) -> Any:
        websocket = await create(*args, **options)
        # Nothing has read from the websocket yet, so no message is missed.
        watch_from_here(websocket, begin)
        return websocket

    recorded._create_websocket_connection = create_recorded
    return cast("OpenAIRealtimeWebSocketModel", recorded)
