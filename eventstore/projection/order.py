"""Keep the order of a conversation's items: a linked list in which each item has a sort number.

Called by the handlers of the fold. The numbers are the column `position` of items. Inserting and
removing an item takes a time that does not grow with the number of items. The numbers leave gaps,
so that an inserted item usually changes no other number. If a gap is full, a few neighbours get
new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

# The database column has 32 bits.
_LOWEST, _BITS = -(2**31), 32
_HIGHEST = _LOWEST + 2**_BITS - 1
# The gap before an item that is appended. It allows 32 million appended items.
_GAP = 64
# Items get new numbers in the smallest range of 2**n numbers with at most 2**n / _SPARSE**n items.
_SPARSE = 1.2


@dataclass(slots=True)
class OrderedIds:
    """Distinct ids in an order.

    Attributes:
        numbers: The sort number of each id. It is higher than those of all ids before.
        behind, before: The next and the previous id of each id; None at the ends.
        first, last: The first and the last id, or None if there are no ids.
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
        """Add an id at the end, and return what `insert` returns."""
        return self.insert(id_, self.last)

    def insert(self, id_: str, predecessor: str | None) -> list[str]:
        """Add an id behind another one, or at the start.

        Args:
            id_: An id that is not in the order.
            predecessor: An id that is in the order, or None for the start.

        Returns:
            The other ids whose numbers changed.
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
        """Remove an id that is in the order."""
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
        """Return a free number between the numbers of two neighbours, or None if there is none."""
        low = self.numbers[predecessor] if predecessor is not None else None
        high = self.numbers[successor] if successor is not None else None
        if low is None and high is None:
            return 0
        if low is None or high is None:
            number = low + _GAP if low is not None else (high or 0) - _GAP
            return number if _LOWEST <= number <= _HIGHEST else None
        return (low + high) // 2 if high - low > 1 else None

    def _spread(self, id_: str, around: int) -> list[str]:
        """Give new numbers to an id and its neighbours, in the smallest range with enough room.

        Args:
            id_: The new id, which has no number yet.
            around: The number of a neighbour.

        Returns:
            The other ids whose numbers changed.
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
