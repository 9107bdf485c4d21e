"""Pairs of metadata that come by appends are as many as a session may have, or refused."""

from __future__ import annotations

import httpx
import pytest
from support.api_serving import Serve

from eventstore import EventStore
from eventstore.web.server.access import parse_keys

KEY = "the-key-of-anna-is-long"
ACCESS = parse_keys(
    f'[[key]]\nname = "anna"\nkey = "{KEY}"\nrights = ["append"]\nmetadata = {{ tenant = "anna" }}'
)


@pytest.mark.parametrize("keys", [None, ACCESS])
def test_a_pair_too_many_is_refused(serve: Serve, store: EventStore, keys: object) -> None:
    address = f"{serve(keys)}/v1/realtime/sessions/full/events"
    statuses = []
    for request in range(3):
        pairs = {f"{request}_{number}": "x" for number in range(7)}
        body = {"events": [{"type": "response.create"}], "metadata": pairs}
        headers = {"Authorization": f"Bearer {KEY}"}
        statuses.append(httpx.post(address, headers=headers, json=body).status_code)
    assert statuses == [200, 200, 400]
    assert len(store.metadata("full")) == 14 + (keys is not None)
    assert store.set_metadata("full", {"customer": "7"}).last_seq > 0
