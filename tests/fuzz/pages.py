"""Whether a page is HTML as it should be: all that is opened is closed, in order, once."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = frozenset({"meta", "input", "br", "img", "link", "hr", "source", "wbr", "col"})


class _Nesting(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            raise ValueError(f"<{tag}> has an attribute twice: {names}")
        self.seen.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)  # of SVG

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            raise ValueError(f"</{tag}> within {self.open}")
        self.open.pop()


def check_page(content: str) -> None:
    """Raises ValueError where a page's elements are not nested, or it is not one page."""
    page = _Nesting()
    page.feed(content)
    page.close()
    if page.open:
        raise ValueError(f"not closed: {page.open}")
    for tag in ("html", "head", "body", "title"):
        if page.seen.count(tag) != 1:
            raise ValueError(f"{page.seen.count(tag)} of <{tag}>")
    if "\0" in content:
        raise ValueError("a NUL character")
