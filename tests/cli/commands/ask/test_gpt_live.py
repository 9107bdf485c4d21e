"""Acceptance: what `state` and `replay` print of GPT-Live sessions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.gpt_live import LiveCall, client_call, decisions_call, responses_call
from support.recordings import live_streams
from support.terminal import Output, Terminal

from eventstore import EventStore
from eventstore.exports.live_words import by_timeline

eventstore = Terminal()
EVIL = "\x1b[2Jx\x07\x9b31m\u202eevil\u2028"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]")
CALLS = {"client": client_call, "responses": responses_call, "decisions": decisions_call}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a store with the three calls."""
    url = f"sqlite:///{tmp_path}/calls.db"
    with EventStore(url) as store:
        for name, call in CALLS.items():
            store.append(name, call().frames, close=True)
    return url


def rows(output: Output) -> list[list[str]]:
    """The rows of the conversation: time, label, words."""
    assert output.code == 0, output
    told = output.out.partition("\nconversation ")[2].partition("\n\nRESPONSE")[0]
    found = []
    for line in told.split("\n")[1:]:
        if line[2:34].strip():
            found.append([line[2:19].strip(), line[19:34].strip(), line[34:].strip()])
        elif found:
            found[-1][2] += f" {line.strip()}"
    return found


def test_the_usage_of_a_session_that_goes_on_is_not_told_yet(url: str) -> None:
    told = eventstore("state", "responses", "--at", "+4", "--db", url)
    why = "Not in the cost: 1 session whose usage the server has not told (gpt-live-1)."
    assert " ".join(told.err.split()) == why


def test_a_response_of_an_id_that_repeats_is_listed_with_its_session(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = [line.split()[0] for line in eventstore("responses", "--db", url).out.splitlines()[1:]]
    said = [name for name in listed if "resp_said_" in name]
    assert {name.partition("/")[0] for name in said} == set(CALLS)
    assert "resp_1" in listed and len(set(listed)) == len(listed)
    for name in said:
        shown = eventstore("response", name, "--json", "--db", url).json
        assert f"{shown['eventstore']['session_id']}/{shown['id']}" == name
    of_one = eventstore("responses", "--session", "client", "--db", url).out
    assert "resp_said_" in of_one and "/" not in of_one
    alone = f"sqlite:///{tmp_path}/alone.db"
    with EventStore(alone) as store:
        store.append("client", client_call().frames, close=True)
    assert eventstore("responses", "--db", alone).out == of_one


LIVE_URL = "wss://api.openai.com/v1/live/sessions"


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        ({"url": f"{LIVE_URL}/live_9/attach", "by": "relay"}, "live_9"),
        ({"url": f"{LIVE_URL}/live_9/attach", "by": "sideband", "call_id": "live_9"}, "live_9"),
        ({"url": "wss://api.openai.com/v1/realtime?call_id=rtc_1", "by": "relay"}, "rtc_1"),
        ({"by": "sideband", "call_id": "rtc_1"}, "rtc_1"),
        ({"url": LIVE_URL, "by": "relay"}, None),
        ({"url": f"{LIVE_URL}/live_9/fork", "by": "relay"}, None),
        ({"url": "wss://api.openai.com/v1/realtime?model=m", "by": "relay"}, None),
    ],
    ids=str,
)
def test_a_sideband_is_told_from_the_sessions_own_connection(
    tmp_path: Path, opened: dict[str, str], told: str | None
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    with EventStore(url) as store:
        call = LiveCall()
        call.store("opened", **opened)
        if "live" in opened.get("url", ""):
            call.starts().said(("user", 0, "Hello there"))
        store.append("other", call.frames)
    shown = eventstore("state", "other", "--db", url).out
    assert ("a sideband, another connection to" in shown) == (told is not None)
    assert told is None or f"another connection to {told}\n" in shown


def test_state_shows_a_conversation_on_its_timeline(url: str) -> None:
    told = rows(eventstore("state", "client", "--db", url))
    asked = "to the app (client): “Where is my order forty two?”"
    assert told == [
        ["before the start", "user", "I called before."],
        ["0:00.1–0:00.3", "instructions", "The caller is Ada."],
        ["0:00.6–0:01.8", "user", "Where is my order forty two?"],
        ["0:01.8", "delegates", f"{asked} [answered after 1.6 s by thinking and commentary]"],
        ["0:02.0–0:02.8", "assistant", "Let me check that."],
        ["0:03.0–0:03.2", "thinking", "Order 42 is in the oven."],
        ["0:03.4–0:03.6", "commentary", "It is ready at five."],
        [
            "0:05.0–0:07.6",
            "assistant",
            "Your order is in the oven and it will be ready at five.",
        ],
        ["0:05.6–0:05.8", "user", "Mhm. [backchannel]"],
        ["0:08.2–0:08.6", "user", "Thank you."],
    ]


def test_state_shows_the_sessions_facts(url: str) -> None:
    out = eventstore("state", "responses", "--db", url).out
    for fact in (
        *("voice marin", "delegations 2 to responses (gpt-5.2)", "context window 50 % used"),
        *("billed 10 s (8 s active, 2 s paused)", "closed: close_requested"),
    ):
        assert fact in out
    out = eventstore("state", "decisions", "--db", url).out
    for fact in ("transport answered", "keys received 5", "keys sent #", "closed: remote_hangup"):
        assert fact in out
    assert "! event 64: session_storage_failed: The session could not be stored." in out


def test_state_marks_what_a_backend_did(url: str) -> None:
    told = rows(eventstore("state", "responses", "--db", url))
    assert ["~0:02.1", "backend calls", 'find_order({"number": 42})'] in told
    assert ["~0:02.6", "tool", '{"ready": true}'] in told
    assert ["~0:02.7", "backend", "Order 42 is ready. [not said]"] in told
    (failed,) = (words for _, label, words in told if label == "delegates" and "cake" in words)
    assert failed.endswith(
        "[ended after 0.4 s, 1 response of its model (failed: The backend is not available.)]"
    )


def test_state_shows_decisions_overlaps_and_moments(url: str) -> None:
    told = rows(eventstore("state", "decisions", "--db", url))
    assert told[0] == ["before the start", "·", "the phone rings"]
    assert ["0:04.0", "·", "the user is muted"] in told
    answers = "mood: upset (91 %) · wants_human: yes (85 %) · urgency: 0.7 (60 %)"
    assert ["~0:03.7", "decides", f"{answers} [for a delegation]"] in told
    assert ["~0:03.9", "decides", "mood: refused [by a trigger]"] in told
    words = {words.split(" [")[0]: words for _, _, words in told}
    assert words["No, I want to speak to a human now!"].endswith("[while the other one spoke]")
    assert words["Right."] == "Right. [backchannel]"
    welcome = "Welcome to the bakery, I can tell you all about our bread"
    assert words[welcome] == f"{welcome} [interrupted]"


def test_state_at_a_moment_of_the_timeline(url: str) -> None:
    for at in ("+4.8", "0:04.8", "+0:04.8"):
        told = rows(eventstore("state", "client", "--at", at, "--db", url))
        assert told[-1] == ["0:03.4–0:03.6", "commentary", "It is ready at five."]
    told = rows(eventstore("state", "client", "--at", "+5.3", "--db", url))
    assert told[-1] == ["0:05.0–0:05.4", "assistant", "Your order"]
    told = rows(eventstore("state", "client", "--at", "12", "--db", url))
    assert told[-1] == ["0:02.0–0:02.2", "assistant", "Let"]
    ended = eventstore("state", "client", "--at", "+100", "--db", url)
    assert "the session ends at event 38 (+9.001 s)" in ended.err
    for at in ("+9.1", "+8.9"):  # the first event came before the timeline began
        ended = eventstore("state", "client", "--at", at, "--db", url)
        assert ("the session ends" in ended.err) == (at == "+9.1")


def test_a_recording_is_shown_as_far_as_it_was_said(tmp_path: Path) -> None:
    paths = [path for path in live_streams() if "client-delegation" in path.name]
    if not paths:
        pytest.skip("no recordings")
    url = f"sqlite:///{tmp_path}/calls.db"
    with EventStore(url) as store:
        (found,) = store.import_file(paths[0])
    told = rows(eventstore("state", found.session_id, "--at", "+4.8", "--db", url))
    assert told[-1][:2] == ["0:04.6", "delegates"]
    assert told[0][2].endswith("and tell me the result.")
    assert not any(label == "assistant" for _, label, _ in told)


def test_replay_tells_both_speakers_in_the_order_of_the_timeline(url: str) -> None:
    output = eventstore("replay", "client", "--instant", "--db", url)
    assert [line.strip() for line in output.out.strip().split("\n")] == [
        "0:00.0  ● opened live_test gpt-live-1",
        "0:00.1  app        instructions: The caller is Ada.",
        "0:00.6  user       Where is my order forty two?",
        "0:01.8  delegates  to client",
        "0:02.0  assistant  Let me check that.",
        "0:03.0  app        thinking: Order 42 is in the oven.",
        "0:03.4  app        commentary: It is ready at five.",
        "0:05.0  assistant  Your order is in",
        "0:05.6  ‖user      Mhm. [backchannel]",
        "0:05.8  ‖assistant the oven and it will be ready at five.",
        "0:08.2  user       Thank you.",
        "0:09.0  ■ closed close_requested",
    ]


def test_replay_keeps_its_columns(url: str) -> None:
    for name in ("client", "responses", "decisions"):
        output = eventstore("replay", name, "--instant", "--db", url).out
        spoken = [line for line in output.splitlines() if line[10] not in "●■·✂!#"]
        assert spoken
        for line in spoken:
            assert line[9] == line[20] == " " and line[10] != " " and line[21] != " ", line


def test_state_says_how_many_responses_are_a_backends(url: str) -> None:
    out = eventstore("state", "responses", "--db", url).out
    assert " · 6 responses (3 of a backend) · " in out
    assert "of a backend" not in eventstore("state", "client", "--db", url).out


def test_json_of_a_replay_says_what_overlaps(url: str) -> None:
    cues = eventstore("replay", "client", "--json", "--db", url).json["data"]
    (mhm,) = (cue for cue in cues if cue["kind"] == "backchannel")
    assert (mhm["text"], mhm["offset_ms"], mhm["overlaps"]) == ("Mhm.", 5600.0, True)
    assert "overlaps" not in cues[0]


def test_nothing_of_a_hostile_session_steers_the_terminal(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    call = LiveCall().starts(audio={"output": {"voice": EVIL}})
    call.said(("user", 0, EVIL), ("assistant", 100, EVIL)).told("thinking", EVIL, 600)
    call.delegates(EVIL, EVIL, 900).decided(1000, [{"type": "choice", "name": EVIL, "choice": [1]}])
    call.live("response.event", event={"type": "response.failed", "response": 3})
    call.live("transport.dtmf.received", event=EVIL).closes(2000, 3, EVIL)
    with EventStore(url) as store:
        store.append("live_1", call.frames)
    for command in (("state",), ("replay", "--instant")):
        output = eventstore(*command, "live_1", "--db", url)
        assert output.code == 0
        assert not STEERS.search(output.out)


def test_a_timeline_that_begins_again_stays_in_order() -> None:
    items = [
        {"id": place, "eventstore": {"start_ms": start}}
        for place, start in enumerate((100, 60_000, 59_000, None, 200, 100))
    ]
    assert [item["id"] for item in by_timeline(items)] == [0, 2, 3, 1, 5, 4]
