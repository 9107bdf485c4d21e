"""Acceptance: a line where an openai-agents runner is made records what is on its wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from agents.realtime import (
    OpenAIRealtimeSIPModel,
    OpenAIRealtimeWebSocketModel,
    RealtimeAgent,
    RealtimeRunner,
    RealtimeSession,
)
from support.agents_runner import NOT_ITS_DIALECT, play
from support.calls import voice_call
from support.cassettes import websocket_server
from support.recordings import each_recording, frames
from support.replaying import one, sent_by
from support.taps import Line, kept
from support.terminal import environment
from websockets.asyncio.server import ServerConnection

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.taps.tap_agents import recorded_model
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FRAMES = voice_call().frames
KEY = "sk-very-secret"
GREETING = '{"type":"session.created","event_id":"event_1","session":{"type":"realtime"}}'


def runner_of(model: OpenAIRealtimeWebSocketModel) -> RealtimeRunner:
    agent: RealtimeAgent[Any] = RealtimeAgent(name="recorded", instructions="Be brief.")
    return RealtimeRunner(agent, model=model, config={"tracing_disabled": True})


async def run(
    url: str, model: OpenAIRealtimeWebSocketModel, wanted: int, query: str = "model=m"
) -> None:
    """Listen until so many of the server's frames have come."""
    config: Any = {"url": f"{url}/realtime?{query}", "api_key": KEY}
    if query.startswith("call_id="):
        config["call_id"] = query.partition("=")[2]
    async with await runner_of(model).run(model_config=config) as session:
        async with asyncio.timeout(30):
            await hear(session, wanted)


async def hear(session: RealtimeSession, wanted: int) -> None:
    came = 0
    async for event in session:
        came += event.type == "raw_model_event" and event.data.type == "raw_server_event"
        if came == wanted:
            return


@each_recording
def test_every_recording_is_recorded_as_it_was_on_the_wire(
    store: EventStore, recording: Path
) -> None:
    if recording.stem in NOT_ITS_DIALECT:
        pytest.skip("the runner does not speak its dialect")
    source, line = frames(recording), Line()
    with line.serve(one(source)) as server, Recorder(store) as recorder:
        asyncio.run(play(server.url, source, recorded_model(recorder)))
    [session] = kept(store)
    assert session.came == sent_by(source, SERVER)
    assert session.sent == line.got
    assert '"session.update"' in str(session.sent[0])
    assert session.closed is not None
    assert session.closed["code"] == 1000


def test_the_log_says_how_it_was_recorded_and_holds_no_key(store: EventStore) -> None:
    wanted = len(sent_by(FRAMES, SERVER))
    with Line().serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        model = recorded_model(recorder, {"customer": "42"}, "mine")
        asyncio.run(run(server.url, model, wanted, f"model=m&api-key={KEY}"))
    [session] = kept(store)
    assert session.id == "mine"
    assert session.opened == {
        "type": "eventstore.session.opened",
        "recording": session.opened["recording"],
        "by": "tap",
        "client": f"openai-agents {version('openai-agents')}",
        "url": f"{server.url}/realtime?model=m",
        "metadata": {"customer": "42"},
    }
    assert not any(KEY in str(event.text) for event in store.events("mine"))


def test_a_model_of_ones_own_is_recorded(store: EventStore) -> None:
    wanted = len(sent_by(FRAMES, SERVER))
    with Line().serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        own = OpenAIRealtimeSIPModel(transport_config={"ping_interval": None})
        model = recorded_model(recorder, model=own)
        assert model is own
        asyncio.run(run(server.url, model, wanted, "call_id=rtc_1"))
    [session] = kept(store)
    assert session.opened["url"] == f"{server.url}/realtime?call_id=rtc_1"
    assert session.came == sent_by(FRAMES, SERVER)


def test_the_runner_leaves(store: EventStore) -> None:
    async def stay(connection: ServerConnection) -> None:
        await connection.send(GREETING)
        await connection.wait_closed()

    with websocket_server(stay) as url, Recorder(store) as recorder:
        asyncio.run(run(url, recorded_model(recorder), 1))
    [session] = kept(store)
    assert session.came == [GREETING]
    assert session.ending == ("client", 1000, "")


async def close_oddly(connection: ServerConnection) -> None:
    await connection.send(GREETING)
    await connection.close(4321, "so be it")


async def cut(connection: ServerConnection) -> None:
    await connection.send(GREETING)
    await (await connection.ping())
    connection.transport.abort()


@pytest.mark.parametrize(
    ("handler", "ending"),
    [(close_oddly, ("server", 4321, "so be it")), (cut, (None, 1006, ""))],
    ids=["closed", "cut off"],
)
def test_the_server_ends_it(
    store: EventStore, handler: Any, ending: tuple[str | None, int, str]
) -> None:
    async def listen(url: str, model: OpenAIRealtimeWebSocketModel) -> None:
        config: Any = {"url": url, "api_key": KEY}
        async with await runner_of(model).run(model_config=config) as session:
            async for _ in session:
                pass

    with (
        websocket_server(handler) as url,
        Recorder(store) as recorder,
        pytest.raises(Exception, match=r"close frame|4321"),
    ):
        asyncio.run(asyncio.wait_for(listen(url, recorded_model(recorder)), 30))
    [session] = kept(store)
    assert session.came == [GREETING]
    assert session.ending == ending


def test_each_run_of_a_model_is_a_session_that_names_the_one_before(store: EventStore) -> None:
    wanted = len(sent_by(FRAMES, SERVER))

    async def twice(url: str) -> None:
        model = recorded_model(recorder, session_id="mine")
        for _ in range(2):
            await run(url, model, wanted)

    with Line().serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        asyncio.run(twice(server.url))
    first, second = kept(store)
    assert first.came == second.came == sent_by(FRAMES, SERVER)
    assert "previous" not in first.opened
    assert second.opened["previous"] == first.opened["recording"]


@pytest.mark.usefixtures("database_url")
def test_taps_need_neither_package_until_they_are_used(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['openai'] = sys.modules['agents'] = None\n"
        "import eventstore.capture.taps.tap_openai, eventstore.capture.calls.sideband\n"
        "from eventstore.capture.taps.tap_agents import recorded_model\n"
        "try: recorded_model(None)\n"
        "except ImportError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout == "recorded_model needs openai-agents: install openai-agents\n"
