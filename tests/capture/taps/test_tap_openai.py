"""Acceptance: one line around a connection of the `openai` package records what is on its wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection, RealtimeConnection
from support.calls import voice_call
from support.cassettes import talk, talk_async, websocket_server
from support.recordings import each_recording, frames
from support.replaying import one, sent_by
from support.taps import Line, kept
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder, SessionRecorder
from eventstore.capture.taps.tap_openai import tap
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
#: Around what `connect` returns, or around the connection that is open.
each_way = pytest.mark.parametrize("entered", [False, True], ids=["manager", "entered"])

FRAMES = voice_call().frames
KEY = "sk-very-secret"
UPDATE = {"type": "realtime", "instructions": "Be brief."}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def client_of(url: str, is_async: bool = False) -> Any:
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    return kind(api_key=KEY, websocket_base_url=url)


class Tapped:
    """A client's resource whose connections are tapped, in either way."""

    def __init__(self, resource: Any, recorder: Recorder, entered: bool = False) -> None:
        self.resource, self.recorder, self.entered = resource, recorder, entered

    def connect(self, **options: Any) -> Any:
        manager = self.resource.connect(**options)
        if not self.entered:
            return tap(manager, self.recorder)
        is_async = hasattr(manager, "__aenter__")
        return self._entered_async(manager) if is_async else self._entered(manager)

    @contextmanager
    def _entered(self, manager: Any) -> Iterator[Any]:
        connection = tap(manager.enter(), self.recorder)
        try:
            yield connection
        finally:
            connection.close()

    @asynccontextmanager
    async def _entered_async(self, manager: Any) -> Any:
        connection = tap(await manager.enter(), self.recorder)
        try:
            yield connection
        finally:
            await connection.close()


def resource_of(client: Any, name: str) -> Any:
    if name == "openai-beta-interrupted":
        return client.beta.realtime
    return client.realtime.translations if name == "openai-translation" else client.realtime


# What is recorded


@each_way
@both
@each_recording
def test_every_recording_is_recorded_as_it_was_on_the_wire(
    store: EventStore, recording: Path, is_async: bool, entered: bool
) -> None:
    source, line = frames(recording), Line()
    with line.serve(one(source)) as server, Recorder(store) as recorder:
        resource = resource_of(client_of(server.url, is_async), recording.stem)
        tapped = Tapped(resource, recorder, entered)
        came = asyncio.run(talk_async(tapped, source)) if is_async else talk(tapped, source)
    [session] = kept(store)
    assert session.came == came == sent_by(source, SERVER)
    assert session.sent == line.got
    assert session.closed is not None
    assert session.closed["code"] == 1000


@both
def test_the_log_says_how_it_was_recorded_and_holds_no_key(
    store: EventStore, is_async: bool
) -> None:
    options: dict[str, Any] = {
        "model": "gpt-realtime",
        "extra_query": {"api-key": KEY, "intent": "transcription"},
        "extra_headers": {"X-Key": KEY},
    }
    with Line().serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        client = client_of(server.url.replace("//", f"//user:{KEY}@"), is_async)
        connecting = client.realtime.connect(**options)
        manager = tap(connecting, recorder, {"customer": "42"}, "mine", traceparent=PARENT)
        _drain(manager, is_async)
    [session] = kept(store)
    assert session.id == "mine"
    assert session.opened == {
        "type": "eventstore.session.opened",
        "recording": session.opened["recording"],
        "by": "tap",
        "client": f"openai {version('openai')}",
        "url": f"{server.url}/realtime?model=gpt-realtime&intent=transcription",
        "traceparent": PARENT,
        "metadata": {"customer": "42"},
    }
    assert not any(KEY in str(event.text) for event in store.events("mine"))


def _drain(manager: Any, is_async: bool) -> list[Any]:
    """Read a connection to its end."""

    async def drain() -> list[Any]:
        async with manager as connection:
            return [event async for event in connection]

    if is_async:
        return asyncio.run(drain())
    with manager as connection:
        return list(connection)


@both
def test_what_nobody_read_is_recorded_too(store: EventStore, is_async: bool) -> None:
    async def leave_early(manager: Any) -> None:
        async with manager as connection:
            await connection.recv()
            await asyncio.to_thread(sent.wait, 30)

    sent = threading.Event()

    async def send_three(connection: ServerConnection) -> None:
        for number in range(3):
            await connection.send(f'{{"type":"a","n":{number}}}')
        sent.set()
        await connection.wait_closed()

    with websocket_server(send_three) as url, Recorder(store) as recorder:
        manager = tap(client_of(url, is_async).realtime.connect(model="m"), recorder)
        if is_async:
            asyncio.run(leave_early(manager))
        else:
            with manager as connection:
                connection.recv()
                assert sent.wait(30)
    [session] = kept(store)
    assert session.came == [f'{{"type":"a","n":{number}}}' for number in range(3)]


@each_way
@both
def test_messages_of_any_kind_are_recorded_whole(
    store: EventStore, is_async: bool, entered: bool
) -> None:
    texts = ['{"type": "a",  "é": "\\ud83d"}', "no JSON", "", "x" * 100_000]

    async def echo(connection: ServerConnection) -> None:
        for text in texts:
            await connection.send([text[:1], text[1:3], text[3:]] if text else text)
        await connection.send(b"\0\xff")
        async for message in connection:
            await connection.send(message)

    count = len(texts) + 1
    options: Any = {"model": "m", "websocket_connection_options": {"compression": "deflate"}}

    async def talk_to(tapped: Tapped) -> None:
        async with tapped.connect(**options) as connection:
            for _ in range(count):
                await connection.recv_bytes()
            for text in texts:
                await connection.send_raw(text)
                assert await connection.recv_bytes() == text.encode()
            await connection.send_raw(b"\xff\0")
            assert await connection.recv_bytes() == b"\xff\0"

    with websocket_server(echo) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)
        if is_async:
            asyncio.run(talk_to(tapped))
        else:
            with tapped.connect(**options) as connection:
                for _ in range(count):
                    connection.recv_bytes()
                for text in texts:
                    connection.send_raw(text)
                    assert connection.recv_bytes() == text.encode()
                connection.send_raw(b"\xff\0")
                assert connection.recv_bytes() == b"\xff\0"
    [session] = kept(store)
    assert session.sent == [*texts, b"\xff\0"]
    assert session.came == [*texts, b"\0\xff", *texts, b"\xff\0"]


def test_a_binary_message_stays_one_even_if_it_could_be_text(store: EventStore) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    with (
        websocket_server(echo) as url,
        Recorder(store) as recorder,
        tap(client_of(url).realtime.connect(model="m"), recorder) as connection,
    ):
        for message in (b"{}", "{}"):
            connection.send_raw(message)
            connection.recv_bytes()
    [session] = kept(store)
    assert session.sent == session.came == [b"{}", "{}"]


def test_a_client_that_streams_from_threads_is_recorded_whole(store: EventStore) -> None:
    got: list[str | bytes] = []

    async def listen(connection: ServerConnection) -> None:
        got.extend([message async for message in connection])

    def stream(connection: Any, name: int) -> None:
        for number in range(50):
            connection.send_raw(f'{{"type":"input_audio_buffer.append","n":{name}.{number}}}')

    with (
        websocket_server(listen) as url,
        Recorder(store) as recorder,
        tap(client_of(url).realtime.connect(model="m"), recorder) as connection,
    ):
        threads = [threading.Thread(target=stream, args=(connection, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    [session] = kept(store)
    assert len(got) == 200
    assert session.sent == got


# How it ends


Handler = Callable[[ServerConnection], Awaitable[None]]


async def close_oddly(connection: ServerConnection) -> None:
    await connection.send('{"type":"last words"}')
    await connection.close(4321, "so be it")


async def cut(connection: ServerConnection) -> None:
    await connection.send('{"type":"last words"}')
    await (await connection.ping())  # what was sent has come
    connection.transport.abort()


async def stay(connection: ServerConnection) -> None:
    await connection.send('{"type":"last words"}')
    await connection.wait_closed()


@each_way
@both
@pytest.mark.parametrize(
    ("handler", "ending"),
    [(close_oddly, ("server", 4321, "so be it")), (cut, (None, 1006, ""))],
    ids=["closed", "cut off"],
)
def test_the_server_ends_it(
    store: EventStore,
    handler: Handler,
    ending: tuple[str | None, int, str],
    is_async: bool,
    entered: bool,
) -> None:
    async def read(tapped: Tapped) -> None:
        async with tapped.connect(model="m") as connection:
            async for _ in connection:
                pass

    with websocket_server(handler) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)
        if is_async:
            with pytest.raises(ConnectionClosedError):
                asyncio.run(read(tapped))
        else:
            with (
                pytest.raises(ConnectionClosedError),
                tapped.connect(model="m") as connection,
            ):
                list(connection)
    [session] = kept(store)
    assert session.came == ['{"type":"last words"}']
    assert session.ending == ending


@each_way
@both
def test_what_came_before_a_break_is_recorded_though_read_behind_it(
    store: EventStore, is_async: bool, entered: bool
) -> None:
    with websocket_server(close_oddly) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)

        async def read() -> None:
            async with tapped.connect(model="m") as connection:
                await asyncio.sleep(0.2)
                await connection.recv_bytes()
                with pytest.raises(ConnectionClosed):
                    await connection.recv_bytes()

        if is_async:
            asyncio.run(read())
        else:
            with tapped.connect(model="m") as connection:
                threading.Event().wait(0.2)
                connection.recv_bytes()
                with pytest.raises(ConnectionClosed):
                    connection.recv_bytes()
    [session] = kept(store)
    assert session.came == ['{"type":"last words"}']
    assert session.ending == ("server", 4321, "so be it")


@each_way
@both
def test_the_client_closes_it(store: EventStore, is_async: bool, entered: bool) -> None:
    async def close(tapped: Tapped) -> None:
        async with tapped.connect(model="m") as connection:
            await connection.recv()
            await connection.close(code=4000, reason="enough")

    with websocket_server(stay) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)
        if is_async:
            asyncio.run(close(tapped))
        else:
            with tapped.connect(model="m") as connection:
                connection.recv()
                connection.close(code=4000, reason="enough")
    [session] = kept(store)
    assert session.ending == ("client", 4000, "enough")


@each_way
@both
def test_an_exception_passes_and_ends_the_session(
    store: EventStore, is_async: bool, entered: bool
) -> None:
    async def fail_async(tapped: Tapped) -> None:
        async with tapped.connect(model="m") as connection:
            await connection.recv()
            raise KeyError("mine")

    def fail(tapped: Tapped) -> None:
        with tapped.connect(model="m") as connection:
            connection.recv()
            raise KeyError("mine")

    with websocket_server(stay) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)
        with pytest.raises(KeyError, match="mine"):
            asyncio.run(fail_async(tapped)) if is_async else fail(tapped)
    [session] = kept(store)
    assert session.came == ['{"type":"last words"}']
    assert session.ending == ("client", 1000, "")


def test_a_cancelled_reader_ends_the_session(store: EventStore) -> None:
    async def read(tapped: Tapped) -> None:
        async with asyncio.timeout(0.2), tapped.connect(model="m") as connection:
            async for _ in connection:
                pass

    with websocket_server(stay) as url, Recorder(store) as recorder, pytest.raises(TimeoutError):
        asyncio.run(read(Tapped(client_of(url, True).realtime, recorder)))
    [session] = kept(store)
    assert session.ending == ("client", 1000, "")


@both
def test_a_refused_handshake_is_no_session(store: EventStore, is_async: bool) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(401, "no such key\n")

    with websocket_server(stay, process_request=refuse) as url, Recorder(store) as recorder:
        manager = tap(client_of(url, is_async).realtime.connect(model="m"), recorder)
        with pytest.raises(Exception, match="401"):
            _drain(manager, is_async)
    assert kept(store) == []


# Reconnecting


@each_way
@both
@pytest.mark.parametrize("ends", ["closed", "cut off"])
def test_each_reconnect_is_a_session_that_names_the_one_before(
    store: EventStore, ends: str, is_async: bool, entered: bool
) -> None:
    calls = 0

    async def serve(connection: ServerConnection) -> None:
        nonlocal calls
        calls += 1
        number = calls
        await connection.send(f'{{"type":"a","n":{number}}}')
        await connection.recv()
        if number == 3:
            await connection.close(1000, "done")
        elif ends == "closed":
            await connection.close(1012, "restart")
        else:
            connection.transport.abort()

    options: Any = {"model": "m", "on_reconnecting": lambda event: None, "initial_delay": 0.01}

    async def read(tapped: Tapped) -> list[Any]:
        heard = []
        async with tapped.connect(**options) as connection:
            async for event in connection:
                heard.append(event.n)
                await connection.send_raw(f"{event.n}")
        return heard

    with websocket_server(serve) as url, Recorder(store) as recorder:
        tapped = Tapped(client_of(url, is_async).realtime, recorder, entered)
        if is_async:
            heard = asyncio.run(read(tapped))
        else:
            heard = []
            with tapped.connect(**options) as connection:
                for event in connection:
                    heard.append(event.n)
                    connection.send_raw(f"{event.n}")
    assert heard == [1, 2, 3]
    sessions = kept(store)
    assert [session.came for session in sessions] == [[f'{{"type":"a","n":{n}}}'] for n in heard]
    assert [session.sent for session in sessions] == [["1"], ["2"], ["3"]]
    broken = ("server", 1012, "restart") if ends == "closed" else (None, 1006, "")
    done = ("server", 1000, "done")
    assert [session.ending for session in sessions] == [broken, broken, done]
    named = [session.opened.get("previous") for session in sessions]
    recorded = [session.opened["recording"] for session in sessions]
    assert named == [None, *recorded[:2]]


# What the caller sees


@both
def test_the_caller_sees_the_same_objects(store: EventStore, is_async: bool) -> None:
    client = client_of("ws://127.0.0.1:9/v1", is_async)
    manager = client.realtime.connect(model="m")
    with Recorder(store) as recorder:
        assert tap(manager, recorder) is manager
        for other in (object(), client, None):
            with pytest.raises(TypeError, match=r"realtime\.connect"):
                tap(other, recorder)


@each_way
def test_a_connection_is_used_as_without_a_tap(store: EventStore, entered: bool) -> None:
    line = Line()
    with line.serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        tapped = Tapped(client_of(server.url).realtime, recorder, entered)
        with tapped.connect(model="m") as connection:
            assert type(connection) is RealtimeConnection
            assert connection.recv().type == "session.created"
            data = connection.recv_bytes()
            assert connection.parse_event(data).type == "conversation.created"
            connection.session.update(session=UPDATE)
            connection.response.create()
            connection.input_audio_buffer.append(audio="AAAA")
            connection.send({"type": "response.cancel"})
            connection.send_raw('{"type": "input_audio_buffer.clear"}')
            types = [event.type for event in connection]
    [session] = kept(store)
    assert len(types) == len(sent_by(FRAMES, SERVER)) - 2
    assert session.came == sent_by(FRAMES, SERVER)
    assert session.sent == line.got
    assert len(session.sent) == 5


@each_way
def test_an_async_connection_is_used_as_without_a_tap(store: EventStore, entered: bool) -> None:
    line = Line()

    async def use(tapped: Tapped) -> list[str]:
        async with tapped.connect(model="m") as connection:
            assert type(connection) is AsyncRealtimeConnection
            assert (await connection.recv()).type == "session.created"
            data = await asyncio.wait_for(connection.recv_bytes(), 30)
            assert connection.parse_event(data).type == "conversation.created"
            await connection.session.update(session=UPDATE)
            await connection.response.create()
            await connection.send({"type": "response.cancel"})
            return [event.type async for event in connection]

    with line.serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        types = asyncio.run(use(Tapped(client_of(server.url, True).realtime, recorder, entered)))
    [session] = kept(store)
    assert len(types) == len(sent_by(FRAMES, SERVER)) - 2
    assert session.came == sent_by(FRAMES, SERVER)
    assert session.sent == line.got
    assert len(session.sent) == 3


def test_what_was_sent_before_it_connected_is_recorded(store: EventStore) -> None:
    line = Line()
    with line.serve(one(FRAMES), rule="none") as server, Recorder(store) as recorder:
        manager = tap(client_of(server.url).realtime.connect(model="m"), recorder)
        manager.send({"type": "response.create"})
        heard = []
        manager.on("event", lambda event: heard.append(event.type))
        with manager as connection:
            connection.dispatch_events()
    [session] = kept(store)
    assert len(heard) == len(session.came) == len(sent_by(FRAMES, SERVER))
    assert session.sent == line.got == ['{"type": "response.create"}']


class Broken(Recorder):
    """A recorder that cannot begin a session."""

    def session(self, *args: Any, **options: Any) -> SessionRecorder:
        raise RuntimeError("broken")


class BrokenLater(Recorder):
    """A recorder whose sessions break with the third frame."""

    def session(self, *args: Any, **options: Any) -> SessionRecorder:
        session = super().session(*args, **options)
        record, left = session.record, [1, 1]

        def fail(*args: Any, **options: Any) -> None:
            left.pop()
            record(*args, **options)

        session.record = fail  # type: ignore[method-assign]
        return session


@each_way
@both
@pytest.mark.parametrize(("kind", "kept_frames"), [(Broken, None), (BrokenLater, 2)])
def test_a_recorder_that_breaks_does_not_disturb_the_call(
    store: EventStore,
    caplog: pytest.LogCaptureFixture,
    kind: type[Recorder],
    kept_frames: int | None,
    is_async: bool,
    entered: bool,
) -> None:
    with Line().serve(one(FRAMES)) as server, kind(store) as recorder:
        tapped = Tapped(client_of(server.url, is_async).realtime, recorder, entered)
        came = asyncio.run(talk_async(tapped, FRAMES)) if is_async else talk(tapped, FRAMES)
    assert came == sent_by(FRAMES, SERVER)
    (told,) = [record for record in caplog.records if record.name == "eventstore.capture"]
    assert told.message.startswith("recording a connection, which goes on unrecorded, failed: ")
    frames = [len(session.sent) + len(session.came) for session in kept(store)]
    assert frames == ([] if kept_frames is None else [kept_frames])
