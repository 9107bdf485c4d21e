"""Acceptance: a page of one call shows it, loads nothing, and runs nothing that was said."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import subprocess
from pathlib import Path

import pytest
import soundfile
from exports.calls_to_export import put_everything, put_sample, shown
from exports.pages import Page
from hypothesis import given
from support.browser import CHROMIUM
from support.calls import beta_tool_call, voice_call
from support.events import Call, message, text_part
from support.examples import examples
from support.hostile import EVIL, hostile_call
from support.strategies import any_text, streams

from eventstore import EventStore, Frame, NotFoundError
from eventstore.exports import transcript
from eventstore.exports.html import FRAME_CHARACTERS, write_html
from eventstore.realtime.events import StoredEvent
from eventstore.sound import long_silence

#: What a page is made of; anything else came in by a text.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "span", "code"),
    *("dl", "div", "dt", "dd", "main", "p", "ol", "li", "button", "bdi", "details", "summary"),
    *("pre", "b", "del", "ul", "table", "thead", "tbody", "tr", "th", "td", "noscript", "label"),
    *("input", "script", "audio"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "dir", "data-speaker"),
    *(
        "data-at",
        "data-gaps",
        "data-start",
        "type",
        "title",
        "id",
        "autocomplete",
        "spellcheck",
        "placeholder",
        "role",
    ),
    *("hidden", "controls", "preload", "src"),
}


def page_of(store: EventStore, session_id: str) -> str:
    stream = io.BytesIO()
    write_html(store, session_id, stream)
    content = stream.getvalue().decode()
    check(content)
    return content


def check(content: str) -> None:
    """Whether it holds what its template has, and no more."""
    page = Page(content)
    assert {element.tag for element in page.elements} <= TAGS
    assert {name for element in page.elements for name in element.attributes} <= ATTRIBUTES
    assert "\0" not in content
    data, script = page.all("script")
    (style,) = page.all("style")
    assert data.attributes == {"type": "application/json", "id": "events"}
    assert not script.attributes
    (policy,) = (
        element.attributes["content"]
        for element in page.all("meta")
        if element.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None and policy.startswith("default-src 'none';")
    for kind, element in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256("".join(element.texts).encode()).digest())
        assert f"{kind}-src 'sha256-{digest.decode()}'" in policy
    assert all(len(event) == 6 for event in page.events())
    loaded = [
        value or ""
        for element in page.elements
        for name, value in element.attributes.items()
        if name in ("href", "src", "action")
    ]
    assert all(value.startswith("data:audio/ogg;base64,") for value in loaded)


# What it shows


def test_the_sample_call(store: EventStore) -> None:
    page = Page(page_of(store, put_sample(store, customer="42")))
    assert page.all("title")[0].text == "sess_Demo0wh8M7iLQ5xcsWTic"
    turns = page.of_class("turn")
    assert [turn.attributes["data-speaker"] for turn in turns] == [
        *("user", "assistant", "tool", "assistant", "user", "assistant"),
        *("user", "assistant", "user", "assistant", "aside"),
    ]
    assert "Hi there, can you tell me where my order 4417 is?" in turns[0].text
    assert "1.07 s to first audio" in turns[3].text and "$0.0094" in turns[3].text
    assert "Brooks saddle, 162 mm" in turns[2].text
    heard, unheard = turns[5].text.split("Not heard:")
    assert heard.strip().endswith("as long as it has not been")
    assert unheard.strip().startswith("ridden outside")
    assert "interrupted" in unheard and "cut off after 5.1 s" in unheard
    facts = [element.text for element in page.all("dd")]
    assert {"42", "gpt-realtime", "0:31", "$0.0671"} <= set(facts)
    assert "1,715" in page.of_class("usage")[0].text


def test_its_events_are_all_there_without_their_audio(store: EventStore) -> None:
    session_id = put_sample(store)
    events = Page(page_of(store, session_id)).events()
    log = list(store.events(session_id))
    assert [(e[0], e[2], e[3], e[4]) for e in events] == [
        (event.seq, event.direction, event.type, len(event.text)) for event in log
    ]
    assert events[0][1] == 0 and events[-1][1] == pytest.approx(31150.634)
    for shown_, event in zip(events, log, strict=True):
        sounds = event.type in ("input_audio_buffer.append", "response.output_audio.delta")
        assert (shown_[5] is None) == sounds
        assert sounds or shown_[5] == event.text


def test_the_sound_of_the_call_is_in_the_page(store: EventStore) -> None:
    page = Page(page_of(store, put_sample(store)))
    (audio,) = page.all("audio")
    source = audio.attributes["src"]
    assert source is not None
    sound = soundfile.info(io.BytesIO(base64.b64decode(source.partition(",")[2], validate=True)))
    assert (sound.format, sound.channels) == ("OGG", 2) and sound.duration > 30
    assert len([button for button in page.all("button") if ":" in button.text]) == 11


def test_a_call_without_sound_has_no_player(store: EventStore) -> None:
    store.append("sess_1", beta_tool_call().frames)
    page = Page(page_of(store, "sess_1"))
    assert not page.all("audio") and "0:00" in page.of_class("turn")[0].text


def hours_apart() -> Call:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    for _ in range(5):
        call.server("rate_limits.updated", after=3_600_000).sounds("resp_1", "item_1", 100)
    return call


def test_hours_of_silence_are_left_out_of_a_page(store: EventStore) -> None:
    store.append("sess_1", hours_apart().frames)
    content = page_of(store, "sess_1")
    (audio,) = Page(content).all("audio")
    gaps = json.loads(audio.attributes["data-gaps"] or "")
    assert len(gaps) >= 4 and sum(seconds for _, seconds in gaps) > 4 * 3500
    assert "s of silence are left out of the sound" in content and len(content) < 200_000


def test_a_page_says_that_its_sound_is_too_long(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_silence, "LONG_SILENCE", 10**6)
    store.append("sess_1", hours_apart().frames)
    content = page_of(store, "sess_1")
    assert not Page(content).all("audio")
    assert "longer than the 3 hours that a page holds" in content


def test_long_frames_are_shortened(store: EventStore) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 10_000}
    call = Call().added(message("item_1", "user", image)).server("x", text="é " * FRAME_CHARACTERS)
    store.append("sess_1", call.frames)
    first, second = (event[5] for event in Page(page_of(store, "sess_1")).events())
    assert "10,000 characters of base64" in first and len(first) < 400
    assert second.endswith("more characters") and len(second) < FRAME_CHARACTERS + 100


def test_a_call_without_anything_said(store: EventStore) -> None:
    store.append("sess_1", [Frame("client", "{}")])
    assert "Nothing was said." in page_of(store, "sess_1")


def test_scores_are_on_the_page(store: EventStore) -> None:
    session_id = put_sample(store)
    response_id = store.responses()[0]["id"]
    store.score(session_id, "helpful", 0.25, response=response_id, by="<b>judge</b>")
    store.score(session_id, "topic", "<i>refund</i>")
    page = page_of(store, session_id)
    assert "helpful 0.25 (&lt;b&gt;judge&lt;/b&gt;)" in page
    assert "topic &lt;i&gt;refund&lt;/i&gt;" in page


def test_a_session_that_is_not_there(store: EventStore) -> None:
    with pytest.raises(NotFoundError):
        write_html(store, "nowhere", io.BytesIO())


def test_all_sessions_of_a_store(store: EventStore) -> None:
    for session_id in put_everything(store):
        page = Page(page_of(store, session_id))
        assert page.of_class("turn"), session_id


def test_turns_of_an_interrupted_call() -> None:
    frame = '{"type":"error","error":{"message":"No."}}'
    error = StoredEvent(3, None, "server", "error", frame)
    turns = transcript.transcript_turns(shown(voice_call().frames), [error])
    assert [(t.speaker, t.text, t.unheard) for t in turns] == [
        ("server", "No.", ""),
        ("user", "Hi, how is the weather?", ""),
        ("assistant", "It is sunny in Oslo today", ""),
        ("user", "[speech without a transcript]", ""),
        ("assistant", "And tomorrow", "it will rain"),
    ]


def test_a_response_that_failed_is_a_turn() -> None:
    details = {"type": "failed", "error": {"message": "try later"}}
    call = Call().created("resp_1").done("resp_1", status="failed", status_details=details)
    (turn,) = transcript.transcript_turns(shown(call.frames), [])
    assert turn.notes == ["failed: try later"]


# Hostile texts


def test_nothing_that_was_said_is_an_element(store: EventStore) -> None:
    store.append("sess_1", hostile_call().frames)
    content = page_of(store, "sess_1")
    page = Page(content)
    assert sum("owned" in turn.text for turn in page.of_class("turn")) == 7
    assert "49" not in page.of_class("turns")[0].text  # 7*7, had it been a template
    assert content.count("<script") == 2 and content.count("<style") == 1
    assert EVIL in page.events()[2][5] or "owned" in page.events()[2][5]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_text(store: EventStore) -> None:
    numbers = itertools.count(1)
    hostile = any_text(30).map(lambda text: text + "</script><b>]]>--><!--") | any_text(60)

    @given(said=hostile, name=hostile)
    @examples(60)
    def check_text(said: str, name: str) -> None:
        session_id = f"sess_{next(numbers)}"
        call = Call().server("session.created", session={"model": name})
        call.added(message("item_1", name, text_part(said, "input_text")))
        call.added({"id": "i", "type": "function_call_output", "output": said})
        store.append(session_id, call.server("error", error={"message": said}).frames)
        page_of(store, session_id)

    check_text()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_stream(store: EventStore) -> None:
    numbers = itertools.count(1)

    @given(played=streams(15))
    @examples(30)
    def check_stream(played: list[Frame]) -> None:
        session_id = f"sess_{next(numbers)}"
        store.append(session_id, played)
        page_of(store, session_id)

    check_stream()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_browser_runs_the_page_s_script_and_no_other(store: EventStore, tmp_path: Path) -> None:
    store.append("sess_1", hostile_call().frames)
    # Its events are shown as they are where they are unfolded.
    content = page_of(store, "sess_1").replace('<details id="log">', '<details id="log" open>')
    path = tmp_path / "call.html"
    path.write_text(content, encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    page = Page(done.stdout.decode())
    assert page.all("title")[0].text == "sess_1"
    (rows,) = (e for e in page.all("tbody") if e.attributes.get("id") == "rows")
    assert "session.created" in rows.text and "owned" in rows.text
    assert {element.tag for element in page.elements} <= TAGS
