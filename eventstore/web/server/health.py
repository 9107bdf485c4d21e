"""The routes `/healthz`, `/readyz` and `/metrics`, which need no API key and show no content.

The routes are asynchronous, and use neither the places nor the threads that other requests share.
So they answer even if the server is busy. Included by `web/app.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

import anyio
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from eventstore.capture.relay.relay_metrics import faults_family
from eventstore.errors import EventStoreError
from eventstore.store.database.engine_options import replica_of
from eventstore.store.maintenance.status import Troubles, ping, troubles
from eventstore.web.server.documents import answer
from eventstore.web.server.errors import ApiError
from eventstore.web.server.log import note_fault
from eventstore.web.server.requests import Stores, stores_of

router = APIRouter(tags=["health"], include_in_schema=False)

# The upper bounds of the buckets in the histogram of response times, in seconds.
BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
# Seconds that the database may take to answer before the server says that it is not ready.
_PATIENCE = 5.0
# Seconds that metrics wait for the store's numbers. After that, they show the last known numbers.
_NUMBERS_PATIENCE = 1.0


class ResponseCounts:
    """Counts the server's responses, and how long they took.

    Attributes:
        registry: The counters, for `/metrics`. The process's default registry may hold others.
    """

    def __init__(self) -> None:
        # In the text format, the time at which a counter was made would be a metric of its own.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "eventstore_http_answers",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "eventstore_http_seconds",
            "Seconds of an answer.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._answers.labels(method, route, status).inc()
        self._seconds.observe(seconds)


class Readiness:
    """Checks whether the database answers: one check at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[None] | None = None
        self._thread = anyio.CapacityLimiter(1)

    async def check(self, stores: Stores) -> None:
        """Return when the database has answered. Requests at the same time share one check.

        Raises:
            ApiError: The database does not answer in time.
            EventStoreError: The database answers with an error.
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
    """Reads what is wrong with the store's read models, in a thread of its own.

    Attributes:
        known: The last result; None before the first one, and while the database is away.
    """

    def __init__(self) -> None:
        self.known: Troubles | None = None
        self._asking: asyncio.Task[None] | None = None
        self._thread = anyio.CapacityLimiter(1)

    async def read(self, stores: Stores) -> Troubles | None:
        """Return what is wrong now, or the last known result if the database takes long."""
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
    """Answer 200, because the process can answer."""
    return answer({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Answer 200 if the database answers, and 503 or 500 if it does not."""
    readiness: Readiness = request.app.state.readiness
    await readiness.check(stores_of(request))
    return answer({"status": "ok"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the metrics in the text format of Prometheus."""
    counts: ResponseCounts = request.app.state.counts
    numbers: StoreNumbers = request.app.state.store_numbers
    wrong = await numbers.read(stores_of(request))

    class Collector:
        def collect(self) -> Iterable[Any]:
            yield from counts.registry.collect()
            yield from _store_families(wrong)
            yield from _replica_families(stores_of(request))
            yield faults_family()

    registry = CollectorRegistry()
    registry.register(Collector())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _replica_families(stores: Stores) -> Iterable[Any]:
    """Yield how many queries the replica has answered, and the primary in its place."""
    engines = {stores.reading.reader.engine, stores.writing.reader.engine}
    replicas = [found for found in map(replica_of, engines) if found is not None]
    if not replicas:
        return
    reads = CounterMetricFamily(
        "eventstore_replica_reads",
        "Transactions for reading, by the server that answered them.",
        labels=["server"],
    )
    reads.add_metric(["replica"], sum(one.reads for one in replicas))
    reads.add_metric(["primary"], sum(one.reads_of_primary for one in replicas))
    yield reads


def _store_families(wrong: Troubles | None) -> Iterable[Any]:
    """Yield metrics of the read models, without ids of sessions, which `status` lists."""
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
