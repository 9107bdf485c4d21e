"""See how an OTLP endpoint answers: OpenTelemetry's exporter tells success or failure alone.

The exporter counts each answer below 400 as a success, also the page of another server, or one to
which it was redirected. Called by otlp_http.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

from eventstore.realtime.values import storable

#: A collector refuses for ever what it cannot read, or what is too large. Whatever else it answers,
#: it may take the same spans later: once its keys, its address or its load are other ones.
_REFUSES = frozenset({400, 413, 422})
_MOST_BODY = 65_536


class Answer(NamedTuple):
    """An answer of HTTP.

    Attributes:
        status, reason: Those of its first line.
        kind: Its content type.
        body: Its body, up to so many bytes.
    """

    status: int
    reason: str
    kind: str
    body: bytes

    def is_of_collector(self) -> bool:
        """Return True if a collector says that it took a request."""
        return 200 <= self.status < 300 and "html" not in self.kind.lower()

    def refuses(self) -> bool:
        """Return True if it says that the same request will never be taken."""
        return self.status in _REFUSES

    def told(self) -> str:
        """Return it in words, on one line."""
        if 200 <= self.status < 300:
            return f"{self.status} with {self.kind[:60]!r}, which no collector answers"
        return storable(" ".join(f"{self.status} {self.reason}".split()))[:200]

    def partial_success(self) -> tuple[str, int]:
        """Return why it left spans out of those that it took, and how many; 0 if none."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceResponse,
        )

        if "protobuf" not in self.kind:
            return "", 0
        try:
            told = ExportTraceServiceResponse.FromString(self.body).partial_success
        except Exception:  # what is no message of protobuf tells nothing
            return "", 0
        reason = storable(" ".join(told.error_message.split()))[:200]
        return reason, max(0, int(told.rejected_spans))


@dataclass
class Asked:
    """What became of requests to a collector.

    Attributes:
        requests: How many were begun.
        answer: The last answer; None if there was none.
    """

    requests: int = 0
    answer: Answer | None = None


def watched_session(asked: Asked) -> Any:
    """Return a session of requests that notes each answer, and follows no redirect.

    Args:
        asked: Where requests and answers are noted.
    """
    import requests

    class WatchedSession(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> Any:
            asked.requests, asked.answer = asked.requests + 1, None
            return super().request(*arguments, **options)

        def send(self, request: Any, **options: Any) -> Any:
            options |= {"allow_redirects": False, "stream": True}
            with super().send(request, **options) as response:
                body = response.raw.read(_MOST_BODY, decode_content=True) or b""
            kind, reason = response.headers.get("content-type", ""), response.reason or ""
            asked.answer = Answer(response.status_code, reason, kind, body)
            # A body of any length would be read whole.
            short = requests.Response()
            short.status_code, short.reason = response.status_code, response.reason
            short.headers, short.url = response.headers, response.url
            short.request, short.raw = response.request, io.BytesIO(body)
            return short

    return WatchedSession()
