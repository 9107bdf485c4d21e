"""`AsyncTraces`: traces for a collector, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from eventstore.aio.threads import Threads
from eventstore.exports.otel.traces import Traces


class AsyncTraces:
    """Traces for one collector; await `run`. It does what `Traces` does."""

    def __init__(self, threads: Threads, make: Callable[[], Traces]) -> None:
        self._threads, self._make = threads, make
        self._made: Traces | None = None
        self._stopped = False

    def _traces(self) -> Traces:
        if self._made is None:
            self._made = self._make()
            if self._stopped:
                self._made.stop()
        return self._made

    async def run(self) -> Traces:
        """Send spans until `stop` is called, or all are sent if it was made with `once`.

        They are sent by a thread of their own, not by those of the store. If this is cancelled, it
        ends after the spans that it sends now.

        Returns:
            How many spans were `sent`, how many were `refused`, and how often sending `failed`.

        Raises:
            EventStoreError: The store failed, or the collector did not take what was to be sent
                once. What was not sent is sent when it runs again.
        """
        traces = await self._threads.run(self._traces)
        try:
            await asyncio.to_thread(traces.run)
        except asyncio.CancelledError:
            self.stop()
            raise
        return traces

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped = True
        if self._made is not None:
            self._made.stop()
