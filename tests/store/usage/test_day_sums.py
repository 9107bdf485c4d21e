"""Integration: usage by sums of days is usage by rows, whatever happened to the days since."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support import strategies
from support.calls import SAMPLE_STREAMS
from support.day_sums import counts, drop_sums
from support.events import START, Call
from support.examples import examples
from support.filled import filled
from support.query_calls import (
    calls,
    everything,
    recorded,
)
from support.summing_processes import DAYS, SECRET, all_at_once

from eventstore import EventStore, Frame
from eventstore.store.usage.daily import refresh as sum_days
from eventstore.store.usage.daily.compute import KEYS_OF_DAY, VALUES_OF_KEY
from eventstore.times import DAY_US

Json = dict[str, Any]

DAY_MS = DAY_US // 1000
GROUPS = (
    *(None, "day", "model", "day,model", "session"),
    *("metadata:topic", "metadata:user", "metadata:customer", "metadata:unheard of"),
)
FIRST = START // DAY_US
#: Behind all that is closed here.
LATER = 2**61


def answers(store: EventStore, **filters: Any) -> list[Json]:
    """What is answered by sums."""
    grouped = [verb(by, **filters) for verb in (store.usage, store.latency) for by in GROUPS]
    return [*grouped, store.context(**filters)]


def falsify(store: EventStore) -> None:
    """Make the sums wrong, to see whether they are read."""
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE usage_days SET input_tokens = input_tokens + 1000000"))
        other = "REPLACE(names, '\"response\"', '\"transcription\"')"
        connection.execute(text(f"UPDATE value_days SET names = {other}"))
        connection.execute(text("UPDATE latency_days SET number = number + 1000000"))
        connection.execute(text("UPDATE turn_days SET number = number + 1000000"))


# Equal answers


@st.composite
def sessions(draw: st.DrawFn) -> list[Frame]:
    """A stream of events, spread over some days."""
    known = strategies.mutated([*SAMPLE_STREAMS, *map(list, calls().values())])
    stream = draw(known | known | strategies.streams())
    step = draw(st.sampled_from((0, 1, 60, 3600))) * 10**6
    start = START + draw(st.integers(0, 3)) * DAY_US + draw(st.integers(0, DAY_US))
    return [
        Frame(f.direction, f.text, None if f.at is None else start + n * step + f.at % 10**6)
        for n, f in enumerate(stream)
    ]


@st.composite
def filters(draw: st.DrawFn) -> Json:
    """What sums answer: a span, and a model."""
    moments = st.integers(-1, 7).map(lambda n: (FIRST + n) * DAY_US) | st.integers(
        START, START + 6 * DAY_US
    )
    models = st.sampled_from(("gpt-realtime", "gpt-4o-realtime-preview", "unheard-of-1"))
    given = {"since": moments, "until": moments, "model": models}
    made = {name: draw(value) for name, value in given.items() if draw(st.integers(1, 3)) == 3}
    return {name: f"{v / 10**6:.6f}" if name != "model" else v for name, v in made.items()}


def test_answers_are_the_same_by_sums_by_rows_and_by_both(store: EventStore) -> None:
    recorded(store)
    numbers = count()

    @given(st.lists(sessions(), max_size=3), filters(), st.integers(2, 3))
    @examples(25)
    def check(streams: list[list[Frame]], options: Json, some: int) -> None:
        for stream in streams:
            store.append(f"random_{next(numbers)}", stream)
        by_both = answers(store, **options)
        drop_sums(store)
        by_rows = answers(store, **options)
        assert by_both == by_rows
        store.sum_days().raise_for_errors()
        assert answers(store, **options) == by_rows
        drop_sums(store, f"day - day / {some} * {some} = 0")
        assert answers(store, **options) == by_rows

    check()


def test_days_that_go_on_are_answered_by_sums_and_by_the_rows_of_what_goes_on(
    store: EventStore,
) -> None:
    recorded(store)
    numbers = count()
    known: list[str] = []

    def sum_up() -> None:
        for day in range(FIRST, FIRST + 7):
            found = sum_days.read_day(store.engine, day, LATER)
            assert sum_days.write_day(store.engine, found)

    def same(options: Json) -> None:
        by_both = answers(store, **options)
        drop_sums(store)
        assert answers(store, **options) == by_both

    @given(
        st.lists(st.tuples(sessions(), st.booleans(), st.booleans()), max_size=4),
        filters(),
        st.integers(0, 4),
    )
    @examples(25)
    def check(streams: list[tuple[list[Frame], bool, bool]], options: Json, some: int) -> None:
        for number, (stream, closed, again) in enumerate(streams):
            if number == some:
                sum_up()
            name = known[number % len(known)] if again and known else f"random_{next(numbers)}"
            store.append(name, stream, close=closed)
            known.append(name)
        same(options)
        sum_up()
        same(options)

    check()


def test_what_goes_on_is_in_no_sums(store: EventStore) -> None:
    for number in range(4):
        store.append(f"sess_{number}", spoken(0, f"resp_{number}"), close=number > 0)
    assert sum_days.write_day(store.engine, sum_days.read_day(store.engine, FIRST, LATER))
    assert counts(store) | {"latency_days": 0, "turn_days": 0} == {
        **{"summed_days": 1, "summed_sessions": 3, "day_marks": 1, "usage_days": 1},
        **{"value_days": 0, "latency_days": 0, "turn_days": 0, "score_days": 0, "score_marks": 0},
    }
    before = store.usage()["total"]
    # The one that goes on is read, and new ones; the sums of the others hold.
    store.append("sess_0", spoken(0, "more"))
    store.append("sess_new", spoken(0, "new"))
    falsify(store)
    after = store.usage()["total"]
    assert after["responses"] == before["responses"] + 2
    assert after["input_tokens"] == before["input_tokens"] + 2 * 5 + 1_000_000
    # One that the sums contain makes them wrong: the day is read from rows.
    store.set_metadata("sess_2", {"topic": "late"})
    assert store.usage()["total"]["input_tokens"] == before["input_tokens"] + 2 * 5


def test_a_day_that_goes_on_is_summed_as_it_is_worth_it(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sum_days, "_ROWS", 3)
    monkeypatch.setattr(sum_days, "_SESSIONS", 1)
    monkeypatch.setattr(sum_days, "FEW_ROWS", sum_days.FEW_ROWS.replace("2000", "3"))
    noon = FIRST * DAY_US + DAY_US // 2 + 12 * 3_600_000_000

    def summed() -> list[int]:
        return list(sum_days.refresh_days(store.engine, noon))

    for number in range(2):
        store.append(f"sess_{number}", spoken(0, f"resp_{number}"), close=True)
    assert summed() == []
    store.append("sess_2", spoken(0, "resp_2"))
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE streams SET closed_at = {FIRST * DAY_US} WHERE closed_at > 0"
        )
    assert summed() == [FIRST]
    assert summed() == []
    store.append("sess_3", spoken(0, "resp_3"))
    assert summed() == []
    for number in (3, 4):
        store.append(f"sess_{number}", spoken(0, f"resp_{number}"), close=True)
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE streams SET closed_at = {FIRST * DAY_US} WHERE closed_at > 0"
        )
    assert summed() == [FIRST]
    # Over, it is summed up as a whole.
    over = (FIRST + 1) * DAY_US + 3_600_000_000
    assert list(sum_days.refresh_days(store.engine, over)) == [FIRST]
    found = counts(store)
    assert (found["summed_sessions"], found["day_marks"]) == (0, 0)


def test_what_is_left_out_of_a_days_sums_is_found_in_its_rows(store: EventStore) -> None:
    """A key of too many values, on one day of two, and more keys than are kept on a third."""
    for day, number in enumerate((3, VALUES_OF_KEY + 1, 1)):
        call = Call()
        call.ms = day * DAY_MS
        call.server("session.created", session={"id": "s", "model": "gpt-realtime"})
        for n in range(number):
            metadata = {"call": f"call_{n}", "topic": "a" if n % 2 else "b"}
            call.created(f"resp_{day}_{n}", metadata=metadata)
            call.done(
                f"resp_{day}_{n}", metadata=metadata, usage={"input_tokens": n, "output_tokens": 0}
            )
        store.append(f"sess_{day}", call.frames)
    call = Call()
    call.ms = 3 * DAY_MS
    for n in range(KEYS_OF_DAY // 16 + 1):
        metadata = {f"key_{n}_{key}": "v" for key in range(16)}
        call.created(f"resp_{n}", metadata=metadata)
        call.done(f"resp_{n}", metadata=metadata, usage={"input_tokens": n, "output_tokens": 0})
    store.append("many", call.frames)
    groups = ("metadata:call", "metadata:topic", "metadata:key_1_1")
    by_rows = [store.usage(by) for by in groups]
    assert len(store.sum_days().done) == 4
    with store.engine.connect() as connection:
        left = dict(connection.execute(text("SELECT day, left_out FROM summed_days")).fetchall())
    assert [json.loads(left[day]) for day in sorted(left)] == [[], ["call"], [], True]
    assert [store.usage(by) for by in groups] == by_rows
    assert len(by_rows[0]["data"]) == VALUES_OF_KEY + 2


def test_sums_are_what_is_read(store: EventStore) -> None:
    recorded(store)
    call = Call().created("resp").begins_speech("resp", "item").sounds("resp", "item", 20)
    store.append("heard", call.done("resp", usage={"input_tokens": 5}).frames)
    store.sum_days().raise_for_errors()
    before = answers(store)
    falsify(store)
    wrong = answers(store)
    same = [old == new for old, new in zip(before, wrong, strict=True)]
    usage = [by == "session" for by in GROUPS]
    latency = [by == "session" or str(by).startswith("metadata") for by in GROUPS]
    assert same == [*usage, *latency, False]
    # What asks for more is answered from rows.
    for options in ({"status": "completed"}, {"metadata": {"customer": "42"}}, {"min_tokens": 0}):
        drop = answers(store, **options)
        drop_sums(store)
        assert answers(store, **options) == drop
        store.sum_days().raise_for_errors()
        falsify(store)


# Marks


@pytest.fixture
def summed(store: EventStore) -> Iterator[EventStore]:
    """A store whose days are all summed; answers of its end are compared with its rows."""

    def fill(store: EventStore) -> None:
        recorded(store)
        store.sum_days().raise_for_errors()

    filled(store, "summed", fill)
    assert counts(store)["day_marks"] == 0
    yield store
    found = answers(store)
    drop_sums(store)
    assert answers(store) == found


def spoken(day: int, response: str = "resp", **fields: Any) -> list[Frame]:
    """A response with its usage."""
    call = Call()
    call.ms = day * DAY_MS
    usage = {"input_tokens": 5, "output_tokens": 1}
    return call.created(response, **fields).done(response, usage=usage, **fields).frames


def test_an_append_to_a_day_marks_it_and_it_is_summed_again(summed: EventStore) -> None:
    before = summed.usage()["total"]
    summed.append("late", spoken(0))
    assert summed.usage()["total"]["responses"] == before["responses"] + 1
    assert counts(summed)["day_marks"] == 1
    assert len(summed.sum_days().done) == 1
    assert counts(summed)["day_marks"] == 0
    assert summed.usage()["total"]["input_tokens"] == before["input_tokens"] + 5


def test_an_append_that_bills_nothing_marks_nothing(summed: EventStore) -> None:
    summed.append("late", Call().typed("item_1", "Hello").created("resp_1").frames)
    summed.append("late", [], close=True)
    assert counts(summed)["day_marks"] == 0


def test_new_metadata_of_a_session_mark_all_its_days(summed: EventStore) -> None:
    summed.append("late", spoken(0, "resp_0") + spoken(2, "resp_2"))
    summed.sum_days().raise_for_errors()
    assert counts(summed)["day_marks"] == 0
    summed.set_metadata("late", {"customer": "new"})
    assert counts(summed)["day_marks"] == 2
    line = next(e for e in summed.usage("metadata:customer")["data"] if e["key"] == "new")
    assert line["responses"] == 2


def test_what_is_billed_again_on_another_day_marks_both(summed: EventStore) -> None:
    call = Call().spoken("item_1", 0, 10)
    call.transcribed("item_1", "Hello", usage={"type": "tokens", "input_tokens": 7})
    summed.append("late", call.frames)
    summed.sum_days().raise_for_errors()
    by_day = [line["transcriptions"] for line in summed.usage("day")["data"]]
    call = Call()
    call.ms = DAY_MS
    call.transcribed("item_1", "Hello", usage={"type": "tokens", "input_tokens": 7})
    summed.append("late", call.frames)
    assert counts(summed)["day_marks"] == 2
    moved = [line["transcriptions"] for line in summed.usage("day")["data"]]
    assert (moved[0], moved[1]) == (by_day[0] - 1, by_day[1] + 1)


def test_a_rebuild_of_all_makes_sums_anew_that_somebody_changed(summed: EventStore) -> None:
    before = answers(summed)
    falsify(summed)
    assert answers(summed) != before
    assert not any(done.changed for done in summed.rebuild().done)
    assert answers(summed) == before
    assert summed.sum_days().done and answers(summed) == before


def test_a_rebuild_that_finds_rows_wrong_marks_their_days(summed: EventStore) -> None:
    summed.rebuild().raise_for_errors()
    assert counts(summed)["day_marks"] == 0
    right = answers(summed)
    with summed.engine.begin() as connection:
        connection.execute(text("UPDATE usage SET input_tokens = 1, at = at + 100000000000"))
    summed.rebuild().raise_for_errors()
    assert counts(summed)["day_marks"] > 0
    assert answers(summed) == right


def test_erasing_drops_the_sums_of_its_days(summed: EventStore) -> None:
    summed.append("late", spoken(0, metadata={"customer": "a secret"}))
    summed.sum_days().raise_for_errors()
    with summed.engine.connect() as connection:
        secrets = text("SELECT COUNT(*) FROM value_days WHERE names LIKE '%a secret%'")
        assert connection.execute(secrets).scalar_one() == 1
    kept = summed.usage("day")["data"][1]
    summed.erase("late", vacuum=False).raise_for_errors()
    with summed.engine.connect() as connection:
        assert connection.execute(secrets).scalar_one() == 0
        assert set(connection.execute(text("SELECT DISTINCT day FROM usage_days")).scalars()) == {
            FIRST + 1,
            FIRST + 2,
        }
    assert summed.usage("day")["data"][1] == kept
    assert len(summed.sum_days().done) == 1


def test_what_was_read_before_an_erasure_is_not_written(summed: EventStore) -> None:
    for known in (True, False):
        name = f"late_{known}"
        summed.append(name, spoken(0, metadata={"customer": "a secret"}))
        if not known:
            drop_sums(summed)
        found = sum_days.read_day(summed.engine, FIRST)
        summed.erase(name, vacuum=False).raise_for_errors()
        assert not sum_days.write_day(summed.engine, found)
        assert counts(summed)["day_marks"] == 0
        assert sum_days.FIRST_DAY not in sum_days.days_to_sum(summed.engine, FIRST * DAY_US)


def test_of_two_who_sum_a_day_one_writes(summed: EventStore) -> None:
    summed.append("late", spoken(0))
    early, late = (sum_days.read_day(summed.engine, FIRST) for _ in range(2))
    summed.append("later", spoken(0))
    assert sum_days.write_day(summed.engine, late)
    assert not sum_days.write_day(summed.engine, early)
    # What was appended between the reading and the writing still counts.
    assert counts(summed)["day_marks"] == 1


def test_a_mark_that_was_renewed_stays(summed: EventStore) -> None:
    summed.append("late", spoken(0))
    found = sum_days.read_day(summed.engine, FIRST)
    summed.append("late", spoken(0, "resp_2"))
    assert sum_days.write_day(summed.engine, found)
    assert counts(summed)["day_marks"] == 1


def test_a_day_is_summed_once_it_is_over_by_an_hour(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("sess", spoken(0))
    end = (FIRST + 1) * DAY_US
    monkeypatch.setattr(sum_days, "now", lambda: end + 3_600_000_000 - 1)
    assert store.sum_days().done == []
    monkeypatch.setattr(sum_days, "now", lambda: end + 3_600_000_000)
    assert store.sum_days().done == ["2023-11-14"]


def test_processes_append_and_erase_while_others_sum(store: EventStore, database_url: str) -> None:
    all_at_once(database_url, 40)  # how many days they manage to sum up is the machine's affair
    with store.engine.connect() as connection:
        holds = text(
            "SELECT COUNT(*) FROM summed_days WHERE left_out IS NOT NULL"
            " AND day NOT IN (SELECT day FROM day_marks)"
        )
        kept = connection.execute(holds).scalar_one()
        names = connection.execute(text("SELECT names FROM value_days")).scalars().all()
        assert names and not any(SECRET in name for name in names)
    by_both = answers(store)
    assert len(store.sum_days().done) + kept == DAYS
    by_sums = answers(store)
    drop_sums(store)
    assert answers(store) == by_sums == by_both


# What latency and context say


def _answer_ms(notes: Json) -> float | None:
    if notes["speech_to_first_audio_ms"] is not None:
        return float(notes["speech_to_first_audio_ms"])
    first = notes["first_audio_at"] or notes["first_text_at"]
    if first is None:
        return None
    begin, end = (datetime.fromisoformat(at) for at in (notes["created_at"], first))
    return (end - begin).total_seconds() * 1000


def _nearest(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(len(values) * share) - 1]


def test_times_of_answers_are_theirs_to_a_few_percent(store: EventStore) -> None:
    for number in range(60):
        call = Call().server("session.created", session={"id": "s", "model": f"m{number % 2}"})
        if number % 3:
            call.spoken("item_u", 0, call.ms)
        call.created("resp").begins_speech("resp", "item")
        call.ms += 7 * number**2 % 4001
        call.sounds("resp", "item", 20)
        if number % 7:
            call.done("resp")
        store.append(f"sess_{number:02d}", call.frames)
    times: dict[str, list[float]] = {}
    for response in store.responses(limit=100).data:
        notes = response["eventstore"]
        found = _answer_ms(notes)
        if notes["done_seq"] is not None and found is not None:
            times.setdefault(notes["model"], []).append(found)
    assert min(map(len, times.values())) > 20
    for _ in range(2):  # by rows, and by sums
        told = store.latency("model")
        for line in told["data"]:
            assert line["answers"] == len(times[line["key"]])
            for name, share in {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}.items():
                exact = _nearest(times[line["key"]], share)
                assert line[name] == pytest.approx(exact, rel=0.022, abs=1)
        assert told["total"]["answers"] == sum(map(len, times.values()))
        store.sum_days().raise_for_errors()


def test_latency_of_no_answers_is_not_known(store: EventStore) -> None:
    total = store.latency()["total"]
    assert (total["answers"], total["p50_ms"], total["p99_ms"]) == (0, None, None)


def test_context_is_the_mean_of_each_turn(store: EventStore) -> None:
    turns: dict[int, list[tuple[int, int, int]]] = {}
    by_session: dict[str, list[Json]] = {}
    for known in everything(recorded(store)):
        by_session.setdefault(known.session_id, []).append(known.resource)
    for resources in by_session.values():
        ordered = sorted(resources, key=lambda r: r["eventstore"]["seq"])
        for turn, resource in enumerate(ordered, 1):
            usage = resource["usage"]
            if usage:
                details = usage.get("input_token_details") or {}
                cached = details.get("cached_tokens", 0)
                row = (usage["input_tokens"], cached, usage["output_tokens"])
                turns.setdefault(turn, []).append(row)
    expected = [
        {
            "object": "realtime.context",
            "turn": turn,
            "responses": len(rows),
            **{
                name: round(sum(row[place] for row in rows) / len(rows), 1)
                for place, name in enumerate(("input_tokens", "cached_tokens", "output_tokens"))
            },
        }
        for turn, rows in sorted(turns.items())
    ]
    assert len(expected) > 2
    assert store.context() == {"object": "list", "data": expected}
    store.sum_days().raise_for_errors()
    assert store.context() == {"object": "list", "data": expected}


def test_the_last_turn_stands_for_all_behind(store: EventStore) -> None:
    call = Call()
    for number in range(205):
        usage = {"input_tokens": number, "output_tokens": 0}
        call.created(f"resp_{number}").done(f"resp_{number}", usage=usage)
    store.append("sess", call.frames)
    data = store.context()["data"]
    assert (len(data), data[-1]["turn"], data[-1]["responses"]) == (200, 200, 6)
    assert data[-1]["input_tokens"] == 201.5
