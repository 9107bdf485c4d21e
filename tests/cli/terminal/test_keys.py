"""Unit: keys are told apart, in whatever pieces their bytes come, and hostile bytes are none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.cli.terminal.keys import read_keys


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b" ", ["space"]),
        (b"qn?+", ["q", "n", "?", "+"]),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1bOA\x1bOD", ["up", "left"]),
        (b"\r\n\x7f\x08", ["enter", "enter", "backspace", "backspace"]),
        # Keys that mean nothing here: control-right, F5, delete, Alt-q, a letter of two bytes
        (b"\x1b[1;5C\x1b[15~\x1b[3~\x1bq\xc3\xa9", [""] * 6),
        (b"\x1b\x1b[C", ["escape", "right"]),
        (b"\x00\x01", ["", ""]),
    ],
)
def test_keys_have_names(sent: bytes, keys: list[str]) -> None:
    assert read_keys(sent) == (keys, b"")


@pytest.mark.parametrize("begun", [b"\x1b", b"\x1b[", b"\x1b[1;5", b"\x1bO"])
def test_what_has_only_begun_is_kept_until_nothing_more_comes(begun: bytes) -> None:
    assert read_keys(b"a" + begun) == (["a"], begun)
    assert read_keys(begun, whole=True) == (["escape"], b"")


@given(sent=st.binary(max_size=80), cut=st.integers(0, 80))
@examples(200)
def test_any_bytes_are_taken(sent: bytes, cut: int) -> None:
    keys, rest = read_keys(sent)
    assert len(rest) <= 32 and all(key.isascii() for key in keys)
    assert read_keys(rest, whole=True)[1] == b""


@given(
    sent=st.lists(st.sampled_from([b"q", b" ", b"\x1b[C", b"\x1bOA", b"\x1b[1;5D"]), max_size=10),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
@examples(200)
def test_the_pieces_in_which_bytes_come_do_not_matter(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(sent)
    places = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    keys, rest = [], b""
    for begin, end in pairwise(places):
        more, rest = read_keys(rest + data[begin:end])
        keys += more
    assert (keys, rest) == read_keys(data)
