"""Unit: `traceparent` and `tracestate`, as W3C's recommendation has them, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.examples import examples

from eventstore.realtime.trace_context import parse_traceparent, trace_notes, trace_parent_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_parent() -> None:
    found = parse_traceparent(PARENT, "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE,,")
    assert found is not None
    assert (found.trace_id.hex(), found.span_id.hex(), found.sampled) == (TRACE, SPAN, True)
    assert found.state == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_whether_it_is_sampled(flags: str, sampled: bool) -> None:
    found = parse_traceparent(f"{PARENT[:-2]}{flags}")
    assert found is not None and found.sampled is sampled


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        b"00",
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-",
        f"{PARENT}-x",
        f"{PARENT}\n",
        f"{PARENT},{PARENT}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}{SPAN}--01",
        f"cc-{TRACE}-{SPAN}-01x",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 10_000}",
        "00-" + "١" * 32 + f"-{SPAN}-01",
    ],
)
def test_what_is_none(value: object) -> None:
    assert parse_traceparent(value) is None
    assert trace_notes([str(value)]) == {}


def test_a_later_version_may_say_more() -> None:
    found = parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what.the.future.says")
    assert found is not None and found.trace_id.hex() == TRACE


@pytest.mark.parametrize(
    "state",
    [
        None,
        3,
        "nonsense",
        "A=1",
        "a=1,a=2",
        "a=\0",
        "a=é",
        "a=b=c",
        "a=1;b",
        "a=" + "x" * 600,
        ",".join(f"k{number}=1" for number in range(33)),
        "@b=1",
    ],
)
def test_a_state_that_is_not_valid_leaves_the_parent(state: object) -> None:
    found = parse_traceparent(PARENT, state)
    assert found is not None
    assert found.state == ("a=1;b" if state == "a=1;b" else "")


def test_two_parents_are_none() -> None:
    assert trace_notes([PARENT, PARENT]) == {} and trace_notes([]) == {}
    assert trace_notes([f" {PARENT} "], ["a=1", "b=2"]) == {
        "traceparent": PARENT,
        "tracestate": "a=1,b=2",
    }


def test_the_note_wins_over_metadata() -> None:
    other = f"00-{'a' * 32}-{SPAN}-01"
    found = trace_parent_of({"traceparent": PARENT}, {"traceparent": other})
    assert found is not None and found.trace_id.hex() == TRACE
    found = trace_parent_of({"traceparent": "x"}, {"traceparent": other, "tracestate": "a=1"})
    assert found is not None and (found.trace_id.hex(), found.state) == ("a" * 32, "a=1")
    assert trace_parent_of({"traceparent": ["x"]}, {}) is None


@given(
    value=st.text(max_size=80)
    | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?", fullmatch=True),
    state=st.text(max_size=40) | st.from_regex(r"[a-z0-9@]{1,6}=[ -~]{0,6}", fullmatch=True),
)
@examples(300)
def test_it_takes_nothing_that_opentelemetry_refuses(value: str, state: str) -> None:
    found = parse_traceparent(value, state)
    if found is None:
        return
    carrier = {"traceparent": value.strip(" \t"), "tracestate": found.state}
    context = get_current_span(TraceContextTextMapPropagator().extract(carrier))
    told = context.get_span_context()
    assert told.trace_id == int.from_bytes(found.trace_id)
    assert told.span_id == int.from_bytes(found.span_id)
    assert told.trace_flags.sampled is found.sampled
    assert ",".join(f"{key}={one}" for key, one in told.trace_state.items()) == found.state
