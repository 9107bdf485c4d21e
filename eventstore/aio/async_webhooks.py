"""`AsyncWebhooks`: webhooks to an app, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from eventstore.aio.async_items import AsyncItems
from eventstore.aio.threads import Threads
from eventstore.feed.webhooks.dead_letters import DeadLetter
from eventstore.feed.webhooks.webhooks import Webhooks


class AsyncWebhooks:
    """Webhooks to one app; await `run`. It does what `Webhooks` does."""

    def __init__(self, threads: Threads, make: Callable[[], Webhooks]) -> None:
        self._threads, self._make = threads, make
        self._made: Webhooks | None = None
        self._stopped = False

    def _webhooks(self) -> Webhooks:
        if self._made is None:
            self._made = self._make()
            if self._stopped:
                self._made.stop()
        return self._made

    async def run(self, threads: int = 4) -> Webhooks:
        """Send webhooks until `stop` is called, or all are sent if the subscription ends then.

        They are sent by threads of their own, not by those of the store. If this is cancelled, they
        end after the webhooks that they send now.

        Args:
            threads: How many webhooks are sent at once.

        Returns:
            How many were `sent`, how many attempts `failed`, and how many were `given_up`.

        Raises:
            EventStoreError: The store failed; what was not sent is sent when it runs again.
        """
        webhooks = await self._threads.run(self._webhooks)
        try:
            await asyncio.to_thread(webhooks.run, threads)
        except asyncio.CancelledError:
            self.stop()
            raise
        return webhooks

    def stop(self) -> None:
        """End `run` after the webhooks that are sent now."""
        self._stopped = True
        if self._made is not None:
            self._made.stop()

    def send_again(self) -> AsyncItems[tuple[DeadLetter, str | None]]:
        """Send once more what was given up, each session's in order.

        Yields:
            Each webhook, and why it was not taken; None if it was.
        """

        def again() -> Iterator[tuple[DeadLetter, str | None]]:
            yield from self._webhooks().send_again()

        return AsyncItems(self._threads, again, 1)
