"""Sessions of two tenants and of nobody, which share ids and words, and secret marks of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eventstore.realtime.frames import Frame
from support.calls import USAGE
from support.events import Call

TENANTS = ("anna", "berta")
#: In every text, id and value of metadata that is one's own alone.
MARKS = {"anna": "zannaq7", "berta": "zbertaq9", "nobody": "znobodyq3"}


class Seed(NamedTuple):
    """A session as it is when a test begins; whose it is, and whether it is closed."""

    owner: str
    session_id: str
    frames: list[Frame]
    closed: bool


def seeds() -> Iterator[Seed]:
    """Three sessions of each: two with the ids that all share, one with ids of its own."""
    for number, shared in enumerate((True, False, True)):
        for owner, mark in MARKS.items():
            call = _call(owner, mark, number, shared)
            yield Seed(owner, f"sess_{mark}_{number}", call.frames, number < 2)


def _call(owner: str, mark: str, number: int, shared: bool) -> Call:
    name = "shared" if shared else mark
    call = Call()
    call.ms = number * 1000
    model = "gpt-realtime" if shared else f"model_{mark}"
    session = {"id": f"sess_{mark}", "model": model, "instructions": f"Be {mark}"}
    call.server("session.created", session=session)
    metadata = {"queue": "vip", "secret": mark, f"key_{mark}": "set"}
    call.store(
        "metadata", metadata=metadata if owner == "nobody" else {**metadata, "tenant": owner}
    )
    call.server("conversation.created", conversation={"id": f"conv_{name}"})
    call.typed(f"item_{name}", f"Hello {mark}, a saddle")
    # A response's own metadata may say anything of whose it is.
    claimed = {"tenant": "berta" if owner == "anna" else "anna", "topic": mark}
    call.created(f"resp_{name}", f"conv_{name}", metadata=claimed)
    call.begins_speech(f"resp_{name}", f"answer_{name}")
    call.sounds(f"resp_{name}", f"answer_{name}", 40)
    call.says(f"resp_{name}", f"answer_{name}", f"The saddle of {mark}")
    call.done(f"resp_{name}", f"conv_{name}", usage=USAGE, metadata=claimed)
    if number:
        call.created(f"resp_{mark}_late", f"conv_{name}", metadata=claimed)
        call.done(f"resp_{mark}_late", f"conv_{name}", usage=USAGE)
    return call
