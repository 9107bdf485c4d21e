"""Write a statement with parameters such as `:customer` in the way that psycopg reads. Pure.

SQLite reads `:name` itself. Texts, quoted names and comments are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PARTS = re.compile(
    r"(?P<kept>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/|::)"
    r"|(?<!\w):(?P<name>[^\W\d]\w*)",
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
