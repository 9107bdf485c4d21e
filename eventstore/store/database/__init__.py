"""The database: its engine, connections, transactions, tables and schema."""
