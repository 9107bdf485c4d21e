"""Make many sessions of few by copying their log, without read models. Called by rebuild_many.py.

The database copies the rows itself. A copy has an id of its own, and nothing else differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.rounds import progress
from eventstore.store.database.tables.declared import events, segments, streams

#: How ids begin: a copy has its own number in place of the two digits.
PREFIX = "sess_00_"
# What sorts behind all of these ids. LIKE would read the copies, too.
_BEHIND = "sess_01_"


def copy_log(connection: Any, ids: Sequence[str], copies: int) -> list[str]:
    """Add copies of all sessions, as an import would that has not been projected yet.

    Args:
        connection: The driver's; each copy is committed.
        ids: The sessions that are there, whose ids begin with `PREFIX`.
        copies: How many of each, at most 99.

    Returns:
        The ids of all sessions: those that were there, and the copies.
    """
    found = list(ids)
    for number in range(1, copies + 1):
        begin = f"sess_{number:02d}_"
        for table in (streams, events, segments):
            of_copy = {
                "session_id": f"'{begin}' || substr(session_id, {len(PREFIX) + 1})",
                "projected_seq": "0",
                "projector_version": "0",
            }
            names = [column.name for column in table.columns]
            selected = ", ".join(of_copy.get(name, name) for name in names)
            connection.execute(
                f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {selected}"
                f" FROM {table.name} WHERE session_id >= '{PREFIX}' AND session_id < '{_BEHIND}'"
                " ORDER BY session_id"
            )
        connection.commit()
        found += [begin + id_.removeprefix(PREFIX) for id_ in ids]
        progress(f"copied_log: {len(found):,} sessions are there")
    return found
