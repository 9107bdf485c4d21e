"""Unit: which format a file is in is told by what is in it, and what is not understood is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from capture.files.formats.written import CALL, WRITTEN, read, refused
from support.import_files import jsonl

from eventstore.capture.files.formats.members import direction_word
from eventstore.realtime.frames import CLIENT, SERVER, STORE, Frame
from eventstore.times import parse_arrival_in_any_unit

DONE = {"type": "response.done"}
CREATE = {"type": "response.create"}


def one(*values: Any) -> Frame:
    (frame,) = read(jsonl(*values)).frames
    return frame


# Times


@pytest.mark.parametrize(
    "time",
    [
        1780000000.25,
        "1780000000.25",
        1780000000250,
        1780000000250.0,
        "1780000000250",
        1780000000250000,
        1780000000250000000,
        "2026-05-28T20:26:40.250Z",
        " 2026-05-28 20:26:40,250 ",
        "2026-05-28T22:26:40.250+02:00",
        "2026-05-28T20:26:40.250000000Z",
    ],
)
def test_a_time_is_understood_in_any_unit(time: Any) -> None:
    assert parse_arrival_in_any_unit(time) == 1_780_000_000_250_000
    assert one({"timestamp": time, "event": DONE}).at == 1_780_000_000_250_000


@pytest.mark.parametrize(
    "time",
    [
        "8:26:61 PM",
        "24:26:40",
        "0:10 AM",
        "13:00 pm",
        "8 PM",
        "1:2",
        "2026-05-28",
        -0.5,
        -1780000000,
        1e30,
        True,
        {},
        "soon",
        "NaN",
    ],
)
def test_a_time_that_is_not_understood_is_told_and_left_out(time: Any) -> None:
    with pytest.raises(ValueError):
        parse_arrival_in_any_unit(time)
    found = read(jsonl({"timestamp": time, "event": DONE}))
    assert found.frames == [Frame(SERVER, '{"type": "response.done"}', None)]
    (told,) = found.warnings
    assert "1 of 1 times are not understood" in told and "\n" not in told


@pytest.mark.parametrize("key", ["Timestamp", "eventTime", "time_ms", "createdAt", "log_ts", "ts"])
def test_a_time_has_many_names(key: str) -> None:
    envelope = {"direction": "server", key: 1780000000250, "event": DONE}
    assert one(envelope).at == 1_780_000_000_250_000
    assert one({"direction": "in", key: 1780000000250, "data": DONE}).at == 1_780_000_000_250_000
    assert read(jsonl({**envelope, key: "noon"})).warnings


@pytest.mark.parametrize("key", ["timeout", "timezone", "runtime", "realtime", "update", "events"])
def test_what_only_sounds_like_a_time_is_none(key: str) -> None:
    found = read(jsonl({"direction": "server", key: 30, "event": DONE}))
    assert found.format == "jsonl" and found.warnings == []


@pytest.mark.parametrize("key", ["timestamp", "at", "_ts", "@timestamp"])
def test_a_bare_event_may_have_a_time_and_is_kept_whole(key: str) -> None:
    line = {**DONE, key: 1780000000250}
    assert one(line) == Frame(SERVER, json.dumps(line), 1_780_000_000_250_000)


def test_a_run_may_have_an_event_on_each_side() -> None:
    times = {"start_time": 1780000000, "end_time": 1780000001}
    found = read(jsonl({"run_type": "llm", "inputs": CREATE, "outputs": {"event": DONE}, **times}))
    assert [(frame.direction, frame.at) for frame in found.frames] == [
        (CLIENT, 1_780_000_000_000_000),
        (SERVER, 1_780_000_001_000_000),
    ]


def test_a_time_that_is_missing_or_null_is_no_fault() -> None:
    found = read(jsonl({"timestamp": None, "event": DONE}, {"timestamp": "", "event": DONE}))
    assert [frame.at for frame in found.frames] == [None, None] and found.warnings == []


def test_our_own_envelopes_with_milliseconds_are_refused() -> None:
    line = {"at": 1780000000050, "direction": "server", "event": DONE}
    assert "use ISO 8601 or epoch seconds" in refused(jsonl(line))


# Directions


@pytest.mark.parametrize("word", ["sent", "Send", "outgoing", "client", "client-to-server", "->"])
def test_words_for_what_the_client_sent(word: str) -> None:
    assert direction_word(word) == CLIENT
    assert one({"direction": word, "data": json.dumps(DONE)}).direction == CLIENT


@pytest.mark.parametrize("word", ["received", "recv", "incoming", "server", "server_to_client"])
def test_words_for_what_the_client_received(word: str) -> None:
    assert direction_word(word) == SERVER
    assert one({"direction": word, "data": CREATE}).direction == SERVER


def test_a_word_that_is_no_direction_is_refused() -> None:
    assert "use client, server or store" in refused(jsonl({"direction": "up", "event": DONE}))


# What holds the message


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"source": "server", "time": 1780000000, "event": DONE}, "console"),
        (
            {"timestamp": "2026-05-28T20:26:40Z", "direction": "server", "event": DONE},
            "timestamped",
        ),
        ({**DONE, "timestamp": "2026-05-28T20:26:40Z"}, "timestamped"),
        ({"direction": "server", "eventName": "response.done", "eventData": DONE}, "agents-demo"),
        ({"direction": "received", "data": DONE}, "cassette"),
        ({"dir": "in", "message": json.dumps(DONE)}, "cassette"),
        ({"direction": "server", "timestamp": 1780000000, "event": json.dumps(DONE)}, "cassette"),
        ({"type": "received", "time": 1780000000, "payload": DONE}, "cassette"),
        ({"@timestamp": 1780000000, "level": "info", "message": json.dumps(DONE)}, "timestamped"),
        ({"time": 1780000000, "level": 30, "event": DONE, "type": "log"}, "timestamped"),
        ({"type": "raw_server_event", "data": DONE}, "agents-sdk"),
        ({"type": "raw_model_event", "data": DONE}, "agents-sdk"),
        ({"run_type": "chain", "inputs": {"event": DONE}, "outputs": {}}, "langsmith"),
        ({"type": "receive", "opcode": 1, "data": json.dumps(DONE)}, "har-messages"),
        ({"direction": "server", "event": DONE}, "jsonl"),
        (DONE, "jsonl"),
        ({**DONE, "source": "user", "data": {}}, "jsonl"),
        ({**DONE, "source": "server", "event": {"type": "response.create"}}, "jsonl"),
    ],
)
def test_a_message_is_told_by_its_members(value: Any, name: str) -> None:
    lines, pretty = jsonl(value, value), json.dumps([value], indent=2).encode()
    for content in (lines, pretty, json.dumps(value, indent=2).encode()):
        found = read(content)
        assert found.format == name and not found.bad
        assert {frame.direction for frame in found.frames} == {SERVER}
        assert all(json.loads(frame.text)["type"] == "response.done" for frame in found.frames)


@pytest.mark.parametrize("list_", ["interactions", "messages", "events", "frames", "logs", "log"])
def test_messages_are_found_in_the_list_of_a_file_that_is_one_object(list_: str) -> None:
    values = [{"direction": "received", "data": DONE}, {"direction": "sent", "data": CREATE}]
    for indent in (None, 2):
        content = json.dumps({"version": 1, "made": {"by": [1]}, list_: values}, indent=indent)
        assert [frame.direction for frame in read(content.encode()).frames] == [SERVER, CLIENT]


def test_the_text_of_a_message_is_kept_as_it_stands() -> None:
    text = '{ "type" : "response.done",\n  "n": 1.10 }'
    for key, rest in (
        ("eventData", '"eventName":"x","direction":"server"'),
        ("event", '"source":"server"'),
        ("data", '"direction":"received"'),
        ("data", '"type":"raw_server_event"'),
        ("outputs", '"run_type":"chain"'),
    ):
        assert read(f'[{{{rest}, "{key}": {text}}}]'.encode()).frames[0].text == text
    wrapped = f'{{"type":"raw_model_event","data":{{"type":"raw_server_event","data":{text}}}}}'
    assert read(f"[{wrapped}]".encode()).frames[0].text == text


def test_what_holds_no_message_is_left_out_and_told() -> None:
    values = [
        {"type": "agent_start", "agent": {}},
        {"type": "raw_model_event", "data": {"type": "raw_server_event", "data": DONE}},
        {"type": "raw_model_event", "data": {"type": "turn_ended"}},
        {"type": "history_updated", "history": []},
    ]
    found = read(jsonl(*values))
    assert len(found.frames) == 1
    assert found.warnings == ["entries that hold no message were left out: 3"]


def test_events_that_the_console_counts_and_leaves_out_are_told() -> None:
    found = read(jsonl({"source": "server", "event": DONE, "count": 5}))
    assert found.warnings == ["messages that the file counts and does not hold: 4"]


def test_our_own_lines_among_those_of_another_format_are_read_as_such() -> None:
    found = read(jsonl({"timestamp": 1780000000, "event": DONE}, CREATE))
    assert [frame.direction for frame in found.frames] == [SERVER, CLIENT] and not found.warnings


def test_what_a_store_noted_stays_its_note() -> None:
    note = {"direction": "store", "timestamp": 1780000000, "event": {"type": "eventstore.x"}}
    assert one(note).direction == STORE


@pytest.mark.parametrize("lines", [1, 5])
def test_a_file_without_a_known_type_is_told(lines: int) -> None:
    (told,) = read(jsonl(*[{"type": "log.entry"}] * lines)).warnings
    assert "no event has a known type" in told


def test_one_known_type_is_enough() -> None:
    assert read(jsonl({"type": "a.type.of.tomorrow"}, DONE)).warnings == []


# Text


def test_a_log_of_wscat_with_times_and_colours_is_read() -> None:
    content = (
        "\x1b[32mConnected (press CTRL+C to quit)\x1b[39m\n"
        '[2026-05-28T20:26:40Z] \x1b[34m< {"type":"session.created",\n'
        '  "session":{}}\x1b[39m\n'
        "something else\n"
        '[2026-05-28T20:26:41Z] > {"type":"response.create"}\r\n'
        "Disconnected (code: 1000)\n"
    )
    found = read(content.encode())
    assert found.format == "wscat"
    assert found.frames == [
        Frame(SERVER, '{"type":"session.created",\n  "session":{}}', 1_780_000_000_000_000),
        Frame(CLIENT, '{"type":"response.create"}', 1_780_000_001_000_000),
    ]


def test_a_frame_of_wscat_may_have_several_lines() -> None:
    found = read(b'< {"type":"response.done",\n  "a": 1\n}\n> {"type":"response.create"}\nnoise\n')
    assert [frame.text for frame in found.frames] == [
        '{"type":"response.done",\n  "a": 1\n}',
        '{"type":"response.create"}',
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("headings", [("at", "dir", "frame"), ("Timestamp", "Direction", "Data")])
def test_columns_of_a_table_are_found_by_their_names(separator: str, headings: Any) -> None:
    cell = '"{""type"": ""response.done"",\n""a"":1}"'
    content = f"{separator.join(headings)}\r\n{separator.join(('1780000000', 'in', cell))}\r\n"
    found = read(b"\xef\xbb\xbf" + content.encode())
    assert found.format == "csv"
    assert found.frames == [
        Frame(SERVER, '{"type": "response.done",\n"a":1}', 1_780_000_000_000_000)
    ]


def test_the_column_of_frames_is_the_one_with_json() -> None:
    content = 'event,at,payload\nresponse.done,1780000000,"{""type"":""response.done""}"\n'
    assert read(f"\n{content}".encode()).frames[0].text == '{"type":"response.done"}'


@pytest.mark.parametrize("name", ["csv", "wscat", "mitmproxy"])
def test_a_text_that_is_cut_off_is_told(name: str) -> None:
    content = WRITTEN[name].write(CALL)
    if name == "wscat":
        content = content.removesuffix(b"Disconnected (code: 1000)\n")
    found = read(content.rstrip()[:-5])
    assert found.bad or any("no JSON objects" in told for told in found.warnings)


def test_a_table_without_directions_goes_by_types_and_a_long_cell_is_read() -> None:
    text = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 400_000})
    quoted = text.replace('"', '""')
    found = read(f'event\n"{quoted}"\n'.encode())
    assert found.frames == [Frame("client", text, None)]


def test_yaml_is_plain_data_and_its_aliases_cost_what_they_stand_for() -> None:
    shared = b"- direction: sent\n  data: {type: response.create, a: &x {b: 1}, c: *x}\n"
    assert json.loads(read(shared).frames[0].text)["c"] == {"b": 1}
    bomb = b"- direction: sent\n  data:\n    type: x\n    a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
    for level in range(1, 12):
        names = ",".join([f"*a{level - 1}"] * 10)
        bomb += f"    a{level}: &a{level} [{names}]\n".encode()
    assert "values in one object" in refused(bomb, "cassette")
    assert "no YAML" in refused(
        b"- direction: sent\n  data: !!python/name:os.system x\n", "cassette"
    )


# Refused


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"\xfd7zXZ\x00..", "an xz file, and no recording; xzcat FILE"),
        (b"BZh91AY", "a bzip2 file"),
        (b"SQLite format 3\0", "an SQLite database"),
        ("< {}".encode("utf-16"), "text in UTF-16"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound file"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "a packet capture"),
        (b"5421:9:websocket;", "mitmdump -nr FILE --set hardump=FILE.har"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"Dear diary,\nnothing happened\n", "it begins with 'Dear diary,'"),
        (b"INFO: started\nERROR: stopped\n", "name its format with --format"),
        (b'{"answer": 42, "b": 1}\n', "its members: ['answer', 'b']"),
        (b"interactions:\n- request: {uri: a}\n  response: {status: 1}\n", "requests of HTTP"),
        (b'{"interactions": [{"request": {}, "response": {}}]}', "no messages of a websocket"),
        (b'{"log": {"entries": []}}', "a HAR file without messages of a Realtime websocket"),
        (b"1.2.3.4:1 -> WebSocket text message -> a:1/\n\n", "--flow-detail 4"),
    ],
)
def test_what_is_no_recording_is_refused_by_what_it_looks_like(content: bytes, told: str) -> None:
    assert told in refused(content)


def test_a_format_may_be_named_where_it_cannot_be_told() -> None:
    odd = b"no headings here;x\n"
    assert "no table with a column of frames" in refused(odd, "csv")
    assert "no format 'excel': use one of jsonl, har," in refused(odd, "excel")
    lines = jsonl({"direction": "client", "event": DONE, "timestamp": 1780000000})
    assert read(lines).format == "timestamped"
    assert read(lines, "jsonl").frames[0].at is None


@pytest.mark.parametrize("name", WRITTEN)
def test_a_format_that_is_named_is_read_as_it_is_told(name: str) -> None:
    written = WRITTEN[name]
    content = written.write(CALL)
    assert read(content, written.format) == read(content)
