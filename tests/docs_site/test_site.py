"""Acceptance: the site is built without a warning, its links hold, and it works from a folder."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page
from support.browser import launched
from support.made_once import made_once
from support.terminal import environment

from tools.docs_site.__main__ import build

ROOT = Path(__file__).resolve().parents[2]
#: Elements that a browser loads what they name for, without a click.
LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}


class PageParts(HTMLParser):
    """The ids of a page, its links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values:
            self.loaded.append(values[LOADED[tag]])


def lost(page: PageParts, link: str, pages: dict[Path, PageParts]) -> bool:
    """Whether a link of a page leads nowhere on the site."""
    url = urlsplit(link)
    if url.scheme or url.netloc:
        return False
    target = (page.path.parent / unquote(url.path)).resolve() if url.path else page.path
    if target not in pages:
        return not target.is_file()
    return bool(url.fragment) and unquote(url.fragment) not in pages[target].ids


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this repository's docs, built once."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "tools.docs_site", str(folder)]
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, timeout=540)

    return made_once(tmp_path_factory, "site", make)


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, PageParts]:
    """All pages of the site."""
    return {path: PageParts(path) for path in site.rglob("*.html") if "_static" not in path.parts}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that may load files alone, and complains of nothing."""
    context = chromium.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda what: said.append(what.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url),
    )
    yield opened
    context.close()
    assert said == []


def test_every_link_leads_to_a_page_and_a_part_that_are_there(pages: dict[Path, PageParts]) -> None:
    assert len(pages) > 90 and sum(len(page.links) for page in pages.values()) > 5000
    gone = [
        (page.path.name, link)
        for page in pages.values()
        for link in page.links
        if lost(page, link, pages)
    ]
    assert gone == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, PageParts]) -> None:
    assert [url for page in pages.values() for url in page.loaded if "//" in url] == []
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"@import|url\(\s*['\"]?(?:https?:)?//[^)]*", text) == [], path


def test_each_page_lists_all_sections(pages: dict[Path, PageParts], site: Path) -> None:
    for name in ("index.html", "clients/twilio.html", "adr/index.html"):
        text = (site / name).read_text(encoding="utf-8")
        assert all(f">{title}<" in text for title in ("Record calls", "Keep and protect")), name


def test_one_finds_a_page_by_a_word_without_a_server(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    page.get_by_placeholder("Search").fill("pgbouncer")
    page.keyboard.press("Enter")
    page.locator("ul.search li a", has_text="> Behind pgbouncer").click()
    assert page.url.endswith("/databases.html#behind-pgbouncer")


def test_pages_for_users_are_found_before_decisions(site: Path, page: Page) -> None:
    page.goto((site / "search.html").as_uri() + "?q=replica")
    page.get_by_text("Search finished").wait_for()
    found = page.locator("ul.search li a").evaluate_all("all => all.map(a => a.href)")
    names = [url.removeprefix(f"{site.as_uri()}/").partition("#")[0] for url in found]
    assert names[0] == "databases.html" and "adr/" in names[-1], names


@pytest.mark.parametrize(
    "name", ["index", "clients", "commands", "glossary", "benchmarks", "query"]
)
@pytest.mark.parametrize("width", [390, 1024, 1280, 1920])
def test_a_page_is_as_wide_as_the_window(name: str, width: int, site: Path, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('h1').getBoundingClientRect().left") < width / 2


def test_the_page_is_dark_where_the_reader_wants_it_dark(site: Path, page: Page) -> None:
    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(number) for number in re.findall(r"\d+", colour)[:3])

    page.goto((site / "index.html").as_uri())
    page.emulate_media(color_scheme="light")
    light = brightness()
    page.emulate_media(color_scheme="dark")
    assert light > 3 * 200 and brightness() < 3 * 60


def small(folder: Path, text: str) -> Path:
    """A repository with one page of this text."""
    files = {
        "README.md": "# Home\n",
        "docs/page.md": text,
        "docs/navigation.toml": '[A]\n"page.md"="Page"\n"adr"="All"\n',
    }
    for name, written in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(written)
    return folder


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[a](#part)\n## Part\n", 0),
        ("[a](#none)\n", 1),
        ("[a](none.md)\n", 1),
        ("![a](a.png)\n", 1),
    ],
)
def test_what_is_broken_fails_the_build(text: str, code: int, tmp_path: Path) -> None:
    root = small(tmp_path / "repository", f"# Page\n\n{text}")
    assert build(root, tmp_path / "site") == code
