"""Health, readiness and metrics: without a key, and without content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Response

from eventstore.web.documents import answer
from eventstore.web.requests import stores_of

router = APIRouter(tags=["health"], include_in_schema=False)

# Seconds of an answer: upper bounds of the histogram's buckets.
BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)


class Counts:
    """What was answered.

    Attributes:
        answers: by method, route and status.
        seconds: that they took in all, and how many took at most each bucket's.
    """

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.buckets: Counter[float] = Counter()
        self.seconds = 0.0
        self.count = 0

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.answers[method, route, status] += 1
        self.seconds += seconds
        self.count += 1
        self.buckets[next((b for b in BUCKETS if seconds <= b), float("inf"))] += 1


@router.get("/healthz")
def healthz() -> Response:
    """Whether the process answers."""
    return answer({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """Whether the database answers."""
    stores_of(request).reading.sessions(limit=1)
    return answer({"status": "ok"})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """For Prometheus."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    counts: Counts = request.app.state.counts

    class Collector:
        def collect(self) -> Iterable[Any]:
            return _families(counts)

    registry = CollectorRegistry()
    registry.register(Collector())
    ProcessCollector(registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _families(counts: Counts) -> Iterable[Any]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    answers = CounterMetricFamily(
        "eventstore_http_answers", "Requests answered.", labels=["method", "route", "status"]
    )
    for (method, route, status), number in sorted(counts.answers.items()):
        answers.add_metric([method, route, str(status)], number)
    yield answers
    found, buckets = 0, []
    for bound in (*BUCKETS, float("inf")):
        found += counts.buckets[bound]
        buckets.append((str(bound) if bound != float("inf") else "+Inf", float(found)))
    yield HistogramMetricFamily(
        "eventstore_http_seconds", "Seconds of an answer.", buckets, counts.seconds
    )
