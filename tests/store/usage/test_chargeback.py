"""What a call costs is charged to whom the operator says, whatever the app's user asks for."""

from __future__ import annotations

import io

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from support.day_sums import counts, drop_sums
from support.events import Call
from support.examples import examples

from eventstore import EventStore, InvalidInputError
from eventstore.exports.otel.session_spans import read_spans
from eventstore.exports.parquet.columns import RESPONSE_COLUMNS
from eventstore.exports.parquet.rows import _responses
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.recording_lines import envelope_line
from eventstore.store.database import schema
from eventstore.store.database.transaction import read

Pairs = dict[str, str]
USAGE = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


def call(session: Pairs, responses: list[Pairs | None]) -> Call:
    """A call whose client asks for responses with metadata of its own choice."""
    made = Call().server("session.created", session={"id": "s", "model": "gpt-realtime"})
    if session:
        made.store("metadata", metadata=session)
    for number, own in enumerate(responses):
        asked = {} if own is None else {"metadata": own}
        made.client("response.create", response=asked)
        made.created(f"resp_{number}", **asked)
        made.done(f"resp_{number}", usage=USAGE, **asked)
    return made


def by_customer(store: EventStore) -> dict[str | None, int]:
    """The tokens that each customer pays for."""
    data = store.usage("metadata:customer")["data"]
    return {line["key"]: line["total_tokens"] for line in data}


def test_a_clients_metadata_move_no_cost_to_another_customer(store: EventStore) -> None:
    store.append("sess_1", call({"customer": "7"}, [{"customer": "42"}, None]).frames, close=True)
    store.append("sess_2", call({}, [{"customer": "42"}, None]).frames, close=True)
    for summed in (False, True):
        if summed:
            assert store.sum_days().done
        assert by_customer(store) == {"7": 14, "42": 7, None: 7}
        assert store.latency("metadata:customer")["total"]["answers"] == 0
        # As a filter too: what is charged to 42, and what is not.
        assert store.usage(metadata={"customer": "42"})["total"]["total_tokens"] == 7
        assert store.usage(metadata={"customer": "7"})["total"]["total_tokens"] == 14
        assert store.usage(metadata=["customer!=42"])["total"]["total_tokens"] == 21
        assert store.usage(metadata=["customer^=4"])["total"]["total_tokens"] == 7
    # Lists find what a response says as well as what its session says.
    found = store.responses(metadata={"customer": "42"}).data
    assert {r["eventstore"]["session_id"] for r in found} == {"sess_1", "sess_2"}
    # A tenant's key sees neither more nor less.
    assert store.scoped("customer", "42").responses().data == []
    assert len(store.scoped("customer", "7").responses().data) == 2
    with read(store.engine) as tx:
        exported = {
            (row[0], row[1]): dict(row[[name for name, _ in RESPONSE_COLUMNS].index("metadata")])
            for row in _responses(tx, ["sess_1", "sess_2"])
        }
    assert exported["sess_1", "resp_0"] == {"customer": "7"}
    assert exported["sess_2", "resp_0"] == {"customer": "42"}
    for session_id, customer in (("sess_1", "7"), ("sess_2", "42")):
        told = [span.attributes for span in read_spans(store, session_id)]
        by_response = {span.get("gen_ai.response.id"): span for span in told}
        assert by_response["resp_0"]["eventstore.metadata.customer"] == customer


def test_pairs_of_a_recording_leave_room_for_the_operators(store: EventStore) -> None:
    """A session has so many pairs at most: what would push the operator's out is refused."""
    made = Call().server("session.created", session={"id": "sess_1"})
    for note in range(17):
        made.store("opened", metadata={f"{note}_{n}": "x" for n in range(16)})
    lines = b"".join(
        envelope_line(StoredEvent(seq, frame.at, frame.direction, "", frame.text))
        for seq, frame in enumerate(made.frames, 1)
    )
    with pytest.raises(InvalidInputError, match="at most 16 are allowed"):
        store.import_file(io.BytesIO(lines), metadata={"customer": "7"})


VALUES = st.sampled_from(("7", "42", "8"))
PAIRS = st.dictionaries(st.sampled_from(("customer", "topic")), VALUES, max_size=2)
CALLS = st.lists(st.tuples(PAIRS, st.lists(st.none() | PAIRS, max_size=3)), max_size=3)


def test_any_calls_are_charged_by_the_operators_word(store: EventStore) -> None:
    known: dict[str, tuple[Pairs, list[Pairs | None]]] = {}

    @given(CALLS, CALLS, st.sampled_from(("customer", "topic")))
    @examples(20)
    def check(
        summed: list[tuple[Pairs, list[Pairs | None]]],
        behind: list[tuple[Pairs, list[Pairs | None]]],
        key: str,
    ) -> None:
        for calls in (summed, behind):
            for one in calls:
                known[f"sess_{len(known)}"] = one
                store.append(f"sess_{len(known)}", call(*one).frames, close=True)
            if calls is summed:
                store.sum_days().raise_for_errors()
        expected: dict[str | None, int] = {}
        for session, responses in known.values():
            for own in responses:
                value = session.get(key, (own or {}).get(key))
                expected[value] = expected.get(value, 0) + 7
        for _ in range(2):
            data = store.usage(f"metadata:{key}")["data"]
            assert {line["key"]: line["total_tokens"] for line in data} == expected
            for value in ("7", "42", "8"):
                total = store.usage(metadata={key: value})["total"]["total_tokens"]
                assert total == expected.get(value, 0)
            drop_sums(store)

    check()


def test_sums_by_the_old_rule_are_made_anew(store: EventStore) -> None:
    store.append("sess_1", call({"customer": "7"}, [{"customer": "42"}]).frames, close=True)
    store.sum_days().raise_for_errors()
    with store.engine.begin() as connection:
        # As the old rule summed it up.
        connection.execute(text("UPDATE value_days SET names = REPLACE(names, '\"7\"', '\"42\"')"))
    assert by_customer(store) == {"42": 7}
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        head = f"UPDATE alembic_version SET version_num = '{schema.HEAD_REVISION}'"
        connection.execute(text(head))  # Other tests use the database, too.
    assert by_customer(store) == {"7": 7}
    assert counts(store)["summed_days"] == 0
    store.sum_days().raise_for_errors()
    assert by_customer(store) == {"7": 7}
