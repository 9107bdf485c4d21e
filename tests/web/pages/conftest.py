"""A store with calls, served, and Debian's Chromium to look at its pages.

The pages hold no SQL: one database is enough for them. All that Chromium prints, and every
request that leaves this machine, fails the test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from exports.calls_to_export import put_everything
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response
from support.browser import launched
from support.filled import filled
from support.page_serving import LAPTOP, PHONE, Look, Served

from eventstore import EventStore, Frame
from eventstore.web.in_thread import serving
from eventstore.web.server.access import AccessKeys


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sample call and every recording, once for all tests: they leave these as they are."""
    path = tmp_path_factory.mktemp("pages") / "calls.db"
    with EventStore(f"sqlite:///{path}") as store:
        filled(store, "everything", _fill)
        with serving(store, None, 1 << 20) as url:
            yield Served(store, url)


def _fill(store: EventStore) -> None:
    for session_id in put_everything(store):
        store.append(session_id, [], close=True)


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serves a new store that holds what a test gives: sessions' frames by their ids."""
    closing: list[Any] = []

    def run(sessions: dict[str, list[Frame]], keys: AccessKeys | None = None) -> Served:
        store = EventStore(f"sqlite:///{tmp_path}/calls{len(closing)}.db")
        for session_id, frames in sessions.items():
            store.append(session_id, frames)
        open_ = serving(store, keys, 1 << 20)
        closing.append((open_, store))
        return Served(store, open_.__enter__())

    yield run
    for open_, store in closing:
        open_.__exit__(None, None, None)
        store.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with launched() as browser:
        yield browser


@pytest.fixture
def look(chromium: Browser) -> Iterator[Look]:
    """Opens an address as a person would; `expected` are what Chromium may complain of."""
    contexts: list[Any] = []
    complaints: list[str] = []
    allowed: list[str] = []

    def open_(
        url: str, size: dict[str, int] = LAPTOP, dark: bool = False, expected: tuple[str, ...] = ()
    ) -> Page:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(
            viewport=size, color_scheme=scheme, accept_downloads=True, has_touch=size == PHONE
        )
        contexts.append(context)
        allowed.extend(expected)
        context.set_default_timeout(10_000)
        origin = "http://" + urlsplit(url).netloc
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        page = context.new_page()
        _listen(page, complaints)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    left = [said for said in complaints if not any(one in said for one in allowed)]
    assert not left, left


def _listen(page: Page, complaints: list[str]) -> None:
    """Note errors of scripts, what was refused, and what leaves this machine."""

    def said(what: ConsoleMessage) -> None:
        if what.type in ("error", "warning") and not what.text.startswith("Failed to load"):
            complaints.append(what.text)

    def answered(what: Response) -> None:
        if what.status >= 400:
            complaints.append(f"{what.status} {what.url}")

    def asked(what: Request) -> None:
        url = urlsplit(what.url)
        if url.scheme not in ("data", "blob") and url.hostname != "127.0.0.1":
            complaints.append(what.url)

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", answered)
    page.on("request", asked)


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """Keeps a picture of a page under the test's name, in the folder that PICTURES names."""

    def take(page: Page) -> None:
        folder = os.environ.get("PICTURES")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{request.node.name}.png")

    return take
