"""What tests share: a PostgreSQL server, events to build, strategies, rows to compare."""
