"""A collector of traces that takes OTLP over HTTP."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def parsed(lines: Iterator[str]) -> list[ExportTraceServiceRequest]:
    """OTLP's JSON as protobuf: its ids are hexadecimal where protobuf's JSON has base64."""

    def with_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [with_ids(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64encode(bytes.fromhex(entry)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else with_ids(entry)
            for key, entry in value.items()
        }

    return [
        json_format.ParseDict(with_ids(json.loads(line)), ExportTraceServiceRequest())
        for line in lines
    ]


def protos(requests: list[ExportTraceServiceRequest]) -> list[Any]:
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


class Collector(HTTPServer):
    """A loopback OTLP endpoint that keeps what it gets.

    Attributes:
        status: What it answers; what it takes, with a status of 200 alone, it keeps.
        seconds: How long it takes for that.
        raw: What it answers in place of HTTP, if it is to answer nonsense.
        kind: The content type of its answers.
        wait: What its header Retry-After says; none if it is empty.
        fails_at: It answers 500 to a request that has one of these bytes, such as a span's id.
        most: How large a request may be. It answers 413 to a larger one, before it has read it.
        answer: Their body.
        asked: How many requests there were, whatever it answered.
    """

    def __init__(self, status: int = 200, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.status, self.seconds, self.raw = status, 0.0, b""
        self.wait, self.fails_at, self.most = "", list[bytes](), 1 << 30
        self.kind = "application/x-protobuf"
        self.answer = ExportTraceServiceResponse().SerializeToString()
        self.asked = 0
        self.requests: list[tuple[str, str, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        """The spans that it has taken, in their order."""
        return protos(
            [ExportTraceServiceRequest.FromString(body) for _, _, body in list(self.requests)]
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is printed of clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Collector)
        server.asked += 1
        length = int(self.headers["Content-Length"])
        if length > server.most:
            self.connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            return
        body = self.rfile.read(length)
        time.sleep(server.seconds)
        if server.raw:
            self.wfile.write(server.raw)
            return
        status = 500 if any(one in body for one in server.fails_at) else server.status
        if status == 200 and "html" not in server.kind:
            server.requests.append((self.path, self.headers["Content-Type"], body))
        self.send_response(status)
        if server.wait:
            self.send_header("Retry-After", server.wait)
        if server.status in (302, 307):
            self.send_header("Location", server.url)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(server.answer)))
        self.end_headers()
        self.wfile.write(server.answer)

    def log_message(self, *arguments: Any) -> None:
        """Nothing is printed."""


@contextmanager
def collecting(status: int = 200, port: int = 0) -> Iterator[Collector]:
    with Collector(status, port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
