"""The errors of the databases' drivers, by their classes.

psycopg takes long to load, and SQLAlchemy loads it with the first PostgreSQL database that is
opened. Before that none of its errors exists, and its classes are not looked for.
"""

from __future__ import annotations

import sqlite3
import sys

Classes = tuple[type[Exception], ...]


def error_classes(*named: type[Exception] | str) -> Classes:
    """Return classes of errors, for `except` and `isinstance`.

    Args:
        named: a class; or the name of one of psycopg's, such as `OperationalError` or, of one
            SQLSTATE, `UniqueViolation`, which is left out where psycopg is not loaded.
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
    """Return the classes that all errors of the loaded drivers are of, and more classes."""
    return error_classes(sqlite3.Error, "Error", *more)
