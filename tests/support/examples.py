"""How many examples a property test tries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
FACTOR = int(os.environ.get("TEST_EXAMPLES_FACTOR", "1"))
#: In CI the same examples are tried each time, so that fewer of them are enough there.
_SHARE_IN_CI = 0.1 if IN_CI and FACTOR == 1 else 1.0

_share = 1


def some(values: Sequence[T], share: int) -> Sequence[T]:
    """All values; in CI one in so many of them."""
    return values[::share] if IN_CI and FACTOR == 1 else values


def examples(count: int) -> settings:
    """So many examples; `TEST_EXAMPLES_FACTOR` times as many where that is set."""
    return settings(max_examples=max(1, round(count * FACTOR * _SHARE_IN_CI) // _share))


@contextmanager
def fewer_examples(share: int) -> Iterator[None]:
    """Let properties that are stated within a test try only one in so many of their examples."""
    global _share
    _share = share
    try:
        yield
    finally:
        _share = 1
