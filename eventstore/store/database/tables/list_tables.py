"""The tables by which lists are filtered and sorted: small rows beside the large ones.

`session_costs` is not a read model, because its rows depend on a list of prices; see
usage/session_costs.py.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, String, Table, text

from eventstore.store.database.tables.columns import VALUE_TYPE, metadata, session_id

#: The numbers by which lists of sessions are filtered and sorted: readmodels/figure_rows.py. An
#: unknown number is -1, so that it sorts behind all others in a list from high to low.
session_figures = Table(
    "session_figures",
    metadata,
    session_id(),
    Column("at", BigInteger, nullable=False),
    Column("turns", BigInteger, nullable=False),
    Column("interruptions", BigInteger, nullable=False),
    Column("slowest_us", BigInteger, nullable=False),
    # The time from which the session's length counts, corrected for jumps of the clock; null
    # without times.
    Column("counts_from", BigInteger),
    # Null while the session is open: its stream has the time of its last event.
    Column("duration_us", BigInteger),
    # Only while the session is open: the last step of `step_us` that its length has reached.
    Column("reached_us", BigInteger),
    Index("session_figures_at", "at", "session_id"),
    Index("session_figures_turns", "turns", "at", "session_id"),
    Index("session_figures_interruptions", "interruptions", "at", "session_id"),
    Index("session_figures_slowest", "slowest_us", "at", "session_id"),
    Index("session_figures_duration", "duration_us", "at", "session_id"),
    Index(
        "session_figures_reached",
        "reached_us",
        "session_id",
        sqlite_where=text("reached_us IS NOT NULL"),
        postgresql_where=text("reached_us IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

#: The tools that a session called, its languages, the reasons of its failures, and its protocol if
#: it is not Realtime.
session_facets = Table(
    "session_facets",
    metadata,
    session_id(),
    Column("facet", String(16), primary_key=True),
    Column("value", VALUE_TYPE, primary_key=True),
    Index("session_facets_value", "facet", "value", "session_id"),
    sqlite_with_rowid=False,
)

#: What sessions cost by one list of prices: usage/session_costs.py.
session_costs = Table(
    "session_costs",
    metadata,
    session_id(),
    Column("at", BigInteger, nullable=False),
    # The fingerprint of the list of prices; empty if usage was added since the cost was computed.
    Column("prices", String(32), nullable=False),
    # The cost in US dollars of usage with a known price; -1 if no usage has one.
    Column("usd", Float(53), nullable=False),
    # A random number, new each time that usage is added.
    Column("mark", BigInteger, nullable=False),
    Index("session_costs_usd", "prices", "usd", "at", "session_id"),
    sqlite_with_rowid=False,
)

#: The tools that a response called, the languages of the turn that it answers, and what kind of
#: response of a GPT-Live session it is.
response_facets = Table(
    "response_facets",
    metadata,
    session_id(),
    Column("response_id", String(128), primary_key=True),
    Column("facet", String(16), primary_key=True),
    Column("value", VALUE_TYPE, primary_key=True),
    Index("response_facets_value", "facet", "value", "session_id", "response_id"),
    sqlite_with_rowid=False,
)
