"""Tables that lists are chosen and sorted by, as declared: small rows beside the large ones.

`session_costs` is no read model: what it holds depends on a list of prices. See session_costs.py.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, String, Table, text

from eventstore.store.database.tables.columns import VALUE, metadata, session_id

#: What lists of sessions are chosen and sorted by, in small rows: see store/figures.py. A number
#: that is not known is -1, so that it has a place in every order: the last one from the top.
session_figures = Table(
    "session_figures",
    metadata,
    session_id(),
    Column("at", BigInteger, nullable=False),
    Column("turns", BigInteger, nullable=False),
    Column("interruptions", BigInteger, nullable=False),
    Column("slowest_us", BigInteger, nullable=False),
    # From when its length counts, as if the clock had never jumped; null where it has no times.
    Column("counts_from", BigInteger),
    # Null while it is open: its stream knows when its last event came.
    Column("duration_us", BigInteger),
    # While it is open: its length is this much, and less than the next step of `step_us`.
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

#: Tools that a session called, languages that it was in, and reasons why something in it failed.
session_facets = Table(
    "session_facets",
    metadata,
    session_id(),
    Column("facet", String(16), primary_key=True),
    Column("value", VALUE, primary_key=True),
    Index("session_facets_value", "facet", "value", "session_id"),
    sqlite_with_rowid=False,
)

#: What sessions cost by one list of prices. It is no read model: see store/usage/session_costs.py.
session_costs = Table(
    "session_costs",
    metadata,
    session_id(),
    Column("at", BigInteger, nullable=False),
    # The list of prices, by its fingerprint; empty for none since something was billed.
    Column("prices", String(32), nullable=False),
    # In US dollars, what has a known price; -1 where nothing has one.
    Column("usd", Float(53), nullable=False),
    # Another number each time that something is billed.
    Column("mark", BigInteger, nullable=False),
    Index("session_costs_usd", "prices", "usd", "at", "session_id"),
    sqlite_with_rowid=False,
)

#: Tools that a response called, and languages of the turn that it answers.
response_facets = Table(
    "response_facets",
    metadata,
    session_id(),
    Column("response_id", String(128), primary_key=True),
    Column("facet", String(16), primary_key=True),
    Column("value", VALUE, primary_key=True),
    Index("response_facets_value", "facet", "value", "session_id", "response_id"),
    sqlite_with_rowid=False,
)
