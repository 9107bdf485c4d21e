"""Search finds calls of tools by the tool's name and by words of the arguments, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call
from support.events import Call
from support.examples import examples
from support.searching import matches, sessions
from support.word_limits import word_limits

from eventstore import EventStore
from eventstore.store.filters.search import parse_terms
from eventstore.store.readmodels.words.searched_text import Searched, searched_text

Json = dict[str, Any]
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD"


def call_item(name: str, arguments: Any, **fields: Any) -> Json:
    """An item that calls a tool."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    item = {"id": "item_1", "type": "function_call", "name": name, "call_id": "call_1"}
    return {**item, "arguments": text, "status": "completed", **fields}


def call_tool(store: EventStore, item: Json, session_id: str = "sess") -> None:
    """A session in which one response calls this tool."""
    call = Call().created("resp_1")
    call.server("response.output_item.done", response_id="resp_1", item=item)
    store.append(session_id, call.done("resp_1", output=[item]).frames)


def searched(item: Json) -> Searched:
    return searched_text(item["type"], "", json.dumps(item))


# Unit: what is searched


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"city": "Oslo", "days": 3}, "get_weather city: Oslo days: 3"),
        (
            {"where": {"city": "東京"}, "x": [1, "b", None, True]},
            "get_weather where: city: 東京 x: 1 b",
        ),
        ([], "get_weather"),
        ("", "get_weather "),
        ('{"city":"Os', 'get_weather {"city":"Os'),
        ("Oslo", "get_weather Oslo"),
        ({"api_key": KEY, "city": "Oslo"}, "get_weather api_key: … city: Oslo"),
        ({"password": "hunter2 too"}, "get_weather password: …"),
        ({"note": f"use {KEY} please"}, "get_weather note: use … please"),
    ],
)
def test_a_call_in_words(arguments: Any, text: str) -> None:
    assert searched(call_item("get_weather", arguments)) == Searched(text, is_call=True)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "search"}]},
        {"type": "function_call_output", "call_id": "call_1", "output": '{"name":"Ann"}'},
        {"type": "message", "name": "x", "content": []},
        {"type": "mcp_approval_response", "approve": True},
    ],
)
def test_what_calls_no_tool_says_nothing(item: Json) -> None:
    assert searched(item).text == ""


@given(
    arguments=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)
    | st.text()
)
@examples(200)
def test_any_arguments_can_be_searched(arguments: Any) -> None:
    searched(call_item("x", arguments)).tokens()


@pytest.mark.parametrize(
    ("name", "query", "shown"),
    [
        ("get_weather", "weather", "get_[weather]"),
        ("get_weather", "get_weather", "[get_weather]"),
        ("get_weather", "GET_WEATHER", "[get_weather]"),
        ("getWeather", "weather", "get[Weather]"),
        ("getWeather", "getweather", "[getWeather]"),
        ("getWeather", "get_weather", "[getWeather]"),
        ("getHTTPStatus2", "http", "get[HTTP]Status2"),
        ("get-weather.v2", "weather", "get-[weather].v2"),
        ("天気を調べる", "天気", "[天気]を調べる"),
        ("getWeather", "eather", None),
    ],
)
def test_parts_of_a_name(name: str, query: str, shown: str | None) -> None:
    assert searched(call_item(name, "{}")).snippet(parse_terms(query)) == shown


def test_parts_are_of_names_alone_where_somebody_speaks() -> None:
    assert Searched("ask McDonald").snippet(parse_terms("donald")) is None


# Integration: what is found


@pytest.mark.parametrize(
    "query",
    [
        "get_weather",
        "weather",
        "get_wea*",
        "oslo",
        "city",
        '"city oslo"',
        "東京",
        "arrivesAt",
        "arrives",
    ],
)
@word_limits
def test_a_call_is_found(
    store: EventStore, query: str, limits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(f"eventstore.store.filters.sql_conditions.{name}", limit)
    call_tool(store, call_item("get_weather", {"city": "Oslo", "arrivesAt": "\u6771\u4eac\u90fd"}))
    call_tool(store, call_item("end_call", {}), "other")
    assert sessions(store, query) == {"sess"}
    assert [one["id"] for one in store.sessions(text=query).data] == ["sess"]
    assert len(matches(store, query)) == 1


def test_its_match_is_shown_as_a_call(store: EventStore) -> None:
    store.append("tools", beta_tool_call().frames)
    page = store.responses(text="weather oslo")
    assert [entry["id"] for entry in page.data] == ["resp_1"]
    assert page.data[0]["eventstore"]["match"] == [
        {"item_id": "item_1", "role": "user", "text": "[Weather] in Oslo?"},
        {"item_id": "item_2", "role": None, "text": "[weather] city: Oslo"},
    ]


@pytest.mark.parametrize("type_", ["mcp_call", "mcp_approval_request"])
def test_a_call_of_an_mcp_server_is_found(store: EventStore, type_: str) -> None:
    item = call_item("find_orders", {"customer": "Ann"}, type=type_, server_label="shop")
    call_tool(store, item)
    for query in ("find_orders", "orders ann", "shop"):
        assert sessions(store, query) == {"sess"}, query


def test_arguments_are_found_once_they_are_whole(store: EventStore) -> None:
    item = call_item("get_weather", "", status="in_progress")
    call = Call().created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", item=item)
    store.append("sess", call.frames)
    assert (sessions(store, "weather"), sessions(store, "oslo")) == ({"sess"}, set())
    call = Call()
    whole = call_item("get_weather", {"city": "Oslo"})
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    store.append("sess", call.frames)
    assert (sessions(store, "weather"), sessions(store, "oslo")) == ({"sess"}, {"sess"})
    store.rebuild().raise_for_errors()
    assert sessions(store, "oslo") == {"sess"}


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [
        ({"city": "Oslo", "password": "hunter2"}, "hunter2"),
        ({"city": "Oslo", "apiKey": KEY}, KEY),
        ({"city": "Oslo", "note": f"it is {KEY}"}, KEY),
        ({"city": "Oslo", "headers": {"Authorization": "Bearer abcdef123456"}}, "abcdef123456"),
        ({"city": "Oslo", "body": json.dumps({"token": "tok_secret_123"})}, "tok_secret_123"),
        (
            {"city": "Oslo", "url": "https://ann:hunter2x@example.com/?key=k_secret_456"},
            "k_secret_456",
        ),
    ],
)
def test_no_secret_of_a_call_is_found(store: EventStore, arguments: Json, secret: str) -> None:
    call_tool(store, call_item("get_weather", arguments))
    assert sessions(store, "oslo") == {"sess"}
    for query in (secret, f'"{secret}"', f"{secret[:6]}*", "removed"):
        assert sessions(store, query) == set(), query
        assert store.sessions(text=query).data == []
    held = {"postgresql": "SELECT said_words::text FROM items", "sqlite": "SELECT text FROM said"}
    with store.engine.connect() as connection:
        words = connection.exec_driver_sql(held[connection.dialect.name]).scalars().all()
    assert words and not any(secret.lower() in (text or "") for text in words)
