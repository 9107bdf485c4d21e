"""Integration: events and ids of any shape are served by every route, or refused, by no failure."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.events import Call

from eventstore import EventStore, Frame
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.verbs.results import Results

#: No text that a database keeps, as it stands in a path or a query.
NO_IDS = {"NUL": "%00", "NUL within": "sess_1%00x", "half a character": "%ED%A0%BD"}
PATHS = [
    "/v1/realtime/sessions/{}",
    "/v1/realtime/sessions/{}/state",
    "/v1/realtime/sessions/{}/events",
    "/v1/realtime/sessions/{}/events?format=jsonl",
    "/v1/realtime/sessions/{}/events?stream=true",
    "/v1/realtime/sessions/{}/usage",
    "/v1/realtime/sessions/{}/transcript",
    "/v1/realtime/sessions/{}/waveform",
    "/v1/realtime/sessions/{}/reseed",
    "/v1/realtime/sessions/{}/audio",
    "/v1/realtime/responses/{}",
    "/v1/realtime/responses/resp_1?session={}",
    "/v1/realtime/responses?after={}",
    "/v1/realtime/responses?before={}",
    "/v1/realtime/responses?q={}",
    "/v1/realtime/responses?model={}",
    "/v1/realtime/responses?session={}",
    "/v1/realtime/responses?conversation={}",
    "/v1/realtime/responses?metadata[{}]=x",
    "/v1/realtime/responses?metadata[x]={}",
    "/v1/realtime/sessions?after={}",
    "/v1/realtime/sessions?q={}",
    "/v1/realtime/sessions?metadata[x]={}",
    "/v1/realtime/sessions?created[gte]={}",
    "/v1/realtime/usage?by=metadata:{}",
    "/v1/realtime/latency?by=metadata:{}",
    "/v1/realtime/metadata?prefix={}",
    "/v1/realtime/metadata/values?key={}",
    "/v1/realtime/metadata/values?key=x&prefix={}",
    "/v1/conversations/{}",
    "/v1/conversations/conv_1?session={}",
    "/v1/conversations/{}/items",
    "/v1/conversations/conv_1/items/{}",
    "/v1/conversations/conv_1/items?after={}",
    "/sessions/{}",
    "/?q={}",
    "/responses?after={}",
    "/responses?metadata={}",
    "/usage?by=metadata:{}",
]


def asked(api: httpx.Client, path: str) -> httpx.Response:
    return api.get(f"{str(api.base_url).removesuffix('/v1/')}{path}")


@pytest.mark.parametrize("no_id", list(NO_IDS))
def test_what_cannot_exist_is_refused_or_not_found(
    api: httpx.Client, store: EventStore, no_id: str
) -> None:
    store.append("sess_1", Call().typed("item_1", "Hello").created("resp_1").frames)
    answers = {path: asked(api, path.format(NO_IDS[no_id])).status_code for path in PATHS}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


NO_TEXTS = ["a\0", "\ud83d"]


@pytest.mark.parametrize("text", NO_TEXTS, ids=ascii)
def test_every_verb_refuses_what_cannot_exist(store: EventStore, text: str) -> None:
    store.append("sess_1", Call().typed("item_1", "Hello").created("resp_1").frames)
    verbs: dict[str, Any] = {
        "last_seq": lambda: store.last_seq(text),
        "revision": lambda: store.revision(text),
        "metadata": lambda: store.metadata(text),
        "session": lambda: store.session(text),
        "events": lambda: list(store.events(text)),
        "events by type": lambda: list(store.events("sess_1", type=f"{text}*")),
        "export": lambda: list(store.export(text)),
        "verify": lambda: store.verify(text),
        "response": lambda: store.response(text),
        "response of session": lambda: store.response("resp_1", text),
        "conversation": lambda: store.conversation(text),
        "conversation of session": lambda: store.conversation("conv_1", text),
        "sessions": lambda: store.sessions(after=text),
        "responses": lambda: store.responses(metadata={"a": text}),
        "usage": lambda: store.usage(by=f"metadata:{text}"),
        "latency": lambda: store.latency(by=f"metadata:{text}"),
        "keys": lambda: store.metadata_keys(text),
        "values": lambda: store.metadata_values(text, text),
        "scoped": lambda: store.scoped("a", text),
        "rebuild": lambda: store.rebuild([text]),
        "seal": lambda: store.seal([text]),
        "unseal": lambda: store.unseal(text),
        "erase": lambda: store.erase(text, vacuum=False),
        "append": lambda: store.append(text, []),
    }
    for name, verb in verbs.items():
        made: Any = None
        with suppress(InvalidInputError, NotFoundError):
            made = verb()
        if isinstance(made, Results):
            assert len(made.failed) == 1
            made = made.done
        assert not made, (name, made)


@pytest.mark.parametrize("id_", [None, "", 7, ["resp"], {"a": 1}], ids=ascii)
def test_a_response_without_an_id_of_its_own_has_the_one_beside_it(
    api: httpx.Client, store: EventStore, id_: object
) -> None:
    call = Call()
    for name in ("resp_1", "resp_2"):
        response = {"id": id_, "status": "completed", "output": []}
        call.server("response.done", response_id=name, response=response)
    store.append("sess_1", call.frames)
    assert asked(api, "/responses").status_code == 200
    listed = api.get("realtime/responses?limit=1").json()
    assert listed["data"][0]["id"] == listed["last_id"] == "resp_2"
    behind = api.get("realtime/responses", params={"after": listed["last_id"]}).json()
    assert [response["id"] for response in behind["data"]] == ["resp_1"]
    assert store.response("resp_1")["id"] == "resp_1"
    assert {response["id"] for response in store.state("sess_1")["responses"]} == {
        "resp_1",
        "resp_2",
    }


@pytest.mark.parametrize("text", ['{"type":"x","a":"\\ud83d"}', '{"type":"x","a":"\ud83d"}', "\0"])
def test_half_a_character_is_listed_and_streamed(
    api: httpx.Client, store: EventStore, text: str
) -> None:
    store.append("sess_1", [Frame("server", text)], close=True)
    (listed,) = api.get("realtime/sessions/sess_1/events").json()["data"]
    assert listed["frame"] == text
    told = api.get("realtime/sessions/sess_1/events", params={"stream": "true"}).text
    assert json.loads(told.split("data: ")[1].split("\n")[0])["frame"] == text
    (line,) = api.get("realtime/sessions/sess_1/events?format=jsonl").text.splitlines()
    assert json.loads(line)["frame"] == text


def test_exported_halves_of_characters_are_appended_by_http(
    api: httpx.Client, store: EventStore
) -> None:
    text = '{"type":"response.text.delta","delta":"\\ud83d"}'
    lone = '{"type":"response.text.delta","delta":"\ud83d"}'
    frame = json.dumps({"direction": "server", "frame": lone})
    body = f'{{"events":[{text},{frame}]}}'
    answer = api.post("realtime/sessions/sess_1/events", content=body)
    assert answer.status_code == 200, answer.text
    assert [event.text for event in store.events("sess_1")] == [text, lone]


@pytest.mark.parametrize("levels", [199, 200, 253, 254, 999, 1100])
def test_events_of_any_depth_are_kept_exactly_and_served(
    api: httpx.Client, store: EventStore, levels: int
) -> None:
    session = f'{{"id":"sess_1","deep":{"[" * levels}{"]" * levels}}}'
    deep = f'{{"type":"session.updated","session":{session}}}'
    item = f'{{"id":"item_1","type":"function_call","arguments":{"[" * levels}{"]" * levels}}}'
    added = f'{{"type":"conversation.item.added","item":{item}}}'
    store.append("sess_1", [Frame("server", deep), Frame("server", added)])
    assert [event.text for event in store.events("sess_1")] == [deep, added]
    for path in (
        "/sessions/sess_1",
        "/v1/realtime/sessions/sess_1",
        "/v1/realtime/sessions/sess_1/state",
        "/v1/realtime/sessions/sess_1/state?dialect=ga",
        "/v1/realtime/sessions/sess_1/events",
        "/v1/realtime/sessions/sess_1/transcript",
        "/v1/realtime/sessions/sess_1/reseed",
        "/v1/realtime/sessions",
        "/",
    ):
        assert asked(api, path).status_code == 200, path
    answer = api.post("realtime/sessions/sess_2/events", content=f'{{"events":[{deep}]}}')
    if answer.status_code == 400:
        assert (levels > 490 and "nested too deeply" in answer.text) or levels > 1000
    else:
        assert answer.status_code == 200, answer.text
        assert [event.text for event in store.events("sess_2")] == [deep]


METHODS = {
    "/v1/realtime/responses": "GET",
    "/v1/realtime/sessions/x": "DELETE, GET",
    "/v1/realtime/sessions/x/events": "GET, POST",
    "/sign-in": "GET, POST",
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_another_method_is_told_which_there_are(api: httpx.Client) -> None:
    base = str(api.base_url).removesuffix("/v1/")
    for path, allowed in METHODS.items():
        answer = api.put(f"{base}{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_what_is_damaged_is_told_without_the_servers_own_places(
    api: httpx.Client, store: EventStore, tmp_path: Path
) -> None:
    store.append("sess_1", Call().typed("item_1", "Hello").frames, close=True)
    store.seal(["sess_1"])
    store.offload(["sess_1"], str(tmp_path / "segments"))
    for path in (tmp_path / "segments").rglob("*"):
        if path.is_file():
            path.unlink()
    answer = api.get("realtime/sessions/sess_1/events")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "damaged")
    assert error["message"].startswith("session sess_1: events 1 to 1 cannot be read;")
    assert str(tmp_path) not in answer.text
