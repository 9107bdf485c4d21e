"""Ask PostgreSQL whether Citus has spread the store's tables over nodes.

`pool.py` asks once a minute, because a store may be distributed while processes have it open.
schema.py and maintenance/distribute.py refuse what only the cluster's coordinator does. identity.py
asks on which of the nodes it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Seconds after which the database is asked again.
RECHECK_AFTER = 60.0

HAS_CITUS = "SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL"
IS_COORDINATOR = "SELECT groupid = 0 FROM pg_dist_local_group"
_COORDINATOR = "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid = 0"
_IS_DISTRIBUTED = (
    "SELECT EXISTS (SELECT 1 FROM pg_dist_partition"
    " WHERE logicalrelid = to_regclass('streams') AND partmethod = 'h')"
)


def is_distributed(connection: Any) -> bool:
    """Return True if the table `streams` of a PostgreSQL database is distributed by Citus.

    Args:
        connection: A connection of psycopg, in no transaction.
    """
    return all(
        connection.execute(sql, prepare=False).fetchone()[0] for sql in (HAS_CITUS, _IS_DISTRIBUTED)
    )


def refusal_of_worker(first_row: Callable[[str], Any]) -> str | None:
    """Return why a worker of a cluster cannot do what is for its coordinator.

    Args:
        first_row: Returns the first row of a query, or None. The database has Citus.

    Returns:
        A line that says where to go, or None if this is the coordinator.
    """
    if first_row(IS_COORDINATOR)[0]:
        return None
    place = first_row(_COORDINATOR)
    where = "the coordinator" if place is None else f"the coordinator: {place[0]}:{place[1]}"
    return f"this is a worker of a Citus cluster; run it on {where}"
