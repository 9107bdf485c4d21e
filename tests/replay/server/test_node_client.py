"""Acceptance: @openai/agents-realtime under Node, unmodified, is served recorded sessions."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from replay.shown import sample_frames, shown
from support.agents_runner import outputs
from support.node import NODE
from support.recordings import frames, some_recordings
from support.replaying import one, served

from eventstore import EventStore, Frame
from eventstore.realtime.frames import parse

#: What it does not speak: the beta's names, translation sessions, xAI's items without content
#: (they end the process), Voice Live's user items.
NOT_ITS_DIALECT = ("openai-beta-", "openai-translation", "xai-", "azure-voice-live-")


def check(store: EventStore, recorded: Sequence[Frame], told: Path) -> None:
    with served(one(recorded)) as server:
        events = [
            {"direction": frame.direction, "event": parse(str(frame.text))} for frame in recorded
        ]
        play = {"url": f"{server.url}/realtime", "outputs": outputs(recorded), "frames": events}
        told.write_text(json.dumps(play))
        command = [shutil.which("node") or "node", str(NODE / "client.mjs"), str(told)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["came"] >= result["wanted"], (result, server.drift)
    found = [tuple(entry) for entry in result["history"]]
    expected = shown(store, recorded, without={"function_call", "function_call_output"})
    known = dict(expected)
    assert [id_ for id_, _ in found if id_ in known] == [id_ for id_, _ in expected]
    assert all(said == known[id_] for id_, said in found if id_ in known and said)
    assert any(said for _, said in found)


@some_recordings
def test_the_session_is_served_every_recording(
    store: EventStore, recording: Path, tmp_path: Path
) -> None:
    if recording.stem.startswith(NOT_ITS_DIALECT):
        pytest.skip("it does not speak its dialect")
    check(store, frames(recording), tmp_path / "play.json")


def test_the_session_is_served_the_sample_call(store: EventStore, tmp_path: Path) -> None:
    check(store, sample_frames(), tmp_path / "play.json")
