"""Acceptance: Parquet files hold what the store answers, read back by pyarrow, DuckDB, pandas."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow.parquet as pq
import pytest
from exports.calls_to_export import put_everything, put_sample
from hypothesis import given
from support.calls import voice_call
from support.events import Call
from support.examples import examples
from support.strategies import streams
from support.told_call import COMPLETED, SEGMENT, told_call

from eventstore import EventStore, Frame, NotFoundError, StorageUnavailableError
from eventstore.exports.parquet.columns import RESPONSE_COLUMNS
from eventstore.exports.parquet.table_file import GROUP_CHARACTERS, GROUP_ROWS, TableFile
from eventstore.exports.parquet.write_parquet import write_parquet
from eventstore.realtime.values import loads, metadata_pairs
from eventstore.times import parse_time

Json = dict[str, Any]

FILES = [f"{name}.parquet" for name in ("items", "responses", "scores", "sessions", "usage")]


def table(folder: Path, name: str) -> list[Json]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist(maps_as_pydicts="strict")


def all_responses(store: EventStore) -> Iterator[Json]:
    after = None
    while True:
        page = store.responses(limit=100, after=after, order="asc")
        yield from page.data
        if not page.has_more:
            return
        after = page.last_id


def by_key(rows: list[Json], key: str) -> dict[tuple[str, str], Json]:
    found = {(row["session_id"], row[key]): row for row in rows}
    assert len(found) == len(rows)
    return found


def micros(row: Json, name: str) -> int | None:
    return None if row[name] is None else parse_time(row[name].isoformat())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "tables"


def test_responses_are_those_of_the_store(store: EventStore, folder: Path) -> None:
    put_everything(store)
    written = write_parquet(store, store.session_ids(), folder)
    rows = by_key(table(folder, "responses"), "response_id")
    wanted = list(all_responses(store))
    assert len(rows) == written.responses == len(wanted) > 6
    for response in wanted:
        notes = response["eventstore"]
        row = rows[notes["session_id"], response["id"]]
        assert loads(row["resource"]) == response
        assert (row["status"], row["model"]) == (response["status"], notes["model"])
        assert row["heard"] == notes["heard"]
        assert row["interrupted"] is notes["interrupted"]
        assert row["modalities"] == (sorted(notes["config"]["modalities"] or ()) or None)
        for name in ("created_at", "first_text_at", "first_audio_at", "done_at"):
            assert micros(row, name) == parse_time(notes[name])
        own = metadata_pairs(response["metadata"])
        assert row["metadata"] == store.metadata(notes["session_id"]) | own


def test_items_are_those_of_the_store(store: EventStore, folder: Path) -> None:
    ids = put_everything(store)
    written = write_parquet(store, ids, folder)
    rows = by_key(table(folder, "items"), "item_id")
    assert len(rows) == written.items
    for session_id in ids:
        for conversation in store.state(session_id)["conversations"]:
            for place, item in enumerate(conversation["items"]):
                row = rows[session_id, item["id"]]
                kept = loads(row["resource"])
                assert kept["id"] == item["id"] and kept["type"] == item["type"] == row["type"]
                assert row["position"] == place
                assert row["conversation_id"] == conversation["id"]
                assert row["name"] == item.get("name")
                assert row["call_id"] == item.get("call_id")
                assert row["heard"] == kept["eventstore"].get("heard")
                assert micros(row, "at") == parse_time(item["eventstore"]["at"])


def test_words_have_times_speakers_and_languages(store: EventStore, folder: Path) -> None:
    store.append("sess_1", told_call().frames, close=True)
    write_parquet(store, ["sess_1"], folder)
    rows = by_key(table(folder, "items"), "item_id")
    heard, told, estimated, typed = (rows["sess_1", f"item_{n}"] for n in range(1, 5))
    assert heard["words"] == [
        {"text": "Hello?", "start_ms": 100.0, "end_ms": 600.0, "speaker": "A"},
        {"text": "Hi, it is me.", "start_ms": 1000.0, "end_ms": 1500.0, "speaker": "B"},
    ]
    assert (heard["words_from"], heard["languages"]) == ("server", ["en"])
    assert [(word["text"], word["start_ms"]) for word in told["words"]] == [
        ("Good", 0),
        ("day", 900),
    ]
    assert (told["words_from"], told["languages"]) == ("server", None)
    assert estimated["words_from"] == "estimate"
    assert [word["text"] for word in estimated["words"]] == ["Nobody", "told", "when."]
    starts = [word["start_ms"] for word in estimated["words"]]
    assert starts == sorted(starts) and starts[0] == 0 and estimated["words"][-1]["end_ms"] > 0
    assert (typed["words"], typed["words_from"]) == (None, None)
    found = duckdb.sql(
        f"SELECT word.speaker, word.start_ms FROM (SELECT unnest(words) AS word"
        f" FROM '{folder}/items.parquet' WHERE list_contains(languages, 'en')) ORDER BY 2"
    ).fetchall()
    assert found == [("A", 100.0), ("B", 1000.0)]


def test_no_word_tells_a_secret(store: EventStore, folder: Path) -> None:
    secret = "sk-proj-0123456789abcdefghijklmnopqrstuv"
    call = Call().spoken("item_1", 0, 2000)
    call.server(SEGMENT, item_id="item_1", id="s", text=secret, start=0, end=1)
    call.spoken("item_2", 3000, 5000)
    call.server(COMPLETED, item_id="item_2", transcript=f"My key is {secret} now")
    store.append("sess_1", call.frames, close=True)
    write_parquet(store, ["sess_1"], folder)
    assert secret not in json.dumps(table(folder, "items"), default=str)
    rows = by_key(table(folder, "items"), "item_id")
    assert [row["words_from"] for row in rows.values()] == ["server", "estimate"]


def test_usage_sums_up_to_what_the_store_says(store: EventStore, folder: Path) -> None:
    put_everything(store)
    written = write_parquet(store, store.session_ids(), folder)
    rows, total = table(folder, "usage"), store.usage()["total"]
    kinds = ("responses", "transcriptions", "sessions")
    assert len(rows) == written.usage == sum(total[kind] for kind in kinds)
    for name in ("input_tokens", "output_tokens", "cached_tokens", "output_audio", "audio_ms"):
        assert sum(row[name] for row in rows) == total[name]
    priced = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
    assert sum(priced) == pytest.approx(total["cost_usd"])
    unpriced = sum(total["unpriced"][kind] for kind in kinds)
    assert len(rows) - len(priced) == unpriced


def test_scores_have_their_values_and_secrets_masked(store: EventStore, folder: Path) -> None:
    session_id = put_sample(store)
    response_id = store.responses()[0]["id"]
    secret = "sk-proj-" + "abcDEF123456" * 4
    store.score(session_id, "helpful", 0.25, response=response_id, by="judge", reason=secret)
    store.score(session_id, "solved", True, at="2026-05-04T09:30:00Z")
    store.score(session_id, "topic", "refund")
    assert write_parquet(store, [session_id], folder).scores == 3
    rows = table(folder, "scores")
    assert [(r["name"], r["kind"], r["number"], r["value"]) for r in rows] == [
        ("helpful", "number", 0.25, "0.25"),
        ("solved", "boolean", 1.0, "true"),
        ("topic", "label", None, "refund"),
    ]
    assert [r["response_id"] for r in rows] == [response_id, None, None]
    assert rows[0]["by"] == "judge" and secret not in rows[0]["reason"]
    assert rows[1]["scored_at"].isoformat() == "2026-05-04T09:30:00+00:00"
    found = duckdb.sql(
        f"SELECT avg(number) FROM '{folder}/scores.parquet'"
        f" JOIN '{folder}/responses.parquet' USING (session_id, response_id)"
    ).fetchall()
    assert found == [(0.25,)]


def test_duckdb_and_pandas_read_them(store: EventStore, folder: Path) -> None:
    put_sample(store, customer="42")
    write_parquet(store, store.session_ids(), folder)
    found = duckdb.sql(
        f"SELECT metadata['customer'], count(*), sum(cost_usd) FROM '{folder}/responses.parquet'"
        f" JOIN '{folder}/usage.parquet' USING (session_id, response_id) GROUP BY 1"
    ).fetchall()
    cost = sum(row["cost_usd"] for row in table(folder, "usage") if row["kind"] == "response")
    assert found == [("42", 6, pytest.approx(cost))]
    resources = duckdb.sql(f"SELECT resource::JSON FROM '{folder}/responses.parquet'").fetchall()
    wanted = [json.dumps(entry) for entry in all_responses(store)]
    assert sorted(json.dumps(json.loads(row[0])) for row in resources) == sorted(wanted)
    frame = pandas.read_parquet(folder / "responses.parquet")
    assert frame["first_audio_at"].dtype == "datetime64[us, UTC]"
    assert frame["input_tokens"].dtype == "int64"


def test_a_store_without_sessions_gives_empty_files(store: EventStore, folder: Path) -> None:
    assert write_parquet(store, store.session_ids(), folder) == (0, 0, 0, 0, 0)
    assert [path.name for path in sorted(folder.iterdir())] == FILES
    assert duckdb.sql(f"SELECT count(*) FROM '{folder}/usage.parquet'").fetchall() == [(0,)]


def test_many_sessions_and_long_ones(store: EventStore, folder: Path) -> None:
    long = Call().server("session.created", session={"id": "sess_x", "model": "gpt-realtime"})
    for number in range(1, 1203):
        long.created(f"resp_{number}", metadata={"number": str(number)}).done(f"resp_{number}")
    store.append("sess_long", long.frames)
    for number in range(230):
        store.append(f"sess_{number}", Call().created("resp_1").done("resp_1").frames)
    counted: list[int] = []
    written = write_parquet(store, store.session_ids(), folder, counted.append)
    assert written == (231, 1432, 0, 1432, 0) and counted == [100, 200, 231]
    rows = by_key(table(folder, "responses"), "response_id")
    assert rows["sess_long", "resp_1202"]["metadata"] == {"number": "1202"}
    assert rows["sess_7", "resp_1"]["metadata"] == {}


def test_a_sessions_metadata_win_over_a_responses_own(store: EventStore, folder: Path) -> None:
    call = Call().store("metadata", metadata={"topic": "session", "user": "u"})
    call.created("resp_1", metadata={"topic": "own"}).done("resp_1", metadata={"topic": "own"})
    store.append("sess_1", call.frames)
    write_parquet(store, ["sess_1"], folder)
    (row,) = table(folder, "responses")
    assert row["metadata"] == {"topic": "session", "user": "u"}


def test_keys_that_are_masked_alike_leave_files_that_duckdb_reads(
    store: EventStore, folder: Path
) -> None:
    """DuckDB reads no table in which a map has a key twice."""
    own = {f"sk-proj-{letter * 48}": letter for letter in "ab"}
    own |= {f"half{half}": half for half in ("\ud800", "\ud801")}
    store.append("sess_1", Call().created("resp_1").done("resp_1", metadata=own).frames)
    store.append("sess_1", Call().store("metadata", metadata=own).frames)
    write_parquet(store, ["sess_1"], folder)
    for name in ("sessions", "responses"):
        sql = f"SELECT metadata['[removed]'] FROM '{folder}/{name}.parquet'"
        assert duckdb.sql(sql).fetchall() == [("b",)]


def test_where_it_fails_what_was_there_stays(store: EventStore, folder: Path) -> None:
    store.append("sess_1", voice_call().frames)
    write_parquet(store, ["sess_1"], folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(NotFoundError):
        write_parquet(store, ["sess_1"] * 100 + ["nowhere"], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "items.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(StorageUnavailableError, match=r"items.parquet.partial: No space left on"):
        write_parquet(store, ["sess_1"], folder)
    assert {path.name for path in folder.iterdir()} == before.keys()  # /dev/full has no end
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_row_groups_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with TableFile(path, (("number", "integer"), ("text", "text"))) as file:
        file.write_all((number, "x") for number in range(2 * GROUP_ROWS + 5))
        file.write_all((number, "x" * (GROUP_CHARACTERS // 2)) for number in range(7))
        assert not path.exists()
        file.finish()
        file.publish()
    groups = pq.ParquetFile(path).metadata
    sizes = [groups.row_group(index).num_rows for index in range(groups.num_row_groups)]
    assert sizes == [GROUP_ROWS, GROUP_ROWS, 7, 2, 2, 1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.parquet"]


def test_row_groups_of_many_words_are_bounded(tmp_path: Path) -> None:
    word = {"text": "a", "start_ms": 0.0, "end_ms": 1.0, "speaker": None}
    with TableFile(tmp_path / "t.parquet", (("words", "words"), ("text", "text"))) as file:
        file.write_all(([word] * 5000, "x") for _ in range(70))
        file.finish()
        file.publish()
    groups = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert [groups.row_group(index).num_rows for index in range(2)] == [68, 2]


def test_columns_are_typed(store: EventStore, folder: Path) -> None:
    write_parquet(store, [], folder)
    schema = pq.read_schema(folder / "responses.parquet")
    assert schema.names == [name for name, _ in RESPONSE_COLUMNS]
    assert str(schema.field("at").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("metadata").type).startswith("map<string, string")
    assert str(schema.field("total_tokens").type) == "int64"
    words = pq.read_schema(folder / "items.parquet").field("words").type
    assert words.value_type.names == ["text", "start_ms", "end_ms", "speaker"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_stream(store: EventStore, folder: Path) -> None:
    numbers = itertools.count(1)

    @given(played=streams(15))
    @examples(40)
    def check(played: list[Frame]) -> None:
        session_id = f"sess_{next(numbers)}"
        store.append(session_id, played, close=True)
        write_parquet(store, [session_id], folder)
        rows = by_key(table(folder, "responses"), "response_id")
        wanted = store.responses(limit=100, session=session_id).data
        resources = {json.dumps(loads(row["resource"])) for row in rows.values()}
        assert resources == {json.dumps(entry) for entry in wanted}
        items = duckdb.sql(f"SELECT count(*) FROM '{folder}/items.parquet'").fetchall()
        assert items == [(len(table(folder, "items")),)]

    check()
