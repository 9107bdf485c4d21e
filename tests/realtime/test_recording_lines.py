"""Unit: lines of a recording become frames, each with the exact text that crossed the wire."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.import_files import jsonl
from support.strategies import any_text, json_values

from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import CLIENT, DIRECTIONS, SERVER, STORE, Frame
from eventstore.realtime.recording_lines import MAX_LINE_DEPTH, BadLine, envelope_line, read_frames
from eventstore.times import RELATIVE_SECONDS

# 2026-05-04T09:30:00.25Z
MOMENT = 1_777_887_000_250_000

BARE = {"type": "response.create", "response": {"metadata": {"topic": "hours"}}}


def read(content: bytes) -> list[tuple[int, Frame | BadLine]]:
    return list(read_frames(io.BytesIO(content)))


def frames(content: bytes) -> list[Frame]:
    found = [frame for _, frame in read(content)]
    assert not [frame for frame in found if isinstance(frame, BadLine)]
    return found  # type: ignore[return-value]


def one(content: bytes) -> Frame:
    (only,) = frames(content)
    return only


def reason(content: bytes) -> str:
    ((_, bad),) = read(content)
    assert isinstance(bad, BadLine)
    return bad.reason


def test_a_bare_event_is_its_line_without_the_space_around_it() -> None:
    line = '{"type" : "response.create",  "response":{}}'
    assert one(f"  {line} \r\n".encode()) == Frame(CLIENT, line, None)


@pytest.mark.parametrize(
    ("type_", "direction"),
    [
        ("session.update", CLIENT),
        ("input_audio_buffer.append", CLIENT),
        ("response.create", CLIENT),
        ("response.cancel", CLIENT),
        ("session.created", SERVER),
        ("input_audio_buffer.committed", SERVER),
        ("response.done", SERVER),
        ("a.type.of.tomorrow", SERVER),
        ("eventstore.session.metadata", STORE),
    ],
)
def test_a_bare_events_direction_follows_from_its_type(type_: str, direction: str) -> None:
    assert one(jsonl({"type": type_})).direction == direction


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("form", ["event", "frame"])
def test_an_envelope_says_its_direction(direction: str, form: str) -> None:
    text = json.dumps(BARE)
    value = BARE if form == "event" else text
    assert one(jsonl({"direction": direction, form: value})) == Frame(direction, text, None)


@pytest.mark.parametrize("form", ["event", "frame"])
def test_an_envelope_without_direction_is_still_one(form: str) -> None:
    text = json.dumps(BARE)
    assert one(jsonl({form: BARE if form == "event" else text})).text == text


@pytest.mark.parametrize(
    "at",
    [
        '"2026-05-04T09:30:00.25Z"',
        '"2026-05-04T09:30:00.250000+00:00"',
        '"2026-05-04T11:30:00.25+02:00"',
        '"2026-05-04T09:30:00.25"',
        '"2026-05-04 09:30:00.250"',
        "1777887000.25",
        '"1777887000.25"',
        "1777887000.250000",
    ],
)
def test_at_is_iso_8601_or_epoch_seconds(at: str) -> None:
    frame = one(f'{{"direction":"server","at":{at},"frame":"x"}}\n'.encode())
    assert frame.at == MOMENT


@pytest.mark.parametrize("at", [10**8, 100_000_001.5, -(10**8), -(10**9) - 0.25])
def test_epoch_seconds_may_be_whole_early_or_before_1970(at: float) -> None:
    assert one(jsonl({"direction": "server", "at": at, "frame": "x"})).at == round(at * 1_000_000)


@pytest.mark.parametrize("at", [0, 1.5, -1.25, 99_999_999.9, "3.5"])
def test_seconds_since_something_else_than_1970_are_no_times(at: float | str) -> None:
    told = reason(jsonl({"direction": "server", "at": at, "frame": "x"}))
    assert "counts from the start of the recording" in told


@given(at=st.integers(RELATIVE_SECONDS * 10**6, 4_000_000_000_000_000))
@examples(200)
def test_epoch_seconds_keep_every_microsecond(at: int) -> None:
    line = f'{{"direction":"server","at":{at // 10**6}.{at % 10**6:06d},"frame":"x"}}'
    assert one(line.encode()).at == at


def test_at_is_none_where_it_is_null_or_missing() -> None:
    content = jsonl({"direction": "server", "at": None, "frame": "x"}, {"frame": "y"})
    assert [frame.at for frame in frames(content)] == [None, None]


@pytest.mark.parametrize(
    "event",
    [
        '{"type":"x"}',
        '{ "type" :\t"x" , "b": 1.0, "a": [ ] }',
        '{"z":1,"type":"x","a":2}',
        '{"type":"\\u0078","e":"caf\\u00e9 \\/ \\ud83d"}',
        '{"type":"x","a":1,"a":2}',
        '{"type":"x","n":1E400,"m":-0,"f":1.10}',
        '{"type":"x","n":NaN}',
        '{"type":"x","event":{"type":"x"}}',
        '{"type":"x","text":"\\"event\\": {\\"type\\":\\"x\\"}"}',
        "{}",
    ],
)
@pytest.mark.parametrize(
    "envelope",
    [
        '{"direction":"server","event":%s}',
        '{"event" :  %s , "direction":"server"}',
        '{"note":{"event":{"type":"y"}},"direction":"server","event":%s,"at":1780000000}',
        '{"note":"\\"event\\":{}","direction":"server","event":%s}',
    ],
)
def test_the_text_of_an_envelopes_event_is_kept(envelope: str, event: str) -> None:
    assert one((envelope % event).encode()).text == event


def test_the_text_of_an_event_with_a_huge_integer_is_kept() -> None:
    event = '{"type": "x", "n": 18446744073709551617}'
    assert one(f'{{"direction":"server","event":{event}}}'.encode()).text == event


@given(value=json_values(), indent=st.sampled_from([None, 0, 2]), ascii_=st.booleans())
@examples(200)
def test_the_text_of_any_event_is_kept(value: Any, indent: int | None, ascii_: bool) -> None:
    text = json.dumps({"type": "x", "value": value}, indent=indent, ensure_ascii=ascii_)
    line = text.replace("\n", " ")
    assert one(f'{{"direction": "server", "event": {line}}}'.encode()).text == line


@given(text=any_text())
@examples(300)
def test_the_text_of_any_frame_is_kept(text: str) -> None:
    # Halves of a character side by side are no text that JSON can tell from the character.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert ascii(one(jsonl({"direction": "server", "frame": text})).text) == ascii(text)


@given(text=any_text() | st.binary(), at=st.none() | st.integers(0, 10**16))
@examples(300)
def test_any_event_as_a_line_is_read_back(text: str | bytes, at: int | None) -> None:
    if isinstance(text, str):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    line = envelope_line(StoredEvent(7, at, SERVER, "x", text))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line)["seq"] == 7
    assert ascii(one(line)) == ascii(Frame(SERVER, text, at))


def test_a_pair_of_surrogates_as_a_line_is_read_back() -> None:
    line = envelope_line(StoredEvent(1, None, SERVER, "x", "\ud83d\ude00"))
    assert ascii(one(line).text) == ascii("\ud83d\ude00")


def test_blank_lines_are_left_out_and_counted() -> None:
    content = b"\n\n" + jsonl(BARE) + b"   \n" + jsonl("{not json")
    assert [(number, type(frame)) for number, frame in read(content)] == [(3, Frame), (5, BadLine)]


def test_the_last_line_needs_no_end() -> None:
    assert len(frames(jsonl(BARE, BARE).rstrip())) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(end: str) -> None:
    content = f"\N{BYTE ORDER MARK}{json.dumps(BARE)}{end}{json.dumps(BARE)}{end}".encode()
    assert [frame.text for frame in frames(content)] == [json.dumps(BARE)] * 2


ARRAY = [BARE, {"direction": "server", "at": 1780000001.5, "event": {"type": "response.done"}}]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_an_array_gives_the_frames_of_its_elements(indent: int | None) -> None:
    found = frames(json.dumps(ARRAY, indent=indent).encode())
    texts = [json.dumps(BARE, indent=indent), json.dumps({"type": "response.done"}, indent=indent)]
    squeezed = ["".join(str(frame.text).split()) for frame in found]
    assert squeezed == ["".join(text.split()) for text in texts]
    assert [(frame.direction, frame.at) for frame in found] == [
        (CLIENT, None),
        (SERVER, 1_780_000_001_500_000),
    ]


def test_the_text_of_an_arrays_elements_is_kept() -> None:
    texts = ['{ "type" : "x" }', '{"z":1,\n "type":"\\u0078"}', '{"type":"é"}']
    content = f"\n [ {texts[0]} ,{texts[1]}\n,\n{texts[2]}] \n".encode()
    assert [frame.text for frame in frames(content)] == texts


def test_an_array_is_read_whatever_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.realtime.json_cursor._PIECE", 7)
    values = [{"type": "x", "text": "}]é," * number} for number in range(20)]
    content = json.dumps(values, ensure_ascii=False).encode()
    assert [json.loads(frame.text) for frame in frames(content)] == values


def test_a_number_that_two_pieces_share_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.realtime.json_cursor._PIECE", 7)
    first, second = read(b'[1500000000.25, {"type":"x"}]')
    assert isinstance(first[1], BadLine) and isinstance(second[1], Frame)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"type":"x"}, y]', "what follows it cannot be read"),
        (b'[{"type":"x"},]', "what follows it cannot be read"),
        (b'[{"type":"x"}', "not JSON"),
        (b'[{"type":"x"}\n', "not JSON"),
        (b'[{"type":"x"} {"type":"y"}]', "not JSON"),
        (b'[{"type":"x"}] ' + b"z" * 5_000_000, "not JSON"),
    ],
)
def test_what_is_wrong_with_an_array_is_told_by_its_number(content: bytes, reason: str) -> None:
    (_, good), (number, bad) = read(content)
    assert isinstance(good, Frame) and isinstance(bad, BadLine)
    assert number == bad.number == 2 and reason in bad.reason


def test_an_empty_array_has_no_frames() -> None:
    assert frames(b" [ ] ") == []


@pytest.mark.parametrize("content", [b'[{"type":"x"},{"type":]', b'[{"type":"x"},{"type":"y"'])
def test_a_broken_element_of_an_array_is_named(content: bytes) -> None:
    (first, bad) = read(content)
    assert isinstance(first[1], Frame)
    assert bad[0] == 2 and isinstance(bad[1], BadLine)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'\xef\xbb\xbf[{"type":"x"}]', id="a byte order mark"),
        pytest.param(b'\xef\xbb\xbf[\n{"type":"x"}\n]\n', id="a byte order mark, on lines"),
    ],
)
def test_an_array_behind_a_byte_order_mark_is_read(content: bytes) -> None:
    assert one(content).text == '{"type":"x"}'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'[{"type":"x"}]\n[{"type":"y"}]', id="a second array"),
        pytest.param(b'[{"type":"x"}] {"type":"y"}', id="an object behind it"),
        pytest.param(b'[{"type":"x"},', id="no end"),
        pytest.param(b'[{"type":"x"}', id="no end nor comma"),
        pytest.param(b'[{"type":"x"} {"type":"y"}]', id="no comma"),
    ],
)
def test_what_is_wrong_with_an_array_is_told(content: bytes) -> None:
    assert any(isinstance(frame, BadLine) for _, frame in read(content))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{not json", "not JSON"),
        ("[]x", "not"),
        ("17", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "neither an event with a type nor an envelope"),
        ('{"type":7}', "neither an event with a type nor an envelope"),
        ('{"direction":"up","frame":"x"}', "use client, server or store"),
        ('{"direction":null,"frame":"x"}', "use client, server or store"),
        ('{"direction":["client"],"frame":"x"}', "use client, server or store"),
        ('{"direction":"client"}', "needs an event (an object) or a frame (a text)"),
        ('{"direction":"client","event":"x"}', "needs an event (an object) or a frame (a text)"),
        ('{"direction":"client","frame":{}}', "needs an event (an object) or a frame (a text)"),
        ('{"direction":"client","frame":"x","at":"noon"}', "use ISO 8601 or epoch seconds"),
        ('{"direction":"client","frame":"x","at":true}', "use ISO 8601 or epoch seconds"),
        ('{"direction":"client","frame":"x","at":1e30}', "use ISO 8601 or epoch seconds"),
        ('{"direction":"client","frame":"x","at":{}}', "use ISO 8601 or epoch seconds"),
        ('{"direction":"client","frame":"x","at":NaN}', "use ISO 8601 or epoch seconds"),
        ('{"direction":"client","frame_base64":"%%"}', "frame_base64"),
        ('{"type":"x","deep":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_line_is_told(line: str, expected: str) -> None:
    # The first line keeps what follows from being taken for an array.
    (_, (number, bad)) = read(jsonl(BARE, line))
    assert number == 2 and isinstance(bad, BadLine)
    assert expected in bad.reason and "\n" not in bad.reason


def test_bytes_that_are_no_utf_8_are_told() -> None:
    assert "not UTF-8" in reason(b'{"type":"caf\xe9"}\n')


@given(line=st.binary(max_size=60))
@examples(200)
def test_reading_never_fails(line: bytes) -> None:
    for _, frame in read(line + b"\n" + jsonl(BARE)):
        assert isinstance(frame, Frame | BadLine)


DEEP = [
    '{{"direction":"server","event":{{"type":"x","a":{}}}}}',
    '{{"direction":"server","event":{{"type":"x","a":{},"half":"\\ud83d"}}}}',
    '{{"type":"x","a":{}}}',
    '{{"type":"x","a":{},"half":"\\ud83d"}}',
]


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("called", [0, 300])
def test_the_depth_of_a_line_has_one_limit(shape: str, called: int) -> None:
    def read_deeper(content: bytes, frames: int) -> list[Any]:
        return read_deeper(content, frames - 1) if frames else read(content)

    for levels in (200, 490, 498, 510, 900, 980, 985, 990, 995, 1000, 1020, 1030, 5000):
        line = shape.format("[" * levels + "]" * levels)
        (_, (_, found)) = read_deeper(jsonl(BARE, line), called)
        if levels < MAX_LINE_DEPTH:
            assert isinstance(found, Frame) and "[" * levels in str(found.text)
        else:
            assert isinstance(found, BadLine) and "nested too deeply" in found.reason
