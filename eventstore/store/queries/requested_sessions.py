"""Find the session that a client of the replay server asks for by its URL.

It is the newest matching session that was not served yet. The index of `session_facets` knows what
URLs name, so that one call is found among millions. An encrypted store has no such rows. There,
only the newest `LOOKED_THROUGH` sessions are decrypted and compared: docs/adr/0035. Called by
replay/server/ and recordings_of_call.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.projection.session_names import names_of_session
from eventstore.realtime.protocols import LIVE
from eventstore.realtime.values import column_text, loads, mapping
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import MAX_LIMIT, SessionFilter, SessionPaging
from eventstore.store.queries.session_pages import read_session_page
from eventstore.store.readmodels.encrypted_rows import decrypted_texts

#: How many sessions of an encrypted store are compared at most.
LOOKED_THROUGH = 1000


class Requested(NamedTuple):
    """The result of a search.

    Attributes:
        session_id: The newest session that is not left out; None if there is none.
        left_out: How many matching sessions were left out before it.
    """

    session_id: str | None
    left_out: int


def requested_session(
    engine: Engine, filters: Iterable[SessionFilter], left_out: Collection[str]
) -> Requested:
    """Return the newest session that passes one of the filters and is not left out.

    Args:
        filters: The filters.
        left_out: The ids of sessions to leave out.
    """
    found, seen = list[Row](), set[str]()
    with read(engine) as tx:
        for one in filters:
            for row in sessions_newest_first(tx, one):
                if row[-1] not in left_out:
                    found.append(row[-2:])
                    break
                seen.add(row[-1])
    newest = max(found, default=None)
    return Requested(None if newest is None else str(newest[1]), len(seen))


def sessions_newest_first(tx: Transaction, filters: SessionFilter) -> Iterator[Row]:
    """Yield the sessions that pass a filter, the newest first; the last columns are time and id.

    Only the newest `LOOKED_THROUGH` sessions of an encrypted store are compared with an address.
    """
    names = filters.address or ()
    looks = bool(names) and tx.keys.name(tx) is not None
    columns = "s.at, s.session_id"
    if looks:
        filters, columns = replace(filters, address=None), f"s.wire, s.notes, {columns}"
    paging = SessionPaging(limit=MAX_LIMIT)
    pages = LOOKED_THROUGH // MAX_LIMIT if looks else None
    while pages is None or pages > 0:
        rows = read_session_page(tx, filters, paging, columns=columns)
        page = rows[:MAX_LIMIT]
        yield from (row for row in page if not looks or _has_names(tx, row, names))
        if len(rows) <= MAX_LIMIT:
            return
        paging = replace(paging, after=page[-1][-1])
        pages = None if pages is None else pages - 1


def _has_names(tx: Transaction, row: Row, names: tuple[tuple[str, str], ...]) -> bool:
    *texts, _, session_id = row
    wire, notes = map(loads, decrypted_texts(tx, "sessions", session_id, "", *texts))
    protocol = LIVE if notes.get("protocol") == LIVE else None
    told = {**wire, "id": notes.get("server_id")}  # the row has the id that the store uses
    names_of_row = names_of_session(mapping(notes.get("opened")), told, protocol)
    has = {(name, column_text(value, 512)) for name, value in names_of_row}
    return has.issuperset(names)
