"""Set how soon a Citus cluster ends transactions whose nodes lost touch with each other.

A transaction on several nodes is committed in two phases. If a node is killed between them, the
other nodes keep its locks until Citus looks for such transactions: each minute, unless it is told
otherwise. Appends to the sessions concerned wait for so long.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.database.transaction import autocommit
from eventstore.store.maintenance.cluster_nodes import Answer, run_on_all_nodes

#: The longest interval that is left as it is, and what a longer one becomes, in milliseconds.
LONGEST_MS = 5000
# PostgreSQL takes this setting from its configuration alone, not from a database or a role.
INTERVAL = "SELECT setting FROM pg_settings WHERE name = 'citus.recover_2pc_interval'"
SET_INTERVAL = f"ALTER SYSTEM SET citus.recover_2pc_interval = {LONGEST_MS}"
RELOAD = "SELECT pg_reload_conf()"


class NodeNotice(NamedTuple):
    """What an administrator has to do on a node, since the store's user may not.

    Attributes:
        node: The host and port of the node.
        commands: The statements to run there.
        reason: Why the store could not run them.
    """

    node: str
    commands: str
    reason: str


def set_recovery_interval(engine: Engine) -> list[NodeNotice]:
    """Let each node look for transactions in doubt at least every five seconds.

    Only nodes that look more seldom, or never, make it write the nodes' configuration. Call it
    once the store is distributed.

    Returns:
        The nodes that could not be told; none if the database is not distributed.

    Raises:
        DatabaseUnavailableError: The database does not answer.
    """
    with autocommit(engine) as tx:
        if not tx.distributed:
            return []
        found = run_on_all_nodes(tx, INTERVAL)
        seldom = {one.node for one in found if _is_too_seldom(one)}
        if not seldom:
            return []
        reasons: dict[str, str] = {}
        for command in (SET_INTERVAL, RELOAD):
            for one in run_on_all_nodes(tx, command):
                if one.problem:
                    reasons.setdefault(one.node, one.problem)
    by_hand = f"{SET_INTERVAL}; {RELOAD};"
    return [NodeNotice(node, by_hand, reason) for node, reason in reasons.items() if node in seldom]


def _is_too_seldom(answer: Answer) -> bool:
    """Return True if a node looks too seldom, or never (-1), or does not say."""
    try:
        return not 0 < int(answer.result) <= LONGEST_MS
    except ValueError:
        return True
