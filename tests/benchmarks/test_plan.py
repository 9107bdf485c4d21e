"""Unit: plans of `benchmarks/plan.py` for many live calls add up, whatever is assumed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.assumptions import Assumptions, assumed
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.plan import plan, run, simulate

CALLS = st.floats(1, 50_000)
SOME = st.fixed_dictionaries(
    {
        "append_us": st.floats(1, 500),
        "cluster_us": st.floats(0, 500),
        "seal_mb": st.floats(1, 200),
        "seal_hours": st.floats(0, 24),
        "days_unsealed": st.integers(0, 3),
        "days_sealed": st.integers(0, 30),
        "days_kept": st.integers(1, 400),
        "night_share": st.floats(0, 1),
        "copies": st.floats(1, 3),
        "outage_minutes": st.floats(0, 120),
    }
).map(lambda values: Assumptions(**values))


@given(CALLS, SOME, st.floats(0.5, 500))
def test_a_days_bytes_are_somewhere_and_nowhere_twice(
    calls: float, a: Assumptions, cores: float
) -> None:
    day = simulate(calls, cores, a.append_us, a)
    assert min(day) >= 0
    parts = day.waiting + day.unsealed + day.sealed + day.offloaded
    assert parts == pytest.approx(day.arrived)
    assert day.arrived == pytest.approx(calls * a.line_bytes * 86_400 * (1 + a.night_share) / 2)


@given(CALLS, st.floats(0.5, 2), st.floats(1, 500))
def test_frames_wait_exactly_if_the_cores_are_too_few(
    calls: float, share: float, append_us: float
) -> None:
    a = Assumptions(append_us=append_us, outage_minutes=0)
    enough = calls * a.frames_per_second * append_us / 1e6
    if abs(share - 1) < 1e-6:
        return
    day = simulate(calls, share * enough, append_us, a)
    assert (day.most_waiting > 0) == (day.late_minutes > 0) == (share < 1)


def test_frames_wait_while_the_database_is_away_and_are_appended_then() -> None:
    a = Assumptions(outage_minutes=30)
    day = simulate(1000, 10, a.append_us, a)
    assert day.most_waiting >= 1000 * a.line_bytes * 30 * 60 * 0.99
    assert day.late_minutes > 30
    assert day.waiting == 0


def test_what_the_night_is_too_short_for_stays_unsealed() -> None:
    calls, cores = 1000, 10
    assert simulate(calls, cores, 87, Assumptions(seal_hours=8)).unsealed == 0
    assert simulate(calls, cores, 87, Assumptions(seal_hours=1)).unsealed > 0
    assert simulate(calls, cores, 87, Assumptions(seal_hours=8, days_sealed=0)).sealed == 0


@given(CALLS, SOME)
def test_twice_the_calls_need_at_least_as_much(calls: float, a: Assumptions) -> None:
    one, two = plan(calls, a), plan(2 * calls, a)
    figures = ("nodes", "recorders", "recorder_cores", "disk_gb", "object_gb", "disk_mb", "cost")
    for name in figures:
        assert 0 <= getattr(one, name) <= getattr(two, name), name
    assert one.needs[one.bottleneck] == max(one.needs.values()) <= one.nodes


@given(CALLS, SOME)
def test_the_nodes_of_a_plan_keep_up(calls: float, a: Assumptions) -> None:
    made = plan(calls, a._replace(outage_minutes=0))
    assert made.day.most_waiting == 0


def test_an_assumption_is_replaced_by_its_name() -> None:
    assert assumed(["days_kept=30", "copies=1"]) == Assumptions(days_kept=30, copies=1)
    for wrong in (
        "days=30",
        "days_kept",
        "days_kept=x",
        "days_kept=-1",
        "seal_mb=0",
        "seal_mb=nan",
    ):
        with pytest.raises(ValueError, match=wrong.partition("=")[0]):
            assumed([wrong])


def test_a_report_has_a_plan_for_each_number_of_calls() -> None:
    options = Options(calls=(100, 10_000), assumed=("nodes=3",))
    report = run(Databases(None, None), options)  # type: ignore[arg-type]
    nodes = [row["value"] for row in report.rows if row["what"].endswith(": nodes")]
    assert nodes == [3, 3]
    assert report.notes["assumptions"]["nodes"] == 3
