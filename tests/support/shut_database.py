"""Make a PostgreSQL database go away, and come back."""

from __future__ import annotations

import psycopg
from sqlalchemy.engine import make_url

from support.postgres import PostgresServer


def shut(postgres: PostgresServer, url: str, is_shut: bool) -> None:
    """Refuse connections to a database and end those that there are, or allow them again."""
    name = make_url(url).database or ""
    server = make_url(postgres.url("postgres")).set(drivername="postgresql")
    with psycopg.connect(server.render_as_string(False), autocommit=True) as connection:
        allowed = "false" if is_shut else "true"
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}'.encode())
        if is_shut:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(sql, (name,))
