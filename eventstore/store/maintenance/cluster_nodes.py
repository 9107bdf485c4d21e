"""Run a command on each node of a Citus cluster, and look at what each node answers.

Citus returns the error of a node as a row, and does not raise it. Called by scrub_nodes.py,
vacuum.py and recovery_interval.py.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.database.transaction import Transaction, read
from eventstore.store.maintenance.older_transactions import CALLER, IDENTIFIED

NODES = (
    "SELECT nodeid, nodename || ':' || nodeport, isactive FROM pg_dist_node"
    " WHERE noderole = 'primary' ORDER BY nodeid"
)
ON_ALL_NODES = (
    "SELECT nodeid, success, result FROM run_command_on_all_nodes(replace(?,"
    f" '{CALLER}', (SELECT {IDENTIFIED} FROM pg_stat_activity WHERE pid = pg_backend_pid())),"
    " parallel => true, give_warning_for_connection_errors => true) ORDER BY nodeid"
)


class Answer(NamedTuple):
    """What a node has answered.

    Attributes:
        node: Its host and port.
        problem: Its error; empty if it has none.
        result: The first value of its result, as text.
    """

    node: str
    problem: str
    result: str


def is_distributed(engine: Engine) -> bool:
    """Return True if Citus has spread the tables of a database over nodes."""
    with read(engine) as tx:
        return tx.distributed


def run_on_all_nodes(tx: Transaction, command: str) -> list[Answer]:
    """Run one command on all active nodes at the same time, outside of this transaction.

    Args:
        command: One statement. Of several, Citus would return the result of the first alone.
    """
    names = {number: name for number, name, _ in tx.rows(NODES)}
    return [
        Answer(
            names.get(number, "the coordinator"),
            "" if success else " ".join(str(result).split()) or "it failed",
            str(result),
        )
        for number, success, result in tx.rows(ON_ALL_NODES, (command,))
    ]


def inactive_nodes(tx: Transaction) -> list[str]:
    """Return the hosts and ports of the nodes that Citus sends no commands to."""
    return [name for _, name, is_active in tx.rows(NODES) if not is_active]
