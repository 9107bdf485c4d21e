"""Every event of GPT-Live that the `openai` package knows is known, and who sends it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from openai.types import live
from openai.types.live.connect_client_event import ConnectClientEvent
from openai.types.live.connect_server_event import ConnectServerEvent
from openai.types.live.fork_client_event import ForkClientEvent
from openai.types.live.fork_server_event import ForkServerEvent
from realtime.test_catalogue import UNIONS as REALTIME_UNIONS
from realtime.test_catalogue import members, types_of

from eventstore.projection import fold
from eventstore.realtime import catalogue, live_catalogue
from eventstore.realtime.frames import CLIENT, SERVER

UNIONS = {
    "client": (CLIENT, live.ClientEvent),
    "sideband-client": (CLIENT, ConnectClientEvent),
    "fork-client": (CLIENT, ForkClientEvent),
    "server": (SERVER, live.ServerEvent),
    "sideband-server": (SERVER, ConnectServerEvent),
    "fork-server": (SERVER, ForkServerEvent),
}
TYPES = [
    pytest.param(type_, direction, id=f"{name}:{type_}")
    for name, (direction, union) in UNIONS.items()
    for type_ in sorted(types_of(union))
]
#: What both sides send: the server reflects the user's audio to sidebands, and older servers told
#: by it that a key was sent.
OF_BOTH = {"session.input_audio.append", "transport.dtmf.send"}
FOLDED, NO_EFFECT = live_catalogue.LIVE_FOLDED, live_catalogue.LIVE_NO_EFFECT


def test_the_unions_were_read() -> None:
    found = {name: len(types_of(union)) for name, (_, union) in UNIONS.items()}
    assert found["server"] >= 28
    assert found["sideband-server"] >= 28
    assert found["client"] >= 15
    assert "response.event" in types_of(live.ServerEvent)


def test_every_union_of_the_package_is_walked() -> None:
    names = [name for name in vars(live) if name.endswith(("ClientEvent", "ServerEvent"))]
    walked = [union for _, union in UNIONS.values()]
    for name in names:
        union: Any = getattr(live, name)
        if get_args(union):
            assert any(set(members(union)) <= set(members(other)) for other in walked), name


@pytest.mark.parametrize(("type_", "direction"), TYPES)
def test_an_event_is_folded_or_known_to_have_no_effect(type_: str, direction: str) -> None:
    assert (type_ in FOLDED) != (type_ in NO_EFFECT)
    assert catalogue.is_known(type_)


@pytest.mark.parametrize(("type_", "direction"), TYPES)
def test_who_sends_an_event_is_known_by_its_type(type_: str, direction: str) -> None:
    if type_ not in OF_BOTH:
        assert catalogue.direction_of({"type": type_}) == direction
        assert (type_ in live_catalogue.LIVE_CLIENT_TYPES) == (direction == CLIENT)
    assert direction == SERVER or not catalogue.is_made_up(CLIENT, type_)


def test_each_folded_type_has_a_handler_and_no_other_has() -> None:
    own = {type_ for type_ in fold.LIVE_HANDLERS if not type_.startswith("eventstore.")}
    assert own == FOLDED


def test_a_type_of_both_protocols_is_named_as_one() -> None:
    realtime = set[str]().union(*(types_of(union) for _, union in REALTIME_UNIONS.values()))
    of_live = set[str]().union(*(types_of(union) for _, union in UNIONS.values()))
    assert realtime & of_live <= live_catalogue.SHARED_WITH_REALTIME


def test_why_a_type_has_no_effect_is_said() -> None:
    assert all(NO_EFFECT.values())
