"""Times at both ends of the calendar break no command, and no time that is none is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.edge_times import DAYS, STARTS, put_edge_calls
from support.terminal import Terminal

from eventstore import EventStore

REPORTS = (
    *("sessions", "sessions --order asc", "sessions --status live", "responses", "usage"),
    *("usage --by day", "usage --by day,model", "usage --by session", "usage --by model"),
    *("usage --by metadata:customer", "latency", "latency --by day", "latency --by day,model"),
    *("latency --by session", "context", "status", "verify --all"),
)
FILTERS = (
    *("--since 0001-01-01", "--until 9999-12-31T23:59:59.999999Z", "--since 0", "--until 0"),
    *("--since 1970-01-01 --until 9999-12-31", "--since -1", "--since -62135596800"),
)
NO_TIMES = ("1e9999999", "-1e9999999", "9" * 5000, "nan", "inf", "0000-01-01", "10000-01-01")


@pytest.fixture
def calls(store: EventStore) -> list[str]:
    """The ids of the calls in the store."""
    return put_edge_calls(store)


def test_every_report_tells_of_every_day(
    terminal: Terminal, store: EventStore, calls: list[str]
) -> None:
    for summed in (False, True):
        if summed:
            store.sum_days().raise_for_errors()
        for report in REPORTS:
            assert terminal(*report.split()).code == 0, report
            assert terminal(*report.split(), "--json").json, report
        for report in ("usage", "latency"):
            told = terminal(report, "--by", "day", "--json").json["data"]
            # An answer that took all the years is in the day in which it was billed.
            assert [entry["key"] for entry in told] == DAYS
        assert terminal("usage", "--json").json["total"]["responses"] == 2 * len(calls)


def test_every_report_takes_every_span(terminal: Terminal, calls: list[str]) -> None:
    for report in ("sessions", "responses", "usage --by day", "latency --by day", "context"):
        for span in FILTERS:
            assert terminal(*report.split(), *span.split(), "--json").json, (report, span)
    found = terminal("sessions", "--until", "1970-01-01", "--json").json["data"]
    assert {entry["id"] for entry in found} == {
        *("sess_year_1", "sess_before_1970", "sess_all_years"),
    }


def test_every_session_is_shown_played_and_handed_on(
    terminal: Terminal, store: EventStore, calls: list[str], tmp_path: Path
) -> None:
    for sealed in (False, True):
        if sealed:
            assert terminal("seal", "--all").code == 0
        for session_id in calls:
            for command in ("state", "events", "export", "replay --instant", "reseed"):
                assert terminal(*command.split(), session_id).code == 0, (command, session_id)
        for format_ in ("otel", "chat", "parquet"):
            out = tmp_path / f"{format_}-{sealed}"
            assert terminal("export", *calls, "--format", format_, "-o", str(out)).code == 0
    for session_id in calls[:-1]:  # the last one's sound would take all of a day
        page = tmp_path / f"{session_id}.html"
        assert terminal("export", session_id, "--format", "html", "-o", str(page)).code == 0
    assert terminal("export", *calls, "-o", str(tmp_path / "all.jsonl")).code == 0
    with EventStore(f"sqlite:///{tmp_path}/other.db") as other:
        other.import_file(tmp_path / "all.jsonl")
        for session_id in calls:
            assert list(other.events(session_id)) == list(store.events(session_id))


def test_retention_by_age_takes_every_session(
    terminal: Terminal, calls: list[str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nolder_than = "999999w"\ndo = "erase"\n')
    assert terminal("retain", "--policy", str(policy), "--dry-run").code == 0
    assert terminal("verify", "--all", "--json").code == 0


@pytest.mark.parametrize("value", NO_TIMES)
def test_what_is_no_time_is_one_line(terminal: Terminal, tmp_path: Path, value: str) -> None:
    for report in ("sessions", "responses", "usage", "latency", "context"):
        for side in ("--since", "--until"):
            told = terminal(report, f"{side}={value}").error(2)
            assert "use ISO 8601" in told
            assert len(told) < 300
    path = tmp_path / "call.jsonl"
    for at in (json.dumps(value), value):
        path.write_text(f'{{"at":{at},"direction":"server","event":{{"type":"ping"}}}}\n')
        assert "line 1" in terminal("import", str(path)).error_beside_output()


@pytest.mark.parametrize("at", ["0", "0.5", "-3", '"12.25"', "1500", "99999999", "1e-9999999"])
def test_relative_times_are_told_to_be_so(
    terminal: Terminal, store: EventStore, tmp_path: Path, at: str
) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text(f'{{"at":{at},"direction":"server","event":{{"type":"ping"}}}}\n')
    told = terminal("import", str(path)).error_beside_output()
    assert "line 1: at " in told and "counts from the start of the recording" in told
    assert not store.sessions().data


def test_a_written_time_of_1970_is_one(
    terminal: Terminal, store: EventStore, tmp_path: Path
) -> None:
    path = tmp_path / "call.jsonl"
    at = "1970-01-01T00:00:00.500000Z"
    path.write_text(f'{{"at":"{at}","direction":"server","event":{{"type":"ping"}}}}\n')
    assert terminal("import", str(path), "--session-id", "sess_1").code == 0
    assert next(iter(store.events("sess_1"))).at == 500_000
    assert STARTS["sess_1970"] == 500_000
