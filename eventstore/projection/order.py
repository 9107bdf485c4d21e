"""The order of a conversation's items: a linked list, each item with a number to sort by.

An item can be put behind any other, at the start, or taken out, in a time that does not grow with
the number of items. Numbers leave gaps between them, so that an item in the middle needs a new
number for itself alone; where a gap is used up, a few items around it get new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

# Numbers are kept in columns of 32 bits.
_LOWEST, _BITS = -(2**31), 32
_HIGHEST = _LOWEST + 2**_BITS - 1
# Between an item at an end and the one before. 32 million items are put behind each other by it.
_GAP = 64
# Items are spread over a range of 2**n numbers that holds no more than 2**n / _SPARSE**n of them.
_SPARSE = 1.2


@dataclass(slots=True)
class Order:
    """Ids in their order, none of them twice.

    Attributes:
        numbers: by id, a number that is higher than those of all ids before it.
        behind, before: by id, the ids next to it; None at the ends.
        first, last: the ids at the ends; None where there are none.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    behind: dict[str, str | None] = field(default_factory=dict)
    before: dict[str, str | None] = field(default_factory=dict)
    first: str | None = None
    last: str | None = None

    def __iter__(self) -> Iterator[str]:
        id_ = self.first
        while id_ is not None:
            yield id_
            id_ = self.behind[id_]

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, id_: object) -> bool:
        return id_ in self.numbers

    def append(self, id_: str) -> list[str]:
        """Put an id at the end; as `insert`."""
        return self.insert(id_, self.last)

    def insert(self, id_: str, predecessor: str | None) -> list[str]:
        """Put an id behind another, or at the start.

        Args:
            predecessor: an id that is here; None for the start.

        Returns:
            The ids, `id_` excepted, that have other numbers than before.
        """
        successor = self.first if predecessor is None else self.behind[predecessor]
        self._link(predecessor, id_)
        self._link(id_, successor)
        number = self._between(predecessor, successor)
        if number is not None:
            self.numbers[id_] = number
            return []
        return self._spread(id_, self.numbers[predecessor or successor or id_])

    def remove(self, id_: str) -> None:
        """Take out an id that is here."""
        before, behind = self.before.pop(id_), self.behind.pop(id_)
        del self.numbers[id_]
        self._link(before, behind)

    def _link(self, id_: str | None, successor: str | None) -> None:
        if id_ is None:
            self.first = successor
        else:
            self.behind[id_] = successor
        if successor is None:
            self.last = id_
        else:
            self.before[successor] = id_

    def _between(self, predecessor: str | None, successor: str | None) -> int | None:
        """A free number between those of two neighbours; None where there is none."""
        low = self.numbers[predecessor] if predecessor is not None else None
        high = self.numbers[successor] if successor is not None else None
        if low is None and high is None:
            return 0
        if low is None or high is None:
            number = low + _GAP if low is not None else (high or 0) - _GAP
            return number if _LOWEST <= number <= _HIGHEST else None
        return (low + high) // 2 if high - low > 1 else None

    def _spread(self, id_: str, around: int) -> list[str]:
        """Give new numbers to an id and to those near it, in the smallest range with room enough.

        Args:
            id_: has no number yet.
            around: the number of a neighbour.
        """
        low, first, last, count = around, id_, id_, 1
        for bits in range(1, _BITS + 1):
            low = ((around - _LOWEST) >> bits << bits) + _LOWEST
            high = low + (1 << bits) - 1
            while (prior := self.before[first]) is not None and self.numbers[prior] >= low:
                first, count = prior, count + 1
            while (next_ := self.behind[last]) is not None and self.numbers[next_] <= high:
                last, count = next_, count + 1
            if count * _SPARSE**bits <= 1 << bits:
                break
        step = (1 << bits) // count
        moved: list[str] = []
        here: str | None = first
        for place in range(count):
            assert here is not None  # noqa: S101 - count ids follow each other from the first
            self.numbers[here] = low + place * step + step // 2
            if here != id_:
                moved.append(here)
            here = self.behind[here]
        return moved
