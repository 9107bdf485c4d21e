"""The pure part: what is encrypted comes back by its own key, at its own place, and else not."""

from __future__ import annotations

import os
import struct
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import any_text

from eventstore.encryption.cipher import Cipher, CipherError, new_key, nonces
from eventstore.encryption.encrypt_events import (
    decrypt_frames,
    decrypt_rows,
    event_encrypter,
)
from eventstore.encryption.encrypt_read_models import (
    ENCRYPTED_SIGN,
    TEXT_COLUMNS,
    decrypt_texts,
    encrypt_texts,
    has_encrypted_texts,
)
from eventstore.encryption.encrypt_segments import OLD_MARK, decrypt_segment, encrypt_segment
from eventstore.realtime.events import EventRow, StoredEvent, is_erased
from eventstore.realtime.frames import (
    BOUND,
    BOUND_TEXT,
    ENCRYPTED,
    ENCRYPTIONS,
    decode_columns,
    restore,
)
from eventstore.store.database.tables import declared as tables

KEY = new_key()
CIPHER = Cipher("sess_1", KEY)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def decrypt_row(cipher: Cipher, row: EventRow) -> EventRow:
    """The row, decrypted. It fails where the row is returned as it is, though it is encrypted."""
    (found,) = decrypt_rows(cipher, [row])
    if found.audio_offset in ENCRYPTIONS:
        assert found == row
        raise CipherError
    return found


def encrypted(text: str | bytes, seq: int = 7) -> EventRow:
    type_, frame, offset, audio, _ = decode_columns(text)
    size = len(audio) if audio is not None and offset is not None and offset >= 0 else None
    plain = EventRow(seq, 5, "server", type_, frame, offset, size, audio)
    empty, kind, data = event_encrypter(CIPHER)(*plain)
    assert (empty, kind) == ("", BOUND_TEXT if offset is None else BOUND)
    return plain._replace(frame="", audio_offset=kind, audio=data)


@given(st.one_of(any_text(), st.binary(), st.binary(min_size=900).map(lambda b: b.hex())))
def test_any_frame_comes_back(text: str | bytes) -> None:
    row = encrypted(text)
    found = decrypt_row(CIPHER, row)
    assert restore(found.frame, found.audio_offset, found.audio) == text
    assert decrypt_row(CIPHER, found) == found
    assert decrypt_frames(CIPHER, [row]) == [StoredEvent(*row[:4], text)]


@given(st.lists(st.one_of(any_text(), st.binary(), st.just("A" * 900)), max_size=9), st.data())
def test_of_many_rows_those_that_were_changed_stay(texts: list[Any], drawn: st.DataObject) -> None:
    rows = [encrypted(text, seq) for seq, text in enumerate(texts, 1)]
    changed = drawn.draw(st.sets(st.integers(0, max(len(rows) - 1, 0))))
    given_rows = [row._replace(seq=99) if i in changed else row for i, row in enumerate(rows)]
    as_rows, as_frames = decrypt_rows(CIPHER, given_rows), decrypt_frames(CIPHER, given_rows)
    for i, (text, row) in enumerate(zip(texts, given_rows, strict=True)):
        if i in changed:
            assert as_rows[i] == as_frames[i] == row
        else:
            found = as_rows[i]
            assert restore(found.frame, found.audio_offset, found.audio) == text
            assert as_frames[i] == StoredEvent(*row[:4], text)


def test_sound_comes_back_with_its_size() -> None:
    text = '{"type":"input_audio_buffer.append","audio":"' + "AAEC" * 300 + '"}'
    found = decrypt_row(CIPHER, encrypted(text))
    assert found.audio_bytes == len(found.audio or b"") == 900
    assert restore(found.frame, found.audio_offset, found.audio) == text


@given(st.binary(max_size=200), st.data())
def test_one_changed_bit_is_noticed(data: bytes, drawn: st.DataObject) -> None:
    sealed = bytearray(CIPHER.encrypt(data, "here"))
    bit = drawn.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CipherError):
        CIPHER.decrypt(bytes(sealed), "here")


@pytest.mark.parametrize("cut", [0, 5, 12, 27])
def test_what_was_cut_off_is_noticed(cut: int) -> None:
    with pytest.raises(CipherError):
        CIPHER.decrypt(CIPHER.encrypt(b"twelve bytes", "here")[:cut], "here")


SOUND = '{"type":"input_audio_buffer.append","audio":"' + "AAEC" * 300 + '"}'


@pytest.mark.parametrize("text", ['{"type":"x.y","longer":"than a head"}', SOUND, b"binary"])
def test_another_place_session_or_key_does_not_fit(text: str | bytes) -> None:
    row = encrypted(text)
    for changed in (
        {"seq": 8},
        {"at": 6},
        {"at": None},
        {"direction": "store"},
        {"type": "x.z"},
        {"audio_offset": ENCRYPTED},
        {"audio_offset": BOUND if row.audio_offset == BOUND_TEXT else BOUND_TEXT},
        {"audio": None},
        {"audio": b""},
        {"audio": "text"},
    ):
        other_row = row._replace(**changed)
        with pytest.raises(CipherError):
            decrypt_row(CIPHER, other_row)
        assert decrypt_frames(CIPHER, [other_row]) == [other_row]
    for other in (Cipher("sess_2", KEY), Cipher("sess_1", new_key())):
        with pytest.raises(CipherError):
            decrypt_row(other, row)
        assert decrypt_frames(other, [row]) == [row]


def test_a_text_that_reads_like_no_time_is_no_time() -> None:
    """SQLite stores it in the column of times, and it is bound in the same words."""
    encrypt = event_encrypter(CIPHER)
    for text in ('{"type":"x.y"}', SOUND):
        type_, frame, offset, audio, _ = decode_columns(text)
        columns = encrypt(7, None, "server", type_, frame, offset, len(audio or b""), audio)
        row = EventRow(7, None, "server", type_, *columns[:2], None, columns[2])
        assert decrypt_frames(CIPHER, [row]) == [StoredEvent(7, None, "server", type_, text)]
        damaged: Any = row._replace(at="None")  # type: ignore[arg-type]
        assert decrypt_frames(CIPHER, [damaged]) == decrypt_rows(CIPHER, [damaged]) == [damaged]


def test_segments_are_bound_to_what_the_log_says() -> None:
    said = (1, 7, None, 5, 100, b"s" * 32, b"p" * 32)
    segment = encrypt_segment(CIPHER, said, b"packed")
    assert encrypt_segment(CIPHER, said, segment) == segment
    assert decrypt_segment(CIPHER, said, segment) == b"packed"
    for place in range(len(said)):
        with pytest.raises(CipherError):
            decrypt_segment(CIPHER, (*said[:place], 8, *said[place + 1 :]), segment)
    with pytest.raises(CipherError):
        decrypt_segment(CIPHER, said, OLD_MARK + segment[len(OLD_MARK) :])


def test_what_older_versions_encrypted_is_read() -> None:
    frame, audio = b'{"type":"x"}', b"sound"
    plain = struct.pack("<iI", 9, len(frame)) + frame + audio
    row = EventRow(7, 5, "server", "x", "", ENCRYPTED, 5, CIPHER.encrypt(plain, "event 7"))
    assert decrypt_row(CIPHER, row) == row._replace(
        frame=frame.decode(), audio_offset=9, audio=audio, audio_bytes=5
    )
    old = OLD_MARK + CIPHER.encrypt(b"packed", "segment 1")
    assert decrypt_segment(CIPHER, (1, 7, None, 5, 100, b"", b""), old) == b"packed"


# What version 2 of the format is: rows as they were written before texts had a mark of their own.
OLDER_KEY = bytes(range(32))
OLDER = [
    (
        None,
        "server",
        "response.created",
        None,
        "8bbb55aaa753c0a7770512fbe983e7778240061fcf6f64523701f861c861b7376d1a513f95b77715"
        "a00c5d16c73d9c681eb65ab878fb5c63083da36e3ff6cdd01c585d3013e76c561bb865d5dae1ecca"
        "a4ea822904355d479c37296cbad0",
    ),
    (
        1_760_000_000_000_001,
        "client",
        "input_audio_buffer.append",
        120,
        "7f5786d1053aa3c989a1435be3c368a7d7b8cf9901f6be81fa8fb9d9a81a0a29e51bf538409cc20b"
        "da5d69fc8e7527236400ad596a9ec2329ecf94d2f723d42940aee61d85e743a5352c300a018d2a30"
        "b697d4e394e60bbd69f9e604ed2a6dcc67dddf61c60d57b6fc3243e17c085676fbde986b59319b43"
        "a118091381993eae22ebe983af0ab79f40c74fa70a3933c01929b59b60ec135593af7953a222dc33"
        "764791150523ed442e472e10323fc345a72f828b92bda7edb4c9ce316932204db17d79bf4c054610"
        "f5ed6aff93dbf75e410981",
    ),
    (
        1_760_000_000_000_002,
        "server",
        "eventstore.unreadable",
        None,
        "849fdbb41c58003cfee15696303197f3e952eec6d15989dd11d6811ca737cedd0668fc3b76249741"
        "ab6978400693235afebce8d09438baafdd9cd638d9a539483acd34d66716bc",
    ),
    (
        1_760_000_000_000_003,
        "client",
        "eventstore.unreadable",
        None,
        "9f1f6095a907c2fd84b370569d368040f03b47d3cc9f34172520c590d80527edfb7e875d4e110e0a"
        "92556847414bade1c6d4b8ec",
    ),
    (
        1_760_000_000_000_004,
        "server",
        "a.b",
        None,
        "76dc71323abfd9c582ae864cf7f4af7704be9904e7f15ca47fc92772d3fab51458b561bb09873eaf"
        "cffacbdb34c238392acb4c186ad99b3eef21687da684ed88c2ece457cc464b",
    ),
    (
        7,
        "client",
        "input_audio_buffer.append",
        120,
        "51dfd3ba4038898f7e333c1a8511cde127d3c87d1d0d9fd0ee6c3e870a652e6a496d1749589f3e20"
        "c5e4998f4345dbca24cfd067ee7b5a8174a49a9d13065a8b83adb04a29c61d433f1dabb5e69dfdc9"
        "ceb3901a9eb951ff5d95e0",
    ),
]
OLDER_TEXTS = [
    '{"type":"response.created","said":"grüß 東京"}',
    '{"type":"input_audio_buffer.append","audio":"' + "AAEC" * 40 + '"}',
    '{"type":"x\\u0000y","t":"\x00"}',
    b"\x00\x01binary",
    '{"type":"a.b","lone":"\ud83d"}',
    '{"type":"input_audio_buffer.append","audio":""}',  # the audio of which was erased
]


def test_rows_of_the_older_format_are_read() -> None:
    older, cipher = [], Cipher("sess_old", OLDER_KEY)
    for seq, (at, direction, type_, size, data) in enumerate(OLDER, 1):
        older.append(EventRow(seq, at, direction, type_, "", BOUND, size, bytes.fromhex(data)))
    rows, events = decrypt_rows(cipher, older), decrypt_frames(cipher, older)
    assert [event.text for event in events if isinstance(event, StoredEvent)] == OLDER_TEXTS
    for row, event, stored in zip(rows, events, older, strict=True):
        assert restore(row.frame, row.audio_offset, row.audio) == OLDER_TEXTS[row.seq - 1]
        assert event[:4] == row[:4] == stored[:4]
    assert [row.audio_bytes for row in rows] == [None, 120, 27, 8, 27, 120]
    assert is_erased(rows[5])
    again = event_encrypter(cipher)(*rows[0])
    assert again[1] == BOUND_TEXT
    assert older[0].audio is not None and len(again[2]) == len(older[0].audio) - 16


def test_nothing_is_encrypted_twice_alike() -> None:
    assert len({CIPHER.encrypt(b"same", "same") for _ in range(1000)}) == 1000
    encrypt = event_encrypter(CIPHER)
    row = encrypted("same")._replace(frame="same", audio_offset=None, audio=None)
    assert len({encrypt(*row)[2][:12] for _ in range(1000)}) == 1000


def test_a_forked_child_uses_no_nonce_of_its_parent() -> None:
    drawn = nonces()
    before = set(islice(drawn, 200))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(islice(drawn, 200)))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    theirs = {data[place : place + 12] for place in range(0, len(data), 12)}
    ours = set(islice(drawn, 200))
    assert len(before) == len(ours) == len(theirs) == 200
    assert before.isdisjoint(ours) and theirs.isdisjoint(before | ours)


@given(st.sampled_from(sorted(TEXT_COLUMNS)), st.data())
def test_texts_of_rows_come_back(table: str, drawn: st.DataObject) -> None:
    texts = tuple(drawn.draw(STORABLE) for _ in TEXT_COLUMNS[table])
    held = encrypt_texts(CIPHER, table, "item_1", texts)
    assert has_encrypted_texts(held)
    assert decrypt_texts(CIPHER, table, "item_1", held) == texts
    assert all(text in ("", ENCRYPTED_SIGN) for text in held[:-1])
    with pytest.raises(CipherError):
        decrypt_texts(CIPHER, table, "item_2", held)


def test_every_text_of_what_was_said_is_encrypted() -> None:
    """Columns without a limit hold what servers, users and models say; the others are ids."""
    unlimited = {
        (table.name, column.name)
        for table in tables.READ_MODELS
        for column in table.columns
        if getattr(column.type, "length", 1) is None
    }
    encrypted = {(table, name) for table, names in TEXT_COLUMNS.items() for name in names}
    assert unlimited == encrypted - {("scores", "label")}  # which is short, and content
