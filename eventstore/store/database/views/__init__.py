"""The views for people who read the database by SQL: docs/sql.md. Stable names, on top of tables.

`all_views.py` lists them, `create_views.py` makes them. Migrations call it (migrations/env.py).
"""
