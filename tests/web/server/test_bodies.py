"""Bodies of requests are read of who has a key, and bounded over all requests together."""

from __future__ import annotations

import httpx
import pytest
from support.api_serving import Serve
from support.relaying import bare_client, eventually, read_head

from eventstore import EventStore
from eventstore.web.server import bodies
from eventstore.web.server.access import parse_keys
from eventstore.web.server.bodies import BodyMemory
from eventstore.web.server.places import BusyError

KEYS = {name: f"the-key-of-{name}-is-long" for name in ("greedy", "neighbour")}
ACCESS = parse_keys(
    "\n".join(
        f'[[key]]\nname = "{name}"\nkey = "{key}"\nrights = ["append"]\n'
        f'metadata = {{ customer = "{name}" }}\n'
        for name, key in KEYS.items()
    )
)
SIZE = 1 << 20
EVENTS = {"events": [{"type": "response.create"}]}


def half_sent(path: str, name: str | None = None) -> bytes:
    """The head of a request, and half of its body."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {SIZE}"]
    lines += [f"Authorization: Bearer {KEYS[name]}"] if name is not None else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + b" " * (SIZE // 2)


def appended(url: str, name: str) -> int:
    headers = {"Authorization": f"Bearer {KEYS[name]}"}
    body = {**EVENTS, "metadata": {"note": "x" * 500}}
    url = f"{url}/v1/realtime/sessions/{name}/events"
    return httpx.post(url, headers=headers, json=body).status_code


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("path", ["/v1/realtime/sessions/a/events", "/sign-in"])
def test_no_body_is_read_of_who_has_no_key(serve: Serve, path: str) -> None:
    with bare_client(port_of(serve(ACCESS)), half_sent(path)) as client:
        assert read_head(client).startswith(b"HTTP/1.1 401")


def test_a_greedy_tenants_bodies_leave_room_for_others(
    serve: Serve, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_MOST_BYTES", 2 * SIZE)
    monkeypatch.setattr(bodies, "_BODIES", 2)
    url = serve(ACCESS, SIZE)
    sent = half_sent("/v1/realtime/sessions/a/events", "greedy")

    def has_no_room() -> bool:
        # A request that comes before both halves takes the place of one, which is refused then.
        with bare_client(port_of(url), sent), bare_client(port_of(url), sent):
            is_refused = appended(url, "greedy") == 503
            assert appended(url, "neighbour") == 200
        return is_refused

    eventually(has_no_room)
    eventually(lambda: appended(url, "greedy") == 200)


def test_all_that_was_taken_is_given_back() -> None:
    held = BodyMemory(0)
    half = bodies._MOST_BYTES // 2
    held.take("a", half)
    with pytest.raises(BusyError):
        held.take("a", 1)
    held.take("b", half // 2)
    with pytest.raises(BusyError):
        held.take("b", 1)
    held.give_back("a", half)
    held.give_back("b", half // 2)
    held.take("c", half)
