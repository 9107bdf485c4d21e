"""Pages in a browser, and a server of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import Page

from eventstore import EventStore

PHONE = {"width": 390, "height": 844}


LAPTOP = {"width": 1280, "height": 800}


class Served(NamedTuple):
    """A store, and where its pages are."""

    store: EventStore
    url: str


Look = Callable[..., Page]
