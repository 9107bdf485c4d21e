"""How many examples a property test tries."""

from __future__ import annotations

import os

from hypothesis import settings

FACTOR = int(os.environ.get("TEST_EXAMPLES_FACTOR", "1"))


def examples(count: int) -> settings:
    """So many examples; `TEST_EXAMPLES_FACTOR` times as many where that is set."""
    return settings(max_examples=count * FACTOR)
