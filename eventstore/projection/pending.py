"""What waits for an answer: found by its keys, the oldest first, whatever else is waiting."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from eventstore.realtime.values import identifier, text

T = TypeVar("T")
ItemCreate = dict[str, Any]

# Levels of a value that are looked at to tell it from another.
_LEVELS = 50


@dataclass(slots=True)
class Pending(Generic[T]):
    """Values by the seq of their event, each under keys of its own.

    Attributes:
        values: by seq.
        keys: by seq, the keys that the value is found by.
        by_key: by key, the seqs, lowest first.
        popped: seqs of what was taken out, for who sets it to a list.
    """

    values: dict[int, T] = field(default_factory=dict)
    keys: dict[int, tuple[Hashable, ...]] = field(default_factory=dict)
    by_key: dict[Hashable, OrderedDict[int, None]] = field(default_factory=dict)
    popped: list[int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def add(self, seq: int, value: T, *keys: Hashable) -> None:
        """Add a value; seqs rise from one to the next."""
        self.values[seq], self.keys[seq] = value, keys
        for key in keys:
            self.by_key.setdefault(key, OrderedDict())[seq] = None

    def first(self, *keys: Hashable) -> int | None:
        """Return the lowest seq of what is under any of the keys, or None."""
        found = (next(iter(self.by_key[key])) for key in keys if key in self.by_key)
        return min(found, default=None)

    def all(self, key: Hashable) -> list[int]:
        """Return the seqs of all that is under a key."""
        return list(self.by_key.get(key, ()))

    def count(self, key: Hashable) -> int:
        """Return how many are under a key."""
        return len(self.by_key.get(key, ()))

    def pop(self, seq: int) -> T:
        """Take out a value that is here."""
        for key in self.keys.pop(seq):
            seqs = self.by_key[key]
            del seqs[seq]
            if not seqs:
                del self.by_key[key]
        if self.popped is not None:
            self.popped.append(seq)
        return self.values.pop(seq)


def add_create(creates: Pending[ItemCreate], seq: int, create: ItemCreate) -> None:
    """Note that a client asked for an item.

    Args:
        create: its `id`, `type`, `role` and `call_id`, the frame's `event_id`, and what the caller
            wants back.
    """
    id_, event_id = create["id"], create["event_id"]
    keys: list[Hashable] = [("id", id_)]
    if id_ is None:
        keys.append(("like", create["type"], create["role"], create["call_id"]))
    if event_id is not None:
        keys.append(("event", event_id))
    creates.add(seq, create, *keys)


def take_create(creates: Pending[ItemCreate], wire: dict[str, Any]) -> ItemCreate:
    """The client's create that an added item answers, taken out; empty where none does."""
    seq = creates.first(("id", identifier(wire.get("id"))))
    if seq is None:
        seq = creates.first(*_like(wire))
    return creates.pop(seq) if seq is not None else {}


def _like(wire: dict[str, Any]) -> list[Hashable]:
    """The keys of creates without an id that ask for such an item; a role may be left open."""
    told = [wire.get(name) for name in ("type", "call_id")]
    if any(value is not None and not isinstance(value, str) for value in told):
        return []
    roles = {None, text(wire.get("role"))}
    return [("like", told[0], role, told[1]) for role in roles]


def refuse_creates(creates: Pending[ItemCreate], event_id: str | None) -> list[int]:
    """Take out what an error refuses.

    Args:
        event_id: of the client's frame that it names; None where it names none.

    Returns:
        The seqs of the creates.
    """
    refused = creates.all(("event", event_id)) if event_id is not None else []
    for seq in refused:
        creates.pop(seq)
    return refused


def comparable(value: Any, levels: int = _LEVELS) -> Hashable:
    """A key that equal JSON values share, and different ones do not, down to so many levels."""
    if levels == 0:
        return "deeper"
    if isinstance(value, dict):
        pairs = ((key, comparable(inner, levels - 1)) for key, inner in value.items())
        return "object", frozenset(pairs)
    if isinstance(value, list):
        return "array", tuple(comparable(inner, levels - 1) for inner in value)
    return "value", value
