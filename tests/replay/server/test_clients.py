"""Acceptance: real clients are served recorded sessions, and end with the items of the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from replay.shown import sample_frames, shown
from support.recordings import each_recording, frames
from support.replaying import Served, one, sent_by, served

from eventstore import EventStore, Frame
from eventstore.realtime.frames import CLIENT, SERVER, parse
from eventstore.replay.serving.connection import Manner

BETA = frozenset({"openai-beta-interrupted"})
TRANSLATION = frozenset({"openai-translation"})


class Heard:
    """What a client makes of the events it gets, by itself: items in order, and what they say."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.said: dict[str, str] = {}

    def take(self, event: Any) -> None:
        kind = event.type
        if kind in ("conversation.item.added", "conversation.item.created"):
            self._place(event.item.id, getattr(event, "previous_item_id", None))
        if kind in (
            "conversation.item.added",
            "conversation.item.created",
            "conversation.item.done",
        ):
            for part in getattr(event.item, "content", None) or []:
                words = getattr(part, "text", None) or getattr(part, "transcript", None)
                if words:
                    self.said[event.item.id] = words
        elif kind == "conversation.item.deleted":
            self.order.remove(event.item_id)
        elif kind.endswith(("audio_transcript.done", "input_audio_transcription.completed")):
            self.said[event.item_id] = event.transcript
        elif kind in ("response.text.done", "response.output_text.done"):
            self.said[event.item_id] = event.text

    def _place(self, item_id: str, previous: str | None) -> None:
        if item_id in self.order:
            return
        after = self.order.index(previous) + 1 if previous in self.order else len(self.order)
        self.order.insert(after, item_id)

    def items(self) -> list[tuple[str, str]]:
        return [(item_id, self.said.get(item_id, "")) for item_id in self.order]


def client_of(server: Served, kind: type[Any]) -> Any:
    return kind(api_key="sk-none", websocket_base_url=server.url, base_url="http://127.0.0.1:9/v1")


def play_sync(resource: Any, recorded: Sequence[Frame]) -> tuple[Heard, list[str]]:
    """Be the recorded client by the `openai` package's connection; also what was on the wire."""
    heard, wire = Heard(), []
    with resource.connect(model="gpt-realtime") as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                raw = connection.recv_bytes()
                wire.append(raw.decode())
                heard.take(connection.parse_event(raw))
    return heard, wire


async def play_async(resource: Any, recorded: Sequence[Frame]) -> tuple[Heard, list[str]]:
    heard, wire = Heard(), []
    async with resource.connect(model="gpt-realtime") as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                await connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                raw = await connection.recv_bytes()
                wire.append(raw.decode())
                heard.take(connection.parse_event(raw))
    return heard, wire


def check(store: EventStore, recorded: Sequence[Frame], beta: bool, is_async: bool) -> None:
    with served(one(recorded), Manner(speed=None, rule="strict")) as server:
        client = client_of(server, openai.AsyncOpenAI if is_async else openai.OpenAI)
        resource = client.beta.realtime if beta else client.realtime
        if is_async:
            heard, wire = asyncio.run(play_async(resource, recorded))
        else:
            heard, wire = play_sync(resource, recorded)
        assert wire == sent_by(recorded, SERVER)
        assert server.outcome().drift == []
    assert heard.items() == shown(store, recorded)


def check_translation(store: EventStore, recorded: Sequence[Frame], is_async: bool) -> None:
    """Translation sessions have an endpoint of their own and no items: texts are compared."""
    with served(one(recorded), Manner(speed=None, rule="strict")) as server:
        client = client_of(server, openai.AsyncOpenAI if is_async else openai.OpenAI)
        resource = client.realtime.translations
        if is_async:
            _, wire = asyncio.run(play_async(resource, recorded))
        else:
            _, wire = play_sync(resource, recorded)
    assert wire == sent_by(recorded, SERVER)
    store.append("sess_shown", recorded, close=True)
    shown = store.session("sess_shown")["eventstore"]["translation"]
    for side in ("input", "output"):
        kind = f"session.{side}_transcript.delta"
        deltas = (event["delta"] for event in map(json.loads, wire) if event["type"] == kind)
        assert "".join(deltas).strip() == shown[side]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@each_recording
def test_the_openai_package_is_served_every_recording(
    store: EventStore, recording: Path, is_async: bool
) -> None:
    if recording.stem in TRANSLATION:
        check_translation(store, frames(recording), is_async)
        return
    check(store, frames(recording), recording.stem in BETA, is_async)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_openai_package_is_served_the_sample_call(store: EventStore, is_async: bool) -> None:
    check(store, sample_frames(), False, is_async)
