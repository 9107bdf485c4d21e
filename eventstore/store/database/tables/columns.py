"""What the declarations of tables share: their schema, and columns that many of them have."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Text

metadata = MetaData()

#: Compared byte by byte, so that a prefix is a range of the index on PostgreSQL too.
VALUE = String(512).with_variant(String(512, collation="C"), "postgresql")
KEY = Text().with_variant(Text(collation="C"), "postgresql")


def session_id() -> Column[str]:
    """Return the first column of a table's primary key: which session a row is of."""
    return Column("session_id", String(128), primary_key=True)
