"""A recorder of thirty live calls, with traces sent beside it and without: does it notice?"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.processes import answer, listening
from benchmarks.report import Report
from benchmarks.rounds import Measured, percentile, progress
from eventstore import EventStore, Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.demo import call_lines

CALLS = 30
#: Nobody listens there.
AWAY = "http://127.0.0.1:9"


def run(databases: Databases, options: Options) -> Report:
    """One process records, another one sends traces, to a third one or to nobody."""
    report = Report("traces", f"a recorder of {CALLS} live calls, and traces of them beside it")
    seconds = 5.0 if options.quick else 30.0
    report.size = f"{CALLS} calls for {seconds:g} s"
    for backend in databases.backends(options.backends):
        for beside in ("none", "sent", "collector away"):
            progress(f"traces: {backend}, {beside}")
            with databases.fresh(backend) as url:
                found = _with(url, beside, seconds)
            report.add(
                f"{backend}, traces: {beside}: from a frame to its commit, 99 of 100",
                Measured(*found["late"]),
                unit=" ms",
                half=found["p50"],
                frames_a_second=found["rate"],
                lost=found["lost"],
                spans=found.get("spans"),
                sender_cpu=found.get("cpu"),
            )
    return report


def _with(url: str, beside: str, seconds: float) -> dict[str, Any]:
    EventStore(url).close()
    recording = ("-m", "benchmarks.traces", "record", url, str(seconds))
    if beside == "none":
        return dict(answer(*recording))
    if beside == "collector away":
        with _sending(url, AWAY) as sender:
            found = dict(answer(*recording))
        return found | sender
    with listening("-m", "benchmarks.traces", "collect") as collector:
        with _sending(url, collector) as sender:
            found = dict(answer(*recording))
            time.sleep(1)
        return found | sender


@contextmanager
def _sending(url: str, to: str) -> Iterator[dict[str, Any]]:
    """Traces that are sent by the command's process; what it says at its end."""
    told: dict[str, Any] = {}
    code = (
        "import gc, json, signal, sys, time; from eventstore import EventStore\n"
        "made = EventStore(sys.argv[1]).traces(sys.argv[2])\n"
        "signal.signal(signal.SIGTERM, lambda *_: made.stop())\n"
        "gc.freeze(); print('ready', flush=True); began = time.monotonic()\n"
        "made.run()\n"
        "print(json.dumps({'spans': made.sent,"
        " 'cpu': time.process_time() / (time.monotonic() - began)}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, url, to], stdout=subprocess.PIPE, text=True
    )
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError("the sender did not start")
    yield told
    process.terminate()
    told |= json.loads(process.communicate()[0])


def _record(url: str, seconds: float) -> dict[str, Any]:
    """Record calls at their pace, each begun at another place; return how soon it was written."""
    lines = [json.loads(line) for line in call_lines()]
    at = [_at(line["at"]) - _at(lines[0]["at"]) for line in lines]
    chance = random.Random(1)
    waited: list[float] = []
    with TemporaryDirectory() as spool, Recorder(url, spool) as recorder:
        calls = [_Call(recorder.session(), chance.uniform(0, at[-1] / 4), at) for _ in range(CALLS)]
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            for call in calls:
                call.go_on(lines, at, now)
            asked = time.monotonic()
            chance.choice(calls).session.committed().add_done_callback(
                lambda _, asked=asked: waited.append((time.monotonic() - asked) * 1000)
            )
            time.sleep(0.02)
        for call in calls:
            call.session.close()
        accepted = recorder.counters().accepted
    lost = recorder.counters().missed
    return {
        "p50": statistics.median(waited),
        "late": percentile(waited, 99),
        "rate": accepted / seconds,
        "lost": lost,
    }


class _Call:
    """A call that is recorded from some moment of it on."""

    def __init__(self, session: SessionRecorder, begins: float, at: list[float]) -> None:
        self.session, self._begins, self._next = session, begins, bisect_left(at, begins)

    def go_on(self, lines: list[dict[str, Any]], at: list[float], now: float) -> None:
        while self._next < len(lines) and at[self._next] <= self._begins + now:
            line = lines[self._next]
            self.session.record(line["direction"], line["frame"])
            self._next += 1


def _at(text: str) -> float:
    hours, minutes, seconds = text.split("T")[1].rstrip("Z").split("+")[0].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Nothing is printed."""


if __name__ == "__main__":
    if sys.argv[1] == "collect":
        server = HTTPServer(("127.0.0.1", 0), _Collector)
        print(f"http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        server.serve_forever()
    else:
        print(json.dumps(_record(sys.argv[2], float(sys.argv[3]))))
