"""Unit: words are placed in their turn, in order, and where there is sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eventstore.archive.word_times import word_times

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
    found = word_times(words, spans, np.array(loud, np.float32), 10.0)
    heard = [span for span in spans if span[0] < span[1]]
    assert len(found) == (len(words) if heard else 0)
    assert all(first <= second for first, second in pairwise(found))
    for moment in found:
        assert any(start <= moment <= end for start, end in heard)


def test_a_pause_holds_no_words() -> None:
    # Four seconds, of which the second and the third are silent.
    loudness = np.repeat(np.array([1, 0, 0, 1], np.float32), 10)
    found = word_times(["aaa", "bbb", "ccc", "ddd"], [(0.0, 4.0)], loudness, 10.0)
    assert found[0] == 0.0
    assert 0.3 <= found[1] <= 0.7
    assert 2.9 <= found[2] <= 3.2
    assert 3.3 <= found[3] <= 3.7


def test_without_sound_words_share_the_time() -> None:
    found = word_times(["aa", "bb", "cc"], [(10.0, 13.0)], np.zeros(0, np.float32), 50.0)
    assert [round(moment, 1) for moment in found] == [10.0, 11.0, 12.0]
