"""The pure part: what is encrypted comes back by its own key, at its own place, and else not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import any_text

from eventstore.encryption.cipher import Cipher, CipherError, new_key
from eventstore.encryption.encrypt_events import decrypt_row, encrypt_row
from eventstore.encryption.encrypt_read_models import (
    ENCRYPTED_SIGN,
    TEXT_COLUMNS,
    decrypt_texts,
    encrypt_texts,
    has_encrypted_texts,
)
from eventstore.encryption.encrypt_segments import OLD_MARK, decrypt_segment, encrypt_segment
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import BOUND, ENCRYPTED, decode_columns, restore
from eventstore.store.database.tables import declared as tables

KEY = new_key()
CIPHER = Cipher("sess_1", KEY)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def encrypted(text: str | bytes, seq: int = 7) -> EventRow:
    type_, frame, offset, audio, _ = decode_columns(text)
    size = len(audio) if audio is not None and offset is not None and offset >= 0 else None
    plain = EventRow(seq, 5, "server", type_, frame, offset, size, audio)
    empty, kind, data = encrypt_row(CIPHER, plain)
    assert (empty, kind) == ("", BOUND)
    return plain._replace(frame="", audio_offset=kind, audio=data)


@given(st.one_of(any_text(), st.binary(), st.binary(min_size=900).map(lambda b: b.hex())))
def test_any_frame_comes_back(text: str | bytes) -> None:
    row = encrypted(text)
    found = decrypt_row(CIPHER, row)
    assert restore(found.frame, found.audio_offset, found.audio) == text
    assert decrypt_row(CIPHER, found) == found


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


def test_another_place_session_or_key_does_not_fit() -> None:
    row = encrypted('{"type":"x.y"}')
    for changed in (
        {"seq": 8},
        {"at": 6},
        {"at": None},
        {"direction": "client"},
        {"type": "x.z"},
        {"audio_offset": ENCRYPTED},
    ):
        with pytest.raises(CipherError):
            decrypt_row(CIPHER, row._replace(**changed))
    for other in (Cipher("sess_2", KEY), Cipher("sess_1", new_key())):
        with pytest.raises(CipherError):
            decrypt_row(other, row)
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


def test_nothing_is_encrypted_twice_alike() -> None:
    assert len({CIPHER.encrypt(b"same", "same") for _ in range(1000)}) == 1000


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
