"""Write spans as OTLP in JSON: a line is an export request, as from the Collector's file exporter.

The form is that of OpenTelemetry's protocol (opentelemetry-proto, "JSON Protobuf Encoding"). Called
by the command `export --format otel`; otlp_http.py uses its names and times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from eventstore.common.version import VERSION
from eventstore.exports.otel.spans import Attributes, Span, Value
from eventstore.realtime.values import dumps, storable

Json = dict[str, Any]

#: The most spans in one line or one request.
BATCH = 500

SERVICE = "eventstore"
SCOPE = "eventstore.export"
_KINDS = {"internal": 1, "client": 3}
_ERROR = 2
_MAX_TIME = 2**64 - 1


def otlp_lines(spans: Sequence[Span]) -> Iterator[str]:
    """Yield export requests for spans, each as one line without its line end."""
    for batch in batches(spans):
        yield dumps(otlp_request(batch))


def batches(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """Yield the spans in groups of at most `BATCH`."""
    for start in range(0, len(spans), BATCH):
        yield spans[start : start + BATCH]


def otlp_request(spans: Sequence[Span]) -> Json:
    """Return the export request (`ExportTraceServiceRequest`) for some spans."""
    scope = {"name": SCOPE, "version": VERSION}
    scope_spans = {"scope": scope, "spans": [_span(span) for span in spans]}
    resource = {"attributes": _attributes(resource_attributes())}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope_spans]}]}


def resource_attributes() -> Attributes:
    """Return what spans come from: `eventstore`, or what OpenTelemetry's variables say.

    They are OTEL_SERVICE_NAME, and OTEL_RESOURCE_ATTRIBUTES with pairs such as
    `deployment.environment.name=production`.
    """
    found: Attributes = {"service.name": SERVICE}
    for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = (storable(unquote(part.strip())) for part in pair.partition("="))
        if key and value:
            found[key] = value
    name = storable(os.environ.get("OTEL_SERVICE_NAME", "").strip())
    return found | ({"service.name": name} if name else {})


def _span(span: Span) -> Json:
    shape: Json = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_id.hex() if span.parent_id else "",
        **({"traceState": span.trace_state} if span.trace_state else {}),
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(nanoseconds(span.start)),
        "endTimeUnixNano": str(nanoseconds(span.end)),
        "attributes": _attributes(span.attributes),
        "status": {"code": _ERROR, "message": span.error} if span.error is not None else {},
    }
    if events := span.events():
        shape["events"] = [
            {
                "timeUnixNano": str(nanoseconds(event.at)),
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in events
        ]
    return shape


def nanoseconds(at: int) -> int:
    """Return a time in microseconds as nanoseconds, within OTLP's range: from 1970 to 2554."""
    return min(max(at, 0) * 1000, _MAX_TIME)


def _attributes(attributes: Attributes) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Value) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(entry) for entry in value]}}
    return {"stringValue": value}
