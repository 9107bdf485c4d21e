"""An app that takes webhooks, on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "whsec_" + "c2VjcmV0" * 4


@dataclass
class App:
    """An app that takes webhooks: what it got, and what it answers.

    Attributes:
        statuses: the answers, one after the other; 204 once there are no more.
        before: called with each body before the answer.
    """

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    before: Callable[[bytes], object] = lambda body: None

    def told(self) -> list[tuple[str, str]]:
        """The type and the id of each webhook's resource."""
        bodies = [json.loads(body) for _, body in self.got]
        return [(one["type"], one["data"]["id"]) for one in bodies]


@pytest.fixture
def app() -> Iterator[App]:
    """An app on loopback."""
    app = App()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            app.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            app.before(body)
            self.send_response(app.statuses.pop(0) if app.statuses else 204)
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        app.url = f"http://127.0.0.1:{server.server_port}/hooks?a=b"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield app
        server.shutdown()
        thread.join()
