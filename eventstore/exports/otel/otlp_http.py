"""Send spans to an OTLP endpoint over HTTP, with OpenTelemetry's own exporter.

Needs the extra `otel`. Headers (such as keys), certificates, compression and the time limit are set
by OpenTelemetry's own environment variables, such as OTEL_EXPORTER_OTLP_HEADERS. Called by the
command `export --format otel --endpoint`, and by traces.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from eventstore.common.urls import split_server_url
from eventstore.common.version import VERSION
from eventstore.errors import EventStoreError, InvalidInputError, MissingExtraError
from eventstore.exports.otel.collector_answers import Asked, watched_session
from eventstore.exports.otel.collector_settings import check_settings, silenced
from eventstore.exports.otel.otlp_json import SCOPE, batches, nanoseconds, resource_attributes
from eventstore.exports.otel.spans import Span
from eventstore.realtime.masking.secret_addresses import without_keys
from eventstore.realtime.upstream_urls import public_url

_SAMPLED = 1
_PATH = "/v1/traces"


class Outcome(NamedTuple):
    """What became of spans that were offered to an endpoint.

    Attributes:
        kind: `taken`, `refused` if the endpoint will never take them, or `away` if it may later.
        reason: Why they were not taken, on one line; empty if they were.
        rejected: How many of the spans the endpoint says that it left out of those it took.
        suspect: True if the spans may be the reason, or how many they are.
        wait: How long the endpoint asks to wait, in seconds; 0 if it does not.
    """

    kind: Literal["taken", "refused", "away"]
    reason: str = ""
    rejected: int = 0
    suspect: bool = False
    wait: float = 0.0


class Endpoint:
    """An OTLP endpoint that spans are sent to.

    Attributes:
        url: The URL that spans are sent to.
        shown: The URL as messages have it, without what may be secret.
        seconds: How long `offer` lasts at most.

    Args:
        url: The endpoint's URL. If it has no path, `/v1/traces` is added. None for the one that
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT names.

    Raises:
        InvalidInputError: This is not a URL of HTTP, or none is named, or a variable of
            OpenTelemetry has a wrong value.
        MissingExtraError: OpenTelemetry's packages are not installed.
    """

    def __init__(self, url: str | None = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise MissingExtraError("opentelemetry-exporter-otlp-proto-http", "otel") from error
        self.url = _traces_url(url) if url is not None else _url_of_environment()
        self.shown = without_keys(public_url(self.url))
        self.seconds = check_settings()
        self._asked = Asked()
        self._make: Callable[[], Any] = lambda: OTLPSpanExporter(
            endpoint=self.url, timeout=self.seconds, session=watched_session(self._asked)
        )
        self._exporter: Any = self._make()

    def send(self, spans: Sequence[Span]) -> None:
        """Send spans. The exporter retries for a while if the endpoint is busy.

        Raises:
            EventStoreError: The endpoint did not accept the spans.
        """
        for batch in batches(spans):
            outcome = self.offer(batch, again=True)
            if outcome.kind == "refused" and len(batch) > 1:
                # They may be too large together.
                half = len(batch) // 2
                self.send(batch[:half])
                self.send(batch[half:])
            elif outcome.kind != "taken":
                raise EventStoreError(f"{self.shown} did not take the spans: {outcome.reason}")

    def offer(self, spans: Sequence[Span], again: bool = False) -> Outcome:
        """Send spans in one request, and return what became of them.

        It lasts as long as OTEL_EXPORTER_OTLP_TIMEOUT says, by default 10 seconds, and at most 60.

        Args:
            again: Repeat the request for that time if the endpoint is busy or away.
        """
        from opentelemetry.sdk.trace.export import SpanExportResult

        exporter = self._exporter = self._exporter or self._make()
        asked, done = self._asked, None
        asked.requests, asked.answer, asked.again = 0, None, again
        # Older exporters raise what newer ones log.
        with silenced(), suppress(Exception):
            done = exporter.export([_readable(span) for span in spans])
        answer = asked.answer
        if not asked.requests and self._exporter is exporter:
            return Outcome("refused", "it cannot be encoded, or is too large to be sent")
        if answer is None:
            return Outcome("away", asked.trouble or "no answer", suspect=asked.is_of_request)
        if done is SpanExportResult.SUCCESS and answer.is_of_collector():
            return Outcome("taken", *answer.partial_success())
        kind: Literal["refused", "away"] = "refused" if answer.refuses() else "away"
        return Outcome(kind, answer.told(), suspect=answer.is_of_request(), wait=answer.wait)

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
        resource=Resource(resource_attributes()),
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
