"""What was encrypted cannot be moved, changed or replaced by what is not, unless it is told."""

from __future__ import annotations

import itertools
import struct

import pytest
from support.calls import voice_call

from eventstore import EventStore
from eventstore.encryption.encrypt_read_models import ENCRYPTED_SIGN, TEXT_COLUMNS
from eventstore.errors import EventStoreError
from eventstore.store.database.keys import KeyRing, keys_of
from eventstore.store.database.transaction import Transaction, read, write

FRAMES = voice_call().frames
EVENT_COLUMNS = [
    *("at", "direction", "type", "frame"),
    *("audio_offset", "audio_bytes", "load_key", "audio"),
]
SEGMENT_COLUMNS = ["first_at", "least_at", "frame_bytes", "sha256", "previous_sha256", "data"]


def filled(store: EventStore, *names: str) -> None:
    for name in names:
        store.append(name, FRAMES, close=True)


def swap(
    store: EventStore, table: str, columns: list[str], one: tuple[str, int], other: tuple[str, int]
) -> bool:
    """Swap columns between two rows, by session and seq; whether they differed."""
    key = "first_seq" if table == "segments" else "seq"
    where = f"WHERE session_id = ? AND {key} = ?"
    listed, setting = ", ".join(columns), ", ".join(f"{name} = ?" for name in columns)
    with write(store.engine) as tx:
        found = [tx.rows(f"SELECT {listed} FROM {table} {where}", row)[0] for row in (one, other)]
        for values, row in zip(found, (other, one), strict=True):
            tx.run(f"UPDATE {table} SET {setting} {where}", (*values, *row))
    return found[0] != found[1]


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_no_column_of_an_event_is_another_rows(keyed: EventStore, column: str) -> None:
    filled(keyed, "a", "b")
    told = 0
    for one, other in ((("a", 9), ("a", 20)), (("a", 12), ("b", 13)), (("a", 1), ("b", 30))):
        if swap(keyed, "events", [column], one, other):
            assert keyed.verify("a").done[0].problems != []
            told += 1
            assert swap(keyed, "events", [column], one, other)
    assert keyed.verify("a").failed == []
    assert told or column == "frame" or column[-1] == "t"


def test_a_whole_row_of_another_session_is_told(keyed: EventStore) -> None:
    filled(keyed, "a", "b")
    with write(keyed.engine) as tx:
        tx.run("UPDATE events SET at = 5 WHERE session_id = 'b' AND seq = 9")
    swap(keyed, "events", EVENT_COLUMNS, ("a", 9), ("b", 9))
    assert [one.first_seq for one in keyed.verify("a").done[0].problems] == [9]


@pytest.mark.parametrize("column", SEGMENT_COLUMNS)
def test_no_column_of_a_segment_is_another_rows(keyed: EventStore, column: str) -> None:
    filled(keyed, "a", "b")
    keyed.seal(["a", "b"])
    for one, other in ((("a", 1), ("a", 8)), (("a", 8), ("b", 8)), (("a", 8), ("b", 15))):
        if swap(keyed, "segments", [column], one, other):
            assert keyed.verify("a").done[0].problems != []
            with pytest.raises(EventStoreError):
                list(keyed.events("a"))
            assert swap(keyed, "segments", [column], one, other)
    assert keyed.verify("a").done[0].problems == []


def conversation_of(store: EventStore) -> str:
    """The id of a session's first conversation, as the log has it."""
    return str(store.state("a")["conversations"][0]["id"])


READERS = {
    "sessions": ("notes", lambda store: store.sessions()),
    "items": ("resource", lambda store: store.conversation(conversation_of(store), "a")),
    "responses": ("resource", lambda store: store.responses(session="a")),
    "scores": ("resource", lambda store: store.scores("a")),
}


@pytest.mark.parametrize("table", READERS)
def test_texts_of_read_models_stay_in_their_row(keyed: EventStore, table: str) -> None:
    filled(keyed, "a", "b")
    for name in "ab":
        keyed.score(name, "topic", "refund")
    column, use = READERS[table]
    with read(keyed.engine) as tx:
        held = {
            (of_table, session): tx.rows(
                f"SELECT {of_column} FROM {of_table} WHERE session_id = ?", (session,)
            )[0][0]
            for (of_table, (of_column, _)), session in itertools.product(READERS.items(), "ab")
        }
    del held[table, "a"]
    for text in held.values():
        with write(keyed.engine) as tx:
            tx.run(f"UPDATE {table} SET {column} = ? WHERE session_id = 'a'", (text,))
        with pytest.raises(EventStoreError, match="cannot be decrypted"):
            use(keyed)
        assert sum(done.changed for done in keyed.rebuild(["a"]).done) > 0


def plain_row(tx: Transaction, session_id: str, seq: int) -> None:
    tx.run(
        "UPDATE events SET frame = ?, audio_offset = NULL, audio_bytes = NULL, audio = NULL"
        " WHERE session_id = ? AND seq = ?",
        (FRAMES[seq - 1].text, session_id, seq),
    )


def test_a_plain_row_in_an_encrypted_session_is_told(keyed: EventStore) -> None:
    filled(keyed, "a")
    assert keyed.verify("a").done[0].protection == (len(FRAMES), 0, 0)
    with write(keyed.engine) as tx:
        plain_row(tx, "a", 1)
    (problem,) = keyed.verify("a").done[0].problems
    assert problem.first_seq == 1 and "is not encrypted" in problem.problem


def test_a_plain_segment_in_an_encrypted_session_is_told(
    keyed: EventStore, plain: EventStore
) -> None:
    for store in (keyed, plain):
        filled(store, "a")
        store.seal(["a"])
    with read(plain.engine) as tx:
        (data,) = tx.rows("SELECT data FROM segments WHERE first_seq = 8")[0]
    with write(keyed.engine) as tx:
        tx.run("UPDATE segments SET data = ? WHERE first_seq = 8", (data,))
    (problem,) = keyed.verify("a").done[0].problems
    assert problem[:2] == (8, 14) and "is not encrypted" in problem.problem


@pytest.mark.parametrize("is_noted", [True, False])
def test_what_was_written_before_there_were_keys_reads_on(
    database_url: str, keys_url: str, is_noted: bool
) -> None:
    with EventStore(database_url) as store:
        store.append("a", FRAMES[:10])
    with EventStore(database_url, keys=keys_url) as later:
        later.append("a", FRAMES[10:], close=True)
        if not is_noted:
            forget_from_seq(later)
        found = later.verify("a").done[0]
        assert (found.problems, found.protection) == ([], (len(FRAMES) - 10, 0, 10))
        with write(later.engine) as tx:
            plain_row(tx, "a", len(FRAMES))
        assert [one.first_seq for one in later.verify("a").done[0].problems] == [len(FRAMES)]


def forget_from_seq(store: EventStore) -> None:
    """As a database of keys is that an older version made."""
    ring: KeyRing = keys_of(store.engine)
    assert ring.engine is not None
    with write(ring.engine) as tx:
        tx.run("UPDATE session_keys SET from_seq = NULL")
    ring._ciphers.clear()


def test_what_older_versions_encrypted_reads_and_is_told_apart(keyed: EventStore) -> None:
    filled(keyed, "a")
    with write(keyed.engine) as tx:
        cipher = tx.cipher("a")
        assert cipher is not None
        text = str(FRAMES[0].text).encode()
        data = cipher.encrypt(struct.pack("<iI", -(2**31), len(text)) + text, "event 1")
        tx.run("UPDATE events SET audio_offset = -3, audio = ? WHERE seq = 1", (data,))
    found = keyed.verify("a").done[0]
    assert (found.problems, found.protection) == ([], (len(FRAMES) - 1, 1, 0))
    assert next(keyed.events("a")).text == FRAMES[0].text
    keyed.seal(["a"])
    assert keyed.verify("a").done[0].protection == (len(FRAMES), 0, 0)


@pytest.mark.parametrize("table", READERS)
def test_a_plain_row_of_a_read_model_is_told_and_a_rebuild_encrypts_it(
    keyed: EventStore, plain: EventStore, table: str
) -> None:
    """Readers take it as it is: also one that says what the log says is to be encrypted again."""
    columns = TEXT_COLUMNS[table]
    for store in (keyed, plain):
        filled(store, "a")
        store.score("a", "topic", "refund", at="2026-05-04")
    listed = ", ".join(columns)
    key = {"sessions": "", "scores": "name"}.get(table, table[:-1] + "_id")
    with read(plain.engine) as tx:
        texts = tx.rows(f"SELECT {listed}, {key or 'session_id'} FROM {table}")
    with write(keyed.engine) as tx:
        setting = ", ".join(f"{name} = ?" for name in columns)
        for *held, of in texts:
            where = f"{key or 'session_id'} = ?"
            assert tx.run(f"UPDATE {table} SET {setting} WHERE {where}", (*held, of)) == 1
    (problem,) = keyed.verify("a").done[0].problems
    assert table in problem.problem and "not encrypted" in problem.problem
    (done,) = keyed.rebuild(["a"]).done
    assert done.changed == len(texts)
    assert keyed.verify("a").done[0].problems == []
    with read(keyed.engine) as tx:
        assert all(
            row[0][0] == ENCRYPTED_SIGN for row in tx.rows(f"SELECT {columns[-1]} FROM {table}")
        )


def test_rows_that_were_made_before_there_were_keys_are_no_fault(
    database_url: str, keys_url: str
) -> None:
    select = "SELECT resource, said, item_id FROM items"
    with EventStore(database_url) as store:
        store.append("a", FRAMES[:-1])
        with read(store.engine) as tx:
            before = tx.rows(select)
    with EventStore(database_url, keys=keys_url) as later:
        later.append("a", FRAMES[-1:], close=True)
        with read(later.engine) as tx:
            assert all(row[0][0] == ENCRYPTED_SIGN for row in tx.rows(select))
        with write(later.engine) as tx:  # as older versions left them
            tx.run_many("UPDATE items SET resource = ?, said = ? WHERE item_id = ?", before)
        assert later.verify("a").done[0].problems == []
        assert sum(done.changed for done in later.rebuild(["a"]).done) == len(before)
