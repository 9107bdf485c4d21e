"""The verbs of verbs/analytics.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.log import AsyncLog
from eventstore.verbs.analytics import Totals

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from eventstore.verbs.filter_params import ResponseFilterParams
    from eventstore.verbs.reports import ContextReport, LatencyReport, UsageReport


class AsyncTotals(AsyncLog):
    """The verbs of `Totals`, each called in a thread."""

    @property
    def reader(self) -> AsyncTotals:
        """The same verbs, for reading alone: of a store with a replica, they read from that."""
        return AsyncTotals(self._threads, lambda: self._source().reader)

    async def usage(
        self,
        by: str | None = None,
        **filters: Unpack[ResponseFilterParams],
    ) -> UsageReport:
        """Return usage summed up: tokens by modality, cached ones apart, transcriptions, money.

        Args:
            by: How to group: `session`, `model`, `day`, `day,model` or `metadata:KEY`; None for the
                total alone. Days are in UTC.
            filters: Which responses: see `ResponseFilterParams`.

        Returns:
            `data`, an entry for each group with its `key`, and the `total`. What has no known price
            is under `unpriced`. If only the kinds of tokens are unknown, `unpriced_between_usd` has
            the least and the most that they cost. By `day,model`, an entry has the day as its
            `key`, and its `model`.

        Raises:
            InvalidInputError: The grouping or a filter is wrong, or the file of prices cannot be
                used.
        """
        return await self._run(Totals.usage, by, **filters)

    async def latency(
        self,
        by: str | None = None,
        **filters: Unpack[ResponseFilterParams],
    ) -> LatencyReport:
        """Return how fast answers came: half of them within `p50_ms`; also `p90_ms` and `p99_ms`.

        The time of an answer is from the end of the user's speech to its first sound. Without
        speech, it is from the response's creation to its first sound or text. Times are counted in
        buckets, so they are exact to 2.2 %.

        Args:
            by: How to group, as for `usage`.
            filters: Which responses: see `ResponseFilterParams`. Here `since` and `until` are about
                when a response was done.

        Returns:
            `data`, an entry for each group, and the `total`, each with its number of `answers`. If
            there is none, the times are None.

        Raises:
            InvalidInputError: The grouping or a filter is wrong.
        """
        return await self._run(Totals.latency, by, **filters)

    async def context(self, **filters: Unpack[ResponseFilterParams]) -> ContextReport:
        """Return how contexts grow: mean tokens of each session's first response, its second, ….

        Args:
            filters: Which responses: see `ResponseFilterParams`. Here `since` and `until` are about
                when a response was done.

        Returns:
            `data`, an entry for each `turn`, with its number of `responses` and the means of
            `input_tokens`, `cached_tokens` and `output_tokens`. The 200th entry stands for all
            turns from there on.

        Raises:
            InvalidInputError: A filter is wrong.
        """
        return await self._run(Totals.context, **filters)

    async def metadata_keys(self, prefix: str = "", limit: int = 50) -> list[str]:
        """Return keys of metadata that sessions and responses have, in the order of code points.

        A scoped store looks at its newest thousand sessions.

        Args:
            prefix: What the keys begin with.
            limit: How many keys at most, 1 to 1000.

        Raises:
            InvalidInputError: An argument is wrong.
        """
        return await self._run(Totals.metadata_keys, prefix, limit)

    async def metadata_values(self, key: str, prefix: str = "", limit: int = 20) -> list[str]:
        """Return values that a key of metadata has, in the order of code points.

        A scoped store looks at its newest thousand sessions.

        Args:
            key: The key.
            prefix: What the values begin with.
            limit: How many values at most, 1 to 1000.

        Raises:
            InvalidInputError: An argument is wrong.
        """
        return await self._run(Totals.metadata_values, key, prefix, limit)

    async def models(self) -> list[str]:
        """Return the models of sessions and responses, a thousand at most, in order.

        A scoped store looks at its newest thousand sessions.
        """
        return await self._run(Totals.models)
