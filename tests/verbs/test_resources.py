"""The TypedDicts of resources say what the resources of recorded calls have."""

from __future__ import annotations

from typing import Any, NotRequired, get_origin

import pytest
from pydantic import TypeAdapter
from support.calls import SAMPLE_STREAMS
from support.gpt_live import client_call, decisions_call, responses_call
from typing_extensions import get_type_hints

from eventstore import (
    ContextReport,
    ConversationResource,
    EventStore,
    ItemNotes,
    LatencyReport,
    ResponseNotes,
    SessionNotes,
    SessionSummary,
    StoreStatus,
    UsageEntry,
    UsageReport,
    WholeSession,
)
from eventstore.verbs import reports, resources


@pytest.fixture(scope="module")
def store() -> EventStore:
    store = EventStore("sqlite://")
    live = [call().frames for call in (client_call, responses_call, decisions_call)]
    for number, frames in enumerate([*SAMPLE_STREAMS, *live]):
        store.append(f"sess_{number}", frames, close=number % 2 == 0)
        store.set_metadata(f"sess_{number}", {"number": str(number)})
    return store


def fits(kind: Any, value: Any) -> Any:
    """The value, of the very types that its TypedDict declares."""
    return TypeAdapter(kind).validate_python(value, strict=True)


def has_declared(kind: Any, value: Any) -> None:
    """All of a value's keys are declared, and those that must be there are."""
    assert set(value) <= set(kind.__annotations__), set(value) - set(kind.__annotations__)
    hints = get_type_hints(kind, include_extras=True)
    required = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
    assert not kind.__total__ or required <= set(value), required - set(value)


def test_sessions_are_as_declared(store: EventStore) -> None:
    for session_id in store.session_ids():
        whole = store.state(session_id)
        fits(WholeSession, whole)
        has_declared(WholeSession, whole)
        notes = whole["session"]["eventstore"]
        has_declared(SessionNotes, notes)
        if notes["protocol"] == "live":
            has_declared(resources.LiveNotes, notes["live"])
        has_declared(UsageEntry, whole["usage"])
        for conversation in whole["conversations"]:
            has_declared(ConversationResource, conversation)
            for item in conversation["items"]:
                has_declared(ItemNotes, item["eventstore"])
                if "delegation" in item["eventstore"]:
                    has_declared(resources.DelegationNotes, item["eventstore"]["delegation"])
        for response in whole["responses"]:
            has_declared(ResponseNotes, response["eventstore"])


def test_lists_are_as_declared(store: EventStore) -> None:
    for session in store.sessions(limit=100, summary=True).iter_all():
        fits(resources.SessionResource, session)
        has_declared(SessionNotes, session["eventstore"])
        has_declared(SessionSummary, session["eventstore"]["summary"])
    for session in store.sessions(limit=100, live=True):
        has_declared(SessionNotes, session["eventstore"])
        assert session["eventstore"]["doing"] in ("user_speaking", "answering", "waiting")
    for response in store.responses(limit=100, text="a*"):
        has_declared(ResponseNotes, response["eventstore"])
    for response in store.responses(limit=100).iter_all():
        fits(resources.ResponseResource, response)
        has_declared(ResponseNotes, response["eventstore"])


@pytest.mark.parametrize("by", [None, "session", "model", "day", "day,model", "metadata:number"])
def test_reports_are_as_declared(store: EventStore, by: str | None) -> None:
    fits(UsageReport, usage := store.usage(by))
    fits(LatencyReport, latency := store.latency(by))
    has_declared(UsageReport, usage)
    has_declared(LatencyReport, latency)
    for entry in (*usage["data"], usage["total"]):
        has_declared(UsageEntry, entry)
    for told in (*latency["data"], latency["total"]):
        has_declared(reports.LatencyEntry, told)


def test_contexts_and_status_are_as_declared(store: EventStore) -> None:
    context, status = store.context(), store.status()
    fits(ContextReport, context)
    fits(StoreStatus, status)
    has_declared(ContextReport, context)
    has_declared(StoreStatus, status)
    for entry in context["data"]:
        has_declared(reports.ContextEntry, entry)


def test_attributes_that_are_described_are_declared() -> None:
    for module in (resources, reports):
        for name, kind in vars(module).items():
            if not hasattr(kind, "__required_keys__") or kind.__module__ != module.__name__:
                continue
            told = (kind.__doc__ or "").partition("Attributes:")[2]
            lines = [line.split(":")[0].strip() for line in told.split("\n") if line[8:9].isalpha()]
            assert set(lines) <= set(kind.__annotations__), name
