"""Integration: a file becomes sessions, each whole or not at all, once and not twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from support.import_files import (
    CLOSE,
    SESSION_UPDATE,
    answer,
    created,
    everything,
    exported,
    imported,
    imported_one,
    jsonl,
    session_ids,
    texts,
)

from eventstore import EventStore, InvalidInputError
from eventstore.capture.files.import_file import Imported
from eventstore.errors import Failure, SomeFailedError
from eventstore.store.log.insert_events import open_stream
from eventstore.store.sessions import append as appender

CALL = jsonl(created("sess_1"), SESSION_UPDATE, *answer("resp_1"))
OTHER = jsonl(created("sess_1"), SESSION_UPDATE, *answer("resp_2"))


def test_an_import_says_what_it_did(store: EventStore) -> None:
    assert imported(store, CALL) == [Imported("sess_1", 4, 1, 4)]
    assert store.session("sess_1")["eventstore"]["closed"]


def test_a_path_is_imported_as_a_stream_is(store: EventStore, tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    path.write_bytes(CALL)
    assert store.import_file(path) == [Imported("sess_1", 4, 1, 4)]
    assert store.import_file(str(path)) == [Imported("sess_1", 4, 1, 0)]


def test_a_stream_that_cannot_go_back_is_imported(store: EventStore) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation("seek")

    assert store.import_file(Pipe(CALL))[0].added == 4


def test_lines_and_an_array_of_them_give_the_same_session(
    store: EventStore, elsewhere: EventStore
) -> None:
    lines = CALL.decode().splitlines()
    assert imported_one(store, CALL) == "sess_1"
    assert imported_one(elsewhere, f"[{','.join(lines)}]".encode()) == "sess_1"
    assert everything(store, ["sess_1"]) == everything(elsewhere, ["sess_1"])


def test_progress_is_told_in_bytes(store: EventStore) -> None:
    content = jsonl(created("sess_1"), *[SESSION_UPDATE] * 1000)
    seen: list[int] = []
    store.import_file(io.BytesIO(content), progress=seen.append)
    assert seen and seen == sorted(seen) and 0 < seen[-1] <= len(content)


# Again


def test_importing_again_adds_nothing_and_says_so(store: EventStore) -> None:
    imported(store, CALL)
    before = everything(store, ["sess_1"])
    assert imported(store, CALL) == [Imported("sess_1", 4, 1, 0)]
    assert everything(store, ["sess_1"]) == before


def test_importing_again_in_another_form_adds_nothing(store: EventStore) -> None:
    imported(store, CALL)
    assert imported(store, exported(store, "sess_1"))[0].added == 0
    envelopes = [{"event": json.loads(line), "at": 1780000001} for line in CALL.splitlines()]
    assert imported(store, jsonl(*envelopes))[0].added == 0


def test_importing_again_behind_metadata_adds_nothing(store: EventStore) -> None:
    imported(store, CALL, metadata={"customer": "42"})
    assert imported(store, CALL)[0].added == 0
    assert imported(store, CALL, metadata={"customer": "42"})[0].added == 0
    assert imported(store, exported(store, "sess_1"))[0].added == 0


def test_importing_again_with_other_metadata_adds_that_alone(store: EventStore) -> None:
    imported(store, CALL, metadata={"customer": "42"})
    added = Imported("sess_1", 6, 1, 1, metadata_set=True)
    assert imported(store, CALL, metadata={"tier": "gold"}) == [added]
    assert store.metadata("sess_1") == {"customer": "42", "tier": "gold"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(OTHER, "it differs at event 3", id="another frame"),
        pytest.param(
            jsonl(created("sess_1")),
            "the stored one goes on behind its first 1",
            id="the beginning alone",
        ),
        pytest.param(
            CALL + jsonl(SESSION_UPDATE),
            "this one goes on behind its 4",
            id="more behind it",
        ),
    ],
)
def test_another_session_under_the_same_id_is_refused_with_a_way_out(
    store: EventStore, content: bytes, told: str
) -> None:
    imported(store, CALL)
    before = everything(store, ["sess_1"])
    with pytest.raises(InvalidInputError) as refused:
        imported(store, content)
    assert "another session is stored as sess_1" in str(refused.value)
    assert f"({told})" in str(refused.value)
    assert "--session-id" in str(refused.value)
    assert everything(store, session_ids(store)) == before
    # The way out is one.
    assert imported_one(store, content, session_id="sess_1_again") == "sess_1_again"
    assert session_ids(store) == {"sess_1", "sess_1_again"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(CALL.replace(b'"session"', b'"session" '), id="another spacing"),
        pytest.param(
            CALL.replace(
                b'{"type": "session.update"',
                b'{"direction":"server","event":{"type": "session.update"',
            ).replace(b'brief."}}', b'brief."}}}'),
            id="another direction",
        ),
    ],
)
@pytest.mark.parametrize("redact", [False, True])
def test_another_recording_of_a_call_gets_an_id_of_its_own(
    store: EventStore, content: bytes, redact: bool
) -> None:
    imported(store, CALL)
    # Between others, so that it is found again in the middle of the file.
    file = jsonl(*SECOND) + content + jsonl(*THIRD)
    second, third, found = imported(store, file, redact=redact)
    assert (second.session_id, third.session_id) == ("sess_2", "sess_3")
    assert found.session_id not in ("sess_1", "sess_2", "sess_3")
    assert found.same_call == "sess_1"
    assert len(texts(store, found.session_id)) == content.count(b"\n") + 1
    assert store.usage()["total"]["responses"] == 3
    assert store.session(found.session_id)["eventstore"]["same_call"] == "sess_1"
    assert [one.added for one in imported(store, file, redact=redact)] == [0, 0, 0]


def test_the_same_call_may_be_stored_under_several_ids(store: EventStore) -> None:
    imported(store, CALL)
    (copied,) = imported(store, CALL, session_id="copy")
    assert copied.same_call is None
    assert texts(store, "copy") == texts(store, "sess_1")
    assert imported(store, CALL, session_id="copy")[0].added == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({}, id="without metadata"),
        pytest.param(
            {"customer": "42"},
            id="with metadata",
        ),
    ],
)
def test_a_session_that_another_process_stores_at_the_same_time_is_stored_once(
    store: EventStore,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    metadata: dict[str, str],
) -> None:
    with EventStore(database_url) as other:

        def open_late(*arguments: Any) -> Any:
            monkeypatch.undo()
            imported(other, CALL, metadata=metadata)
            return open_stream(*arguments)

        # The other one stores it after this one has seen that it is not there.
        monkeypatch.setattr(appender, "open_stream", open_late)
        (again,) = imported(store, CALL, metadata=metadata)
    assert texts(store, "sess_1")[:4] == CALL.decode().splitlines()
    assert store.metadata("sess_1") == metadata
    assert again == Imported("sess_1", 4 + len(metadata), 1, 0)


# Lines that cannot be read

BROKEN = CALL + b"{broken\n" + jsonl(*answer("resp_2")) + b"[1]\n"


def test_a_line_that_cannot_be_read_is_named_and_nothing_imported(store: EventStore) -> None:
    with pytest.raises(
        InvalidInputError, match=r"line 5: not JSON .*nothing was imported.*--keep-going"
    ):
        imported(store, BROKEN)
    assert session_ids(store) == set()


def test_keep_going_leaves_such_lines_out_and_counts_them(store: EventStore) -> None:
    assert imported(store, BROKEN, keep_going=True) == [Imported("sess_1", 6, 2, 6, 2)]
    kept = [
        line for line in BROKEN.decode().splitlines() if not line.startswith(("{broken", "[1]"))
    ]
    assert texts(store, "sess_1") == kept


def test_malformed_frames_in_envelopes_are_no_bad_lines(store: EventStore) -> None:
    content = CALL + jsonl({"direction": "server", "frame": "{broken"}, {"frame": ""})
    assert imported(store, content) == [Imported("sess_1", 6, 1, 6)]
    assert texts(store, "sess_1")[-2:] == ["{broken", ""]
    assert store.session("sess_1")["eventstore"]["unreadable_frames"] == 2


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"\xef\xbb\xbf"])
def test_a_file_without_events_is_an_error(store: EventStore, content: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no events"):
        imported(store, content)


def test_a_file_of_bad_lines_alone_is_an_error_even_with_keep_going(store: EventStore) -> None:
    with pytest.raises(InvalidInputError, match="no events"):
        imported(store, b"{broken\n", keep_going=True)


@pytest.mark.parametrize("missing", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(
    store: EventStore, tmp_path: Path, missing: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*: \w+"):
        store.import_file(tmp_path / missing)


# Metadata


def test_metadata_is_set_on_each_session(store: EventStore) -> None:
    content = jsonl(created("sess_1"), created("sess_2"))
    imported(store, content, metadata={"customer": "42", "é": ""})
    for session_id in ("sess_1", "sess_2"):
        assert store.metadata(session_id) == {"customer": "42", "é": ""}
        notes = store.session(session_id)["eventstore"]
        assert notes["metadata"] == {"customer": "42", "é": ""}


def test_metadata_of_a_session_counts_for_its_responses(store: EventStore) -> None:
    imported(store, CALL, metadata={"customer": "42"})
    assert [r["id"] for r in store.responses(metadata=["customer=42"]).data] == ["resp_1"]
    assert store.responses(metadata=["customer=43"]).data == []


FITTING = {f"{number:02d}".ljust(64, "k"): "v" * 512 for number in range(16)}


def test_metadata_within_the_limits_is_taken(store: EventStore) -> None:
    imported(store, CALL, metadata=FITTING)
    assert store.metadata("sess_1") == FITTING


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        pytest.param(FITTING | {"one": "more"}, "17 pairs; at most 16", id="17 pairs"),
        pytest.param({"k" * 65: "v"}, "65 characters; use 1 to 64", id="a key of 65"),
        pytest.param({"": "v"}, "0 characters; use 1 to 64", id="no key"),
        pytest.param({"k": "v" * 513}, "513 characters; at most 512", id="a value of 513"),
        pytest.param({"k": "a\0b"}, "NUL", id="NUL in a value"),
        pytest.param({"a\0b": "v"}, "NUL", id="NUL in a key"),
        pytest.param({"k": 42}, "keys and values are text", id="a number"),
    ],
)
def test_metadata_beyond_the_limits_is_refused_and_nothing_imported(
    store: EventStore, metadata: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        imported(store, CALL, metadata=metadata)
    assert session_ids(store) == set()


def test_characters_count_and_not_bytes(store: EventStore) -> None:
    metadata = {"\N{WASTEBASKET}" * 64: "\N{WASTEBASKET}" * 512}
    imported(store, CALL, metadata=metadata)
    assert store.metadata("sess_1") == metadata


def test_metadata_that_would_be_too_much_in_all_is_refused(store: EventStore) -> None:
    imported(store, CALL, metadata=FITTING)
    before = everything(store, ["sess_1"])
    with pytest.raises(InvalidInputError, match="17 pairs"):
        store.set_metadata("sess_1", {"one": "more"})
    with pytest.raises(InvalidInputError, match="17 pairs"):
        imported(store, CALL, metadata={"one": "more"})
    assert everything(store, ["sess_1"]) == before
    store.set_metadata("sess_1", {next(iter(FITTING)): "another"})
    assert len(store.metadata("sess_1")) == 16


def test_metadata_that_is_too_much_with_the_recordings_own_leaves_nothing_half_done(
    store: EventStore,
) -> None:
    own = {"type": "eventstore.session.metadata", "metadata": FITTING}
    with pytest.raises(InvalidInputError, match="17 pairs"):
        imported(store, CALL + jsonl(own), metadata={"one": "more"})
    assert session_ids(store) == set()


# Session ids


def test_a_session_id_may_be_given(store: EventStore) -> None:
    assert imported_one(store, CALL, session_id="my call/7") == "my call/7"
    assert store.session("my call/7")["eventstore"]["server_id"] == "sess_1"


@pytest.mark.parametrize("session_id", ["", "a\nb", "a\x1b[31m", "é" * 65, "a\0"])
def test_a_session_id_that_is_none_is_refused(store: EventStore, session_id: str) -> None:
    with pytest.raises(InvalidInputError, match="a session id"):
        imported(store, CALL, session_id=session_id)
    assert session_ids(store) == set()


def test_a_session_id_for_several_connections_is_refused(store: EventStore) -> None:
    with pytest.raises(InvalidInputError, match="2 connections"):
        imported(store, jsonl(created("sess_1"), created("sess_2")), session_id="mine")
    assert session_ids(store) == set()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(jsonl(SESSION_UPDATE, *answer("resp_1")), id="a connection in mid-call"),
        pytest.param(jsonl(created(None), *answer("resp_1")), id="a server without ids"),
        pytest.param(jsonl({"frame": "no event at all"}), id="a broken frame alone"),
    ],
)
def test_an_id_is_made_where_the_server_names_none_and_is_stable(
    store: EventStore, elsewhere: EventStore, content: bytes
) -> None:
    made = imported_one(store, content)
    assert made.startswith("sess_") and len(made) > 20
    assert imported(store, content)[0].added == 0
    assert imported_one(elsewhere, content) == made
    assert imported_one(elsewhere, content + jsonl(SESSION_UPDATE)) != made


def test_a_made_id_does_not_depend_on_times_or_form(store: EventStore) -> None:
    plain = jsonl(SESSION_UPDATE, *answer("resp_1"))
    timed = jsonl(*({"event": json.loads(line), "at": 1780000007} for line in plain.splitlines()))
    made = imported_one(store, plain)
    assert imported_one(store, timed) == made
    assert imported_one(store, exported(store, made)) == made
    assert session_ids(store) == {made}


def test_the_id_that_the_server_updates_names_a_connection_in_mid_call(store: EventStore) -> None:
    updated = {"type": "session.updated", "session": {"id": "sess_7"}}
    assert imported_one(store, jsonl(SESSION_UPDATE, updated)) == "sess_7"


def test_a_server_id_that_is_too_long_is_shortened_in_a_stable_way(
    store: EventStore, elsewhere: EventStore
) -> None:
    content = jsonl(created("s" * 300), *answer("resp_1"))
    shortened = imported_one(store, content)
    assert len(shortened) <= 128
    assert imported(store, content)[0].added == 0
    assert imported_one(elsewhere, content) == shortened
    assert store.session(shortened)["eventstore"]["server_id"] == "s" * 300


def test_a_server_id_that_cannot_be_one_of_ours_has_a_way_out(store: EventStore) -> None:
    content = jsonl(created("sess\n1"), *answer("resp_1"))
    with pytest.raises(InvalidInputError, match="--session-id"):
        imported(store, content)
    assert imported_one(store, content, session_id="mine") == "mine"


# Several connections

FIRST = [created("sess_1"), SESSION_UPDATE, *answer("resp_1")]
SECOND = [created("sess_2"), *answer("resp_2")]
THIRD = [created("sess_3"), *answer("resp_3")]


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "not closed"])
def test_each_connection_in_a_file_becomes_a_session(store: EventStore, closes: bool) -> None:
    close = [CLOSE] if closes else []
    content = jsonl(*FIRST, *close, *SECOND, *close, *THIRD, *close)
    found = imported(store, content)
    assert [(entry.session_id, entry.events) for entry in found] == [
        ("sess_1", 4 + closes),
        ("sess_2", 3 + closes),
        ("sess_3", 3 + closes),
    ]
    assert [texts(store, f"sess_{n}")[0] for n in (1, 2, 3)] == [
        json.dumps(part[0]) for part in (FIRST, SECOND, THIRD)
    ]
    before = everything(store, session_ids(store))
    assert [entry.added for entry in imported(store, content)] == [0, 0, 0]
    assert everything(store, session_ids(store)) == before


def test_a_server_that_says_closed_ends_a_connection(store: EventStore) -> None:
    content = jsonl(*FIRST, {"type": "session.closed"}, SESSION_UPDATE, *SECOND)
    assert [entry.events for entry in imported(store, content)] == [5, 4]
    assert texts(store, "sess_2")[0] == json.dumps(SESSION_UPDATE)


def test_frames_behind_a_close_belong_to_the_connection_that_follows(store: EventStore) -> None:
    content = jsonl(*FIRST, CLOSE, SESSION_UPDATE, *SECOND)
    assert [entry.events for entry in imported(store, content)] == [5, 4]


def test_frames_behind_the_last_close_stay_with_their_connection(store: EventStore) -> None:
    content = jsonl(*FIRST, CLOSE, SESSION_UPDATE)
    assert imported(store, content) == [Imported("sess_1", 6, 1, 6)]


def test_the_same_id_again_is_the_same_connection(store: EventStore) -> None:
    content = jsonl(*FIRST, CLOSE, created("sess_1"), *answer("resp_2"))
    assert [entry.session_id for entry in imported(store, content)] == ["sess_1"]


def test_connections_without_ids_are_told_apart_by_their_closes(
    store: EventStore, elsewhere: EventStore
) -> None:
    parts = [[SESSION_UPDATE, *answer("resp_1"), CLOSE], [SESSION_UPDATE, *SECOND, CLOSE]]
    content = jsonl(*parts[0], *parts[1])
    made = [entry.session_id for entry in imported(store, content)]
    assert made[1] == "sess_2"
    assert [entry.added for entry in imported(store, content)] == [0, 0]
    # The made id is that of the connection alone, wherever in a file it stands.
    assert imported_one(elsewhere, jsonl(*parts[0])) == made[0]


@pytest.mark.parametrize("first", [1, 5, 100, 0])
def test_numbers_that_a_recorder_gave_its_lines_split_no_connection(
    store: EventStore, first: int
) -> None:
    content = jsonl(*({"seq": first + place, "event": event} for place, event in enumerate(FIRST)))
    assert [(entry.session_id, entry.events) for entry in imported(store, content)] == [
        ("sess_1", 4)
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_that_begin_again_begin_a_session(store: EventStore, first: int) -> None:
    lines = ({"seq": first + n, "event": e} for part in (FIRST, SECOND) for n, e in enumerate(part))
    assert [entry.session_id for entry in imported(store, jsonl(*lines))] == ["sess_1", "sess_2"]


@pytest.mark.parametrize("seq", [None, "1", True, 1.5, [], {}, 10**30], ids=str)
def test_numbers_that_are_none_are_passed_over(store: EventStore, seq: Any) -> None:
    content = jsonl(*({"seq": seq, "event": event} for event in [*FIRST, *SECOND]))
    assert [entry.session_id for entry in imported(store, content)] == ["sess_1", "sess_2"]


def test_a_refused_connection_leaves_the_ones_before_it_whole(store: EventStore) -> None:
    imported(store, jsonl(created("sess_2")))
    with pytest.raises(InvalidInputError, match="sess_2"):
        imported(store, jsonl(*FIRST, *SECOND, *THIRD))
    assert session_ids(store) <= {"sess_1", "sess_2", "sess_3"}
    for session_id in session_ids(store) - {"sess_2"}:
        assert store.status()["behind"] == 0
        assert len(texts(store, session_id)) in (3, 4)
    assert len(texts(store, "sess_2")) == 1


def test_a_connection_that_is_refused_stops_none_behind_it(store: EventStore) -> None:
    imported(store, jsonl(created("sess_2")))
    failures: list[Failure] = []
    content = jsonl(*FIRST, *SECOND, *THIRD)
    found = store.import_file(io.BytesIO(content), failures=failures)
    assert [entry.session_id for entry in found] == ["sess_1", "sess_3"]
    assert [failure.name for failure in failures] == ["sess_2"]
    assert "another session is stored as sess_2" in str(failures[0].error)
    assert [len(texts(store, f"sess_{n}")) for n in (1, 2, 3)] == [4, 1, 3]


def test_several_that_are_refused_are_told_at_the_end(store: EventStore) -> None:
    imported(store, jsonl(created("sess_1")))
    imported(store, jsonl(*SECOND))
    store.erase("sess_2", vacuum=False).raise_for_errors()
    with pytest.raises(SomeFailedError) as told:
        imported(store, jsonl(*FIRST, *SECOND, *THIRD))
    assert [failure.name for failure in told.value.failures] == ["sess_1", "sess_2"]
    assert len(texts(store, "sess_3")) == 3
