"""Calls, and how other tools write them down."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pybase64
import yaml
from hypothesis import strategies as st
from support.strategies import json_values

from eventstore.capture.files.formats.readers.mitmproxy import HINT
from eventstore.capture.files.formats.recording_file import open_recording
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.realtime.recording_lines import BadLine
from eventstore.times import to_iso

Json = dict[str, Any]

_TYPES = {
    "session.update": CLIENT,
    "response.create": CLIENT,
    "conversation.item.create": CLIENT,
    "response.done": SERVER,
    "input_audio_buffer.committed": SERVER,
    "response.output_audio_transcript.delta": SERVER,
}
# Seconds and milliseconds since 1970 both tell these: 2017 to 2033.
_TIMES = st.integers(1_500_000_000_000_000, 2_000_000_000_000_000)


@st.composite
def events(draw: st.DrawFn) -> Json:
    """An event of a known type, with any value."""
    type_ = draw(st.sampled_from(sorted(_TYPES)))
    return {"type": type_, draw(st.sampled_from(["value", "event", "data"])): draw(json_values())}


@st.composite
def calls(draw: st.DrawFn) -> list[Frame]:
    """A call: frames that are events in one line each, with times to the microsecond."""
    made = []
    for event, at, ascii_ in draw(
        st.lists(
            st.tuples(events(), _TIMES, st.booleans()),
            min_size=1,
            max_size=4,
            unique_by=lambda one: one[1],
        )
    ):
        text = json.dumps(event, ensure_ascii=ascii_)
        made.append(Frame(_TYPES[event["type"]], text, at))
    return made


#: One call that does not change.
CALL = [
    Frame(SERVER, '{"type":"session.created","session":{"id":"sess_1"}}', 1_780_000_000_050_000),
    Frame(CLIENT, '{"type":"response.create", "a":"é\\ud83d\\ude00"}', 1_780_000_000_100_001),
    Frame(SERVER, '{"type":"response.done","response":{"id":"resp_1"}}', 1_780_000_001_000_000),
]


class Written(NamedTuple):
    """A format as a tool writes it.

    Attributes:
        format: what it is to be told as.
        write: writes frames as the tool does.
        times: whether it has times.
        exact: whether it has the frames' own texts, or the events that they are.
        hints: what import says for more than it has.
    """

    format: str
    write: Callable[[list[Frame]], bytes]
    times: bool = True
    exact: bool = True
    hints: tuple[str, ...] = ()


def _event(frame: Frame) -> Any:
    return json.loads(frame.text)


def _lines(values: list[Json], indent: int | None = None) -> bytes:
    return "".join(f"{json.dumps(value, indent=indent)}\n" for value in values).encode()


def har_messages(frames: list[Frame]) -> list[Json]:
    """The list of messages that Chrome keeps of a websocket."""
    types = {CLIENT: "send", SERVER: "receive"}
    return [
        {
            "type": types[frame.direction],
            "time": (frame.at or 0) / 1_000_000,
            "opcode": 1 if isinstance(frame.text, str) else 2,
            "data": frame.text
            if isinstance(frame.text, str)
            else pybase64.b64encode_as_string(frame.text),
        }
        for frame in frames
    ]


def har_entry(frames: list[Frame], url: str = "wss://api.openai.com/v1/realtime?model=m") -> Json:
    """A websocket's entry as Chrome writes it: its messages before its request."""
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": har_messages(frames),
        "request": {"method": "GET", "url": url, "headers": []},
        "response": {"status": 101},
    }


def har(*entries: Json) -> bytes:
    """A HAR file, with an entry of a page before those given."""
    page: Json = {"request": {"url": "https://app.example/"}, "response": {"content": {}}}
    log = {"version": "1.2", "creator": {"name": "WebInspector"}, "entries": [page, *entries]}
    return json.dumps({"log": log}, indent=2).encode()


def _console(frames: list[Frame]) -> bytes:
    values = [
        {"time": to_iso(frame.at), "source": frame.direction, "event": _event(frame)}
        for frame in frames
    ]
    return json.dumps(values, indent=1).encode()


def _timestamped(frames: list[Frame]) -> bytes:
    return _lines(
        [
            {"timestamp": (frame.at or 0) / 1000, "direction": frame.direction, "frame": frame.text}
            for frame in frames
        ]
    )


def _bare(frames: list[Frame]) -> bytes:
    return _lines([{**_event(frame), "timestamp": to_iso(frame.at)} for frame in frames])


def _agents_demo(frames: list[Frame]) -> bytes:
    values = [
        {
            "id": str(number),
            "direction": frame.direction,
            "eventName": _event(frame)["type"],
            "eventData": _event(frame),
            "timestamp": to_iso(frame.at),
            "expanded": False,
        }
        for number, frame in enumerate(frames)
    ]
    return json.dumps(values).encode()


def _interactions(frames: list[Frame], whole: bool) -> list[Json]:
    words = {CLIENT: "sent", SERVER: "received"}
    return [
        {
            "kind": "message",
            "direction": words[frame.direction],
            "at": to_iso(frame.at),
            "data": frame.text if whole else _event(frame),
        }
        for frame in frames
    ]


def _cassette(frames: list[Frame]) -> bytes:
    made = {"version": 1, "interactions": _interactions(frames, whole=True)}
    return json.dumps(made).encode()


def _cassette_yaml(frames: list[Frame]) -> bytes:
    made = {"version": 1, "interactions": _interactions(frames, whole=False)}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(made, Dumper=dumper, sort_keys=False, allow_unicode=True).encode()


def _agents_sdk(frames: list[Frame]) -> bytes:
    wrapped = [{"type": "raw_server_event", "data": _event(frame)} for frame in frames]
    return _lines([{"data": one, "info": {}, "type": "raw_model_event"} for one in wrapped])


def _langsmith(frames: list[Frame]) -> bytes:
    """Runs as its API gives them: the newest first."""
    values = [
        {
            "id": f"run-{number}",
            "trace_id": "trace",
            "run_type": "chain",
            "start_time": to_iso(frame.at),
            "inputs": {},
            "outputs": _event(frame),
        }
        for number, frame in enumerate(sorted(frames, key=lambda frame: frame.at or 0))
    ]
    return _lines(values[::-1])


def _csv(frames: list[Frame]) -> bytes:
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(["id", "time", "direction", "event"])
    rows.writerows([7, to_iso(frame.at), frame.direction, frame.text] for frame in frames)
    return out.getvalue().encode()


def _wscat(frames: list[Frame]) -> bytes:
    signs = {CLIENT: ">", SERVER: "<"}
    lines = [f"{signs[frame.direction]} {frame.text}\n" for frame in frames]
    return f"Connected (press CTRL+C to quit)\n{''.join(lines)}Disconnected (code: 1000)\n".encode()


def mitmproxy(frames: list[Frame], client: str = "127.0.0.1:50000", path: str = "/v1/r") -> bytes:
    """What mitmdump prints of messages, their JSON made readable as it does."""
    signs = {CLIENT: "->", SERVER: "<-"}
    out = []
    for frame in frames:
        sign = signs[frame.direction]
        out.append(f"{client} {sign} WebSocket text message {sign} api.example:443{path}\n\n")
        pretty = json.dumps(_event(frame), indent=4, ensure_ascii=False)
        out += [f"    {line}\n" for line in pretty.split("\n")]
        out.append("\n")
    return "".join(out).encode()


def _pretty(frames: list[Frame]) -> bytes:
    return _lines([_event(frame) for frame in frames], indent=2)


#: Every format, by a name for tests.
WRITTEN = {
    "har": Written("har", lambda frames: har(har_entry(frames))),
    "har_messages": Written("har-messages", lambda f: json.dumps(har_messages(f)).encode()),
    "console": Written("console", _console, exact=False),
    "timestamped": Written("timestamped", _timestamped),
    "bare": Written("timestamped", _bare, exact=False),
    "agents_demo": Written("agents-demo", _agents_demo, exact=False),
    "cassette": Written("cassette", _cassette),
    "cassette_yaml": Written("cassette", _cassette_yaml, exact=False),
    "agents_sdk": Written("agents-sdk", _agents_sdk, times=False, exact=False),
    "langsmith": Written("langsmith", _langsmith, exact=False),
    "csv": Written("csv", _csv),
    "wscat": Written("wscat", _wscat, times=False),
    "mitmproxy": Written("mitmproxy", mitmproxy, False, False, (HINT,)),
    "pretty": Written("jsonl", _pretty, times=False, exact=False),
}


class Read(NamedTuple):
    """What was read of a file."""

    format: str
    frames: list[Frame]
    bad: list[BadLine]
    warnings: list[str]
    seqs: list[int | None]


def read(content: bytes, name: str | None = None) -> Read:
    """Read a file, and once more: both times it holds the same."""
    with open_recording(io.BytesIO(content), name) as recording:
        first = list(recording.read())
        warnings = recording.notes.warnings()
        assert ascii(list(recording.read())) == ascii(first)
    frames = [frame for _, frame, _ in first if isinstance(frame, Frame)]
    bad = [frame for _, frame, _ in first if isinstance(frame, BadLine)]
    return Read(recording.format, frames, bad, warnings, [place.seq for _, _, place in first])


def refused(content: bytes, name: str | None = None) -> str:
    """Why a file is refused, whole or one of its entries; it must be, in one line."""
    try:
        found = read(content, name)
    except InvalidInputError as error:
        told = str(error)
    else:
        told = found.bad[0].reason
    assert told and "\n" not in told and len(told) < 1000
    return told
