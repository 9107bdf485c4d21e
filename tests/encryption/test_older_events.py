"""Integration: sessions with events in every format that there has been read like any others."""

from __future__ import annotations

import struct

import pytest
from support.calls import voice_call
from support.everything import everything

from eventstore import EventStore
from eventstore.encryption.cipher import Cipher
from eventstore.errors import DamagedError
from eventstore.feed.read_together import Stretch, read_together
from eventstore.realtime.events import EventRow, StoredEvent
from eventstore.realtime.frames import BOUND, BOUND_TEXT, ENCRYPTED
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.read_events import read_rows

FRAMES = voice_call().frames
ROWS = "SELECT audio_offset, COUNT(*) FROM events GROUP BY audio_offset"
SET = "UPDATE events SET frame = ?, audio_offset = ?, audio = ? WHERE session_id = ? AND seq = ?"


def older(cipher: Cipher, row: EventRow, is_bound: bool) -> bytes:
    """What older versions wrote, the second one and the first one."""
    text, whole = row.frame.encode(), row.audio_offset is None
    head = struct.pack("<iI", -(2**31) if whole else row.audio_offset, len(text))
    if not is_bound:
        return cipher.encrypt(head + text + (row.audio or b""), f"event {row.seq}")
    size = struct.pack("<q", -1 if row.audio_bytes is None else row.audio_bytes)
    place = f"event 2\0{row.seq}\0{row.at}\0{row.direction}\0{row.type}"
    return cipher.encrypt(head + size + text + (row.audio or b""), place)


def make_older(store: EventStore, session_id: str, with_plain: bool) -> None:
    """Write the rows of a session in three formats, and as plain rows, one after the other."""
    rows = list(read_rows(store.engine, session_id, 1, len(FRAMES)))
    with write(store.engine) as tx:
        cipher = tx.cipher(session_id)
        assert cipher is not None
        for row in rows:
            kind = row.seq % 4
            if kind in (1, 2):
                data = older(cipher, row, is_bound=kind == 2)
                changed = ("", BOUND if kind == 2 else ENCRYPTED, data)
                tx.run(SET, (*changed, session_id, row.seq))
            elif kind == 3 and with_plain:
                tx.run(SET, (row.frame, row.audio_offset, row.audio, session_id, row.seq))


def kinds(tx: Transaction) -> dict[int | None, int]:
    return dict(tx.rows(ROWS))


@pytest.fixture
def both(keyed: EventStore, plain: EventStore) -> tuple[EventStore, EventStore]:
    """A store with the session `call` in all formats, and one without keys."""
    for store in (keyed, plain):
        store.append("call", FRAMES, close=True)
    make_older(keyed, "call", with_plain=True)
    with read(keyed.engine) as tx:
        assert {ENCRYPTED, BOUND, BOUND_TEXT, None} <= set(kinds(tx))
    return keyed, plain


def test_events_of_all_formats_are_read(both: tuple[EventStore, EventStore]) -> None:
    keyed, plain = both
    assert everything(keyed, "call") == everything(plain, "call")
    for store_rows in (
        lambda store: list(store.events("call")),
        lambda store: list(store.events("call", type="response.*")),
        lambda store: [list(store.events("call", first, first + 3)) for first in range(1, 40, 7)],
        lambda store: list(read_rows(store.engine, "call", 1, len(FRAMES))),
        lambda store: read_together(store.engine, [Stretch("call", 3, 60)], None),
        lambda store: list(store.export("call")),
        lambda store: [store.state("call", seq) for seq in range(0, len(FRAMES), 9)],
    ):
        assert store_rows(keyed) == store_rows(plain)
    assert [done.changed for done in keyed.rebuild(["call"]).done] == [0]


def test_sealing_and_unsealing_renews_events(keyed: EventStore) -> None:
    keyed.append("call", FRAMES, close=True)
    with read(keyed.engine) as tx:
        new = kinds(tx)
    assert set(new) == {BOUND, BOUND_TEXT}
    wanted = list(keyed.export("call"))
    make_older(keyed, "call", with_plain=False)
    found = keyed.verify("call").done[0]
    assert found.problems == [] and found.protection is not None
    assert found.protection[1] == len(range(1, len(FRAMES) + 1, 4))
    keyed.seal(["call"]).raise_for_errors()
    assert list(keyed.export("call")) == wanted
    keyed.unseal("call").raise_for_errors()
    with read(keyed.engine) as tx:
        assert kinds(tx) == new
    assert list(keyed.export("call")) == wanted
    assert keyed.verify("call").done[0].protection == (len(FRAMES), 0, 0)


def test_audio_of_all_formats_is_erased(both: tuple[EventStore, EventStore]) -> None:
    for store in both:
        store.erase("call", audio_only=True).raise_for_errors()
    keyed, plain = both
    assert list(keyed.export("call")) == list(plain.export("call"))
    states = [store.state("call") for store in both]
    for state in states:
        assert state["session"]["eventstore"].pop("audio_erased_at") is not None
    assert states[0] == states[1]
    assert [done.changed for done in keyed.rebuild(["call"]).done] == [0]
    with read(keyed.engine) as tx:
        sounds = tx.rows("SELECT seq FROM events WHERE audio_offset >= 0 AND audio <> ?", (b"",))
    assert sounds == []


@pytest.mark.parametrize("kind", [BOUND_TEXT, BOUND])
def test_readers_stop_at_an_event_that_was_changed(keyed: EventStore, kind: int) -> None:
    keyed.append("call", FRAMES, close=True)
    with write(keyed.engine) as tx:
        of_kind = "SELECT MIN(seq) FROM events WHERE audio_offset = ? AND seq > 9"
        ((seq,),) = tx.rows(of_kind, (kind,))
        tx.run("UPDATE events SET at = at + 1 WHERE seq = ?", (seq,))
    for first in (1, seq):
        seen: list[StoredEvent] = []
        with pytest.raises(DamagedError, match="cannot be decrypted") as caught:
            seen.extend(keyed.events("call", first))
        assert caught.value.first_seq == seq
        assert [event.seq for event in seen] == list(range(first, seq))
    assert next(keyed.events("call", seq + 1)).seq == seq + 1
    stretches = [Stretch("call", 0, seq), Stretch("call", seq, len(FRAMES))]
    assert read_together(keyed.engine, stretches[:1], None) == {}
    assert len(read_together(keyed.engine, stretches[1:], None)["call"]) == len(FRAMES) - seq
    assert [one.first_seq for one in keyed.verify("call").done[0].problems] == [seq]
