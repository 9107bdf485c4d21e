"""What is too long, or has no end, is refused by a line that says so, and is never held whole."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest

from eventstore import EventStore, InvalidInputError
from eventstore.capture.files import twice_readable
from eventstore.realtime import json_cursor
from eventstore.realtime import recording_lines as jsonl
from eventstore.realtime.frames import SERVER, Frame
from eventstore.realtime.recording_lines import BadLine, event_text, read_frames

LINE = b'{"type":"ping"}\n'


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lines are too long early."""
    for module in (jsonl, json_cursor, twice_readable):
        monkeypatch.setattr(module, "MAX_LINE", 2_000_000)
    return 2_000_000


def test_a_line_that_is_too_long_is_named_and_passed_over(short: int) -> None:
    content = LINE + b'{"type":"' + b"x" * 3 * short + b'"}\n' + LINE
    found = list(read_frames(io.BytesIO(content)))
    assert [number for number, _ in found] == [1, 2, 3]
    assert isinstance(found[1][1], BadLine) and "longer than" in found[1][1].reason
    assert found[2][1] == Frame(SERVER, '{"type":"ping"}', None)


def test_a_line_as_long_as_allowed_is_read(short: int) -> None:
    for end in (b"", b"\n"):
        line = b'{"type":"%s"}' % (b"x" * (short - 11))
        ((_, frame),) = read_frames(io.BytesIO(line + end))
        assert frame == Frame(SERVER, line.decode(), None)


@pytest.mark.parametrize("content", [b'[{"type":"%s"}]', b'[{"type":"ping"}, "%s', b'["%s'])
def test_an_element_that_is_too_long_is_refused(short: int, content: bytes) -> None:
    *_, (_, last) = read_frames(io.BytesIO(content % (b"x" * 9 * short)))
    assert isinstance(last, BadLine) and "longer than" in last.reason


@pytest.mark.parametrize("content", [b'[{"type":"ping"}, %s', b"[%s", b"[] %s"])
def test_what_is_no_element_is_told_before_the_rest_is_read(content: bytes) -> None:
    stream = io.BytesIO(content % (b"x" * 30_000_000))
    *_, (_, last) = read_frames(stream)
    assert isinstance(last, BadLine) and "not JSON" in last.reason
    assert stream.tell() < 5_000_000


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
@pytest.mark.parametrize("keep_going", [False, True])
def test_a_device_is_no_recording(store: EventStore, device: str, keep_going: bool) -> None:
    with pytest.raises(InvalidInputError, match="a device"):
        store.import_file(device, keep_going=keep_going)


@pytest.mark.parametrize("content", [b"\0", b"x", b'{"a":"'])
def test_a_stream_without_end_or_lines_is_refused(
    store: EventStore, short: int, content: bytes, tmp_path: Path
) -> None:
    for source in (_Endless(content), _endless_pipe(tmp_path / "pipe", content)):
        with pytest.raises(InvalidInputError, match="line 1: longer than"):
            store.import_file(source, keep_going=True)


class _Endless(io.RawIOBase):
    """A stream that never ends."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        return (self._content * size)[:size]


def _endless_pipe(path: Path, content: bytes) -> Path:
    os.mkfifo(path)

    def fill() -> None:
        try:
            with path.open("wb") as pipe:
                while True:
                    pipe.write(content * 65536)
        except BrokenPipeError:
            pass

    threading.Thread(target=fill, daemon=True).start()
    return path


def test_a_pipe_is_read(store: EventStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    filling = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(LINE * 3,))
    filling.start()
    (done,) = store.import_file(tmp_path / "pipe")
    filling.join()
    assert done.events == 3


def nested(depth: int, inner: str) -> str:
    for _ in range(depth):
        inner = f'{{"event":{inner},"pad":"{"x" * 50}"}}'
    return inner


@pytest.mark.parametrize(
    "line",
    [
        '{"direction":"server","x":%s,"event":{"type":"a", "b":1}}',
        '{"event":%s,"direction":"server","event":{"type":"a", "b":1}}',
        '{"direction":"server","x":[%s],"\\u0065vent":{"type":"a", "b":1}}',
        '{"direction":"server","event":{"type":"a", "b":1},"x":%s}',
        '{"x":"{\\"event\\":{","direction":"server","y":%s,"event":{"type":"a", "b":1}}',
    ],
)
def test_the_text_of_the_event_is_found_among_many_keys_of_its_name(line: str) -> None:
    text = line % nested(300, "{}")
    assert event_text(text.encode(), json.loads(text)["event"]) == '{"type":"a", "b":1}'


def test_an_event_within_events_is_whole() -> None:
    inner = nested(300, '{"type":"a"}')
    text = f'{{"direction":"server","event":{inner}}}'
    assert event_text(text.encode(), json.loads(inner)) == inner
