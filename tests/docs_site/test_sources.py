"""Unit: each page is in the site's navigation, and is written with links that hold there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.docs_site.pages import navigation, places, problems
from tools.docs_site.sources import site_text, write_sources

ROOT = Path(__file__).resolve().parents[2]

NAVIGATION = """
["Start"]
"first.md" = "First"
"adr" = "Decisions"
["first.md"]
"more/second.md" = "Second"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with three pages, a decision and a file to download."""
    texts = {
        "README.md": "# Home\n[first](docs/first.md#part)\n[decisions](docs/adr/)\n",
        "docs/first.md": '# First\n## Part\n<a id="here"></a>[file](../deploy/units)\n',
        "docs/more/second.md": "# Second\n[home](../../README.md) [first](../first.md#here)\n",
        "docs/adr/0001-one.md": "# 1. One is chosen\n[second](../more/second.md)\n",
        "docs/navigation.toml": NAVIGATION,
        "deploy/units": "text",
    }
    for name, text in texts.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repository"


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    assert problems(ROOT) == []


def test_the_navigation_has_what_a_reader_looks_for() -> None:
    titles = [section.title for section in navigation(ROOT)]
    assert titles[0] == "First steps" and titles[-1] == "How it is made"
    assert {"Record calls", "Query", "Replay", "Build on it", "Run it", "Reference"} <= set(titles)


def test_whole_navigations_have_no_problem(root: Path) -> None:
    assert problems(root) == []


def test_what_is_wrong_with_the_navigation_is_named(root: Path) -> None:
    (root / "docs" / "mcp.md").write_text("# New\n")
    (root / "docs" / "more" / "second.md").unlink()
    text = (
        NAVIGATION.replace('"first.md" = "First"\n', "")
        + '["Two"]\n"a.md"="A"\n["Three"]\n"a.md"="A"'
    )
    (root / "docs" / "navigation.toml").write_text(text)
    assert problems(root) == [
        "docs/first.md: add a line for it to docs/navigation.toml",
        "docs/mcp.md: add a line for it to docs/navigation.toml",
        "docs/a.md: docs/navigation.toml lists it, and there is no such file",
        "docs/more/second.md: docs/navigation.toml lists it, and there is no such file",
        "docs/a.md: docs/navigation.toml lists it 2 times",
        "docs/first.md: docs/navigation.toml has pages below it, and does not list it",
    ]


def test_links_hold_on_the_site(root: Path, tmp_path: Path) -> None:
    write_sources(root, tmp_path / "site")
    text = {
        str(path.relative_to(tmp_path / "site")): path.read_text()
        for path in (tmp_path / "site").rglob("*")
        if path.is_file()
    }
    assert set(text) == {
        *("index.md", "first.md", "more/second.md", "adr/0001-one.md", "adr/index.md"),
        "files/deploy/units",
    }
    assert "[first](first.md#part)\n[decisions](adr/index.md)" in text["index.md"]
    assert ":caption: Start\n\nFirst <first>\nDecisions <adr/index>\n" in text["index.md"]
    assert "[]{#here}[file](files/deploy/units)" in text["first.md"]
    assert "\nSecond <more/second>\n" in text["first.md"]
    assert "[home](../index.md) [first](../first.md#here)" in text["more/second.md"]
    assert "- [0001: One is chosen](0001-one.md)" in text["adr/index.md"]


@pytest.mark.parametrize(
    ("written", "on_the_site"),
    [
        ("[a](https://example.com/docs/x.md)", "[a](https://example.com/docs/x.md)"),
        ("[a](#part)", "[a](#part)"),
        ("[tests](../deploy/)", "tests"),
        ("`[a](../README.md)` [a](../README.md)", "`[a](../README.md)` [a](index.md)"),
        ("```sh\n[a](../README.md)\n```", "```sh\n[a](../README.md)\n```"),
        ("[`a`](../README.md)", "[`a`](index.md)"),
        ("![a](images/a.png)", "![a](images/a.png)"),
        ("[a](none.md)", "[a](none.md)"),
    ],
)
def test_links_are_told_from_code(written: str, on_the_site: str, root: Path) -> None:
    assert site_text(written, "docs/first.md", places(root), root) == on_the_site
