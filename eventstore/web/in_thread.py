"""Serves a store as `eventstore serve` does, in a thread of the calling program.

Used by tests, and by `tools/page_pictures.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

from eventstore.event_store import EventStore
from eventstore.web.app import MAX_BODY_BYTES, make_app
from eventstore.web.running import Server, configuration
from eventstore.web.server.access import AccessKeys
from eventstore.web.server.requests import Stores


@contextmanager
def serving(
    store: EventStore, keys: AccessKeys | None = None, body_bytes: int = MAX_BODY_BYTES
) -> Iterator[str]:
    """Serve the API and the pages of a store on loopback until the block ends.

    Args:
        store: The store, which the caller keeps open for the block.
        keys: The API keys; None if requests from this machine need none.
        body_bytes: How many bytes the body of a request may have.

    Yields:
        The server's address, such as `http://127.0.0.1:49152`.
    """
    app = make_app(Stores(store, store, keys), body_bytes)
    ports: Queue[int] = Queue()
    server = Server(configuration(app, "127.0.0.1", 0), ports.put)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=20)}"
    finally:
        server.should_exit = True
        thread.join(20)
        app.state.sounds.close()
