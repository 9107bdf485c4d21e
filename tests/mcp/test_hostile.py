"""Integration: hostile arguments and messages get errors, and the server lives on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import beta_tool_call, voice_call
from support.mcp_clients import Connected, check_error, over_http, over_stdio, text_of
from support.terminal import COMMAND, environment

from eventstore import EventStore
from eventstore.mcp import bounds
from eventstore.mcp.tools import registry
from eventstore.mcp.tools.registry import TOOLS, schema_of

#: Values that no parameter expects, and some that many do.
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 10**30, 0.5, -0.0, 1e300, 1e-300),
    *("", " ", "\0", "a\0b", "\u202e", "\ufffe", "é" * 700, "x" * 5000, "sess_a", "resp_1", "0"),
    *("%", "_", "*", "'", '"', "\\", "../../etc/passwd", "' OR 1=1 --", "-1", "+1", "+1e400"),
    *("+0.1", "9" * 400, "now", "0x10", "nan", "Infinity", "2023-11-14", "9999-99-99", "day"),
    *("metadata:", "metadata:é", "metadata:\0", "day,model", "user=u-1", "helpful<x", "a<b<c"),
    *([], [[]], ["a"] * 40, ["user"], [None], {}, {"a": "b"}, {"a": {"b": []}}, {"": ""}),
    *({"user": "u-1"}, {"k" * 70: "v"}, {"k": "v" * 600}, "call://x/transcript", "response.*"),
]
NAMES = [tool.name for tool in TOOLS]


def _arguments(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a tool: its own names, with odd values, and sometimes a name of no argument."""
    schema = schema_of(registry.BY_NAME[name].arguments)
    of_one = (
        st.sampled_from(ODD) | st.text(max_size=40) | st.integers() | st.floats(allow_nan=False)
    )
    known = {
        key: st.sampled_from([*one["enum"], *ODD]) if "enum" in one else of_one
        for key, one in schema["properties"].items()
    }
    needed = {
        key: st.sampled_from(["sess_a", "sess_b"]) | one if "session" in key else one
        for key, one in known.items()
        if key in schema.get("required", ())
    }
    others = {key: one for key, one in known.items() if key not in needed}
    odd = st.dictionaries(st.text(max_size=8), st.sampled_from(ODD), max_size=1)
    whole = st.fixed_dictionaries(needed, optional=others)
    return st.builds(lambda a, b: {**b, **a}, whole, st.just({}) | odd)


CALLS = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), _arguments(name)))


@pytest.fixture(autouse=True)
def _calls(store: EventStore) -> None:
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)


def _check(client: Connected, calls: list[tuple[str, dict[str, Any]]]) -> None:
    for (name, arguments), result in zip(calls, client.together(*calls), strict=True):
        if result.is_error:
            said = check_error(result)
            assert "the server failed" not in said, (name, arguments)
        else:
            assert len(text_of(result).encode()) <= bounds.MAX_ANSWER_BYTES, (name, arguments)


def test_hostile_arguments_get_errors_over_stdio(database_url: str) -> None:
    with over_stdio(database_url, "--allow-writing") as client:

        @given(st.lists(CALLS, min_size=1, max_size=8))
        def run(calls: list[tuple[str, dict[str, Any]]]) -> None:
            _check(client, calls)

        run()
        assert len(client.data("find_sessions")["data"]) == 2


def test_hostile_arguments_get_errors_over_http(serve: Any) -> None:
    with over_http(serve(allow_writing=True, raw=True)) as client:

        @settings(max_examples=20)
        @given(st.lists(CALLS, min_size=1, max_size=4))
        def run(calls: list[tuple[str, dict[str, Any]]]) -> None:
            _check(client, calls)

        run()
        assert len(client.data("find_sessions")["data"]) == 2


def test_odd_addresses_of_resources_are_errors(serve: Any) -> None:
    with over_http(serve()) as client:
        for uri in (
            "call://x/transcript",
            "call://%00/transcript",
            "call://%FF%FE/transcript",
            "file:///etc/passwd",
            "call:///transcript",
            "call://sess_a/other",
            "x" * 3000,
        ):
            with pytest.raises(Exception, match=r"no session|use an address"):
                client.read(uri)
        assert client.read("call://sess_a/transcript").startswith("Session sess_a")


# The messages themselves, as lines


@pytest.fixture
def process(database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, with its standard input and output."""
    started = subprocess.Popen(
        [*COMMAND, "mcp", "--db", database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=30)


def _send(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line + b"\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def _begin(process: subprocess.Popen[bytes]) -> None:
    """The handshake of clients before the protocol of 2026."""
    info = {"name": "test", "version": "1"}
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
    _send(
        process,
        json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).encode(),
    )
    assert _answer(process)["result"]["serverInfo"]["name"] == "eventstore"
    _send(process, b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


def _call(name: str, arguments: str, id_: int) -> bytes:
    params = f'{{"name":"{name}","arguments":{arguments}}}'
    return f'{{"jsonrpc":"2.0","id":{id_},"method":"tools/call","params":{params}}}'.encode()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_lines_that_are_no_messages_are_answered(process: subprocess.Popen[bytes]) -> None:
    _begin(process)
    for line, id_, code in (
        (b"{", None, -32700),
        (b"\xff\xfe", None, -32700),
        (b"[" * 100_000, None, -32700),
        (b"\0", None, -32700),
        (b"[]", None, -32600),
        (b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]', None, -32600),
        (b"null", None, -32600),
        (b'"x"', None, -32600),
        (b"{}", None, -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":5}', 5, -32600),
        (b'{"jsonrpc":"2.0","id":"a"}', "a", -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"none/such"}', 7, -32601),
        (b'{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":5}}', 8, -32602),
        (b"x" * (5 << 20), None, -32600),
    ):
        _send(process, b"")
        _send(process, line)
        answer = _answer(process)
        assert (answer["id"], answer["error"]["code"]) == (id_, code), line[:80]
    _send(process, _call("read_transcript", '{"session_id":"\\ud800 \\u0000"}', 8))
    answer = _answer(process)
    assert answer["id"] == 8 and answer["result"]["isError"]
    assert "no session" in answer["result"]["content"][0]["text"]
    _send(process, _call("find_sessions", "{}", 9))
    answer = _answer(process)
    assert answer["id"] == 9 and len(answer["result"]["structuredContent"]["data"]) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_client_that_goes_away_ends_the_server_in_order(
    process: subprocess.Popen[bytes],
) -> None:
    _begin(process)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with suppress(BrokenPipeError):
        for number in range(20):
            _send(process, _call("find_sessions", "{}", number + 1))
            if process.poll() is not None:
                break
            time.sleep(0.1)
    assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, None])
def test_the_server_ends_in_order(
    process: subprocess.Popen[bytes], ending: signal.Signals | None
) -> None:
    _begin(process)
    if ending is not None:
        process.send_signal(ending)
        assert process.wait(timeout=20) == 0
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_standard_output_has_the_protocol_alone(process: subprocess.Popen[bytes]) -> None:
    _begin(process)
    for number, name in enumerate(NAMES, 1):
        _send(process, _call(name, '{"session_id":"sess_a"}', number))
    answers = [_answer(process) for _ in NAMES]
    assert {answer["jsonrpc"] for answer in answers} == {"2.0"}
    assert sorted(answer["id"] for answer in answers) == list(range(1, len(NAMES) + 1))


def test_the_package_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from support.terminal import Terminal

    monkeypatch.setitem(sys.modules, "mcp_types", None)
    said = Terminal()("mcp", "--db", f"sqlite:///{tmp_path}/x.db").error()
    assert said == (
        "mcp (2.3 or newer) is not installed; run: pip install 'realtime-eventstore[mcp]'"
    )
