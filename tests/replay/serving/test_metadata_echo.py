"""Responses come with the metadata that the live client's requests have."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.events import Call
from support.replaying import INSTANT, one, play_client, served
from websockets.asyncio.client import connect

from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.replay.cassette.cassette import cassette
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.matching import MatchRule

Json = dict[str, Any]


def ask(metadata: Any) -> Json:
    response = {} if metadata is None else {"metadata": metadata}
    return {"type": "response.create", "response": response}


def answered(metadata: Any, id_: str = "resp_1", echo: Any = ...) -> Call:
    """A call in which one response is asked for, by a server that sends the metadata back."""
    told = metadata if echo is ... else echo
    call = Call()
    call.server("session.created", session={"id": "sess_1"})
    call.frame(CLIENT, json.dumps(ask(metadata)))
    call.server("response.created", response={"id": id_, "status": "in_progress", "metadata": told})
    call.server("response.done", response={"id": id_, "status": "completed", "metadata": told})
    return call


def live(call: Call, metadata: Any) -> list[Frame]:
    """The same call by a client that sends other metadata."""
    asked = Frame(CLIENT, json.dumps(ask(metadata)))
    return [asked if frame.direction == CLIENT else frame for frame in call.frames]


def told(came: list[str | bytes]) -> list[Any]:
    """The metadata of each frame that came and is of a response."""
    events = [json.loads(frame) for frame in came]
    return [event["response"].get("metadata", "none") for event in events if "response" in event]


def replayed(call: Call, metadata: Any, manner: Manner = INSTANT) -> list[Any]:
    with served(one(call.frames), manner) as server:
        came, code, _ = asyncio.run(play_client(f"{server.url}/realtime", live(call, metadata)))
        assert (code, server.drift) == (1000, [])
    return told(came)


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ({"client_event_id": "a1"}, {"client_event_id": "b2"}),
        ({"n": "1", "customer": "42"}, {"n": "7", "customer": "42"}),
        ({"n": "1"}, {'"}': 'é\\"'}),
        ({"n": "1"}, None),
        (None, {"n": "1"}),
    ],
)
@pytest.mark.parametrize("rule", ["strict", "type"])
def test_the_live_requests_metadata_come_back(recorded: Any, now: Any, rule: MatchRule) -> None:
    call = answered(recorded)
    assert replayed(call, now, Manner(speed=None, rule=rule)) == [now, now]


def test_the_same_metadata_come_back_as_they_were_written() -> None:
    call = answered({"n": "1"})
    frames = [f._replace(text=str(f.text).replace('"n": "1"', '"n":   "1"')) for f in call.frames]
    with served(one(frames)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", live(call, {"n": "1"})))
    assert [f.text for f in frames if f.direction == SERVER] == came


def test_what_the_server_said_itself_stays() -> None:
    assert replayed(answered({"n": "1"}, echo={"own": "x"}), {"n": "2"}) == [{"own": "x"}] * 2


def test_metadata_are_no_ids_and_other_members_stay() -> None:
    """Names that stand for ids elsewhere, and a second member of the name further within."""
    call = answered({"item_id": "item_1", "id": "resp_1"})
    frames = [
        f._replace(text=str(f.text).replace('"status":', '"output": [{"metadata": 1}], "status":'))
        for f in call.frames
    ]
    now = {"item_id": "item_9", "id": "item_1"}
    with served(one(frames), Manner(speed=None, fresh=True)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", live(call, now)))
    assert told(came) == [now, now]
    assert all(json.loads(one_)["response"]["output"] == [{"metadata": 1}] for one_ in came[1:])


def test_where_the_clients_order_differs_each_response_has_its_requests() -> None:
    """Two requests of which the live client sends the second one first."""
    call = Call()
    call.server("session.created", session={"id": "sess_1"})
    requests = [
        {"type": "response.create", "response": {"instructions": name, "metadata": {"n": name}}}
        for name in ("one", "two")
    ]
    for request in requests:
        call.frame(CLIENT, json.dumps(request))
    for name in ("one", "two"):
        for type_ in ("response.created", "response.done"):
            call.server(type_, response={"id": f"resp_{name}", "metadata": {"n": name}})

    async def swapped(url: str) -> list[str | bytes]:
        async with connect(url) as connection:
            for request, mark in zip(reversed(requests), ("y", "x"), strict=True):
                response = {**request["response"], "metadata": {"mark": mark}}  # type: ignore[dict-item]
                await connection.send(json.dumps({**request, "response": response}))
            return [frame async for frame in connection]

    with served(one(call.frames)) as server:
        came = asyncio.run(swapped(f"{server.url}/realtime"))
    assert told(came) == [{"mark": "x"}] * 2 + [{"mark": "y"}] * 2


def test_without_a_rule_requests_are_paired_by_their_order() -> None:
    call = Call()
    call.server("session.created", session={"id": "sess_1"})
    call.frame(CLIENT, json.dumps(ask({"n": "1"})))
    call.server("response.created", 2000, response={"id": "resp_1", "metadata": {"n": "1"}})
    assert replayed(call, {"n": "2"}, Manner(rule="none")) == [{"n": "2"}]


@pytest.mark.parametrize("metadata", ["text", 7, [1], {"n": [[[[[[1]]]]]]}])
def test_what_are_no_metadata_is_not_sent_back(metadata: Any) -> None:
    (first, _) = replayed(answered({"n": "1"}), metadata)
    assert first in ({"n": "1"}, None)


def test_metadata_drift_where_that_is_asked_for(tmp_path: Path) -> None:
    path, call = tmp_path / "call.jsonl", answered({"n": "1"})
    with served(one(call.frames)) as server, cassette(path, upstream=server.url) as used:
        asyncio.run(play_client(f"{used.url}/realtime", call.frames))
    for match, drifts in (("strict", 0), ("type", 0), ("none", 0), ("exact", 1)):
        with served(one(call.frames), Manner(speed=None, rule=match)) as server:  # type: ignore[arg-type]
            asyncio.run(play_client(f"{server.url}/realtime", live(call, {"n": "2"})))
            assert len(server.drift) == drifts
    with pytest.raises(AssertionError, match=r"response\.metadata\.n"):  # noqa: SIM117
        with cassette(path, mode="none", match="exact") as used:
            asyncio.run(play_client(f"{used.url}/realtime", live(call, {"n": "2"})))
