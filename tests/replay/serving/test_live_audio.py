"""What the server says of the user's audio waits for as much of it as there was when it said so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pybase64
import pytest
from support.events import Call
from support.replaying import one, served, write_script
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from eventstore.realtime.frames import CLIENT
from eventstore.replay.serving import connection as connections
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.input_clock import InputClock
from eventstore.replay.serving.matching import MatchRule

PCM16, ULAW, PCM8 = 48, 8, 16


def append(ms: float, per_ms: int = PCM16) -> str:
    sound = pybase64.b64encode(bytes(round(ms * per_ms))).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound})


def barge_in(session: dict[str, Any] | None = None, per_ms: int = PCM16) -> Call:
    """The user speaks for a second, is answered, and speaks again when 2 s of audio have come."""
    call = Call()
    call.server("session.created", session={"id": "sess_1", **(session or {})})
    for _ in range(10):
        call.frame(CLIENT, append(100, per_ms), after=100)
    call.spoken("item_1", 0, 900)
    call.server("response.created", response={"id": "resp_1"})
    for number in range(10):
        call.server("response.output_text.delta", 1, response_id="resp_1", delta=str(number))
        call.frame(CLIENT, append(100, per_ms), after=100)
    call.server("input_audio_buffer.speech_started", audio_start_ms=1900, item_id="item_2")
    return call


async def talk(url: str, sizes: Sequence[float], until: int, per_ms: int = PCM16) -> list[float]:
    """Stream audio chunk by chunk; how much had been sent when each turn was heard to begin."""
    sent, heard = 0.0, []
    async with connect(f"{url}/realtime") as live:

        async def listen() -> None:
            async for frame in live:
                if json.loads(frame)["type"] == "input_audio_buffer.speech_started":
                    heard.append(sent)
                if len(heard) == until:
                    return

        listening = asyncio.create_task(listen())
        with suppress(ConnectionClosed):  # the recording is over while it still speaks
            for ms in sizes:
                await asyncio.sleep(0.002)
                sent += ms
                await live.send(append(ms, per_ms))
        await asyncio.wait_for(listening, 30)
    return heard


@pytest.mark.parametrize("rule", ["strict", "type"])
@pytest.mark.parametrize("size", [10, 40, 250])
def test_a_turn_begins_once_as_much_was_said(size: int, rule: MatchRule) -> None:
    """However large the client's chunks are."""
    with served(one(barge_in().frames), Manner(speed=None, rule=rule)) as server:
        heard = asyncio.run(talk(server.url, [size] * (2400 // size), 2))
    assert heard[0] >= 960 and heard[1] >= 1960


def test_without_a_rule_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PATIENCE", 600)
    with served(one(barge_in().frames), Manner(speed=None, rule="none")) as server:
        assert asyncio.run(talk(server.url, [], 2)) == [0, 0]


def test_an_agent_has_said_as_much_when_it_is_cut_short() -> None:
    """By the recorded pace: what follows a turn keeps its distance to it."""

    async def deltas_before_cut(url: str) -> int:
        came = 0
        async with connect(f"{url}/realtime") as live:

            async def stream() -> None:
                for _ in range(60):
                    await live.send(append(50))
                    await asyncio.sleep(0.01)

            streaming = asyncio.create_task(stream())
            turns = 0
            async for frame in live:
                type_ = json.loads(frame)["type"]
                came += type_ == "response.output_text.delta"
                turns += type_ == "input_audio_buffer.speech_started"
                if turns == 2:
                    break
            streaming.cancel()
        return came

    with served(one(barge_in().frames), Manner(speed=5)) as server:
        assert asyncio.run(deltas_before_cut(server.url)) == 10


@pytest.mark.parametrize("streams", [True, False])
def test_who_streams_less_or_nothing_is_served_after_a_while(
    streams: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_PAUSE", 0.2)
    monkeypatch.setattr(connections, "_PATIENCE", 600 if streams else 0.2)
    with served(one(barge_in().frames)) as server:
        sizes = [10.0] if streams else []
        assert asyncio.run(talk(server.url, sizes, 2)) == [sum(sizes)] * 2


@pytest.mark.parametrize(
    ("session", "per_ms"),
    [
        ({"input_audio_format": "g711_ulaw"}, ULAW),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}, PCM8),
    ],
)
def test_length_goes_by_the_format(session: dict[str, Any], per_ms: int) -> None:
    script = write_script(barge_in(session, per_ms).frames)
    assert [round(heard.ms) for heard in script.hears.values()] == [1000, 1000, 1000, 2000]
    assert script.input_ms == 2000
    with served(one(barge_in(session, per_ms).frames)) as server:
        heard = asyncio.run(talk(server.url, [1000, 1000], 2, per_ms))
    assert heard[0] >= 1000 and heard[1] == 2000


def test_a_live_client_may_stream_another_format() -> None:
    """Its own configuration says what its audio is."""

    async def talk_ulaw(url: str) -> list[float]:
        async with connect(f"{url}/realtime") as live:
            told = {"type": "session.update", "session": {"input_audio_format": "g711_ulaw"}}
            await live.send(json.dumps(told))
            sent, heard = 0, []
            async for frame in live:
                if json.loads(frame)["type"] == "input_audio_buffer.speech_started":
                    heard.append(sent)
                    return heard
                while sent < 1000:
                    sent += 50
                    await live.send(append(50, ULAW))
        return []

    with served(one(barge_in().frames)) as server:
        assert asyncio.run(talk_ulaw(server.url)) == [1000]


@pytest.mark.parametrize("audio", [None, 7, "", "====", "A" * 7, [], {"a": 1}])
def test_odd_audio_counts_for_little(audio: Any) -> None:
    clock = InputClock()
    clock.add(None, {"type": "input_audio_buffer.append", "audio": audio})
    clock.configure({"input_audio_format": audio})
    assert 0 <= clock.ms < 1
