"""See how an OTLP endpoint answers: OpenTelemetry's exporter tells success or failure alone.

The exporter counts each answer below 400 as a success, also the page of another server, or one to
which it was redirected. Called by otlp_http.py.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from eventstore.errors import EventStoreError
from eventstore.realtime.values import storable

#: A collector refuses for ever what it cannot read, or what is too large. Whatever else it answers,
#: it may take the same spans later: once its keys, its address or its load are other ones.
_REFUSES = frozenset({400, 413, 422})
#: With these it says something of itself, or of whoever asks, and nothing of the spans.
_OF_ALL = frozenset({401, 402, 403, 404, 405, 407, 429, 502, 503, 504})


class Answer(NamedTuple):
    """An answer of HTTP.

    Attributes:
        status, reason: Those of its first line.
        kind: Its content type.
        body: Its body, up to so many bytes.
        wait: How long it asks to wait, in seconds; 0 if it does not.
    """

    status: int
    reason: str
    kind: str
    body: bytes
    wait: float = 0.0

    def is_of_collector(self) -> bool:
        """Return True if a collector says that it took a request."""
        return 200 <= self.status < 300 and "html" not in self.kind.lower()

    def refuses(self) -> bool:
        """Return True if it says that the same request will never be taken."""
        return self.status in _REFUSES

    def is_of_request(self) -> bool:
        """Return True if it is an error for which the spans may be the reason."""
        return self.status >= 400 and self.status not in _OF_ALL

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
        trouble: Why there was none, in a few words without secrets.
        is_of_request: True if the collector was there, so that what it was sent may be the reason.
        again: True if the exporter may make a request again that was not taken.
    """

    requests: int = 0
    answer: Answer | None = None
    trouble: str = ""
    is_of_request: bool = False
    again: bool = False


def watched_session(asked: Asked) -> Any:
    """Return a session of requests that notes each answer, and follows no redirect.

    Args:
        asked: Where requests and answers are noted.
    """
    import requests

    from eventstore.exports.otel.collector_connection import ExchangeError, TimedAdapter

    class WatchedSession(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> Any:
            asked.requests, asked.answer, asked.trouble = asked.requests + 1, None, ""
            options["allow_redirects"] = False
            if isinstance(self.verify, str):
                # Otherwise REQUESTS_CA_BUNDLE would win over OpenTelemetry's own variable.
                options.setdefault("verify", self.verify)
            try:
                response = super().request(*arguments, **options)
            except Exception as error:
                # The messages of all other errors may have a header's value, or the URL.
                is_ours = isinstance(error, requests.ConnectionError)
                asked.trouble = str(error) if is_ours else "a header or the URL cannot be sent"
                asked.is_of_request = isinstance(error, ExchangeError)
                if asked.again:
                    raise
                raise EventStoreError(asked.trouble) from error  # The exporter tries no more.
            headers = response.headers
            asked.answer = Answer(
                response.status_code,
                response.reason or "",
                headers.get("content-type", ""),
                response.content,
                _seconds(headers.get("retry-after", "")),
            )
            if response.status_code >= 400 and not asked.again:
                response.status_code = 400  # After this one, no exporter tries again.
            return response

    session, adapter = WatchedSession(), TimedAdapter()
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def _seconds(retry_after: str) -> float:
    """Return how long a header asks to wait, in seconds, or 0."""
    told = retry_after.strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
