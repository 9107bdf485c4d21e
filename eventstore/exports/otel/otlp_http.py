"""Send spans to an OTLP endpoint over HTTP, with OpenTelemetry's own exporter.

Needs the extra `otel`. Headers (such as keys), certificates, compression and the time limit are set
by OpenTelemetry's own environment variables, such as OTEL_EXPORTER_OTLP_HEADERS. Called by the
command `export --format otel --endpoint`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from eventstore.common.urls import split_server_url
from eventstore.common.version import VERSION
from eventstore.errors import EventStoreError, InvalidInputError, MissingExtraError
from eventstore.exports.otel.otlp_json import SCOPE, SERVICE, batches, nanoseconds
from eventstore.exports.otel.spans import Span

_SAMPLED = 1
_PATH = "/v1/traces"
# What the exporter logs before it tries again. When the reason is shown, the last try is over.
_RETRIED = re.compile(r"Transient error (.+) encountered while exporting .+")


class Endpoint:
    """An OTLP endpoint that spans are sent to.

    Attributes:
        url: The URL that spans are sent to.

    Args:
        url: The endpoint's URL. If it has no path, `/v1/traces` is added.

    Raises:
        InvalidInputError: This is not a URL of HTTP.
        MissingExtraError: OpenTelemetry's packages are not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise MissingExtraError("opentelemetry-exporter-otlp-proto-http", "otel") from error
        self.url = _traces_url(url)
        self._exporter: Any = OTLPSpanExporter(endpoint=self.url)

    def send(self, spans: Sequence[Span]) -> None:
        """Send spans. The exporter retries for a while if the endpoint is busy.

        Raises:
            EventStoreError: The endpoint did not accept the spans.
        """
        from opentelemetry.sdk.trace.export import SpanExportResult

        for batch in batches(spans):
            with _FailureReason() as reason:
                done = self._exporter.export([_readable(span) for span in batch])
            if done is not SpanExportResult.SUCCESS:
                raise EventStoreError(f"{self.url} did not take the spans: {reason.reason}")

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def _traces_url(url: str) -> str:
    parts = split_server_url(url, ("http", "https"))
    if parts is None:
        raise InvalidInputError(f"endpoint {url!r}: use a URL such as http://localhost:4318")
    return parts._replace(path=_PATH).geturl() if parts.path in ("", "/") else url


class _FailureReason(logging.Handler):
    """Keeps the first message that the exporter logs, since only the log has a failure's reason.

    Attributes:
        reason: The message, on one line; empty if there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason = ""
        self._logger = logging.getLogger("opentelemetry")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first message, which has the reason. Later ones report only the failed retry."""
        message = " ".join(record.getMessage().split())
        retried = _RETRIED.fullmatch(message)
        self.reason = self.reason or (retried[1] if retried else message)[:500]

    def __enter__(self) -> _FailureReason:
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated


def _readable(span: Span) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.status import Status, StatusCode

    status = Status(StatusCode.UNSET)
    if span.error is not None:
        status = Status(StatusCode.ERROR, span.error)
    events = [Event(event.name, event.attributes, nanoseconds(event.at)) for event in span.events()]
    return ReadableSpan(
        name=span.name,
        context=_context(span, span.span_id),
        parent=_context(span, span.parent_id) if span.parent_id is not None else None,
        resource=Resource({"service.name": SERVICE}),
        attributes=span.attributes,
        events=events,
        kind=SpanKind.CLIENT if span.kind == "client" else SpanKind.INTERNAL,
        status=status,
        start_time=nanoseconds(span.start),
        end_time=nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope(SCOPE, VERSION),
    )


def _context(span: Span, span_id: bytes) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    trace_id = int.from_bytes(span.trace_id)
    flags = TraceFlags(_SAMPLED)
    return SpanContext(trace_id, int.from_bytes(span_id), False, flags)
