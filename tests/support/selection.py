"""Which tests a run leaves out: in CI most of those on partitioned tables."""

from __future__ import annotations

import zlib
from collections import defaultdict

import pytest

from support.databases import PARTITIONED
from support.examples import FACTOR, IN_CI

#: In CI one in so many tests on partitioned tables runs. What they show has mostly been shown on
#: the same server with plain tables; what differs is met by many tests alike.
SHARE_IN_CI = 3 if IN_CI and FACTOR == 1 else 1


def one_in(share: int, items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Divide tests into those that run, and those on partitioned tables that do not.

    Each worker of a run chooses the same ones: the choice depends on the names of tests alone. A
    test that runs on no other database is always chosen.
    """
    databases = defaultdict(set)
    for item in items:
        databases[_function(item)].add(_database(item))
    kept, left_out = [], []
    for item in items:
        is_alone = databases[_function(item)] == {PARTITIONED}
        runs = _database(item) != PARTITIONED or is_alone or _is_chosen(item, share)
        (kept if runs else left_out).append(item)
    return kept, left_out


def _is_chosen(item: pytest.Item, share: int) -> bool:
    return zlib.crc32(item.nodeid.encode()) % share == 0


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _database(item: pytest.Item) -> str | None:
    chosen = getattr(item, "callspec", None)
    return None if chosen is None else chosen.params.get("database_url")
