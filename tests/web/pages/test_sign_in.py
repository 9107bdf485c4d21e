"""Acceptance: pages of a store with keys: who signs in sees what the key may read."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import text
from support.calls import voice_call
from support.page_serving import Look, Served

from eventstore import Frame
from eventstore.web.server.access import AccessKeys, parse_keys

WHOLE, TENANT, WRITER = "a-key-for-everything", "a-key-of-customer-42", "a-key-that-appends"
KEYS = f"""
[[key]]
name = "whole"
key = "{WHOLE}"
rights = ["read", "append", "erase"]
[[key]]
name = "customer 42"
key = "{TENANT}"
metadata = {{ customer = "42" }}
[[key]]
name = "writer"
key = "{WRITER}"
rights = ["append"]
"""
PAGES = ("/", "/sessions/sess_1", "/responses", "/usage")


def calls() -> dict[str, list[Frame]]:
    return {"sess_1": voice_call().frames, "sess_2": voice_call().frames}


@pytest.fixture
def here(pages: Callable[..., Served]) -> Served:
    keys: AccessKeys = parse_keys(KEYS)
    found = pages(calls(), keys)
    found.store.set_metadata("sess_2", {"customer": "42"})
    return found


def cookie_of(here: Served, key: str) -> httpx.Response:
    return httpx.post(f"{here.url}/sign-in", data={"key": key, "next": "/usage"})


def test_sign_in_see_and_sign_out(here: Served, look: Look) -> None:
    page = look(here.url + "/responses?status=completed", expected=("401",))
    assert "/sign-in?next=" in page.url
    page.get_by_label("API key").fill("not a key of this store")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("API key").fill(TENANT)
    page.keyboard.press("Enter")
    page.wait_for_url("**/responses?status=completed")
    page.goto(here.url)
    expect(page.locator("tr[data-id]")).to_have_count(1)
    expect(page.locator('tr[data-id="sess_2"]')).to_be_visible()
    expect(page.get_by_text("customer 42")).to_be_visible()
    # What the page's scripts ask for comes too.
    page.goto(here.url + "/sessions/sess_2")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(here.url)
    assert "/sign-in" in page.url


@pytest.mark.parametrize("path", PAGES)
def test_every_page_asks_for_a_key(here: Served, path: str) -> None:
    answer = httpx.get(here.url + path)
    assert (answer.status_code, answer.headers["location"][:14]) == (303, "/sign-in?next=")
    assert "sess_1" not in answer.text


def test_a_tenant_opens_no_other_session(here: Served) -> None:
    cookies = cookie_of(here, TENANT).cookies
    for path in ("/sessions/sess_1", "/v1/realtime/sessions/sess_1/waveform"):
        assert httpx.get(here.url + path, cookies=cookies).status_code == 404
    for path in ("transcript", "waveform", "reseed", "audio"):
        url = f"{here.url}/v1/realtime/sessions/sess_1/{path}"
        assert httpx.get(url, headers={"Authorization": f"Bearer {TENANT}"}).status_code == 404


def test_the_cookie_reads_and_does_no_more(here: Served) -> None:
    answer = cookie_of(here, WHOLE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/usage")
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told and "samesite=lax" in told and WHOLE not in told
    cookies = answer.cookies
    assert httpx.get(here.url + "/v1/realtime/sessions", cookies=cookies).status_code == 200
    erased = httpx.delete(here.url + "/v1/realtime/sessions/sess_1", cookies=cookies)
    assert erased.status_code == 403
    appended = httpx.post(
        here.url + "/v1/realtime/sessions/sess_1/events", json={"events": []}, cookies=cookies
    )
    assert appended.status_code == 403
    # A key that is sent beside counts, and no cookie makes up for a wrong one.
    wrong = {"Authorization": "Bearer wrong"}
    url = here.url + "/v1/realtime/sessions"
    assert httpx.get(url, cookies=cookies, headers=wrong).status_code == 401


def test_who_may_not_read_does_not_sign_in(here: Served) -> None:
    answer = cookie_of(here, WRITER)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


def test_the_form_leads_nowhere_else(here: Served) -> None:
    for wanted in ("https://example.org", "//example.org", "/\\example.org", "javascript:alert(1)"):
        answer = httpx.post(f"{here.url}/sign-in", data={"key": WHOLE, "next": wanted})
        assert answer.headers["location"] == "/"
    for other in ({"Origin": "https://example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx.post(f"{here.url}/sign-in", data={"key": WHOLE}, headers=other)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_long_address_is_come_back_to(here: Served) -> None:
    wanted = "/responses?" + "&".join(f"key=k{i}&op=%3D&value={'v' * 500}" for i in range(16))
    answer = httpx.get(here.url + wanted)
    sent = {"next": wanted, "key": WHOLE}
    assert answer.headers["location"].startswith("/sign-in?next=")
    assert httpx.post(f"{here.url}/sign-in", data=sent).headers["location"] == wanted


def test_another_pages_form_signs_nobody_out(here: Served) -> None:
    cookies = cookie_of(here, WHOLE).cookies
    for other in ({"Origin": "https://example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx.post(f"{here.url}/sign-out", headers=other, cookies=cookies)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert httpx.get(here.url, cookies=cookies).status_code == 200
    httpx.post(f"{here.url}/sign-out", cookies=cookies)
    assert httpx.get(here.url, cookies=cookies).status_code == 303


@pytest.mark.parametrize("origin", ["http://[", "null", "http://localhost@example.org"])
def test_an_origin_that_is_none_is_refused(
    here: Served, pages: Callable[..., Served], origin: str
) -> None:
    headers = {"Origin": origin}
    assert httpx.post(f"{here.url}/sign-in", headers=headers).status_code == 403
    assert httpx.get(pages(calls()).url, headers=headers).status_code == 403


def test_security_headers_of_pages(here: Served) -> None:
    cookies = cookie_of(here, WHOLE).cookies
    for path in (*PAGES, "/sessions/sess_none", "/sign-in", "/nowhere"):
        answer = httpx.get(here.url + path, cookies=cookies)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy, path
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_two_stores_of_one_host_are_signed_in_to_at_once(
    here: Served, pages: Callable[..., Served]
) -> None:
    other = pages(calls(), parse_keys(KEYS))
    with httpx.Client() as browser:
        for url in (here.url, other.url):
            browser.post(f"{url}/sign-in", data={"key": WHOLE})
        assert [browser.get(url).status_code for url in (here.url, other.url)] == [200, 200]
        browser.post(f"{here.url}/sign-out")
        assert [browser.get(url).status_code for url in (here.url, other.url)] == [303, 200]


def test_a_failure_that_nobody_foresaw_is_a_page_without_its_reason(
    pages: Callable[..., Served],
) -> None:
    broken = pages(calls())
    with broken.store.engine.begin() as connection:
        connection.execute(text("UPDATE responses SET resource = 'no json'"))
    shown = httpx.get(f"{broken.url}/responses")
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    told = httpx.get(f"{broken.url}/v1/realtime/responses")
    assert told.json()["error"]["message"] == "the server failed"
    for answer in (shown, told):
        assert answer.status_code == 500 and "the server failed" in answer.text
        assert "JSON" not in answer.text and "line 1" not in answer.text


def test_without_keys_other_hosts_pages_get_nothing(pages: Callable[..., Served]) -> None:
    url = pages(calls()).url
    for headers in ({"Host": "example.org"}, {"Origin": "https://example.org"}):
        answer = httpx.get(url, headers=headers)
        assert answer.status_code == 403 and "sess_1" not in answer.text
    assert httpx.get(f"{url}/sign-in").headers["location"] == "/"


@pytest.mark.parametrize("path", [*PAGES, "/sessions/none"])
def test_without_keys_nobody_is_signed_out(pages: Callable[..., Served], path: str) -> None:
    assert "Sign out" not in httpx.get(pages(calls()).url + path).text
