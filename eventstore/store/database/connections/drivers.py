"""Name the error classes of the database drivers without loading psycopg.

psycopg is slow to import, and SQLAlchemy imports it with the first PostgreSQL database that is
opened. Until then none of its errors can occur, and its classes are left out. Used wherever errors
of the drivers are caught, such as in transaction.py and pool.py.
"""

from __future__ import annotations

import sqlite3
import sys

Classes = tuple[type[Exception], ...]


def error_classes(*named: type[Exception] | str) -> Classes:
    """Return error classes for `except` and `isinstance`.

    Args:
        named: Classes, or names of classes of psycopg, such as `OperationalError`, or
            `UniqueViolation` for one SQLSTATE. Names are left out while psycopg is not loaded.
    """
    psycopg = sys.modules.get("psycopg")
    found: list[type[Exception]] = []
    for one in named:
        if not isinstance(one, str):
            found.append(one)
        elif psycopg is not None:
            found.append(getattr(psycopg.errors, one))
    return tuple(found)


def driver_errors(*more: type[Exception]) -> Classes:
    """Return the base classes of all errors of the loaded drivers, and the given classes."""
    return error_classes(sqlite3.Error, "Error", *more)
