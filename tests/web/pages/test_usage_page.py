"""Acceptance: the page of usage, in Chromium."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support import recordings
from support.events import Call
from support.page_serving import PHONE, Look, Served

from eventstore.store.usage import answer_lines
from eventstore.web.pages import usage as usage_page

Picture = Callable[[Page], None]
CHARTS = ("money", "tokens", "values", "latency", "context")


def table(page: Page, name: str) -> list[list[str]]:
    found: list[list[str]] = page.locator(f"#chart-{name}-table tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def test_charts_are_drawn_of_the_stores_figures(
    served: Served, look: Look, picture: Picture
) -> None:
    page = look(served.url + "/usage?span=all&by=customer")
    expect(page.locator("html[data-drawn='5']")).to_be_attached()
    for name in CHARTS:
        inked = page.evaluate(
            """id => {
              const canvas = document.getElementById(id);
              const data = canvas.getContext('2d').getImageData(0, 0, 300, 150).data;
              return data.some((value, i) => i % 4 === 3 && value > 0);
            }""",
            f"chart-{name}",
        )
        assert inked, name
    days = served.store.usage(by="day,model")["data"]
    assert [row[:2] for row in table(page, "money")] == [
        [entry["key"], entry["model"] or "none"] for entry in days
    ]
    assert sum(int(row[1].replace(",", "")) for row in table(page, "tokens")) == sum(
        entry["input_tokens"] for entry in days
    )
    values = served.store.usage(by="metadata:customer")["data"]
    assert {row[0] for row in table(page, "values")} == {e["key"] or "none" for e in values}
    latency = served.store.latency(by="day")["data"]
    assert [row[0] for row in table(page, "latency")] == [entry["key"] for entry in latency]
    turns = served.store.context()["data"]
    assert [row[0] for row in table(page, "context")] == [str(entry["turn"]) for entry in turns]
    total = served.store.usage()["total"]
    expect(page.locator(".figures")).to_contain_text(f"{total['responses']:,}")
    picture(page)


def test_who_costs_most_leads_to_the_responses(served: Served, look: Look) -> None:
    page = look(served.url + "/usage?span=all&by=customer")
    page.locator("#chart-values-table").locator("xpath=../..").locator("summary").click()
    page.locator("#chart-values-table a", has_text="42").click()
    page.wait_for_url("**/responses?key=customer**")
    wanted = served.store.responses(metadata={"customer": "42"}).data
    expect(page.locator("tr[data-id]")).to_have_count(len(wanted))


def test_spans_models_and_conditions(served: Served, look: Look) -> None:
    page = look(served.url + "/usage?span=all")
    everything = page.inner_text(".figures")
    page.goto(served.url + "/usage?from=2026-05-04&to=2026-05-04")
    one = served.store.usage(since="2026-05-04", until="2026-05-05")["total"]
    expect(page.locator(".figures")).to_contain_text(f"{one['input_tokens']:,}")
    assert page.inner_text(".figures") != everything
    page.goto(served.url + "/usage?span=all&key=customer&op=%3D&value=42&model=gpt-realtime")
    some = served.store.usage(metadata={"customer": "42"}, model="gpt-realtime")["total"]
    expect(page.locator(".figures")).to_contain_text(f"{some['input_tokens']:,}")
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url("**span=7**")
    assert "value=42" in page.url


def test_on_a_phone_by_night(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url + "/usage?span=all", PHONE, dark=True)
    expect(page.locator("html[data-drawn='5']")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page)


@pytest.mark.parametrize("path", ["/usage?from=yesterday", "/responses?min_tokens=" + "9" * 25])
def test_a_filter_that_is_none_is_told(served: Served, look: Look, path: str) -> None:
    page = look(served.url + path, expected=("400",))
    expect(page.get_by_role("alert")).to_contain_text("bad filter")


def test_a_key_of_many_values_is_compared_where_it_is_named(
    pages: Callable[..., Served], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_page, "_MANY_VALUES", 3)
    call = Call()
    for number in range(3):
        metadata = {"customer": f"customer-{number}", "env": "prod"}
        usage = {"input_tokens": number + 1, "output_tokens": 1}
        call.created(f"resp_{number}", metadata=metadata)
        call.done(f"resp_{number}", metadata=metadata, usage=usage)
    served = pages({"sess_1": call.frames})
    page = look(served.url + "/usage?span=all")
    expect(page.locator("#chart-values-title")).to_have_text("Cost by env")
    page = look(served.url + "/usage?span=all&by=customer")
    assert len(table(page, "values")) == 3
    monkeypatch.setattr(answer_lines, "MAX_LINES", 2)
    page = look(served.url + "/usage?span=all&by=customer")
    expect(page.get_by_text("There are too many values of customer")).to_be_visible()
    expect(page.locator("html[data-drawn='4']")).to_be_attached()
    assert table(page, "money") and not page.locator("#chart-values").count()


def test_an_empty_store(pages: Callable[..., Served], look: Look) -> None:
    page = look(pages({}).url + "/usage")
    expect(page.locator("html[data-drawn]")).to_be_attached()


pytestmark = pytest.mark.skipif(not recordings.streams(), reason=recordings.MISSING)
