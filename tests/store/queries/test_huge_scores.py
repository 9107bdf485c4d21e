"""Integration: huge numbers break no sums of scores."""

from __future__ import annotations

import pytest
from support.own_projections import NOTE

from eventstore import EventStore, InvalidInputError


def test_sums_of_huge_numbers_are_told(store: EventStore) -> None:
    for name in ("a", "b", "c"):
        store.append(name, [NOTE])
        store.score(name, "huge", 1e100)
        store.score(name, "other", 1)
    for value in (1.1e100, -1e308, 10**101):
        with pytest.raises(InvalidInputError, match="between -1e\\+100 and 1e\\+100"):
            store.score("a", "huge", value)
    sums = {entry["name"]: entry for entry in store.score_sums()["data"]}
    assert sums["other"]["mean"] == 1
    assert sums["huge"]["mean"] == pytest.approx(1e100)
