"""Integration: scores as rows: lists that are chosen by them, their sums, and what changes them."""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from io import BytesIO
from itertools import count, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import voice_call
from support.events import Call
from support.examples import examples
from support.rows import read_model_rows

from eventstore import ErasedError, EventStore, InvalidInputError, NotFoundError
from eventstore.realtime.resources.scores import parse_score_condition
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging, checked_filter
from eventstore.store.queries.query_responses import responses_sql

Json = dict[str, Any]
_names = (f"sess_{number:03}" for number in count())
NAMES, GIVERS = ("helpful", "topic"), (None, "judge")
VALUES = (None, True, False, 0, 0.25, 0.5, 2, "refund", "other", "two\nlines")
CONDITIONS = (
    *("helpful", "topic", "none"),
    *(f"helpful{compare}{bound}" for compare in ("<", "<=", ">", ">=", "=") for bound in (0.5, 1)),
    *("helpful=true", "helpful=false", "topic=refund", "topic=none"),
)
COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


def _call() -> Call:
    call = Call().server("session.created", session={"id": "s", "model": "gpt-realtime"})
    call.typed("item_1", "hello").answers("resp_1", "item_2", "hi")
    return call.typed("item_3", "and now?").answers("resp_2", "item_4", "bye")


#: What is scored, and the response that it counts for.
TARGETS: tuple[tuple[Json, str | None], ...] = (
    ({}, None),
    ({"response": "resp_1"}, "resp_1"),
    ({"response": "resp_2"}, "resp_2"),
    ({"item": "item_2"}, "resp_1"),
    ({"item": "item_3"}, "resp_2"),
)
GIVEN = st.tuples(
    st.integers(0, 1),
    st.sampled_from(range(len(TARGETS))),
    st.sampled_from(NAMES),
    st.sampled_from(GIVERS),
    st.sampled_from(VALUES),
)


def passes(condition: str, name: str, value: Any) -> bool:
    """Whether a score passes a condition, by plain Python."""
    wanted = parse_score_condition(condition)
    if wanted.name != name:
        return False
    if wanted.operator == "has":
        return True
    if isinstance(wanted.value, str):
        return bool(value == wanted.value)
    if isinstance(value, str):
        return False
    if isinstance(wanted.value, bool):
        return value is wanted.value
    return bool(COMPARE[wanted.operator](float(value), wanted.value))


@pytest.mark.parametrize("often", [False, True])
def test_any_scores_are_listed_found_and_summed_as_by_plain_python(
    store: EventStore, often: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if often:  # then no list is made of the few rows that pass a condition
        monkeypatch.setattr("eventstore.store.filters.sql_conditions.MOST_COUNTED", 0)

    @examples(6)
    @given(st.lists(GIVEN, max_size=12), st.integers(0, 12))
    def holds(given_scores: list[Any], cut: int) -> None:
        ids = sorted(next(_names) for _ in range(2))
        frames = _call().frames
        for id_ in ids:
            store.append(id_, frames)
        kept: dict[Any, Any] = {}
        for number, (session, target, name, by, value) in enumerate(given_scores):
            if number == cut:
                store.append(ids[0], [], close=True)
                assert store.seal(ids[0]).done
            told, _ = TARGETS[target]
            store.score(ids[session], name, value, by=by, **told)
            kept.pop((ids[session], target, name, by), None)
            if value is not None:
                kept[ids[session], target, name, by] = value
        _check_listed(store, ids, kept)
        rows = {id_: read_model_rows(store.engine, id_) for id_ in ids}
        assert [one.changed for one in store.rebuild(ids).done] == [0, 0]
        assert {id_: read_model_rows(store.engine, id_) for id_ in ids} == rows
        _check_found(store, ids, kept)
        _check_sorted(store, kept)
        _check_chosen_and_sorted(store, kept)
        _check_sums(store, ids, kept)
        for id_ in ids:
            store.erase(id_, vacuum=False)
            with pytest.raises(ErasedError):
                store.scores(id_)
            with pytest.raises(ErasedError):
                store.score(id_, "helpful", 1)
            assert not read_model_rows(store.engine, id_)["scores"]

    holds()


def _check_listed(store: EventStore, ids: list[str], kept: dict[Any, Any]) -> None:
    for id_ in ids:
        listed = [
            (one["response_id"], one["item_id"], one["name"], one["by"], one["value"])
            for one in store.scores(id_)
        ]
        expected = [
            (told.get("response"), told.get("item"), name, by, value)
            for (session, target, name, by), value in kept.items()
            for told in (TARGETS[target][0],)
            if session == id_
        ]
        assert listed == expected
        own = [one[2:] for one in expected if one[:2] == (None, None)]
        shown = store.session(id_)["eventstore"].get("scores", [])
        assert [(one["name"], one["by"], one["value"]) for one in shown] == own


def _check_found(store: EventStore, ids: list[str], kept: dict[Any, Any]) -> None:
    def found(test: Any) -> tuple[list[str], list[tuple[str, str]]]:
        passing = [(one[0], TARGETS[one[1]][1]) for one, v in kept.items() if test(one[2], v)]
        sessions = [id_ for id_ in reversed(ids) if any(one == id_ for one, _ in passing)]
        of_responses = {(one, response) for one, response in passing if response is not None}
        return sessions, sorted(of_responses, key=lambda one: (one[1], one[0]), reverse=True)

    def asked(**filters: Any) -> tuple[list[str], list[tuple[str, str]]]:
        responses = [
            (one["eventstore"]["session_id"], one["id"])
            for one in store.responses(limit=100, **filters)
        ]
        return [one["id"] for one in store.sessions(limit=100, **filters)], responses

    for condition in CONDITIONS:
        assert asked(score=condition) == found(lambda n, v, c=condition: passes(c, n, v)), condition
    assert asked(label="refund") == found(lambda _, value: value == "refund")
    sessions, responses = asked(score="helpful", metadata=[])
    page = store.responses(limit=1, score="helpful")
    assert [one["id"] for one in page.iter_all()] == [id_ for _, id_ in responses]
    assert list(store.session_ids(score="helpful")) == sessions[::-1]
    both = {one for one in responses if one in asked(score="topic")[1]}
    assert set(asked(score=["helpful", "topic"])[1]) == both
    assert store.usage(score="helpful")["total"]["responses"] == len(responses)


def _check_sorted(store: EventStore, kept: dict[Any, Any]) -> None:
    """Lists sorted by a score: the highest or the lowest of each, page by page as in one page."""
    for order, best in (("desc", max), ("asc", min)):
        of_sessions: dict[Any, float] = {}
        of_responses: dict[Any, float] = {}
        for (session, target, name, _), value in kept.items():
            if name == "helpful" and isinstance(value, int | float):
                response = TARGETS[target][1]
                found = [(of_sessions, session)]
                found += [(of_responses, (session, response))] if response else []
                for known, key in found:
                    known[key] = best(known.get(key, float(value)), float(value))
        asked = {"score": "helpful", "sort": "score", "order": order}
        sessions = store.sessions(limit=1, **asked).iter_all()  # type: ignore[arg-type]
        responses = [
            (one["eventstore"]["session_id"], one["id"])
            for one in store.responses(limit=2, **asked).iter_all()  # type: ignore[arg-type]
        ]
        ids = [one["id"] for one in sessions]
        for listed, known in ((ids, of_sessions), (responses, of_responses)):
            values = [known[key] for key in listed]  # type: ignore[attr-defined]
            assert values == sorted(known.values(), reverse=order == "desc")
            assert len(set(listed)) == len(known)  # type: ignore[arg-type]
        backwards = (
            store.responses(
                limit=100,
                before=f"{'/'.join(responses[-1])}",
                **asked,  # type: ignore[arg-type]
            )
            if responses
            else []
        )
        assert [(one["eventstore"]["session_id"], one["id"]) for one in backwards] == responses[:-1]


def _check_chosen_and_sorted(store: EventStore, kept: dict[Any, Any]) -> None:
    """What is sorted by a score and chosen by it: any score passes, and the best one counts."""
    given: dict[Any, list[Any]] = defaultdict(list)
    for (session, target, name, _), value in kept.items():
        if name == "helpful":
            given[session].append(value)
            if TARGETS[target][1] is not None:
                given[session, TARGETS[target][1]].append(value)
    for condition, (order, best) in product(CONDITIONS, (("desc", max), ("asc", min))):
        if not condition.startswith("helpful"):
            continue
        asked = {"score": condition, "sort": "score", "order": order, "limit": 2}
        responses = store.responses(**asked).iter_all()  # type: ignore[arg-type]
        listed: list[Any] = [(one["eventstore"]["session_id"], one["id"]) for one in responses]
        sessions = store.sessions(**asked).iter_all()  # type: ignore[arg-type]
        listed += [one["id"] for one in sessions]
        numbers = {
            key: [float(value) for value in values if isinstance(value, int | float)]
            for key, values in given.items()
            if any(passes(condition, "helpful", value) for value in values)
        }
        bests = {key: best(values) for key, values in numbers.items() if values}
        assert sorted(map(str, listed)) == sorted(map(str, bests)), (condition, order)
        for kind in (str, tuple):
            values = [bests[key] for key in listed if isinstance(key, kind)]
            assert values == sorted(values, reverse=order == "desc")


def _check_sums(store: EventStore, ids: list[str], kept: dict[Any, Any]) -> None:
    by_session: dict[Any, list[Any]] = defaultdict(list)
    for (session, _, name, _), value in kept.items():
        by_session[session, name].append(value)
    summed = store.score_sums("session")["data"]
    assert [(one["key"], one["name"]) for one in summed] == sorted(by_session)
    for one in summed:
        values = by_session[one["key"], one["name"]]
        numbers = [v for v in values if type(v) in (int, float)]
        labels = Counter(v for v in values if v in ("refund", "other"))
        assert one["count"] == len(values) and one["numbers"] == len(numbers)
        assert one["mean"] == (sum(numbers) / len(numbers) if numbers else None)
        assert (one["min"], one["max"]) == (min(numbers, default=None), max(numbers, default=None))
        truths = Counter(v for v in values if isinstance(v, bool))
        assert (one["true"], one["false"]) == (truths[True], truths[False])
        assert one["labels"] == labels and one["labelled"] == sum(labels.values())
        assert one["texts"] == values.count("two\nlines")
    for by, key in (("day", "2023-11-14"), ("model", "gpt-realtime"), ("metadata:customer", None)):
        assert {one["key"] for one in store.score_sums(by)["data"]} <= {key}
        assert sum(one["count"] for one in store.score_sums(by)["data"]) == len(kept)
    assert sum(one["count"] for one in store.score_sums(name="topic")["data"]) == sum(
        name == "topic" for _, _, name, _ in kept
    )


def test_an_export_carries_scores_to_another_store(store: EventStore) -> None:
    store.append("sess_a", _call().frames, close=True)
    store.score("sess_a", "helpful", 0.25, response="resp_1", by="judge", reason="no price")
    store.score("sess_a", "topic", "refund", at="2026-05-04T09:30:00Z")
    given_scores = store.scores("sess_a")
    exported = b"".join(store.export("sess_a"))
    store.import_file(BytesIO(exported), session_id="sess_b")
    assert store.scores("sess_b") == [{**one, "session_id": "sess_b"} for one in given_scores]
    assert given_scores[1]["at"] == "2026-05-04T09:30:00.000000Z"


def test_scores_are_of_a_scope(store: EventStore) -> None:
    for id_, tenant in (("sess_a", "anna"), ("sess_b", "berta")):
        store.append(id_, _call().frames)
        store.set_metadata(id_, {"tenant": tenant})
        store.score(id_, "helpful", 1, response="resp_1")
    anna = store.scoped("tenant", "anna")
    assert [one["session_id"] for one in anna.scores("sess_a")] == ["sess_a"]
    with pytest.raises(NotFoundError):
        anna.scores("sess_b")
    assert [one["count"] for one in anna.score_sums()["data"]] == [1]
    for metadata, number in ((["tenant"], 2), ({"tenant": "anna"}, 1), (["tenant!=anna"], 1)):
        assert [one["count"] for one in store.score_sums(metadata=metadata)["data"]] == [number]
    assert [one["count"] for one in store.score_sums(metadata=["tenant^=b"])["data"]] == [1]
    assert store.score_sums(metadata={"tenant": "nobody"})["data"] == []
    assert [one["id"] for one in anna.sessions(score="helpful")] == ["sess_a"]
    assert len(anna.responses(score="helpful>=1")) == 1


def test_a_later_score_is_no_part_of_the_calls_time(store: EventStore) -> None:
    store.append("sess_a", voice_call().frames, close=True)
    before, cues = store.session("sess_a")["eventstore"], list(store.replay("sess_a"))
    store.score("sess_a", "solved", True)
    after = store.session("sess_a")["eventstore"]
    assert after["duration_ms"] == before["duration_ms"] and after["last_at"] == before["last_at"]
    *same, scored = store.replay("sess_a")
    assert same == cues
    assert (scored.kind, scored.text, scored.offset_ms) == ("scored", "solved true", None)
    assert "scores" not in store.state("sess_a", "+100")["session"]["eventstore"]
    assert "scores" in store.state("sess_a")["session"]["eventstore"]


def test_a_projection_that_is_behind_refuses_no_target(store: EventStore) -> None:
    with EventStore(store.engine.url.render_as_string(hide_password=False), "deferred") as late:
        late.append("sess_a", _call().frames)
        late.score("sess_a", "helpful", 1, response="resp_1")
        assert late.scores("sess_a") == []
        assert late.project().done
        assert [one["value"] for one in late.scores("sess_a")] == [1]
        with pytest.raises(NotFoundError, match="no response resp_9"):
            late.score("sess_a", "helpful", 1, response="resp_9")


WRONG: tuple[tuple[Json, str], ...] = (
    ({"name": "a<b"}, "the score's name is 'a<b'"),
    ({"name": 7}, "the score's name is 7"),
    ({"value": float("nan")}, "use a number between"),
    ({"value": [1]}, "use a number, a truth or text"),
    ({"value": "two\nlines", "kind": "label"}, "use a label"),
    ({"value": ""}, "use text of 1 to"),
    ({"value": 1, "kind": "money"}, "kind is 'money'"),
    ({"by": "b" * 65}, "by is"),
    ({"reason": "\0"}, "the reason is no text"),
    ({"response": "resp_1", "item": "item_1"}, "not both"),
    ({"response": 7}, "response is 7"),
    ({"at": "yesterday"}, "^at: 'yesterday' is no time"),
)


@pytest.mark.parametrize(("told", "said"), WRONG)
def test_wrong_scores_are_refused(store: EventStore, told: Json, said: str) -> None:
    store.append("sess_a", _call().frames)
    with pytest.raises(InvalidInputError, match=said):
        store.score("sess_a", **{"name": "helpful", "value": 1, **told})
    assert store.last_seq("sess_a") == len(_call().frames)


def test_what_is_not_there_is_not_scored(store: EventStore) -> None:
    store.append("sess_a", _call().frames)
    for arguments in ({"response": "resp_9"}, {"item": "item_9"}):
        with pytest.raises(NotFoundError, match="sess_a has no"):
            store.score("sess_a", "helpful", 1, **arguments)
    with pytest.raises(NotFoundError, match="no session sess_b"):
        store.score("sess_b", "helpful", 1)
    with pytest.raises(NotFoundError, match="no session sess_b"):
        store.scores("sess_b")
    for ask in (store.sessions, store.responses):
        with pytest.raises(InvalidInputError, match="to sort by a score, name it"):
            ask(sort="score")
    for by in ("week", "metadata:", 7):
        with pytest.raises(InvalidInputError):
            store.score_sums(by)  # type: ignore[arg-type]
    for score in ("a<b", 7, ["x"] * 33):
        with pytest.raises(InvalidInputError, match="score"):
            store.responses(score=score)  # type: ignore[arg-type]


@pytest.mark.parametrize("sort", ["created", "score"])
def test_scores_are_looked_up_and_not_read_through(store: EventStore, sort: Any) -> None:
    """Each condition is a lookup by the session, also where many scores have the name."""
    if store.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics")
    store.append("sess_a", _call().frames)
    filters = checked_filter(ResponseFilter, {"score": "helpful>0.5", "label": "refund"})
    with read(store.engine) as tx:
        sql, parameters = responses_sql(tx, filters, ResponsePaging(sort=sort))
        plan = [str(row[3]) for row in tx.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    lookups = [step for step in plan if step.startswith(("SEARCH g", "SEARCH y"))]
    assert len(lookups) == 2 + (sort == "score")
    assert all("scores_response (session_id=? AND response_id=?" in step for step in lookups), plan
