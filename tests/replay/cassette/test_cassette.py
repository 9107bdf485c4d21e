"""Integration: connections are recorded once from a real server, then replayed to real clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, voice_call
from support.cassettes import each_in_turn, openai_talk, websocket_server
from support.events import Call
from support.recordings import each_recording
from support.recordings import frames as recorded_frames
from support.replaying import one, play_client, sent_by, served
from websockets.asyncio.client import connect as connect_async
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request
from websockets.sync.client import connect

from eventstore import DriftError, EventStore, Frame, InvalidInputError, NotFoundError
from eventstore.demo import call_lines
from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.replay.cassette import cassette as cassettes
from eventstore.replay.cassette.cassette import Mode, cassette
from eventstore.replay.cassette.cassette_file import cassette_line, read_cassette
from eventstore.replay.serving import connection
from eventstore.replay.serving.connection import Manner

CALL = beta_tool_call().frames
OTHER = voice_call().frames
PATIENT = Manner(speed=None, patience=30)
BETA = "openai-beta-interrupted"
TRANSLATION = "openai-translation"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.jsonl"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("EVENTSTORE_CASSETTE_UPSTREAM", raising=False)


def played(url: str, frames: list[Frame]) -> list[str | bytes]:
    return asyncio.run(play_client(f"{url}/realtime", frames))[0]


def record_calls(path: Path, *calls: list[Frame], mode: Mode = "once") -> None:
    with served(each_in_turn(*calls)) as server, cassette(path, mode, upstream=server.url) as used:
        for call in calls:
            assert played(used.url, call) == sent_by(call, SERVER)


def sides(frames: Iterable[Frame]) -> dict[str, list[str | bytes]]:
    """What each side sent; a server that replays at once may be ahead of the client."""
    kept = list(frames)
    return {direction: sent_by(kept, direction) for direction in (CLIENT, SERVER)}


def wire(path: Path) -> list[dict[str, list[str | bytes]]]:
    """What each side of each connection sent."""
    return [sides(line.frame for line in lines) for lines in read_cassette(path)]


def changed(frames: list[Frame], old: str, new: str) -> list[Frame]:
    assert any(old in str(frame.text) for frame in frames)
    return [frame._replace(text=str(frame.text).replace(old, new)) for frame in frames]


# Real clients


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@each_recording
def test_the_openai_package_is_recorded_and_replayed(
    recording: Path, is_async: bool, path: Path
) -> None:
    if recording.stem == TRANSLATION:
        pytest.skip("translation sessions have an endpoint, and events, of their own")
    frames = recorded_frames(recording)
    beta = recording.stem == BETA
    with served(one(frames)) as server, cassette(path, upstream=server.url) as used:
        live = openai_talk(used.url, frames, beta, is_async)
    assert live == sent_by(frames, SERVER)
    with cassette(path, mode="none") as used:
        assert openai_talk(used.url, frames, beta, is_async) == live
        assert used.drift == []


def test_a_cassette_is_imported_as_the_conversation_that_was_recorded(
    path: Path, store: EventStore
) -> None:
    entries = map(json.loads, call_lines())
    frames = [Frame(entry["direction"], entry["frame"]) for entry in entries]
    with served(one(frames)) as server, cassette(path, upstream=server.url) as used:
        openai_talk(used.url, frames)
    [session] = store.import_file(path)
    stored = store.events(session.session_id)
    assert sides(Frame(event.direction, event.text) for event in stored) == sides(frames)
    store.append("sess_first_hand", frames, close=True)
    one_, other = (
        [
            [(item["type"], item.get("content")) for item in conversation["items"]]
            for conversation in store.state(id_)["conversations"]
        ]
        for id_ in (session.session_id, "sess_first_hand")
    )
    assert one_ == other
    assert one_[0]


def test_a_cassette_has_a_pace(path: Path) -> None:
    """Frames of half a second come at once, or in their time."""
    call = Call()
    call.server("session.created", session={"id": "sess_1"})
    call.server("rate_limits.updated", 500, rate_limits=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(cassette_line(seq, f) for seq, f in enumerate(call.frames, 1)))

    def taken(pace: Any) -> float:
        began = time.monotonic()
        with cassette(path, mode="none", pace=pace) as used:
            assert played(used.url, call.frames) == sent_by(call.frames, SERVER)
        return time.monotonic() - began

    assert taken("recorded") >= 0.5
    assert taken(4) >= 0.125
    with pytest.raises(InvalidInputError, match="pace 'slow': use instant"):
        taken("slow")


# Modes


def test_once_records_where_there_is_no_file_and_then_replays(path: Path) -> None:
    record_calls(path, CALL)
    assert wire(path) == [sides(CALL)]
    before = path.read_bytes()
    with cassette(path) as used:
        assert (used.mode, used.recording, used.path) == ("once", False, path)
        assert played(used.url, CALL) == sent_by(CALL, SERVER)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_none_needs_a_cassette(path: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"there is no cassette .*; record it with mode=\"all\""
    ):
        cassette(path, "none").__enter__()
    assert not path.parent.exists()


@pytest.mark.parametrize("mode", ["none", "once"])
def test_a_connection_too_many_is_refused_and_told(path: Path, mode: Mode) -> None:
    record_calls(path, CALL)

    def one_too_many() -> None:
        with cassette(path, mode) as used:
            played(used.url, CALL)
            with pytest.raises(InvalidStatus, match="404") as raised:
                connect(f"{used.url}/realtime")
            assert b"one connection too many" in raised.value.response.body

    with pytest.raises(DriftError, match=r"one connection too many; .* holds 1"):
        one_too_many()


def test_a_request_for_no_websocket_takes_no_connection(path: Path) -> None:
    with served(one(CALL)) as server:
        for _ in range(2):
            with cassette(path, upstream=server.url) as used:
                with pytest.raises(urllib.error.HTTPError, match="426"):
                    urllib.request.urlopen(f"{used.endpoint}/v1/models", timeout=30)
                assert played(used.url, CALL) == sent_by(CALL, SERVER)
    assert wire(path) == [sides(CALL)]


def test_new_episodes_are_recorded_behind_those_that_are_there(path: Path) -> None:
    record_calls(path, CALL)
    before = path.read_bytes()
    with served(one(OTHER)) as server, cassette(path, "new_episodes", upstream=server.url) as used:
        assert played(used.url, CALL) == sent_by(CALL, SERVER)
        assert played(used.url, OTHER) == sent_by(OTHER, SERVER)
    assert wire(path) == [sides(CALL), sides(OTHER)]
    assert path.read_bytes().startswith(before)
    with cassette(path, "none") as used:
        played(used.url, CALL)
        assert played(used.url, OTHER) == sent_by(OTHER, SERVER)


def test_all_records_anew(path: Path) -> None:
    record_calls(path, CALL)
    record_calls(path, OTHER, mode="all")
    assert wire(path) == [sides(OTHER)]


def test_a_test_that_connects_twice_gets_both_in_order(path: Path, store: EventStore) -> None:
    record_calls(path, CALL, OTHER)
    with cassette(path) as used:
        assert played(used.url, CALL) == sent_by(CALL, SERVER)
        assert played(used.url, OTHER) == sent_by(OTHER, SERVER)
    sessions = [session.session_id for session in store.import_file(path)]
    assert sessions == ["sess_2", "sess_1"]


@pytest.mark.parametrize("mode", ["once", "all"])
def test_recording_from_openai_needs_a_key(path: Path, mode: Mode) -> None:
    with pytest.raises(InvalidInputError, match=r"set OPENAI_API_KEY to record the cassette .*a\."):
        cassette(path, mode).__enter__()


def test_the_key_is_the_environments_where_it_records(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    with cassette(path) as used:
        assert (used.api_key, used.recording) == ("sk-mine", True)
    path.parent.mkdir()
    path.write_text('{"seq":1,"direction":"server","frame":"a"}\n')
    with cassette(path, match="none") as used:
        assert (used.api_key, used.recording) == (cassettes.NO_KEY, False)


def test_the_environment_names_the_upstream(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(one(CALL)) as server:
        monkeypatch.setenv("EVENTSTORE_CASSETTE_UPSTREAM", server.url)
        with cassette(path) as used:
            assert played(used.url, CALL) == sent_by(CALL, SERVER)


def test_the_upstreams_key_is_in_no_answer(path: Path) -> None:
    upstream = "ws://user:SECRET@127.0.0.1:9/v1?api-key=SECRET"
    with cassette(path, upstream=upstream) as used, pytest.raises(InvalidStatus) as told:
        connect(f"{used.url}/realtime")
    body = (told.value.response.body or b"").decode()
    assert "cannot connect to ws://127.0.0.1:9/v1" in body
    assert "SECRET" not in body
    with pytest.raises(InvalidInputError) as refused:
        cassette(path, upstream="nonsense://user:SECRET@host").__enter__()
    assert "SECRET" not in str(refused.value)


def test_clients_are_numbered_as_they_came_not_as_they_got_through(path: Path) -> None:
    async def slowly_first(server: ServerConnection, request: Request) -> None:
        await asyncio.sleep(0.5 if "first" in request.path else 0)

    async def echo(server: ServerConnection) -> None:
        async for frame in server:
            await server.send(frame)

    async def two(url: str) -> None:
        async def say(name: str, after: float) -> None:
            await asyncio.sleep(after)
            async with connect_async(f"{url}/realtime?{name}") as client:
                await client.send(json.dumps({"type": name}))
                await client.recv()

        await asyncio.gather(say("first", 0), say("second", 0.2))

    slow = websocket_server(echo, process_request=slowly_first)
    with slow as upstream, cassette(path, upstream=upstream) as used:
        asyncio.run(two(used.url))
    said = [json.loads(str(call[CLIENT][0]))["type"] for call in wire(path)]
    assert said == ["first", "second"]
    with cassette(path) as used:
        asyncio.run(two(used.url))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    record_calls(path, CALL)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("no_proxy", raising=False)
    assert replay(path, CALL) == sent_by(CALL, SERVER)
    assert (os.environ["NO_PROXY"], os.environ.get("no_proxy")) == ("example.com", None)


def test_a_block_that_changes_its_folder_writes_where_it_was_asked_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    with served(one(CALL)) as server, cassette(path.name, upstream=server.url) as used:
        played(used.url, CALL)
        monkeypatch.chdir("/")
    assert path.is_file()


@pytest.mark.parametrize("wrong", [{"mode": "any"}, {"match": "any"}, {"upstream": "any"}])
def test_a_wrong_argument_is_told(path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="'any'"):
        cassette(path, **wrong).__enter__()


# Drift


def replay(path: Path, *calls: list[Frame], match: Any = "strict") -> list[str | bytes]:
    """Be the client of each call; gives what came to the last."""
    with cassette(path, match=match) as used:
        return [played(used.url, frames) for frames in calls][-1]


def heard(url: str) -> list[str | bytes]:
    """What comes to a client that listens until it is closed."""
    came: list[str | bytes] = []
    with connect(f"{url}/realtime") as client, suppress(ConnectionClosed):
        while True:
            came.append(client.recv())
    return came


def test_a_frame_that_differs_is_told_with_its_line_and_path(path: Path) -> None:
    record_calls(path, OTHER, CALL)
    number = read_cassette(path)[1][1].number
    with pytest.raises(DriftError) as raised:
        replay(path, OTHER, changed(CALL, "Weather in Oslo?", "Weather in Rome?"))
    assert str(raised.value) == textwrap.dedent(f"""\
        connection 2 sent a frame that is not the recorded one: {path}:{number}
          line {number}: conversation.item.create
            item.content[0].text
              expected: "Weather in Oslo?"
              came:     "Weather in Rome?"
        If the change is meant, record it anew with mode="all\"""")


def test_a_frame_out_of_order_is_told(path: Path) -> None:
    record_calls(path, CALL)
    first, second = [place for place, frame in enumerate(CALL) if frame.direction == CLIENT][:2]
    swapped = list(CALL)
    swapped[first], swapped[second] = CALL[second], CALL[first]
    with pytest.raises(DriftError, match=r"response\.create came, but line 2 has \"conversation"):
        replay(path, swapped)


def test_frames_that_never_came_are_told(path: Path) -> None:
    record_calls(path, CALL)
    with (
        pytest.raises(DriftError, match=r"(?s)did not send .*:2\n  line 2: conversation\.item"),
        cassette(path) as used,
    ):
        connect(f"{used.url}/realtime").close()


def test_a_client_that_waits_for_what_it_did_not_ask_for_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cassettes, "CLIENT_TIMEOUT", 0.2)
    monkeypatch.setattr(connection, "_PATIENCE", 0.1)
    record_calls(path, CALL)
    for match in ("strict", "type"):
        came: list[str | bytes] = []
        with (
            pytest.raises(DriftError, match=r"line 2: conversation\.item\.create never came"),
            cassette(path, match=match) as used,
        ):
            came += heard(used.url)
        assert json.loads(came[-1])["error"]["code"] == "replay_drift"


def test_a_connection_that_was_never_made_is_told(path: Path) -> None:
    record_calls(path, CALL, OTHER)
    line = read_cassette(path)[1][0].number
    with pytest.raises(DriftError, match=rf"connection 2 was never made: .*a\.jsonl:{line}\n"):
        replay(path, CALL)
    assert replay(path, CALL, match="type") == sent_by(CALL, SERVER)


def test_by_type_contents_may_differ(path: Path) -> None:
    record_calls(path, CALL)
    other = changed(CALL, "Weather in Oslo?", "Weather in Rome?")
    with cassette(path, match="type") as used:
        assert played(used.url, other) == sent_by(CALL, SERVER)
    assert [drift.kind for drift in used.drift] == ["differs"]
    unheard = [Frame(CLIENT, '{"type":"input_audio_buffer.clear"}'), *CALL]
    with pytest.raises(
        DriftError, match=r"input_audio_buffer\.clear came, which no line is left for"
    ):
        replay(path, unheard, match="type")


def test_without_a_rule_nothing_is_compared(path: Path) -> None:
    record_calls(path, CALL)
    with cassette(path, match="none") as used:
        assert heard(used.url) == sent_by(CALL, SERVER)


def test_what_the_block_raised_goes_on_with_the_drift_as_a_note(path: Path) -> None:
    def fail() -> None:
        with cassette(path) as used:
            played(used.url, changed(CALL, "Oslo?", "Rome?"))
            raise ZeroDivisionError

    record_calls(path, CALL, OTHER)
    with pytest.raises(ZeroDivisionError) as raised:
        fail()
    [note] = raised.value.__notes__
    assert "sent a frame that is not the recorded one" in note
    assert "never" not in note  # what it did not come to is no news


def test_a_block_that_raised_is_not_told_what_it_did_not_come_to(path: Path) -> None:
    def fail() -> None:
        with cassette(path) as used:
            connect(f"{used.url}/realtime").close()
            raise ZeroDivisionError

    record_calls(path, CALL, OTHER)
    with pytest.raises(ZeroDivisionError) as raised:
        fail()
    assert not hasattr(raised.value, "__notes__")


def test_the_last_frames_before_a_client_leaves_count(path: Path) -> None:
    burst = [Frame(CLIENT, f'{{"type":"response.create","event_id":"{n}"}}') for n in range(300)]
    left = Frame(STORE, '{"type":"eventstore.session.closed","by":"client"}')
    for _ in range(2):
        with (
            served(one([*burst, left]), PATIENT) as server,
            cassette(path, upstream=server.url) as used,
            connect(f"{used.url}/realtime") as client,
        ):
            for frame in burst:
                client.send(frame.text)
    assert wire(path) == [sides(burst)]


# Secrets


def with_tool(**tool: object) -> list[Frame]:
    update = {"type": "session.update", "session": {"tools": [{"type": "mcp", **tool}]}}
    answer = {"type": "session.updated", "session": {"client_secret": {"value": "ek_SECRET"}}}
    return [Frame(CLIENT, json.dumps(update)), Frame(SERVER, json.dumps(answer))]


def test_secrets_are_in_no_file_and_match_any_other(path: Path) -> None:
    record_calls(path, with_tool(authorization="SECRET", headers={"X": "SECRET"}))
    assert b"SECRET" not in path.read_bytes()
    for tool in ({"authorization": "other", "headers": {"X": "more"}}, {"headers": {"X": None}}):
        [answer] = replay(path, with_tool(**tool))
        assert json.loads(answer)["session"]["client_secret"] == {"value": "[removed]"}


def test_secrets_are_in_no_report(path: Path) -> None:
    record_calls(path, with_tool(server_label="a"))
    with pytest.raises(DriftError) as raised:
        replay(path, with_tool(server_label="b", authorization="SECRET", headers={"X": "SECRET"}))
    assert "session.tools[0].authorization" in str(raised.value)
    assert "SECRET" not in str(raised.value)


def test_a_value_that_a_person_removed_matches_any(path: Path) -> None:
    record_calls(path, CALL)
    path.write_bytes(path.read_bytes().replace(b"Weather in Oslo?", b"[removed]"))
    assert replay(path, changed(CALL, "Weather in Oslo?", "the time of day"))


# What goes wrong


def test_what_a_failed_block_recorded_is_kept_aside(path: Path) -> None:
    def fail(upstream: str) -> None:
        with cassette(path, "all", upstream=upstream) as used:
            played(used.url, CALL)
            raise ZeroDivisionError

    record_calls(path, OTHER)
    before = path.read_bytes()
    with served(one(CALL)) as server, pytest.raises(ZeroDivisionError) as raised:
        fail(server.url)
    assert path.read_bytes() == before
    [partial] = path.parent.glob("*.partial")
    assert wire(partial) == [sides(CALL)]
    assert raised.value.__notes__ == [
        f"no cassette was written; what crossed the wire is in {partial}"
    ]
    record_calls(path, CALL, mode="all")
    assert list(path.parent.iterdir()) == [path]


def test_what_crossed_the_wire_before_a_kill_is_kept(path: Path) -> None:
    program = """
        import sys
        from websockets.sync.client import connect
        from eventstore.replay.cassette.cassette import cassette
        with cassette(sys.argv[1], upstream=sys.argv[2]) as used:
            with connect(used.url + "/realtime") as client:
                print(client.recv(), flush=True)
                client.recv()
    """
    with served(one(CALL)) as server:
        command = [sys.executable, "-c", textwrap.dedent(program), str(path), server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline().removesuffix("\n")
            os.kill(process.pid, signal.SIGKILL)
    [partial] = path.parent.iterdir()
    assert wire(partial) == [{CLIENT: [], SERVER: [first]}]


def test_clients_that_stay_connected_end_with_the_block(path: Path) -> None:
    with served(one(CALL)) as server, cassette(path, upstream=server.url) as used:
        recorded = connect(f"{used.url}/realtime")
        recorded.recv()
    with pytest.raises(Exception, match="1001"):
        recorded.recv()
    with cassette(path, "none") as used:
        replayed = connect(f"{used.url}/realtime")
        replayed.recv()
    with pytest.raises(Exception, match="1001"):
        replayed.recv()


def test_a_client_may_stay_where_the_recorded_one_left(path: Path) -> None:
    append = '{"type":"input_audio_buffer.append","audio":""}'
    left = Frame(STORE, '{"type":"eventstore.session.closed","by":"client"}')
    with served(one([*CALL, left]), PATIENT) as server, cassette(path, upstream=server.url) as used:
        openai_talk(used.url, CALL)
    with cassette(path) as used, connect(f"{used.url}/realtime") as client:
        for frame in CALL:
            if frame.direction == CLIENT:
                client.send(frame.text)
            else:
                assert client.recv() == frame.text
        for _ in range(100):
            client.send(append)
        client.ping().wait(10)
        client.send(append)
