"""Integration: a session as a sound file and as a picture, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.live_sound import full_duplex
from support.sound import START, append, channels, clicks_in, delta, opened, with_clicks
from support.terminal import Terminal

from eventstore import EventStore, Frame

DEMO = "sess_Demo0wh8M7iLQ5xcsWTic"


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with a call in which each side clicks once."""
    frames = [opened(), append(2.0, with_clicks(1000, 500)), delta(3.0, with_clicks(1000, 250))]
    store.append("call", frames)
    return store


@pytest.mark.parametrize("name", ["call.wav", "call.FLAC", "call.ogg"])
def test_a_call_becomes_a_file(terminal: Terminal, recorded: EventStore, name: str) -> None:
    printed = terminal("audio", "call", "-o", name)
    assert (printed.code, printed.out, printed.err) == (0, f"{name}: 4.0 s, stereo, 8000 Hz\n", "")
    (user, assistant), rate = channels(Path(name))
    assert clicks_in(user, rate) == [pytest.approx(1.5, abs=0.002)]
    assert clicks_in(assistant, rate) == [pytest.approx(3.25, abs=0.002)]


def test_json_says_what_was_written(terminal: Terminal, recorded: EventStore) -> None:
    options = ("--side", "user", "--from", "1.25", "--to", "1.75", "--rate", "16000")
    printed = terminal("audio", "call", "-o", "part.wav", *options, "--json")
    assert printed.json == {
        "object": "eventstore.audio",
        "session_id": "call",
        "file": "part.wav",
        "seconds": 0.5,
        "rate": 16000,
        "channels": 1,
        "start": 1.25,
        "timed": True,
        "drift_bound_ms": 20.0,
        "notes": [],
    }
    assert soundfile.info("part.wav").duration == 0.5


def test_items_and_responses_are_heard_alone(terminal: Terminal, recorded: EventStore) -> None:
    for option, id_ in (("--item", "item_1"), ("--response", "resp_1")):
        printed = terminal("audio", "call", "-o", "one.wav", option, id_)
        assert printed.out == "one.wav: 1.0 s, mono, 8000 Hz\n"


def test_what_a_listener_should_know_is_a_note(terminal: Terminal, store: EventStore) -> None:
    store.append("call", [Frame("client", append(None, with_clicks(100)).text)])
    printed = terminal("audio", "call", "-o", "call.wav")
    assert printed.err.startswith("note: no arrival times are known")
    (note,) = terminal("audio", "call", "-o", "call.wav", "--json").json["notes"]
    assert printed.err == f"note: {note}\n"


def test_a_pause_of_a_year_is_no_year_of_silence(terminal: Terminal, store: EventStore) -> None:
    late = append(None, with_clicks(100))._replace(at=START + 365 * 86_400 * 10**6)
    store.append("call", [opened(), append(1.0, with_clicks(100)), late])
    printed = terminal("audio", "call", "-o", "call.flac", "--json").json
    assert printed["seconds"] == pytest.approx(3601.0)
    assert printed["notes"] == ["31532399 s of pauses over an hour were left out"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "name a file with -o, or with --plot"),
        (("-o", "call.mp3"), 2, "call.mp3: use a name that ends with .wav, .flac, .ogg"),
        (("--plot", "call.wav"), 2, "use a name that ends with .png, .svg"),
        (("-o", "call.wav", "--item", "nowhere"), 1, "nothing was heard of item nowhere"),
        (("-o", "call.wav", "--item", "item_1", "--side", "user"), 2, "choose an item"),
        (("-o", "call.wav", "--from", "9"), 2, "no sound in that span: it is from 0.000 to 4.000"),
        (("-o", "call.wav", "--rate", "1"), 2, "a rate of 1: use 8000 to 48000"),
        (("-o", "no/folder/call.wav"), 1, "No such file or directory"),
    ],
)
def test_errors_say_what_to_do(
    terminal: Terminal, recorded: EventStore, arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert says in terminal("audio", "call", *arguments).error(code)


def test_a_session_without_sound_is_an_error(terminal: Terminal, store: EventStore) -> None:
    store.append("silent", [opened()])
    assert "no sound in the log" in terminal("audio", "silent", "-o", "a.wav").error()
    assert "no session nowhere" in terminal("audio", "nowhere", "-o", "a.wav").error()


# Pictures


def test_a_call_becomes_a_picture(terminal: Terminal, sample_call: Path) -> None:
    terminal("import", str(sample_call))
    assert terminal("audio", DEMO, "--plot", "call.png").out == "call.png: drawn\n"
    assert Path("call.png").read_bytes().startswith(b"\x89PNG")
    printed = terminal("audio", DEMO, "-o", "call.wav", "--plot", "call.svg", "--json").json
    assert (printed["file"], printed["plot"]) == ("call.wav", "call.svg")
    drawn = Path("call.svg").read_text()
    # Letters are drawn as paths, and each text is named in a comment.
    assert "<!--  Hi there, can you" in drawn and "<!-- interrupted -->" in drawn
    assert "<!-- user -->" in drawn and "<!-- assistant -->" in drawn
    terminal("audio", DEMO, "--plot", "user.svg", "--side", "user", "--from", "5", "--to", "15")
    assert "<!-- assistant -->" not in Path("user.svg").read_text()


def test_words_in_a_picture_are_never_markup(terminal: Terminal, store: EventStore) -> None:
    frames = [opened(), delta(1.0, with_clicks(9000))]
    words = r"$\frac{1}$ 日本 <svg> \u0000"
    text = (
        '{"type":"response.output_audio_transcript.done","response_id":"resp_1",'
        '"item_id":"item_1","content_index":0,"transcript":"' + words.replace("\\f", "\\\\f") + '"}'
    )
    store.append("call", [*frames, Frame("server", text, START + 2_000_000)])
    printed = terminal("audio", "call", "--plot", "call.svg")
    assert (printed.code, printed.err) == (0, "")


def test_without_matplotlib_a_picture_is_a_clear_error(
    terminal: Terminal, recorded: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    says = terminal("audio", "call", "--plot", "call.png").error()
    assert says == (
        "pictures need matplotlib; install it with: pip install 'realtime-eventstore[plot]'"
    )
    assert terminal("audio", "call", "-o", "call.wav").code == 0


def test_a_live_session_and_the_recording_that_its_server_stored(
    terminal: Terminal, store: EventStore
) -> None:
    store.append("live", list(full_duplex()), close=True)
    printed = terminal("audio", "live", "-o", "call.wav")
    assert (printed.code, printed.out) == (0, "call.wav: 6.0 s, stereo, 8000 Hz\n")
    samples = np.zeros((10 * 24_000, 2), np.int16)
    samples[3 * 24_000 : 3 * 24_000 + 48, 1] = 30_000
    soundfile.write("stored.wav", samples, 24_000, subtype="PCM_16")
    (response,) = store.state("live")["responses"]
    options = ("--response", response["id"], "--recording", "stored.wav")
    printed = terminal("audio", "live", "-o", "answer.wav", *options)
    assert (printed.code, printed.out) == (0, "answer.wav: 1.0 s, mono, 24000 Hz\n")
    (heard,), rate = channels(Path("answer.wav"))
    assert clicks_in(heard, rate) == [pytest.approx(0.0, abs=0.002)]
    Path("text.wav").write_text("no sound")
    printed = terminal("audio", "live", "-o", "answer.wav", "--recording", "text.wav")
    assert printed.code == 2 and "the recording cannot be read" in printed.err
    assert terminal("audio", "live", "-o", "a.wav", "--recording", "none.wav").code == 1
