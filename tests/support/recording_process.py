"""A process that records sessions under load, and says which frames are acknowledged.

Importable by a process that starts from nothing: `python -m support.recording_process URL SPOOL`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.realtime.frames import CLIENT, SERVER

#: Some wait for each frame's acknowledgement, the others only make load.
ACKNOWLEDGED, HURRIED = 3, 5


def text_of(session: str, number: int) -> str:
    """The frame of a session with this number; it changes read models now and then."""
    if number % 7:
        return json.dumps({"type": "input_audio_buffer.commit", "event_id": f"{session}-{number}"})
    item = {"id": f"item_{number}", "type": "message", "role": "user", "content": []}
    return json.dumps({"type": "conversation.item.added", "item": item})


def created(session: str) -> str:
    """The frame that names a session."""
    return json.dumps({"type": "session.created", "session": {"id": session}})


def record_until_killed(url: str, spool: str) -> None:
    """Print `SESSION NUMBER` for each frame that is known to be in the database."""
    recorder = Recorder(url, spool, patience=0.1)
    print("ready", flush=True)
    for number in range(ACKNOWLEDGED + HURRIED):
        name = f"sess_{os.getpid()}_{number}"
        session = recorder.session()
        session.record(SERVER, created(name))
        work = acknowledged if number < ACKNOWLEDGED else hurried
        threading.Thread(target=work, args=(name, session), daemon=True).start()
    time.sleep(3600)


def acknowledged(name: str, session: SessionRecorder) -> None:
    number = 0
    while True:
        number += 1
        session.record(CLIENT, text_of(name, number))
        session.committed().result()
        # One write: several threads say something.
        os.write(1, f"{name} {number}\n".encode())


def hurried(name: str, session: SessionRecorder) -> None:
    number = 0
    while True:
        number += 1
        session.record(CLIENT, text_of(name, number))
        time.sleep(0.001)


if __name__ == "__main__":
    record_until_killed(*sys.argv[1:])
