"""Faults as they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore import InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.replay.serving.faults import Faults, InjectedFault, error_event, parse_fault


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("drop@12", InjectedFault("drop", 12, "", 1, "")),
        ("close@response.done#2=1011", InjectedFault("close", 0, "response.done", 2, "1011")),
        ("delay@response.*#*=0.25", InjectedFault("delay", 0, "response.*", 0, "0.25")),
        ("error@response.created=a=b#c", InjectedFault("error", 0, "response.created", 1, "a=b#c")),
        ("lose@*", InjectedFault("lose", 0, "*", 1, "")),
    ],
)
def test_a_fault_as_it_is_written(spec: str, fault: InjectedFault) -> None:
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "drop",
        "drop@",
        "break@1",
        "drop@0",
        "drop@1#2",
        "drop@a#0",
        "drop@1=x",
        "delay@1",
        "delay@1=x",
        "delay@1=99999",
        "delay@1=-1",
        "repeat@1=a",
        "repeat@1=9999",
        "close@1=1006",
        "close@1=99",
    ],
)
def test_what_is_no_fault_is_refused_with_how_to_write_it(spec: str) -> None:
    with pytest.raises(InvalidInputError, match="fault"):
        parse_fault(spec)


@given(st.text(max_size=30))
@examples(200)
def test_any_text_is_a_fault_or_refused(spec: str) -> None:
    try:
        fault = parse_fault(spec)
    except InvalidInputError:
        return
    Faults([fault]).at(StoredEvent(1, None, "server", "response.done", "{}"))


def test_several_faults_at_one_place_add_up() -> None:
    faults = Faults(map(parse_fault, ("delay@1=0.5", "delay@a=0.25", "repeat@1=3", "error@a=Oh")))
    action = faults.at(StoredEvent(1, None, "server", "a", "{}"))
    assert action is not None
    assert (action.delay, action.times, len(action.before)) == (0.75, 3, 1)
    assert faults.at(StoredEvent(2, None, "server", "a", "{}")) is None


def test_an_error_is_one_that_the_openai_package_reads() -> None:
    types = pytest.importorskip("openai.types.realtime")
    event = types.RealtimeErrorEvent.model_validate(json.loads(error_event("server_error", "Oh")))
    assert (event.error.type, event.error.message) == ("server_error", "Oh")
