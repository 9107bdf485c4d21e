"""The spool: frames on disk while the database is away or slow."""
