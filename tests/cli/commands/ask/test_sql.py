"""Integration: `eventstore sql` prints what a statement returns, and what views there are."""

from __future__ import annotations

import csv
import io
import signal
import time
from pathlib import Path

import pytest
from support.calls import voice_call
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.store.database.views.all_views import VIEWS

DOCS = Path(__file__).resolve().parents[4] / "docs" / "sql.md"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c"
STEERING = "\x1b]0;title\x07"


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with a call."""
    store.append("sess_1", voice_call().frames, close=True)
    store.set_metadata("sess_1", {"customer": "42", "says": f"a,b {STEERING}\u202e"})
    return store


def test_rows_are_printed_in_each_form(terminal: Terminal, recorded: EventStore) -> None:
    sql = "SELECT response_id, status, total_tokens FROM v_responses ORDER BY response_id"
    table = terminal("sql", sql)
    assert table.out.split("\n")[:2] == [
        "response_id  status     total_tokens",
        "resp_1       completed           120",
    ]
    page = terminal("sql", sql, "--json").json
    assert page == {"object": "list", "data": recorded.sql(sql).data, "has_more": False}
    printed = list(csv.DictReader(io.StringIO(terminal("sql", sql, "--csv").out)))
    assert [row["response_id"] for row in printed] == ["resp_1", "resp_2"]
    assert terminal("sql", "-", stdin=sql.encode()).out == table.out


def test_a_wide_row_is_printed_value_by_value(terminal: Terminal, recorded: EventStore) -> None:
    out = terminal("sql", "SELECT * FROM v_sessions").out
    assert "row 1\n  session_id           sess_1\n" in out and "  events  " in out


def test_parameters_and_limits(terminal: Terminal, recorded: EventStore) -> None:
    sql = "SELECT value FROM v_session_metadata WHERE key = :key"
    found = terminal("sql", sql, "--param", "key=customer", "--json").json
    assert found["data"] == [{"value": "42"}]
    cut = terminal("sql", "SELECT seq FROM v_events ORDER BY seq", "--limit", "2")
    assert cut.out.split() == ["seq", "1", "2"] and "There are more rows" in cut.err
    assert terminal("sql", "SELECT seq FROM v_events", "--limit", "2", "--json").json["has_more"]
    assert "No rows." in terminal("sql", "SELECT seq FROM v_events WHERE seq < 0").err


def test_nothing_steers_the_terminal(terminal: Terminal, recorded: EventStore) -> None:
    sql = "SELECT value FROM v_session_metadata WHERE key = 'says'"
    for options in ((), ("--json",)):
        told = terminal("sql", sql, *options)
        assert "\x1b" not in told.out and "\x07" not in told.out and "\u202e" not in told.out
    # A file gets the values as they are.
    (row,) = csv.DictReader(io.StringIO(terminal("sql", sql, "--csv").out, newline=""))
    assert row["value"] == f"a,b {STEERING}\u202e"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("SELEC 1",), "refuses the statement", 2),
        (("DELETE FROM events",), "refuses the statement", 2),
        (("SELECT 1; SELECT 2",), "refuses the statement", 2),
        ((), "give a statement, - to read it", 2),
        (("SELECT 1", "--views"), "--views goes with --json alone", 2),
        (("SELECT 1", "--json", "--csv"), "give --csv or --json, not both", 2),
        (("SELECT :a", "--param", "a"), "use NAME=VALUE", 2),
        ((ENDLESS, "--time-limit", "0.2"), "takes longer than 0.2 seconds", 1),
    ],
)
def test_an_error_is_one_line(
    terminal: Terminal, store: EventStore, arguments: tuple[str, ...], said: str, code: int
) -> None:
    assert said in terminal("sql", *arguments).error(code)


def test_a_statement_of_bytes_that_are_no_text_is_told(
    terminal: Terminal, store: EventStore
) -> None:
    assert "not UTF-8 text" in terminal("sql", "-", stdin=b"SELECT '\xff'").error(2)
    assert "longer than" in terminal("sql", "-", stdin=b" " * 1_000_001).error(2)


def test_control_c_ends_a_statement(terminal: Terminal, recorded: EventStore) -> None:
    # Whoever runs the tests in the background may have it ignore the signal.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = terminal.start("sql", ENDLESS, **heeding)
    time.sleep(4)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert err.decode().strip() == "Error: stopped"
    assert process.returncode in (130, -signal.SIGINT)  # A shell shows both as 130.
    recorded.append("sess_2", voice_call().frames)


def test_views_are_listed_with_their_columns(bare_terminal: Terminal) -> None:
    lines = bare_terminal("sql", "--views").out.splitlines()
    listed = bare_terminal("sql", "--views", "--json").json["data"]
    assert [view["name"] for view in listed] == [view.name for view in VIEWS]
    for view in VIEWS:
        assert f"{view.name}: {view.about}" in lines
        for column in view.columns:
            assert any(line.split()[:2] == [column.name, column.kind] for line in lines)


def test_the_docs_describe_each_column() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for view in VIEWS:
        _, _, rest = text.partition(f"\n### {view.name}\n")
        told = [line for line in rest.partition("\n### ")[0].splitlines() if line.startswith("| `")]
        assert told == [f"| `{c.name}` | {c.kind} | {c.about} |" for c in view.columns]
