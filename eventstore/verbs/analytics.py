"""What a store sums up over sessions, and what it suggests to ask for.

Each verb imports its queries when it is called: a list of sessions waits for none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def _masked(by: str | None, summed: dict[str, Any]) -> dict[str, Any]:
    """Mask the secrets in the keys of groups: values of metadata, that is."""
    name = (by or "").partition(":")[2]
    for entry in summed["data"]:
        if isinstance(entry.get("key"), str):
            entry["key"] = mask_entry(name, entry["key"])
    return summed


class Totals(Log):
    """Usage, latency and growth of contexts, and suggestions: for `Queries`, which see a scope."""

    def _checked(self, kind: type[Filter], filters: Mapping[str, Any]) -> Filter:
        if "scope" in filters:
            raise InvalidInputError("bad filter scope: call scoped() instead")
        return checked_filter(kind, {**filters, "scope": self.scope})

    def usage(self, by: str | None = None, **filters: Any) -> dict[str, Any]:
        """Usage summed: tokens by modality, cached ones apart, transcription included, money.

        Args:
            by: `session`, `model`, `day`, `day,model` or `metadata:KEY`; None for the total alone.
            filters: as for `responses`.

        Returns:
            `data`, a line a group with its `key`, and `total`. What has no known price is under
            `unpriced`; where only the kinds of tokens are not told, `unpriced_between_usd` has the
            least and the most that they cost. By `day,model`, a line has the day as its `key`, and
            its `model`.

        Raises:
            InvalidInputError: a bad grouping or filter, or the file of prices cannot be used.
        """
        from eventstore.store.usage import query_usage

        summed = query_usage.query_usage(self.engine, by, self._checked(ResponseFilter, filters))
        return _masked(by, summed)

    def latency(self, by: str | None = None, **filters: Any) -> dict[str, Any]:
        """How fast answers came: half of them within `p50_ms`, and so `p90_ms` and `p99_ms`.

        An answer's time is from the end of the user's speech until sound; without speech, from
        the response's creation until sound or text. Times are counted in buckets, so that they are
        told to 2.2 %.

        Args:
            by: as for `usage`.
            filters: as for `responses`; `since` and `until` are about when a response was done.

        Returns:
            `data`, a line a group, and `total`, each with its number of `answers`; where there is
            none, the times are None.

        Raises:
            InvalidInputError: a bad grouping or filter.
        """
        from eventstore.store.usage import query_latency

        told = query_latency.query_latency(self.engine, by, self._checked(ResponseFilter, filters))
        return _masked(by, told)

    def context(self, **filters: Any) -> dict[str, Any]:
        """How contexts grow: mean tokens of the first response of a session, its second, and so on.

        Args:
            filters: as for `latency`.

        Returns:
            `data`, a line a `turn`, with the number of `responses` and the means of `input_tokens`,
            `cached_tokens` and `output_tokens`. The 200th stands for all from there on.

        Raises:
            InvalidInputError: a bad filter.
        """
        from eventstore.store.usage import query_context

        return query_context.query_context(self.engine, self._checked(ResponseFilter, filters))

    def metadata_keys(self, prefix: str = "", limit: int = 50) -> list[str]:
        """Keys of metadata that sessions and responses have, in the order of code points.

        A scoped store looks at its newest thousand sessions.

        Args:
            prefix: what they begin with.
            limit: 1 to 1000.

        Raises:
            InvalidInputError: a bad argument.
        """
        from eventstore.store.queries import suggest

        wanted = checked_filter(SuggestionFilter, {"prefix": prefix, "limit": limit})
        found = suggest.metadata_keys(self.engine, wanted, self.scope)
        return list(dict.fromkeys(map(mask_words, found)))

    def metadata_values(self, key: str, prefix: str = "", limit: int = 20) -> list[str]:
        """Values of a key of metadata, as `metadata_keys` gives the keys.

        Raises:
            InvalidInputError: a bad argument.
        """
        from eventstore.store.queries import suggest

        wanted = checked_filter(SuggestionFilter, {"key": key, "prefix": prefix, "limit": limit})
        found = suggest.metadata_values(self.engine, wanted, self.scope)
        return list(dict.fromkeys(mask_entry(key, value) for value in found))

    def models(self) -> list[str]:
        """The models of sessions and responses, a thousand at most, as `metadata_keys`."""
        from eventstore.store.queries import suggest

        return suggest.models(self.engine, SuggestionFilter(limit=MAX_SUGGESTIONS), self.scope)
