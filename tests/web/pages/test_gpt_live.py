"""Acceptance: the page of a GPT-Live session, in Chromium: who speaks, delegations, decisions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.gpt_live import LiveCall, client_call, decisions_call, responses_call
from support.page_serving import PHONE, Look, Served

from eventstore import EventStore
from eventstore.demo import live_call_lines
from eventstore.realtime.frames import CLIENT
from eventstore.web.in_thread import serving

Picture = Callable[[Page], None]
Pages = Callable[..., Served]


def opened(look: Look, pages: Pages, call: LiveCall, **how: object) -> Page:
    served = pages({"live_1": call.frames})
    return look(f"{served.url}/sessions/live_1", **how)


def turn_of(page: Page, item_id: str) -> Page:
    return page.locator(f'.turn[data-item="{item_id}"]')


def test_delegated_work_of_the_app_is_told(look: Look, pages: Pages, picture: Picture) -> None:
    page = opened(look, pages, client_call())
    told = turn_of(page, "item_work")
    expect(told.locator("h3")).to_have_text("assistant delegates")
    expect(told).to_contain_text("to the app (client): “Where is my order forty two?”")
    expect(told).to_contain_text("answered after 1.6 s")
    commentary = page.locator(".turn.commentary")
    expect(commentary.locator("h3")).to_contain_text("commentary")
    expect(commentary).to_contain_text("It is ready at five.")
    mhm = page.locator(".turn", has_text="Mhm.")
    expect(mhm).to_contain_text("backchannel")
    facts = page.locator(".facts").first
    for fact in ("marin", "client", "9 s", "25 % used", "close_requested"):
        expect(facts).to_contain_text(fact)
    picture(page)


def test_what_a_backend_did_is_told_apart(look: Look, pages: Pages, picture: Picture) -> None:
    page = opened(look, pages, responses_call())
    backend = turn_of(page, "msg_1")
    expect(backend).to_have_attribute("data-speaker", "backend")
    expect(backend).to_contain_text("not said")
    expect(turn_of(page, "fc_1")).to_contain_text("find_order")
    page.locator(".turn [data-listen]").last.click()
    at_cursor = page.locator("#state li", has_text="Order 42 is ready.")
    expect(at_cursor).to_have_text("backend Order 42 is ready. [not said]")
    expect(turn_of(page, "item_more")).to_contain_text("failed: The backend is not available.")
    picture(page)


def test_the_usage_of_an_open_call_is_not_told_yet(look: Look, pages: Pages) -> None:
    page = opened(look, pages, LiveCall().starts().said(("user", 0, "Hello there")))
    facts = page.locator(".facts").first
    expect(facts).to_contain_text("Usage not told yet gpt-live-1")
    expect(facts).not_to_contain_text("No price known")


def test_the_replay_link_is_for_a_client_of_gpt_live(look: Look, pages: Pages) -> None:
    page = opened(look, pages, client_call())
    page.locator("[data-replay]").click()
    dialog = page.locator("#dialog-body")
    expect(dialog).to_contain_text("ws://127.0.0.1:8765/v1/live/sessions?session=live_1")
    expect(dialog).to_contain_text("Connect a GPT-Live client to:")


def test_a_sideband_is_told(look: Look, pages: Pages) -> None:
    call = LiveCall()
    call.store("opened", url="wss://api.openai.com/v1/live/sessions/live_9/attach", by="relay")
    page = opened(look, pages, call.starts().said(("user", 0, "Hello there")))
    expect(page.locator(".facts").first).to_contain_text("Sideband of live_9")


def test_decisions_mutes_and_the_transport_are_told(
    look: Look, pages: Pages, picture: Picture
) -> None:
    page = opened(look, pages, decisions_call())
    decision = page.locator(".turn.decision").first
    expect(decision).to_contain_text("mood: upset (91 %)")
    expect(page.locator(".turn.moment", has_text="the user is muted").first).to_be_visible()
    expect(page.locator(".turn.moment h3").first).to_be_hidden()
    spoken = page.locator(".turn", has_text="No, I want to speak")
    expect(spoken.first).to_contain_text("while the other one spoke")
    indents = [turn.locator(".what").bounding_box() for turn in (spoken.first, decision)]
    assert indents[0] is not None and indents[1] is not None and indents[0]["x"] > indents[1]["x"]
    picture(page)


def test_it_fits_on_a_phone(look: Look, pages: Pages, picture: Picture) -> None:
    page = opened(look, pages, decisions_call(), size=PHONE)
    expect(page.locator(".turn.decision").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page)


def test_the_state_at_the_cursor_is_the_timelines(look: Look, pages: Pages) -> None:
    """The page counts from the first event, and the state from the timeline's beginning."""
    late = LiveCall()
    late.ms = 0
    late.store("opened", url="wss://api.openai.com/v1/live/sessions")
    late.ms += 3000
    late.starts().said(("user", 0, "Hello there"), ("assistant", 2600, "Hi"))
    page = opened(look, pages, late)
    assert float(page.get_attribute("#session", "data-zero") or 0) == pytest.approx(3, abs=0.1)
    page.locator(".turn [data-listen]").first.click()
    state = page.locator("#state")
    expect(state).to_contain_text("events")
    expect(state).not_to_contain_text("Hi")


def test_the_axis_shows_the_seconds_of_the_clock(look: Look, pages: Pages) -> None:
    """The sound begins later than the call; the axis is right at each zoom, up to its end."""
    late = LiveCall()
    late.ms = 0
    late.store("opened", url="wss://api.openai.com/v1/live/sessions")
    late.ms += 3400
    late.starts().sound(CLIENT, 200)
    late.said(("user", 0, "Hello there"), ("assistant", 12_000, "Hi"))
    page = opened(look, pages, late.closes(12_400, 12))
    expect(page.locator("#session[data-ready]")).to_be_attached()
    expect(page.locator("#clock")).to_have_text(re.compile(r"^0:03\.[2-5]"))
    for zoom in ("0", "40"):
        page.locator("#zoom").fill(zoom)
        shown = page.locator('#wave [part="notch"]').filter(has_text="0:05")
        expect(shown).to_be_visible()
        found = shown.bounding_box()
        assert found is not None
        page.mouse.click(found["x"] + 1, found["y"] - 20)
        expect(page.locator("#clock")).to_have_text(re.compile(r"^0:05\.0"))
    last = page.locator('#wave [part="notch"]').last
    assert last.evaluate("notch => notch.parentElement.clientWidth - notch.offsetLeft") >= 0


@pytest.mark.skipif(not os.environ.get("PICTURES"), reason="only makes pictures")
def test_the_list_of_sessions(look: Look, pages: Pages, picture: Picture) -> None:
    calls = {"live_1": client_call(), "live_2": decisions_call()}
    served = pages({name: call.frames for name, call in calls.items()})
    page = look(f"{served.url}/")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    picture(page)


@pytest.mark.skipif(not os.environ.get("PICTURES"), reason="only makes pictures")
def test_the_sample_call(look: Look, tmp_path: Path, picture: Picture) -> None:
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(live_call_lines()))
    with EventStore(f"sqlite:///{tmp_path}/calls.db") as store:
        (found,) = store.import_file(path)
        with serving(store, None, 1 << 20) as url:
            page = look(f"{url}/sessions/{found.session_id}")
            expect(page.locator("#session[data-ready]")).to_be_attached()
            picture(page)
            out = Path(os.environ["PICTURES"])
            page.screenshot(path=out / "sample_full.png", full_page=True)
