"""Cut a text into the tokens of the search index, in the same way for both databases.

In a script with spaces, a token is a run of letters and digits. A run of a script without spaces is
cut into pairs of neighbouring characters, and ends with its last character alone. So is a run of
Korean, because its particles are attached to words:

    東京は晴れ, said Ann  →  東京 京は は晴 晴れ れ said ann

A pair is followed by the next pair of its run, or by the run's last character. So consecutive pairs
are found where their characters stand side by side, and nowhere else.

`index_tokens` returns the tokens to store of a text, `query_tokens` those to look for, and
`find_term` the place where a text contains them. Called by searched_text.py and store/filters/. See
docs/adr/0028.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple
from unicodedata import category, is_normalized, normalize

from eventstore.realtime.text.scripts import is_hangul, is_unspaced

#: PostgreSQL distinguishes positions up to 16,383; only the start of a longer text is searched.
MOST_TOKENS = 16_000
_MOST_CHARACTERS = 100_000
#: PostgreSQL stores no word of more than 2,046 bytes.
_LONGEST = 256

_ASCII = re.compile(r"[a-z0-9]+")
_LETTER, _UNSPACED, _MARK, _SIGN = "lum "
_RUN = re.compile(f"{_LETTER}[{_LETTER}{_MARK}]*|{_UNSPACED}[{_UNSPACED}{_MARK}]*")
# Invisible characters (soft hyphens, joiners, zero-width spaces, variation selectors) do not
# separate words.
_UNSEEN = "\u200b"
_IS_UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
# Sound marks of kana, and the vowels and final consonants of decomposed Korean syllables.
_CLINGING = re.compile("[\u3099\u309a\uff9e\uff9f\u1160-\u11ff]")
_NAME = re.compile(r"[A-Za-z0-9]+")
_PART_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LONGEST_NAME = 64

#: A token, and where it begins and ends in the text.
Token = tuple[str, int, int]


class Term(NamedTuple):
    """Consecutive tokens that a query looks for.

    Attributes:
        tokens: At least one.
        prefix: True if the last token is the beginning of a word.
    """

    tokens: list[str]
    prefix: bool


def index_tokens(text: str, is_call: bool = False) -> list[str]:
    """Return the tokens to store of a text, in order.

    Args:
        is_call: True if the text describes a tool call. Names such as `getWeather` are then also
            found by their parts, whose tokens come last.
    """
    if is_call:
        return [token for token, _, _ in _tokens(text, is_call)]
    # The usual case, without the places of tokens.
    text = text[:_MOST_CHARACTERS]
    if text.isascii():
        words = _ASCII.findall(text.lower())
        return [word[:_LONGEST] for word in words[:MOST_TOKENS]]
    return [token for token, _, _ in islice(_cut(_folded(text)[0]), MOST_TOKENS)]


def query_tokens(text: str, prefix: bool = False) -> Term | None:
    """Return what a word or a phrase of a query looks for, or None if it has no letter or digit.

    A run of a script without spaces may match the middle of a longer run.

    Args:
        prefix: True if the last word is the beginning of a word.
    """
    words = index_tokens(text)
    if not words:
        return None
    if not is_cut(words[-1]):
        return Term(words, prefix)
    if len(words) > 1 and is_cut(words[-2]) and len(words[-2]) == 2:
        # The pair already contains the last character. Its own token exists only where a run ends.
        return Term(words[:-1], False)
    return Term(words, True)


def find_term(text: str, term: Term, is_call: bool = False) -> tuple[int, int] | None:
    """Return where a text first contains a term, as start and end, or None.

    Args:
        is_call: As for `index_tokens`.
    """
    tokens = list(_tokens(text, is_call))
    *whole, last = term.tokens
    for place in range(len(tokens) - len(whole)):
        end = tokens[place + len(whole)]
        if not (end[0].startswith(last) if term.prefix else end[0] == last):
            continue
        if all(tokens[place + number][0] == token for number, token in enumerate(whole)):
            is_first_of_pair = term.prefix and is_cut(last) and len(end[0]) > len(last)
            stop = _first_end(text, end[1], end[2]) if is_first_of_pair else end[2]
            return tokens[place][1], stop
    return None


def is_cut(token: str) -> bool:
    """Return True if a token belongs to a script that is cut into pairs."""
    return _CLASSES[ord(token[0])] == _UNSPACED


class _Classes(dict[int, str]):
    """The class of each character, by its code; computed when a character is first looked up."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isalnum():
            found = _UNSPACED if is_unspaced(char) or is_hangul(char) else _LETTER
        elif category(char) in ("Mn", "Mc"):
            found = _UNSPACED if is_unspaced(char) else _MARK
        else:
            found = _SIGN
        self[code] = found
        return found


class _Seen(dict[int, str]):
    """Maps a character to itself, a character that no word has to a space, and others to a mark.

    The mark stands for all characters that are invisible.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if _IS_UNSEEN.match(char):
            self[code] = _UNSEEN
        else:
            self[code] = " " if _CLASSES[code] == _SIGN else char
        return self[code]


_CLASSES = _Classes()
_SEEN = _Seen()


def _tokens(text: str, is_call: bool) -> Iterator[Token]:
    """Yield the tokens of a text, each with its place."""
    text = text[:_MOST_CHARACTERS]
    count = 0
    for count, token in enumerate(_words(text), 1):
        yield token
        if count == MOST_TOKENS:
            return
    if not is_call:
        return
    for name in _NAME.finditer(text):
        parts = list(_PART_OF_NAME.finditer(name[0])) if len(name[0]) <= _LONGEST_NAME else []
        for part in parts if len(parts) > 1 else []:
            if count == MOST_TOKENS:
                return
            count += 1
            yield part[0].lower(), name.start() + part.start(), name.start() + part.end()


def _words(text: str) -> Iterator[Token]:
    if text.isascii():
        for word in _ASCII.finditer(text.lower()):
            yield word[0][:_LONGEST], word.start(), word.end()
        return
    folded, places = _folded(text)
    for token, start, stop in _cut(folded):
        yield token, *_span(places, start, stop)


def _cut(folded: str) -> Iterator[Token]:
    """Yield the tokens of a text in its normal form, each with its place in that form."""
    classes = folded.translate(_CLASSES)
    for run in _RUN.finditer(classes):
        start, stop = run.span()
        if classes[start] == _LETTER:
            yield folded[start : min(stop, start + _LONGEST)], start, stop
            continue
        # Combining marks of other scripts are skipped.
        chars = [place for place in range(start, stop) if classes[place] == _UNSPACED]
        for first, second in pairwise(chars):
            yield folded[first] + folded[second], first, second + 1
        yield folded[chars[-1]], chars[-1], chars[-1] + 1


#: Where each character of a folded text begins and ends in the original text; None if nothing
#: moved.
_Places = Sequence[tuple[int, int]] | None


def _span(places: _Places, start: int, stop: int) -> tuple[int, int]:
    return (start, stop) if places is None else (places[start][0], places[stop - 1][1])


def _folded(text: str) -> tuple[str, _Places]:
    """Return a text in a normal form, and where each of its characters stood.

    The form has no upper case and no width variants, and a space for each sign.
    """
    seen = text.translate(_SEEN)
    folded = seen.casefold()
    if len(folded) == len(seen) and _UNSEEN not in seen and is_normalized("NFKC", seen):
        return folded, None
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(seen):
        stop = start + 1
        while stop < len(seen) and _clings(seen[stop]):
            stop += 1
        piece = _folded_cluster(seen[start:stop])
        pieces.append(piece)
        places.extend([(start, stop)] * len(piece))
        start = stop
    return "".join(pieces)[:_MOST_CHARACTERS], places


@lru_cache(maxsize=10_000)
def _folded_cluster(cluster: str) -> str:
    """Return the normal form of a character with its combining marks."""
    return normalize("NFKC", cluster.replace(_UNSEEN, "")).casefold()


def _clings(char: str) -> bool:
    """Return True if a character modifies the one before it."""
    code = ord(char)
    if code < 0x300:
        return False
    return char == _UNSEEN or _CLASSES[code] == _MARK or _CLINGING.match(char) is not None


def _first_end(text: str, start: int, stop: int) -> int:
    """Return where the first character of a pair ends, with its combining marks."""
    end = start + 1
    while end < stop and _clings(text[end].translate(_SEEN)):
        end += 1
    return end
