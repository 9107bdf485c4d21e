"""Full-text search in what was said and in calls of tools: SQLite's FTS5, PostgreSQL's text search.

A query is words and "quoted phrases", all of which must occur; `word*` is a prefix. What is stored
and what is looked for are the tokens of search_tokens.py, so that both databases find the same.
"""

from __future__ import annotations

import re

from eventstore.common.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.store.readmodels.words.search_tokens import Term, query_tokens

# Each term is a look-up of its own.
_LONGEST_QUERY, _MOST_TERMS = 1000, 32


def parse_terms(query: str) -> list[Term]:
    """Return what the words and phrases of a query look for.

    Raises:
        InvalidInputError: it names no word, or more than anybody types.
    """
    if len(query) > _LONGEST_QUERY:
        raise InvalidInputError(f"search for at most {_LONGEST_QUERY} characters")
    terms = []
    for phrase, word in re.findall(r'"([^"]*)"|(\S+)', query.replace("\0", " ")):
        text = phrase or word.replace('"', "")
        term = query_tokens(text, prefix=not phrase and text.endswith("*"))
        if term is not None:
            terms.append(term)
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
        return f"items i WHERE {_SAYS}", [_ts_query(terms)]
    sql = (
        "said f JOIN said_rows s ON s.docid = f.rowid"
        " JOIN items i ON i.session_id = s.session_id AND i.item_id = s.item_id"
        " WHERE f.said MATCH ?"
    )
    return sql, [_fts_query(terms)]


def fts_matches(terms: list[Term]) -> tuple[str, list[str]]:
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
        at_once: on SQLite, find all that say them first; else each item is looked at in its turn.
    """
    of_response = "i.session_id = r.session_id AND i.response_id = r.response_id"
    if postgresql:
        return _one_says(of_response, terms)
    says, values = _row_says(terms, at_once)
    sql = (
        "EXISTS (SELECT 1 FROM items i CROSS JOIN said_rows w ON w.session_id = i.session_id"
        f" AND w.item_id = i.item_id WHERE {of_response} AND {says})"
    )
    return sql, values


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
    says, values = _row_says(terms, at_once)
    of_session = f"said_rows w WHERE w.session_id = {alias}.session_id"
    return f"EXISTS (SELECT 1 FROM {of_session} AND {says})", values


def _row_says(terms: list[Term], at_once: bool) -> tuple[str, list[str]]:
    """SQLite: a condition on a row `w` of `said_rows`, and its parameters.

    One row is looked at by its tokens, which are stored with spaces between them. The index would
    put together all rows that have a prefix again for each row: a second for one letter.
    """
    if at_once:
        # The plus keeps SQLite from going through all that do for each session.
        return "+w.docid IN (SELECT f.rowid FROM said f WHERE f.said MATCH ?)", [_fts_query(terms)]
    found = " AND ".join(["INSTR(' ' || f.text || ' ', ?)"] * len(terms))
    texts = [f" {' '.join(term.tokens)}{'' if term.prefix else ' '}" for term in terms]
    return f"EXISTS (SELECT 1 FROM said f WHERE f.rowid = w.docid AND {found})", texts


# The type of the parameter is named, so that PostgreSQL reads it as it is.
_SAYS = "i.said_words @@ CAST(? AS tsquery)"


def _one_says(of_it: str, terms: list[Term]) -> tuple[str, list[str]]:
    # OFFSET 0 keeps the planner from reading all that the index finds.
    items = f"SELECT i.said_words FROM items i WHERE {of_it} OFFSET 0"
    return f"EXISTS (SELECT 1 FROM ({items}) i WHERE {_SAYS})", [_ts_query(terms)]


def _fts_query(terms: list[Term]) -> str:
    """Return a query in the syntax of FTS5: `"get weather" AND "os"*`."""
    return " AND ".join(f'"{" ".join(term.tokens)}"{"*" * term.prefix}' for term in terms)


def _ts_query(terms: list[Term]) -> str:
    """Return a query in PostgreSQL's syntax: `('get' <-> 'weather') & ('os':*)`."""
    parts = []
    for term in terms:
        words = [f"'{token}'" for token in term.tokens]
        words[-1] += ":*" if term.prefix else ""
        parts.append(f"({' <-> '.join(words)})")
    return " & ".join(parts)
