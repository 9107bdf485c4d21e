"""The calls that queries are asked about hold what the queries are to tell apart."""

from __future__ import annotations

from support.query_calls import (
    KEYS,
    MODALITIES,
    MODELS,
    SAME,
    SENTENCES,
    START,
    STATUSES,
    VALUES,
    VOICES,
    everything,
    pairs_of,
    recorded,
)

from eventstore import EventStore


def test_the_calls_hold_every_case(store: EventStore) -> None:
    found = everything(recorded(store))
    assert len(found) > 35
    assert {known.resource["status"] for known in found} == set(STATUSES)
    assert {known.resource["eventstore"]["model"] for known in found} == set(MODELS)
    voices = {known.resource["eventstore"]["config"]["voice"] for known in found}
    assert voices == set(VOICES)
    assert {tuple(m) for m in MODALITIES} == {
        tuple(known.resource["eventstore"]["config"]["modalities"]) for known in found
    }
    assert {None, "conv_1"} < {known.resource["conversation_id"] for known in found}
    pairs = {pair for known in found for pair in pairs_of(known)}
    assert {key for key, _ in pairs} == set(KEYS) and {value for _, value in pairs} == set(VALUES)
    assert sum(known.id == SAME for known in found) > 2
    assert len({known.at for known in found}) < len(found)


def test_what_answers_are_said_to_be_is_what_was_appended(store: EventStore) -> None:
    spoken = {text for known in everything(recorded(store)) for text in known.said}
    assert spoken <= set(SENTENCES) and len(spoken) > 4
    assert min(known.at for known in everything(store)) > START
