"""A database that is away for half a minute under fifty calls: what they notice, and keep."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from support.postgres import PostgresServer, stoppable_cluster

from benchmarks import sessions
from benchmarks.databases import DURABLE, Databases, postgres, set_up
from benchmarks.options import Options
from benchmarks.processes import answer, listening
from benchmarks.relay import written
from benchmarks.report import Report
from benchmarks.rounds import progress
from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER

SESSIONS, RATE = 50, 40
ADDED_MS = 5.0
_BEFORE = 12.0
_FRAMES = 4000


def run(databases: Databases, options: Options) -> Report:
    """PostgreSQL is killed, stays away, and comes back, while calls go through the relay."""
    report = Report("outage", "outage: the database is away, the calls go on")
    away = 3.0 if options.quick else 30.0
    report.size = f"{SESSIONS} sessions, {away:g} s away"
    frames = sessions.voice(_FRAMES)
    asked = written(databases, [str(f.text) for f in frames if f.direction == CLIENT])
    answers = written(databases, [str(f.text) for f in frames if f.direction == SERVER])
    postgres.SETTINGS.update(DURABLE)
    with stoppable_cluster() as cluster:
        if cluster is None:
            raise RuntimeError("no PostgreSQL on this machine")
        server = PostgresServer(cluster.parameters)
        url = server.url(server.create_database())
        set_up(url)
        spool = databases.path(".spool")
        ours = ("-m", "eventstore.cli.main", "record", "--listen", "0", "--db", url)
        with listening("-m", "benchmarks.upstream", answers) as upstream:
            progress("outage: without a relay")
            bare = _load(upstream, asked, 2 * _BEFORE)
            with listening(*ours, "--upstream", upstream, "--spool", str(spool)) as relay:
                progress(f"outage: through the relay, the database away for {away:.0f} s")
                stopper = threading.Thread(target=_stop, args=(cluster, away))
                stopper.start()
                load = _load(relay, asked, _BEFORE + away + 2 * _BEFORE)
                stopper.join()
                progress("outage: the relay ends")
        _check(report, url, spool, load, bare)
    return report


def _load(url: str, asked: str, seconds: float) -> dict[str, Any]:
    numbers = (str(SESSIONS), str(seconds), str(RATE))
    found: dict[str, Any] = answer("-m", "benchmarks.load", url, asked, *numbers)
    return found


def _stop(cluster: Any, away: float) -> None:
    time.sleep(_BEFORE)
    cluster.stop()
    time.sleep(away)
    cluster.start(postgres.KEEPER_OF_DATA)


def _check(
    report: Report, url: str, spool: Path, load: dict[str, Any], bare: dict[str, Any]
) -> None:
    report.add(
        "99th percentile of a frame and its answer, against no relay",
        load["p99"] - bare["p99"],
        ADDED_MS,
        at_most=True,
        unit=" ms",
        **{"ms": load["p99"], "none ms": bare["p99"], "most ms": load["most"]},
    )
    with EventStore(url) as store:
        ids = [one["eventstore"]["session_id"] for one in store.sessions(limit=100).data]
        directions = Counter(event.direction for id_ in ids for event in store.events(id_))
        holes = sum(
            [event.seq for event in store.events(id_)] != list(range(1, store.last_seq(id_) + 1))
            for id_ in ids
        )
        changed = sum(done.changed for done in store.rebuild().done)
    lost = 2 * load["sent"] - directions[CLIENT] - directions[SERVER]
    facts = {"frames": 2 * load["sent"], "sessions": len(ids), "holes": holes, "stale": changed}
    report.add("frames lost", float(lost), 0.0, at_most=True, unit="", **facts)
    left = float(len(list(spool.iterdir()))) if spool.exists() else 0.0
    report.add("files left in the spool", left, 0.0, at_most=True, unit="")
