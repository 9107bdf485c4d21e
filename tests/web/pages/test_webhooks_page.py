"""Acceptance: the page of webhooks that were given up: seen, escaped, and sent again by a click."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.calls import voice_call
from support.page_serving import PHONE, Look, Served

from eventstore.feed.delivery import Delivery
from eventstore.feed.webhooks.dead_letters import note_dead_letter
from eventstore.web.server.access import parse_keys

SENDER, READER = "a-key-that-sends-again", "a-key-that-reads-alone"
KEYS = f"""
[[key]]
name = "anna"
key = "{SENDER}"
rights = ["read", "send"]
metadata = {{ customer = "42" }}
[[key]]
name = "reader"
key = "{READER}"
"""
HOSTILE = '<img src=x onerror="alert(1)"> \u202e'


def give_up(served: Served, session_id: str, error: str = "status 500") -> None:
    told = Delivery(session_id, 40, "session", resource={"id": session_id})
    note_dead_letter(served.store.engine, "webhooks", told, 14, error, "https://a.example/calls")


def again(served: Served) -> list[str]:
    return [one.session_id for one in served.store.dead_letters() if one.again_at]


@pytest.mark.parametrize(("size", "dark"), [(None, False), (PHONE, True)])
def test_a_click_sends_again(
    pages: Callable[..., Served],
    look: Look,
    picture: Callable[[Page], None],
    size: dict[str, int] | None,
    dark: bool,
) -> None:
    odd = '"><script>alert(1)</script>/' + "x" * 80
    served = pages({name: voice_call().frames for name in ("sess_1", odd, "sess_3")})
    page = look(f"{served.url}/", **({"size": size} if size else {}), dark=dark)
    expect(page.get_by_role("link", name="Webhooks were given up")).to_have_count(0)
    page.goto(f"{served.url}/webhooks")
    expect(page.locator(".empty")).to_have_text("No webhook was given up.")
    for name in ("sess_1", odd, "sess_3"):
        give_up(served, name, HOSTILE if name == odd else "status 500")
    page.goto(f"{served.url}/")
    page.get_by_role("link", name="Webhooks were given up").click()
    rows = page.locator("tr[data-id]")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text(HOSTILE.strip())
    expect(rows.nth(0)).to_contain_text("https://a.example/calls")
    expect(rows.nth(0).get_by_role("link")).to_have_attribute("href", "/sessions/sess_3")
    picture(page)
    page.get_by_role("button", name="Send again: the end of sess_3").click()
    expect(rows.nth(0)).to_contain_text("to be sent")
    assert again(served) == ["sess_3"]
    page.get_by_role("button", name="Send all again").click()
    expect(page.get_by_text("to be sent", exact=True)).to_have_count(3)
    assert len(again(served)) == 3
    rows.nth(1).get_by_role("link").click()
    expect(page.locator("#session")).to_be_attached()


def test_the_list_has_pages(pages: Callable[..., Served], look: Look) -> None:
    served = pages({"sess_1": voice_call().frames})
    for seq in range(30):
        told = Delivery("sess_1", seq, "response", resource={"id": f"resp_{seq}"})
        note_dead_letter(served.store.engine, "webhooks", told, 1, "timeout")
    page = look(f"{served.url}/webhooks")
    expect(page.locator("tr[data-id]")).to_have_count(25)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tr[data-id]")).to_have_count(5)
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("tr[data-id]")).to_have_count(25)


@pytest.mark.parametrize(("key", "seen", "buttons"), [(SENDER, 1, 2), (READER, 2, 0)])
def test_a_key_sees_its_own(
    pages: Callable[..., Served], look: Look, key: str, seen: int, buttons: int
) -> None:
    served = pages({name: voice_call().frames for name in ("sess_1", "sess_2")}, parse_keys(KEYS))
    served.store.set_metadata("sess_1", {"customer": "42"})
    for name in ("sess_1", "sess_2"):
        give_up(served, name)
    page = look(f"{served.url}/webhooks")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("tr[data-id]")).to_have_count(seen)
    expect(page.locator("main button")).to_have_count(buttons)
    expect(page.locator("main").get_by_text("a.example")).to_have_count(0 if buttons else 2)
    if buttons:
        page.get_by_role("button", name="Send all again").click()
        expect(page.get_by_text("to be sent", exact=True)).to_have_count(1)
        assert again(served) == ["sess_1"]
