"""Twice the events are twice the work, whatever they are: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.counting import CountedId, counting, with_counted_ids
from support.crafted_live_streams import LIVE_STREAMS
from support.crafted_streams import STREAMS
from support.events import SESSION, log_events

from eventstore.exports.chat import chat
from eventstore.exports.otel.session_spans import session_spans
from eventstore.exports.transcript import transcript_turns
from eventstore.projection import state
from eventstore.projection.fold import apply, fold
from eventstore.projection.handlers import conversation, session
from eventstore.projection.live import decisions, delegations, turns
from eventstore.projection.live import session as live_session
from eventstore.projection.state import LogEvent, SessionState
from eventstore.projection.views import resources, session_resource
from eventstore.replay.reseed.reseed import reseed
from eventstore.store.queries.query_sessions import state_resources
from eventstore.store.readmodels.write_read_models import changes_of, mark_written

FEW = 100
#: Twice is linear; four times would be looking through all that came before.
TARGET = 2.6

ALL_STREAMS = {**STREAMS, **LIVE_STREAMS}

each_stream = pytest.mark.parametrize("name", ALL_STREAMS)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are met by streams as short as these."""
    monkeypatch.setattr(resources, "MAX_OUTPUT", 4)
    monkeypatch.setattr(conversation, "MAX_PART_INDEX", 4)
    monkeypatch.setattr(session, "MAX_METADATA", 4)
    monkeypatch.setattr(state, "MAX_FIELDS", 8)
    monkeypatch.setattr(state, "MAX_DIAGNOSTICS", 4)
    monkeypatch.setattr(session_resource, "TRANSLATION_CHARACTERS", 20)
    monkeypatch.setattr(turns, "MOST_FRAGMENTS", 8)
    monkeypatch.setattr(delegations, "MAX_PARTS", 4)
    monkeypatch.setattr(decisions, "MAX_PARTS", 4)
    for limit in ("MAX_MOMENTS", "MAX_KEYS", "MAX_DTMF", "_MAX_HISTORY"):
        monkeypatch.setattr(live_session, limit, 4)


def events_of(name: str, n: int) -> list[LogEvent]:
    """A stream's events; each text in them tells when it is compared."""
    events = log_events(ALL_STREAMS[name](n).frames)
    return [event._replace(event=with_counted_ids(event.event)) for event in events]


def is_linear(work: Callable[[int], dict[str, int]]) -> None:
    """Whether twice as much takes about twice the work, by each of its measures."""
    few, many = work(FEW), work(2 * FEW)
    least = max(few.values()) // 20  # less is what ids with one hash are compared by chance
    growth = {what: many[what] / max(few[what], least) for what in few}
    assert max(growth.values()) <= TARGET, (few, many)


@each_stream
def test_folding(name: str) -> None:
    def work(n: int) -> dict[str, int]:
        events = events_of(name, n)
        with counting() as counted:
            fold(SESSION, events)
        return {"steps": counted.steps, "compared": counted.compared}

    is_linear(work)


@each_stream
def test_writing_the_rows_of_each_event(name: str) -> None:
    def work(n: int) -> dict[str, int]:
        events, folded = events_of(name, n), SessionState(SESSION)
        rows = size = 0
        with counting() as counted:
            for event in events:
                apply(folded, event)
                changes = changes_of(folded, 0)
                rows += sum(map(len, changes.rows.values()))
                size += sum(map(_bytes, (row for some in changes.rows.values() for row in some)))
                mark_written(folded, changes.tags)
        return {"steps": counted.steps, "compared": counted.compared, "rows": rows, "bytes": size}

    is_linear(work)


def _bytes(row: tuple[Any, ...]) -> int:
    return sum(len(value) for value in row if isinstance(value, str))


def _readers(folded: SessionState) -> Iterator[Callable[[], object]]:
    shown = state_resources(folded)
    yield lambda: state_resources(folded)
    yield lambda: reseed(folded, to="realtime")
    yield lambda: reseed(folded, to="live")
    yield lambda: transcript_turns(shown, ())
    yield lambda: chat(shown)
    yield lambda: session_spans(folded, content=True)


@each_stream
def test_reading(name: str) -> None:
    def work(n: int) -> dict[str, int]:
        folded = fold(SESSION, events_of(name, n))
        found = {}
        for number, reader in enumerate(_readers(folded)):
            with counting() as counted:
                reader()
            found[f"steps {number}"], found[f"compared {number}"] = counted.steps, counted.compared
        return found

    is_linear(work)


def test_looking_through_a_list_is_counted() -> None:
    ids = [CountedId(f"item_{i}") for i in range(100)]
    with counting() as counted:
        assert CountedId("item_99") in ids
    assert counted.compared == 100
