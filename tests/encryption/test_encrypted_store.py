"""An encrypted store says what a plain one says, and its files hold nothing of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS
from support.database_files import files, found_in, recorded
from support.encrypted import READABLE
from support.events import Call, audio_part, message
from support.everything import everything
from support.examples import examples
from support.figure_calls import figure_calls, in_order, known_sessions, record
from support.rows import read_model_rows
from support.secret_call import secret_call, words
from support.strategies import delivered_twice, streams

from eventstore import EventStore, InvalidInputError
from eventstore.demo import call_lines
from eventstore.encryption.encrypt_read_models import TABLES_WITHOUT_ROWS, TEXT_COLUMNS
from eventstore.realtime.frames import Frame
from eventstore.store.database.keys import KeyRing, keys_of
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read
from eventstore.store.readmodels.encrypted_rows import decrypted_rows
from eventstore.store.readmodels.write_read_models import READ

_names = (f"sess_{number}" for number in count())


def rows_of(store: EventStore, session_id: str) -> dict[str, list[Any]]:
    """A session's rows, decrypted."""
    with read(store.engine) as tx:
        rows = {name: tx.rows(sql, (session_id,)) for name, sql in READ.items()}
        rows = decrypted_rows(tx.decipher(session_id), rows)
    return {name: sorted(some, key=repr) for name, some in rows.items()}


def without_times(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Rows, but for the time that a session without times has: that of its append."""
    names = {name: list(tables.metadata.tables[name].columns.keys()) for name in rows}
    return {
        name: [tuple(v for c, v in zip(names[name], row, strict=True) if c != "at") for row in some]
        for name, some in rows.items()
    }


def check_alike(keyed: EventStore, plain: EventStore, session_id: str) -> None:
    head = plain.last_seq(session_id)
    assert list(keyed.export(session_id)) == list(plain.export(session_id))
    assert list(keyed.events(session_id)) == list(plain.events(session_id))
    for seq in range(0, head + 1, 5):
        assert keyed.state(session_id, seq) == plain.state(session_id, seq)
    assert keyed.session(session_id) == plain.session(session_id)
    page = {"session": session_id, "limit": 100}
    assert keyed.responses(**page).data == plain.responses(**page).data
    assert keyed.usage(session=session_id) == plain.usage(session=session_id)
    verified = keyed.verify(session_id).done[0]
    assert verified.protection == (head, 0, 0)
    assert verified._replace(protection=None) == plain.verify(session_id).done[0]
    plain_rows = {n: r for n, r in read_model_rows(plain.engine, session_id).items() if n != "said"}
    plain_rows |= {name: [] for name in TABLES_WITHOUT_ROWS}
    assert without_times(rows_of(keyed, session_id)) == without_times(plain_rows)


def test_any_stream_reads_as_from_a_plain_store(keyed: EventStore, plain: EventStore) -> None:
    @examples(30 if keyed.engine.dialect.name == "sqlite" else 12)
    @given(streams(25) | delivered_twice(SAMPLE_STREAMS), st.data())
    def holds(frames: list[Frame], data: st.DataObject) -> None:
        if not frames:
            return
        session_id = next(_names)
        cut = data.draw(st.integers(0, len(frames)))
        step = data.draw(st.integers(1, 9))
        for store in (keyed, plain):
            store.append(session_id, frames[:cut])
            for start in range(cut, len(frames), step):
                store.append(session_id, frames[start : start + step])
            store.append(session_id, [], close=True)
        check_alike(keyed, plain, session_id)
        assert [done.changed for done in keyed.rebuild([session_id]).done] == [0]
        for store in (keyed, plain):
            assert [done.events for done in store.seal([session_id]).done] == [
                store.last_seq(session_id)
            ]
        check_alike(keyed, plain, session_id)
        assert [done.changed for done in keyed.rebuild([session_id]).done] == [0]
        for store in (keyed, plain):
            assert store.unseal(session_id).done[0].events == store.last_seq(session_id)
        check_alike(keyed, plain, session_id)

    holds()


def test_figures_are_asked_for_and_facets_are_not(keyed: EventStore) -> None:
    calls = figure_calls()
    record(keyed, calls)
    known = known_sessions(keyed, calls)
    for sort in ("duration", "cost", "latency", "turns", "interruptions"):
        found = keyed.sessions(sort=sort, limit=100).data
        assert [(one["id"],) for one in found] == [o.key for o in in_order(known, sort, "desc")]
    for filters in (
        {"tool": "weather"},
        {"language": "de"},
        {"reason": "server_error"},
        *({"protocol": protocol} for protocol in ("live", "realtime")),
    ):
        with pytest.raises(InvalidInputError, match="encrypted here"):
            keyed.sessions(**filters)
    with pytest.raises(InvalidInputError, match="encrypted here"):
        keyed.responses(tool="weather", sort="tokens")
    with pytest.raises(InvalidInputError, match="encrypted here"):
        keyed.usage(kind="delegated")
    with keyed.engine.connect() as connection:
        for table in TABLES_WITHOUT_ROWS:
            assert not connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()


def test_every_verb_reads_an_encrypted_session(
    keyed: EventStore, plain: EventStore, tmp_path: Path
) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text("".join(f"{line}\n" for line in call_lines()))
    for store in (keyed, plain):
        (imported,) = store.import_file(path, metadata={"customer": "42"})
    wanted = everything(plain, imported.session_id)
    assert everything(keyed, imported.session_id) == wanted
    assert len(keyed.seal([imported.session_id], workers=2).done) == 1
    assert everything(keyed, imported.session_id) == wanted
    assert [done.changed for done in keyed.rebuild(workers=2).done] == [0]
    (session,) = keyed.sessions(metadata={"customer": "42"}).data
    assert session["instructions"]
    conversation = plain.state(imported.session_id)["conversations"][0]
    assert keyed.conversation(conversation["id"]) == plain.conversation(conversation["id"])
    for response in plain.responses().data:
        assert keyed.response(response["id"]) == response


def test_what_was_said_is_found(keyed: EventStore, plain: EventStore) -> None:
    for store in (keyed, plain):
        for name in ("anna", "berta"):
            store.append(name, secret_call(name).frames, close=True)
    numbers = {"quuxannasaidzanzibar": 1, "quuxberta*": 1, '"quuxannasaidzanzibar"': 1, "quux*": 2}
    for text, number in {**numbers, "quux": 0, "quuxannasaidzanzibar quuxberta*": 0}.items():
        found, wanted = keyed.responses(text=text), plain.responses(text=text)
        assert len(found.data) == number
        assert sorted(map(str, found.data)) == sorted(map(str, wanted.data))
    first = keyed.responses(text="quux*", limit=1)
    second = keyed.responses(text="quux*", limit=1, after=first.last_id)
    assert first.has_more and not second.has_more
    ids = {r["eventstore"]["session_id"] for page in (first, second) for r in page.data}
    assert ids == {"anna", "berta"}


def test_sessions_are_found_by_what_was_said(keyed: EventStore, plain: EventStore) -> None:
    names = [f"{name}_{number}" for number in range(4) for name in ("anna", "berta")]
    for store in (keyed, plain):
        for name in names:
            frames = secret_call(name[:-2]).frames
            store.append(name, frames[:-1] if name == "anna_3" else frames)
            store.set_metadata(name, {"number": name[-1]})
    for filters in (
        {"text": "quuxannasaidzanzibar"},
        {"text": "quuxbert*"},
        {"text": "quux*", "status": "live"},
        {"text": "quux*", "metadata": ["number!=2"], "status": "ended"},
        {"text": "quux"},
    ):
        for order in ("asc", "desc"):
            wanted = [one["id"] for one in plain.sessions(order=order, **filters).data]
            found, page = [], keyed.sessions(order=order, limit=1, **filters)
            while page.data:
                found.append(page.data[0]["id"])
                page = keyed.sessions(order=order, limit=1, after=found[-1], **filters)
            assert found == wanted
        assert sorted(keyed.session_ids(**filters)) == sorted(wanted)
        if len(wanted) > 2:
            back = keyed.sessions(before=wanted[2], limit=1, order=order, **filters)
            assert [one["id"] for one in back.data] == wanted[1:2] and back.has_more
    assert [one["id"] for one in keyed.sessions(text="quux*", status="live").data] == ["anna_3"]
    summaries = [store.sessions(limit=100, summary=True).data for store in (keyed, plain)]
    told = [[one["eventstore"]["summary"] for one in some] for some in summaries]
    assert told[0] == told[1]
    scoped = keyed.scoped("number", "2").sessions(text="quuxanna*").data
    assert [one["id"] for one in scoped] == ["anna_2"]


def test_words_of_any_script_and_calls_are_found(keyed: EventStore, plain: EventStore) -> None:
    said = message("item_1", "assistant", audio_part("東京は晴れです, sunny"))
    arguments = '{"city":"\\u5927\\u962a","password":"hunter2"}'
    called = {"id": "item_2", "type": "function_call", "name": "getWeather"}
    output = [said, {**called, "arguments": arguments}]
    for store in (keyed, plain):
        call = Call().created("resp_1")
        for item in output:
            call.server("response.output_item.done", response_id="resp_1", item=item)
        store.append("sess", call.done("resp_1", output=output).frames, close=True)
    for text in ("東京", "晴れ sun*", "weather 大阪", "getweather", "hunter2", "京東", "eather"):
        found, wanted = keyed.responses(text=text).data, plain.responses(text=text).data
        assert found == wanted, text
        assert len(keyed.sessions(text=text).data) == len(wanted), text
    index = {"sqlite": "SELECT text FROM said", "postgresql": "SELECT said_words FROM items"}
    for _ in range(2):
        with keyed.engine.connect() as connection:
            held = connection.exec_driver_sql(index[connection.dialect.name]).scalars().all()
        assert not any(held)
        keyed.rebuild().raise_for_errors()


def test_scores_are_found_by_numbers_and_not_by_labels(keyed: EventStore) -> None:
    keyed.append("anna", secret_call("anna").frames, close=True)
    keyed.score("anna", "helpful", 0.25, response="resp_1", reason="quuxwhyzanzibar")
    labels = {words("anna")["label"], words("anna")["text"]}
    assert labels < {one["value"] for one in keyed.scores("anna")}
    assert [one["id"] for one in keyed.responses(score="helpful<0.5")] == ["resp_1"]
    assert [one["id"] for one in keyed.sessions(score="topic", sort="score")] == []
    for filters in ({"label": "refund"}, {"score": "topic=refund"}):
        for ask in (keyed.sessions, keyed.responses, keyed.usage):
            with pytest.raises(InvalidInputError, match="labels are encrypted here"):
                ask(**filters)
    summed = {one["name"]: one for one in keyed.score_sums()["data"]}
    assert summed["helpful"]["mean"] == 0.25
    assert (summed["topic"]["labelled"], summed["topic"]["labels"]) == (1, {})
    with read(keyed.engine) as tx:
        kept = tx.rows("SELECT label, resource FROM scores WHERE session_id = 'anna'")
    assert len(kept) == 3 and not any("quux" in text for row in kept for text in row)


def test_live_sessions_say_their_last_words(keyed: EventStore) -> None:
    keyed.append("anna", secret_call("anna").frames[:-2])
    (session,) = keyed.sessions(live=True).data
    assert session["eventstore"]["last_words"]["text"].startswith("quuxannasaid")


def test_files_hold_nothing_that_was_said(keyed: EventStore, database_url: str) -> None:
    recorded(keyed)
    held = files(database_url)
    for name in ("gone", "sealedgone"):
        assert set(found_in(held, name)) <= READABLE
    key = key_of(keyed, "gone")
    assert not any(key in data for data in held.values())


def key_of(store: EventStore, session_id: str) -> bytes:
    engine = keys_of(store.engine).engine
    assert engine is not None
    with read(engine) as tx:
        (row,) = tx.rows("SELECT key FROM session_keys WHERE session_id = ?", (session_id,))
    return bytes(row[0])


def test_offloaded_segments_hold_nothing_that_was_said(keyed: EventStore, tmp_path: Path) -> None:
    recorded(keyed)
    (moved,) = keyed.offload(["sealedgone"], str(tmp_path / "segments")).done
    assert moved.segments > 1
    data = {p.name: p.read_bytes() for p in (tmp_path / "segments").rglob("*.segment")}
    assert found_in(data, "sealedgone") == {}
    assert keyed.verify("sealedgone").done[0].problems == []


def test_audio_is_erased_of_an_encrypted_session(keyed: EventStore, plain: EventStore) -> None:
    recorded(keyed)
    recorded(plain)
    names = ("gone", "sealedgone")
    for store in (keyed, plain):
        assert len(store.erase(names, audio_only=True).done) == 2
    for name in names:
        assert list(keyed.export(name)) == list(plain.export(name))
        assert words(name)["said"] in str(keyed.state(name))
        assert keyed.verify(name).done[0].problems == []
        assert [done.changed for done in keyed.rebuild([name]).done] == [0]


@pytest.mark.parametrize("table", sorted(TEXT_COLUMNS))
def test_a_changed_row_is_told_and_a_rebuild_mends_it(keyed: EventStore, table: str) -> None:
    keyed.append("anna", secret_call("anna").frames, close=True)
    before = rows_of(keyed, "anna")
    with keyed.engine.begin() as connection:
        name = TEXT_COLUMNS[table][-1]
        connection.exec_driver_sql(f"UPDATE {table} SET {name} = {name} || 'AAAA'")
    assert rows_of(keyed, "anna") != before
    (done,) = keyed.rebuild(["anna"]).done
    assert done.changed > 0
    assert rows_of(keyed, "anna") == before


def test_changed_and_exchanged_events_are_named(keyed: EventStore) -> None:
    keyed.append("anna", secret_call("anna").frames, close=True)
    assert keyed.verify("anna").done[0].problems == []
    with read(keyed.engine) as tx:
        data = dict(tx.rows_with_bytes("SELECT seq, audio FROM events WHERE seq IN (3, 5, 9)"))
    mark = "%s" if keyed.engine.dialect.name == "postgresql" else "?"
    update = f"UPDATE events SET audio = {mark} WHERE seq = {mark}"
    with keyed.engine.begin() as connection:
        connection.exec_driver_sql(update, (data[9], 3))
        connection.exec_driver_sql(update, (data[5][:-1] + bytes([data[5][-1] ^ 1]), 5))
    problems = keyed.verify("anna").done[0].problems
    assert [(p.first_seq, p.last_seq) for p in problems] == [(3, 3), (5, 5)]
    assert "cannot be decrypted" in problems[0].problem


def test_keys_are_held_for_a_while_only(keyed: EventStore, monkeypatch: Any) -> None:
    keyed.append("anna", secret_call("anna").frames)
    assert list(keyed.events("anna"))  # which also finds the store's mark committed
    ring = keys_of(keyed.engine)
    assert isinstance(ring, KeyRing)
    assert ring.cached_cipher("anna")[1] is not None
    monkeypatch.setattr("eventstore.store.database.keys._CACHE_SECONDS", -1.0)
    assert ring.cached_cipher("anna") == (False, None)
    assert list(keyed.events("anna"))
