"""Plan a store for many live calls: machines, disks, network, object storage and cost.

`python -m benchmarks plan --calls 10000` measures nothing. It computes from named assumptions, most
of them figures of docs/benchmarks.md, and simulates a day, minute by minute. `--assume NAME=VALUE`
replaces an assumption; docs/scale.md explains the results.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from benchmarks.assumptions import Assumptions, assumed
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report

MINUTES = 24 * 60
#: A simulated day begins at 6:00. Most calls are live at 14:00, least at 2:00.
PEAK = 8 * 60
_MB, _GB = 1e6, 1e9
#: Live calls to plan for, if no other number is given.
CALLS = (100, 1_000, 10_000)


class Day(NamedTuple):
    """A simulated day. Bytes are those of the JSON lines, before any compression.

    Attributes:
        arrived: Bytes of all frames of the day.
        waiting, unsealed, sealed, offloaded: Where they are at its end: in the recorders' spools,
            in the database as rows, as segments, and in object storage.
        most_waiting: The most bytes that waited in the spools.
        late_minutes: Minutes in which frames waited.
        most_unsealed: The most bytes that were rows.
        calls: Calls of the day.
    """

    arrived: float
    waiting: float
    unsealed: float
    sealed: float
    offloaded: float
    most_waiting: float
    late_minutes: int
    most_unsealed: float
    calls: float


class Plan(NamedTuple):
    """What a number of live calls needs.

    Attributes:
        nodes: Nodes of the store, without their standbys and the coordinator of a cluster.
        coordinator_cores: Cores that the coordinator of a cluster needs; 0 if there is one node.
        needs: Nodes that each resource needs by itself, such as `{"cores": 1.4}`.
        bottleneck: The resource that needs the most nodes.
        recorders: Relays, each with its recorder, and their cores.
        disk_gb, object_gb: GB in the store's disks and in object storage, once calls of all ages
            are there, in one copy.
        disk_mb, network_mb: MB a second at the peak, of all nodes.
        cost: What all of it costs a month.
        day: A simulated day with these nodes.
    """

    nodes: int
    coordinator_cores: float
    needs: dict[str, float]
    bottleneck: str
    recorders: int
    recorder_cores: float
    disk_gb: float
    object_gb: float
    disk_mb: float
    network_mb: float
    cost: float
    day: Day


def live_share(minute: float, night_share: float) -> float:
    """Return how many calls are live in a minute of the day, as a share of those at the peak."""
    wave = (1 + math.cos(2 * math.pi * (minute - PEAK) / MINUTES)) / 2
    return night_share + (1 - night_share) * wave


def simulate(calls: float, cores: float, frame_us: float, a: Assumptions) -> Day:
    """Simulate a day that begins with an empty store.

    In each minute frames arrive and are appended, those that waited first, as far as the cores of
    all nodes go. Cores that are left seal calls during `seal_hours`. At the end of the day,
    segments are offloaded unless they stay in the database for longer (`days_sealed`).

    Args:
        calls: Live calls at the peak.
        cores: Cores of all nodes.
        frame_us: Microseconds of a core that a frame takes to append.
        a: The assumptions.
    """
    a_core = 60 * 1e6 / frame_us * a.line_bytes / a.frames_per_second
    arrived = waiting = unsealed = sealed = most_waiting = most_unsealed = 0.0
    late = 0
    for minute in range(MINUTES):
        comes = calls * live_share(minute, a.night_share) * a.line_bytes * 60
        is_away = PEAK <= minute < PEAK + a.outage_minutes
        appended = 0.0 if is_away else min(waiting + comes, cores * a_core)
        arrived += comes
        waiting += comes - appended
        unsealed += appended
        if minute >= _seal_begins(a) and not is_away and not a.days_unsealed:
            idle = max(cores - appended / a_core, 0.0)
            packed = min(unsealed, idle * a.seal_mb * _MB * 60)
            unsealed, sealed = unsealed - packed, sealed + packed
        late += waiting > 0
        most_waiting, most_unsealed = max(most_waiting, waiting), max(most_unsealed, unsealed)
    offloaded = 0.0 if a.days_sealed else sealed
    return Day(
        arrived,
        waiting,
        unsealed,
        sealed - offloaded,
        offloaded,
        most_waiting,
        late,
        most_unsealed,
        arrived / a.line_bytes / a.call_seconds,
    )


def plan(calls: float, a: Assumptions) -> Plan:
    """Return what a number of live calls at the peak needs."""
    frame_us = a.append_us
    needs = _needs(calls, frame_us, a)
    if max(max(needs.values()), a.nodes) > 1:
        frame_us += a.cluster_us
        needs = _needs(calls, frame_us, a)
    nodes = max(1, math.ceil(a.nodes or max(needs.values())))
    frames = calls * a.frames_per_second
    cores = frames * (a.relay_us + a.recorder_us) / 1e6 / a.used_share
    # The recorder's thread waits while the database works, so both times count.
    recorders = math.ceil(frames * (a.recorder_us + frame_us) / 1e6 / a.used_share)
    disk, objects = _stored_gb(calls, a)
    coordinator = _coordinator_cores(calls, a) if nodes > 1 else 0.0
    all_cores = nodes * a.node_cores + (max(coordinator, a.node_cores) if nodes > 1 else 0.0)
    cost = a.copies * (all_cores * a.core_price + disk / a.used_share * a.disk_price)
    cost += cores * a.core_price + objects * a.object_price
    return Plan(
        nodes,
        coordinator,
        needs,
        max(needs, key=lambda name: needs[name]),
        recorders,
        cores,
        disk,
        objects,
        _disk_mb(calls, a),
        _network_mb(calls, a),
        cost,
        simulate(calls, nodes * a.node_cores, frame_us, a),
    )


def _needs(calls: float, frame_us: float, a: Assumptions) -> dict[str, float]:
    """Return the nodes that each resource needs by itself."""
    core = frame_us * a.frames_per_second / 1e6 + a.queries_per_call * a.query_ms / 1e3
    window = range(_seal_begins(a), MINUTES)
    if not window:
        sealing = 0.0
    else:
        live = sum(live_share(minute, a.night_share) for minute in window) / len(window)
        seconds = len(window) * 60
        sealing = core * calls * live + _day_bytes(calls, a) / _MB / a.seal_mb / seconds
    used = a.used_share
    return {
        "cores for appends and queries": calls * core / used / a.node_cores,
        "cores for sealing": sealing / used / a.node_cores,
        "disk, MB a second": _disk_mb(calls, a) / used / a.node_disk_mb,
        "disk, GB": _stored_gb(calls, a)[0] / used / a.node_disk_gb,
        "network": _network_mb(calls, a) / used / a.node_network_mb,
    }


def _coordinator_cores(calls: float, a: Assumptions) -> float:
    """Return the cores of the coordinator, which passes appends on, and plans each query."""
    frames = calls * a.frames_per_second * a.through_coordinator
    queries = calls * a.queries_per_call * a.query_ms / 1e3
    return (frames * a.coordinator_us / 1e6 + queries) / a.used_share


def _seal_begins(a: Assumptions) -> int:
    """Return the minute of the day from which calls are sealed."""
    return max(0, round(MINUTES - a.seal_hours * 60))


def _day_bytes(calls: float, a: Assumptions) -> float:
    """Return the bytes of a day's JSON lines; over a day, the curve is on average in its middle."""
    return calls * a.line_bytes * 86_400 * (1 + a.night_share) / 2


def _disk_mb(calls: float, a: Assumptions) -> float:
    """Return MB a second that are written: each row once to the WAL, and once to its table."""
    return calls * a.line_bytes * (a.wal_share + a.table_share) / _MB


def _network_mb(calls: float, a: Assumptions) -> float:
    """Return MB a second that pass the nodes: frames come in, and their WAL goes to standbys."""
    return calls * a.line_bytes * (1 + a.wal_share * max(a.copies - 1, 0)) / _MB


def _stored_gb(calls: float, a: Assumptions) -> tuple[float, float]:
    """Return GB on disks and in object storage, once calls of all ages are there."""
    day = _day_bytes(calls, a) / _GB
    before = [live_share(minute, a.night_share) for minute in range(_seal_begins(a))]
    part_of_day = sum(before) / MINUTES / ((1 + a.night_share) / 2)
    unsealed = min(a.days_unsealed + part_of_day + a.call_seconds / 86_400, a.days_kept)
    here = min(a.days_sealed, a.days_kept - unsealed)
    outside = a.days_kept - unsealed - here
    rows = unsealed * a.table_share + here * a.sealed_share + a.kept_share * (here + outside)
    return day * rows, day * outside * a.sealed_share


def run(databases: Databases, options: Options) -> Report:
    """Make a plan for each number of calls; the databases are not used."""
    a = assumed(list(options.assumed))
    report = Report("plan", "plan: what live calls need")
    for calls in options.calls or CALLS:
        made = plan(calls, a)
        _add(report, f"{calls:,} calls", made, calls, a)
    report.notes["assumptions"] = a._asdict()
    return report


def _add(report: Report, title: str, made: Plan, calls: int, a: Assumptions) -> None:
    day = made.day
    report.add(f"{title}: nodes", made.nodes, unit="", **made.needs)
    report.add(f"{title}: cores of nodes", made.nodes * a.node_cores, unit="")
    report.add(
        f"{title}: cores of the coordinator",
        made.coordinator_cores,
        unit="",
        **{"appends through it": a.through_coordinator},
    )
    report.add(f"{title}: relays with recorders", made.recorders, unit="")
    report.add(f"{title}: cores of relays", made.recorder_cores, unit="")
    report.add(f"{title}: frames", calls * a.frames_per_second, unit=" a second")
    report.add(f"{title}: disks write", made.disk_mb, unit=" MB/s")
    report.add(f"{title}: network", made.network_mb, unit=" MB/s")
    report.add(f"{title}: on disks", made.disk_gb, unit=" GB")
    report.add(f"{title}: in object storage", made.object_gb, unit=" GB")
    report.add(f"{title}: calls a day", day.calls, unit="")
    report.add(f"{title}: JSON lines a day", day.arrived / _GB, unit=" GB")
    report.add(f"{title}: most that waits in spools", day.most_waiting / _GB, unit=" GB")
    report.add(f"{title}: frames wait for", day.late_minutes, unit=" minutes")
    report.add(f"{title}: not sealed at 6:00", day.unsealed / _GB, unit=" GB")
    report.add(f"{title}: cost a month", made.cost, unit="", first=made.bottleneck)
