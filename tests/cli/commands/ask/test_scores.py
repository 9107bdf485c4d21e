"""Integration: the commands about scores, and lists and exports that are chosen by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.calls import beta_tool_call, voice_call
from support.terminal import Terminal

from eventstore import EventStore


@pytest.fixture
def recorded(store: EventStore, own_folder: Path) -> EventStore:
    """A store with two closed calls."""
    store.append("voice", voice_call().frames, close=True)
    store.append("tools", beta_tool_call().frames, close=True)
    return store


def test_scores_are_given_and_listed(terminal: Terminal, recorded: EventStore) -> None:
    given = ("--response", "resp_2", "--by", "judge", "--reason", "no price", "--json")
    score = terminal("score", "voice", "helpful", "0.25", *given).json
    assert (score["value"], score["kind"], score["reason"]) == (0.25, "number", "no price")
    said = terminal("score", "voice", "solved", "true").err
    assert said == "Scored session voice: solved is true.\n"
    terminal("score", "voice", "temperature", "-3.5")
    terminal("score", "voice", "note", "7", "--kind", "text", "--item", "item_1")
    assert terminal("scores", "voice", "--json").json["data"] == recorded.scores("voice")
    values = {one["name"]: one["value"] for one in recorded.scores("voice")}
    assert values == {"helpful": 0.25, "solved": True, "temperature": -3.5, "note": "7"}
    listed = terminal("scores", "voice").out
    assert "response resp_2" in listed and "no price" in listed
    shown = terminal("state", "voice").out
    assert "helpful 0.25 (judge)" in shown and "solved true" in shown
    said = terminal("score", "voice", "solved", "--remove").err
    assert said == "Took solved of session voice back.\n"
    assert "solved" not in {one["name"] for one in recorded.scores("voice")}
    assert terminal("scores", "tools").err == "The session has no scores.\n"


def test_lists_and_exports_are_chosen_by_scores(terminal: Terminal, recorded: EventStore) -> None:
    recorded.score("voice", "helpful", 0.25, response="resp_2")
    recorded.score("tools", "helpful", 0.75)
    recorded.score("tools", "topic", "refund")
    low = terminal("responses", "--score", "helpful<0.5", "--json").json["data"]
    assert [one["id"] for one in low] == ["resp_2"]
    for options, found in (
        (("--score", "helpful>=0.5"), ["tools"]),
        (("--score", "helpful", "--label", "refund"), ["tools"]),
        (("--label", "refund", "--label", "other"), []),
    ):
        listed = terminal("sessions", *options, "--json").json["data"]
        assert [one["id"] for one in listed] == found
    assert terminal("usage", "--score", "helpful", "--json").json["total"]["responses"] == 1
    chosen = ("--score", "helpful>=0.5", "--format", "chat", "-o", "good.jsonl")
    assert terminal("export", *chosen).code == 0
    lines = [json.loads(line) for line in Path("good.jsonl").read_text().splitlines()]
    assert {line["metadata"]["session_id"] for line in lines} == {"tools"}
    assert "refund" in lines[0]["metadata"]["scores"]


def test_scores_are_summed_up(terminal: Terminal, recorded: EventStore) -> None:
    assert terminal("scores").err == "No scores match.\n"
    recorded.score("voice", "helpful", 0.25)
    recorded.score("tools", "helpful", 0.5)
    recorded.score("tools", "solved", False, by="anna")
    recorded.score("tools", "topic", "refund")
    by_name = terminal("scores").out.splitlines()
    assert [line.split() for line in by_name] == [
        ["NAME", "SCORES", "MEAN", "TRUE", "LABELS"],
        ["helpful", "2", "0.375"],
        ["solved", "1", "0%"],
        ["topic", "1", "refund", "1"],
    ]
    by_giver = terminal("scores", "--by", "giver", "--json").json
    assert by_giver == recorded.score_sums("giver")
    assert {one["key"] for one in by_giver["data"]} == {None, "anna"}
    only = terminal("scores", "--name", "helpful", "--by", "model").out.splitlines()
    assert only[0].split()[:2] == ["MODEL", "NAME"] and len(only) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("score", "voice", "helpful"), "give a value, or --remove"),
        (("score", "voice", "helpful", "1", "--remove"), "give a value, or --remove"),
        (("scores", "voice", "--by", "day"), "name a session, or sum up"),
        (("scores", "--by", "week"), "use name, day, model"),
        (("score", "voice", "a<b", "1"), "the score's name is"),
        (("score", "voice", "helpful", "x", "--kind", "number"), "use a number between"),
        (("responses", "--score", "helpful<"), "compares with a number"),
    ],
)
def test_wrong_use_is_told(
    terminal: Terminal, recorded: EventStore, arguments: tuple[str, ...], said: str
) -> None:
    found = terminal(*arguments)
    assert found.code == 2 and said in found.err and found.out == ""


def test_what_is_not_there_is_told(terminal: Terminal, recorded: EventStore) -> None:
    assert "no session none" in terminal("score", "none", "helpful", "1").error()
    arguments = ("voice", "helpful", "1", "--response", "resp_9")
    assert "session voice has no response resp_9" in terminal("score", *arguments).error()
