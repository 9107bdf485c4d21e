"""Full-text search in what was said: SQLite's FTS5, PostgreSQL's text search.

A query is words and "quoted phrases", all of which must occur; `word*` is a prefix.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from eventstore.brief import brief
from eventstore.errors import InvalidInputError

# The very expression of the index, so that PostgreSQL uses it.
_SIGNS = "-./:@_+<>&"
_VECTOR = (
    f"to_tsvector('simple', translate(left(i.said, 100000), '{_SIGNS}', '{' ' * len(_SIGNS)}'))"
)
_CONTEXT = 60


class Term(NamedTuple):
    """A word or phrase to find."""

    text: str
    prefix: bool = False


# Each term is a look-up of its own.
_LONGEST_QUERY, _MOST_TERMS = 1000, 32


def parse_terms(query: str) -> list[Term]:
    """The words and phrases of a query.

    Raises:
        InvalidInputError: it names no word, or more than anybody types.
    """
    if len(query) > _LONGEST_QUERY:
        raise InvalidInputError(f"search for at most {_LONGEST_QUERY} characters")
    terms = []
    for phrase, word in re.findall(r'"([^"]*)"|(\S+)', query.replace("\0", " ")):
        text = phrase or word.replace('"', "")
        prefix = not phrase and text.endswith("*")
        if re.search(r"[^\W_]", text):
            terms.append(Term(text.rstrip("*") if prefix else text, prefix))
    if not terms:
        raise InvalidInputError(f"search {brief(query)} names no word")
    if len(terms) > _MOST_TERMS:
        raise InvalidInputError(f"search for at most {_MOST_TERMS} words and phrases")
    return terms


def items_that_say(terms: list[Term], postgresql: bool) -> tuple[str, list[str]]:
    """A source and condition, `items i … WHERE …`, of the items that say the terms.

    Returns:
        The SQL, and its parameters.
    """
    if postgresql:
        query, parameters = _ts_query(terms)
        return f"items i WHERE {_VECTOR} @@ ({query})", parameters
    sql = (
        "said f JOIN said_rows s ON s.docid = f.rowid"
        " JOIN items i ON i.session_id = s.session_id AND i.item_id = s.item_id"
        " WHERE f.said MATCH ?"
    )
    return sql, [_fts_query(terms)]


def matches(terms: list[Term]) -> tuple[str, list[str]]:
    """A source and condition of what says the terms, in SQLite's index alone."""
    return "said f WHERE f.said MATCH ?", [_fts_query(terms)]


def rows_that_say(terms: list[Term], postgresql: bool) -> tuple[str, list[str]]:
    """As `items_that_say`, but `i` has no more than the ids of sessions and items."""
    if postgresql:
        return items_that_say(terms, postgresql)
    return "said f JOIN said_rows i ON i.docid = f.rowid WHERE f.said MATCH ?", [_fts_query(terms)]


def response_says(
    terms: list[Term], postgresql: bool, at_once: bool = False
) -> tuple[str, list[str]]:
    """A condition on a response `r`: one of its items says the terms.

    Args:
        at_once: on SQLite, find all that say them first; else each item is looked up in its turn.
    """
    of_response = "i.session_id = r.session_id AND i.response_id = r.response_id"
    if postgresql:
        return _one_says(of_response, terms)
    sql = (
        "EXISTS (SELECT 1 FROM items i CROSS JOIN said_rows w ON w.session_id = i.session_id"
        f" AND w.item_id = i.item_id WHERE {of_response} AND {_MATCHES[at_once]})"
    )
    return sql, [_fts_query(terms)]


def session_says(
    terms: list[Term], postgresql: bool, at_once: bool = False, alias: str = "s"
) -> tuple[str, list[str]]:
    """A condition on a session: one of its items says the terms.

    Args:
        at_once: as for `response_says`.
        alias: of what has the session's id.
    """
    if postgresql:
        return _one_says(f"i.session_id = {alias}.session_id", terms)
    of_session = f"said_rows w WHERE w.session_id = {alias}.session_id"
    return f"EXISTS (SELECT 1 FROM {of_session} AND {_MATCHES[at_once]})", [_fts_query(terms)]


# A row `w` of `said_rows` says it: looked up by itself, or among all that do.
# The plus keeps SQLite from going through all that do for each session.
_MATCHES = (
    "EXISTS (SELECT 1 FROM said f WHERE f.rowid = w.docid AND f.said MATCH ?)",
    "+w.docid IN (SELECT f.rowid FROM said f WHERE f.said MATCH ?)",
)


def _one_says(of_it: str, terms: list[Term]) -> tuple[str, list[str]]:
    query, parameters = _ts_query(terms)
    # OFFSET 0 keeps the planner from reading all that the index finds.
    items = f"SELECT i.said FROM items i WHERE {of_it} OFFSET 0"
    return f"EXISTS (SELECT 1 FROM ({items}) i WHERE {_VECTOR} @@ ({query}))", parameters


def _fts_query(terms: list[Term]) -> str:
    return " AND ".join(
        '"' + term.text.replace('"', '""') + '"' + ("*" if term.prefix else "") for term in terms
    )


def _ts_query(terms: list[Term]) -> tuple[str, list[str]]:
    parts, parameters = [], []
    for term in terms:
        words = " ".join(re.sub(rf"[{re.escape(_SIGNS)}'\\]+", " ", term.text).split())
        if not term.prefix:
            parts.append("phraseto_tsquery('simple', ?)")
            parameters.append(words)
            continue
        # The words in their order, the last one a prefix.
        *whole, last = words.split(" ")
        parts.append("to_tsquery('simple', ?)")
        parameters.append(" <-> ".join([*(f"'{word}'" for word in whole), f"'{last}':*"]))
    return " && ".join(parts), parameters


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
