"""Acceptance: pages are read by everybody: contrast, keyboard, no scripts, the way back."""

from __future__ import annotations

import pytest
from exports.calls_to_export import SAMPLE
from playwright.sync_api import Browser, Page, expect
from support import recordings
from support.page_serving import LAPTOP, PHONE, Look, Served

PATHS = ("/", "/responses", "/usage?span=all", f"/sessions/{SAMPLE}", "/sign-in")
#: Texts whose contrast is below WCAG's 4.5, in shadow trees too.
FAINT = """() => {
  const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const read = (color) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const around = (one) => {
    const found = [];
    for (; one; one = one.parentElement ?? one.getRootNode().host) found.unshift(one);
    return found;
  };
  const found = [];
  const walk = (root) => {
    for (const one of root.querySelectorAll('*')) {
      if (one.shadowRoot) walk(one.shadowRoot);
      if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
      if (!one.checkVisibility() || one.closest('[disabled], option, .hidden, script, style')) continue;
      const parents = around(one);
      let behind = read(getComputedStyle(document.body).backgroundColor);
      for (const each of parents) behind = over(read(getComputedStyle(each).backgroundColor), behind);
      const color = read(getComputedStyle(one).color);
      color[3] *= parents.reduce((all, each) => all * getComputedStyle(each).opacity, 1);
      const [high, low] = [light(over(color, behind)), light(behind)].sort((a, b) => b - a);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < 4.5) found.push(`${contrast.toFixed(2)} ${one.textContent.trim().slice(0, 40)}`);
    }
  };
  walk(document);
  return found;
}"""  # noqa: E501
NAMELESS = """() => [...document.querySelectorAll('a, button, input, select, th')].filter((one) =>
  one.checkVisibility() && !(one.textContent.trim() || one.ariaLabel || one.labels?.length)
).map((one) => one.outerHTML)"""


def drawn(page: Page) -> None:
    """Wait until scripts are through."""
    page.wait_for_load_state()
    if "/sessions/" in page.url:
        expect(page.locator("#session[data-ready]")).to_be_attached()
    elif "/usage" in page.url:
        expect(page.locator("html[data-drawn]")).to_be_attached()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_texts_have_contrast_and_controls_have_names(
    served: Served, look: Look, path: str, dark: bool
) -> None:
    page = look(served.url + path, dark=dark)
    drawn(page)
    if SAMPLE in path:
        page.locator(".turn[data-speaker=assistant] .word").nth(3).click()
        page.locator("[data-event]").nth(1).click()
        expect(page.locator("#event")).to_contain_text("type")
    assert page.evaluate(FAINT) == []
    assert page.evaluate(NAMELESS) == []


def test_lists_and_the_transcript_need_no_scripts(served: Served, chromium: Browser) -> None:
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(served.url)
    page.get_by_text("Filter").click()
    page.fill("[name=q]", "saddle")
    page.get_by_role("button", name="Show").click()
    page.locator("a.row").first.click()
    turns = served.store.transcript(SAMPLE)
    expect(page.locator(".turn")).to_have_count(len(turns))
    # What does nothing is not there.
    for dead in ("#player", "#log", "#state-panel", "[data-reseed]", "[data-listen]"):
        expect(page.locator(dead).first).to_be_hidden()
    page.goto(served.url + "/usage?span=all")
    expect(page.locator(".figures")).to_be_visible()
    expect(page.locator("canvas").first).to_be_hidden()
    context.close()


def test_the_way_back_has_the_filters_of_its_list(served: Served, look: Look) -> None:
    page = look(served.url, LAPTOP)
    fields = (
        """() => [...document.querySelectorAll('[data-filters] [name]')].map((one) => one.value)"""
    )
    enabled = """() => [...document.querySelectorAll('[name]')].every((one) => !one.disabled)"""
    before = page.evaluate(fields)
    page.fill("[name=q]", "saddle")
    page.locator("[name=key]").first.fill("customer")
    page.locator("[name=op]").first.select_option("has")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**q=saddle**")
    page.wait_for_load_state()
    after = page.evaluate(fields)
    page.go_back()
    page.wait_for_load_state()
    assert page.evaluate(fields) == before and page.evaluate(enabled)
    page.go_forward()
    page.wait_for_load_state()
    assert page.evaluate(fields) == after and page.evaluate(enabled)


def test_a_page_that_is_loaded_again_is_where_it_was(served: Served, look: Look) -> None:
    page = look(f"{served.url}/sessions/{SAMPLE}")
    drawn(page)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.reload()
    drawn(page)
    expect(page.locator("#clock")).to_contain_text("0:15.0 /")


pytestmark = pytest.mark.skipif(not recordings.streams(), reason=recordings.MISSING)
