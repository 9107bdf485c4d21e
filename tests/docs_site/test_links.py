"""Unit: every link of the pages leads somewhere, as one reads them in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def broken_links(page: Path) -> list[str]:
    """What is wrong with the links of a page, each with its reason."""
    return [f"{link}: {wrong}" for link in links(page) if (wrong := _fault(link, page))]


def _fault(link: str, page: Path) -> str:
    if re.match(r"[a-z]+:", link):
        url = urlsplit(link)
        local = url.hostname in ("127.0.0.1", "localhost")
        formed = url.scheme == "https" or (url.scheme == "http" and local)
        return "" if formed and url.hostname else "no https address"
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return "no such file"
    if not target.resolve().is_relative_to(page.parents[-1]):
        return "outside"
    return "no such part of the page" if anchor and anchor not in anchors(target) else ""


def links(page: Path) -> list[str]:
    """All links and pictures of a page, but for those within code."""
    return re.findall(r"\]\(([^)\s]+)\)", _without_code(page))


def anchors(page: Path) -> set[str]:
    """What links can name in a page: its headings, as GitHub makes anchors of them, and ids."""
    if page.suffix != ".md":
        return set()
    text = re.sub(r"(?ms)^ *(`{3,}).*?^ *\1 *$", "", page.read_text(encoding="utf-8"))
    made: set[str] = set()
    for title in re.findall(r"(?m)^#+ (.+)$", text):
        first = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        more = (f"{first}-{number}" for number in range(1, 100))
        made.add(first if first not in made else next(name for name in more if name not in made))
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def _without_code(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return re.sub(r"(?ms)^ *(`{3,}).*?^ *\1 *$|`[^`\n]+`", "", text)


@each_page
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_all_pages_are_looked_at() -> None:
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/clients/twilio.md"} <= names
    assert "docs/adr/0001-audio-out-of-the-frame.md" in names
    assert sum(len(links(page)) for page in PAGES) > 500


def test_pictures_of_the_docs_are_all_shown() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in links(page)
        if "://" not in link
    }
    assert [path.name for path in (ROOT / "docs" / "images").iterdir() if path not in shown] == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("other.md", ""),
        ("other.md#a-part-of-it", ""),
        ("other.md#a-part-of-it-1", ""),
        ("other.md#named", ""),
        ("#here", ""),
        ("https://example.com/", ""),
        ("http://127.0.0.1:8000", ""),
        ("none.md", "no such file"),
        ("other.md#a-part-of-it-2", "no such part of the page"),
        ("other.md#in-code", "no such part of the page"),
        ("#there", "no such part of the page"),
        ("http://example.com/", "no https address"),
        ("https:///nowhere", "no https address"),
        ("htps://example.com/", "no https address"),
    ],
)
def test_a_broken_link_is_found(link: str, fault: str, tmp_path: Path) -> None:
    other = '# Other\n## A part of it\n## A part of it\n<a id="named"></a>\n```sh\n# In code\n```\n'
    (tmp_path / "other.md").write_text(other)
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n[one]({link}) and `[two](none.md)`\n```text\n[three](none.md)\n```\n")
    assert broken_links(page) == ([f"{link}: {fault}"] if fault else [])
