"""Integration: the API and the pages price by the file that the server was given."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from support.calls import USAGE
from support.events import Call

from eventstore import EventStore, InvalidInputError
from eventstore.web.in_thread import serving
from eventstore.web.running import Service, open_stores

PRICES = """
[deployments]
swedish-voice = "gpt-realtime"
"""
USD = (30 * 4 + 20 * 32 + 30 * 0.4 + 20 * 0.4 + 5 * 16 + 15 * 64) / 1e6


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A file of prices."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    return path


def put_call(store: EventStore) -> None:
    """A call by a deployment."""
    call = Call().server("session.created", session={"id": "s", "model": "swedish-voice"})
    call.typed("item_1", "Hello").created("resp_1").speaks("resp_1", "item_2", "Hi", 1000)
    call.done("resp_1", usage=USAGE)
    store.append("sess_1", call.frames, close=True)


def test_routes_and_pages_show_the_users_prices(database_url: str, prices: Path) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(EventStore(database_url, prices=prices))
        put_call(store)
        url = stack.enter_context(serving(store))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=20))
        total = client.get("/v1/realtime/usage").json()["total"]
        assert total["cost_usd"] == pytest.approx(USD)
        of_session = client.get("/v1/realtime/sessions/sess_1/usage").json()["total"]
        assert of_session["cost_usd"] == pytest.approx(USD)
        shown = client.get("/v1/realtime/sessions/sess_1/state").json()
        assert shown["usage"]["cost_usd"] == pytest.approx(USD)
        for path in ("/", "/usage?span=all", "/sessions/sess_1"):
            assert f"${USD:.4f}" in client.get(path).text, path


def test_what_has_no_price_is_unknown_on_pages(database_url: str) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(EventStore(database_url))
        put_call(store)
        client = httpx.Client(base_url=stack.enter_context(serving(store)), timeout=20)
        stack.enter_context(client)
        for path in ("/", "/usage?span=all", "/sessions/sess_1"):
            page = client.get(path).text
            assert "unknown" in page and "$0" not in page, path


def test_a_server_opens_its_stores_with_the_file(database_url: str, prices: Path) -> None:
    service = Service(database_url, None, prices, "127.0.0.1", 0, None, 10, 1 << 20)
    with open_stores(service) as stores:
        put_call(stores.writing)
        for store in (stores.reading, stores.writing):
            assert store.usage()["total"]["cost_usd"] == pytest.approx(USD)
    prices.write_text("[price]")
    with pytest.raises(InvalidInputError, match="prices of"), open_stores(service):
        pass
