"""Find secrets that are split over the words of a list, such as the timed words of an item.

No word of such a list is a secret by itself, and the words together are one: `password`, `=`,
`hunter`, `2aB`. Called by mask.py, for parsed values and for JSON texts. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from eventstore.realtime.json_scanner import NAME, TEXT, json_tokens, unescape
from eventstore.realtime.masking.secret_names import SecretSpan

#: The members that have a list of objects with the words of one speech, each in a member `text`:
#: those of the store's items, and those of Azure Voice Live's transcriptions.
WORD_LISTS = frozenset({"timed_words", "words", "phrases"})
_TEXT = "text"
# Fragments of GPT-Live have their spaces in them. The words of other servers have none.
_GLUES = ("", " ")
_QUOTED_LISTS = tuple(f'"{name}"' for name in sorted(WORD_LISTS))

#: A function that returns the places of secrets in a text.
FindSecrets = Callable[[str], list[SecretSpan]]


def split_secrets(words: Sequence[str], find: FindSecrets) -> Iterator[tuple[int, SecretSpan]]:
    """Yield the places of secrets and of parts of them: the index of a word, and a place in it.

    The places may overlap, and have no order.

    Args:
        words: The words in their order.
        find: A function that returns the places of secrets in a text.
    """
    if len(words) < 2:
        return
    for glue in _GLUES:
        begins = [0, *accumulate(len(word) + len(glue) for word in words)]
        for start, stop in find(glue.join(words)):
            index = bisect_right(begins, start) - 1
            while index < len(words) and begins[index] < stop:
                begin = begins[index]
                span = max(0, start - begin), min(len(words[index]), stop - begin)
                if span[0] < span[1]:
                    yield index, span
                index += 1


def words_of_list(entries: Sequence[Any]) -> list[str]:
    """Return the words of a parsed list; an empty text for an entry that has none."""
    texts = (entry.get(_TEXT) if isinstance(entry, dict) else None for entry in entries)
    return [one if isinstance(one, str) else "" for one in texts]


def may_have_lists(text: str) -> bool:
    """Return False if a JSON text certainly has no list of words. This is a quick check."""
    return any(name in text for name in _QUOTED_LISTS)


class _Container(NamedTuple):
    """An open object or list: whether it is an object, and the places of the words in it.

    `words` is None if the container is no list of words, nor an object of one.
    """

    is_object: bool
    words: list[SecretSpan] | None


def split_in_json(text: str, find: FindSecrets) -> Iterator[SecretSpan]:
    """Yield the places of secrets that are split over the words of the lists in a JSON text.

    Args:
        text: The text. It may be broken; a list without an end reaches up to the end of the text.
        find: A function that returns the places of secrets in a text.
    """
    lists: list[list[SecretSpan]] = []
    open_ = [_Container(False, None)]
    key = ""
    for kind, start, end in json_tokens(text):
        here = open_[-1]
        if kind == NAME:
            key, _ = unescape(text[start:end])
        elif kind == TEXT:
            if here.is_object and here.words is not None and key == _TEXT:
                here.words.append((start, end))
        elif kind == "[":
            is_list = here.is_object and key in WORD_LISTS
            if is_list:
                lists.append([])
            open_.append(_Container(False, lists[-1] if is_list else None))
        elif kind == "{":
            open_.append(_Container(True, None if here.is_object else here.words))
        elif kind in "}]" and len(open_) > 1:
            open_.pop()
    for spans in lists:
        words = [unescape(text[start:end]) for start, end in spans]
        for index, (start, stop) in split_secrets([content for content, _ in words], find):
            place, begin = words[index][1], spans[index][0]
            yield begin + place(start), begin + place(stop)
