"""Live voice calls, handed over to one recorder at their real pace, in a process of their own.

`python -m benchmarks.live_calls URL SPOOL CALLS SECONDS MEMORY MINUTES` prints JSON: what was
offered, what was committed, how far behind that was, and what it cost. MEMORY is what the recorder
may hold, in MB. MINUTES is for how long the calls have gone on before; the audio of these minutes
is left out, because it makes no difference to a call's state. Garbage is collected as seldom as in
the relay's recorder.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Thread
from threading import enumerate as all_threads
from typing import Any, NamedTuple

from benchmarks import sessions
from benchmarks.frame_cost import spent
from benchmarks.rounds import progress, settle
from eventstore import EventStore
from eventstore.capture.recorder.process.recorder_child import collect_garbage_seldom
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.recorder.recorder_state import RecorderState
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.capture.recorder.spool.spool_format import Entry
from eventstore.realtime.frames import STORE, Frame
from eventstore.times import now

#: Frames a second of each call, both ways together.
RATE = 40
#: The calls take turns within the time from one frame of a call to its next.
_PARTS = 5
#: Frames of each call, at most, that are written before the measurement, so that calls are at
#: different places.
_MOST_BEFORE = 240
_AT_ONCE = 50
#: Seconds from one sample of the curve to the next, and until all must be written at the end.
_SAMPLE, _DEADLINE = 1.0, 60.0
#: Each call has ids of its own; otherwise they would be taken for recordings of one call.
_AUDIO = re.compile(r'"type": ?"(?:input_audio_buffer\.append|response\.output_audio\.delta)"')
_IDS = re.compile(r"(\b(?:event|item|resp|call|conv|sess)_)(?=Demo|\d{4})")


class Call(NamedTuple):
    """A call that is recorded.

    Attributes:
        recorder: What takes its frames.
        frames: Its frames from the current one on.
    """

    recorder: SessionRecorder
    frames: Iterable[Frame]


class Delays:
    """How long after its hand-over each frame was committed, and in how many transactions.

    Args:
        state: The state of a recorder, which calls `note_delivered` for each committed group.
    """

    def __init__(self, state: RecorderState) -> None:
        self.found: list[tuple[int, int]] = []
        deliver = state.note_delivered

        def note(key: str, entries: list[Entry]) -> Any:
            at = now()
            self.found += [
                (entry.frame.at or at, at) for entry in entries if entry.frame.direction != STORE
            ]
            return deliver(key, entries)

        setattr(state, "note_delivered", note)  # noqa: B010 (a method of a dataclass)

    def of(self, since: int, until: int) -> list[float]:
        """The sorted seconds of the frames that were handed over within a time."""
        return sorted((done - at) / 1e6 for at, done in self.found if since <= at < until)


def main(
    url: str, spool: str, calls: int, seconds: float, memory: int, minutes: int
) -> dict[str, Any]:
    """Let calls go on for some seconds, then end; what came of it."""
    older = minutes * 60 * RATE
    voice = sessions.voice(older + int(seconds * RATE) + _MOST_BEFORE + 10)
    before = [frame for frame in voice[:older] if not _AUDIO.search(str(frame.text))]
    frames = [_cut_at_ids(one) for one in before + voice[older:]]
    with EventStore(url) as store, Recorder(store, spool, memory=memory << 20) as recorder:
        settle()
        collect_garbage_seldom()
        begun = time.monotonic()
        going_on = _begin(recorder, frames, calls, len(before))
        began = time.monotonic() - begun
        progress(f"calls: {calls} calls have begun in {began:.1f} s")
        delays = Delays(recorder._state)
        used, at, ticking = spent(store), now(), time.thread_time()
        threads, written = _thread_seconds(), recorder.counters()
        curve = _feed(recorder, going_on, seconds)
        after, until, ticked = spent(store), now(), time.thread_time()
        threads_after, committed = _thread_seconds(), recorder.counters()
        lasted = (until - at) / 1e6
        recovery = _end(recorder, going_on)
        behind = delays.of(at, until)
        end = recorder.counters()
        if not end.behind:
            _check(store, end.written, calls)
    return {
        "offered": (committed.accepted + committed.missed - written.accepted) / lasted,
        "committed": (committed.written - written.written) / lasted,
        "behind_median": behind[len(behind) // 2],
        "behind_p99": behind[int(len(behind) * 0.99)],
        "most_behind": max(sample["behind"] for sample in curve),
        "spooled": end.spooled,
        "missed": end.missed,
        "begin_seconds": began,
        "left": end.behind,
        "recovery_seconds": recovery,
        "recovery_rate": (end.written - committed.written) / recovery,
        "memory_mb": max(sample["memory_mb"] for sample in curve),
        "recorder_cores": (after.client - used.client) / lasted,
        "feed_cores": (ticked - ticking) / lasted,
        "threads_cores": {
            name: (threads_after[name] - threads.get(name, 0)) / lasted for name in threads_after
        },
        "postgresql_cores": (after.server - used.server) / lasted,
        "wal_mb": (after.wal - used.wal) / lasted / 1e6,
        "curve": curve,
    }


def _begin(
    recorder: Recorder, frames: Sequence[tuple[Frame, list[str]]], calls: int, before: int
) -> list[Call]:
    """Begin calls, each at another place of the session behind so many frames, some at a time."""
    places = random.Random(7)
    going_on = []
    for first in range(0, calls, _AT_ONCE):
        some = []
        for number in range(first, min(first + _AT_ONCE, calls)):
            its = _frames_of(frames, f"{number:05d}")
            some.append(Call(recorder.session(notes={"by": "tap"}), its))
        left = {call: before + 3 + places.randrange(_MOST_BEFORE) for call in some}
        while left:
            for call, count in left.items():
                for direction, text, _ in islice(call.frames, min(count, _MOST_BEFORE)):
                    call.recorder.record(direction, text)
            for done in [call.recorder.committed() for call in left]:
                done.result(60)
            left = {call: n - _MOST_BEFORE for call, n in left.items() if n > _MOST_BEFORE}
        going_on += some
    return going_on


def _frames_of(frames: Sequence[tuple[Frame, list[str]]], call: str) -> Iterator[Frame]:
    """Yield the frames of a call, with ids of its own, made as they are asked for."""
    for frame, parts in frames:
        yield frame if len(parts) == 1 else frame._replace(text=call.join(parts))


def _cut_at_ids(frame: Frame) -> tuple[Frame, list[str]]:
    """Return a frame with the pieces of its text between which a call's own number goes."""
    text = str(frame.text)
    ends = [found.end() for found in _IDS.finditer(text)]
    return frame, [text[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]


def _feed(recorder: Recorder, calls: list[Call], seconds: float) -> list[dict[str, float]]:
    """Hand over the frames of all calls, a part of the calls at a time, at the pace of `RATE`."""
    parts = [calls[part::_PARTS] for part in range(_PARTS)]
    curve: list[dict[str, float]] = []
    start = time.perf_counter()
    for tick in range(int(seconds * RATE * _PARTS)):
        due = start + tick / RATE / _PARTS
        late = time.perf_counter() - due
        if late < 0:
            time.sleep(-late)
        if tick >= len(curve) * _SAMPLE * RATE * _PARTS:
            curve.append(_sample(recorder, time.perf_counter() - start, max(0.0, late)))
        for call, frames in parts[tick % _PARTS]:
            for direction, text, _ in islice(frames, 1):
                call.record(direction, text)
    time.sleep(max(0.0, start + seconds - time.perf_counter()))
    curve.append(_sample(recorder, time.perf_counter() - start, 0.0))
    return curve


def _sample(recorder: Recorder, at: float, late: float) -> dict[str, float]:
    counters = recorder.counters()
    return {
        "at": at,
        "late": late,
        "accepted": counters.accepted,
        "written": counters.written,
        "behind": counters.behind,
        "spooled": counters.spooled,
        "missed": counters.missed,
        "memory_mb": _memory_mb(),
    }


def _end(recorder: Recorder, calls: list[Call]) -> float:
    """End all calls, and return the seconds until all of them is in the database."""
    start = time.perf_counter()
    for call, _ in calls:
        call.close()
    while recorder._pending.recordings and time.perf_counter() - start < _DEADLINE:
        time.sleep(0.02)
    return time.perf_counter() - start


def _check(store: EventStore, written: int, calls: int) -> None:
    """Check that what counts as written is there, that no call has a gap and all are closed."""
    with store.engine.connect() as connection:
        run = connection.exec_driver_sql
        frames = run("SELECT count(*) FROM events WHERE direction <> 'store'").scalar()
        gaps = run("SELECT count(*) FROM events WHERE type = 'eventstore.session.gap'").scalar()
        streams = run(
            "SELECT count(*), sum(head_seq), count(closed_at), sum(projected_seq) FROM streams"
        ).one()
        events = run("SELECT count(*) FROM events").scalar()
    if (frames, streams[0], streams[2]) != (written, calls, calls):
        raise RuntimeError(f"{frames} of {written} frames, {streams} of {calls} calls")
    if not events == streams[1] == streams[3]:
        raise RuntimeError(f"{events} events, but {streams}")
    progress(f"calls: {calls} calls are whole, with {events} events and {gaps} gaps")


def _thread_seconds() -> dict[str, float]:
    """The processor time of the recorder's threads."""
    return {
        thread.name: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in all_threads()
        if isinstance(thread, Thread) and thread.ident and thread.name.startswith("eventstore-")
    }


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    where, folder, *numbers = sys.argv[1:]
    of_calls, lasting, megabytes, age = numbers
    found = main(where, folder, int(of_calls), float(lasting), int(megabytes), int(age))
    print(json.dumps(found))
