"""Keep requests that wait for the server's answer, and find the oldest one that matches a key.

Called by the handlers of the fold, by the sound's time line and by reseeds, for requests for
responses and for creates of items. Finding one takes a time that does not grow with the number of
waiting requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from eventstore.realtime.values import identifier, mapping, text

T = TypeVar("T")
ItemCreate = dict[str, Any]

# The depth down to which `comparable` compares values.
_LEVELS = 50


@dataclass(slots=True)
class Pending(Generic[T]):
    """Values, each with the seq of its event and with keys by which it is found.

    Attributes:
        values: The value by its seq.
        keys: The keys of the value by its seq.
        by_key: The seqs by key, lowest first.
        popped: A list to which `pop` adds seqs, or None. The replay server sets it to a list.
    """

    values: dict[int, T] = field(default_factory=dict)
    keys: dict[int, tuple[Hashable, ...]] = field(default_factory=dict)
    by_key: dict[Hashable, OrderedDict[int, None]] = field(default_factory=dict)
    popped: list[int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def add(self, seq: int, value: T, *keys: Hashable) -> None:
        """Add a value. Its seq must be higher than those added before."""
        self.values[seq], self.keys[seq] = value, keys
        for key in keys:
            self.by_key.setdefault(key, OrderedDict())[seq] = None

    def first(self, *keys: Hashable) -> int | None:
        """Return the lowest seq of the values that have one of the keys, or None."""
        found = (next(iter(self.by_key[key])) for key in keys if key in self.by_key)
        return min(found, default=None)

    def all(self, key: Hashable) -> list[int]:
        """Return the seqs of all values that have a key."""
        return list(self.by_key.get(key, ()))

    def count(self, key: Hashable) -> int:
        """Return how many values have a key."""
        return len(self.by_key.get(key, ()))

    def pop(self, seq: int) -> T:
        """Remove a value by its seq, and return it."""
        for key in self.keys.pop(seq):
            seqs = self.by_key[key]
            del seqs[seq]
            if not seqs:
                del self.by_key[key]
        if self.popped is not None:
            self.popped.append(seq)
        return self.values.pop(seq)


def add_create(
    creates: Pending[ItemCreate], seq: int, body: dict[str, Any], **members: Any
) -> None:
    """Add a client's `conversation.item.create`.

    Args:
        creates: The creates that wait.
        seq: The seq of the client's event.
        body: The event.
        members: What `take_create` shall return beside the item's ids, type and role, and the
            event's id and seq.
    """
    item = mapping(body.get("item"))
    id_, event_id = identifier(item.get("id")), text(body.get("event_id"))
    like = {name: text(item.get(name)) for name in ("type", "role", "call_id")}
    keys: list[Hashable] = [("id", id_)]
    if id_ is None:
        keys.append(("like", *like.values()))
    if event_id is not None:
        keys.append(("event", event_id))
    creates.add(seq, {"seq": seq, "id": id_, "event_id": event_id, **like, **members}, *keys)


def take_create(creates: Pending[ItemCreate], wire: dict[str, Any]) -> ItemCreate:
    """Remove and return the client's create that an added item answers, or an empty dict.

    Args:
        creates: The creates that wait.
        wire: The item as the server added it.
    """
    seq = creates.first(("id", identifier(wire.get("id"))))
    if seq is None:
        seq = creates.first(*_like(wire))
    return creates.pop(seq) if seq is not None else {}


def _like(wire: dict[str, Any]) -> list[Hashable]:
    """Return the keys of creates without an id that match an item. A create may have no role."""
    told = [wire.get(name) for name in ("type", "call_id")]
    if any(value is not None and not isinstance(value, str) for value in told):
        return []
    roles = {None, text(wire.get("role"))}
    return [("like", told[0], role, told[1]) for role in roles]


def refuse_creates(creates: Pending[ItemCreate], event_id: str | None) -> list[int]:
    """Remove the creates that an error of the server refuses.

    Args:
        creates: The creates that wait.
        event_id: The id of the client's event that the error names, or None.

    Returns:
        The seqs of the removed creates.
    """
    refused = creates.all(("event", event_id)) if event_id is not None else []
    for seq in refused:
        creates.pop(seq)
    return refused


def comparable(value: Any, levels: int = _LEVELS) -> Hashable:
    """Return a hashable key that is equal for equal JSON values.

    Args:
        value: The JSON value.
        levels: The depth down to which values are compared; below it, all are equal.
    """
    if levels == 0:
        return "deeper"
    if isinstance(value, dict):
        pairs = ((key, comparable(inner, levels - 1)) for key, inner in value.items())
        return "object", frozenset(pairs)
    if isinstance(value, list):
        return "array", tuple(comparable(inner, levels - 1) for inner in value)
    return "value", value
