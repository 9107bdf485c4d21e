"""A page of a list, as every verb and route that lists something returns it.

Made by the queries of this room; verbs/ and web/api/ pass it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

Entry = TypeVar("Entry", covariant=True)
Other = TypeVar("Other")


@dataclass(frozen=True)
class Page(Sequence[Entry], Generic[Entry]):
    """A part of a list. It is a sequence of its entries: `len(page)`, `page[0]`, `for x in page`.

    Attributes:
        data: The entries of this page.
        first_id: The id of the first entry, or None if there is none.
        last_id: The id of the last entry, or None if there is none.
        has_more: True if more entries follow behind the last one. In a page that was asked for
            with `before`, True if more entries stand before the first one.
    """

    data: list[Entry]
    first_id: str | None
    last_id: str | None
    has_more: bool
    _next: Callable[[], Page[Entry]] | None = field(default=None, repr=False, compare=False)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        return self.data[place]

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.data)

    def next_page(self) -> Page[Entry] | None:
        """Return the page that follows this one, or None if there is none.

        The same filters hold, and the order is the same. It goes on where this page ends: behind
        its last entry, or before its first one if this page was asked for with `before`.

        Raises:
            NotFoundError: The entry at which this page ends is not there any more.
            InvalidInputError: As for the verb that gave this page.
        """
        if not self.has_more or self._next is None:
            return None
        return self._next()

    def iter_all(self) -> Iterator[Entry]:
        """Yield the entries of this page and of all pages that follow it, asked for one by one.

        Raises:
            NotFoundError: The entry at which a page ends is not there any more.
        """
        page: Page[Entry] | None = self
        while page is not None:
            yield from page.data
            page = page.next_page()

    def with_data(
        self, data: list[Other], next_page: Callable[[], Page[Other]] | None = None
    ) -> Page[Other]:
        """Return this page with other entries, and another function that gets the next page."""
        return Page(data, self.first_id, self.last_id, self.has_more, next_page)

    def as_list(self) -> dict[str, Any]:
        """Return the page in OpenAI's list shape: `object`, `data`, `first_id`, and so on."""
        return {
            "object": "list",
            "data": self.data,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "has_more": self.has_more,
        }
