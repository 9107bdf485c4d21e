"""The relay: what it adds to a frame and its answer, and frames a second beside bare relays."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen

from benchmarks import sessions
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.processes import answer, listening
from benchmarks.report import Report
from benchmarks.rounds import median, progress, ratio
from eventstore.realtime.frames import CLIENT, SERVER

SESSIONS, RATE = 100, 40
ADDED_MS = 5.0
SHARE = 0.8
_FRAMES = 4000
_BUSY = 10


def run(databases: Databases, options: Options) -> Report:
    """A hundred calls at their pace, then a few as fast as can be; all on the same two cores."""
    report = Report("relay", "relay: clients, relay and upstream on the same two cores")
    frames = sessions.voice(_FRAMES)
    asked = written(databases, [str(f.text) for f in frames if f.direction == CLIENT])
    answers = written(databases, [str(f.text) for f in frames if f.direction == SERVER])
    for backend in databases.backends(options.backends):
        with databases.fresh(backend) as url, _ways(answers, url, databases) as ways:
            _added(options, report, backend, ways, asked)
            _speed(options, report, backend, ways, asked)
    return report


def metrics_of(address: str) -> dict[str, float]:
    """What the relay at an address has counted."""
    with urlopen(address.replace("ws://", "http://") + "/metrics") as answered:
        lines = answered.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def written(databases: Databases, texts: Sequence[str]) -> str:
    """A file of frames, for the processes that play them."""
    path = databases.path(".jsonl")
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))
    return str(path)


@contextmanager
def _ways(answers: str, url: str, databases: Databases) -> Iterator[dict[str, str]]:
    """Addresses of one upstream: without a relay, by two that record nothing, and by ours."""
    with ExitStack() as stack:
        upstream = stack.enter_context(listening("-m", "benchmarks.upstream", answers))
        bare = ("-m", "benchmarks.bare_relay")
        ours = ("-m", "eventstore.cli.main", "record", "--listen", "0", "--upstream", upstream)
        spool = str(databases.path(".spool"))
        yield {
            "none": upstream,
            "websockets": stack.enter_context(listening(*bare, "message", upstream)),
            "bytes": stack.enter_context(listening(*bare, "byte", upstream)),
            "ours": stack.enter_context(listening(*ours, "--db", url, "--spool", spool)),
        }


def _added(
    options: Options, report: Report, backend: str, ways: dict[str, str], asked: str
) -> None:
    """What the relay adds, from a frame's sending to its answer, at a usual load."""
    seconds = "3" if options.quick else "20"
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(options.rounds(3)):
        for name, url in ways.items():
            progress(f"relay: {SESSIONS} sessions at {RATE} frames a second, relay: {name}")
            load = answer("-m", "benchmarks.load", url, asked, str(SESSIONS), seconds, str(RATE))
            found[name].append(load)
    taken = {name: [load["p99"] for load in loads] for name, loads in found.items()}
    p99 = {name: statistics.median(loads) for name, loads in taken.items()}
    added = median([ours - none for ours, none in zip(taken["ours"], taken["none"], strict=True)])
    report.add(
        f"{backend}: 99th percentile of a frame and its answer, against no relay",
        added,
        ADDED_MS,
        at_most=True,
        unit=" ms",
        size=f"{SESSIONS} sessions for {seconds} s",
        **{f"{name} ms": value for name, value in p99.items()},
        **{"most ms": max(load["most"] for load in found["ours"])},
    )


def _speed(
    options: Options, report: Report, backend: str, ways: dict[str, str], asked: str
) -> None:
    """Frames a second with a few sessions that send whenever an answer comes."""
    seconds = "2" if options.quick else "10"
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds(3)):
        for name, url in ways.items():
            progress(f"relay: {_BUSY} sessions as fast as can be, relay: {name}")
            load = answer("-m", "benchmarks.load", url, asked, str(_BUSY), seconds, "0")
            found[name].append(2 * load["answers"] / load["seconds"])
    counted = metrics_of(ways["ours"])
    report.add(
        f"{backend}: frames a second, against a relay by websockets that records nothing",
        ratio(found["ours"], found["websockets"]),
        SHARE,
        size=f"{_BUSY} sessions for {seconds} s",
        **{f"{name}/s": statistics.median(rates) for name, rates in found.items()},
        **{name: counted[f"eventstore_recorder_{name}_total"] for name in ("spooled", "missed")},
        behind=counted["eventstore_recorder_behind"],
    )
