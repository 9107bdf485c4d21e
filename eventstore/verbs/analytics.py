"""What a store sums up over sessions, and what it suggests to ask for.

Each verb imports its queries when it is called: a list of sessions waits for none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Engine
from typing_extensions import Unpack

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.mask import mask_entry, mask_words
from eventstore.store.filters.filters import (
    MAX_SUGGESTIONS,
    Filter,
    ResponseFilter,
    SuggestionFilter,
    checked_filter,
)
from eventstore.store.sessions.log import Log

if TYPE_CHECKING:
    from eventstore.verbs.filter_params import ResponseFilterParams
    from eventstore.verbs.reports import ContextReport, LatencyReport, UsageReport


def masked_groups(by: str | None, summed: dict[str, Any]) -> dict[str, Any]:
    """Mask the secrets in the keys of groups: values of metadata, that is."""
    name = (by or "").partition(":")[2]
    for entry in summed["data"]:
        if isinstance(entry.get("key"), str):
            entry["key"] = mask_entry(name, entry["key"])
    return summed


class Totals(Log):
    """Usage, latency and growth of contexts, and suggestions: for `Queries`, which see a scope."""

    @property
    def reader(self) -> Totals:
        """The same verbs, for reading alone: of a store with a replica, they read from that."""
        return self

    @property
    def _reads(self) -> Engine:
        """The engine that queries are made with."""
        return self.reader.engine

    def _checked(self, kind: type[Filter], filters: Mapping[str, Any]) -> Filter:
        if "scope" in filters:
            raise InvalidInputError("bad filter scope: call scoped() instead")
        return checked_filter(kind, {**filters, "scope": self.scope})

    def usage(self, by: str | None = None, **filters: Unpack[ResponseFilterParams]) -> UsageReport:
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
        from eventstore.store.usage import query_usage

        checked = self._checked(ResponseFilter, filters)
        summed = query_usage.query_usage(self._reads, checked_grouping(by), checked)
        return cast("UsageReport", masked_groups(by, summed))

    def latency(
        self, by: str | None = None, **filters: Unpack[ResponseFilterParams]
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
        from eventstore.store.usage import query_latency

        checked = self._checked(ResponseFilter, filters)
        report = query_latency.query_latency(self._reads, checked_grouping(by), checked)
        return cast("LatencyReport", masked_groups(by, report))

    def context(self, **filters: Unpack[ResponseFilterParams]) -> ContextReport:
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
        from eventstore.store.usage import query_context

        report = query_context.query_context(self._reads, self._checked(ResponseFilter, filters))
        return cast("ContextReport", report)

    def metadata_keys(self, prefix: str = "", limit: int = 50) -> list[str]:
        """Return keys of metadata that sessions and responses have, in the order of code points.

        A scoped store looks at its newest thousand sessions.

        Args:
            prefix: What the keys begin with.
            limit: How many keys at most, 1 to 1000.

        Raises:
            InvalidInputError: An argument is wrong.
        """
        from eventstore.store.queries import suggest

        checked = checked_filter(SuggestionFilter, {"prefix": prefix, "limit": limit})
        found = suggest.metadata_keys(self._reads, checked, self.scope)
        return list(dict.fromkeys(map(mask_words, found)))

    def metadata_values(self, key: str, prefix: str = "", limit: int = 20) -> list[str]:
        """Return values that a key of metadata has, in the order of code points.

        A scoped store looks at its newest thousand sessions.

        Args:
            key: The key.
            prefix: What the values begin with.
            limit: How many values at most, 1 to 1000.

        Raises:
            InvalidInputError: An argument is wrong.
        """
        from eventstore.store.queries import suggest

        checked = checked_filter(SuggestionFilter, {"key": key, "prefix": prefix, "limit": limit})
        found = suggest.metadata_values(self._reads, checked, self.scope)
        return list(dict.fromkeys(mask_entry(key, value) for value in found))

    def models(self) -> list[str]:
        """Return the models of sessions and responses, a thousand at most, in order.

        A scoped store looks at its newest thousand sessions.
        """
        from eventstore.store.queries import suggest

        return suggest.models(self._reads, SuggestionFilter(limit=MAX_SUGGESTIONS), self.scope)


def checked_grouping(by: object) -> str | None:
    """Return the grouping of a report, after checking that it is text or None."""
    if by is not None and not isinstance(by, str):
        raise InvalidInputError(f"cannot group by {brief(by)}; use session, model, day, …")
    return by
