"""What a server foresees is no fault of its own, and one session keeps none from being ready."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from support.api_serving import Serve
from support.calls import voice_call
from support.events import SESSION
from support.relaying import bare_client, eventually, read_all, read_head

from eventstore import EventStore
from eventstore.common import unforeseen
from eventstore.store.database.transaction import write

EVENTS = f"/v1/realtime/sessions/{SESSION}/events"


def answers(url: str, status: int) -> int:
    """How many answers the server counts with a status."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(f'status="{status}"' in line and "_total" in line for line in lines)


def test_a_client_that_hangs_up_is_no_fault(serve: Serve) -> None:
    before, url = unforeseen.fault_count(), serve()
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with bare_client(int(url.rpartition(":")[2]), head.encode()):
        eventually(lambda: answers(url, 200) > 0)
    eventually(lambda: answers(url, 499) == 1)
    assert unforeseen.fault_count() == before


@pytest.mark.parametrize("answered", [False, True])
def test_a_body_that_is_no_http_is_no_fault(
    serve: Serve, answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes with the head, or behind an answer that did not wait for it."""
    before, url = unforeseen.fault_count(), serve()
    lines = ("POST /v1/nothing HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", "", "")
    head, body = "\r\n".join(lines).encode(), b"zz\r\n"
    with bare_client(int(url.rpartition(":")[2]), head if answered else head + body) as client:
        if answered:
            assert read_head(client).startswith(b"HTTP/1.1 404")
            client.sendall(body)
        with suppress(ConnectionResetError):
            assert not read_all(client).startswith(b"HTTP/1.1 5")
    eventually(lambda: answers(url, 404) == 1)
    assert unforeseen.fault_count() == before
    assert "data_received() call failed" not in caplog.text


def test_a_session_that_is_erased_while_it_is_followed_is_no_fault(
    serve: Serve, store: EventStore
) -> None:
    store.append(SESSION, voice_call().frames)
    before, url = unforeseen.fault_count(), serve()
    with httpx.stream("GET", f"{url}{EVENTS}?stream=true", timeout=20) as told:
        pieces = told.iter_raw()
        next(pieces)
        store.erase(SESSION, vacuum=False).raise_for_errors()
        with suppress(httpx.HTTPError):  # it ends early, as it should
            b"".join(pieces)
    assert httpx.get(f"{url}{EVENTS}").status_code == 410
    assert unforeseen.fault_count() == before


def test_a_session_that_is_damaged_keeps_no_server_from_being_ready(
    serve: Serve, store: EventStore
) -> None:
    store.append(SESSION, voice_call().frames)
    with write(store.engine) as tx:
        tx.run("UPDATE sessions SET wire = '{'")
    assert httpx.get(f"{serve()}/readyz").status_code == 200
