"""Health, readiness and metrics: without a key, and without content.

These routes are asynchronous and take no place and no thread of those that requests share, so that
they answer however busy the server is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

import anyio
from fastapi import APIRouter, Request, Response

from eventstore.capture.relay.relay_metrics import faults_family
from eventstore.errors import EventStoreError
from eventstore.store.maintenance.status import Troubles, ping, troubles
from eventstore.web.server.documents import answer
from eventstore.web.server.errors import ApiError
from eventstore.web.server.log import note_fault
from eventstore.web.server.requests import Stores, stores_of

router = APIRouter(tags=["health"], include_in_schema=False)

# Seconds of an answer: upper bounds of the histogram's buckets.
BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
# Seconds that the database may take to answer before the server says that it is not ready.
_PATIENCE = 5.0
# Seconds that metrics wait for numbers of the store; later, they have those that were known last.
_NUMBERS_PATIENCE = 1.0


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


class Readiness:
    """Asks whether the database answers: one question at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[None] | None = None
        self._thread = anyio.CapacityLimiter(1)

    async def check(self, stores: Stores) -> None:
        """Return if the database answers soon. All who ask at once share one question.

        Raises:
            ApiError: it does not answer in time.
            EventStoreError: it fails.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(stores))
        await asyncio.wait({self._asking}, timeout=_PATIENCE)
        if not self._asking.done():
            message = f"the database has not answered for {_PATIENCE:.0f} seconds"
            raise ApiError(503, message, "database_unavailable")
        self._asking.result()

    async def _ask(self, stores: Stores) -> None:
        await anyio.to_thread.run_sync(
            partial(ping, stores.reading.engine),
            limiter=self._thread,
            abandon_on_cancel=True,
        )


class StoreNumbers:
    """Asks what is wrong with the store's read models, in a thread of its own.

    Attributes:
        known: what was answered last; None before that, and while the database is away.
    """

    def __init__(self) -> None:
        self.known: Troubles | None = None
        self._asking: asyncio.Task[None] | None = None
        self._thread = anyio.CapacityLimiter(1)

    async def read(self, stores: Stores) -> Troubles | None:
        """Return what is wrong now, or what was known last where the database takes long."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(stores))
        await asyncio.wait({self._asking}, timeout=_NUMBERS_PATIENCE)
        return self.known

    async def _ask(self, stores: Stores) -> None:
        try:
            self.known = await anyio.to_thread.run_sync(
                lambda: troubles(stores.reading.engine),
                limiter=self._thread,
                abandon_on_cancel=True,
            )
        except EventStoreError:
            self.known = None
        except Exception as error:
            self.known = None
            note_fault("counting what is wrong", error)


@router.get("/healthz")
async def healthz() -> Response:
    """Whether the process answers."""
    return answer({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether the database answers."""
    readiness: Readiness = request.app.state.readiness
    await readiness.check(stores_of(request))
    return answer({"status": "ok"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    counts: Counts = request.app.state.counts
    numbers: StoreNumbers = request.app.state.store_numbers
    wrong = await numbers.read(stores_of(request))

    class Collector:
        def collect(self) -> Iterable[Any]:
            yield from _families(counts)
            yield from _store_families(wrong)
            yield faults_family()

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


def _store_families(wrong: Troubles | None) -> Iterable[Any]:
    """What is wrong with the read models; without the names of sessions, which `status` has."""
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily(
        "eventstore_database_up", "Whether the database answers.", int(wrong is not None)
    )
    if wrong is None:
        return
    yield GaugeMetricFamily(
        "eventstore_sessions_behind", "Sessions that are behind their log.", wrong.behind
    )
    failed = GaugeMetricFamily(
        "eventstore_failed_projections",
        "Sessions that could not be projected when it was tried last.",
        labels=["error"],
    )
    for error, number in wrong.failed.items():
        failed.add_metric([error], number)
    yield failed
    yield GaugeMetricFamily(
        "eventstore_fold_errors",
        "Events that the fold could not make sense of by a fault of its own.",
        wrong.fold_errors,
    )
