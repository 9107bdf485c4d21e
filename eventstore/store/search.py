"""Full-text search in what was said: SQLite's FTS5, PostgreSQL's text search.

A query is words and "quoted phrases", all of which must occur; `word*` is a prefix.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from eventstore.errors import InvalidInputError

# The very expression of the index, so that PostgreSQL uses it.
_VECTOR = "to_tsvector('simple', left(i.said, 100000))"
_CONTEXT = 60


class Term(NamedTuple):
    """A word or phrase to find."""

    text: str
    prefix: bool = False


def parse_terms(query: str) -> list[Term]:
    """The words and phrases of a query.

    Raises:
        InvalidInputError: it names no word.
    """
    terms = []
    for phrase, word in re.findall(r'"([^"]*)"|(\S+)', query.replace("\0", " ")):
        text = phrase or word.replace('"', "")
        prefix = not phrase and text.endswith("*")
        if re.search(r"\w", text):
            terms.append(Term(text.rstrip("*") if prefix else text, prefix))
    if not terms:
        raise InvalidInputError(f"search {query!r} names no word")
    return terms


def matching_items(terms: list[Term], postgresql: bool) -> tuple[str, list[str]]:
    """A subselect of (session_id, response_id) of items that say the terms, and its parameters."""
    if not postgresql:
        match = " AND ".join(
            '"' + term.text.replace('"', '""') + '"' + ("*" if term.prefix else "")
            for term in terms
        )
        sql = (
            "SELECT i.session_id, i.response_id FROM said f"
            " JOIN said_rows s ON s.docid = f.rowid"
            " JOIN items i ON i.session_id = s.session_id AND i.item_id = s.item_id"
            " WHERE f.said MATCH ?"
        )
        return sql, [match]
    parts, parameters = [], []
    for term in terms:
        if term.prefix:
            parts.append("to_tsquery('simple', ?)")
            parameters.append("'" + re.sub(r"['\\]", " ", term.text).strip() + "':*")
        else:
            parts.append("phraseto_tsquery('simple', ?)")
            parameters.append(term.text)
    query = " && ".join(parts)
    return (
        f"SELECT i.session_id, i.response_id FROM items i WHERE {_VECTOR} @@ ({query})",
        parameters,
    )


def snippet(said: str, terms: list[Term]) -> str | None:
    """The words around the first match, the match in brackets; None where none is found."""
    found = None
    for term in terms:
        # Both databases take an underscore for a sign, not for a letter.
        words = r"[\W_]+".join(re.escape(word) for word in re.findall(r"[^\W_]+", term.text))
        tail = r"[^\W_]*" if term.prefix else r"(?![^\W_])"
        match = re.search(rf"(?<![^\W_]){words}{tail}", said, re.IGNORECASE)
        if match is None:
            return None
        if found is None or match.start() < found.start():
            found = match
    if found is None:
        return None
    start, end = max(0, found.start() - _CONTEXT), min(len(said), found.end() + _CONTEXT)
    before, after = said[start : found.start()], said[found.end() : end]
    lead, trail = "…" if start else "", "…" if end < len(said) else ""
    return f"{lead}{before}[{found.group()}]{after}{trail}"
