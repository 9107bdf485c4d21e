"""Integration: sound is a WAV file of the right length, never larger than it may be."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import pytest
from support.calls import beta_tool_call
from support.events import Call
from support.mcp_clients import Connected, text_of

from eventstore import EventStore
from eventstore.mcp.tools.hearing import MAX_SECONDS, MAX_SOUND_BYTES

SECONDS = 90


@pytest.fixture(autouse=True)
def _calls(store: EventStore) -> None:
    call = Call().server("session.created", session={"id": "s", "model": "m"})
    call.created("resp_1").begins_speech("resp_1", "item_1")
    for _ in range(SECONDS):
        call.sounds("resp_1", "item_1", 1000)
        call.ms += 999
    call.done("resp_1").created("resp_2").begins_speech("resp_2", "item_2")
    call.sounds("resp_2", "item_2", 1500).done("resp_2")
    store.append("sess_a", call.frames)
    store.append("sess_silent", beta_tool_call().frames)


def _heard(client: Connected, **arguments: Any) -> tuple[wave._wave_params, str]:
    result = client.call("hear", session_id="sess_a", **arguments)
    assert not result.is_error, text_of(result)
    sound: Any = result.content[1]
    assert (sound.type, sound.mime_type) == ("audio", "audio/wav")
    data = base64.b64decode(sound.data, validate=True)
    assert len(data) <= MAX_SOUND_BYTES
    with wave.open(io.BytesIO(data)) as file:
        assert (
            len(file.readframes(file.getnframes())) == file.getnframes() * file.getnchannels() * 2
        )
        return file.getparams(), text_of(result)


@pytest.mark.parametrize(
    ("start", "end", "rate"), [(0, 0.5, 24000), (1.25, 4, 24000), (2, 30, 16000), (0, 60, 8000)]
)
def test_a_stretch_has_its_length(client: Connected, start: float, end: float, rate: int) -> None:
    told, line = _heard(client, start=start, end=end)
    assert (told.nchannels, told.sampwidth, told.framerate) == (2, 2, rate)
    assert told.nframes == round((end - start) * rate)
    assert f"from {start:.2f} s to {end:.2f} s" in line


def test_without_an_end_it_is_a_minute_and_says_how_to_go_on(client: Connected) -> None:
    told, line = _heard(client)
    assert told.nframes == MAX_SECONDS * told.framerate
    assert "call hear with start=60.00." in line
    _, line = _heard(client, start=60)
    assert "call hear" not in line


def test_one_response_or_side_is_heard_in_one_channel(client: Connected) -> None:
    told, _ = _heard(client, response="resp_2")
    assert (told.nchannels, told.framerate, told.nframes) == (1, 24000, 36_000)
    assert _heard(client, item="item_2")[0].nframes == 36_000
    assert _heard(client, side="assistant", end=3)[0].nchannels == 1
    told, _ = _heard(client, side="assistant", start=5, end=45)
    assert told.framerate == 24000


def test_what_cannot_be_heard_is_an_error(client: Connected) -> None:
    assert "no sound" in client.error("hear", session_id="sess_silent")
    assert "no session" in client.error("hear", session_id="none")
    assert "nothing was heard" in client.error("hear", session_id="sess_a", item="none")
    assert "no sound in that span" in client.error("hear", session_id="sess_a", start=500)
    for arguments in ({"start": 0, "end": 61}, {"response": "resp_1"}):
        said = client.error("hear", session_id="sess_a", **arguments)
        assert "ask for a part, such as start=" in said
