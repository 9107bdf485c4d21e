"""Read models as appends keep them equal those of a rebuild, row for row, whatever comes."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, Table
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, beta_tool_call, cut_off_call, voice_call
from support.events import SESSION, Call, audio, log_events, message
from support.examples import examples, some
from support.rows import counts_of_said, head_of, read_model_rows, searchable, views
from support.strategies import delivered_twice, mutated, streams

from eventstore.projection.fold import fold
from eventstore.projection.handlers.session import close_session
from eventstore.realtime.frames import Frame
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read, write
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project import catch_up, rebuild, sessions_behind
from eventstore.store.sessions.project_session import project_session

_numbers = itertools.count(1)


class Batch(NamedTuple):
    """Frames to append at once, and who appends them."""

    frames: list[Frame]
    writer: int
    projects: bool = True
    closes: bool = False

    def __repr__(self) -> str:
        """What a person needs who reads of a failure: audio cut short."""
        texts = ",\n  ".join(f"{frame.direction} {frame.text[:300]!r}" for frame in self.frames)
        flags = f"writer={self.writer}, projects={self.projects}, closes={self.closes}"
        return f"Batch({flags}, frames=[\n  {texts}])"


@st.composite
def batches(draw: st.DrawFn, stream: st.SearchStrategy[list[Frame]]) -> list[Batch]:
    """A stream in batches of any size, none among them, appended by one of two writers each.

    Each writer has its own memory of the session, as two processes have; now and then one of
    them leaves the projecting to a worker, or says that no more will come.
    """
    rest, made = draw(stream), []
    while rest:
        size = draw(st.integers(1, 8) | st.just(len(rest)) | st.just(0))
        lazy, closes = (draw(st.integers(1, 10)) == 10 for _ in range(2))
        made.append(Batch(rest[:size], draw(st.sampled_from((0, 0, 0, 1))), not lazy, closes))
        rest = rest[size:]
    made[-1] = made[-1]._replace(projects=True)
    return made


def write_batches(engine: Engine, session_id: str, written: list[Batch]) -> None:
    caches = (StateCache(), StateCache())
    for batch in written:
        states = caches[batch.writer] if batch.projects else None
        append(engine, states, session_id, batch.frames, close=batch.closes)


def check(engine: Engine, written: list[Batch]) -> None:
    """Append, and compare what appends wrote with a rebuild, and a loaded state with a fold."""
    session_id = f"sess_{next(_numbers)}"
    write_batches(engine, session_id, written)
    kept = read_model_rows(engine, session_id)

    project_session(engine, session_id)

    assert kept == read_model_rows(engine, session_id)
    if engine.dialect.name == "sqlite":
        assert kept["said"] == searchable(kept)
    stored = read_events(engine, session_id, 1, 10**9)
    events = log_events(Frame(event.direction, event.text, event.at) for event in stored)
    expected = fold(session_id, events)
    closed = any(batch.closes for batch in written)
    if closed:
        close_session(expected)
    with read(engine) as tx:
        assert views(load_state(tx, session_id, len(events), closed)) == views(expected)


def both_ways(engine: Engine, streams_: st.SearchStrategy[list[Frame]], count: int) -> None:
    """Check so many examples on SQLite; fewer on PostgreSQL, where each takes longer."""

    @examples(count if engine.dialect.name == "sqlite" else count // 3)
    @given(batches(streams_))
    def holds(written: list[Batch]) -> None:
        check(engine, written)

    holds()


def test_rows_of_arbitrary_streams_equal_those_of_a_rebuild(engine: Engine) -> None:
    both_ways(engine, streams(25), 80)


def test_rows_of_what_servers_send_equal_those_of_a_rebuild(engine: Engine) -> None:
    both_ways(engine, mutated(SAMPLE_STREAMS), 40)


def test_rows_of_short_streams_taken_apart_equal_those_of_a_rebuild(engine: Engine) -> None:
    both_ways(engine, mutated(SHORT_STREAMS), 100)


def test_rows_of_what_comes_twice_equal_those_of_a_rebuild(engine: Engine) -> None:
    both_ways(engine, delivered_twice([*SAMPLE_STREAMS, *SHORT_STREAMS]), 100)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_of_whole_calls_equal_those_of_a_rebuild(engine: Engine, size: int) -> None:
    for stream in some(SAMPLE_STREAMS, 3):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        check(engine, [Batch(piece, number % 2) for number, piece in enumerate(pieces)])


def appended(
    engine: Engine, call: Call, size: int = 1, session_id: str = SESSION
) -> dict[str, list[Any]]:
    """Append a call in pieces; its rows, which equal those of a rebuild."""
    frames = call.frames
    pieces = [frames[start : start + size] for start in range(0, len(frames), size)]
    states = StateCache()
    for piece in pieces:
        append(engine, states, session_id, piece)
    rows = read_model_rows(engine, session_id)
    project_session(engine, session_id)
    assert rows == read_model_rows(engine, session_id)
    return rows


def test_a_session_of_audio_alone_is_a_session(engine: Engine) -> None:
    rows = appended(engine, Call().client("input_audio_buffer.append", audio=audio(20)))
    assert len(rows["sessions"]) == 1


def test_a_session_of_events_without_effect_is_a_session(engine: Engine) -> None:
    rows = appended(engine, Call().server("ping"))
    assert len(rows["sessions"]) == 1


def test_an_unnamed_conversation_may_be_emptied(engine: Engine) -> None:
    call = Call().typed("item_1", "Hello")
    appended(engine, call.server("conversation.item.deleted", item_id="item_1"))


def test_a_response_that_names_its_format_late_changes_its_items(engine: Engine) -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.begins_speech("resp_1", "item_1").sounds("resp_1", "item_1", 100)
    call.done("resp_1", audio={"output": {"format": {"type": "audio/pcmu"}}})
    appended(engine, call)


def test_audio_of_another_part_of_an_open_item_changes_its_row(engine: Engine) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    appended(engine, call.sounds("resp_1", "item_1", 10, index=1))


def test_a_delta_that_comes_after_its_item_was_done_changes_its_row(engine: Engine) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "one ")
    call.server("conversation.item.done", item=message("item_1", content=[]))
    rows = appended(engine, call.says("resp_1", "item_1", "two"))
    assert columns(rows, tables.items, "said") == [("one two",)]


def test_a_transcript_in_progress_of_an_item_that_a_response_claims(engine: Engine) -> None:
    call = Call().created("resp_1").sounds("resp_1", "item_1", 10).spoken("item_1", 0, 100)
    type_ = "conversation.item.input_audio_transcription.delta"
    call.server(type_, item_id="item_1", content_index=0, delta="Hello").done("resp_1")
    assert "Hello" in str(appended(engine, call)["items"])


def test_a_session_that_changes_its_format_changes_items_of_no_response(engine: Engine) -> None:
    call = Call().server("response.output_audio.delta", item_id="item_1", delta=audio(100))
    call.server("conversation.item.done", item=message("item_1"))
    appended(engine, call.server("session.updated", session={"output_audio_format": "g711_ulaw"}))


def columns(rows: dict[str, list[Any]], table: Table, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of a table's rows."""
    places = [[column.name for column in table.columns].index(name) for name in names]
    return sorted(tuple(row[place] for place in places) for row in rows[table.name])


def test_metadata_that_a_response_changes_replaces_what_it_had(engine: Engine) -> None:
    call = Call().created("resp_1", metadata={"a": "1", "b": "2"})
    rows = appended(engine, call.done("resp_1", metadata={"a": "3"}))
    found = columns(rows, tables.response_metadata, "response_id", "key", "value")
    assert found == [("resp_1", "a", "3")]


def test_metadata_of_a_session_counts_for_each_of_its_responses(engine: Engine) -> None:
    call = Call().store("opened", metadata={"user": "u-1", "old": "x"})
    call.created("resp_1", metadata={"topic": "a"}).done("resp_1", metadata={"topic": "a"})
    call.store("metadata", metadata={"user": "u-2", "old": None}).created("resp_2")
    rows = appended(engine, call)
    found = columns(rows, tables.response_metadata, "response_id", "key", "value")
    assert found == [
        ("resp_1", "topic", "a"),
        ("resp_1", "user", "u-2"),
        ("resp_2", "user", "u-2"),
    ]
    assert columns(rows, tables.session_metadata, "key", "value") == [("user", "u-2")]


def test_an_item_put_between_others_moves_none(engine: Engine) -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two").typed("item_3", "Three", "item_1")
    found = columns(appended(engine, call), tables.items, "item_id", "position")
    assert found == [("item_1", 0), ("item_2", 64), ("item_3", 32)]


def test_an_item_put_first_moves_none(engine: Engine) -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two").typed("item_3", "Three", "root")
    found = columns(appended(engine, call), tables.items, "item_id", "position")
    assert found == [("item_1", 0), ("item_2", 64), ("item_3", -64)]


def test_an_item_taken_out_moves_none(engine: Engine) -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two").typed("item_3", "Three")
    call.server("conversation.item.deleted", item_id="item_2")
    found = columns(appended(engine, call), tables.items, "item_id", "position")
    assert found == [("item_1", 0), ("item_2", None), ("item_3", 128)]


def test_a_conversation_named_late_is_named_in_its_items_and_responses(engine: Engine) -> None:
    call = Call().typed("item_1", "One").created("resp_1").done("resp_1")
    rows = appended(engine, call.server("conversation.created", conversation={"id": "conv_1"}))
    found = columns(rows, tables.responses, "response_id", "conversation_id")
    assert found == [("resp_1", "conv_1")]
    assert "conv_1" in str(columns(rows, tables.items, "resource"))


def test_each_conversation_that_is_named_has_a_row(engine: Engine) -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    rows = appended(engine, call.created("resp_1", "conv_1").created("resp_2", "conv_2"))
    found = columns(rows, tables.conversations, "position", "conversation_id")
    assert found == [(0, "conv_1"), (1, "conv_2")]


def test_a_response_is_not_billed_in_place_of_a_transcription(engine: Engine) -> None:
    usage = {"type": "duration", "seconds": 1}
    call = Call().spoken("a", 0, 100).transcribed("a", "Hi", usage=usage)
    rows = appended(engine, call.done("a/0"))
    assert len(rows["usage"]) == 2


def test_a_text_that_became_empty_is_no_longer_found(engine: Engine) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Hello").done("resp_1")
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call.server("response.output_audio_transcript.done", transcript="", **ids)
    call.typed("item_2", "World")
    rows = appended(engine, call)
    if engine.dialect.name == "sqlite":
        assert rows["said"] == [("item_2", "world")]
        assert counts_of_said(engine) == (1, 1)


def test_tokens_that_no_column_holds_do_not_stop_an_append(engine: Engine) -> None:
    usage = {"input_tokens": 2**63 - 1, "output_tokens": 2**63 - 1}
    appended(engine, Call().created("resp_1").done("resp_1", usage=usage))


def test_a_time_that_no_calendar_has_does_not_stop_a_projection(engine: Engine) -> None:
    call = Call().typed("item_1", "Hello")
    call.server("input_audio_buffer.speech_started", item_id="item_2", audio_start_ms=10**18)
    call.server("input_audio_buffer.speech_stopped", item_id="item_2", audio_end_ms=-(10**18))
    assert len(appended(engine, call)["items"]) == 2


ANY_TEXT = [
    *("a\0b", "\ud83d\ude00", "\ud83d", "é" * 300, "'; DROP TABLE items; --"),
    "\U0001f600" * 128,
]


def test_any_text_is_written_wherever_a_client_can_put_it(engine: Engine) -> None:
    for number, text in enumerate(ANY_TEXT):
        call = Call().store("opened", metadata={text[:64]: text})
        call.server("session.created", session={"id": text, "model": text})
        call.server("conversation.created", conversation={"id": text})
        item = message(text, text, {"type": text, "text": text}, status=text)
        call.added({**item, "name": text}).added({**item, "type": text})
        call.created(text, text, metadata={text[:64]: text}, voice=text)
        call.speaks(text, text, text).transcribed(text, text, usage={"type": text})
        call.done(text, text, status=text, status_details={"reason": text}, max_output_tokens=text)
        call.server("error", error={"code": text, "message": text}).server(text)
        appended(engine, call, session_id=f"sess_{number}")


def test_the_largest_keys_and_metadata_fit_their_indexes(engine: Engine) -> None:
    # Characters of four bytes in no pattern, so that no database can compress them.
    noise = random.Random(1)

    def text(length: int) -> str:
        return "".join(chr(noise.randrange(0x20000, 0x2A000)) for _ in range(length))

    session_id, long_id = text(32), text(32)
    metadata = {text(64): text(512) for _ in range(16)}
    call = Call().store("opened", metadata={text(64): text(512) for _ in range(16)})
    call.server("session.created", session={"id": text(500), "model": text(500)})
    call.answers(long_id, text(32), text(2000)).done(long_id, text(32), metadata=metadata)
    states = StateCache()
    append(engine, states, session_id, call.frames)
    assert len(read_model_rows(engine, session_id)["response_metadata"]) == 32


def test_rows_are_projected_to_the_head(engine: Engine) -> None:
    call = voice_call()
    appended(engine, call, 5)
    assert head_of(engine, SESSION) == (len(call.frames), len(call.frames))
    assert sessions_behind(engine) == []


def test_a_deferred_append_leaves_the_session_behind_until_a_worker_catches_up(
    engine: Engine,
) -> None:
    inline, deferred = beta_tool_call().frames, cut_off_call().frames
    append(engine, StateCache(), "inline", inline)
    append(engine, None, "deferred", deferred)
    assert sessions_behind(engine) == ["deferred"]
    assert head_of(engine, "deferred") == (len(deferred), 0)
    assert not any(read_model_rows(engine, "deferred").values())

    assert [done.session_id for done in catch_up(engine)] == ["deferred"]

    assert sessions_behind(engine) == []
    assert head_of(engine, "deferred") == (len(deferred), len(deferred))
    rows = read_model_rows(engine, "deferred")
    project_session(engine, "deferred")
    assert rows == read_model_rows(engine, "deferred")


@pytest.mark.parametrize("frames", [[], cut_off_call().frames[-1:]], ids=["empty", "frames"])
@pytest.mark.parametrize("inline", [True, False], ids=["inline", "deferred"])
def test_a_session_may_be_closed_by_whoever_writes_it(
    engine: Engine, frames: list[Frame], inline: bool
) -> None:
    states = StateCache()
    append(engine, states, SESSION, cut_off_call().frames)
    append(engine, states if inline else None, SESSION, frames, close=True)
    list(catch_up(engine))
    rows = read_model_rows(engine, SESSION)
    # What was left unfinished counts as it is, now that no more will come.
    assert "Hello to" in str(rows["items"])
    project_session(engine, SESSION)
    assert rows == read_model_rows(engine, SESSION)


def test_a_session_closed_by_another_process_stays_closed(engine: Engine) -> None:
    states = StateCache()
    append(engine, states, SESSION, cut_off_call().frames)
    append(engine, StateCache(), SESSION, [], close=True)
    append(engine, states, SESSION, cut_off_call().frames[:2])
    rows = read_model_rows(engine, SESSION)
    project_session(engine, SESSION)
    assert rows == read_model_rows(engine, SESSION)


FEW = voice_call().frames[:3]
UNTIMED = [frame._replace(at=None) for frame in FEW]
METADATA = Call().store("opened", metadata={"user": "u-1"}).frames
EMPTY, CLOSED = Batch([], 0), Batch([], 0, closes=True)
DEFERRED = Batch([], 0, projects=False)
BEGINNINGS = {
    "empty": [EMPTY],
    "empty deferred": [DEFERRED],
    "closed deferred": [DEFERRED._replace(closes=True)],
    "empty deferred, then frames": [DEFERRED, Batch(FEW, 0)],
    "empty, then frames": [EMPTY, Batch(FEW, 0)],
    "empty, then another's frame": [EMPTY, Batch(FEW[:1], 1), Batch(FEW[1:], 0)],
    "closed, then frames": [CLOSED, Batch(FEW, 0)],
    "closed, then another's frames": [CLOSED, Batch(FEW, 1)],
    "closed, then frames at once": [CLOSED, Batch(FEW, 0, closes=True)],
    "closed, then metadata": [CLOSED, Batch(METADATA, 0), Batch(FEW, 0)],
    "closed, then without times": [CLOSED, Batch(UNTIMED[:1], 0), Batch(FEW[1:], 0)],
    "without a time, then with": [Batch(UNTIMED[:1], 0), Batch(FEW[1:], 0)],
    "metadata without a time": [Batch([METADATA[0]._replace(at=None)], 0), Batch(FEW, 0)],
}


@pytest.mark.parametrize("beginning", list(BEGINNINGS))
def test_a_session_has_its_time_however_it_begins(engine: Engine, beginning: str) -> None:
    write_batches(engine, SESSION, BEGINNINGS[beginning])
    list(catch_up(engine))
    rows = read_model_rows(engine, SESSION)
    done = project_session(engine, SESSION)
    assert done is not None and done.changed == 0
    assert read_model_rows(engine, SESSION) == rows
    frames = [frame for batch in BEGINNINGS[beginning] for frame in batch.frames]
    if frames and frames[0].at is not None:
        assert columns(rows, tables.sessions, "at") == [(frames[0].at,)]


def test_a_rebuild_touches_no_other_session(engine: Engine) -> None:
    for session_id in ("one", "two"):
        append(engine, StateCache(), session_id, voice_call().frames)
    kept = read_model_rows(engine, "two")
    project_session(engine, "one")
    assert read_model_rows(engine, "two") == kept
    rebuilt = read_model_rows(engine, "one")
    assert {table: len(rows) for table, rows in rebuilt.items()} == {
        table: len(rows) for table, rows in kept.items()
    }


WRONG = {
    "values": "UPDATE {table} SET {last} = 'wrong'",
    "rows too many": "INSERT INTO {table} SELECT {columns} FROM {table}",
    "rows missing": "DELETE FROM {table} WHERE {key} = (SELECT MIN({key}) FROM {table})",
    "all rows missing": "DELETE FROM {table}",
}
_TEXTS = {"sessions": "notes", "items": "said", "responses": "resource", "usage": "model"}


@pytest.mark.parametrize("what", list(WRONG))
@pytest.mark.parametrize("table", list(_TEXTS))
def test_a_rebuild_puts_right_what_is_wrong(engine: Engine, table: str, what: str) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    right = read_model_rows(engine, SESSION)
    columns = list(tables.metadata.tables[table].columns.keys())
    key = columns[min(1, len(tables.metadata.tables[table].primary_key) - 1)]
    statement = WRONG[what].format(
        table=table,
        last=_TEXTS[table],
        key=key,
        columns=", ".join(f"{c} || '_2'" if c == key and c != "session_id" else c for c in columns),
    )
    if what == "rows too many" and table == "sessions":
        statement = "DELETE FROM sessions"  # its one row has no other key of the same session
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    wrong = read_model_rows(engine, SESSION)[table]
    assert wrong != right[table]
    done = project_session(engine, SESSION)
    assert done is not None
    # A row with another value is one change, and so is one missing or too many.
    keys = {row[:2] if key != "session_id" else row[:1]: row for row in right[table]}
    found = {row[:2] if key != "session_id" else row[:1]: row for row in wrong}
    assert done.changed == len({k for k in {*keys, *found} if keys.get(k) != found.get(k)})
    assert read_model_rows(engine, SESSION) == right
    if engine.dialect.name == "sqlite":
        assert counts_of_said(engine) == (len(right["said"]), len(right["said"]))


def test_a_rebuild_of_right_rows_writes_nothing(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    rows = read_model_rows(engine, SESSION)
    done = project_session(engine, SESSION)
    assert done is not None and done.changed == 0
    assert read_model_rows(engine, SESSION) == rows


def test_a_rebuild_of_right_rows_waits_for_no_writer(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    with ThreadPoolExecutor(1) as rebuilding, write(engine) as tx:
        # On SQLite this locks the whole database, on PostgreSQL the session.
        tx.run("UPDATE streams SET opened_at = opened_at WHERE session_id = ?", (SESSION,))
        done = rebuilding.submit(project_session, engine, SESSION).result(20)
    assert done is not None and done.changed == 0


@pytest.mark.parametrize("table", ["said", "said_rows"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_rebuild_puts_the_search_index_right(engine: Engine, table: str) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    right = read_model_rows(engine, SESSION)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table}")
    project_session(engine, SESSION)
    assert read_model_rows(engine, SESSION) == right


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("words", [None, "'wrong':1"])
def test_a_rebuild_puts_wrong_words_of_items_right(engine: Engine, words: str | None) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    right = read_model_rows(engine, SESSION)
    with write(engine) as tx:
        tx.run("UPDATE items SET said_words = ?::tsvector", (words,))
    project_session(engine, SESSION)
    assert read_model_rows(engine, SESSION) == right


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM said WHERE rowid IN (SELECT docid FROM said_rows WHERE session_id = 'one')",
        "UPDATE said_rows SET docid = (SELECT MIN(docid) FROM said_rows WHERE session_id = 'two')"
        " WHERE session_id = 'one'",
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_damaged_search_index_costs_no_other_session_its_text(
    engine: Engine, damage: str
) -> None:
    for session_id in ("two", "one"):
        append(engine, StateCache(), session_id, voice_call().frames)
    right = {session_id: read_model_rows(engine, session_id) for session_id in ("one", "two")}
    with engine.begin() as connection:
        connection.exec_driver_sql(damage)
    append(engine, StateCache(), "three", voice_call().frames)  # it takes what numbers are free
    right["three"] = read_model_rows(engine, "three")
    for session_id in right:
        project_session(engine, session_id)
    assert {session_id: read_model_rows(engine, session_id) for session_id in right} == right


def test_audio_that_goes_on_behind_a_truncation_changes_what_was_heard(engine: Engine) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.sounds("resp_1", "item_1", 100)
    call.server(
        "response.output_audio_transcript.done",
        response_id="resp_1",
        item_id="item_1",
        content_index=0,
        transcript="one two three four",
    )
    call.truncated("item_1", 150).sounds("resp_1", "item_1", 500)
    states = StateCache()
    for frame in call.frames:
        append(engine, states, SESSION, [frame])
    done = project_session(engine, SESSION)
    assert done is not None and done.changed == 0


def test_a_rebuild_by_several_processes_equals_one_by_one(engine: Engine) -> None:
    ids = [f"sess_{number}" for number in range(6)]
    for session_id in ids:
        append(engine, StateCache(), session_id, beta_tool_call().frames)
    kept = [read_model_rows(engine, session_id) for session_id in ids]
    done = list(rebuild(engine, ids, workers=2))
    assert [projected.session_id for projected in done] == ids
    assert [read_model_rows(engine, session_id) for session_id in ids] == kept


def test_an_append_after_a_load_goes_on_as_if_nothing_had_been_forgotten(engine: Engine) -> None:
    frames = voice_call().frames
    for cut in range(1, len(frames)):
        session_id = f"stream_{cut}"
        append(engine, StateCache(), session_id, frames[:cut])
        append(engine, StateCache(), session_id, frames[cut:])
    reference = read_model_rows(engine, "stream_1")
    assert "And tomorrow it will rain" in str(reference["items"])
    for cut in range(2, len(frames)):
        rows = read_model_rows(engine, f"stream_{cut}")
        assert _anonymous(rows, f"stream_{cut}") == _anonymous(reference, "stream_1"), cut


def _anonymous(rows: dict[str, list[Any]], session_id: str) -> dict[str, list[str]]:
    return {
        table: sorted(repr(row).replace(session_id, "sess") for row in found)
        for table, found in rows.items()
    }
