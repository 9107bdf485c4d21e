"""Unit: cassettes as files. What is written is read, character for character."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, voice_call
from support.recordings import each_recording
from support.recordings import frames as recorded_frames
from support.strategies import START, any_text, frames

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.realtime.frames import CLIENT, DIRECTIONS, SERVER
from eventstore.realtime.masking.mask import mask_frame
from eventstore.replay.cassette import cassette_file
from eventstore.replay.cassette.cassette_file import (
    UnfinishedConnection,
    cassette_line,
    read_cassette,
    write_cassette,
)


def write(path: Path, *connections: Sequence[Frame]) -> None:
    lines = [
        cassette_line(seq, frame)
        for connection in connections
        for seq, frame in enumerate(connection, 1)
    ]
    path.write_bytes(b"".join(lines))


def read(path: Path) -> list[list[Frame]]:
    return [[line.frame for line in connection] for connection in read_cassette(path)]


_ODD = st.builds(
    Frame,
    st.sampled_from(DIRECTIONS),
    any_text(80)
    | st.binary(max_size=20)
    | st.sampled_from(
        [
            ' {"type":"a"}',
            '{"type":"a"} ',
            '{"a":\n1}',
            '{"a":\r1}',
            '{"event":{"event":1}}',
            '{"a":NaN}',
            '{"a":1,"a":2}',
            '{"a":1e400}',
            '{"é":"\u2028"}',
            '{"a":"\ud83d"}',
            "{}",
            "",
        ]
    ),
    st.none() | st.integers(START, START + 10**15),
)


@given(st.lists(st.lists(frames() | _ODD, min_size=1, max_size=6), min_size=1, max_size=3))
def test_what_is_written_is_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, connections: list[list[Frame]]
) -> None:
    path = tmp_path_factory.mktemp("cassette") / "a.jsonl"
    write(path, *connections)
    assert read(path) == connections


@given(st.lists(st.tuples(st.sampled_from([CLIENT, SERVER]), any_text(40)), max_size=5))
def test_a_part_is_read_as_it_crossed_the_wire(
    tmp_path_factory: pytest.TempPathFactory, wire: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("cassette") / "a.jsonl"
    part = UnfinishedConnection(path)
    for direction, text in wire:
        part.add(direction, text)
    part.end("client", 1000, "bye")
    write_cassette(path, False, [part])
    part.close()
    [found] = read(path)
    assert [(frame.direction, frame.text) for frame in found[:-1]] == wire
    assert all(frame.at is not None for frame in found)


@each_recording
def test_recordings_are_readable_lines(recording: Path, tmp_path: Path) -> None:
    recorded = recorded_frames(recording)
    write(tmp_path / "a.jsonl", recorded)
    assert read(tmp_path / "a.jsonl") == [recorded]
    for line, frame in zip((tmp_path / "a.jsonl").open(), recorded, strict=True):
        assert line.endswith(f'"event":{frame.text}}}\n')


def test_a_line_is_an_event_that_people_can_read() -> None:
    frame = Frame(CLIENT, '{"type": "response.create"}', 1_700_000_000_000_000)
    assert cassette_line(2, frame) == (
        b'{"seq":2,"at":"2023-11-14T22:13:20.000000Z","direction":"client",'
        b'"event":{"type": "response.create"}}\n'
    )
    assert json.loads(cassette_line(1, Frame(CLIENT, b"\0\xff")))["frame_base64"] == "AP8="
    assert json.loads(cassette_line(1, Frame(CLIENT, "no JSON")))["frame"] == "no JSON"


def test_lines_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, beta_tool_call().frames, voice_call().frames)
    first, second = read_cassette(path)
    assert [line.number for line in first] == list(range(1, len(first) + 1))
    assert second[0].number == len(first) + 1


def test_each_connection_is_imported_as_a_session(tmp_path: Path, store: EventStore) -> None:
    path = tmp_path / "a.jsonl"
    calls = [beta_tool_call().frames, voice_call().frames, [Frame(CLIENT, "no JSON")]]
    write(path, *calls)
    sessions = store.import_file(path)
    assert [session.events for session in sessions] == [len(call) for call in calls]
    stored = [list(store.events(session.session_id)) for session in sessions]
    assert [[(e.direction, e.text, e.at) for e in session] for session in stored] == calls


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"seq":1,"direction":"client","event":{}}\n{', "line 2: "), (b"[1]", "line 1: ")],
)
def test_a_broken_cassette_is_named_with_its_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(InvalidInputError, match=said):
        read_cassette(tmp_path / "a.jsonl")


def test_a_missing_cassette_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*a\.jsonl: No such file"):
        read_cassette(tmp_path / "a.jsonl")


def test_what_is_kept_stands_first_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    before = b'{"direction": "client", "frame": "old"}'  # of another's making
    path.write_bytes(before)
    part = UnfinishedConnection(path)
    part.add(SERVER, "new")
    write_cassette(path, True, [part])
    assert path.read_bytes().startswith(before + b"\n")
    assert [[frame.text for frame in connection] for connection in read(path)] == [["old"], ["new"]]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    write(path, [Frame(CLIENT, "old")])
    part = UnfinishedConnection(path)
    part.add(SERVER, "new")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(cassette_file.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_cassette(path, False, [part])
    assert read(path) == [[Frame(CLIENT, "old")]]
    assert sorted(tmp_path.iterdir()) == sorted([path, part.path])


def test_secrets_never_reach_the_disk(tmp_path: Path) -> None:
    part = UnfinishedConnection(tmp_path / "a.jsonl")
    part.add(CLIENT, '{"type":"session.update","session":{"tools":[{"authorization":"SECRET"}]}}')
    part.add(SERVER, '{"api_key": "SECRET", broken')
    part.add(CLIENT, b'{"password":"SECRET"}')
    assert b"SECRET" not in part.path.read_bytes()
    assert part.path.read_bytes().count(b"[removed]") == 2
    assert read(part.path)[0][2].text == mask_frame(b'{"password":"SECRET"}').text
