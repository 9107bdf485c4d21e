"""Acceptance: the page of responses, in Chromium."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from exports.calls_to_export import SAMPLE
from playwright.sync_api import Page, expect
from support import recordings
from support.page_serving import PHONE, Look, Served

Picture = Callable[[Page], None]


def rows(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-id]").evaluate_all("a => a.map(r => r.dataset.id)")
    return found


def test_build_a_query_and_keep_it_as_a_link(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url + "/responses")
    page.locator("[name=key]").first.fill("topic")
    page.locator("[name=value]").first.click()
    options = page.locator("#values option")
    expect(options.first).to_be_attached()
    values = options.evaluate_all("a => a.map(o => o.value)")
    assert values == served.store.metadata_values("topic")
    page.locator("[name=value]").first.fill("delivery")
    page.locator("[name=key]").nth(1).fill("customer")
    page.locator("[name=op]").nth(1).select_option("has")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**key=topic**")
    wanted = served.store.responses(metadata=["topic=delivery", "customer"]).data
    assert rows(page) == [response["id"] for response in wanted] and wanted
    # The link gives the same, wherever it is opened; so does the command.
    page.get_by_role("button", name="Copy a link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert rows(look(link)) == rows(page)
    command = shlex.split(page.inner_text("code.command"))
    assert command[:2] == ["eventstore", "responses"]
    done = subprocess.run(
        [sys.executable, "-m", "eventstore.cli.main", *command[1:], "--json"],
        env={"EVENTSTORE_URL": str(served.store.engine.url)},
        capture_output=True,
        check=True,
    )
    assert [entry["id"] for entry in json.loads(done.stdout)["data"]] == rows(page)
    picture(page)


@pytest.mark.parametrize(
    ("filters", "address"),
    [
        ({}, ""),
        ({"status": "cancelled"}, "status=cancelled"),
        ({"text": "saddle"}, "q=saddle"),
        ({"modality": "text", "min_tokens": 100}, "modality=text&min_tokens=100"),
        ({"model": "gpt-realtime", "voice": "marin"}, "model=gpt-realtime&voice=marin"),
        ({"session": SAMPLE}, f"session={SAMPLE}"),
        ({"since": "2026-05-04T09:30:10Z"}, "from=2026-05-04T09:30:10Z"),
        ({"tool": "find_order"}, "tool=find_order"),
        ({"kind": "spoken", "modality": "audio"}, "kind=spoken&modality=audio"),
        ({"min_latency": 0.5, "sort": "latency"}, "min_latency=0.5&sort=latency"),
        (
            {"min_duration": 1, "sort": "tokens", "order": "asc"},
            "min_duration=1&sort=tokens&order=asc",
        ),
        ({"metadata": ["source!=xai-tool-call"]}, "key=source&op=!%3D&value=xai-tool-call"),
    ],
)
def test_each_filter_finds_what_the_store_does(
    served: Served, look: Look, filters: dict[str, Any], address: str
) -> None:
    page = look(f"{served.url}/responses?{address}")
    found = served.store.responses(limit=25, **filters).data
    assert rows(page) == [response["id"] for response in found]


def test_a_response_as_json(served: Served, look: Look, picture: Picture) -> None:
    page = look(f"{served.url}/responses?session={SAMPLE}")
    first = rows(page)[0]
    page.get_by_role("button", name="JSON").first.click()
    shown = json.loads(page.inner_text("#dialog pre"))
    assert shown == served.store.response(first)
    picture(page)
    page.get_by_role("link", name="In its session").click()
    page.wait_for_url("**/sessions/**")
    expect(page.locator(f'.turn[data-response="{first}"]')).to_be_visible()


def test_on_a_phone(served: Served, look: Look, picture: Picture) -> None:
    page = look(served.url + "/responses", PHONE, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page)


def test_bad_filters_are_told(served: Served, look: Look) -> None:
    for address in ("status=gone", "min_tokens=few", "q=%22%22", "after=resp_none"):
        page = look(f"{served.url}/responses?{address}", expected=("400", "404"))
        expect(page.get_by_role("alert")).not_to_be_empty()


pytestmark = pytest.mark.skipif(not recordings.streams(), reason=recordings.MISSING)
