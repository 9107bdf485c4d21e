"""A client of the feed over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

Told = Iterator[tuple[str, Any]]


class Reader:
    """A client that connects again as browsers do, and hands the last id back."""

    def __init__(self, asking: httpx.Client, name: str, **options: str) -> None:
        self._asking, self._name, self._options = asking, name, options
        self.last_id = ""

    @contextmanager
    def connected(self) -> Iterator[Told]:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        path = f"/feed/{self._name}"
        with self._asking.stream("GET", path, params=self._options, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            yield self._events(answer.iter_lines())

    def _events(self, lines: Iterator[str]) -> Told:
        name = id_ = data = ""
        for line in lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                id_ = value
            elif field == "data":
                data = value
            elif line == "" and data:
                self.last_id = id_ or self.last_id
                yield name, json.loads(data)
                name = id_ = data = ""

    def until_checkpoint(self, count: int) -> list[tuple[str, int]]:
        """So many deliveries, and all that come before the next checkpoint."""
        found: list[tuple[str, int]] = []
        with self.connected() as told:
            for name, data in told:
                if name != "checkpoint":
                    found.append((data["session_id"], data["seq"]))
                elif len(found) >= count:
                    break
        return found
