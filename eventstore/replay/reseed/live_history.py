"""Make the history with which a GPT-Live session begins: messages of text, within the API's limits.

`session.start` takes at most 128 messages, each with one part of text, and so many tokens as the
server renders of them: 8,192 by default. Only the server knows their number, so that it is
estimated. Called by reseed.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from eventstore.realtime.values import mapping, sequence, storable, text
from eventstore.replay.reseed.item_seeds import Seed, in_words

Json = dict[str, Any]

#: How many messages a history has at most, by the API's reference.
MAX_MESSAGES = 128
#: How many tokens a history has at most, unless the account has another limit.
DEFAULT_MAX_TOKENS = 8192

# The estimate is a high one: English has 4 to 5 bytes a token, and most other scripts 3 or more.
_BYTES_OF_TOKEN = 3
_TOKENS_AROUND = 8
#: A message that is longer than this part of all tokens is cut, so that others fit beside it.
_LONGEST_PART = 4

_ROLES = {"user": "user", "assistant": "assistant", "system": "developer"}
_CUT_OFF = " […]"


class History(NamedTuple):
    """The messages of a history, and what was left out: an item's id and a reason each."""

    messages: list[Json]
    lost: list[tuple[str | None, str]]


class _Told(NamedTuple):
    """A message, and the item that it was made of."""

    item_id: str
    role: str
    text: str


def estimated_tokens(said: str) -> int:
    """Return an estimate of the tokens of a message: a token for 3 bytes of UTF-8, and 8 more."""
    size = len(said.encode("utf-8", "replace"))
    return -(-size // _BYTES_OF_TOKEN) + _TOKENS_AROUND


def live_history(seeds: Sequence[Seed], max_tokens: int) -> History:
    """Return the newest messages that fit into a history, in their order.

    Args:
        seeds: What becomes of each item. Each function call in them has its output.
        max_tokens: How many tokens the messages have at most, by estimate.
    """
    told = list(_in_words(seeds))
    lost: list[tuple[str | None, str]] = []
    kept: list[_Told] = []
    left = max_tokens
    for one in reversed(told):
        one, is_cut = _shortened(one, max_tokens // _LONGEST_PART)
        left -= estimated_tokens(one.text)
        if left < 0 or len(kept) == MAX_MESSAGES:
            break
        kept.append(one)
        if is_cut:
            lost.append((one.item_id, "the end of it: it takes too much of the history"))
    if older := len(told) - len(kept):
        limit = f"{MAX_MESSAGES} messages" if left >= 0 else f"{max_tokens:,} tokens by estimate"
        lost.append((None, f"the {older:,} oldest messages: a history has at most {limit}"))
    return History([_message(one) for one in reversed(kept)], lost[::-1])


def _in_words(seeds: Iterable[Seed]) -> Iterable[_Told]:
    """Yield each item as a message. A function's call and its output are one."""
    calls: dict[str, Json] = {}
    for seed in seeds:
        item = seed.item or {}
        kind = item.get("type")
        if kind == "function_call":
            calls[item["call_id"]] = item
        elif kind == "function_call_output":
            call = calls.pop(item["call_id"], {})
            said = in_words(
                text(call.get("name")) or "", text(call.get("arguments")) or "", item["output"]
            )
            yield _Told(seed.item_id, "developer", storable(said))
        elif kind == "message":
            parts = [mapping(part) for part in sequence(item.get("content"))]
            said = " ".join(filter(None, (text(part.get("text")) for part in parts)))
            yield _Told(seed.item_id, _ROLES[item["role"]], storable(said))


def _shortened(one: _Told, most: int) -> tuple[_Told, bool]:
    """Return a message of at most so many tokens, and True if it was cut."""
    if estimated_tokens(one.text) <= most:
        return one, False
    size = (most - estimated_tokens(_CUT_OFF)) * _BYTES_OF_TOKEN
    if size <= 0:
        return one, False
    begin = one.text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
    return one._replace(text=begin + _CUT_OFF), True


def _message(one: _Told) -> Json:
    kind = "output_text" if one.role == "assistant" else "input_text"
    return {
        "type": "message",
        "role": one.role,
        "content": [{"type": kind, "text": one.text}],
    }
