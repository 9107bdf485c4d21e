"""Integration: a tool that hangs or fails takes nothing from others, and tells nothing said."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import api_keys
from support.calls import voice_call
from support.mcp_clients import Connected, connected, over_http

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, TimeLimitError
from eventstore.mcp.answers import Answer
from eventstore.mcp.asking import Service
from eventstore.mcp.running import access_without_key
from eventstore.mcp.server import AT_ONCE, make_server
from eventstore.mcp.tools.registry import BY_NAME
from eventstore.web.server.access import parse_keys
from eventstore.web.server.requests import Stores

SAID = "quuxzanzibar"
Replace = Callable[[str, Callable[..., Any]], None]


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Replace:
    """Let a tool do something else."""

    def replaced(name: str, run: Callable[..., Any]) -> None:
        monkeypatch.setitem(BY_NAME, name, BY_NAME[name]._replace(run=run))

    return replaced


def test_slow_questions_of_one_leave_room_for_others(
    store: EventStore, serve: Any, replace: Replace
) -> None:
    store.append("sess_a", voice_call().frames)
    begun, go = threading.Semaphore(0), threading.Event()

    def hang(asker: Any, arguments: Any) -> Answer:
        begun.release()
        assert go.wait(60)
        return Answer(data={"data": [], "has_more": False, "next": None})

    replace("sum_usage", hang)
    address = serve(parse_keys(api_keys.FILE))
    with (
        over_http(address, api_keys.READER) as slow,
        over_http(address, api_keys.ALL) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(slow.together, *[("sum_usage", {})] * (AT_ONCE + 4))
        try:
            assert begun.acquire(timeout=30)
            for _ in range(5):
                assert len(other.data("find_sessions")["data"]) == 1
        finally:
            go.set()
        assert not any(one.is_error for one in waiting.result(timeout=60))


def test_a_cancelled_call_ends(store: EventStore, replace: Replace) -> None:
    begun, ended, late = threading.Event(), threading.Event(), threading.Event()

    def work(asker: Any, arguments: Any) -> Answer:
        begun.set()
        try:
            while not ended.wait(0.01):
                asker.check_time()
        except TimeLimitError:
            late.set()
        finally:
            ended.set()
        return Answer("")

    replace("sum_usage", work)
    access = access_without_key("test", {}, raw=False, allow_writing=False)
    with connected(make_server(Service(Stores(store, store, None), access, False, 5))) as client:
        client.cancelled("sum_usage", begun)
        assert ended.wait(30) and not late.is_set()
        assert client.data("find_sessions")["data"] == []


def test_a_fault_is_logged_without_what_was_said(
    client: Connected, replace: Replace, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(asker: Any, arguments: Any) -> Answer:
        raise ValueError(SAID)

    replace("find_sessions", fail)
    with caplog.at_level(logging.DEBUG):
        assert client.error("find_sessions") == "the server failed; its log says where"
    assert "the tool find_sessions failed: ValueError" in caplog.text
    assert SAID not in caplog.text


def test_an_error_tells_nothing_of_the_database(
    client: Connected, replace: Replace, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(asker: Any, arguments: Any) -> Answer:
        raise DatabaseUnavailableError(f"cannot reach postgresql://user@{SAID}/calls")

    replace("find_sessions", fail)
    assert client.error("find_sessions") == "the database cannot be reached; try again"
    assert "the tool find_sessions: cannot reach postgresql://[removed]@" in caplog.text


def test_an_encrypted_store_without_its_keys_is_named(
    database_url: str, serve: Any, tmp_path: Path
) -> None:
    with EventStore(database_url, keys=f"sqlite:///{tmp_path}/keys.db") as encrypted:
        encrypted.append("sess_a", voice_call().frames)
    with over_http(serve()) as client:
        said = client.error("read_transcript", session_id="sess_a")
        assert said == "what is asked for is encrypted, and the server has not its key"


def test_an_error_names_arguments_and_not_options(client: Connected) -> None:
    assert client.error("sum_usage", by="hour").startswith("by 'hour': use session, model")
    said = client.error("score", session_id="sess_a", name="x", value="y" * 3000)
    assert said == "value: String should have at most 2000 characters"


def test_an_answer_that_is_too_large_is_refused(client: Connected, replace: Replace) -> None:
    replace("find_sessions", lambda asker, arguments: Answer("x" * 1_000_000))
    assert "too large" in client.error("find_sessions")
