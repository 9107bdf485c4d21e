"""Send spans to an OTLP endpoint over HTTP, with OpenTelemetry's own exporter.

Needs the extra `otel`. Headers (such as keys), certificates, compression and the time limit are set
by OpenTelemetry's own environment variables, such as OTEL_EXPORTER_OTLP_HEADERS. Called by the
command `export --format otel --endpoint`, and by traces.py.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from eventstore.common.urls import split_server_url
from eventstore.common.version import VERSION
from eventstore.errors import EventStoreError, InvalidInputError, MissingExtraError
from eventstore.exports.otel.collector_answers import Asked, watched_session
from eventstore.exports.otel.otlp_json import SCOPE, SERVICE, batches, nanoseconds
from eventstore.exports.otel.spans import Span
from eventstore.realtime.upstream_urls import public_url

_SAMPLED = 1
_PATH = "/v1/traces"
# What the exporter logs before it tries again. When the reason is shown, the last try is over.
_RETRIED = re.compile(r"Transient error (.+) encountered while exporting .+")


class Outcome(NamedTuple):
    """What became of spans that were offered to an endpoint.

    Attributes:
        kind: `taken`, `refused` if the endpoint will never take them, or `away` if it may later.
        reason: Why they were not taken, on one line; empty if they were.
        rejected: How many of the spans the endpoint says that it left out of those it took.
    """

    kind: Literal["taken", "refused", "away"]
    reason: str = ""
    rejected: int = 0


class Endpoint:
    """An OTLP endpoint that spans are sent to.

    Attributes:
        url: The URL that spans are sent to.
        shown: The URL as messages have it, without what may be secret.

    Args:
        url: The endpoint's URL. If it has no path, `/v1/traces` is added. None for the one that
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT names.

    Raises:
        InvalidInputError: This is not a URL of HTTP, or none is named.
        MissingExtraError: OpenTelemetry's packages are not installed.
    """

    def __init__(self, url: str | None = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise MissingExtraError("opentelemetry-exporter-otlp-proto-http", "otel") from error
        self.url = _traces_url(url) if url is not None else _url_of_environment()
        self.shown = public_url(self.url)
        self._asked = Asked()
        self._make: Callable[[], Any] = lambda: OTLPSpanExporter(
            endpoint=self.url, session=watched_session(self._asked)
        )
        self._exporter: Any = self._make()

    def send(self, spans: Sequence[Span]) -> None:
        """Send spans. The exporter retries for a while if the endpoint is busy.

        Raises:
            EventStoreError: The endpoint did not accept the spans.
        """
        for batch in batches(spans):
            outcome = self.offer(batch)
            if outcome.kind != "taken":
                raise EventStoreError(f"{self.shown} did not take the spans: {outcome.reason}")

    def offer(self, spans: Sequence[Span]) -> Outcome:
        """Send spans in one request, and return what became of them.

        It lasts as long as OTEL_EXPORTER_OTLP_TIMEOUT says, by default 10 seconds at most: for that
        time a request is repeated if the endpoint is busy or away.
        """
        from opentelemetry.sdk.trace.export import SpanExportResult

        exporter = self._exporter = self._exporter or self._make()
        asked = self._asked
        asked.requests, asked.answer = 0, None
        done, raised = None, ""
        with _FailureReason() as reason:
            try:
                done = exporter.export([_readable(span) for span in spans])
            except Exception as error:  # older exporters raise what newer ones log
                raised = " ".join(str(error).split())[:500] or type(error).__name__
        answer, told = asked.answer, raised or reason.reason or "no answer"
        if not asked.requests and self._exporter is exporter:
            # The exporter could not encode them, or they are larger than what it sends at once.
            return Outcome("refused", told)
        if done is SpanExportResult.SUCCESS and answer is not None and answer.is_of_collector():
            return Outcome("taken", *answer.partial_success())
        if answer is not None and answer.refuses():
            return Outcome("refused", answer.told())
        return Outcome("away", told if answer is None else answer.told())

    def close(self) -> None:
        """Close the connection, until something is sent again.

        Any thread may call it: what is sent at this moment is then repeated no more.
        """
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.shutdown()


def _url_of_environment() -> str:
    """Return the URL that OpenTelemetry's variables name, as its own exporters read them.

    Raises:
        InvalidInputError: They name none, or no URL of HTTP.
    """
    traces = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if traces:
        return _traces_url(traces)
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not base:
        raise InvalidInputError(
            "name the collector, such as http://localhost:4318, or set OTEL_EXPORTER_OTLP_ENDPOINT"
        )
    return _traces_url(f"{base.rstrip('/')}{_PATH}")


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
        parent=_context(span, span.parent_id, span.is_remote_child) if span.parent_id else None,
        resource=Resource({"service.name": SERVICE}),
        attributes=span.attributes,
        events=events,
        kind=SpanKind.CLIENT if span.kind == "client" else SpanKind.INTERNAL,
        status=status,
        start_time=nanoseconds(span.start),
        end_time=nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope(SCOPE, VERSION),
    )


def _context(span: Span, span_id: bytes, is_remote: bool = False) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    trace_id = int.from_bytes(span.trace_id)
    flags = TraceFlags(_SAMPLED)
    state = TraceState.from_header([span.trace_state]) if span.trace_state else None
    return SpanContext(trace_id, int.from_bytes(span_id), is_remote, flags, state)
