"""What is readable in an encrypted store, and the keys that it has."""

from __future__ import annotations

from eventstore import EventStore
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import read

#: What is filtered on stays readable: metadata, and ids.
READABLE = {f"{end}{place}" for end in ("", "end of ") for place in ("metadata", "tag", "item")}


DROPPED = "SELECT session_id, key, dropped_at IS NOT NULL FROM session_keys ORDER BY session_id"


def keys_in(store: EventStore) -> dict[str, bytes | None]:
    engine = keys_of(store.engine).engine
    assert engine is not None
    with read(engine) as tx:
        return {name: key and bytes(key) for name, key, _ in tx.rows_with_bytes(DROPPED)}
