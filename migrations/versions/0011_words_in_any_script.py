"""The search index holds words made by the store itself, the same on either database.

So words of scripts without spaces are found, and calls of tools. What was indexed before is found
as before, until `eventstore project` has made its words anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from alembic import op
from sqlalchemy import Connection

from eventstore.store.readmodels.words.search_tokens import index_tokens

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The expression that was indexed on PostgreSQL before.
SEARCHED = "to_tsvector('simple', translate(left(said, 100000), '-./:@_+<>&', '          '))"
# `ascii` parts words at signs of ASCII alone, and the store writes no others.
TOKENIZERS = {"words": "ascii", "texts": "unicode61 remove_diacritics 0"}
PAGE = 1000


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("DROP INDEX items_said")
        op.execute("ALTER TABLE items ADD COLUMN said_words tsvector")
        # Giving the column its type once more writes the table anew, and leaves no dead rows.
        words = f"NULLIF({SEARCHED}, ''::tsvector)"
        op.execute(f"ALTER TABLE items ALTER COLUMN said_words TYPE tsvector USING {words}")
        op.execute("CREATE INDEX items_said ON items USING gin (said_words)")
        return
    texts = "SELECT rowid, text FROM said WHERE rowid > ? ORDER BY rowid LIMIT ?"
    _fill(connection, "words", texts, lambda text: " ".join(index_tokens(text)))


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("DROP INDEX items_said")
        op.execute("ALTER TABLE items DROP COLUMN said_words")
        op.execute(f"CREATE INDEX items_said ON items USING gin ({SEARCHED})")
        return
    texts = (
        "SELECT r.docid, MIN(i.said) FROM said_rows r"
        " JOIN items i ON i.session_id = r.session_id AND i.item_id = r.item_id"
        " WHERE r.docid > ? GROUP BY r.docid ORDER BY r.docid LIMIT ?"
    )
    _fill(connection, "texts", texts, str)


def _fill(connection: Connection, kind: str, texts: str, change: Callable[[str], str]) -> None:
    """Put another table in the place of SQLite's `said`, with the same numbers of rows."""
    op.execute(
        "CREATE VIRTUAL TABLE said_anew USING fts5(text, columnsize=0,"
        f" tokenize='{TOKENIZERS[kind]}')"
    )
    for page in _pages(connection, texts):
        connection.exec_driver_sql(
            "INSERT INTO said_anew (rowid, text) VALUES (?, ?)",
            [(number, change(text or "")) for number, text in page],
        )
    op.execute("DROP TABLE said")
    op.execute("ALTER TABLE said_anew RENAME TO said")


def _pages(connection: Connection, texts: str) -> Iterator[list[tuple[int, Any]]]:
    last = -(2**63)
    while page := connection.exec_driver_sql(texts, (last, PAGE)).fetchall():
        yield [(number, text) for number, text in page]
        last = page[-1][0]
