"""Keys of the HTTP API with several rights and tenants, and a client for each."""

from __future__ import annotations

import httpx

from eventstore.web.server.access import digest

ALL, READER, ANNA, WRITER = ("k" * 20 + name for name in ("all", "reader", "anna", "writer"))
FILE = f"""
[[key]]
name = "all"
key = "{ALL}"
rights = ["read", "raw", "append", "score", "send", "erase"]
[[key]]
name = "reader"
sha256 = "{digest(READER).hex()}"
[[key]]
name = "anna"
key = "{ANNA}"
rights = ["read", "raw", "append", "score", "send", "erase"]
metadata = {{ tenant = "anna" }}
[[key]]
name = "writer"
key = "{WRITER}"
rights = ["append"]
"""


def client(url: str, key: str | None) -> httpx.Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"{url}/v1/realtime", headers=headers, timeout=20)
