"""One tenant's slow requests take no place of another's, and health waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import httpx
import pytest
from support.gated_store import Gate, GatedStore

from eventstore.web import app
from eventstore.web.access import parse_keys
from eventstore.web.in_thread import serving
from eventstore.web.paths import PlacedRoute
from eventstore.web.places import BusyError, Places

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
