"""Unit: states in memory are measured, and bounded whatever they are."""

from __future__ import annotations

from eventstore.store.consumers.projections.kept_states import KeptState, KeptStates


def test_a_state_is_measured_when_its_session_has_doubled() -> None:
    kept = KeptState(4, [])
    kept.measure()
    empty = kept.state_size
    kept.state.append(bytes(1000))
    kept.seq = 7
    kept.measure()
    assert kept.state_size == empty
    kept.seq = 8
    kept.measure()
    assert kept.state_size > 1000


def test_the_latest_used_are_kept() -> None:
    kept = KeptStates()
    for number in range(1_001):
        kept.put("own", f"s{number}", KeptState(1, None, state_size=10))
        if number == 500:
            found = kept.take("own", "s0")
            assert found is not None
            kept.put("own", "s0", found)
    assert (len(kept), kept.size) == (1_000, 10_000)
    assert kept.take("own", "s1") is None and kept.take("own", "s0") is not None
    assert (len(kept), kept.size) == (999, 9_990)
