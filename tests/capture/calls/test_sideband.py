"""Acceptance: a call is joined by its id, and what the server tells there is recorded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.call_server import CAME, call_server
from support.calls import voice_call
from support.cassettes import websocket_server
from support.recordings import MISSING, folder, frames
from support.replaying import one, sent_by
from support.taps import Line, kept
from websockets.asyncio.server import ServerConnection

from eventstore import EventStore, EventStoreError, InvalidInputError
from eventstore.capture.calls.sideband import UNSEEN, JoinedCall, record_call
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FRAMES = voice_call().frames
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def sideband_recording() -> Path:
    path = folder() / "openai-ga-sideband-text.jsonl"
    if not path.is_file():
        pytest.skip(MISSING)
    return path


def join(recorder: Recorder, url: str, call_id: str = "rtc_1", **options: Any) -> JoinedCall:
    recording = record_call(recorder, call_id, upstream=url, **options)
    return asyncio.run(asyncio.wait_for(recording, 60))


def test_a_sideband_is_recorded_to_its_end(store: EventStore, sideband_recording: Path) -> None:
    source, line = frames(sideband_recording), Line()
    with line.serve(one(source), rule="none") as server, Recorder(store) as recorder:
        joined = join(recorder, server.url)
    [session] = kept(store)
    assert session.came == sent_by(source, SERVER)
    assert session.sent == line.got == []
    assert session.ending == joined.ending == ("server", 1000, "")
    assert joined.session.session_id == session.id


def test_the_log_says_what_a_sideband_cannot_see_and_holds_no_key(store: EventStore) -> None:
    with Line().serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        upstream = server.url.replace("//", f"//user:{KEY}@") + f"?token={KEY}"
        join(recorder, upstream, metadata={"customer": "42"})
    [session] = kept(store)
    assert session.opened == {
        "type": "eventstore.session.opened",
        "recording": session.opened["recording"],
        "by": "sideband",
        "call_id": "rtc_1",
        "url": f"{server.url}/realtime?call_id=rtc_1",
        "unseen": list(UNSEEN),
        "metadata": {"customer": "42", "call_id": "rtc_1"},
    }
    assert not any(KEY in str(event.text) for event in store.events(session.id))
    notes = store.state(session.id)["session"]["eventstore"]
    assert notes["opened"]["unseen"] == list(UNSEEN)
    assert notes["metadata"] == {"customer": "42", "call_id": "rtc_1"}


def test_it_is_joined_by_its_id_with_the_key_and_whatever_headers(store: EventStore) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    async def note(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        headers = request.headers
        asked.append((request.path, headers.get("Authorization"), headers.get("X-More")))

    with websocket_server(note) as url, Recorder(store) as recorder:
        join(recorder, url)
        join(recorder, url, "rtc/2", api_key="sk-given", headers={"X-More": "x"})
        join(recorder, url, "rtc_3", headers={"authorization": "Bearer ek"})
    assert asked == [
        ("/v1/realtime?call_id=rtc_1", f"Bearer {KEY}", None),
        ("/v1/realtime?call_id=rtc%2F2", "Bearer sk-given", "x"),
        ("/v1/realtime?call_id=rtc_3", "Bearer ek", None),
    ]


def test_without_a_key_nothing_is_asked(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with Recorder(store) as recorder, pytest.raises(InvalidInputError, match="OPENAI_API_KEY"):
        join(recorder, "ws://127.0.0.1:9/v1")


def refusal(status: int, body: str, **headers: str) -> Any:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        response = connection.respond(status, body)
        response.headers.update(headers)
        return response

    return refuse


async def nothing(connection: ServerConnection) -> None:
    await connection.wait_closed()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, '{"error":{"message":"No call rtc_1."}}', "404 Not Found: No call rtc_1."),
        (401, "who are you\n", "401 Unauthorized: who are you"),
        (503, "", "503 Service Unavailable"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(
    store: EventStore, status: int, body: str, said: str
) -> None:
    with (
        websocket_server(nothing, process_request=refusal(status, body)) as url,
        Recorder(store) as recorder,
        pytest.raises(EventStoreError) as refused,
    ):
        join(recorder, url)
    assert str(refused.value) == f"cannot join rtc_1: {said}"
    assert kept(store) == []


def test_where_nobody_listens_is_told(store: EventStore) -> None:
    with Recorder(store) as recorder, pytest.raises(EventStoreError, match="cannot join rtc_1: "):
        join(recorder, "ws://127.0.0.1:9/v1")


def test_a_key_does_not_follow_a_redirect(store: EventStore) -> None:
    came = []

    async def elsewhere(connection: ServerConnection) -> None:
        came.append(connection)

    with websocket_server(elsewhere) as other, Recorder(store) as recorder:
        redirect = refusal(307, "", Location=f"{other}/realtime")
        with (
            websocket_server(nothing, process_request=redirect) as url,
            pytest.raises(EventStoreError, match="307"),
        ):
            join(recorder, url)
    assert came == []


# Waiting for a call


def test_a_call_that_is_accepted_late_is_waited_for(store: EventStore) -> None:
    async def accept_late(url: str) -> JoinedCall:
        work = asyncio.create_task(record_call(recorder, "rtc_1", upstream=url, wait=60))
        while server.asked["rtc_1"] < 2:
            await asyncio.sleep(0.01)
        assert server.accepted is not None
        server.accepted.add("rtc_1")
        return await work

    with call_server(accepted=set()) as server, Recorder(store) as recorder:
        asyncio.run(asyncio.wait_for(accept_late(server.url), 60))
    [session] = kept(store)
    assert session.came == CAME
    assert session.ending == ("server", 1000, "over")


def test_a_call_that_nobody_accepts_is_given_up(store: EventStore) -> None:
    with (
        call_server(accepted=set()) as server,
        Recorder(store) as recorder,
        pytest.raises(EventStoreError) as given_up,
    ):
        join(recorder, server.url, wait=0.4)
    assert str(given_up.value) == "cannot join rtc_1 within 0.4 s: 404 Not Found: No call rtc_1."
    assert server.asked["rtc_1"] > 1
    assert kept(store) == []


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_refusal_that_stays_one_is_not_waited_for(store: EventStore, status: int) -> None:
    with (
        call_server(accepted=set(), status=status) as server,
        Recorder(store) as recorder,
        pytest.raises(EventStoreError, match=f"cannot join rtc_1: {status}"),
    ):
        join(recorder, server.url, wait=3600)
    assert server.asked["rtc_1"] == 1


def test_a_recorder_in_another_process_records_it_as_well(
    store: EventStore, tmp_path: Path
) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    recorder = RecorderProcess(url, tmp_path / "spool")
    try:
        with call_server() as server:
            record = record_call(recorder, "rtc_1", upstream=server.url)
            joined = asyncio.run(asyncio.wait_for(record, 60))
    finally:
        recorder.close()
    [session] = kept(store)
    assert session.came == CAME
    assert joined.session.session_id == session.id
    assert session.ending == joined.ending == ("server", 1000, "over")


def test_metadata_beyond_the_limits_joins_nothing(store: EventStore) -> None:
    with call_server() as server, Recorder(store) as recorder:
        with pytest.raises(InvalidInputError, match="at most 16"):
            join(recorder, server.url, metadata={str(n): "" for n in range(17)})
        assert server.asked == {}
        join(recorder, server.url, metadata={str(n): "" for n in range(16)})
    [session] = kept(store)
    assert "call_id" not in session.opened["metadata"]


# Joining again


def test_a_call_that_is_cut_off_is_joined_again(store: EventStore) -> None:
    joined = 0

    async def cut_twice(connection: ServerConnection) -> None:
        nonlocal joined
        joined += 1
        await connection.send(f'{{"type":"a","n":{joined}}}')
        await (await connection.ping())
        if joined < 3:
            connection.transport.abort()
        else:
            await connection.close(1000, "over")

    with websocket_server(cut_twice) as url, Recorder(store) as recorder:
        join(recorder, url)
    [session] = kept(store)
    assert session.came == [f'{{"type":"a","n":{n}}}' for n in (1, 2, 3)]
    gap = {"type": "eventstore.session.gap", "reason": "rejoined", "code": 1006}
    assert session.gaps == [gap, gap]
    assert session.ending == ("server", 1000, "over")
    types = [event.type for event in store.events(session.id)]
    assert types == [
        "eventstore.session.opened",
        *("a", "eventstore.session.gap") * 2,
        "a",
        "eventstore.session.closed",
    ]


def test_a_call_that_is_over_is_not_joined_again(store: EventStore) -> None:
    asked = 0

    def gone(connection: ServerConnection, request: Any) -> Any:
        nonlocal asked
        asked += 1
        return connection.respond(404, "gone\n") if asked > 1 else None

    async def cut(connection: ServerConnection) -> None:
        await connection.send('{"type":"a"}')
        await (await connection.ping())
        connection.transport.abort()

    with websocket_server(cut, process_request=gone) as url, Recorder(store) as recorder:
        joined = join(recorder, url)
    [session] = kept(store)
    assert asked == 2
    assert session.came == ['{"type":"a"}']
    assert session.gaps == []
    assert session.ending == joined.ending == (None, 1006, "")


# Leaving


def test_a_call_is_left_when_it_is_cancelled(store: EventStore) -> None:
    codes: list[int | None] = []

    async def stay(connection: ServerConnection) -> None:
        await connection.send('{"type":"a"}')
        await connection.wait_closed()
        codes.append(connection.close_code)

    async def leave(url: str) -> None:
        joined = asyncio.Event()
        told: list[str | None] = []

        def on_join(session: Any) -> None:
            told.append(session.session_id)
            joined.set()

        recording = record_call(recorder, "rtc_1", upstream=url, on_join=on_join)
        work = asyncio.create_task(recording)
        await joined.wait()
        await asyncio.sleep(0.2)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert len(told) == 1

    with websocket_server(stay) as url, Recorder(store) as recorder:
        asyncio.run(leave(url))
    [session] = kept(store)
    assert session.came == ['{"type":"a"}']
    assert session.ending == ("recorder", 1000, "")
    assert codes == [1000]
