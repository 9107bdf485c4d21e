"""Unit: words are placed in their turn, in order, and where there is sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eventstore.exports.word_times import estimated_word_times, server_word_times

words = st.lists(st.text(min_size=1, max_size=12), max_size=40)
lengths = st.floats(0, 20, allow_subnormal=False)


@given(words=words, steps=st.lists(st.tuples(lengths, lengths), max_size=4), data=st.data())
def test_words_lie_in_their_turn_and_in_order(
    words: list[str], steps: list[tuple[float, float]], data: st.DataObject
) -> None:
    spans, now = [], 0.0
    for pause, length in steps:
        spans.append((now + pause, now + pause + length))
        now += pause + length
    loud = data.draw(st.lists(st.floats(0, 1, width=32), max_size=60))
    found = estimated_word_times(words, spans, np.array(loud, np.float32), 10.0)
    heard = [span for span in spans if span[0] < span[1]]
    assert len(found) == (len(words) if heard else 0)
    assert all(first <= second for first, second in pairwise(found))
    for moment in found:
        assert any(start <= moment <= end for start, end in heard)


def test_a_pause_holds_no_words() -> None:
    # Four seconds, of which the second and the third are silent.
    loudness = np.repeat(np.array([1, 0, 0, 1], np.float32), 10)
    found = estimated_word_times(["aaa", "bbb", "ccc", "ddd"], [(0.0, 4.0)], loudness, 10.0)
    assert found[0] == 0.0
    assert 0.3 <= found[1] <= 0.7
    assert 2.9 <= found[2] <= 3.2
    assert 3.3 <= found[3] <= 3.7


def test_without_sound_words_share_the_time() -> None:
    for unknown_or_silent in (0, 700):
        loudness = np.zeros(unknown_or_silent, np.float32)
        found = estimated_word_times(["aa", "bb", "cc"], [(10.0, 13.0)], loudness, 50.0)
        assert [round(moment, 1) for moment in found] == [10.0, 11.0, 12.0]


def test_words_are_where_the_server_told() -> None:
    told = [("Hello", 0.0, 400.0), ("there,", 500.0, 900.0), ("you", 1200.0, 1500.0)]
    spans = [(10.0, 11.0), (13.0, 14.0)]  # heard in two stretches
    found = server_word_times(["Hello", "there,", "you"], spans, told)
    assert np.allclose(found, [10.0, 10.5, 13.2])
    # A segment's words are spread over it; a text that differs a little is no fault.
    found = server_word_times(
        ["one", "two", "three!"],
        [(0.0, 9.0)],
        [("one two", 0.0, 2000.0), ("three", 4000.0, 5000.0)],
    )
    assert found[0] < 0.01 and 0.8 < found[1] < 1.3 and 3.0 < found[2] <= 4.2


@given(
    words=words,
    spans=st.lists(st.tuples(lengths, lengths), max_size=3),
    told=st.lists(st.tuples(st.text(max_size=9), lengths, lengths), max_size=9),
)
def test_whatever_a_server_tells_words_stay_in_order(
    words: list[str], spans: list[tuple[float, float]], told: list[tuple[str, float, float]]
) -> None:
    ends = np.cumsum([pause + length for pause, length in spans])
    heard = [
        (float(end) - length, float(end)) for end, (_, length) in zip(ends, spans, strict=True)
    ]
    timed = [(said, at * 1000, (at + lasts) * 1000) for said, at, lasts in told]
    found = server_word_times(words, heard, timed)
    assert len(found) in (0, len(words))
    assert all(first <= second for first, second in pairwise(found))
