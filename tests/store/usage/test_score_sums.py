"""Integration: scores by sums of days are scores by rows, whatever happened to the days since."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.day_sums import counts, drop_sums
from support.events import START, Call
from support.examples import examples

from eventstore import EventStore, Frame
from eventstore.store.usage.daily import compute
from eventstore.store.usage.daily import refresh as sum_days
from eventstore.store.usage.scores import score_sums
from eventstore.times import DAY_US

Json = dict[str, Any]

DAY_MS = DAY_US // 1000
FIRST = START // DAY_US
LATER = 2**61
GROUPS = (None, "day", "model", "giver", "session", "metadata:customer")
NAMES, GIVERS = ("helpful", "topic"), (None, "judge")
VALUES = (None, True, False, 0, 0.25, 0.5, 2, "refund", "other", "two\nlines")
TARGETS: tuple[Json, ...] = ({}, {"response": "resp"}, {"item": "item"}, {"item": "later"})


def answers(store: EventStore, **filters: Any) -> list[Json]:
    """What is answered by sums, and what is not, with means that differ by no rounding."""
    found = [store.score_sums(by, **filters) for by in GROUPS]
    for entry in (entry for answer in found for entry in answer["data"]):
        entry["mean"] = None if entry["mean"] is None else round(entry["mean"], 9)
    return [dict(answer) for answer in found]


def falsify(store: EventStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE score_days SET number = number + 1000"))


def call(day: int, model: str = "gpt-realtime") -> list[Frame]:
    made = Call()
    made.ms = day * DAY_MS
    made.store("opened", metadata={"customer": f"customer_{day}"})
    made.server("session.created", session={"id": "s", "model": model})
    return made.answers("resp", "item", "hello").frames


def item_of(day: int) -> list[Frame]:
    """The item of `later` comes on another day than its session began."""
    made = Call()
    made.ms = day * DAY_MS
    return made.typed("later", "and now?").frames


GIVEN = st.tuples(
    st.integers(0, 5),
    st.sampled_from(TARGETS),
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
    st.sampled_from(GIVERS),
)
SPANS = st.fixed_dictionaries(
    {},
    optional={
        "since": st.integers(-1, 5).map(lambda n: f"{(FIRST + n) * 86400}"),
        "until": st.integers(-1, 5).map(lambda n: f"{(FIRST + n) * 86400 + 7}"),
        "name": st.sampled_from(NAMES),
        "giver": st.just("judge"),
        "model": st.sampled_from(("gpt-realtime", "gpt-realtime-mini")),
    },
)


def score(store: EventStore, one: tuple[int, Json, str, Any, str | None], prefix: str) -> None:
    number, target, name, value, by = one
    if "later" in target.values():
        store.append(f"{prefix}{number}", item_of(number + 1))
    store.score(f"{prefix}{number}", name, value, by=by, **target)


def test_answers_are_the_same_by_sums_by_rows_and_by_both(store: EventStore) -> None:
    numbers = count()

    @given(st.lists(GIVEN, max_size=12), st.lists(GIVEN, max_size=4), SPANS, st.booleans())
    @examples(40)
    def check(before: list[Any], after: list[Any], options: Json, goes_on: bool) -> None:
        prefix = f"sess_{next(numbers)}_"
        for number in range(6):
            model = "gpt-realtime-mini" if number % 2 else "gpt-realtime"
            store.append(f"{prefix}{number}", call(number % 3, model), close=number > 1)
        for one in before:
            score(store, one, prefix)
        by_rows = answers(store, **options)
        for day in range(FIRST, FIRST + 7) if goes_on else ():
            assert sum_days.write_day(store.engine, sum_days.read_day(store.engine, day, LATER))
        if not goes_on:
            store.sum_days().raise_for_errors()
            assert counts(store)["score_marks"] == 0
        assert answers(store, **options) == by_rows
        for one in after:
            score(store, one, prefix)
        by_both = answers(store, **options)
        store.sum_days().raise_for_errors()
        by_sums = answers(store, **options)
        drop_sums(store)
        assert answers(store, **options) == by_both == by_sums

    check()


@pytest.fixture
def scored(store: EventStore) -> Iterator[EventStore]:
    """A store whose days are all summed; answers of its end are compared with its rows."""
    for number in range(4):
        store.append(f"sess_{number}", call(number % 2), close=True)
        store.score(f"sess_{number}", "helpful", number / 4, response="resp", by="judge")
        store.score(f"sess_{number}", "topic", "refund" if number else "other")
    store.sum_days().raise_for_errors()
    yield store
    found = answers(store)
    drop_sums(store)
    assert answers(store) == found


def test_sums_are_what_is_read(scored: EventStore) -> None:
    before = answers(scored)
    falsify(scored)
    same = [one == other for one, other in zip(before, answers(scored), strict=True)]
    assert same == [by in ("session", "metadata:customer") for by in GROUPS]
    assert answers(scored, metadata={"customer": "customer_1"}) != before
    scored.rebuild().raise_for_errors()
    assert answers(scored) == before


def test_a_late_score_leaves_the_sums_of_usage_valid(scored: EventStore) -> None:
    scored.score("sess_1", "helpful", 1, response="resp", by="somebody")
    found = counts(scored)
    assert (found["score_marks"], found["day_marks"]) == (1, 0)
    with scored.engine.begin() as connection:
        connection.execute(text("UPDATE usage_days SET number = number + 1000"))
    usage = scored.usage()["total"]
    assert len(scored.sum_days().done) == 1
    # The sums of usage were not made anew, and those of scores were.
    assert scored.usage()["total"] == usage
    assert counts(scored)["score_marks"] == 0
    drop_sums(scored)


def test_a_score_of_what_comes_later_moves_to_its_day(scored: EventStore) -> None:
    """It counts on the day of its session first, and then on the item's."""
    scored.append("sess_0", [Frame("store", score_of_item("later"), (FIRST + 3) * DAY_US)])
    scored.sum_days().raise_for_errors()
    before = {(e["key"], e["name"]): e["count"] for e in scored.score_sums("day")["data"]}
    scored.append("sess_0", item_of(2))
    assert counts(scored)["score_marks"] == 2
    after = {(e["key"], e["name"]): e["count"] for e in scored.score_sums("day")["data"]}
    assert sum(before.values()) == sum(after.values())
    assert before != after


def score_of_item(item: str) -> str:
    from eventstore.verbs.scores import frame_of_score

    return str(frame_of_score("helpful", 0.5, item=item).text)


def test_what_is_deleted_is_in_no_sums(scored: EventStore) -> None:
    before = {entry["name"]: entry["count"] for entry in scored.score_sums()["data"]}
    scored.erase("sess_3", vacuum=False).raise_for_errors()
    assert {entry["name"]: entry["count"] for entry in scored.score_sums()["data"]} == {
        name: number - 1 for name, number in before.items()
    }
    with scored.engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM score_days")).scalar_one() > 0


def test_a_day_with_too_many_kinds_is_answered_by_rows(
    scored: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(scored)
    monkeypatch.setattr(
        compute, "_SCORES", compute._SCORES.replace(str(compute.KINDS_OF_SCORES + 1), "3")
    )
    monkeypatch.setattr(compute, "KINDS_OF_SCORES", 2)
    drop_sums(scored)
    scored.sum_days().raise_for_errors()
    # A day has three kinds, the other two.
    with scored.engine.connect() as connection:
        kept = connection.execute(text("SELECT has_scores FROM summed_days ORDER BY day")).scalars()
        assert list(kept) == [0, 1]
    assert answers(scored) == before
    assert scored.sum_days().done == []


def test_labels_beyond_those_that_are_read_are_counted_by_rows(
    scored: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(scored)
    falsify(scored)
    with monkeypatch.context() as patch:
        patch.setattr(score_sums, "MAX_GROUPS", 2)
        labels = {entry["name"]: entry["labels"] for entry in scored.score_sums()["data"]}
    assert labels == {entry["name"]: entry["labels"] for entry in before[0]["data"]}
    drop_sums(scored)


def test_a_store_that_gets_keys_keeps_no_labels_in_sums(scored: EventStore, tmp_path: Path) -> None:
    url = scored.engine.url.render_as_string(hide_password=False)
    before = scored.score_sums()["data"]
    assert any(entry["labels"] for entry in before)
    with EventStore(url, keys=f"sqlite:///{tmp_path / 'keys.db'}") as keyed:
        keyed.append("sess_new", call(0))
        keyed.score("sess_new", "topic", "a secret")
        with keyed.engine.connect() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM score_days")).scalar_one() == 0
        keyed.sum_days().raise_for_errors()
        with keyed.engine.connect() as connection:
            labels = text("SELECT COUNT(*) FROM score_days WHERE label <> ''")
            assert connection.execute(labels).scalar_one() == 0
        after = keyed.score_sums()["data"]
    assert [entry["labels"] for entry in after] == [{}] * len(after)
    assert sum(entry["count"] for entry in after) == sum(entry["count"] for entry in before) + 1


def test_days_from_before_there_were_sums_of_scores_get_them(scored: EventStore) -> None:
    before = answers(scored)
    with scored.engine.begin() as connection:
        connection.execute(text("UPDATE summed_days SET has_scores = NULL"))
        connection.execute(text("DELETE FROM score_days"))
        connection.execute(text("UPDATE usage_days SET number = number + 1000"))
    usage = scored.usage()["total"]
    assert answers(scored) == before
    assert len(scored.sum_days().done) == 2
    assert scored.usage()["total"] == usage
    falsify(scored)
    assert answers(scored) != before
    drop_sums(scored)
