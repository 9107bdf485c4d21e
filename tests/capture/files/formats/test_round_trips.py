"""Properties: what a tool wrote of a call is read as that call, and any damage is told."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard
from capture.files.formats.written import CALL, WRITTEN, Written, calls, read
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import Frame

each_format = pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)


def expected(call: list[Frame], written: Written) -> list[tuple[object, ...]]:
    if written.format == "langsmith":
        call = sorted(call, key=lambda frame: frame.at or 0)
    return [seen(frame, written) for frame in call]


def seen(frame: Frame, written: Written) -> tuple[object, ...]:
    event = json.loads(frame.text)
    event.pop("timestamp", None)
    said = frame.text if written.exact else json.dumps(event)
    return frame.direction, said, frame.at if written.times else None


def is_one_line(reason: str) -> None:
    assert reason and "\n" not in reason


@each_format
@given(call=calls())
@examples(20)
def test_a_call_is_read_as_it_was(written: Written, call: list[Frame]) -> None:
    found = read(written.write(call))
    assert found.format == written.format
    assert found.bad == [] and found.warnings == list(written.hints)
    assert [seen(frame, written) for frame in found.frames] == expected(call, written)


@each_format
def test_a_byte_order_mark_is_no_part_of_a_file(written: Written) -> None:
    content = written.write(CALL)
    assert read(b"\xef\xbb\xbf" + content) == read(content)


@each_format
@given(call=calls(), packed=st.sampled_from([gzip.compress, zstandard.compress]))
@examples(5)
def test_a_packed_file_is_read_as_what_is_in_it(
    written: Written, call: list[Frame], packed: object
) -> None:
    content = written.write(call)
    assert read(packed(content)) == read(content)  # type: ignore[operator]


@each_format
@given(
    call=calls(),
    packed=st.sampled_from([bytes, bytes, gzip.compress, zstandard.compress]),
    place=st.floats(0, 1),
    length=st.integers(0, 40),
    instead=st.binary(max_size=20) | st.text("{}[]\",:\\\n \t-<>&*!|#'0e", max_size=12),
)
@examples(25)
def test_damage_gives_frames_or_what_is_wrong(
    written: Written,
    call: list[Frame],
    packed: object,
    place: float,
    length: int,
    instead: bytes | str,
) -> None:
    content = packed(written.write(call))  # type: ignore[operator]
    at = int(place * len(content))
    put = instead.encode() if isinstance(instead, str) else instead
    try:
        found = read(content[:at] + put + content[at + length :])
    except InvalidInputError as error:
        is_one_line(str(error))
    else:
        for bad in found.bad:
            is_one_line(bad.reason)


@given(
    content=st.binary(max_size=80),
    name=st.sampled_from(sorted({one.format for one in WRITTEN.values()})),
)
@examples(150)
def test_anything_in_any_format_gives_frames_or_what_is_wrong(content: bytes, name: str) -> None:
    try:
        read(content, name)
    except InvalidInputError as error:
        is_one_line(str(error))


@given(
    head=st.sampled_from(
        [b"- ", b"a: ", b"interactions:\n- ", b"---\n", b"direction,data\n", b"< "]
    ),
    content=st.text("{}[]\"',:\\\n -<>&*!|#a10.e%@`?~", max_size=40),
)
@examples(150)
def test_anything_behind_a_formats_beginning_gives_frames_or_what_is_wrong(
    head: bytes, content: str
) -> None:
    try:
        read(head + content.encode())
    except InvalidInputError as error:
        is_one_line(str(error))
