"""Integration: audio goes, and everything that is known of a session stays."""

from __future__ import annotations

import io
import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, voice_call
from support.examples import examples
from support.live_sound import fragment, heard, reflected, spoken, started
from support.only import only
from support.rows import read_model_rows
from support.secret_call import loose, secret_call, sound
from support.silenced import is_silent, quiet, rows
from support.sound import START, b64, client, server
from support.strategies import mutated

from eventstore import EventStore
from eventstore.archive.seal import seal_session, unseal_session
from eventstore.errors import DamagedError, InvalidInputError, NotFoundError
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import CLIENT, Frame, decode
from eventstore.segments.digest import BEGINNING, session_digest
from eventstore.segments.pack import pack_segment
from eventstore.segments.unpack import unpack_segment
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read
from eventstore.store.log.read_events import read_rows
from eventstore.store.log.segments.read_segments import read_segments
from eventstore.store.sessions.erase_session import digest_to_keep

MORE = Frame(CLIENT, '{"type":"input_audio_buffer.append","audio":"QUJDQUJD"}')
_numbers = itertools.count(1)


def parts_of(store: EventStore, session_id: str) -> list[bytes]:
    """All that is kept of a session's events."""
    return [row.frame.encode() + (row.audio or b"") for row in rows(store, session_id)]


@pytest.mark.parametrize("sealed", ["", "all", "some"])
def test_no_audio_is_left_in_any_place(store: EventStore, sealed: str) -> None:
    call = secret_call("a")
    store.append("a", call.frames[:15], close=True)
    if sealed:
        seal_session(store.engine, "a")
    store.append("a", call.frames[15:])
    if sealed == "all":
        seal_session(store.engine, "a")
    before, shown = rows(store, "a"), store.state("a")
    (done,) = store.erase("a", audio_only=True, reason="not needed").done
    assert (done.what, done.events, done.responses) == ("audio", len(call.frames), 1)
    kept = b"".join(parts_of(store, "a"))
    for number in range(10):
        noise = sound("a", number)
        assert noise[:12] not in kept and noise[-12:] not in kept
        assert json.dumps(loose("a"))[1:40].encode() not in kept
    after = rows(store, "a")
    assert [row[:4] for row in after] == [row[:4] for row in before]
    cut = [row for row in before if row.audio_offset is not None and row.audio_offset >= 0]
    assert [row.audio_bytes for row in after if row.audio_bytes][: len(cut)]
    assert {row.seq: row.audio_bytes for row in cut}.items() <= {
        row.seq: row.audio_bytes for row in after
    }.items()
    assert quiet(store.state("a")) == quiet(shown)
    assert store.verify("a").done[0].problems == []
    assert b"quuxasaidzanzibar" in kept and b"quuxaargumentszanzibar" in kept


def test_a_client_sees_that_it_is_without_audio(store: EventStore) -> None:
    for name in "ab":
        store.append(name, voice_call().frames, close=True)
    store.erase("a", audio_only=True).raise_for_errors()
    for session in (store.session("a"), store.state("a")["session"]):
        assert session["eventstore"]["audio_erased_at"].startswith("20")
    listed = {s["id"]: s["eventstore"].get("audio_erased_at") for s in store.sessions().data}
    assert listed["a"] is not None and listed["b"] is None
    assert store.status()["erased_audio"] == 1
    assert store.status()["sessions"] == 2


def test_an_open_session_keeps_its_audio(store: EventStore) -> None:
    store.append("a", voice_call().frames)
    with pytest.raises(InvalidInputError, match="is open; erase its audio once it is closed"):
        only(store.erase("a", audio_only=True))
    assert not is_silent(store, "a")


def test_damaged_segments_are_left_alone(store: EventStore) -> None:
    store.append("a", voice_call().frames, close=True)
    seal_session(store.engine, "a")
    with store.engine.begin() as connection:
        connection.execute(tables.segments.update().values(data=b"damaged"))
    with pytest.raises(DamagedError):
        only(store.erase("a", audio_only=True))
    assert store.status()["erased_audio"] == 0


def test_what_comes_later_has_its_audio_until_it_is_erased_too(store: EventStore) -> None:
    store.append("a", voice_call().frames, close=True)
    store.erase("a", audio_only=True).raise_for_errors()
    store.append("a", [MORE])
    seal_session(store.engine, "a")
    *old, new = rows(store, "a")
    assert new.audio == b"ABCABC" and not any(row.audio for row in old)
    store.erase("a", audio_only=True).raise_for_errors()
    assert is_silent(store, "a")
    assert rows(store, "a")[-1].audio_bytes == 6
    with read(store.engine) as tx:
        assert tx.rows("SELECT events FROM erasures ORDER BY at") == [(len(old),), (len(old) + 1,)]


def test_segments_are_linked_anew(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.segments.digest.SEGMENT_EVENTS", 10)
    store.append("a", voice_call().frames[:35], close=True)
    before = seal_session(store.engine, "a")
    (done,) = store.erase("a", audio_only=True).done
    assert before is not None and done.sha256 == before.sha256
    with read(store.engine) as tx:
        chain = read_segments(tx, "a")
        value = digest_to_keep(tx, "a", 35)
    previous = BEGINNING
    for segment in chain:
        assert segment.previous_sha256 == previous
        group = read_rows(store.engine, "a", segment.first_seq, segment.last_seq)
        previous = session_digest(previous, group)
        assert segment.sha256 == previous
    assert len(chain) == 4 and value == previous != before.sha256
    assert unseal_session(store.engine, "a") == 35
    with read(store.engine) as tx:
        assert digest_to_keep(tx, "a", 35) == value


@examples(20)
@given(st.data())
def test_what_is_known_of_a_session_stays(engine: Engine, data: st.DataObject) -> None:
    """Sealed or not, before and after: what is shown, and each row of the read models."""
    streams = st.just(secret_call("a").frames) | mutated([*SHORT_STREAMS, *SAMPLE_STREAMS[:2]])
    frames = data.draw(streams)
    name = f"s{next(_numbers)}"
    with EventStore(engine.url.render_as_string(hide_password=False)) as store:
        first = data.draw(st.integers(1, len(frames)))
        store.append(name, frames[:first], close=True)
        if data.draw(st.booleans()):
            seal_session(engine, name)
        if frames[first:]:
            store.append(name, frames[first:])
        shown, before = store.state(name), rows(store, name)
        for step in data.draw(st.permutations(["erase", "seal", "unseal", "erase"])):
            if step == "erase":
                store.erase(name, audio_only=True, vacuum=False).raise_for_errors()
            elif step == "seal":
                seal_session(engine, name)
            else:
                unseal_session(engine, name)
        assert is_silent(store, name)
        assert quiet(store.state(name)) == quiet(shown)
        kept = read_model_rows(engine, name)
        assert [done.changed for done in store.rebuild([name]).done] == [0]
        assert read_model_rows(engine, name) == kept
        after = rows(store, name)
        assert [row[:4] for row in after] == [row[:4] for row in before]
        for at in range(1, len(after), 7):
            assert store.state(name, at)["session"]["eventstore"]["events"] == at


@given(st.lists(st.tuples(st.binary(max_size=6), st.booleans()), min_size=1))
def test_erased_sound_is_packed_by_its_size(chunks: list[tuple[bytes, bool]]) -> None:
    frame = '{"type":"input_audio_buffer.append","audio":""}'
    group = [
        EventRow(seq, None, CLIENT, "a", frame, 45, len(chunk), b"" if erased else chunk)
        for seq, (chunk, erased) in enumerate(chunks, 5)
    ]
    data = pack_segment(group)
    assert list(unpack_segment(data)) == group
    mute = [
        row._replace(audio=b"" if row.audio == b"" and row.audio_bytes else None) for row in group
    ]
    told = [row._replace(audio=None) for row in unpack_segment(data, sound=False)]
    assert told == [row._replace(audio=None) for row in mute]


def test_the_frames_of_an_erased_call_are_what_they_were_but_for_audio(store: EventStore) -> None:
    store.append("a", voice_call().frames, close=True)
    store.erase("a", audio_only=True).raise_for_errors()
    for frame, event in zip(voice_call().frames, store.events("a"), strict=True):
        assert event.text == decode(frame.text).frame


@pytest.mark.parametrize("sealed", [False, True])
def test_a_live_session_loses_all_its_sound(store: EventStore, sealed: bool) -> None:
    """The user's, as the client sent it or a sideband has it; the model's; and prepared sounds."""
    noise = [bytes(random.Random(n).randbytes(400)) for n in range(5)]
    play = "session.output_audio.fixture.play"
    frames = [
        started(0.0),
        heard(0.1, noise[0]),
        reflected(0.2, noise[1]),
        spoken(0.3, noise[2]),
        spoken(0.4, noise[3], (0, 100)),
        client(0.5, play, audio=b64(noise[4]), event_id="kept"),
        # Base64 that is not canonical stays in the text of the log.
        client(0.6, play, audio=b64(noise[4][:-2])[:-1] + "\n"),
        fragment(0.7, "input", 0, 400, "zanzibar"),
    ]
    store.append("a", frames, close=True)
    if sealed:
        seal_session(store.engine, "a")
    shown = store.state("a")
    assert store.audio("a", io.BytesIO()).channels == 2
    store.erase("a", audio_only=True).raise_for_errors()
    kept = b"".join(parts_of(store, "a"))
    for sound_ in noise:
        assert sound_[:12] not in kept and b64(sound_)[:16].encode() not in kept
    assert b"zanzibar" in kept and b'"kept"' in kept
    assert is_silent(store, "a") and quiet(store.state("a")) == quiet(shown)
    assert [row.audio_bytes for row in rows(store, "a")][1:6] == [400] * 5
    assert store.verify("a").done[0].problems == []
    with pytest.raises(NotFoundError, match="no sound in the log"):
        store.audio("a", io.BytesIO())


def odd_audio(noise: list[str]) -> list[Frame]:
    """Audio in places where the log does not cut it out of the frame."""
    content = [
        {"type": "input_audio", "input_audio": {"data": noise[0], "format": "wav"}},
        {"type": "input_file", "file_data": f"data:audio/wav;base64,{noise[1]}"},
        {"type": "input_text", "text": "zanzibar"},
    ]
    done = {
        "id": "item_1",
        "type": "message",
        "role": "assistant",
        "content": [{"data": noise[2], "type": "output_audio", "transcript": "quux"}],
    }
    nested = [
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.audio.delta", "delta": noise[3], "sequence_number": 1},
        {"type": "response.output_audio.delta", "response_id": "resp_1", "delta": noise[4]},
        {"type": "response.output_text.delta", "item_id": "item_1", "delta": "words"},
    ]
    created = {"target": "responses", "id": "deleg_1", "type": "delegation"}
    broken = json.dumps({"type": "input_audio_buffer.append", "audio": noise[8]})[:-1]
    return [
        started(0.0),
        server(0.1, "session.delegation.created", offset_ms=1, delegation=created),
        client(0.2, "response.item.create", item={"type": "message", "content": content}),
        *(
            server(0.3 + n / 10, "response.event", delegation_id="deleg_1", event=event)
            for n, event in enumerate(nested)
        ),
        *(
            server(1, type_, x={"delta": noise[5]}, delta=noise[6])
            for type_ in ("session.output_audio.delta", "response.output_audio.delta")
        ),
        client(1.1, "session.input_audio.append", metadata={"audio": noise[7][:100]}, audio="QQ"),
        # A database's text type holds neither of these, so that their frames are stored as bytes.
        Frame(CLIENT, broken + "\0", START + 1_200_000),
        client(1.3, "session.input_audio.append", audio=noise[9])._replace(
            text=json.dumps({"type": "session.input_audio.append", "audio": "@"}).replace(
                "@", noise[9] + "\ud83d"
            )
        ),
    ]


@pytest.mark.parametrize("sealed", [False, True])
def test_audio_in_any_part_of_a_frame_goes_and_the_log_is_whole(
    store: EventStore, sealed: bool
) -> None:
    noise = [b64(random.Random(n).randbytes(600)) for n in range(10)]
    store.append("a", odd_audio(noise), close=True)
    if sealed:
        seal_session(store.engine, "a")
    assert store.verify("a").done[0].problems == []
    store.erase("a", audio_only=True).raise_for_errors()
    kept = b"".join(parts_of(store, "a")) + json.dumps(store.state("a")).encode()
    assert not [n for n, sound_ in enumerate(noise) if sound_[:40].encode() in kept]
    assert all(word in kept for word in (b"zanzibar", b"quux", b"words", b"deleg_1"))
    assert is_silent(store, "a")
    for _ in range(2):
        assert store.verify("a").done[0].problems == []
        assert [done.changed for done in store.rebuild(["a"]).done] == [0]
        seal_session(store.engine, "a")
    store.erase("a", audio_only=True).raise_for_errors()
    assert store.verify("a").done[0].problems == []
    assert len(list(store.events("a"))) == len(odd_audio(noise))
