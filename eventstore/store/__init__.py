"""SQL: tables, the log, read models, queries. Knows the projection, not who calls it."""
