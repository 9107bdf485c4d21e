"""Acceptance: the page of sessions, in Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from exports.calls_to_export import SAMPLE
from playwright.sync_api import Page, expect
from support import recordings
from support.calls import voice_call
from support.page_serving import PHONE, Look, Served

from eventstore import Frame
from eventstore.times import now

Picture = Callable[[Page], None]


def rows(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-id]").evaluate_all("a => a.map(r => r.dataset.id)")
    return found


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_newest_first_with_who_and_how_it_went(
    served: Served, look: Look, picture: Picture
) -> None:
    page = look(served.url + "/?key=customer&op=%3D&value=42")
    assert rows(page) == [SAMPLE]
    row = page.locator(f'tr[data-id="{SAMPLE}"]')
    for told in ("customer=42", "gpt-realtime", "0:31", "1.07 s", "$0.0671"):
        expect(row).to_contain_text(told)
    page.goto(served.url)
    listed = [session["id"] for session in served.store.sessions(limit=25).data]
    assert rows(page) == listed
    picture(page)


def test_pages_of_the_list(served: Served, look: Look) -> None:
    page = look(served.url)
    found = rows(page)
    page.get_by_text("Older →").click()
    page.wait_for_url("**after=**")
    behind = rows(page)
    assert not set(found) & set(behind)
    everything = [session["id"] for session in served.store.sessions(limit=100).data]
    assert (found + behind) == everything[: len(found) + len(behind)]
    page.get_by_text("← Newer").click()
    page.wait_for_url("**before=**")
    assert rows(page) == found


def test_filters_make_a_link(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url)
    # Suggestions are what is stored.
    page.locator("[name=key]").first.click()
    options = page.locator("#keys option")
    expect(options.first).to_be_attached()
    keys = options.evaluate_all("a => a.map(o => o.value)")
    assert keys == served.store.metadata_keys()
    page.locator("[name=key]").first.fill("source")
    page.locator("[name=value]").first.click()
    expect(page.locator("#values option").first).to_be_attached()
    source = page.locator("#values option").first.get_attribute("value")
    page.locator("[name=value]").first.fill(str(source))
    # Another condition can follow.
    assert page.locator(".condition").count() == 2
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**key=source**")
    assert asked(page) == {"key": ["source"], "op": ["="], "value": [source]}
    wanted = [s["id"] for s in served.store.sessions(metadata={"source": str(source)}).data]
    assert rows(page) == wanted and wanted
    picture(page)


@pytest.mark.parametrize(
    ("filters", "address"),
    [
        ({"text": "saddle"}, "q=saddle"),
        ({"status": "interrupted"}, "status=interrupted"),
        ({"status": "errors"}, "status=errors"),
        ({"model": "gpt-realtime"}, "model=gpt-realtime"),
        ({"since": "2026-05-04", "until": "2026-05-05"}, "from=2026-05-04&to=2026-05-04"),
        ({"metadata": ["source^=azure"]}, "key=source&op=%5E%3D&value=azure"),
        ({"metadata": ["source"]}, "key=source&op=has&value="),
        ({"tool": "find_order", "min_turns": 3}, "tool=find_order&min_turns=3"),
        ({"reason": "turn_detected"}, "reason=turn_detected"),
        ({"protocol": "live"}, "protocol=live"),
        ({"protocol": "realtime", "tool": "find_order"}, "protocol=realtime&tool=find_order"),
        ({"min_duration": 5, "max_duration": 40}, "min_duration=5&max_duration=40"),
        ({"min_cost": 0.01, "min_latency": 0.5}, "min_cost=0.01&min_latency=0.5"),
        (
            {"min_interruptions": 1, "sort": "interruptions"},
            "min_interruptions=1&sort=interruptions",
        ),
        ({"sort": "cost", "order": "asc"}, "sort=cost&order=asc"),
        ({"sort": "duration"}, "sort=duration"),
        ({"metadata": ["customer!=42"], "text": "hello"}, "key=customer&op=!%3D&value=42&q=hello"),
    ],
)
def test_each_filter_finds_what_the_store_does(
    served: Served, look: Look, filters: dict[str, Any], address: str
) -> None:
    page = look(f"{served.url}/?{address}")
    assert rows(page) == [
        session["id"] for session in served.store.sessions(limit=25, **filters).data
    ]


def test_a_form_sorts_and_its_pages_go_on(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url)
    page.get_by_label("Sort").select_option("turns")
    page.get_by_label("Turns at least").fill("1")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**sort=turns**")
    assert asked(page) == {"min_turns": ["1"], "sort": ["turns"]}
    found = served.store.sessions(sort="turns", min_turns=1, limit=100).data
    assert rows(page) == [session["id"] for session in found[:25]]
    if len(found) > 25:
        page.get_by_role("link", name="Next").click()
        page.wait_for_url("**after=**")
        assert rows(page) == [session["id"] for session in found[25:50]]
        page.get_by_role("link", name="Previous").click()
        page.wait_for_url("**before=**")
        assert rows(page) == [session["id"] for session in found[:25]]
    picture(page)


def test_live_calls_come_and_go_by_themselves(pages: Callable[..., Served], look: Look) -> None:
    call = [frame._replace(at=now()) for frame in voice_call().frames]
    here = pages({"sess_old": call})
    page = look(here.url)
    assert rows(page) == ["sess_old"]
    begun = [Frame("server", json.dumps({"type": "session.created", "session": {}}), now())]
    here.store.append("sess_new", begun)
    row = page.locator('tr[data-id="sess_new"]')
    expect(row.locator(".live")).to_be_visible()
    here.store.append("sess_new", [], close=True)
    expect(row.locator(".live")).to_have_count(0)


def test_by_keyboard(served: Served, look: Look) -> None:
    page = look(served.url)
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.closest('tr').dataset.id")
    assert second == rows(page)[1]
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("saddle")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=saddle**")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/**")


def test_on_a_phone(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url, PHONE, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_text("Filter").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page)


def test_nothing_found_and_bad_filters(served: Served, look: Look) -> None:
    page = look(served.url + "/?q=nobodysaidthis")
    expect(page.get_by_text("No session matches.")).to_be_visible()
    page = look(served.url + "/?from=yesterday", expected=("400",))
    expect(page.get_by_role("alert")).to_contain_text("no time")


def test_an_empty_store_says_how_to_begin(pages: Callable[..., Served], look: Look) -> None:
    page = look(pages({}).url)
    expect(page.get_by_text("eventstore import")).to_be_visible()


pytestmark = pytest.mark.skipif(not recordings.streams(), reason=recordings.MISSING)
