"""The nodes of a cluster of Citus on this machine, to be killed and started again.

TEST_CITUS names the cluster, and KILLS says how often its nodes are killed. They are those that
other tests would use, so nothing is killed where KILLS is not set.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from eventstore import EventStore
from eventstore.errors import EventStoreError

#: How often nodes are killed; 0 where there is no cluster.
KILLS = int(os.environ.get("KILLS", "0")) if os.environ.get("TEST_CITUS") else 0
WHY_NOT = "TEST_CITUS and KILLS are not both set, and it kills the nodes"
# Seconds until all nodes answer again, and transactions in doubt are ended.
RECOVERY = 90.0


class NodeProcess(NamedTuple):
    """A node on this machine.

    Attributes:
        name: Its host and port, as Citus calls it.
        data: The folder of its data.
        binary: The program that it runs.
    """

    name: str
    data: Path
    binary: Path

    def kill(self, alone: bool = False) -> None:
        """Kill the server and all of its processes, as if the power had gone.

        Args:
            alone: Kill the server alone. Its processes end as soon as they wait for something.
        """
        server = int((self.data / "postmaster.pid").read_text().split()[0])
        if alone:
            os.kill(server, signal.SIGKILL)
            return
        listed = subprocess.run(["pgrep", "-P", str(server)], capture_output=True, text=True)
        for process in (server, *map(int, listed.stdout.split())):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def start(self) -> None:
        """Start the server again. What is left of the killed one can be in the way for a while."""
        for _ in range(60):
            if self.control("start") == 0:
                return
            time.sleep(0.5)
        raise AssertionError(f"the node in {self.data} does not start again")

    def control(self, action: str) -> int:
        """Return the exit status of pg_ctl, run by the user who owns the data."""
        owner = self.data.stat()
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.run(
            [self.binary.with_name("pg_ctl"), "-D", self.data, "-w", "-s", action],
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
            cwd="/",
            **silent,
        ).returncode


@contextmanager
def local_nodes() -> Iterator[list[NodeProcess]]:
    """The nodes of the cluster that TEST_CITUS names; they run again at the end of the block."""
    parameters: dict[str, Any] = conninfo_to_dict(os.environ["TEST_CITUS"])
    with psycopg.connect(**parameters) as connection:
        places = connection.execute(
            "SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid"
        ).fetchall()
    found = []
    for host, port in places:
        with psycopg.connect(**parameters | {"host": host, "port": port}) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        data = Path(row[0] if row else "")
        if not data.is_dir():
            pytest.skip(f"the node {host}:{port} is on another machine")
        server = int((data / "postmaster.pid").read_text().split()[0])
        found.append(NodeProcess(f"{host}:{port}", data, Path(f"/proc/{server}/exe").resolve()))
    try:
        yield found
    finally:
        for node in found:
            if node.control("status") != 0:
                node.start()


def kill(nodes: list[NodeProcess], times: int, chance: random.Random) -> None:
    """Kill one node after the other, and start it again."""
    for _ in range(times):
        time.sleep(chance.uniform(0.5, 2.0))
        node = chance.choice(nodes)
        node.kill()
        time.sleep(chance.uniform(0.1, 1.0))
        node.start()


def wait_until_all_answer(url: str) -> None:
    """Wait until a query of all nodes is answered."""
    until = time.monotonic() + RECOVERY
    while time.monotonic() < until:
        with suppress(EventStoreError), EventStore(url) as store:
            store.status()
            return
        time.sleep(1)
