"""Unit: which tests a run in CI leaves out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from support.selection import one_in


def item(name: str, database: str | None) -> Any:
    if database is None:
        return SimpleNamespace(nodeid=name)
    callspec = SimpleNamespace(params={"database_url": database})
    return SimpleNamespace(nodeid=f"{name}[{database}]", callspec=callspec)


def test_one_in_three_on_partitions_runs_and_all_others() -> None:
    kinds = ("sqlite", "postgresql", "partitioned")
    items = [item(f"test_{n}", kind) for n in range(300) for kind in kinds]
    items += [item("test_none", None), item("test_alone", "partitioned")]
    kept, left_out = one_in(3, items)
    assert [one for one in items if one in kept] == kept and len(kept) + len(left_out) == 902
    assert {one.callspec.params["database_url"] for one in left_out} == {"partitioned"}
    assert 170 < len(left_out) < 230 and items[-2:] == kept[-2:]
    assert one_in(3, items[::-1])[0] == kept[::-1]
    assert one_in(1, items) == (items, [])
