"""The schema and the column types that declared.py and list_tables.py share."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Text

metadata = MetaData()

#: Texts that are compared byte by byte, so that a prefix is a range of the index on PostgreSQL too.
VALUE_TYPE = String(512).with_variant(String(512, collation="C"), "postgresql")
KEY_TYPE = Text().with_variant(Text(collation="C"), "postgresql")


def session_id() -> Column[str]:
    """Return the column `session_id`, the first one of a table's primary key."""
    return Column("session_id", String(128), primary_key=True)
