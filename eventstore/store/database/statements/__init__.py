"""Run one statement of somebody who reads the database by SQL: docs/sql.md.

The database itself refuses everything but reading. `run_statement.py` is called by event_store.py.
"""
