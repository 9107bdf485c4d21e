"""What GPT-Live sessions of a store are billed."""

from __future__ import annotations

from eventstore import EventStore


def seconds_by_session(store: EventStore) -> dict[str, float]:
    """The billed seconds of each session that counts its own, and nothing else that counts."""
    found = store.usage(by="session")["data"]
    assert all(one["sessions"] or not one["responses"] for one in found), found
    return {one["key"]: one["audio_ms"] / 1000 for one in found if one["sessions"]}
