"""A page of a list, as verbs of `AsyncEventStore` return it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from eventstore.aio.async_items import AsyncItems
from eventstore.aio.threads import Threads
from eventstore.store.queries.pages import Page

Entry = TypeVar("Entry", covariant=True)


class AsyncPage(Sequence[Entry], Generic[Entry]):
    """A part of a list. It is a sequence of its entries: `len(page)`, `page[0]`, `for x in page`.

    Attributes:
        data: The entries of this page.
        first_id: The id of the first entry, or None if there is none.
        last_id: The id of the last entry, or None if there is none.
        has_more: True if more entries follow behind the last one. In a page that was asked for
            with `before`, True if more entries stand before the first one.
    """

    def __init__(self, page: Page[Entry], threads: Threads) -> None:
        self._page, self._threads = page, threads
        self.data = page.data
        self.first_id, self.last_id = page.first_id, page.last_id
        self.has_more = page.has_more

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

    def __repr__(self) -> str:
        return f"Async{self._page!r}"

    async def next_page(self) -> AsyncPage[Entry] | None:
        """Return the page that follows this one, or None if there is none.

        The same filters hold, and the order is the same. It goes on where this page ends: behind
        its last entry, or before its first one if this page was asked for with `before`.

        Raises:
            NotFoundError: The entry at which this page ends is not there any more.
            InvalidInputError: As for the verb that gave this page.
        """
        following = await self._threads.run(self._page.next_page)
        return None if following is None else AsyncPage(following, self._threads)

    def iter_all(self) -> AsyncItems[Entry]:
        """Yield the entries of this page and of all pages that follow it, for `async for`.

        Raises:
            NotFoundError: The entry at which a page ends is not there any more.
        """
        return AsyncItems(self._threads, self._page.iter_all)

    def as_list(self) -> dict[str, Any]:
        """Return the page in OpenAI's list shape: `object`, `data`, `first_id`, and so on."""
        return self._page.as_list()
