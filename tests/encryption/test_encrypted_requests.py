"""Sessions are found by what their addresses name where a store is encrypted, too."""

from __future__ import annotations

import pytest
from support.request_targets import TARGETS, fill, found

from eventstore import EventStore
from eventstore.store.database.transaction import read
from eventstore.store.queries import requested_sessions


def test_what_a_client_asks_for_is_found_in_an_encrypted_store(
    keyed: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(keyed)
    assert {target: found(keyed, target) for target, _ in TARGETS} == dict(TARGETS)
    with read(keyed.engine) as tx:
        assert tx.rows("SELECT * FROM session_facets") == []
    # Of a large store, the newest are looked through, and no more.
    monkeypatch.setattr(requested_sessions, "MAX_LIMIT", 5)
    monkeypatch.setattr(requested_sessions, "LOOKED_THROUGH", 10)
    tenth, eleventh = "/v1/realtime?call_id=rtc_1", "/openai/realtime?deployment=our-voice"
    assert (found(keyed, tenth), found(keyed, eleventh)) == ("call", None)
