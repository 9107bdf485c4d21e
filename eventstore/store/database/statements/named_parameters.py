"""Write a statement with parameters such as `:customer` in the way that psycopg reads. Pure.

SQLite reads `:name` itself. Texts, quoted names and comments are left as they are; a comment may
have another one in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PARTS = re.compile(
    r"(?P<kept>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$|--[^\n]*"
    r"|/\*(?:/\*.*?\*/|.)*?\*/|::)|(?<!\w):(?P<name>[^\W\d]\w*)|(?P<end>;)",
    re.DOTALL,
)


def with_percent_names(statement: str, parameters: Mapping[str, object]) -> str:
    """Return a statement with `%(name)s` for each `:name` that is a parameter.

    Args:
        statement: The statement. A percent sign in it is doubled, because psycopg wants it so.
        parameters: The parameters. What follows a colon and is none of them stays, as in `a[1:n]`.
    """

    def replaced(found: re.Match[str]) -> str:
        name = found["name"]
        return found[0] if name is None or name not in parameters else f"%({name})s"

    return _PARTS.sub(replaced, statement.replace("%", "%%"))


def without_semicolon(statement: str) -> str:
    """Return a statement without the semicolon that ends it, and without what is behind that.

    Args:
        statement: One statement that PostgreSQL takes, so that only comments can be behind it.
    """
    ends = (found.start() for found in _PARTS.finditer(statement) if found["end"])
    return statement[: next(ends, len(statement))]
