"""Acceptance: calls that are like no other: their ids, their times, their size."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect
from support.calls import voice_call
from support.events import Call
from support.page_serving import LAPTOP, PHONE, Look, Served

from eventstore import Frame
from eventstore.web.server.access import parse_keys

START = 1_780_000_000_000_000
IDS = (
    *("a/events", "a b", "a'b\"c", "100%", "%2F", "x#y", "x?y=1&z=2", "back\\slash", "--help"),
    *("ünï→😀", "<b>x</b>", "]'\"", "/", "a//b/", "sess_" + "x" * 110),
)


def timed(call: Call, step: int = 20_000) -> list[Frame]:
    return [frame._replace(at=START + i * step) for i, frame in enumerate(call.frames)]


def named(name: str) -> list[Frame]:
    """A call whose response and items have a name, too."""
    ids = {"resp_1": f"resp {name}", "item_2": f"item {name}"}
    found = timed(voice_call())
    for old, new in ids.items():
        in_json = json.dumps(new)[1:-1]
        found = [frame._replace(text=str(frame.text).replace(old, in_json)) for frame in found]
    return found


@pytest.mark.parametrize("name", IDS[::3])
def test_ids_are_any_text(pages: Callable[..., Served], look: Look, name: str) -> None:
    here = pages({name: named(name)})
    page = look(here.url)
    page.locator("a.row").click()
    expect(page.locator("#session[data-ready]")).to_be_attached()
    expect(page.locator("h1")).to_contain_text(name)
    # The words of the answer found their item, and its events are the session's.
    expect(page.locator(".turn", has_text="sunny in Oslo").locator(".word")).to_have_count(6)
    page.locator("[data-event]").first.click()
    expect(page.locator("#event")).to_contain_text("item_id")
    page.get_by_role("link", name="Responses").last.click()
    expect(page.locator("tr[data-id]")).to_have_count(2)
    page.wait_for_load_state()
    row = page.locator("tr[data-id]", has_text="sunny in Oslo")
    row.get_by_role("button", name="JSON").click()
    shown = json.dumps(f"resp {name}", ensure_ascii=False)
    expect(page.locator("#dialog pre")).to_contain_text(shown)
    page.get_by_role("link", name="In its session").click()
    expect(page.locator(".turn[aria-current]")).to_contain_text("sunny in Oslo")


@pytest.mark.parametrize("name", IDS)
def test_every_route_of_a_session_takes_its_id(pages: Callable[..., Served], name: str) -> None:
    here = pages({name: named(name)})
    session = f"{here.url}/v1/realtime/sessions/{quote(name, safe='')}"
    for path in ("", "/events", "/state", "/usage", "/transcript", "/waveform", "/reseed"):
        assert httpx.get(session + path).status_code == 200, path
    response = quote(f"resp {name}", safe="")
    found = httpx.get(f"{here.url}/v1/realtime/responses/{response}").json()
    assert found["eventstore"]["session_id"] == name


@pytest.mark.parametrize("name", IDS)
def test_signing_in_leads_back_to_it(pages: Callable[..., Served], name: str) -> None:
    keys = parse_keys('[[key]]\nname = "a"\nkey = "a-key-for-everything"\n')
    here = pages({name: named(name)}, keys)
    wanted = f"/sessions/{quote(name, safe='')}"
    with httpx.Client(base_url=here.url, follow_redirects=True) as client:
        form = client.get(wanted)
        sent = {"next": form.url.params["next"], "key": "a-key-for-everything"}
        assert client.post("/sign-in", data=sent).url.raw_path.decode() == wanted


def test_a_link_takes_no_part_of_the_pages_name(pages: Callable[..., Served], look: Look) -> None:
    call = Call()
    for name in ("dialog", "turns", "state", "play", "event"):
        call.typed(name, f"Text of {name}")
    here = pages({"sess_1": timed(call)})
    for name in ("dialog", "turns", "state", "play", "event"):
        page = look(f"{here.url}/sessions/sess_1#{name}")
        expect(page.locator(f'.turn[data-item="{name}"][data-linked]')).to_be_in_viewport()
        page.get_by_role("button", name="Reseed").click()
        expect(page.locator("dialog pre")).to_contain_text("Text of play")


def test_a_link_that_is_none_breaks_nothing(pages: Callable[..., Served], look: Look) -> None:
    here = pages({"sess_1": timed(voice_call())[:-1]})
    page = look(f"{here.url}/sessions/sess_1#%E0%A4%A")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    page.wait_for_load_state("load")


def test_times_that_run_backwards(pages: Callable[..., Served], look: Look) -> None:
    here = pages({"sess_1": timed(voice_call(), -1_000_000)})
    page = look(f"{here.url}/sessions/sess_1")
    expect(page.locator("#state .state-facts")).to_contain_text("events")


@pytest.mark.parametrize("size", [LAPTOP, PHONE, {"width": 640, "height": 400}])
def test_long_names_stay_on_the_page(
    pages: Callable[..., Served], look: Look, size: dict[str, int]
) -> None:
    session = {"id": "sess_1", "model": "M" * 250}
    call = Call().server("session.created", session=session).created("resp_1").done("resp_1")
    here = pages({"sess_1": timed(call)})
    long = {f"k{i}".ljust(64, "k"): "W" * 512 for i in range(16)}
    here.store.set_metadata("sess_1", long)
    for path in ("/", "/responses", "/usage?span=all", "/sessions/sess_1"):
        page = look(here.url + path, size)
        for filters in page.locator("[data-filters]:not([open]) summary").all():
            filters.click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    # All of them take no more than a part of the page.
    assert page.evaluate("document.querySelector('.facts .pairs').offsetHeight") < 200
    page = look(here.url, size)
    assert page.evaluate("document.querySelector('tr[data-id]').offsetHeight") < 300


def test_a_live_call_is_read_while_it_grows(pages: Callable[..., Served], look: Look) -> None:
    here = pages({"sess_1": timed(voice_call())[:-1]})
    page = look(f"{here.url}/sessions/sess_1")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    page.evaluate("HTMLMediaElement.prototype.play = async () => {}")  # it stays where it is
    page.locator(".word", has_text="sunny").click()
    page.locator("[data-event]").nth(1).focus()
    spoken = page.inner_text(".word.now")
    before = page.inner_text("#clock")
    words = page.locator(".word").count()
    item = {"id": "item_new", "type": "message", "role": "user"}
    said = {**item, "content": [{"type": "input_text", "text": "One more thing."}]}
    frame = json.dumps({"type": "conversation.item.done", "item": said})
    here.store.append("sess_1", [Frame("server", frame, START + 9_000_000)])
    expect(page.locator(".turn").last).to_contain_text("One more thing.")
    assert page.locator(".word").count() == words
    expect(page.locator(".word.now")).to_have_text(spoken)
    expect(page.locator(".turn[aria-current]")).to_contain_text("sunny")
    assert page.inner_text("#clock") == before
    assert page.evaluate("document.activeElement.matches('[data-event]')")
    # It ends, and the page with the whole call is at the same place.
    here.store.append("sess_1", [], close=True)
    expect(page.locator("h1 .live")).to_have_count(0)
    expect(page.locator(".word.now")).to_have_text(spoken)
    assert page.inner_text("#clock").split(" /")[0] == before.split(" /")[0]


def test_streams_are_open_while_they_are_seen(pages: Callable[..., Served], look: Look) -> None:
    here = pages({"sess_1": timed(voice_call())[:-1]})
    for path in ("/", "/sessions/sess_1"):
        page = look(here.url + "/sign-in")
        page.add_init_script(
            """window.streams = [];
            window.EventSource = class extends EventSource {
              constructor(...given) { super(...given); window.streams.push(this); }
            };"""
        )
        page.goto(here.url + path)
        page.wait_for_function("() => streams.length === 1 && streams[0].readyState === 1")
        seen = """hidden => {
          Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
          return streams.map((stream) => stream.readyState === 2);
        }"""
        assert page.evaluate(seen, True) == [True]
        assert page.evaluate(seen, False) == [True, False]


def test_a_response_with_a_very_long_id(pages: Callable[..., Served]) -> None:
    name = "resp_" + "x" * 200
    here = pages({"sess_1": timed(Call().created(name).done(name))})
    found = httpx.get(f"{here.url}/v1/realtime/responses/{name}")
    assert found.json()["id"] == name


def test_labels_of_dense_marks_do_not_cover_each_other(
    pages: Callable[..., Served], look: Look
) -> None:
    call = voice_call()
    for number in range(30):
        call.server("error", error={"type": "server_error", "message": f"failure number {number}"})
    page = look(f"{pages({'sess': timed(call, 100_000)}).url}/sessions/sess")
    expect(page.locator("#session[data-ready]")).to_be_attached()
    labels = page.locator("#wave [part~=region-content] div", has_text="failure")
    expect(labels).to_have_count(30)

    def shown() -> list[dict[str, float]]:
        boxes = [one.bounding_box() for one in labels.all() if one.is_visible()]
        return sorted((dict(box) for box in boxes if box is not None), key=lambda box: box["x"])

    few = shown()
    assert 1 < len(few) < 30
    assert all(a["x"] + a["width"] <= b["x"] for a, b in pairwise(few))
    # Zoomed in, more of those that are in view have room.
    page.locator("#zoom").fill("40")
    scroller = page.locator("#wave .scroll")
    page.wait_for_function(
        "(one) => { one.scrollLeft = 1e6; return one.scrollLeft > 5000; }",
        arg=scroller.element_handle(),
        polling=300,
    )
    scroller.evaluate("(one) => { one.scrollLeft = 1e6; }")
    expect(labels.last).to_be_in_viewport()
    assert len(shown()) > len(few)
