"""Return the text of an item that a search looks at: what was said, or which tool was called how.

Secrets in the arguments of a call are left out, so that nobody can find them by guessing. Called to
write the index (index_words.py), to show the match of a search, and to search encrypted rows one by
one (both in queries/).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from eventstore.realtime.masking.mask import mask_value, mask_words
from eventstore.realtime.masking.secret_names import REMOVED
from eventstore.realtime.values import loads, mapping, storable
from eventstore.store.readmodels.words.search_tokens import Term, find_term, index_tokens

_PARTS_OF_A_CALL = ("server_label", "name", "arguments")
_INSTEAD = "…"
_CONTEXT = 60


class Searched(NamedTuple):
    """The text of an item that is searched.

    Attributes:
        text: The text.
        is_call: True if it describes a tool call.
    """

    text: str
    is_call: bool = False

    def tokens(self) -> list[str]:
        """Return the tokens of the text that the index stores."""
        return index_tokens(self.text, self.is_call)

    def snippet(self, terms: Sequence[Term]) -> str | None:
        """Return the words around the first match, with the match in brackets.

        Returns:
            For example `… my [order] arrives …`; None if the text lacks one of the terms.
        """
        places = []
        for one in terms:
            place = find_term(self.text, one, self.is_call)
            if place is None:
                return None
            places.append(place)
        if not places:
            return None
        first, last = min(places)
        start, end = max(0, first - _CONTEXT), min(len(self.text), last + _CONTEXT)
        before, after = self.text[start:first], self.text[last:end]
        lead, trail = "…" if start else "", "…" if end < len(self.text) else ""
        return f"{lead}{before}[{self.text[first:last]}]{after}{trail}"

    def shown(self, terms: Sequence[Term]) -> str | None:
        """Return the snippet to show to other people, with secrets masked.

        Returns:
            The snippet; `[removed]` if only a secret matches; None if nothing matches.
        """
        found = self._replace(text=mask_words(self.text)).snippet(terms)
        if found is None and self.snippet(terms) is not None:
            return REMOVED
        return found


def searched_text(type_: Any, said: str, resource: str) -> Searched:
    """Return the searched text of an item's row.

    Args:
        type_: The type of the item.
        said: What was said in it; may be empty.
        resource: Its JSON, decrypted.
    """
    if said or type_ == "message" or ('"name":' not in resource and '"arguments":' not in resource):
        return Searched(said)
    try:
        call = mapping(loads(resource))
    except (ValueError, RecursionError):  # The row is damaged.
        return Searched("")
    return Searched(_call_text(call), is_call=True)


def _call_text(call: dict[str, Any]) -> str:
    """Return a tool call as words, such as `get_weather city: Oslo days: 3`.

    The result is empty if the resource is not a tool call.
    """
    parts = {name: call[name] for name in _PARTS_OF_A_CALL if isinstance(call.get(name), str)}
    if "name" not in parts and "arguments" not in parts:
        return ""
    masked = mask_value(parts)
    words = [masked[name] for name in ("server_label", "name") if name in masked]
    words += _words_of(masked.get("arguments", ""))
    return storable(" ".join(words).replace(REMOVED, _INSTEAD))


def _words_of(arguments: str) -> Iterator[str]:
    """Yield the names and values of a call's arguments, in order.

    Arguments that are not JSON are yielded as they are.
    """
    try:
        value = loads(arguments)
    except (ValueError, RecursionError):
        yield arguments
        return
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        name, value = left.pop()
        lead = f"{name}:" if name else ""
        if isinstance(value, dict):
            inner = [(str(key), entry) for key, entry in value.items()]
        elif isinstance(value, list):
            inner = [("", entry) for entry in value]
        else:
            inner = []
            if value is not None and not isinstance(value, bool):
                lead = f"{lead} {value}" if lead else str(value)
        if lead:
            yield lead
        left.extend(reversed(inner))
