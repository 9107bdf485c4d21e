"""Sound over HTTP beside others' requests, and calls that are mostly silence.

A tenant asks for sixty stretches of a long call at once, while health and a neighbour's lists are
asked for, one request after the other.
"""

from __future__ import annotations

import http.client
import json
import math
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.databases import SQLITE, Databases
from benchmarks.options import Options
from benchmarks.processes import listening
from benchmarks.report import Report
from benchmarks.rounds import median, progress, timed
from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER, Frame

STRETCHES = 60
IDLE = 200
HOURS = 12
_START = 1_700_000_000_000_000
#: What a request may take longer, in milliseconds, at its slowest.
_SLOWER_MS = 1000.0


class Asked(NamedTuple):
    """What is asked for beside the sound."""

    what: str
    path: str


BESIDE = (
    Asked("health", "/healthz"),
    Asked("readiness", "/readyz"),
    Asked("a neighbour's list", "/v1/realtime/sessions?metadata[customer]=neighbour"),
)


def run(databases: Databases, options: Options) -> Report:
    """Latencies under a load of sound, and what hours of silence cost."""
    report = Report("sound", "sound: sixty stretches at once beside others; hours of silence")
    report.size = f"{STRETCHES} stretches at once"
    with databases.fresh(SQLITE) as url, EventStore(url) as store:
        store.append("call", list(_call(options.events(12_000), 0.1)), close=True)
        store.append("hours", list(_call(HOURS, 3600.0)), close=True)
        store.append("neighbour", list(_call(2, 0.1)))
        store.set_metadata("neighbour", {"customer": "neighbour"})
        with listening("-m", "eventstore.cli.main", "serve", "--listen", "0", "--db", url) as base:
            _beside(report, base)
        for format_ in ("wav", "flac"):
            _silence(report, store, databases.path(f".{format_}"), format_)
    return report


def _call(chunks: int, apart: float) -> Iterator[Frame]:
    """Chunks of 100 ms of noise in PCM at 24,000 Hz, so many seconds apart."""
    side = {"format": {"type": "audio/pcm", "rate": 24_000}}
    created = {"type": "session.created", "session": {"audio": {"input": side, "output": side}}}
    yield Frame(SERVER, json.dumps(created), _START)
    chunk = b64encode(bytes(n * n % 251 for n in range(4800))).decode()
    text = f'{{"type":"input_audio_buffer.append","audio":"{chunk}"}}'
    for number in range(chunks):
        yield Frame(CLIENT, text, _START + round((number + 1) * apart * 1e6))


def _beside(report: Report, base: str) -> None:
    """Ask for what stands beside the sound, idle and under the load."""
    idle = {asked: [_ask(base, asked.path)[1] for _ in range(IDLE)] for asked in BESIDE}
    busy: dict[Asked, list[float]] = {asked: [] for asked in BESIDE}
    progress(f"sound: {STRETCHES} stretches at once")
    with ThreadPoolExecutor(STRETCHES) as pool:
        start = time.perf_counter()
        stretches = [pool.submit(_ask, base, _stretch(number)) for number in range(STRETCHES)]
        while not all(map(Future.done, stretches)):
            for asked in BESIDE:
                busy[asked].append(_ask(base, asked.path)[1])
        seconds = time.perf_counter() - start
        answers = [one.result()[0] for one in stretches]
    for asked in BESIDE:
        of_idle = statistics.median(busy[asked]) / statistics.median(idle[asked])
        answers_ms = [1000 * one for one in busy[asked]]
        report.add(
            f"{asked.what} beside sound, slowest answer",
            median(answers_ms)._replace(value=max(answers_ms), statistic="slowest"),
            _SLOWER_MS,
            at_most=True,
            unit=" ms",
            **{
                "idle median ms": 1000 * statistics.median(idle[asked]),
                "idle slowest ms": 1000 * max(idle[asked]),
                "busy median ms": 1000 * statistics.median(busy[asked]),
                "median, of idle": of_idle,
                "asked": len(busy[asked]),
            },
        )
    report.add(
        "stretches answered",
        answers.count(200),
        unit="",
        seconds=seconds,
        refused=answers.count(503),
    )


def _stretch(number: int) -> str:
    return f"/v1/realtime/sessions/call/audio?start={number * 1.5}&end={number * 1.5 + 30}"


def _ask(base: str, path: str) -> tuple[int, float]:
    """The status of an answer, and the seconds that it took."""
    where = urlsplit(base)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=600)
    start = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    seconds = time.perf_counter() - start
    connection.close()
    return answer.status, seconds


def _silence(report: Report, store: EventStore, path: Path, format_: str) -> None:
    progress(f"sound: {HOURS} chunks an hour apart as {format_}")
    seconds = timed(lambda: store.audio("hours", path, format_))  # type: ignore[arg-type]
    found = path.stat()
    report.add(
        f"{HOURS} chunks an hour apart as {format_}, megabytes on disk",
        found.st_blocks * 512 / 1e6,
        10.0,
        at_most=True,
        unit=" MB",
        size=f"{HOURS} chunks",
        seconds=seconds,
        **{"file MB": math.ceil(found.st_size / 1e6)},
    )
    path.unlink()
