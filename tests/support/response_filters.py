"""Filters of responses, as strategies and as plain Python."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.query_calls import (
    KEYS,
    MODELS,
    STATUSES,
    VALUES,
    VOICES,
    calls,
    moments,
)

_OPERATORS = ("=", "=", "!=", "^=")


_KEYS = (*(key for key in KEYS if "=" not in key), "unheard of")


_PREFIXES = tuple(value[:1] for value in VALUES if value) + VALUES


TEXTS = st.sampled_from(
    (
        "order",
        "monday",
        "ORDER my",
        '"my order"',
        '"order my"',
        "sun*",
        "mon* or",
        "möchte",
        "nine;",
    )
)


def conditions() -> st.SearchStrategy[str]:
    """A condition on metadata."""
    compared = st.builds(
        "{}{}{}".format,
        st.sampled_from(_KEYS),
        st.sampled_from(_OPERATORS),
        st.sampled_from(VALUES) | st.sampled_from(_PREFIXES),
    )
    return compared | st.sampled_from(_KEYS)


def filters() -> st.SearchStrategy[dict[str, Any]]:
    """Any mix of filters, most of which something passes."""
    return st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.lists(conditions(), min_size=1, max_size=3),
            "status": st.sampled_from(sorted(set(STATUSES))),
            "model": st.sampled_from([model for model in MODELS if model] + ["unheard of"]),
            "reason": st.sampled_from(("content_filter", "insufficient_quota", "unheard of")),
            "voice": st.sampled_from((*VOICES, "unheard of")),
            "modality": st.sampled_from(("audio", "text")),
            "conversation": st.sampled_from(("conv_1", "conv_8_0", "conv_7_1", "unheard of")),
            "session": st.sampled_from((*calls(), "unheard of")),
            "text": TEXTS,
            "min_tokens": st.integers(0, 2500),
            "since": moments(),
            "until": moments(),
        },
    )
