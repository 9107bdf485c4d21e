"""Integration: a file that mixes several connections becomes as many sessions."""

from __future__ import annotations

import json

import pytest
from capture.files.formats.written import CALL, har, har_entry, mitmproxy, read, refused
from support.import_files import answer, created, imported, jsonl, session_ids, texts

from eventstore import EventStore, InvalidInputError
from eventstore.capture.files.formats.readers.mitmproxy import HINT
from eventstore.realtime.frames import CLIENT, SERVER, Frame

AT = 1_780_000_000_000_000


def call(session_id: str) -> list[Frame]:
    values = [created(session_id), {"type": "response.create"}, *answer(f"resp_{session_id}")]
    return [
        Frame(CLIENT if one["type"] == "response.create" else SERVER, json.dumps(one), AT + n)
        for n, one in enumerate(values)
    ]


ECHO = [Frame(CLIENT, "ping", AT), Frame(SERVER, '{"type":"tick"}', AT)]


def test_each_realtime_websocket_of_a_har_becomes_a_session(store: EventStore) -> None:
    content = har(
        har_entry(call("sess_1")),
        har_entry(ECHO, "wss://user:secret@echo.example/live?token=secret"),
        har_entry(call("sess_2")),
    )
    done = imported(store, content)
    assert [one.session_id for one in done] == ["sess_1", "sess_2"]
    assert session_ids(store) == {"sess_1", "sess_2"}
    assert texts(store, "sess_2") == [frame.text for frame in call("sess_2")]
    for one in done:
        assert one.format == "har" and one.events == 4
        assert one.warnings == (
            "left out: wss://echo.example/live (2 messages that are no Realtime events)",
        )
    assert [one.added for one in imported(store, content)] == [0, 0]


def test_many_other_websockets_are_counted_and_not_all_named() -> None:
    entries = [har_entry(ECHO, f"wss://a{number}.example/") for number in range(15)]
    told = read(har(har_entry(CALL), *entries)).warnings
    assert len(told) == 11 and told[-1] == "left out: 5 more connections"


def test_websockets_without_a_named_session_are_told_apart(store: EventStore) -> None:
    unnamed = [frame for frame in call("sess_1") if "session.created" not in str(frame.text)]
    other = [unnamed[0], *unnamed]
    done = imported(store, har(har_entry(unnamed), har_entry(other)))
    assert [one.events for one in done] == [3, 4]


def test_a_har_without_realtime_is_refused(store: EventStore) -> None:
    for content in (har(), har(har_entry(ECHO)), har(har_entry([]))):
        with pytest.raises(InvalidInputError, match="HAR file without messages of a Realtime"):
            imported(store, content)
    assert session_ids(store) == set()


def test_a_har_of_firefox_names_websockets_and_has_no_messages() -> None:
    entry = har_entry([], "wss://api.example/v1/realtime?key=secret")
    del entry["_webSocketMessages"]
    told = refused(har(entry, entry))
    assert "names a websocket (wss://api.example/v1/realtime)" in told and "Firefox" in told
    assert read(har(entry, har_entry(CALL))).frames == CALL


def test_a_har_that_is_cut_off_is_told_and_nothing_imported(store: EventStore) -> None:
    content = har(har_entry(call("sess_1")))
    with pytest.raises(InvalidInputError, match=r"message \d+: .*nothing was imported"):
        imported(store, content[:-400])
    (done,) = imported(store, content[:-400], keep_going=True)
    assert done.session_id == "sess_1" and done.skipped_lines == 1


def test_a_binary_message_of_a_har_is_its_bytes() -> None:
    binary = Frame(SERVER, b"\x00\xff", AT)
    assert read(har(har_entry([*CALL, binary]))).frames == [*CALL, binary]


def test_pings_and_closes_of_a_har_are_no_frames() -> None:
    entry = har_entry(CALL)
    entry["_webSocketMessages"].insert(1, {"type": "receive", "time": 1, "opcode": 8, "data": ""})
    entry["_webSocketMessages"].insert(1, {"type": "error", "time": 1, "opcode": -1, "data": "x"})
    assert read(har(entry)).frames == CALL


def test_a_message_of_a_har_without_data_is_told() -> None:
    entry = har_entry(CALL)
    del entry["_webSocketMessages"][1]["data"]
    assert "export the HAR with content" in refused(har(entry))


def test_a_har_that_is_nested_without_end_is_told() -> None:
    assert refused(b'{"log":' * 100_000)
    assert refused(b'{"log":{"entries":[' + b'{"entries":[' * 100_000)


def test_connections_of_mitmproxy_are_told_apart(store: EventStore) -> None:
    one, two = call("sess_1"), call("sess_2")
    mixed = b"".join(
        part
        for pair in zip(one, two, strict=True)
        for part in (
            mitmproxy([pair[0]], "10.0.0.1:1000"),
            b"10.0.0.9:1: GET https://app.example/ HTTP/2.0\n",
            mitmproxy([pair[1]], "10.0.0.2:2000"),
        )
    )
    done = imported(store, mixed)
    assert [(entry.session_id, entry.events) for entry in done] == [("sess_1", 4), ("sess_2", 4)]
    assert done[0].format == "mitmproxy" and done[0].warnings == (HINT,)


def test_a_log_of_mitmdump_begins_with_where_it_listens(store: EventStore) -> None:
    client = "127.0.0.1:41644"
    content = (
        b"[06:20:05.342] reverse proxy to https://api.example listening at 127.0.0.1:9944.\n"
        b"[06:20:05.459][127.0.0.1:41644] client connect\n"
        b"[06:20:05.460][127.0.0.1:41644] server connect api.example:443\n"
        b"127.0.0.1:41644: GET https://api.example/v1/r?model=m\n"
        b"    Authorization: Bearer sk-secret\n\n    model: m\n\n"
        b" << 101 Switching Protocols 0b\n    Upgrade: websocket\n\n"
        + mitmproxy(call("sess_1"), client)
        + b"127.0.0.1:41644 -> WebSocket binary message -> api.example:443/v1/r\n\n    .. x\n\n"
        b"[06:20:06.246][127.0.0.1:41644] server disconnect api.example:443\n"
        b"WebSocket connection closed by client: 1000 \n"
    )
    (done,) = imported(store, content)
    assert (done.format, done.session_id, done.events) == ("mitmproxy", "sess_1", 4)
    assert [event.direction for event in store.events("sess_1")][:2] == [SERVER, CLIENT]
    assert not [text for text in texts(store, "sess_1") if "sk-secret" in text]


@pytest.mark.parametrize("connected", [b"[06:20:05.459][127.0.0.1:41644] client connect\n", b""])
def test_a_log_of_mitmdump_without_the_texts_of_messages_is_refused(connected: bytes) -> None:
    said = b"[06:20:05.342] HTTP(S) proxy listening at *:8080.\n" + connected
    message = b"127.0.0.1:41644 <- WebSocket text message <- api.example:443/v1/r\n"
    for content in (said, said + message, message * 3):
        told = refused(content)
        assert "--set hardump=FILE.har" in told and "without -v" in told


def test_a_log_of_wscat_may_begin_with_a_time_in_brackets() -> None:
    found = read(b'[2026-05-28T20:26:40Z] < {"type":"session.created","session":{}}\n')
    assert (found.format, len(found.frames)) == ("wscat", 1)


def test_a_message_that_mitmproxy_cut_off_is_told() -> None:
    content = mitmproxy(CALL[:1]).rstrip() + b"\n    (cut off)\n\n"
    assert "--flow-detail 4 prints it whole" in refused(content)


def test_each_connection_of_a_cassette_becomes_a_session(store: EventStore) -> None:
    def interaction(frames: list[Frame]) -> dict[str, object]:
        events = [{"kind": "text", "direction": f.direction, "body": f.text} for f in frames]
        return {"transport": "websocket", "open": {"url": "wss://a/"}, "events": events}

    calls = [call("sess_1"), call("sess_2")]
    made = {"version": 1, "interactions": [interaction(frames) for frames in calls]}
    content = json.dumps(made, indent=2).encode()
    assert read(content).seqs == [1, 2, 3, 4, 1, 2, 3, 4]
    done = imported(store, content)
    assert [(one.session_id, one.format) for one in done] == [
        ("sess_1", "cassette"),
        ("sess_2", "cassette"),
    ]
    assert texts(store, "sess_2") == [frame.text for frame in calls[1]]


def test_a_cassette_of_rubys_recorder_is_read() -> None:
    lines = ["---", "websocket_interactions:"]
    for frame in CALL:
        operation = "write" if frame.direction == CLIENT else "read"
        lines += [
            f"{'- -' if frame is CALL[0] else '  -'} operation: {operation}",
            "    type: text",
            f"    data: {json.dumps(frame.text)}",
        ]
    found = read("\n".join(lines).encode())
    assert found.format == "cassette" and found.warnings == [] and found.seqs == [1, 2, 3]
    assert found.frames == [frame._replace(at=None) for frame in CALL]


def test_a_binary_message_of_a_cassette_is_its_bytes() -> None:
    value = {"direction": "server", "kind": "binary", "body": "AP8=", "bodyEncoding": "base64"}
    assert read(jsonl(value)).frames == [Frame(SERVER, b"\x00\xff")]
    assert "no base64" in refused(jsonl({**value, "body": "%"}))


def test_runs_of_several_traces_in_any_order_are_put_in_order(store: EventStore) -> None:
    runs = [
        {
            "id": f"{trace}-{number}",
            "trace_id": trace,
            "run_type": "chain",
            "start_time": "2026-05-28T20:26:41" if number < 2 else "2026-05-28T20:26:42",
            "inputs": {},
            "outputs": json.loads(frame.text),
        }
        for number in range(4)
        for trace, frame in (("a", call("sess_1")[number]), ("b", call("sess_2")[number]))
    ]
    parent = {"id": "root", "run_type": "chain", "inputs": {"audio": "…"}, "outputs": {}}
    done = imported(store, jsonl(*runs[::-1], parent))
    assert {one.session_id for one in done} == {"sess_1", "sess_2"}
    for session_id in ("sess_1", "sess_2"):
        types = [json.loads(text)["type"] for text in texts(store, session_id)]
        assert types == [json.loads(frame.text)["type"] for frame in call(session_id)]
    assert done[0].warnings == ("entries that hold no message were left out: 1",)
