"""How an asynchronous verb calls the verb of `EventStore`: the base of the classes in verbs/."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from eventstore.aio.async_items import MOST_ITEMS, AsyncItems
from eventstore.aio.async_page import AsyncPage
from eventstore.aio.threads import Threads
from eventstore.common.pauses import Pause
from eventstore.store.queries.pages import Page

P = ParamSpec("P")
T = TypeVar("T")

#: One session id, or several, which may come of another verb of an `AsyncEventStore`.
AsyncIds = str | Iterable[str] | AsyncItems[str]


class VerbCalls:
    """Calls verbs of a store in threads.

    Args:
        threads: The threads.
        source: Returns the store. It is called in a thread, because it may open the database.
    """

    def __init__(self, threads: Threads, source: Callable[[], Any]) -> None:
        self._threads, self._source = threads, source

    def _in_thread(self) -> Any:
        """Return the store whose verbs are called. It may block: call it in a thread."""
        return self._source()

    def _run(
        self, verb: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        """Call a verb, and return its result."""
        return self._threads.run(self._later(verb, *args, **kwargs))

    def _items(
        self,
        verb: Callable[Concatenate[Any, P], Iterator[T | Pause]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AsyncItems[T]:
        """Call a verb when its first item is asked for, and yield its items.

        Who stops after one session wants no work on the next ones. So work is not done ahead.
        """
        most = 1 if getattr(verb, "__name__", "").startswith("iter_") else MOST_ITEMS
        return AsyncItems(self._threads, self._later(verb, *args, **kwargs), most)

    async def _page(
        self, verb: Callable[Concatenate[Any, P], Page[T]], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncPage[T]:
        """Call a verb, and return its page."""
        return AsyncPage(await self._run(verb, *args, **kwargs), self._threads)

    def _later(
        self, verb: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Callable[[], T]:
        """Return what calls a verb, in a thread."""
        return partial(self._call, verb, args, kwargs)

    def _call(self, verb: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        return verb(self._source(), *map(_as_sync, args), **kwargs)


def _as_sync(argument: Any) -> Any:
    """Return an argument as a verb of `EventStore` takes it."""
    return argument._in_thread() if isinstance(argument, AsyncItems | VerbCalls) else argument
