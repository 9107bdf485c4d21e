"""One tenant's slow requests take no place of another's, and health waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import httpx
import pytest
from support.gated_store import Gate, GatedStore
from support.sound import append, opened

from eventstore import EventStore
from eventstore.web import app
from eventstore.web.in_thread import serving
from eventstore.web.server.access import parse_keys
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.places import BusyError, Places
from eventstore.web.sound.file_response import requested_range

KEYS = {name: f"the-key-of-{name}-is-long" for name in ("greedy", "neighbour")}
ACCESS = parse_keys(
    "\n".join(
        f'[[key]]\nname = "{name}"\nkey = "{key}"\nmetadata = {{ customer = "{name}" }}\n'
        for name, key in KEYS.items()
    )
)
#: Half of the places for reading, and as many requests as may wait for them.
HELD, WAITING = 8, 64


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


def client(url: str, name: str) -> httpx.Client:
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {KEYS[name]}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60, limits=limits)


def test_a_greedy_tenant_holds_up_nobody_else(database_url: str, gate: Gate) -> None:
    asked = HELD + WAITING + 5
    with (
        GatedStore(database_url, gate, "greedy") as store,
        serving(store, ACCESS) as url,
        client(url, "greedy") as greedy,
        client(url, "neighbour") as neighbour,
        ThreadPoolExecutor(asked) as pool,
    ):
        held = [pool.submit(greedy.get, "/v1/realtime/usage") for _ in range(asked)]
        gate.arrivals(HELD)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert httpx.get(url + path, timeout=60).status_code == 200
        for path in ("/v1/realtime/usage", "/v1/realtime/sessions", "/", "/static/pages.css"):
            assert neighbour.get(path).status_code == 200
        refused = [one.result() for one in islice(as_completed(held, timeout=60), 5)]
        assert {one.status_code for one in refused} == {503}
        assert refused[0].headers["retry-after"] == "2"
        assert refused[0].json()["error"]["code"] == "busy"
        assert gate.is_empty(), "it got more than its half of the places"
        gate.open()
        assert sorted(one.result().status_code for one in held) == [200] * (asked - 5) + [503] * 5


def test_stretches_of_sound_hold_up_nobody(database_url: str, gate: Gate) -> None:
    at_once, waiting = 2, 16
    asked = at_once + waiting + 5
    with (
        GatedStore(database_url, gate, "nobody") as store,
        serving(store, ACCESS) as url,
        client(url, "greedy") as greedy,
        client(url, "neighbour") as neighbour,
        ThreadPoolExecutor(asked) as pool,
    ):
        for name in KEYS:
            store.append(name, [opened(), append(2.0, bytes(16_000))], close=False)
            store.set_metadata(name, {"customer": name})
        path = "/v1/realtime/sessions/{}/audio?start={}"
        assert greedy.get(path.format("greedy", 0.5)).status_code == 200
        held = [
            pool.submit(greedy.get, path.format("greedy", f"0&end={n + 1}")) for n in range(asked)
        ]
        gate.arrivals(at_once)
        refused = [one.result() for one in islice(as_completed(held, timeout=60), 5)]
        assert [one.status_code for one in refused] == [503] * 5
        assert refused[0].headers["retry-after"] == "2"
        for free in ("/healthz", "/readyz", "/metrics"):
            assert httpx.get(url + free, timeout=60).status_code == 200
        assert neighbour.get(path.format("neighbour", 0.5)).status_code == 200
        assert neighbour.get("/v1/realtime/sessions/neighbour/waveform").status_code == 200
        cached = greedy.get(path.format("greedy", 0.5))
        assert cached.status_code == greedy.get("/v1/realtime/sessions").status_code == 200
        assert gate.is_empty(), "more were made at once"
        gate.open()
        assert sorted(one.result().status_code for one in held) == [200] * (asked - 5) + [503] * 5


def test_more_sound_than_is_given_at_once_is_refused(database_url: str) -> None:
    with EventStore(database_url) as store, serving(store) as url:
        sounds = [append(3000.0 * n + 1, bytes(8000)) for n in range(4)]
        store.append("call", [opened(), *sounds])
        path = f"{url}/v1/realtime/sessions/call/audio"
        refused = httpx.get(path, params={"format": "ogg"})
        assert refused.status_code == 400
        assert "start=0 and end=7200" in refused.json()["error"]["message"]
        part = httpx.get(path, params={"start": 2990, "end": 3010})
        assert len(part.content) == 44 + 20 * 8000 * 4


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, (0, 10)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=0-99", (0, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=4-2", (0, 10)),
        ("bytes=0-1,4-5", (0, 10)),
        ("bytes=-", (0, 10)),
        ("lines=1-2", (0, 10)),
        ("bytes=99999999999999999999-", (0, 10)),
    ],
)
def test_ranges(header: str | None, span: tuple[int, int] | None) -> None:
    assert requested_range(header, 10) == span


def test_every_route_takes_a_place_or_needs_no_thread() -> None:
    routes = [
        route
        for module in (*app._API, *app._PAGES)
        for route in module.router.routes
        if not isinstance(route, PlacedRoute)
    ]
    assert {route.path for route in routes} == {
        "/healthz", "/readyz", "/metrics", "/sign-in", "/sign-out",
    }  # fmt: skip
    assert all(asyncio.iscoroutinefunction(route.endpoint) for route in routes)


def test_places_are_shared_and_given_in_turns() -> None:
    async def run() -> None:
        places = Places(4, 2)
        first = [await places.take("a"), await places.take("a")]
        waiting = [asyncio.create_task(places.take("a")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await places.take("a")
        other = await places.take("b")
        assert not any(task.done() for task in waiting)
        first[0].leave()
        first[0].leave()  # once is enough
        other.leave()
        await asyncio.wait(waiting[:1])
        assert waiting[0].done() and not waiting[1].done()
        waiting[1].cancel()
        await asyncio.wait(waiting)
        first[1].leave()
        waiting[0].result().leave()
        assert places._free == 4 and not places._held and not places._queues

    asyncio.run(run())


def test_a_turn_that_comes_with_its_cancelling_is_given_back() -> None:
    async def run() -> None:
        places = Places(2, 9)
        held = await places.take("a")
        task = asyncio.create_task(places.take("a"))
        await asyncio.sleep(0)
        held.leave()
        task.cancel()
        await asyncio.wait({task})
        assert places._free == 2 and not places._held and not places._queues

    asyncio.run(run())


def test_a_place_that_comes_free_while_a_waiting_task_ends_is_nobodys_fault() -> None:
    async def ends_first() -> None:
        places = Places(2, 5)
        held = await places.take("a")
        waiting = asyncio.create_task(places.take("a"))
        await asyncio.sleep(0)
        waiting.cancel()
        held.leave()  # its turn is gone before the task knows that it was cancelled
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for asker in ("a", "b"):
            await asyncio.wait_for(places.take(asker), 5)

    asyncio.run(ends_first())
