"""Unit: secrets that are split over words with their times are masked, and the words stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.realtime.masking.mask import mask_frame, mask_value, secret_spans
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.realtime.masking.secret_names import REMOVED

Json = dict[str, Any]
#: Words that are secret together, and what is left of them.
SPLIT = [
    (
        [" password", " =", "Zq9xK0", "44vB7nM2pL4sT8", " ok"],
        [" password", " =", REMOVED, REMOVED, " ok"],
    ),
    (["my password", "=Zq9xK0", "44vB7 ok"], ["my password", f"={REMOVED}", f"{REMOVED} ok"]),
    (
        ["sk-proj-Zq9x", "K044vB7nM2pL4", "sT8Zq9xK0", " is it"],
        [REMOVED, REMOVED, REMOVED, " is it"],
    ),
    (["s", "k-pr", "oj-Zq9xK044vB7", ", bye"], [REMOVED] * 3 + [", bye"]),
    (["The", "password", "is", "Zq9xK044vB7"], ["The", "password", "is", REMOVED]),
    (["api_key=Zq9xK044vB7 and", "more"], [f"api_key={REMOVED} and", "more"]),
    (["Bearer", "Zq9xK044vB7nM2pL4sT8", "so"], ["Bearer", REMOVED, "so"]),
    (
        ["the password", " is", " not here", "", "123"],
        ["the password", " is", " not here", "", "123"],
    ),
]
split = pytest.mark.parametrize(("words", "left"), SPLIT)


def item_of(words: list[str], name: str = "timed_words") -> Json:
    timed = [{"text": word, "start_ms": n * 10, "end_ms": 5} for n, word in enumerate(words)]
    return {
        "id": "item_1",
        "text": "k",
        "eventstore": {"audio": [], name: timed, "text": "=Zq9xK04"},
    }


@split
@pytest.mark.parametrize("name", ["timed_words", "words", "phrases"])
def test_each_word_with_a_part_of_a_secret_is_masked(
    words: list[str], left: list[str], name: str
) -> None:
    item = item_of(words, name)
    assert mask_value(item) == item_of(left, name)
    assert item == item_of(words, name)
    for padding in ("", "x" * 3000):
        text = json.dumps({**item, "padding": padding})
        clean, count = mask_frame(text)
        assert json.loads(clean) == {**item_of(left, name), "padding": padding}
        assert count == sum("[" in word for word in left)
        assert mask_frame(clean).text == clean


def test_words_of_two_items_are_not_joined() -> None:
    items = [item_of([" my", " password ="]), item_of(["Zq9xK044vB7", " ok"])]
    assert mask_value(items) == items
    assert mask_frame(json.dumps(items)).secrets == 0


def test_odd_lists_of_words_are_read_as_far_as_they_go() -> None:
    odd: list[Any] = ["password", {"text": ["="]}, {"text": 3}, [{"text": "Zq9x"}], {}, None]
    secret = [{"text": "password ="}, *odd, {"text": "Zq9xK0"}, {"text": "44vB7nM2"}]
    for clean in (
        mask_value({"timed_words": secret}),
        json.loads(mask_frame(json.dumps({"timed_words": secret})).text),
    ):
        assert clean["timed_words"][-2:] == [{"text": REMOVED}] * 2
        assert clean["timed_words"][1:-2] == odd
    cut = json.dumps({"timed_words": secret[-1:] + secret})[:-2]
    assert "Zq9x" not in str(mask_frame(cut).text).replace('[{"text": "Zq9x"}]', "")


@given(st.lists(st.sampled_from(["password", "=", " is ", "Zq9xK0", "44vB7", "sk-", "ok", '"\\'])))
def test_words_keep_no_part_of_what_is_secret_together(words: list[str]) -> None:
    clean = mask_value(item_of(words))
    assert json.loads(mask_frame(json.dumps(item_of(words))).text) == clean
    left = [one["text"] for one in clean["eventstore"]["timed_words"]]
    for glue in ("", " "):
        joined, begin = glue.join(words), 0
        kept = list(range(len(joined)))
        for start, stop in secret_spans(joined):
            kept[start:stop] = [-1] * (stop - start)
        for word, now in zip(words, left, strict=True):
            if -1 in kept[begin : begin + len(word)]:
                assert REMOVED in now
            begin += len(word) + len(glue)


@split
@pytest.mark.parametrize(
    "type_",
    ["response.audio_timestamp.delta", "conversation.item.input_audio_transcription.segment"],
)
def test_words_that_come_one_by_one_are_masked_in_their_frames(
    words: list[str], left: list[str], type_: str
) -> None:
    mask, told = SessionMask(), []
    for word in words:
        event = {"type": type_, "item_id": "item_1", "text": word, "delta": "x"}
        told.append(json.loads(mask.mask(json.dumps(event)).text))
    assert all(event["delta"] == "x" for event in told)
    kept = "".join(event["text"] for event in told)
    assert "44vB7" not in kept and "K044" not in kept
    if not any(REMOVED in word for word in left):
        assert [event["text"] for event in told] == words
