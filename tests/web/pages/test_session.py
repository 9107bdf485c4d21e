"""Acceptance: the page of a session, in Chromium: it is looked at, clicked and listened to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from exports.calls_to_export import SAMPLE
from playwright.sync_api import Page, expect
from support import recordings
from support.calls import voice_call
from support.events import message, text_part
from support.hostile import EVIL, hostile_call
from support.page_serving import PHONE, Look, Served
from support.told_call import told_call

from eventstore import Frame
from eventstore.times import now

Picture = Callable[[Page], None]


def opened(look: Look, served: Served, session_id: str = SAMPLE, **how: Any) -> Page:
    page = look(f"{served.url}/sessions/{session_id}", **how)
    expect(page.locator("#session[data-ready]")).to_be_attached()
    return page


def moment(page: Page) -> float:
    """Where the cursor is, in seconds."""
    minutes, seconds = page.inner_text("#clock").split(" /")[0].split(":")
    return int(minutes) * 60 + float(seconds)


def test_both_sides_turns_tools_and_interruptions_are_drawn(
    served: Served, look: Look, picture: Picture
) -> None:
    page = opened(look, served)
    drawn = served.store.waveform(SAMPLE)
    cuts = sum(turn["cut"] for turn in drawn["turns"])
    regions = page.locator("#wave [part~=region], #wave [part~=marker]")
    expect(regions).to_have_count(len(drawn["turns"]) + cuts + len(drawn["marks"]))
    # Colours of both sides are in the pictures of the waveform.
    colors = page.evaluate(
        """() => {
          const root = document.querySelector('#wave > div').shadowRoot;
          return [...root.querySelectorAll('.canvases canvas')].map((canvas) => {
            const { width, height } = canvas;
            const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
            let count = 0;
            for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count += 1;
            return count;
          });
        }"""
    )
    assert len([count for count in colors if count > 500]) >= 2
    picture(page)


def test_what_was_not_heard_is_shown_as_such(served: Served, look: Look) -> None:
    page = opened(look, served)
    turn = page.locator(".turn").nth(5)
    expect(turn.locator(".words")).to_contain_text("as long as it has not been")
    expect(turn.locator("del")).to_contain_text("ridden outside")
    expect(turn).to_contain_text("0.49 s to first audio")
    expect(turn).to_contain_text("interrupted")


def test_who_told_when_words_were_said(served: Served, look: Look, picture: Picture) -> None:
    served.store.append("sess_told", told_call().frames, close=True)
    page = opened(look, served, "sess_told")
    heard, told, estimated = (page.locator(".turn .words").nth(number) for number in range(3))
    expect(heard).to_have_text("[A] Hello? [B] Hi, it is me.")
    expect(page.locator(".turn").first).to_contain_text("in en")
    expect(heard.locator(".word")).to_have_count(5)
    for words, source in ((heard, "server"), (told, "server"), (estimated, "estimate")):
        expect(words).to_have_attribute("data-words-from", source)
    expect(estimated).to_have_attribute("title", "When each word was said is an estimate")
    picture(page)


def test_click_a_word_to_hear_it(served: Served, look: Look, picture: Picture) -> None:
    page = opened(look, served)
    word = page.locator('.turn[data-speaker="assistant"] .word', has_text="tomorrow")
    at = float(str(word.get_attribute("data-moment")))
    word.click()
    expect(page.locator("#play")).to_have_text("Pause")
    page.wait_for_function("document.querySelectorAll('.word.now').length === 1")
    # It plays: the cursor, the word and the turn move along.
    page.wait_for_function(
        "before => parseFloat(document.getElementById('clock').textContent.slice(2)) > before + 1",
        arg=at,
    )
    assert at <= moment(page) < at + 8
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text("Play")
    expect(page.locator(".turn[aria-current]")).to_have_count(1)
    stood = moment(page)
    page.wait_for_timeout(300)
    assert moment(page) == stood
    picture(page)


def test_click_a_turn_and_the_waveform(served: Served, look: Look) -> None:
    page = opened(look, served)
    page.locator('.turn[data-speaker="user"] [data-listen]').nth(1).click()
    page.wait_for_timeout(400)
    drawn = served.store.waveform(SAMPLE)
    second = [turn for turn in drawn["turns"] if turn["side"] == "user"][1]
    assert second["start"] - 0.1 <= moment(page) <= second["start"] + 5
    page.keyboard.press(" ")
    box = page.locator("#wave").bounding_box()
    assert box is not None
    # Between turns the waveform itself is clicked.
    page.mouse.click(box["x"] + box["width"] * (4.6 / drawn["end"]), box["y"] + 20)
    page.wait_for_timeout(200)
    assert moment(page) == pytest.approx(4.6, abs=0.2)


def test_the_state_at_the_cursor_is_the_stores(served: Served, look: Look) -> None:
    page = opened(look, served)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert moment(page) == 15.0
    shown = served.store.state(SAMPLE, "+15")
    items = [item for c in shown["conversations"] for item in c["items"]]
    expect(page.locator("#state .state-items li")).to_have_count(len(items))
    expect(page.locator("#state")).to_contain_text(
        f"events {shown['session']['eventstore']['events']}"
    )
    page.get_by_text("Whole, as JSON").click()
    expect(page.locator("#dialog pre")).to_contain_text('"conversations"')


def test_the_raw_event_behind_a_turn(served: Served, look: Look) -> None:
    page = opened(look, served)
    turn = page.locator(".turn").nth(3)
    buttons = turn.locator("[data-event]")
    for button in (buttons.first, buttons.last):
        seq = int(str(button.get_attribute("data-event")))
        (event,) = served.store.events(SAMPLE, seq, seq)
        button.click()
        expect(page.locator("#event-title")).to_contain_text(f"#{seq} {event.type}")
        text = page.inner_text("#event")
        assert json.loads(text)["event_id"] == json.loads(event.text)["event_id"]
    page.locator("#event-before").click()
    expect(page.locator("#event-title")).to_contain_text(f"#{seq - 1} ")
    page.locator("#event-close").click()
    expect(page.locator("#event-panel")).to_be_hidden()


def test_all_events_by_type(served: Served, look: Look) -> None:
    page = opened(look, served)
    page.locator("#log summary").click()
    expect(page.locator("#log-rows tr")).to_have_count(100)
    page.fill("#log-type", "response.done")
    page.locator("#log-filter button").click()
    expect(page.locator("#log-rows tr")).to_have_count(6)


def test_export_and_audio_are_downloads(served: Served, look: Look, tmp_path: Any) -> None:
    page = opened(look, served)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Export").click()
    waiting.value.save_as(tmp_path / "call.jsonl")
    assert (tmp_path / "call.jsonl").read_bytes() == b"".join(served.store.export(SAMPLE))
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Audio").click()
    waiting.value.save_as(tmp_path / "call.wav")
    served.store.audio(SAMPLE, tmp_path / "same.wav")
    assert (tmp_path / "call.wav").read_bytes() == (tmp_path / "same.wav").read_bytes()


def test_reseed_and_replay_link(served: Served, look: Look) -> None:
    page = opened(look, served)
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Reseed").click()
    dialog = page.locator("#dialog")
    made = served.store.reseed(SAMPLE).events
    expect(dialog).to_contain_text(f"{len(made)} client events")
    dialog.get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert [json.loads(line) for line in copied.splitlines()] == made
    dialog.get_by_text("As of 0:05").click()
    expect(dialog.get_by_text("As of 0:05")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Replay link").click()
    expect(dialog).to_contain_text(f"eventstore replay {SAMPLE} --serve")
    expect(dialog).to_contain_text(f"/v1/realtime?session={SAMPLE}")


def test_a_link_to_a_response_shows_its_turn(served: Served, look: Look) -> None:
    response = served.store.responses(session=SAMPLE, order="asc").data[2]
    page = opened(look, served, f"{SAMPLE}#{response['id']}")
    turn = page.locator(".turn[aria-current]")
    expect(turn).to_have_attribute("data-response", response["id"])
    expect(turn).to_be_in_viewport()


@pytest.mark.skipif(not recordings.streams(), reason=recordings.MISSING)
@pytest.mark.parametrize("number", range(len(recordings.streams())))
def test_every_recording_opens(served: Served, look: Look, number: int) -> None:
    name = recordings.streams()[number].stem
    for kind in (("timed", "untimed")[number % 2],):
        page = look(f"{served.url}/sessions/{name}-{kind}")
        turns = served.store.transcript(f"{name}-{kind}")
        expect(page.locator(".turn")).to_have_count(len(turns))
        page.wait_for_load_state("networkidle")


def test_hostile_texts_are_texts(pages: Callable[..., Served], look: Look) -> None:
    call = [frame._replace(at=now() + i * 20_000) for i, frame in enumerate(hostile_call().frames)]
    here = pages({"sess_1": call})
    page = opened(look, here, "sess_1")
    page.on("dialog", lambda dialog: pytest.fail("a text ran"))
    for button in page.locator("[data-event]").all()[:6]:
        button.click()
    page.locator("#log summary").click()
    page.get_by_role("button", name="Reseed").click()
    page.keyboard.press("Escape")
    page.goto(here.url)
    page.goto(here.url + "/responses")
    page.locator("[data-json]").first.click()
    expect(page.locator("#dialog pre")).to_contain_text("owned")
    page.goto(here.url + "/usage")
    assert page.locator("img, script:not([src]):not([type]), a[href^=javascript]").count() == 0
    assert "owned" not in page.title()
    assert EVIL[:20] in here.store.session("sess_1")["model"]


def test_a_live_call_grows(pages: Callable[..., Served], look: Look) -> None:
    call = [frame._replace(at=now() + i * 20_000) for i, frame in enumerate(voice_call().frames)]
    here = pages({"sess_1": call[:-2]})
    page = look(here.url + "/sessions/sess_1")
    expect(page.locator("h1 .live")).to_be_visible()
    before = page.locator(".turn").count()
    item = message("item_new", "user", text_part("One more thing.", "input_text"))
    said = json.dumps({"type": "conversation.item.done", "item": item})
    here.store.append("sess_1", [Frame("server", said, now())])
    expect(page.locator(".turn")).to_have_count(before + 1)
    expect(page.locator(".turn").last).to_contain_text("One more thing.")


def test_on_a_phone_by_night(served: Served, look: Look, picture: Picture) -> None:
    page = opened(look, served, size=PHONE, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 23, 24)"
    page.locator(".word", has_text="Brooks").first.wait_for(state="detached")
    page.locator(".turn [data-listen]").nth(3).tap()
    expect(page.locator("#play")).to_have_text("Pause")
    page.locator("[data-event]").nth(2).tap()
    expect(page.locator("#event-panel")).to_be_in_viewport()
    picture(page)


def test_no_such_session(served: Served, look: Look) -> None:
    page = look(served.url + "/sessions/sess_none", expected=("404",))
    expect(page.get_by_role("alert")).to_contain_text("no session sess_none")
