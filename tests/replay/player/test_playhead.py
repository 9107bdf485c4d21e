"""Unit: a playhead stays within the call, loses no time, and shows what has come due."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import voice_call
from support.examples import examples

from eventstore import Frame
from eventstore.demo import call_lines
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode
from eventstore.replay.player import playhead
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cue_lines import placed_cues
from eventstore.replay.player.cues import cues
from eventstore.replay.player.playhead import CueTrack, Playhead
from eventstore.times import parse_time

KINDS = ("said", "saying", "speaking", "tool_call", "interrupted", "truncated", "error", "closed")
SPEAKERS = ("user", "assistant", "aside", "tool", None)

some_cues = st.lists(
    st.builds(
        Cue,
        seq=st.integers(1, 99),
        at=st.none(),
        offset_ms=st.none() | st.sampled_from([0.0, 5.0]) | st.floats(-100, 10_000),
        kind=st.sampled_from(KINDS),
        speaker=st.sampled_from(SPEAKERS),
        text=st.sampled_from(["", "a", "b "]),
        id=st.sampled_from(["x", "y", "z", None]),
    ),
    max_size=25,
)
# A turn that is not said again may be the only one with a time.
timed_cues = some_cues.filter(lambda found: playhead.cue_track(found).timed)

Action = Callable[[Playhead, float], Playhead | None]
ACTIONS: dict[str, Action] = {
    "advance": playhead.advance,
    "pause": playhead.pause,
    "play": playhead.play,
    "toggle": playhead.toggle,
    "forwards": lambda head, now: playhead.step(head, 1, now),
    "backwards": lambda head, now: playhead.step(head, -1, now),
    "far": lambda head, now: playhead.step(head, 1000, now),
    "faster": playhead.faster,
    "slower": playhead.slower,
    "turn": lambda head, now: playhead.next_of(head, head.track.turns, now),
    "error": lambda head, now: playhead.next_of(head, head.track.errors, now),
    "interruption": lambda head, now: playhead.next_of(head, head.track.interruptions, now),
    "previous": playhead.previous_turn,
    "begin": lambda head, now: playhead.seek(head, -1, now),
    "seek": lambda head, now: playhead.seek(head, 4000, now),
    "end": lambda head, now: playhead.seek(head, 1e12, now),
}
actions = st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.floats(0, 5)), max_size=30)


def script(frames: list[Frame]) -> list[Cue]:
    events = (
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(frames, 1)
    )
    return list(cues(events))


@pytest.fixture(scope="module")
def sample() -> CueTrack:
    """The sample call."""
    entries = [json.loads(line) for line in call_lines()]
    return playhead.cue_track(
        script([Frame(e["direction"], e["frame"], parse_time(e["at"])) for e in entries])
    )


def told(cue: Cue) -> tuple[str, str | None, str]:
    return cue.kind, cue.speaker, cue.text


def check(head: Playhead) -> None:
    """What holds at any time."""
    due, position = head.track.due_ms, head.position
    assert 0 <= position <= len(head.track.pieces)
    assert 0 <= head.moment_ms <= head.track.total_ms
    # The time is that of what is shown, and what is next is not yet due.
    assert position == 0 or due[position - 1] <= head.moment_ms
    assert position == len(due) or head.moment_ms <= due[position]
    assert not head.playing or (head.track.timed and not head.at_end)
    assert head.speed > 0


@given(found=some_cues, done=actions, speed=st.sampled_from([0.01, 0.25, 1, 3, 64, 10_000]))
@examples(300)
def test_whatever_is_done_the_playhead_stays_within_the_call(
    found: list[Cue], done: list[tuple[str, float]], speed: float
) -> None:
    head = playhead.start(playhead.cue_track(found), 100.0, speed)
    now = 100.0
    check(head)
    for name, seconds in done:
        now += seconds
        head = ACTIONS[name](head, now) or head
        check(head)


@given(found=some_cues)
@examples(100)
def test_a_track_is_the_pieces_in_order_and_due_in_order(found: list[Cue]) -> None:
    played = playhead.cue_track(found)
    assert list(played.pieces) == list(placed_cues(found))
    assert len(played.due_ms) == len(played.pieces)
    assert all(first <= second for first, second in pairwise(played.due_ms))
    for piece, due in zip(played.pieces, played.due_ms, strict=True):
        assert due >= (piece.cue.offset_ms or 0)


@given(found=timed_cues, waits=st.lists(st.floats(0, 3), max_size=20))
@examples(100)
def test_playing_shows_exactly_what_is_due(found: list[Cue], waits: list[float]) -> None:
    head = playhead.start(playhead.cue_track(found), 0.0)
    now = 0.0
    for wait in waits:
        now += wait
        head = playhead.advance(head, now)
        assert head.moment_ms == pytest.approx(min(now * 1000, head.track.total_ms))
        assert head.position == bisect_right(head.track.due_ms, head.moment_ms)
        assert head.playing == (not head.at_end)


@given(found=timed_cues, speed=st.sampled_from([0.25, 1, 8]))
@examples(100)
def test_waiting_as_long_as_it_says_shows_the_next(found: list[Cue], speed: float) -> None:
    head = playhead.start(playhead.cue_track(found), 0.0, speed)
    now = 0.0
    while (wait := playhead.due_in(head)) is not None:
        early = playhead.advance(head, now + wait * 0.9)
        assert wait == 0 or early.position == head.position
        now += wait + 1e-6
        following = playhead.advance(head, now)
        assert following.position > head.position
        head = following
    assert head.at_end


@given(found=timed_cues, first=st.floats(0, 5), paused=st.floats(0, 50), second=st.floats(0, 5))
@examples(100)
def test_a_pause_loses_no_time(
    found: list[Cue], first: float, paused: float, second: float
) -> None:
    begun = playhead.start(playhead.cue_track(found), 0.0)
    whole = playhead.advance(begun, first + second)
    head = playhead.pause(begun, first)
    if head.at_end:
        return
    standing = playhead.advance(head, first + paused)
    assert (standing.position, standing.moment_ms) == (head.position, head.moment_ms)
    head = playhead.play(standing, first + paused)
    head = playhead.advance(head, first + paused + second)
    assert head.moment_ms == pytest.approx(whole.moment_ms)


@given(found=timed_cues, seconds=st.floats(0, 5), up=st.integers(0, 9), down=st.integers(0, 9))
@examples(100)
def test_a_change_of_speed_does_not_jump(
    found: list[Cue], seconds: float, up: int, down: int
) -> None:
    changed = playhead.start(playhead.cue_track(found), 0.0)
    head = playhead.advance(changed, seconds)
    for _ in range(up):
        changed = playhead.faster(changed, seconds)
    for _ in range(down):
        changed = playhead.slower(changed, seconds)
    changed = playhead.advance(changed, seconds)
    assert (changed.position, changed.moment_ms) == (head.position, head.moment_ms)
    later = playhead.advance(changed, seconds + 1)
    if not head.at_end:
        wanted = min(head.moment_ms + 1000 * changed.speed, head.track.total_ms)
        assert later.moment_ms == pytest.approx(wanted)


def test_speeds_double_and_halve_within_limits() -> None:
    head = playhead.start(playhead.cue_track(script(voice_call().frames)), 0.0)
    speeds = [head.speed]
    for _ in range(10):
        head = playhead.faster(head, 0.0)
        speeds.append(head.speed)
    assert speeds == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64]
    for _ in range(20):
        head = playhead.slower(head, 0.0)
    assert head.speed == 0.25
    quick = playhead.start(head.track, 0.0, 10_000)
    assert playhead.faster(quick, 0.0).speed == 10_000
    assert playhead.slower(quick, 0.0).speed == 5000


def test_steps_pause_and_go_one_by_one(sample: CueTrack) -> None:
    head = playhead.start(sample, 0.0)
    for wanted in (2, 3, 4):
        head = playhead.step(head, 1, 0.0)
        assert (head.position, head.playing) == (wanted, False)
        assert head.moment_ms == sample.due_ms[wanted - 1]
    for wanted in (3, 2, 1, 0, 0):
        head = playhead.step(head, -1, 0.0)
        assert head.position == wanted


def test_turns_are_where_the_floor_changes(sample: CueTrack) -> None:
    found = [sample.pieces[place].cue for place in sample.turns]
    assert [(cue.speaker, cue.kind) for cue in found] == [
        ("user", "speaking"),
        ("assistant", "tool_call"),
        ("user", "speaking"),
        ("assistant", "saying"),
        ("user", "speaking"),
        ("assistant", "saying"),
        ("user", "speaking"),
        ("assistant", "saying"),
    ]


def test_interruptions_are_those_that_the_session_counts(sample: CueTrack) -> None:
    found = [sample.pieces[place].cue.kind for place in sample.interruptions]
    assert found == ["truncated", "interrupted"]


def test_errors_are_found() -> None:
    ended = [
        Cue(1, None, None, "response_ended", None, text, None)
        for text in ("failed no way", "cancelled client_cancelled", "incomplete content_filter")
    ]
    others = [Cue(2, None, None, kind, None, "x") for kind in ("error", "unreadable", "closed")]
    assert playhead.cue_track([*ended, *others]).errors == (0, 2, 3, 4)


def test_going_to_the_next_visits_all_and_then_none(sample: CueTrack) -> None:
    head: Playhead | None = playhead.pause(playhead.start(sample, 0.0), 0.0)
    visited = []
    while head is not None:
        visited.append(head.position - 1)
        head = playhead.next_of(head, sample.turns, 0.0)
    assert visited[1:] == list(sample.turns)


def test_going_back_visits_all_turns_and_the_beginning(sample: CueTrack) -> None:
    head = playhead.seek(playhead.pause(playhead.start(sample, 0.0), 0.0), 1e9, 0.0)
    visited = []
    while head.position:
        head = playhead.previous_turn(head, 0.0)
        visited.append(head.position - 1)
    assert visited == [*reversed(sample.turns), -1]


def test_going_back_while_playing_does_not_stick_at_a_turns_beginning(sample: CueTrack) -> None:
    third, second = sample.turns[2], sample.turns[1]
    head = playhead.seek(playhead.start(sample, 0.0), sample.due_ms[third] + 1500, 0.0)
    head = playhead.previous_turn(head, 0.0)
    assert head.playing and head.moment_ms == sample.due_ms[third]
    head = playhead.previous_turn(head, 0.2)
    assert head.playing and head.moment_ms == sample.due_ms[second]


def test_playing_at_the_end_begins_again(sample: CueTrack) -> None:
    head = playhead.advance(playhead.start(sample, 0.0), 1000.0)
    assert head.at_end and not head.playing and head.moment_ms == sample.total_ms
    head = playhead.toggle(head, 2000.0)
    assert head.playing and (head.position, head.moment_ms) == (1, 0.0)


def test_without_times_it_stands_and_steps() -> None:
    untimed = [frame._replace(at=None) for frame in voice_call().frames]
    head = playhead.start(playhead.cue_track(script(untimed)), 0.0)
    assert (head.position, head.playing, playhead.due_in(head)) == (1, False, None)
    assert playhead.advance(playhead.toggle(head, 1.0), 100.0).position == 1
    assert playhead.step(head, 1, 1.0).position == 2
    turn = playhead.next_of(head, head.track.turns, 1.0)
    assert turn is not None and told(head.track.pieces[turn.position - 1].cue)[0] == "speaking"


def test_a_session_without_cues_is_at_its_end() -> None:
    head = playhead.start(playhead.cue_track([]), 0.0)
    assert head.at_end and not head.playing
    for action in ACTIONS.values():
        assert (action(head, 1.0) or head).position == 0
