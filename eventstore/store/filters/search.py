"""SQL of full-text search in what was said and in tool calls: SQLite's FTS5, PostgreSQL's tsvector.

A query is words and "quoted phrases"; all of them must occur. `word*` is a prefix. Both databases
find the same, because they store and look for the tokens of search_tokens.py. Used by the
conditions of filters/ and by queries/.
"""

from __future__ import annotations

import re

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.store.readmodels.words.search_tokens import Term, query_tokens

# The limits of a query; each term is a lookup.
_LONGEST_QUERY, _MOST_TERMS = 1000, 32


def parse_terms(query: str) -> list[Term]:
    """Return the terms that the words and phrases of a query look for.

    Raises:
        InvalidInputError: The query has no word, or is longer than a person would type.
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
    """Return SQL behind FROM of the items that say the terms, and its parameters.

    The SQL has the form `items i … WHERE …`.
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
    """SQLite: return SQL behind FROM of the index's entries that say the terms, and parameters."""
    return "said f WHERE f.said MATCH ?", [_fts_query(terms)]


def rows_that_say(terms: list[Term], postgresql: bool) -> tuple[str, list[str]]:
    """Return the same as `items_that_say`, but `i` has only the ids of sessions and items."""
    if postgresql:
        return items_that_say(terms, postgresql)
    return "said f JOIN said_rows i ON i.docid = f.rowid WHERE f.said MATCH ?", [_fts_query(terms)]


def response_says(
    terms: list[Term], postgresql: bool, at_once: bool = False
) -> tuple[str, list[str]]:
    """Return the condition that an item of response `r` says the terms, and its parameters.

    Args:
        at_once: SQLite: True first finds all items that say them; False looks at each item.
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
    """Return the condition that an item of a session says the terms, and its parameters.

    Args:
        at_once: As for `response_says`.
        alias: The alias with the session's id.
    """
    if postgresql:
        return _one_says(f"i.session_id = {alias}.session_id", terms)
    says, values = _row_says(terms, at_once)
    of_session = f"said_rows w WHERE w.session_id = {alias}.session_id"
    return f"EXISTS (SELECT 1 FROM {of_session} AND {says})", values


def _row_says(terms: list[Term], at_once: bool) -> tuple[str, list[str]]:
    """SQLite: return the condition that a row `w` of `said_rows` says the terms.

    Its parameters are returned, too. For a single row, its tokens are searched as text, in which
    spaces separate them. The index would collect all rows with a prefix again for each row, which
    takes a second for a prefix of one letter.
    """
    if at_once:
        # The plus sign keeps SQLite from using the index on docid for each session.
        return "+w.docid IN (SELECT f.rowid FROM said f WHERE f.said MATCH ?)", [_fts_query(terms)]
    found = " AND ".join(["INSTR(' ' || f.text || ' ', ?)"] * len(terms))
    texts = [f" {' '.join(term.tokens)}{'' if term.prefix else ' '}" for term in terms]
    return f"EXISTS (SELECT 1 FROM said f WHERE f.rowid = w.docid AND {found})", texts


# The cast names the parameter's type, so that PostgreSQL does not parse it as a text.
_SAYS = "i.said_words @@ CAST(? AS tsquery)"


def _one_says(of_it: str, terms: list[Term]) -> tuple[str, list[str]]:
    # A comparison with a constant is evaluated row by row: PostgreSQL does not read all rows that
    # the index of words finds.
    return f"TRUE = ANY (SELECT {_SAYS} FROM items i WHERE {of_it})", [_ts_query(terms)]


def _fts_query(terms: list[Term]) -> str:
    """Return the terms in the syntax of FTS5: `"get weather" AND "os"*`."""
    return " AND ".join(f'"{" ".join(term.tokens)}"{"*" * term.prefix}' for term in terms)


def _ts_query(terms: list[Term]) -> str:
    """Return the terms in the syntax of PostgreSQL: `('get' <-> 'weather') & ('os':*)`."""
    parts = []
    for term in terms:
        words = [f"'{token}'" for token in term.tokens]
        words[-1] += ":*" if term.prefix else ""
        parts.append(f"({' <-> '.join(words)})")
    return " & ".join(parts)
