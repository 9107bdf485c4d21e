"""Integration: suggested keys, values and models are those that are stored, in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Call
from support.examples import examples
from support.query_calls import (
    KEYS,
    VALUES,
    calls,
    everything,
    recorded,
)

from eventstore import EventStore, InvalidInputError
from eventstore.realtime.masking.mask import mask_entry
from eventstore.store.database.transaction import read

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
Pairs = list[tuple[str, str]]


def pairs_of(store: EventStore) -> list[tuple[str, str, str]]:
    """Session, key and value of all metadata, of sessions and of responses."""
    found = [
        (k.session_id, *p)
        for k in everything(store)
        for p in (k.resource["metadata"] or {}).items()
    ]
    for id_ in calls():
        found += [(id_, *pair) for pair in store.metadata(id_).items()]
    return found


def test_suggestions_are_what_is_stored(store: EventStore) -> None:
    found = pairs_of(recorded(store))
    keys = sorted({key for _, key, _ in found})
    assert set(keys) == set(KEYS)
    assert store.metadata_keys() == keys
    assert store.metadata_keys("t") == [key for key in keys if key.startswith("t")]
    assert store.metadata_keys(limit=2) == keys[:2]
    for key in keys:
        values = sorted({value for _, k, value in found if k == key})
        assert store.metadata_values(key, limit=100) == values
        assert store.metadata_values(key, limit=3) == values[:3]
        for prefix in VALUES:
            wanted = [value for value in values if value.startswith(prefix)]
            assert store.metadata_values(key, prefix) == wanted
    assert store.metadata_values("unheard of") == []
    sessions = (one.get("model") for one in store.sessions(limit=100).data)
    assert store.models() == sorted({model for model in sessions if model})


def test_a_tenant_is_told_its_own_alone(store: EventStore) -> None:
    recorded(store)
    for number, id_ in enumerate(calls()):
        store.set_metadata(id_, {"tenant": "anna" if number % 2 else "berta"})
    store.append("s", Call().server("session.created", session={"id": "s", "model": "hers"}).frames)
    store.set_metadata("s", {"tenant": "anna", "only": "hers"})
    for tenant in ("anna", "berta", "clara"):
        queries = store.scoped("tenant", tenant)
        own = [p for p in pairs_of(store) if store.metadata(p[0])["tenant"] == tenant]
        own += [("s", "only", "hers"), ("s", "tenant", "anna")] if tenant == "anna" else []
        assert queries.metadata_keys() == sorted({key for _, key, _ in own})
        for key in (*KEYS, "only", "tenant"):
            wanted = sorted({value for _, k, value in own if k == key})
            assert queries.metadata_values(key) == wanted
            assert queries.metadata_values(key, "d") == [v for v in wanted if v.startswith("d")]
        assert ("hers" in queries.models()) == (tenant == "anna")
    assert store.scoped("tenant", "clara").models() == []


def test_any_text_is_suggested_in_the_order_of_code_points(store: EventStore) -> None:
    stored: set[tuple[str, str]] = set()
    numbers = random.Random(5)

    @given(
        pairs=st.dictionaries(TEXT.filter(bool), TEXT, max_size=5),
        own=st.booleans(),
        prefix=TEXT,
        limit=st.integers(1, 9),
    )
    @examples(120)
    def check(pairs: dict[str, str], own: bool, prefix: str, limit: int) -> None:
        call = Call().store("opened", metadata={} if own else pairs)
        call.created("resp_1", metadata=pairs if own else None)
        store.append(f"s{numbers.getrandbits(64)}", call.frames)
        stored.update(pairs.items())
        for beginning in {prefix, prefix[:1], ""}:
            keys = sorted({key for key, _ in stored if key.startswith(beginning)})
            assert store.metadata_keys(beginning, limit) == keys[:limit]
            for key in pairs:
                values = sorted({v for k, v in stored if k == key and v.startswith(beginning)})
                shown = list(dict.fromkeys(mask_entry(key, value) for value in values[:limit]))
                assert store.metadata_values(key, beginning, limit) == shown

    check()
    assert len(stored) > 20


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_bad_argument_is_told(store: EventStore, limit: int) -> None:
    for ask in (
        lambda: store.metadata_keys(limit=limit),
        lambda: store.metadata_values("k", limit=limit),
        lambda: store.metadata_keys("a\0"),
        lambda: store.metadata_values("\udcff"),
        lambda: store.metadata_values("k", "\0"),
    ):
        with pytest.raises(InvalidInputError):
            ask()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rows_of_the_same_value_are_not_read(store: EventStore) -> None:
    call = Call()
    for number in range(3000):
        call.created(f"resp_{number}", metadata={"k": f"v{number % 3}"})
    store.append("s", call.frames)
    steps: list[int] = []
    with read(store.engine) as tx:
        tx.connection.set_progress_handler(lambda: steps.append(1), 100)
    assert store.metadata_values("k") == ["v0", "v1", "v2"]
    assert store.metadata_keys() == ["k"]
    assert 0 < len(steps) < 20  # hundreds of instructions of the database, not thousands
