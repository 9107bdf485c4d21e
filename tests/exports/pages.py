"""Read a page as a browser does: its elements, and the text of each."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any, NamedTuple

VOID = {"meta", "input", "br", "img", "link"}


class Element(NamedTuple):
    """An element, with all text below it."""

    tag: str
    attributes: dict[str, str | None]
    parents: tuple[str, ...]
    texts: list[str]

    @property
    def text(self) -> str:
        """Its text, without spaces around it."""
        return "".join(self.texts).strip()


class Page(HTMLParser):
    """A page, parsed."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(content)
        self.close()
        assert not self._open, [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(e.tag for e in self._open), [])
        assert len(element.attributes) == len(attrs)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def all(self, tag: str) -> list[Element]:
        """The elements of a tag."""
        return [element for element in self.elements if element.tag == tag]

    def of_class(self, name: str) -> list[Element]:
        """The elements of a class."""
        return [e for e in self.elements if name in (e.attributes.get("class") or "").split()]

    def events(self) -> list[list[Any]]:
        """The events that its script shows."""
        (data,) = (e for e in self.all("script") if e.attributes.get("id") == "events")
        events: list[list[Any]] = json.loads("".join(data.texts))
        return events
