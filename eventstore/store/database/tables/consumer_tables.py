"""The tables of consumers: what follows the log, and how far each of them is in each session.

A consumer is a projection of one's own, or a subscription. See store/consumers/.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from eventstore.store.database.tables.columns import KEY_TYPE, metadata, session_id

#: Each consumer of the store. On Citus each node has the whole table.
consumers = Table(
    "consumers",
    metadata,
    Column("name", String(128), primary_key=True),
    # `projection` or `subscription`.
    Column("kind", String(16), nullable=False),
    # The version of a projection's code; 0 for a subscription.
    Column("version", Integer, nullable=False),
    # What else is known of it, as a JSON object: the tables of a projection, the filters of a
    # subscription.
    Column("definition", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # When a worker last worked for it: sessions do not stay unsettled for one that nobody runs.
    Column("seen_at", BigInteger, nullable=False),
    # The last session of the first pass over all sessions; null once the pass is over.
    Column("passed", KEY_TYPE),
    sqlite_with_rowid=False,
)

#: How far each consumer is in each session. No row: it has had nothing of the session yet.
checkpoints = Table(
    "checkpoints",
    metadata,
    session_id(),
    Column("consumer", String(128), primary_key=True),
    # The last event that it has had, and by which version of its code.
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    # The worker that has the session, and until when; both null if none has it.
    Column("worker", String(64)),
    Column("until", BigInteger),
    # How often it failed at the next event, when last, when to try again, and the name of the
    # error's class.
    Column("tries", Integer, nullable=False),
    Column("failed_at", BigInteger),
    Column("retry_at", BigInteger),
    Column("error", String(64)),
    Index(
        "checkpoints_unfinished",
        "consumer",
        "session_id",
        sqlite_where=text("failed_at IS NOT NULL OR worker IS NOT NULL"),
        postgresql_where=text("failed_at IS NOT NULL OR worker IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

#: What could not be delivered to a webhook, and was given up. The content is in the session alone.
dead_letters = Table(
    "dead_letters",
    metadata,
    session_id(),
    Column("consumer", String(128), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # `response` or `session`.
    Column("kind", String(16), primary_key=True),
    Column("response_id", String(128)),
    Column("tries", Integer, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Column("error", String(64), nullable=False),
    # Where it was sent, without what may be secret in the address.
    Column("destination", String(256)),
    # When it is due to be sent again; null if nobody asked for that. A sender that has taken it
    # sets this to when others may have it.
    Column("again_at", BigInteger),
    Index("dead_letters_failed", "failed_at", "session_id"),
    Index(
        "dead_letters_again",
        "consumer",
        "session_id",
        sqlite_where=text("again_at IS NOT NULL"),
        postgresql_where=text("again_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
