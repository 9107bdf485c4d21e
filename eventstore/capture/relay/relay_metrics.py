"""The relay's counters, as JSON for health checks and as text for Prometheus.

`relay_connection.py` answers `/healthz` and `/metrics` with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.common import unforeseen
from eventstore.realtime.values import dumps

#: The recorder's counters that can go down as well as up.
_GAUGES = frozenset({"behind"})
_DESCRIPTIONS = {
    "unprojected": "Frames that are in the log, while projecting them failed.",
    "faults": "Errors of the recorder that nobody foresaw, each logged with its traceback.",
    "fold_errors": "Events that the fold could not make sense of by a fault of its own.",
}


class RelayCounts:
    """Numbers since the relay was started.

    Attributes:
        sessions: Sessions that were begun.
        frames, bytes: Frames and bytes of sessions, by direction.
        refused: Handshakes and requests that were answered with an error, by status.
    """

    def __init__(self) -> None:
        self.sessions = 0
        self.frames: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()


def health(live: int, recorder: Recorder | RecorderProcess) -> bytes:
    """Return the body of `/healthz`."""
    counters = recorder.counters()._asdict()
    trouble = recorder.trouble is not None
    facts = {"status": "ok", "sessions_live": live, "database_away": trouble, "recorder": counters}
    return dumps(facts).encode()


def exposition(
    counts: RelayCounts, live: int, recorder: Recorder | RecorderProcess
) -> tuple[bytes, str]:
    """Return the body of `/metrics` and its content type."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    class Collector:
        def collect(self) -> Iterable[Any]:
            return _families(counts, live, recorder.counters()._asdict())

    # The process's default registry may hold metrics of others.
    registry = CollectorRegistry()
    registry.register(Collector())
    ProcessCollector(registry=registry)
    if isinstance(recorder, RecorderProcess):
        pid = recorder.pid
        ProcessCollector("eventstore_recorder", lambda: pid, registry=registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _families(counts: RelayCounts, live: int, recorder: Mapping[str, float]) -> Iterable[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily("eventstore_relay_sessions_live", "Sessions under way.", live)
    yield CounterMetricFamily("eventstore_relay_sessions", "Sessions begun.", counts.sessions)
    labelled: tuple[tuple[str, str, str, Counter[Any]], ...] = (
        ("frames", "Messages recorded.", "direction", counts.frames),
        ("bytes", "Bytes of sessions passed on.", "direction", counts.bytes),
        ("refused", "Requests answered with an error.", "status", counts.refused),
    )
    for name, words, label, values in labelled:
        family = CounterMetricFamily(f"eventstore_relay_{name}", words, labels=[label])
        for value, count in sorted(values.items()):
            family.add_metric([str(value)], count)
        yield family
    for name, number in recorder.items():
        kind = GaugeMetricFamily if name in _GAUGES else CounterMetricFamily
        words = _DESCRIPTIONS.get(name, f"The recorder's frames: {name}.")
        yield kind(f"eventstore_recorder_{name}", words, number)
    yield faults_family()


def faults_family() -> Any:
    """Return the counts of unforeseen errors in this process, by what it was doing."""
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(
        "eventstore_faults", "Errors that nobody foresaw, each logged.", labels=["task"]
    )
    for task, number in sorted(unforeseen.FAULT_COUNTS.items()):
        family.add_metric([task], number)
    return family
