"""Unit: docs/benchmarks.md has the figures that are kept, and these are as they were measured."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES, keep, main
from benchmarks.page import figures, marks, tables
from benchmarks.page.__main__ import PAGE
from benchmarks.page.figures import Figure, Figures, Value
from benchmarks.report import Report
from benchmarks.rounds import percentile, ratio

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_of_the_figures_that_are_kept() -> None:
    assert marks.written(TEXT) == TEXT, "run: make docs"


def test_each_table_of_the_page_is_made() -> None:
    assert marks.outside(TEXT) == []


def test_all_figures_that_are_kept_are_on_the_page() -> None:
    assert marks.shown(TEXT) == set(figures.names())


@pytest.mark.parametrize("name", figures.names())
def test_a_file_is_written_as_it_was_read(name: str, tmp_path: Path) -> None:
    path = figures.write(name, figures.read(name), tmp_path)
    assert path.read_text() == (figures.FOLDER / path.name).read_text()


@pytest.mark.parametrize("name", figures.names())
def test_figures_say_nothing_of_the_machine(name: str) -> None:
    """Only words of ours, numbers, days and versions are kept: no names, no folders."""
    for one in figures.read(name).figures:
        assert set(one._asdict()) == set(Figure._fields)
        assert re.fullmatch(r"|\d{4}-\d\d-\d\d", one.on)
        assert re.fullmatch(r"|Python [\d.]+(, (SQLite|PostgreSQL) [\d.]+)*", one.versions)
        assert all(isinstance(number, int | float) for number in one.details.values())
        assert not re.search(r"/(home|tmp|root|work|Users)/|@|\.local\b", json.dumps(one))


# What a run keeps


def test_the_figures_of_a_report_are_kept_with_size_rounds_and_spread(tmp_path: Path) -> None:
    report = Report("append", "append: a share of the bare limit", size="20,000 events")
    report.add("voice", ratio([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]), 0.85, **{"events/s": 12345.678})
    report.add("late", percentile([float(n) for n in range(1, 101)], 95), 90, True, " ms")
    report.add("peak", 140, unit=" MB", size="1 GB")
    keep(report, "Python 3.11.7, SQLite 3.40.1", folder=tmp_path)
    ratio_, late, peak = figures.read("append", tmp_path).figures
    assert (ratio_.now, ratio_.rounds, ratio_.statistic) == (Value(1.0, 0.5, 2.0), 3, "median")
    assert (ratio_.size, ratio_.target, ratio_.details) == (
        "20,000 events",
        0.85,
        {"events/s": 12350.0},
    )
    assert (late.now, late.rounds) == (Value(96.0, 1.0, 100.0), 100) and late.is_missed
    assert late.statistic == "95th percentile" and late.at_most
    assert (peak.now, peak.statistic, peak.size) == (Value(140), "measured once", "1 GB")
    report.print()


@pytest.mark.parametrize("arguments", [["--keep"], ["--keep", "--to-before"]])
def test_a_quick_run_is_not_kept_without_saying_so(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "append", "--quick", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "a quick run is not kept" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plan"])
def test_each_benchmark_says_how_much_it_measures_with(name: str) -> None:
    """It gives a size to its report, or to each figure. A plan measures nothing."""
    source = (figures.FOLDER.parent / f"{name}.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func) in ("Report", "report.add")]
    sized = [call for call in named if any(one.arg == "size" for one in call.keywords)]
    of_all = any(len(call.args) == 3 for call in named if ast.unparse(call.func) == "Report")
    # `filled_stores` gives its report the number of responses.
    assert named and (sized or of_all or "report.size = " in source or "filled_stores(" in source)


# A page


def row(what: str, value: float, **others: Any) -> dict[str, Any]:
    usual = {"unit": "×", "statistic": "median", "rounds": 7, "size": "20,000 events"}
    more = {"target": None, "at_most": False, "details": {}, "ok": None}
    return {"what": what, "value": value, **usual, **more, **others}


def kept(folder: Path, name: str, *rows: dict[str, Any]) -> Figures:
    usual = {"on": "2026-11-30", "versions": "Python 3.11.7"}
    found = figures.taken_over(figures.read(name, folder), "append", rows, **usual)
    figures.write(name, found, folder)
    return figures.read(name, folder)


def lines_of(text: str, folder: Path) -> list[str]:
    return marks.written(text, folder).splitlines()


def test_a_table_of_rows_and_columns(tmp_path: Path) -> None:
    kept(
        tmp_path,
        "append",
        row("voice, sqlite, log", 0.8, least=0.75, greatest=0.9, target=0.85),
        row("voice, sqlite, inline", 0.7, least=0.6, greatest=0.8, target=0.6),
        row("text, sqlite, log", 0.5),
        row("voice, postgresql, log", 0.9, least=0.85, greatest=0.95, target=0.8),
    )
    text = (
        "# A page\n\n"
        "<!-- figures append: voice, {row}, {column}\nhead: session\nlog = log alone\n-->\n"
        "| an old table |\n<!-- end -->\n\nMore.\n"
    )
    assert lines_of(text, tmp_path) == [
        "# A page",
        "",
        "<!-- figures append: voice, {row}, {column}",
        "head: session",
        "log = log alone",
        "-->",
        "",
        "7 rounds of 20,000 events; median (least to greatest).",
        "",
        "| session | log alone | target | inline | target |",
        "| --- | --- | --- | --- | --- |",
        "| SQLite | 0.80 (0.75 to 0.90) | at least 0.85, missed "
        "| 0.70 (0.60 to 0.80) | at least 0.6 |",
        "| PostgreSQL | 0.90 (0.85 to 0.95) | at least 0.8 | | |",
        "",
        "<!-- end -->",
        "",
        "More.",
    ]


def test_a_page_that_was_written_stays_as_it_is(tmp_path: Path) -> None:
    kept(tmp_path, "append", row("a", 1.0), row("b", 2.0, target=1.5))
    text = "<!-- figures append -->\n<!-- end -->\n<!-- targets -->\n<!-- end -->\n"
    once = marks.written(text, tmp_path)
    assert "| b | 2.00 | at least 1.5 |" in once and "| all others | 1 | 0 |" in once
    assert marks.written(once, tmp_path) == once
    assert marks.outside(once) == [] and marks.outside(f"{once}| a |\n") == ["| a |"]


def test_figures_of_several_files(tmp_path: Path) -> None:
    kept(tmp_path, "relay", row("sqlite: late", 4.5, unit=" ms", target=5, at_most=True))
    kept(tmp_path, "append", row("voice", 0.5, target=0.6))
    text = (
        "<!-- figures\nrelay: sqlite: late = Answers are later by\nappend: voice = Appends\n-->\n"
        "<!-- end -->\n"
    )
    assert lines_of(text, tmp_path)[-4:-2] == [
        "| Answers are later by | 4.5 ms | at most 5 ms |",
        "| Appends | 0.50 | at least 0.6, missed |",
    ]


def test_one_target_for_all_stands_above_the_table(tmp_path: Path) -> None:
    aim = {"unit": " ms", "target": 300, "at_most": True, "statistic": "95th percentile"}
    kept(tmp_path, "lists", row("a", 1250.0, **aim), row("b", 12.34, **aim))
    made = lines_of("<!-- figures lists -->\n<!-- end -->\n", tmp_path)
    assert made[2] == "7 rounds of 20,000 events; 95th percentile. Target: at most 300 ms."
    assert made[4:8] == [
        "| | measured |",
        "| --- | --- |",
        "| a | 1,250 ms, missed |",
        "| b | 12.3 ms |",
    ]


def test_one_target_of_a_column_stands_in_its_head(tmp_path: Path) -> None:
    usual = {"unit": " MB", "at_most": True}
    kept(
        tmp_path,
        "bounds",
        row("a: time", 1.5, unit=" s"),
        row("a: peak", 800.0, target=700, **usual),
        row("b: peak", 12.0, target=700, **usual),
        row("none: peak", 10.0, **usual),
    )
    made = lines_of("<!-- figures bounds: {row}: {column} -->\n<!-- end -->\n", tmp_path)
    assert made[4:-2] == [
        "| | time | peak (target: at most 700 MB) |",
        "| --- | --- | --- |",
        "| a | 1.5 s | 800 MB, missed |",
        "| b | | 12 MB |",
        "| none | | 10 MB |",
    ]


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("<!-- figures append -->\n", "without an end"),
        (
            "<!-- figures append -->\n<!-- figures append -->\n<!-- end -->\n",
            "no end stands before",
        ),
        (
            "<!-- figures append: text, {row} -->\n<!-- end -->\n",
            "no figure of append.json is like",
        ),
        ("<!-- figures nothing -->\n<!-- end -->\n", "no figure of nothing.json"),
        ("<!-- figures append\nold = older\n-->\n<!-- end -->\n", "append.json has old"),
        ("<!-- figures append\nold\n-->\n<!-- end -->\n", "no line of a mark: old"),
        ("<!-- figures\nappend: old = older\n-->\n<!-- end -->\n", "no figure of 'old'"),
        ("<!-- figures append: v{row}, {column}x, log -->\n<!-- end -->\n", "no figure"),
    ],
)
def test_a_mark_that_has_no_figures_is_an_error(mark: str, message: str, tmp_path: Path) -> None:
    kept(tmp_path, "append", row("voice, log", 1.0))
    with pytest.raises(ValueError, match=message):
        marks.written(mark, tmp_path)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (Value(0.8), "×", "0.80"),
        (Value(1.0064), "×", "1.01"),
        (Value(0.0312), "×", "0.031"),
        (Value(12.345), "×", "12.3"),
        (Value(0.006), "×", "0.006"),
        (Value(1234.5), " ms", "1,234 ms"),
        (Value(4.0, 3.14159, 12), " ms", "4 ms (3.14 to 12)"),
        (Value(None, 0.84, 0.99), "×", "0.84 to 0.99"),
        (Value(None, 4, 5), " ms", "4 to 5 ms"),
        (Value(0.0), "", "0"),
    ],
)
def test_how_a_value_is_written(value: Value, unit: str, written: str) -> None:
    assert tables.shown(Figure("a", value, unit), value) == written


def test_a_ratio_has_the_decimals_of_its_target() -> None:
    figure = Figure("a", Value(1.0064), target=1.015, at_most=True)
    assert tables.shown(figure, figure.now) == "1.006" and not figure.is_missed


@pytest.mark.parametrize(
    ("now", "at_most", "is_missed"),
    [
        (Value(0.8), False, True),
        (Value(0.85), False, False),
        (Value(0.9), True, True),
        (Value(None, 0.8, 0.9), False, False),
        (Value(None, 0.8, 0.84), False, True),
        (Value(None, 0.8, 0.9), True, False),
        (Value(None, 0.86, 0.9), True, True),
    ],
)
def test_whether_a_target_is_missed(now: Value, at_most: bool, is_missed: bool) -> None:
    assert Figure("a", now, target=0.85, at_most=at_most).is_missed == is_missed


# What takes the place of what


def test_a_run_replaces_what_it_measured_and_nothing_else(tmp_path: Path) -> None:
    kept(tmp_path, "append", row("a", 0.123456, least=0.1, greatest=0.2), row("b", 2.0))
    found = kept(tmp_path, "append", row("b", 3.0, details={"events/s": 1234567.8, "said": "no"}))
    assert [(one.what, one.now) for one in found.figures] == [
        ("a", Value(0.1235, 0.1, 0.2)),
        ("b", Value(3.0)),
    ]
    assert found.figures[1].before is None and found.figures[1].details == {"events/s": 1235000}
    assert figures.not_measured(found, [row("b", 1.0), row("c", 1.0)]) == ["a"]


def test_what_is_replaced_is_kept_as_the_figure_before_if_that_is_asked_for(tmp_path: Path) -> None:
    old = kept(tmp_path, "append", row("a", 0.5, least=0.4, greatest=0.6))
    usual: dict[str, Any] = {"on": "2026-12-01", "versions": "Python 3.11.7"}
    rows = [row("a", 0.7), row("new", 1.0)]
    found = figures.taken_over(old, "append", rows, **usual, to_before=True)
    assert [one.before for one in found.figures] == [Value(0.5, 0.4, 0.6), None]
    later = figures.taken_over(found, "append", [row("a", 0.9)], **usual)
    assert later.figures[0].before == Value(0.5, 0.4, 0.6)
    made = tables.table(tables.Layout("append"), later).splitlines()
    assert made[2:] == [
        "| | before | now |",
        "| --- | --- | --- |",
        "| a | 0.50 (0.40 to 0.60) | 0.90 |",
        "| new | | 1.00 |",
    ]


def test_a_quick_run_is_named_as_one() -> None:
    found = figures.taken_over(
        Figures("", ()), "a", [row("a", 1.0)], on="", versions="", quick=True
    )
    assert "Of a quick run." in tables.table(tables.Layout("append"), found)
    assert (
        figures.taken_over(found, "a", [row("a", 1.0)], on="", versions="").figures[0].quick
        is False
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"figures": []}',
        '{"title": "", "figures": [{"value": 1}]}',
        '{"title": "", "figures": [{"what": "a", "value": 1, "cpu": "x"}]}',
        '{"title": "", "figures": [{"what": "a"}]}',
        '{"title": "", "figures": [{"what": "a", "value": 1}, {"what": "a", "value": 2}]}',
    ],
)
def test_a_file_that_is_not_figures_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "append.json").write_text(text)
    with pytest.raises(ValueError, match=r"append\.json"):
        figures.read("append", tmp_path)
