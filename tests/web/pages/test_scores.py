"""Acceptance: a thumb and a label on a session's page, for those who may score; lists and sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Page, expect
from support.calls import voice_call
from support.page_serving import LAPTOP, PHONE, Look, Served

from eventstore import Frame
from eventstore.web.server.access import parse_keys

SCORER, READER = "a-key-that-scores", "a-key-that-reads-alone"
KEYS = f"""
[[key]]
name = "anna"
key = "{SCORER}"
rights = ["read", "score"]
metadata = {{ customer = "42" }}
[[key]]
name = "reader"
key = "{READER}"
"""


def calls() -> dict[str, list[Frame]]:
    return {"sess_1": voice_call().frames, "sess_2": voice_call().frames}


@pytest.fixture
def here(pages: Callable[..., Served]) -> Served:
    """A store with keys, in which anna sees sess_1 alone."""
    found = pages(calls(), parse_keys(KEYS))
    found.store.set_metadata("sess_1", {"customer": "42"})
    return found


def answers(page: Page) -> dict[str, str | None]:
    """Which thumbs of the page are pressed, by their names."""
    thumbs = page.locator("button[name=thumb]").all()
    return {str(t.get_attribute("aria-label")): t.get_attribute("aria-pressed") for t in thumbs}


def test_a_click_scores_an_answer_and_the_session(
    pages: Callable[..., Served], look: Look, picture: Callable[[Page], None]
) -> None:
    served = pages(calls())
    page = look(f"{served.url}/sessions/sess_1")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    turn = page.locator('.turn[data-response="resp_2"]').first
    turn.get_by_role("button", name="Not helpful: this answer").click()
    page.wait_for_url("**/sessions/sess_1#resp_2")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    expect(turn.locator(".notes")).to_contain_text("helpful false (page)")
    field = page.get_by_label("Label of the session")
    field.fill("refund")
    field.press("Enter")
    expect(page.locator(".facts").first).to_contain_text("label refund (page)")
    assert [(s["response_id"], s["name"], s["value"]) for s in served.store.scores("sess_1")] == [
        ("resp_2", "helpful", False),
        (None, "label", "refund"),
    ]
    picture(page)
    # Pressed again, the score is taken back.
    pressed = turn.get_by_role("button", name="Not helpful: this answer")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    pressed.click()
    expect(turn.locator(".notes")).not_to_contain_text("helpful")
    assert [s["name"] for s in served.store.scores("sess_1")] == ["label"]
    page.get_by_label("Label of the session").fill("")
    page.get_by_label("Label of the session").press("Enter")
    expect(page.locator(".facts").first).not_to_contain_text("refund")
    assert served.store.scores("sess_1") == []


def test_lists_and_sums_have_scores(
    pages: Callable[..., Served], look: Look, picture: Callable[[Page], None]
) -> None:
    served = pages(calls())
    served.store.score("sess_1", "helpful", 0.25, response="resp_2", by="judge")
    served.store.score("sess_2", "topic", "refund")
    page = look(f"{served.url}/responses?score=helpful%3C0.5")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    expect(page.locator("tr[data-id]")).to_contain_text("helpful 0.25 (judge)")
    expect(page.locator("code.command")).to_have_text("eventstore responses --score 'helpful<0.5'")
    page.goto(f"{served.url}/?label=refund")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    expect(page.locator('tr[data-id="sess_2"]')).to_contain_text("topic refund")
    page.goto(f"{served.url}/usage?span=all")
    expect(page.locator(".scores")).to_contain_text("gpt-realtime")
    row = page.locator(".scores details").first.locator("tbody tr").first
    assert [cell.inner_text() for cell in row.locator("td").all()][1:4] == ["helpful", "1", "0.25"]
    picture(page)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_sums_stand_below_their_headings_and_words_are_whole(
    pages: Callable[..., Served], look: Look, size: dict[str, int]
) -> None:
    served = pages(calls())
    served.store.score("sess_1", "helpful", 0.25)
    served.store.score("sess_1", "solved", True)
    served.store.score("sess_2", "topic", "x" * 128)
    page = look(f"{served.url}/usage?span=all", size=size)
    table = page.locator(".scores table").first
    headings = [one.bounding_box() for one in table.locator("th").all()]
    for row in table.locator("tbody tr").all():
        cells = [one.bounding_box() for one in row.locator("td").all()]
        assert [one and one["x"] for one in cells] == [one and one["x"] for one in headings]
        name = row.locator("bdi").nth(1)
        assert name.evaluate("e => e.getClientRects().length") == 1, name.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@contextmanager
def _signed_in(here: Served, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=here.url) as client:
        client.post("/sign-in", data={"key": key})
        yield client


def test_only_who_may_score_sees_thumbs_and_scores(here: Served) -> None:
    with _signed_in(here, READER) as reader:
        assert 'name="thumb"' not in reader.get("/sessions/sess_1").text
        assert reader.post("/sessions/sess_1/scores", data={"thumb": "up"}).status_code == 403
    with _signed_in(here, SCORER) as anna:
        assert 'name="thumb"' in anna.get("/sessions/sess_1").text
        assert anna.post("/sessions/sess_2/scores", data={"thumb": "up"}).status_code == 404
        done = anna.post("/sessions/sess_1/scores", data={"thumb": "up", "response": "resp_2"})
        assert (done.status_code, done.headers["location"]) == (303, "/sessions/sess_1#resp_2")
    assert httpx.post(f"{here.url}/sessions/sess_1/scores", data={"thumb": "up"}).status_code == 303
    (score,) = here.store.scores("sess_1")
    assert (score["value"], score["by"]) == (True, "anna")
    assert here.store.scores("sess_2") == []


@pytest.mark.parametrize(
    "other",
    [
        {"Origin": "https://example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_form_scores_nothing(here: Served, other: dict[str, str]) -> None:
    body = {"name": "helpful", "value": True}
    with _signed_in(here, SCORER) as anna:
        form = anna.post("/sessions/sess_1/scores", data={"thumb": "up"}, headers=other)
        assert form.status_code == 403
        path = "/v1/realtime/sessions/sess_1/scores"
        assert anna.post(path, json=body, headers=other).status_code == 403
        assert here.store.scores("sess_1") == []
        assert anna.post(path, json=body).status_code == 200


@pytest.mark.parametrize("form", [{"thumb": "sideways"}, {"label": "x" * 129}, {"response": "7"}])
def test_what_is_no_score_is_told_on_a_page(
    pages: Callable[..., Served], form: dict[str, str]
) -> None:
    served = pages(calls())
    answer = httpx.post(f"{served.url}/sessions/sess_1/scores", data=form)
    assert answer.status_code in (400, 404) and answer.text.startswith("<!doctype html>")
    assert served.store.scores("sess_1") == []
