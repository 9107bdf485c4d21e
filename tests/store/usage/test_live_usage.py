"""Integration: what GPT-Live sessions cost, how long users waited, what finds their responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from projection.live.test_delegations import delegated, looks_up
from support.events import Call
from support.live_speech import say, started

from eventstore import EventStore
from eventstore.store.usage.unpriced import not_in_cost

Json = dict[str, Any]


def record(store: EventStore, session_id: str, call: Call, **metadata: str) -> None:
    """Append a call in two commits, and what was noted of it."""
    half = len(call.frames) // 2
    store.append(session_id, call.frames[:half])
    store.append(session_id, call.frames[half:])
    if metadata:
        store.set_metadata(session_id, metadata)


def asked_and_answered() -> Call:
    """A call whose backend looks something up, after which the assistant says it."""
    call = looks_up(delegated("responses"))
    say(call, "assistant", 2000, "It", "was", "sent", "yesterday.")
    return call.server("session.usage.updated", usage={"seconds": 3600})


def test_the_session_costs_by_its_length_and_each_backend_by_its_tokens(store: EventStore) -> None:
    record(store, "s1", asked_and_answered(), customer="42")
    for usage in (store.usage(by="model"), store.usage(by="model", metadata={"customer": "42"})):
        found: dict[str, Json] = {entry["key"]: entry for entry in usage["data"]}
        session, backend = found["gpt-live-1"], found["gpt-5.1-2025-11-13"]
        assert (session["audio_ms"], session["sessions"]) == (3_600_000, 1)
        assert session["cost_usd"] == pytest.approx(3)
        assert session["responses"] == 1  # what the assistant said
        assert (backend["responses"], backend["input_tokens"]) == (2, 2400)
        # 200 tokens at $1.25 a million, 1,000 cached at $0.125, 90 out at $10; twice.
        assert backend["cost_usd"] == pytest.approx(2 * 0.001275)
        assert usage["total"]["unpriced"]["models"] == []


def test_told_usage_is_the_last_one_and_never_a_sum(store: EventStore) -> None:
    call = started()
    for seconds in (60, 120, 120):
        call.server("session.usage.updated", usage={"seconds": seconds})
    record(store, "s1", call.server("session.closed", reason="expired", usage={"seconds": 121}))
    assert store.usage()["total"]["audio_ms"] == 121_000


def test_a_price_that_nobody_knows_is_named_and_never_zero(store: EventStore) -> None:
    call = started(model="gpt-live-1.1").server("session.usage.updated", usage={"seconds": 60})
    record(store, "s1", call)
    total = store.usage()["total"]
    assert total["cost_usd"] is None
    assert total["unpriced"]["models"] == ["gpt-live-1.1"]
    assert total["unpriced"]["sessions"] == 1


def test_what_is_said_has_no_price_of_its_own_that_could_be_unknown(store: EventStore) -> None:
    call = say(started(model="gpt-live-1.1"), "assistant", 700, "No.")
    record(store, "s1", say(call, "user", 3500, "Please"))
    unpriced = {"responses": 0, "transcriptions": 0, "sessions": 1, "models": ["gpt-live-1.1"]}
    untold = {"sessions": 1, "models": ["gpt-live-1.1"]}
    told = {**unpriced, "without_usage": 1, "untold": untold}
    assert store.usage()["total"]["unpriced"] == told
    store.append("s1", [], close=True)
    call.server("session.closed", usage={"seconds": 60})
    store.append("s1", call.frames[-1:])
    for total in (store.usage()["total"], store.state("s1")["usage"]):
        assert total["unpriced"] == unpriced | {"without_usage": 0}
        assert total["cost_usd"] is None


def test_usage_that_is_not_told_yet_is_not_without_a_price(store: EventStore) -> None:
    record(store, "s1", say(looks_up(delegated("responses")), "assistant", 2000, "It", "was."))
    total = store.usage()["total"]
    assert total["cost_usd"] == pytest.approx(2 * 0.001275)
    assert total["unpriced"]["untold"] == {"sessions": 1, "models": ["gpt-live-1"]}
    without_price, untold = not_in_cost(total["unpriced"])
    assert (without_price.counts, without_price.models) == ({}, [])
    assert (untold.counts, untold.models) == ({"sessions": 1}, ["gpt-live-1"])


def test_users_own_prices_apply_to_paused_time_as_well(store: EventStore, tmp_path: Path) -> None:
    usage = {"seconds": 7200, "active_seconds": 3600, "paused_seconds": 3600}
    record(store, "s1", started().server("session.usage.updated", usage=usage))
    total = store.usage()["total"]
    assert (total["audio_ms"], total["paused_ms"]) == (7_200_000, 3_600_000)
    assert total["unpriced"]["models"] == ["gpt-live-1 (paused)"]
    assert total["cost_usd"] == pytest.approx(3)
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "gpt-live-1 (paused)"\nper_minute = 0.01\n')
    url = store.engine.url.render_as_string(hide_password=False)
    with EventStore(url, prices=str(prices)) as priced:
        assert priced.usage()["total"]["cost_usd"] == pytest.approx(3.6)
        assert priced.usage()["total"]["unpriced"]["models"] == []


def test_decisions_cost_their_tokens(store: EventStore) -> None:
    usage = {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1010,
    }
    decision = {"model": "gpt-5.1", "answers": [], "usage": usage}
    event = {"type": "decision.completed", "decision": decision}
    record(store, "s1", started().server("decision.event", delegation_id=None, event=event))
    (entry,) = [one for one in store.usage(by="model")["data"] if one["key"] == "gpt-5.1"]
    assert (entry["decisions"], entry["input_text"]) == (1, 1000)
    assert entry["cost_usd"] == pytest.approx(0.00135)


def test_how_long_users_waited_is_counted_by_the_timeline(store: EventStore) -> None:
    record(store, "s1", asked_and_answered())
    (line,) = store.latency(by="model")["data"]
    assert (line["key"], line["answers"]) == ("gpt-live-1", 1)
    assert line["p50_ms"] == pytest.approx(1200, rel=0.03)


def test_responses_are_found_by_model_metadata_and_words(store: EventStore) -> None:
    record(store, "s1", asked_and_answered(), customer="7")
    spoken = store.responses(model="gpt-live-1")
    assert [one["eventstore"]["heard"] for one in spoken] == ["It was sent yesterday."]
    # A backend's own metadata find it, and the session's find all.
    assert {one["id"] for one in store.responses(metadata={"customer": "42"})} == {
        "resp_a",
        "resp_b",
    }
    assert len(store.responses(metadata={"customer": "7"})) == 3
    assert {one["id"] for one in store.responses(tool="lookup_order")} == {"resp_a"}
    assert {one["id"] for one in store.responses(text="sent yesterday")} == {spoken[0]["id"]}
    assert {one["id"] for one in store.responses(text="where order")} == {spoken[0]["id"]}
    assert [one["id"] for one in store.sessions(text="yesterday")] == ["s1"]


def test_a_rebuild_changes_nothing(store: EventStore) -> None:
    record(store, "s1", asked_and_answered(), customer="42")
    (rebuilt,) = store.rebuild().done
    assert not rebuilt.changed


def test_a_pause_that_the_server_takes_back_leaves_all_usage(store: EventStore) -> None:
    call = looks_up(delegated("responses"))
    usage = {"seconds": 60, "active_seconds": 40, "paused_seconds": 20}
    call.server("session.usage.updated", usage=usage)
    call.server("session.closed", reason="expired", usage={"seconds": 61})
    for frame in call.frames:  # as a recorder does
        store.append("s1", [frame])
    found: dict[str, Json] = {one["key"]: one for one in store.usage(by="model")["data"]}
    assert found["gpt-live-1"]["audio_ms"] == 61_000
    assert found["gpt-5.1-2025-11-13"]["input_tokens"] == 2400
    assert [one.changed for one in store.rebuild(["s1"]).done] == [0]


@pytest.mark.parametrize(
    ("paused", "counted"), [(-50, (5000, 0)), (50, (5000, 5000)), (2, (5000, 2000))]
)
def test_a_session_is_paused_for_no_longer_than_it_lasts(
    store: EventStore, paused: float, counted: tuple[int, int]
) -> None:
    usage = {"seconds": 5, "paused_seconds": paused}
    record(store, "s1", started().server("session.usage.updated", usage=usage))
    total = store.usage()["total"]
    assert (total["audio_ms"], total.get("paused_ms", 0)) == counted


def test_a_summary_counts_turns_as_the_order_by_turns_does(store: EventStore) -> None:
    history = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
    call = say(started(input=[history]), "user", 0, "Where", "is", "it?")
    say(call, "assistant", 1000, "It", "left", "this", "morning.")
    say(call, "user", 1200, "mhm")
    item = {"type": "message", "role": "user", "content": []}
    record(store, "s1", call.client("response.item.create", item=item))
    (session,) = store.sessions(summary=True).data
    assert session["eventstore"]["summary"]["turns"] == 2
    assert store.sessions(min_turns=2).data and not store.sessions(min_turns=3).data
