"""What `benchmarks/plan.py` assumes of calls, machines and prices, and how to replace it."""

from __future__ import annotations

import math
from typing import NamedTuple


class Assumptions(NamedTuple):
    """What a plan assumes. Each figure can be replaced by `--assume`.

    *Measured* figures are in docs/benchmarks.md, in the part and line that is named. The others are
    assumed: replace them by what you know of your calls, machines and prices.

    Attributes:
        frames_per_second: Frames of a live call. Measured: The relay, "100 sessions at 40 frames a
            second".
        line_bytes: Bytes of JSON lines that a live call makes in a second. Measured: The archive,
            "a call of ten minutes with a person's speech, 65 MB of JSON lines".
        append_us: Microseconds of PostgreSQL's processors for a frame, with projection. Measured:
            What a frame costs, "10 frames of each call".
        cluster_us: Microseconds more if Citus spreads the store. Measured: What a frame costs, on
            a cluster.
        coordinator_us: Microseconds of the coordinator's processors for a frame that is appended
            through it; they are among `append_us` and `cluster_us`. Measured: the same.
        through_coordinator: The share of the appends that go through the coordinator. 0 if each
            recorder is connected to a worker.
        recorder_us: Microseconds of the recorder's processor for a frame. Measured: beside
            `append_us`.
        relay_us: Microseconds of the relay's processor for a frame. Measured: The relay, "10
            sessions as fast as can be", 30,000 frames a second and more.
        wal_share: Bytes of WAL for a byte of JSON lines. Measured: What a frame costs.
        table_share: Bytes of tables and indexes for a byte of JSON lines. Measured: the same.
        sealed_share: Bytes of segments for a byte of JSON lines. Measured: The archive, 0.27.
        kept_share: Bytes of a sealed session's other rows, which stay in the database. Measured:
            docs/move.md, a tenth of a sealed session.
        seal_mb: MB of JSON lines that one core seals in a second. Measured: The archive,
            "PostgreSQL, by the clock", 54 to 69.
        seal_hours: Hours in which calls are sealed, up to 6:00. 24 means all day.
        days_unsealed: Further days before a call is sealed.
        days_sealed: Days for which segments stay in the database before they are offloaded.
        days_kept: Days after which a call is erased.
        night_share: Live calls at 2:00, as a share of those at the peak.
        call_seconds: Mean length of a call.
        queries_per_call: Queries a second for each live call.
        query_ms: Milliseconds of a core for a query. Measured: Pages and lists, PostgreSQL.
        used_share: The share of a core, a disk or a network that is planned for.
        node_cores, node_disk_gb, node_disk_mb, node_network_mb: A node's cores, GB of disk, MB a
            second that its disk writes, and MB a second of its network.
        copies: Copies of each node: itself and its standbys.
        nodes: Nodes of the store; 0 means as many as are needed.
        outage_minutes: For so long the database is away at the peak of the simulated day.
        core_price, disk_price, object_price: The price a month of a core with its memory, of a GB
            of disk and of a GB of object storage.
    """

    frames_per_second: float = 40
    line_bytes: float = 108_000
    append_us: float = 55
    cluster_us: float = 170
    coordinator_us: float = 87
    through_coordinator: float = 1
    recorder_us: float = 60
    relay_us: float = 33
    wal_share: float = 1.0
    table_share: float = 0.9
    sealed_share: float = 0.27
    kept_share: float = 0.03
    seal_mb: float = 60
    seal_hours: float = 8
    days_unsealed: float = 0
    days_sealed: float = 2
    days_kept: float = 90
    night_share: float = 0.1
    call_seconds: float = 300
    queries_per_call: float = 0.01
    query_ms: float = 20
    used_share: float = 0.6
    node_cores: float = 16
    node_disk_gb: float = 8000
    node_disk_mb: float = 500
    node_network_mb: float = 1000
    copies: float = 2
    nodes: float = 0
    outage_minutes: float = 10
    core_price: float = 20
    disk_price: float = 0.1
    object_price: float = 0.02


#: What is divided by.
_POSITIVE = {"frames_per_second", "line_bytes", "append_us", "seal_mb", "call_seconds"}
_POSITIVE |= {name for name in Assumptions._fields if name.startswith(("node_", "used_"))}


def assumed(given: list[str]) -> Assumptions:
    """Return the assumptions with those that are given, such as `["days_kept=30"]`.

    Raises:
        ValueError: There is no such assumption, or the value is not a number that it may have.
    """
    found: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in Assumptions._fields:
            raise ValueError(f"no assumption {name}; there are {', '.join(Assumptions._fields)}")
        try:
            found[name] = float(value)
        except ValueError:
            raise ValueError(f"{text}: use NAME=NUMBER") from None
        if not 0 <= found[name] < math.inf:
            raise ValueError(f"{text}: use a number of at least 0")
        if not found[name] and name in _POSITIVE:
            raise ValueError(f"{text}: use a number of more than 0")
    return Assumptions(**found)
