"""Unit: calls that a benchmark hands over to a recorder at once have ids of their own."""

from __future__ import annotations

import re
from itertools import islice

from benchmarks import sessions
from benchmarks.live_calls import _cut_at_ids, _frames_of
from eventstore.realtime.frames import parse

_IDS = re.compile(r'"((?:event|item|resp|call|conv|sess)_[^"]*[0-9][^"]*)"')


def test_each_call_has_ids_of_its_own() -> None:
    frames = [_cut_at_ids(frame) for frame in sessions.voice(600)]
    one, other = (list(islice(_frames_of(frames, call), 600)) for call in ("00001", "00002"))
    ids = [set(_IDS.findall("".join(str(frame.text) for frame in call))) for call in (one, other)]
    assert len(ids[0]) == len(ids[1]) > 100
    assert ids[0].isdisjoint(ids[1])
    assert all(parse(str(frame.text)) is not None for frame in one)


def test_a_call_without_its_number_is_the_sample_call() -> None:
    frames = sessions.voice(600)
    cut = [_cut_at_ids(frame) for frame in frames]
    assert list(_frames_of(cut, "")) == frames
