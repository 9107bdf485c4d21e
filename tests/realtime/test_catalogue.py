"""Every event that the `openai` package and its documentation know is known to the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from azure.ai.voicelive.models import ClientEvent, ClientEventType, ServerEvent, ServerEventType
from openai.types import realtime as ga
from openai.types.beta import realtime as beta
from support.recordings import MISSING, each_recording, schema_examples

from eventstore.projection import fold
from eventstore.projection.load_keys import load_key
from eventstore.realtime import catalogue
from eventstore.realtime.frames import CLIENT, SERVER, STORE

UNIONS = {
    "ga-client": (CLIENT, ga.RealtimeClientEvent),
    "ga-server": (SERVER, ga.RealtimeServerEvent),
    "beta-client": (CLIENT, beta.RealtimeClientEvent),
    "beta-server": (SERVER, beta.RealtimeServerEvent),
    "translation-client": (CLIENT, ga.RealtimeTranslationClientEvent),
    "translation-server": (SERVER, ga.RealtimeTranslationServerEvent),
}


def members(annotation: Any) -> Iterator[type]:
    """The classes of a union, however it is wrapped and nested."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin is Union:
        for argument in get_args(annotation):
            yield from members(argument)
    else:
        yield annotation


def types_of(union: Any) -> set[str]:
    """The `type` of each member of a union."""
    types: set[str] = set()
    for member in members(union):
        annotation = member.model_fields["type"].annotation  # type: ignore[attr-defined]
        assert get_origin(annotation) is Literal, member
        types.update(get_args(annotation))
    return types


OPENAI_TYPES = [
    pytest.param(type_, direction, id=f"{name}:{type_}")
    for name, (direction, union) in UNIONS.items()
    for type_ in sorted(types_of(union))
]

#: Azure Voice Live's, by the classes of its package and by its lists of names,
#: and those that only its voice agents have, which the package for projects lists.
VOICE_LIVE_TYPES = sorted(
    {("response.system_tool_arguments.done", SERVER)}
    | {("session.end_conversation.completed", SERVER)}
    | {(str(type_), CLIENT) for type_ in ClientEvent.__mapping__}
    | {(type_.value, CLIENT) for type_ in ClientEventType}
    | {(str(type_), SERVER) for type_ in ServerEvent.__mapping__}
    | {(type_.value, SERVER) for type_ in ServerEventType}
)

#: Examples that are events; the others are resources of the HTTP API.
EXAMPLES = [entry for entry in schema_examples() if "Event" in entry["schema"]]

needs_examples = pytest.mark.skipif(not EXAMPLES, reason=MISSING)


def test_the_unions_were_read() -> None:
    found = {name: len(types_of(union)) for name, (_, union) in UNIONS.items()}
    assert found["ga-server"] >= 46
    assert found["beta-server"] >= 30
    assert found["ga-client"] >= 11
    assert found["translation-client"] >= 3
    assert "response.mcp_call.failed" in types_of(ga.RealtimeServerEvent)


@pytest.mark.parametrize(("type_", "direction"), VOICE_LIVE_TYPES)
def test_an_event_of_voice_live_is_known_and_who_sends_it(type_: str, direction: str) -> None:
    assert catalogue.is_known(type_)
    folded = catalogue.canonical(type_) in catalogue.FOLDED
    assert folded != (type_ in catalogue.NO_EFFECT)
    assert catalogue.direction_of({"type": type_}) == direction


def test_what_logs_held_before_it_was_known_is_found_as_it_was() -> None:
    """Its load key is that of an unknown type: nothing in a log has to change."""
    for type_, _ in VOICE_LIVE_TYPES:
        if load_key(type_, {}, "server") is None:
            assert any(type_ in types_of(union) for _, union in UNIONS.values()), type_


@pytest.mark.parametrize(("type_", "direction"), OPENAI_TYPES)
def test_an_openai_event_is_folded_or_known_to_have_no_effect(type_: str, direction: str) -> None:
    folded = catalogue.canonical(type_) in catalogue.FOLDED
    assert folded != (type_ in catalogue.NO_EFFECT)
    assert catalogue.is_known(type_)


@pytest.mark.parametrize(("type_", "direction"), OPENAI_TYPES)
def test_an_openai_events_direction_is_known_by_its_type(type_: str, direction: str) -> None:
    assert catalogue.direction_of({"type": type_}) == direction
    assert (type_ in catalogue.CLIENT_TYPES) == (direction == CLIENT)


@needs_examples
def test_every_documented_example_is_known() -> None:
    assert len(EXAMPLES) > 100
    unknown = [e["schema"] for e in EXAMPLES if not catalogue.is_known(e["event"]["type"])]
    assert unknown == []


@needs_examples
def test_every_documented_examples_direction_is_right() -> None:
    for entry in EXAMPLES:
        expected = CLIENT if "ClientEvent" in entry["schema"] else SERVER
        assert catalogue.direction_of(entry["event"]) == expected, entry["schema"]


@each_recording
def test_recorded_events_are_known_and_their_direction_is_right(recording: Path) -> None:
    for line in recording.read_text().splitlines():
        entry = json.loads(line)
        assert catalogue.is_known(entry["event"]["type"])
        assert catalogue.direction_of(entry["event"]) == entry["direction"]


@pytest.mark.parametrize(
    ("event", "direction"),
    [
        (None, SERVER),
        ({}, SERVER),
        ({"type": None}, SERVER),
        ({"type": ["response.create"]}, SERVER),
        ({"type": "response.unheard_of"}, SERVER),
        ({"type": "eventstore.session.opened"}, STORE),
    ],
)
def test_a_direction_is_found_for_any_event(event: dict[str, Any] | None, direction: str) -> None:
    assert catalogue.direction_of(event) == direction


def test_each_folded_type_has_a_handler_and_no_other_has() -> None:
    assert set(fold.HANDLERS) == catalogue.FOLDED


def test_a_type_is_folded_or_has_no_effect() -> None:
    assert not catalogue.FOLDED & set(catalogue.NO_EFFECT)
    assert all(catalogue.NO_EFFECT.values()), "say why a type has no effect"


def test_beta_names_lead_to_ga_names() -> None:
    assert set(catalogue.RENAMED.values()) <= catalogue.FOLDED
    assert not set(catalogue.RENAMED) & catalogue.FOLDED
    assert catalogue.canonical("conversation.item.created") == "conversation.item.added"
    assert catalogue.canonical("response.unheard_of") == "response.unheard_of"


def test_a_rebuild_skips_no_type_that_must_be_folded_in_full() -> None:
    skipped = {catalogue.canonical(type_) for type_ in catalogue.SKIPPED_BY_REBUILD}
    text_deltas = {catalogue.canonical(type_) for type_ in catalogue.TEXT_DELTAS}
    assert skipped & catalogue.FOLDED == text_deltas
    assert all(type_.endswith(".delta") for type_ in text_deltas)
    # Both names of a delta are skipped, or neither.
    both = set(catalogue.RENAMED.items())
    for beta_name, ga_name in both:
        assert (beta_name in catalogue.TEXT_DELTAS) == (ga_name in catalogue.TEXT_DELTAS)
        assert (beta_name in catalogue.AUDIO_DELTAS) == (ga_name in catalogue.AUDIO_DELTAS)
